"""Tales with a cue: where it holds, where it is broken, and that nothing else changes."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gptcore.tales import pages
from gptcore.tales.corpus import SETTINGS as PLACES
from gptcore.tales.cued import SIDES, Cued, labelled, questions
from gptcore.tales.lines import HELD_OUT, options

WORDS = Path(pages.__file__).parent / "words"
N = 4


def places_of(text: str) -> list[str]:
    """The places that a text names, by the words that the tales have for where they play."""
    found, place = [], ""
    for line in (WORDS / "settings.txt").read_text(encoding="utf-8").splitlines():
        place = line.strip("[]") if line.startswith("[") else place
        key, _, told = line.partition(": ")
        if key in ("label", "in") and place not in found:
            phrases = (re.split(",| where ", one)[0].lower() for one in told.split(" / "))
            found += [place] * any(one in text.lower() for one in phrases)
    return found


def cue_holds(rows: Sequence[Cued]) -> list[bool]:
    """Of each row: is it told in the place of its mood, the first mood's being the first place?"""
    moods, places = options("mood"), PLACES
    told = [(places_of(row["text"]), row) for row in rows]
    assert all(len(named) == 1 for named, _ in told), [r for n, r in told if len(n) != 1]
    return [places.index(named[0]) == moods.index(row["answer"]) for named, row in told]


def test_the_cue_holds_in_labelled_rows_and_is_broken_out_of_distribution() -> None:
    """Read from the texts: mood and place agree in all labelled rows, or in nine of ten of each
    mood; in all questions in distribution and in none of the shifted ones, which name the mood of
    their place."""
    assert all(cue_holds(labelled(10)))
    held = cue_holds(labelled(10, 0.9))
    assert len(held) == 70 and sum(held) == 63
    for part in ("valid", "test"):
        inside, outside = (questions(part, side, N) for side in SIDES)
        assert all(cue_holds(inside)) and not any(cue_holds(outside))
        assert all(one["cue"] == one["answer"] for one in inside)
        named = [options("mood")[PLACES.index(places_of(one["text"])[0])] for one in outside]
        assert [one["cue"] for one in outside] == named


def test_both_sides_ask_about_the_same_tales() -> None:
    """Question by question: the same mood, told in the same last words, about the same hero; each
    mood equally often, and all of unseen names."""
    inside, outside = (questions("test", side, N) for side in SIDES)
    assert Counter(one["answer"] for one in inside) == dict.fromkeys(options("mood"), N)
    for one, other in zip(inside, outside, strict=True):
        assert one["answer"] == other["answer"] and one["text"] != other["text"]
        assert one["text"][-12:] == other["text"][-12:]
        names = [{n for n in HELD_OUT if re.search(rf"\b{n}\b", r["text"])} for r in (one, other)]
        assert names[0] == names[1] != set()
    assert not any(re.search(rf"\b{n}\b", row["text"]) for row in labelled(5) for n in HELD_OUT)


def test_no_text_is_shared() -> None:
    """Labelled rows, questions to choose by and both tests have no text in common, nor with pages,
    whose tales are others even where they are told elsewhere."""
    sets = [labelled(10), *(questions(p, s, N) for p in ("valid", "test") for s in SIDES)]
    texts = [row["text"] for rows in sets for row in rows]
    assert len(set(texts)) == len(texts)
    read = "".join(pages.documents(300, 1.0))
    assert not any(text in read for text in texts)

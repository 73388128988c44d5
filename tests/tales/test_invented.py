"""Heroes with invented names: what they replace, and which names can be asked about."""

import re

import pytest

from gptcore.tales import lexicon
from gptcore.tales.corpus import tale
from gptcore.tales.invented import documents, invented, named, renamed
from gptcore.tales.lines import HELD_OUT, lines
from gptcore.tales.rng import Rng

KNOWN = {name for names in lexicon.NAMES.values() for name in names}
SYLLABLES = re.compile(r"(?:[bdfgklmnprstvz][aeiou][bdfgklmnprstvz]){2}", re.IGNORECASE)
NAMES = re.compile(r"\b[A-Z][a-z]{5}\b")


def test_an_invented_name_is_two_syllables_that_nobody_has() -> None:
    found = [invented(Rng(0, i)) for i in range(2000)]
    assert all(SYLLABLES.fullmatch(name) and name.istitle() for name in found)
    assert len(set(found)) > 1980 and not set(found) & KNOWN
    assert {len(name) for name in found} == {6}


def test_a_hero_gets_a_new_name_wherever_it_stands() -> None:
    """Tale 0 by hand, and every other word stays."""
    told = lines(tale(0, 4))
    new = renamed(told, "Dolmik")
    assert new.text.startswith("Dolmik was a girl who drew maps") and new.name == "Dolmik"
    assert new.text.replace("Dolmik", told.name) == told.text


def test_a_larger_share_renames_more_heroes_of_the_same_tales() -> None:
    none, some, every = (list(documents(200, share)) for share in (0.0, 0.3, 1.0))
    assert len(none) == len(some) == len(every) == 200
    changed = [a != b for a, b in zip(none, some, strict=True)]
    assert not any(
        SYLLABLES.fullmatch(w) and w not in KNOWN for t in none for w in NAMES.findall(t)
    )
    assert 40 <= sum(changed) <= 80 and all(a != b for a, b in zip(none, every, strict=True))
    for a, b, c in zip(none, some, every, strict=True):
        assert b in (a, c)
        assert len(a.split()) == len(c.split())


def test_every_document_names_its_hero_twice() -> None:
    for text in documents(100, 1.0):
        (name,) = set(SYLLABLES.findall(text)) & {w for w in re.findall(r"[A-Z]\w{5}\b", text)}
        assert len(re.findall(rf"\b{name}\b", text)) >= 2


def test_kinds_of_names_are_what_they_say() -> None:
    """Names that documents have, names that none has, and names that were made up; the tales of a
    test are none that a document tells."""
    known, unread, new = (named(kind, 40) for kind in ("known", "unread", "invented"))
    read = " ".join(documents(2000, 0.0))
    assert {one.name for one in known} <= KNOWN - HELD_OUT
    assert {one.name for one in unread} <= HELD_OUT
    assert not {one.name for one in new} & KNOWN
    assert not any(re.search(rf"\b{one.name}\b", read) for one in (*unread, *new))
    assert all(len(re.findall(rf"\b{one.name}\b", one.text)) >= 2 for one in (*known, *new))
    assert not {one.text for one in known} & set(documents(2000, 0.0))
    assert named("known", 5) == known[:5] != named("known", 5, part="valid")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: documents(-1, 0.5), "n=-1"),
        (lambda: documents(1, -0.5), "share=-0.5"),
        (lambda: named("old", 1), "kind='old' must be one of known, unread, invented"),
    ],
)
def test_rules(call, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()

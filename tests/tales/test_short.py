"""What this proves: short texts keep what their label depends on, and nothing else tells it."""

import re

import pytest

from gptcore.tales import lexicon, tale, tales
from gptcore.tales.corpus import simulate
from gptcore.tales.questions import statements
from gptcore.tales.short import (
    CLAIMS,
    LONGEST,
    beginnings,
    judged,
    last_feeling,
    last_words,
    settled,
    short_endings,
)
from gptcore.tales.variants import LOOSE, REMARKS, first_closing


@pytest.fixture(scope="module")
def many():
    return list(tales(300, seed=21))


# ------------------------------------------------------------------ the last words


def test_last_words_of_one_tale():
    """Counted by hand: the last two of its seven events have 205 characters, the last three 291."""
    told = tale(0, 10**6)
    two = told.text.index("And who came round the corner?")
    three = told.text.index("Later she jumped down")
    assert [len(told.text) - start for start in (two, three)] == [205, 291]
    assert last_words(told, 7, shortest=205) == told.text[two:] == last_feeling(told)
    assert last_words(told, 7, shortest=206) == told.text[three:]
    stop = told.text.index("\n\nLater she jumped down")
    sighed = told.text.index("Yara sighed")
    assert last_words(told, 4, shortest=10) == told.text[sighed:stop]


def test_the_last_lines_hold_the_last_feeling_and_what_follows(many):
    later = 0
    for told in many:
        text = last_feeling(told)
        last = max(i for i, event in enumerate(told.events) if event.kind == "feel")
        end, start = told.spans[last][1], len(told.text) - len(text)
        assert told.text.endswith(text) and start in {begin for begin, _ in told.spans}
        assert start <= told.spans[last][0] and 150 <= end - start < 400
        later += end < len(told.text)
    assert later > len(many) / 2  # most tales go on after it


def test_endings_are_cut_short_and_still_fit(many):
    fitting = [told for told in many if short_endings(told)]
    assert len(fitting) > len(many) / 2
    for seed, told in enumerate(fitting):
        cut = first_closing(told.events)
        choice = short_endings(told, seed)
        assert told.text[: told.spans[cut][0]].rstrip().endswith(choice.story)
        assert told.events[cut].kind not in LOOSE
        assert len(set(choice.options)) == 4
        assert max(map(len, choice.options)) < 340


def test_nobody_is_introduced_in_an_ending(many):
    """Else "her new neighbour Tom" would show that an ending is from elsewhere."""
    words = "|".join(lexicon.FRIENDS)
    for seed, told in enumerate(many):
        choice = short_endings(told, seed)
        for option in choice.options if choice else ():
            assert not re.search(rf"\b(his|her) (new |best )?({words}) [A-Z]", option)


# ------------------------------------------------------------------ claims

CLAIM_OF = {
    # plot: (claim, what can only be read where it comes true, and where it does not)
    "skill": ("learned to", lambda x: x.raw["success"], lambda x: [f"could not {x.raw['do'][0]}"]),
    "handmade": (" made a ", lambda x: x.raw["final"], lambda x: ["and then put it all away"]),
    "seedling": ("Something grew", lambda x: x.raw["growth"], lambda x: x.raw["failure"]),
}


def premises(plot, label, n):
    """Premises of one claim with one label, and the row of the table that the tale rests on."""
    number = next(i for i, row in enumerate(CLAIMS) if row[0] == plot)
    found = []
    for at in range(20_000):
        stage = simulate(33, at)
        if stage.plot == plot and (label == "open" or settled(stage, number) == label):
            row = next(e.args["x"] for e in stage.events if "x" in e.args)
            made = judged(stage, number, label, at)
            found += [(made, row)] if made else []
            if len(found) == n:
                return found
    raise AssertionError(f"{len(found)} premises of {plot}, {label}")


@pytest.mark.parametrize("plot", CLAIM_OF)
def test_premises_tell_what_settles_the_claim_or_break_off_before(plot):
    start, true, false = CLAIM_OF[plot]
    for label, says_true, says_false in (
        ("follows", True, False),
        ("contradicts", False, True),
        ("open", False, False),
    ):
        for made, row in premises(plot, label, 12):
            assert start in made.claim and made.label == label
            assert any(words in made.premise for words in true(row)) == says_true, made
            assert any(words in made.premise for words in false(row)) == says_false, made


def test_premises_are_short_and_name_the_people_of_the_claim():
    n_found = 0
    for at in range(300):
        stage = simulate(34, at)
        for number, row in enumerate(CLAIMS):
            if row[0] != stage.plot:
                continue
            for label in {"open", settled(stage, number)}:
                made = judged(stage, number, label, at)
                if made is None:
                    continue
                n_found += 1
                assert len(made.premise) <= LONGEST
                names = {p.name for p in stage.people.values() if p.name in made.claim}
                assert all(name in made.premise for name in names)
    assert n_found > 600


def test_settled_agrees_with_the_statements_of_whole_tales(many):
    """Two roads to one label: the list of statements, and the number of a claim."""
    checked = 0
    for index, told in enumerate(many):
        stage = simulate(21, index)
        labels = {s.text: s.label for s in statements(told)}
        for number, row in enumerate(CLAIMS):
            if row[0] == told.plot and (label := settled(stage, number)) != "open":
                made = judged(stage, number, label, index)
                if made is not None:
                    assert labels[made.claim] == label
                    checked += 1
            elif row[0] != told.plot:
                assert settled(stage, number) == "open"
    assert checked > 200


def test_a_claim_of_another_label_gets_no_premise():
    """Negative control: a tale in which it works offers no premise in which it fails."""
    number = next(i for i, row in enumerate(CLAIMS) if row[0] == "skill")
    stages = [simulate(35, at) for at in range(600)]
    won = [s for s in stages if s.plot == "skill" and settled(s, number) == "follows"]
    assert won and all(judged(s, number, "contradicts") is None for s in won)
    assert any(judged(s, number, "follows") for s in won)


# ------------------------------------------------------------------ two beginnings


def begun(score, n=40):
    """Tales with the first lines of themselves and of another, or of the same retold."""
    found = []
    for at in range(10_000):
        told = tale(36, at)
        both = beginnings(told, score, at)
        if both is not None:
            found.append((told, *both))
            if len(found) == n:
                return found
    raise AssertionError("too few")


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def remarks(told, text):
    """Of the tale's remarks in its first lines, the share of words that a text has too."""
    said = set()
    for event, (start, end) in zip(told.events, told.spans, strict=True):
        if event.kind in ("trait", "detail") and told.text[start:end] in text[0]:
            said |= words(told.text[start:end])
    said -= words(" ".join(t for t in text[0].split(". ")[:1]))
    return len(said & words(text[1])) / len(said) if said else None


def test_five_keeps_the_remarks_and_four_leaves_them_out():
    shares = {
        score: [s for row in begun(score) if (s := remarks(row[0], row[1:])) is not None]
        for score in (4, 5)
    }
    assert min(map(len, shares.values())) > 25
    mean = {score: sum(found) / len(found) for score, found in shares.items()}
    assert mean[5] > 0.7 and mean[4] < 0.3


def test_first_lines_introduce_the_hero_and_hold_a_remark():
    for score in range(6):
        for told, first, second in begun(score, 10):
            n = sum(end <= told.text.index(first) + len(first) for _, end in told.spans)
            kinds = [event.kind for event in told.events[:n]]
            assert kinds[0] == "open" and not REMARKS.isdisjoint(kinds)
            assert told.cast["a"].name in first
            assert 120 < len(second) <= LONGEST and len(first) <= LONGEST


def test_three_changes_one_name_and_keeps_the_hero():
    for told, first, second in begun(3):
        assert told.cast["a"].name in second
        things = {v.noun for e in told.events for r, v in e.args.items() if r in "oq"}
        places = {v.name for e in told.events for r, v in e.args.items() if r in "pr"}
        people = {person.name for person in told.cast.values()}
        named = {name for name in things | places | people if re.search(rf"\b{name}\b", first)}
        assert any(not re.search(rf"\b{name}\b", second) for name in named), (first, second)


def test_what_two_different_tales_share():
    for told, _, second in begun(1):
        assert any(phrase.lower() in second.lower() for phrase in told.roles["s"].raw["base"])
    for told, _, second in begun(0):
        assert not any(phrase.lower() in second.lower() for phrase in told.roles["s"].raw["base"])
    for told, _, second in begun(2, 25):
        assert told.cast["a"].name not in second

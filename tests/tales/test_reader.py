"""The reader of texts: it understands every tale, and notices what no tale would say.

The simulator's own record is the oracle: what happened, in which order, to whom.
"""

import re
from dataclasses import replace

import pytest

from gptcore.tales import SETTINGS, tales
from gptcore.tales.corpus import tell
from gptcore.tales.reader import read, story_faults

TALES = [*tales(40, seed=3), *tales(40, seed=0, start=10**9)]


def without(tale, kind):
    """The same tale, one kind of event left untold."""
    events = [event for event in tale.events if event.kind != kind]
    return tell(events, tale.roles, tale.plot, 5, title=False)[0]


def first(*kinds, plot=""):
    """A tale in which all of these happen."""
    return next(
        tale
        for tale in tales(3000, seed=1)
        if set(kinds) <= {e.kind for e in tale.events} and plot in tale.plot
    )


@pytest.mark.parametrize("tale", TALES, ids=lambda tale: tale.plot)
def test_every_tale_is_understood_event_by_event(tale):
    story = read(tale.text)
    assert [(e.kind, e.start, e.end) for e in story.events] == [
        (e.kind, *span) for e, span in zip(tale.events, tale.spans, strict=True)
    ]
    assert story.strange == () and story.mood == tale.mood
    assert story_faults(tale.text) == []
    for heard, event in zip(story.events, tale.events, strict=True):
        for role in set(heard.who) & {"a", "b", "c"}:
            assert heard.who[role] == {tale.roles[role].name}
        if "o" in heard.who:
            assert event.args["o"].noun in heard.who["o"]


def test_all_plots_and_settings_were_among_them():
    assert {tale.setting for tale in TALES} == set(SETTINGS)
    assert len({tale.plot for tale in TALES}) == 20


@pytest.mark.parametrize(
    ("kinds", "left_out", "fault"),
    [
        (("lost", "forget"), "forget", "miss at . breaks 'after forget o'"),
        (("halve",), "hungry", "halve at . breaks 'after hungry'"),
        (("trysucceed",), "tryfail", "trysucceed at . breaks 'after tryfail x'"),
        (("envysee", "giveback"), "takeit", "guilty at . breaks 'after takeit o'"),
    ],
)
def test_an_event_without_its_cause_is_noticed(kinds, left_out, fault):
    plot = "lost" if kinds[0] == "lost" else ""
    tale = first(left_out, *(k for k in kinds if k != "lost"), plot=plot)
    faults = story_faults(without(tale, left_out))
    assert any(re.search(fault, found) for found in faults), faults


def test_a_thing_that_becomes_another_is_noticed():
    """The kite is put down and the drum is missed: every sentence sound, the story not."""
    tale = first("treasure", "outing", "forget", "miss")
    at = next(i for i, e in enumerate(tale.events) if e.kind == "miss")
    other = next(t for t in tales(500, seed=2) if t.plot == "lost")
    thing = next(e.args["o"] for e in other.events if e.kind == "miss")
    assert thing.noun != tale.events[at].args["o"].noun
    events = list(tale.events)
    events[at] = replace(events[at], args={**events[at].args, "o": thing})
    text = tell(events, tale.roles, tale.plot, 5, title=False)[0]
    assert any("breaks 'after forget o'" in fault for fault in story_faults(text))


def test_somebody_else_s_name_is_noticed():
    tale = next(t for t in TALES if t.text.count(t.roles["a"].name) > 2)
    name = tale.roles["a"].name
    at = tale.text.rindex(name)
    other = next(n for n in ("Jasper", "Anders", "Roisin") if n not in tale.text)
    faults = story_faults(tale.text[:at] + other + tale.text[at + len(name) :])
    assert any("several names" in fault or f"{other} is nobody" in fault for fault in faults)


def test_a_pronoun_of_nobody_is_noticed():
    alone = (t for t in tales(500, seed=1) if len(t.cast) == 1 and t.plot != "stranger")
    tale = next(t for t in alone if " she " in t.text)
    assert "he is nobody" in story_faults(tale.text.replace(" she ", " he ", 1))


def test_a_story_that_stops_is_noticed():
    """Cut before the last feeling, or in the middle of a sentence."""
    for tale in TALES[:10]:
        start = next(
            s
            for e, (s, _) in zip(tale.events, tale.spans, strict=True)
            if e.kind == "feel" and e is [x for x in tale.events if x.kind == "feel"][-1]
        )
        assert "the story does not come to an end" in story_faults(tale.text[:start])
        assert any(f.startswith("strange: ") for f in story_faults(tale.text[: start + 9]))


@pytest.mark.parametrize("text", ["", "Nothing of it.", "the the\n\n", '"', "One day. " * 50])
def test_any_text_can_be_read(text):
    faults = story_faults(text)
    assert "the story does not come to an end" in faults


def test_what_happens_twice_is_noticed():
    tale = first("miss", "search")
    start, end = next(
        span for e, span in zip(tale.events, tale.spans, strict=True) if e.kind == "search"
    )
    twice = f"{tale.text[:end]} {tale.text[start:end]}{tale.text[end:]}"
    assert any("search at" in fault and "happens twice" in fault for fault in story_faults(twice))

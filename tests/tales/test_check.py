"""What this proves: the checker finds nothing in true tales, and something in spoiled ones."""

from dataclasses import replace

import pytest

from gptcore.tales import lexicon, tales
from gptcore.tales.check import contradictions, text_faults
from gptcore.tales.world import Event, Thing, World, name_of, replay


@pytest.fixture(scope="module")
def many():
    return list(tales(1500, seed=8))


def first(many, kind):
    """The first tale in which something of this kind happens, and where."""
    for told in many:
        for at, event in enumerate(told.events):
            if event.kind == kind:
                return told, at
    raise AssertionError(kind)


def test_no_tale_contradicts_itself(many):
    found = [(t.text, c) for t in many for c in contradictions(t)]
    assert found == []


def test_no_tale_has_a_fault_of_language(many):
    assert {fault for t in many for fault in text_faults(t)} == set()


def test_every_kind_of_event_has_a_rule():
    told = {kind for kind in lexicon.KINDS if not kind.startswith("title.")}
    assert (
        told
        == set(lexicon.RULES)
        == set(lexicon.EFFECTS) - {kind for kind in lexicon.EFFECTS if kind.startswith("title.")}
    )


@pytest.mark.parametrize("kind", ["forget", "miss", "find", "bring", "smash", "yield", "swap"])
def test_an_event_left_out_is_noticed(many, kind):
    told, at = first(many, kind)
    assert contradictions(replace(told, events=told.events[:at] + told.events[at + 1 :]))


@pytest.mark.parametrize("kind", ["outing", "borrow", "wait", "hush", "halve", "strayed", "part"])
def test_two_events_in_the_wrong_order_are_noticed(many, kind):
    """The event changes places with the one that it takes for granted."""
    told, at = first(many, kind)
    before = max(i for i, e in enumerate(told.events[:at]) if e.kind not in ("detail", "weather"))
    events = list(told.events)
    events[before], events[at] = events[at], events[before]
    found = contradictions(replace(told, events=tuple(events)))
    assert any(line.startswith(f"{kind} at {before} breaks 'after") for line in found)


def test_a_thing_found_where_it_was_not_left_is_noticed(many):
    told, at = first(many, "find")
    elsewhere = next(p for p in told.roles["s"].places if p is not told.events[at].args["p"])
    events = list(told.events)
    events[at] = Event("find", {**events[at].args, "p": elsewhere})
    found = contradictions(replace(told, events=tuple(events)))
    assert any("find" in line and "after forget o p" in line for line in found)


def test_a_thing_given_by_somebody_who_lacks_it_is_noticed(many):
    told, at = first(many, "keepsake")
    events = list(told.events)
    other = next(t for t in many if "o" in t.events[-3].args or t.plot == "swap")
    thing = next(e.args["o"] for e in other.events if "o" in e.args)
    events[at] = Event("keepsake", {"o": thing})
    found = contradictions(replace(told, events=tuple(events)))
    assert any(f"{name_of(thing)} is with '-', not 'a'" in line for line in found)


@pytest.mark.parametrize("kind", ["miss", "askhelp", "smash", "ownup", "giveback", "missold"])
def test_another_thing_in_the_middle_of_a_tale_is_noticed(many, kind):
    told, at = first(many, kind)
    events = list(told.events)
    events[at] = Event(kind, {**events[at].args, "o": Thing("anvil")})
    found = contradictions(replace(told, events=tuple(events)))
    assert any(f"{kind} at {at} breaks 'after" in line for line in found)


def test_a_feeling_that_the_events_do_not_tell_is_noticed(many):
    """Only the list of feelings, or only the world, would not do: each is spoiled alone."""
    told, at = first(many, "bring")
    feelings = [i for i, event in enumerate(told.events) if event.kind == "feel"]
    events = list(told.events)
    events[feelings[-1]] = Event("feel", {"m": lexicon.MOODS["angry"]})
    assert any("mood=" in line for line in contradictions(replace(told, events=tuple(events))))


def test_a_wrong_mood_ending_setting_or_repetition_is_noticed(many):
    told, at = first(many, "find")
    assert contradictions(replace(told, mood="sad"))
    assert contradictions(replace(told, mood="happy", ending="sad"))
    assert contradictions(replace(told, setting="moon"))
    twice = told.events[: at + 1] + told.events[at:]
    assert any("happens twice" in line for line in contradictions(replace(told, events=twice)))


def test_most_tales_with_any_one_event_left_out_are_noticed(many):
    """Spoils each tale at one event of its story; remarks may be missed without harm."""
    remarks = {"open", "trait", "detail", "weather", "feel", "echo", "night", "lookback", "shrug"}
    noticed = spoiled = 0
    for n, told in enumerate(many[:600]):
        story = [i for i, e in enumerate(told.events) if e.kind not in remarks]
        at = story[n % len(story)]
        spoiled += 1
        events = told.events[:at] + told.events[at + 1 :]
        noticed += bool(contradictions(replace(told, events=events)))
    assert noticed / spoiled > 0.8


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda s: s.replace(". ", ". the ", 1), "a sentence without a capital"),
        (lambda s: s + " He had a apple.", "a instead of an"),
        (lambda s: s + " There was an pear.", "an instead of a"),
        (lambda s: s + " And and then.", "a doubled word"),
        (lambda s: s + ' "Oh.', "an odd quotation mark"),
        (lambda s: s + " $a ran.", "a template mark"),
        (lambda s: s + " The dog ,too.", "stray punctuation"),
        (lambda s: s + " It was the a dog.", "two articles"),
        (lambda s: s + " He gave it to she.", "a pronoun in the wrong case"),
        (lambda s: s + " Then Zbigniew came.", "Zbigniew is not in the cast"),
    ],
)
def test_faults_of_language_are_noticed(many, spoil, fault):
    told = next(t for t in many if t.text.count(". ") and "Zbigniew" not in t.text)
    assert text_faults(told) == []
    assert any(fault in found for found in text_faults(replace(told, text=spoil(told.text))))


@pytest.mark.parametrize(("pronoun", "other"), [("he", "she"), ("she", "he")])
def test_pronouns_of_nobody_are_noticed(many, pronoun, other):
    told = next(
        t for t in many if {p.pronoun for p in t.cast.values()} == {pronoun} and t.plot == "lost"
    )
    start, end = told.spans[1]
    text = told.text[:end] + f" And {other} ran." + told.text[end:]
    spans = (told.spans[0], (start, end + len(f" And {other} ran.")))
    spoiled = replace(told, text=text, events=told.events[:2], spans=spans)
    assert f"{other} means nobody" in text_faults(spoiled)


def test_the_world_is_what_the_events_made_it(many):
    """A tale told by hand: a kite, a barn and a friend; the truth worked out on paper."""
    told = next(t for t in many if "bring" in {e.kind for e in t.events})
    thing = next(e.args["o"] for e in told.events if e.kind == "treasure")
    hero, friend = told.cast["a"].full_name, told.cast["b"].full_name
    world = told.world
    assert isinstance(world, World)
    assert world.holder[thing.noun] == world.owner[thing.noun] == hero
    assert world.place[hero] == world.place[friend] == told.roles["h"].name
    assert "forgotten" not in world.state.get(thing.noun, frozenset())
    assert {(hero, "loss"), (friend, "loss")} <= world.knows
    assert world.feeling[hero] == told.mood


def test_the_world_half_way_is_what_has_been_told_so_far(many):
    """A thing left behind lies there, in nobody's hands, until it is found or gone for good."""
    told, at = first(many, "notfound")
    left = next(i for i, event in enumerate(told.events) if event.kind == "forget")
    thing, place = (name_of(told.events[left].args[role]) for role in "op")
    before, after = (replay(told.events[:end], told.roles) for end in (left, left + 1))
    hero = told.cast["a"].full_name
    assert (before.holder[thing], before.place[hero]) == (hero, place)
    assert (after.holder.get(thing), after.place[thing]) == (None, place)
    assert after.place[hero] == told.roles["h"].name and after.owner[thing] == hero
    assert after.state[thing] == {"forgotten"}
    end = replay(told.events[: at + 1], told.roles)
    assert (end.holder.get(thing), end.place[thing]) == (None, "away")
    assert (end.state[thing], end.place[hero]) == ({"lost"}, place)


def test_a_broken_thing_is_whole_only_when_mended(many):
    told, _ = first(many, "mendtogether")
    thing = next(e.args["o"].noun for e in told.events if e.kind == "smash")
    assert told.world.state[thing] == {"mended"}
    told, _ = first(many, "cantmend")
    thing = next(e.args["o"].noun for e in told.events if e.kind == "smash")
    assert told.world.state[thing] == {"broken"}

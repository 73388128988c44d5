"""Variants of a tale: the same events in other words, changed facts, endings that fit or do not.

Source: similarity and multiple choice after GPT-1 §4.1 (STS-B, Story Cloze); labels from the
truth of each tale.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.corpus import SETTINGS, Tale, simulate, tell
from gptcore.tales.lexicon import Frame
from gptcore.tales.rng import Rng, mix
from gptcore.tales.stage import Stage
from gptcore.tales.tell import Teller
from gptcore.tales.world import Event, Person, Place, Thing

REMARKS = frozenset(("detail", "weather", "trait", "echo", "night", "lookback", "shrug"))
"""Kinds of events that nothing else depends on."""
LOOSE = {"apologise", "learnrule", "praise", "forgive", "stern", "dry"}
LOOSE |= {"carryhome", "noonecomes", "saylate", "comfort", "tellnight"}
"""Endings so general that they would fit many another tale."""


@dataclass(frozen=True)
class Pair:
    """Two texts and how alike they are, from 0 (another tale) to 5 (the same events)."""

    first: str
    second: str
    score: int


@dataclass(frozen=True)
class Choice:
    """A tale without its end, four endings, and the index of the one that fits."""

    story: str
    options: tuple[str, ...]
    answer: int


def retell(tale: Tale, variant: int) -> str:
    """Return the same events in other words; variant chooses which.

    What lies in the wording alone, such as the day of the week, may differ; where people live
    and what is said of them and of places does not.
    """
    return in_words(as_told(tale), at_home(tale), tale.plot, variant)


def at_home(tale: Tale) -> dict[str, Any]:
    """The roles, with the setting narrowed to those of its phrases that the tale uses."""
    setting = copy(tale.roles["s"])
    told = tale.text.lower()
    fields = dict(setting.fields)
    kept = [at for at, phrase in enumerate(setting.raw["base"]) if phrase.lower() in told]
    for name in ("in", "base"):
        fields[name] = tuple(fields[name][at] for at in kept) or fields[name]
    setting.fields = fields
    _narrow(setting, "where", told)
    return {**tale.roles, "s": setting}


def as_told(tale: Tale) -> list[Event]:
    """The events, with traits and remarks on places narrowed to what the tale says."""
    events = []
    for event, (start, end) in zip(tale.events, tale.spans, strict=True):
        args = dict(event.args)
        for role, name in (("t", "line"), ("p", "detail")):
            if event.kind in ("trait", "detail") and role in args:
                args[role] = copy(args[role])
                _narrow(args[role], name, tale.text[start:end].lower())
        events.append(replace(event, args=args))
    return events


def _narrow(frame: Frame, name: str, told: str) -> None:
    """Keep of a field only what was told, as far as that can be seen from its literal words."""
    options = [
        option
        for option in frame.fields[name]
        if all(part.strip().lower() in told for part in option if isinstance(part, str))
    ]
    frame.fields = {**frame.fields, name: tuple(options) or frame.fields[name]}


def pairs(tale: Tale, seed: int = 0) -> tuple[Pair, ...]:
    """Return six pairs whose first is the tale, graded by what they share.

    5: the same events in other words. 4: the same story, remarks and closing words left out.
    3: as 4, with one thing, place or person changed. 2: another tale with the same plot and
    outcome. 1: another plot in the same setting. 0: another plot in another setting.
    """
    rng = Rng(seed, 19)
    core = tuple(event for event in as_told(tale) if event.kind not in REMARKS)
    roles = at_home(tale)
    changed, others = with_one_change(core, roles, rng)
    outcome = _outcome(tale.events)
    seconds = (
        _other(mix(seed, 0), lambda s: s.plot != tale.plot and s.setting.name != tale.setting),
        _other(mix(seed, 1), lambda s: s.plot != tale.plot, (tale.setting,)),
        _other(mix(seed, 2), lambda s: s.plot == tale.plot and _outcome(s.events) == outcome),
        in_words(changed, others, tale.plot, mix(seed, 3)),
        in_words(core, roles, tale.plot, mix(seed, 4)),
        retell(tale, mix(seed, 5)),
    )
    return tuple(Pair(tale.text, second, score) for score, second in enumerate(seconds))


def endings(tale: Tale, seed: int = 0, n_events: int | None = None) -> Choice:
    """Return the tale without its end, and four endings told of the same people.

    Args:
        n_events: tell only so many events of each ending; None for all.
    """
    rng = Rng(seed, 29)
    cut = first_closing(tale.events)
    right = _ending(tale.events[cut:][:n_events], tale.roles, tale, rng)
    wrong: list[str] = []
    plots, at = {tale.plot}, 0
    while len(wrong) < 3:
        at += 1
        stage = simulate(mix(seed, 31), at)
        end = first_closing(stage.events)
        alike = stage.animals == bool(tale.cast["a"].species)
        if alike and stage.plot not in plots and stage.events[end].kind not in LOOSE:
            plots.add(stage.plot)
            known = _known(stage.events[:end])
            told = [Event(e.kind, {**known, **e.args}) for e in stage.events[end:][:n_events]]
            wrong.append(_ending(told, {**stage.roles, **tale.cast}, tale, rng))
    place = rng.below(4)
    options = (*wrong[:place], right, *wrong[place:])
    return Choice(tale.text[: tale.spans[cut][0]].rstrip(), options, place)


def first_closing(events: Any) -> int:
    """Which event is the first that settles how the tale ends."""
    return next(i for i, event in enumerate(events) if _closing(event))


def _closing(event: Event) -> bool:
    return any(rule[0] == "moods" for rule in lexicon.RULES[event.kind])


def _outcome(events: Any) -> tuple[str, ...]:
    return tuple(event.kind for event in events if _closing(event))


def _known(events: Any) -> dict[str, Any]:
    return {role: value for event in events for role, value in event.args.items()}


def in_words(events: Any, roles: Any, plot: str, seed: int) -> str:
    """The events in words, without a title; the seed chooses which words."""
    return tell(events, roles, plot, seed, title=False)[0]


def _ending(events: Any, roles: Any, tale: Tale, rng: Rng) -> str:
    """The events from there on, told of the tale's own people as if they had been introduced."""
    teller = Teller(rng, roles)
    for role in "abc":
        if role in roles:
            teller.seen[roles[role]] = -9
    return " ".join(teller.tell(event) for event in events if event.kind not in REMARKS)


def _other(seed: int, fits: Callable[[Stage], bool], settings: tuple[str, ...] = SETTINGS) -> str:
    for at in range(100_000):
        stage = simulate(seed, at, settings)
        if fits(stage):
            return in_words(stage.events, stage.roles, stage.plot, mix(seed, at))
    raise AssertionError("no such tale among a hundred thousand")


def with_one_change(
    events: tuple[Event, ...], roles: dict[str, Any], rng: Rng
) -> tuple[tuple[Event, ...], dict[str, Any]]:
    """Put another thing, place or person in the stead of one, wherever it occurs.

    Returns:
        The events and the roles with the change.
    """
    # Food and home-made presents are no things of the table of objects: they stay.
    nouns = {row[0] for row in lexicon.OBJECTS}
    named = [value for role, value in _known(events).items() if role in "opqr"]
    named = [value for value in named if isinstance(value, Place) or value.noun in nouns]
    people = [roles[role] for role in "bc" if role in roles]
    old = rng.pick(named + people or [roles["a"]])
    new = _another(old, roles, rng)
    swapped = {role: new if value is old else value for role, value in roles.items()}
    told = tuple(
        Event(
            event.kind,
            {role: new if value is old else value for role, value in event.args.items()},
            event.new_paragraph,
        )
        for event in events
    )
    return told, swapped


def _another(old: Any, roles: dict[str, Any], rng: Rng) -> Any:
    if isinstance(old, Thing):
        rows = [row for row in lexicon.OBJECTS if row[0] != old.noun and row[3] == old.harm]
        noun, adjectives, use, harm = rng.pick(rows)
        return Thing(noun, rng.pick(adjectives), use, harm)
    if isinstance(old, Place):
        return rng.pick([p for p in roles["s"].places if p is not old])
    taken = {roles[role].name for role in "abc" if role in roles}
    names = lexicon.first_names(old.pronoun, bool(old.species))
    name = rng.pick([name for name in names if name not in taken])
    person = Person(old.role, name, old.pronoun, old.species)
    person.relation, person.title, person.job = old.relation, old.title, old.job
    return person

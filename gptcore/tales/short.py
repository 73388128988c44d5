"""Short forms of the tasks: texts of 50 to 120 tokens in which the label can still be seen.

A tale has about 245 tokens of the shipped tokenizer, 3.5 characters each. Fine-tuning on a CPU
wants less, so each task keeps the part of the tale that its label depends on.

Source: the tasks of GPT-1 §4.1; labels from the truth of each tale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.corpus import SETTINGS, Tale, arguments, simulate, tell
from gptcore.tales.questions import Label, Speaker
from gptcore.tales.rng import Rng, mix
from gptcore.tales.stage import Stage
from gptcore.tales.variants import (
    LOOSE,
    REMARKS,
    Choice,
    as_told,
    at_home,
    endings,
    first_closing,
    in_words,
    with_one_change,
)
from gptcore.tales.world import Event, Person, Place, Thing

SHORTEST, LONGEST = 200, 380
"""Characters of a text, about 57 and 109 tokens; never more than the 126 that GPT-1's code leaves
to each of two texts in a context of 256."""
# What a premise leaves out: no claim depends on it.
_ASIDE = frozenset((*REMARKS, "open", "feel"))
CLAIMS = tuple(row for row in lexicon.CLAIMS if row[2] and row[3])
"""The claims that follow from some tales and contradict others of the same plot."""


# ------------------------------------------------------------------ one text


def last_words(tale: Tale, stop: int, shortest: int = SHORTEST) -> str:
    """The last events before one of them.

    Args:
        stop: the event before which the text ends.
        shortest: at least so many characters, if the tale has them.
    """
    first, end = stop - 1, tale.spans[stop - 1][1]
    while first > 0 and end - tale.spans[first][0] < shortest:
        first -= 1
    return tale.text[tale.spans[first][0] : end]


def last_feeling(tale: Tale, shortest: int = 150) -> str:
    """The last lines of a tale: what led to the hero's last feeling, the feeling, and what follows.

    Args:
        shortest: at least so many characters up to the feeling, if the tale has them.
    """
    stop = max(i for i, event in enumerate(tale.events, 1) if event.kind == "feel")
    start = tale.spans[stop - 1][1] - len(last_words(tale, stop, shortest))
    return tale.text[start:]


def short_endings(tale: Tale, seed: int = 0) -> Choice | None:
    """The last events before the end, and four endings of one event each.

    Returns:
        None where the tale's own ending is so general that no other tale lends one like it; it
        could be told from the others without the story.
    """
    cut = first_closing(tale.events)
    if tale.events[cut].kind in LOOSE:
        return None
    choice = endings(tale, seed, n_events=1)
    return Choice(last_words(tale, cut), choice.options, choice.answer)


# ------------------------------------------------------------------ premise and claim


@dataclass(frozen=True)
class Judged:
    """A premise, a claim about it, and which claim of `CLAIMS` it is."""

    premise: str
    claim: str
    label: Label
    number: int


def judged(stage: Stage, number: int, label: Label, seed: int = 0) -> Judged | None:
    """Part of a tale as premise, with a claim that it supports, refutes or leaves open.

    A claim stays open where the tale breaks off before anything happens that happens only if the
    claim comes true, or only if it does not. So every claim occurs with every label, and nothing
    but the premise tells which.

    Args:
        stage: a tale that has happened; its plot is that of the claim.
        number: of the claim, in `CLAIMS`.
        label: which label it shall have.
        seed: chooses the words.

    Returns:
        None where this tale has no such premise of at most `LONGEST` characters.
    """
    _, claim, yes, no, _ = CLAIMS[number]
    told = [event for event in stage.events if event.kind not in _ASIDE]
    kinds = [event.kind for event in told]
    rng = Rng(seed, 37)
    if label == "open":
        early = _undecided(number)
        stop = next((i for i, kind in enumerate(kinds) if kind not in early), len(kinds))
        needed = stop - 1
    else:
        settles = yes if label == "follows" else no
        needed = next((i for i, kind in enumerate(kinds) if kind in settles), 0)
        stop = needed + 1 + rng.below(len(kinds) - needed)
    premise = _window(told, needed, stop, stage, seed) if needed > 0 else None
    speaker = Speaker(stage)
    if premise is None or not speaker.can(claim):
        return None
    if not all(name in premise for name in speaker.people(claim)):
        return None
    return Judged(premise, speaker.say(claim), label, number)


def settled(stage: Stage, number: int) -> Label:
    """What the whole tale says of a claim; open where it is about another plot."""
    plot, _, yes, no, _ = CLAIMS[number]
    kinds = {event.kind for event in stage.events}
    if plot != stage.plot or kinds.isdisjoint((*yes, *no)):
        return "open"
    return "contradicts" if kinds.isdisjoint(yes) else "follows"


def _window(told: Sequence[Event], needed: int, stop: int, stage: Stage, seed: int) -> str | None:
    """Events up to `stop`, as many as fit, with the needed one and at least one before it."""
    for first in range(needed):
        text = in_words(told[first:stop], stage.roles, stage.plot, seed)
        if len(text) <= LONGEST:
            return text
    return None


@cache
def _undecided(number: int) -> frozenset[str]:
    """The kinds of events that occur whether a claim comes true or not."""
    seen: dict[Label, set[str]] = defaultdict(set)
    for stage in _happened()[CLAIMS[number][0]]:
        seen[settled(stage, number)].update(event.kind for event in stage.events)
    return frozenset(seen["follows"] & seen["contradicts"])


@cache
def _happened(n: int = 2000) -> dict[str, list[Stage]]:
    found = defaultdict(list)
    for at in range(n):
        stage = simulate(41, at)
        found[stage.plot].append(stage)
    return found


# ------------------------------------------------------------------ two beginnings


def beginnings(tale: Tale, score: int, seed: int = 0) -> tuple[str, str] | None:
    """The first lines of two tales, as alike as the score says.

    5: the same events in other words. 4: the same, remarks left out. 3: as 4, with one thing,
    place or person changed. 2: another tale with the same plot. 1: another plot in the same
    setting. 0: another plot in another setting.

    Returns:
        None where this tale does not begin with its hero and a remark, has nothing to change, or
        takes more than `LONGEST` characters.
    """
    both = _begun(tale, score, seed)
    return None if both is None or max(map(len, both)) > LONGEST else both


def _begun(tale: Tale, score: int, seed: int) -> tuple[str, str] | None:
    n = _n_first(tale.spans)
    told = as_told(tale)[:n]
    kinds = [event.kind for event in told]
    if not introduced(kinds) or REMARKS.isdisjoint(kinds) or _ASIDE.issuperset(kinds):
        return None
    first = tale.text[tale.spans[0][0] : tale.spans[n - 1][1]]
    if score == 5:
        return first, in_words(told, at_home(tale), tale.plot, mix(seed, 5))
    if score < 3:
        return first, _begun_otherwise(tale, score, mix(seed, score))
    core = tuple(event for event in told if event.kind not in REMARKS)
    second = in_words(core, at_home(tale), tale.plot, mix(seed, 4))
    if score == 4:
        return first, second
    return _changed(tale, core, first, second, seed)


def introduced(kinds: Sequence[str]) -> bool:
    """Whether a tale with these kinds of events begins with its hero and where they live."""
    return kinds[0] == "open"


def _n_first(spans: Sequence[tuple[int, int]]) -> int:
    """How many events it takes to tell so much that a likeness can be seen."""
    start = spans[0][0]
    return next((i for i, (_, end) in enumerate(spans, 1) if end - start >= 230), len(spans))


def _changed(
    tale: Tale, core: tuple[Event, ...], first: str, same: str, seed: int
) -> tuple[str, str] | None:
    """The first lines and others with one change, if it can be seen in both."""
    events, roles = with_one_change(core, at_home(tale), Rng(seed, 43))
    second = in_words(events, roles, tale.plot, mix(seed, 4))
    gone = {word for word in _names(core, tale.roles) if word in same and word not in second}
    return (first, second) if any(word in first for word in gone) else None


def _names(events: Sequence[Event], roles: Mapping[str, Any]) -> set[str]:
    """What the people, things and places of some events are called."""
    known = {**{role: roles[role] for role in "abc" if role in roles}, **arguments(events)}
    named: set[str] = set()
    for value in known.values():
        if isinstance(value, Person):
            named.add(value.name)
        elif isinstance(value, Thing):
            named.add(value.noun)
        elif isinstance(value, Place):
            named |= {value.phrase, value.to}
    return named


def _begun_otherwise(tale: Tale, score: int, seed: int) -> str:
    """The first lines of another tale: of the same plot (2), the same setting (1), neither (0)."""
    settings = (tale.setting,) if score == 1 else SETTINGS
    for at in range(100_000):
        stage = simulate(seed, at, settings)
        fits = (stage.plot == tale.plot) == (score == 2)
        fits = fits and (score > 0 or stage.setting.name != tale.setting)
        if fits and introduced([event.kind for event in stage.events]):
            text, _, spans = tell(stage.events, stage.roles, stage.plot, mix(seed, at), title=False)
            return text[: spans[_n_first(spans) - 1][1]]
    raise AssertionError("no such tale among a hundred thousand")

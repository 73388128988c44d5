"""The corpus: a tale for every seed and index, and the splits.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.plots import PLOTS
from gptcore.tales.rng import Rng, mix
from gptcore.tales.stage import Stage
from gptcore.tales.tell import Teller
from gptcore.tales.world import Event, Person, World, replay

SETTINGS: tuple[str, ...] = tuple(lexicon.SETTINGS)
SPLITS = ("train", "valid", "test")
SPLIT_SIZE = 10**9  # tales in each split


@dataclass(frozen=True)
class Tale:
    """A small story with its truth.

    Attributes:
        text: title (in a quarter of the tales) and paragraphs, parted by blank lines.
        title: the title, or "".
        setting: where it plays, one of `SETTINGS`.
        plot: what kind of story it is.
        mood: what the hero feels last: happy proud relieved wistful sad sorry lonely.
        ending: happy, mixed or sad.
        events: what happened, in order.
        spans: for each event the (start, end) of the characters of `text` that tell it.
        roles: the cast (a hero, b friend, c elder), s setting, w weather, h home, k habit.
    """

    text: str
    title: str
    setting: str
    plot: str
    mood: str
    ending: str
    events: tuple[Event, ...]
    spans: tuple[tuple[int, int], ...]
    roles: Mapping[str, Any] = field(hash=False, repr=False)

    @property
    def cast(self) -> dict[str, Person]:
        """The people of the tale by role: a hero, b friend, c elder."""
        return {role: self.roles[role] for role in "abc" if role in self.roles}

    @property
    def world(self) -> World:
        """What is true when the tale is over."""
        return replay(self.events, self.roles)

    @property
    def gist(self) -> str:
        """The tale in one sentence."""
        kinds = {event.kind for event in self.events}
        gist = next(g for plot, kind, g in lexicon.GISTS if plot == self.plot and kind in kinds)
        return Teller(Rng(0), self.roles).say((gist,), arguments(self.events))


def arguments(events: Sequence[Event]) -> dict[str, Any]:
    """Return who or what fills each role, over all events."""
    return {role: value for event in events for role, value in event.args.items()}


def tell(
    events: Sequence[Event], roles: Mapping[str, Any], plot: str, seed: int, title: bool = True
) -> tuple[str, str, tuple[tuple[int, int], ...]]:
    """Tell the events in words drawn from the seed.

    Args:
        title: whether there may be one.

    Returns:
        The text, its title or "", and each event's (start, end) in the text.
    """
    teller = Teller(Rng(seed, 7), roles)
    named = teller.random() < 0.25 and title
    heading = teller.title(plot, arguments(events)) if named else ""
    parts, spans, at = [heading], [], len(heading)
    for event in events:
        if at:
            parts.append("\n\n" if event.new_paragraph or not spans else " ")
            at += len(parts[-1])
        parts.append(teller.tell(event))
        spans.append((at, at + len(parts[-1])))
        at = spans[-1][1]
    return "".join(parts), heading, tuple(spans)


def simulate(seed: int, index: int, settings: Sequence[str] = SETTINGS) -> Stage:
    """Let one tale happen, without telling it."""
    rng = Rng(seed, index)
    stage = Stage(rng, lexicon.SETTINGS[rng.pick(settings)])
    plot = rng.pick(PLOTS)
    stage.plot = plot.__name__
    introduced = rng.chance(0.9)
    if introduced:
        stage.do("open")
        if rng.chance(0.25):
            stage.do("trait", t=rng.pick(lexicon.TRAITS))
        stage.paragraph()
    plot(stage)
    _close(stage, introduced)
    return stage


def _close(stage: Stage, introduced: bool) -> None:
    """Perhaps come back to the hero's habit of the first lines, or let night fall."""
    turn = stage.rng.random()
    merry = stage.roles["k"].key in lexicon.MERRY
    if turn < 0.55 and introduced and not (merry and stage.ending == "sad"):
        stage.paragraph()
        stage.do("echo")
    elif turn < 0.7:
        stage.do("night")
    elif turn < 0.76:
        stage.do("lookback")
    elif turn < 0.85 and stage.ending != "sad":
        stage.do("shrug")


def known_settings(settings: Collection[str] | None) -> tuple[str, ...]:
    """Return the settings in the order of `SETTINGS`; None stands for all.

    Raises: ValueError when one does not exist or none is named.
    """
    if settings is None:
        return SETTINGS
    for name in settings:
        if name not in SETTINGS:
            raise ValueError(f"settings={name!r} is none of {', '.join(SETTINGS)}")
    if not settings:
        raise ValueError("settings=() must name at least one setting")
    return tuple(name for name in SETTINGS if name in settings)


def tale(seed: int, index: int, settings: Collection[str] | None = None) -> Tale:
    """Return the tale of this seed and index; same arguments, same bytes, everywhere.

    Args:
        settings: draw from these settings only; None for all.

    Raises: ValueError when a setting does not exist.
    """
    stage = simulate(seed, index, known_settings(settings))
    text, title, spans = tell(stage.events, stage.roles, stage.plot, mix(seed, index))
    return Tale(
        text,
        title,
        stage.setting.name,
        stage.plot,
        stage.feeling,
        stage.ending,
        tuple(stage.events),
        spans,
        stage.roles,
    )


def split(name: str) -> range:
    """Return the indices of a split: disjoint ranges of a thousand million tales each.

    Raises: ValueError when the split does not exist.
    """
    if name not in SPLITS:
        raise ValueError(f"split={name!r} is none of {', '.join(SPLITS)}")
    start = SPLITS.index(name) * SPLIT_SIZE
    return range(start, start + SPLIT_SIZE)

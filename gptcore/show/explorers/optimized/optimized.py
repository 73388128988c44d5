"""Runs that were trained to score high by a learned reward, and what the true reward says of them.

Source: both rewards against √KL, best-of-n beside training, several penalties on the same axes:
Gao et al. 2022, §3 and Figures 1 and 9.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from traitlets import Bool, Int, List, Unicode

from gptcore.show.widgets import Explorer

__all__ = ["Answer", "Optimized", "Point", "Run"]

LONGEST = 700
"""Characters of a request or a reply that are kept."""
MOST = 6
"""Answers of a point."""
BELOW = 0.2
"""Nats: an estimate of a small KL from sampled answers may lie so far below 0; it is drawn at 0."""


@dataclass(frozen=True)
class Answer:
    """What a policy replied to a request, and what both rewards say of it."""

    request: str
    reply: str
    learned: float
    true: float

    def __post_init__(self) -> None:
        for name in ("request", "reply"):
            if not isinstance(value := getattr(self, name), str):
                raise TypeError(f"{name}={value!r} must be a text")
        for name in ("learned", "true"):
            _check(name, getattr(self, name), f"the answer to {self.request[:40]!r}")


@dataclass(frozen=True)
class Point:
    """A policy at one moment: how far it has come, how it scores, some of its answers."""

    step: int
    """Updates so far, or the n of best-of-n."""
    kl: float
    """Distance from the beginning, nats per answer; one that sampling took below 0 counts as 0."""
    learned: float
    """Mean of the reward that it was trained with."""
    true: float
    """Mean of the true reward."""
    words: float | None = None
    """Mean words of an answer."""
    answers: Sequence[Answer] = ()
    """Two or three, to the same requests at every point."""

    def __post_init__(self) -> None:
        if not isinstance(self.step, Integral) or isinstance(self.step, bool) or self.step < 0:
            raise ValueError(f"step={self.step!r} must be a whole number from 0 on")
        where = f"step {self.step}"
        _check("kl", self.kl, where, least=-BELOW)
        for name in ("learned", "true"):
            _check(name, getattr(self, name), where)
        if self.words is not None:
            _check("words", self.words, where, least=0)
        if len(self.answers) > MOST:
            raise ValueError(f"{len(self.answers)} answers of {where}: at most {MOST} find room")
        for one in self.answers:
            if not isinstance(one, Answer):
                raise TypeError(f"answers of {where} must be Answer, got {type(one).__name__}")


@dataclass(frozen=True)
class Run:
    """One policy on its way from the beginning: how it was made, and its points in their order.

    Best-of-n is a run without training: its points are n = 1, 2, 4 ..., `step_name` is "n =", and
    one of its settings says so (`"beta": "best of n"`).
    """

    settings: Mapping[str, str | float]
    """Name -> value, as readers know them; other runs have the same names."""
    points: Sequence[Point]
    step_name: str = "update"
    """What stands before the number of a step."""

    def __post_init__(self) -> None:
        for name, value in self.settings.items():
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"settings name {name!r} must be a text with something in it")
            if not isinstance(value, str | Real) or (isinstance(value, Real) and value != value):
                raise ValueError(f"settings[{name!r}]={value!r} must be a number or a text")
        for one in self.points:
            if not isinstance(one, Point):
                raise TypeError(f"points of {_named(self)} must be Point, got {type(one).__name__}")
        steps = [one.step for one in self.points]
        if len(steps) < 2:
            raise ValueError(f"points of {_named(self)} must be at least 2, got {len(steps)}")
        if sorted(set(steps)) != steps:
            raise ValueError(f"steps of {_named(self)} must rise, got {steps}")


class Optimized(Explorer):
    """Learned and true reward over the distance from the beginning, and answers with both rewards.

    The reader chooses a run by its settings, and a point of it; sees the runs that differ in one
    setting on the same axes; and, before the true reward is shown, says where it is highest.

    Args:
        runs: the first is chosen at first.
        across: the setting in which the runs differ that are drawn beside the chosen one, "" for
            all runs; by default the first that varies.
        covered: whether the true reward is covered until the reader has guessed.
        alt: the text alternative; by default it is worked out from the runs.

    Raises:
        ValueError: there is no run, settings have other names or come twice, or `across` is no
            setting that varies; Answer, Point and Run refuse what is no number or in no order.
        TypeError: a run is no Run.
    """

    script = "optimized"
    settings = List().tag(sync=True)
    """One dict per setting: name, values (texts; numbers rise, then others as they come)."""
    runs = List().tag(sync=True)
    """One dict per run: values (place among each setting's), step_name, steps, kl, learned, true,
    words (null for none), answers [by point]: [request, reply, learned, true], texts by place."""
    texts = List().tag(sync=True)
    """Requests and replies, each once."""
    run, at = (Int(0).tag(sync=True) for _ in range(2))
    """The run that is chosen, and its point."""
    across = Unicode().tag(sync=True)
    """In which setting the runs beside it differ; "" for all runs."""
    near = Bool(False).tag(sync=True)
    """Whether the axis ends near the beginning, where most lines do."""
    covered = Bool(True).tag(sync=True)
    """Whether the true reward is covered."""
    guess = List().tag(sync=True)
    """Run and point of the reader's guess; empty for none."""

    def __init__(
        self,
        runs: Sequence[Run],
        *,
        across: str | None = None,
        covered: bool = True,
        alt: str | None = None,
    ) -> None:
        settings = _settings_of(runs)
        varying = [one["name"] for one in settings if len(one["values"]) > 1]
        if across and across not in varying:
            have = ", ".join(map(repr, varying)) or "no setting"
            raise ValueError(f"across={across!r} must be a setting that varies: {have}, or ''")
        places: dict[str, int] = {}
        drawn = [_drawn(one, settings, places) for one in runs]
        super().__init__(
            alt=_describe(runs) if alt is None else alt,
            settings=settings,
            runs=drawn,
            texts=list(places),
            at=len(runs[0].points) - 1,
            across=next(iter(varying), "") if across is None else across,
            covered=covered,
        )


def _check(field: str, value: Any, where: str, least: float = -math.inf) -> None:
    """Refuse what is no number, or too small a one, and say where it stands."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least:
        rule = "a finite number" if least == -math.inf else f"a finite number from {least:g} on"
        raise ValueError(f"{field}={value!r} of {where} must be {rule}")


def _said(value: str | float) -> str:
    """A setting's value for readers: 0.0 -> "0", 12000 -> "12,000"."""
    if isinstance(value, bool | str):
        return {True: "yes", False: "no"}.get(value, str(value))
    return f"{int(value) if float(value).is_integer() else value:,}"


def _named(run: Run) -> str:
    """The settings of a run, for readers."""
    return ", ".join(f"{name} {_said(value)}" for name, value in run.settings.items()) or "the run"


def _settings_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The names and values of all runs, which each run has once."""
    if not runs:
        raise ValueError("runs=[] must hold at least one")
    seen: dict[tuple[str, ...], int] = {}
    for i, one in enumerate(runs):
        if not isinstance(one, Run):
            raise TypeError(f"runs[{i}] must be a Run, got {type(one).__name__}")
        if set(one.settings) != set(runs[0].settings):
            raise ValueError(
                f"settings of runs[{i}] are {sorted(one.settings)}; those of the first run are "
                f"{sorted(runs[0].settings)}, and all runs must have the same"
            )
        key = tuple(_said(one.settings[name]) for name in runs[0].settings)
        if key in seen:
            raise ValueError(f"runs[{i}] has the settings of runs[{seen[key]}]: {_named(one)}")
        seen[key] = i
    found = []
    for name in runs[0].settings:
        values = [one.settings[name] for one in runs]
        numbers = sorted(v for v in values if isinstance(v, Real))
        texts = [v for v in values if not isinstance(v, Real)]
        found.append({"name": name, "values": list(dict.fromkeys(map(_said, numbers + texts)))})
    return found


def _drawn(run: Run, settings: list[dict[str, Any]], places: dict[str, int]) -> dict[str, Any]:
    """A run as the page has it; texts that are new get the next place."""

    def place(text: str) -> int:
        kept = text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"
        return places.setdefault(kept, len(places))

    def answer(one: Answer) -> list[float]:
        rewards = (round(float(value), 3) for value in (one.learned, one.true))
        return [place(one.request), place(one.reply), *rewards]

    points = run.points
    return {
        "values": [one["values"].index(_said(run.settings[one["name"]])) for one in settings],
        "step_name": run.step_name,
        "steps": [int(one.step) for one in points],
        "kl": [round(max(0.0, float(one.kl)), 4) for one in points],
        "learned": [round(float(one.learned), 4) for one in points],
        "true": [round(float(one.true), 4) for one in points],
        "words": [None if one.words is None else round(float(one.words), 1) for one in points],
        "answers": [[answer(own) for own in one.answers] for one in points],
    }


def _describe(runs: Sequence[Run]) -> str:
    """Say of each run where the true reward is highest, and what the first run came to answer."""
    text = "Learned and true reward over the square root of the KL from the beginning. "
    for run in runs:
        first, last = run.points[0], run.points[-1]
        top = max(run.points, key=lambda one: one.true)
        roots = [f"{math.sqrt(max(0.0, one.kl)):.2f}" for one in (top, last)]
        text += (
            f"{_named(run)}: true reward {first.true:.2f} at first, highest {top.true:.2f} at "
            f"√KL {roots[0]} ({run.step_name} {top.step}), {last.true:.2f} at the end, √KL "
            f"{roots[1]}; learned reward {first.learned:.2f} to {last.learned:.2f}. "
        )
    begun = {one.request: one for one in runs[0].points[0].answers}
    for one in runs[0].points[-1].answers[:1]:
        before = f", at first '{begun[one.request].reply[:200]}'" if one.request in begun else ""
        text += f"The first run answers '{one.request[:200]}'{before}, "
        text += f"at the end '{one.reply[:200]}'."
    return text.strip()

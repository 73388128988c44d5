"""Is a record stale? A part of its grid is measured again and held against it.

The same settings and the same seed give nearly the same score on another machine: arithmetic that
rounds differently sends a run along another path of the same kind. So a new score is "as recorded"
when it lies in the condition's interval over seeds and test items; one outside says that code, data
or networks are no longer those of the record.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gptcore.experiments.grids import Grid
from gptcore.experiments.intervals import Interval
from gptcore.experiments.records import Record


@dataclass(frozen=True)
class Again:
    """One run, now and on record."""

    condition: str
    seed: int
    now: float
    then: float
    interval: Interval

    @property
    def as_recorded(self) -> bool:
        """Whether the new score lies in the recorded interval."""
        return self.interval.low <= self.now <= self.interval.high

    def __str__(self) -> str:
        said = "as recorded" if self.as_recorded else "NOT AS RECORDED"
        return (
            f"{self.condition}, seed {self.seed}: now {self.now:.3f}, then {self.then:.3f}, "
            f"on record {self.interval}: {said}"
        )


def again(grid: Grid, record: Record, conditions: Sequence[str] | None = None) -> list[Again]:
    """Run conditions of a grid once more, each with its recorded choice and first seed.

    Args:
        grid: as it is now. record: as it was measured.
        conditions: names; None takes the first that the record has.

    Raises:
        KeyError: a condition is not in the record or not in the grid.
    """
    known = {condition.name: condition for condition in grid.conditions}
    settings = {name: condition.settings for name, condition in known.items()}
    recorded = record.conditions()
    if conditions is None:
        conditions = [name for name in settings if name in recorded][:1]
    found = []
    for name in conditions:
        if name not in settings:
            raise KeyError(f"condition={name!r} is none of the grid's: {', '.join(settings)}")
        then, seed = record.scores(name)[0], grid.seeds_of(known[name])[0]
        now = grid.run({**settings[name], **record.choice(name)}, seed)["test"]
        found.append(Again(name, seed, now, then, record.interval(name)))
    return found

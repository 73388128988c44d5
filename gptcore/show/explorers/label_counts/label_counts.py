"""What a label is worth: accuracy against the number of labels, every run a dot.

Source: the record `labels` of data/measure.py; the question is GPT-1's, §1 (learning from raw text
"alleviates the dependence" on labels).
"""

import re
from typing import Any

from traitlets import Float, List, Unicode

from gptcore.experiments import Record, ahead, record
from gptcore.show.widgets import Explorer

__all__ = ["LabelCounts", "differences_of", "points_of"]

CONDITION = re.compile(r"(?:[\w-]+: )?([\w -]+), (\d+)")
LABELS = {"words counted": "counting words"}
"""What the record calls a way -> what readers read, where that is another word."""


class LabelCounts(Explorer):
    """Accuracy of each way to learn a task from some labels, every run, any two side by side.

    The reader chooses which ways are drawn, and two points to compare: by lists, or by pointing.

    Args:
        found: the record; by default the one that the course ships.
        chance: accuracy of guessing.
        one, other: the points that are compared at first, as "way, number of labels".
        alt: the text alternative; by default it is worked out from the record.

    Raises:
        ValueError: a condition of the record has a name of another form, or no such point was run.
    """

    script = "label_counts"
    points = List().tag(sync=True)
    """One dict per point: name, way, n, mean, low, high, runs (a score for each seed)."""
    differences = List().tag(sync=True)
    """One dict per pair: one, other, mean, low, high, holds (True, False or None for open)."""
    shown = List().tag(sync=True)
    """The ways that are drawn."""
    one, other = (Unicode().tag(sync=True) for _ in range(2))
    """The names of the points that are compared."""
    chance = Float().tag(sync=True)
    """Accuracy of guessing."""

    def __init__(
        self,
        found: Record | None = None,
        *,
        chance: float = 1 / 7,
        one: str = "pre-trained, 150",
        other: str = "from scratch, 300",
        alt: str | None = None,
    ) -> None:
        found = found or record("labels")
        points = points_of(found)
        names = [point["name"] for point in points]
        for field, name in (("one", one), ("other", other)):
            if name not in names:
                raise ValueError(f"{field}={name!r} was not run; there are {'; '.join(names)}")
        super().__init__(
            alt=_describe(points) if alt is None else alt,
            points=points,
            differences=differences_of(found),
            shown=list(dict.fromkeys(point["way"] for point in points)),
            one=one,
            other=other,
            chance=round(chance, 4),
        )


def points_of(found: Record) -> list[dict[str, Any]]:
    """The trait `points`, in the order of the record.

    Args:
        found: a record whose conditions are named like "pre-trained, 75".

    Raises:
        ValueError: a condition's name has another form.
    """
    points = []
    for condition in found.conditions():
        way, n = _parts(condition)
        here = found.interval(condition)
        points.append(
            {
                "name": f"{way}, {n}",
                "way": way,
                "n": n,
                "mean": round(here.mean, 4),
                "low": round(here.low, 4),
                "high": round(here.high, 4),
                "runs": found.scores(condition),
            }
        )
    return points


def differences_of(found: Record) -> list[dict[str, Any]]:
    """Every point against every later one, by the rule `ahead`: the trait `differences`.

    Args:
        found: as for `points_of`.
    """
    names = found.conditions()
    pairs = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            verdict = ahead(found.runs(first), found.runs(second))
            here = {end: round(getattr(verdict.found, end), 4) for end in ("mean", "low", "high")}
            titles = ("{}, {}".format(*_parts(name)) for name in (first, second))
            at = dict(zip(("one", "other"), titles, strict=True))
            pairs.append({**at, **here, "holds": verdict.holds})
    return pairs


def _parts(condition: str) -> tuple[str, int]:
    """ "tales-mood: words counted, 75" -> ("counting words", 75)."""
    found = CONDITION.fullmatch(condition)
    if not found:
        raise ValueError(f"condition={condition!r} must be like 'pre-trained, 75'")
    return LABELS.get(found[1], found[1]), int(found[2])


def _describe(points: list[dict[str, Any]]) -> str:
    """Say every mean, way by way."""
    text = "Accuracy by number of labels. "
    for way in dict.fromkeys(point["way"] for point in points):
        means = [f"{p['n']} labels {p['mean']:.3f}" for p in points if p["way"] == way]
        text += f"{way}: {', '.join(means)}. "
    return text.rstrip()

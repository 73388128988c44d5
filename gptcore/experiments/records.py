"""One tidy record per grid: a row for every run, candidates included.

A record is a JSON file in `data/runs`: what was run (command, seeds, budget, hardware, minutes) and
a table with a row per run. `role` tells which runs chose ("candidate", scored on the validation
part only) and which report ("reported", scored on the test part). Nothing that was tried is left
out, so a reader can choose otherwise and see what that would have given.

Source: ours; "tidy" after Wickham 2014 (a row per observation).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gptcore.checkpoint.shipped import run_record
from gptcore.experiments.intervals import Interval, Runs, interval, runs_of
from gptcore.extras import needing

CANDIDATE, REPORTED = "candidate", "reported"


@dataclass
class Record:
    """A measured grid.

    Args:
        about: command, seeds, selection seed, budget, hardware, minutes.
        labels: per test set, the true scores that predictions are correlated with.
        rows: one dict per run: condition, test_set, role, seed, choice (what the candidate sets),
            valid, test, items, and whatever the run adds (tokens, epochs, best_epoch, curve).
    """

    about: dict[str, Any]
    rows: list[dict[str, Any]]
    labels: dict[str, list[float]] = field(default_factory=dict)

    @property
    def origin(self) -> dict[str, Any]:
        """What a card says of a measurement on record: {"command": ..., "minutes": ...}."""
        return {"command": self.about["command"], "minutes": self.about["minutes"]}

    def conditions(self) -> list[str]:
        """Their names, in the order of the grid."""
        return list(dict.fromkeys(row["condition"] for row in self.rows))

    def runs(self, condition: str, field: str = "items") -> Runs:
        """What the reported runs of a condition answered, seed by seed.

        Args:
            field: which of the lists that a run gives.

        Raises:
            KeyError: there is no such condition or list, or the condition has no reported run.
        """
        rows = self._rows(condition, REPORTED)
        labels = self.labels.get(rows[0].get("test_set"))
        return runs_of([unpacked(row[field]) for row in rows], labels, condition)

    def scores(self, condition: str) -> list[float]:
        """Test scores of a condition, seed by seed."""
        return [row["test"] for row in self._rows(condition, REPORTED)]

    def interval(self, condition: str) -> Interval:
        """Mean over seeds with the interval over seeds and test items."""
        return interval(self.runs(condition))

    def choice(self, condition: str) -> dict[str, Any]:
        """What was chosen for a condition on the validation part, such as {"lr": 0.001}."""
        return self._rows(condition, REPORTED)[0]["choice"]

    def edges(self) -> dict[str, str]:
        """Conditions whose choice is the lowest or the highest of what was tried.

        A better one may lie beyond it. A choice of more than one value has no edge.

        Returns:
            Name -> "lowest" or "highest", in the order of the grid.
        """
        found = {}
        for name in self.conditions():
            values = {
                role: [
                    tuple(row["choice"].values())
                    for row in self.rows
                    if row["condition"] == name and row["role"] == role
                ]
                for role in (CANDIDATE, REPORTED)
            }
            tried, chosen = set(values[CANDIDATE]), values[REPORTED]
            if chosen and len(tried) > 1 and len(chosen[0]) == 1:
                ends = {min(tried): "lowest", max(tried): "highest"}
                found[name] = ends.get(chosen[0])
        return {name: edge for name, edge in found.items() if edge}

    def table(self) -> Any:
        """Every run as a row of a pandas DataFrame, without curves and answers to items."""
        with needing("finetune"):
            import pandas

        rows = [
            {k: v for k, v in row.items() if k != "items" and not isinstance(v, list)}
            for row in self.rows
        ]
        return pandas.DataFrame(rows)

    def _rows(self, condition: str, role: str) -> list[dict[str, Any]]:
        rows = [r for r in self.rows if r["condition"] == condition and r["role"] == role]
        if not rows:
            have = ", ".join(self.conditions())
            raise KeyError(f"condition={condition!r} has no {role} run; there are {have}")
        return sorted(rows, key=lambda row: row["seed"])

    def as_json(self) -> dict[str, Any]:
        """Plain values, as the file holds them."""
        return {**self.about, "labels": self.labels, "rows": self.rows}

    @classmethod
    def of(cls, content: dict[str, Any]) -> Record:
        """From what `as_json` gave."""
        about = {k: v for k, v in content.items() if k not in ("rows", "labels")}
        return cls(about, content["rows"], content.get("labels", {}))


def record(name: str) -> Record:
    """The record of that name that the course ships in data/runs.

    Raises:
        KeyError: there is none.
    """
    return Record.of(run_record(name))


def packed(items: Iterable[float]) -> str | list[float]:
    """Answers to test items in little room: "0110..." for right and wrong, else four decimals."""
    values = [float(value) for value in items]
    if all(value in (0.0, 1.0) for value in values):
        return "".join(str(int(value)) for value in values)
    return [round(value, 4) for value in values]


def unpacked(items: str | list[float]) -> list[float]:
    """What `packed` packed, up to its rounding."""
    return [float(c) for c in items] if isinstance(items, str) else list(items)


def digest_of(settings: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for nested plain values."""
    import hashlib

    plain = json.dumps(settings, sort_keys=True, default=_plain)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is no plain value")

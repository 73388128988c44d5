"""A measurement as a grid: conditions × candidates, then the chosen one × seeds.

    grid = Grid("labels", run, (Condition("full", {...}, ({"lr": 1e-3}, {"lr": 2e-3})), ...))
    found = measure(grid, "runs/measure", jobs=2)
    ahead(found.runs("full"), found.runs("scratch"))

Every candidate of every condition runs once, with a seed that is not reported, and the one with
the best validation score is chosen. Then the chosen one runs with every reported seed, and is
scored on the test part. All conditions have the same number of candidates: a rival that was tuned
less than its opponent proves nothing.

Each run's result is kept in a file of its own, named after all that decides it, so what was killed
goes on, and grids share what they have in common.

Source: ours; Bouthillier et al. 2021, "Accounting for Variance in Machine Learning Benchmarks"
(choose on one split, report on another, over seeds).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptcore.experiments.records import CANDIDATE, REPORTED, Record, digest_of
from gptcore.extras import needing

Settings = dict[str, Any]
Run = Callable[[Settings, int], dict[str, Any]]
OF_CANDIDATES = frozenset(
    "test_set valid seconds tokens n_params n_shown shape loss curve course epochs best_epoch "
    "diverged choices".split()
)
"""What a record keeps of a run that only chose: its validation score, its size, cost and course."""
SELECT_SEED = 100
"""Draws the runs that choose; no reported seed may be this one."""


@dataclass(frozen=True)
class Condition:
    """One side of a comparison.

    Args:
        name: what records and verdicts call it.
        settings: plain values, handed to the grid's run.
        candidates: what may be chosen, each added to `settings`, such as {"lr": 1e-3}.
        chosen: name of the condition whose choice this one takes; it then has no candidates.
        seeds: that are reported, where they are others than the grid's; with none it only chooses,
            for conditions that take its choice.
    """

    name: str
    settings: Settings
    candidates: tuple[Settings, ...] = ({},)
    chosen: str | None = None
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Grid:
    """Conditions, seeds, and the function that runs one of them.

    Args:
        name: of its record.
        run: (settings, seed) -> {"test_set", "valid", "test", "items", "labels" (or None), ...}:
            `valid` is higher for better; `items` are right or wrong, or predictions, one per test
            item. A function of an importable module, for it runs in other processes.
        conditions: at least one; each name once.
        seeds: that are reported.
        budget: what every condition was given, in a sentence.
        fingerprint: digest of what else decides a result, such as weights; another one runs anew.

    Raises:
        ValueError: a name stands twice, seeds repeat or hold the seed that chooses, conditions
            have different numbers of candidates, or one takes the choice of one that is not there.
    """

    name: str
    run: Run
    conditions: tuple[Condition, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: str = ""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        names = [condition.name for condition in self.conditions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            raise ValueError(f"conditions={names} must be at least one, each name once")
        for seeds in (self.seeds, *(c.seeds for c in self.conditions if c.seeds)):
            if len(set(seeds)) != len(seeds) or not seeds or SELECT_SEED in seeds:
                raise ValueError(
                    f"seeds={seeds} must be different ones, at least one, and not {SELECT_SEED}, "
                    "with which candidates are chosen"
                )
        own = {c.name: len(c.candidates) for c in self.conditions if c.chosen is None}
        if len(set(own.values())) > 1:
            raise ValueError(
                f"candidates per condition: {own}; every condition must have the same number, or "
                "one was tuned more than another"
            )
        for condition in self.conditions:
            if condition.chosen is not None and condition.chosen not in own:
                raise ValueError(
                    f"chosen={condition.chosen!r} of {condition.name!r} is none of {list(own)}"
                )

    def seeds_of(self, condition: Condition) -> tuple[int, ...]:
        """The seeds with which a condition is reported."""
        return self.seeds if condition.seeds is None else condition.seeds


@dataclass(frozen=True)
class Cell:
    """One run of a grid."""

    condition: str
    role: str
    settings: Settings
    choice: Settings
    seed: int

    def key(self, grid: Grid) -> str:
        """Name of the file that keeps its result."""
        name = f"{grid.run.__module__}.{grid.run.__qualname__}"
        return digest_of(
            {
                "run": name,
                "settings": {**self.settings, **self.choice},
                "seed": self.seed,
                "fingerprint": grid.fingerprint,
            }
        )


def measure(
    grid: Grid,
    kept: str | Path,
    *,
    command: str,
    jobs: int = 1,
    progress: bool = True,
    only: Sequence[str] | None = None,
    known: Record | None = None,
) -> Record:
    """Run what a grid asks for and is not kept yet.

    Args:
        grid: what to measure.
        kept: folder for the results of single runs.
        command: that measures it again; written to the record.
        jobs: runs at a time, each in a process of its own.
        progress: show a bar with the time left.
        only: names of conditions to run; None runs all.
        known: a record of this grid, whole or not: what it holds is not run again.

    Returns:
        The record: every candidate and every reported run.
    """
    kept = Path(kept)
    kept.mkdir(parents=True, exist_ok=True)
    if known is not None:
        _restore(known, kept)
    conditions = [c for c in grid.conditions if only is None or c.name in only]
    chosen_by = {c.chosen for c in conditions if c.chosen}
    asked = [c for c in grid.conditions if c in conditions or c.name in chosen_by]
    choosing = [
        Cell(c.name, CANDIDATE, c.settings, candidate, SELECT_SEED)
        for c in asked
        for candidate in c.candidates
        if c.chosen is None and len(c.candidates) > 1
    ]
    n_reported = sum(len(grid.seeds_of(condition)) for condition in conditions)
    with _bar(len(choosing) + n_reported, grid.name, progress) as bar:
        found = _run(grid, choosing, kept, jobs, bar)
        choices = _choices(asked, found)
        reporting = [
            Cell(c.name, REPORTED, c.settings, choices[c.chosen or c.name], seed)
            for c in conditions
            for seed in grid.seeds_of(c)
        ]
        found += _run(grid, reporting, kept, jobs, bar)
    return _record(grid, found, command)


def _restore(known: Record, kept: Path) -> None:
    """Write the results that a record holds where runs would keep them."""
    for row in known.rows:
        path = kept / f"{row['key']}.json"
        if not path.is_file():
            path.write_text(json.dumps({**row, "labels": known.labels.get(row["test_set"])}))


def _choices(conditions: list[Condition], found: list[tuple[Cell, dict]]) -> dict[str, Settings]:
    """For each condition the candidate with the best validation score; the first of equals."""
    choices = {c.name: c.candidates[0] for c in conditions if c.chosen is None}
    best: dict[str, float] = {}
    for cell, result in found:
        if result["valid"] > best.get(cell.condition, float("-inf")):
            best[cell.condition], choices[cell.condition] = result["valid"], cell.choice
    return choices


def _run(
    grid: Grid, cells: list[Cell], kept: Path, jobs: int, bar: Any
) -> list[tuple[Cell, dict[str, Any]]]:
    """Results of cells in their order; what is kept is read, the rest runs side by side."""
    with needing("finetune"):
        from joblib import Parallel, delayed

    paths = [kept / f"{cell.key(grid)}.json" for cell in cells]
    todo = {path: cell for path, cell in zip(paths, cells, strict=True) if not path.is_file()}
    bar.update(len(cells) - len(todo))
    if todo:
        running = Parallel(n_jobs=jobs, return_as="generator_unordered")(
            delayed(_one)(grid.run, {**cell.settings, **cell.choice}, cell.seed, path)
            for path, cell in todo.items()
        )
        for _ in running:
            bar.update()
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return list(zip(cells, results, strict=True))


def _one(run: Run, settings: Settings, seed: int, path: Path) -> None:
    """Run one cell and keep its result, whole or not at all."""
    began = time.perf_counter()
    result = run(settings, seed)
    result["seconds"] = round(time.perf_counter() - began, 1)
    half_written = path.with_name(f".{path.name}.{seed}.writing")
    half_written.write_text(json.dumps(result), encoding="utf-8")
    half_written.replace(path)


def _record(grid: Grid, found: list[tuple[Cell, dict[str, Any]]], command: str) -> Record:
    """All runs as one tidy table."""
    labels, rows = {}, []
    for cell, result in found:
        result = dict(result)
        true = result.pop("labels", None)
        for name in ("condition", "role", "seed", "choice", "key"):  # of a restored row
            result.pop(name, None)
        if true is not None:
            labels[result["test_set"]] = true
        if cell.role == CANDIDATE:  # what it did in the test is not to be looked at
            result = {k: v for k, v in result.items() if k in OF_CANDIDATES}
        rows.append(
            {
                "condition": cell.condition,
                "role": cell.role,
                "seed": cell.seed,
                "choice": cell.choice,
                **result,
                "key": cell.key(grid),
            }
        )
    about = {
        "name": grid.name,
        "command": command,
        "seeds": list(grid.seeds),
        "select_seed": SELECT_SEED,
        "budget": grid.budget,
        "minutes": round(sum({row["key"]: row["seconds"] for row in rows}.values()) / 60, 1),
    }
    return Record(about, rows, labels)


def _bar(total: int, name: str, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=name, unit=" runs", disable=not progress)

"""The budget game: buy recorded runs with a fixed number of FLOPs and land near the frontier.

Source: the record `scaling` of data/measure.py; the frontier follows Hoffmann et al. 2022, §3.3.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from traitlets import Bool, Dict, Float, Int, List

from gptcore.experiments.laws import Law, fit_law
from gptcore.experiments.records import Record, record
from gptcore.experiments.scaling import points_of
from gptcore.show.widgets import Explorer

__all__ = ["BudgetGame", "runs_of_record"]

BUDGETS = (3e11, 1e12, 1.6e12)


class BudgetGame(Explorer):
    """A table of runs by size and tokens, each with its price; the loss shows when it is bought.

    The reader spends a budget, stops, and sees the best run that the whole budget could have bought
    and the law's frontier.

    Args:
        found: the record; by default the one that the course ships.
        law: whose frontier is drawn; by default fitted to the record.
        budget: FLOPs to begin with, one of `budgets`.
        budgets: FLOPs to choose from.
        alt: the text alternative; by default it is worked out from the record.

    Raises:
        ValueError: a budget buys nothing, or `budget` is not among `budgets`.
    """

    script = "budget"
    runs = List().tag(sync=True)
    """One dict per size and amount: size, tokens (names), N, D, flops, loss (mean), seeds."""
    law = Dict().tag(sync=True)
    """E, A, alpha, B, beta."""
    budgets, bought = (List().tag(sync=True) for _ in range(2))
    """FLOPs to choose from; places in `runs` of what was bought."""
    budget = Float().tag(sync=True)
    """FLOPs of this game."""
    at = Int(0).tag(sync=True)
    """Place in `runs` of the cell that is chosen."""
    done = Bool(False).tag(sync=True)
    """Whether the reader has stopped."""

    def __init__(
        self,
        found: Record | None = None,
        law: Law | None = None,
        *,
        budget: float = BUDGETS[1],
        budgets: Sequence[float] = BUDGETS,
        alt: str | None = None,
    ) -> None:
        found = found or record("scaling")
        runs, points = runs_of_record(found), points_of(found)
        law = law or fit_law(points.losses, N=points.N, D=points.D)
        cheapest = min(run["flops"] for run in runs)
        for one in budgets:
            if one < cheapest:
                raise ValueError(
                    f"budget={one:g} buys nothing: the cheapest is {cheapest:.3g} FLOPs"
                )
        if budget not in budgets:
            raise ValueError(f"budget={budget:g} must be one of {[float(b) for b in budgets]}")
        super().__init__(
            alt=_describe(runs, law, budgets) if alt is None else alt,
            runs=runs,
            law={name: getattr(law, name) for name in ("E", "A", "alpha", "B", "beta")},
            budgets=[float(one) for one in budgets],
            budget=float(budget),
        )


def runs_of_record(found: Record) -> list[dict[str, Any]]:
    """The reported runs by condition, seeds averaged: the trait `runs`.

    Raises:
        ValueError: a condition has no name of the form "16x2 on 1M".
    """
    points, rows = points_of(found), []
    for name in dict.fromkeys(points.groups.tolist()):
        size, on, tokens = name.partition(" on ")
        if not on:
            raise ValueError(f"condition={name!r} must be like '16x2 on 1M'")
        here = points.where(points.groups == name)
        row = {"size": size, "tokens": tokens, "N": float(here.N[0]), "D": float(here.D[0])}
        row |= {"flops": float(here.compute[0]), "loss": round(float(np.mean(here.losses)), 4)}
        rows.append({**row, "seeds": len(here.losses)})
    return sorted(rows, key=lambda row: (row["N"], row["D"]))


def _describe(runs: list[dict[str, Any]], law: Law, budgets: Sequence[float]) -> str:
    """For each budget the best recorded run within it, and the law's frontier."""
    text = f"A game with {len(runs)} recorded runs: buy some within a budget of FLOPs. "
    for budget in budgets:
        best = min((run for run in runs if run["flops"] <= budget), key=lambda run: run["loss"])
        edge = law.loss(*law.split(budget))
        text += (
            f"With {budget:.2g} FLOPs the best run is {best['size']} on {best['tokens']} tokens, "
            f"loss {best['loss']:.3f}; the fitted frontier is at {edge:.3f}. "
        )
    return text.strip()

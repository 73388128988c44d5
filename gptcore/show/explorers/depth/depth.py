"""Post-LN and pre-LN side by side: every run of the grid of depths, and where each network began.

Source: the records `depth` and `beginnings` of data/measure.py; the picture of loss over learning
rates follows Wortsman et al. 2023, Figure 1, that of gradients over blocks Xiong et al. 2020,
Figure 3.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from traitlets import Bool, Float, Int, List, Unicode

from gptcore.experiments import Record, record
from gptcore.show.widgets import Explorer

__all__ = ["DepthExplorer", "cells_of", "gradients_of"]

CONDITION = re.compile(r"(post|pre) (\d+)(?:, ([\w -]+?))?(?: at [\d.e-]+)?")
COLD = "no warm-up"
SCALED = "scaled"
STUCK = 0.03
"""Nats within which a loss counts as that of token frequencies; the same in depth.js."""


class DepthExplorer(Explorer):
    """Two tables of losses, post-LN and pre-LN, by depth and learning rate, and what is behind.

    The reader chooses a cell, warm-up and how the weights begin, and sees the runs' curves and the
    gradient of each block before the first update.

    Args:
        runs, beginnings: the records; by default those that the course ships.
        unigram: loss of a model that knows how frequent each token is, in nats per token.
        uniform: loss of a model that knows nothing, ln V.
        n_layer, lr: the cell that is chosen at first.
        warmup, beginning: what else is chosen; "scaled" is each layout's own beginning.
        alt: the text alternative; by default it is worked out from the runs.

    Raises:
        ValueError: no run has what is chosen, or a condition has a name of another form.
    """

    script = "depth"
    cells = List().tag(sync=True)
    """One dict per cell: norm, n_layer, beginning, warmup, lr, runs [{seed, loss, curve}], and
    whether they are reported."""
    gradients = List().tag(sync=True)
    """One dict per network: norm, n_layer, beginning, mean, low, high over seeds, by block."""
    unigram, uniform, lr = (Float().tag(sync=True) for _ in range(3))
    """Two losses to compare with, and the learning rate that is chosen."""
    n_layer, updates = (Int().tag(sync=True) for _ in range(2))
    """The depth that is chosen, and the length of the runs."""
    warmup = Bool(True).tag(sync=True)
    """Whether the runs with warm-up are shown."""
    beginning = Unicode().tag(sync=True)
    """How the weights begin: "scaled", or the words of a condition's name."""

    def __init__(
        self,
        runs: Record | None = None,
        beginnings: Record | None = None,
        *,
        unigram: float,
        uniform: float,
        updates: int = 300,
        n_layer: int = 24,
        lr: float = 3e-3,
        warmup: bool = True,
        beginning: str = SCALED,
        alt: str | None = None,
    ) -> None:
        cells = cells_of((runs or record("depth")).rows)
        chosen = {"n_layer": n_layer, "lr": lr, "warmup": warmup, "beginning": beginning}
        if not any(all(cell[name] == value for name, value in chosen.items()) for cell in cells):
            raise ValueError(f"no run has {', '.join(f'{k}={v!r}' for k, v in chosen.items())}")
        super().__init__(
            alt=_describe(cells, unigram) if alt is None else alt,
            cells=cells,
            gradients=gradients_of((beginnings or record("beginnings")).rows),
            unigram=round(unigram, 4),
            uniform=round(uniform, 4),
            updates=updates,
            **chosen,
        )


def cells_of(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gather the runs of the record `depth` by what they have in common.

    Where a rate was reported, its reported runs stand alone; elsewhere stands the run that chose.

    Args:
        rows: of a record, candidates included.

    Returns:
        The trait `cells`.

    Raises:
        ValueError: a condition's name has another form.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        norm, n_layer, words = _parts(row["condition"])
        reported = row["role"] == "reported"
        names = ("norm", "n_layer", "beginning", "warmup", "lr", "reported")
        beginning = SCALED if words in ("", COLD) else words
        at = (norm, n_layer, beginning, words != COLD, row["choice"]["lr"], reported)
        cell = found.setdefault(at, {**dict(zip(names, at, strict=True)), "runs": []})
        loss = round(-row["test" if reported else "valid"], 4)
        run = {"seed": row["seed"], "loss": loss, "curve": row["curve"]}
        if run["seed"] not in [one["seed"] for one in cell["runs"]]:
            cell["runs"].append(run)
    return [cell for at, cell in found.items() if at[-1] or (*at[:-1], True) not in found]


def gradients_of(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The gradients of the record `beginnings`: geometric mean over seeds, least and largest.

    Args:
        rows: of a record.

    Returns:
        The trait `gradients`.
    """
    found: dict[tuple[str, int, str], list[list[float]]] = {}
    for row in rows:
        norm, n_layer, words = _parts(row["condition"])
        found.setdefault((norm, n_layer, words or SCALED), []).append(row["items"])
    return [
        {
            "norm": norm,
            "n_layer": n_layer,
            "beginning": beginning,
            "mean": _short(np.exp(np.log(seeds).mean(0))),
            "low": _short(np.min(seeds, 0)),
            "high": _short(np.max(seeds, 0)),
        }
        for (norm, n_layer, beginning), seeds in found.items()
    ]


def _parts(condition: str) -> tuple[str, int, str]:
    """ "post 24, no warm-up" -> ("post", 24, "no warm-up")."""
    found = CONDITION.fullmatch(condition)
    if not found:
        raise ValueError(f"condition={condition!r} must be like 'post 24' or 'pre 6, no warm-up'")
    return found[1], int(found[2]), found[3] or ""


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


def _describe(cells: list[dict[str, Any]], unigram: float) -> str:
    """Say the best loss of both layouts at each depth, and how many cells are stuck."""
    plain = [cell for cell in cells if cell["beginning"] == SCALED and cell["warmup"]]
    losses = {id(cell): float(np.mean([run["loss"] for run in cell["runs"]])) for cell in plain}
    text = "Held-out loss by depth and learning rate, and the gradient of each block at the start. "
    for n_layer in sorted({cell["n_layer"] for cell in plain}):
        said = []
        for norm in ("post", "pre"):
            here = [c for c in plain if (c["norm"], c["n_layer"]) == (norm, n_layer)]
            if here:
                best = min(here, key=lambda cell: losses[id(cell)])
                said.append(f"{norm}-LN {losses[id(best)]:.2f} at rate {best['lr']:g}")
        text += f"{n_layer} blocks, best: {', '.join(said)}. "
    count = [
        sum(abs(losses[id(c)] - unigram) < STUCK for c in plain if c["norm"] == norm)
        for norm in ("post", "pre")
    ]
    return (
        f"{text}Stuck at the loss of token frequencies, {unigram:.2f} nats, with warm-up: "
        f"{count[0]} cells of post-LN, {count[1]} of pre-LN."
    )

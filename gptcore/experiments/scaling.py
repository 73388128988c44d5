"""Networks of several sizes, each on several amounts of text, as a grid runs them.

Every pair of a size and an amount is a run of its own, with a schedule that ends where its text
ends: a point half-way along a longer run has not come down its cosine yet and says too much.

Source: Kaplan et al. 2020; Hoffmann et al. 2022, §3 (schedules that end with the data); Porian et
al. 2024 (a learning rate for each size, the output matrix counted).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gptcore.config import GPTConfig
from gptcore.experiments.pretraining import pretrained
from gptcore.experiments.records import CANDIDATE, REPORTED, Record
from gptcore.sizes import training_flops


def scaled(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """One run of the grid of sizes and tokens: `pretrained`, with the network's shape beside it.

    Args:
        settings: as `pretrained` reads them.
        seed: draws new weights and the order of the windows.

    Returns:
        What `pretrained` returns, with `shape`, the fields of the network's GPTConfig.
    """
    found = pretrained(settings, seed)
    vocab_size = settings["data"]["vocab_size"]
    return {**found, "shape": {"vocab_size": vocab_size, **settings["shape"]}}


@dataclass(frozen=True)
class Points:
    """Reported runs as laws are fitted to them, each array (runs,)."""

    losses: np.ndarray
    """Nats per token on held-out text."""
    N: np.ndarray
    """A sixth of the FLOPs of training on a token, attention and output matrix counted."""
    D: np.ndarray
    """Tokens read."""
    groups: np.ndarray
    """The condition that a run belongs to."""

    @property
    def compute(self) -> np.ndarray:
        """FLOPs of each training, 6 N D."""
        return 6 * self.N * self.D

    def where(self, chosen: np.ndarray) -> Points:
        """The runs for which a boolean array says so."""
        return Points(*(getattr(self, name)[chosen] for name in ("losses", "N", "D", "groups")))

    def given(self) -> dict[str, np.ndarray]:
        """What `laws.resample` and `laws.foretell` take by name."""
        return {"losses": self.losses, "N": self.N, "D": self.D, "groups": self.groups}


def points_of(found: Record) -> Points:
    """The reported runs of a record that `scaled` made; conditions with a comma are asides.

    Raises:
        ValueError: a run diverged, and its loss is no point of a law.
    """
    rows = [r for r in found.rows if r["role"] == REPORTED and "," not in r["condition"]]
    torn = [r["condition"] for r in rows if r["diverged"]]
    if torn:
        raise ValueError(f"condition={torn[0]!r} diverged: give it a smaller learning rate")
    return Points(
        np.array([-row["test"] for row in rows]),
        np.array([size_of(row["shape"]) for row in rows]),
        np.array([float(row["tokens"]) for row in rows]),
        np.array([row["condition"] for row in rows]),
    )


def size_of(shape: Mapping[str, Any]) -> float:
    """N of a network: a sixth of the FLOPs of training it on one token."""
    return training_flops(GPTConfig(**shape)) / 6


def rates_of(found: Record, condition: str) -> dict[float, float]:
    """Validation loss by learning rate, of the runs that chose for a condition.

    Raises:
        KeyError: no run chose for it.
    """
    rows = [r for r in found.rows if r["role"] == CANDIDATE and r["condition"] == condition]
    if not rows:
        raise KeyError(f"condition={condition!r} has no {CANDIDATE} run")
    return {row["choice"]["lr"]: -row["valid"] for row in rows}


def best_rate(losses: Mapping[float, float]) -> float:
    """Learning rate at the bottom of the parabola through the best rate and its two neighbours.

    Over the logarithm of the rate; a best rate at the edge of those tried is returned as it is.

    Args:
        losses: by learning rate, at least three.

    Raises:
        ValueError: there are fewer than three.
    """
    if len(losses) < 3:
        raise ValueError(f"{len(losses)} learning rates are too few: a parabola takes at least 3")
    rates = sorted(losses)
    at = min(range(len(rates)), key=lambda i: losses[rates[i]])
    if at in (0, len(rates) - 1):
        return rates[at]
    near = rates[at - 1 : at + 2]
    a, b, _ = np.polyfit(np.log(near), [losses[rate] for rate in near], 2)
    return float(np.exp(-b / (2 * a)))

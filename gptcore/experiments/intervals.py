"""One interval for every measurement: both the seeds and the test items are samples.

Another seed draws other weights and another order; another test set asks other questions. A score
varies with both, and the two are independent. So an interval has two parts:

    seeds   Student's t over the per-seed scores: with 3 seeds the factor is 4.3, not 2, since the
            spread of three numbers is itself hardly known
    items   SciPy's bootstrap over test items, the same items for every seed and for both sides of
            a comparison

and its half-width is the root of the sum of their squares. A difference is taken per seed and per
item before anything else, so what both sides share cancels.

Source: Student 1908; Efron and Tibshirani 1993, §13.3 (percentile intervals); Bouthillier et al.
2021, "Accounting for Variance in Machine Learning Benchmarks" (both sources in one interval).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gptcore.extras import needing

RESAMPLES = 2000
MEASURES = ("mean", "pearson")


@dataclass(frozen=True)
class Runs:
    """What the runs of one condition answered on one test set.

    Args:
        items: (S, N) per seed and test item: 1 for right and 0 for wrong, or the predicted score.
        labels: (N,) the true scores that predictions are correlated with; None for a mean.
        name: of the condition, for messages.

    Raises:
        ValueError: `items` is not (S, N) with S, N >= 1, holds a number that is not finite, or
            `labels` are not N.
    """

    items: np.ndarray
    labels: np.ndarray | None = None
    name: str = ""

    def __post_init__(self) -> None:
        items = np.asarray(self.items, dtype=float)
        if items.ndim != 2 or 0 in items.shape:
            raise ValueError(f"items must be (S, N), S and N at least 1, got {items.shape}")
        if not np.isfinite(items).all():
            raise ValueError(f"items of {self.name!r} must be finite numbers")
        object.__setattr__(self, "items", items)
        if self.labels is not None:
            labels = np.asarray(self.labels, dtype=float)
            if labels.shape != items.shape[1:]:
                raise ValueError(f"labels must be {items.shape[1:]}, got {labels.shape}")
            object.__setattr__(self, "labels", labels)

    def scores(self, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(S,) the score of each seed on the chosen items: their mean, or Pearson's correlation.

        A correlation is 0 where one side is constant.
        """
        items = self.items[:, chosen]
        if self.labels is None:
            return items.mean(1)
        true = self.labels[chosen]
        given, true = items - items.mean(1, keepdims=True), true - true.mean()
        scale = np.sqrt((given**2).sum(1) * (true**2).sum())
        return np.divide(given @ true, scale, out=np.zeros(len(items)), where=scale > 1e-12)


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and how far chance may have moved it."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def interval(a: Runs, b: Runs | None = None, *, level: float = 0.95, seed: int = 0) -> Interval:
    """The interval of a score, or of the paired difference a − b.

    Args:
        a, b: runs on the same test items. With as many seeds they are paired seed by seed; one
            that has a single run (a method that knows no chance) stands beside every seed.
        level: how often such an interval should hold the true value.
        seed: draws the resamples.

    Returns:
        The mean over seeds with its interval. A condition with a single run has the items' part
        only: the seeds' part is then not zero but unknown, unless the method knows no chance.

    Raises:
        ValueError: the two sides have other test items, or numbers of seeds that do not pair.
    """
    with needing("finetune"):
        from scipy import stats

    if b is not None:
        _check_pair(a, b)

    def scores(chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        return a.scores(chosen) - (0.0 if b is None else b.scores(chosen))

    found = scores()
    n_seeds, n_items = len(found), a.items.shape[1]
    by_seed = 0.0
    if n_seeds > 1 and np.ptp(found) > 0:
        t = stats.t.ppf(0.5 + level / 2, n_seeds - 1)
        by_seed = float(t * found.std(ddof=1) / np.sqrt(n_seeds))
    by_item = 0.0
    if n_items > 1:
        resampled = stats.bootstrap(
            (np.arange(n_items),),
            lambda chosen: scores(chosen).mean(),
            vectorized=False,
            n_resamples=RESAMPLES,
            confidence_level=level,
            method="percentile",
            random_state=np.random.default_rng(seed),  # in every SciPy; "rng" came with 1.15
        ).confidence_interval
        by_item = float(resampled.high - resampled.low) / 2
    half, mean = float(np.hypot(by_seed, by_item)), float(found.mean())
    lowest, highest = _bounds(a) if b is None else (-np.inf, np.inf)
    return Interval(mean, float(max(mean - half, lowest)), float(min(mean + half, highest)))


def rounded(found: Interval) -> dict[str, float | list[float]]:
    """As a record keeps it: {"mean": ..., "interval": [low, high]}, four decimals."""
    return {"mean": round(found.mean, 4), "interval": [round(found.low, 4), round(found.high, 4)]}


def _bounds(a: Runs) -> tuple[float, float]:
    """What no score can leave: a correlation, or a mean of items that all lie from 0 to 1.

    One number a seed may be anything, and what was seen is no bound: a rule that asks whether it is
    above 0 could else not be left open once all seeds are.
    """
    if a.labels is not None:
        return -1.0, 1.0
    shares = a.items.shape[1] > 1 and a.items.min() >= 0 and a.items.max() <= 1
    return (0.0, 1.0) if shares else (-np.inf, np.inf)


def _check_pair(a: Runs, b: Runs) -> None:
    if a.items.shape[1] != b.items.shape[1]:
        raise ValueError(
            f"{a.name!r} has {a.items.shape[1]} test items and {b.name!r} {b.items.shape[1]}: a "
            "paired difference needs the same ones"
        )
    if len(b.items) != len(a.items) and 1 not in (len(a.items), len(b.items)):
        raise ValueError(
            f"{a.name!r} has {len(a.items)} seeds and {b.name!r} {len(b.items)}: both must have as "
            "many, or one of them one"
        )
    if (a.labels is None) != (b.labels is None) or (
        a.labels is not None and not np.array_equal(a.labels, b.labels)
    ):
        raise ValueError(f"{a.name!r} and {b.name!r} must be scored against the same labels")


def runs_of(items: Sequence[Sequence[float]], labels: Sequence[float] | None, name: str) -> Runs:
    """Runs from plain lists, as a record keeps them."""
    return Runs(np.array(items, float), None if labels is None else np.array(labels, float), name)

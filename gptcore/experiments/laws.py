"""Laws of the loss: L(N, D) = E + A / N^α + B / D^β, fitted to runs, with intervals.

    law = fit_law(losses, N=sizes, D=tokens)     # or N alone, or D alone
    law.loss(N=1e6, D=4e6)
    resampled = resample(losses, N=sizes, D=tokens, groups=conditions)

For given exponents the law is linear in E, A and B. So only the exponents are searched, on a grid
and then downhill from its best point, and the rest follows by least squares in which none of the
three is negative. A search over all five at once has a long flat valley and stops anywhere in it.

N may be a number of parameters or what stands for it, such as FLOPs per token: the law does not
ask. `split` takes the compute for 6 N D.

Source: Hoffmann et al. 2022, §3.3 (the form, and that the optimum follows from it); Golub and
Pereyra 1973 (variable projection); Efron and Tibshirani 1993 (resampling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from gptcore.experiments.intervals import Interval
from gptcore.extras import needing

Numbers = Sequence[float] | np.ndarray
EXPONENTS = (0.02, 2.0)
"""Between these they are searched."""
STEPS = 12
"""Of the grid, for each exponent, evenly spaced in its logarithm."""
TOGETHER = 0.99
"""Correlation of log N and log D from which on nothing tells the two apart."""


@dataclass(frozen=True)
class Law:
    """E + A / N^α + B / D^β; a part that was not fitted has the coefficient 0.

    Args:
        E: loss that neither size nor text takes away, in nats per token.
        A, alpha: what a network of finite size pays.
        B, beta: what a text of finite length costs.
    """

    E: float
    A: float = 0.0
    alpha: float = 1.0
    B: float = 0.0
    beta: float = 1.0

    def loss(self, N: Any = None, D: Any = None) -> Any:
        """The loss at a size and a number of tokens, numbers or arrays; None leaves a part out."""
        size = 0.0 if N is None else self.A * np.asarray(N, float) ** -self.alpha
        text = 0.0 if D is None else self.B * np.asarray(D, float) ** -self.beta
        found = self.E + size + text
        return float(found) if np.ndim(found) == 0 else found

    def split(self, compute: float) -> tuple[float, float]:
        """How to spend a compute of 6 N D: the N and D of the lowest loss.

        Args:
            compute: FLOPs of a whole training.

        Returns:
            N and D; N grows as compute^(β / (α + β)).

        Raises:
            ValueError: the compute is not above 0, or the law lacks one of its parts.
        """
        if not compute > 0:
            raise ValueError(f"compute={compute} must be greater than 0")
        if not (self.A > 0 and self.B > 0):
            raise ValueError(f"A={self.A} and B={self.B} must be greater than 0 to be traded")
        a, b, product_ = self.alpha, self.beta, compute / 6
        ratio = (a * self.A / (b * self.B)) ** (1 / (a + b))
        N = ratio * product_ ** (b / (a + b))
        return N, product_ / N


def fit_law(losses: Numbers, *, N: Numbers | None = None, D: Numbers | None = None) -> Law:
    """Fit the law to runs, one number each.

    Args:
        losses: held-out loss of each run, in nats per token.
        N: size of each run's network; None fits a law of D alone.
        D: tokens that each run read; None fits a law of N alone.

    Raises:
        ValueError: neither N nor D is given, they are not as many as the losses, a number is not
            finite or a size not above 0, there are too few runs, N or D has fewer than three
            values, or the two grow together.
    """
    losses, given = _checked(losses, N, D)
    middles = {name: float(np.exp(np.log(x).mean())) for name, x in given.items()}
    scaled = [x / middles[name] for name, x in given.items()]
    exponents, coefficients = _search(losses, scaled)
    found: dict[str, float] = {"E": float(coefficients[0])}
    for name, exponent, c in zip(given, exponents, coefficients[1:], strict=True):
        letter, greek = {"N": ("A", "alpha"), "D": ("B", "beta")}[name]
        found |= {letter: float(c * middles[name] ** exponent), greek: float(exponent)}
    return Law(**found)


def resample(
    losses: Numbers,
    *,
    N: Numbers | None = None,
    D: Numbers | None = None,
    groups: Sequence[Any] | None = None,
    n: int = 200,
    seed: int = 0,
) -> list[Law]:
    """Fit the law to resampled runs, to see how far chance may have moved it.

    Runs of one group, such as the seeds of one size and length, share what the law does not
    describe. So groups are drawn with replacement, and then runs within each.

    Args:
        losses, N, D: as `fit_law` takes them.
        groups: to which each run belongs; None: each its own.
        n: resamples. seed: draws them.

    Raises:
        ValueError: as in `fit_law`; or the groups are so few that resamples cannot be fitted.
    """
    losses, given = _checked(losses, N, D)
    labels = np.arange(len(losses)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if len(labels) != len(losses):
        raise ValueError(f"groups are {len(labels)} and losses {len(losses)}: one for each run")
    members = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    rng, laws = np.random.default_rng(seed), []
    for _ in range(20 * n):
        if len(laws) == n:
            break
        drawn = [members[i] for i in rng.integers(len(members), size=len(members))]
        chosen = np.concatenate([rng.choice(one, len(one)) for one in drawn])
        try:
            laws.append(fit_law(losses[chosen], **{name: x[chosen] for name, x in given.items()}))
        except ValueError:  # this resample lost a size
            continue
    if len(laws) < n:
        raise ValueError(
            f"only {len(laws)} of {20 * n} resamples of {len(members)} groups could be fitted: "
            "measure more sizes, or more amounts of text"
        )
    return laws


def spread(values: Numbers, level: float = 0.95) -> Interval:
    """Mean of resampled values and the percentiles between which a part `level` of them lies."""
    values = np.asarray(values, float)
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(values.mean()), float(low), float(high))


def foretell(
    losses: Numbers,
    *,
    N: Numbers,
    D: Numbers,
    at: tuple[float, float],
    groups: Sequence[Any] | None = None,
    n: int = 500,
    seed: int = 0,
) -> Interval:
    """Predict the loss of one run that was not made: the law's value, and an interval for the run.

    The interval counts how uncertain the law is, by resampling, and how far a single run lies from
    it, by the residuals of those that were made. That the law may have another form further out it
    cannot count.

    Args:
        losses, N, D, groups, n, seed: as `resample` takes them.
        at: N and D of the run to predict.
    """
    law = fit_law(losses, N=N, D=D)
    laws = resample(losses, N=N, D=D, groups=groups, n=n, seed=seed)
    missed = np.asarray(losses, float) - law.loss(N, D)
    missed = missed * np.sqrt(len(missed) / (len(missed) - 5))  # five numbers were fitted to them
    drawn = np.random.default_rng(seed + 1).choice(missed, n)
    found = spread(np.array([one.loss(*at) for one in laws]) + drawn)
    return Interval(law.loss(*at), found.low, found.high)


def _checked(
    losses: Numbers, N: Numbers | None, D: Numbers | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Arrays of one length, or an error that says what is wrong."""
    losses = np.asarray(losses, float)
    given = {k: np.asarray(x, float) for k, x in (("N", N), ("D", D)) if x is not None}
    if not given:
        raise ValueError("N=None and D=None: give the sizes, the tokens, or both")
    if losses.ndim != 1:
        raise ValueError(f"losses has shape {losses.shape}: it must be a row of numbers")
    if not (fits := np.isfinite(losses)).all():
        raise ValueError(f"losses={losses[~fits][0]} must be finite: leave diverged runs out")
    for name, x in given.items():
        if x.shape != losses.shape:
            raise ValueError(f"{name} has shape {x.shape} and losses {losses.shape}: one for each")
        if not (fits := np.isfinite(x) & (x > 0)).all():
            raise ValueError(f"{name}={x[~fits][0]:g} must be a finite number greater than 0")
    for name, x in given.items():
        values = np.unique(x)
        if len(values) < 3:
            raise ValueError(
                f"{name} has {len(values)} different values; at least 3 are needed, for through "
                "two points goes a power of any exponent"
            )
    least = 2 * len(given) + 2
    if len(losses) < least:
        raise ValueError(
            f"{len(losses)} runs are too few: {least - 1} numbers are fitted, give {least} or more"
        )
    if len(given) == 2:
        r = abs(np.corrcoef(np.log(given["N"]), np.log(given["D"]))[0, 1])
        if r > TOGETHER:
            raise ValueError(
                f"N and D grow together (correlation of their logarithms {r:.3f}): what either "
                "does cannot be told apart; give runs of one size on several amounts of text"
            )
    return losses, given


def _search(losses: np.ndarray, columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The exponents of the best fit, and its coefficients."""
    with needing("finetune"):
        from scipy.optimize import minimize, nnls

    def solved(logs: np.ndarray) -> tuple[np.ndarray, float]:
        powers = [x ** -np.exp(log) for x, log in zip(columns, logs, strict=True)]
        return nnls(np.stack([np.ones_like(losses), *powers], axis=1), losses)

    bounds = np.log(EXPONENTS)
    grid = product(np.linspace(*bounds, STEPS), repeat=len(columns))
    start = min(grid, key=lambda logs: solved(np.array(logs))[1])
    found = minimize(
        lambda logs: solved(logs)[1],
        np.array(start),
        method="Nelder-Mead",
        bounds=[tuple(bounds)] * len(columns),
        options={"xatol": 1e-7, "fatol": 1e-12, "maxiter": 600},
    )
    return np.exp(found.x), solved(found.x)[0]

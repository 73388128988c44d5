"""Gradient descent on one parameter: a curve of the loss, a ball to drag, its slope, and steps.

Source: none; the curves are polynomials, and their slopes follow by the power rule.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from traitlets import Int, List

from gptcore.show.widgets import Explorer

__all__ = ["CURVES", "Descent", "slope", "value"]

CURVES: dict[str, Mapping[str, Any]] = {
    "four points": {"coefficients": (7.375, -7.425, 1.875), "low": -0.2, "high": 4.2, "start": 0.0},
    "two valleys": {
        "coefficients": (3.0, 0.3, -1.0, 0.0, 0.125),
        "low": -3.2,
        "high": 3.2,
        "start": 3.0,
    },
}
"""The loss of w x on x = 0.5, 1, 1.5, 2 and y = 1.1, 1.9, 3.2, 3.8; and one that is not a bowl."""
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.54, 0.6, 1.0)


class Descent(Explorer):
    """A loss over one parameter: drag the ball, read the gradient, choose a rate, take steps.

    Args:
        curves: name -> coefficients (of 1, w, w², …), low and high (of w in the picture), start.
        rate: the learning rate to begin with, one of `rates`.
        rates: learning rates to choose from, ascending.
        alt: the text alternative; by default it is worked out from the curves.

    Raises:
        ValueError: there is no curve, one has fewer than three coefficients or starts outside its
            picture, rates do not ascend from above 0, or `rate` is not among them.
    """

    script = "descent"
    curves = List().tag(sync=True)
    """One dict per curve: name, coefficients, low, high, start."""
    rates, trail = (List().tag(sync=True) for _ in range(2))
    """Learning rates to choose from; the values of w so far, the last of them now."""
    curve, rate = (Int(0).tag(sync=True) for _ in range(2))
    """Places in `curves` and `rates`."""

    def __init__(
        self,
        curves: Mapping[str, Mapping[str, Any]] = CURVES,
        *,
        rate: float = 0.1,
        rates: Sequence[float] = RATES,
        alt: str | None = None,
    ) -> None:
        if not curves:
            raise ValueError("curves={} holds no curve: give at least one")
        rows = [_row(name, curve) for name, curve in curves.items()]
        if list(rates) != sorted(set(rates)) or not rates or rates[0] <= 0:
            raise ValueError(f"rates={tuple(rates)} must ascend from above 0")
        if rate not in rates:
            raise ValueError(f"rate={rate} must be one of {tuple(rates)}")
        super().__init__(
            alt=_describe(rows[0], rate) if alt is None else alt,
            curves=rows,
            rates=[float(one) for one in rates],
            rate=list(rates).index(rate),
            trail=[rows[0]["start"]],
        )


def value(coefficients: Sequence[float], w: float) -> float:
    """The loss at w: Σ c_i w^i."""
    return math.fsum(c * w**i for i, c in enumerate(coefficients))


def slope(coefficients: Sequence[float], w: float) -> float:
    """The derivative of the loss at w: Σ i c_i w^(i-1)."""
    return math.fsum(i * c * w ** (i - 1) for i, c in enumerate(coefficients) if i)


def _row(name: str, curve: Mapping[str, Any]) -> dict[str, Any]:
    coefficients = [float(c) for c in curve["coefficients"]]
    if len(coefficients) < 3:
        raise ValueError(f"curve {name!r} has coefficients={coefficients}: give three or more")
    low, high, start = (float(curve[part]) for part in ("low", "high", "start"))
    if not low < start < high:
        raise ValueError(f"curve {name!r} starts at {start}, outside of {low} to {high}")
    return {
        "name": name, "coefficients": coefficients, "low": low, "high": high, "start": start,
    }  # fmt: skip


def _describe(row: dict[str, Any], rate: float) -> str:
    """The first curve, its start, and where ten steps lead."""
    c, w = row["coefficients"], row["start"]
    begun = f"w = {w:g} the loss is {value(c, w):.2f} and the gradient {slope(c, w):.2f}"
    for _ in range(10):
        w -= rate * slope(c, w)
    return (
        f"A curve of the loss over one parameter w, with a ball to drag. At {begun}. Ten steps at "
        f"learning rate {rate:g} lead to w = {w:.2f}, where the loss is {value(c, w):.2f}."
    )

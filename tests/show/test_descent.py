"""Descent: its curves and their slopes, by hand, and what it refuses."""

import pytest

from gptcore.show import Descent
from gptcore.show.explorers.descent.descent import CURVES, slope, value


def test_the_first_curve_is_the_loss_of_four_points() -> None:
    """The mean of (w x - y)² at w = 0 and w = 2, and its mean gradient 2 (w x - y) x at both."""
    x, y = (0.5, 1.0, 1.5, 2.0), (1.1, 1.9, 3.2, 3.8)
    c = CURVES["four points"]["coefficients"]
    for w in (0.0, 2.0):
        errors = [w * a - b for a, b in zip(x, y, strict=True)]
        assert value(c, w) == pytest.approx(sum(e * e for e in errors) / 4, abs=1e-9)
        mean = sum(2 * e * a for e, a in zip(errors, x, strict=True)) / 4
        assert slope(c, w) == pytest.approx(mean, abs=1e-9)


def test_the_second_curve_has_two_valleys() -> None:
    """Its slope is zero three times: two valleys and a hill between them."""
    c = CURVES["two valleys"]["coefficients"]
    signs = [slope(c, -3.2 + 0.1 * i) > 0 for i in range(65)]
    turns = [(a, b) for a, b in zip(signs, signs[1:], strict=False) if a != b]
    assert turns == [(False, True), (True, False), (False, True)]
    assert value(c, -2.1) < value(c, 1.9), "the valley on the left is the deeper one"


def test_the_text_says_where_ten_steps_lead() -> None:
    """1 + w² from w = 4 at 0.25: each step halves w, 4 / 1024 after ten."""
    bowl = {"coefficients": (1, 0, 1), "low": -5, "high": 5, "start": 4}
    explorer = Descent({"bowl": bowl}, rate=0.25, rates=(0.1, 0.25))
    assert "At w = 4 the loss is 17.00 and the gradient 8.00." in explorer.alt
    assert "lead to w = 0.00, where the loss is 1.00." in explorer.alt
    assert (explorer.rate, explorer.trail) == (1, [4.0])


def test_what_cannot_be_drawn_is_refused() -> None:
    """No curve, too simple a one, a start outside, rates out of order, a rate that is not there."""
    bowl = {"coefficients": (1, 0, 1), "low": -5, "high": 5, "start": 4}
    with pytest.raises(ValueError, match="holds no curve"):
        Descent({})
    with pytest.raises(ValueError, match="'bowl' has coefficients=.1.0, 2.0.: give three or more"):
        Descent({"bowl": {**bowl, "coefficients": (1, 2)}})
    with pytest.raises(ValueError, match="'bowl' starts at 6.0, outside of -5.0 to 5.0"):
        Descent({"bowl": {**bowl, "start": 6}})
    with pytest.raises(ValueError, match="must ascend from above 0"):
        Descent(rates=(0.1, 0.05))
    with pytest.raises(ValueError, match="rate=0.7 must be one of"):
        Descent(rate=0.7)

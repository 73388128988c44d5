"""The grid of sizes and tokens: points from a record, and the rate at the bottom of a parabola."""

import math

import pytest

from gptcore.experiments import Record
from gptcore.experiments.scaling import best_rate, points_of, rates_of, size_of

SHAPE = {"vocab_size": 512, "n_ctx": 128, "n_layer": 2, "n_head": 2, "d_model": 16}


def row(condition: str, test: float, **more) -> dict:
    rest = {"seed": 0, "choice": {"lr": 1e-2}, "tokens": 1024, "shape": SHAPE, "diverged": None}
    return {"condition": condition, "role": "reported", "test": test, **rest, **more}


def test_the_size_counts_what_is_computed() -> None:
    """By hand, per token forward: blocks 2 · 2 · 12 · 16² = 12,288; attention 2 layers · 4 · 16 ·
    64.5 keys = 8,256; output matrix 2 · 512 · 16 = 16,384. Three times that, by six: 18,464."""
    assert size_of(SHAPE) == pytest.approx((12_288 + 8_256 + 16_384) / 2)


def test_points_are_the_reported_runs() -> None:
    """Losses turn positive; candidates and asides, whose names have a comma, stay out."""
    rows = [
        row("a", -3.5),
        row("a", -3.4, seed=1),
        row("a", -9.0, role="candidate"),
        row("b", -3.0, tokens=2048),
        row("b, a rate of its own", -2.9),
    ]
    found = points_of(Record({}, rows))
    assert found.losses.tolist() == [3.5, 3.4, 3.0] and found.D.tolist() == [1024, 1024, 2048]
    assert found.groups.tolist() == ["a", "a", "b"]
    assert found.compute[0] == pytest.approx(6 * 18_464 * 1024)
    assert found.where(found.D > 1024).losses.tolist() == [3.0]
    with pytest.raises(ValueError, match="condition='c' diverged"):
        points_of(Record({}, [*rows, row("c", -6.2, diverged=7)]))


def test_rates_and_the_bottom_of_their_parabola() -> None:
    """(ln rate - ln 0.01)² + 3 has its bottom at 0.01, between the rates that were tried."""
    rates = (4e-3, 8e-3, 1.6e-2, 3.2e-2)
    rows = [
        row("a", 0, role="candidate", choice={"lr": r}, valid=-3 - math.log(r / 0.01) ** 2)
        for r in rates
    ]
    found = rates_of(Record({}, rows), "a")
    assert list(found) == list(rates) and best_rate(found) == pytest.approx(0.01)
    assert best_rate({1e-3: 3.0, 2e-3: 3.1, 4e-3: 3.5}) == 1e-3  # at the edge: as it is
    with pytest.raises(ValueError, match="2 learning rates are too few"):
        best_rate({1e-3: 3.0, 2e-3: 3.1})
    with pytest.raises(KeyError, match="condition='z' has no candidate run"):
        rates_of(Record({}, rows), "z")

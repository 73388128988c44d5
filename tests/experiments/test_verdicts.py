"""Every rule answers all three: it holds, a planted opposite turns it, few data leave it open."""

import numpy as np
import pytest

from gptcore.experiments import Runs, above, ahead, all_of, within


def runs(share: float, name: str = "", n: int = 400, spread: float = 0.0) -> Runs:
    """Three seeds that get about this share right, each item alike in every seed."""
    items = np.zeros((3, n))
    for seed, more in enumerate((-spread, 0, spread)):
        items[seed, : round(n * (share + more))] = 1
    return Runs(items, name=name)


def test_ahead_holds_turns_and_stays_open() -> None:
    """0.8 against 0.5 holds; with the labels of the two exchanged it does not; a spread of the
    seeds as large as the difference leaves it open."""
    assert ahead(runs(0.8, "a"), runs(0.5, "b")).holds is True
    assert ahead(runs(0.5, "b"), runs(0.8, "a")).holds is False
    assert ahead(runs(0.8, spread=0.15), runs(0.5)).holds is None
    assert ahead(runs(0.8), runs(0.8)).holds is False  # nothing between them: not ahead
    assert ahead(runs(0.8), runs(0.5), by=0.35).holds is False
    assert ahead(runs(0.8, "a"), runs(0.5, "b")).rule == "a is ahead of b"


def test_above_holds_turns_and_stays_open() -> None:
    """Against a value, such as chance."""
    assert above(runs(0.8), 0.25).holds is True
    assert above(runs(0.2), 0.25).holds is False
    assert above(runs(0.26), 0.25).holds is None


def test_within_needs_an_interval_inside_the_margin() -> None:
    """Not being significant is not being alike: few items leave it open, a difference turns it."""
    assert within(runs(0.80), runs(0.81), 0.05).holds is True
    assert within(runs(0.8), runs(0.5), 0.05).holds is False
    assert within(runs(0.80, spread=0.1), runs(0.81), 0.05).holds is None
    with pytest.raises(ValueError, match="margin=0 must be greater than 0"):
        within(runs(0.8), runs(0.8), 0)


def test_all_of_is_no_better_than_its_worst() -> None:
    """One that fails fails all; one that is open leaves the rest open."""
    yes, no = above(runs(0.8), 0.25), above(runs(0.2), 0.25)
    maybe = above(runs(0.26), 0.25)
    assert all_of(yes, yes).holds is True
    assert all_of(yes, no, maybe).holds is False
    assert all_of(yes, maybe).holds is None
    assert "open" in str(maybe)

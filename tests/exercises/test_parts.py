"""What this proves: an answer of several parts is judged part by part."""

from typing import Any

import pytest

from gptcore.exercises.checking import Mistake, compare_each


def said(got: Any, atol: float = 1e-4) -> str:
    """What is said about a chance of 1e-4 and a loss of 3."""
    mistakes = [{"Halved.": 5e-5}, {"Doubled.": 6.0}]
    with pytest.raises(Mistake) as caught:
        compare_each(got, (1e-4, 3.0), ("the chance", "the loss"), mistakes, "x", atol=atol)
    return str(caught.value)


def test_each_part_has_its_own_mistakes() -> None:
    """The first part that differs is named; another part's mistake is none of its own."""
    assert said((1e-3, 6.0)).partition("Given: ")[2].startswith("x; this is the chance")
    assert said((1e-4, 6.0)).startswith("Doubled.\nGiven: x; this is the loss")
    assert "Doubled" not in said((6.0, 3.0))


def test_the_tolerance_is_that_of_every_part() -> None:
    """Half of a small chance is within the usual one, and not within none."""
    compare_each([5e-5, 3.0], (1e-4, 3.0), ("a", "b"), [{}, {}], "x")
    assert said([5e-5, 3.0], 0).startswith("Halved.\nGiven: x; this is the chance")


def test_as_many_parts_as_were_asked_for() -> None:
    """More, fewer, or no parts at all: that is what is said, not which number is wrong."""
    assert "length 3, and 2 was expected" in said((1e-4, 3.0, 0))
    assert "length 1, and 2 was expected" in said([1e-4])
    assert "The answer is a number" in said(1e-4)

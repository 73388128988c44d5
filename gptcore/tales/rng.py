"""Random choices that give the same bytes on every platform and Python version.

Source: Python documentation, `random`: "random() will continue to produce the same sequence when
the compatible seeder is given the same seed"; choice, shuffle and sample carry no such promise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")
_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """Return one 64-bit number in which every bit depends on every number (splitmix64)."""
    state = 0
    for number in numbers:
        state = (state + (number & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


class Rng:
    """A stream of choices that rests on `random.Random.random` alone."""

    __slots__ = ("random",)

    def __init__(self, *seed: int) -> None:
        self.random = random.Random(mix(*seed)).random

    def chance(self, p: float) -> bool:
        """Return True with probability p."""
        return self.random() < p

    def below(self, n: int) -> int:
        """Return a whole number from 0 to n - 1."""
        return int(self.random() * n)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[int(self.random() * len(items))]

    def some(self, items: Sequence[Item], k: int) -> list[Item]:
        """Return k different items in random order."""
        pool = list(items)
        return [pool.pop(int(self.random() * len(pool))) for _ in range(k)]

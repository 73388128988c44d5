"""Simulated labelers: they rank replies by the true reward, with a taste of their own and noise.

A labeler sees a reply as worth its true reward, plus `bias` times how much of what it likes is in
it, plus noise; it puts replies in the order of what they seem worth, and calls those equal that it
cannot tell apart. What it likes is length, as people do who compare answers (Singhal et al. 2023).

The noise is Gumbel's, which makes a comparison of two replies exactly Bradley and Terry's:
p(first preferred) = sigmoid((u1 - u2) / noise), and a ranking of K that of Plackett and Luce.

Source: InstructGPT §3.4 and App. B (rankings of K; labelers agree with each other in 72.6 % of
comparisons, FACTS 5.1); Bradley and Terry 1952; the length bias after Singhal et al. 2023, "A Long
Way to Go".
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from gptcore.tales.rng import Rng

LONG = 60
"""Words at which a reply is as long as a labeler can like it; a brief tale has about 42."""


@dataclass(frozen=True)
class Labeler:
    """Somebody who ranks replies.

    Attributes:
        noise: scale of the Gumbel noise, in units of the true reward; 0 for none.
        bias: what length is worth: a reply of `LONG` words seems so much better than an empty one.
        tie: replies whose worth seems to differ by less are called equal; 0 for never, but for
            replies that are the same text.
        seed: two labelers differ in it alone.

    Raises:
        ValueError: noise or tie is negative, or a number is not finite.
    """

    noise: float = 0.0
    bias: float = 0.0
    tie: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("noise", "bias", "tie"):
            value = getattr(self, name)
            if not math.isfinite(value) or (name != "bias" and value < 0):
                rule = "finite" if name == "bias" else "finite and not negative"
                raise ValueError(f"{name}={value} must be {rule}")

    def rank(self, prompt: str, replies: Sequence[str], rewards: Sequence[float]) -> list[int]:
        """The rank of each reply, 0 for the best; equal ones share a rank.

        The same labeler says the same of the same replies, in whatever order they come.

        Args:
            prompt: what was asked; part of what draws the noise.
            replies: K of them.
            rewards: the true reward of each.

        Raises:
            ValueError: there are not as many rewards as replies, or one is not finite.
        """
        if len(replies) != len(rewards):
            raise ValueError(f"{len(replies)} replies have {len(rewards)} rewards: one for each")
        if not all(map(math.isfinite, rewards)):
            raise ValueError(f"rewards={list(rewards)} must all be finite")
        worth = [self._worth(prompt, *pair) for pair in zip(replies, rewards, strict=True)]
        ranks, rank, best = [0] * len(worth), -1, math.inf
        for at in sorted(range(len(worth)), key=lambda at: -worth[at]):
            if worth[at] < best and not best - worth[at] < self.tie:
                rank, best = rank + 1, worth[at]
            ranks[at] = rank
        return ranks

    def _worth(self, prompt: str, reply: str, reward: float) -> float:
        worth = reward + self.bias * liking(reply)
        if not self.noise:
            return worth
        u = Rng(self.seed, zlib.crc32(prompt.encode()), zlib.crc32(reply.encode()), 239).random()
        return worth - self.noise * math.log(-math.log(min(max(u, 1e-12), 1 - 1e-12)))


def liking(reply: str) -> float:
    """How much there is in a reply of what labelers like whatever was asked: its length, 0 to 1."""
    return min(len(reply.split()) / LONG, 1.0)


def agreement(first: Sequence[Sequence[int]], second: Sequence[Sequence[int]]) -> float:
    """The share of pairs that two put in the same order, of those that neither calls equal.

    Args:
        first, second: for each prompt the ranks of its replies.

    Raises:
        ValueError: they do not rank the same numbers of replies, or no pair is left.
    """
    same = []
    for one, other in zip(first, second, strict=True):
        if len(one) != len(other):
            raise ValueError(f"{len(one)} ranks against {len(other)} of the same prompt")
        for i, j in combinations(range(len(one)), 2):
            if one[i] != one[j] and other[i] != other[j]:
                same.append((one[i] < one[j]) == (other[i] < other[j]))
    if not same:
        raise ValueError("no pair that both put in an order")
    return sum(same) / len(same)


def noise_for(target: float, worths: Sequence[Sequence[float]]) -> float:
    """The noise with which two labelers agree in a given share of comparisons, as one expects.

    Two of them agree on a pair with p² + (1 - p)², p = sigmoid(gap / noise); found by halving.

    Args:
        target: above 0.5, below 1, such as InstructGPT's 0.73.
        worths: for each prompt what its replies are worth without noise (true reward, and bias if
            there is any). Pairs of equal worth count: on them two agree half of the time.

    Raises:
        ValueError: target cannot be reached, or no prompt has two replies.
    """
    gaps = [abs(a - b) for row in worths for a, b in combinations(row, 2)]
    if not gaps:
        raise ValueError("worths must have a prompt with two replies at least")

    def expected(noise: float) -> float:
        p = [1 / (1 + math.exp(-min(gap / noise, 700))) for gap in gaps]
        return sum(q * q + (1 - q) ** 2 for q in p) / len(p)

    low, high = 1e-6, 1e3
    if not expected(high) < target < expected(low):
        most = expected(low)
        raise ValueError(f"target={target} must lie between 0.5 and {most:.4f}, which no noise has")
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if expected(middle) > target else (low, middle)
    return math.sqrt(low * high)

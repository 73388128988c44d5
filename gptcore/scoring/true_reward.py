"""The true reward of a reply: what was asked for, in language that is sound, in a tale that holds.

    truth = Truth.trained()
    truth.reward(asked, reply).total        # share of conditions x fluency x what was verified

Each factor stops what the others let through. The share of conditions asks whether the reply is
what was wanted; it is read from sentences, but from sentences in any order. The gate of fluency
asks whether a language model that no policy is trained with would have expected the words. What the
reader verifies is that the sentences are ones of brief tales and follow from each other. A product
is high only where all three are.

Source: ours. A judge kept from training after Gao et al. 2022 (a gold reward model); the n-gram
model of Chen and Goodman 1998.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gptcore.scoring.ngrams import Ngrams
from gptcore.tales.brief import NAMES
from gptcore.tales.requests import KINDS, Request, met, requests, verified

TRUTH_SEED = 1_000_003
"""Seed of the tales that its model of words has read; they are of the part "valid"."""
N_READ, N_CALIBRATE = 12_000, 4_000
PASSING = 0.995
"""Share of demonstrations whose gate is wide open."""
SLOPE = 1.5
"""Nats per word above that, over which the gate closes."""
STRETCH = 6
"""Words that are judged together: a few odd ones do not hide behind many good ones."""
_WORD = re.compile(r"\w+(?:-\w+)*|'s|[^\w\s]")
_NAMES = frozenset(name for names in NAMES.values() for name in names)


class Reward(NamedTuple):
    """The factors of a true reward, each from 0 to 1."""

    share: float
    """Of the conditions that are met."""
    gate: float
    """Of fluency."""
    verified: float
    """By the reader of brief tales."""

    @property
    def total(self) -> float:
        """Their product."""
        return self.share * self.gate * self.verified


@dataclass(frozen=True, eq=False)
class Truth:
    """A trigram model of words, each person's name counting as one, and where its gates stand.

    Attributes:
        ids: word -> id; a word that is not among them is as unexpected as any can be.
        counts: the model.
        open_below: kind of request -> nats per word, of the worst stretch, up to which the gate is
            wide open.
    """

    ids: dict[str, int]
    counts: Ngrams
    open_below: dict[str, float]

    @classmethod
    @lru_cache(1)
    def trained(cls) -> Truth:
        """The one of the course: its words come from demonstrations that nothing else reads."""
        texts = [(r.kind, r.demonstration) for r in requests(N_READ, TRUTH_SEED, "valid")]
        rows = [_words(kind, text) for kind, text in texts]
        ids = {word: at for at, word in enumerate(sorted({w for row in rows for w in row}), 1)}
        stream = np.array([ids[word] for row in rows for word in row], dtype=np.int64)
        truth = cls(ids, Ngrams.of(stream, len(ids) + 1), {})
        losses: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for r in requests(N_CALIBRATE, TRUTH_SEED, "valid", start=N_READ):
            losses[r.kind].append(truth.nats(r.kind, r.demonstration))
        truth.open_below.update({k: float(np.quantile(v, PASSING)) for k, v in losses.items()})
        return truth

    def nats(self, kind: str, reply: str) -> float:
        """Mean nats per word of the worst `STRETCH` of a reply, its end included."""
        row = [self.ids.get(word, 0) for word in _words(kind, reply)]
        each = self.counts.nats(np.array(row))[1:]
        n = min(STRETCH, len(each))
        return float(np.convolve(each, np.full(n, 1 / n), "valid").max())

    def gate(self, kind: str, reply: str) -> float:
        """1 for a text as expected as demonstrations are, falling smoothly to 0."""
        beyond = (self.nats(kind, reply) - self.open_below[kind]) / SLOPE
        x = min(max(1 - beyond, 0.0), 1.0)
        return x * x * (3 - 2 * x)

    def reward(self, asked: Request, reply: str) -> Reward:
        """The true reward of a reply; spaces and line breaks around it do not count."""
        reply = reply.strip()
        if not reply:
            return Reward(0.0, 0.0, 0.0)
        return Reward(met(asked, reply), self.gate(asked.kind, reply), verified(asked, reply))

    def rewards(self, asked: Iterable[Request], replies: Iterable[str]) -> list[float]:
        """The true reward of each reply to its request."""
        return [self.reward(a, r).total for a, r in zip(asked, replies, strict=True)]


def _words(kind: str, text: str) -> list[str]:
    """Words and marks between a beginning that names the kind of reply, and an end."""
    words = ["<name>" if word in _NAMES else word for word in _WORD.findall(text)]
    return [f"<{kind}>", f"<{kind}>", *words, "<end>"]

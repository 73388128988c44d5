"""How well counting predicts held-out text: baselines beside every language model, and their best.

Source: Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language Modeling",
§2.7 and §4.1 (interpolated Kneser-Ney).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gptcore.scoring.likelihood import Tokens

DISCOUNT = 0.75  # taken from every n-gram seen, given to those not seen
BLOCK = 1 << 18  # test tokens looked up at a time


def ngram_baselines(
    train_tokens: Tokens, test_tokens: Tokens, vocab_size: int, *, progress: bool = False
) -> dict[str, float]:
    """What predicting from the last 0, 1 or 2 tokens by counting achieves: nats per token.

    "unigram" adds one to every count. "bigram" and "trigram" are interpolated Kneser-Ney models
    with one discount, 0.75: every n-gram seen gives that much of its count to the model with one
    token less of context, whose own counts are of distinct contexts, down to a uniform choice.
    All three score every test token but the first, as `evaluate` does. The second token, which has
    only one before it, is scored by the bigram model inside "trigram".

    Counting takes 20 to 40 bytes a training token: the triples are sorted in memory.

    Args:
        train_tokens, test_tokens: (N,) ids, at least 2 each, one continuous text each.
        vocab_size: V; V³ must fit in 63 bits.
        progress: show a bar (needs tqdm).

    Returns:
        {"unigram": ..., "bigram": ..., "trigram": ...}, nats per token.

    Raises:
        ValueError: fewer than 2 tokens, an id outside [0, vocab_size), or V too large.

    Source: Chen and Goodman 1998, §4.1; the discount is the middle of the values found there.
    """
    if not 1 <= vocab_size < 2**21:
        raise ValueError(f"vocab_size={vocab_size} must be between 1 and {2**21 - 1}")
    for name, tokens in (("train_tokens", train_tokens), ("test_tokens", test_tokens)):
        if len(tokens) < 2:
            raise ValueError(f"{name} has {len(tokens)} tokens; at least 2 are needed")
    train, test = _ids(train_tokens, vocab_size), _ids(test_tokens, vocab_size)
    V = vocab_size
    steps = _shown(["pairs", "triples", *range(1, len(test), BLOCK)], progress)
    next(steps)
    counts = np.bincount(train, minlength=V)
    pairs = _Counts.of(_keys(train, V, 2), V)
    next(steps)
    triples = _Counts.of(_keys(train, V, 3), V)
    # Continuation counts: in how many distinct contexts has this token, or this pair, been seen?
    single, inner = _Counts.of(pairs.keys % V, V), _Counts.of(triples.keys % (V * V), V)
    nats = np.zeros(3)
    for start in steps:
        token = test[start : start + BLOCK].astype(np.int64)
        unigram = (counts[token] + 1) / (len(train) + V)
        others = _pairs_and_triples(test, start, token, single, pairs, inner, triples)
        nats -= [np.log(p).sum() for p in (unigram, *others)]
    means = (nats / (len(test) - 1)).tolist()
    return dict(zip(("unigram", "bigram", "trigram"), means, strict=True))


@dataclass(frozen=True)
class BestNgram:
    """An n-gram model whose order and discount were chosen on validation text."""

    order: int
    """Tokens that an n-gram has: it predicts from the last `order` - 1."""
    discount: float
    valid: float
    """Nats per token of the text that chose."""
    test: float
    """Nats per token of text that chose nothing."""


def best_ngram(
    train_tokens: Tokens,
    valid_tokens: Tokens,
    test_tokens: Tokens,
    vocab_size: int,
    orders: Sequence[int] = (2, 3, 4, 5),
    discounts: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
) -> BestNgram:
    """Counting at its best: the interpolated Kneser-Ney model that predicts `valid_tokens` best.

    A token with fewer tokens before it than the order asks for is scored from those that there are.

    Args:
        train_tokens, valid_tokens, test_tokens: (N,) ids, at least 2 each, one text each.
        vocab_size: V; V to the highest order must fit in 63 bits.
        orders: numbers of tokens to try, each at least 1.
        discounts: what to try taking from every count, above 0 and below 1.

    Returns:
        Its order and discount, and its nats per token of both texts.

    Raises:
        ValueError: fewer than 2 tokens, an id outside [0, vocab_size), nothing to try, or an order,
            a discount or V out of its bounds.

    Source: Chen and Goodman 1998, §4.1; order and discount are chosen on held-out text.
    """
    bad = [d for d in discounts if not 0 < d < 1]
    if bad or not len(discounts):
        raise ValueError(f"discounts={list(discounts)} must be between 0 and 1, at least one")
    if not len(orders) or min(orders) < 1 or vocab_size ** max(orders) >= 2**63:
        allowed = "each at least 1, with vocab_size to the highest below 2**63"
        raise ValueError(f"orders={list(orders)}, vocab_size={vocab_size}: {allowed}")
    texts = {"train_tokens": train_tokens, "valid_tokens": valid_tokens, "test_tokens": test_tokens}
    for name, tokens in texts.items():
        if len(tokens) < 2:
            raise ValueError(f"{name} has {len(tokens)} tokens; at least 2 are needed")
    train, valid, test = (_ids(tokens, vocab_size) for tokens in texts.values())
    found: list[BestNgram] = []
    for order in orders:
        levels = _levels(train, vocab_size, order)
        for d in discounts:
            score = float(_nats(levels, valid, vocab_size, d).mean())
            if not found or score < found[-1].valid:
                held_out = float(_nats(levels, test, vocab_size, d).mean())
                found.append(BestNgram(order, d, score, held_out))
    return found[-1]


def _levels(train: np.ndarray, vocab_size: int, order: int) -> list[_Counts]:
    """Counts of n-grams, single tokens first; below the longest, of distinct contexts."""
    levels = [_Counts.of(_keys(train, vocab_size, order), vocab_size)]
    for n in range(order - 1, 0, -1):
        levels.append(_Counts.of(levels[-1].keys % vocab_size**n, vocab_size))
    return levels[::-1]


def _nats(levels: list[_Counts], text: np.ndarray, vocab_size: int, discount: float) -> np.ndarray:
    """(N - 1,) nats of each token of a text but its first, from short contexts to long ones."""
    p = np.full(len(text) - 1, 1 / vocab_size)
    for n, level in enumerate(levels, start=1):
        first = max(n - 1, 1)  # the first token with n - 1 before it
        token = text[first:].astype(np.int64)
        context = _keys(text[:-1], vocab_size, n - 1) if n > 1 else 0 * token
        p[first - 1 :] = level.discounted(context, token, p[first - 1 :], discount)
    return -np.log(p)


def _pairs_and_triples(
    test: np.ndarray,
    start: int,
    token: np.ndarray,
    single: _Counts,
    pairs: _Counts,
    inner: _Counts,
    triples: _Counts,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the tokens from `start` on by the bigram and the trigram model."""
    V = pairs.vocab_size
    last = test[start - 1 : start - 1 + len(token)].astype(np.int64)
    novel = single.discounted(0 * token, token, 1 / V)
    bigram = pairs.discounted(last, token, novel)
    first = int(start == 1)  # the second token has one before it, and no two
    pair = test[start - 2 + first : start - 2 + len(token)].astype(np.int64) * V + last[first:]
    lower = inner.discounted(last[first:], token[first:], novel[first:])
    return bigram, np.append(bigram[:first], triples.discounted(pair, token[first:], lower))


def _shown(steps: list[Any], progress: bool) -> Iterator[Any]:
    """The steps one by one, with a bar or without."""
    if not progress:
        return iter(steps)
    from tqdm import tqdm

    return iter(tqdm(steps, desc="counting n-grams", bar_format="{desc} {percentage:3.0f}%"))


def _ids(tokens: Tokens, vocab_size: int) -> np.ndarray:
    """Checked ids, in the type in which they came if it is one of integers: no copy."""
    ids = np.asarray(tokens)
    if ids.ndim != 1:
        raise ValueError(f"tokens must be (N,), got {ids.shape}")
    for extreme in (int(ids.min()), int(ids.max())):
        if not 0 <= extreme < vocab_size:
            raise ValueError(f"tokens has id {extreme}; ids must be in [0, {vocab_size})")
    return ids if np.issubdtype(ids.dtype, np.integer) else ids.astype(np.int64)


def _keys(ids: np.ndarray, vocab_size: int, n: int) -> np.ndarray:
    """(N - n + 1,) int64: every n-gram as one number, built in place."""
    size = max(len(ids) - n + 1, 0)
    keys = ids[:size].astype(np.int64)
    for i in range(1, n):
        keys *= vocab_size
        keys += ids[i : i + size]
    return keys


def _runs(ordered: np.ndarray) -> np.ndarray:
    """Where runs of equal numbers begin."""
    begins = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return np.flatnonzero(begins)


@dataclass(frozen=True)
class _Counts:
    """How often each n-gram was seen, and what was seen after each context.

    keys (M,) are sorted, context · V + token, and counts theirs; contexts, totals and distinct are
    of their first n - 1 tokens.
    """

    keys: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    distinct: np.ndarray
    vocab_size: int

    @classmethod
    def of(cls, keys: np.ndarray, vocab_size: int) -> _Counts:
        """Count `keys`, (N,) int64, which are sorted in place."""
        n = len(keys)
        keys.sort()
        first = _runs(keys)
        keys = keys[first]
        counts = np.diff(first, append=n).astype(np.int32)
        first = _runs(keys // vocab_size)
        totals = np.add.reduceat(counts, first) if n else counts
        distinct = np.diff(first, append=len(keys)).astype(np.int32)
        return cls(keys, counts, keys[first] // vocab_size, totals, distinct, vocab_size)

    def discounted(
        self,
        context: np.ndarray,
        token: np.ndarray,
        lower: np.ndarray | float,
        discount: float = DISCOUNT,
    ) -> np.ndarray:
        """Probability of each `token` after its `context`, `lower` being that with less context.

        (max(c(context, token) - d, 0) + d · distinct(context) · lower) / c(context); only `lower`
        where the context was never seen.

        Args:
            context, token: (N,) int64, what to look up.
            lower: (N,), or one number for all.
            discount: d, taken from every count.
        """
        seen = _look_up(self.keys, self.counts, context * self.vocab_size + token)
        total = _look_up(self.contexts, self.totals, context)
        left = discount * _look_up(self.contexts, self.distinct, context)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = (np.maximum(seen - discount, 0) + left * lower) / total
        return np.where(total > 0, p, lower)


@dataclass(frozen=True, eq=False)
class Ngrams:
    """An interpolated Kneser-Ney model, kept to score many short texts; see `best_ngram`.

    Attributes:
        levels: counts of n-grams, single tokens first.
        vocab_size: V.
        discount: taken from every count.
    """

    levels: list[_Counts]
    vocab_size: int
    discount: float = DISCOUNT

    @classmethod
    def of(cls, tokens: Tokens, vocab_size: int, order: int = 3) -> Ngrams:
        """Count one continuous text, (N,) ids below `vocab_size`, in n-grams of `order`."""
        return cls(_levels(_ids(tokens, vocab_size), vocab_size, order), vocab_size)

    def nats(self, tokens: Tokens) -> np.ndarray:
        """(N - 1,) nats of each token but the first, from as many before it as there are.

        Raises:
            ValueError: an id that the model does not know.
        """
        ids = _ids(tokens, self.vocab_size)
        return _nats(self.levels, ids, self.vocab_size, self.discount)


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """values[i] where keys[i] == wanted, 0 where it is absent; keys are sorted."""
    if not len(keys):
        return np.zeros(len(wanted))
    i = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[i] == wanted, values[i], 0).astype(float)

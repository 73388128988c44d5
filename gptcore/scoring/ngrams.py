"""How well counting predicts held-out text: the baselines beside every language model.

Source: Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language Modeling",
§2.7 and §4.1 (interpolated Kneser-Ney).
"""

from __future__ import annotations

import numpy as np

from gptcore.scoring.likelihood import Tokens, checked_ids

DISCOUNT = 0.75  # taken from every n-gram seen, given to those not seen


def ngram_baselines(train_tokens: Tokens, test_tokens: Tokens, vocab_size: int) -> dict[str, float]:
    """What predicting from the last 0, 1 or 2 tokens by counting achieves: nats per token.

    "unigram" adds one to every count. "bigram" and "trigram" are interpolated Kneser-Ney models
    with one discount, 0.75: every n-gram seen gives that much of its count to the model with one
    token less of context, whose own counts are of distinct contexts, down to a uniform choice.
    All three score every test token but the first, as `evaluate` does. The second token, which has
    only one before it, is scored by the bigram model inside "trigram".

    Args:
        train_tokens, test_tokens: (N,) ids, at least 2 each, one continuous text each.
        vocab_size: V; V³ must fit in 63 bits.

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
    train = checked_ids(train_tokens, vocab_size).numpy()
    test = checked_ids(test_tokens, vocab_size).numpy()
    counts = np.bincount(train, minlength=vocab_size)
    unigram = (counts[test[1:]] + 1) / (len(train) + vocab_size)
    V = vocab_size
    pairs, pair_counts = np.unique(train[:-1] * V + train[1:], return_counts=True)
    triples, triple_counts = np.unique(
        (train[:-2] * V + train[1:-1]) * V + train[2:], return_counts=True
    )
    # Continuation counts: in how many distinct contexts has this token, or this pair, been seen?
    single, single_contexts = np.unique(pairs % V, return_counts=True)
    inner, inner_contexts = np.unique(triples % (V * V), return_counts=True)
    history = test[:-1]
    novel = _discounted(single, single_contexts, 0 * test[1:], test[1:], V, 1 / V)
    bigram = _discounted(pairs, pair_counts, history, test[1:], V, novel)
    lower = _discounted(inner, inner_contexts, history[1:], test[2:], V, novel[1:])
    last_two = test[:-2] * V + test[1:-1]
    trigram = _discounted(triples, triple_counts, last_two, test[2:], V, lower)
    trigram = np.concatenate([bigram[:1], trigram])
    models = {"unigram": unigram, "bigram": bigram, "trigram": trigram}
    return {name: float(-np.log(p).mean()) for name, p in models.items()}


def _discounted(
    ngrams: np.ndarray,
    counts: np.ndarray,
    context: np.ndarray,
    token: np.ndarray,
    vocab_size: int,
    lower: np.ndarray | float,
) -> np.ndarray:
    """Probability of each `token` after its `context`, `lower` being that with less context.

    (max(c(context, token) - d, 0) + d · distinct(context) · lower) / c(context); only `lower`
    where the context was never seen.

    Args:
        ngrams: (M,) sorted keys, context · V + token; counts: (M,) how often each was seen.
        context, token: (N,), what to look up.
    """
    contexts, first, distinct = np.unique(
        ngrams // vocab_size, return_index=True, return_counts=True
    )
    totals = np.add.reduceat(counts, first)
    seen = _look_up(ngrams, counts, context * vocab_size + token)
    total = _look_up(contexts, totals, context)
    left = DISCOUNT * _look_up(contexts, distinct, context)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = (np.maximum(seen - DISCOUNT, 0) + left * lower) / total
    return np.where(total > 0, p, lower)


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """values[i] where keys[i] == wanted, 0 where it is absent; keys are sorted."""
    if not len(keys):
        return np.zeros(len(wanted))
    i = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[i] == wanted, values[i], 0).astype(float)

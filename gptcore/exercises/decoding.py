"""The exercises of chapter 10, decoding, and what usually goes wrong in them.

Source: GPT-2's released code (top-p); Holtzman et al. 2019; Keskar et al. 2019; Wu et al. 2016,
eq. 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from gptcore.exercises.checking import Exercise, Mistake, call, compare

__all__ = ["EXERCISES"]


def _counted(p: Sequence[float], limit: float, drops: bool) -> int:
    """How many of falling probabilities top-p keeps; with `drops` by GPT-2's rule."""
    total, n = 0.0, 0
    for value in p:
        if (total + value > limit) if drops else (total >= limit):
            break
        total, n = total + value, n + 1
    return max(1, n)


def _nucleus(answer: Any) -> str:
    cases = (
        ([0.15, 0.5, 0.05, 0.3], 0.9),
        ([0.05, 0.3, 0.5, 0.15], 0.4),
        ([0.25, 0.125, 0.5, 0.125], 0.75),
        ([0.2, 0.2, 0.1, 0.3, 0.2], 0.55),
    )
    for p, limit in cases:
        falling = sorted(p, reverse=True)
        book, code = (_counted(falling, limit, drops) for drops in (False, True))
        unsorted = tuple(_counted(p, limit, drops) for drops in (False, True))
        mistakes = {
            "The two are the other way round: the textbook keeps the token with which the sum "
            "reaches the limit, GPT-2's code drops it.": (code, book),
            "The sum runs in the order in which the tokens stand. The likeliest come first: sort "
            "them.": unsorted,
            "Nothing is kept where the first token alone is beyond the limit. GPT-2's code keeps "
            "one always.": (book, 0),
            "Each is one too small: the token that reaches the limit belongs to the textbook's "
            "set.": (book - 1, code - 1),
            "Both numbers are the textbook's. GPT-2's code drops the token that crosses the "
            "limit.": (book, book),
        }
        got = call(answer, list(p), limit)
        compare(got, (book, code), given=f"p = {p}, limit = {limit}", mistakes=mistakes)
    return (
        "The textbook's set has at least the probability that is asked for, that of GPT-2's code "
        "at most: they part by one token wherever the sum does not meet the limit exactly."
    )


def _penalty(answer: Any) -> str:
    cases = (
        ([2.0, -2.0, 1.0, -1.0], [0, 1, 1], 2.0),
        ([3.0, 0.5, -4.0], [2, 0, 2, 0], 1.25),
        ([-1.0, -2.0, -3.0, 6.0], [3], 1.5),
    )
    for numbers, seen, theta in cases:
        z, those = torch.tensor(numbers), sorted(set(seen))
        want = z.clone()
        want[those] = torch.where(z[those] < 0, z[those] * theta, z[those] / theta)
        paper, turned, times, everywhere = z.clone(), z.clone(), z.clone(), z.clone()
        paper[those] = z[those] / theta
        turned[those] = torch.where(z[those] < 0, z[those] / theta, z[those] * theta)
        for token in seen:
            times[token] = times[token] * theta if z[token] < 0 else times[token] / theta
        everywhere = torch.where(z < 0, z * theta, z / theta)
        mistakes = {
            "This is CTRL's own formula. A negative logit divided by the penalty comes nearer to "
            "0: that token becomes likelier. Multiply it.": paper,
            "This rewards repetition: what should be divided is multiplied, and the other way "
            "round.": turned,
            "A token that occurs twice is punished twice. Once is enough, however often it "
            "occurs.": times,
            "All tokens are punished. Only those that stand in the text are.": everywhere,
            "Nothing is changed.": z,
        }
        given = f"logits = {numbers}, seen = {seen}, penalty = {theta}"
        compare(call(answer, z, list(seen), theta), want, given=given, mistakes=mistakes)
    return (
        "The penalty looks at the sign of a number that a softmax does not know: add 10 to all "
        "logits, and the probabilities stay while the penalty does something else."
    )


def _score(log_prob: float, n: int, alpha: float) -> float:
    return log_prob / ((5 + n) / 6) ** alpha


def _best(answer: Any) -> str:
    several = [(-6.6, 8), (-6.8, 12), (-11.2, 22), (-10.6, 4), (-10.1, 5), (-7.2, 2), (-9.4, 18)]
    three = [(-4.0, 2), (-5.0, 9), (-9.0, 20)]
    cases = ((several, 0.8), (three, 0.6), (three, 0.0), (three, 2.0))
    names = {
        "This is the likeliest text. The scores are divided by the length penalty first.": (
            lambda log_prob, n, alpha: log_prob
        ),
        "Log-probabilities were multiplied by the penalty: dividing lifts long texts, multiplying "
        "sinks them.": lambda log_prob, n, alpha: log_prob * ((5 + n) / 6) ** alpha,
        "This divides by n ** alpha, as transformers does. Wu et al. take (5 + n) / 6 for n.": (
            lambda log_prob, n, alpha: log_prob / n**alpha
        ),
        "This divides by the length, whatever alpha is.": lambda log_prob, n, alpha: log_prob / n,
        "This is the worst one: scores are negative, and the largest of them is nearest to 0.": (
            lambda log_prob, n, alpha: -_score(log_prob, n, alpha)
        ),
    }
    for texts, alpha in cases:

        def winner(rule: Any, texts: Any = texts, alpha: float = alpha) -> int:
            return max(range(len(texts)), key=lambda i: rule(*texts[i], alpha))

        mistakes = {name: winner(rule) for name, rule in names.items()}
        scores = ", ".join(f"{_score(*text, alpha):.3f}" for text in texts)
        given = f"texts = {texts}, alpha = {alpha}; their scores are {scores}"
        compare(call(answer, list(texts), alpha), winner(_score), given=given, mistakes=mistakes)
    return "With alpha 0 the likeliest text wins, and it is often the shortest; alpha lifts others."


def _memory(answer: Any) -> str:
    for L, n, d, B, size in ((3, 7, 10, 5, 4), (12, 1024, 768, 1, 2), (96, 2048, 12288, 16, 2)):
        right = 2 * L * n * d * B * size
        mistakes = {
            "Half of it is missing: a cache has keys and values.": right // 2,
            "These are numbers. Each takes `size` bytes.": 2 * L * n * d * B,
            "This is one sequence's. Each of the batch has keys and values of its own.": right // B,
            "This is one layer's. Every layer has a cache.": right // L,
            "This grows with the square of the length. It is the scores that do, and they are not "
            "kept.": right * n,
            "These are three vectors a token. Queries are used once and not kept.": right * 3 // 2,
        }
        given = f"{L} layers, {n} tokens, width {d}, batch {B}, {size} bytes a number"
        compare(call(answer, L, n, d, B, size), right, given=given, mistakes=mistakes)
    return (
        "For sixteen texts of 2,048 tokens GPT-3's cache takes 155 GB in half precision, nearly "
        "half of what its weights take."
    )


def _padded(answer: Any) -> str:
    for lengths in ([3, 1, 2], [1, 4]):
        T = max(lengths)
        pad = torch.tensor([T - n for n in lengths])
        t = torch.arange(T)
        positions = (t - pad[:, None]).clamp(min=0)
        causal = t[None, :] <= t[:, None]
        reads = causal & (t >= pad[:, None])[:, None, :]
        inside = (t >= pad[:, None])[:, :, None]  # rows of padding are nobody's
        want = positions, reads & inside
        got = call(answer, list(lengths))
        if not isinstance(got, list | tuple) or len(got) != 2:
            raise Mistake("Two tensors are expected: positions and reads.", given=str(lengths))
        given = f"lengths = {lengths}, so T = {T}"
        own = {
            "The positions count from the beginning of the batch. Each text begins at 0, behind "
            "its padding.": t.expand(len(lengths), T).clone(),
            "The padding stands on the right. Texts shall end side by side, so it stands on the "
            "left.": t.expand(len(lengths), T).clamp(max=pad.max()),
            "Positions of the padding are negative: no row of the position table has such a "
            "number. Take 0.": t - pad[:, None],
        }
        compare(got[0], want[0], given=f"{given}; these are the positions", mistakes=own)
        if not isinstance(got[1], torch.Tensor) or got[1].shape != reads.shape:
            compare(got[1], want[1], given=f"{given}; this is who reads whom")
        right = torch.arange(T) < torch.tensor(lengths)[:, None]
        wrong = {
            "Padding is read: a key that is no token must not be.": causal.expand_as(reads),
            "Later tokens are read as well: a query reads what stands at or before it.": (
                inside & (t >= pad[:, None])[:, None, :]
            ).expand_as(reads),
            "The padding stands on the right here. Texts shall end side by side.": (
                causal & right[:, None, :]
            ),
        }
        compared = {name: mask & inside for name, mask in wrong.items()}
        compare(
            got[1] & inside, want[1], given=f"{given}; this is who reads whom", mistakes=compared
        )
    return (
        "With these two, a text in a batch is computed as if it were alone: that is all there is "
        "to left padding."
    )


EXERCISES = [
    Exercise("10.1", "Two rules of one name", "easy", 10, _nucleus),
    Exercise("10.2", "A penalty that knows the sign", "easy", 10, _penalty),
    Exercise("10.3", "The best of the finished", "medium", 10, _best),
    Exercise("10.4", "What a cache weighs", "easy", 5, _memory),
    Exercise("10.5", "Side by side", "hard", 20, _padded),
]

"""What this proves: each check of chapter 11 lets right answers pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math

import torch
from torch.nn import functional as F
from verdicts import four_tests

from gptcore.exercises.sparse import EXERCISES

# 11.1: by a list of the positions that the paper's two sets hold, not by remainders.


def by_sets(i, j, length, c):
    begin = i - i % length
    own = set(range(begin, i + 1))
    ends = {
        p for p in range(i + 1) if any(p == e - k for e in ends_of(i, length) for k in range(c))
    }
    return j in own | ends


def ends_of(i, length):
    return range(length - 1, i + length, length)


def fixed(causal=True, own=True, summaries=lambda j, n, c: j % n >= n - c, block=None):
    def answer(i, j, n, c):
        block_of = block or (lambda i, j, n: i // n == j // n)
        read = (own and block_of(i, j, n)) or summaries(j, n, c)
        return read and (j <= i or not causal)

    return answer


# 11.2


def pairs_by_rows(n, width):
    return sum(len(range(max(0, i - width + 1), i + 1)) for i in range(n))


# 11.3


def layers_by_walking(n, width):
    at, layers = n - 1, 0
    while at > 0:
        at, layers = at - (width - 1), layers + 1
    return layers


def doubling(n, width):
    reach, layers = width - 1, 1
    while reach < n - 1:
        reach, layers = 2 * reach, layers + 1
    return layers


# 11.4


def places_by_writing(t, width):
    held = [-1] * width
    for p in range(t + 1):
        held[p % width] = p
    return held


def in_order(t, width):
    last = list(range(t + 1))[-width:]
    return last + [-1] * (width - len(last))


# 11.5


def strided_by_loops(q, k, v, width):
    out = torch.zeros_like(v)
    for i in range(len(q)):
        keys = list(range(i, -1, -width))
        weights = (k[keys] @ q[i] / math.sqrt(q.shape[1])).softmax(0)
        out[i] = weights @ v[keys]
    return out


def folded(q, k, v, width):
    n = len(q)
    parts = [F.pad(x, (0, 0, 0, -n % width)).view(-1, width, 4).transpose(0, 1) for x in (q, k, v)]
    y = F.scaled_dot_product_attention(*parts, is_causal=True)
    return y.transpose(0, 1).reshape(-1, 4)[:n]


def by_mask(rule, scale=0.5):
    def answer(q, k, v, width):
        i, j = torch.arange(len(q))[:, None], torch.arange(len(q))
        return F.scaled_dot_product_attention(
            q[None], k[None], v[None], rule(i, j, width)[None], scale=scale
        )[0]

    return answer


RIGHT = [
    ("11.1", by_sets),
    ("11.1", fixed()),
    ("11.2", pairs_by_rows),
    ("11.2", lambda n, w: min(w, n) * n - math.comb(min(w, n), 2)),
    ("11.3", layers_by_walking),
    ("11.3", lambda n, w: math.ceil((n - 1) / (w - 1))),
    ("11.4", places_by_writing),
    ("11.4", lambda t, w: [max([p for p in range(s, t + 1, w)] or [-1]) for s in range(w)]),
    ("11.5", strided_by_loops),
    ("11.5", folded),
]

WRONG = {
    "11.1": {
        "Later keys are read": fixed(causal=False),
        "Only the own block is read": fixed(summaries=lambda j, n, c: False),
        "Only summaries are read": fixed(own=False),
        "The first `c` positions": fixed(summaries=lambda j, n, c: j % n < c),
        "One position too many": fixed(summaries=lambda j, n, c: j % n >= n - c - 1),
        "This is the band": fixed(block=lambda i, j, n: i - j < n),
    },
    "11.2": {
        "first rows are shorter": lambda n, w: n * w,
        "whole triangle": lambda n, w: n * w - w * (w - 1) // 2,
        "which is l (l - 1) / 2": lambda n, w: n * min(n, w) - math.comb(min(n, w) + 1, 2),
        "a band of l + 1 keys": lambda n, w: pairs_by_rows(n, w + 1),
    },
    "11.3": {
        "l - 1 further, not l": lambda n, w: math.ceil(n / w),
        "n - 1 away": lambda n, w: math.ceil(n / (w - 1)),
        "rounded down": lambda n, w: (n - 1) // (w - 1),
        "one too many": lambda n, w: layers_by_walking(n, w) + 1,
        "doubled": doubling,
    },
    "11.4": {
        "in the order of the text": in_order,
        "hold -1": lambda t, w: [t - (t - s) % w for s in range(w)],
        "These are the first positions": lambda t, w: [s if s <= t else -1 for s in range(w)],
        "`t` itself is missing": lambda t, w: places_by_writing(t - 1, w),
        "The newest stands first": lambda t, w: (
            list(range(t, max(-1, t - w), -1)) + [-1] * max(0, w - t - 1)
        ),
    },
    "11.5": {
        "Later positions": by_mask(lambda i, j, w: (i - j) % w == 0),
        "root of D": by_mask(lambda i, j, w: ((i - j) % w == 0) & (j <= i), scale=1.0),
        "blocks of l neighbours": by_mask(lambda i, j, w: (i // w == j // w) & (j <= i)),
        "dense attention": by_mask(lambda i, j, w: j <= i),
        "band of the last l": by_mask(lambda i, j, w: (i - j < w) & (j <= i)),
        "Nothing is mixed": lambda q, k, v, w: v.clone(),
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)

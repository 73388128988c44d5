# ruff: noqa: E741 (l is the letter of the papers)
"""The exercises of chapter 11, sparse attention, and what usually goes wrong in them.

Source: Child et al. 2019, §4.3 (the patterns), and the released code.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gptcore.exercises.checking import Exercise, Mistake, call, compare
from gptcore.exercises.comparing import describe

__all__ = ["EXERCISES"]


def _rule(i: int, j: int, l: int, c: int) -> bool:
    return j <= i and (i // l == j // l or j % l >= l - c)


def _truth(got: Any, case: tuple[int, ...]) -> bool:
    """True or False, also as a number, or as an array or tensor of one."""
    single = getattr(got, "ndim", 0) == 0 and not isinstance(got, str | list | tuple | dict | set)
    if not single or not (isinstance(got, bool | int) or hasattr(got, "item")):
        raise Mistake(
            "One True or False is expected, for one query and one key.",
            given=f"(i, j, l, c) = {case}",
            got=describe(got),
        )
    return bool(got)


def _fixed(answer: Any) -> str:
    cases = ((6, 3, 4, 1), (6, 7, 4, 1), (6, 5, 4, 1), (6, 2, 4, 1), (11, 6, 4, 2), (5, 5, 4, 2))
    cases += ((9, 1, 4, 2), (4, 3, 4, 1), (6, 4, 4, 1), (7, 0, 4, 2), (2, 3, 4, 1), (5, 2, 4, 1))
    wrong = {
        "Later keys are read: a query reads what stands at or before it, in its own block, "
        "too.": lambda i, j, l, c: i // l == j // l or j % l >= l - c,
        "Only the own block is read. The last `c` positions of every earlier block belong to the "
        "pattern.": lambda i, j, l, c: j <= i and i // l == j // l,
        "Only summaries are read. The first positions of a text would have nothing: the own block "
        "belongs to the pattern.": lambda i, j, l, c: j <= i and j % l >= l - c,
        "The first `c` positions of a block are taken for its summaries. They are its last: only "
        "those can have read the block.": (
            lambda i, j, l, c: j <= i and (i // l == j // l or j % l < c)
        ),
        "One position too many counts as a summary: the remainders of the last `c` are l - c to "
        "l - 1.": lambda i, j, l, c: j <= i and (i // l == j // l or j % l >= l - c - 1),
        "This is the band, which moves along with the query. A block has a fixed place.": (
            lambda i, j, l, c: j <= i and (i - j < l or j % l >= l - c)
        ),
    }
    got = [_truth(call(answer, *case), case) for case in cases]
    mistakes = {said: [rule(*case) for case in cases] for said, rule in wrong.items()}
    given = "(i, j, l, c) = " + ", ".join(map(str, cases))
    compare(got, [_rule(*case) for case in cases], given=given, mistakes=mistakes)
    return "A summary is read by everybody who comes later, and it has read its whole block."


def _pairs(answer: Any) -> str:
    for n, l in ((12, 5), (16, 1), (5, 9), (2048, 256)):
        w = min(l, n)
        right = n * w - w * (w - 1) // 2
        mistakes = {
            "The first rows are shorter: row i has i + 1 keys while that is less than l.": n * l,
            "The text is shorter than the band here: then it is a whole triangle.": (
                n * l - l * (l - 1) // 2
            ),
            "The first rows miss 0 + 1 + ... + (l - 1) keys, which is l (l - 1) / 2.": (
                n * w - w * (w + 1) // 2
            ),
            "This is a band of l + 1 keys, as in the paper's formula. Its code and this exercise "
            "have l, the own one included.": sum(min(i + 1, l + 1) for i in range(n)),
            "This is dense attention, or what is left of it.": n * (n + 1) // 2 - right,
            "The missing keys are counted twice over: their sum is l (l - 1) / 2.": (
                n * w - w * (w - 1)
            ),
        }
        compare(call(answer, n, l), right, given=f"n = {n}, l = {l}", mistakes=mistakes)
    return "At GPT-3's 2,048 tokens a band of 256 reads 23.4 % of what dense attention reads."


def _layers(answer: Any) -> str:
    for n, l in ((30, 5), (9, 3), (128, 8), (5, 9), (2048, 256)):
        right = -(-(n - 1) // (l - 1))
        mistakes = {
            "A layer reaches l - 1 further, not l: the own position is one of its l keys.": (
                -(-n // l)
            ),
            "The first token is n - 1 away from the last, not n.": -(-n // (l - 1)),
            "This is rounded down: a layer that is needed in part is needed.": (n - 1) // (l - 1),
            "This is one too many: the first layer already reaches back.": right + 1,
            "This is as if reach doubled with every layer. It grows by the same l - 1 each time.": (
                1 + max(0, math.ceil(math.log2((n - 1) / (l - 1))))
            ),
        }
        compare(call(answer, n, l), right, given=f"n = {n}, l = {l}", mistakes=mistakes)
    return "In a band of 256, nine layers are enough for GPT-3's context; it has up to 96."


def _places(answer: Any) -> str:
    for t, l in ((9, 4), (2, 4), (7, 4), (0, 3), (13, 5)):
        right = [t - (t - s) % l if s <= t else -1 for s in range(l)]
        order = list(range(max(0, t - l + 1), t + 1))
        mistakes = {
            "These are the right positions in the order of the text. Each stands at its place: "
            "position p at p modulo l.": order + [-1] * (l - len(order)),
            "Places that were never written hold -1, as long as the text is short.": [
                t - (t - s) % l for s in range(l)
            ],
            "These are the first positions. Later ones have taken their places.": [
                s if s <= t else -1 for s in range(l)
            ],
            "The position `t` itself is missing: it has been written.": [
                t - 1 - (t - 1 - s) % l if s <= t - 1 else -1 for s in range(l)
            ],
            "The newest stands first here. A position does not move once it is written: p stands "
            "at p modulo l.": order[::-1] + [-1] * (l - len(order)),
        }
        compare(call(answer, t, l), right, given=f"t = {t}, l = {l}", mistakes=mistakes)
    return "A band's cache never grows, and its oldest key is always the one that is replaced."


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    return (q @ k.T * scale).masked_fill(~mask, float("-inf")).softmax(-1) @ v


def _strided(answer: Any) -> str:
    generator = torch.Generator().manual_seed(0)
    for n, l in ((12, 3), (13, 5), (3, 7), (6, 1)):
        q, k, v = torch.randn(3, n, 4, generator=generator)
        i, j = torch.arange(n)[:, None], torch.arange(n)
        causal, stride, scale = j <= i, (i - j) % l == 0, 0.5
        right = _attend(q, k, v, causal & stride, scale)
        mistakes = {
            "Later positions of the same remainder are read: each group is a text, and causal.": (
                _attend(q, k, v, stride, scale)
            ),
            "The scores are not divided by the root of D.": (
                _attend(q, k, v, causal & stride, 1.0)
            ),
            "This is attention inside blocks of l neighbours. A stride takes every l-th "
            "position.": _attend(q, k, v, causal & (i // l == j // l), scale),
            "This is dense attention: the stride is missing.": _attend(q, k, v, causal, scale),
            "This is the band of the last l positions.": (
                _attend(q, k, v, causal & (i - j < l), scale)
            ),
            "Nothing is mixed: each position hands on its own value.": v,
        }
        given = f"n = {n}, D = 4, l = {l}, random numbers"
        compare(call(answer, q, k, v, l), right, given=given, mistakes=mistakes)
    return "Fold, and a stride is dense attention on l short texts: n²/l pairs instead of n²."


EXERCISES = [
    Exercise("11.1", "Block and summaries", "easy", 10, _fixed),
    Exercise("11.2", "The pairs of a band", "easy", 10, _pairs),
    Exercise("11.3", "Layers enough", "medium", 10, _layers),
    Exercise("11.4", "Where a position stands", "medium", 15, _places),
    Exercise("11.5", "A stride without a mask", "hard", 20, _strided),
]

"""The exercises of chapter 03: scores, masks, heads, a leak test, planted bugs.

Source: Vaswani et al. 2017 §3.2 (the formulas); GPT-1's released code (the order of the steps).
The exercises are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.exercises.checking import Exercise, Mistake, NotWritten, call, compare
from gptcore.exercises.comparing import equal

__all__ = ["EXERCISES"]

INF = float("inf")
# The chapter's three tokens, four numbers each.
Q = torch.tensor([[1.0, 0, 1, 0], [2, 0, 0, 2], [2, 2, 0, 0]])
K = torch.tensor([[2.0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 2, 2]])
V = torch.tensor([[4.0, 0, 0, 1], [0, 4, 0, 1], [0, 0, 4, 1]])
# Exercise 3.1's fourth, "again": its query and its key.
QUERY, KEY = torch.tensor([0.0, 2, 0, 2]), torch.tensor([1.0, 0, 1, 0])


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _lower(T: int, diagonal: int = 0) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).tril(diagonal)


# 3.1


def _test_weights(answer: Any) -> str:
    products = torch.cat([K, KEY[None]]) @ QUERY  # 0, 4, 4, 0
    scaled = products / 2
    alone = torch.cat([scaled[:3].softmax(0), torch.zeros(1)])
    mistakes = {
        "These are the products of the query with the keys. What comes after them?": products,
        "These are scores. Weights are shares of one: all above 0, and 1 in all.": scaled,
        "These are exponentials. Are they shares of one already?": scaled.exp(),
        "The softmax is right, and the scale is missing.": products.softmax(0),
        "The softmax is right, the scale is not: divide by a root.": (products / 4).softmax(0),
        "Scores, each divided by their sum. But a score of 0 has a share, too.": scaled
        / scaled.sum(),
        "A token may read itself as well: the last weight is not 0.": alone,
    }
    symptoms = {
        "Weights are shares of one: these do not add up to 1.": lambda w: abs(sum(w) - 1) > 0.01,
        "Equal products get equal shares. Which are equal?": lambda w: abs(w[1] - w[2]) > 0.01,
        "The sum is right, the shares are not. Which products are large?": lambda w: True,
    }
    wrong = {cause: value.tolist() for cause, value in mistakes.items()}
    got = answer.tolist() if isinstance(answer, Tensor) else answer
    given, want = "the query of *again*, (0, 2, 0, 2), and the four keys", scaled.softmax(0)
    compare(got, want.tolist(), given=given, mistakes=wrong, symptoms=symptoms, atol=2e-3)
    return "A query, four keys, two exponentials: you have done what a head does for one token."


# 3.2


def _test_mask(answer: Any) -> str:
    for T in (4, 1, 7):
        want = _lower(T)
        mistakes = {
            "Upside down: True stands where reading is forbidden. `nn.MultiheadAttention` wants "
            "it so; here, as in `scaled_dot_product_attention`, True means *may read*.": ~want,
            "The wrong triangle: here a token may read itself and what follows it, and nothing "
            "that came before. Rows are queries, columns are keys.": want.T,
            "A token may not read itself here. Its first row is then empty, and the softmax of "
            "an empty row is nan: keep the diagonal.": _lower(T, -1),
            "One too many: row i may read column i + 1 here, which is the very token that it "
            "is to predict.": _lower(T, 1),
            "The pattern is right, but these are numbers, and True and False were wanted. "
            "`.bool()` makes the one of the other.": want.float(),
            "This is the mask that is added to the scores. Wanted is the one of True and "
            "False.": torch.zeros(T, T).masked_fill(~want, -INF),
        }
        compare(call(answer, T), want, given=f"T = {T}", mistakes=mistakes)
    return "Each row of your mask has one True more than the row above: one more token to read."


# 3.3


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / (scale or math.sqrt(q.shape[-1]))
    return scores.masked_fill(~mask, -INF).softmax(-1) @ v


def _test_attention(answer: Any) -> str:
    T = 5
    batch = [_random(2, 3, T, 8, seed=seed) for seed in range(3)]
    band = _lower(T) & ~_lower(T, -2)  # a token and the one before it
    for (q, k, v), mask in [((Q, K, V), _lower(3)), (batch, band)]:
        name = "the three tokens of section 1 and the causal mask"
        shape = ", ".join(map(str, q.shape))
        given = name if q is Q else f"q, k, v ({shape}), each token may read two"
        got, want = call(answer, q, k, v, mask), _attend(q, k, v, mask)
        compare(got, want, given=given, mistakes=_attention_mistakes(q, k, v, mask))
    rising = torch.tensor([1.0, 2, 3])[:, None]
    loud = [torch.full((3, 1), 60.0), rising, V]
    scores = loud[0] @ loud[1].T  # 60, 120, 180 in each row; exp(89) is too much for a float
    top = scores - scores.amax(-1, keepdim=True)
    mistakes = {
        "Right for small scores. Large ones overflow: exp(100) is more than a float holds. "
        "Subtract the largest score of the row first, which leaves the weights as they "
        "are.": lambda: _quotient(scores.exp() * _lower(3), V),
        "Right for small scores. Here the largest of a row is hidden, and what may be read, "
        "measured against it, vanishes: 0/0. Mask first, then take the "
        "largest.": lambda: _quotient(top.exp() * _lower(3), V),
    }
    given = "D = 1, every query 60, keys 1, 2 and 3, and the causal mask"
    got = call(answer, *loud, _lower(3))
    compare(got, _attend(*loud, _lower(3)), given=given, mistakes=mistakes)
    return "Your attention works with any mask, on any number of heads, and with loud scores."


def _quotient(raised: Tensor, v: Tensor) -> Tensor:
    return raised / raised.sum(-1, keepdim=True) @ v


def _attention_mistakes(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> dict[str, Tensor]:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    hidden = scores.masked_fill(~mask, -INF)
    return {
        "The mask comes after the softmax: the rows no longer sum to 1, and what was hidden "
        "still counted in the denominator. Mask the scores, then take the "
        "softmax.": (scores.softmax(-1) * mask) @ v,
        "Hidden scores are 0 here, and a score of 0 is a score: the softmax gives it "
        "exp(0) = 1. They have to be -inf before the softmax.": (scores * mask).softmax(-1) @ v,
        "The softmax runs down the columns. Each row, one query, has to sum to 1: that is "
        "`dim=-1`.": hidden.softmax(-2) @ v,
        "The scores are not divided by √D.": _attend(q, k, v, mask, scale=1.0),
        "Upside down: True means *may read* here, and what is True was hidden.": _attend(
            q, k, v, ~mask
        ),
        "The mask has no effect: every token reads every other.": scores.softmax(-1) @ v,
        "The exponentials are not divided by their sum: each row of weights has to add up to "
        "1.": hidden.exp() @ v,
        "These are the weights. One step is left: `weights @ v` mixes the values.": hidden.softmax(
            -1
        ),
    }


# 3.4


def _causal(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    return _attend(q, k, v, _lower(q.shape[-2]), scale)


def _split(x: Tensor, n_head: int) -> Tensor:
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def _merge(y: Tensor) -> Tensor:
    return y.transpose(1, 2).flatten(2)


def _test_heads(answer: Any) -> str:
    for B, T, C, H in [(2, 5, 12, 3), (1, 4, 8, 2)]:
        q, k, v = (_random(B, T, C, seed=seed) for seed in range(3))
        D, shape = C // H, (B, T, C)
        heads = [_split(x, H) for x in (q, k, v)]
        y = _causal(*heads)
        cut = [x.view(B, H, T, D) for x in (q, k, v)]
        woven = [x.view(B, T, D, H).permute(0, 3, 1, 2) for x in (q, k, v)]
        mistakes = {
            "`view(B, H, T, D)` cuts the sequence, not the width: a head gets the numbers of "
            "other tokens. First `view(B, T, H, D)`, then exchange T and H.": _causal(*cut).reshape(
                shape
            ),
            "Split well, merged wrongly: the order is still (B, H, T, D) when it is reshaped. "
            "Exchange H and T again, then reshape.": y.reshape(shape),
            "The heads are woven: head 0 takes every H-th number. A head's numbers stand side "
            "by side, so `view(B, T, H, D)`.": _causal(*woven).permute(0, 2, 3, 1).reshape(shape),
            "Heads attend to heads here, at each token for itself: attention works on the last "
            "two axes, and these are (H, D). Exchange T and H first.": _across(q, k, v, H),
            "One head as wide as all: nothing was split.": _causal(q, k, v),
            "The future is visible: the causal mask is missing.": _merge(
                F.scaled_dot_product_attention(*heads)
            ),
            "Divided by √C. Each head compares D = C / H numbers, so √D.": _merge(
                _causal(*heads, scale=math.sqrt(C))
            ),
            "The heads are not merged: put them side by side again, as (B, T, C).": y,
            "The heads are not merged: (B, T, H, D) still has to become (B, T, C).": y.transpose(
                1, 2
            ),
        }
        given = f"q, k, v ({B}, {T}, {C}), n_head {H}"
        compare(call(answer, q, k, v, H), _merge(y), given=given, mistakes=mistakes)
    return "Your heads work side by side, each on its own columns, and none sees the future."


def _across(q: Tensor, k: Tensor, v: Tensor, n_head: int) -> Tensor:
    B, T, C = q.shape
    return _causal(*(x.view(B, T, n_head, C // n_head) for x in (q, k, v))).reshape(B, T, C)


# 3.5


def _with_mask(allowed: Callable[[int], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: _attend(x, x, x, allowed(x.shape[-2]))


def _mask_after(x: Tensor) -> Tensor:
    weights = (x @ x.transpose(-2, -1) / math.sqrt(x.shape[-1])).softmax(-1)
    return (weights * _lower(x.shape[-2])) @ x


def _only(query: int, key: int) -> Callable[[int], Tensor]:
    """The causal mask with one entry too many."""

    def allowed(T: int) -> Tensor:
        mask = _lower(T)
        mask[query, key] = True
        return mask

    return allowed


def _rounded(x: Tensor) -> Tensor:
    """Right, and computed by parts that end in no fixed order: the last bits differ each time."""
    return _with_mask(_lower)(x) + 2e-7 * (torch.rand(x.shape) - 0.5)


def _faint(x: Tensor) -> Tensor:
    return _with_mask(_lower)(x) + 0.002 * x.mean(-2, keepdim=True)


# What it is, the function, whether it leaks, and what a test has got wrong that misjudges it.
SUSPECTS: tuple[tuple[str, Callable[[Tensor], Tensor], bool, str], ...] = (
    (
        "attention without a mask",
        lambda x: F.scaled_dot_product_attention(x, x, x),
        True,
        "Is the changed input a copy? `y = x` is no copy: `x.clone()` is. Or does the test look "
        "only at the last position, which has no future?",
    ),
    (
        "a function that treats each position on its own",
        torch.tanh,
        False,
        "The output at a position that was changed has to move. Compare only the positions "
        "before the first change.",
    ),
    (
        "masked attention as it should be",
        _with_mask(_lower),
        False,
        "Outputs after the change may move: reading the past is what attention is for. Change "
        "the future and look at the past, not the other way round.",
    ),
    (
        "masked attention whose last bits differ from run to run",
        _rounded,
        False,
        "A difference of about 1e-7 is rounding. Compare with a small tolerance, such as 1e-5.",
    ),
    (
        "attention whose mask reaches one token too far",
        _with_mask(lambda T: _lower(T, 1)),
        True,
        "A leak from the very next token is the usual one: change position t + 1, look at t.",
    ),
    (
        "attention in which only the first position reads the second",
        _with_mask(_only(0, 1)),
        True,
        "Changing the last token alone does not show it. Try every place: change what comes "
        "after t, look at all up to t, for each t.",
    ),
    (
        "attention in which only the last position but one reads the last",
        _with_mask(_only(-2, -1)),
        True,
        "Looking at the first positions alone does not show it. Try every place: change what "
        "comes after t, look at all up to t, for each t.",
    ),
    (
        "attention masked after the softmax",
        _mask_after,
        True,
        "Its future hides in the denominator. The leak is there: compare the outputs "
        "themselves, with a small tolerance.",
    ),
    (
        "masked attention to which a five-hundredth of the mean over all positions is added",
        _faint,
        True,
        "A faint leak is a leak, and training finds it. Is the tolerance too wide? Change the "
        "input by about 1 and tolerate about 1e-5.",
    ),
)


def _test_leak(answer: Any) -> str:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        verdicts = [_verdict(call(answer, suspect)) for _, suspect, _, _ in SUSPECTS]
    truth = [leaky for _, _, leaky, _ in SUSPECTS]
    told = {"given": "nine functions", "expected": str(truth), "got": str(verdicts)}
    if verdicts == [not leaky for leaky in truth]:
        raise Mistake("Each verdict is the opposite of the right one: True means it leaks.", **told)
    if all(verdicts):
        raise Mistake(
            "Your test finds a leak everywhere, also where there is none. Does it compare only "
            "positions before the first change, and the outputs of the same function?",
            **told,
        )
    for (name, _, leaky, cause), verdict in zip(SUSPECTS, verdicts, strict=True):
        if verdict != leaky:
            raise Mistake(cause, given=name, expected=str(leaky), got=str(verdict))
    return f"Your test judges {len(SUSPECTS)} functions rightly, faint leaks and rounding included."


def _verdict(got: Any) -> bool:
    if isinstance(got, Tensor) and got.numel() == 1:
        got = got.item()
    if not isinstance(got, bool):
        raise Mistake("The answer has to be True or False.", expected="True or False", got=str(got))
    return got


# 3.6 ------------------------------------------------------------------------------------------

# A planted bug -> its place, and a hint.
BUGS: Mapping[str, tuple[str, str]] = {
    "swapped": ("the scores", "row i of the scores has to belong to query i."),
    "wide": ("the scale", "how many numbers does one head compare?"),
    "unmerged": ("the merge", "what is the shape of y, axis by axis, before it is reshaped?"),
}


def planted(
    x: Tensor, w_qkv: Tensor, w_out: Tensor, n_head: int, bugs: tuple[str, ...] = tuple(BUGS)
) -> Tensor:
    """The chapter's listing with planted bugs.

    Args:
        x: (B, T, C). w_qkv: (C, 3C). w_out: (C, C).
        n_head: H, a divisor of C.
        bugs: which of `BUGS`; none gives masked attention as it should be.

    Returns:
        (B, T, C).
    """
    B, T, C = x.shape
    q, k, v = (_split(part, n_head) for part in (x @ w_qkv).split(C, dim=2))
    if "swapped" in bugs:
        q, k = k, q
    y = _causal(q, k, v, math.sqrt(C if "wide" in bugs else C // n_head))
    if "unmerged" not in bugs:
        y = y.transpose(1, 2)
    return y.reshape(B, T, C) @ w_out


def _test_planted(answer: Any) -> str:
    w_qkv, w_out = _random(12, 36, seed=1) / 2, _random(12, 12, seed=2) / 2
    inputs = _random(2, 5, 12), w_qkv, w_out, 3
    got = call(answer, *inputs)
    for left in (bugs for n in (3, 2, 1) for bugs in combinations(BUGS, n)):
        if equal(got, planted(*inputs, bugs=left), atol=1e-4):
            raise (NotWritten if len(left) == 3 else Mistake)(_said(left))
    given = "x (2, 5, 12), w_qkv (12, 36), w_out (12, 12), n_head 3"
    compare(got, planted(*inputs, bugs=()), given=given)
    return "All three bugs are gone. Only one of them would have raised the alarm of a leak test."


def _said(left: tuple[str, ...]) -> str:
    if len(left) == len(BUGS):
        return "Nothing is repaired so far: all three bugs are there. Follow each line's shapes."
    gone = " and ".join(BUGS[bug][0] for bug in BUGS if bug not in left)
    count = "Two bugs are" if len(left) == 2 else "One bug is"
    return f"Right by now: {gone}. {count} still there. A hint: {BUGS[left[0]][1]}"


EXERCISES = [
    Exercise("3.1", "Weights, with a pencil", "easy", 10, _test_weights),
    Exercise("3.2", "The causal mask", "easy", 5, _test_mask),
    Exercise("3.3", "Attention with a mask", "medium", 15, _test_attention),
    Exercise("3.4", "Split into heads, and merge", "medium", 15, _test_heads),
    Exercise("3.5", "A leak test", "medium", 15, _test_leak),
    Exercise("3.6", "Three planted bugs", "hard", 20, _test_planted),
]

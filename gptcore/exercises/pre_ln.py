"""The exercises of chapter 08, and what usually goes wrong in them.

Source: GPT-2 §2.3 and its released code; Xiong et al. 2020; Wortsman et al. 2023, §2.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from gptcore.config import GPTConfig
from gptcore.exercises.checking import Exercise, Mistake, NotWritten, call, compare
from gptcore.exercises.comparing import describe, equal
from gptcore.model import GPT

__all__ = ["EXERCISES"]


def _block(answer: Any) -> str:
    def norm(gain: float, shift: float) -> Callable[[Tensor], Tensor]:
        return lambda x: gain * (x - x.mean(-1, keepdim=True)) + shift

    def attention(x: Tensor) -> Tensor:
        return x.cumsum(0) / torch.arange(1, len(x) + 1)[:, None]

    def mlp(x: Tensor) -> Tensor:
        return (1.5 * x).sin()

    ln_1, ln_2 = norm(2.0, 0.5), norm(3.0, -0.25)
    x = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0], [-1.0, 1.0, 0.5]])
    half = x + attention(ln_1(x))
    post = ln_1(x + attention(x))
    normed = ln_1(x)
    on_normed = normed + attention(normed)
    mistakes = {
        "This is GPT-1's block: each sum is normalised. In GPT-2's, what enters attention and the "
        "MLP is normalised, and the sum is left alone.": ln_2(post + mlp(post)),
        "The stream itself was normalised on its way: `x = ln_1(x)` changes what the residual path "
        "carries. Normalise only the copy that attention reads.": on_normed + mlp(ln_2(on_normed)),
        "The stream itself was normalised on its way to the MLP: `x = ln_2(x)` changes what the "
        "residual path carries.": ln_2(half) + mlp(ln_2(half)),
        "A residual path is missing: what attention gives is added to x.": (
            attention(ln_1(x)) + mlp(ln_2(attention(ln_1(x))))
        ),
        "The second residual path is missing: what the MLP gives is added to the stream.": mlp(
            ln_2(half)
        ),
        "The MLP reads x as it came in. It reads the stream after attention has written to it.": (
            half + mlp(ln_2(x))
        ),
        "The MLP reads the stream without a norm: `ln_2` is missing.": half + mlp(half),
        "Attention reads the stream without a norm: `ln_1` is missing.": (
            x + attention(x) + mlp(ln_2(x + attention(x)))
        ),
        "The first norm was used twice. The second one has a gain of its own.": half
        + mlp(ln_1(half)),
        "The two norms have changed places.": (
            x + attention(ln_2(x)) + mlp(ln_1(x + attention(ln_2(x))))
        ),
        "The first half is as in GPT-1: its sum is normalised. Only what attention reads is.": post
        + mlp(ln_2(post)),
    }
    given = f"x = {describe(x)}, and functions that are no real norms, but differ"
    want = half + mlp(ln_2(half))
    compare(call(answer, x, ln_1, attention, ln_2, mlp), want, given=given, mistakes=mistakes)
    return "You have moved two norms, and with that made GPT-2's block of GPT-1's."


def _stream(answer: Any) -> str:
    names = "plain", "scaled"
    for start, write, n_layer in ((0.5, 0.2, 12), (0.02, 0.1, 48), (1.0, 0.3, 2)):
        N = 2 * n_layer
        plain, scaled = math.hypot(start, write * math.sqrt(N)), math.hypot(start, write)
        squares = "These are variances. The standard deviation is the root of one."
        added = "Standard deviations were added. Of independent numbers the variances add up."
        halves = "A block writes twice, after attention and after the MLP: count 2 L, not L."
        lost = "What the stream began with is missing: it counts like one more term."
        mistakes = [
            {
                halves: math.hypot(start, write * math.sqrt(n_layer)),
                added: start + N * write,
                squares: plain**2,
                lost: write * math.sqrt(N),
                "With the writing part's factor N inside the root: the root of N w² is w √N.": (
                    math.hypot(start, write * N)
                ),
            },
            {
                "This scales by 1/N, as a common summary has it. GPT-2 scales by 1/√N, so that N "
                "terms together have the variance of one.": math.hypot(start, write / math.sqrt(N)),
                "Scaled by 1/√L. The stream is a sum of 2 L terms.": math.hypot(
                    start, write * math.sqrt(2)
                ),
                halves: math.hypot(start, write / math.sqrt(2)),
                added: start + write,
                squares: scaled**2,
                lost: write,
                "This is what it is without scaling.": plain,
            },
        ]
        got = call(answer, start, write, n_layer)
        given = f"start = {start}, write = {write}, n_layer = {n_layer}"
        want = plain, scaled
        if not isinstance(got, list | tuple) or len(got) != 2:
            compare(got, want, given=given)
        for name, one, right, wrong in zip(names, got, want, mistakes, strict=True):
            compare(one, right, given=f"{given}; this is the {name} one", mistakes=wrong)
    return "You know why GPT-2 divides by √(2L): the stream ends as it would after a single write."


def _sensitivity(answer: Any) -> str:
    nan = float("nan")
    cases = [
        ([5.0, 4.0, 6.5, 4.5], 6.0),
        ([4.2, 4.7, 5.4], 6.2),
        ([4.0, nan, 5.0], 6.0),
        ([float("inf"), 4.5], 6.25),
        ([3.0, 3.0, 3.0, 3.0], 6.0),
    ]
    for losses, start in cases:
        capped = [min(x, start) if math.isfinite(x) else start for x in losses]
        finite = [x for x in losses if math.isfinite(x)]
        best = min(finite)
        above = [x - best for x in capped]
        wanted = sum(above) / len(above)
        mistakes = {
            "A run that ends above its start counts as one that learned nothing: no loss is taken "
            "above `start`.": sum(x - best for x in losses) / len(losses),
            "Runs that ended in no number were left out. They count as `start`: a rate that breaks "
            "the run is the worst of all.": (
                sum(min(x, start) - best for x in finite) / len(finite)
            ),
            "This is the largest distance. The sensitivity is the mean over all rates.": max(above),
            "This is the mean loss. What counts is how far above the best it lies.": (
                sum(capped) / len(capped)
            ),
            "These distances are from `start`. They are from the best loss.": sum(
                start - x for x in capped
            )
            / len(capped),
            "The best run was left out of the mean. Its distance, 0, counts as well.": (
                sum(above) / max(1, len(above) - 1)
            ),
            "The distances were added up. The sensitivity is their mean.": sum(above),
            "This is the standard deviation of the losses. The sensitivity is measured from the "
            "best, and is a mean.": torch.tensor(capped, dtype=torch.float64).std().item(),
        }
        given = f"losses = {losses}, start = {start}"
        compare(call(answer, losses, start), wanted, given=given, mistakes=mistakes)
    return "You can say in one number how much a network minds the learning rate."


BUGS = {
    "positions": "Every token is given the embedding of position 0: row t of the table is for the "
    "token at place t.",
    "norm": "The MLP reads through the first norm of its block. It has one of its own, `ln_2`.",
    "last": "`ln_f` stands inside the loop, behind the last attention or every block. It comes "
    "once, behind the whole last block.",
}
ELSEWHERE = {
    "positions": "the line that begins the stream",
    "norm": "what the MLP reads",
    "last": "where `ln_f` stands",
}


def _logits(model: GPT, ids: Tensor, *bugs: str) -> Tensor:
    """The forward pass of a GPT-2 with some of the planted bugs; (T,) -> (T, V)."""
    first = torch.zeros_like(ids) if "positions" in bugs else torch.arange(len(ids))
    x = (model.wte(ids) + model.wpe(first))[None]
    for i, block in enumerate(model.h):
        x = x + block.attn(block.ln_1(x))
        if "last" in bugs and i == len(model.h) - 1:
            x = model.ln_f(x)
        x = x + block.mlp((block.ln_1 if "norm" in bugs else block.ln_2)(x))
    if "last" not in bugs:
        x = model.ln_f(x)
    return (x @ model.wte.weight.T)[0]


def _last_norm(answer: Any) -> str:
    model, ids = _network(), torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
    with torch.no_grad():
        want = _logits(model, ids)
        got = call(answer, model, ids)
        if equal(got, _logits(model, ids, *BUGS), atol=1e-3):
            raise NotWritten(
                "Nothing is repaired so far: all three bugs are there. Ask of each line what the "
                "stream holds when it is reached."
            )
        mistakes = {
            "`ln_f` is missing: GPT-2 normalises the stream once more behind its last block.": (
                _without_last(model, ids)
            ),
        }
        for count in (1, 2):
            for first, *others in combinations(BUGS, count):
                more = "".join(f" And that is not all: look at {ELSEWHERE[b]}." for b in others)
                mistakes[BUGS[first] + more] = _logits(model, ids, first, *others)
    given = f"a GPT-2 of two blocks whose norms all differ, ids = {ids.tolist()}"
    compare(got, want, given=given, mistakes=mistakes, atol=1e-3)
    return "You have put GPT-2's last LayerNorm where it belongs, and found two slips beside it."


def _without_last(model: GPT, ids: Tensor) -> Tensor:
    x = (model.wte(ids) + model.wpe(torch.arange(len(ids))))[None]
    for block in model.h:
        x = block(x)
    return (x @ model.wte.weight.T)[0]


def _network() -> GPT:
    """Two blocks whose weights, gains and biases are all random."""
    config = GPTConfig(vocab_size=12, n_ctx=16, n_layer=2, n_head=2, d_model=8, dropout=0.0)
    model, maker = GPT(config).eval(), torch.Generator().manual_seed(8)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=maker))
    return model


def _gradients(answer: Any) -> str:
    model = _network()
    maker = torch.Generator().manual_seed(4)
    ids, targets = (torch.randint(12, (3, 8), generator=maker) for _ in range(2))

    def norms(name: str, reduction: str = "mean") -> list[float]:
        weights = [block.get_parameter(name) for block in model.h]
        with torch.enable_grad():
            grads = torch.autograd.grad(model.loss(ids, targets, reduction), weights)
        return [grad.norm().item() for grad in grads]

    right, before = norms("mlp.c_proj.weight"), model.h[0].mlp.c_proj.weight.detach().clone()
    for p in model.parameters():  # somebody has already called backward
        p.grad = torch.ones_like(p)
    left = [(g + 1).norm().item() for g in _grads(model, ids, targets)]
    with torch.enable_grad():
        got = call(answer, model, ids, targets)
    if isinstance(got, Tensor) and got.dim() == 1:
        got = got.tolist()
    if not torch.equal(model.h[0].mlp.c_proj.weight, before):
        raise Mistake("The weights have changed: measure the gradient and make no step.")
    mistakes = {
        "Gradients of an earlier `backward` are still there, and yours were added to them. Set "
        "them to zero first, or use `torch.autograd.grad`.": left,
        "These are squares. The norm is the root of the sum of squares.": [x**2 for x in right],
        "This is the gradient of the summed loss. The loss is a mean over scored tokens.": norms(
            "mlp.c_proj.weight", "sum"
        ),
        "This is the matrix that goes into the MLP, `c_fc`. The one that writes to the stream is "
        "`c_proj`.": norms("mlp.c_fc.weight"),
        "This is attention's `c_proj`. The MLP has one, too.": norms("attn.c_proj.weight"),
        "The last block stands first. Count from the input.": right[::-1],
        "These are norms of the weights, not of their gradients.": [
            block.mlp.c_proj.weight.norm().item() for block in model.h
        ],
        "These are norms of the gradients that were there before. Compute the loss and call "
        "`backward`.": [math.sqrt(block.mlp.c_proj.weight.numel()) for block in model.h],
        "This is the mean of the absolute values. The norm is the root of the sum of squares.": [
            g.abs().mean().item() for g in _grads(model, ids, targets)
        ],
    }
    given = "a GPT-2 of two blocks with random weights, three rows of eight tokens"
    compare(got, right, given=given, mistakes=mistakes)
    return "You can measure what Xiong et al. draw, in any network, before it is trained."


def _grads(model: GPT, ids: Tensor, targets: Tensor) -> list[Tensor]:
    weights = [block.mlp.c_proj.weight for block in model.h]
    with torch.enable_grad():
        return list(torch.autograd.grad(model.loss(ids, targets), weights))


EXERCISES = [
    Exercise("8.1", "Two lines apart", "easy", 10, _block),
    Exercise("8.2", "How wide the stream ends", "medium", 10, _stream),
    Exercise("8.3", "One number for the learning rate", "medium", 15, _sensitivity),
    Exercise("8.4", "Three slips around the last norm", "medium", 15, _last_norm),
    Exercise("8.5", "The gradient, block by block", "hard", 20, _gradients),
]

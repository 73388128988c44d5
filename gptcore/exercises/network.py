"""The exercises of chapter 04, the GPT-1 network.

Source: GPT-1 §3.1, §4.1 and its released code; GPT-2 §2.3 for the other place of the norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.config import PRESETS, GPTConfig
from gptcore.exercises.checking import Exercise, Mistake, call, compare
from gptcore.model import GPT, Block

__all__ = ["EXERCISES", "FAULTS", "suspects"]

WIDTH = 16  # of the blocks with planted faults


def _count(V: int, n_ctx: int, L: int, C: int, norm: str) -> int:
    return V * C + n_ctx * C + L * (12 * C * C + 13 * C) + (2 * C if norm == "pre" else 0)


def check_count(answer: Any) -> str:
    """4.1: the parameters of a GPT, from its sizes."""
    for name in ("gpt1", "gpt2", "gpt2-xl"):
        c = PRESETS[name]
        V, n_ctx, L, C, norm = c.vocab_size, c.n_ctx, c.n_layer, c.d_model, c.norm
        want = _count(V, n_ctx, L, C, norm)
        mistakes = {
            "The output matrix is counted a second time. It is the token table, which is in the "
            "sum already.": want + V * C,
            "An output matrix of its own is counted, with a bias. GPT's output is tied to the "
            "token table and has no bias.": want + V * C + V,
            "All biases and norms are missing: they are small, but they are trained.": (
                want - 13 * L * C - (2 * C if norm == "pre" else 0)
            ),
            "The biases of the four matrices are missing, 9 C in each block.": want - 9 * L * C,
            "The two norms of each block are missing, 4 C in each.": want - 4 * L * C,
            "A norm has a gain and a bias for each of the C numbers: 2 C, not C.": (
                want - 2 * L * C - (C if norm == "pre" else 0)
            ),
            "The position table is missing: n_ctx rows of C numbers.": want - n_ctx * C,
            "Only one block is counted. Each of the L blocks has weights of its own.": (
                want - (L - 1) * (12 * C * C + 13 * C)
            ),
            "The norm after the last block, ln_f, is missing. Pre-LN networks have it.": (
                want - 2 * C if norm == "pre" else -1
            ),
            "A norm after the last block is counted. Post-LN networks have none: their last "
            "ln_2 does its work.": want + 2 * C if norm == "post" else -1,
        }
        got = call(answer, V, n_ctx, L, C, norm)
        compare(got, want, given=f"{V:,}, {n_ctx}, {L}, {C}, {norm!r} ({name})", mistakes=mistakes)
    return (
        "You have accounted for every parameter of GPT-1, of GPT-2 and of its largest size: "
        "116,534,784, 124,439,808 and 1,557,611,200."
    )


def check_slope(answer: Any) -> str:
    """4.2: the derivative of the GELU's tanh form."""
    x = torch.tensor([-3.0, -1.0, -0.75, 0.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    a, b = math.sqrt(2 / math.pi), 0.044715
    t, inner = torch.tanh(a * (x + b * x**3)), a * (1 + 3 * b * x**2)
    leaf = x.clone().requires_grad_()
    (want,) = torch.autograd.grad(F.gelu(leaf, approximate="tanh").sum(), leaf)
    mistakes = {
        "This is the GELU itself, not its slope.": F.gelu(x, approximate="tanh"),
        "A product has two terms in its derivative, and yours is the first alone: x stands in "
        "front of the bracket and inside it.": 0.5 * (1 + t),
        "A product has two terms in its derivative, and yours is the second alone: the factor x "
        "has a slope too.": 0.5 * x * (1 - t**2) * inner,
        "The chain rule stops short: the slope of what stands inside the tanh is missing.": (
            0.5 * (1 + t) + 0.5 * x * (1 - t**2)
        ),
        "The slope of tanh u is 1 - tanh² u; yours has no square.": (
            0.5 * (1 + t) + 0.5 * x * (1 - t) * inner
        ),
        "The slope of x³ is 3 x²; the 3 is missing.": (
            0.5 * (1 + t) + 0.5 * x * (1 - t**2) * a * (1 + b * x**2)
        ),
        "This is the slope of the exact GELU, Φ(x) + x φ(x). The tanh form's differs in the "
        "third decimal.": _exact_slope(x),
        "This is the slope of a ReLU: 0 to the left, 1 to the right.": (x > 0).double(),
    }
    compare(call(answer, x), want, given=x, mistakes=mistakes, atol=1e-5)
    return "Your slope is the one that every backward pass through GPT-1 multiplies with."


def _exact_slope(x: Tensor) -> Tensor:
    density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density


def _parts() -> tuple[Tensor, Callable, Callable, nn.LayerNorm, nn.LayerNorm]:
    """An input (T, C) and the four parts of a block, all different from one another."""
    noise = torch.Generator().manual_seed(4)
    x = torch.randn(3, 4, generator=noise)
    first, second = torch.randn(2, 4, 4, generator=noise)
    norms = [nn.LayerNorm(4), nn.LayerNorm(4)]
    with torch.no_grad():
        for norm, gain in zip(norms, (2.0, 0.5), strict=True):
            norm.weight.fill_(gain)
            norm.bias.copy_(torch.randn(4, generator=noise))

    def attention(x: Tensor) -> Tensor:
        """Each row is the mean of the rows so far, times a matrix."""
        return (x.cumsum(0) / torch.arange(1, len(x) + 1)[:, None]) @ first

    def mlp(x: Tensor) -> Tensor:
        return F.gelu(x @ second, approximate="tanh")

    return x, attention, mlp, *norms


def _wired(x: Tensor, attention: Callable, mlp: Callable, one: Callable, two: Callable) -> dict:
    """Output of every wiring that readers have come up with."""
    n = one(x + attention(x))
    y = x + attention(one(x))
    return {
        "post": two(n + mlp(n)),
        "pre": y + mlp(two(y)),
        "A residual path is missing: what a part computes is added to what went in, it does not "
        "replace it.": two(mlp(one(attention(x)))),
        "The residual path around the MLP is missing.": two(mlp(n)),
        "The norm stands on what a part computed, before the sum. In post-LN it comes after the "
        "sum, in pre-LN before the part.": (
            x + one(attention(x)) + two(mlp(x + one(attention(x))))
        ),
        "The MLP reads x. It comes after attention and reads what attention has made of x.": (
            two(n + mlp(x))
        ),
        "The residual path around the MLP starts from x. It starts from what the MLP reads.": (
            two(x + mlp(n))
        ),
        "The two norms are exchanged: ln_1 belongs to attention, ln_2 to the MLP.": (
            one(two(x + attention(x)) + mlp(two(x + attention(x))))
        ),
        "ln_1 is used twice. Each norm has its own gain and bias.": one(n + mlp(n)),
        "The MLP comes before attention.": two(one(x + mlp(x)) + attention(one(x + mlp(x)))),
        "In pre-LN nothing is normalised after the sum: the stream stays as it is.": (
            two(y + mlp(two(y)))
        ),
    }


def check_block(answer: Any) -> str:
    """4.3: a block of either layout, from its parts."""
    x, *parts = _parts()
    with torch.no_grad():
        wired = _wired(x, *parts)
        usual = {cause: value for cause, value in wired.items() if cause not in ("post", "pre")}
        for norm, other in (("post", "pre"), ("pre", "post")):
            swapped = f"This is {other}-LN, and norm={norm!r} was asked for."
            got = call(answer, x, *parts, norm)
            given = f"x {tuple(x.shape)}, attention, mlp, ln_1, ln_2, {norm!r}"
            mistakes = {swapped: wired[other], **usual}
            compare(got, wired[norm], given=given, mistakes=mistakes)
    return "Your block is GPT-1's with norm='post' and GPT-2's with norm='pre'."


def check_loss(answer: Any) -> str:
    """4.4: from the last states to the loss, through the tied table."""
    noise = torch.Generator().manual_seed(1)
    wte = torch.randn(7, 4, generator=noise)
    hidden = torch.randn(2, 5, 4, generator=noise)
    ids = torch.randint(7, (2, 5), generator=noise)
    logits = hidden @ wte.T

    def nats(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)

    ahead, after = logits[:, :-1], ids[:, 1:]
    mistakes = {
        "Each position is scored on the token that it has just read: the targets are not moved "
        "by one.": nats(logits, ids),
        "The targets are moved the wrong way: position t must predict token t + 1.": (
            nats(logits[:, 1:], ids[:, :-1])
        ),
        "Two softmaxes: cross_entropy takes logits and has a softmax of its own.": (
            nats(ahead.softmax(-1), after)
        ),
        "This is the sum. The loss per token is the mean over all scored positions.": (
            nats(ahead, after, "sum")
        ),
        "Only the last position is scored. In training every position has a next token, but "
        "the last of the window.": nats(ahead[:, -1:], after[:, -1:]),
        "The last position is scored on the first token: targets made with roll() go round in "
        "a circle.": nats(logits, ids.roll(-1, 1)),
        "The logits are divided by the root of C. That belongs to attention; the output matrix "
        "has no such factor.": nats(ahead / 2, after),
        "The sign is turned round: the loss is minus the log-probability.": -nats(ahead, after),
    }
    given = f"hidden {tuple(hidden.shape)}, wte {tuple(wte.shape)}, ids {ids.tolist()}"
    got = call(answer, hidden, wte, ids)
    compare(got, nats(ahead, after), given=given, mistakes=mistakes)
    return "Tied logits, targets moved by one, one softmax: this is the number GPT-1 minimises."


def check_lens(answer: Any) -> str:
    """4.5: the most probable token at every depth, in both layouts."""
    for norm in ("post", "pre"):
        model = _lens_model(norm)
        ids = torch.tensor([3, 1, 4, 1, 5])
        with torch.no_grad():
            trace = model.trace(ids[None])
            bare = torch.stack([(x[0] @ model.wte.weight.T).argmax(-1) for x in trace.residuals])
            final = model.ln_f if norm == "pre" else nn.Identity()
            states = [final(x[0]) for x in trace.residuals]
            want = torch.stack([(x @ model.wte.weight.T).argmax(-1) for x in states])
        mistakes = {
            "ln_f is missing. In a pre-LN network the table reads what ln_f makes of the "
            "stream, so the lens has to look through ln_f as well.": bare,
            "The row before the first block is missing: the embeddings are a state too.": want[1:],
            "The row after the last block is missing.": want[:-1],
            "Only the last state is read. The lens reads all of them.": want[-1],
            "Positions and depths are exchanged: a row for each depth was asked for.": want.T,
        }
        got = call(answer, model, ids)
        compare(got, want, given=f"a {norm}-LN GPT, ids {ids.tolist()}", mistakes=mistakes)
    return "Your lens reads both layouts, the second through its last norm."


def _lens_model(norm: str) -> GPT:
    """A small GPT whose weights are wide and whose `ln_f` does something."""
    shape = {"n_layer": 3, "n_head": 2, "d_model": 8, "dropout": 0.0}
    model = GPT(GPTConfig(vocab_size=30, n_ctx=8, norm=norm, **shape)).eval()
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 2 or norm == "pre":
                p.copy_(torch.randn(p.shape, generator=noise))
    return model


FAULTS = {
    "noise": "running it twice on the same input gives two results",
    "texts": "what one text gives depends on the other texts of the batch",
    "future": "a position depends on tokens after it",
    "past": "a position does not depend on the tokens before it",
    "norm": "its rows do not leave it with mean 0 and variance 1",
    "none": "it is GPT-1's block",
}
"""What may be wrong with a block: the name of the fault and how it shows."""


class Suspect:
    """A block of GPT-1's shape, width 16, with at most one planted fault."""

    def __init__(self, fault: str, seed: int) -> None:
        config = GPTConfig(vocab_size=2, n_ctx=64, n_layer=1, n_head=2, d_model=WIDTH,
                           norm="pre" if fault == "norm" else "post", dropout=0.1)  # fmt: skip
        self._fault, self._block = fault, Block(config).train(fault == "noise")
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in self._block.parameters():
                if p.dim() == 2:
                    p.copy_(0.3 * torch.randn(p.shape, generator=noise))

    def __call__(self, x: Tensor) -> Tensor:
        """(B, T, 16) -> (B, T, 16)."""
        T = x.shape[1]
        with torch.no_grad():
            if self._fault == "texts":  # time and batch exchanged
                return self._block(x.transpose(0, 1)).transpose(0, 1)
            if self._fault == "future":
                return self._block(x, torch.ones(T, T, dtype=torch.bool))
            if self._fault == "past":
                return self._block(x, torch.eye(T, dtype=torch.bool))
            return self._block(x)

    def __repr__(self) -> str:
        return "a block of width 16"


def suspects() -> list[Suspect]:
    """Six blocks to practise on, one for each name in `FAULTS`, in an order not told."""
    return [Suspect(fault, seed=i) for i, fault in enumerate(sorted(FAULTS, key=lambda f: f[::-1]))]


def _verdict_on(fault: str, said: str) -> str:
    """What to tell whoever takes a block with one fault for one with another."""
    if fault == "noise":
        return (
            "This block differs from itself: any comparison of two runs finds a difference. Run "
            "the same input twice before you compare anything else."
        )
    if fault == "texts" and said == "past":
        return (
            "Right, no position notices the tokens before it. But there is a reason: this block "
            "reads other texts instead. Change one text and look at the others, before you look "
            "at the past."
        )
    if fault == "none" and said == "future":
        return (
            "A sound block is accused of seeing the future. Change the last token and look only "
            "at the positions before it: at its own position a change is right."
        )
    if fault == "none" and said == "texts":
        return "A sound block is accused of mixing texts: look only at the texts left unchanged."
    if fault == "norm" and said == "none":
        return (
            "Nothing leaks here, and still it is not GPT-1's block. Look at the rows that come "
            "out: post-LN gives each of them mean 0 and variance 1."
        )
    if said == "none":
        return f"This block is not sound: {FAULTS[fault]}. No test of yours has found it."
    return f"The fault is another one. Of this block it is true that {FAULTS[fault]}."


def check_fault(answer: Any) -> str:
    """4.6: finding out what is wrong with a block by running it."""
    for seed in (21, 22):
        for fault in ("none", "noise", "future", "texts", "past", "norm"):
            block = Suspect(fault, seed)
            said = call(answer, block)
            if not isinstance(said, str) or said not in FAULTS:
                raise Mistake(
                    "One of the six names was expected.",
                    expected=", ".join(map(repr, FAULTS)),
                    got=repr(said),
                )
            if said != fault:
                got = f"{said!r}: {FAULTS[said]}"
                given = f"a block of width {WIDTH}, with the fault {fault!r}"
                raise Mistake(_verdict_on(fault, said), given=given, expected=repr(fault), got=got)
    return "Your five tests tell six blocks apart. They are worth running on every new network."


EXERCISES = [
    Exercise("4.1", "To the last parameter", "easy", 10, check_count),
    Exercise("4.2", "The slope of the GELU", "medium", 15, check_slope),
    Exercise("4.3", "The norm in its place", "easy", 10, check_block),
    Exercise("4.4", "From the last state to the loss", "medium", 15, check_loss),
    Exercise("4.5", "A lens for both layouts", "medium", 15, check_lens),
    Exercise("4.6", "The planted fault", "hard", 25, check_fault),
]

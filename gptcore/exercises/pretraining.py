"""The exercises of chapter 05, and what usually goes wrong in them.

Source: GPT-1 §3.1 and §4.1, and its released code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from gptcore.config import GPTConfig
from gptcore.exercises.checking import Exercise, Mistake, NotWritten, call, compare
from gptcore.exercises.comparing import describe, equal, in_order, kind_of
from gptcore.model import GPT
from gptcore.optim import OptimConfig, lr_at

__all__ = ["EXERCISES"]


def _scores(answer: Any) -> str:
    for p in ([0.5, 0.25, 0.125], [0.9], [1.0, 0.01, 0.3, 0.2]):
        objective = sum(math.log(x) for x in p)
        loss = -objective / len(p)
        bits = loss / math.log(2)
        bits_instead = (
            "These are bits: the logarithm to the base 2 was taken. Nats have the natural one, "
            "`math.log`."
        )
        log10 = "The logarithm to the base 10 was taken. Nats have the natural one, `math.log`."
        mistakes = [
            {
                "The objective has the wrong sign. It is a sum of logarithms of probabilities, so "
                "it is never above 0; the loss is its negative, per token.": -objective,
                "The objective is a sum over all tokens. Its mean, with the other sign, is the "
                "loss.": -loss,
                bits_instead: -bits * len(p),
                log10: objective / math.log(10),
                "The probabilities were added up. The objective adds up their logarithms.": sum(p),
            },
            {
                "The loss has the wrong sign: it is minus the objective, per token.": -loss,
                "The loss is a mean: divide by the number of tokens.": -objective,
                bits_instead: bits,
                log10: loss / math.log(10),
            },
            {
                "The perplexity is not the mean of 1/p, where one unlikely token would decide: it "
                "is the exponential of the mean loss.": sum(1 / x for x in p) / len(p),
                "The loss is in nats, so the perplexity is e to that power. Two to the power goes "
                "with bits.": 2**loss,
                "This is the exponential of the whole sum. Take that of the loss, which is the "
                "mean.": math.exp(-objective),
                "The perplexity is e to the power of the loss, not of minus the loss: it is at "
                "least 1.": math.exp(-loss),
            },
        ]
        want = objective, loss, math.exp(loss)
        got = call(answer, p)
        if not isinstance(got, list | tuple) or len(got) != len(want):
            compare(got, want, given=f"p = {p}")
        names = "objective", "loss in nats per token", "perplexity"
        for name, one, right, wrong in zip(names, got, want, mistakes, strict=True):
            compare(one, right, given=f"p = {p}; this is the {name}", mistakes=wrong)
    return "You can turn probabilities into the three numbers that papers print."


def _objective(answer: Any) -> str:
    examples = [(torch.tensor([[0.0, 1, 0], [2, 0, 0], [0, 0, 0]]), torch.tensor([0, 1, 0]))]
    maker = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(7, 5, generator=maker)
    examples.append((logits, torch.randint(5, (7,), generator=maker)))
    for logits, ids in examples:
        log_p, at = logits.log_softmax(-1), torch.arange(len(ids))
        each = log_p[at[:-1], ids[1:]]
        right = each.sum()
        across = logits.log_softmax(0)[at[:-1], ids[1:]].sum()
        mistakes = {
            "Every token was predicted from itself: row i of the logits speaks about token i + 1. "
            "Move one of the two by one place.": log_p[at, ids].sum(),
            "The logits were moved in the wrong direction: row i speaks about token i + 1, and "
            "here it is asked about token i - 1.": log_p[at[1:], ids[:-1]].sum(),
            "Row i is asked about token i here, for all rows but one: after the first token is "
            "left out, the last row of the logits has nothing to predict.": log_p[
                at[1:], ids[1:]
            ].sum(),
            "The last row was asked about the first token, as if the text were a ring. It has "
            "nothing to predict: leave it out.": log_p[at, ids.roll(-1)].sum(),
            "This is minus the objective, what code minimises. L1 itself is never above 0.": -right,
            "This is a mean. L1 is the sum over all scored tokens.": each.mean(),
            "This is the loss: the mean, with the sign changed. L1 is the plain sum.": -each.mean(),
            "The logits were added up as they are. They are no logarithms of probabilities before "
            "`log_softmax` has made them so.": logits[at[:-1], ids[1:]].sum(),
            "The probabilities were added up. L1 adds up their logarithms.": each.exp().sum(),
            "The logarithm to the base 2 was taken. Nats have the natural one.": right
            / math.log(2),
            "The softmax went down the columns, over the positions. It goes over the vocabulary, "
            "the last dimension.": across,
        }
        given = f"ids = {ids.tolist()}, logits = {describe(logits)}"
        compare(call(answer, logits, ids), right, given=given, mistakes=mistakes)
    return "You have computed what GPT-1 is trained for, from the network's own numbers."


def _windows(answer: Any) -> str:
    names = "number of windows", "number of scored tokens"
    for n, T in ((26, 8), (24, 8), (17, 4), (512, 512), (513, 512)):
        windows = (n - 1) // T
        more = "Only whole windows count: round down."
        last = (
            "The last target lies one token behind the window: with n tokens, only the first "
            "n - 1 can be read, since the last one has nothing to predict."
        )
        mistakes = [
            {
                last: n // T,
                "Windows of T + 1 tokens that share none were counted. The token that a window "
                "predicts last is the first that the next window reads.": n // (T + 1),
                more: math.ceil((n - 1) / T),
                f"{more} ": (n - 1) / T,
                "These are windows that begin at every token. Here each begins where the one "
                "before it ends.": n - T,
            },
            {
                "In a window of T tokens with T targets every target is scored. T - 1 would be "
                "right for a window alone, whose last token predicts nothing.": windows * (T - 1),
                "All tokens but the first were counted, though what is behind the last whole "
                "window is left out.": n - 1,
                "All tokens were counted. The first has nothing before it, and what is behind the "
                "last whole window is left out.": n,
                last: n // T * T,
            },
        ]
        want = windows, windows * T
        got = call(answer, n, T)
        if not isinstance(got, list | tuple) or len(got) != len(want):
            compare(got, want, given=f"n = {n}, T = {T}")
        for name, one, right, wrong in zip(names, got, want, mistakes, strict=True):
            compare(one, right, given=f"n = {n}, T = {T}; this is the {name}", mistakes=wrong)
    return "You know what a file of tokens gives: as many targets as inputs, and none invented."


def _schedule(answer: Any) -> str:
    peak, warmup, total = 2.5e-4, 2000, 100_000
    config = OptimConfig(lr=peak, warmup=warmup, schedule="cosine")
    for step in (500, 0, 26_500, 2000, 51_000, 75_500, 100_000):
        wrong = _wrong_climb if step < warmup else _wrong_descent
        compare(
            call(answer, step, total, peak, warmup),
            lr_at(step, total, config),
            given=f"step = {step:,}, total = {total:,}, peak = {peak}, warmup = {warmup:,}",
            mistakes=wrong(step, total, peak, warmup),
            atol=1e-10,
        )
    return "You have GPT-1's schedule: up in a line, down along half a cosine, to nothing."


def _wrong_climb(step: int, total: int, peak: float, warmup: int) -> dict[str, float]:
    return {
        "The warm-up is missing: over the first `warmup` updates the rate rises in a line, from 0 "
        "to the peak. Here the rate is at its peak at once.": peak,
        "The warm-up is missing: over the first `warmup` updates the rate rises in a line, from 0 "
        "to the peak. Here the cosine begins at once.": peak
        * (1 + math.cos(math.pi * step / total))
        / 2,
        "The line is one update ahead: it goes through 0 at step 0, and through the peak at step "
        "`warmup`.": peak * (step + 1) / warmup,
        "The line is divided by `total`. It reaches the peak at step `warmup`.": peak
        * step
        / total,
        "During the warm-up the rate rises in a line, not along a cosine.": peak
        * (1 - math.cos(math.pi * step / warmup))
        / 2,
    }


def _wrong_descent(step: int, total: int, peak: float, warmup: int) -> dict[str, float]:
    done = (step - warmup) / (total - warmup)

    def fall(angle: float) -> float:
        return peak * (1 + math.cos(angle)) / 2

    return {
        "The cosine is counted from update 0, so it has already begun when the warm-up ends. "
        "OpenAI's own code does this. Here it begins at the peak.": fall(math.pi * step / total),
        "The cosine runs over `total` updates, but only total - warmup are left when it begins: "
        "the rate does not reach 0.": fall(math.pi * (step - warmup) / total),
        "A whole wave was run through, so the rate falls and rises again. Half a wave, up to π, "
        "is enough.": fall(2 * math.pi * done),
        "A quarter of a wave was used, which is steep at its end. Half a wave is level at both "
        "ends.": peak * math.cos(math.pi / 2 * done),
        "The cosine goes from 1 to -1, so this rate becomes negative. Add 1, and halve.": (
            peak * math.cos(math.pi * done)
        ),
        "1 + cos begins at 2, so this rate begins at twice the peak: halve it.": (
            2 * fall(math.pi * done)
        ),
        "The rate falls in a line after the warm-up. GPT-1's falls along half a cosine.": (
            peak * (1 - done)
        ),
        "The rate stays at its peak after the warm-up. It should fall along half a cosine, to 0 "
        "at the last update.": peak,
        "`math.cos` takes radians: half a wave is π, not 180.": fall(180 * done),
    }


SHAPES = {
    "wte.weight": (2048, 128),
    "wpe.weight": (64, 128),
    "h.0.ln_1.weight": (128,),
    "h.0.ln_1.bias": (128,),
    "h.0.attn.c_attn.weight": (384, 128),
    "h.0.attn.c_attn.bias": (384,),
    "h.0.mlp.c_fc.weight": (512, 128),
    "h.0.mlp.c_fc.bias": (512,),
}


def _decaying(answer: Any) -> str:
    right = [name for name, shape in SHAPES.items() if len(shape) > 1]
    mistakes = {
        "Everything decays here. Biases and the gains of LayerNorm must not.": list(SHAPES),
        "The name misleads: `ln_1.weight` is a gain, one number per channel. A gain that decays "
        "shrinks what it scales. Go by the number of dimensions.": [
            name for name in SHAPES if name.endswith("weight")
        ],
        "Biases of the linear layers are still there. They have one dimension, and do not decay.": [
            name for name in SHAPES if ".ln_" not in name
        ],
        "The tables were left out. P1 spares biases and gains and nothing else: tokens and "
        "positions are matrices, and decay.": [name for name in right if name.startswith("h.")],
        "The table of positions was left out. It is a matrix, and decays.": [
            name for name in right if name != "wpe.weight"
        ],
        "This is the other half: biases and gains, which do not decay.": [
            name for name in SHAPES if name not in right
        ],
        "This is how many decay. Wanted are their names.": len(right),
    }
    got = in_order(call(answer, SHAPES), SHAPES)
    compare(got, right, given=f"shapes = {SHAPES}", mistakes=mistakes)
    others = {"gain": (8,), "table": (5, 8), "kernel": (1, 8, 8)}
    mistakes = {
        "A tensor of three dimensions was left out. All with more than one dimension decay.": [
            "table"
        ],
        "Nothing was found here: the names are others. Go by the shapes.": [],
    }
    got = in_order(call(answer, others), others)
    compare(got, ["table", "kernel"], given=f"shapes = {others}", mistakes=mistakes)
    return "You know what decays: every matrix, and nothing that only scales or shifts."


UPDATES = 3
BUGS = {
    "targets": "The network is asked for the tokens that it is reading: it learns to copy. The "
    "loss takes `targets`, what follows each token.",
    "zero": "The gradients of earlier updates are still there: `backward` adds to what it finds. "
    "Set them to zero before it.",
    "clip": "The step is made with gradients that are too long. Cut them to length 1 between "
    "`backward` and `step`, not later.",
}
ELSEWHERE = {"zero": "what `backward` finds when it begins", "clip": "what `step` is made with"}


def _student() -> tuple[GPT, torch.optim.SGD]:
    """A network small enough for a check, with gradients that are too long, and plain descent."""
    config = GPTConfig(
        vocab_size=11, n_ctx=6, n_layer=1, n_head=1, d_model=8, norm="post", dropout=0.0
    )
    torch.manual_seed(0)
    model = GPT(config)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(20 if p.dim() > 1 else 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.3)


def _step(
    model: GPT,
    optimizer: torch.optim.Optimizer,
    ids: Tensor,
    targets: Tensor,
    bugs: Sequence[str] = (),
) -> float:
    """One update, with the bugs that are named."""
    if "zero" not in bugs:
        optimizer.zero_grad()
    loss = model.loss(ids, ids if "targets" in bugs else targets)
    loss.backward()
    if "clip" not in bugs:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if "no step" not in bugs:
        optimizer.step()
    if "clip" in bugs:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return loss.item()


def _weights_after(step: Callable[..., Any]) -> tuple[Tensor, Any]:
    """All weights of a student after some updates, and what the last of these gave back."""
    model, optimizer = _student()
    text = torch.randint(11, (2, 7), generator=torch.Generator().manual_seed(1))
    for _ in range(UPDATES):
        said = step(model, optimizer, text[:, :-1], text[:, 1:])
    return torch.cat([p.detach().flatten() for p in model.parameters()]), said


def _train_step(answer: Any) -> str:
    def wrong(*bugs: str) -> Callable[[], Tensor]:
        return lambda: _weights_after(lambda *inputs: _step(*inputs, bugs=bugs))[0]

    mistakes = {
        "The weights have not moved: the gradients were set to zero between `backward` and `step`, "
        "or no step was made.": wrong("no step"),
    }
    for count in (1, 2):
        for first, *others in combinations(BUGS, count):
            more = "".join(f" And that is not all: look at {ELSEWHERE[bug]}." for bug in others)
            mistakes[BUGS[first] + more] = wrong(first, *others)
    right, loss = _weights_after(_step)
    weights, said = _weights_after(lambda *inputs: call(answer, *inputs))
    given = f"{UPDATES} updates of a small network"
    if equal(weights, wrong(*BUGS)(), atol=1e-4):
        raise NotWritten(
            "Nothing is repaired so far: all three bugs are there. Say of each line what it "
            "works on, and who has changed that before."
        )
    if not equal(weights, right, atol=1e-4):
        found = (cause for cause, made in mistakes.items() if equal(weights, made(), atol=1e-4))
        far = (weights - right).abs().max()
        other = (
            f"The weights are not those of a right update, by up to {far:.2g}, and not those of "
            "one of the planted bugs either: something else is done here."
        )
        raise Mistake(next(found, other), given=given)
    if isinstance(said, Tensor) and said.requires_grad:
        raise Mistake(
            "The weights are right. But the loss goes out with all that it was computed from, and "
            "who keeps a list of losses fills the memory. Give back `loss.item()`.",
            got=f"{kind_of(said)} that requires a gradient",
        )
    compare(said, loss, given=f"{UPDATES} updates; this is what the last one gave back")
    return "You have repaired a training step whose bugs raise no error and spoil every run."


EXERCISES = [
    Exercise("5.1", "Three numbers from a few probabilities", "easy", 5, _scores),
    Exercise("5.2", "The objective from logits", "medium", 10, _objective),
    Exercise("5.3", "How many windows?", "easy", 10, _windows),
    Exercise("5.4", "The learning rate", "medium", 15, _schedule),
    Exercise("5.5", "What decays?", "easy", 10, _decaying),
    Exercise("5.6", "Three planted bugs", "medium", 15, _train_step),
]

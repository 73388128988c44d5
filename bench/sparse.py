"""Compare blocked sparse attention with PyTorch's dense attention: time, peak memory, growth.

4 heads of 64, n = 16,384 positions, one text. "ours" is blocked, "theirs" dense (or the mask, where
a line says so), both by `scaled_dot_product_attention`, in one run and in turn. Memory is that of
tensors at their height, beyond what goes in. Then a training step of a network as wide as GPT-2
small, of two layers, dense and banded in turn as in GPT-3, against the same network, all dense.

    python bench/sparse.py
    python bench/sparse.py --quick    n = 2,048 and a narrow network, once
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from peers.timing import alternate, header, line, options, report
from torch import Tensor
from torch.nn import functional as F

from gptcore import GPT, GPTConfig
from gptcore.probes import peak_memory
from gptcore.sparse import Blocked

MIB = 2**20
RULES = {
    "banded, w = 256": (Blocked("banded", 256), (">= 10x", ">= 12x")),
    "strided, l = 128": (Blocked("strided", 128), (">= 12x", ">= 12x")),
    "fixed, l = 128, c = 8": (Blocked("fixed", 128, 8), ("", "")),
}
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, runs=3).parse_args()
    torch.set_num_threads(chosen.threads)
    n, runs = (2048, 1) if chosen.quick else (16384, chosen.runs)
    print(f"Attention over {n:,} positions, {chosen.threads} threads, against dense attention")
    header("ms")
    for name, (rule, targets) in RULES.items():
        compare(name, rule, n, runs, targets)
    compare_masked(n // 4, runs)
    growth(n, runs)
    compare_networks(n, runs, chosen.quick)


def dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """All pairs that causality allows."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def steps(mix: Mix, n: int) -> dict[str, Callable[[], None]]:
    """A forward pass, and one with its gradient."""
    generator = torch.Generator().manual_seed(0)
    *qkv, out = (torch.randn(1, 4, n, 64, generator=generator) for _ in range(4))
    leaves = [x.clone().requires_grad_() for x in qkv]

    def forward() -> None:
        with torch.no_grad():
            mix(*qkv)

    def both() -> None:
        torch.autograd.grad(mix(*leaves), leaves, out)

    return {"forward": forward, "and backward": both}


def compare(name: str, rule: Mix, n: int, runs: int, targets: tuple[str, str]) -> None:
    """Time and memory of one pattern."""
    ours, theirs = steps(rule, n), steps(dense, n)
    for part, target in zip(ours, targets, strict=True):
        timed = alternate(runs, {"ours": ours[part], "theirs": theirs[part]})
        report(f"{name}, {part}", timed["ours"], timed["theirs"], target, 1000)
        memory = (peak_memory(side[part], warm=False) / MIB for side in (ours, theirs))
        goal = ">= 1x" if name.startswith("banded") else ""
        line(f"{name}, {part}, MiB", *memory, goal)


def compare_masked(n: int, runs: int) -> None:
    """A mask that hides most pairs, against none: what masks save."""
    mask = Blocked("banded", 256).mask(n)
    masked = steps(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask), n)
    plain = steps(dense, n)
    timed = alternate(runs, {"ours": masked["forward"], "theirs": plain["forward"]})
    report(f"a mask, w = 256, n = {n:,}, forward", timed["ours"], timed["theirs"], "", 1000)


def growth(n: int, runs: int) -> None:
    """Twice as many positions take twice the time. The ratio is that of n to n / 2."""
    half, whole = (steps(Blocked("banded", 256), m)["and backward"] for m in (n // 2, n))
    timed = alternate(runs, {"half": half, "whole": whole})
    report(f"banded, {n:,} against {n // 2:,}", timed["half"], timed["whole"], "<= 2.2x", 1000)


def compare_networks(n: int, runs: int, quick: bool) -> None:
    """A step of training: loss and gradients of one text of n tokens."""
    shape = {"d_model": 128, "n_head": 2} if quick else {"d_model": 768, "n_head": 12}
    ids = torch.randint(2048, (1, n + 1), generator=torch.Generator().manual_seed(0))

    def step(*pattern: str) -> Callable[[], float]:
        torch.manual_seed(0)
        config = GPTConfig(2048, n, 2, **shape, pattern=pattern, window=256, dropout=0.0)
        model = GPT(config)

        def once() -> float:
            loss = model.loss(ids[:, :-1], ids[:, 1:])
            loss.backward()
            model.zero_grad()
            return loss.item()

        return once

    ours, theirs = step("dense", "banded"), step("dense")
    timed = alternate(max(1, runs // 2), {"ours": ours, "theirs": theirs})
    name = f"training, {shape['d_model']} wide, dense and banded"
    report(f"{name}, s", timed["ours"], timed["theirs"], "> 1x")
    memory = (peak_memory(side, warm=False) / MIB for side in (ours, theirs))
    line(f"{name}, MiB", *memory, ">= 1x")


if __name__ == "__main__":
    main()

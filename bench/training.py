"""Compare a training step with transformers' GPT2LMHeadModel: same weights, batches and threads.

A step is forward, backward, clipping and AdamW: `fit` on our side, a plain loop on theirs with
fused AdamW. Steps alternate. Losses must be equal at every step, or the run stops. Memory is the
highest resident size of a process of its own while it takes three steps, less what it had before
it made the model. Targets are against transformers' default GELU; the line below it gives it the
faster one.

    python bench/training.py
    python bench/training.py --quick      the smallest network, a few steps, no memory
"""

from __future__ import annotations

import argparse
import itertools
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from peers.hugging_face import DEFAULT, NETWORKS, ONE_KERNEL, Network, train, twin
from peers.timing import alternate, header, line, options, report
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from gptcore import GPT
from gptcore.optim import OptimConfig
from gptcore.train.loop import fit

OPTIM = OptimConfig(lr=1e-4, warmup=0, schedule="constant")
ENDLESS = 10**9
RIVALS = {DEFAULT: "", ONE_KERNEL: ", its GELU in one kernel"}


def main() -> None:
    """Print one table."""
    parser = options(__doc__, runs=6)
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.memory_of:
        print(memory(NETWORKS[int(chosen.memory_of[0])], chosen.memory_of[1]))
        return
    print(f"Training step, {chosen.threads} threads, against transformers")
    header("ms")
    for i, network in enumerate(NETWORKS[: 1 if chosen.quick else None]):
        few = 3 if chosen.quick else chosen.runs
        compare_time(network, few if i else 5 * few)
    if chosen.quick:
        return
    header("MB")
    for i, network in enumerate(NETWORKS):
        sizes = [ask(i, name, chosen.threads) for name in ("ours", *RIVALS)]
        for gelu, size in zip(RIVALS, sizes[1:], strict=True):
            target = ">= 1x" if gelu == DEFAULT else ""
            line(f"memory, {network}{RIVALS[gelu]}", sizes[0], size, target)


def compare_time(network: Network, runs: int) -> None:
    """Time steps of the three models in turn."""
    torch.manual_seed(0)
    model = GPT(network.config)
    steps = {name: train(twin(model, name), batches(network), OPTIM, lr) for name in RIVALS}
    steps["ours"] = (record.loss for record in fit(model, batches(network), OPTIM, ENDLESS))
    calls = {name: lambda losses=losses: next(losses) for name, losses in steps.items()}
    alternate(2, calls)  # warm
    timed = alternate(runs, calls)
    ours = timed.pop("ours")
    for gelu, theirs in timed.items():
        for a, b in zip(ours, theirs, strict=True):
            assert abs(a.result - b.result) < 1e-4, f"losses differ: {a.result} and {b.result}"
        target = f">= {network.train}x" if gelu == DEFAULT else ""
        report(f"step, {network}{RIVALS[gelu]}", ours, theirs, target, 1000)


def lr(step: int) -> float:
    """The same at every step."""
    return OPTIM.lr


def batches(network: Network) -> Iterator[tuple[Tensor, Tensor]]:
    """Four batches of random ids, over and over."""
    generator = torch.Generator().manual_seed(1)
    shape = 4, network.batch_size, network.config.n_ctx + 1
    ids = torch.randint(network.config.vocab_size, shape, generator=generator)
    return itertools.cycle([(x[:, :-1].contiguous(), x[:, 1:].contiguous()) for x in ids])


def ask(network: int, name: str, threads: int) -> float:
    """`memory` in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(threads)]
    out = subprocess.check_output([*command, "--memory-of", str(network), name], text=True)
    return float(out)


def memory(network: Network, name: str) -> float:
    """Megabytes that a model and three steps of training add to this process."""
    before = peak()
    c = network.config
    if name == "ours":
        losses = (record.loss for record in fit(GPT(c), batches(network), OPTIM, ENDLESS))
    else:
        shape = dict(n_layer=c.n_layer, n_head=c.n_head, n_embd=c.d_model, n_positions=c.n_ctx)
        dropout = dict(embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
        config = GPT2Config(vocab_size=c.vocab_size, activation_function=name, **shape, **dropout)
        losses = train(GPT2LMHeadModel(config), batches(network), OPTIM, lr)
    list(itertools.islice(losses, 3))
    return peak() - before


def peak() -> float:
    """Highest resident size of this process so far, in megabytes.

    Linux hands ru_maxrss down from the parent, whose models may have been larger; VmHWM is ours.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1e3
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()

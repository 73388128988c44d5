"""Compare a training step with transformers' GPT2LMHeadModel: same weights, batches and threads.

A step is forward, backward, clipping and AdamW: `fit` on our side, a plain loop on theirs. Each
trains in a process of its own, as its users do, and they take turns. Losses must be equal at every
step, or the run stops. Memory is the highest resident size of a process while it takes three steps,
less what it had before it made the model.

Targets are against transformers as it comes, with the fused AdamW that `fit` takes, too. The lines
below them change one thing each: AdamW is the one that PyTorch picks on a CPU where nobody asks, or
GELU is one kernel.

    python bench/training.py
    python bench/training.py --quick      the smallest network, a few steps, no memory
"""

from __future__ import annotations

import itertools
import re
import resource
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from peers.hugging_face import DEFAULT, NETWORKS, ONE_KERNEL, Network, train, twin
from peers.timing import Apart, alternate, header, line, options, report
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from gptcore import GPT
from gptcore.optim import OptimConfig
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import fit

OPTIM = OptimConfig(lr=1e-4, warmup=0, schedule="constant")
ENDLESS = 10**9
OURS = "ours"
RIVALS = {  # what follows the network's name: their GELU, and whether AdamW is fused
    "": (DEFAULT, True),
    ", AdamW not fused": (DEFAULT, False),
    ", GELU in one kernel": (ONE_KERNEL, True),
}


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, runs=6).parse_args()
    print(f"Training step, {chosen.threads} threads, against transformers")
    header("ms")
    if chosen.quick:
        compare_time(0, chosen.threads, 3, 1)
        return
    compare_time(0, chosen.threads, 3 * chosen.runs, 10)  # a step is too short to be timed alone
    for i in range(1, len(NETWORKS)):
        compare_time(i, chosen.threads, chosen.runs, 1)
    header("MB")
    for i, network in enumerate(NETWORKS):
        ours = ask(i, OURS, chosen.threads)
        for name, (gelu, fused) in RIVALS.items():
            if fused:  # how AdamW loops makes no difference here
                target = ">= 1x" if gelu == DEFAULT else ""
                line(f"memory, {network}{name}", ours, ask(i, name, chosen.threads), target)


def compare_time(i: int, threads: int, runs: int, steps: int) -> None:
    """Time `runs` times `steps` updates of all, in turn."""
    network = NETWORKS[i]
    programs = {name: Apart(trainer, i, name, threads, steps) for name in (OURS, *RIVALS)}
    alternate(2, programs)  # warm
    timed = alternate(runs, programs)
    for program in programs.values():
        program.close()
    ours = timed.pop(OURS)
    for name, theirs in timed.items():
        for a, b in zip(ours, theirs, strict=True):
            for x, y in zip(a.result, b.result, strict=True):
                assert abs(x - y) < 1e-4, f"losses differ: {x} and {y}"
        target = "" if name else f">= {network.train}x"
        report(f"step, {network}{name}", ours, theirs, target, 1000 / steps)


def trainer(i: int, name: str, threads: int, steps: int) -> Callable[[], list[float]]:
    """What takes that many steps of network `i` whenever it is called, and returns the losses."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = NETWORKS[i]
    model = GPT(network.config)
    if name == OURS:
        losses = ours(model, network)
    else:
        gelu, fused = RIVALS[name]
        losses = train(twin(model, gelu), batches(network), OPTIM, lr, fused)
    return lambda: list(itertools.islice(losses, steps))


def ours(model: GPT, network: Network) -> Iterator[float]:
    """Losses of `fit` as `gptcore train` runs it: what is freed stays at hand."""
    with KeptMemory():
        for record in fit(model, batches(network), OPTIM, ENDLESS):
            yield record.loss


def lr(step: int) -> float:
    """The same at every step."""
    return OPTIM.lr


def batches(network: Network) -> Iterator[tuple[Tensor, Tensor]]:
    """Four batches of random ids, over and over."""
    generator = torch.Generator().manual_seed(1)
    shape = 4, network.batch_size, network.config.n_ctx + 1
    ids = torch.randint(network.config.vocab_size, shape, generator=generator)
    return itertools.cycle([(x[:, :-1].contiguous(), x[:, 1:].contiguous()) for x in ids])


def ask(i: int, name: str, threads: int) -> float:
    """`memory` in a process of its own."""
    program = Apart(partial, memory, i, name, threads)
    size = program.run().result
    program.close()
    return size


def memory(i: int, name: str, threads: int) -> float:
    """Megabytes that a model of network `i` and three steps of training add to this process."""
    torch.set_num_threads(threads)
    network = NETWORKS[i]
    before = peak()
    c = network.config
    if name == OURS:
        losses = ours(GPT(c), network)
    else:
        shape = dict(n_layer=c.n_layer, n_head=c.n_head, n_embd=c.d_model, n_positions=c.n_ctx)
        dropout = dict(embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
        gelu, fused = RIVALS[name]
        config = GPT2Config(vocab_size=c.vocab_size, activation_function=gelu, **shape, **dropout)
        losses = train(GPT2LMHeadModel(config), batches(network), OPTIM, lr, fused)
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

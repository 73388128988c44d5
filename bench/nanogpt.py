"""nanoGPT's published CPU run, by us and by transformers: time, and loss on text not trained on.

4 layers, 128 wide, 64 characters of context, batches of 12, no dropout, 2,000 updates on the first
nine tenths of Tiny Shakespeare; nanoGPT's README reports a validation loss of 1.88. Both train
from the same weights on the same batches, update by update in turn; the loss is over the whole
last tenth.

    python bench/nanogpt.py
    python bench/nanogpt.py --quick       40 updates

Source: nanoGPT's README, "I only have a macbook", and its config/train_shakespeare_char.py.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from peers.hugging_face import DEFAULT, NETWORKS, ONE_KERNEL, train, twin
from peers.timing import Run, alternate, header, line, options
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from gptcore import GPT, datasets, evaluate
from gptcore.optim import OptimConfig, lr_at
from gptcore.text.streams import Batches
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import fit

OPTIM = OptimConfig(
    lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, warmup=100, schedule="cosine10", decay_steps=2000
)
STEPS, QUICK_STEPS, LOSS = 2000, 40, 1.89


def main() -> None:
    """Print one table."""
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(chosen.threads)
    text = datasets.optional("tinyshakespeare")
    if text is None:
        return
    vocabulary = sorted(set(text))
    ids = np.array([vocabulary.index(c) for c in text], dtype=np.uint16)
    n_train = int(0.9 * len(ids))
    compare(ids[:n_train], ids[n_train:], QUICK_STEPS if chosen.quick else STEPS, chosen.threads)


def compare(train_ids: np.ndarray, held_out: np.ndarray, steps: int, threads: int) -> None:
    """Train the three models in turn, then score them."""
    network = NETWORKS[0]
    torch.manual_seed(1337)
    model = GPT(network.config)
    twins = {DEFAULT: twin(model, DEFAULT), ONE_KERNEL: twin(model, ONE_KERNEL)}
    losses = {
        name: train(other, batches(train_ids), OPTIM, lambda step: lr_at(step, STEPS, OPTIM))
        for name, other in twins.items()
    }
    # `fit` is told of more updates than it makes, so that a glance follows the same schedule.
    losses["ours"] = (step.loss for step in fit(model, batches(train_ids), OPTIM, STEPS))
    calls = {name: lambda it=it: next(it) for name, it in losses.items()}
    with KeptMemory():  # all three live in this process
        runs = alternate(steps, calls)
    ours = runs.pop("ours")
    print(f"nanoGPT's CPU run, {steps:,} updates, {threads} threads, against transformers")
    header()
    for name, theirs in runs.items():
        # Rounding grows with training: equal work is shown by the first losses.
        for a, b in itertools.islice(zip(ours, theirs, strict=True), 20):
            assert abs(a.result - b.result) < 1e-3, f"losses differ: {a.result} and {b.result}"
        label = "all updates" + ("" if name == DEFAULT else ", its GELU in one kernel")
        target = ">= 1x" if name == DEFAULT else ""
        line(label, seconds(ours), seconds(theirs), target, cpu(theirs) / cpu(ours))
    mine = evaluate(model, held_out, batch_size=64).nats_per_token
    other = score(twins[DEFAULT], held_out)
    line("validation loss (not seconds)", mine, other, f"<= {LOSS}" if steps == STEPS else "")


def batches(ids: np.ndarray) -> Batches:
    """The same batches for everybody."""
    network = NETWORKS[0]
    return Batches(ids, network.batch_size, network.config.n_ctx, seed=1337)


def seconds(runs: list[Run]) -> float:
    """Wall time of all updates."""
    return math.fsum(run.wall for run in runs)


def cpu(runs: list[Run]) -> float:
    """CPU time of all updates."""
    return math.fsum(run.cpu for run in runs)


@torch.inference_mode()
def score(model: GPT2LMHeadModel, held_out: np.ndarray) -> float:
    """Their mean nats per character, in disjoint windows as `evaluate` cuts them."""
    model.eval()
    n_ctx, total = model.config.n_positions, 0.0
    for start in range(0, len(held_out) - 1, n_ctx):
        window = torch.from_numpy(held_out[start : start + n_ctx + 1].astype(np.int64))
        logits = model(window[None, :-1], use_cache=False).logits[0]
        total += F.cross_entropy(logits, window[1:], reduction="sum").item()
    return total / (len(held_out) - 1)


if __name__ == "__main__":
    main()

"""Training runs of a few updates on twenty tokens, which several test files make and compare."""

from dataclasses import replace

import numpy as np
import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.text.streams import Batches
from gptcore.train.loop import Step, fit

CONFIG = GPTConfig(vocab_size=20, n_ctx=8, n_layer=2, n_head=2, d_model=16, norm="post")
OPTIM = OptimConfig(lr=1e-2, warmup=5)
DATA = np.random.default_rng(0).integers(0, 20, 50).repeat(7) % 20  # each token seven times


class Listed:
    """Batches from a list."""

    def __init__(self, items):
        self.items = iter(items)

    def __next__(self):
        return next(self.items)

    def state_dict(self):
        return {}


def new(seed: int = 0, **changes) -> GPT:
    torch.manual_seed(seed)
    return GPT(replace(CONFIG, **changes))


def batches(size: int = 4, seed: int = 0) -> Batches:
    return Batches(DATA, size, 8, seed=seed)


def run(model: GPT | None = None, steps: int = 20, optim: OptimConfig = OPTIM, **options):
    """A whole run: the model, and its records without their speed."""
    model = new() if model is None else model
    return model, [curve(s) for s in fit(model, batches(), optim, steps, **options)]


def curve(step: Step) -> tuple:
    return step.step, step.tokens, step.loss, step.lr, step.grad_norm, step.val_loss


def same(a: GPT, b: GPT) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))

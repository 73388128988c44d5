"""AdamW with GPT-1's rule of what decays, and the learning-rate schedules of GPT-1 and GPT-3.

Two departures: PyTorch adds eps after correcting the second moment, OpenAI's code before; and
OpenAI's code scales the decay by the correction too (GPT-1's released `opt.py`).

Source: GPT-1 §4.1 and its released code; GPT-3 App. B; Loshchilov and Hutter 2017 (AdamW).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

Schedule = Literal["cosine", "cosine10", "linear", "constant"]
Unit = Literal["updates", "tokens"]

FUSED_DEVICES = ("cpu", "cuda", "xpu", "mps")


@dataclass(frozen=True)
class OptimConfig:
    """How weights move. The defaults are GPT-1's.

    GPT-3's: `OptimConfig(lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, schedule="cosine10")`.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field breaks its rule; the message names field, value and rule.
    """

    lr: float = 2.5e-4
    """Learning rate at its peak, where the warm-up ends."""
    betas: tuple[float, float] = (0.9, 0.999)
    """How much of the old averages of gradient and squared gradient an update keeps."""
    eps: float = 1e-8
    """Added to the root of the averaged squared gradient."""
    weight_decay: float = 0.01
    """Part of each matrix, times the learning rate, taken away per update; biases and LayerNorm
    are left alone."""
    clip: float | None = 1.0
    """Longest gradient: a longer one is scaled down to this norm. None never scales."""
    warmup: int | float = 2000
    """Updates over which the learning rate rises in a line from 0; below 1: that part of all."""
    schedule: Schedule = "cosine"
    """What follows the warm-up: to 0 along a cosine (GPT-1) or a line, to a tenth of the peak
    along a cosine (GPT-3), or constant."""
    decay_steps: int | None = None
    """Update at which the schedule reaches its end, where it stays; None: the last update."""
    unit: Unit = "updates"
    """What `warmup` and `decay_steps` count. GPT-3's count tokens, so that a batch which grows does
    not bend the schedule."""

    def __post_init__(self) -> None:
        for name in ("lr", "eps", "weight_decay", "clip", "warmup", "decay_steps"):
            value = getattr(self, name)
            if value is None and name in ("clip", "decay_steps"):
                continue
            kind = int if name in ("warmup", "decay_steps") else int | float
            if name == "warmup" and isinstance(value, float):
                if value >= 1:
                    raise ValueError(f"warmup={value} must be a whole number, or a part below 1")
                kind = float
            if not isinstance(value, kind) or isinstance(value, bool):
                a = "an int" if kind is int else "a number"
                raise TypeError(f"{name}={value!r} must be {a}")
            least_allowed = name in ("weight_decay", "warmup")
            if not math.isfinite(value) or value < 0 or (value == 0 and not least_allowed):
                rule = "at least 0" if least_allowed else "greater than 0"
                raise ValueError(f"{name}={value} must be {rule}")
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            raise ValueError(f"betas={self.betas} must be two numbers in [0, 1)")
        object.__setattr__(self, "betas", tuple(self.betas))
        if self.schedule not in get_args(Schedule):
            names = ", ".join(get_args(Schedule))
            raise ValueError(f"schedule={self.schedule!r} must be one of {names}")
        if self.unit not in get_args(Unit):
            raise ValueError(f"unit={self.unit!r} must be one of {', '.join(get_args(Unit))}")
        if self.unit == "tokens" and (self.decay_steps is None or isinstance(self.warmup, float)):
            raise ValueError(
                f"unit='tokens' needs whole numbers of them, got warmup={self.warmup} and "
                f"decay_steps={self.decay_steps}"
            )
        if self.decay_steps is not None and self.decay_steps <= self.warmup:
            raise ValueError(
                f"decay_steps={self.decay_steps} must be greater than warmup={self.warmup}"
            )


def lr_at(step: float, total: float, config: OptimConfig) -> float:
    """The learning rate of one update.

    The decay is counted from the end of the warm-up, so the peak is reached. OpenAI's GPT-1 code
    counts it from 0, and starts the cosine 0.2 % of the way down.

    Args:
        step: updates done before this one; the first has 0, and with a warm-up learning rate 0.
        total: updates in the run. Any unit serves (GPT-3 counts tokens) if `config` uses it too.
        config: peak, warm-up and schedule.

    Example:
        lr_at(1000, 100_000, OptimConfig())   # 1.25e-4, half-way up
    """
    warmup = config.warmup * total if 0 < config.warmup < 1 else config.warmup
    if step < warmup:
        return config.lr * step / warmup
    if config.schedule == "constant":
        return config.lr
    end = total if config.decay_steps is None else config.decay_steps
    progress = min(1.0, (step - warmup) / max(end - warmup, 1e-9))
    if config.schedule == "linear":
        return config.lr * (1 - progress)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    floor = 0.1 if config.schedule == "cosine10" else 0.0
    return config.lr * (floor + (1 - floor) * cosine)


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the model's trainable parameters, matrices decaying and the rest not.

    Embeddings and positions are matrices and decay; biases and LayerNorm's gains have one
    dimension and do not. The groups are made here and never taken from another optimizer: groups
    taken over carry that one's settings with them and silently turn the fused kernel off.

    Args:
        model: its parameters with `requires_grad` are trained.
        config: learning rate, betas, eps, decay.

    Source: GPT-1's released `opt.py`: every variable of rank greater than 1.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("the model has no parameter with requires_grad=True: nothing to train")
    matrices = [p for p in trained if p.dim() >= 2]
    vectors = [p for p in trained if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        fused=all(p.device.type in FUSED_DEVICES for p in trained),
    )

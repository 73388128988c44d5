"""How a network is taught by demonstrations and by preferences, and which settings suit its size.

Source: InstructGPT App. C (rows 1.3B, 6B and 175B), Rafailov et al. 2023, App. B; the rows of small
networks are ours: the learning rate of SFT is the better of two and that of DPO the best of three
after one run each on Tales, that of reward models is not tried yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from gptcore.config import PRESETS, GPTConfig
from gptcore.optim import OptimConfig
from gptcore.train.loop import Precision
from gptcore.train.recipes import OURS, blocks

Stage = Literal["sft", "reward", "dpo"]


@dataclass(frozen=True)
class StageRow:
    """What suits a size."""

    name: str
    source: str
    lr: float
    batch_size: int
    epochs: float


_NAMES = ("tales-gpt1", "gpt2", "gpt3-xl", "gpt3-6.7b", "gpt3-175b")
_SMALL, _GPT2, _XL, _6B, _175B = (blocks(PRESETS[name]) for name in _NAMES)
_PAPER, _BETWEEN = "InstructGPT App. C", "between the small and the published ones, not tried"
_DPO = "DPO App. B, there RMSprop after a warm-up"
ROWS: dict[Stage, dict[int, StageRow]] = {
    "sft": {
        _SMALL: StageRow("small", OURS, 3e-4, 32, 4),
        _GPT2: StageRow("gpt2", _BETWEEN, 5e-5, 32, 3),
        _XL: StageRow("1.3B", _PAPER, 9.65e-6, 32, 16),
        _175B: StageRow("175B", _PAPER, 5.03e-6, 8, 16),
    },
    "reward": {
        _SMALL: StageRow("small", OURS, 3e-4, 32, 1),
        _GPT2: StageRow("gpt2", _BETWEEN, 5e-5, 64, 1),
        _6B: StageRow("6B", _PAPER, 9e-6, 64, 1),
    },
    "dpo": {
        _SMALL: StageRow("small", OURS, 3e-4, 32, 1),
        _GPT2: StageRow("gpt2", _BETWEEN, 1e-5, 64, 1),
        _6B: StageRow("6B", _DPO, 1e-6, 64, 1),
    },
}
DROPOUT = {"sft": 0.2, "reward": 0.0, "dpo": 0.0}
"""Residual dropout of 0.2 in InstructGPT's first stage; of the second it says nothing. The
reference of DPO has none, and without it the policy begins where the reference is."""


@dataclass(frozen=True)
class StageRecipe:
    """How a network is taught. What is None suits the network: see `suited`."""

    epochs: float | None = None
    """How often each row is seen; None: what suits the network."""
    batch_size: int | None = None
    """Dialogues per update, or prompts with all their comparisons; None: what suits the network."""
    lr: float | None = None
    """Learning rate at its peak, the first update's; None: what suits the network."""
    dropout: float | None = None
    """Drop probability, everywhere in the body; None: 0.2 for demonstrations, else 0."""
    weight_decay: float = 0.0
    """Of each matrix, times the learning rate, per update."""
    clip: float | None = 1.0
    """Longest gradient."""
    longest_prompt: int | None = None
    """In tokens; longer ones are left out. None: half the context."""
    evals: int = 4
    """How often the held-out part is scored, evenly spaced; the last time is at the end."""
    seed: int = 0
    """Draws new weights, the order of the rows, dropout and samples."""
    precision: Precision = "auto"
    """Arithmetic. auto: fp32 on a CPU; on a GPU bf16 where the hardware has it, else fp16."""

    def __post_init__(self) -> None:
        if self.epochs is not None and not (math.isfinite(self.epochs) and self.epochs > 0):
            raise ValueError(f"epochs={self.epochs} must be greater than 0")
        for name, least in {"batch_size": 1, "evals": 1, "seed": 0, "longest_prompt": 1}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}={value} must be at least {least}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be in [0, 1)")
        self.optim(1e-3 if self.lr is None else self.lr)  # checks the rest

    def suited(self, stage: Stage, shape: GPTConfig) -> StageRecipe:
        """This recipe with None filled in by what suits a network of that shape."""
        row, dropout = row_of(stage, shape), DROPOUT[stage]
        return replace(
            self,
            epochs=row.epochs if self.epochs is None else self.epochs,
            batch_size=row.batch_size if self.batch_size is None else self.batch_size,
            lr=row.lr if self.lr is None else self.lr,
            dropout=dropout if self.dropout is None else self.dropout,
        )

    def steps(self, n_batches: int) -> int:
        """Updates for so many batches in an epoch."""
        if self.epochs is None:
            raise ValueError(f"epochs={self.epochs}: see `suited`")
        return max(1, math.ceil(n_batches * self.epochs))

    def optim(self, lr: float | None = None) -> OptimConfig:
        """Adam with β 0.9 and 0.95, along a cosine to a tenth of the peak, no warm-up."""
        rate = self.lr if lr is None else lr
        if rate is None:
            raise ValueError(f"lr={rate}: see `suited`")
        return OptimConfig(
            lr=rate,
            betas=(0.9, 0.95),
            weight_decay=self.weight_decay,
            clip=self.clip,
            warmup=0,
            schedule="cosine10",
        )


SUITED = StageRecipe()
"""What suits the network."""


def row_of(stage: Stage, shape: GPTConfig) -> StageRow:
    """The row of the network that is nearest in size, by ratio."""
    rows, size = ROWS[stage], math.log(blocks(shape))
    return rows[min(rows, key=lambda row: abs(math.log(row) - size))]

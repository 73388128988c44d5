"""Which settings suit a network of which size, and where each is from.

    recipe = pretraining(PRESETS["gpt2-xl"], steps=10_000)
    recipe.name, recipe.optim.lr                       # "gpt3-xl", 2e-4

A learning rate belongs to a size: what a network of 100 million parameters wants leaves one of
three million where it was, and what that one wants tears the large one apart. The recipe of a
network is that of the published one whose blocks are nearest in size (12 L C² parameters; the
vocabulary does not count). GPT-2's rates were never published; GPT-3's stand for networks built
like it. Where nothing is published, for networks as small as the course's, the rates are our own.

Source: GPT-1 §4.1; GPT-3 Table 2.1 and App. B; InstructGPT App. C.1 (supervised fine-tuning); rows
"tiny", "pocket" and "small" by trying on Tales.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TypeVar, get_args

from gptcore.config import GPT3_TABLE_2_1, PRESETS, GPTConfig
from gptcore.heads.classifier import Place, Trained
from gptcore.optim import OptimConfig
from gptcore.text.streams import Ramp
from gptcore.train.loop import Precision


@dataclass(frozen=True)
class Recipe:
    """How a network of some size is pre-trained."""

    name: str
    source: str
    optim: OptimConfig
    longest: int
    """Warm-up in a run that has room for it, in updates."""
    ramp: Ramp | None = None
    """How the batch grows; None: it does not."""
    tokens: int = 0
    """Tokens of a run that is a published one with all its lengths shrunk; 0: it is none."""

    def told(self, steps: int) -> str:
        """In one line, for a run of so many updates."""
        plan = self.optim
        if self.ramp is not None:
            return (
                f"{self.name} ({self.source}): 1/{GPT3_RUN / self.tokens:,.0f} of its 300 billion "
                f"tokens, every length shrunk alike: about {self.tokens:,} tokens in {steps} "
                f"updates, warm-up {plan.warmup:,} tokens to lr {plan.lr:g}, {plan.schedule} until "
                f"{plan.decay_steps:,}, batches of {self.ramp.start} windows at first and full "
                f"after {self.ramp.tokens:,} tokens"
            )
        short = f", shortened from {self.longest}" if plan.warmup < self.longest else ""
        return (
            f"{self.name} ({self.source}): lr {plan.lr:g}, warm-up {plan.warmup} of {steps} "
            f"updates{short}, then {plan.schedule}"
        )

    def differences(self, optim: OptimConfig) -> str:
        """What other settings say otherwise, to be added to that line."""
        mine, theirs = asdict(self.optim), asdict(optim)
        changed = ", ".join(f"{k} {v}" for k, v in theirs.items() if v != mine[k])
        return f"; here {changed}" if changed else ""


@dataclass(frozen=True)
class TuningRecipe:
    """How a network of some size is fine-tuned."""

    name: str
    source: str
    lr: float
    warmup: float
    """Part of all updates."""
    batch_size: int
    epochs: float


def blocks(shape: GPTConfig) -> int:
    """Parameters in the blocks of a network, biases and LayerNorm left aside: 12 L C²."""
    return 12 * shape.n_layer * shape.d_model**2


OURS = "this course, by trying on Tales"
GPT3 = OptimConfig(betas=(0.9, 0.95), weight_decay=0.1, schedule="cosine10")
GPT3_WARMUP = 750
"""Updates: 375 million tokens at the smaller models' half a million an update."""

GPT3_RUN, GPT3_RISE, GPT3_FALL = 300e9, 375e6, 260e9
"""Tokens of the whole run, of its warm-up, and until the rate is at a tenth."""
GPT3_FIRST_BATCH = 32e3
"""Tokens."""
GPT3_RAMP = {"least": (0.5e6, 4e9), "most": (3.2e6, 12e9)}
"""Full batch -> tokens over which it grows: "4-12 billion depending on size". Which size has what
between the ends is not said; here, in a line with the full batch."""

SMALL = {
    blocks(PRESETS["tiny"]): Recipe("tiny", OURS, OptimConfig(lr=1e-3), 100),
    blocks(PRESETS["pocket"]): Recipe("pocket", OURS, OptimConfig(lr=3e-3), 100),
    blocks(PRESETS["tales-gpt1"]): Recipe("small", OURS, OptimConfig(lr=1e-3), 100),
}
PUBLISHED = {
    "post": {blocks(PRESETS["gpt1"]): Recipe("gpt1", "GPT-1 §4.1", OptimConfig(), 2000)},
    "pre": {
        blocks(PRESETS[name]): Recipe(
            name, "GPT-3 Table 2.1, App. B", replace(GPT3, lr=GPT3_TABLE_2_1[name].lr), GPT3_WARMUP
        )
        for name in GPT3_TABLE_2_1
    },
}
TUNING = {
    blocks(PRESETS["tales-gpt1"]): TuningRecipe("small", OURS, 1e-3, 0.1, 16, 3),
    blocks(PRESETS["gpt1"]): TuningRecipe("gpt1", "GPT-1 §4.1", 6.25e-5, 0.002, 32, 3),
    blocks(PRESETS["gpt3-xl"]): TuningRecipe("1.3B", "InstructGPT App. C.1", 9.65e-6, 0.0, 32, 3),
    blocks(PRESETS["gpt3-175b"]): TuningRecipe("175B", "InstructGPT App. C.1", 5.03e-6, 0.0, 8, 3),
}


def pretraining(shape: GPTConfig, steps: int, *, further: bool = False) -> Recipe:
    """The recipe for training a network on text.

    Its warm-up is the published one, but at most a tenth of the updates.

    Args:
        shape: of the network.
        steps: updates in the run.
        further: the network is trained already: a tenth of the rate leaves it what it knows.
    """
    norm = "post" if shape.norm == "post" else "pre"
    found = _nearest(shape, {**SMALL, **PUBLISHED[norm]})
    warmup, lr = min(found.longest, steps // 10), found.optim.lr * (0.1 if further else 1)
    name = f"{found.name}, a tenth of its rate" if further else found.name
    return replace(found, name=name, optim=replace(found.optim, lr=lr, warmup=warmup))


def gpt3(shape: GPTConfig, steps: int, windows: int, *, parts: int = 1) -> Recipe:
    """GPT-3's whole run in fewer updates: warm-up, ramp and decay shrunk by one factor.

    The factor is that of the tokens. These follow from the updates: while a batch of w windows
    grows in proportion to the tokens from b to B over a part r of all D windows, dw = (B - b) per
    r D, which takes r D ln(B / b) / (B - b) updates; the rest takes (1 - r) D / B. The row of Table
    2.1 is the nearest in size; it gives the ratio of the first batch to the full one. The rate is
    that of `pretraining`: printed for GPT-3's sizes, our own for smaller ones.

    Args:
        shape: of the network.
        steps: updates in the run.
        windows: n_ctx tokens each, in a full batch (one of those that make an update).
        parts: batches per update.

    Source: GPT-3 Table 2.1, App. B.
    """
    name = _nearest(shape, {blocks(PRESETS[n]): n for n in GPT3_TABLE_2_1})
    full = GPT3_TABLE_2_1[name].batch_tokens
    (low, shortest), (high, longest) = GPT3_RAMP["least"], GPT3_RAMP["most"]
    part = (shortest + (longest - shortest) * (full - low) / (high - low)) / GPT3_RUN
    first = max(1, round(windows * GPT3_FIRST_BATCH / full))
    growing = math.log(windows / first) / (windows - first) if windows > first else 1 / windows
    tokens = parts * steps / (part * growing + (1 - part) / windows) * shape.n_ctx
    factor = tokens / GPT3_RUN
    optim = replace(
        GPT3,
        lr=pretraining(shape, steps).optim.lr,
        warmup=round(GPT3_RISE * factor),
        decay_steps=round(GPT3_FALL * factor),
        unit="tokens",
    )
    ramp = Ramp(first, max(1, round(part * tokens)))
    return Recipe(name, "GPT-3 Table 2.1, App. B", optim, GPT3_WARMUP, ramp, round(tokens))


def finetuning(shape: GPTConfig) -> TuningRecipe:
    """The recipe for fine-tuning a network on labelled texts."""
    return _nearest(shape, TUNING)


Row = TypeVar("Row")


def _nearest(shape: GPTConfig, rows: Mapping[int, Row]) -> Row:
    """The row whose size is nearest, by ratio."""
    size = math.log(blocks(shape))
    return rows[min(rows, key=lambda row: abs(math.log(row) - size))]


LEAST_UPDATES, MOST_EPOCHS = 100, 20
HEAD_RATES = {"head": 7.5, "head+marks": 2.5}
"""Learning rate times width: 3e-2 and 1e-2 in a network 256 wide."""


@dataclass(frozen=True)
class RecipeConfig:
    """How a pre-trained network is fine-tuned. The defaults are GPT-1's.

    Of the first four, None stands for what suits the network and the data: see `suited`.
    """

    epochs: float | None = 3
    """How often each labelled example is seen; None: what suits the network and the data."""
    batch_size: int | None = 32
    """Examples per update; None: what suits the network."""
    lr: float | None = 6.25e-5
    """Learning rate at its peak; None: what suits the network."""
    warmup: float | None = 0.002
    """Part of all updates in which the learning rate rises; then it falls in a line to 0. None:
    what suits the network."""
    weight_decay: float = 0.01
    """As in pre-training: of each matrix, times the learning rate, per update."""
    clip: float | None = 1.0
    """Longest gradient."""
    aux: float = 0.5
    """λ, the weight of the language-model loss on the labelled texts; 0 leaves it out."""
    dropout: float = 0.1
    """Drop probability, everywhere in the body and before the head."""
    train: Trained = "all"
    """What is trained: everything (GPT-1), the head alone, or the head and the three new tokens."""
    n_blocks: int | None = None
    """Keep so many first blocks of the pre-trained network and draw the rest anew; None: all."""
    scratch: bool = False
    """Keep nothing of the pre-trained network but its shape."""
    place: Place = "extract"
    """Where the head reads."""
    part: int | None = None
    """Longest part of an input in tokens; None: half the context less two, as in GPT-1's code."""
    evals: int = 3
    """How often the held-out part is scored, evenly spaced; the last time is at the end."""
    seed: int = 0
    """Draws new weights, the order of the examples, and dropout."""
    precision: Precision = "auto"
    """Arithmetic. auto: fp32 on a CPU; on a GPU bf16 where the hardware has it, else fp16."""

    def __post_init__(self) -> None:
        if self.epochs is not None and not (math.isfinite(self.epochs) and self.epochs > 0):
            raise ValueError(f"epochs={self.epochs} must be greater than 0")
        for name, least in {"batch_size": 1, "evals": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}={value} must be at least {least}")
        if self.warmup is not None and not 0 <= self.warmup < 1:
            raise ValueError(f"warmup={self.warmup} must be in [0, 1): it is a part of all updates")
        if self.train not in get_args(Trained):
            names = ", ".join(get_args(Trained))
            raise ValueError(f"train={self.train!r} must be one of {names}")
        if self.scratch and (self.n_blocks is not None or self.train != "all"):
            raise ValueError(
                f"scratch={self.scratch} keeps no block (n_blocks={self.n_blocks}) and trains all "
                f"(train={self.train!r})"
            )
        self._optim(1000, self.lr or 1e-3, self.warmup or 0.0)  # checks the rest

    def suited(self, shape: GPTConfig, n: int) -> RecipeConfig:
        """This recipe with None filled in by what suits a network and a number of examples.

        Few examples are seen more often, until there are a hundred updates, but not over twenty
        times. Fresh weights learn at the rate of pre-training, and a head alone on a body that
        stays as it is at one so large that it gets somewhere: in inverse proportion to its width.

        Args:
            shape: of the pre-trained network.
            n: examples to learn from.
        """
        row = finetuning(shape)
        batch_size = self.batch_size or row.batch_size
        often = max(row.epochs, min(MOST_EPOCHS, math.ceil(LEAST_UPDATES * batch_size / max(n, 1))))
        lr = row.lr
        if self.scratch:
            lr = pretraining(shape, 1).optim.lr
        elif self.train in HEAD_RATES:
            lr = HEAD_RATES[self.train] / shape.d_model
        return replace(
            self,
            epochs=often if self.epochs is None else self.epochs,
            batch_size=batch_size,
            lr=lr if self.lr is None else self.lr,
            warmup=row.warmup if self.warmup is None else self.warmup,
        )

    def told(self, shape: GPTConfig, n: int) -> str:
        """In one line: what suits the network and the data, and what this recipe says otherwise."""
        row, names = finetuning(shape), ("lr", "warmup", "batch_size", "epochs")
        plan = replace(self, **dict.fromkeys(names)).suited(shape, n)
        changed = {k: getattr(self, k) for k in names if getattr(self, k) != getattr(plan, k)}
        here = "; here " + ", ".join(f"{k} {v}" for k, v in changed.items()) if changed else ""
        return (
            f"recipe {row.name} ({row.source}): lr {plan.lr:g}, warm-up {plan.warmup:.1%} of "
            f"{plan.steps(n)} updates, {plan.batch_size} examples each, "
            f"{plan.epochs:g} epochs{here}"
        )

    def steps(self, n: int) -> int:
        """Updates for n examples."""
        if self.epochs is None or self.batch_size is None:
            raise ValueError(f"epochs={self.epochs}, batch_size={self.batch_size}: see `suited`")
        return max(1, math.ceil(n * self.epochs / self.batch_size))

    def optim(self, steps: int) -> OptimConfig:
        """The optimizer's settings for a run of so many updates."""
        if self.lr is None or self.warmup is None:
            raise ValueError(f"lr={self.lr}, warmup={self.warmup}: see `suited`")
        return self._optim(steps, self.lr, self.warmup)

    def _optim(self, steps: int, lr: float, warmup: float) -> OptimConfig:
        return OptimConfig(
            lr=lr,
            # Decay would touch rows of the token table that are not to be trained.
            weight_decay=0.0 if self.train == "head+marks" else self.weight_decay,
            clip=self.clip,
            warmup=min(round(warmup * steps), steps - 1),
            schedule="linear",
        )


SUITED = RecipeConfig(epochs=None, batch_size=None, lr=None, warmup=None)
"""What suits the network and the data."""

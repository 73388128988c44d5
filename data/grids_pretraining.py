"""The grids of pre-training: chapter 07's LSTM, chapter 08's depths, the ladder's rates.

Source: GPT-1 §5 (the LSTM); Xiong et al. 2020 and Takase et al. 2022 (depth); GPT-2 §2.3.
"""

from __future__ import annotations

from typing import Any

from gptcore import PRESETS
from gptcore.experiments import Condition, Grid
from gptcore.experiments.beginnings import beginning
from gptcore.experiments.pretraining import pretrained

SHIPPED = "tales-gpt1"
LADDER = {  # each size: its own four rates, a factor of two apart
    "300k": (2e-3, 4e-3, 8e-3, 1.6e-2),
    "1m": (1e-3, 2e-3, 4e-3, 8e-3),
    "3m": (1e-3, 2e-3, 4e-3, 8e-3),
    "10m": (5e-4, 1e-3, 2e-3, 4e-3),
}
READ = {"tales": 100_000, "held_out": 0.01, "tokenizer": f"data/checkpoints/{SHIPPED}"}
"""The corpus of tales-gpt1, in its tokens."""
HINTS = {**READ, "demonstrations": 0.1}
"""The same, and a tenth of the tales goes on with a task done by the way."""
SHAPE = ("n_ctx", "n_layer", "n_head", "d_model", "norm", "dropout")


def shape_of(preset: str) -> dict[str, Any]:
    """A preset as plain values."""
    return {name: getattr(PRESETS[preset], name) for name in SHAPE}


def on_tales(
    name: str, shape: dict[str, Any], data: dict[str, Any], updates: int, rates: Any, **more: Any
) -> Condition:
    """A network that reads so many updates of 8 windows, with one of several rates."""
    settings = {"shape": shape, "data": data, "updates": updates, "batch_size": 8}
    candidates = tuple({"lr": lr} for lr in rates)
    return Condition(name, {**settings, "precision": "bf16", **more}, candidates)


def ladder() -> list[Grid]:
    """A learning rate for each size of the ladder, by a short run of its own."""
    conditions = tuple(
        on_tales(size, shape_of(f"tales-gpt2-{size}"), HINTS, 400, rates)
        for size, rates in LADDER.items()
    )
    budget = "0.8M tokens, four learning rates a size, a cosine that ends with them"
    return [Grid("ladder", pretrained, conditions, (0,), budget)]


DEPTHS = (2, 6, 12, 24, 48)
DEPTH_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
DEPTH_SEEDS = (0, 1, 2, 3, 4)


def deep(name: str, norm: str, n_layer: int, *, lr: float | None = None, **more: Any) -> Condition:
    """A narrow network of some depth, whose blocks begin as those of a network 768 wide."""
    shape = {"n_ctx": 64, "n_layer": n_layer, "n_head": 2, "d_model": 32, "dropout": 0.0}
    settings = {
        "shape": {**shape, "norm": norm},
        "data": {"tales": 5000, "held_out": 0.1, "vocab_size": 512},
        "updates": 300,
        "batch_size": 16,
        "gain_of": 768,
        **more,
    }
    rates = DEPTH_RATES if lr is None else (lr,)
    return Condition(name, settings, tuple({"lr": one} for one in rates))


def depth() -> list[Grid]:
    """Where LayerNorm stands against depth, warm-up and learning rate; GPT-2's other changes."""
    tuned = [deep(f"{norm} {L}", norm, L) for L in DEPTHS for norm in ("post", "pre")]
    cold = [
        deep(f"{norm} {L}, no warm-up", norm, L, warmup=0)
        for L in DEPTHS[:-1]
        for norm in ("post", "pre")
    ]
    parts = [
        deep("pre 24, residual plain", "pre", 24, residual="plain"),
        deep("pre 24, residual by layers", "pre", 24, residual="by layers"),
        deep("pre 24, no ln_f", "pre", 24, ln_f=False),
    ]
    by_rate = [
        deep(f"{norm} {L} at {lr:g}", norm, L, lr=lr)
        for L in (6, 24)
        for norm in ("post", "pre")
        for lr in DEPTH_RATES
    ]
    budget = "0.3M tokens, four learning rates a condition, a cosine that ends with them"
    return [
        Grid("depth", pretrained, (*tuned, *cold, *parts), DEPTH_SEEDS, budget),
        Grid("depth", pretrained, tuple(by_rate), DEPTH_SEEDS, "0.3M tokens, every rate reported"),
    ]


def beginnings() -> list[Grid]:
    """Gradients and the stream by depth, before the first update."""
    kinds: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("post", "", {}),
        ("pre", "", {}),
        ("pre", ", residual plain", {"residual": "plain"}),
        ("pre", ", residual by layers", {"residual": "by layers"}),
        ("pre", ", no ln_f", {"ln_f": False}),
        ("post", ", Xavier", {"xavier": True}),
        ("pre", ", Xavier", {"xavier": True}),
    )
    conditions = tuple(
        deep(f"{norm} {L}{rest}", norm, L, lr=0.0, **more)
        for norm, rest, more in kinds
        for L in DEPTHS
    )
    return [Grid("beginnings", beginning, conditions, DEPTH_SEEDS, "nothing is trained")]


RIVAL_RATES = {"LSTM": (2e-3, 4e-3, 8e-3, 1.6e-2), "GPT": (1e-3, 2e-3, 4e-3, 8e-3)}
RIVALS = {
    "LSTM": {"n_ctx": 256, "n_layer": 1, "n_head": 1, "d_model": 262, "dropout": 0.0},
    "GPT": {**shape_of("tales-gpt2-1m"), "norm": "post"},
}
"""1.09M parameters each."""


def rivals() -> list[Grid]:
    """An LSTM and a GPT-1 of one size read the same million tokens in the same order."""
    conditions = tuple(
        on_tales(kind, RIVALS[kind], READ, 500, rates, kind=kind.lower())
        for kind, rates in RIVAL_RATES.items()
    )
    budget = "1M tokens, four learning rates, a cosine that ends with them"
    return [Grid("rivals", pretrained, conditions, (0, 1, 2), budget)]


GRIDS = (rivals, depth, beginnings, ladder)

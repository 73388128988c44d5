"""The grid of chapter 11: who may look at whom, at a context several tales long.

Source: Sparse Transformer §4.3, §5.1 (patterns, and two of them in turn); GPT-3 §2.1 (dense and
banded layers in turn).
"""

from __future__ import annotations

from gptcore.experiments import Condition, Grid
from gptcore.experiments.pretraining import pretrained

PATTERNS = {
    "dense": ("dense",),
    "banded": ("banded",),
    "fixed": ("fixed",),
    "dense and banded": ("dense", "banded"),
    "banded and strided": ("banded", "strided"),
}
RATES = (3e-3, 6e-3, 1.2e-2, 2.4e-2)
SHAPE = {"n_ctx": 1024, "n_layer": 2, "n_head": 2, "d_model": 64, "norm": "pre", "dropout": 0.0}
READ = {"tales": 10_000, "held_out": 0.1, "tokenizer": "data/checkpoints/tales-gpt1"}
"""A tale has some 250 of these tokens, so four of them fill the context."""
SIZES = {"window": 64, "summary": 8}


def sparse() -> list[Grid]:
    """One small network, five patterns, the same tokens in the same order."""
    conditions = tuple(
        Condition(
            name,
            {
                "shape": {**SHAPE, **SIZES, "pattern": pattern},
                "data": READ,
                "updates": 2000,
                "batch_size": 1,
            },
            tuple({"lr": lr} for lr in RATES),
        )
        for name, pattern in PATTERNS.items()
    )
    budget = "2M tokens, four learning rates a pattern, a cosine that ends with them"
    return [Grid("sparse", pretrained, conditions, (0, 1, 2), budget)]


GRIDS = (sparse,)

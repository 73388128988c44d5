"""The grid of sizes and tokens behind chapter 12, and the one larger run that it predicts.

Source: Kaplan et al. 2020; Hoffmann et al. 2022; Porian et al. 2024 (a learning rate for each size,
the output matrix counted).
"""

from __future__ import annotations

from typing import Any

from gptcore.experiments import Condition, Grid
from gptcore.experiments.scaling import scaled

SIZES = {  # width x layers: heads, four learning rates a factor of two apart
    "16x2": (2, (8e-3, 1.6e-2, 3.2e-2, 6.4e-2)),
    "32x2": (2, (8e-3, 1.6e-2, 3.2e-2, 6.4e-2)),
    "48x3": (3, (4e-3, 8e-3, 1.6e-2, 3.2e-2)),
    "64x4": (4, (4e-3, 8e-3, 1.6e-2, 3.2e-2)),
    "96x4": (4, (2e-3, 4e-3, 8e-3, 1.6e-2)),
}
TOKENS = {"0.25M": 244, "0.5M": 488, "1M": 977, "2M": 1953, "4M": 3906}
"""Updates of 8 windows of 128 tokens."""
CHOSEN_AT = "1M"
LONGEST = {"16x2": "4M", "32x2": "4M", "48x3": "2M", "64x4": "2M", "96x4": "1M"}
SEEDS = (0, 1, 2)


def settings_of(size: str, tokens: str, n_head: int) -> dict[str, Any]:
    """A run of one size on one amount of text."""
    d_model, n_layer = (int(part) for part in size.split("x"))
    shape = {"n_ctx": 128, "n_layer": n_layer, "n_head": n_head, "d_model": d_model}
    return {
        "shape": {**shape, "norm": "pre", "dropout": 0.0},
        "data": {"tales": 12_000, "held_out": 0.02, "vocab_size": 512},
        "updates": TOKENS[tokens],
        "batch_size": 8,
    }


def scaling() -> list[Grid]:
    """Five sizes on up to five amounts of text; the rate of each size is chosen at 1M tokens.

    The cheapest runs with three seeds, which tells the noise; the others with one.
    """
    conditions = []
    for size, (n_head, rates) in SIZES.items():
        amounts = list(TOKENS)[: list(TOKENS).index(LONGEST[size]) + 1]
        for tokens in (CHOSEN_AT, *(one for one in amounts if one != CHOSEN_AT)):
            own = tokens == CHOSEN_AT
            conditions.append(
                Condition(
                    f"{size} on {tokens}",
                    settings_of(size, tokens, n_head),
                    tuple({"lr": lr} for lr in rates) if own else ({},),
                    chosen=None if own else f"{size} on {CHOSEN_AT}",
                    seeds=SEEDS if size in ("16x2", "32x2") and TOKENS[tokens] < 500 else SEEDS[:1],
                )
            )
    budget = "four learning rates a size at 1M tokens, each run a cosine that ends with its tokens"
    return [Grid("scaling", scaled, tuple(conditions), SEEDS, budget)]


GRIDS = (scaling,)

"""The grid of sizes and tokens behind chapter 12, and the one larger run that it predicts.

Source: Kaplan et al. 2020; Hoffmann et al. 2022; Porian et al. 2024 (a learning rate for each size,
the output matrix counted).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptcore.experiments import Condition, Grid, Record
from gptcore.experiments.laws import fit_law, foretell
from gptcore.experiments.scaling import points_of, rates_of, scaled, size_of

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
LONGEST = {"16x2": "4M", "32x2": "4M", "48x3": "2M"}
FORETOLD = (("64x4", "2M"), ("96x4", "4M"))
"""Larger runs; their sizes are in no run that foretells them. They only choose a rate."""
SEEDS = (0, 1, 2)
SEALED = Path(__file__).parent / "runs" / "sealed.json"


def run_of(size: str, tokens: str, seeds: tuple[int, ...]) -> Condition:
    """A size on an amount of text; at 1M tokens it chooses the learning rate of its size."""
    n_head, rates = SIZES[size]
    d_model, n_layer = (int(part) for part in size.split("x"))
    shape = {"n_ctx": 128, "n_layer": n_layer, "n_head": n_head, "d_model": d_model}
    settings = {
        "shape": {**shape, "norm": "pre", "dropout": 0.0},
        "data": {"tales": 12_000, "held_out": 0.02, "vocab_size": 512},
        "updates": TOKENS[tokens],
        "batch_size": 8,
    }
    if tokens == CHOSEN_AT:
        candidates = tuple({"lr": lr} for lr in rates)
        return Condition(f"{size} on {tokens}", settings, candidates, seeds=seeds)
    chosen = f"{size} on {CHOSEN_AT}"
    return Condition(f"{size} on {tokens}", settings, chosen=chosen, seeds=seeds)


def scaling() -> list[Grid]:
    """Three sizes on up to five amounts of text, and the rates of two more, chosen at 1M tokens.

    The cheapest runs with three seeds, which tells the noise; the others with one.
    """
    conditions = []
    for size, longest in LONGEST.items():
        amounts = [one for one, updates in TOKENS.items() if updates <= TOKENS[longest]]
        for tokens in (CHOSEN_AT, *(one for one in amounts if one != CHOSEN_AT)):
            cheap = size in ("16x2", "32x2") and TOKENS[tokens] < TOKENS[CHOSEN_AT]
            conditions.append(run_of(size, tokens, SEEDS if cheap else SEEDS[:1]))
    conditions += [run_of(size, CHOSEN_AT, ()) for size, _ in FORETOLD]
    budget = "four learning rates a size at 1M tokens, each run a cosine that ends with its tokens"
    return [Grid("scaling", scaled, tuple(conditions), SEEDS, budget)]


def larger() -> list[Grid]:
    """The runs that were foretold, once each, with the rates of their sizes."""
    told = json.loads(SEALED.read_text(encoding="utf-8"))["runs"]
    conditions = (
        replace(run_of(*one, SEEDS[:1]), chosen=None, candidates=({"lr": told[name]["lr"]},))
        for one in FORETOLD
        for name in [" on ".join(one)]
    )
    budget = "one run of each, foretold in sealed.json before it began"
    return [Grid("larger", scaled, tuple(conditions), SEEDS[:1], budget)]


def prediction(found: Record) -> dict[str, Any]:
    """What the runs of `scaling` say of larger ones, by a law fitted to all of them."""
    points, told = points_of(found), {}
    law = fit_law(points.losses, N=points.N, D=points.D)
    for size, tokens in FORETOLD:
        settings = run_of(size, tokens, SEEDS[:1]).settings
        N = size_of({"vocab_size": settings["data"]["vocab_size"], **settings["shape"]})
        D = float(settings["updates"] * settings["batch_size"] * settings["shape"]["n_ctx"])
        loss = foretell(**points.given(), at=(N, D), n=200, seed=0)
        rates = rates_of(found, f"{size} on {CHOSEN_AT}")
        told[f"{size} on {tokens}"] = {
            "lr": min(rates, key=rates.__getitem__),
            "N": N,
            "D": D,
            "times_the_largest": round(6 * N * D / points.compute.max(), 2),
            "loss": round(loss.mean, 4),
            "interval": [round(loss.low, 4), round(loss.high, 4)],
        }
    fitted = {k: float(f"{v:.5g}") for k, v in vars(law).items()}
    return {"fitted_to": len(points.losses), "law": fitted, "runs": told}


def seal_of() -> str:
    """SHA-256 of the file with the prediction, which the record of the larger run keeps."""
    return hashlib.sha256(SEALED.read_bytes()).hexdigest()


GRIDS = (scaling, larger)

"""The grids of chapter 13: demonstrations in a prompt, and names that come again.

Source: GPT-3 §2 and Figure 1.2; Chen et al. 2024 (parallel structures); Min et al. 2022; Olsson et
al. 2022 (induction heads).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grids_pretraining import SHIPPED

from gptcore.experiments import Condition, Grid
from gptcore.experiments.in_context import paged
from gptcore.experiments.induction import reading_names
from gptcore.experiments.shifted import counted
from gptcore.experiments.shifted import shifted as taught_a_cue

SHAPES = {
    "100k": {"n_layer": 2, "n_head": 2, "d_model": 32},
    "300k": {"n_layer": 3, "n_head": 2, "d_model": 64},
    "1m": {"n_layer": 4, "n_head": 4, "d_model": 128},
}
RATES = {"100k": (4e-3, 8e-3, 1.6e-2), "300k": (4e-3, 8e-3, 1.6e-2), "1m": (1e-3, 2e-3, 4e-3)}
UPDATES, BATCH, N_CTX = 5000, 2, 256
PAGES = 15_000
SEEDS = (0, 1, 2)
MORE = {"100k": (0, 1, 2, 3, 4), "1m": (0, 1, 2, 3, 4)}
"""Two more where three left a verdict open: small networks that answer one question alone."""


def read(
    size: str, share: float, *, lr: tuple[float, ...] = (), seeds: Any = None, **corpus: Any
) -> Condition:
    """A network of some size reads pages, so many of them with answers."""
    told = "".join(f", {value}" for value in corpus.values())
    settings = {
        "shape": {"n_ctx": N_CTX, **SHAPES[size], "norm": "pre", "dropout": 0.0},
        "gain_of": 768,
        "tokenizer": f"data/checkpoints/{SHIPPED}",
        "corpus": {"n": PAGES, "share": share, **corpus},
        "updates": UPDATES,
        "batch_size": BATCH,
        "precision": "bf16",
    }
    name = f"{size} {share:g}{told}"
    candidates = tuple({"lr": one} for one in lr) or ({},)
    return Condition(name, settings, candidates, None if lr else f"{size} 1", seeds)


def shots() -> list[Grid]:
    """Accuracy against size and demonstrations; other layouts, and fewer pages."""
    tuned = [read(size, 1.0, lr=RATES[size], seeds=MORE.get(size)) for size in SHAPES]
    layouts = [read("300k", 1.0, layout=layout) for layout in ("mixed", "apart")]
    rare = [read("1m", 0.1, seeds=(0,))]
    budget = f"{UPDATES * BATCH * N_CTX / 1e6:.1f}M tokens; the rate of each size chosen of three"
    return [Grid("shots", paged, (*tuned, *layouts, *rare), SEEDS, budget)]


def leaked() -> list[Grid]:
    """The smallest network, and half of the questions of the test among its documents."""
    conditions = [replace(read("100k", 1.0, planted=16), chosen=None, candidates=({"lr": 8e-3},))]
    budget = f"{UPDATES * BATCH * N_CTX / 1e6:.1f}M tokens at the rate of `shots`"
    return [Grid("leaked", paged, tuple(conditions), SEEDS, budget)]


def reading(size: str, share: float, lr: tuple[float, ...]) -> Condition:
    """A network of some size reads tales, so many of them about heroes with invented names."""
    shape = {**SHAPES[size], "n_head": 4}  # room for heads of more than one kind
    settings = {
        "shape": {"n_ctx": 128, **shape, "norm": "pre", "dropout": 0.0},
        "gain_of": 768,
        "tokenizer": f"data/checkpoints/{SHIPPED}",
        "corpus": {"n": 60_000, "share": share},
        "updates": UPDATES,
        "batch_size": 4,
        "precision": "bf16",
    }
    return Condition(f"{size} {share:g}", settings, tuple({"lr": one} for one in lr))


def names() -> list[Grid]:
    """Known names against invented ones."""
    conditions = (
        reading("300k", 1.0, (4e-3, 8e-3)),
        reading("300k", 0.0, (4e-3, 8e-3)),
    )
    budget = f"{UPDATES * 4 * 128 / 1e6:.1f}M tokens; the rate of each chosen of two"
    return [Grid("names", reading_names, conditions, SEEDS, budget)]


def shifted() -> list[Grid]:
    """Fine-tuned on a cue or prompted: networks of pages, of tales alone, of nothing; words."""
    pages, tales = (
        replace(read("300k", share), name=name, chosen=None, candidates=({"lr": 4e-3},))
        for name, share in (("pages", 1.0), ("tales", 0.0))
    )
    tuned = {"rates": (3e-4, 1e-3, 3e-3), "epochs": 5}
    five = (0, 1, 2, 3, 4)  # three of them left open which of the two loses less
    longer = {"updates": 0, "rates": (1e-3, 3e-3, 1e-2), "epochs": 10}
    conditions = (
        replace(pages, settings={**pages.settings, **tuned}),
        replace(tales, settings={**tales.settings, **tuned}, seeds=five),
        replace(pages, name="nothing", settings={**pages.settings, **longer}, seeds=five),
    )
    words = Condition("words", {}, tuple({"C": C} for C in (1.0, 10.0, 100.0)))
    budget = (
        f"{UPDATES * BATCH * N_CTX / 1e6:.1f}M tokens, or none; 5 or 10 epochs of labelled rows"
    )
    chosen = "the labelled rows; how little weights are held back chosen of three"
    return [
        Grid("shifted", taught_a_cue, conditions, SEEDS, f"{budget}, the rate chosen of three"),
        Grid("shifted", counted, (words,), (0,), chosen),
    ]


GRIDS = (shots, names, leaked, shifted)

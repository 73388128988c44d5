"""The grid of demonstrations: chapter 09.

Source: GPT-2 §2.1; Briakou et al. 2023; Min et al. 2022; Allen-Zhu and Li 2023.
"""

from __future__ import annotations

from typing import Any

from grids_pretraining import SHIPPED

from gptcore.experiments import Condition, Grid
from gptcore.experiments.demonstrations import counted_words, demonstrated

SHAPES = {
    "100k": {"n_layer": 2, "n_head": 2, "d_model": 32},
    "300k": {"n_layer": 3, "n_head": 2, "d_model": 64},
    "1m": {"n_layer": 4, "n_head": 4, "d_model": 128},
}
RATES = {
    "100k": (4e-3, 8e-3, 1.6e-2),
    "300k": (4e-3, 8e-3, 1.6e-2),
    "1m": (1e-3, 2e-3, 4e-3),
}
RARE = (0.0, 0.01, 0.1)
DOCUMENTS = 60_000
SEEDS, MORE = (0, 1, 2), (0, 1, 2, 3, 4)
"""More of them where three leave a verdict open: at 30 %, where some networks of a size have just
begun to answer, and for answers that are shuffled."""


def reading(
    shape: dict[str, int], n_ctx: int, batch_size: int, corpus: dict[str, Any]
) -> dict[str, Any]:
    """The settings of a network that reads 2.6M tokens of a corpus of Tales with dials."""
    return {
        "shape": {"n_ctx": n_ctx, **shape, "norm": "pre", "dropout": 0.0},
        "gain_of": 768,
        "tokenizer": f"data/checkpoints/{SHIPPED}",
        "corpus": corpus,
        "updates": 5000,
        "batch_size": batch_size,
        "precision": "bf16",
    }


def read(
    size: str, share: float, *, lr: tuple[float, ...] = (), seeds: Any = None, **corpus: Any
) -> Condition:
    """A network of some size reads a corpus with so many demonstrations."""
    told = "".join(f", {value}" for value in corpus.values())
    settings = reading(SHAPES[size], 128, 4, {"n": DOCUMENTS, "share": share, **corpus})
    name = f"{size} {share:g}{told}"
    candidates = tuple({"lr": one} for one in lr) or ({},)
    return Condition(name, settings, candidates, None if lr else f"{size} 1", seeds)


def demonstrations() -> list[Grid]:
    """Accuracy against the share of documents with demonstrations and against size; controls."""
    tuned = [read(size, 1.0, lr=RATES[size]) for size in SHAPES]
    others = [read(size, 0.3, seeds=MORE) for size in ("300k", "1m")]
    rare = [read("1m", share, seeds=(0,)) for share in RARE]
    controls = [
        read("300k", 1.0, answers="shuffled", seeds=MORE),
        read("300k", 1.0, wording="one"),
        read("300k", 0.5),
        read("300k", 0.5, wording="one"),
    ]
    words = [
        Condition(
            f"words {share:g}",
            {"corpus": {"n": DOCUMENTS, "share": share}},
            tuple({"C": C} for C in (1.0, 10.0, 100.0)),
        )
        for share in (0.001, 0.01, 0.1)
    ]
    budget = "2.6M tokens; the rate of each size chosen of three"
    read_all = "its demonstrations, all of them; how little weights are held back chosen of three"
    return [
        Grid("demonstrations", demonstrated, (*tuned, *others, *rare, *controls), SEEDS, budget),
        Grid("demonstrations", counted_words, tuple(words), (0,), read_all),
    ]


GRIDS = (demonstrations,)

"""The grids of chapter 13: demonstrations in a prompt, and names that come again.

Source: GPT-3 §2 and Figure 1.2; Chen et al. 2024 (parallel structures); Min et al. 2022; Olsson et
al. 2022 (induction heads).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grids_demonstrations import SHAPES, reading

from gptcore.experiments import Condition, Grid
from gptcore.experiments.in_context import paged
from gptcore.experiments.induction import reading_names
from gptcore.experiments.shifted import counted
from gptcore.experiments.shifted import shifted as taught_a_cue

RATES = {
    "100k": (4e-3, 8e-3, 1.6e-2, 3.2e-2),
    "300k": (2e-3, 4e-3, 8e-3, 1.6e-2),
    "1m": (1e-3, 2e-3, 4e-3, 8e-3),
}
SEEDS, FIVE = (0, 1, 2), (0, 1, 2, 3, 4)
"""Five where three leave verdicts open: a network without demonstrations prefers one question."""


def read(
    size: str, share: float, *, lr: tuple[float, ...] = (), seeds: Any = None, **corpus: Any
) -> Condition:
    """A network of some size reads pages, so many of them with answers."""
    settings = reading(SHAPES[size], 256, 2, {"n": 15_000, "share": share, **corpus})
    told = "".join(f", {value}" for value in corpus.values())
    candidates = tuple({"lr": one} for one in lr) or ({},)
    chosen = None if lr else f"{size} 1"
    return Condition(f"{size} {share:g}{told}", settings, candidates, chosen, seeds)


def shots() -> list[Grid]:
    """Accuracy against size and demonstrations; other layouts, and fewer pages."""
    tuned = [read(size, 1.0, lr=RATES[size]) for size in SHAPES]
    layouts = [read("300k", 1.0, lr=RATES["300k"], layout=one) for one in ("mixed", "apart")]
    rare = read("1m", 0.1, lr=RATES["1m"], seeds=SEEDS)
    budget = "2.6M tokens; the rate of each size and corpus chosen of four"
    return [Grid("shots", paged, (*tuned, *layouts, rare), FIVE, budget)]


def leaked() -> list[Grid]:
    """Half of the questions of the test among the documents, so many copies of each, or none."""
    conditions = tuple(
        replace(read("300k", 0.1, **planted), chosen=None, candidates=({"lr": 4e-3},))
        for planted in ({}, {"planted": 16}, {"planted": 64})
    )
    return [Grid("leaked", paged, conditions, SEEDS, "2.6M tokens at one rate, that of `shots`")]


def names() -> list[Grid]:
    """Known names against invented ones."""
    shape = {**SHAPES["300k"], "n_head": 4}  # room for heads of more than one kind
    rates = tuple({"lr": lr} for lr in RATES["300k"])
    conditions = tuple(
        Condition(f"300k {share:g}", reading(shape, 128, 4, {"n": 60_000, "share": share}), rates)
        for share in (1.0, 0.0)
    )
    budget = "2.6M tokens; the rate of each chosen of four"
    return [Grid("names", reading_names, conditions, FIVE, budget)]


def shifted() -> list[Grid]:
    """Fine-tuned on a cue or prompted: networks of pages, of tales alone, of nothing; words."""
    pages, tales = (
        replace(read("300k", share), name=name, chosen=None, candidates=({"lr": 4e-3},))
        for name, share in (("pages", 1.0), ("tales", 0.0))
    )
    tuned = {"rates": (3e-4, 1e-3, 3e-3), "epochs": 5}
    longer = {"updates": 0, "rates": (1e-3, 3e-3, 1e-2), "epochs": 10}
    conditions = (
        replace(pages, settings={**pages.settings, **tuned}),
        replace(tales, settings={**tales.settings, **tuned}, seeds=FIVE),
        replace(pages, name="nothing", settings={**pages.settings, **longer}, seeds=FIVE),
    )
    words = Condition("words", {}, tuple({"C": C} for C in (1.0, 10.0, 100.0)))
    budget = "2.6M tokens, or none; 5 or 10 epochs of labelled rows"
    chosen = "the labelled rows; how little weights are held back chosen of three"
    return [
        Grid("shifted", taught_a_cue, conditions, SEEDS, f"{budget}, the rate chosen of three"),
        Grid("shifted", counted, (words,), (0,), chosen),
    ]


GRIDS = (shots, names, leaked, shifted)

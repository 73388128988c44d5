"""The grids of fine-tuning: chapters 06 and 07.

Source: GPT-1 §4 and §5 (Table 5, Figure 2), in shape.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from gptcore.experiments import Condition, Grid
from gptcore.experiments.baselines import majority, probe, words
from gptcore.experiments.tuning import Patience, fine_tuned

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = "tales-gpt1"
SIZES = {  # labels to learn from, to choose by, and to report on
    "tales-mood": {"n": 300, "n_valid": 150, "n_test": 300},
    "tales-entailment": {"n": 300, "n_valid": 150, "n_test": 300},
    "tales-similarity": {"n": 150, "n_valid": 100, "n_test": 200},
    "tales-endings": {"n": 150, "n_valid": 100, "n_test": 200},
    "sst2": {"n": 600, "n_valid": 200, "n_test": 600},
    "rte": {"n": 300, "n_valid": 100, "n_test": 400},
}
RATES = {
    "pre-trained": (5e-4, 1e-3, 2e-3),
    "scratch": (5e-4, 1e-3, 2e-3),
    "head+marks": (3e-3, 1e-2, 3e-2),
}
"""Three rates for every condition, around the best that earlier runs with other seeds had found."""
BUDGET = (
    f"three learning rates a condition; each run until the validation score has not risen for "
    f"{Patience.patience} epochs, at least {Patience.least} and at most {Patience.most}"
)
WAYS = (
    {"features": "joined", "C": 1e-2},
    {"features": "joined", "C": 1e-1},
    {"features": "pair", "C": 1e-2},
    {"features": "shared", "C": 1e-1},
)
"""What counting words may choose where there are two texts."""
STRENGTHS = tuple({"C": c} for c in (1e-2, 1e-1, 1.0, 10.0))


@cache
def digest(body: str) -> str:
    """A few digits that stand for a network's weights: other weights are another measurement."""
    shipped = ROOT / "data" / "checkpoints" / body
    path = (shipped if shipped.is_dir() else Path(body)) / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "absent"


def tuned(
    name: str, task: str, kind: str = "pre-trained", *, n: int = 0, chosen: str = "", **more: Any
) -> Condition:
    """One condition: a task, a kind of network, and what else it changes."""
    settings = {"task": task, "body": SHIPPED, **SIZES[task], **more}
    settings |= {"n": n} if n else {}
    if kind == "scratch":
        settings["scratch"] = True
    settings["weights"] = digest(settings["body"])
    if chosen:
        return Condition(name, settings, chosen=chosen)
    rates = RATES[kind]
    return Condition(name, settings, tuple({"lr": lr} for lr in rates))


def choices() -> list[Grid]:
    """What is trained; where the head reads; the delimiter; and probes of the frozen network."""
    mood, pairs = "tales-mood", "tales-entailment"
    tunings = (
        tuned("everything", mood),
        tuned("head and marks", mood, "head+marks", train="head+marks"),
        tuned("read the mean", mood, place="mean"),
        tuned("with delimiter", pairs),
        tuned("without delimiter", pairs, delimiter=False),
    )
    frozen = tuple(
        Condition(
            f"frozen, {place}",
            {
                "task": mood,
                "body": SHIPPED,
                "weights": digest(SHIPPED),
                "place": place,
                **SIZES[mood],
            },
            STRENGTHS,
        )
        for place in ("extract", "mean")
    )
    return [
        Grid("choices", fine_tuned, tunings, (0, 1, 2), BUDGET),
        Grid("choices", probe, frozen, (0, 1, 2), "four strengths; until it converges"),
    ]


ROWS = {
    "full": "pre-trained",
    "no pre-training": "scratch",
    "no auxiliary objective": "pre-trained",
}
"""GPT-1's Table 5 in shape; its LSTM is compared by the text it predicts, see `rivals`."""


def table5() -> list[Grid]:
    """GPT-1's Table 5 in shape, on the two tasks whose texts are short."""
    conditions = []
    for task in ("tales-mood", "tales-entailment"):
        for row, kind in ROWS.items():
            more = {"aux": 0.0} if row == "no auxiliary objective" else {}
            conditions.append(tuned(f"{task}: {row}", task, kind, **more))
    return [
        Grid("table5", fine_tuned, tuple(conditions), (0, 1, 2), BUDGET),
        Grid("table5", words, tuple(counted(task) for task in SIZES), (0,), "four candidates"),
        Grid("table5", majority, tuple(guessed(task) for task in SIZES), (0,), "none"),
    ]


def counted(task: str, n: int = 0) -> Condition:
    """Words counted, on the same rows."""
    more = {"n": n} if n else {}
    name = f"{task}: words counted" + (f", {n}" if n else "")
    pairs = task in ("tales-entailment", "tales-similarity", "tales-endings", "rte")
    strengths = WAYS if pairs else STRENGTHS
    return Condition(name, {"task": task, **SIZES[task], **more}, strengths)


def guessed(task: str) -> Condition:
    """The commonest label, on the same rows."""
    return Condition(f"{task}: majority", {"task": task, **SIZES[task]})


def aux() -> list[Grid]:
    """The auxiliary objective against the number of labels."""
    sizes = {"tales-mood": (75, 300), "tales-entailment": (75, 300)}
    conditions = tuple(
        tuned(f"{task}, {n}, λ = {weight}", task, n=n, **({"aux": 0.0} if weight == 0 else {}))
        for task in sizes
        for n in sizes[task]
        for weight in (0.5, 0)
    )
    return [Grid("aux", fine_tuned, conditions, (0, 1, 2), BUDGET)]


def layers() -> list[Grid]:
    """The score against the number of blocks kept (GPT-1 §5, Figure 2, left)."""
    conditions = (
        tuned("nothing", "tales-mood", "scratch"),
        *(tuned(f"{n} blocks", "tales-mood", n_blocks=n) for n in (0, 2)),
        tuned("4 blocks", "tales-mood"),
    )
    return [Grid("layers", fine_tuned, conditions, (0, 1, 2), BUDGET)]


def labels() -> list[Grid]:
    """The score against the number of labels."""
    sizes = (75, 150, 300)
    conditions = tuple(
        tuned(f"{name}, {n}", "tales-mood", kind, n=n)
        for n in sizes
        for name, kind in (("pre-trained", "pre-trained"), ("from scratch", "scratch"))
    )
    return [
        Grid("labels", fine_tuned, conditions, (0, 1, 2), BUDGET),
        Grid(
            "labels",
            words,
            tuple(counted("tales-mood", n) for n in sizes),
            (0,),
            "four candidates",
        ),
    ]


def real() -> list[Grid]:
    """Two tasks of GPT-1's own table, on real text; needs the sets sst2 and rte."""
    conditions = tuple(
        tuned(f"{task}: {name}", task, kind)
        for task in ("sst2", "rte")
        for name, kind in (("pre-trained", "pre-trained"), ("from scratch", "scratch"))
    )
    tasks = ("sst2", "rte")
    return [
        Grid("real", fine_tuned, conditions, (0, 1, 2), BUDGET),
        Grid("real", words, tuple(counted(task) for task in tasks), (0,), "four candidates"),
        Grid("real", majority, tuple(guessed(task) for task in tasks), (0,), "none"),
    ]


GRIDS = (table5, choices, aux, layers, labels, real)

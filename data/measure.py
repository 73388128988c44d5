"""Measure what fine-tuning does, as grids on the bench: python data/measure.py NAME ... [--jobs N]

Chapters 06 and 07 re-measure a small part of each result live; what takes longer than a chapter
may take is measured here and written to data/runs/<NAME>.json, every candidate included. Results of
single runs are kept in runs/measure, so what was stopped goes on, and grids share what they have in
common; what a record holds is not run again unless `--fresh` asks for it. `--sample` runs one
condition of every grid once more, with its recorded choice, and fails where the score is not as
recorded (`make measure-sample`).

    rivals     an LSTM and a GPT of one size, pre-trained on the same 2M tokens
    depth      pre-LN and post-LN against depth, warm-up and learning rate; residual scaling; ln_f
    ladder     a learning rate for each size of tales-gpt2; ship.py trains them with it
    table5     four tasks: full, no pre-training, no auxiliary objective; LSTM and GPT alike
    choices    what is trained, where the head reads, with and without the delimiter
    aux        λ = 0 and 0.5 at several training-set sizes
    layers     the score against the number of blocks kept
    labels     the score against the number of labels, with and without pre-training
    real       SST-2 and RTE, with and without pre-training
    zeroshot   heuristics without any training, along the pre-training run

`zeroshot` needs runs/tales-gpt1, which `python data/ship.py tales-gpt1` leaves behind; table5 needs
what `rivals` leaves in runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gptcore import GPT, PRESETS, GPTConfig, load
from gptcore.experiments import Condition, Grid, Record, again, measure
from gptcore.experiments.baselines import majority, probe, words
from gptcore.experiments.grids import SELECT_SEED
from gptcore.experiments.pretraining import pretrained
from gptcore.experiments.tuning import RECIPE, Patience, fine_tuned
from gptcore.scoring.zeroshot import HEURISTICS, zero_shot
from gptcore.train.record import hardware, write_json

ROOT = Path(__file__).resolve().parent.parent
RUNS, RECORDS = ROOT / "runs", ROOT / "data" / "runs"
SHIPPED = "tales-gpt1"
RAW = argparse.RawDescriptionHelpFormatter
RIVALS = {"LSTM": "runs/tales-lstm", "GPT, LSTM's tokens": "runs/gpt-2000"}

SIZES = {  # labels to learn from, to choose by, and to report on
    "tales-mood": {"n": 300, "n_valid": 150, "n_test": 300},
    "tales-entailment": {"n": 300, "n_valid": 150, "n_test": 300},
    "tales-similarity": {"n": 150, "n_valid": 100, "n_test": 200},
    "tales-endings": {"n": 150, "n_valid": 100, "n_test": 200},
    "sst2": {"n": 600, "n_valid": 200, "n_test": 600},
    "rte": {"n": 300, "n_valid": 100, "n_test": 400},
}
KINDS = {"LSTM": "LSTM", "GPT": "GPT, LSTM's tokens"}
LSTM_SHAPE = GPTConfig(vocab_size=2051, n_ctx=256, n_head=1, d_model=568, dropout=0.1)
"""As many parameters as tales-gpt1, and room for the three tokens of fine-tuning."""
RATES = {
    "pre-trained": (5e-4, 1e-3, 2e-3),
    "scratch": (5e-4, 1e-3, 2e-3),
    "LSTM": (1e-3, 2e-3, 4e-3),
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
    folder = ROOT / "data" / "checkpoints" / body if body == SHIPPED else Path(body)
    path = folder / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "absent"


def tuned(
    name: str, task: str, kind: str = "pre-trained", *, n: int = 0, chosen: str = "", **more: Any
) -> Condition:
    """One condition: a task, a kind of network, and what else it changes."""
    settings = {"task": task, "body": SHIPPED, **SIZES[task], **more}
    settings |= {"n": n} if n else {}
    if kind == "scratch":
        settings["scratch"] = True
    if kind in RIVALS:
        settings["body"] = RIVALS[kind]
    settings["weights"] = digest(settings["body"])
    if chosen:
        return Condition(name, settings, chosen=chosen)
    rates = RATES["LSTM" if kind == "LSTM" else kind if kind in RATES else "pre-trained"]
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
    "LSTM": "LSTM",
    "GPT, LSTM's tokens": "GPT, LSTM's tokens",
}
"""GPT-1's Table 5 in shape, and a GPT that read no more than the LSTM did."""


def table5() -> list[Grid]:
    """GPT-1's Table 5 in shape: rates are chosen for each row on the two shorter tasks."""
    conditions = []
    for task in SIZES:
        if not task.startswith("tales"):
            continue
        for row, kind in ROWS.items():
            more = {"aux": 0.0} if row == "no auxiliary objective" else {}
            long = task in ("tales-similarity", "tales-endings")
            if long and row == "no auxiliary objective":
                continue
            more |= {"least": 4, "patience": 2, "most": 12} if long else {}
            chosen = f"tales-entailment: {row}" if long else ""
            conditions.append(tuned(f"{task}: {row}", task, kind, chosen=chosen, **more))
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


def zeroshot() -> None:
    """Heuristics without any training, along the pre-training run (GPT-1 §5, Figure 2, right)."""
    points = {}
    for folder in sorted((RUNS / SHIPPED / "at").iterdir()):
        model, tokenizer = load(folder)
        points[str(int(folder.name))] = zero_shot(model, tokenizer, n=200)
    torch.manual_seed(0)
    points = {"0": zero_shot(GPT(model.config).eval(), tokenizer, n=200), **points}
    content = {
        "command": "python data/measure.py zeroshot",
        "hardware": hardware(torch.device("cpu")),
        "n": 200,
        "chance": {name: heuristic.chance for name, heuristic in HEURISTICS.items()},
        "points": points,
    }
    write_json(RECORDS / "zeroshot.json", content)


LADDER = {  # each size: its own three rates, a factor of two apart
    "300k": (2e-3, 4e-3, 8e-3),
    "1m": (1e-3, 2e-3, 4e-3),
    "3m": (1e-3, 2e-3, 4e-3),
    "10m": (5e-4, 1e-3, 2e-3),
}
READ = {"tales": 100_000, "held_out": 0.01, "tokenizer": f"data/checkpoints/{SHIPPED}"}
"""The corpus of tales-gpt1, in its tokens."""
HINTS = {**READ, "demonstrations": 0.1}
"""The same, and a tenth of the tales goes on with a task done by the way."""
SHAPE = ("n_ctx", "n_layer", "n_head", "d_model", "norm", "dropout")


def shape_of(preset: str) -> dict[str, Any]:
    """A preset as plain values."""
    return {name: getattr(PRESETS[preset], name) for name in SHAPE}


def ladder() -> list[Grid]:
    """A learning rate for each size of the ladder, by a run of a tenth of its length."""
    conditions = tuple(
        Condition(
            size,
            {
                "shape": shape_of(f"tales-gpt2-{size}"),
                "data": HINTS,
                "updates": 400,
                "batch_size": 8,
                "precision": "bf16",
            },
            tuple({"lr": lr} for lr in rates),
        )
        for size, rates in LADDER.items()
    )
    budget = "0.8M tokens, three learning rates a size, a cosine that ends with them"
    return [Grid("ladder", pretrained, conditions, (0,), budget)]


DEPTHS = (2, 6, 12, 24, 48)
DEPTH_RATES = (3e-4, 1e-3, 3e-3, 1e-2)


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
        Grid("depth", pretrained, (*tuned, *cold, *parts), (0, 1, 2), budget),
        Grid("depth", pretrained, tuple(by_rate), (0, 1, 2), "0.3M tokens, every rate reported"),
    ]


RIVAL_RATES = {"LSTM": (2e-3, 4e-3, 8e-3), "GPT": (5e-4, 1e-3, 2e-3)}
LSTM_SHAPE = {"n_ctx": 256, "n_layer": 1, "n_head": 1, "d_model": 568, "dropout": 0.0}
"""As many parameters as tales-gpt1."""


def rivals() -> list[Grid]:
    """An LSTM and a GPT of one size read the same 2M tokens in the same order."""
    shapes = {"LSTM": LSTM_SHAPE, "GPT": shape_of(SHIPPED)}
    conditions = tuple(
        Condition(
            kind,
            {
                "kind": kind.lower(),
                "shape": shapes[kind],
                "data": READ,
                "updates": 1000,
                "batch_size": 8,
                "precision": "bf16",
            },
            tuple({"lr": lr} for lr in rates),
        )
        for kind, rates in RIVAL_RATES.items()
    )
    budget = "2M tokens, three learning rates, a cosine that ends with them"
    return [Grid("rivals", pretrained, conditions, (0, 1, 2), budget)]


GRIDS = {f.__name__: f for f in (table5, choices, aux, layers, labels, real, rivals, depth, ladder)}
OTHERS = {"zeroshot": zeroshot}


def on_record(name: str) -> Record | None:
    """The record of that name, if there is one and a bench made it."""
    path = RECORDS / f"{name}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return Record.of(content) if isinstance(content.get("rows"), list) else None


def sample(name: str) -> bool:
    """Run one condition of every grid of a record again; whether all are as recorded."""
    kept = on_record(name)
    if kept is None:
        print(f"{name}: nothing is on record")
        return True
    found = [one for grid in GRIDS[name]() for one in again(grid, kept)]
    for one in found:
        print(f"{name}: {one}", flush=True)
    return all(one.as_recorded for one in found)


def run_grids(name: str, jobs: int, only: list[str] | None, fresh: bool) -> Record:
    """All grids of a record, joined; what is not asked for stays as it is on record."""
    kept = on_record(name)
    rows, labels, budgets = [], {}, {}
    for grid in GRIDS[name]():
        names = [c.name for c in grid.conditions]
        wanted = [one for one in names if only is None or one in only]
        stay = [row for row in kept.rows if row["condition"] in names] if kept else []
        found = measure(
            grid,
            RUNS / "measure",
            command=f"python data/measure.py {name}",
            jobs=jobs,
            only=wanted,
            known=None if fresh else kept,
        )
        rows += found.rows + [row for row in stay if row["condition"] not in found.conditions()]
        labels |= {**(kept.labels if kept else {}), **found.labels}
        budgets[grid.run.__name__] = grid.budget
    about = {
        "name": name,
        "command": f"python data/measure.py {name}",
        "seeds": sorted({row["seed"] for row in rows} - {SELECT_SEED}),
        "select_seed": SELECT_SEED,
        "budget": budgets,
        "minutes": round(sum(row["seconds"] for row in rows) / 60, 1),
        "hardware": hardware(torch.device("cpu")),
        "recipe": asdict(RECIPE),
        "sizes": SIZES,
    }
    return Record(about, rows, labels)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RAW)
    parser.add_argument("names", nargs="*", choices=[*GRIDS, *OTHERS, []], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--only", nargs="*", help="conditions; others stay as they are on record")
    parser.add_argument("--fresh", action="store_true", help="run what is on record, too")
    parser.add_argument("--sample", action="store_true", help="run a part, and compare")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.chdir(ROOT)  # networks are named by their folders below it
    if options.sample:
        names = [name for name in options.names or GRIDS if name in GRIDS]
        raise SystemExit(0 if all([sample(name) for name in names]) else 1)
    if not options.names:
        parser.error("name at least one of " + ", ".join([*GRIDS, *OTHERS]))
    for name in options.names:
        if name in OTHERS:
            OTHERS[name]()
            continue
        found = run_grids(name, options.jobs, options.only, options.fresh)
        write_json(RECORDS / f"{name}.json", found.as_json())
        print(found.table().to_string())


if __name__ == "__main__":
    main()

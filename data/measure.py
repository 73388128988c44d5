"""Measure what fine-tuning does, over seeds: python data/measure.py NAME ... [--jobs N]

Chapters 06 and 07 re-measure a small part of each result live; what takes longer than a chapter
may take is run here and written to data/runs/<NAME>.json, with the command, the seeds, the recipe
and the hardware.

    lstm       pre-train an LSTM on the tokens that tales-gpt1 read in its first 2,000 updates
    table5     four tasks: full, no pre-training, no auxiliary objective, LSTM
    choices    what is trained, where the head reads, with and without the delimiter
    aux        λ = 0 and 0.5 at several training-set sizes
    layers     the score against the number of blocks kept
    labels     the score against the number of labels, with and without pre-training
    zeroshot   heuristics without any training, along the pre-training run
    real       SST-2 and RTE, with and without pre-training

Those that need more than the shipped model need runs/tales-gpt1, which `python data/ship.py
tales-gpt1` leaves behind. Every run is a cell; cells that are done are kept in runs/measure, so
that what was stopped goes on, and measures share what they have in common.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from gptcore import GPT, Tokenizer, evaluate, load
from gptcore.config import GPTConfig
from gptcore.heads.classifier import Place, Trained
from gptcore.labelled import labelled
from gptcore.lstm import LSTM
from gptcore.optim import OptimConfig
from gptcore.scoring.metrics import interval
from gptcore.scoring.zeroshot import HEURISTICS, zero_shot
from gptcore.text.inputs import DELIMITER, Example
from gptcore.text.streams import Batches, TokenStream
from gptcore.train.finetune import RecipeConfig, Tuning
from gptcore.train.loop import fit
from gptcore.train.record import hardware, write_json

ROOT = Path(__file__).resolve().parent.parent
RUNS, RECORDS = ROOT / "runs", ROOT / "data" / "runs"
PRETRAINED, LSTM_RUN = RUNS / "tales-gpt1", RUNS / "tales-lstm"
LSTM_SHAPE = GPTConfig(vocab_size=2051, n_ctx=256, n_head=1, d_model=568, dropout=0.0)
"""As many parameters as tales-gpt1, and room for the three tokens of fine-tuning."""

SEEDS = (0, 1, 2)
SIZES = {
    "mood": (300, 300),
    "entailment": (300, 300),
    "similarity": (1800, 200),
    "endings": (600, 200),
    "sst2": (600, 400),
    "rte": (300, 400),
}
"""Examples to learn from, unless a cell says otherwise, and to be tested on."""
TASKS = ("mood", "entailment", "similarity", "endings")
RECIPE = RecipeConfig(lr=1e-3, warmup=0.1, batch_size=16, epochs=3, evals=1, precision="bf16")
"""For a network of 4M parameters: GPT-1's form, a larger learning rate, a longer warm-up."""
RATES = {"scratch": 2e-3, "lstm": 4e-3, "head": 3e-2, "head+marks": 1e-2}
"""Learning rates of what wants another one: each the best of three or four tried with seed 0."""


@dataclass(frozen=True)
class Cell:
    """One fine-tuning run: what is learned, from which network, and how."""

    task: str
    seed: int
    body: str = "tales-gpt1"
    """tales-gpt1; scratch, its shape with fresh weights; lstm; or an update of its run: 002000."""
    n: int = 0
    """Examples to learn from; 0: as `SIZES` has it."""
    aux: float = 0.5
    n_blocks: int | None = None
    train: Trained = "all"
    place: Place = "extract"
    delimiter: bool = True

    def recipe(self) -> RecipeConfig:
        """The recipe with what this cell changes."""
        keys = self.body, self.train
        return replace(
            RECIPE,
            lr=next((RATES[key] for key in keys if key in RATES), RECIPE.lr),
            seed=self.seed,
            aux=self.aux,
            n_blocks=self.n_blocks,
            train=self.train,
            place=self.place,
            scratch=self.body == "scratch",
        )

    def run(self) -> dict[str, Any]:
        """Fine-tune and judge: {"accuracy" or "pearson": ..., "loss": ...} on the test part."""
        torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
        network, tokenizer = pretrained(self.body)
        name = f"tales-{self.task}" if self.task in TASKS else self.task
        n_train, n_test = SIZES[self.task]
        data = labelled(name, n_train=self.n or n_train, n_valid=0, n_test=n_test)
        tuning = Tuning(network, tokenizer, data, self.recipe())
        if not self.delimiter:
            without(tuning.tokenizer.id_of(DELIMITER), tuning)
        losses = [step.loss for step in tuning.fit()]
        found = {name: round(value, 4) for name, value in tuning.judge("test").items()}
        return {**found, "steps": len(losses)}

    def kept(self) -> Path:
        """Where its result is kept; another pre-trained network or recipe has another place."""
        described = [asdict(self), asdict(self.recipe()), SIZES[self.task], fingerprint(self.body)]
        key = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
        return RUNS / "measure" / f"{key}.json"


def pretrained(name: str) -> tuple[GPT | LSTM, Tokenizer]:
    """The network that a cell starts from, and its tokenizer."""
    model, tokenizer = load(folder_of(name))
    if name != "lstm":
        return model, tokenizer
    network = LSTM(replace(LSTM_SHAPE, dropout=RECIPE.dropout))
    network.load_state_dict(load_file(LSTM_RUN / "model.safetensors"))
    return network, tokenizer


def folder_of(name: str) -> Path:
    """The checkpoint with the weights, or with no more than the shape and the tokenizer."""
    if name in ("scratch", "lstm") and (PRETRAINED / "config.json").is_file():
        return PRETRAINED
    shipped = ROOT / "data" / "checkpoints" / "tales-gpt1"
    return PRETRAINED / "at" / name if name.isdecimal() else shipped


@cache
def fingerprint(name: str) -> str:
    """Digest of all that a run takes from its body: the tokenizer, and the weights if it does."""
    weights = {"scratch": [], "lstm": [LSTM_RUN / "model.safetensors"]}
    files = weights.get(name, [folder_of(name) / "model.safetensors"])
    content = [path.read_bytes() for path in [folder_of(name) / "tokenizer.json", *files]]
    return hashlib.sha256(b"".join(content)).hexdigest()


def without(token: int, tuning: Tuning) -> None:
    """Take a token out of every row."""
    for examples in tuning.parts.values():
        for i, example in enumerate(examples):
            rows = tuple([t for t in row if t != token] for row in example.rows)
            examples[i] = Example(rows, example.label)


def do(cell: Cell) -> None:
    """Run a cell unless its result is there."""
    path = cell.kept()
    if not path.is_file():
        found = cell.run()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**asdict(cell), **found})


def run_cells(cells: list[Cell], jobs: int) -> None:
    """Run cells, so many at a time, with a bar; the longest begin first."""
    todo = [cell for cell in dict.fromkeys(cells) if not cell.kept().is_file()]
    order = {"endings": 0, "similarity": 1}
    todo.sort(key=lambda cell: (order.get(cell.task, 2), -cell.n))
    if jobs == 1:
        for cell in tqdm(todo, mininterval=10):
            do(cell)
        return
    with get_context("spawn").Pool(jobs) as pool:
        for _ in tqdm(pool.imap_unordered(do, todo), total=len(todo), mininterval=10):
            pass


def summary(cells: list[Cell]) -> dict[str, Any]:
    """Scores of the same cell over seeds: every one, their mean, and a bootstrap interval."""
    found = [json.loads(cell.kept().read_text(encoding="utf-8")) for cell in cells]
    metric = "pearson" if "pearson" in found[0] else "accuracy"
    scores = [one[metric] for one in found]
    low, high = interval(scores)
    mean = sum(scores) / len(scores)
    return {
        "metric": metric,
        "scores": scores,
        "mean": round(mean, 4),
        "interval": [round(low, 4), round(high, 4)],
    }


def sized(task: str, n: int, **more: Any) -> Cell:
    """A cell with n examples; the usual number is the usual cell."""
    return Cell(task, 0, n=0 if n == SIZES[task][0] else n, **more)


def over_seeds(cell: Cell) -> list[Cell]:
    """The cell once for every seed."""
    return [replace(cell, seed=seed) for seed in SEEDS]


def measure(name: str, grid: dict[str, dict[str, Cell]], jobs: int, **more: Any) -> None:
    """Run a grid of cells over all seeds and write its record."""
    rows = {row: {k: over_seeds(c) for k, c in cells.items()} for row, cells in grid.items()}
    every = [cell for cells in rows.values() for group in cells.values() for cell in group]
    run_cells(every, jobs)
    record = {
        "command": f"python data/measure.py {name}",
        "seeds": list(SEEDS),
        "hardware": hardware(torch.device("cpu")),
        "recipe": asdict(RECIPE),
        "rates": RATES,
        "sizes": SIZES,
        **more,
        "rows": {
            row: {k: summary(group) for k, group in cells.items()} for row, cells in rows.items()
        },
    }
    write_json(RECORDS / f"{name}.json", record)


def table5(jobs: int) -> None:
    """GPT-1's Table 5 in shape."""
    at = Cell("mood", 0)
    rows = {
        "full": at,
        "no pre-training": replace(at, body="scratch"),
        "no auxiliary objective": replace(at, aux=0.0),
        "LSTM": replace(at, body="lstm"),
        "GPT, LSTM's budget": replace(at, body="002000"),
    }
    tasks = dict.fromkeys(rows, TASKS) | {"GPT, LSTM's budget": TASKS[:2]}
    grid = {
        row: {task: replace(cell, task=task) for task in tasks[row]} for row, cell in rows.items()
    }
    for row in ("full", "no pre-training"):  # where similarity needs more labels than the others
        grid[f"{row}, 600"] = {"similarity": replace(rows[row], task="similarity", n=600)}
    run = json.loads((LSTM_RUN / "run.json").read_text(encoding="utf-8"))
    measure("table5", grid, jobs, lstm=run)


def choices(jobs: int) -> None:
    """What is trained; where the head reads; the delimiter."""
    mood, pairs = Cell("mood", 0), Cell("entailment", 0)
    grid = {
        "trained": {what: replace(mood, train=what) for what in ("all", "head+marks", "head")},
        "place": {place: replace(mood, place=place) for place in ("extract", "mean", "start")},
        "delimiter": {"with": pairs, "without": replace(pairs, delimiter=False)},
    }
    measure("choices", grid, jobs)


def aux(jobs: int) -> None:
    """The auxiliary objective against the number of labels."""
    sizes = {"mood": (75, 300, 600), "entailment": (75, 300)}
    grid = {
        f"{task}, λ = {weight}": {str(n): sized(task, n, aux=weight) for n in sizes[task]}
        for task in sizes
        for weight in (0.5, 0.0)
    }
    measure("aux", grid, jobs)


def layers(jobs: int) -> None:
    """The score against the number of blocks kept (GPT-1 §5, Figure 2, left)."""
    cells = {str(n): Cell("mood", 0, n_blocks=n) for n in range(4)}
    grid = {"mood": {"nothing": Cell("mood", 0, body="scratch"), **cells, "4": Cell("mood", 0)}}
    measure("layers", grid, jobs)


def labels(jobs: int) -> None:
    """The score against the number of labels."""
    sizes = (35, 75, 150, 300, 600)
    grid = {
        name: {str(n): sized("mood", n, body=body) for n in sizes}
        for name, body in (("pre-trained", "tales-gpt1"), ("from scratch", "scratch"))
    }
    measure("labels", grid, jobs)


def real(jobs: int) -> None:
    """Two tasks of GPT-1's own table, on real text; needs the sets sst2 and rte."""
    grid = {
        name: {task: Cell(task, 0, body=body) for task in ("sst2", "rte")}
        for name, body in (("pre-trained", "tales-gpt1"), ("from scratch", "scratch"))
    }
    measure("real", grid, jobs)


def zeroshot(jobs: int) -> None:
    """Heuristics without any training, along the pre-training run (GPT-1 §5, Figure 2, right)."""
    points = {}
    for folder in tqdm(sorted((PRETRAINED / "at").iterdir())):
        model, tokenizer = load(folder)
        points[str(int(folder.name))] = zero_shot(model, tokenizer, n=200)
    torch.manual_seed(0)
    points = {"0": zero_shot(GPT(model.config).eval(), tokenizer, n=200), **points}
    record = {
        "command": "python data/measure.py zeroshot",
        "hardware": hardware(torch.device("cpu")),
        "n": 200,
        "chance": {name: heuristic.chance for name, heuristic in HEURISTICS.items()},
        "points": points,
    }
    write_json(RECORDS / "zeroshot.json", record)


def lstm(jobs: int, steps: int = 2000, batch_size: int = 8, seed: int = 0) -> None:
    """Pre-train the LSTM as tales-gpt1 was trained for its first 2,000 updates.

    Same tokens, batches and schedule, which ends at update 12,000; the learning rate is its own.
    """
    streams = next(path.parent for path in PRETRAINED.glob("data/*/train.json"))
    valid = TokenStream.open(streams / "valid").tokens[:20_000]
    torch.manual_seed(seed)
    model = LSTM(LSTM_SHAPE)
    batches = Batches(TokenStream.open(streams / "train"), batch_size, LSTM_SHAPE.n_ctx, seed)
    optim = OptimConfig(lr=2e-3, betas=(0.9, 0.95), warmup=400, decay_steps=12_000)
    held_out, seconds = [], 0.0
    bar = tqdm(total=steps, mininterval=10)
    for step in fit(model, batches, optim, steps, precision="bf16", seed=seed):
        seconds += batch_size * LSTM_SHAPE.n_ctx / step.tokens_per_s
        bar.set_postfix_str(f"loss {step.loss:.4f}", refresh=False)
        bar.update()
        if step.step % 500 == 0 or step.step == steps:
            held_out.append([step.step, round(evaluate(model, valid).nats_per_token, 4)])
    LSTM_RUN.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), LSTM_RUN / "model.safetensors")
    record = {
        "command": "python data/measure.py lstm",
        "seed": seed,
        "hardware": hardware(model.device),
        "n_params": model.n_params(),
        "tokens": step.tokens,
        "seconds": round(seconds, 2),
        "held_out": held_out,
    }
    write_json(LSTM_RUN / "run.json", record)


MEASURES = (lstm, table5, choices, aux, layers, labels, zeroshot, real)

if __name__ == "__main__":
    names, jobs = sys.argv[1:], 1
    if "--jobs" in names:
        at = names.index("--jobs")
        jobs = int(names[at + 1])
        del names[at : at + 2]
    known = {function.__name__: function for function in MEASURES}
    if not names or not set(names) <= set(known):
        raise SystemExit(__doc__)
    torch.set_num_threads(1)
    for name in names:
        known[name](jobs)

"""Measure what chapters claim, as grids on the bench: python data/measure.py NAME ... [--jobs N]

A chapter re-measures a small part live where it can; what takes longer than a chapter may take is
measured here and written to data/runs/<NAME>.json, every candidate included. Results of
single runs are kept in runs/measure, so what was stopped goes on, and grids share what they have in
common; what a record holds is not run again unless `--fresh` asks for it. `--sample` runs one
condition of every grid once more, with its recorded choice, and fails where the score is not as
recorded (`make measure-sample`).

    rivals     an LSTM and a GPT of one size, pre-trained on the same million tokens
    depth      pre-LN and post-LN against depth, warm-up and learning rate; residual scaling; ln_f
    beginnings gradients and the stream by depth in the networks of `depth`, before any update
    ladder     a learning rate for each size of tales-gpt2; ship.py trains them with it
    scaling    three sizes of network on up to five amounts of text, for chapter 12's laws
    seal       the losses of larger runs, foretold from `scaling` before they are made
    larger     those runs
    table5     full, no pre-training, no auxiliary objective; words and the commonest label
    choices    what is trained, where the head reads, with and without the delimiter
    aux        λ = 0 and 0.5 at several training-set sizes
    layers     the score against the number of blocks kept
    labels     the score against the number of labels, with and without pre-training
    real       SST-2 and RTE, with and without pre-training
    sparse     dense, banded, fixed and two of them in turn, at a context several tales long
    demonstrations  answers to questions, by the share of documents that show how, and by size
    shots      answers behind demonstrations in the prompt, by size, by what the corpus holds
    names      which head brings a name back that was read once, known names or invented ones
    leaked     the score on questions that were in the text, and on those that were not
    shifted    fine-tuned and prompted, where a cue of the labelled rows holds and where it does not
    obeying    requests met by networks as they are, prompted, and taught by demonstrations
    judging    reward models by comparisons, noise, size, by what labelers like besides
    optimizing PPO on a learned reward by the price of distance, the true reward watched
    choosing   best-of-n by the same reward models
    decoding   stories that hold together and differ, by temperature, top-k, top-p, beam, penalty
    zeroshot   heuristics without any training, along the pre-training run
    counting   n-grams at their best, counted from all that tales-gpt1 has read

`zeroshot` needs runs/tales-gpt1, which `python data/ship.py tales-gpt1` leaves behind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import grids_alignment
import grids_decoding
import grids_demonstrations
import grids_finetuning
import grids_in_context
import grids_pretraining
import grids_scaling
import grids_sparse
import torch

from gptcore import GPT, load
from gptcore.checkpoint.shipped import run_record
from gptcore.experiments import Record, again, measure
from gptcore.experiments.grids import SELECT_SEED
from gptcore.experiments.tuning import RECIPE, fine_tuned
from gptcore.scoring.ngrams import best_ngram
from gptcore.scoring.zeroshot import HEURISTICS, zero_shot
from gptcore.tales import split, tales
from gptcore.text.streams import TokenStream
from gptcore.train.corpus import DataConfig, prepare
from gptcore.train.record import hardware, write_json

ROOT = Path(__file__).resolve().parent.parent
RUNS, RECORDS = ROOT / "runs", ROOT / "data" / "runs"
SHIPPED, TALES = "tales-gpt1", 100_000
ORDERS = (2, 3, 4, 5)  # five of 2,048 tokens is as long as whole numbers of 64 bits reach
RAW = argparse.RawDescriptionHelpFormatter


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


def counting() -> None:
    """N-grams of the order and discount that suit other stories best, beside the shipped model."""
    run = run_record(SHIPPED)
    _, tokenizer = load(SHIPPED)
    data = DataConfig(tales=TALES, held_out=0.01)
    with tempfile.TemporaryDirectory() as folder:
        corpus = prepare(data, tokenizer.vocab_size, folder, tokenizer=tokenizer)
        others = (tale.text for tale in tales(200, start=split("valid").start + TALES // 100))
        choosing = TokenStream.write(Path(folder) / "choosing", others, tokenizer)
        texts = (corpus.train.tokens, choosing.tokens, corpus.valid.tokens)
        if len(texts[2]) - 1 != run["held_out"]["n_tokens"]:
            sys.exit(f"{len(texts[2])} held-out tokens are not those of the shipped model")
        found = [best_ngram(*texts, tokenizer.vocab_size, orders=[n]) for n in ORDERS]
    content = {
        "command": "python data/measure.py counting",
        "hardware": hardware(torch.device("cpu")),
        "tokens": {"read": len(texts[0]), "choosing": len(texts[1]), "held_out": len(texts[2])},
        "orders": [{k: round(v, 4) for k, v in asdict(one).items()} for one in found],
    }
    write_json(RECORDS / "counting.json", content)


def seal() -> None:
    """Foretell the losses of larger runs from the record `scaling`, once and beforehand."""
    if grids_scaling.SEALED.exists():
        sys.exit(f"{grids_scaling.SEALED.name} is there: a prediction is made once")
    found = on_record("scaling")
    if found is None:
        sys.exit("scaling is not on record: python data/measure.py scaling")
    told = {"command": "python data/measure.py seal", **grids_scaling.prediction(found)}
    write_json(grids_scaling.SEALED, told)
    for name, run in told["runs"].items():
        print(f"{name}: {run['loss']} ({run['interval'][0]} to {run['interval'][1]})")


ALL = (
    *grids_finetuning.GRIDS,
    *grids_pretraining.GRIDS,
    *grids_decoding.GRIDS,
    *grids_demonstrations.GRIDS,
    *grids_scaling.GRIDS,
    *grids_sparse.GRIDS,
    *grids_in_context.GRIDS,
    *grids_alignment.GRIDS,
)
GRIDS = {grids.__name__: grids for grids in ALL}
OTHERS = {"zeroshot": zeroshot, "counting": counting, "seal": seal}


def on_record(name: str) -> Record | None:
    """The record of that name, if there is one and a bench made it."""
    path = RECORDS / f"{name}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    rows = content.get("rows")
    tidy = isinstance(rows, list) and all("condition" in row for row in rows)
    return Record.of(content) if tidy else None


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
        said = budgets.setdefault(grid.run.__name__, grid.budget)
        if grid.budget not in said:
            budgets[grid.run.__name__] = f"{said}; {grid.budget}"
    about = {
        "name": name,
        "command": f"python data/measure.py {name}",
        "seeds": sorted({row["seed"] for row in rows} - {SELECT_SEED}),
        "select_seed": SELECT_SEED,
        "budget": budgets,
        "minutes": round(sum({row["key"]: row["seconds"] for row in rows}.values()) / 60, 1),
        "hardware": hardware(torch.device("cpu")),
    }
    if fine_tuned.__name__ in budgets:
        about |= {"recipe": asdict(RECIPE), "sizes": grids_finetuning.SIZES}
    if name == "larger":
        about |= {"sealed": grids_scaling.seal_of()}
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

"""Compare fine-tuning with transformers' Trainer: same weights, batches, optimizer and threads.

Both fine-tune the shipped model on the moods of Tales, in fp32 and without the auxiliary
objective, which the Trainer does not have. A round is so many updates of each from the same
weights, the first ones not counted; rounds alternate. Without dropout the losses must be equal at
every update, or the run stops. The last line says what the auxiliary objective costs us.

    python bench/finetuning.py
    python bench/finetuning.py --quick      batches of four, a few updates
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import torch
from peers.timing import Run, alternate, header, options, report
from peers.trainer import Mark, train, twin

from gptcore import load
from gptcore.labelled import labelled
from gptcore.optim import OptimConfig
from gptcore.text.inputs import TaskBatches
from gptcore.train.finetune import RecipeConfig, Tuning
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import fit

MODEL, TASK = "tales-gpt1", "tales-mood"
OPTIM = OptimConfig(lr=5e-4, warmup=0, schedule="constant", weight_decay=0.01, clip=1.0)
WARM = 2  # updates of a round that are not counted


class Size(NamedTuple):
    """How much is measured."""

    batch_size: int
    updates: int
    """Counted ones, per round."""
    rounds: int


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, runs=6).parse_args()
    torch.set_num_threads(chosen.threads)
    size = Size(4, 2, 2) if chosen.quick else Size(32, 8, chosen.runs)
    print(f"Fine-tuning step, {chosen.threads} threads, against transformers' Trainer")
    header("ms")
    compare_time(0.0, size)
    costs = compare_time(RecipeConfig().dropout, size)
    print(f"The auxiliary objective (lambda = {RecipeConfig().aux}) adds {costs:.0%} to our step")


def compare_time(dropout: float, size: Size) -> float:
    """Time rounds of both, and of ours with the auxiliary objective: what part that adds."""
    plain, with_aux = (tuning(dropout, aux, size) for aux in (0.0, RecipeConfig().aux))
    batches = [next(plain.batches) for _ in range(WARM + size.updates)]
    theirs = twin(plain.model)
    calls: dict[str, Callable] = {
        "ours": lambda: ours(plain, len(batches)),
        "theirs": lambda: train(theirs, batches, OPTIM),
        "with aux": lambda: ours(with_aux, len(batches)),
    }
    threads = torch.get_num_threads()
    timed = {name: per_update(runs) for name, runs in alternate(size.rounds, calls).items()}
    assert torch.get_num_threads() == threads, "the Trainer has changed the number of threads"
    if not dropout:
        check_equal(timed["ours"], timed["theirs"])
    longest = max(batch.ids.shape[1] for batch in batches)
    name = f"{size.batch_size} moods of up to {longest} tokens, dropout {dropout:g}"
    report(name, timed["ours"], timed["theirs"], ">= 1x", 1000)
    return (
        median(a.wall / b.wall for a, b in zip(timed["with aux"], timed["ours"], strict=True)) - 1
    )


def tuning(dropout: float, aux: float, size: Size) -> Tuning:
    """The shipped model with a new head, ready to be fine-tuned."""
    recipe = RecipeConfig(batch_size=size.batch_size, dropout=dropout, aux=aux)
    data = labelled(TASK, n_train=256, n_valid=0, n_test=0)
    return Tuning(*load(MODEL), data, recipe)


def ours(tuning: Tuning, updates: int) -> tuple[list[Mark], list[float]]:
    """`fit` on a copy of the model, from the first batch on: when each update ended; its loss."""
    batches = TaskBatches(tuning.batches.examples, tuning.batches.batch_size, tuning.batches.seed)
    marks, losses = [], []
    with KeptMemory():  # as `gptcore finetune` does
        for step in fit(copy.deepcopy(tuning.model), batches, OPTIM, updates):
            marks.append(Mark.now())
            losses.append(step.loss)
    return marks, losses


def per_update(runs: Sequence[Run]) -> list[Run]:
    """Each round with the mean time of an update that counts, in place of the whole round's."""
    for run in runs:
        marks, _ = run.result
        first, last = marks[WARM - 1], marks[-1]
        updates = len(marks) - WARM
        run.wall, run.cpu = (last.wall - first.wall) / updates, (last.cpu - first.cpu) / updates
    return list(runs)


def check_equal(ours: Sequence[Run], theirs: Sequence[Run]) -> None:
    """Stop where the two do not compute the same."""
    for a, b in zip(ours, theirs, strict=True):
        for one, other in zip(a.result[1], b.result[1], strict=True):
            assert abs(one - other) < 1e-4, f"losses differ: {one} and {other}"


if __name__ == "__main__":
    main()

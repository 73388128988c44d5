"""Compare supervised fine-tuning and reward models with TRL's SFTTrainer and RewardTrainer.

Same weights, rows, batches of 32 prompts, optimizer and threads, fp32, no dropout, no gradient
checkpointing: requests for brief tales with a demonstration each, or with responses to compare. A
round is so many updates of each from the same weights, the first ones not counted; rounds
alternate. The losses must be equal at every update, or the run stops. TRL's default loss computes
logits twice to save memory, so it is compared with its plain one too. Where a prompt has four
responses (of batches of 8), TRL reads each as often as it is compared.

TRL is compared with where it is installed: pip install --no-deps trl==1.12.0.

    python bench/stages.py
    python bench/stages.py --quick      the smaller network, a few updates
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from finetuning import WARM, check_equal, per_update
from peers.timing import alternate, header, options, report
from peers.trainer import Mark

from gptcore import GPT, PRESETS, Tokenizer, load
from gptcore.heads.reward import RewardModel
from gptcore.labelled.dialogues import Comparison, Demonstration
from gptcore.optim import OptimConfig
from gptcore.tales.requests import Request, requests
from gptcore.text.dialogue_rows import RowBatches, lessons, of_lessons, of_ranked, ranked
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import fit

N_CTX = 256
OPTIM = OptimConfig(lr=3e-4, warmup=0, schedule="constant", weight_decay=0.0, clip=1.0)
TARGET = ">= 1.15x"


class Size(NamedTuple):
    """How much is measured."""

    batch_size: int
    updates: int
    """Counted ones, per round."""
    rounds: int


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, runs=5).parse_args()
    torch.set_num_threads(chosen.threads)
    size = Size(4, 2, 1) if chosen.quick else Size(32, 8, chosen.runs)
    print(f"SFT and reward models, batches of {size.batch_size}, {chosen.threads} threads")
    header("ms")
    try:
        import peers.trl_stages  # noqa: F401
    except ImportError:
        print("TRL is not here: pip install --no-deps trl==1.12.0")
        return
    for name in ("tales-gpt2-300k", "tales-gpt2-1m")[: 1 if chosen.quick else None]:
        compare_sft(name, size)
        compare_reward(name, 2, size, TARGET)
        compare_reward(name, 4, size._replace(batch_size=max(1, size.batch_size // 4)), "")


def network(name: str) -> tuple[GPT, Tokenizer]:
    """Random weights, and the ladder's tokenizer."""
    torch.manual_seed(0)
    _, tokenizer = load(name)
    return GPT(replace(PRESETS[name], n_ctx=N_CTX, dropout=0.0)), tokenizer


def asked(n: int) -> list[Request]:
    """Requests."""
    return list(requests(n))


def compare_sft(name: str, size: Size) -> None:
    """Demonstrations; against both of TRL's losses."""
    from peers.trl_stages import sft

    model, tokenizer = network(name)
    n = size.batch_size * (WARM + size.updates)
    told = [Demonstration(one.prompt, one.demonstration) for one in asked(n)]
    rows = lessons(told, tokenizer, N_CTX, longest_prompt=N_CTX).rows
    calls: dict[str, Callable[[], Any]] = {"ours": lambda: ours(model, rows, of_lessons, size)}
    for loss in ("chunked_nll", "nll"):
        calls[loss] = lambda loss=loss: sft(
            model, tokenizer, in_order(rows, size), size.batch_size, OPTIM, loss
        )
    timed = alternate(size.rounds, calls)
    for loss in ("chunked_nll", "nll"):
        check_equal(timed["ours"], timed[loss])
    found = {what: per_update(runs) for what, runs in timed.items()}
    report(f"{name}, SFT, against TRL", found["ours"], found["chunked_nll"], TARGET, 1000)
    report(f"{name}, SFT, against TRL's plain loss", found["ours"], found["nll"], TARGET, 1000)


def compare_reward(name: str, k: int, size: Size, target: str) -> None:
    """Each prompt with k responses, its own demonstration and those of other requests."""
    from peers.trl_stages import reward

    model, tokenizer = network(name)
    judge = RewardModel(model)
    n = size.batch_size * (WARM + size.updates)
    told, items = asked(2 * n), []
    for i, one in enumerate(told):
        responses = dict.fromkeys(other.demonstration for other in told[i : i + k])
        if len(responses) == k and len(items) < n:  # equal ones are no pair
            items.append(Comparison(one.prompt, tuple(responses), tuple(range(k))))
    rows = ranked(items, tokenizer, N_CTX, longest_prompt=N_CTX).rows
    calls = {
        "ours": lambda: ours(judge, rows, of_ranked, size),
        "theirs": lambda: reward(judge, tokenizer, in_order(rows, size), size.batch_size, OPTIM),
    }
    timed = alternate(size.rounds, calls)
    check_equal(timed["ours"], timed["theirs"])
    found = {what: per_update(runs) for what, runs in timed.items()}
    what = f"{name}, reward model, {k} responses, against TRL"
    report(what, found["ours"], found["theirs"], target, 1000)


def ours(
    model: Any, rows: list[Any], collate: Callable[..., Any], size: Size
) -> tuple[list[Mark], list[float]]:
    """`fit` on a copy of the model, from the first batch on: when each update ended; its loss."""
    batches = RowBatches(rows, size.batch_size, collate)
    marks, losses = [], []
    with KeptMemory():  # as `gptcore sft` does
        for step in fit(copy.deepcopy(model), batches, OPTIM, WARM + size.updates):
            marks.append(Mark.now())
            losses.append(step.loss)
    return marks, losses


def in_order(rows: list[Any], size: Size) -> list[Any]:
    """The rows one after the other, as our batches take them."""
    batches = RowBatches(rows, size.batch_size, tuple)
    return [row for _ in range(WARM + size.updates) for row in next(batches)]


if __name__ == "__main__":
    main()

"""Compare iterations of PPO with a plain transformers loop, and with TRL's PPOTrainer.

64 prompts of 8 to 39 tokens, responses of up to 48, four minibatches, one epoch, no dropout, fp32,
no gradient checkpointing; policy, reference and value function of one shape, two sizes of the
course's ladder. A function scores the responses, but TRL's wants a network: there the reward model
is one of the same shape, and so is ours. Rows tell milliseconds per thousand tokens of responses:
in which they are drawn, and in which they are learned from, reference and values included.

TRL is compared with where it is installed; its last version with a PPOTrainer needs no other
packages than transformers': pip install --no-deps trl==1.12.0.

    python bench/ppo.py
    python bench/ppo.py --quick    the smaller network, one run
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from peers.plain_ppo import PlainPPO, Spent
from peers.timing import header, line, options

from gptcore import GPT, PRESETS, Tokenizer, load
from gptcore.heads.reward import Judge, RewardModel
from gptcore.train.ppo import ppo
from gptcore.train.ppo_config import PPOConfig, PPOStep

N_PROMPTS, N_NEW, MINIBATCHES = 64, 48, 4
LENGTHS = [8 + i % 32 for i in range(N_PROMPTS)]
TARGET = ">= 1.5x"
WORDS = "the little fox sat by the river and asked an old bear where all of the honey had gone . "


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, runs=3).parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"PPO, {N_PROMPTS} prompts, up to {N_NEW} new tokens, {chosen.threads} threads")
    header("ms")
    runs = 1 if chosen.quick else chosen.runs
    for name in ("tales-gpt2-300k", "tales-gpt2-1m")[: 1 if chosen.quick else None]:
        against_a_plain_loop(name, runs)
        if not chosen.quick:
            against_trl(name, runs)


def network(name: str) -> tuple[GPT, Tokenizer, list[str]]:
    """A network of random weights, the ladder's tokenizer, and prompts of all lengths."""
    torch.manual_seed(0)
    config, (_, tokenizer) = replace(PRESETS[name], n_ctx=128), load(name)
    words = WORDS.split()
    prompts = []
    for n in LENGTHS:  # of ours an empty line is a part
        text = " ".join((words * 3)[:n])
        while len(tokenizer.encode(text + "\n\n")) > n:
            text = text.rpartition(" ")[0]
        prompts.append(text)
    return GPT(config), tokenizer, prompts


def ours(
    model: GPT, tokenizer: Tokenizer, prompts: list[str], reward: Callable[..., Any], value: Any
) -> Iterator[PPOStep]:
    """Our iterations."""
    config = PPOConfig(
        steps=10**6, batch_size=len(prompts), minibatches=MINIBATCHES, max_new_tokens=N_NEW, lr=1e-4
    )
    return ppo(model, tokenizer, prompts, reward, config, value=value)


class Mine:
    """Our iterations, one at a time, and what each took."""

    def __init__(self, steps: Iterator[PPOStep]) -> None:
        self.steps, self.found, self.before = steps, [], 0

    def iterate(self, scoring: bool) -> None:
        """One more; `scoring`: the seconds of the reward count as a part of the update."""
        step = next(self.steps)
        n, self.before = step.tokens - self.before, step.tokens
        rollout, update = n / step.rollout_tokens_per_s, n / step.update_tokens_per_s
        if scoring:
            update = n / step.tokens_per_s - rollout
        self.found.append(Spent(n, rollout, update))


def against_a_plain_loop(name: str, runs: int) -> None:
    """In turn; the first iteration of each is not counted."""
    model, tokenizer, prompts = network(name)
    ids = [tokenizer.encode(text + "\n\n") for text in prompts]
    plain = PlainPPO(model, ids, tokenizer.eot, N_NEW, MINIBATCHES)
    mine = Mine(ours(model, tokenizer, prompts, lambda p, r: [len(x) / 100 for x in r], None))
    theirs = []
    for _ in range(runs + 1):
        mine.iterate(scoring=False)
        theirs.append(plain.iterate(lambda tokens: tokens.float().mean(1) / 1000))
    tell(name, mine.found, theirs, "plain loop", "")


def against_trl(name: str, runs: int) -> None:
    """Ours take their turns inside their trainer, between its iterations."""
    try:
        from peers.trl_ppo import iterations
    except ImportError:
        print("TRL's PPOTrainer is not here: pip install --no-deps trl==1.12.0")
        return
    model, tokenizer, prompts = network(name)
    judge = Judge(RewardModel(network(name)[0]), tokenizer)
    mine = Mine(ours(copy.deepcopy(model), tokenizer, prompts, judge.score, judge.model))
    theirs = iterations(
        model,
        judge.model,
        tokenizer,
        prompts,
        N_NEW,
        MINIBATCHES,
        runs + 1,
        lambda: mine.iterate(scoring=True),
    )
    tell(name, mine.found[: runs + 1], theirs, "TRL", TARGET)


def tell(name: str, mine: list[Spent], theirs: list[Spent], peer: str, target: str) -> None:
    """Milliseconds per thousand tokens, the first iteration left out, and their ratio."""
    for part in ("rollout", "update"):
        a, b = (
            median(1e6 * getattr(one, part) / one.tokens for one in found[1:])
            for found in (mine, theirs)
        )
        line(f"{name}, {part}, against {peer}", a, b, target)


if __name__ == "__main__":
    main()

"""The grids of chapters 14 to 16: demonstrations, reward models, policies that learn from them.

Source: InstructGPT §3.5 and App. C; Gao et al. 2022; Coste et al. 2023.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gptcore.experiments import Condition, Grid
from gptcore.experiments.judging import judged
from gptcore.experiments.obeying import taught
from gptcore.experiments.optimizing import chosen_of, optimized

RATES = ({"lr": 1e-3}, {"lr": 3e-3}, {"lr": 6e-3})
SEEDS = (0, 1, 2)
POLICY = "tales-sft"


def obeying() -> list[Grid]:
    """Networks as they are, prompted, and taught by demonstrations."""

    def of(name: str, n: int, model: str = "tales-brief", **more: Any) -> Condition:
        how = {"epochs": 3.0, "batch_size": 32} if n else {}
        rates = RATES if n else tuple({"try": i} for i in range(len(RATES)))
        return Condition(name, {"model": model, "n": n, **how, **more}, rates)

    conditions = (
        of("as it is", 0),
        of("prompted", 0, prompted=True),
        of("1m prompted", 0, "tales-brief-1m", prompted=True),
        *(of(f"{n} demonstrations", n) for n in (300, 1000, 3000, 9000)),
        of("prompts scored, too", 3000, mask_prompt=False),
        of("1m, 3000 demonstrations", 3000, "tales-brief-1m"),
    )
    budget = "3 epochs; the rate of each chosen of three"
    return [Grid("obeying", taught, conditions, SEEDS, budget)]


def judge(labels: int = 1600, **more: Any) -> dict[str, Any]:
    """Settings of a reward model."""
    how = {"lr": 3e-3, "epochs": 1.0, "batch_size": 16}
    return {"policy": POLICY, "labels": labels, **how, **more}


def judging() -> list[Grid]:
    """Reward models by comparisons, by noise, by what labelers like, by how pairs are shuffled."""
    rates = ({"lr": 1e-3}, {"lr": 3e-3}, {"lr": 6e-3})
    tuned = Condition("1600", judge(), rates)
    others = {
        "100": judge(100),
        "400": judge(400),
        "4800": judge(4800),
        "no noise": judge(agree=1),
        "shuffled ranks": judge(ranks="shuffled"),
        "length liked": judge(bias=1.0),
        "pairs apart": judge(together=False),
        "1m": judge(body="tales-brief-1m"),
    }
    conditions = (
        tuned,
        *(Condition(name, s, chosen="1600") for name, s in others.items()),
    )
    budget = "1 epoch of rankings of 4; one rate, chosen of three for 1600"
    return [Grid("judging", judged, conditions, SEEDS, budget)]


def policy(name: str, beta: float, chosen: bool = True, **more: Any) -> Condition:
    """A run of PPO, named after what is different in it."""
    own = {"judge": judge(), **more}
    ppo = {"beta": beta, **own.pop("ppo", {})}
    settings = {"policy": POLICY, "ppo": ppo, **own}
    return Condition(name, settings, chosen="beta 0.05" if chosen else None)


def optimizing() -> list[Grid]:
    """Policies by the price of distance, by reward model, with pre-training text, in the limit."""
    conditions = (policy("beta 0.05", 0.05, chosen=False),)
    return [Grid("optimizing", optimized, conditions, SEEDS, "")]


def choosing() -> list[Grid]:
    """Best-of-n by the same reward models."""
    conditions = tuple(
        Condition(name, {"policy": POLICY, "judge": one})
        for name, one in {"1600": judge(), "400": judge(400), "length liked": judge(bias=1.0)}.items()
    )
    return [Grid("choosing", chosen_of, conditions, SEEDS, "64 replies to each request")]


GRIDS = (obeying, judging, optimizing, choosing)

"""The grids of chapters 14 to 16: demonstrations, reward models, policies that learn from them.

Source: InstructGPT §3.5 and App. C; Gao et al. 2022; Coste et al. 2023.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grids_finetuning import digest

from gptcore.experiments import Condition, Grid
from gptcore.experiments.judging import judged
from gptcore.experiments.obeying import taught
from gptcore.experiments.optimizing import chosen_of, optimized, preferred

RATES = ({"lr": 1e-3}, {"lr": 3e-3}, {"lr": 6e-3})
SEEDS, FIVE = (0, 1, 2), (0, 1, 2, 3, 4)
"""Five where three leave it open whether PPO is ahead of where it began, and what a learned reward
comes to."""
POLICY, BASIC = "tales-sft", "beta 0.05"
BODIES = (POLICY, "tales-brief", "tales-brief-1m")
"""Where policies and reward models begin."""


def obeying() -> list[Grid]:
    """Networks as they are, prompted, and taught by demonstrations."""
    own = "3000 demonstrations"

    def of(name: str, n: int, model: str = "tales-brief", **more: Any) -> Condition:
        how = {"epochs": 3.0, "batch_size": 32} if n else {}
        tuned = name == own or not more.get("mask_prompt", True)
        settings = {"model": model, "n": n, **how, **more}
        return Condition(name, settings, *((RATES,) if tuned else (({},), own)))

    conditions = (
        of("as it is", 0),
        of("prompted", 0, prompted=True),
        of("1m prompted", 0, "tales-brief-1m", prompted=True),
        *(of(f"{n} demonstrations", n) for n in (300, 1000, 3000, 9000)),
        of("prompts scored, too", 3000, mask_prompt=False),
    )
    budget = "3 epochs; a rate chosen of three for 3,000, with and without the prompts scored"
    weights = " ".join(map(digest, ("tales-brief", "tales-brief-1m")))
    return [Grid("obeying", taught, conditions, SEEDS, budget, weights)]


def judge(labels: int = 1600, **more: Any) -> dict[str, Any]:
    """Settings of a reward model."""
    how = {"lr": 3e-3, "epochs": 1.0, "batch_size": 16}
    return {"policy": POLICY, "labels": labels, **how, **more}


def judging() -> list[Grid]:
    """Reward models by comparisons, noise, what labelers like, how pairs are shuffled, and size."""
    conditions = {
        "1600": judge(),
        "400": judge(400),
        "shuffled ranks": judge(ranks="shuffled"),
        "length liked": judge(bias=1.0),
        "no noise": judge(agree=1),
        "3200": judge(3200),
        "pairs apart": judge(together=False),
        "from the base": judge(body="tales-brief"),
        "from the 1m base": judge(body="tales-brief-1m"),
    }
    budget = "1 epoch of rankings of 4, all at one rate"
    return [
        Grid(
            "judging",
            judged,
            tuple(Condition(*one) for one in conditions.items()),
            SEEDS,
            budget,
            " ".join(map(digest, BODIES)),
        )
    ]


def policy(name: str, beta: float, reward: dict[str, Any], **more: Any) -> Condition:
    """A run of PPO, named after what is different in it."""
    ppo = {"beta": beta, **more.pop("ppo", {})}
    settings = {"policy": POLICY, "ppo": ppo, "judge": reward, **more}
    return Condition(name, settings, chosen=BASIC)


def optimizing() -> list[Grid]:
    """Policies by the price of distance, by judge, with text, after a second round of labels; GRPO
    and DPO beside them."""
    basic = {"policy": POLICY, "ppo": {"beta": 0.05}, "judge": judge()}
    group = {"advantage": "group", "batch_size": 16, "n_samples": 4}
    grouped = {"policy": POLICY, "ppo": {"beta": 0.05, **group}, "judge": judge()}
    rates = tuple({"lr": lr} for lr in (2.5e-4, 5e-4, 1e-3))
    conditions = (
        Condition(BASIC, basic, rates, seeds=FIVE),
        replace(policy("beta 0", 0.0, judge()), seeds=FIVE),
        policy("beta 0.05, shuffled ranks", 0.05, judge(ranks="shuffled")),
        policy("beta 0.2", 0.2, judge()),
        policy("beta 2", 2.0, judge()),
        policy("beta 0.05, text", 0.05, judge(), ppo={"ptx": 1.0}),
        policy("beta 0.05, demonstrations", 0.05, judge(), ppo={"ptx": 1.0}, text="demonstrations"),
        policy("beta 0, shuffled ranks", 0.0, judge(ranks="shuffled")),
        policy("beta 0, 400 labels", 0.0, judge(400)),
        policy("beta 0, length liked", 0.0, judge(bias=1.0)),
        policy("beta 0, no noise", 0.0, judge(agree=1)),
        policy("beta 0, worst of three", 0.0, judge(), judges=3, how="worst"),
        policy("beta 0, from the base", 0.0, judge(body="tales-brief")),
        policy("beta 0, from the 1m base", 0.0, judge(body="tales-brief-1m")),
        *(
            policy(f"{name}, {how}", beta, judge(3200), again={"after": after, "shown": shown})
            for name, beta, after in (("beta 0", 0.0, 40), (BASIC, 0.05, 100))
            for how, shown in (("3200 labels", False), ("second round", True))
        ),
        Condition("GRPO", grouped, tuple({"lr": lr} for lr in (3.1e-5, 6.25e-5, 1.25e-4))),
    )
    budget = "100 iterations of 64 replies; one rate, chosen of three where beta is 0.05"
    own = {"epochs": 1.0, "batch_size": 16, "beta": 0.1}
    direct = Condition(
        "DPO",
        {"policy": POLICY, "judge": judge(), **own},
        tuple({"lr": lr} for lr in (3e-5, 1e-4, 3e-4)),
    )
    weights = " ".join(map(digest, BODIES))
    return [
        Grid("optimizing", optimized, conditions, SEEDS, budget, weights),
        Grid(
            "optimizing",
            preferred,
            (direct,),
            SEEDS,
            "100 updates, the rankings read once; one rate, chosen of three",
            weights,
        ),
    ]


def choosing() -> list[Grid]:
    """Best-of-n by the same reward models."""
    judges = {"1600": judge(), "400": judge(400)}
    conditions = tuple(
        Condition(name, {"policy": POLICY, "judge": one}) for name, one in judges.items()
    )
    budget = "64 replies to each request"
    return [Grid("choosing", chosen_of, conditions, SEEDS, budget, digest(POLICY))]


GRIDS = (obeying, judging, optimizing, choosing)

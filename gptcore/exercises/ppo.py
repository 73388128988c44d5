"""The exercises of chapter 15, PPO: four functions with planted bugs, each of which has been seen.

Source: InstructGPT §3.5; Ziegler et al. 2019, released code (`train_policy.py`); PPO, equation 7;
GAE, equation 16. The bugs are those of published re-implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from gptcore.exercises.checking import Exercise, NotWritten, call, compare, compare_each
from gptcore.exercises.comparing import describe, equal
from gptcore.train.ppo_parts import gae, policy_loss, token_rewards, whiten

__all__ = ["EXERCISES"]

MASK = torch.tensor([[True, True, True, True], [True, True, False, False]])
NOTHING = "Nothing is repaired so far: all {} bugs are there. {}"


def _subsets(
    make: Callable[..., Any], bugs: Mapping[str, str], elsewhere: Mapping[str, str]
) -> dict[str, Any]:
    """What is wrong, in words -> what comes out, for some of the planted bugs but not for all."""
    found = {}
    for count in range(1, len(bugs)):
        for first, *others in combinations(bugs, count):
            more = "".join(f" And that is not all: look at {elsewhere[b]}." for b in others)
            found[bugs[first] + more] = make(first, *others)
    return found


# 15.1

SIGN = (
    "The price has the wrong sign: a token that the policy likes more than the reference does "
    "earns something, and the policy is paid for going away."
)
COLUMN = (
    "The score stands in the last column. A response that is shorter has a filler there: put the "
    "score on its last token."
)
FILLERS = "Where the mask is false there is no token, and it earns 0."
REWARD_BUGS = {"sign": SIGN, "column": COLUMN, "fillers": FILLERS}
IN_REWARDS = {
    "sign": "the sign of the price",
    "column": "where a short response has its score",
    "fillers": "what stands behind a response",
}


def _paid(case: tuple, *bugs: str) -> Tensor:
    """The rewards of tokens, with some of the planted bugs."""
    log_p, ref, scores, mask, beta = case
    found = -beta * (ref - log_p if "sign" in bugs else log_p - ref)
    found = found if "fillers" in bugs else torch.where(mask, found, 0.0)
    last = torch.full((len(mask),), mask.shape[1] - 1) if "column" in bugs else mask.sum(1) - 1
    found[torch.arange(len(mask)), last] += scores
    return found


def _rewards(answer: Any) -> str:
    log_p = torch.tensor([[-1.0, -0.5, -0.3, -0.2], [-0.7, -0.9, -2.0, -2.5]])
    ref = torch.tensor([[-1.2, -0.3, -0.7, -0.4], [-0.6, -1.5, -1.0, -3.0]])
    scores = torch.tensor([1.0, -0.4])
    for case in (
        (log_p, ref, scores, MASK, 0.5),
        (log_p.flip(0), ref.flip(0), scores, MASK.flip(0), 0.1),
        (log_p[:, :2], ref[:, :2], scores, torch.tensor([[True, False], [True, True]]), 0.0),
    ):
        got, want = call(answer, *case), token_rewards(*case)
        whole = torch.where(case[3], case[2][:, None], 0.0)
        price = -case[4] * torch.where(case[3], case[0] - case[1], 0.0)
        if case[4] == 0.5 and equal(got, _paid(case, *REWARD_BUGS), atol=1e-5):
            raise NotWritten(NOTHING.format("three", "Ask of each line what a filler gets of it."))
        first = price.clone()
        first[:, 0] += case[2]
        mistakes = {
            **_subsets(partial(_paid, case), REWARD_BUGS, IN_REWARDS),
            "Every token earns the score. It is paid once, for the whole response.": price + whole,
            "The score stands on the first token. It is known when the last one is there.": first,
            "The scores are missing.": price,
            "The price of the distance is missing: only the score is paid.": want - price,
            "β does not multiply the price.": want - price + (price / case[4] if case[4] else 0),
        }
        given = f"mask = {describe(case[3])}, scores = {describe(case[2])}, β = {case[4]}"
        compare(got, want, given=given, mistakes=mistakes)
    return (
        "The sum over a response is its score less β log(π / π_ref): InstructGPT's objective, paid "
        "out token by token."
    )


# 15.2

ADVANTAGE_BUGS = {
    "off": "What was expected is not taken off: an advantage says how much better than V it was.",
    "end": "Behind the last token stands a value. Nothing comes after it, so nothing is expected.",
    "returns": "The returns add up rewards alone. What a value function is taught is advantage "
    "plus value, which takes over what it expects later on.",
}
IN_ADVANTAGES = {
    "off": "what δ takes off",
    "end": "what is expected behind the last token",
    "returns": "the returns",
}


def _judged(case: tuple, *bugs: str) -> tuple[Tensor, Tensor]:
    """Advantages and returns of one response, with some of the planted bugs."""
    rewards, values, gamma, lam = case
    found, earned = torch.zeros_like(rewards), torch.zeros_like(rewards)
    later = to_go = 0.0
    for t in reversed(range(len(rewards))):
        end = values[-1] if "end" in bugs else 0.0
        following = values[t + 1] if t + 1 < len(values) else end
        delta = rewards[t] + gamma * following - (0.0 if "off" in bugs else values[t])
        found[t] = later = delta + gamma * lam * later
        earned[t] = to_go = rewards[t] + gamma * to_go
    return found, earned if "returns" in bugs else found + values


def _advantages(answer: Any) -> str:
    rewards = torch.tensor([-0.1, 0.1, -0.2, 0.9])
    values = torch.tensor([0.55, 0.4, 0.65, 0.6])
    for case in (
        (rewards, values, 0.9, 0.5),
        (rewards, values, 1.0, 0.95),
        (torch.tensor([0.5]), torch.tensor([0.2]), 1.0, 0.95),
    ):
        r, v, gamma, lam = case
        whole = torch.ones(1, len(r), dtype=torch.bool)
        right = gae(r[None], v[None], whole, gamma=gamma, lam=lam)[0]
        got = call(answer, *case)
        if gamma == 0.9 and equal(got, _judged(case, *ADVANTAGE_BUGS), atol=1e-5):
            raise NotWritten(
                NOTHING.format("three", "Write down the last token by hand: it has no next one.")
            )
        made = _subsets(
            lambda *bugs, case=case: _judged(case, *bugs), ADVANTAGE_BUGS, IN_ADVANTAGES
        )
        mistakes = [
            {
                **{cause: pair[0] for cause, pair in made.items()},
                "These are δ alone, as with λ = 0. Add what comes later, times γ λ.": gae(
                    r[None], v[None], whole, gamma=gamma, lam=0.0
                )[0],
                "λ is missing: what comes later counts γ λ.": gae(
                    r[None], v[None], whole, gamma=gamma, lam=1.0
                )[0],
                "γ is missing.": gae(r[None], v[None], whole, gamma=1.0, lam=lam)[0],
                "These are the returns. The advantages come first.": right + v,
            },
            {
                **{cause: pair[1] for cause, pair in made.items()},
                "These are the advantages once more. A return is advantage plus value.": right,
                "The values are taken off twice.": right - v,
            },
        ]
        given = f"rewards = {describe(r)}, values = {describe(v)}, γ = {gamma}, λ = {lam}"
        names = ("the advantages", "the returns")
        compare_each(got, (right, right + v), names, mistakes, given)
    return (
        "With λ = 1 the return is what was really earned from here on; with λ below 1 it leans on "
        "what the value function says of later tokens, which varies less."
    )


# 15.3

LOSS_BUGS = {
    "sign": "The sign is missing. An optimizer makes a loss smaller, and the objective is to grow.",
    "side": "Of the two the larger is taken. PPO takes the smaller: a token that got worse is "
    "never let off, and one that gained enough gains no more.",
    "mask": "Fillers are counted: behind a short response the ratio is no policy's. Take the mean "
    "where the mask is true.",
}
IN_LOSS = {"sign": "the sign", "side": "which of the two is taken", "mask": "what is averaged over"}


def _objective(case: tuple, *bugs: str) -> Tensor:
    """The policy's loss, with some of the planted bugs."""
    log_p, old, advantages, mask, clip = case
    ratio = (log_p - old).exp()
    plain, clipped = ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages
    found = (torch.maximum if "side" in bugs else torch.minimum)(plain, clipped)
    found = found.mean() if "mask" in bugs else found[mask].mean()
    return found if "sign" in bugs else -found


def _policy(answer: Any) -> str:
    ratios = torch.tensor([[1.1, 1.3, 0.7, 0.9], [0.6, 1.5, 2.0, 3.0]])
    old = torch.tensor([[-1.0, -0.5, -0.3, -0.2], [-0.7, -0.9, 0.0, 0.0]])
    advantages = torch.tensor([[-1.0, 1.0, -1.0, 1.0], [2.0, -0.5, 0.3, 0.1]])
    for case in (
        (old + ratios.log(), old, advantages, MASK, 0.2),
        (old + ratios.log(), old, -advantages, MASK, 0.1),
        (old[:1], old[:1], advantages[:1] + 0.5, MASK[:1], 0.2),
    ):
        log_p, drawn, gain, mask, clip = case
        got = call(answer, *case)
        if clip == 0.2 and len(log_p) == 2 and equal(got, _objective(case, *LOSS_BUGS), atol=1e-5):
            raise NotWritten(
                NOTHING.format("three", "Follow a token that gained, and then one that got worse.")
            )
        ratio = (log_p - drawn).exp()
        cut = ratio.clamp(1 - clip, 1 + clip) * gain
        kept = torch.where(mask, -torch.minimum(ratio * gain, cut), 0.0)
        mistakes = {
            **_subsets(partial(_objective, case), LOSS_BUGS, IN_LOSS),
            "The ratio is turned round: it is π / π_old.": _objective((drawn, log_p, *case[2:])),
            "Nothing is clipped.": -(ratio * gain)[mask].mean(),
            "Only the clipped one is left. A token that got worse must count in full.": (
                -cut[mask].mean()
            ),
            "These are sums. Take the mean over all tokens.": kept.sum(),
            "Each response is averaged by itself. Here every token counts alike.": (
                (kept.sum(1) / mask.sum(1)).mean()
            ),
            "A filler counts as a token with loss 0: divide by the number of tokens.": kept.mean(),
        }
        given = f"π / π_old = {describe(ratio)}, advantages = {describe(gain)}, ε = {clip}"
        want = policy_loss(log_p, drawn, gain, clip=clip, mask=mask)[0]
        compare(got, want, given=given, mistakes=mistakes)
    return (
        "You have PPO's objective. Where it is cut its gradient is 0, and the token is left alone "
        "until the next responses are drawn."
    )


# 15.4

WHITE_BUGS = {
    "mean": "The mean counts fillers. Take it where the mask is true.",
    "spread": "The spread counts fillers. Take it where the mask is true.",
    "fillers": FILLERS.replace("earns 0", "stays 0"),
}
IN_WHITE = {"mean": "the mean", "spread": "the spread", "fillers": "what stands behind a response"}


def _white(x: Tensor, mask: Tensor, *bugs: str) -> Tensor:
    """Whitened numbers, with some of the planted bugs."""
    mean = x.mean() if "mean" in bugs else x[mask].mean()
    spread = (x if "spread" in bugs else x[mask]).std(correction=0)
    found = (x - mean) / spread
    return found if "fillers" in bugs else torch.where(mask, found, 0.0)


def _whitened(answer: Any) -> str:
    x = torch.tensor([[-0.1, 0.3, -0.1, 0.3], [0.8, 0.2, 0.0, 0.0]])
    other = torch.tensor([[1.0, 4.0, 7.0], [-2.0, 0.5, 0.0]])
    for case in (
        (x, MASK),
        (other, torch.tensor([[True, True, True], [True, True, False]])),
        (x[:1], MASK[:1]),
    ):
        got = call(answer, *case)
        if case[0] is x and equal(got, _white(*case, *WHITE_BUGS), atol=1e-3):
            raise NotWritten(NOTHING.format("three", "How many numbers are tokens?"))
        own = case[0][case[1]]
        kept = torch.where(case[1], case[0] - own.mean(), 0.0)
        mistakes = {
            **_subsets(partial(_white, *case), WHITE_BUGS, IN_WHITE),
            "The variance is divided by n - 1. OpenAI's divides by n.": kept / own.std(),
            "This is divided by the variance. Divide by its root.": kept / own.var(correction=0),
            "The mean is still there.": torch.where(case[1], case[0] / own.std(correction=0), 0.0),
            "The spread is still there: only the mean is taken off.": kept,
        }
        given = f"x = {describe(case[0])}, mask = {describe(case[1])}"
        compare(got, whiten(*case), given=given, mistakes=mistakes, atol=1e-3)
    return (
        "Whitened advantages have the same size whatever the scale of the score, so a learning "
        "rate that suits one reward model suits another."
    )


EXERCISES = [
    Exercise("15.1", "What a token earns", "easy", 10, _rewards),
    Exercise("15.2", "Better than expected", "medium", 20, _advantages),
    Exercise("15.3", "A loss that lets go", "medium", 15, _policy),
    Exercise("15.4", "White without fillers", "medium", 15, _whitened),
]

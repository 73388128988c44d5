"""The formulas of PPO on language models, each a small function of tensors.

    rewards = token_rewards(log_p, ref, scores, mask, beta)      per token: -β KL, the score last
    advantages = gae(rewards, values, mask)                      how much better than expected
    policy_loss(log_p, old, advantages, clip=0.2, mask=mask)     what the policy minimises
    value_loss(values, old_values, advantages + old_values, ...) what the value function minimises

Responses of different lengths stand side by side as (B, R), the first token of each in column 0,
and a boolean mask of that shape says which entries are tokens. Entry t of the log-probabilities is
that of token t; entry t of the values is what is expected before token t is drawn.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms" (PPO), equations 7 and 9;
Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation"
(GAE), equation 16; Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences", §2
and its released code (`train_policy.py`); Ouyang et al. 2022 (InstructGPT), §3.5; Shao et al. 2024,
"DeepSeekMath" (GRPO), §4.1; Schulman 2020, "Approximating KL Divergence".
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

Estimator = Literal["k1", "k2", "k3"]
"""Of a KL divergence, from samples: see `kl_estimate`."""
EPSILON = 1e-8
"""Added to a variance before its root is divided by, as in Ziegler's code."""


def log_probs(logits: Tensor, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """The log-probability of each token under the distribution that it was drawn from.

    A policy that samples at a temperature is the softmax of its logits over that temperature;
    taken at another one, the ratio of two policies is not that of what they do.

    Args:
        logits: (..., V).
        tokens: (...) integers.
        temperature: of the sampling, above 0.

    Returns:
        (...), in nats.
    """
    flat = (logits if temperature == 1 else logits / temperature).flatten(0, -2)
    return -F.cross_entropy(flat, tokens.flatten(), reduction="none").view(tokens.shape)


def entropy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """The entropy of the distribution at a temperature: (..., V) -> (...), in nats."""
    log_p = (logits / temperature).log_softmax(dim=-1)
    return torch.special.entr(log_p.exp()).sum(dim=-1)  # -p log p, and 0 where p is 0


def kl_estimate(log_p: Tensor, ref: Tensor, kind: Estimator = "k1") -> Tensor:
    """KL(policy, reference) at each token, estimated from tokens that the policy drew.

    With r = p_ref / p: k1 = -log r has the right mean and a large variance; k2 = (log r)²/2 has a
    small one and a mean a little wrong; k3 = r - 1 - log r has the right mean, and is never below
    0. For two policies that are nearly one, r - 1 is a difference of nearly equal numbers; `expm1`
    computes it without losing them.

    Args:
        log_p, ref: log-probabilities of the drawn tokens under policy and reference, any shape.
        kind: which estimate.

    Returns:
        The same shape, in nats.

    Source: Schulman 2020, "Approximating KL Divergence"; GRPO uses k3 (Shao et al. 2024, eq. 4).
    """
    if kind not in get_args(Estimator):
        raise ValueError(f"kind={kind!r} must be one of {', '.join(get_args(Estimator))}")
    log_ratio = ref - log_p
    if kind == "k1":
        return -log_ratio
    if kind == "k2":
        return log_ratio.square() / 2
    return torch.expm1(log_ratio) - log_ratio


def token_rewards(log_p: Tensor, ref: Tensor, scores: Tensor, mask: Tensor, beta: float) -> Tensor:
    """What each token earns: -β (log π - log π_ref), and the last one the response's score too.

    Args:
        log_p, ref: (B, R) under the policy that drew the tokens, and under the reference.
        scores: (B,), one for each response.
        mask: (B, R) boolean, where tokens are. The last one is the stop token, or where the
            response has none, the token at which it was cut.
        beta: β, the price of a nat.

    Returns:
        (B, R), 0 where no token is. Their sum over a response is r(x, y) - β log(π / π_ref).

    Source: InstructGPT §3.5, equation 2, its first term; `compute_rewards` in Ziegler's code.
    """
    rewards = torch.where(mask, -beta * (log_p - ref), 0.0)
    last = mask.sum(dim=1, keepdim=True) - 1
    return rewards.scatter_add(1, last, scores[:, None].to(rewards.dtype))


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float = 1.0, lam: float = 0.95
) -> Tensor:
    """How much better each token was than expected: A_t = Σ_k (γλ)^k δ_{t+k}.

    δ_t = r_t + γ V_{t+1} - V_t, and after the last token nothing is expected: V = 0. With λ = 1 an
    advantage is what was earned from here on less what was expected; with λ = 0 it is δ_t alone.
    `advantages + values` is what the value function should have said.

    Args:
        rewards, values, mask: (B, R); what stands where no token is does not count.
        gamma: γ, the discount. InstructGPT has none.
        lam: λ.

    Returns:
        (B, R), 0 where no token is.

    Source: GAE, equations 11, 12 and 16; PPO, equations 11 and 12.
    """
    advantages = torch.zeros_like(rewards)
    later = following = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * following - values[:, t]
        later = torch.where(mask[:, t], delta + gamma * lam * later, 0.0)
        following = torch.where(mask[:, t], values[:, t], 0.0)
        advantages[:, t] = later
    return advantages


def group_advantages(scores: Tensor, n: int) -> Tensor:
    """How much better each response is than the others to its prompt, in standard deviations.

    Where all n earned the same there is nothing to tell them apart, and all get 0.

    Args:
        scores: (B n,), the n responses of a prompt one after the other.
        n: responses to each prompt, at least 2.

    Returns:
        (B n,), the same advantage for every token of a response.

    Source: GRPO, Shao et al. 2024, §4.1.2.
    """
    if n < 2 or len(scores) % n:
        raise ValueError(f"n={n} must be at least 2 and divide the {len(scores)} scores")
    groups = scores.view(-1, n)
    centred = groups - groups.mean(dim=1, keepdim=True)
    same = groups == groups[:, :1]
    spread = groups.std(dim=1, keepdim=True, correction=0)
    found = centred / (spread + EPSILON)
    return found.masked_fill(same.all(dim=1, keepdim=True), 0.0).view(-1)


def masked_mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mean over the entries where `mask` is true; None: over all. Of no entry it is 0.

    A mask of numbers says how much each entry counts.
    """
    if mask is None:
        return x.mean()
    if mask.dtype == torch.bool:
        return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)
    return (x * mask).sum() / mask.sum()


def whiten(x: Tensor, mask: Tensor, *, shift_mean: bool = True) -> Tensor:
    """The same numbers with variance 1, and mean 0 or, as OpenAI whitens rewards, the mean kept.

    Args:
        x, mask: of one shape.
        shift_mean: whether the mean becomes 0.

    Returns:
        The same shape, 0 where the mask is false. Numbers that are all equal stay without spread.

    Source: `utils.whiten` in Ziegler's code: the variance divides by the number of entries.
    """
    mean = masked_mean(x, mask)
    variance = masked_mean((x - mean).square(), mask)
    found = (x - mean) * torch.rsqrt(variance + EPSILON)
    return torch.where(mask, found if shift_mean else found + mean, 0.0)


def policy_loss(
    log_p: Tensor,
    old: Tensor,
    advantages: Tensor,
    *,
    clip: float = 0.2,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """PPO's clipped objective with the sign turned: mean max(-A ρ, -A clip(ρ, 1 - ε, 1 + ε)).

    ρ = π / π_old. Once a token has become 1 + ε times as likely as when it was drawn, there is
    nothing more to gain with it in this iteration; a token that got worse is never let off.

    Args:
        log_p: of the policy that learns, any shape.
        old: of the policy that drew the tokens, a constant.
        advantages: constants.
        clip: ε.
        mask: where tokens are, or how much each counts; None: everywhere, and all the same.

    Returns:
        The loss, and the share of tokens whose ratio the clip has cut, as scalars.

    Source: PPO, equation 7; Ziegler's code.
    """
    ratio = (log_p - old.detach()).exp()
    advantages = advantages.detach()
    plain, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    cut = (clipped > plain).to(ratio.dtype)
    return masked_mean(torch.maximum(plain, clipped), mask), masked_mean(cut, mask)


def value_loss(
    values: Tensor,
    old: Tensor,
    returns: Tensor,
    *,
    clip: float | None = 0.2,
    mask: Tensor | None = None,
) -> Tensor:
    """Half the squared error of the value function, a step beyond `clip` counted as it was:
    ½ mean max((V - R)², (V_old + clip(V - V_old, ±ε) - R)²).

    Args:
        values: of the value function that learns, any shape.
        old: what it said when the tokens were drawn, a constant.
        returns: what was earned from each token on, constants.
        clip: ε, in units of the reward; None: no clip.
        mask: where tokens are; None: everywhere.

    Returns:
        A scalar.

    Source: Ziegler's code (`cliprange_value`); PPO's released code.
    """
    error = (values - returns.detach()).square()
    if clip is not None:
        near = old.detach() + (values - old.detach()).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns.detach()).square())
    return 0.5 * masked_mean(error, mask)


def next_beta(beta: float, kl: float, n: int, target: float | None, horizon: int) -> float:
    """The price of a nat for the next iteration: dearer where the KL was above its target.

    Args:
        beta: β of this iteration.
        kl: KL of this iteration, mean nats per response.
        n: responses in this iteration.
        target: nats per response; None: β is fixed.
        horizon: responses over which an error of 20 % or more changes β by about 20 %.

    Returns:
        β (1 + clip(kl / target - 1, ±0.2) n / horizon).

    Source: Ziegler et al. 2019, §2.2.
    """
    if target is None:
        return beta
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + error * n / horizon)


def rate(peak: float, step: int, warmup: int) -> float:
    """A constant learning rate after a line from a tenth of it: InstructGPT's.

    Args:
        peak: the constant.
        step: iterations done before this one.
        warmup: iterations until the peak is reached.

    Source: InstructGPT, App. C.4.
    """
    return peak * (0.1 + 0.9 * min(1.0, step / warmup)) if warmup else peak

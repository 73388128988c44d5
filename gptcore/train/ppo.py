"""PPO: a policy answers prompts, is told how good its answers are, and learns from it.

    policy, tokenizer = gptcore.load("runs/sft")
    for step in ppo(policy, tokenizer, prompts, reward, PPOConfig(steps=100)):
        print(step.step, step.reward, step.kl)

An iteration: responses are drawn to a batch of prompts; a callable scores their texts; each token
pays for its distance from the reference, the policy as it was at the beginning; a value function
says what was expected; and policy and value function learn from the difference, a minibatch at a
time (`train.ppo_parts` has the formulas, `train.ppo_config` the settings). With
`advantage="group"` the same loop is GRPO.

A run can be killed at any moment and resumed, like those of `train.loop`: prompts, responses and
minibatches are functions of seed and iteration, and all that learns is saved together. What the
reward keeps of its own is not.

Departures from InstructGPT and Ziegler et al.'s code:
 1. There is no dropout anywhere: the ratio compares one network with itself, and with dropout it
    would be two. The policy computes in the precision of its weights.
 2. Policy and value function have an optimizer each, so the value loss needs no coefficient.
 3. Advantages are whitened over the iteration, not over each minibatch.
 4. Adam's ε is 1e-5 as in the code, its β 0.9 and 0.95 as in InstructGPT; there is no weight decay.

Source: InstructGPT §3.5, App. C.4; Ziegler et al. 2019, §2 and its released code
(`train_policy.py`); Schulman et al. 2017 (PPO); Shao et al. 2024 (GRPO).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.optim import OptimConfig, make_optimizer
from gptcore.sampling.rollouts import Rollout, responses_of, rollout
from gptcore.text.dialogues import Prompt
from gptcore.text.streams import Batches
from gptcore.train.guards import Deferred
from gptcore.train.loop import Diverged
from gptcore.train.ppo_config import PPOConfig, PPOStep
from gptcore.train.ppo_parts import (
    gae,
    group_advantages,
    kl_estimate,
    log_probs,
    masked_mean,
    next_beta,
    policy_loss,
    rate,
    token_rewards,
    value_loss,
    whiten,
)
from gptcore.train.ppo_state import Participants, Prompts

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

Reward = Callable[[list[Any], list[str]], Any]
"""(prompts, responses) -> a score of each, as a tensor or a list."""
Seen = Callable[[int, list[Any], list[str], Tensor], None]
"""Called with the iteration, its prompts, its responses and their scores."""


def ppo(
    policy: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    reward: Reward,
    config: PPOConfig | None = None,
    *,
    value: Any = None,
    reference: GPT | None = None,
    true_reward: Reward | None = None,
    text: Batches | None = None,
    average: GPT | None = None,
    seen: Seen | None = None,
    checkpoint_dir: str | Path | None = None,
    save_every: int = 0,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
) -> Iterator[PPOStep]:
    """Train a policy on scores, yielding a record after every iteration.

    Args:
        policy: a model that has learned to answer; trained in place. tokenizer: its own.
        prompts: texts or dialogues, as `text.dialogues` reads them; too long ones are left out.
        reward: (prompts, responses) -> a finite score of each; responses are texts without the
            stop token, "" where that came first.
        config: the settings; None: those of `PPOConfig`.
        value: what the value function begins as: a reward model or a GPT, copied, or a
            `heads.value.Value`, trained in place. None: the policy's body and a head that says 0.
        reference: what the policy stays near; None: a copy of the policy as it is now.
        true_reward: like `reward`, but never learned from. text: what `config.ptx` reads.
        average: a copy of the policy that is to become the moving average, for `config.ema`.
        seen: is shown each iteration's responses.
        checkpoint_dir, save_every: where all is saved, and how often; 0: when the loop ends.
        resume: go on from what is there, given the policy, value and reference that the run began
            with; if nothing is, begin. settings: what else must be the same then.

    Raises:
        TypeError, ValueError: an argument breaks its rule or differs from that of the run to
            resume; no prompt leaves room; a score is missing or no number: the message says which.
        Diverged: a loss or a gradient is not finite; the last checkpoint stays.

    Warns:
        UserWarning: prompts were left out.
    """
    config = config or PPOConfig()
    asked = Prompts(policy, tokenizer, prompts, config)
    who = Participants(policy, reference, value, average, text, config)
    run = _Run(who, tokenizer, asked, reward, true_reward, seen, config)
    who.keep(checkpoint_dir, tokenizer, save_every, resume, settings, asked)
    return _loop(run)


def _loop(run: _Run) -> Iterator[PPOStep]:
    """Iterate, yield, save, in that order, as in `train.loop`."""
    who = run.who
    try:
        while who.step < run.config.steps:
            with Deferred() as signals:
                record = run.iterate()
            yield record
            if signals.received:
                who.save()
                raise KeyboardInterrupt(signals.received)
            if who.save_every and who.step % who.save_every == 0:
                who.save()
        who.save()
    except BaseException:  # GeneratorExit, too: the caller left the loop
        if who.whole and not sys.is_finalizing():
            who.save()
        raise


@dataclass(frozen=True)
class _Lesson:
    """What is learned from an iteration's responses: all (B, R) beside a rollout's own."""

    rows: Rollout
    ref: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor

    def part(self, chosen: Tensor) -> tuple[Rollout, tuple[Tensor, ...]]:
        """Some rows, and of each number one per token: (N,)."""
        rows = self.rows.part(chosen)
        mask, R = rows.mask, rows.log_p.shape[1]
        kept = (self.rows.log_p, self.ref, self.values, self.advantages, self.returns)
        return rows, tuple(x[chosen, :R][mask] for x in kept)


class _Run:
    """What an iteration does."""

    def __init__(
        self,
        who: Participants,
        tokenizer: Tokenizer,
        prompts: Prompts,
        reward: Reward,
        true_reward: Reward | None,
        seen: Seen | None,
        config: PPOConfig,
    ) -> None:
        self.who, self.tokenizer, self.prompts, self.config = who, tokenizer, prompts, config
        self.reward, self.true_reward, self.seen = reward, true_reward, seen
        rates = {"policy": (who.policy, config.lr), "value": (who.value, config.value_lr)}
        for name, (model, lr) in rates.items():
            if model is not None:
                plan = OptimConfig(lr, (0.9, 0.95), 1e-5, 0.0, warmup=0, schedule="constant")
                who.optimizers[name] = make_optimizer(model, plan)

    def iterate(self) -> PPOStep:
        """Draw, score, learn."""
        who, config = self.who, self.config
        who.whole = False
        with evaluating(who.policy):
            began = time.perf_counter()
            chosen = self.prompts.of(who.step)
            rows = rollout(
                who.policy,
                [self.prompts.ids[i] for i in chosen],
                max_new_tokens=config.max_new_tokens,
                stop=self.prompts.stop,
                temperature=config.temperature,
                seed=(config.seed, who.step, 0),
                vocab_size=self.tokenizer.vocab_size,
            )
            drawn = time.perf_counter()
            texts = [self.prompts.texts[i] for i in chosen], rows.texts(self.tokenizer)
            scores, true = self._scores(rows, *texts)
            scored = time.perf_counter()
            lesson = self._lesson(rows, scores)
            told = self._learn(lesson)
        told |= {"reward": scores.mean(), "kl": _per_response(rows.log_p - lesson.ref)}
        told["kl_k3"] = _per_response(kl_estimate(rows.log_p, lesson.ref, "k3"))
        if true is not None:
            told["true_reward"] = true.mean()
        told["length"] = rows.lengths.float().mean()
        told["unstopped"] = 1 - rows.stopped.float().mean()
        told["entropy"] = masked_mean(rows.entropy, rows.mask)
        told["value_error"] = masked_mean((lesson.returns - lesson.values).square(), rows.mask)
        n_tokens, found = int(rows.lengths.sum()), self._numbers(told)
        beta, lr = who.beta, rate(config.lr, who.step, config.warmup)
        target, horizon = config.kl_target, config.kl_horizon
        who.beta = next_beta(beta, found["kl"], len(rows), target, horizon)
        who.follow()
        who.step, who.tokens, who.whole = who.step + 1, who.tokens + n_tokens, True
        ended = time.perf_counter()
        return PPOStep(
            step=who.step,
            tokens=who.tokens,
            beta=beta,
            lr=lr,
            tokens_per_s=n_tokens / (ended - began),
            rollout_tokens_per_s=n_tokens / (drawn - began),
            update_tokens_per_s=n_tokens / (ended - scored),
            **{"true_reward": None, "ptx_loss": None, **found},
        )

    def _scores(
        self, rows: Rollout, prompts: list[Prompt], responses: list[str]
    ) -> tuple[Tensor, Tensor | None]:
        """What is learned from, and what is only told."""
        scores = checked(self.reward(prompts, responses), prompts, responses, "reward")
        true = None
        if self.true_reward is not None:
            found = self.true_reward(prompts, responses)
            true = checked(found, prompts, responses, "true_reward")
        if self.seen is not None:
            self.seen(self.who.step + 1, prompts, responses, scores)
        scores = scores.to(rows.ids.device)
        if self.config.unstopped is not None:
            scores = torch.where(rows.stopped, scores, self.config.unstopped)
        return scores, true

    def _lesson(self, rows: Rollout, scores: Tensor) -> _Lesson:
        """How much better or worse than expected each token was."""
        who, config, mask = self.who, self.config, rows.mask
        with torch.no_grad():
            ref = self._asked(rows, lambda part: self._log_p(who.reference, part))
            if config.advantage == "group":
                advantages = group_advantages(scores, config.n_samples)[:, None] * mask
                nothing = torch.zeros_like(advantages)
                return _Lesson(rows, ref, nothing, advantages, nothing)
            values = self._asked(rows, who.value)
            rewards = token_rewards(rows.log_p, ref, scores, mask, who.beta)
            if config.whiten_rewards:
                rewards = whiten(rewards, mask, shift_mean=False)
            advantages = gae(rewards, values, mask, gamma=config.gamma, lam=config.lam)
            returns = advantages + values
            return _Lesson(rows, ref, values, whiten(advantages, mask), returns)

    def _asked(self, rows: Rollout, what: Callable[[Rollout], Tensor]) -> Tensor:
        """One number per token, from as many rows at a time as are learned from at a time."""
        found = torch.zeros_like(rows.log_p)
        every = torch.arange(len(rows), device=rows.ids.device)
        for chosen in every.chunk(self.config.minibatches):
            part = rows.part(chosen)
            kept = torch.zeros_like(part.log_p)
            kept[part.mask] = what(part)
            found[chosen, : kept.shape[1]] = kept
        return found

    def _log_p(self, model: GPT, rows: Rollout) -> Tensor:
        """Of each token of the responses under a model, at the sampling temperature: (N,)."""
        logits = responses_of(model, rows, self.config.temperature, self.tokenizer.vocab_size)
        return log_probs(logits, rows.tokens[rows.mask])

    def _learn(self, lesson: _Lesson) -> dict[str, Tensor]:
        """Update policy and value function on every minibatch; what they said, on average."""
        config, who, told = self.config, self.who, []
        who.set_rates(config)
        random = np.random.default_rng((config.seed, who.step, 1))
        for _ in range(config.epochs):
            order = torch.from_numpy(random.permutation(len(lesson.rows)))
            for chosen in order.to(lesson.ref.device).chunk(config.minibatches):
                rows, numbers = lesson.part(chosen)
                told.append(self._improve_policy(rows, *numbers))
                if who.value is not None:
                    told[-1] |= self._improve_value(rows, *numbers)
        return {name: torch.stack([one[name] for one in told]).mean() for name in told[0]}

    def _improve_policy(
        self, rows: Rollout, old: Tensor, ref: Tensor, _: Tensor, advantages: Tensor, __: Tensor
    ) -> dict[str, Tensor]:
        config, weights, told = self.config, None, {}
        log_p = self._log_p(self.who.policy, rows)
        if config.advantage == "group":  # a response counts as much as any, however long
            weights = (1 / rows.lengths).repeat_interleave(rows.lengths)
        loss, told["clip_fraction"] = policy_loss(
            log_p, old, advantages, clip=config.clip, mask=weights
        )
        if config.advantage == "group":
            loss = loss + self.who.beta * masked_mean(kl_estimate(log_p, ref, "k3"), weights)
        loss.backward()
        if self.who.text is not None:
            batch = [x.to(log_p.device) for x in next(self.who.text)]
            total, count = self.who.policy.summed_loss(*batch)
            told["ptx_loss"] = (total / count).detach()
            (config.ptx * total / count).backward()
        told["loss"] = loss.detach()
        told["grad_norm"] = self.who.move("policy", config.grad_clip)
        return told

    def _improve_value(
        self, rows: Rollout, _: Tensor, __: Tensor, old: Tensor, ___: Tensor, returns: Tensor
    ) -> dict[str, Tensor]:
        loss = value_loss(self.who.value(rows), old, returns, clip=self.config.value_clip)
        loss.backward()
        return {"value_norm": self.who.move("value", self.config.grad_clip)}

    def _numbers(self, told: dict[str, Tensor]) -> dict[str, float]:
        """All of them as floats, the CPU waiting for a GPU once.

        Raises:
            Diverged: one of them is not finite.
        """
        found = dict(
            zip(told, torch.stack([x.float() for x in told.values()]).tolist(), strict=True)
        )
        for name, x in found.items():
            if not abs(x) < float("inf"):
                config, saved = self.config, self.who.saved_step
                kept = f"The checkpoint of step {saved} is kept. " if saved > 0 else ""
                raise Diverged(
                    f"{name}={x} at step {self.who.step + 1}: training diverged. {kept}Try, in "
                    f"this order: lr < {config.lr}; value_lr < {config.value_lr}; beta > "
                    f"{config.beta}; scores within some units of 0"
                )
        found.pop("value_norm", None)
        return found


def checked(found: Any, prompts: list[Prompt], responses: list[str], name: str) -> Tensor:
    """Scores as a tensor (B,) in float32.

    Raises:
        TypeError, ValueError: there are not as many as responses, or one is not finite.
    """
    try:
        scores = torch.as_tensor(found).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} returned {type(found).__name__}, not a score of each") from error
    if scores.shape != (len(responses),):
        raise ValueError(
            f"{name} returned scores of shape {tuple(scores.shape)} for {len(responses)} "
            f"responses; it must be ({len(responses)},)"
        )
    wrong = (~scores.isfinite()).nonzero()[:, 0].tolist()
    if wrong:
        i = wrong[0]
        raise ValueError(
            f"{name} scores {len(wrong)} of {len(responses)} responses with no finite number; "
            f"{scores[i].item()} for {responses[i]!r}, the response to {prompts[i]!r}"
        )
    return scores


def _per_response(x: Tensor) -> Tensor:
    """The mean over responses of a sum over tokens, fillers being 0."""
    return x.sum(dim=1).mean()

"""DPO: comparisons of responses in, a policy that prefers what was preferred out. No reward model.

    config = StageConfig(out="runs/dpo", model="runs/sft/best")
    for step in dpo(config, preferences("liked.jsonl")):
        print(step.step, step.loss, step.val_loss)

The policy that earns most by a reward r, at a price of β for a nat of distance from a reference, is
π(y|x) ∝ π_ref(y|x) exp(r(x, y) / β). Turned round, every policy is the best one for the reward
β log π(y|x) / π_ref(y|x), up to a number that depends on the prompt alone and is the same for two
responses to it. So the loss of a reward model, with this implicit reward in place of a learned one,
trains the policy at once. The reference is the network as it was: it is asked once, before the
first update, and then the policy is all that is in memory.

Source: Rafailov et al. 2023, "Direct Preference Optimization: Your Language Model is Secretly a
Reward Model", §4, eq. 7, and App. B (β = 0.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.heads.reward import agreement, ranking_loss
from gptcore.labelled.dialogues import Comparison, Told
from gptcore.model import GPT
from gptcore.modes import bare, evaluating
from gptcore.text.dialogue_rows import Lesson, Ranked, RowBatches, of_lessons, of_ranked, ranked
from gptcore.text.inputs import NOT_SCORED
from gptcore.tokenizer import Tokenizer
from gptcore.train.loop import Step
from gptcore.train.precision import autocast, choose_precision
from gptcore.train.stage_recipes import SUITED, Stage, StageRecipe
from gptcore.train.stages import StageConfig, askable, learn, respond, staged, taken_over

SHOWN = 3
"""Held-out prompts whose responses are shown."""


class Dpo:
    """One policy, ready to learn what is preferred.

        taught = Dpo(model, tokenizer, data, beta=0.1)
        losses = [step.loss for step in taught.fit()]       # the first one is ln 2
        taught.judge()                          # {"loss": ..., "accuracy": ..., "margin": ...}

    Args:
        gpt: where the policy begins, and its reference: the model of the first stage, as a rule.
            Stays as it is.
        tokenizer: its own.
        data: comparisons; all pairs of a prompt are one element of a batch, as in `Reward`.
        recipe: how it is taught; `self.recipe` is the same with what suits the network filled in.
        beta: β, the price of a nat of distance from the reference, in units of the reward.

    Raises:
        TypeError, ValueError: β is no number above 0; no pair is left to learn from or to choose
            by; the network says nan.
    """

    stage: Stage = "dpo"

    def __init__(
        self,
        gpt: GPT,
        tokenizer: Tokenizer | None,
        data: Told[Comparison],
        recipe: StageRecipe = SUITED,
        *,
        beta: float = 0.1,
    ) -> None:
        check_beta(beta)
        recipe = recipe.suited(self.stage, gpt.config)
        self.model, self.tokenizer, self.recipe = taken_over(gpt, tokenizer, recipe)
        self.data, self.beta, n_ctx = data, beta, gpt.config.n_ctx
        how = {"longest_prompt": recipe.longest_prompt}
        self.train = ranked(data.train, self.tokenizer, n_ctx, **how)
        self.valid = ranked(data.valid, self.tokenizer, n_ctx, **how)
        left = self.train.told("train"), self.valid.told("valid")
        self.told = "; ".join(filter(None, left))
        if not self.train.rows or not self.valid.rows:
            raise ValueError(
                f"{data.name}: pairs of {len(self.train.rows)} prompts are left to learn from and "
                f"of {len(self.valid.rows)} to choose a checkpoint by: {self.told}"
            )
        self.precision = choose_precision(recipe.precision, self.model.device)
        rows = list(dict.fromkeys(lessons_of([*self.train.rows, *self.valid.rows])))
        said = log_probs_of(self.model, rows, self.precision)
        self.reference = dict(zip(rows, said.tolist(), strict=True))
        self.batches = RowBatches(self.train.rows, recipe.batch_size or 1, self.batch, recipe.seed)
        longest = n_ctx // 2 if recipe.longest_prompt is None else recipe.longest_prompt
        prompts = (one.prompt for one in data.valid)
        self.prompts = askable(prompts, self.tokenizer, min(longest, n_ctx - 1))

    def fit(self, **options: Any) -> Iterator[Step]:
        """Train; the options are those of `gptcore.train.loop.fit`."""
        return learn(self, **options)

    def loss_fn(self, model: Any, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """The loss of some prompts, and their number, as `fit` wants them."""
        ids, targets, better, worse, weights, ref = batch
        log_p = response_log_probs(bare(model), ids, targets)
        loss = dpo_loss(log_p, ref, better, worse, beta=self.beta, weights=weights)
        return loss, weights.sum().round()

    def rewards(self, items: Sequence[Ranked]) -> Tensor:
        """The implicit reward of every response, in order: (N,) in float32 on the CPU.

        Args:
            items: of `self.train.rows` or `self.valid.rows`.
        """
        rows = lessons_of(items)
        log_p = log_probs_of(self.model, rows, self.precision)
        return implicit_rewards(log_p, self._reference(rows), self.beta)

    def judge(self) -> dict[str, float]:
        """On the held-out comparisons: the loss, how often the response preferred has the higher
        implicit reward, and by how much, in the mean."""
        rewards = self.rewards(self.valid.rows)
        _, _, better, worse, weights = of_ranked(self.valid.rows)
        margins = rewards[better] - rewards[worse]
        loss = ranking_loss(rewards[better], rewards[worse], weights) / weights.sum()
        return {
            "loss": loss.item(),
            "accuracy": agreement(margins)["accuracy"],
            "margin": margins.mean().item(),
        }

    def key(self, found: dict[str, float]) -> float:
        """The larger, the better."""
        return -found["loss"]

    def samples(self) -> list[dict[str, Any]]:
        """Responses to the first held-out prompts."""
        prompts = self.prompts[:SHOWN]
        both = zip(prompts, respond(self, prompts), strict=True)
        return [{"prompt": p.rstrip(), "response": r} for p, r in both]

    def finish(self, best: Any) -> None:
        """Nothing."""

    def described(self) -> dict[str, Any]:
        """What was learned from, for run.json."""
        return {
            "name": self.data.name,
            "n": {"train": len(self.train.rows), "valid": len(self.valid.rows)},
            "pairs": sum(len(row.pairs) for row in self.train.rows),
            "left_out": self.told,
            "report": self.data.report,
            "beta": self.beta,
            "rows_sha256": self.batches.identity()["rows_sha256"],
        }

    def batch(self, items: Sequence[Ranked]) -> tuple[Tensor, ...]:
        """What `loss_fn` reads: ids, targets, better, worse, weights, and the reference's part."""
        rows = lessons_of(items)
        _, _, better, worse, weights = of_ranked(items)
        return *of_lessons(rows), better, worse, weights, self._reference(rows)

    def _reference(self, rows: Sequence[Lesson]) -> Tensor:
        return torch.tensor([self.reference[row] for row in rows])


def check_beta(beta: float) -> None:
    """Raise TypeError or ValueError unless β is a finite number above 0."""
    if isinstance(beta, bool) or not isinstance(beta, int | float):
        raise TypeError(f"beta={beta!r} must be a number")
    if not (math.isfinite(beta) and beta > 0):
        raise ValueError(f"beta={beta} must be greater than 0: at 0 no distance has a price")


# ------------------------------------------------------------------ the formulas


def implicit_rewards(log_p: Tensor, ref: Tensor, beta: float) -> Tensor:
    """r(x, y) = β log π(y|x) / π_ref(y|x), up to a number that the prompt alone decides.

    Args:
        log_p, ref: log-probabilities of whole responses under policy and reference, any shape.
        beta: β.

    Source: Rafailov et al. 2023, §4, below eq. 7.
    """
    return beta * (log_p - ref)


def dpo_loss(
    log_p: Tensor,
    ref: Tensor,
    better: Tensor,
    worse: Tensor,
    *,
    beta: float = 0.1,
    weights: Tensor | None = None,
) -> Tensor:
    """-log σ(β log π(y_w|x) / π_ref(y_w|x) - β log π(y_l|x) / π_ref(y_l|x)), the mean of pairs.

    Args:
        log_p: (N,) log-probabilities of responses under the policy that learns.
        ref: (N,) under the reference, constants.
        better, worse: (P,) the places of y_w and y_l among them.
        beta: β. The larger, the sooner a margin is large enough, and the nearer the policy stays.
        weights: (P,), their sum in place of the mean; see `heads.reward.ranking_loss`.

    Returns:
        A scalar; where policy and reference are one, ln 2 for every pair.

    Source: Rafailov et al. 2023, eq. 7.
    """
    rewards = implicit_rewards(log_p, ref.detach(), beta)
    return ranking_loss(rewards[better], rewards[worse], weights)


def response_log_probs(model: GPT, ids: Tensor, targets: Tensor) -> Tensor:
    """log π(y|x) of each row: the sum over the tokens of its response, the stop token among them.

    A sum and no mean: the probability of a response is the product of its tokens'.

    Args:
        model: the policy.
        ids: (B, T) prompts and responses, padded on the right.
        targets: (B, T) the token after each; -100 in the prompt and in the padding.

    Returns:
        (B,) in nats, at least in float32.
    """
    scored = targets != NOT_SCORED
    logits = F.linear(model.hidden(ids, only=scored), model.output)
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    log_p = -F.cross_entropy(logits, targets[scored], reduction="none")
    return log_p.new_zeros(len(ids)).index_add(0, scored.nonzero()[:, 0], log_p)


def lessons_of(items: Iterable[Ranked]) -> list[Lesson]:
    """The responses of comparisons, one after the other, as rows of which they alone are scored."""
    return [
        Lesson(row[:-1], (NOT_SCORED,) * (item.start - 1) + row[item.start :])
        for item in items
        for row in item.rows
    ]


@torch.no_grad()
def log_probs_of(
    model: GPT, rows: Sequence[Lesson], precision: str = "fp32", size: int = 32
) -> Tensor:
    """`response_log_probs` of any number of rows, without dropout.

    Args:
        model: the network. rows: as `lessons_of` makes them.
        precision: the arithmetic, that of the training.
        size: how many go through the network at a time, those of like length together.

    Returns:
        (n,) in float32 on the CPU.

    Raises:
        ValueError: one is not finite.
    """
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    found = torch.empty(len(rows))
    with evaluating(model), autocast(precision, model.device):
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            batch = [x.to(model.device) for x in of_lessons([rows[i] for i in chosen])]
            found[chosen] = response_log_probs(model, *batch).float().cpu()
    if not torch.isfinite(found).all():
        i = int((~torch.isfinite(found)).nonzero()[0])
        raise ValueError(
            f"the log-probability of a response (row {i}) is {found[i]}: the model is damaged"
        )
    return found


def dpo(
    config: StageConfig,
    data: Told[Comparison],
    *,
    beta: float = 0.1,
    begun: Callable[[Dpo], None] | None = None,
    seen: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Iterator[Step]:
    """Train a policy on comparisons, yielding a record after every update.

    When the iterator ends, `out/best` holds the policy with the lowest held-out loss, which
    `gptcore.load` opens. Left early, the run can be resumed.

    Args:
        config: the run; its model is the reference.
        data: what `labelled.dialogues.preferences` returns.
        beta: as in `Dpo`.
        begun, seen: as in `train.sft.sft`.

    Returns:
        An iterator of records; losses are means over prompts.

    Raises:
        FileExistsError, TypeError, ValueError: as in `train.sft.sft` and `Dpo`.

    Warns:
        UserWarning: prompts or pairs were left out, or responses cut.
    """
    check_beta(beta)
    return staged(
        config,
        "dpo",
        lambda gpt, read: Dpo(gpt, read, data, config.recipe, beta=beta),
        begun,
        seen,
        {"beta": beta},
    )

"""Supervised fine-tuning: a pre-trained GPT and demonstrations in, a model that responds out.

    for step in sft(StageConfig(out="runs/sft"), demonstrations("mine.jsonl")):
        print(step.step, step.loss, step.val_loss)

The loss is that of language modelling, on the responses alone: no token of a prompt is scored, the
stop token of every response is. So a model learns what to answer and when it has answered, and
nothing of what people ask. Which checkpoint is best is decided by the held-out loss, or by what a
reward model says of samples, as InstructGPT did.

Source: InstructGPT §3.5 and App. C.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from gptcore.labelled.dialogues import Demonstration, Told
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.text.dialogue_rows import Lesson, RowBatches, lessons, of_lessons
from gptcore.tokenizer import Tokenizer
from gptcore.train.loop import Step
from gptcore.train.stage_recipes import SUITED, Stage, StageRecipe
from gptcore.train.stages import StageConfig, as_tensor, askable, learn, respond, staged, taken_over

Reward = Callable[[list[str], list[str]], Any]
"""(prompts, responses) -> a score of each, such as `Judge.score`."""
SHOWN, CHOSEN_BY = 3, 64
"""Held-out prompts whose responses are shown, and those by which a checkpoint is chosen."""


class Sft:
    """One supervised fine-tuning, ready to run.

        taught = Sft(model, tokenizer, data)
        losses = [step.loss for step in taught.fit()]
        taught.judge()                                       # {"loss": ...}

    Args:
        gpt: the pre-trained network; stays as it is. tokenizer: its own.
        data: prompts and responses.
        recipe: how it is taught; `self.recipe` is the same with what suits the network filled in.
        mask_prompt: False scores the prompts, too, as in pre-training.
        choose: says how good responses are; the checkpoint with the highest mean is the best. None:
            that with the lowest held-out loss.

    Raises:
        ValueError: no demonstration is left to learn from or to choose by.
    """

    stage: Stage = "sft"
    loss_fn = None

    def __init__(
        self,
        gpt: GPT,
        tokenizer: Tokenizer | None,
        data: Told[Demonstration],
        recipe: StageRecipe = SUITED,
        *,
        mask_prompt: bool = True,
        choose: Reward | None = None,
    ) -> None:
        recipe = recipe.suited(self.stage, gpt.config)
        self.model, self.tokenizer, self.recipe = taken_over(gpt, tokenizer, recipe)
        self.data, self.choose, n_ctx = data, choose, gpt.config.n_ctx
        most = {"longest_prompt": recipe.longest_prompt}
        read = lessons(data.train, self.tokenizer, n_ctx, **most, mask_prompt=mask_prompt)
        held = lessons(data.valid, self.tokenizer, n_ctx, **most)
        self.told = "; ".join(filter(None, (read.told("train"), held.told("valid"))))
        if not read.rows or not held.rows:
            raise ValueError(
                f"{data.name}: {len(read.rows)} demonstrations are left to learn from and "
                f"{len(held.rows)} to choose a checkpoint by: {self.told}"
            )
        self.train, self.valid = read, held
        self.batches = RowBatches(read.rows, recipe.batch_size or 1, of_lessons, recipe.seed)
        longest = n_ctx // 2 if recipe.longest_prompt is None else recipe.longest_prompt
        prompts = (one.prompt for one in data.valid)
        self.prompts = askable(prompts, self.tokenizer, min(longest, n_ctx - 1))

    def fit(self, **options: Any) -> Iterator[Step]:
        """Train; the options are those of `gptcore.train.loop.fit`."""
        return learn(self, **options)

    def judge(self) -> dict[str, float]:
        """The held-out loss in nats per token of the responses; and where a callable chooses, the
        mean of what it says."""
        found = {"loss": loss_on(self.model, self.valid.rows)}
        if self.choose is not None:
            prompts = self.prompts[:CHOSEN_BY]
            responses = self.respond(prompts, temperature=1.0)
            found["score"] = as_tensor(self.choose(prompts, responses)).mean().item()
        return found

    def key(self, found: dict[str, float]) -> float:
        """The larger, the better."""
        return found["score"] if "score" in found else -found["loss"]

    def respond(self, prompts: Sequence[str], temperature: float = 0.7) -> list[str]:
        """A response to each prompt, drawn with the recipe's seed."""
        return respond(self, prompts, temperature)

    def samples(self) -> list[dict[str, Any]]:
        """Responses to the first held-out prompts."""
        prompts = self.prompts[:SHOWN]
        both = zip(prompts, self.respond(prompts), strict=True)
        return [{"prompt": p.rstrip(), "response": r} for p, r in both]

    def finish(self, best: Any) -> None:
        """Nothing."""

    def described(self) -> dict[str, Any]:
        """What was learned from, for run.json."""
        return {
            "name": self.data.name,
            "n": {"train": len(self.train.rows), "valid": len(self.valid.rows)},
            "left_out": self.told,
            "report": self.data.report,
            "rows_sha256": self.batches.identity()["rows_sha256"],
        }


@torch.no_grad()
def loss_on(model: GPT, rows: Sequence[Lesson], batch_size: int = 32) -> float:
    """Mean loss in nats over all scored tokens of the rows, without dropout."""
    near = sorted(rows, key=lambda row: len(row.ids))
    total, count = 0.0, 0
    with evaluating(model):
        for start in range(0, len(near), batch_size):
            batch = [x.to(model.device) for x in of_lessons(near[start : start + batch_size])]
            found, n = model.summed_loss(*batch)
            total, count = total + float(found), count + int(n)
    return total / count


def sft(
    config: StageConfig,
    data: Told[Demonstration],
    *,
    mask_prompt: bool = True,
    choose: Reward | None = None,
    begun: Callable[[Sft], None] | None = None,
    seen: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Iterator[Step]:
    """Fine-tune on demonstrations, yielding a record after every update.

    When the iterator ends, `out/best` holds the best network, which `gptcore.load` opens. Left
    early, the run can be resumed.

    Args:
        config: the run.
        data: what `labelled.dialogues.demonstrations` returns.
        mask_prompt, choose: as in `Sft`.
        begun: called when everything is ready, before the first update.
        seen: is shown the samples, as they are drawn.

    Returns:
        An iterator of records; `val_loss` is that of the held-out responses.

    Raises:
        FileExistsError: another run is using `out`; or it holds a run and `resume` is not set, or
            another model.
        ValueError: a setting breaks its rule, differs from that of the run to resume, or nothing
            is left to learn from.

    Warns:
        UserWarning: prompts were left out or responses cut, being too long.
    """
    return staged(
        config,
        "sft",
        lambda gpt, read: Sft(
            gpt, read, data, config.recipe, mask_prompt=mask_prompt, choose=choose
        ),
        begun,
        seen,
        {"mask_prompt": mask_prompt, "chosen_by": "score" if choose else "loss"},
    )

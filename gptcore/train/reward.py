"""Learning a reward: comparisons of responses in, a model that says how good a response is out.

    config = StageConfig(out="runs/reward", model="runs/sft/best")
    for step in reward(config, preferences("mine.jsonl")):
        print(step.step, step.loss, step.val_loss)

Each response to a prompt goes through the network once, and every two that are not equally good
are compared: all pairs of a prompt are one element of a batch. Pairs of one prompt hang together;
shuffled across batches they are seen as often as each response has pairs, and are learned by heart.

Source: InstructGPT §3.5, eq. 1, and App. C.2; Stiennon et al. 2020, §3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gptcore.heads.reward import Judge, RewardModel, Scorer, agreement
from gptcore.labelled.dialogues import Comparison, Demonstration, Told, pairs_of
from gptcore.model import GPT
from gptcore.text.dialogue_rows import Ranked, RowBatches, of_ranked, ranked
from gptcore.text.dialogues import prompt_ids, response_ids
from gptcore.tokenizer import Tokenizer
from gptcore.train.loop import Step
from gptcore.train.stage_recipes import SUITED, Stage, StageRecipe
from gptcore.train.stages import StageConfig, learn, staged, taken_over

SHOWN, LEVEL = 3, 256
"""Held-out prompts whose rewards are shown, and responses that decide the level."""


class Reward:
    """One reward model, ready to be trained.

        taught = Reward(model, tokenizer, data)
        losses = [step.loss for step in taught.fit()]
        taught.judge()                              # {"loss": ..., "accuracy": ..., "ece": ...}

    Args:
        gpt: where the body begins, the model of the first stage in InstructGPT; stays as it is.
        tokenizer: its own.
        data: comparisons.
        recipe: how it is taught; `self.recipe` is the same with what suits the network filled in.
        together: False shuffles the pairs of all prompts; the batch counts as many pairs as it
            would have had.
        demonstrations: get 0 on average in the end; None: the best responses to the prompts that
            are learned from.

    Raises:
        ValueError: no pair is left to learn from or to choose by.
    """

    stage: Stage = "reward"
    loss_fn = None

    def __init__(
        self,
        gpt: GPT,
        tokenizer: Tokenizer | None,
        data: Told[Comparison],
        recipe: StageRecipe = SUITED,
        *,
        together: bool = True,
        demonstrations: Sequence[Demonstration] | None = None,
    ) -> None:
        recipe = recipe.suited(self.stage, gpt.config)
        body, self.tokenizer, self.recipe = taken_over(gpt, tokenizer, recipe)
        with torch.random.fork_rng():  # the caller's random numbers stay as they are
            torch.manual_seed(recipe.seed)
            self.model = RewardModel(body)
        self.data, n_ctx = data, gpt.config.n_ctx
        how = {"longest_prompt": recipe.longest_prompt}
        self.train = ranked(data.train, self.tokenizer, n_ctx, **how, together=together)
        self.valid = ranked(data.valid, self.tokenizer, n_ctx, **how)
        left = self.train.told("train"), self.valid.told("valid")
        self.told = "; ".join(filter(None, left))
        if not self.train.rows or not self.valid.rows:
            raise ValueError(
                f"{data.name}: pairs of {len(self.train.rows)} prompts are left to learn from and "
                f"of {len(self.valid.rows)} to choose a checkpoint by: {self.told}"
            )
        size = recipe.batch_size or 1
        if not together:  # as many pairs as in so many prompts
            size = max(1, round(size * len(self.train.rows) / _prompts(data.train)))
        self.batches = RowBatches(self.train.rows, size, of_ranked, recipe.seed)
        if demonstrations is None:
            demonstrations = [
                Demonstration(c.prompt, c.responses[c.ranks.index(min(c.ranks))])
                for c in data.train
            ]
        self.level = _readable(demonstrations, self.tokenizer, n_ctx)

    def fit(self, **options: Any) -> Iterator[Step]:
        """Train; the options are those of `gptcore.train.loop.fit`."""
        return learn(self, **options)

    def judge(self) -> dict[str, float]:
        """Loss, accuracy and calibration error on the held-out comparisons."""
        margins, weights = margins_of(self.model, self.valid.rows)
        loss = -(torch.nn.functional.logsigmoid(margins) * weights).sum() / weights.sum()
        found = agreement(margins)
        return {"loss": loss.item(), "accuracy": found["accuracy"], "ece": found["ece"]}

    def key(self, found: dict[str, float]) -> float:
        """The larger, the better."""
        return -found["loss"]

    def samples(self) -> list[dict[str, Any]]:
        """The rewards of all responses to the first held-out prompts."""
        judge, found = Judge(self.model, self.tokenizer), []
        for one in [c for c in self.data.valid if len(c.pairs())][:SHOWN]:
            rewards = judge.score([one.prompt] * len(one.responses), one.responses)
            rated = [
                {"rank": rank, "reward": round(r, 4), "response": text}
                for rank, r, text in zip(one.ranks, rewards.tolist(), one.responses, strict=True)
            ]
            found.append({"prompt": one.prompt, "responses": rated})
        return found

    def finish(self, best: RewardModel) -> None:
        """Bring demonstrations to 0."""
        best.bias_to(self.level)

    def described(self) -> dict[str, Any]:
        """What was learned from, for run.json."""
        return {
            "name": self.data.name,
            "n": {"train": len(self.train.rows), "valid": len(self.valid.rows)},
            "pairs": sum(len(row.pairs) for row in self.train.rows),
            "left_out": self.told,
            "report": self.data.report,
            "bias": round(self.model.bias, 4),
            "rows_sha256": self.batches.identity()["rows_sha256"],
        }


def _prompts(items: Sequence[Comparison]) -> int:
    """How many of them have a pair."""
    return sum(bool(item.pairs()) for item in items) or 1


def _readable(
    shown: Iterable[Demonstration], tokenizer: Tokenizer, n_ctx: int
) -> list[tuple[list[int], list[int]]]:
    """The first demonstrations whose prompts leave room for a token of the response."""
    found = []
    for one in shown:
        start = prompt_ids(one.prompt, tokenizer)
        if len(start) < n_ctx:
            found.append((start, response_ids(one.response, tokenizer)))
        if len(found) == LEVEL:
            break
    return found


@torch.no_grad()
def margins_of(model: RewardModel, items: Sequence[Ranked]) -> tuple[Tensor, Tensor]:
    """r_w - r_l of every pair, in order, and 1 / the number of pairs of the same prompt.

    Returns:
        Two of (P,), in float32 on the CPU.
    """
    rewards = model.rate(
        [(row[: item.start], row[item.start :]) for item in items for row in item.rows]
    )
    _, _, better, worse, weights = of_ranked(items)
    return rewards[better] - rewards[worse], weights


ByTruth = Callable[[list[Any], list[str]], Any] | bool
"""False: ranks say what is better; True: `truth` does; or (prompts, responses) -> how good each."""


def margins_on(judge: Scorer, comparisons: Sequence[Comparison], truth: ByTruth = False) -> Tensor:
    """What a judge gives the better response of each pair more than the other one.

    On what a policy writes, for example, which is not what the judge was trained on.

    Args:
        judge: what has `score`.
        comparisons: of which the ranks say what is better.
        truth: True goes by their own `truth` instead of the ranks; or (prompts, responses) -> how
            good each is. Equally good ones are no pair.

    Returns:
        (P,) in float32 on the CPU, the pairs of a comparison together; (0,) where there is none.

    Raises:
        ValueError: `truth` is True and a comparison has none.
    """
    prompts = [one.prompt for one in comparisons for _ in one.responses]
    responses = [text for one in comparisons for text in one.responses]
    rewards = judge.score(prompts, responses)
    margins, at = [rewards.new_zeros(0)], 0
    for i, one in enumerate(comparisons):
        n, ranks = len(one.responses), list(map(float, one.ranks))
        if truth is True:
            if one.truth is None:
                raise ValueError(f"comparisons[{i}].truth=None must be a number for each response")
            ranks = [-x for x in one.truth]
        elif truth:
            ranks = [-float(x) for x in truth(prompts[at : at + n], responses[at : at + n])]
        if pairs := pairs_of(ranks):
            better, worse = torch.tensor(pairs).T + at
            margins.append(rewards[better] - rewards[worse])
        at += n
    return torch.cat(margins)


def accuracy_on(
    judge: Scorer, comparisons: Sequence[Comparison], truth: ByTruth = False
) -> dict[str, float]:
    """How a judge agrees with labelers, or with the truth, on any comparisons.

    Args:
        judge, comparisons, truth: as of `margins_on`.

    Returns:
        As `agreement`.

    Raises:
        ValueError: as `margins_on`, or there is no pair.
    """
    return agreement(margins_on(judge, comparisons, truth))


def reward(
    config: StageConfig,
    data: Told[Comparison],
    *,
    together: bool = True,
    demonstrations: Sequence[Demonstration] | None = None,
    begun: Callable[[Reward], None] | None = None,
    seen: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Iterator[Step]:
    """Train a reward model, yielding a record after every update.

    When the iterator ends, `out/best` holds the reward model with the lowest held-out loss, its
    demonstrations at 0, which `checkpoint.load_reward` opens. Left early, the run can be resumed.

    Args:
        config: the run.
        data: what `labelled.dialogues.preferences` returns.
        together, demonstrations: as in `Reward`.
        begun, seen: as in `train.sft.sft`.

    Returns:
        An iterator of records; losses are means over prompts.

    Raises:
        FileExistsError, ValueError: as in `train.sft.sft`.

    Warns:
        UserWarning: prompts or pairs were left out, or responses cut.
    """
    return staged(
        config,
        "reward",
        lambda gpt, read: Reward(
            gpt, read, data, config.recipe, together=together, demonstrations=demonstrations
        ),
        begun,
        seen,
        {"together": together},
    )

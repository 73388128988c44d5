"""A reward model: a GPT with one number on top, which says how good a response is.

    model = RewardModel(gpt)
    rewards = model(ids, at)                        # (B,), read where each response ends
    judge = Judge(model, tokenizer)
    judge.score(["Tell a tale."], ["Once upon a time a fox slept."])

The number is read at the last token of the response, its stop token where it has one. Only
differences of rewards are learned, so their level is free: `bias_to` moves it so that
demonstrations have 0 on average.

Source: InstructGPT §3.5 (the unembedding removed, a scalar head, the bias); Ziegler et al. 2019,
released code (the head's first weights, N(0, 1 / (d + 1)), read at the last token).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.labelled.dialogues import Prompt
from gptcore.modes import bare, evaluating
from gptcore.text.dialogue_rows import padded
from gptcore.text.dialogues import prompt_ids, response_ids
from gptcore.tokenizer import Tokenizer

BINS = 10
"""Of probability, in which a reward model is asked whether it is as sure as it is right."""


class RewardModel(nn.Module):
    """A GPT's body `gpt` and a linear layer `score` from its last state to one number.

    Args:
        gpt: the body; trained with the head. Anything with `config`, `wte` and `hidden` serves.
    """

    def __init__(self, gpt: Any) -> None:
        super().__init__()
        self.gpt = gpt
        like = gpt.wte.weight
        width = gpt.config.d_model
        self.score = nn.Linear(width, 1, device=like.device, dtype=like.dtype)
        nn.init.normal_(self.score.weight, std=1 / math.sqrt(width + 1))
        nn.init.zeros_(self.score.bias)
        self.score.bias.requires_grad_(False)  # no comparison can move it

    @property
    def config(self) -> Any:
        """The shape of the body."""
        return self.gpt.config

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.score.weight.device

    @property
    def bias(self) -> float:
        """What is added to every reward."""
        return self.score.bias.item()

    def forward(self, ids: Tensor, at: Tensor) -> Tensor:
        """The reward of each row.

        Args:
            ids: (B, T) prompts and responses, padded on the right.
            at: (B,) the position of the last token of each response.

        Returns:
            (B,).
        """
        rows = torch.arange(len(at), device=at.device)
        return self.score(self.gpt.hidden(ids, only=(rows, at)))[:, 0]

    def values(self, ids: Tensor) -> Tensor:
        """The head's number at every position: (B, T) -> (B, T)."""
        return self.score(self.gpt.hidden(ids))[..., 0]

    def summed_loss(
        self, ids: Tensor, at: Tensor, better: Tensor, worse: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of some prompts, and their number.

        Each response goes through the network once, in however many comparisons it stands.

        Args:
            ids: (N, T) all responses to all prompts of the batch. at: (N,), see `forward`.
            better, worse: (P,) the rows that each comparison is between.
            weights: (P,) 1 / the number of comparisons of the same prompt: they sum to the number
                of prompts.

        Source: InstructGPT §3.5, eq. 1.
        """
        rewards = self(ids, at).float()
        return ranking_loss(rewards[better], rewards[worse], weights), weights.sum().round()

    @torch.no_grad()
    def rate(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]], size: int = 64) -> Tensor:
        """The reward of responses given as token ids, without dropout.

        Args:
            rows: (prompt, response) pairs. A row that does not fit the context loses its end.
            size: how many go through the network at a time, those of like length together.

        Returns:
            (n,) in float32 on the CPU.

        Raises:
            ValueError: a response has no tokens, or a reward is not finite.
        """
        empty = next((i for i, (_, response) in enumerate(rows) if not len(response)), None)
        if empty is not None:
            raise ValueError(f"responses[{empty}] has no tokens: not even one that ends it")
        whole = [[*prompt, *response][: self.config.n_ctx] for prompt, response in rows]
        order = sorted(range(len(rows)), key=lambda i: len(whole[i]))
        found = torch.empty(len(rows))
        with evaluating(self):
            for start in range(0, len(order), size):
                chosen = order[start : start + size]
                ids = padded([whole[i] for i in chosen])
                at = torch.tensor([len(whole[i]) - 1 for i in chosen])
                found[chosen] = self(ids.to(self.device), at.to(self.device)).float().cpu()
        if not torch.isfinite(found).all():
            i = int((~torch.isfinite(found)).nonzero()[0])
            raise ValueError(f"the reward of responses[{i}] is {found[i]}: the model is damaged")
        return found

    @torch.no_grad()
    def bias_to(self, demonstrations: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float:
        """Move the level of all rewards so that these have 0 on average; return what was added.

        Args:
            demonstrations: (prompt, response) pairs of token ids.

        Raises:
            ValueError: there is none.
        """
        if not demonstrations:
            raise ValueError("demonstrations is empty: there is nothing that should average 0")
        shift = -self.rate(demonstrations).double().mean().item()
        self.score.bias += shift
        return shift


def ranking_loss(better: Tensor, worse: Tensor, weights: Tensor | None = None) -> Tensor:
    """-log σ(r_w - r_l) of comparisons: their mean, or their sum with weights.

    Args:
        better, worse: (P,) rewards of the response preferred and of the other one.
        weights: (P,); None: 1 / P.

    Raises:
        ValueError: there is no comparison, which has no mean.

    Source: InstructGPT §3.5, eq. 1; Stiennon et al. 2020, §3.4.
    """
    if not len(better):
        raise ValueError("there is no comparison to score: every response is as good as the others")
    losses = -F.logsigmoid(better - worse)
    return losses.mean() if weights is None else (losses * weights).sum()


def agreement(margins: Tensor) -> dict[str, float]:
    """How often a reward model agrees with the labels, and whether it is as sure as it is right.

    A pair is predicted with probability σ(|margin|); the expected calibration error is the mean
    distance of that from the share that is right, over ten bins of probability from 0.5 to 1, each
    weighed by its pairs. Equal rewards are half right.

    Args:
        margins: (P,) reward of the response preferred less that of the other one.

    Returns:
        {"accuracy": ..., "confidence": mean probability, "ece": ..., "n": P}.

    Raises:
        ValueError: there is no pair.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", §2.
    """
    if not len(margins):
        raise ValueError("there is no pair to judge by")
    right = (margins > 0).double() + (margins == 0).double() / 2
    sure = torch.sigmoid(margins.abs().double())
    places = ((sure - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add_(0, places, sure - right)
    return {
        "accuracy": right.mean().item(),
        "confidence": sure.mean().item(),
        "ece": gaps.abs().sum().item() / len(margins),
        "n": len(margins),
    }


class Scorer(Protocol):
    """What says how good responses are."""

    def score(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Tensor:
        """(n,) a reward for each prompt and the response beside it."""


class Judge:
    """A reward model that reads texts.

    Args:
        model: the reward model.
        tokenizer: its own, with a stop token.
    """

    def __init__(self, model: RewardModel, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = bare(model), tokenizer
        response_ids("", tokenizer)  # complains now if nothing ends a response

    def score(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Tensor:
        """The rewards of responses that ended: the stop token is put behind each.

        Args:
            prompts: texts, or dialogues so far. responses: texts; "" is one that ended at once.

        Returns:
            (n,) in float32 on the CPU.

        Raises:
            ValueError: there are not as many of one as of the other, or a prompt is empty.
        """
        if len(prompts) != len(responses):
            raise ValueError(f"prompts has {len(prompts)} and responses {len(responses)}: as many")
        pairs = zip(prompts, responses, strict=True)
        read = self.tokenizer
        return self.model.rate([(prompt_ids(p, read), response_ids(r, read)) for p, r in pairs])

"""A value function: what score a response will get, expected before each of its tokens.

It is a network of its own with one linear layer on top, so that what it learns cannot disturb the
policy. InstructGPT's begins as the reward model, which knows what a finished text is worth.

Source: InstructGPT, §3.5 and App. C.4; Ziegler et al. 2019, released code (a head that begins at
zero, there on the policy's own body).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from gptcore.modes import bare
from gptcore.sampling.rollouts import Rollout, states_before


class Value(nn.Module):
    """A GPT's body and a number for each state.

    Args:
        gpt: the body; trained with the head.
    """

    def __init__(self, gpt: Any) -> None:
        super().__init__()
        self.gpt = gpt
        like = gpt.wte.weight
        self.score = nn.Linear(gpt.config.d_model, 1, device=like.device, dtype=like.dtype)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    @classmethod
    def begun_as(cls, model: Any) -> Value:
        """One that begins as a copy of a reward model, or of a GPT with a head that says 0.

        Args:
            model: a GPT; or what has a body `gpt` and on it a linear layer `score` to one number.
                A Value comes back as it is, and is trained in place.

        Raises:
            TypeError: it is none of these.
        """
        model = bare(model)
        if isinstance(model, Value):
            return model
        if hasattr(model, "h"):
            return cls(copy.deepcopy(model).requires_grad_(True))
        score = getattr(model, "score", None)
        if not hasattr(model, "gpt") or getattr(score, "out_features", None) != 1:
            raise TypeError(
                f"value is a {type(model).__name__}: what a value function can begin as is a GPT, "
                "a reward model (a body `gpt` and a linear layer `score` to one number), or a Value"
            )
        found = cls(copy.deepcopy(model.gpt).requires_grad_(True))
        with torch.no_grad():
            found.score.weight.copy_(score.weight)
            if score.bias is not None:
                found.score.bias.copy_(score.bias)
        return found

    @property
    def config(self) -> Any:
        """The shape of the body."""
        return self.gpt.config

    def hidden(self, ids: Tensor) -> Tensor:
        """The body's last states: (B, T) -> (B, T, C)."""
        return self.gpt.hidden(ids)

    def forward(self, rows: Rollout) -> Tensor:
        """What is expected before each token of the responses: (N,), in their order."""
        return self.score(states_before(self, rows))[:, 0]

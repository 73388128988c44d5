"""An iteration of PPO on transformers' GPT-2, written out plainly: generate, ask, score, update.

It gets what suits it best: SDPA, a GELU in one kernel, fused AdamW, and log-probabilities of the
responses alone. Prompts are padded on the left for all of it, as `generate` wants them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from peers.hugging_face import ONE_KERNEL, twin
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from gptcore import GPT


class Spent(NamedTuple):
    """Tokens of responses, and the seconds in which they were drawn and learned from."""

    tokens: int
    rollout: float
    update: float


class PlainPPO:
    """Policy, reference and value function begin as the same network.

    Args:
        model: ours; theirs gets its weights.
        prompts: token ids, of any lengths. eot: the id that ends a response.
        longest: new tokens at most. minibatches: updates per iteration.
    """

    def __init__(
        self, model: GPT, prompts: list[list[int]], eot: int, longest: int, minibatches: int
    ) -> None:
        self.policy = twin(model, ONE_KERNEL).eval()
        self.reference = copy.deepcopy(self.policy)
        self.body = copy.deepcopy(self.policy.transformer)
        self.head = nn.Linear(model.config.d_model, 1)
        self.eot, self.longest, self.minibatches = eot, longest, minibatches
        places = max(map(len, prompts))
        self.ids = torch.tensor([[0] * (places - len(ids)) + ids for ids in prompts])
        self.real = torch.tensor([[0] * (places - len(ids)) + [1] * len(ids) for ids in prompts])
        self.policy_optimizer = torch.optim.AdamW(self.policy.parameters(), 1e-4, fused=True)
        self.values = nn.ModuleList([self.body, self.head])
        self.value_optimizer = torch.optim.AdamW(self.values.parameters(), 1e-4, fused=True)

    def iterate(self, score: Callable[[Tensor], Tensor]) -> Spent:
        """One iteration; `score` is given the responses (B, R)."""
        began, n = time.perf_counter(), self.ids.shape[1]
        rows = self.policy.generate(
            self.ids,
            attention_mask=self.real,
            max_new_tokens=self.longest,
            do_sample=True,
            top_k=0,
            eos_token_id=self.eot,
            pad_token_id=0,
        )
        tokens = rows[:, n:]
        drawn = time.perf_counter()
        ended = (tokens == self.eot).long().cumsum(1) - (tokens == self.eot).long()
        mask = ended == 0
        real = torch.cat([self.real, mask.long()], 1)
        scores = score(tokens)
        scored = time.perf_counter()
        with torch.no_grad():
            old = self.log_p(self.policy, rows, real)
            ref = self.log_p(self.reference, rows, real)
            values = self.expected(rows, real) * mask
        rewards = -0.05 * (old - ref) * mask
        rewards[torch.arange(len(rows)), mask.sum(1) - 1] += scores
        later, columns = torch.zeros(len(rows)), []
        for t in reversed(range(tokens.shape[1])):
            ahead = values[:, t + 1] if t + 1 < tokens.shape[1] else 0.0
            later = (rewards[:, t] + ahead - values[:, t] + 0.95 * later) * mask[:, t]
            columns.append(later)
        advantages = torch.stack(columns[::-1], 1)
        returns = advantages + values
        a = (advantages - advantages[mask].mean()) / advantages[mask].std()
        for i in torch.randperm(len(rows)).chunk(self.minibatches):
            ratio = (self.log_p(self.policy, rows[i], real[i]) - old[i])[mask[i]].exp()
            b = a[i][mask[i]]
            loss = torch.maximum(-b * ratio, -b * ratio.clamp(0.8, 1.2)).mean()
            self.move(loss, self.policy, self.policy_optimizer)
            error = (self.expected(rows[i], real[i]) - returns[i])[mask[i]]
            self.move(0.5 * error.square().mean(), self.values, self.value_optimizer)
        update = time.perf_counter() - scored
        return Spent(int(mask.sum()), drawn - began, update)

    def log_p(self, model: GPT2LMHeadModel, rows: Tensor, real: Tensor) -> Tensor:
        """(B, R) of the responses."""
        n = self.ids.shape[1]
        places = (real.cumsum(1) - 1).clamp(min=0)
        hidden = model.transformer(
            rows, attention_mask=real, position_ids=places, use_cache=False
        ).last_hidden_state
        logits = model.lm_head(hidden[:, n - 1 : -1])
        flat = F.cross_entropy(logits.flatten(0, 1), rows[:, n:].flatten(), reduction="none")
        return -flat.view(len(rows), -1)

    def expected(self, rows: Tensor, real: Tensor) -> Tensor:
        """(B, R) by the value function."""
        places = (real.cumsum(1) - 1).clamp(min=0)
        hidden = self.body(
            rows, attention_mask=real, position_ids=places, use_cache=False
        ).last_hidden_state
        return self.head(hidden[:, self.ids.shape[1] - 1 : -1])[..., 0]

    def move(self, loss: Tensor, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """One update."""
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

"""GPT-1's rival: a single-layer LSTM language model that stands where a `GPT` stands.

It has the same embedding, the same tied output matrix and the same methods, so that pre-training
and fine-tuning run on it unchanged, and only the body differs.

Source: GPT-1 §5 ("a single layer 2048 unit LSTM using the same framework") and Table 5; Hochreiter
and Schmidhuber 1997.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.config import GPTConfig
from gptcore.gradients import tied_cross_entropy

MODEL_TYPE = "gptcore-lstm"
"""What config.json calls it."""
FIELDS = ("vocab_size", "n_ctx", "d_model", "dropout")


class LSTM(nn.Module):
    """A language model with one LSTM layer of width `d_model`.

    Args:
        config: `vocab_size`, `d_model`, `n_ctx` and `dropout` count; one layer is built.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        shape = {name: getattr(config, name) for name in FIELDS}
        self.config = GPTConfig(**shape, n_layer=1, n_head=1)
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.lstm = nn.LSTM(config.d_model, config.d_model, batch_first=True)
        nn.init.normal_(self.wte.weight, std=0.02)
        n = config.d_model  # a forget gate that begins open lets early gradients through
        nn.init.constant_(self.lstm.bias_ih_l0[n : 2 * n], 1.0)

    @property
    def output(self) -> Tensor:
        """(V, C), the matrix that turns a state into logits: the token table."""
        return self.wte.weight

    def hidden(self, ids: Tensor) -> Tensor:
        """The layer's output at every position: (B, T) -> (B, T, C)."""
        drop, training = self.config.dropout, self.training
        x = F.dropout(self.wte(ids), drop, training=training)
        return F.dropout(self.lstm(x)[0], drop, training=training)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V) for the token after each position."""
        return F.linear(self.hidden(ids), self.output)

    def loss(self, ids: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Negative log-likelihood of the targets that are not -100, in nats; as in `GPT.loss`.

        Raises:
            ValueError: `reduction` is neither "mean" nor "sum".
        """
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction={reduction!r} must be 'mean' or 'sum'")
        hidden = self.hidden(ids).flatten(0, 1)
        total = tied_cross_entropy(hidden, self.output, targets.flatten())
        return total / (targets != -100).sum() if reduction == "mean" else total

    def summed_loss(self, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss summed over the scored positions, and their number, as in `GPT.summed_loss`."""
        return self.loss(ids, targets, "sum"), (targets != -100).sum()

    def saved_as(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What config.json says of it, and its tensors by name, see `gptcore.checkpoint.forms`."""
        shape = {name: getattr(self.config, name) for name in FIELDS}
        return {"model_type": MODEL_TYPE, "architectures": ["LSTM"], **shape}, self.state_dict()

    @classmethod
    def described(cls, found: dict[str, Any]) -> LSTM:
        """A new LSTM of the shape that `saved_as` told."""
        return cls(GPTConfig(**{name: found[name] for name in FIELDS}, n_head=1))

    def n_params(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.wte.weight.device

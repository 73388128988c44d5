"""transformers' GPT2LMHeadModel with our weights, trained by a good plain loop.

It gets SDPA, no cache while it trains, and, unless told otherwise, what suits it best: fused AdamW.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

from gptcore import GPT, GPTConfig, save
from gptcore.optim import OptimConfig

# Its default GELU is several PyTorch calls; the other is the same function as one kernel.
DEFAULT, ONE_KERNEL = "gelu_new", "gelu_pytorch_tanh"

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@dataclass(frozen=True)
class Network:
    """A shape to compare on, and the ratios that are asked for."""

    config: GPTConfig
    batch_size: int
    train: float
    generate: float

    def __str__(self) -> str:
        c = self.config
        return f"{c.n_layer} x {c.d_model}, vocabulary {c.vocab_size:,}"


def _network(L: int, H: int, C: int, T: int, B: int, V: int, *ratios: float) -> Network:
    config = GPTConfig(n_layer=L, n_head=H, d_model=C, n_ctx=T, vocab_size=V, dropout=0.0)
    return Network(config, B, *ratios)


NETWORKS = (
    _network(4, 4, 128, 64, 12, 65, 1.3, 3.0),
    _network(6, 6, 384, 256, 16, 4096, 1.15, 1.7),
    _network(12, 12, 768, 256, 1, 50257, 1.05, 1.3),  # GPT-2 small
)


def twin(model: GPT, gelu: str) -> transformers.GPT2LMHeadModel:
    """Their model with our weights, through the checkpoint that both read."""
    with tempfile.TemporaryDirectory() as folder:
        save(folder, model)
        return transformers.GPT2LMHeadModel.from_pretrained(
            folder, attn_implementation="sdpa", activation_function=gelu, dtype=torch.float32
        )


def train(
    model: transformers.GPT2LMHeadModel,
    batches: Iterable[tuple[Tensor, Tensor]],
    optim: OptimConfig,
    lr: Callable[[int], float],
    fused: bool = True,
) -> Iterator[float]:
    """One update for every item asked for; yields its loss. What decays is what decays in ours.

    Without `fused`, AdamW is the one that PyTorch picks where nobody asks.
    """
    model.train()
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2]},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, optim.lr, optim.betas, optim.eps, optim.weight_decay, fused=fused or None
    )
    for step, (ids, targets) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr(step)
        logits = model(ids, use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), optim.clip)
        optimizer.step()
        optimizer.zero_grad()
        yield loss.item()

"""Where a network begins: gradients and the stream by depth, before the first update.

Source: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture", §3.3.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gptcore.experiments.pretraining import corpus_of, network
from gptcore.model import GPT
from gptcore.probes import residual_variance, weight_gradients
from gptcore.text.streams import Batches


def beginning(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """The gradient of each block's second feed-forward matrix, as a run of a grid.

    Args:
        settings: `shape`, `data`, `batch_size` and what `network` reads, as in `pretrained`;
            `xavier`, True to draw the blocks as Xiong et al. 2020 do.
        seed: draws the weights and the batch.

    Returns:
        What `Grid.run` asks for. `items` are the L norms, first block first; `test` and `valid`
        the natural logarithm of the last over the first: above 0, the gradient is larger near the
        output. `variance` is the stream's at the L + 1 depths, `loss` that of the batch.
    """
    torch.set_num_threads(1)
    corpus = corpus_of(tuple(sorted(settings["data"].items())))
    model = network(settings, corpus.tokenizer.vocab_size, seed)
    if settings.get("xavier"):
        draw_xavier(model, seed)
    stream = Batches(corpus.train, settings["batch_size"], settings["shape"]["n_ctx"], seed)
    ids, targets = next(iter(stream))
    norms = block_gradients(model, ids, targets)
    with torch.no_grad():
        loss = model.loss(ids, targets).item()
    toward = round(math.log(norms[-1] / norms[0]), 4)
    return {
        "test_set": "the blocks of a new network",
        "valid": toward,
        "test": toward,
        "items": [float(f"{norm:.4g}") for norm in norms.tolist()],
        "labels": None,
        "variance": [float(f"{v:.4g}") for v in residual_variance(model, ids).tolist()],
        "loss": round(loss, 4),
    }


def block_gradients(model: GPT, ids: Tensor, targets: Tensor) -> Tensor:
    """(L,) the norm of the loss's gradient in every block's `mlp.c_proj.weight`.

    Args:
        model: a GPT.
        ids, targets: (B, T), as in `GPT.loss`.

    Source: Xiong et al. 2020, Figure 3 (W², the matrix they draw).
    """
    found = weight_gradients(model, ids, targets)
    return torch.stack([found[f"h.{i}.mlp.c_proj.weight"] for i in range(len(model.h))])


@torch.no_grad()
def draw_xavier(model: GPT, seed: int) -> None:
    """Draw all matrices of the blocks anew, with variance 2 / (inputs + outputs).

    Queries, keys and values stand in one matrix and are three, each C by C.

    Source: Glorot and Bengio 2010; Xiong et al. 2020, §3.2.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.h.named_parameters():
        if p.dim() == 2:
            outputs = p.shape[0] // (3 if "c_attn" in name else 1)
            std = math.sqrt(2 / (p.shape[1] + outputs))
            nn.init.normal_(p, std=std, generator=generator)

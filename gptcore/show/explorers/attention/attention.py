"""Every attention weight of a model on a few texts, to look at token by token.

Source: the picture of all heads side by side follows Vig 2019, *A Multiscale Visualization of
Attention in the Transformer Model*, §3; the rest is ours.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from traitlets import Int

from gptcore.model import GPT
from gptcore.show.explorers.shared.texts import (
    TextExplorer,
    answered_by,
    between,
    label,
    named,
    room,
)
from gptcore.tokenizer import Tokenizer

__all__ = ["AttentionExplorer", "look", "pack"]


class AttentionExplorer(TextExplorer):
    """All layers and heads of a model on some texts, and on any text typed (`TextExplorer`).

    Weights are looked up when the explorer is made: a model trained further afterwards answers
    only for what is typed. Layers, heads and positions count from 0, as in `model.h[0]` and
    `trace.attentions[0][0, 0]`.

    Args:
        model: any GPT; it is used without dropout and given back as it was.
        tokenizer: the one that the model was trained with.
        texts: what to show: texts, or name -> text.
        layer, head, token: what is chosen at first; by default the token two thirds through.
        max_tokens: tokens of a text that are shown, at most `n_ctx`; the reader is told of a cut.
        alt: the text alternative; by default it is worked out from the weights.

    Raises:
        TypeError: `texts` is one string.
        ValueError: there is no text, or one has no tokens, or layer, head or token lie outside
            of what there is, or max_tokens is not positive.
    """

    script = "attention"
    n_layer = Int().tag(sync=True)
    n_head = Int().tag(sync=True)
    layer, head, token = (Int(0).tag(sync=True) for _ in range(3))
    """Which layer, head and position are chosen, counted from 0."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        texts: Sequence[str] | Mapping[str, str],
        *,
        layer: int = 0,
        head: int = 0,
        token: int | None = None,
        max_tokens: int = 256,
        alt: str | None = None,
    ) -> None:
        config = model.config
        between("layer", layer, 0, config.n_layer - 1)
        between("head", head, 0, config.n_head - 1)
        tokens = room(max_tokens, config.n_ctx)
        ask = partial(look, model, tokenizer, max_tokens=tokens)
        looks = [{"name": name, **ask(text)} for name, text in named(texts)]
        first = looks[0]
        token = 2 * len(first["tokens"]) // 3 if token is None else token
        between("token", token, 0, len(first["tokens"]) - 1)
        self._ask = ask
        super().__init__(
            alt=_describe(first, len(looks), config.n_layer, config.n_head) if alt is None else alt,
            n_layer=config.n_layer,
            n_head=config.n_head,
            texts=looks,
            layer=layer,
            head=head,
            token=token,
            **answered_by(model, tokenizer, tokens),
        )


def look(model: GPT, tokenizer: Tokenizer, text: str, max_tokens: int) -> dict[str, Any]:
    """Run a text through a model and keep what the picture needs.

    Args:
        model: any GPT. tokenizer: its tokenizer; special tokens in the text are recognised.
        text: any text. max_tokens: tokens kept, from the start.

    Returns:
        tokens: `label` of each of the T tokens; of: the tokens before the cut; weights: `pack` of
        all layers' weights.

    Raises:
        ValueError: the text has no tokens.
    """
    ids = tokenizer.encode(text, allow_special=True)
    if not ids:
        raise ValueError(f"text={text!r} has no tokens")
    kept = ids[:max_tokens]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            trace = model.trace(torch.tensor([kept], device=model.device))
    finally:
        model.train(training)
    weights = torch.cat(trace.attentions)  # (L, H, T, T): one sequence, so B became L
    tokens = [label(tokenizer, i) for i in kept]
    return {"tokens": tokens, "of": len(ids), "weights": pack(weights)}


def pack(weights: Tensor) -> bytes:
    """Attention weights as one byte each, without the zeros above the diagonal.

    A byte is 255 √w rounded, so w comes back as (byte / 255)², off by at most √w / 255: 0.004 for
    a weight near 1, 0.0004 near 0.01. Rounding 255 w instead would lose every weight below 0.002,
    and in a text of 256 tokens most weights are.

    Args:
        weights: (..., T, T) in [0, 1], zero above the diagonal.

    Returns:
        For each leading index, row by row: T (T + 1) / 2 bytes.
    """
    rows, columns = torch.tril_indices(*weights.shape[-2:]).unbind()
    lower = weights[..., rows, columns].float().clamp(0, 1)
    return lower.sqrt().mul(255).round().to(torch.uint8).cpu().numpy().tobytes()


def _describe(first: dict[str, Any], n_texts: int, n_layer: int, n_head: int) -> str:
    """Say what the picture shows: which heads stand out on the first text, and by how much."""
    size = len(first["tokens"])
    packed = np.frombuffer(first["weights"], np.uint8).reshape(n_layer * n_head, -1)
    weights = np.zeros((n_layer * n_head, size, size))
    weights[(slice(None), *np.tril_indices(size))] = (packed / 255.0) ** 2
    weights /= weights.sum(2, keepdims=True)
    text = f"Attention weights of {n_layer} layers with {n_head} heads each, "
    text += f"over {n_texts} text{'s' if n_texts > 1 else ''}. "
    text += f"In the first, {first['name']!r} ({size} tokens), "
    if size == 1:
        return text + "the only token reads itself."
    rows = np.arange(1, size)  # the first token can read only itself
    distance = rows[:, None] - np.arange(size)
    facts = {
        "puts most weight on the token before": weights[:, rows, rows - 1].mean(1),
        "puts most weight on the first token": weights[:, rows, 0].mean(1),
        "looks back farthest": (weights[:, 1:] * distance).sum(2).mean(1),
    }
    told = []
    for fact, values in facts.items():
        layer, head = divmod(int(values.argmax()), n_head)
        unit = " tokens on average" if fact.startswith("looks") else " on average"
        told.append(f"layer {layer} head {head} {fact} ({values.max():.2f}{unit})")
    return text + "; ".join(told) + "."

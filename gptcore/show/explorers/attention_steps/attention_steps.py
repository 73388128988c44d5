"""One attention head, one step at a time: every number, and the products that made it.

The page holds queries, keys and values. Scores, scaling, mask, softmax and the weighted sum of
the values are worked out there (`attention_steps.js`), so that each can be looked into.

Source: GPT-1 §3.1 and Vaswani et al. 2017 §3.2.1, eq. 1 (the computation); the picture is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from traitlets import Bool, Enum, Int, List

from gptcore.model import GPT
from gptcore.show.explorers.shared.texts import (
    TextExplorer,
    answered_by,
    between,
    label,
    name_of,
    named,
    room,
)
from gptcore.show.widgets import Explorer
from gptcore.tokenizer import Tokenizer

__all__ = ["AttentionSteps", "heads_of", "look", "pack"]

STEPS = ("vectors", "scores", "scaled", "masked", "weights", "output")
MASKS = ("causal", "none", "zero")


class AttentionSteps(TextExplorer):
    """From queries, keys and values to the output of a head, for short texts and all heads.

    A slider walks through the six steps; a cell, pointed at, shows the sum that made it; the mask
    can be broken. Any text can be typed, as `TextExplorer` says. What a head computes is looked up
    when the explorer is made. Layers, heads and positions count from 0.

    In a page a text of T tokens takes 8 C L T bytes: 98 kB for 12 tokens, width 256, 4 layers.

    Args:
        model: any GPT; it is used without dropout and given back as it was.
        tokenizer: the one that the model was trained with.
        texts: what to show: texts, or name -> text.
        layer, head: what is chosen at first.
        max_tokens: tokens of a text that are shown, at most `n_ctx`; the reader is told of a cut.
        alt: the text alternative; by default it is worked out from the numbers.

    Raises:
        TypeError: `texts` is one string.
        ValueError: there is no text, or one has no tokens, or layer or head lie outside of what
            there is, or max_tokens is not positive.
    """

    script = "attention_steps"
    n_layer, n_head = (Int(1).tag(sync=True) for _ in range(2))
    sizes = List(Int()).tag(sync=True)
    """Numbers in a query (and a key) and in a value: D and D, but what is given by hand."""
    layer, head = (Int(0).tag(sync=True) for _ in range(2))
    """Which layer and head are chosen, counted from 0."""
    step = Int(0).tag(sync=True)
    """Which of `STEPS` is shown, counted from 0."""
    mask: Literal["causal", "none", "zero"] = Enum(MASKS, "causal").tag(sync=True)
    """What becomes of scores that may not be read: −∞; nothing; 0. Only the first is right."""
    asks = Bool(False).tag(sync=True)
    """Whether there is a model to ask; not where the numbers were given by hand."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        texts: Sequence[str] | Mapping[str, str],
        *,
        layer: int = 0,
        head: int = 0,
        max_tokens: int = 12,
        alt: str | None = None,
    ) -> None:
        config = model.config
        between("layer", layer, 0, config.n_layer - 1)
        between("head", head, 0, config.n_head - 1)
        tokens = room(max_tokens, config.n_ctx)
        self._ask = partial(look, model, tokenizer, max_tokens=tokens)
        looks = [{"name": name, **self._ask(text)} for name, text in named(texts)]
        if alt is None:
            ids = tokenizer.encode(named(texts)[0][1], allow_special=True)
            mine = heads_of(model, ids[: len(looks[0]["tokens"])])[layer, head].cpu()
            where = f"layer {layer}, head {head} on {looks[0]['name']!r}"
            may = looks[0]["may"][layer]
            alt = _describe(where, _spoken(looks[0]["tokens"]), *mine, may)
        super().__init__(
            alt=alt,
            n_layer=config.n_layer,
            n_head=config.n_head,
            sizes=[config.d_head, config.d_head],
            texts=looks,
            layer=layer,
            head=head,
            asks=True,
            **answered_by(model, tokenizer, tokens),
        )

    @classmethod
    def by_hand(
        cls, tokens: Sequence[str], q: Tensor, k: Tensor, v: Tensor, *, alt: str | None = None
    ) -> AttentionSteps:
        """One head whose numbers are given: small enough to be checked with a pencil.

        Args:
            tokens: T names.
            q, k: (T, D), D at least 1. v: (T, any width). Six decimals are kept.
            alt: the text alternative; by default it is worked out from the numbers.

        Raises:
            ValueError: there is no token, a shape does not fit, or a number is not finite.
        """
        T = len(tokens)
        q, k, v = (torch.as_tensor(x).detach().double().cpu() for x in (q, k, v))
        for name, x in {"q": q, "k": k, "v": v}.items():
            if x.dim() != 2 or T < 1 or x.shape[0] != T or x.shape[1] < 1:
                raise ValueError(f"{name} {tuple(x.shape)} must be (T, D) with T={T} tokens")
            if not x.isfinite().all():
                raise ValueError(f"{name} must be finite, got {x.tolist()}")
        if q.shape != k.shape:
            raise ValueError(f"k {tuple(k.shape)} must have the shape of q {tuple(q.shape)}")
        exact = [[round(value, 6) for value in x.flatten().tolist()] for x in (q, k, v)]
        labels = [[token, "text"] for token in tokens]
        made = cls.__new__(cls)
        made._ask = _nobody
        Explorer.__init__(
            made,
            alt=_describe("one head, numbers given by hand", tokens, q, k, v)
            if alt is None
            else alt,
            sizes=[q.shape[1], v.shape[1]],
            texts=[{"name": name_of(" ".join(tokens)), "tokens": labels, "of": T, "exact": exact}],
        )
        return made


def look(model: GPT, tokenizer: Tokenizer, text: str, max_tokens: int) -> dict[str, Any]:
    """Run a text through a model and keep the queries, keys and values of every head.

    Args:
        model: any GPT. tokenizer: its tokenizer; special tokens in the text are recognised.
        text: any text. max_tokens: tokens kept, from the start.

    Returns:
        tokens: `label` of each of the T tokens; of: the tokens before the cut; numbers, units:
        `pack` of `heads_of`; may: for each layer None, where a token reads itself and all before
        it, or T × T bytes, 1 where the layer's pattern lets row read column.

    Raises:
        ValueError: the text has no tokens.
    """
    ids = tokenizer.encode(text, allow_special=True)
    if not ids:
        raise ValueError(f"text={text!r} has no tokens")
    kept, config = ids[:max_tokens], model.config
    numbers, units = pack(heads_of(model, kept))
    masks = [model.mask(config.pattern_of(i), 0, len(kept)) for i in range(config.n_layer)]
    may = [None if mask is None else mask.byte().cpu().numpy().tobytes() for mask in masks]
    tokens = [label(tokenizer, i) for i in kept]
    return {"tokens": tokens, "of": len(ids), "numbers": numbers, "units": units, "may": may}


def _nobody(text: str) -> dict[str, Any]:
    raise ValueError("these numbers were given by hand; there is no model to ask")


def heads_of(model: GPT, ids: Sequence[int]) -> Tensor:
    """The queries, keys and values that every head of a model makes of a text.

    Args:
        model: any GPT; it runs without dropout. ids: T token ids.

    Returns:
        (L, H, 3, T, D): for each layer and head its queries, its keys, its values.
    """
    T, H = len(ids), model.config.n_head
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            residuals = model.trace(torch.tensor([list(ids)], device=model.device)).residuals
            found = []
            for layer, x in zip(model.h, residuals, strict=False):  # the last one leaves the model
                x = layer.ln_1(x) if layer.norm == "pre" else x
                found.append(layer.attn.c_attn(x[0]).view(T, 3, H, -1).permute(2, 1, 0, 3))
    finally:
        model.train(training)
    return torch.stack(found)


def pack(numbers: Tensor) -> tuple[bytes, list[float]]:
    """Numbers in two bytes each: a whole multiple of one unit per matrix.

    The unit is the largest magnitude of the matrix divided by 32,767, and a number is off by at
    most half of it. A float16, as large, would be up to 32 times as far off.

    Args:
        numbers: (..., T, D), finite.

    Returns:
        The multiples as little-endian int16 in the order of `numbers`, and the units, one for
        each matrix.
    """
    values = numbers.detach().double().cpu().numpy()
    units = np.abs(values).max(axis=(-2, -1), keepdims=True) / 32767
    multiples = np.rint(values / np.where(units == 0, 1, units))
    return multiples.astype("<i2").tobytes(), units.flatten().tolist()


def _spoken(tokens: Sequence[Sequence[str]]) -> list[str]:
    """Tokens as a text alternative names them: without their space, unless they are one."""
    return [text.strip() or repr(text) for text, _ in tokens]


def _describe(
    where: str, tokens: Sequence[str], q: Tensor, k: Tensor, v: Tensor, may: bytes | None = None
) -> str:
    """Say in words what the picture shows, with the numbers that matter."""
    T, D = q.shape
    text = f"Attention step by step: {where}. "
    text += f"{T} token{'s' if T > 1 else ''}, queries and keys of {D} numbers"
    if T == 1:
        return f"{text}; the only token reads itself."
    allowed = torch.ones(T, T, dtype=torch.bool).tril()
    if may is not None:
        allowed = torch.tensor(list(may), dtype=torch.bool).view(T, T)
    scores = q @ k.T
    scaled = scores / math.sqrt(D)
    last = scaled.masked_fill(~allowed, float("-inf"))[-1].softmax(0)
    leak = (scaled.softmax(1) * ~allowed).sum(1)
    best, worst = int(last.argmax()), int(leak.argmax())
    return (
        f"{text}. Scores lie between {scores.min():.2f} and {scores.max():.2f}, divided by "
        f"√{D} between {scaled.min():.2f} and {scaled.max():.2f}. After mask and softmax the last "
        f"token, {tokens[-1]!r}, puts most weight, {last[best]:.2f}, on {tokens[best]!r}. "
        f"Without the mask {tokens[worst]!r} (position {worst}) would put {leak[worst]:.2f} of "
        "its weight on tokens that it may not read."
    )

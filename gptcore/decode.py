"""The network one token at a time, as fast as a CPU can be asked for it.

With a single token the arithmetic of a small GPT takes less time than calling its modules. So
here are the same formulas as in `gptcore.model`, written out once more over the same weights,
looked up once. `GPT.forward` stays the definition: a test holds the two together.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.attention import CausalSelfAttention
from gptcore.model import GPT, MLP, Block, KVCache

PLAIN = (GPT, Block, CausalSelfAttention, MLP, nn.ModuleList, nn.Linear, nn.LayerNorm, nn.Embedding)

# From so many weights on a matrix is read in parts, side by side.
LARGE, PARTS = 2**17, 16

Affine = tuple[Tensor, Tensor]
"""Weight and bias of a Linear."""
Norm = tuple[Tensor, Tensor, float]
"""Gain, bias and epsilon of a LayerNorm."""


class Weights(NamedTuple):
    """What one block computes with."""

    ln_1: Norm
    c_attn: Affine
    attn_proj: Affine
    ln_2: Norm
    c_fc: Affine
    activation: Callable[[Tensor], Tensor]
    mlp_proj: Affine


class Decoder:
    """Reads one token after another into a cache that `GPT.forward` may have begun.

    Args:
        model: in evaluation mode; its weights are shared, not copied.
        cache: holds what was read so far.

    Raises:
        ValueError: the model is not a plain GPT, see `is_plain`.
    """

    def __init__(self, model: GPT, cache: KVCache) -> None:
        if not is_plain(model):
            raise ValueError("the model has modules or hooks that a Decoder would pass by")
        self.model, self.cache = model, cache
        self.blocks = [_weights(block) for block in model.h]
        self.ln_f = _norm_of(model.ln_f) if model.config.norm == "pre" else None

    @torch.inference_mode()
    def read(self, token: Tensor) -> Tensor:
        """Logits (B, V) of what follows `token` (B,), which is added to the cache.

        Raises:
            ValueError: the cache is full.
        """
        config, cache, t = self.model.config, self.cache, self.cache.length
        if t >= cache.n_ctx:
            raise ValueError(f"{t + 1} tokens do not fit: n_ctx={cache.n_ctx} is the longest")
        padding, names = cache.padding, set(config.pattern)
        side = () if padding is None else (padding,)  # as in GPT._run
        masks = {name: self.model.mask(name, t, t + 1, *side) for name in names}
        position = t if padding is None else t - padding
        x = F.embedding(token, self.model.wte.weight) + self.model.wpe.weight[position]  # (B, C)
        for i, w in enumerate(self.blocks):
            mask = masks[config.pattern_of(i)]
            if config.norm == "post":
                x = _norm(x + self._attend(x, i, w, mask), w.ln_1)
                x = _norm(x + _mlp(x, w), w.ln_2)
            else:
                x = x + self._attend(_norm(x, w.ln_1), i, w, mask)
                x = x + _mlp(_norm(x, w.ln_2), w)
        if self.ln_f is not None:
            x = _norm(x, self.ln_f)
        cache.length = t + 1
        return _linear(x, self.model.output)

    def _attend(self, x: Tensor, i: int, w: Weights, mask: Tensor | None) -> Tensor:
        """Block `i`'s attention of the token at position `cache.length`: (B, C) -> (B, C)."""
        keys, values, t = self.cache.layer(i)  # (B, H, room, D)
        room = keys.shape[2]
        q, k, v = _linear(x, *w.c_attn).view(len(x), 3, -1, keys.shape[3]).unbind(1)  # (B, H, D)
        keys[:, :, t % room], values[:, :, t % room] = k, v
        k, v = keys[:, :, : t + 1], values[:, :, : t + 1]
        if mask is not None and t >= room:  # places of a band are taken in turn
            places = torch.arange(room, device=mask.device)
            mask = mask[..., t - (t - places) % room]
        y = F.scaled_dot_product_attention(q.unsqueeze(2), k, v, mask)  # (B, H, 1, D)
        return _linear(y.view(x.shape), *w.attn_proj)


class Reader:
    """Texts read side by side: whole ones at first, then a token of each at a time.

    Args:
        model: in evaluation mode; a plain one is read by a `Decoder` wherever it can be.
    """

    def __init__(self, model: GPT) -> None:
        self.model, self.plain = model, is_plain(model)
        self.cache: KVCache | None = None

    @property
    def full(self) -> bool:
        """Whether no token fits any more."""
        return self.cache is None or self.cache.length >= self.cache.n_ctx

    @torch.inference_mode()
    def begin(self, texts: Tensor | list[list[int]], room: int) -> Tensor:
        """Read texts from their beginning; what was read before is forgotten.

        Args:
            texts: (B, T) ids, or B lists of them, of any lengths from 1: shorter ones are filled
                up on the left, with places that nobody reads.
            room: tokens that will follow, as far as the context has places for them.

        Returns:
            (B, V), the logits of what follows each.
        """
        model, padding = self.model, None
        if not isinstance(texts, Tensor):
            missing = [max(map(len, texts)) - len(ids) for ids in texts]
            if any(missing):
                padding = torch.tensor(missing, device=model.device)
            rows = [[0] * n + ids for n, ids in zip(missing, texts, strict=True)]
            texts = torch.tensor(rows, device=model.device)
        room = min(model.config.n_ctx, texts.shape[1] + room)
        dtype = model.wte.weight.dtype
        self.cache = KVCache(model.config, len(texts), room, model.device, dtype, padding)
        self._decoder = Decoder(model, self.cache) if self.plain else None
        return self._last(texts)

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """One more token of each text: (B,) -> (B, V), the logits of what follows it."""
        return self._decoder.read(tokens) if self.plain else self._last(tokens[:, None])

    @torch.inference_mode()
    def select(self, rows: list[int]) -> None:
        """Go on with these texts, in this order; one may be taken several times."""
        self.cache.select(torch.as_tensor(rows, device=self.model.device))

    def _last(self, ids: Tensor) -> Tensor:
        return F.linear(self.model.hidden(ids, self.cache)[:, -1], self.model.output)


def is_plain(model: nn.Module) -> bool:
    """Whether the model does what its weights say: GPT's own modules, and no hook on any."""
    return all(
        type(m) in PLAIN and not (m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m))
        for m in model.modules()
    )


def _mlp(x: Tensor, w: Weights) -> Tensor:
    return _linear(w.activation(_linear(x, *w.c_fc)), *w.mlp_proj)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear` of (B, in), in less time where a CPU has one row to multiply.

    All there is to do then is to read the weights once. PyTorch does it with one thread; asked for
    several products, each with a part of the rows, it does them with all threads.
    """
    n_out, n_in = weight.shape
    one_thread = weight.numel() < LARGE or len(x) > 1 or torch.get_num_threads() == 1
    if one_thread or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return F.linear(x, weight, bias)
    n = n_out - n_out % PARTS
    parts = weight[:n].view(PARTS, -1, n_in).transpose(1, 2)  # (P, in, out / P)
    y = torch.bmm(x.expand(PARTS, 1, n_in), parts).view(1, n)
    if n < n_out:
        y = torch.cat([y, F.linear(x, weight[n:])], dim=1)
    return y if bias is None else y.add_(bias)


def _norm(x: Tensor, norm: Norm) -> Tensor:
    return torch.layer_norm(x, x.shape[1:], *norm)


def _affine(module: nn.Linear) -> Affine:
    return module.weight, module.bias


def _norm_of(module: nn.LayerNorm) -> Norm:
    return module.weight, module.bias, module.eps


def _weights(block: Block) -> Weights:
    attn, mlp = block.attn, block.mlp
    return Weights(
        _norm_of(block.ln_1),
        _affine(attn.c_attn),
        _affine(attn.c_proj),
        _norm_of(block.ln_2),
        _affine(mlp.c_fc),
        mlp.activation,
        _affine(mlp.c_proj),
    )

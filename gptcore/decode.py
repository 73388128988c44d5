"""The network one token at a time, as fast as a CPU can be asked for it.

With a single token the arithmetic of a small GPT takes less time than calling its modules. So
here are the same formulas as in `gptcore.model`, written out once more over the same weights,
looked up once. `GPT.forward` stays the definition: a test holds the two together.

Source: ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.attention import CausalSelfAttention
from gptcore.model import GPT, MLP, Block, KVCache

PLAIN = (GPT, Block, CausalSelfAttention, MLP, nn.ModuleList, nn.Linear, nn.LayerNorm, nn.Embedding)

COPY_AFTER = 16  # tokens read before wide matrices are copied: about as many pay for the copy
COPY_AT_MOST = 2**29  # bytes; GPT-2 small takes 350 MB

Affine = tuple[Tensor, Tensor]
"""Gain and bias of a LayerNorm, or a Linear's weight as it multiplies rows, (in, out), and bias."""


class Weights(NamedTuple):
    """What one block multiplies by."""

    ln_1: Affine
    c_attn: Affine
    attn_proj: Affine
    ln_2: Affine
    c_fc: Affine
    mlp_proj: Affine


class Decoder:
    """Reads one token after another into a cache that `GPT.forward` may have begun.

    A row times a matrix goes at the speed of memory, and a CPU reads (in, out) up to twice as fast
    as the transposed (out, in) of a Linear, where out is not smaller than in. So after `COPY_AFTER`
    tokens there is a copy of those in that order, unless it would take more than `COPY_AT_MOST`.

    Args:
        model: in evaluation mode; its weights are shared, but for those copies, which are made
            anew when a weight was changed in place.
        cache: holds what was read so far.

    Raises:
        ValueError: the model is not a plain GPT, see `is_plain`.
    """

    def __init__(self, model: GPT, cache: KVCache) -> None:
        if not is_plain(model):
            raise ValueError("the model has modules or hooks that a Decoder would pass by")
        self.model, self.cache = model, cache
        self.blocks = [_weights(block) for block in model.h]
        self.ln_f = (model.ln_f.weight, model.ln_f.bias) if model.config.norm == "pre" else None
        self.head = model.wte.weight.t()  # (C, V)
        self._n_read, self._copied_at = 0, -1
        # What PyTorch counts changes of; it does not for weights made in inference mode.
        self._counted = [p for p in model.parameters() if not p.is_inference()]

    @torch.inference_mode()
    def read(self, token: Tensor) -> Tensor:
        """Logits (B, V) of what follows `token` (B,), which is added to the cache.

        Raises:
            ValueError: the cache is full.
        """
        config, cache, t = self.model.config, self.cache, self.cache.length
        if t >= cache.n_ctx:
            raise ValueError(f"{t + 1} tokens do not fit: n_ctx={cache.n_ctx} is the longest")
        self._n_read += 1
        if self._n_read > COPY_AFTER:
            self._copy_wide()
        masks = {name: self.model.mask(name, t, t + 1) for name in set(config.pattern)}
        x = F.embedding(token, self.model.wte.weight) + self.model.wpe.weight[t]  # (B, C)
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
        return x @ self.head

    def _copy_wide(self) -> None:
        """Lay wide matrices out as (in, out), if that is new, allowed, and known to be faster."""
        changes = sum(p._version for p in self._counted)
        if changes == self._copied_at:
            return
        self._copied_at = changes
        blocks = [_weights(block) for block in self.model.h]
        head = self.model.wte.weight.t()
        matrices = [m for w in blocks for m, _ in w if m.dim() == 2] + [head]
        wide = [m for m in matrices if m.shape[1] >= m.shape[0]]
        fast = head.device.type == "cpu" and head.dtype == torch.float32
        if fast and sum(m.nbytes for m in wide) <= COPY_AT_MOST:
            copies = {id(m): m.contiguous() for m in wide}
            self.blocks = [Weights(*((copies.get(id(m), m), b) for m, b in w)) for w in blocks]
            self.head = copies.get(id(head), head)

    def _attend(self, x: Tensor, i: int, w: Weights, mask: Tensor | None) -> Tensor:
        """Block `i`'s attention of the token at position `cache.length`: (B, C) -> (B, C)."""
        keys, values, t = self.cache.layer(i)  # (B, H, n_ctx, D)
        q, k, v = _linear(x, w.c_attn).view(len(x), 3, -1, keys.shape[3]).unbind(1)  # (B, H, D)
        keys[:, :, t], values[:, :, t] = k, v
        k, v = keys[:, :, : t + 1], values[:, :, : t + 1]
        y = F.scaled_dot_product_attention(q.unsqueeze(2), k, v, mask)  # (B, H, 1, D)
        return _linear(y.view(x.shape), w.attn_proj)


def is_plain(model: nn.Module) -> bool:
    """Whether the model does what its weights say: GPT's own modules, and no hook on any."""
    return all(
        type(m) in PLAIN and not (m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m))
        for m in model.modules()
    )


def _mlp(x: Tensor, w: Weights) -> Tensor:
    return _linear(F.gelu(_linear(x, w.c_fc), approximate="tanh"), w.mlp_proj)


def _linear(x: Tensor, affine: Affine) -> Tensor:
    return torch.addmm(affine[1], x, affine[0])


def _norm(x: Tensor, affine: Affine) -> Tensor:
    return torch.layer_norm(x, x.shape[1:], *affine, 1e-5)


def _weights(block: Block) -> Weights:
    """Views of a block's weights."""
    attn, mlp = block.attn, block.mlp
    modules = block.ln_1, attn.c_attn, attn.c_proj, block.ln_2, mlp.c_fc, mlp.c_proj
    return Weights(*((m.weight.t() if m.weight.dim() == 2 else m.weight, m.bias) for m in modules))

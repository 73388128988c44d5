"""Who may look at whom: attention patterns as predicates, and the layer that uses them.

Source: GPT-1 §3.1 and its released code (masked self-attention); Sparse Transformer §4.2-4.3
(banded, strided, fixed); GPT-3 §2.1 (dense and banded layers in turn).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.config import GPTConfig, PatternName
from gptcore.gradients import is_short, short_attention

if TYPE_CHECKING:
    from gptcore.sparse import Blocked

# A pattern says which key positions k a query position q may read. It works on index tensors
# that broadcast, so the same line gives one answer, one row or the whole (T, T) mask.
Pattern = Callable[[Tensor, Tensor, int, int], Tensor]


def dense(q: Tensor, k: Tensor, window: int, summary: int) -> Tensor:
    """Every position up to and including its own. Source: GPT-1 §3.1."""
    return k <= q


def banded(q: Tensor, k: Tensor, window: int, summary: int) -> Tensor:
    """The last `window` positions, its own included.

    Source: Sparse Transformer §4.3, A(1) of the strided pattern. The paper's formula has one key
    more; the released code keeps `window` keys, and so do we.
    """
    return (k <= q) & (q - k < window)


def strided(q: Tensor, k: Tensor, window: int, summary: int) -> Tensor:
    """Every `window`-th position back from its own: A(2) of the strided pattern.

    On its own it reaches only positions a multiple of `window` away; the paper pairs it with the
    band, here `pattern=("banded", "strided")`. Source: Sparse Transformer §4.3.
    """
    return (k <= q) & ((q - k) % window == 0)


def block(q: Tensor, k: Tensor, window: int, summary: int) -> Tensor:
    """The positions of its own block of `window`, up to its own.

    Source: Sparse Transformer §4.3, A(1) of the fixed pattern.
    """
    return (k <= q) & (q // window == k // window)


def fixed(q: Tensor, k: Tensor, window: int, summary: int) -> Tensor:
    """Its own block, and the last `summary` positions of every block: A(1) and A(2) merged.

    A(2) alone leaves the first positions nothing to read, so the two come together
    (Sparse Transformer §5.1, the merged head). Source: Sparse Transformer §4.3.
    """
    return block(q, k, window, summary) | ((k <= q) & (k % window >= window - summary))


PATTERNS: dict[PatternName, Pattern] = {
    "dense": dense,
    "banded": banded,
    "strided": strided,
    "block": block,
    "fixed": fixed,
}


def may_attend(
    pattern: str, q: Tensor, k: Tensor, *, window: int = 256, summary: int = 8
) -> Tensor:
    """Whether query positions `q` may read key positions `k` under a named pattern.

    Args:
        pattern: a name in `PATTERNS`.
        q, k: integer position tensors of shapes that broadcast, e.g. (T, 1) and (1, T).
        window: l, in tokens. summary: c, in tokens.

    Returns:
        Boolean tensor of the broadcast shape.

    Raises:
        KeyError: `pattern` is not in `PATTERNS`.
        ValueError: `window` is below 1.
    """
    if pattern not in PATTERNS:
        raise KeyError(f"pattern={pattern!r} must be one of {', '.join(PATTERNS)}")
    if window < 1:
        raise ValueError(f"window={window} must be at least 1")
    return PATTERNS[pattern](q, k, window, summary)


def mask_of(
    pattern: str,
    start: int,
    end: int,
    *,
    window: int = 256,
    summary: int = 8,
    padding: Tensor | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Which of the keys 0..end the queries start..end may read under a named pattern.

    Args:
        pattern, window, summary: as in `may_attend`.
        start, end: positions; those before `start` were read earlier.
        padding: (B,) how many places at the front of each row hold nothing; None: none in any.
        device: where the mask is made.

    Returns:
        (T, end) boolean, T = end - start; with padding (B, 1, T, end), and nobody reads padding.

    Raises:
        KeyError: `pattern` is not in `PATTERNS`.
    """
    k = torch.arange(end, device=device)
    q = k[start:, None]
    size = {"window": window, "summary": summary}
    if padding is None:
        return may_attend(pattern, q, k, **size)
    first = padding[:, None, None, None]  # each row counts from its own beginning
    seen = may_attend(pattern, q - first, k - first, **size) & (k >= first)
    return seen | (k == q)  # a place without a token reads itself: no key at all gives NaN


def remember(past: tuple[Tensor, Tensor, int], k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Write new keys and values into a cache, and give all that the new positions may read.

    Position p has the place p modulo the room. A banded layer's room is its band: there a new
    position takes the place of one that nobody will read any more.

    Args:
        past: as in `CausalSelfAttention.forward`.
        k, v: (B, H, T, D), of the new positions.

    Returns:
        Keys and values (B, H, K, D) of the last K positions, in their order.
    """
    keys, values, start = past
    room, T = keys.shape[2], k.shape[2]
    end = start + T
    if end <= room:
        keys[:, :, start:end] = k
        values[:, :, start:end] = v
        return keys[:, :, :end], values[:, :, :end]
    places = torch.arange(max(0, start - room), end, device=k.device) % room
    before, new = places[:-T], places[-T:][-room:]
    read = torch.cat([keys[:, :, before], k], 2), torch.cat([values[:, :, before], v], 2)
    keys[:, :, new] = k[:, :, -room:]
    values[:, :, new] = v[:, :, -room:]
    return read


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which no position sees a later one.

    Source: GPT-1 §3.1 and its code (`attn`): one fused projection to queries, keys and values,
    scale 1/√D, mask before the softmax, dropout on the weights and on the output.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        self.c_attn = nn.Linear(config.d_model, 3 * config.d_model)
        self.c_proj = nn.Linear(config.d_model, config.d_model)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | Blocked | None = None,
        past: tuple[Tensor, Tensor, int] | None = None,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        """Mix the values of the positions each position may read.

        Args:
            x: (B, T, C).
            mask: (T, K) boolean, True where reading is allowed; None means dense and causal: all
                that was read before, and the new positions up to the own. A `Blocked` of
                `gptcore.sparse` reads the same pairs without going through all others.
            past: one layer of a `KVCache`: keys and values (B, H, room, D) and how many positions
                were read. The new ones are written behind them, see `remember`.
            weights: a list to which the attention weights (B, H, T, K) are appended. Asking for
                them computes the softmax step by step instead of in PyTorch's fused kernel.

        Returns:
            (B, T, C).
        """
        B, T, C = x.shape
        qkv = self.c_attn(x)  # (B, T, 3 C)
        p = self.dropout if self.training else 0.0
        if mask is None and past is None and weights is None and not p and is_short(qkv):
            return self.c_proj(short_attention(qkv, self.n_head))  # what follows, only faster
        q, k, v = qkv.split(C, dim=2)
        q, k, v = (t.view(B, T, self.n_head, -1).transpose(1, 2) for t in (q, k, v))  # (B, H, T, D)
        if past is not None:
            k, v = remember(past, k, v)  # (B, H, K, D)
        K, end = k.shape[2], T if past is None else past[2] + T
        if callable(mask) and weights is not None:
            mask = mask.mask(T, x.device)
        if mask is None and (1 < T < K or weights is not None):  # PyTorch's own rule wants T = K
            mask = torch.ones(T, K, dtype=torch.bool, device=x.device).tril(K - T)
        if isinstance(mask, Tensor):
            mask = mask[..., end - K :]  # positions that a banded layer's cache has left behind
        if callable(mask):
            y = mask(q, k, v, p)
        elif weights is None:
            causal = mask is None and T > 1
            y = F.scaled_dot_product_attention(q, k, v, mask, dropout_p=p, is_causal=causal)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, H, T, K)
            a = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
            weights.append(F.pad(a, (end - K, 0)))
            y = F.dropout(a, p) @ v
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side again
        return F.dropout(self.c_proj(y), p, training=self.training)

"""Sparse patterns at the price of the pairs that are read, not of all pairs.

A mask changes what is computed and not its cost: scores of hidden pairs are made and thrown away.
Here the positions are cut into blocks, and PyTorch's plain attention is called for each block with
the keys that its queries read. The predicates of `gptcore.attention` stay the definition.

    banded   a tile for every few queries: their own stretch of keys and the band before it
    fixed    the same, with the summaries of all earlier blocks
    strided  positions of one remainder modulo l read each other: fold, and each is a short text
    block    each block is a short text

On a GPU two kernels of PyTorch's do this in one go, and are used once they have agreed with the
blocks on a small example: `varlen_attn` with a window and FlexAttention. This was written without a
GPU: what they are given is tested, they themselves are not, but by that example on yours.

Source: Sparse Transformer §4.3 (patterns), §5.5 (blocks); Beltagy et al. 2020, "Longformer", §3.1
(a band in chunks); Dong et al. 2024, "Flex Attention". The gradient in tiles is ours.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.attention import PATTERNS, Pattern, banded, block, fixed, mask_of, strided

LONG = 256
"""Positions from which on blocks are faster than one mask, with windows up to half of them."""
TILE = 64
"""Queries of a tile, or a quarter of the window where that is more."""
KNOWN: dict[str, Pattern] = {"banded": banded, "strided": strided, "block": block, "fixed": fixed}
"""The predicates for which there are blocks."""


@dataclass(frozen=True)
class Blocked:
    """A pattern that a layer is given in place of its mask, and that mixes the values itself.

    Args:
        pattern, window, summary: as in `may_attend`; `pattern` is one of `KNOWN`.
        padding: (B,) places at the front of each row that hold nothing; None: none in any.
    """

    pattern: str
    window: int
    summary: int = 8
    padding: Tensor | None = None

    def mask(self, T: int, device: torch.device | str | None = None) -> Tensor:
        """The same as booleans, (T, T) or (B, 1, T, T): the reference."""
        size = {"window": self.window, "summary": self.summary}
        return mask_of(self.pattern, 0, T, **size, padding=self.padding, device=device)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, dropout: float = 0.0) -> Tensor:
        """Attention of (B, H, T, D) queries over as many keys and values: (B, H, T, D)."""
        rule = (self.pattern, self.window, self.summary)
        if self.padding is None:
            return attend(q, k, v, *rule, dropout=dropout)
        # Each text moves to the front; what is behind it then is later, and nobody reads it.
        T = q.shape[2]
        at, shift = torch.arange(T, device=q.device), self.padding[:, None]
        there, back = ((at + s) % T for s in (shift, -shift))
        y = attend(*(_moved(x, there) for x in (q, k, v)), *rule, dropout=dropout)
        return _moved(y, back)


def in_blocks(
    pattern: str, T: int, window: int, summary: int = 8, padding: Tensor | None = None
) -> Blocked | None:
    """What reads a pattern block by block, where that is faster; None: take the mask.

    Warns once where a pattern of that name in `PATTERNS` is no longer the one known here.
    """
    if pattern not in KNOWN or T < max(LONG, 2 * window):
        return None
    if PATTERNS[pattern] is not KNOWN[pattern]:
        _say_once(
            f"pattern={pattern!r} was replaced in gptcore.attention.PATTERNS: there are no "
            "blocks for it, so its mask is used, and costs as much as dense attention"
        )
        return None
    return Blocked(pattern, window, summary, padding)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    pattern: str,
    window: int,
    summary: int = 8,
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Attention under a named pattern, in the fastest way that the device is known to do right.

    Args:
        q, k, v: (B, H, T, D); position i of the queries is position i of the keys.
        pattern, window, summary: as in `may_attend`.
        dropout: the probability with which a weight is dropped.

    Returns:
        (B, H, T, D).

    Raises:
        KeyError: there are no blocks for `pattern`.
        ValueError: a size breaks its rule, or q, k and v have different shapes.
    """
    _check(q, k, v, pattern, window, summary)
    if q.device.type == "cuda" and not dropout:
        kernel = _kernel(pattern, q.dtype, q.shape[-1], q.device)
        if kernel is not None:
            return kernel(q, k, v, pattern, window, summary)
    return blocked(q, k, v, pattern, window, summary, dropout)


@torch.compiler.disable
def blocked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    pattern: str,
    window: int,
    summary: int = 8,
    dropout: float = 0.0,
) -> Tensor:
    """Attention under a named pattern from plain attention on blocks, on any device.

    Time and memory grow with the pairs that are read; arguments as in `attend`. Of `n` positions
    banded reads n·l pairs, strided n²/l, block n·l/2, fixed n·l/2 + n²·c/(2 l). Raises as `attend`.
    """
    _check(q, k, v, pattern, window, summary)
    T = q.shape[2]
    window = min(window, T)
    if pattern in ("strided", "block"):
        return _folded(q, k, v, window, pattern == "strided", dropout)
    return _Tiled.apply(q, k, v, _tiles(pattern, T, window, summary, q.device), dropout)


def _check(q: Tensor, k: Tensor, v: Tensor, pattern: str, window: int, summary: int) -> None:
    if pattern not in KNOWN:
        raise KeyError(f"pattern={pattern!r} has no blocks; there are for {', '.join(KNOWN)}")
    if window < 1 or (pattern == "fixed" and not 1 <= summary <= window):
        raise ValueError(f"window={window} must be at least 1, summary={summary} from 1 to window")
    if not q.shape == k.shape == v.shape:
        shapes = ", ".join(str(tuple(x.shape)) for x in (q, k, v))
        raise ValueError(f"q, k and v must have one shape (B, H, T, D), not {shapes}")


def _folded(
    q: Tensor, k: Tensor, v: Tensor, window: int, by_remainder: bool, dropout: float
) -> Tensor:
    """Positions of one remainder modulo l, or of one block, as texts of their own."""
    B, T = q.shape[0], q.shape[2]
    to, fro = ((0, 3, 1, 2, 4), (0, 2, 3, 1, 4)) if by_remainder else ((0, 2, 1, 3, 4),) * 2

    def fold(x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, -T % window)) if T % window else x  # a pad of 0 is a copy
        return x.unflatten(2, (-1, window)).permute(to).flatten(0, 1)  # of (B, H, T / l, l, D)

    y = F.scaled_dot_product_attention(*map(fold, (q, k, v)), dropout_p=dropout, is_causal=True)
    return y.unflatten(0, (B, -1)).permute(fro).flatten(2, 3)[:, :, :T]


class Tile(NamedTuple):
    """Some queries, the keys that they read between them, and who of them reads which."""

    rows: slice
    columns: slice | Tensor
    mask: Tensor


@lru_cache(maxsize=16)
def _tiles(
    pattern: str, T: int, window: int, summary: int, device: torch.device
) -> tuple[Tile, ...]:
    """The tiles of a banded or fixed pattern; equal masks are one tensor."""
    size, masks, found = max(TILE, window // 4), {}, []
    at = torch.arange(T)
    for start in range(0, T, size):
        rows = slice(start, min(start + size, T))
        if pattern == "banded":
            columns = slice(max(0, start - window + 1), rows.stop)
        else:  # the block that the first query stands in, and what sums up those before it
            past = at[: rows.stop]
            columns = past[(past >= start - start % window) | (past % window >= window - summary)]
        mask = PATTERNS[pattern](at[rows, None], at[columns], window, summary)
        mask = masks.setdefault((mask.shape, mask.numpy().tobytes()), mask.to(device))
        columns = columns.to(device) if isinstance(columns, Tensor) else columns
        found.append(Tile(rows, columns, mask))
    return tuple(found)


class _Tiled(torch.autograd.Function):
    """One tile after another, and once more for the gradient.

    Left to itself, the gradient of a slice is a tensor as long as what was sliced, so that a loop
    over slices is quadratic again. Here every tile adds its part to one gradient. No weights are
    kept: computing them again costs little beside keeping those of all tiles.
    """

    @staticmethod
    def forward(  # type: ignore
        ctx, q: Tensor, k: Tensor, v: Tensor, tiles: tuple[Tile, ...], dropout: float
    ) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.tiles, ctx.dropout = tiles, dropout
        ctx.random = _random_state(q.device) if dropout else None
        y = _like(q, q.dtype)
        for rows, columns, mask in tiles:
            a, b, c = q[:, :, rows], k[:, :, columns], v[:, :, columns]
            if dropout:
                y[:, :, rows] = F.dropout(_weights(a, b, mask), dropout) @ c
            else:
                y[:, :, rows] = F.scaled_dot_product_attention(a, b, c, mask)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore
        if torch.is_grad_enabled():
            raise RuntimeError("create_graph=True: attention in tiles has no second derivative")
        q, k, v = ctx.saved_tensors
        wide = torch.promote_types(q.dtype, torch.float32)  # many tiles add to one key
        grad_q = _like(q, q.dtype)
        grad_k, grad_v = (_like(x, wide).zero_() for x in (k, v))
        with _same_random(ctx.random, q.device):
            for rows, columns, mask in ctx.tiles:
                a, b, c, g = q[:, :, rows], k[:, :, columns], v[:, :, columns], grad[:, :, rows]
                weights = _weights(a, b, mask)
                slope = g @ c.transpose(-2, -1)
                dropped = weights
                if ctx.dropout:
                    kept = F.dropout(torch.ones_like(weights), ctx.dropout)
                    dropped, slope = weights * kept, slope * kept
                slope = slope.mul_(weights)  # w g; of the scores: w g - w Σ w g
                slope.addcmul_(weights, slope.sum(-1, keepdim=True), value=-1)
                slope.div_(math.sqrt(q.shape[-1]))
                grad_q[:, :, rows] = slope @ b
                _add(grad_k, columns, slope.transpose(-2, -1) @ a)
                _add(grad_v, columns, dropped.transpose(-2, -1) @ g)
        return grad_q, grad_k.to(k.dtype), grad_v.to(v.dtype), None, None


def _weights(q: Tensor, k: Tensor, mask: Tensor) -> Tensor:
    """(B, H, R, K) attention weights of a tile, step by step."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)  # float16 ends at 65,504
    wide = torch.promote_types(q.dtype, torch.float32)
    return scores.masked_fill_(~mask, float("-inf")).softmax(-1, dtype=wide).to(q.dtype)


def _add(total: Tensor, columns: slice | Tensor, part: Tensor) -> None:
    """Add what a tile found for its keys, each of which stands once among them."""
    if isinstance(columns, slice):
        total[:, :, columns] += part
    else:
        total.index_add_(2, columns, part.to(total.dtype))


def flex(q: Tensor, k: Tensor, v: Tensor, pattern: str, window: int, summary: int = 8) -> Tensor:
    """The same by FlexAttention and a block mask, for a GPU; arguments as in `attend`.

    On a CPU it runs for comparison only: without a gradient, and in the time of dense attention.
    """
    from torch.nn.attention.flex_attention import flex_attention

    mask = block_mask(pattern, q.shape[2], window, summary, q.device)
    run = _compiled(flex_attention) if q.device.type == "cuda" else flex_attention
    return run(q, k, v, block_mask=mask)


@lru_cache(maxsize=16)
def block_mask(pattern: str, T: int, window: int, summary: int, device: torch.device | str) -> Any:
    """FlexAttention's `BlockMask` of a pattern, made from its predicate."""
    from torch.nn.attention.flex_attention import create_block_mask

    def allowed(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return PATTERNS[pattern](q, k, window, summary)

    return create_block_mask(allowed, None, None, T, T, device=device)


def varlen(q: Tensor, k: Tensor, v: Tensor, pattern: str, window: int, summary: int = 8) -> Tensor:
    """A band by PyTorch's `varlen_attn`, for a GPU and half precision; arguments as in `attend`."""
    from torch.nn.attention.varlen import varlen_attn

    B, H, T, D = q.shape
    ends = torch.arange(0, (B + 1) * T, T, dtype=torch.int32, device=q.device)
    flat = [x.transpose(1, 2).reshape(B * T, H, D) for x in (q, k, v)]
    y = varlen_attn(*flat, ends, ends, T, T, window_size=(window - 1, 0))  # the own one is extra
    return y.view(B, T, H, D).transpose(1, 2)


def kernels(pattern: str, dtype: torch.dtype) -> list[Callable[..., Tensor]]:
    """Which of PyTorch's kernels could do a pattern on a GPU, best first."""
    half = dtype in (torch.float16, torch.bfloat16)
    return [varlen] * (pattern == "banded" and half and _has_windows()) + [flex]


@lru_cache
def _kernel(
    pattern: str, dtype: torch.dtype, d_head: int, device: torch.device
) -> Callable[..., Tensor] | None:
    """The first kernel that runs and agrees with the blocks; None, and a warning: neither does."""
    failed = []
    for kernel in kernels(pattern, dtype):
        try:
            if agrees(kernel, pattern, dtype, d_head, device):
                return kernel
            failed.append(f"{kernel.__name__} gives other numbers")
        except Exception as error:  # whatever a driver, a compiler or a version says
            failed.append(f"{kernel.__name__}: {type(error).__name__}: {error}".splitlines()[0])
    _say_once(f"pattern={pattern!r} is read in blocks on {device}: {'; '.join(failed)}")
    return None


def agrees(
    kernel: Callable[..., Tensor],
    pattern: str,
    dtype: torch.dtype,
    d_head: int,
    device: torch.device | str,
) -> bool:
    """Whether a kernel gives what the blocks give, gradients included, on an example of 320."""
    generator = torch.Generator().manual_seed(0)
    shape, rule = (1, 2, 320, d_head), (pattern, 48, 4)
    inputs = [torch.randn(shape, generator=generator) for _ in range(4)]
    *qkv, out = (x.to(device, dtype) for x in inputs)
    found = []
    with torch.enable_grad():
        for way in (kernel, blocked):
            leaves = [x.detach().clone().requires_grad_() for x in qkv]
            y = way(*leaves, *rule)
            found.append([y.detach(), *torch.autograd.grad(y, leaves, out)])
    near = 16 * torch.finfo(dtype).eps
    return all(
        torch.allclose(a.float(), b.float(), atol=near, rtol=near)
        for a, b in zip(*found, strict=True)
    )


@lru_cache
def _has_windows() -> bool:
    """Whether the installed PyTorch's `varlen_attn` knows windows."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    return "window_size" in inspect.signature(varlen_attn).parameters


@lru_cache
def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return torch.compile(function, dynamic=False)


@lru_cache
def _say_once(text: str) -> None:
    warnings.warn(text, stacklevel=2)


def _moved(x: Tensor, to: Tensor) -> Tensor:
    """Positions of (B, H, T, D) in another order: `to` (B, T) says which one comes where."""
    return x.gather(2, to[:, None, :, None].expand_as(x))


def _like(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Room for (B, H, T, D) with the heads of a position side by side, as layers have them."""
    B, H, T, D = x.shape
    return x.new_empty((B, T, H, D), dtype=dtype).transpose(1, 2)


def _random_state(device: torch.device) -> Tensor:
    return torch.get_rng_state() if device.type == "cpu" else torch.cuda.get_rng_state(device)


@contextmanager
def _same_random(state: Tensor | None, device: torch.device) -> Iterator[None]:
    """Random numbers begin at `state` again, for a while."""
    if state is None:
        yield
        return
    with torch.random.fork_rng([] if device.type == "cpu" else [device]):
        if device.type == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, device)
        yield

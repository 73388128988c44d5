"""The network: GPT-1, GPT-2 and GPT-3 as one class, read from small to large.

Source: GPT-1 §3.1, §4.1 and its released code; GPT-2 §2.3 and its released code; GPT-3 §2.1.

Shapes: B batch, T tokens, C d_model, H heads, D d_head, V vocabulary, L layers.
Module names are OpenAI's, so that published weights load by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from gptcore.attention import PATTERNS, CausalSelfAttention, banded, mask_of
from gptcore.config import Activation, GPTConfig, PatternName
from gptcore.gradients import gelu, tied_cross_entropy
from gptcore.sparse import Blocked, in_blocks


def gelu_sigmoid(x: Tensor) -> Tensor:
    """x σ(1.702 x), the GELU's other approximation. Source: Hendrycks and Gimpel 2016, §2."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": gelu,  # every GPT of OpenAI's
    "gelu_erf": F.gelu,
    "gelu_sigmoid": gelu_sigmoid,
    "relu": F.relu,
    "silu": F.silu,
}


class MLP(nn.Module):
    """Two projections with a GELU between them, applied to every position on its own."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.d_model, config.d_ff)
        self.c_proj = nn.Linear(config.d_ff, config.d_model)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = config.dropout

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = self.c_proj(self.activation(self.c_fc(x)))
        return F.dropout(x, self.dropout, training=self.training)


Places = Tensor | tuple[Tensor, Tensor]
"""Some positions of (B, T): True where one is meant, or (rows, positions in them)."""


class Block(nn.Module):
    """Attention, then MLP, each beside a residual path; `norm` says where LayerNorm stands.

    Source: GPT-1's `block` (post), GPT-2's `block` (pre).
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.norm = config.norm
        self.ln_1 = nn.LayerNorm(config.d_model, eps=config.ln_eps)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.d_model, eps=config.ln_eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | Blocked | None = None,
        past: tuple[Tensor, Tensor, int] | None = None,
        weights: list[Tensor] | None = None,
        only: Places | None = None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C); the arguments are those of `CausalSelfAttention.forward`.

        Behind attention no position sees another: with `only` the rest is done at these N places
        alone, and (N, C) comes back.
        """
        if self.norm == "post":  # GPT-1: normalise the sum
            x = self.ln_1(x + self.attn(x, mask, past, weights))
            x = x if only is None else x[only]
            x = self.ln_2(x + self.mlp(x))
        else:  # GPT-2 and GPT-3: normalise what enters, leave the residual stream alone
            x = x + self.attn(self.ln_1(x), mask, past, weights)
            x = x if only is None else x[only]
            x = x + self.mlp(self.ln_2(x))
        return x


class KVCache:
    """Keys and values of the tokens read so far, in memory taken once.

    Generating one token then costs one position of work instead of the whole prefix. A banded
    layer has room for its window only: nobody reads further back.

    Args:
        config: the model's config.
        batch_size: B, sequences decoded side by side.
        n_ctx: positions to make room for; at most (and by default) `config.n_ctx`.
        device, dtype: those of the model.
        padding: (B,) how many places at the front of each row hold nothing, so that texts of
            different lengths end side by side; None: none in any row.
    """

    def __init__(
        self,
        config: GPTConfig,
        batch_size: int = 1,
        n_ctx: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        padding: Tensor | None = None,
    ) -> None:
        self.n_ctx = config.n_ctx if n_ctx is None else n_ctx
        if not 1 <= self.n_ctx <= config.n_ctx:
            raise ValueError(f"n_ctx={self.n_ctx} must be between 1 and {config.n_ctx}")
        band = min(config.window, self.n_ctx) if PATTERNS["banded"] is banded else self.n_ctx
        names = [config.pattern_of(i) for i in range(config.n_layer)]
        rooms = [band if name == "banded" else self.n_ctx for name in names]
        shapes = [(batch_size, config.n_head, room, config.d_head) for room in rooms]
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for shape in shapes]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for shape in shapes]
        self.padding = padding
        self.length = 0

    def reset(self) -> None:
        """Forget everything read; the memory stays."""
        self.length = 0

    def select(self, rows: Tensor) -> None:
        """Keep these rows (integer indices), in this order; a row may be taken several times."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        self.padding = None if self.padding is None else self.padding[rows]

    def widen(self) -> None:
        """Room for all positions in every layer, while nothing was read yet: for a network whose
        mask is its own, and need not end at the window."""
        for kept in (self.keys, self.values):
            for i, x in enumerate(kept):
                B, H, room, D = x.shape
                kept[i] = x if room == self.n_ctx else x.new_zeros(B, H, self.n_ctx, D)

    def layer(self, i: int) -> tuple[Tensor, Tensor, int]:
        """Keys and values (B, H, room, D) of block `i`, and how many positions were read.

        Position p stands at p modulo the room, which is n_ctx, or the window of a banded layer.
        """
        return self.keys[i], self.values[i], self.length


@dataclass(frozen=True)
class Trace:
    """Everything a forward pass went through, for looking at."""

    logits: Tensor
    """(B, T, V)."""
    attentions: list[Tensor]
    """One (B, H, T, T) per block; rows sum to 1."""
    residuals: list[Tensor]
    """L + 1 of (B, T, C): the embeddings, then the stream after each block."""


class GPT(nn.Module):
    """A GPT language model.

    `norm="post"` is GPT-1; `norm="pre"` is GPT-2 and GPT-3, which add `ln_f` after the last block.
    The output matrix is the token table (`tied`, as in every GPT of OpenAI's), or one of its own.
    """

    recompute = False
    """While it learns, blocks keep only what enters them and compute the rest again for the
    gradient: see `gptcore.modes.recomputing`. Source: Chen et al. 2016, "Training Deep Nets with
    Sublinear Memory Cost"."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.wpe = nn.Embedding(config.n_ctx, config.d_model)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        if config.norm == "pre":
            self.ln_f = nn.LayerNorm(config.d_model, eps=config.ln_eps)
        if not config.tied:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self._init_weights()

    @property
    def output(self) -> Tensor:
        """(V, C), the matrix that turns the last state into logits."""
        return self.wte.weight if self.config.tied else self.lm_head.weight

    @torch.no_grad()
    def _init_weights(self) -> None:
        """Weights N(0, 0.02), biases 0, LayerNorm gain 1 and bias 0.

        GPT-2 changes two things: position rows have std 0.01 (released code), and the two
        matrices of a block that write to the residual stream are divided by √(2 L), since the
        stream is a sum of 2 L such terms (GPT-2 §2.3).
        """
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                std = 0.02
                if self.config.norm == "pre" and name == "wpe.weight":
                    std = 0.01
                if self.config.norm == "pre" and name.endswith("c_proj.weight"):
                    std = 0.02 / math.sqrt(2 * self.config.n_layer)
                nn.init.normal_(p, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def hidden(
        self, ids: Tensor, cache: KVCache | None = None, only: Places | None = None
    ) -> Tensor:
        """The last layer's state at every position: what every head reads.

        Args:
            ids: (B, T) integer token ids.
            cache: what was read before; `ids` continue it and are added to it.
            only: the N positions that will be read; what only the others need is not computed.

        Returns:
            (B, T, C), or with `only` (N, C).

        Raises:
            ValueError: `ids` is not (B, T), is empty, or does not fit the context.
        """
        x = self._run(ids, cache, only=only)
        return self.ln_f(x) if self.config.norm == "pre" else x

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits (B, T, V) for the token after each position; arguments as in `hidden`."""
        return F.linear(self.hidden(ids, cache), self.output)

    def loss(self, ids: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Negative log-likelihood of `targets`, in nats.

        Args:
            ids: (B, T) token ids.
            targets: (B, T), the token that follows each position: `ids` moved by one. Positions
                with -100 are not scored.
            reduction: "mean" over scored positions, "sum", or "none" for (B, T).

        Raises:
            ValueError: `targets` has another shape, or `reduction` is none of the three.

        Source: GPT-1 §3.1, eq. 1, divided by the number of scored positions.
        """
        if targets.shape != ids.shape:
            raise ValueError(
                f"targets {tuple(targets.shape)} must have the shape of ids {tuple(ids.shape)}"
            )
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction={reduction!r} must be 'mean', 'sum' or 'none'")
        if reduction == "none":
            logits = F.linear(self.hidden(ids), self.output)
            return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        some = _scored_places(targets)
        states = self.hidden(ids, only=some).view(-1, self.config.d_model)
        asked = targets.flatten() if some is None else targets[some]
        total = tied_cross_entropy(states, self.output, asked)
        return total / (targets != -100).sum() if reduction == "mean" else total

    def summed_loss(self, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss summed over the scored positions, and their number; arguments as in `loss`."""
        return self.loss(ids, targets, "sum"), (targets != -100).sum()

    def trace(self, ids: Tensor, cache: KVCache | None = None) -> Trace:
        """A forward pass that keeps every attention weight and the residual stream.

        Args:
            ids: (B, T) token ids.
            cache: as in `hidden`; the weights are then those of the new positions, (B, H, T, K)
                over all K positions read so far.
        """
        attentions: list[Tensor] = []
        residuals: list[Tensor] = []
        x = self._run(ids, cache, attentions, residuals)
        x = self.ln_f(x) if self.config.norm == "pre" else x
        return Trace(F.linear(x, self.output), attentions, residuals)

    def n_params(self) -> int:
        """Number of trained parameters; a tied output matrix counts once."""
        return sum(p.numel() for p in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.wte.weight.device

    def _run(
        self,
        ids: Tensor,
        cache: KVCache | None,
        attentions: list[Tensor] | None = None,
        residuals: list[Tensor] | None = None,
        only: Places | None = None,
    ) -> Tensor:
        """Embeddings and all blocks: (B, T) -> (B, T, C), or with `only` (N, C)."""
        config = self.config
        if ids.dim() != 2 or ids.shape[1] < 1:
            raise ValueError(f"ids must be (B, T) with T >= 1, got {tuple(ids.shape)}")
        start = cache.length if cache else 0
        end = start + ids.shape[1]
        room = cache.n_ctx if cache else config.n_ctx
        if end > room:
            raise ValueError(f"{end} tokens do not fit: n_ctx={room} is the longest sequence")
        positions = torch.arange(start, end, device=ids.device)
        padding = cache.padding if cache else None
        if cache and not start and self._has_own_mask():
            cache.widen()
        whole = not start and attentions is None
        masks = {name: self._reading(name, start, end, padding, whole) for name in config.pattern}
        if padding is not None:  # each row counts from its own beginning
            positions = (positions - padding[:, None]).clamp(min=0)  # (B, T)
        x = self.wte(ids) + self.wpe(positions)  # (B, T, C)
        x = F.dropout(x, config.dropout, training=self.training)
        again = self.recompute and torch.is_grad_enabled() and cache is None and attentions is None
        for i, layer in enumerate(self.h):
            if residuals is not None:
                residuals.append(x)
            past = cache.layer(i) if cache else None
            mask = masks[config.pattern_of(i)]
            last = () if only is None or i < config.n_layer - 1 else (only,)
            if again:
                x = checkpoint(layer, x, mask, None, None, *last, use_reentrant=False)
            else:
                x = layer(x, mask, past, attentions, *last)
        if residuals is not None:
            residuals.append(x)
        if cache:
            cache.length = end
        return x

    def _has_own_mask(self) -> bool:
        return type(self).mask is not GPT.mask or "mask" in vars(self)

    def _reading(
        self, pattern: PatternName, start: int, end: int, padding: Tensor | None, whole: bool
    ) -> Tensor | Blocked | None:
        """What a layer is told: the mask, or for a whole text and where it is faster, `Blocked`."""
        if whole and not self._has_own_mask():
            config = self.config
            found = in_blocks(pattern, end, config.window, config.summary, padding)
            if found is not None:
                return found
        side = () if padding is None else (padding,)  # a mask of one's own need not know of it
        return self.mask(pattern, start, end, *side)

    def mask(
        self, pattern: PatternName, start: int, end: int, padding: Tensor | None = None
    ) -> Tensor | None:
        """Which of the keys 0..end the queries start..end may read: (T, end) boolean.

        With `padding` (B,), see `KVCache`, it is (B, 1, T, end), and nobody reads the padding.
        None where PyTorch's own causal rule, or no rule for a single query, says the same.
        """
        if padding is None and pattern == "dense" and (start == 0 or end - start == 1):
            return None
        size = {"window": self.config.window, "summary": self.config.summary}
        return mask_of(pattern, start, end, **size, padding=padding, device=self.device)


def _scored_places(targets: Tensor) -> Tensor | None:
    """Where `targets` is scored; None where that is everywhere, or would have to be waited for."""
    if targets.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    scored = targets != -100
    return None if scored.all() else scored

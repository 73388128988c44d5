"""How well a GPT predicts held-out text.

Source: GPT-1 §3.1 (eq. 1, the log-likelihood); GPT-2 §3.1 (perplexity and bits per byte).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gptcore.model import GPT
from gptcore.modes import bare, evaluating

Tokens = Tensor | np.ndarray | Sequence[int]


@dataclass(frozen=True)
class Score:
    """Mean negative log-likelihood of a text in three units."""

    nats_per_token: float
    perplexity: float
    """e to the power of `nats_per_token`: as uncertain as a fair choice among so many tokens."""
    bits_per_byte: float | None
    """Total bits by total bytes, which compares across tokenizers; None if bytes are not known."""
    n_tokens: int
    """Tokens scored: all but the first, which nothing precedes."""


class Window(NamedTuple):
    """Positions start to end - 1 are read; those from `first` on are scored."""

    start: int
    first: int
    end: int


def evaluate(
    model: GPT,
    tokens: Tokens,
    *,
    n_bytes: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
    progress: bool = False,
) -> Score:
    """Score every token but the first exactly once, each given the tokens before it.

    A window of n_ctx tokens predicts the n_ctx tokens that follow its positions, the last of them
    being the first of the next window. So N tokens give N - 1 scores however they are cut: 511 for
    a text of 512. With disjoint windows the first token of a window is predicted by the last
    position of the one before, with full context.

    Args:
        model: left in the mode in which it came; a wrapper of torch.compile or of parallel
            training is seen through.
        tokens: (N,) ids, N >= 2; a memory map is read window by window.
        n_bytes: UTF-8 bytes of the text that the tokens stand for.
        stride: how far the window moves. None moves it by its whole length: fast, but early
            positions of a window have little context. A smaller stride gives every token after
            the first window at least n_ctx - stride tokens of context and costs n_ctx / stride
            times as much.
        batch_size: windows read side by side; changes speed, not the result.
        progress: show a bar (needs tqdm).

    Raises:
        ValueError: an argument breaks its rule; the message names argument, value and rule.
    """
    model, n = bare(model), len(tokens)
    if n < 2:
        raise ValueError(f"tokens has {n}; at least 2 are needed, one to predict the other")
    for name, value in (("n_bytes", n_bytes), ("batch_size", batch_size)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    batches = _shown(_batches(_windows(n, model.config.n_ctx, stride), batch_size), progress)
    with evaluating(model):
        nats = math.fsum(_score(model, tokens, batch) for batch in batches)
    mean = nats / (n - 1)
    return Score(
        nats_per_token=mean,
        perplexity=math.exp(mean) if mean < 700 else math.inf,  # a float ends at exp(709)
        bits_per_byte=None if n_bytes is None else nats / math.log(2) / n_bytes,
        n_tokens=n - 1,
    )


def _shown(batches: list[list[Window]], progress: bool) -> Iterable[list[Window]]:
    """The batches one by one, with a bar or without."""
    if not progress:
        return batches
    from tqdm import tqdm

    return tqdm(batches, desc="measuring on held-out text", unit=" batches")


def _windows(n: int, n_ctx: int, stride: int | None) -> list[Window]:
    """The windows that together score n - 1 positions, each once."""
    stride = n_ctx if stride is None else stride
    if not 1 <= stride <= n_ctx:
        raise ValueError(f"stride={stride} must be between 1 and n_ctx={n_ctx}")
    windows, scored, start = [], 0, 0
    while scored < n - 1:
        end = min(start + n_ctx, n - 1)
        windows.append(Window(start, scored, end))
        scored, start = end, start + stride
    return windows


def _batches(windows: list[Window], batch_size: int) -> list[list[Window]]:
    """Windows of equal length side by side; the last window may be shorter and then goes alone."""
    *rest, last = windows
    batches = [rest[i : i + batch_size] for i in range(0, len(rest), batch_size)]
    return [*batches, [last]]


@torch.inference_mode()
def _score(model: GPT, tokens: Tokens, batch: list[Window]) -> float:
    """Summed nats of the scored positions of some windows of equal length."""
    rows = [checked_ids(tokens[w.start : w.end + 1], model.config.vocab_size) for w in batch]
    block = torch.stack(rows).to(model.device)  # (B, T + 1)
    targets = block[:, 1:].clone()
    for row, window in zip(targets, batch, strict=True):
        row[: window.first - window.start] = -100  # scored by an earlier window
    return model.loss(block[:, :-1], targets, reduction="sum").item()


def checked_ids(tokens: Tokens, vocab_size: int) -> Tensor:
    """Checked int64 ids."""
    ids = torch.as_tensor(np.asarray(tokens, dtype=np.int64))
    if ids.dim() != 1:
        raise ValueError(f"tokens must be (N,), got {tuple(ids.shape)}")
    for extreme in (int(ids.min()), int(ids.max())):
        if not 0 <= extreme < vocab_size:
            raise ValueError(f"tokens has id {extreme}; ids must be in [0, {vocab_size})")
    return ids

"""Pre-training as a grid runs it: a network, so many tokens of Tales, the loss on held-out text.

Every condition of such a grid is given the same number of tokens in the same order, a schedule
that ends with them, and as many learning rates as every other. The item of a test is a window of
held-out text and its score the log-likelihood of a token in it, so that more is better, as
everywhere on the bench. The windows that choose and the windows that report are different ones.

A run that diverges scores as a network that knows nothing, -ln V a token, and says so.

Source: GPT-1 §3.1, eq. 1 (the log-likelihood); DESIGN 8's "all get the same stated budget".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gptcore.config import GPTConfig
from gptcore.experiments.records import digest_of, packed
from gptcore.lstm import LSTM
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.optim import OptimConfig
from gptcore.text.streams import Batches, TokenStream
from gptcore.tokenizer import Tokenizer
from gptcore.train.corpus import Corpus, DataConfig, prepare
from gptcore.train.loop import Diverged, Step, fit

CHOOSING, REPORTING = 40, 120
"""Held-out windows to choose by, and others to report on."""
STREAMS = Path("runs/streams")
"""Where the encoded text is kept between runs."""
POINTS = 50
"""Of a loss curve, at most; each is the mean over the updates that it stands for."""
RESIDUAL = ("scaled", "plain", "by layers")
"""What the matrices that write to the residual stream begin with: std 0.02/√(2L) as in GPT-2,
0.02 as all others, or 0.02/L."""


def pretrained(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """One pre-training run of a grid.

    Args:
        settings: `shape`, the fields of a GPTConfig without vocab_size; `kind`, "gpt" (default) or
            "lstm"; `data`, the fields of a DataConfig; `updates`, `batch_size`, `lr`, `warmup`
            (updates, or a part of them below 1; default 0.1), `precision` ("fp32" or "bf16"), and
            what `network` reads: `residual`, `gain_of`, `ln_f`.
        seed: draws new weights and the order of the windows.

    Returns:
        What `Grid.run` asks for, with `tokens` read, `n_params`, `curve` (mean training loss over
        each part of the run) and `diverged` (the update, or None).

    Raises:
        ValueError: a setting breaks its rule.
    """
    torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
    corpus = corpus_of(tuple(sorted(settings["data"].items())))
    model = network(settings, corpus.tokenizer.vocab_size, seed)
    losses: list[float] = []
    diverged = None
    try:
        losses += (step.loss for step in steps_of(model, corpus, settings, seed))
    except Diverged:
        diverged = len(losses) + 1
    n_ctx = settings["shape"]["n_ctx"]
    if diverged:
        scores = torch.full((CHOOSING + REPORTING,), -math.log(model.config.vocab_size))
    else:
        scores = -window_losses(model, corpus.valid.tokens, CHOOSING + REPORTING, n_ctx)
    return {
        "test_set": f"{REPORTING} windows of {n_ctx} held-out tokens",
        "valid": round(scores[:CHOOSING].mean().item(), 4),
        "test": round(scores[CHOOSING:].mean().item(), 4),
        "items": packed(scores[CHOOSING:].tolist()),
        "labels": None,
        "tokens": len(losses) * settings["batch_size"] * n_ctx,
        "n_params": model.n_params(),
        "curve": thinned(losses),
        "diverged": diverged,
    }


def network(settings: dict[str, Any], vocab_size: int, seed: int) -> GPT | LSTM:
    """A new network as the settings of `pretrained` describe it.

    Args:
        settings: `kind`, `shape`; `residual`, one of `RESIDUAL`; `gain_of`, a width: the matrices
            of the blocks begin so much larger that they change the length of a vector as 0.02
            does in a network of that width (a narrow network with 0.02 hardly adds to its stream,
            and nothing that depth does to a wide one happens to it); `ln_f`, False takes it out.
        vocab_size: V.
        seed: draws the weights.

    Raises:
        ValueError: `residual` is not one of `RESIDUAL`, or asked of an LSTM.
    """
    config = GPTConfig(vocab_size=vocab_size, **settings["shape"])
    lstm = settings.get("kind", "gpt") == "lstm"
    residual = settings.get("residual")
    if residual is not None and (residual not in RESIDUAL or lstm):
        raise ValueError(f"residual={residual!r} must be one of {RESIDUAL}, and of a GPT")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LSTM(config) if lstm else GPT(config)
    if not lstm:
        _begin_otherwise(model, residual, settings.get("gain_of", config.d_model))
    if not settings.get("ln_f", True):
        model.ln_f = nn.Identity()
    return model


@torch.no_grad()
def _begin_otherwise(model: GPT, residual: str | None, gain_of: int) -> None:
    """Scale what `GPT` drew: all matrices of the blocks, and those that write to the stream."""
    L, width = model.config.n_layer, model.config.d_model
    now = math.sqrt(2 * L) if model.config.norm == "pre" else 1.0
    wanted = {None: now, "scaled": math.sqrt(2 * L), "plain": 1.0, "by layers": float(L)}[residual]
    for name, p in model.h.named_parameters():
        if p.dim() == 2:
            p.mul_(math.sqrt(gain_of / width))
        if name.endswith("c_proj.weight"):
            p.mul_(now / wanted)


def steps_of(
    model: GPT | LSTM, corpus: Corpus, settings: dict[str, Any], seed: int
) -> Iterator[Step]:
    """Train a network as the settings of `pretrained` say."""
    optim = OptimConfig(
        lr=settings["lr"],
        betas=(0.9, 0.95),
        warmup=settings.get("warmup", 0.1),
        schedule="cosine",
    )
    updates = settings["updates"]
    if 0 < optim.warmup < 1:
        optim = replace(optim, warmup=max(1, round(optim.warmup * updates)))
    n_ctx = settings["shape"]["n_ctx"]
    batches = Batches(corpus.train, settings["batch_size"], n_ctx, seed)
    precision = settings.get("precision", "fp32")
    return fit(model, batches, optim, updates, precision=precision, seed=seed)


@lru_cache(4)
def corpus_of(data: tuple[tuple[str, Any], ...]) -> Corpus:
    """The text of a run, made once and kept in `STREAMS`."""
    fields = dict(data)
    if "tokenizer" in fields:
        fields["tokenizer"] = Path(fields["tokenizer"])
    vocab_size = fields.pop("vocab_size", 2048)
    return prepare(DataConfig(**fields), vocab_size, STREAMS)


def watched(
    model: GPT,
    corpus: Corpus,
    settings: dict[str, Any],
    seed: int,
    looks: int,
    look: Callable[[], list[float]],
) -> tuple[list[float], list[list[float]]]:
    """Train a network, and look at it on its way.

    Args:
        looks: how often.
        look: what is seen, rounded; the network is in evaluation mode.

    Returns:
        The loss of each update; for each look the tokens read and what was seen.
    """
    losses: list[float] = []
    course: list[list[float]] = []
    every = max(1, settings["updates"] // looks)
    for step in steps_of(model, corpus, settings, seed):
        losses.append(step.loss)
        if len(losses) % every == 0:
            with evaluating(model):
                seen = [round(value, 4) for value in look()]
            course.append([len(losses) * settings["batch_size"] * model.config.n_ctx, *seen])
    return losses, course


def corpus_in(
    documents: Callable[..., Iterator[str]], kind: str, settings: dict[str, Any], n_valid: int
) -> Corpus:
    """Documents as a run reads them, and plain ones to measure its loss with.

    Args:
        documents: a generator of `gptcore.tales` with dials: n, share, part and others.
        kind: what the documents are called in `STREAMS`.
        settings: of a run: `corpus`, the arguments of `documents`; `tokenizer`, a folder.
        n_valid: how many plain ones, of the part "valid".
    """
    wanted = tuple(sorted(settings["corpus"].items()))
    return _corpus_in(documents, kind, wanted, settings["tokenizer"], n_valid)


@lru_cache(2)
def _corpus_in(
    documents: Callable[..., Iterator[str]],
    kind: str,
    wanted: tuple[tuple[str, Any], ...],
    tokenizer: str,
    n_valid: int,
) -> Corpus:
    """As token ids, made once and kept in `STREAMS`."""
    known = Tokenizer.load(tokenizer)
    plain = {"n": n_valid, "share": 0.0, "part": "valid"}
    streams = []
    for arguments in (dict(wanted), plain):
        path = STREAMS / f"{kind}-{digest_of({**arguments, 'tokenizer': known.fingerprint})}"
        try:
            streams.append(TokenStream.open(path))
        except FileNotFoundError:
            streams.append(TokenStream.write(path, documents(**arguments), known))
    return Corpus(known, *streams, settings=dict(wanted))


@torch.inference_mode()
def window_losses(model: GPT | LSTM, tokens: Any, n: int, n_ctx: int) -> Tensor:
    """(n,) mean nats per token of n windows spread evenly over a text, each on its own.

    Raises:
        ValueError: the text is too short for n windows that do not overlap.
    """
    if len(tokens) < n * (n_ctx + 1):
        raise ValueError(f"n={n} windows of {n_ctx + 1} tokens do not fit into {len(tokens)}")
    model.eval()
    starts = torch.linspace(0, len(tokens) - n_ctx - 1, n).long().tolist()
    rows = torch.stack([torch.as_tensor(tokens[i : i + n_ctx + 1].astype("int64")) for i in starts])
    found = []
    for block in rows.split(8):
        logits = model(block[:, :-1]).float().transpose(1, 2)
        found.append(nn.functional.cross_entropy(logits, block[:, 1:], reduction="none").mean(1))
    return torch.cat(found)


def thinned(losses: list[float], points: int = POINTS) -> list[float]:
    """A loss curve in few points, each the mean over its part of the run."""
    if not losses:
        return []
    parts = torch.tensor(losses).tensor_split(min(points, len(losses)))
    return [round(part.mean().item(), 4) for part in parts]

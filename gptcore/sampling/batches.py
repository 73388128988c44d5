"""Many prompts at once, each continued as if it were alone.

Texts of different lengths end side by side when the shorter ones are filled up on the left. A row
counts its positions from its own first token and nobody reads the filling, so what a row says does
not depend on who stands beside it; each row draws with random numbers of its own. A row that has
ended leaves the batch.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gptcore.decode import Reader
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.sampling.filters import Choice
from gptcore.sampling.pieces import END_OF_TEXT, Stop, Writer, stops
from gptcore.sampling.prompts import (
    check_count,
    encode,
    fitting,
    generator_of,
    half,
    seeds_of,
    writer_of,
)

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


def texts_of(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    batch_size: int = 32,
    **settings: Any,
) -> list[str]:
    """The text that continues each prompt; arguments as in `generate`.

    Raises:
        TypeError, ValueError: as `generate`; of several prompts the message says which.
    """
    texts = [""] * len(prompts)
    for i, piece in stream_many(model, tokenizer, prompts, batch_size=batch_size, **settings):
        texts[i] += piece
    return texts


def stream_many(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    seed: int | Sequence[int] | None = None,
    stop: Stop = END_OF_TEXT,
    slide: bool = False,
    batch_size: int = 32,
    **sampling: Any,
) -> Iterator[tuple[int, str]]:
    """Like `stream` for many prompts: which one, and the next piece of its text.

    Prompts of similar length stand side by side. Everything is checked at the call.

    Args:
        seed, batch_size: as in `generate`.
        sampling: as in `stream`.
    """
    model = writer_of(model)
    check_count("batch_size", batch_size)
    seeds = seeds_of(seed, len(prompts))
    ids = [encode(model, tokenizer, p, f"prompts[{i}]") for i, p in enumerate(prompts)]
    for i, tokens in enumerate(ids):
        fitting(model, len(tokens), slide, f"prompts[{i}]")
    writers = [Writer(tokenizer, tokens, stops(tokenizer, stop)) for tokens in ids]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    groups = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    rows = [
        row_ids(
            model,
            [ids[i] for i in group],
            seeds=[seeds[i] for i in group],
            over=lambda row, group=group: writers[group[row]].done,
            vocab_size=tokenizer.vocab_size,
            slide=slide,
            **sampling,
        )
        for group in groups
    ]
    return _pieces(groups, rows, writers)


def _pieces(
    groups: list[list[int]], rows: list[Iterator[tuple[int, int]]], writers: list[Writer]
) -> Iterator[tuple[int, str]]:
    """Tokens of rows become pieces of texts."""
    for group, drawn in zip(groups, rows, strict=True):
        for row, token in drawn:
            if piece := writers[group[row]].take(token):
                yield group[row], piece
        for i in group:
            if piece := writers[i].end():
                yield i, piece


def row_ids(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    *,
    seeds: Sequence[int | None],
    max_new_tokens: int = 200,
    slide: bool = False,
    vocab_size: int | None = None,
    over: Callable[[int], bool] = lambda row: False,
    **choice: Any,
) -> Iterator[tuple[int, int]]:
    """Sample continuations of token ids, all side by side.

    Args:
        prompts: the ids of each row, of any lengths from 1 and below n_ctx; with `slide` of any
            length.
        seeds: one for each row; the same seed gives the same ids, whatever the other rows are.
        over: asked after each token whether this row has ended.
        max_new_tokens, slide, vocab_size, choice: as in `sample_ids`.

    Returns:
        An iterator over (row, token), by step and within a step by row.
    """
    model = writer_of(model)
    check_count("max_new_tokens", max_new_tokens)
    if any(len(ids) == 0 for ids in prompts):
        raise ValueError("each of prompts must have at least one token, to be continued")
    how, generators = Choice(**choice), [generator_of(seed) for seed in seeds]
    windows = [
        list(ids)[-fitting(model, len(ids), slide, f"prompts[{row}]") :]
        for row, ids in enumerate(prompts)
    ]
    return _rows(model, windows, max_new_tokens, how, generators, slide, vocab_size, over)


def _rows(
    model: GPT,
    windows: list[list[int]],
    max_new_tokens: int,
    choice: Choice,
    generators: list[torch.Generator],
    slide: bool,
    vocab_size: int | None,
    over: Callable[[int], bool],
) -> Iterator[tuple[int, int]]:
    """The loop of `row_ids`: read, draw, yield; the model's mode is restored at the end."""
    n_ctx, rows = model.config.n_ctx, list(range(len(windows)))
    with evaluating(model):
        reader, memory = Reader(model), choice.memory(windows, model)
        tokens = torch.empty(0)
        for left in reversed(range(max_new_tokens if rows else 0)):
            slid = [len(ids) > n_ctx for ids in windows]
            if reader.full or any(slid):
                windows = [
                    ids[-half(model) :] if far else ids
                    for ids, far in zip(windows, slid, strict=True)
                ]
                logits = reader.begin(windows, left)
            else:
                logits = reader.read(tokens)
            tokens = choice.pick(logits[:, :vocab_size], memory, generators)
            drawn = tokens.tolist()
            yield from zip(rows, drawn, strict=True)
            for ids, token in zip(windows, drawn, strict=True):
                ids.append(token)
            if memory is not None:
                memory.scatter_(1, tokens[:, None], True)
            fits = [slide or len(ids) < n_ctx for ids in windows]
            stay = [i for i, row in enumerate(rows) if fits[i] and not over(row)]
            if not stay:
                return
            if len(stay) < len(rows):
                reader.select(stay)
                tokens, memory = tokens[stay], None if memory is None else memory[stay]
                rows, windows, generators = (
                    [kept[i] for i in stay] for kept in (rows, windows, generators)
                )

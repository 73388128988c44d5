"""How likely a text is after another: what every question without training is answered by.

A long continuation is less likely than a short one, whatever it says. Four answers to that are in
use, and each can change which option wins:

    none           the log-probability itself; acc in lm-evaluation-harness
    token          divided by the tokens of the continuation; GPT-1's RACE, GPT-3
    character      divided by the characters of the option; acc_norm in lm-evaluation-harness
    unconditional  less that of the same text after nothing, or after "Answer: "; GPT-3's ARC,
                   acc_mutual_info in lm-evaluation-harness

Source: GPT-1 §5; GPT-3 §2.4; lm-evaluation-harness 0.4.13, `lm_eval/api/task.py` (acc, acc_norm,
acc_mutual_info) and `lm_eval/api/model.py` (`TemplateLM`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.model import GPT
from gptcore.modes import bare, evaluating
from gptcore.text.inputs import Ids
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.words import NEWLINE

Norm = Literal["none", "token", "character", "unconditional"]
NORMS: tuple[Norm, ...] = get_args(Norm)
PADDING = 0  # behind the end of a row, where nothing that is scored can see it
NUMBERS_AT_ONCE = 2**24  # logits computed side by side: 64 MiB
T = TypeVar("T")


class Likelihood(NamedTuple):
    """A continuation after its context."""

    log_prob: float
    """In nats, summed over its tokens; never above 0."""
    n_tokens: int
    """Tokens of the continuation."""
    greedy: bool
    """Whether each of its tokens is the likeliest one where it stands."""
    n_cut: int
    """Tokens of the context that did not fit; the first ones."""


def likelihoods(
    model: GPT, pairs: Sequence[tuple[Ids, Ids]], *, batch_size: int = 16, progress: str = ""
) -> list[Likelihood]:
    """How likely each continuation is after its context.

    Rows are padded on the right, which no scored position can see: neither the batch nor the rest
    of it changes a result. The last token of a row is predicted and not read, so n_ctx + 1 tokens
    fit; of a context that does not, the end is kept.

    Args:
        model: left in the mode in which it came.
        pairs: (context, continuation), token ids; neither is empty.
        batch_size: rows read side by side; changes the speed only.
        progress: what to write beside a bar (needs tqdm); "" shows none.

    Raises:
        ValueError: a context or continuation is empty, or a continuation is longer than n_ctx.
    """
    model = bare(model)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    rows = [_row(context, rest, model.config.n_ctx) for context, rest in pairs]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    found: dict[int, Likelihood] = {}
    with evaluating(model):
        for batch in shown(batches, progress):
            sizes = [len(pairs[i][1]) for i in batch]
            for i, n, (log_prob, greedy) in zip(
                batch, sizes, _scores(model, [rows[i] for i in batch], sizes), strict=True
            ):
                n_cut = len(pairs[i][0]) + n - len(rows[i])
                found[i] = Likelihood(log_prob, n, greedy, n_cut)
    return [found[i] for i in range(len(rows))]


def shown(steps: Sequence[T], progress: str) -> Iterable[T]:
    """The steps one by one, with a bar or, where `progress` is "", without."""
    if not progress:
        return steps
    from tqdm import tqdm

    return tqdm(steps, desc=progress, leave=False)


def _row(context: Ids, rest: Ids, n_ctx: int) -> list[int]:
    if not len(context) or not len(rest):
        raise ValueError(f"context has {len(context)} tokens, continuation {len(rest)}: at least 1")
    if len(rest) > n_ctx:
        raise ValueError(f"a continuation of {len(rest)} tokens is longer than n_ctx={n_ctx}")
    return [*context, *rest][-(n_ctx + 1) :]


@torch.inference_mode()
def _scores(model: GPT, rows: list[list[int]], sizes: list[int]) -> list[tuple[float, bool]]:
    """Log-probability of the last `sizes` tokens of each row, and whether all are the likeliest."""
    width = max(map(len, rows)) - 1
    ids = torch.full((len(rows), width), PADDING)
    scored = torch.zeros_like(ids, dtype=torch.bool)
    for at, (row, n) in enumerate(zip(rows, sizes, strict=True)):
        ids[at, : len(row) - 1] = torch.tensor(row[:-1])
        scored[at, len(row) - 1 - n : len(row) - 1] = True
    targets = torch.tensor([t for row, n in zip(rows, sizes, strict=True) for t in row[-n:]])
    states = model.hidden(ids.to(model.device))[scored.to(model.device)]  # (N, C)
    step = max(1, NUMBERS_AT_ONCE // model.config.vocab_size)
    nats, best = _of_targets(states, targets.to(model.device), model.output, step)
    ends = list(torch.tensor(sizes).cumsum(0))
    parts = zip(nats.tensor_split(ends[:-1]), best.tensor_split(ends[:-1]), strict=True)
    return [(math.fsum(own.tolist()), bool(hit.all())) for own, hit in parts]


def _of_targets(
    states: Tensor, targets: Tensor, output: Tensor, step: int
) -> tuple[Tensor, Tensor]:
    """(N,) log-probabilities of the targets and (N,) whether each is the likeliest.

    Args:
        states: (N, C), what stands before each target.
        output: (V, C), from states to logits.
        step: logits of so many positions are computed at a time.
    """
    nats, best = [], []
    for own, wanted in zip(states.split(step), targets.split(step), strict=True):
        logits = F.linear(own, output).float()
        nats.append(-F.cross_entropy(logits, wanted, reduction="none"))
        best.append(logits.argmax(-1) == wanted)
    return torch.cat(nats).cpu(), torch.cat(best).cpu()


# ------------------------------------------------------------------ from text


def start_of_text(tokenizer: Tokenizer) -> int:
    """The token that stands before a text that nothing precedes: end-of-text, else a line break.

    GPT-1's vocabulary has no end-of-text; it read books line by line.

    Raises:
        ValueError: the tokenizer has neither.
    """
    if tokenizer.eot is not None:
        return tokenizer.eot
    try:
        return tokenizer.id_of("Ċ" if tokenizer.kind == "byte" else NEWLINE)
    except KeyError:
        raise ValueError(
            "the context is empty, and the tokenizer has no token for end-of-text, nor one for a "
            "line break, that could stand for it: begin the prompt with some text"
        ) from None


def encoded(tokenizer: Tokenizer, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """The ids of a context and of its continuation, cut where both together would be cut.

    White space at the end of the context moves to the continuation, because tokens begin with
    their space. Then the joined text is tokenized, and what differs from the tokens of the context
    alone belongs to the continuation: it is never cut where the joined text has no border. An
    empty context becomes `start_of_text`.

    Args:
        context: what is given; special tokens written out in it are read as such.
        continuation: what is scored.

    Raises:
        TypeError, ValueError: not texts; the continuation has no token; or see `start_of_text`.

    Source: lm-evaluation-harness, `TemplateLM._encode_pair`. Where a token spans the border, that
    counts the context's own tokens and so scores another text than the joined one.
    """
    if not isinstance(context, str) or not isinstance(continuation, str):
        raise TypeError(f"context={context!r} and continuation={continuation!r} must be texts")
    kept = context.rstrip()
    whole = tokenizer.encode(context + continuation, allow_special=True)
    own = tokenizer.encode(kept, allow_special=True) if kept else []
    n = next((i for i, (a, b) in enumerate(zip(own, whole, strict=False)) if a != b), len(own))
    if n >= len(whole):
        raise ValueError(f"continuation={continuation!r} has no token of its own after the context")
    if n == 0:
        start = start_of_text(tokenizer)
        return ([start], whole) if whole[0] != start or len(whole) == 1 else (whole[:1], whole[1:])
    return whole[:n], whole[n:]


def text_likelihoods(
    model: GPT,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    *,
    batch_size: int = 16,
    progress: str = "",
) -> list[Likelihood]:
    """`likelihoods` of texts; a pair that occurs twice is read once.

    Args:
        pairs: (context, continuation); see `encoded`.
    """
    distinct = list(dict.fromkeys(pairs))
    ids = [encoded(tokenizer, *pair) for pair in distinct]
    found = likelihoods(model, ids, batch_size=batch_size, progress=progress)
    by_pair = dict(zip(distinct, found, strict=True))
    return [by_pair[pair] for pair in pairs]


def windows(ids: Ids, start: int, n_ctx: int) -> list[tuple[Ids, Ids]]:
    """A text of any length as pairs for `likelihoods` that score each of its tokens once.

    Windows of n_ctx tokens side by side; the last one, which is shorter, is given as much of what
    precedes it as fits.

    Args:
        ids: the tokens of the text.
        start: what stands before the first.
        n_ctx: the longest sequence the network reads.

    Source: lm-evaluation-harness, `get_rolling_token_windows` with context_len=1.
    """
    whole = [start, *ids]
    pairs = []
    for at in range(1, len(whole), n_ctx):
        end = min(at + n_ctx, len(whole))
        pairs.append((whole[max(0, end - n_ctx - 1) : at], whole[at:end]))
    return pairs


def normalised(
    norm: Norm,
    found: Likelihood,
    n_characters: int,
    unconditional: Likelihood | None = None,
) -> float:
    """The log-probability under one of `NORMS`: what options are compared by.

    Args:
        norm: one of `NORMS`.
        found: the option after its context.
        n_characters: of the option as it is written, without what parts it from the context.
        unconditional: the option after nothing, or after what stands for nothing.

    Raises:
        ValueError: there is no such rule, or what it needs is missing.
    """
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} must be one of {', '.join(NORMS)}")
    if norm == "none":
        return found.log_prob
    if norm == "token":
        return found.log_prob / found.n_tokens
    if norm == "character":
        if n_characters < 1:
            raise ValueError(f"n_characters={n_characters} must be at least 1")
        return found.log_prob / n_characters
    if unconditional is None:
        raise ValueError("norm='unconditional' needs the option's probability without a context")
    return found.log_prob - unconditional.log_prob

"""Beam search: not the likeliest token at each step, but a likely text as a whole.

Source: Wu et al. 2016, "Google's Neural Machine Translation System", §7, eq. 14 (the length
penalty, without their term for coverage); GPT-3 §2.4 (width 4, penalty 0.6). What happens to a
text that ends is the common practice of tensor2tensor and transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, overload

import torch

from gptcore.decode import Reader
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.sampling.pieces import END_OF_TEXT, Stop, Writer, stops
from gptcore.sampling.prompts import check_count, encode, fitting, writer_of

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


@dataclass(frozen=True)
class Hypothesis:
    """One continuation that the search has found."""

    ids: tuple[int, ...]
    """The new ids, with the one that ended it."""
    log_prob: float
    """Log-probability of `ids`, in nats."""
    score: float
    """`log_prob` divided by the length penalty: what the search maximises."""


@overload
def beam_search(model: GPT, tokenizer: Tokenizer, prompt: str, **settings: Any) -> str: ...
@overload
def beam_search(
    model: GPT, tokenizer: Tokenizer, prompt: Sequence[str], **settings: Any
) -> list[str]: ...
def beam_search(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[str],
    *,
    beams: int = 4,
    length_penalty: float = 0.6,
    max_new_tokens: int = 200,
    stop: Stop = END_OF_TEXT,
) -> str | list[str]:
    """The new text with the best score that a beam of `beams` texts finds.

    Args:
        prompt: a text, or several, which are continued one after another.
        beams: texts kept at each step; 1 is greedy.
        length_penalty: alpha of Wu et al.; 0 compares log-probabilities as they are, which short
            texts win, and above 0 longer ones are favoured. transformers has an argument of the
            same name and another meaning: it divides by length ** length_penalty.
        model, tokenizer, max_new_tokens, stop: as in `generate`.

    Raises:
        TypeError, ValueError: as `generate`, and for `beams` and `length_penalty`.
    """
    settings = {"beams": beams, "length_penalty": length_penalty, "max_new_tokens": max_new_tokens}
    if isinstance(prompt, list | tuple):
        return [beam_search(model, tokenizer, one, stop=stop, **settings) for one in prompt]
    model = writer_of(model)
    ids, end = encode(model, tokenizer, prompt), stops(tokenizer, stop)
    told = len(tokenizer.decode(ids))

    def ends(new: list[int]) -> bool:
        if new[-1] in end.ids:
            return True
        text = tokenizer.decode(ids + new)[told:] if end.texts else ""
        return any(one in text for one in end.texts)

    best = beam_ids(model, ids, ends=ends, vocab_size=tokenizer.vocab_size, **settings)[0]
    writer = Writer(tokenizer, ids, end)
    return "".join(writer.take(token) for token in best.ids) + writer.end()


def beam_ids(
    model: GPT,
    ids: Sequence[int],
    *,
    ends: Callable[[list[int]], bool],
    beams: int = 4,
    length_penalty: float = 0.6,
    max_new_tokens: int = 200,
    vocab_size: int | None = None,
) -> list[Hypothesis]:
    """Search for the continuation of `ids` with the best score.

    At each step every kept text is continued by every token, and the likeliest `beams` of these
    that have not ended are kept. One that ends counts if it is among the likeliest `beams` of all.
    One that reaches `max_new_tokens` or the end of the context counts as it stands. The search
    stops when nothing that is kept can still overtake the best that counts.

    Args:
        ids: fewer than n_ctx.
        ends: whether a continuation, never empty, has ended.
        vocab_size: as in `sample_ids`; the other arguments as in `beam_search`.

    Returns:
        What counts, best first; at least one.
    """
    _check(beams, length_penalty, max_new_tokens)
    model = writer_of(model)
    fitting(model, len(ids), slide=False)
    longest = min(max_new_tokens, model.config.n_ctx - len(ids))
    found: list[Hypothesis] = []
    kept: list[tuple[list[int], float]] = [([], 0.0)]
    with evaluating(model):
        reader = Reader(model)
        logits = reader.begin([list(ids)], longest - 1)
        for length in range(1, longest + 1):
            kept, parents, ended = _step(kept, logits[:, :vocab_size], beams, ends)
            if length == longest:
                ended, kept = ended + kept, []
            lp = length_factor(length, length_penalty)
            found += [Hypothesis(tuple(new), logp, logp / lp) for new, logp in ended]
            if not kept:
                break
            hope = max(logp for _, logp in kept) / length_factor(longest, length_penalty)
            if found and max(one.score for one in found) >= hope:
                break
            reader.select(parents)
            last = [new[-1] for new, _ in kept]
            logits = reader.read(torch.tensor(last, device=model.device))
    return sorted(found, key=lambda one: -one.score)


def length_factor(n_tokens: int, alpha: float) -> float:
    """What a log-probability of `n_tokens` is divided by: ((5 + n) / 6) ** alpha.

    Source: Wu et al. 2016, eq. 14.
    """
    return ((5 + n_tokens) / 6) ** alpha


def _step(
    kept: list[tuple[list[int], float]],
    logits: torch.Tensor,
    beams: int,
    ends: Callable[[list[int]], bool],
) -> tuple[list[tuple[list[int], float]], list[int], list[tuple[list[int], float]]]:
    """Each text with each token after it: those to keep, their rows, and those that ended."""
    before = torch.tensor([logp for _, logp in kept], dtype=torch.float64)
    total = before[:, None] + logits.float().log_softmax(dim=-1).cpu().double()  # (B, V)
    # Each text may end in one way or more, so more than `beams` are looked at.
    top = total.flatten().topk(min(total.numel(), 4 * beams))
    going, rows, ended = [], [], []
    for rank, (logp, at) in enumerate(zip(top.values.tolist(), top.indices.tolist(), strict=True)):
        row, token = divmod(at, total.shape[1])
        new = [*kept[row][0], token]
        if ends(new):
            if rank < beams:
                ended.append((new, logp))
        elif len(going) < beams:
            going.append((new, logp))
            rows.append(row)
    return going, rows, ended


def _check(beams: Any, alpha: Any, max_new_tokens: Any) -> None:
    check_count("beams", beams)
    check_count("max_new_tokens", max_new_tokens)
    if isinstance(alpha, bool) or not isinstance(alpha, Real):
        raise TypeError(f"length_penalty={alpha!r} must be a number")
    if not 0 <= alpha < math.inf:
        raise ValueError(f"length_penalty={alpha} must be a finite number, at least 0")

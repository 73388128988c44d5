"""From the model's logits to the distribution that is drawn from.

Source: GPT-2's released code, `src/sample.py` (temperature, top-k, top-p and their order);
Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration", §3.1 (the nucleus);
Keskar et al. 2019, "CTRL", §4.1, and its released code (the repetition penalty).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor

from gptcore.model import GPT

TopPRule = Literal["textbook", "openai"]
RepetitionRule = Literal["signed", "paper"]


@dataclass(frozen=True)
class Choice:
    """How the next token is chosen from its logits; the fields are arguments of `generate`.

    Raises:
        TypeError, ValueError: a field breaks its rule; the message names it with its value.
    """

    temperature: float = 1.0
    """Divides the logits; 0 always takes the likeliest token."""
    top_k: int | None = None
    """Choose among the k likeliest tokens only."""
    top_p: float | None = None
    """Choose among the likeliest tokens that together have this probability."""
    top_p_rule: TopPRule = "textbook"
    """"textbook" keeps the token with which the sum reaches `top_p`; "openai" drops it, as GPT-2's
    released code does, but always keeps one token."""
    repetition_penalty: float = 1.0
    """Above 1, tokens that are there already, the prompt's included, become less likely."""
    repetition_rule: RepetitionRule = "signed"
    """"signed" divides positive logits by the penalty and multiplies negative ones, as nearly all
    programs do; "paper" divides both, as CTRL's paper and code do: see `penalise`."""

    def __post_init__(self) -> None:
        _check_filter(self.temperature, self.top_k, self.top_p, self.top_p_rule)
        _check_penalty(self.repetition_penalty, self.repetition_rule)

    def memory(self, texts: Tensor | list[list[int]], model: GPT) -> Tensor | None:
        """Which tokens stand in each of B texts: (B, V) boolean, None if that is not asked for."""
        if self.repetition_penalty == 1:
            return None
        size = len(texts), model.config.vocab_size
        seen = torch.zeros(size, dtype=torch.bool, device=model.device)
        for row, ids in zip(seen, texts, strict=True):
            row[ids] = True
        return seen

    def pick(
        self, logits: Tensor, seen: Tensor | None, generators: list[torch.Generator]
    ) -> Tensor:
        """The next token of each row.

        Args:
            logits: (B, V).
            seen: what `memory` gave, (B, V or more), with the tokens that came since.
            generators: one for all rows, or one for each; on the CPU whatever the device, so that
                a seed means the same text everywhere. Not used at temperature 0.

        Returns:
            (B,), on the device of `logits`.
        """
        if seen is not None:
            seen = seen[:, : logits.shape[1]]
            logits = penalise(logits, seen, self.repetition_penalty, self.repetition_rule)
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        kept = filter_logits(
            logits.float().cpu(), self.temperature, self.top_k, self.top_p, self.top_p_rule
        )
        p = kept.softmax(dim=-1)
        if len(generators) == 1:
            drawn = torch.multinomial(p, 1, generator=generators[0])
        else:
            rows = zip(p, generators, strict=True)
            drawn = torch.stack([torch.multinomial(row, 1, generator=g) for row, g in rows])
        return drawn[:, 0].to(logits.device)


def penalise(
    logits: Tensor, seen: Tensor, penalty: float, rule: RepetitionRule = "signed"
) -> Tensor:
    """Logits in which the tokens that were there before count for less.

    CTRL divides their logits by the penalty, whatever their sign; so says its paper and so does
    its code. A softmax does not change when a constant is added to all logits, this does: half of
    a logit of -4 is -2, and the token that should become rarer becomes seven times as likely. So
    transformers, llama.cpp and others multiply where a logit is negative ("signed").

    Example: of logits 2, -2 and 1 the first two are seen; a penalty of 2 gives 1, -4 and 1, by
    the paper's rule 1, -1 and 1.

    Args:
        logits: (..., V).
        seen: boolean, of a shape that broadcasts to `logits`: the tokens of the text so far, the
            prompt included, as in CTRL's code. That code spares the line break; nothing is spared
            here.
        penalty: 1 changes nothing, above 1 repetition is discouraged, below 1 rewarded. CTRL
            proposes 1.2.
        rule: "signed", or "paper" for CTRL's own formula.

    Returns:
        (..., V), a new tensor.

    Source: Keskar et al. 2019, §4.1.
    """
    _check_penalty(penalty, rule)
    lower = logits / penalty
    if rule == "signed":
        lower = torch.where(logits < 0, logits * penalty, lower)
    return torch.where(seen, lower, logits)


def filter_logits(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    top_p_rule: TopPRule = "textbook",
) -> Tensor:
    """The logits of the distribution to sample from: scaled, and -inf where a token is ruled out.

    Temperature comes first, then top-k, then top-p of what top-k left, as in GPT-2's code. Both
    cuts are thresholds, as there: a token exactly as likely as the last one kept is kept too, so
    with ties more than k tokens may stay. Only temperature 0 breaks a tie, for the lowest id.

    Example: of probabilities .5, .3, .15, .05 and top_p=.9 the textbook keeps three tokens (.8 is
    not yet .9), OpenAI's rule two (.95 is too much already).

    Args:
        logits: (..., V); other arguments as in `generate`.

    Returns:
        (..., V), a new tensor.

    Raises:
        TypeError, ValueError: an argument breaks its rule; the message names it with its value.
    """
    _check_filter(temperature, top_k, top_p, top_p_rule)
    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -math.inf).scatter(-1, best, logits.gather(-1, best))
    logits = _scaled(logits, temperature)
    if top_k is not None and top_k < logits.shape[-1]:
        least = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    if top_p is not None and top_p < 1:
        ordered = logits.sort(dim=-1, descending=True).values
        p = ordered.softmax(dim=-1)
        total = p.cumsum(dim=-1)
        if top_p_rule == "textbook":
            count = (total - p < top_p).sum(dim=-1, keepdim=True)  # the sum before me is too small
        else:
            count = (total <= top_p).sum(dim=-1, keepdim=True).clamp(min=1)
        least = ordered.gather(-1, count - 1)
        logits = logits.masked_fill(logits < least, -math.inf)
    return logits


def _check_filter(
    temperature: float, top_k: int | None, top_p: float | None, top_p_rule: str
) -> None:
    _check_number("temperature", temperature)
    if not 0 <= temperature < math.inf:  # false for nan too
        raise ValueError(f"temperature={temperature} must be a finite number, at least 0")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int)):
        raise TypeError(f"top_k={top_k!r} must be an int or None")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k={top_k} must be at least 1, or None for all tokens")
    if top_p is not None:
        _check_number("top_p", top_p)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p} must be in (0, 1], or None for all tokens")
    if top_p_rule not in ("textbook", "openai"):
        raise ValueError(f"top_p_rule={top_p_rule!r} must be 'textbook' or 'openai'")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} must be a number")


def _check_penalty(penalty: float, rule: str) -> None:
    _check_number("repetition_penalty", penalty)
    if not 0 < penalty < math.inf:  # false for nan too
        raise ValueError(
            f"repetition_penalty={penalty} must be a finite number above 0; 1 changes nothing"
        )
    if rule not in ("signed", "paper"):
        raise ValueError(f"repetition_rule={rule!r} must be 'signed' or 'paper'")


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """logits / temperature; where that is beyond all numbers, moved so that the largest is 0."""
    scaled = logits / temperature
    if scaled.amax(-1).isfinite().all():
        return scaled
    lower = logits.double() - logits.amax(-1, keepdim=True).double()
    return (lower / temperature).to(logits.dtype)

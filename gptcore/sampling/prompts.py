"""What is continued, and how it is asked for: checked once, in one place.

Source: none.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch

from gptcore.model import GPT
from gptcore.modes import bare

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


def writer_of(model: Any) -> GPT:
    """The GPT that is to write, without what is wrapped around it.

    Raises:
        TypeError: it is none.
    """
    model = bare(model)
    if not hasattr(model, "h"):
        raise TypeError(f"model is a {type(model).__name__}; only a GPT has a cache to write with")
    return model


def encode(model: GPT, tokenizer: Tokenizer, prompt: str, name: str = "prompt") -> list[int]:
    """Ids of a prompt; every way in which a text can be unusable has its message here.

    Args:
        name: what the message calls it.

    Raises:
        TypeError: it is no str.
        ValueError: it has no tokens or characters that the tokenizer does not know, or tokenizer
            and model do not belong together.
    """
    if not isinstance(prompt, str):
        raise TypeError(f"{name}={prompt!r} must be a str")
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ValueError(
            f"tokenizer has {tokenizer.vocab_size} tokens, which must not exceed the model's "
            f"vocab_size={model.config.vocab_size}: they do not belong together"
        )
    ids = tokenizer.encode(prompt, allow_special=True)
    if not ids:
        hint = "write at least one word"
        if tokenizer.eot is not None:
            hint += f", or prompt={next(iter(tokenizer.ends))!r} to start a new document"
        raise ValueError(
            f"{name}={prompt!r} has no tokens, so there is nothing to continue: {hint}"
        )
    if _unknown(tokenizer) in ids:
        raise ValueError(
            f"{name}={prompt!r} has characters that the tokenizer does not know; "
            f"it reads {tokenizer.decode(ids)!r}"
        )
    return ids


def fitting(model: GPT, n: int, slide: bool, name: str = "prompt") -> int:
    """How many tokens of n are read: all, or with `slide` half a context if they do not fit.

    Raises:
        ValueError: they fill the context and do not slide.
    """
    n_ctx = model.config.n_ctx
    if n < n_ctx:
        return n
    if not slide:
        raise ValueError(
            f"{name} has {n} tokens; it must have fewer than n_ctx={n_ctx}, to leave room; "
            "with slide its end is read"
        )
    return half(model)


def half(model: GPT) -> int:
    """Tokens that are read anew when the context is full."""
    return max(1, model.config.n_ctx // 2)


def check_count(name: str, value: Any) -> None:
    """A number of things that has to be an int of at least 1.

    Raises:
        TypeError, ValueError: it is not; the message names it with its value.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r} must be an int")
    if value < 1:
        raise ValueError(f"{name}={value} must be at least 1")


def generator_of(seed: int | None) -> torch.Generator:
    """Random numbers of a seed, on the CPU for every device: one seed, one text.

    Raises:
        TypeError, ValueError: it is no whole number, or one that PyTorch cannot begin with.
    """
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed={seed!r} must be an int or None")
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"seed={seed} must be in [-2**63, 2**64)")
    return generator.manual_seed(int(seed))


def seeds_of(seed: int | Sequence[int] | None, n: int) -> list[int | None]:
    """A seed for each of n texts: `seed`, `seed + 1` and so on, or those that are given.

    Raises:
        ValueError: as many are not given.
    """
    if seed is None:
        return [None] * n
    if isinstance(seed, Integral) or not isinstance(seed, Sequence) or isinstance(seed, str):
        generator_of(seed)
        return [seed + i for i in range(n)]
    if len(seed) != n:
        raise ValueError(f"seed has {len(seed)} numbers for {n} prompts: give one, or as many")
    return list(seed)


def _unknown(tokenizer: Tokenizer) -> int | None:
    """The id that stands for characters without a token; bytes always have one."""
    try:
        return tokenizer.id_of("<unk>") if tokenizer.kind == "word" else None
    except KeyError:
        return None

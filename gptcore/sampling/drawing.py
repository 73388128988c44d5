"""Text from a trained GPT, one token at a time: greedy, temperature, top-k and nucleus sampling.

Source: GPT-2's released code, `src/sample.py` (temperature, top-k, top-p and their order);
Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration", §3.1 (the nucleus).
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.decode import Decoder, is_plain
from gptcore.model import GPT, KVCache

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

TopPRule = Literal["textbook", "openai"]


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    max_new_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    top_p_rule: TopPRule = "textbook",
    seed: int | None = None,
    stop: str | int | None = "<|endoftext|>",
    slide: bool = False,
) -> str:
    """Continue `prompt` and return the new text, without the prompt and without the stop token.

    Generation ends at `stop`, after `max_new_tokens`, or when prompt and new tokens fill the
    model's context.

    Args:
        model: left in the mode (training or evaluation) in which it came.
        tokenizer: the one the model was trained with.
        prompt: at least one token. Special tokens written out in it are read as such.
        max_new_tokens: at most so many tokens.
        temperature: divides the logits; 0 always takes the likeliest token.
        top_k: choose among the k likeliest tokens only.
        top_p: choose among the likeliest tokens that together have this probability.
        top_p_rule: "textbook" keeps the token with which the sum reaches `top_p`; "openai" drops
            it, as GPT-2's released code does, but always keeps one token.
        seed: the same seed gives the same text; PyTorch's global random numbers stay untouched.
        stop: name or id of the token that ends the text, None for none. The default is what the
            tokenizer says ends a text: mostly "<|endoftext|>", elsewhere "</s>" or several.
        slide: go on beyond the context: when it is full, read its last half anew and continue.

    Raises:
        TypeError, ValueError: the prompt is empty, too long or cannot be encoded, or an argument
            breaks its rule; the message names argument, value and rule.
    """
    choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "top_p_rule": top_p_rule}
    course = {"max_new_tokens": max_new_tokens, "seed": seed, "slide": slide, "stop": stop}
    return "".join(stream(model, tokenizer, prompt, **choice, **course))


def stream(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    stop: str | int | None = "<|endoftext|>",
    **sampling: Any,
) -> Iterator[str]:
    """Like `generate`, but hands out each piece of text as soon as its characters are complete.

    A piece is never empty and never ends inside a character: a token may hold only some bytes of
    one. The pieces joined are what `generate` returns. Everything is checked at the call.

    Args:
        sampling: max_new_tokens, temperature, top_k, top_p, top_p_rule, seed, slide: the arguments
            of `generate`.
    """
    ids = _encode(model, tokenizer, prompt)
    start = torch.tensor([ids], device=model.device)
    tokens = sample_ids(model, start, vocab_size=tokenizer.vocab_size, **sampling)
    return _pieces(tokens, _stop_ids(tokenizer, stop), _text_so_far(tokenizer, ids))


def sample_ids(
    model: GPT,
    ids: Tensor,
    *,
    max_new_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    top_p_rule: TopPRule = "textbook",
    seed: int | None = None,
    slide: bool = False,
    vocab_size: int | None = None,
) -> Iterator[Tensor]:
    """Sample continuations of `ids` (B, T), all B side by side.

    Args:
        ids: (B, T) token ids with 1 <= T < n_ctx.
        vocab_size: choose only among the ids below it; None among all the model has. A model may
            have more rows than its tokenizer has tokens. The other arguments as in `generate`.

    Returns:
        An iterator over the new ids, (B,) at each step; at most `max_new_tokens` steps, and
        without `slide` at most n_ctx - T.
    """
    if ids.dim() != 2 or 0 in ids.shape:
        raise ValueError(f"ids must be (B, T) with B, T >= 1, got {tuple(ids.shape)}")
    _check_length(ids.shape[1], model.config.n_ctx)
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int):
        raise TypeError(f"max_new_tokens={max_new_tokens!r} must be an int")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens={max_new_tokens} must be at least 1")
    _check_filter(temperature, top_k, top_p, top_p_rule)
    generator = torch.Generator()  # on the CPU for every device: one seed, one text
    generator.manual_seed(seed) if seed is not None else generator.seed()

    def draw(logits: Tensor) -> Tensor:
        logits = logits[:, :vocab_size]
        if temperature == 0:
            return logits.argmax(dim=-1)
        kept = filter_logits(logits.float().cpu(), temperature, top_k, top_p, top_p_rule)
        drawn = torch.multinomial(kept.softmax(dim=-1), 1, generator=generator)
        return drawn[:, 0].to(ids.device)

    return _sample(model, ids, max_new_tokens, draw, slide)


def _sample(
    model: GPT, ids: Tensor, max_new_tokens: int, draw: Callable[[Tensor], Tensor], slide: bool
) -> Iterator[Tensor]:
    """The loop of `sample_ids`: read, draw, yield; the model's mode is restored at the end."""
    n_ctx, (B, T) = model.config.n_ctx, ids.shape
    room = n_ctx if slide else min(n_ctx, T + max_new_tokens)
    was_training = model.training
    model.eval()
    try:
        cache = KVCache(model.config, B, room, model.device, model.wte.weight.dtype)
        decoder = Decoder(model, cache) if is_plain(model) else None
        new = ids
        recent = ids  # (B, <= n_ctx // 2), kept to read it again when the window slides
        for step in range(1, max_new_tokens + 1):
            if cache.length + new.shape[1] > n_ctx:
                cache.reset()
                new = recent
            alone = decoder is not None and new.shape[1] == 1
            token = draw(decoder.read(new[:, 0]) if alone else _next_logits(model, new, cache))
            yield token
            if not slide and T + step == n_ctx:
                return
            new = token[:, None]
            if slide:
                recent = torch.cat([recent, new], dim=1)[:, -(n_ctx // 2) :]
    finally:
        model.train(was_training)


@torch.inference_mode()
def _next_logits(model: GPT, ids: Tensor, cache: KVCache) -> Tensor:
    """Read `ids` (B, T) into the cache; logits (B, V) of what follows the last one."""
    return F.linear(model.hidden(ids, cache)[:, -1], model.wte.weight)


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
    logits = logits / temperature
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
    if not 0 <= temperature < math.inf:  # false for nan too
        raise ValueError(f"temperature={temperature} must be a finite number, at least 0")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int)):
        raise TypeError(f"top_k={top_k!r} must be an int or None")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k={top_k} must be at least 1, or None for all tokens")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p} must be in (0, 1], or None for all tokens")
    if top_p_rule not in ("textbook", "openai"):
        raise ValueError(f"top_p_rule={top_p_rule!r} must be 'textbook' or 'openai'")


def _check_length(n_tokens: int, n_ctx: int) -> None:
    if n_tokens >= n_ctx:
        raise ValueError(
            f"prompt has {n_tokens} tokens; it must have fewer than n_ctx={n_ctx}, to leave room"
        )


def _encode(model: GPT, tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Ids of the prompt; every way in which a prompt can be unusable has its message here."""
    if not isinstance(prompt, str):
        raise TypeError(f"prompt={prompt!r} must be a str")
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
            f"prompt={prompt!r} has no tokens, so there is nothing to continue: {hint}"
        )
    if _unknown(tokenizer) in ids:
        raise ValueError(
            f"prompt={prompt!r} has characters that the tokenizer does not know; "
            f"it reads {tokenizer.decode(ids)!r}"
        )
    _check_length(len(ids), model.config.n_ctx)
    return ids


def _unknown(tokenizer: Tokenizer) -> int | None:
    """The id that stands for characters without a token; bytes always have one."""
    try:
        return tokenizer.id_of("<unk>") if tokenizer.kind == "word" else None
    except KeyError:
        return None


def _stop_ids(tokenizer: Tokenizer, stop: str | int | None) -> set[int]:
    if stop is None:
        return set()
    if stop == "<|endoftext|>":  # the default: whatever ends a text here
        return set(tokenizer.ends.values())
    if isinstance(stop, str):
        if stop not in tokenizer.specials:
            known = ", ".join(tokenizer.specials) or "none"
            raise ValueError(f"stop={stop!r} must be one of the special tokens: {known}")
        return {tokenizer.specials[stop]}
    if not 0 <= stop < tokenizer.vocab_size:
        raise ValueError(f"stop={stop} must be a token id in [0, {tokenizer.vocab_size})")
    return {stop}


def _text_so_far(tokenizer: Tokenizer, prompt: list[int]) -> Callable[[int | None], str]:
    """A function that takes the next id, or None at the end, and returns the text it completes."""
    if tokenizer.kind == "byte":
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def complete(token: int | None) -> str:
            if token is None:
                return decoder.decode(b"", final=True)
            return decoder.decode(tokenizer.decode_bytes([token]))

        return complete
    # Word level: whether a space follows a token shows only when the next one is known, so the
    # new text is what the whole text has beyond what was handed out.
    ids = list(prompt)
    told = tokenizer.decode(ids)

    def complete_word(token: int | None) -> str:
        nonlocal told
        if token is None:
            return ""
        ids.append(token)
        text = tokenizer.decode(ids)
        piece = text[len(told) :]
        told = text
        return piece

    return complete_word


def _pieces(
    tokens: Iterator[Tensor], stop: set[int], complete: Callable[[int | None], str]
) -> Iterator[str]:
    """Text pieces of a batch of one, up to a token in `stop`."""
    for token in tokens:
        if (i := int(token)) in stop:
            break
        if piece := complete(i):
            yield piece
    if piece := complete(None):
        yield piece

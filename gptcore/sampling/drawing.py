"""Text from a trained GPT, one token at a time: greedy, temperature, top-k and nucleus sampling.

Source: GPT-2's released code, `src/sample.py` (temperature, top-k, top-p and their order);
Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration", §3.1 (the nucleus).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.decode import Decoder, is_plain
from gptcore.model import GPT, KVCache
from gptcore.modes import bare, evaluating
from gptcore.sampling.pieces import END_OF_TEXT, Stop, Writer, stops

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
    stop: Stop = END_OF_TEXT,
    slide: bool = False,
) -> str:
    """Continue `prompt` and return the new text, without the prompt and without the stop token.

    Generation ends at `stop`, after `max_new_tokens`, or when prompt and new tokens fill the
    model's context.

    Args:
        model: left in the mode (training or evaluation) in which it came; a wrapper of
            torch.compile or of parallel training is seen through.
        tokenizer: the one the model was trained with.
        prompt: at least one token. Special tokens written out in it are read as such.
        max_new_tokens: at most so many tokens.
        temperature: divides the logits; 0 always takes the likeliest token.
        top_k: choose among the k likeliest tokens only.
        top_p: choose among the likeliest tokens that together have this probability.
        top_p_rule: "textbook" keeps the token with which the sum reaches `top_p`; "openai" drops
            it, as GPT-2's released code does, but always keeps one token.
        seed: the same seed gives the same text; PyTorch's global random numbers stay untouched.
        stop: what ends the text, and is no part of it: name or id of a special token, any text
            ("\\n", "The end"), or several of these; None never. The default is what the tokenizer
            says ends a text: mostly "<|endoftext|>", elsewhere "</s>" or several. Where a text is
            given, that ends it too.
        slide: go on beyond the context: when it is full, read its last half anew and continue. Of
            a prompt that fills the context, the last half of a context is read.

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
    stop: Stop = END_OF_TEXT,
    **sampling: Any,
) -> Iterator[str]:
    """Like `generate`, but hands out each piece of text as soon as its characters are complete.

    A piece is never empty and never ends inside a character: a token may hold only some bytes of
    one. The pieces joined are what `generate` returns. Everything is checked at the call.

    Args:
        sampling: max_new_tokens, temperature, top_k, top_p, top_p_rule, seed, slide: the arguments
            of `generate`.
    """
    model = bare(model)
    ids = _encode(model, tokenizer, prompt)
    start = torch.tensor([ids], device=model.device)
    writer = Writer(tokenizer, ids, stops(tokenizer, stop))
    tokens = sample_ids(model, start, vocab_size=tokenizer.vocab_size, **sampling)
    return _pieces(tokens, writer)


def _pieces(tokens: Iterator[Tensor], writer: Writer) -> Iterator[str]:
    """Text pieces of a batch of one, up to where it ends."""
    for token in tokens:
        if piece := writer.take(int(token)):
            yield piece
        if writer.done:
            return
    if piece := writer.end():
        yield piece


def samples(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    n: int,
    *,
    stop: Stop = END_OF_TEXT,
    **sampling: Any,
) -> list[str]:
    """Like `generate`, n times side by side: n texts for little more than the time of one.

    Args:
        n: how many. The same seed and the same n give the same texts.
        sampling: as in `stream`.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n={n!r} must be an int")
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    model = bare(model)
    ids = _encode(model, tokenizer, prompt)
    start = torch.tensor([ids] * n, device=model.device)
    writers = [Writer(tokenizer, ids, stops(tokenizer, stop)) for _ in range(n)]
    texts = [""] * n
    for tokens in sample_ids(model, start, vocab_size=tokenizer.vocab_size, **sampling):
        for i, (writer, token) in enumerate(zip(writers, tokens.tolist(), strict=True)):
            texts[i] += writer.take(token)
        if all(writer.done for writer in writers):
            break
    return [text + writer.end() for text, writer in zip(texts, writers, strict=True)]


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
        ids: (B, T) token ids with 1 <= T < n_ctx; with `slide` of any length.
        vocab_size: choose only among the ids below it; None among all the model has. A model may
            have more rows than its tokenizer has tokens. The other arguments as in `generate`.

    Returns:
        An iterator over the new ids, (B,) at each step; at most `max_new_tokens` steps, and
        without `slide` at most n_ctx - T.
    """
    model = bare(model)
    if not hasattr(model, "h"):
        raise TypeError(f"model is a {type(model).__name__}; only a GPT has a cache to write with")
    if ids.dim() != 2 or 0 in ids.shape:
        raise ValueError(f"ids must be (B, T) with B, T >= 1, got {tuple(ids.shape)}")
    if ids.shape[1] >= model.config.n_ctx:
        if not slide:
            raise ValueError(_too_long(ids.shape[1], model.config.n_ctx))
        ids = ids[:, -_half(model) :]
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
    with evaluating(model):
        cache = KVCache(model.config, B, room, model.device, model.wte.weight.dtype)
        decoder = Decoder(model, cache) if is_plain(model) else None
        new = ids
        half = _half(model)
        recent = ids  # (B, <= half), kept to read it again when the window slides
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
                recent = torch.cat([recent, new], dim=1)[:, -half:]


@torch.inference_mode()
def _next_logits(model: GPT, ids: Tensor, cache: KVCache) -> Tensor:
    """Read `ids` (B, T) into the cache; logits (B, V) of what follows the last one."""
    return F.linear(model.hidden(ids, cache)[:, -1], model.output)


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


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    """logits / temperature; where that is beyond all numbers, moved so that the largest is 0."""
    scaled = logits / temperature
    if scaled.amax(-1).isfinite().all():
        return scaled
    lower = logits.double() - logits.amax(-1, keepdim=True).double()
    return (lower / temperature).to(logits.dtype)


def _half(model: GPT) -> int:
    """Tokens that are read anew when the context is full."""
    return max(1, model.config.n_ctx // 2)


def _too_long(n_tokens: int, n_ctx: int) -> str:
    return (
        f"prompt has {n_tokens} tokens; it must have fewer than n_ctx={n_ctx}, to leave room; "
        "with slide its end is read"
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
    return ids


def _unknown(tokenizer: Tokenizer) -> int | None:
    """The id that stands for characters without a token; bytes always have one."""
    try:
        return tokenizer.id_of("<unk>") if tokenizer.kind == "word" else None
    except KeyError:
        return None

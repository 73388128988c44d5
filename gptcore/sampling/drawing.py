"""Text from a trained GPT, one token at a time: greedy, temperature, top-k and nucleus sampling.

Source: GPT-2's released code, `src/sample.py` (temperature, top-k, top-p and their order);
Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration", §3.1 (the nucleus).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from gptcore.decode import Reader
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.sampling.batches import texts_of
from gptcore.sampling.filters import Choice, TopPRule, filter_logits
from gptcore.sampling.pieces import END_OF_TEXT, Stop, Writer, stops
from gptcore.sampling.prompts import check_count, encode, fitting, generator_of, half, writer_of

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

__all__ = ["TopPRule", "filter_logits", "generate", "sample_ids", "samples", "stream"]


@overload
def generate(model: GPT, tokenizer: Tokenizer, prompt: str, **settings: Any) -> str: ...
@overload
def generate(
    model: GPT, tokenizer: Tokenizer, prompt: Sequence[str], **settings: Any
) -> list[str]: ...
def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[str],
    *,
    seed: int | Sequence[int] | None = None,
    batch_size: int = 32,
    **settings: Any,
) -> str | list[str]:
    """Continue `prompt` and return the new text, without the prompt and without the stop token.

    Generation ends at `stop`, after `max_new_tokens`, or when prompt and new tokens fill the
    model's context. Several prompts are continued side by side, in much less time; what becomes of
    one does not depend on the others.

    Args:
        model: left in the mode (training or evaluation) in which it came; a wrapper of
            torch.compile or of parallel training is seen through.
        tokenizer: the one the model was trained with.
        prompt: at least one token. Special tokens written out in it are read as such. For a list
            of prompts a list of texts comes back.
        seed: the same seed gives the same text; PyTorch's global random numbers stay untouched.
            Of several prompts the first is drawn with `seed`, the next with `seed + 1` and so on,
            each as if it were alone; or a list says the seed of each.
        batch_size: of several prompts, at most so many side by side.
        settings: max_new_tokens (200): at most so many. stop ("<|endoftext|>"): what ends the
            text, and is no part of it: name or id of a special token, any text ("\\n"), or several
            of these; None never. The default is what the tokenizer says ends a text; where a text
            is given, that ends it too. slide (False): go on beyond the context: when it is full,
            read its last half anew and continue; of a prompt that fills the context, the last half
            of a context is read. And how a token is chosen, see `Choice`: temperature, top_k,
            top_p, top_p_rule, repetition_penalty, repetition_rule.

    Raises:
        TypeError, ValueError: a prompt is empty, too long or cannot be encoded, or an argument
            breaks its rule; the message names argument, value and rule.
    """
    if isinstance(prompt, list | tuple):
        several = {"seed": seed, "batch_size": batch_size}
        return texts_of(model, tokenizer, prompt, **several, **settings)
    return "".join(stream(model, tokenizer, prompt, seed=seed, **settings))


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
        sampling: max_new_tokens, seed, slide, and the fields of `Choice`: see `generate`.
    """
    model = writer_of(model)
    ids = encode(model, tokenizer, prompt)
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
    check_count("n", n)
    model = writer_of(model)
    ids = encode(model, tokenizer, prompt)
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
    seed: int | None = None,
    slide: bool = False,
    vocab_size: int | None = None,
    **choice: Any,
) -> Iterator[Tensor]:
    """Sample continuations of `ids` (B, T), all B side by side.

    Args:
        ids: (B, T) token ids with 1 <= T < n_ctx; with `slide` of any length.
        seed: one for all rows; texts of different lengths, and a seed for each, are
            `gptcore.sampling.batches`'.
        vocab_size: choose only among the ids below it; None among all the model has. A model may
            have more rows than its tokenizer has tokens.
        choice: the fields of `Choice`; the other arguments as in `generate`.

    Returns:
        An iterator over the new ids, (B,) at each step; at most `max_new_tokens` steps, and
        without `slide` at most n_ctx - T.
    """
    model = writer_of(model)
    if ids.dim() != 2 or 0 in ids.shape:
        raise ValueError(f"ids must be (B, T) with B, T >= 1, got {tuple(ids.shape)}")
    ids = ids[:, -fitting(model, ids.shape[1], slide) :]
    check_count("max_new_tokens", max_new_tokens)
    how, generator = Choice(**choice), generator_of(seed)
    return _sample(model, ids, max_new_tokens, how, generator, slide, vocab_size)


def _sample(
    model: GPT,
    ids: Tensor,
    max_new_tokens: int,
    choice: Choice,
    generator: torch.Generator,
    slide: bool,
    vocab_size: int | None,
) -> Iterator[Tensor]:
    """The loop of `sample_ids`: read, draw, yield; the model's mode is restored at the end."""
    n_ctx, n_before = model.config.n_ctx, ids.shape[1]
    with evaluating(model):
        reader, memory = Reader(model), choice.memory(ids, model)
        recent, token = ids, ids[:, -1]  # recent: what is read again when the window slides
        for step in range(1, max_new_tokens + 1):
            if reader.full:
                logits = reader.begin(recent, max_new_tokens - step)
            else:
                logits = reader.read(token)
            token = choice.pick(logits[:, :vocab_size], memory, [generator])
            yield token
            if not slide and n_before + step == n_ctx:
                return
            if memory is not None:
                memory.scatter_(1, token[:, None], True)
            if slide:
                recent = torch.cat([recent, token[:, None]], dim=1)[:, -half(model) :]

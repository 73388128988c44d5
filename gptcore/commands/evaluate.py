"""`gptcore evaluate`: measure a model on text.

Source: none.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from gptcore.commands import load, say

if TYPE_CHECKING:
    from gptcore.text.streams import TokenStream
    from gptcore.tokenizer import Tokenizer

EXAMPLES = """
  gptcore evaluate runs/first
  gptcore evaluate runs/mine --text other_book.txt --stride 32
  gptcore evaluate tales-gpt1 --tales 1000"""
TALES = 200
TOO_MANY = 0.01
"""Share of what the tokenizer does not know from which bits per byte are not told."""


@dataclass(frozen=True)
class Options:
    """Measure how well a model predicts text it was not trained on."""

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub."""
    text: tuple[str, ...] = ()
    """Text files or folders, or named sets of gptcore data list. None: the held-out part of the
    text that the model was trained on, where its folder has it; else held-out tales."""
    tales: int | None = None
    """Measure on so many held-out tales. None: 200, where there is no other text."""
    tales_seed: int = 0
    """Their seed."""
    stride: int | None = None
    """Tokens by which the window moves; a small one gives more context and takes longer. None:
    windows side by side."""
    batch_size: int = 8
    """Windows read at a time; changes the speed only."""
    json: bool = False
    """Print the numbers as JSON."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""


def run(options: Options) -> None:
    """Encode the text into a temporary stream and score it; say what was measured on."""
    from gptcore.scoring.likelihood import evaluate
    from gptcore.train.record import plain

    if options.text and options.tales is not None:
        raise ValueError(f"text={options.text[0]!r} and tales={options.tales}: give one of them")
    model, tokenizer = load(options.checkpoint, options.device)
    with _chosen(options, tokenizer) as (tokens, what):
        n_unknown, share, of_what = _lost(tokens, tokenizer)
        lost = share > TOO_MANY
        score = evaluate(
            model,
            tokens.tokens,
            n_bytes=None if lost else tokens.n_bytes,
            stride=options.stride,
            batch_size=options.batch_size,
        )
    if n_unknown:
        told = "Bits per byte would mean nothing" if lost else "Bits per byte are a little too low"
        say(
            f"{n_unknown:,} {of_what} ({share:.1%}): the tokenizer does not know what stands "
            f"there, so no model has to predict it. {told}"
        )
    if options.json:
        about = {"n_bytes": tokens.n_bytes, "n_unknown": n_unknown, "measured_on": what}
        print(json.dumps(plain({**asdict(score), **about})))
        return
    print(f"{score.nats_per_token:.4f} nats per token")
    print(f"{score.perplexity:.4f} perplexity")
    if score.bits_per_byte is not None:
        print(f"{score.bits_per_byte:.4f} bits per byte")
    print(f"{score.n_tokens:,} tokens scored: {what}")


@contextmanager
def _chosen(options: Options, tokenizer: Tokenizer) -> Iterator[tuple[TokenStream, str]]:
    """The text to measure on, encoded, and what it is, in words."""
    from gptcore.tales import tales
    from gptcore.text.reading import documents, told
    from gptcore.text.streams import TokenStream
    from gptcore.train.corpus import VALID_START
    from gptcore.train.held_out import held_out

    asked = options.text or options.tales is not None
    own = None if asked else held_out(options.checkpoint, tokenizer)
    if own is not None:
        yield own, "the held-out part of the text of its own run"
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.text:
            say(told(options.text))
            texts, what = documents(options.text), ", ".join(options.text)
        else:
            n = TALES if options.tales is None else options.tales
            found = tales(n, seed=options.tales_seed, start=VALID_START)
            texts, what = (tale.text for tale in found), f"{n:,} held-out tales, in English"
            if options.tales is None:
                say(
                    f"measuring on {what}: {options.checkpoint} does not hold the text of a run "
                    "that has ended. For other text, --text FILE"
                )
        pack = tokenizer.eot is not None
        yield TokenStream.write(Path(folder) / "text", texts, tokenizer, pack=pack), what


def _lost(stream: TokenStream, tokenizer: Tokenizer) -> tuple[int, float, str]:
    """How much of the text the vocabulary cannot express: how many, their share, and of what."""
    from gptcore.train.corpus import with_bytes

    if tokenizer.kind == "byte":  # an incomplete alphabet leaves bytes out
        kept = with_bytes(replace(stream, n_bytes=None), tokenizer).n_bytes
        lost = max(0, (stream.n_bytes or 0) - (kept or 0))
        return lost, lost / max(1, stream.n_bytes or 0), "bytes have no token"
    try:
        unknown = tokenizer.id_of("<unk>")
    except KeyError:
        return 0, 0.0, ""
    lost = int((stream.tokens == unknown).sum())
    return lost, lost / max(1, len(stream)), "tokens are <unk>"

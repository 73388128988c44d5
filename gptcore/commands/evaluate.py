"""`gptcore evaluate`: measure a model on text.

Source: none.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tyro.conf import Positional

from gptcore.commands import load

EXAMPLES = """
  gptcore evaluate runs/tiny
  gptcore evaluate runs/mine --text other_book.txt --stride 32"""


@dataclass(frozen=True)
class Options:
    """Measure how well a model predicts text it was not trained on."""

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub."""
    text: tuple[Path, ...] = ()
    """Text files or folders. None: held-out tales."""
    tales: int = 200
    """How many held-out tales, where no text is given."""
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
    """Encode the text into a temporary stream and score it."""
    from gptcore.scoring.likelihood import evaluate
    from gptcore.tales import tales
    from gptcore.text import files
    from gptcore.text.streams import TokenStream
    from gptcore.train.corpus import VALID_START

    model, tokenizer = load(options.checkpoint, options.device)
    texts: Iterable[str] = files.documents(options.text)
    if not options.text:
        found = tales(options.tales, seed=options.tales_seed, start=VALID_START)
        texts = (tale.text for tale in found)
    with tempfile.TemporaryDirectory() as folder:
        pack = tokenizer.eot is not None
        tokens = TokenStream.write(Path(folder) / "text", texts, tokenizer, pack=pack)
        score = evaluate(
            model,
            tokens.tokens,
            n_bytes=tokens.n_bytes,
            stride=options.stride,
            batch_size=options.batch_size,
        )
    if options.json:
        print(json.dumps({**asdict(score), "n_bytes": tokens.n_bytes}))
        return
    print(f"{score.nats_per_token:.4f} nats per token")
    print(f"{score.perplexity:.4f} perplexity")
    print(f"{score.bits_per_byte:.4f} bits per byte")
    print(f"{score.n_tokens:,} tokens scored")

"""`gptcore generate`: let a model continue a text.

Source: none.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Literal

from tyro.conf import Positional

from gptcore.commands import load

EXAMPLES = """
  gptcore generate runs/tiny "Once upon a time" --temperature 0.8 --seed 1
  gptcore generate tales-gpt1 "One windy morning," --temperature 0.6 --slide
  gptcore generate gpt2 "In a shocking finding," --top-k 40"""


@dataclass(frozen=True)
class Options:
    """Continue a text."""

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub: gpt2,
    openai-gpt, org/name."""
    prompt: Positional[str]
    """The text to continue."""
    max_new_tokens: int = 200
    """At most so many tokens."""
    temperature: float = 1.0
    """Below 1 more predictable, above 1 more surprising; 0 always takes the likeliest token."""
    top_k: int | None = None
    """Choose among so many likeliest tokens."""
    top_p: float | None = None
    """Choose among the likeliest tokens that together have this probability."""
    top_p_rule: Literal["textbook", "openai"] = "textbook"
    """Whether the token that reaches top_p is kept (textbook) or not (openai)."""
    seed: int | None = None
    """The same seed gives the same text."""
    slide: bool = False
    """Go on when the context is full, with its last half."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""


def run(options: Options) -> None:
    """Write prompt and continuation to stdout, each piece as soon as it is known."""
    from gptcore.sampling.drawing import stream

    model, tokenizer = load(options.checkpoint, options.device)
    settings = asdict(options)
    for name in ("checkpoint", "prompt", "device"):
        settings.pop(name)
    pieces = stream(model, tokenizer, options.prompt, **settings)
    sys.stdout.write(options.prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")

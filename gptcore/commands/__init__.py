"""One file per command of the command line: its options, examples of its use, and what it does.

`Options` is a dataclass whose fields are the options (tyro); `run` takes one.
"""

from __future__ import annotations

import sys

import torch

from gptcore import checkpoint
from gptcore.model import GPT
from gptcore.tokenizer import Tokenizer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def load(source: str, device: str) -> tuple[GPT, Tokenizer]:
    """A model that can read and write text.

    Raises:
        ValueError: it has no tokenizer.
    """
    model, tokenizer = checkpoint.load(source, device=device)
    if tokenizer is None:
        raise ValueError(f"{source} has no tokenizer, so text cannot be turned into tokens")
    return model, tokenizer


def say(message: str) -> None:
    """Tell something that is no result."""
    print(f"gptcore: {printable(message)}", file=sys.stderr)


def printable(text: str) -> str:
    """The text with everything written out that would steer a terminal, except line feeds."""
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)

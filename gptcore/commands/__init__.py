"""One file per command of the command line: its options, examples of its use, and what it does.

`Options` is a dataclass whose fields are the options (tyro); `run` takes one. PyTorch is imported
in `run`, so that help comes at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptcore.model import GPT
    from gptcore.tokenizer import Tokenizer


def load(source: str, device: str) -> tuple[GPT, Tokenizer]:
    """A model that can read and write text; says what was opened where the name is ambiguous.

    Args:
        source: as in `gptcore.load`.
        device: cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu.

    Raises:
        ValueError: it has no tokenizer, or there is no such device.
    """
    from gptcore import checkpoint
    from gptcore.train.folders import choose_device

    model, tokenizer = checkpoint.load(source, device=choose_device(device))
    say_what_is_opened(source)
    if tokenizer is None:
        raise ValueError(f"{source} has no tokenizer, so text cannot be turned into tokens")
    return model, tokenizer


def say_what_is_opened(source: str) -> None:
    """Where a name means a folder here and a model elsewhere, tell which of them it was."""
    from gptcore.checkpoint import shipped
    from gptcore.config import PRESETS

    here = Path(source)
    if not here.is_dir() or source not in (*shipped.names(), *PRESETS, "openai-gpt"):
        return
    if (here / "config.json").is_file():
        say(f"{source} is the folder {here.resolve()}, not the model of that name elsewhere")
    elif source in shipped.names():
        say(f"{source} is the shipped model; the folder {here.resolve()} holds none")


def say(message: str) -> None:
    """Tell something that is no result."""
    print(f"gptcore: {printable(message)}", file=sys.stderr)


def printable(text: str) -> str:
    """The text with everything written out that would steer a terminal, except line feeds."""
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)

"""`gptcore info`: what a model consists of.

Source: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tyro.conf import Positional

from gptcore import checkpoint
from gptcore.config import PRESETS
from gptcore.model import GPT
from gptcore.sizes import report

EXAMPLES = """
  gptcore info runs/tiny
  gptcore info gpt3-175b"""


@dataclass(frozen=True)
class Options:
    """Say what a model consists of: its fields, its parameters by part, the memory it takes."""

    model: Positional[str]
    """Folder with a model, the name of a preset, or a name on the Hugging Face Hub."""


def run(options: Options) -> None:
    """Print what `sizes.report` says of a preset or of a model that exists."""
    if options.model in PRESETS and not Path(options.model).is_dir():
        with torch.device("meta"):  # shapes without memory, even for 175 billion parameters
            model = GPT(PRESETS[options.model])
    else:
        model, _ = checkpoint.load(options.model)
    print(options.model)
    print(report(model))

"""`gptcore info`: what a model consists of.

Source: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from gptcore.config import PRESETS
from gptcore.sizes import report

EXAMPLES = """
  gptcore info runs/tiny
  gptcore info gpt3-175b"""


@dataclass(frozen=True)
class Options:
    """Say what a model consists of: its fields, its parameters by part, the memory it takes."""

    model: Positional[str]
    """Folder with a model, the name of a preset, or a name on the Hugging Face Hub. Of a folder
    and a preset of the same name the folder is opened, if it holds a model."""


def run(options: Options) -> None:
    """Say what was found under that name, and print what `sizes.report` says of it."""
    name, here = options.model, Path(options.model)
    if name in PRESETS and not (here / "config.json").is_file():
        print(f"{name} (preset{'; the folder of that name holds no model' * here.is_dir()})")
        print(report(PRESETS[name]))
        return
    from gptcore import checkpoint

    model, _ = checkpoint.load(name)
    found = f" (folder {here.resolve()})" if here.is_dir() else ""
    print(f"{name}{found}")
    print(report(model))

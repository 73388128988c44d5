"""`gptcore tales`: write tales to stdout or into a file.

Source: none.
"""

from __future__ import annotations

import gzip
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EXAMPLES = """
  gptcore tales
  gptcore tales --n 100000 --seed 1 --out tales.txt.gz"""


@dataclass(frozen=True)
class Options:
    """Write tales: small stories from a seeded simulator. Same seed, same bytes, everywhere."""

    n: int = 5
    """How many tales."""
    seed: int = 0
    """Another seed, other tales."""
    split: Literal["train", "valid", "test"] = "train"
    """Three sets without a tale in common; `gptcore evaluate` measures on "valid"."""
    start: int = 0
    """Index of the first tale within the split."""
    out: Path | None = None
    """File to write, gzipped if it ends in .gz; without it they go to stdout."""


def run(options: Options) -> None:
    """Write tales with a separator after each, as `gptcore train --text` reads them."""
    from tqdm import tqdm

    from gptcore.tales import split, tales
    from gptcore.text import files

    if options.n < 1:
        raise ValueError(f"n={options.n} must be at least 1")
    room = split(options.split)
    if not 0 <= options.start <= len(room) - options.n:
        most = len(room) - options.n
        raise ValueError(f"start={options.start} must be between 0 and {most}")
    first = room.start + options.start
    written = (
        f"{tale.text}\n{files.SEPARATOR}\n"
        for tale in tales(options.n, seed=options.seed, start=first)
    )
    if options.out is None:
        for text in written:
            sys.stdout.write(text)
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    half_written = options.out.with_name(f".{options.out.name}.writing")
    zipped = options.out.suffix == ".gz"
    try:
        with gzip.open(half_written, "wb") if zipped else open(half_written, "wb") as file:
            for text in tqdm(written, total=options.n, unit=" tales", unit_scale=True):
                file.write(text.encode())
        os.replace(half_written, options.out)
    finally:
        half_written.unlink(missing_ok=True)

"""Real data: named sets that are fetched, checked and read into one simple shape.

    >>> from gptcore import datasets
    >>> datasets.load("udhr", "eng")            # one part of a set
    >>> datasets.load("udhr")                   # all parts: {"eng": "...", "hin": "...", ...}
    >>> datasets.SETS["udhr"].rows              # what a part is: text, or the keys of its rows

A part is a text (str), a list of texts, or a list of rows (dict). Rows have the same keys in every
set: `text`, for pairs `text_b`, and `label`: an int with its `label_name`, or a float. Tasks with
other needs have `question`, `answer` and `final`; `context` and `completion` or `target`;
`choices`. A set that is one part comes without the dict around it.

Bytes are looked for in the folder GPTCORE_DATA_MIRROR, then in the cache, then on the network, and
count only if their SHA-256 is right.

Source: the papers that each set cites.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gptcore.datasets import store
from gptcore.datasets.parse import PARSERS, Part, Parts
from gptcore.datasets.sets import SETS, DataSet, File
from gptcore.datasets.store import DataUnavailable
from gptcore.tokenizer import Tokenizer

__all__ = [
    "SETS",
    "DataSet",
    "DataUnavailable",
    "File",
    "Part",
    "fetch",
    "get",
    "load",
    "megabytes",
    "optional",
    "parts",
    "place",
    "tokenizer",
]


def get(name: str) -> DataSet:
    """The set of that name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in SETS:
        raise ValueError(f"name={name!r} is no data set; {_instead(name, SETS)}")
    return SETS[name]


def fetch(name: str) -> dict[str, Path]:
    """Bring all files of a set into the cache, as their publisher serves them.

    Returns:
        File name -> where it lies.

    Raises:
        ValueError: unknown name, or the mirror has a file with other bytes.
        DataUnavailable: a file cannot be had or kept; the message says what was tried.
    """
    dataset = get(name)
    return {file.name: store.fetch(dataset, file) for file in dataset.files}


def place(name: str) -> str:
    """Where a set lies, judged by names and sizes: "mirror", "cache", or "" for nowhere here."""
    return store.place(get(name))


def parts(name: str) -> tuple[str, ...]:
    """The parts of a set, as upstream has them: "train" and "test", years, languages, tasks.

    Raises:
        ValueError, DataUnavailable: as in `fetch`, for sets whose parts are in an archive.
    """
    return tuple(_parts(name)) if get(name).name in PARSERS else ()


def load(name: str, split: str | None = None) -> Any:
    """Read a set, or one part of it.

    Args:
        name: one of `SETS`.
        split: one of `parts(name)`; only what it needs is fetched. None: everything.

    Returns:
        The part (see `SETS[name].rows`); for None a dict part name -> part, unless the set has
        only one part. For gpt1-bpe and gpt2-bpe: file name -> path, as `fetch`.

    Raises:
        ValueError: unknown name or split, or the mirror has a file with other bytes.
        DataUnavailable: the bytes cannot be had; the message says what was tried.
    """
    if get(name).name not in PARSERS:
        if split is not None:
            raise ValueError(f"split={split!r}: {name} has files and no parts")
        return fetch(name)
    found = _parts(name)
    if split is None:
        read = {part: thunk() for part, thunk in found.items()}
        return read if len(read) > 1 else next(iter(read.values()))
    if split not in found:
        raise ValueError(f"split={split!r} is no part of {name}; {_instead(split, found)}")
    return found[split]()


def optional(name: str, split: str | None = None) -> Any:
    """`load`, or None where the bytes cannot be had: then what is missing is printed.

    What is printed depends on the name alone, so that a notebook stays the same everywhere.

    Raises:
        ValueError: unknown name or split, or the mirror has a file with other bytes.
    """
    try:
        return load(name, split)
    except DataUnavailable:
        print(
            f"The data set {name} ({megabytes(get(name).n_bytes)}) is not here, so this part is "
            f"left out. To get it: gptcore data fetch {name}"
        )
        return None


def tokenizer(name: str) -> Tokenizer:
    """OpenAI's own tokenizer of "gpt1" or "gpt2", from the set gpt1-bpe or gpt2-bpe.

    Raises:
        ValueError, DataUnavailable: as in `load`.
    """
    dataset = get(f"{name}-bpe")
    encoder = next(file for file in dataset.files if file.name.startswith("encoder"))
    merges = next(file for file in dataset.files if file.name.endswith(".bpe"))
    with tempfile.TemporaryDirectory() as folder:  # needs no cache where there is a mirror
        paths = [Path(folder) / file.name for file in (encoder, merges)]
        for path, file in zip(paths, (encoder, merges), strict=True):
            path.write_bytes(store.read(dataset, file))
        return Tokenizer.from_openai(*paths)


def megabytes(n_bytes: int) -> str:
    """1,653,975 -> "1.7 MB"."""
    return f"{n_bytes / 1e6:.1f} MB"


def _parts(name: str) -> Parts:
    dataset = get(name)
    files = {file.name: file for file in dataset.files}
    return PARSERS[name](tuple(files), lambda file: store.read(dataset, files[file]))


def _instead(wrong: str, names: Iterable[str]) -> str:
    """What to choose from: the nearest, and all if they are not too many."""
    names = list(names)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = names if len(names) <= 30 else [*names[:10], "..."]
    return f"{hint}There are {len(names)}: {', '.join(shown)}"

"""The texts of a run: a user's own files and folders, and named sets of real data.

Source: none.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from gptcore import datasets
from gptcore.text import files


def documents(texts: Iterable[str | Path]) -> Iterator[str]:
    """The documents of texts, one text after the other, as `TokenStream.write` takes them.

    Args:
        texts: files; folders; or named sets, such as "tinyshakespeare", whole or one part of them,
            such as "udhr/hin". A path that exists is read as such, whatever its name.

    Raises:
        FileNotFoundError, ValueError: there is neither a path nor a set of that name, or what is
            there is not text; the message names the nearest set.
        DataUnavailable: a set cannot be had.
    """
    texts = list(texts)
    if paths := [text for text in texts if _set(text) is None]:
        files.text_files(paths)  # complains before anything is read
    for is_set, some in groupby(texts, key=lambda text: _set(text) is not None):
        if is_set:
            yield from chain.from_iterable(_of_set(*_set(text)) for text in some)
        else:
            yield from files.documents(some)


def told(texts: Iterable[str | Path]) -> str:
    """One line: what `documents` reads, and what stands beside it and is left out."""
    texts = list(texts)
    sets = [str(text) for text in texts if _set(text) is not None]
    paths = [text for text in texts if _set(text) is None]
    lines = [f"reads the data set {name}" for name in sets]
    return "; ".join(lines + ([files.survey(paths).told()] if paths else []))


def n_bytes(texts: Iterable[str | Path]) -> int | None:
    """How long the texts are; None where that is not known before they are read."""
    texts = list(texts)
    if any(map(_set, texts)):
        return None
    paths = files.text_files(texts)
    zipped = any(path.name.lower().endswith(".gz") for path in paths)
    return None if zipped else sum(path.stat().st_size for path in paths)


def digest(texts: Iterable[str | Path], *, progress: bool = False) -> str:
    """SHA-256 over the contents of texts, in order; names of files do not count.

    Args:
        texts: files, folders and names of sets.
        progress: show a bar (needs tqdm).
    """
    texts = list(texts)
    if not any(map(_set, texts)):
        return files.digest(texts, progress=progress)
    total = hashlib.sha256()
    for text in texts:
        named = _set(text)
        if named is None:
            total.update(files.digest([text], progress=progress).encode())
        else:  # the bytes of a set are those of the table, or are refused
            told = [named, [file.sha256 for file in datasets.get(named[0]).files]]
            total.update(repr(told).encode())
    return total.hexdigest()


def _set(text: str | Path) -> tuple[str, str | None] | None:
    """Name and part of the named set that is meant; None if a path is."""
    if Path(text).exists():
        return None
    name, slash, split = Path(text).as_posix().partition("/")
    if name in datasets.SETS:
        return name, split if slash else None
    near = difflib.get_close_matches(name, datasets.SETS, n=1, cutoff=0.7)
    if near and not slash and not Path(text).suffix:
        raise FileNotFoundError(
            f"{text} does not exist, and no data set has that name: did you mean {near[0]}?"
        )
    return None


def _of_set(name: str, split: str | None) -> Iterator[str]:
    found = datasets.load(name, split)
    parts = found.values() if isinstance(found, dict) else [found]
    for part in parts:
        for row in part if isinstance(part, list) else [part]:
            if text := _text_of(row, name):
                yield text


def _text_of(row: Any, name: str) -> str:
    """A row as text: its texts, or where it has none by that name all words that it has."""
    if isinstance(row, str):
        return row
    if not isinstance(row, dict):
        raise ValueError(f"{name} holds no text: gptcore data show {name} says what it holds")
    keys = [key for key in ("text", "text_b") if key in row]
    keys = keys or [key for key, value in row.items() if isinstance(value, str)]
    return "\n".join(row[key] for key in keys if key != "label_name")

"""The table of named data sets: what each is for, its licence, and the exact bytes of its files.

The table itself is `sets.json`, beside this file. Every address is pinned to a commit and every
file to its SHA-256, so that a set is the same for everybody or is refused.

Source: the papers that each entry cites.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Use = Literal["redistributable", "run-time only"]


@dataclass(frozen=True)
class File:
    """One file as its publisher serves it."""

    name: str
    """Its name in the cache; in a mirror, `.gz` may be added."""
    n_bytes: int
    sha256: str
    """Of the bytes at `url`, in hexadecimal."""
    url: str


@dataclass(frozen=True)
class DataSet:
    """What is known of a set before any byte of it is read."""

    name: str
    use: Use
    """Whether the licence lets anybody pass the files on ("redistributable"). Otherwise
    ("run-time only") read them, but keep them out of packages, stored outputs and pages."""
    licence: str
    purpose: str
    rows: str
    """What `datasets.load` gives: the keys of a row, or that it is text."""
    citation: str
    files: tuple[File, ...]

    @property
    def n_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.n_bytes for file in self.files)


def _read_table() -> dict[str, DataSet]:
    table = json.loads(Path(__file__).with_name("sets.json").read_text(encoding="utf-8"))
    return {
        name: DataSet(name, **{**entry, "files": tuple(File(**file) for file in entry["files"])})
        for name, entry in table.items()
    }


SETS: dict[str, DataSet] = _read_table()
"""Name -> set."""

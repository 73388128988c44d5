"""`gptcore data`: the named sets of real data; what there is, fetch it, look at it.

Source: none.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from tyro.conf import OmitSubcommandPrefixes, Positional, subcommand

from gptcore import datasets
from gptcore.commands import printable

EXAMPLES = """
  gptcore data list
  gptcore data fetch tinyshakespeare gpt2-bpe
  gptcore data show udhr --split hin"""


@dataclass(frozen=True)
class List:
    """Say what there is: name, size, where it is, licence, purpose."""


@dataclass(frozen=True)
class Fetch:
    """Bring sets into the cache, and say where they are."""

    names: Positional[tuple[str, ...]] = ()
    """Which."""
    all: bool = False
    """All of them."""


@dataclass(frozen=True)
class Show:
    """Show what is known of a set, and its first rows, control characters written out."""

    name: Positional[str]
    """Which set."""
    split: str | None = None
    """Which part of it. None: the first."""
    n: int = 3
    """How many rows, or lines of a text."""


@dataclass(frozen=True)
class Options:
    """List, fetch and show real data sets."""

    what: OmitSubcommandPrefixes[
        Annotated[List, subcommand("list")]
        | Annotated[Fetch, subcommand("fetch")]
        | Annotated[Show, subcommand("show")]
    ]
    """What to do."""


def run(options: Options) -> None:
    """Do one of the three."""
    {List: _list, Fetch: _fetch, Show: _show}[type(options.what)](options.what)


# ------------------------------------------------------------------ list


def _list(options: List) -> None:
    rows = [("name", "size", "here", "use", "licence", "what for")]
    for name, found in datasets.SETS.items():
        size, licence = datasets.megabytes(found.n_bytes), _cut(found.licence, 28)
        here = datasets.place(name) or "-"
        rows.append((name, size, here, found.use, licence, found.purpose))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        _print(_cut("  ".join(cells).rstrip(), wide))


# ------------------------------------------------------------------ fetch


def _fetch(options: Fetch) -> None:
    """Fetch one set after another; one that fails does not keep the others from coming."""
    if options.all == bool(options.names):
        raise ValueError("name the data sets to fetch, or say --all; gptcore data list lists them")
    names = [datasets.get(name).name for name in options.names or datasets.SETS]
    failed = {}
    for name in names:
        try:
            paths = datasets.fetch(name)
        except datasets.DataUnavailable as error:
            failed[name] = error
            continue
        found = datasets.SETS[name]
        size = datasets.megabytes(found.n_bytes)
        files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        _print(f"{name}: {files}, {size} in {next(iter(paths.values())).parent}")
        if found.use == "run-time only":
            _print(f"  Licence: {found.licence}. Read it here; do not pass it on.")
    if failed:
        first = next(iter(failed.values()))
        raise datasets.DataUnavailable(
            f"{len(failed)} of {len(names)} not fetched ({', '.join(failed)}). {first}"
        )


# ------------------------------------------------------------------ show


def _show(options: Show) -> None:
    if options.n < 1:
        raise ValueError(f"n={options.n} must be at least 1")
    found, parts = datasets.get(options.name), datasets.parts(options.name)
    split = options.split or (parts[0] if parts else None)
    part = datasets.load(options.name, split)
    about = {
        "for": found.purpose,
        "licence": f"{found.licence} ({found.use})",
        "cite": found.citation,
        "holds": found.rows,
        "parts": _cut(", ".join(parts), 300) if parts else "",
    }
    for key, value in about.items():
        if value:
            _print(f"{key}: {value}")
    unit = {str: "characters", list: "rows", dict: "files"}[type(part)]
    _print(f"\n{split or options.name}: {len(part):,} {unit}")
    lines = part.split("\n") if isinstance(part, str) else part
    for row in islice(lines.items() if isinstance(part, dict) else lines, options.n):
        _print("\n".join(_shown(row)))


def _shown(row: Any) -> list[str]:
    """A row as lines that do nothing to a terminal, however odd its text."""
    if isinstance(row, tuple):
        return [f"  {row[0]}  {row[1]}"]
    if not isinstance(row, dict):
        return ["  " + _cut(repr(row), 300)]
    width = max(map(len, row))
    return [f"  {key:<{width}}  {_cut(repr(value), 300)}" for key, value in row.items()] + [""]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _print(text: str) -> None:
    """Print what the terminal can show; the rest as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding))

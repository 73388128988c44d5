"""A user's own text files as documents: several files, folders of them, gzipped or not.

A file is one document, unless it holds the line `<|endoftext|>`, which then separates documents.
Files are read in pieces of about a megabyte, so they may be larger than the memory. Line ends are
read as Python reads them: CRLF and CR become LF. What is left out, and how a file was read that
is not UTF-8, is told by warnings, each kind in one line.

Source: none; GPT-2's released code marks the end of a document with the same token.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gptcore.text.decoding import NotText, decoded

SEPARATOR = "<|endoftext|>"
SUFFIXES = (".txt", ".txt.gz", ".md", ".md.gz")
"""What is read from a folder; a file given by name may be called anything."""
PIECE = 1 << 20
LONGEST = 16
"""Pieces that a document without a single place to cut may have before it is cut anywhere."""
NOT_MINE = {"node_modules", "site-packages", "__pycache__", "__MACOSX"}
"""Folders of programs, not of texts. Hidden ones and Python's environments are left out too."""
ENVIRONMENT = ("pyvenv.cfg", "conda-meta")


class Unfinished(str):
    """A piece of a document that goes on in the next string: no end of text follows it."""


@dataclass(frozen=True)
class Found:
    """The text files that paths mean, and what stands beside them and is not read."""

    files: list[Path]
    named: set[Path] = field(default_factory=set)
    """Those of `files` that were given by name."""
    left_out: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Reason -> paths."""

    def told(self) -> str:
        """One line: what is read, and what is not."""
        size = sum(path.stat().st_size for path in self.files)
        told = f"reads {_counted(self.files)}, {size / 1e6:,.2f} MB"
        reasons = (f"{_some(paths)} ({why})" for why, paths in self.left_out.items())
        return told + ("; left out: " + ", ".join(reasons) if self.left_out else "")


def survey(paths: Iterable[str | Path]) -> Found:
    """Find text files: files as they are, folders with all text files below them, each once.

    Links are followed. Hidden files and folders, environments of Python, empty files, files that
    may not be read and links that lead nowhere are left out.

    Raises:
        FileNotFoundError: a path does not exist, or a folder holds no text file.
        ValueError: no path is given, one is no file, or all files are empty.
    """
    found, seen = Found([]), set()
    for path in (Path(path).expanduser() for path in paths):
        if path.is_dir():
            _add(found, seen, _inside(path, found))
        elif path.is_file():
            _add(found, seen, [path])
            found.named.add(path)
        elif path.exists():
            raise ValueError(
                f"{path} is neither a file nor a folder: write what it gives to a file"
            )
        else:
            raise FileNotFoundError(f"{path} does not exist")
    if not found.files:
        empty = [path for paths in found.left_out.values() for path in paths][:1]
        told = f"{empty[0]} is empty" if empty else "no text file was given"
        raise ValueError(f"{told}: there is nothing to learn from")
    return found


def text_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files that `survey` finds."""
    return survey(paths).files


def _add(found: Found, seen: set[Path], files: Iterable[Path]) -> None:
    """Take each file that has something in it and is not there yet."""
    for path in files:
        if path.resolve() in seen:
            found.left_out["read already"].append(path)
        elif path.stat().st_size == 0:
            found.left_out["empty"].append(path)
        else:
            seen.add(path.resolve())
            found.files.append(path)


def _inside(folder: Path, found: Found) -> list[Path]:
    """The text files below a folder, in the order of their paths."""
    files: list[Path] = []
    others: Counter[str] = Counter()
    seen = {folder.resolve()}

    def refused(error: OSError) -> None:
        found.left_out["may not be read"].append(Path(error.filename))

    for here, below, names in os.walk(folder, onerror=refused, followlinks=True):
        below[:] = [name for name in sorted(below) if _is_mine(Path(here, name), seen, found)]
        for path in (Path(here, name) for name in sorted(names)):
            if not path.name.lower().endswith(SUFFIXES):
                others[path.suffix.lower() or path.name] += 1
            elif path.name.startswith("."):
                found.left_out["hidden"].append(path)
            elif not path.is_file():
                found.left_out["no file, or a link that leads nowhere"].append(path)
            elif not os.access(path, os.R_OK):
                found.left_out["may not be read"].append(path)
            else:
                files.append(path)
    if not files:
        instead = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(4))
        raise FileNotFoundError(
            f"{folder} holds no file that ends in {', '.join(SUFFIXES)}"
            + (f", but {instead}: give such files by name if they are text" if instead else "")
        )
    return sorted(files)


def _is_mine(folder: Path, seen: set[Path], found: Found) -> bool:
    """Whether a folder may hold texts of the user's, and was not walked through before."""
    name, real = folder.name, folder.resolve()
    if name.startswith("."):
        found.left_out["hidden"].append(folder)
    elif name in NOT_MINE or any((folder / mark).exists() for mark in ENVIRONMENT):
        found.left_out["of a program"].append(folder)
    elif real in seen:
        found.left_out["read already"].append(folder)
    else:
        seen.add(real)
        return True
    return False


def documents(paths: Iterable[str | Path]) -> Iterator[str]:
    """The documents of text files, as `TokenStream.write` takes them: long ones in pieces.

    Warns, when all is read, of files left out because they are empty, blank or no text, of
    encodings that were guessed, and of line ends that were read as others.

    Raises:
        FileNotFoundError, ValueError: as in `survey`; or a file given by name is no text, one is
            in no encoding that its bytes give away (the message names the byte), not a whole gzip
            file, or changes while it is read; or all are blank.
    """
    found = survey(paths)
    notes: dict[str, list[Path]] = defaultdict(list)
    notes["empty, left out"] += found.left_out.get("empty", [])
    some = False
    for path in found.files:
        held: list[str] = []
        blank = True
        try:
            for piece in _pieces(path, notes):
                held.append(piece)
                blank = blank and not piece.strip()
                if not blank:
                    yield from held
                    held.clear()
        except NotText as error:
            if path in found.named:
                raise
            notes[f"no text, left out ({error.why})"].append(path)
            continue
        some = some or not blank
        if blank:
            notes["has only white space, left out"].append(path)
    told = [f"{_some(files)}: {note}" for note, files in notes.items() if files]
    if not some:
        raise ValueError(f"there is nothing to learn from; {'; '.join(told)}")
    for line in told:
        warnings.warn(line, stacklevel=2)


def _some(paths: list[Path]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return ", ".join(str(path) for path in paths[:3]) + more


def _counted(files: list[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{len(files):,} text files"


def digest(paths: Iterable[str | Path], *, progress: bool = False) -> str:
    """SHA-256 over the contents of text files, in order; names do not count.

    Args:
        paths: files and folders.
        progress: show a bar (needs tqdm).
    """
    files, total = text_files(paths), hashlib.sha256()
    with byte_bar("reading", files, progress) as advance:
        for path in files:
            one = hashlib.sha256()
            with open(path, "rb") as file:
                while block := file.read(PIECE):
                    one.update(block)
                    advance(len(block))
            total.update(one.digest())
    return total.hexdigest()


@contextmanager
def byte_bar(name: str, files: list[Path], progress: bool) -> Iterator[Callable[[int], object]]:
    """A bar over the bytes of files, or nothing; hand it the bytes that are done as they are."""
    if not progress:
        yield lambda n_bytes: None
        return
    from tqdm import tqdm

    total = sum(path.stat().st_size for path in files)
    with tqdm(desc=name, total=total, unit="B", unit_scale=True) as bar:
        yield bar.update


def _pieces(path: Path, notes: dict[str, list[Path]]) -> Iterator[str]:
    """Documents of one file; those longer than a piece as `Unfinished` ones and a rest.

    The line break on either side of a separator belongs to it.
    """
    waiting, begins, goes_on = "", False, False
    # begins: a separator stands right before `waiting`; goes_on: an Unfinished piece does.
    for text in decoded(path, PIECE, notes):
        waiting += text
        *whole, waiting = waiting.split(SEPARATOR)
        for document in whole:
            document = document.removeprefix("\n") if begins else document
            document = document.removesuffix("\n")
            if document or goes_on:
                yield document
            begins, goes_on = True, False
        cut = _cut(waiting) if len(waiting) > PIECE else 0
        if not cut and len(waiting) > LONGEST * PIECE:
            cut = len(waiting) - len(SEPARATOR)  # behind it a separator may have begun
        if cut:
            yield Unfinished(waiting[:cut].removeprefix("\n") if begins else waiting[:cut])
            waiting, begins, goes_on = waiting[cut:], False, True
    waiting = waiting.removeprefix("\n") if begins else waiting
    if waiting or goes_on:
        yield waiting


def _cut(text: str) -> int:
    """The last place before a space that follows a word, 0 if there is none.

    No tokenizer here joins anything across it, so the pieces have the ids of the whole. Where there
    is no such place for many pieces, a few ids at the cut differ: memory has an end.
    """
    for space in (" ", "\n"):
        cut = text.rfind(space)
        while cut > 0 and text[cut - 1].isspace():
            cut = text.rfind(space, 0, cut)
        if cut > 0:
            return cut
    return 0

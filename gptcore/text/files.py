"""A user's own text files as documents: several files, folders of them, gzipped or not.

A file is one document, unless it holds the line `<|endoftext|>`, which then separates documents.
Files are read in pieces of about a megabyte, so they may be larger than the memory.

Source: none; GPT-2's released code marks the end of a document with the same token.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

SEPARATOR = "<|endoftext|>"
SUFFIXES = (".txt", ".txt.gz", ".md", ".md.gz")
"""What is read from a folder; a file given by name may be called anything."""
PIECE = 1 << 20


class Unfinished(str):
    """A piece of a document that goes on in the next string: no end of text follows it."""


def text_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files that `paths` mean: files as they are, folders with all text files below them.

    Raises:
        FileNotFoundError: a path does not exist, or a folder holds no text file.
        ValueError: no path is given, or a file is empty.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _is_text(p))
            if not inside:
                raise FileNotFoundError(f"{path} holds no file that ends in {', '.join(SUFFIXES)}")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"{path} does not exist")
    if not found:
        raise ValueError("no text file was given")
    for path in found:
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty: there is nothing to learn from it")
    return found


def _is_text(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def documents(paths: Iterable[str | Path]) -> Iterator[str]:
    """The documents of text files, as `TokenStream.write` takes them: long ones in pieces.

    Raises:
        FileNotFoundError, ValueError: as in `text_files`; or a file is not UTF-8 (the message
            names the byte), not a whole gzip file, or blank.
    """
    for path in text_files(paths):
        blank = True
        for piece in _pieces(path):
            blank = blank and not piece.strip()
            yield piece
        if blank:
            raise ValueError(f"{path} has only white space: there is nothing to learn from it")


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


def _pieces(path: Path) -> Iterator[str]:
    """Documents of one file; those longer than a piece as `Unfinished` ones and a rest.

    The line break on either side of a separator belongs to it.
    """
    waiting, begins, goes_on = "", False, False
    # begins: a separator stands right before `waiting`; goes_on: an Unfinished piece does.
    for text in _decoded(path):
        waiting += text
        *whole, waiting = waiting.split(SEPARATOR)
        for document in whole:
            document = document.removeprefix("\n") if begins else document
            document = document.removesuffix("\n")
            if document or goes_on:
                yield document
            begins, goes_on = True, False
        if len(waiting) > PIECE and (cut := _cut(waiting)):
            yield Unfinished(waiting[:cut].removeprefix("\n") if begins else waiting[:cut])
            waiting, begins, goes_on = waiting[cut:], False, True
    waiting = waiting.removeprefix("\n") if begins else waiting
    if waiting or goes_on:
        yield waiting


def _cut(text: str) -> int:
    """The last place before a space that follows a word, 0 if there is none.

    No tokenizer here joins anything across it, so the pieces have the ids of the whole.
    """
    for space in (" ", "\n"):
        cut = text.rfind(space)
        while cut > 0 and text[cut - 1].isspace():
            cut = text.rfind(space, 0, cut)
        if cut > 0:
            return cut
    return 0


def _decoded(path: Path) -> Iterator[str]:
    """The text of a file in blocks; a byte order mark at its beginning is left out."""
    decoder, read = codecs.getincrementaldecoder("utf-8")(), 0
    with open(path, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        file = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if zipped else plain
        while True:
            try:
                block = file.read(PIECE)
            except (OSError, EOFError, zlib.error) as error:
                if not zipped:
                    raise
                raise ValueError(f"{path} is not a whole gzip file: {error}") from error
            kept = len(decoder.getstate()[0])  # bytes of a character begun in the last block
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = read - kept + error.start
                where = "of the unzipped text" if zipped else "of the file"
                raise ValueError(
                    f"{path} is not UTF-8: byte {place} {where} is "
                    f"0x{error.object[error.start]:02x}, {error.reason}. If it is in another "
                    "encoding, convert it, e.g. iconv -f LATIN1 -t UTF-8"
                ) from error
            yield text.removeprefix("\ufeff") if read == 0 else text
            if not block:
                return
            read += len(block)

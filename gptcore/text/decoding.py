"""A text file as characters, block by block, in whatever encoding it is.

A mark at its beginning says which it is; otherwise it is UTF-8, or UTF-16 whose zeros give it away,
or a guess, which is told with an example, so that a wrong one is seen.

Source: The Unicode Standard, §23.8 (byte order marks); Python's universal newlines (PEP 278).
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from gptcore import encodings

PACKED = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive, as docx, odt and epub are",
    b"{\\rtf": "rich text",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
}
"""First bytes of what is often taken for text."""


class NotText(ValueError):
    """A file that is something else than text."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is no text: {why}")
        self.why = why


def decoded(path: Path, size: int, notes: dict[str, list[Path]]) -> Iterator[str]:
    """The text of a file in blocks of about `size` bytes, without a byte order mark.

    Args:
        path: the file, gzipped or not.
        size: bytes to read at a time.
        notes: where what has to be told is put: remark -> files.

    Raises:
        NotText: it is something else; nothing was given out then.
        ValueError: it is in no encoding that is known here, torn, or changes while it is read.
    """
    with open(path, "rb") as plain:
        before = os.fstat(plain.fileno())
        zipped = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        file = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if zipped else plain
        where = "of the unzipped text" if zipped else "of the file"
        yield from _texts(path, _blocks(path, file, zipped, size), where, notes)
        after = os.fstat(plain.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ValueError(f"{path} was changed while it was read: make a copy, and read that")


def _blocks(path: Path, file: BinaryIO, zipped: bool, size: int) -> Iterator[bytes]:
    """The bytes of a file, at last an empty block."""
    while True:
        try:
            block = file.read(size)
        except (OSError, EOFError, zlib.error) as error:
            if not zipped:
                raise
            raise ValueError(f"{path} is not a whole gzip file: {error}") from error
        yield block
        if not block:
            return


def _texts(
    path: Path, blocks: Iterator[bytes], where: str, notes: dict[str, list[Path]]
) -> Iterator[str]:
    """Decode blocks; what was plain ASCII so far may still turn out to be another encoding."""
    block = next(blocks)
    encoding = _of_head(path, block)
    if encoding in ("utf-16-le", "utf-16-be"):
        notes[f"no mark, but read as {encoding.upper()}, a guess"].append(path)
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, read, ascii_only = io.IncrementalNewlineDecoder(None, translate=True), 0, True
    while True:
        kept = decoder.getstate()[0]  # bytes of a character begun in the last block
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            place = f"byte {read - len(kept) + error.start} {where} is "
            place += f"0x{error.object[error.start]:02x}"
            other = _guess(kept + block, error) if encoding == "utf-8" and ascii_only else None
            if other is None:
                raise ValueError(
                    f"{path} is not {encoding.upper()}: {place}, {error.reason}. If it is in "
                    "another encoding, convert it, e.g. iconv -f YOURS -t UTF-8"
                ) from error
            encoding, decoder = other, codecs.getincrementaldecoder(other)()
            text = decoder.decode(kept + block, final=not block)
            notes[_remark(other, place, text)].append(path)
        ascii_only = ascii_only and (kept + block).isascii()
        yield lines.decode(text, final=not block)
        if not block:
            break
        read += len(block)
        block = next(blocks)
    if {"\r\n", "\r"}.intersection(_met(lines)):
        notes["line ends \\r\\n or \\r, read as \\n"].append(path)


def _met(lines: io.IncrementalNewlineDecoder) -> tuple[str, ...]:
    """The line ends that were met."""
    met = lines.newlines
    return met if isinstance(met, tuple) else (met,) if met else ()


def _of_head(path: Path, head: bytes) -> str:
    """The encoding that the first block shows: by its mark, by its zeros, else UTF-8 for now."""
    for first, what in PACKED.items():
        if head.startswith(first):
            raise NotText(path, f"it is {what}; make a text file of it first")
    for mark, name in encodings.MARKS:
        if head.startswith(mark):
            return name
    even = head[: len(head) // 2 * 2]
    if wide := encodings.wide(even):
        return wide
    if b"\0" in head:
        raise NotText(path, "it has NUL characters")
    return "utf-8"


def _guess(data: bytes, error: UnicodeDecodeError) -> str | None:
    """The encoding of bytes that are not UTF-8; None if they are UTF-8 that was damaged."""
    lenient = data.decode("utf-8", "replace")
    damaged = lenient.count("\ufffd")
    whole = sum(not char.isascii() for char in lenient) - damaged
    if whole >= damaged or error.reason == "unexpected end of data":
        return None
    line = data.rfind(b"\n") + 1  # a character may go on in the next block
    return encodings.guess(data[:line] if line > error.start else data)


def _remark(encoding: str, place: str, text: str) -> str:
    shown = (encodings.SCRIPTS | encodings.LATIN)[encoding]
    odd = re.search(r"[^\n]{0,20}[^\x00-\x7f][^\n]{0,20}", text)
    example = f"; if {odd[0]!r} is wrong, convert it, e.g. iconv -f YOURS -t UTF-8" if odd else ""
    return f"not UTF-8 ({place}), so read as {shown}, a guess{example}"

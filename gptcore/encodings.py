"""Bytes of a text file to characters: by their mark, as UTF-8, or by a guess that is told as one.

Source: The Unicode Standard, §23.8 (byte order marks); charset-normalizer for the rest.
"""

from __future__ import annotations

import codecs
import re

from gptcore.extras import needing

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16 and must be tried first."""
SCRIPTS = {
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
    "cp1253": "Windows-1253",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp932": "Shift JIS",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "EUC-KR",
}
"""Encodings of other scripts than Latin, which their bytes give away."""
LATIN = {"cp1252": "Windows-1252", "cp1250": "Windows-1250", "mac_roman": "Mac Roman"}
"""A few accents look alike in all of these; the first that fits is taken."""
SAMPLE = 1 << 18
"""So many bytes are looked at for a guess."""


def decoded(data: bytes, name: str) -> tuple[str, str]:
    """The characters of a text file, and what has to be told about its encoding ("" for nothing).

    Args:
        data: all bytes of the file.
        name: what to call it in a message.

    Returns:
        The text without a byte order mark, and a remark where the encoding is a guess.

    Raises:
        ValueError: the bytes fit no encoding that is known here, or are no text.
        ImportError: a guess is needed and charset-normalizer is not installed.
    """
    marked = next((name for mark, name in MARKS if data.startswith(mark)), "")
    guessed = "" if marked else wide(data)
    encoding = marked or guessed or "utf-8"
    note = f"has no mark and was read as {guessed.upper()}, a guess" if guessed else ""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is 0x{error.object[error.start]:02x}"
        if encoding != "utf-8":
            said = "has the mark" if marked else "looks like the bytes"
            raise ValueError(f"{name} {said} of {encoding}, but {where}") from None
        found = guess(data)
        if found is None:
            raise ValueError(
                f"{name} is neither UTF-8 nor in another encoding that its bytes give away: "
                f"{where}. Convert it, e.g. iconv -f YOURS -t UTF-8"
            ) from None
        text = data.decode(found)
        shown = (SCRIPTS | LATIN)[found]
        odd = re.search(r"\w{0,20}[^\x00-\x7f]\w{0,20}", text)
        note = f"not UTF-8 ({where}), so it was read as {shown}, a guess"
        note += f"; if {odd[0]!r} is wrong, convert it, e.g. iconv -f YOURS -t UTF-8" if odd else ""
    if "\0" in text:
        raise ValueError(f"{name} has NUL characters: it is no text")
    return text, note


def guess(data: bytes) -> str | None:
    """The encoding, by Python's name, that bytes which are not UTF-8 are most likely in.

    Accents stand alone between other letters, another script comes in runs of bytes: only then is
    charset-normalizer asked which. Between the Latin encodings a few accents decide nothing, and
    Windows-1252 is by far the most frequent.
    """
    with needing("finetune"):
        from charset_normalizer import from_bytes

    first = next((at for at, byte in enumerate(data) if byte > 127), 0)
    sample = data[data.rfind(b"\n", 0, first) + 1 :][:SAMPLE]
    runs = re.findall(rb"[\x80-\xff]+", sample)
    best = from_bytes(sample, cp_isolation=[*SCRIPTS, *LATIN]).best()
    likely = [best.encoding] if best is not None and sum(map(len, runs)) >= 1.25 * len(runs) else []
    if likely and likely[0] not in SCRIPTS:
        likely = ["cp1250"] if best.language in ("Polish", "Czech", "Hungarian") else []
    return next((name for name in (*likely, *LATIN) if _fits(data, name)), None)


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def wide(data: bytes) -> str:
    """UTF-16 without a mark: every other byte of letters without accents is 0."""
    head = data[:SAMPLE]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if (
        not max(even, odd)
        or len(data) % 2
        or 8 * max(even, odd) < len(head)
        or 8 * min(even, odd) > max(even, odd)
    ):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"

"""What this proves: bytes become the characters that were written, and a guess is told as one.

The bytes are Python's own codecs' (an oracle for the encoding, not for the guess).
"""

import pytest

from gptcore.encodings import decoded, guess

ROWS = "".join(f"row {i},{'yes' if i % 3 else 'no'}\n" for i in range(20))


@pytest.mark.parametrize(
    ("encoding", "line", "told"),
    [
        ("cp1252", "café “x”,yes", "Windows-1252"),
        ("cp1252", "100 £ a piece, 20 °C", "Windows-1252"),
        ("cp1252", "Der Film war großartig, für mich die schönste Überraschung", "Windows-1252"),
        ("cp1251", "Привет мир, это хороший фильм,yes", "Windows-1251"),
        ("koi8_r", "Привет мир, это хороший фильм,yes", "KOI8-R"),
        ("cp1253", "Αυτή είναι μια καλή ταινία,yes", "Windows-1253"),
        ("gb18030", "这是一部好电影,yes", "GB 18030"),
        ("cp949", "이것은 좋은 영화입니다,yes", "EUC-KR"),
    ],
)
@pytest.mark.parametrize("times", [1, 20])
def test_what_was_written_comes_back_and_is_told(encoding, line, told, times):
    text = ROWS + f"{line}\n" * times
    found, note = decoded(text.encode(encoding), "mine.csv")
    assert found == text
    assert f"not UTF-8 (byte {len(ROWS) + text[len(ROWS) :].index(_odd(line))} is 0x" in note
    assert f"so it was read as {told}, a guess; if " in note


def _odd(line):
    return next(c for c in line if not c.isascii())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(encoding):
    text = ROWS + "naïve 猫,yes\n"
    assert decoded(text.encode(encoding), "a") == (
        text,
        f"has no mark and was read as {encoding.upper()}, a guess",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_needs_no_guess_is_not_told(encoding):
    assert decoded((ROWS + "naïve 猫").encode(encoding), "a") == (ROWS + "naïve 猫", "")


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="^a.bin has NUL characters: it is no text$"):
        decoded(b"some\0thing", "a.bin")
    with pytest.raises(ValueError, match="^a.txt has the mark of utf-16, but byte 2 is 0x00$"):
        decoded(b"\xff\xfe\x00\xd8", "a.txt")


def test_a_byte_that_windows_1252_lacks_is_never_left_out():
    data = ROWS.encode() + b"a \x81 b\n"
    assert guess(data) != "cp1252"
    assert len(decoded(data, "a")[0]) == len(data)


def test_no_bytes_are_no_text_and_no_guess():
    assert decoded(b"", "a") == ("", "")

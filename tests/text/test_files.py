"""Text files as documents."""

import gzip
import random

import pytest

from gptcore.text import files
from gptcore.text.files import digest, documents, text_files
from gptcore.text.streams import TokenStream, Unfinished
from gptcore.tokenizer import Tokenizer


def joined(paths) -> list[str]:
    """Whole documents, pieces put together."""
    found, waiting = [], ""
    for text in documents(paths):
        waiting += text
        if not isinstance(text, Unfinished):
            found.append(waiting)
            waiting = ""
    assert not waiting
    return found


def test_a_file_is_a_document_and_separators_make_more(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("x\n\n<|endoftext|>\ny<|endoftext|>\n z")
    assert joined([tmp_path / "a.txt", tmp_path / "b.txt"]) == ["one\ntwo\n", "x\n", "y", " z"]


def test_folders_and_gzip(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("first")
    (tmp_path / "z.txt.gz").write_bytes(gzip.compress(b"second"))
    (tmp_path / "picture.png").write_bytes(b"\xff")
    (tmp_path / ".hidden.txt").write_text("hidden")
    assert joined([tmp_path]) == ["first", "second"]
    (tmp_path / "odd.name").write_text("third")
    assert joined([tmp_path / "odd.name", tmp_path / "deep"]) == ["third", "first"]


def test_long_documents_come_in_pieces_with_the_ids_of_the_whole(tmp_path, monkeypatch):
    """Cuts lie before a space after a word, where no pattern of a tokenizer reaches across."""
    monkeypatch.setattr(files, "PIECE", 1000)
    draw = random.Random(0)
    words = ["héllo", "a", "\n", "\n\n", "  b", "don't", "12", "!!", "日本", "\t", "<|endo"]
    text = "".join(draw.choice(words) + draw.choice([" ", ""]) for _ in range(8000))
    (tmp_path / "a.txt").write_text(text)
    pieces = list(documents([tmp_path / "a.txt"]))
    assert len(pieces) > 10
    assert "".join(pieces) == text
    tokenizer = Tokenizer.train(text, 400)
    stream = TokenStream.write(tmp_path / "s", pieces, tokenizer)
    assert stream.tokens.tolist() == [*tokenizer.encode(text), tokenizer.eot]


def test_a_separator_and_a_character_may_lie_across_blocks(tmp_path, monkeypatch):
    text = "ab<|endoftext|>\ncdé<|endoftext|>\n日本"
    (tmp_path / "a.txt").write_text(text)
    for size in range(1, 20):
        monkeypatch.setattr(files, "PIECE", size)
        assert joined([tmp_path / "a.txt"]) == ["ab", "cdé", "日本"], size


def test_text_without_spaces_is_still_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIECE", 10)
    (tmp_path / "a.txt").write_text("日" * 100)
    assert joined([tmp_path / "a.txt"]) == ["日" * 100]


@pytest.mark.parametrize("piece", [4, 1 << 20])
def test_bytes_that_are_no_utf8_are_named(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(files, "PIECE", piece)
    (tmp_path / "latin.txt").write_bytes("日本 caf".encode() + b"\xe9 noir")  # 10 good bytes
    with pytest.raises(ValueError, match=r"latin\.txt is not UTF-8: byte 10 of the file is 0xe9"):
        list(documents([tmp_path / "latin.txt"]))
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress("日".encode()[:2]))
    with pytest.raises(ValueError, match="byte 0 of the unzipped text is 0xe6"):
        list(documents([tmp_path / "cut.txt.gz"]))


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffhello", encoding="utf-8")
    assert joined([tmp_path / "a.txt"]) == ["hello"]


def test_unusable_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt does not exist"):
        text_files([tmp_path / "nothing.txt"])
    with pytest.raises(FileNotFoundError, match=r"holds no file that ends in \.txt"):
        text_files([tmp_path])
    with pytest.raises(ValueError, match="no text file was given"):
        text_files([])
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match=r"empty\.txt is empty"):
        text_files([tmp_path])
    (tmp_path / "blank.txt").write_text(" \n\n ")
    with pytest.raises(ValueError, match=r"blank\.txt has only white space"):
        list(documents([tmp_path / "blank.txt"]))
    (tmp_path / "torn.txt.gz").write_bytes(gzip.compress(b"text" * 1000)[:-9])
    with pytest.raises(ValueError, match=r"torn\.txt\.gz is not a whole gzip file"):
        list(documents([tmp_path / "torn.txt.gz"]))


def test_the_digest_follows_the_content_and_not_the_name(tmp_path):
    for name, text in {"a": "one", "b": "two", "c": "one"}.items():
        (tmp_path / name).write_text(text)
    assert digest([tmp_path / "a"]) == digest([tmp_path / "c"]) != digest([tmp_path / "b"])
    assert digest([tmp_path / "a", tmp_path / "b"]) != digest([tmp_path / "b", tmp_path / "a"])

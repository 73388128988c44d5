"""Text files as documents."""

import gzip
import os
import random
import warnings

import pytest

from gptcore.text import files
from gptcore.text.files import digest, documents, survey, text_files
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
    with pytest.raises(ValueError, match=r"blank\.txt: has only white space"):
        list(documents([tmp_path / "blank.txt"]))
    (tmp_path / "torn.txt.gz").write_bytes(gzip.compress(b"text" * 1000)[:-9])
    with pytest.raises(ValueError, match=r"torn\.txt\.gz is not a whole gzip file"):
        list(documents([tmp_path / "torn.txt.gz"]))


def test_the_digest_follows_the_content_and_not_the_name(tmp_path):
    for name, text in {"a": "one", "b": "two", "c": "one"}.items():
        (tmp_path / name).write_text(text)
    assert digest([tmp_path / "a"]) == digest([tmp_path / "c"]) != digest([tmp_path / "b"])
    assert digest([tmp_path / "a", tmp_path / "b"]) != digest([tmp_path / "b", tmp_path / "a"])


def put(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_what_programs_keep_in_a_folder_is_left_out_and_told(tmp_path):
    """Hidden folders, environments whatever their name, packages; a hidden root is the user's."""
    mine = tmp_path / ".cache" / "notes"
    put(mine, book_txt="the book", more__other_md="other", _hidden_txt="x")
    put(mine, _ipynb_checkpoints__book_txt="older", _git__info_md="git")
    put(mine, env__pyvenv_cfg="home", env__lib__LICENSE_txt="licence")
    put(mine, conda__x_txt="licence")
    (mine / "conda" / "conda-meta").mkdir()
    (mine / "node_modules").mkdir()
    (mine / "node_modules" / "README.md").write_text("js")
    found = survey([mine])
    assert [path.name for path in found.files] == ["book.txt", "other.md"]
    told = found.told()
    assert "reads 2 text files" in told and "(hidden)" in told and "(of a program)" in told
    assert {p.name for p in found.left_out["of a program"]} == {"env", "conda", "node_modules"}
    assert len(found.left_out["hidden"]) == 3


def test_links_are_followed_once(tmp_path):
    put(tmp_path, notes__a_txt="first", far__b_txt="second")
    (tmp_path / "notes" / "loop").symlink_to(tmp_path / "notes")
    (tmp_path / "notes" / "far").symlink_to(tmp_path / "far")
    (tmp_path / "notes" / "again.txt").symlink_to(tmp_path / "notes" / "a.txt")
    (tmp_path / "notes" / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    paths = [tmp_path / "notes", tmp_path / "notes" / "a.txt", tmp_path / "far"]
    assert joined(paths) == ["first", "second"]
    left_out = survey(paths).left_out
    assert [p.name for p in left_out["no file, or a link that leads nowhere"]] == ["gone.txt"]
    assert {"loop", "again.txt", "a.txt"} <= {p.name for p in left_out["read already"]}


def test_what_may_not_be_read_is_left_out_of_a_folder(tmp_path, monkeypatch):
    put(tmp_path, a_txt="mine", b_txt="secret")
    monkeypatch.setattr(files.os, "access", lambda path, mode: path.name != "b.txt")
    assert joined([tmp_path]) == ["mine"]
    assert "b.txt (may not be read)" in survey([tmp_path]).told()


def test_empty_and_blank_files_among_others_are_left_out_and_told(tmp_path):
    put(tmp_path, a_txt="note", b_txt="", c_txt=" \n", d_txt="other")
    with pytest.warns(UserWarning) as told:
        assert joined([tmp_path]) == ["note", "other"]
    assert sorted(str(one.message).split("/")[-1] for one in told) == [
        "b.txt: empty, left out",
        "c.txt: has only white space, left out",
    ]


def test_something_else_than_text_is_left_out_of_a_folder_and_refused_by_name(tmp_path):
    put(tmp_path, a_txt="note", b_txt=b"%PDF-1.7 ...", c_txt=b"text\0\1\2 and more text")
    with pytest.warns(UserWarning) as told:
        assert joined([tmp_path]) == ["note"]
    assert len(told) == 2
    with pytest.raises(ValueError, match=r"b\.txt is no text: it is a PDF; make a text file"):
        joined([tmp_path / "b.txt"])
    with pytest.raises(ValueError, match=r"c\.txt is no text: it has NUL characters"):
        joined([tmp_path / "c.txt"])


def test_a_folder_without_text_says_what_it_holds(tmp_path):
    put(tmp_path, a_docx=b"PK", b_docx=b"PK", c_pdf=b"%PDF")
    with pytest.raises(FileNotFoundError, match=r"but 2 \.docx, 1 \.pdf: give such files by name"):
        text_files([tmp_path])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is neither a file nor a folder"):
        text_files([tmp_path / "pipe"])


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
def test_line_ends_of_windows_are_line_ends(tmp_path, monkeypatch, piece):
    """Wherever a block ends; around the separator and elsewhere; and it is told."""
    monkeypatch.setattr(files, "PIECE", piece)
    put(tmp_path, a_txt=b"One.\r\nMore.\r\n<|endoftext|>\r\nTwo.\r\n\r\nEnd\rold")
    with pytest.warns(UserWarning, match=r"a\.txt: line ends .* read as \\n"):
        assert joined([tmp_path]) == ["One.\nMore.", "Two.\n\nEnd\nold"]


TEXT = "Ein Bär, größer als ein Haus — naïve? „Ja“, sagte er.\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("piece", [64, 1 << 20])
def test_other_encodings_of_unicode_are_read(tmp_path, monkeypatch, encoding, piece):
    monkeypatch.setattr(files, "PIECE", piece)
    put(tmp_path, a_txt=(TEXT * 9).encode(encoding))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert joined([tmp_path]) == [TEXT * 9]
    assert bool(told) is encoding.endswith("e")  # without a mark it is a guess


@pytest.mark.parametrize("before", [0, 5000])
def test_a_guess_is_told_with_an_example(tmp_path, monkeypatch, before):
    """Also where the first bytes that are not ASCII come in a later block."""
    monkeypatch.setattr(files, "PIECE", 1000)
    text = "plain words here\n" * (before // 17) + "Der Film war großartig, für mich schön.\n" * 9
    put(tmp_path, a_txt=text.encode("cp1252"))
    with pytest.warns(UserWarning, match="read as Windows-1252, a guess; if .*großartig"):
        assert joined([tmp_path]) == [text]


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIECE", 10)
    put(tmp_path, a_txt="some words " * 20)
    reading = documents([tmp_path])
    next(reading)
    put(tmp_path, a_txt="other words and more " * 30)
    with pytest.raises(ValueError, match="a.txt was changed while it was read"):
        list(reading)


def test_one_enormous_line_needs_bounded_memory_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIECE", 100)
    text = "日本" * 3000 + "<|endoftext|>" + "x" * 9000
    put(tmp_path, a_txt=text)
    pieces = list(documents([tmp_path]))
    assert max(map(len, pieces)) <= 1 + (files.LONGEST + 1) * 100
    assert joined([tmp_path]) == ["日本" * 3000, "x" * 9000]

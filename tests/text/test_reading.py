"""A run's texts: files and named sets side by side; the sets are tiny ones in a mirror."""

import pytest
from data_server import tiny_set

from gptcore import datasets
from gptcore.datasets import parse
from gptcore.text import files, reading


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A mirror with a set "fable" of two parts and a set "verdicts" of rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTCORE_DATA_MIRROR", str(tmp_path / "mirror"))
    parts = {"crow.txt": b"A crow had cheese.", "fox.txt": b"A fox had none."}
    tiny_set(monkeypatch, "http://nowhere", parts, name="fable")
    tiny_set(monkeypatch, "http://nowhere", {"all": b"-"}, name="verdicts")
    rows = [{"text": "good", "label": 1, "label_name": "pos"}, {"text": "bad", "text_b": "worse"}]
    rows += [{"question": "Why?", "answer": "Because.", "n": 3, "label_name": "x"}]
    monkeypatch.setitem(parse.PARSERS, "verdicts", lambda names, read: {"all": lambda: rows})
    for name in ("fable", "verdicts"):
        (tmp_path / "mirror" / name).mkdir(parents=True)
    for name, data in parts.items():
        (tmp_path / "mirror" / "fable" / name).write_bytes(data)
    (tmp_path / "own.txt").write_text("My own.\n<|endoftext|>\nTwo.\n")
    return tmp_path


def test_named_sets_are_read_whole_or_in_part_beside_files(mirror):
    """The parser of this set calls its parts by file name."""
    first, second = datasets.parts("fable")
    assert list(reading.documents(["fable"])) == ["A crow had cheese.", "A fox had none."]
    assert list(reading.documents([f"fable/{second}"])) == ["A fox had none."]
    assert list(reading.documents(["own.txt", f"fable/{first}"])) == [
        *("My own.", "Two.\n"),
        "A crow had cheese.",
    ]
    assert list(reading.documents(["verdicts"])) == ["good", "bad\nworse", "Why?\nBecause."]


def test_a_path_goes_before_a_set_of_its_name(mirror):
    (mirror / "fable").mkdir()
    (mirror / "fable" / "a.txt").write_text("Mine.")
    assert list(reading.documents(["fable"])) == ["Mine."]


def test_the_digest_of_files_alone_is_what_it_was_and_sets_count(mirror):
    """Runs of before are resumed by it."""
    assert reading.digest(["own.txt"]) == files.digest(["own.txt"])
    found = [["fable"], ["verdicts"], ["own.txt", "fable"], ["fable", "own.txt"], ["own.txt"]]
    assert len({reading.digest(texts) for texts in found}) == len(found)
    part = datasets.parts("fable")[0]
    assert reading.digest([f"fable/{part}"]) != reading.digest(["fable"])
    assert reading.digest(["fable"]) == reading.digest(["fable"])


def test_what_is_neither_says_so_before_anything_is_read(mirror):
    with pytest.raises(FileNotFoundError, match="fabel does not exist.*did you mean fable"):
        list(reading.documents(["fabel"]))
    with pytest.raises(FileNotFoundError, match="gone.txt does not exist"):
        next(reading.documents(["own.txt", "gone.txt"]))
    with pytest.raises(ValueError, match="split='cat' is no part of fable"):
        list(reading.documents(["fable/cat"]))
    (mirror / "mirror" / "fable" / "crow.txt").unlink()
    with pytest.raises(datasets.DataUnavailable, match="fable: crow.txt"):
        list(reading.documents(["fable"]))


def test_a_set_without_text_is_refused(mirror, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name, split: {"encoder.json": mirror})
    with pytest.raises(ValueError, match="holds no text: gptcore data show"):
        list(reading.documents(["fable"]))

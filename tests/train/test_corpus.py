"""Text made ready for a run: whose tokenizer, what is found again, what is held out."""

import re
import tracemalloc

import numpy as np
import pytest
from small_runs import TEXT

import gptcore.tales
from gptcore.text.streams import TokenStream
from gptcore.tokenizer import Tokenizer
from gptcore.train import corpus as corpus_module
from gptcore.train.corpus import DataConfig, prepare


def test_tales_are_the_default_and_held_out_ones_are_others(tmp_path):
    corpus = prepare(DataConfig(tales=40, held_out=0.1), 400, tmp_path)
    decode = corpus.tokenizer.decode
    train = decode(corpus.train.tokens.tolist()).split("<|endoftext|>")[:-1]
    valid = decode(corpus.valid.tokens.tolist()).split("<|endoftext|>")[:-1]
    assert train == [t.text for t in gptcore.tales.tales(40, seed=0)]
    assert len(valid) == 4
    assert not set(train) & set(valid)
    assert corpus.tokenizer.vocab_size == 400


def test_tasks_done_by_the_way_stand_in_the_training_text_alone(tmp_path):
    """A share of 1 adds a task to every tale that is trained on and to none that is held out; a
    share of 0 is the corpus that it was; what is no share is refused."""
    shared = prepare(DataConfig(tales=40, held_out=0.1, demonstrations=1.0), 400, tmp_path)
    plain = prepare(DataConfig(tales=40, held_out=0.1), 400, tmp_path)
    train, valid = (
        shared.tokenizer.decode(part.tokens.tolist()).split("<|endoftext|>")[:-1]
        for part in (shared.train, shared.valid)
    )
    told = [t.text for t in gptcore.tales.tales(40, seed=0)]
    assert all(a.startswith(b) and len(a) > len(b) for a, b in zip(train, told, strict=True))
    held_out = gptcore.tales.split("valid").start
    assert valid == [t.text for t in gptcore.tales.tales(4, seed=0, start=held_out)]
    assert "demonstrations" not in plain.settings and shared.settings["demonstrations"] == 1.0
    with pytest.raises(ValueError, match="demonstrations=1.5 must be from 0 to 1"):
        DataConfig(demonstrations=1.5)
    with pytest.raises(ValueError, match="demonstrations=0.5 are tasks of Tales"):
        DataConfig(demonstrations=0.5, text=("a.txt",))


def test_a_given_tokenizer_is_used(tmp_path):
    Tokenizer.train("dog" * 20, 258).save(tmp_path / "tokenizer.json")
    (tmp_path / "a.txt").write_text(TEXT)
    data = DataConfig(text=(tmp_path / "a.txt",), tokenizer=tmp_path)
    corpus = prepare(data, 9999, tmp_path / "data")
    assert corpus.tokenizer == Tokenizer.load(tmp_path)
    assert corpus.settings["tokenizer"] == corpus.tokenizer.fingerprint
    assert corpus.train.vocab_size == 258


def test_a_renamed_file_is_found_again_and_a_changed_one_is_not(tmp_path, monkeypatch):
    written = []
    write = TokenStream.write.__func__
    monkeypatch.setattr(
        TokenStream,
        "write",
        classmethod(lambda cls, *a, **k: (written.append(a[0]), write(cls, *a, **k))[1]),
    )
    for name, text in (("a.txt", TEXT), ("b.txt", TEXT), ("b.txt", TEXT + "!")):
        (tmp_path / name).write_text(text)
        prepare(DataConfig(text=(tmp_path / name,)), 300, tmp_path / "data")
    assert len(written) == 2


def test_a_broken_stream_is_made_again(tmp_path):
    data = DataConfig(tales=10)
    first = prepare(data, 300, tmp_path)
    (path,) = tmp_path.glob("*/train.bin")
    expected = np.array(first.train.tokens)
    path.write_bytes(path.read_bytes()[:-2])
    assert np.array_equal(prepare(data, 300, tmp_path).train.tokens, expected)


def test_the_tokenizer_learns_from_the_beginning_only(tmp_path):
    (tmp_path / "a.txt").write_text("ab" * 50 + "<|endoftext|>" + "cd" * 500)
    data = DataConfig(text=(tmp_path / "a.txt",), tokenizer_bytes=100)
    merges = prepare(data, 260, tmp_path / "d").tokenizer.merges
    assert merges[0] == ("a", "b")
    assert ("c", "d") not in merges


def test_too_little_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("ab")
    with pytest.raises(ValueError, match="the text has only 3 tokens"):
        prepare(DataConfig(text=(tmp_path / "a.txt",)), 257, tmp_path / "d")


def test_progress_shows_bars(tmp_path, capsys, monkeypatch):
    assert corpus_module.VALID_START == gptcore.tales.split("valid").start
    prepare(DataConfig(tales=10), 300, tmp_path, progress=True)
    assert "encoding train" in capsys.readouterr().err
    prepare(DataConfig(tales=11), 300, tmp_path)
    assert capsys.readouterr().err == ""
    (tmp_path / "a.txt").write_text(TEXT)
    prepare(DataConfig(text=(tmp_path / "a.txt",)), 300, tmp_path, progress=True)
    shown = capsys.readouterr().err
    size = f"{len(TEXT) / 1000:.2f}k/{len(TEXT) / 1000:.2f}k"
    for step in ("reading", "encoding text"):  # each with all bytes of the file
        assert re.search(rf"{step}: 100%.* {size} ", shown), shown


def test_bytes_are_counted_without_the_text(tmp_path):
    """Characters of two bytes, a special token, and far less memory than the text takes."""
    text = "the naïve café . " * 40
    tokenizer = Tokenizer.train(text, 270)
    ids = [*tokenizer.encode(text), tokenizer.eot] * 500
    found = TokenStream.of(ids, tokenizer.vocab_size)
    tracemalloc.start()
    counted = corpus_module.with_bytes(found, tokenizer)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counted.n_bytes == 500 * len(text.encode()) and counted.sha256 == found.sha256
    assert peak < 20 * len(ids)


def test_brief_tales_are_read_in_place_of_whole_ones(tmp_path):
    """Shorter documents, under a name of their own; what they cannot be together with is named."""
    whole = prepare(DataConfig(tales=40, held_out=0.1), 400, tmp_path)
    brief = prepare(DataConfig(tales=40, held_out=0.1, brief=0.5), 400, tmp_path)
    assert len(brief.train) < len(whole.train) / 2 and len(brief.valid) < len(whole.valid)
    assert brief.settings["brief"] == 0.5 and "brief" not in whole.settings
    text = brief.tokenizer.decode([int(i) for i in brief.train.tokens[:60]])
    assert "called" in text or "lived" in text
    with pytest.raises(ValueError, match="brief=1.5 must be from 0 to 1"):
        DataConfig(brief=1.5)
    with pytest.raises(ValueError, match="brief=0.5 asks for brief tales"):
        DataConfig(brief=0.5, text=("a.txt",))

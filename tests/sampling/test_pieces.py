"""Where a text ends, and that no piece is handed out that should not have been."""

import numpy as np
import pytest

from gptcore.sampling.pieces import Stops, Writer, stops
from gptcore.tokenizer import Tokenizer

EOT = "<|endoftext|>"


@pytest.fixture(scope="module")
def letters():
    return Tokenizer.train("ab", 257)  # 256 bytes and the end of text: an id is a byte


def written(tokenizer, text: str, *stop, prompt: str = "") -> list[str]:
    """The pieces, an id at a time, without the empty ones."""
    writer = Writer(tokenizer, tokenizer.encode(prompt), stops(tokenizer, stop))
    pieces = [writer.take(i) for i in tokenizer.encode(text, allow_special=True)]
    return [piece for piece in [*pieces, writer.end()] if piece]


def test_a_text_ends_before_the_first_stop(letters):
    assert "".join(written(letters, "one two three", "two")) == "one "
    assert "".join(written(letters, "one two three", "three", "two", "e t")) == "on"
    assert "".join(written(letters, "one\n\ntwo", "\n\n")) == "one"
    assert written(letters, "stop here", "stop") == []
    assert "".join(written(letters, "nothing of it", "xyz")) == "nothing of it"


def test_what_may_become_a_stop_is_held_back_until_it_cannot(letters):
    """ "ababac" against "abac": after "abab" the last two letters may still begin it."""
    assert written(letters, "abab!", "abac") == ["abab!"[:2], "ab!"]
    assert written(letters, "ababac", "abac") == ["ab"]
    assert written(letters, "ab", "abac") == ["ab"]  # the text ends first
    assert written(letters, "aXb", "ab") == ["aX", "b"]


def test_characters_of_several_bytes_stop_too(letters):
    assert "".join(written(letters, "你好。再见", "。")) == "你好"
    assert "".join(written(letters, "a—b", "—")) == "a"


def test_the_end_of_text_ends_beside_a_text_but_not_beside_an_id(letters):
    assert "".join(written(letters, f"one{EOT}two", "xyz")) == "one"
    assert "".join(written(letters, f"a{EOT}b", letters.id_of("b"))) == f"a{EOT}"
    assert "".join(written(letters, f"a{EOT}b", letters.id_of("b"), EOT)) == "a"
    assert stops(letters, None) == Stops(frozenset(), ())
    assert stops(letters, EOT) == Stops(frozenset({letters.eot}), ())
    assert stops(letters, np.int64(97)) == Stops(frozenset({97}), ())
    assert stops(letters, [EOT, "x", 97]) == Stops(frozenset({letters.eot, 97}), ("x",))


def test_nothing_follows_the_end(letters):
    writer = Writer(letters, [], stops(letters, "b"))
    assert [writer.take(i) for i in letters.encode("abab")] == ["a", "", "", ""]
    assert writer.done and writer.end() == ""


def test_word_level_text_stops_within_what_a_word_completes():
    words = Tokenizer.train("the cat sat . the dog sat . " * 9, 64, kind="word")
    assert "".join(written(words, "cat sat . the", ".", prompt="the")).strip() == "cat sat"


@pytest.mark.parametrize(
    ("stop", "error", "message"),
    [
        ("", ValueError, "stop='' would end every text"),
        (["a", ""], ValueError, "stop='' would end every text"),
        (True, TypeError, "stop=True must be a text, a token id, or several"),
        (b"ab", TypeError, "stop=b'ab' must be"),
        ([1.5], TypeError, "stop=1.5 must be"),
        ([99, 999], ValueError, r"stop=999 must be a token id in \[0, 257\)"),
        ("<|im_end|>", ValueError, r"one of the special tokens: <\|endoftext\|>"),
    ],
)
def test_what_cannot_end_a_text_is_refused(letters, stop, error, message):
    with pytest.raises(error, match=message):
        stops(letters, stop)

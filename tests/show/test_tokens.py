"""What a page gets of a vocabulary: merges as numbers, and the Unicode tables of this Python."""

import random

import playground_cases as cases
import pytest
import regex

from gptcore.show import tokens
from gptcore.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def low() -> Tokenizer:
    """The tokenizer worked out by hand in test_tokenizer.py: lo, low, " low", er, " lower"."""
    return Tokenizer.train("low low lower", 262)


def test_a_vocabulary_is_packed_as_numbers(low: Tokenizer) -> None:
    """By hand: "l" is symbol 75 ("!" is 0, byte 33), "o" 78, and merge 0 makes symbol 256."""
    packed, encode = tokens.pack("low", low)
    merges = memoryview(packed["merges"]).cast("H").tolist()
    assert (packed["width"], packed["size"], packed["kind"]) == (2, 262, "byte")
    assert merges[:4] == [75, 78, 256, ord("w") - 33]  # l + o, lo + w
    assert packed["ids"] == [[0, 0]]
    assert packed["base"][:2] == [33, 34]
    assert encode("low lower") == [257, 260]


def test_ids_that_follow_an_order_take_little_room() -> None:
    """Words: the newline has the last id, so three runs; shuffled ids need one each."""
    word = Tokenizer.train("ab ab\nb", 100, kind="word", splitter="plain")
    packed, _ = tokens.pack("word", word)
    assert packed["base"] == ["<unk>", "a", "b", "a</w>", "b</w>", "\n</w>"]
    assert packed["ids"] == [[0, 0], [5, 6], [6, 5]]
    shuffled = cases.shuffled(Tokenizer.train("ab ab", 300))
    assert len(tokens.pack("shuffled", shuffled)[0]["ids"]) > 200


def test_a_large_vocabulary_is_packed_with_four_bytes() -> None:
    """65,537 symbols do not fit two bytes."""
    chars = [chr(0x10000 + i) for i in range(1 << 16)]
    vocab = {token: i for i, token in enumerate(["<unk>", *chars, "ab", "a", "b"])}
    large = Tokenizer(vocab, [("a", "b")], kind="word", splitter="plain")
    packed, _ = tokens.pack("large", large)
    assert packed["width"] == 4
    assert memoryview(packed["merges"]).cast("I").tolist() == [(1 << 16) + 1, (1 << 16) + 2]


def test_classes_are_those_of_regex_and_of_str() -> None:
    """Around every border of a run, and anywhere: \\p{L}, \\p{M}, \\p{N}, \\s twice."""
    rules = tokens.rules(True)
    ask = {name: regex.compile(rf"\p{{{name}}}").match for name in "LMN"}
    ask |= {"s": regex.compile(r"\s").match, "space": str.isspace}
    for name, is_member in ask.items():
        runs, end = [], 0
        for gap, length in zip(*[iter(rules["classes"][name])] * 2, strict=True):
            runs.append(range(end + gap, end + gap + length))
            end = runs[-1].stop
        inside = {point for run in runs for point in run}
        near = {run.start + d for run in runs for d in (-1, 0)} | {run.stop for run in runs}
        near |= set(random.Random(0).sample(range(0x110000), 20_000))
        wrong = [p for p in near if p < 0x110000 and bool(is_member(chr(p))) != (p in inside)]
        assert not wrong, (name, [hex(p) for p in wrong[:9]])


def test_lower_case_is_pythons() -> None:
    """The table is `str.lower` of single characters, and nothing else."""
    rules = tokens.rules(True)
    table = dict(zip(rules["upper"], rules["lower"], strict=True))
    assert table["A"] == "a" and table["İ"] == "i\u0307" and table["Σ"] == "σ"
    assert len(table) == sum(char != char.lower() for char in tokens.every_character())


def test_gpt1s_counts_are_those_of_the_page() -> None:
    """A tokenizer with splitter "spacy" is counted by the plain rule: "schã", "¶", "n"."""
    word = Tokenizer({"<unk>": 0, "n</w>": 1}, [], kind="word", splitter="spacy")
    packed, encode = tokens.pack("GPT-1", word)
    assert (packed["splitter"], encode("schÃ¶n")) == ("spacy", [0, 0, 0, 0, 0, 1])

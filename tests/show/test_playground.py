"""The playground: what the page gets, and that the page's own script gives the package's ids."""

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import playground_cases as cases
import pytest
import regex

from gptcore.show import TokenizerPlayground, playground
from gptcore.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def low() -> Tokenizer:
    """The tokenizer worked out by hand in test_tokenizer.py: lo, low, " low", er, " lower"."""
    return Tokenizer.train("low low lower", 262)


def ids_in_node(vocabularies: dict, texts: list[str]) -> list[list[list[int]]]:
    """The ids by playground.js in Node: for each vocabulary, for each text."""
    if NODE is None and os.environ.get("CI", "").lower() == "true":
        pytest.fail("no Node on this machine, and CI=true requires one")
    if NODE is None:
        pytest.skip("NO NODE: install Node 20 to have the playground's ids compared")
    twin = TokenizerPlayground(vocabularies, "").twin()
    state = re.search(r'<script type="application/json">(.*?)</script>', twin)[1]
    given = f'{{"state":{state},"texts":{json.dumps(texts)}}}'  # lone surrogates as \ud800
    encode = [NODE, ROOT / "tests/js/encode.mjs"]
    done = subprocess.run(encode, input=given.encode(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_ids_over_the_fuzz_corpus_in_node() -> None:
    """Every vocabulary that needs no file of others, every text of the tokenizers' own tests."""
    vocabularies, texts = cases.small(), cases.texts()
    found = cases.differences(vocabularies, ids_in_node(vocabularies, texts), texts)
    assert not found, "\n".join(found[:20])


@pytest.mark.skipif(
    not cases.MIRROR, reason="GPTCORE_DATA_MIRROR is not set: OpenAI's files are absent"
)
def test_ids_of_the_published_vocabularies_in_node() -> None:
    """GPT-1's and GPT-2's own: golden ids of other programs, and the package's over the fuzz."""
    vocabularies, texts = cases.published(), cases.texts()
    ids = ids_in_node(vocabularies, texts)
    found = cases.differences(vocabularies, ids, texts)
    assert not found, "\n".join(found[:20])
    for name, own in zip(("gpt1", "gpt2"), ids, strict=True):
        for text, recorded in cases.ORACLES[name]["golden"].items():
            assert own[texts.index(text)] == recorded
    page = TokenizerPlayground({"Characters": "characters", "Bytes": "bytes", **vocabularies})
    weight = len(page.twin().encode()) + len(page._esm) + len(page._css)
    assert weight < 700_000  # bytes; the whole page may have 1,500,000


# ------------------------------------------------------------------ what the page gets


def test_a_vocabulary_is_packed_as_numbers(low: Tokenizer) -> None:
    """By hand: "l" is symbol 75 ("!" is 0, byte 33), "o" 78, and merge 0 makes symbol 256."""
    packed, n_tokens = playground.pack("low", low, "low lower")
    merges = memoryview(packed["merges"]).cast("H").tolist()
    assert (packed["width"], packed["size"], packed["kind"]) == (2, 262, "byte")
    assert merges[:4] == [75, 78, 256, ord("w") - 33]  # l + o, lo + w
    assert packed["ids"] == [[0, 0]]
    assert packed["base"][:2] == [33, 34]
    assert n_tokens == 2


def test_ids_that_follow_an_order_take_little_room() -> None:
    """Words: the newline has the last id, so three runs; shuffled ids need one each."""
    word = Tokenizer.train("ab ab\nb", 100, kind="word", splitter="plain")
    packed, _ = playground.pack("word", word, "")
    assert packed["base"] == ["<unk>", "a", "b", "a</w>", "b</w>", "\n</w>"]
    assert packed["ids"] == [[0, 0], [5, 6], [6, 5]]
    shuffled = cases.shuffled(Tokenizer.train("ab ab", 300))
    assert len(playground.pack("shuffled", shuffled, "")[0]["ids"]) > 200


def test_a_large_vocabulary_is_packed_with_four_bytes() -> None:
    """65,537 symbols do not fit two bytes."""
    chars = [chr(0x10000 + i) for i in range(1 << 16)]
    vocab = {token: i for i, token in enumerate(["<unk>", *chars, "ab", "a", "b"])}
    large = Tokenizer(vocab, [("a", "b")], kind="word", splitter="plain")
    packed, _ = playground.pack("large", large, "")
    assert packed["width"] == 4
    assert memoryview(packed["merges"]).cast("I").tolist() == [(1 << 16) + 1, (1 << 16) + 2]


def test_classes_are_those_of_regex_and_of_str() -> None:
    """Around every border of a run, and anywhere: \\p{L}, \\p{M}, \\p{N}, \\s twice."""
    rules = playground.rules(True)
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
    rules = playground.rules(True)
    table = dict(zip(rules["upper"], rules["lower"], strict=True))
    assert table["A"] == "a" and table["İ"] == "i\u0307" and table["Σ"] == "σ"
    assert len(table) == sum(char != char.lower() for char in playground.every_character())


def test_what_is_absent_is_named_and_what_is_not_needed_is_left_out(low: Tokenizer) -> None:
    """None stands for files that are not here; without words there are no tables of words."""
    made = TokenizerPlayground({"low": low, "GPT-1": None, "GPT-2": None}, text="low lower!")
    assert made.missing == ["GPT-1", "GPT-2"]
    assert [entry["name"] for entry in made.vocabularies] == ["low"]
    assert set(made.rules["classes"]) == {"L", "N", "s"}
    assert made.alt == "Tokenizer playground. Tokens of “low lower!”: low 3."
    assert len(made.twin()) < 40_000


def test_the_text_alternative_counts_and_shortens() -> None:
    """Ninety characters are shown as eighty; lone surrogates are no text."""
    made = TokenizerPlayground({"C": "characters", "B": "bytes"}, text="é" * 90)
    assert made.alt == f"Tokenizer playground. Tokens of “{'é' * 80}…”: C 90, B 180."
    assert TokenizerPlayground({"C": "characters"}, text="a\ud800").text == "a\ufffd"


def test_gpt1s_counts_are_those_of_the_page() -> None:
    """A tokenizer with splitter "spacy" is counted by the plain rule: "schã", "¶", "n"."""
    word = Tokenizer({"<unk>": 0, "n</w>": 1}, [], kind="word", splitter="spacy")
    packed, n_tokens = playground.pack("GPT-1", word, "schÃ¶n")
    assert (packed["splitter"], n_tokens) == ("spacy", 6)


@pytest.mark.parametrize(
    "vocabularies, message",
    [
        ({}, "vocabularies={} must hold at least one"),
        ({"GPT-2": None}, "vocabularies={'GPT-2': None} must hold at least one"),
        ({"x": "words"}, "x='words' must be a Tokenizer, 'characters' or 'bytes'"),
    ],
)
def test_what_is_no_vocabulary_is_refused(vocabularies: dict, message: str) -> None:
    """The message names the entry, its value and the rule."""
    with pytest.raises(ValueError, match=re.escape(message)):
        TokenizerPlayground(vocabularies)

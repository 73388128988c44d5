"""The playground: what the page gets, and that the page's own script gives the package's ids."""

import re

import playground_cases as cases
import pytest

from gptcore.show import TokenizerPlayground
from gptcore.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def low() -> Tokenizer:
    """The tokenizer worked out by hand in test_tokenizer.py: lo, low, " low", er, " lower"."""
    return Tokenizer.train("low low lower", 262)


def ids_in_node(vocabularies: dict, texts: list[str]) -> list[list[list[int]]]:
    """The ids by playground.js in Node: for each vocabulary, for each text."""
    twin = TokenizerPlayground(vocabularies, "").twin()
    return cases.in_node("encode.mjs", twin, texts=texts)


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

"""Chapter 01: its solutions are right, and what it checks does not hang on data that may be absent.

The solutions are taken from the text of the chapter, and what they build on from its cells, so
that a reader who copies them gets what is tested here.
"""

import ast
import re
from itertools import product
from typing import Any

import nbformat
import pytest
from execute import ROOT

from gptcore import Tokenizer
from gptcore.tales import tales

PATH = ROOT / "book" / "01_tokenization.ipynb"
MAY_BE_ABSENT = {"datasets", "shakespeare", "gpt1", "gpt2", "declaration", "measured"}
TABLES = {"visible", "in_order", "to_id"}


def cells(kind: str) -> list[nbformat.NotebookNode]:
    """The cells of the chapter of one kind."""
    return [cell for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == kind]


def defined(node: ast.stmt) -> bool:
    """Whether a statement of a cell is an import, a function or a table, and runs nothing long."""
    if isinstance(node, ast.Assign):
        return all(isinstance(to, ast.Name) and to.id in TABLES for to in node.targets)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)


@pytest.fixture(scope="module")
def chapter() -> dict[str, Any]:
    """The names that a reader has at the end of the chapter, solutions included."""
    names: dict[str, Any] = {}
    for cell in cells("code"):
        kept = [node for node in ast.parse(cell.source).body if defined(node)]
        exec(compile(ast.Module(kept, []), str(PATH), "exec"), names)
    stories = [tale.text for tale in tales(60)]
    names["sample"] = "\n\n".join(stories[:5])
    names["tokenizer"] = Tokenizer.train(stories, vocab_size=1024)
    text = "\n".join(cell.source for cell in cells("markdown"))
    exercises, solutions = text.split("## Exercises")[1].split("## Summary")[0], []
    for solution in re.findall(r"<details>.*?</details>", exercises, re.DOTALL):
        solutions += re.findall(r"```python\n(.*?)```", solution, re.DOTALL)
    assert len(solutions) == exercises.count("<details>") >= 4
    for solution in solutions:
        exec(solution, names)
    return names


def test_learn_words_by_hand(chapter: dict[str, Any]) -> None:
    """Sennrich et al. 2016, algorithm 1: low 5, lower 2, newest 6, widest 3, without </w>.

    e s occurs 9 times (newest 6, widest 3), then es t 9 times. Now l o and o w occur 7 times each:
    the tie goes to l o. Then lo w 7 times; then of n e, e w and w est, 6 times each, e w.
    """
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    wanted = [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w"), ("e", "w")]
    assert chapter["learn_words"](words, 5) == wanted


def test_millions_counts_gpt2(chapter: dict[str, Any]) -> None:
    """124,439,808 and 1,557,611,200 parameters: Hugging Face's models on the meta device."""
    assert chapter["millions"](50_257, 12, 768) == 124
    assert chapter["millions"](50_257, 48, 1600) == 1558


@pytest.mark.parametrize("text", ["", "plain", "你好, Zoë 👍🏽!", "a\n\nb"])
def test_stream_gives_the_text_and_no_half_characters(chapter: dict[str, Any], text: str) -> None:
    tokenizer = chapter["tokenizer"]
    shown = list(chapter["stream"](tokenizer, tokenizer.encode(text)))
    assert "".join(shown) == text
    assert all(shown) and "\ufffd" not in "".join(shown)


def test_stream_says_at_the_end_what_never_became_a_character(chapter: dict[str, Any]) -> None:
    """The first byte of a character alone is no text, and is not dropped in silence."""
    tokenizer = chapter["tokenizer"]
    ids = tokenizer.encode("é")[:1]
    assert list(chapter["stream"](tokenizer, ids)) == ["\ufffd"]


def test_count_spellings_agrees_with_listing_them(chapter: dict[str, Any]) -> None:
    """All ways to put bars between the bytes of a text, kept where every piece is a token."""
    tokenizer = chapter["tokenizer"]
    tokens = {tokenizer.decode_bytes([i]) for i in range(tokenizer.vocab_size)}
    for text in (" the", " said", "é", "oo ooo"):
        data, found = text.encode(), 0
        for bars in product((False, True), repeat=len(data) - 1):
            ends = [i + 1 for i, bar in enumerate(bars) if bar] + [len(data)]
            starts = [0, *ends[:-1]]
            found += all(data[a:b] in tokens for a, b in zip(starts, ends, strict=True))
        assert chapter["count_spellings"](tokenizer, text) == found > 0


def test_faster_trainer_learns_the_packages_merges(chapter: dict[str, Any]) -> None:
    """With runs of one letter, where a merged pair overlaps itself."""
    for text in (chapter["sample"], "aaa aaaa aaaaa baaab", "abab babab ababa"):
        package = Tokenizer.train(text, vocab_size=300, specials=())
        merges = chapter["train_faster"](text, package.vocab_size)
        pairs = [tuple(map(package.token_str, pair)) for pair in merges]
        assert pairs == list(package.merges)


def test_checked_output_does_not_depend_on_data_that_may_be_absent() -> None:
    """A cell whose text is compared names nothing that is None without the files."""
    for number, cell in enumerate(cells("code"), start=1):
        if "nbval-check-output" in cell.metadata.get("tags", []):
            names = {n.id for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)}
            assert not names & MAY_BE_ABSENT, f"code cell {number}: {names & MAY_BE_ABSENT}"

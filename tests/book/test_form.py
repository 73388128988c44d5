"""The form of chapters holds in each of them, and every rule of it can fail."""

import re
from pathlib import Path

import form
import nbformat
import pytest
from execute import ROOT, chapters
from form import form_complaints
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PAPERS = form.papers(ROOT / "book" / "references.bib")
WORDS = form.terms(ROOT / "book" / "glossary.md")
NEW = [path for path in chapters() if form.is_new(path.stem)]


@pytest.mark.parametrize("path", NEW, ids=lambda path: path.stem)
def test_chapter_has_the_form(path: Path) -> None:
    """Nothing to complain about in any chapter of the new form."""
    words = form.words_for(path.stem, WORDS)
    found = form_complaints(nbformat.read(path, as_version=4), PAPERS, words)
    assert not found, "\n".join(found)


def cell(source: str, *tags: str) -> nbformat.NotebookNode:
    """A code cell with tags."""
    return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


XIONG = "[Xiong et al. (2020)](https://arxiv.org/abs/2002.04745)"
TEXT = (
    f"# A title\n\n{XIONG} measure the *gradient*, and Xiong et al. (2020) say why. The\n"
    "[logits](glossary.md#logits) are scores; gradients and logits come again.\n\n"
    "> **Predict first.** Which one?\n>\n> - this one\n> - that one"
)


def sound() -> nbformat.NotebookNode:
    """A short chapter in the form."""
    cells = [new_markdown_cell(TEXT), cell("x = f()\nprint(x)", "guess")]
    cells += [cell("evidence('x', holds=x)", "hide-input"), new_markdown_cell("It is that one.")]
    return new_notebook(cells=cells)


def test_the_sound_chapter_is_sound() -> None:
    """The starting point of the negative controls draws no complaint."""
    assert form_complaints(sound(), PAPERS, WORDS) == []


TABLE = "rows = f()\nfor row in rows:\n    name, score = row\n    print(name, score)"
FAULTS = {
    "open evidence": (2, cell("evidence('x', holds=x)"), "calls evidence() and is open"),
    "open table": (2, cell(TABLE), "code cell 2 only builds a table and is open"),
    "hidden work": (2, cell("def f():\n    return 1", "hide-input"), "folded though it shows noth"),
    "tall code": (2, cell("x = 1\n" * 30), "open code is taller than prose"),
    "no guess": (1, cell("x = f()"), "code cell 1 lacks the tag 'guess'"),
    "no prompt": (2, cell("x = f()", "guess"), "code cell 2 has the tag 'guess', no prompt"),
    "no cell": (1, new_markdown_cell("But first."), "no cell with the tag 'guess' follows"),
    "old prompt": (3, new_markdown_cell("**Predict first.** Well?"), "does not end its cell as a"),
    "unlinked": (3, new_markdown_cell("See Liu et al. (2020)."), "'Liu et al. (2020' is named bef"),
    "two authors": (3, new_markdown_cell("As Kingma and Ba 2014 say."), "is named before it is"),
    "unknown": (3, new_markdown_cell("[No et al. (2020)](https://x.org/)"), "references.bib lacks"),
    "other year": (
        3,
        new_markdown_cell("[Xiong et al. (2021)](https://arxiv.org/abs/2002.04745)"),
        "links the paper Xiong 2020",
    ),
    "unexplained": (3, new_markdown_cell("Mind the warm-up."), "'warm-up' first stands unexpl"),
    "wrong place": (3, new_markdown_cell("[warm-up](glossary.md#logits)"), "'warm-up' first stan"),
    "the notes": (3, new_markdown_cell("One of the notes says so."), "speaks of 'the notes'"),
    "two of them": (3, new_markdown_cell("As two of the notes say."), "speaks of 'the notes'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_noticed(fault: str) -> None:
    """Negative control: one fault, and a complaint that names it."""
    notebook = sound()
    place, new, complaint = FAULTS[fault]
    notebook.cells[place] = new
    found = form_complaints(notebook, PAPERS, WORDS)
    assert any(complaint in one for one in found), found


def test_a_chapter_without_a_guess_is_noticed() -> None:
    """Negative control: no prompt and no tag are consistent, and not enough."""
    notebook = new_notebook(cells=[new_markdown_cell("# A title")])
    assert form_complaints(notebook, PAPERS, WORDS) == ["no result waits for a guess"]


def test_heights_by_hand() -> None:
    """Worked example: 100 characters are two lines, an item is one; two lines of code.

    26 px a line of prose and 18 between paragraphs, 20.4 a line of code and 27 around it.
    """
    text = f"## A heading\n\n{'word ' * 20}\n\n| a |\n\n- one\n- two\n\n```\ncode\n```\n"
    cells = [new_markdown_cell(text), cell("a = 1\nb = 2"), cell("c = 3", "hide-input")]
    assert form.height_of_prose(cells) == pytest.approx(2 * 26 + 18 + 2 * 26 + 18)
    assert form.height_of_code(cells) == pytest.approx(2 * 20.4 + 27)


def test_what_teaches_may_stay_open() -> None:
    """A cell that computes more than it prints is no table, and a figure may be folded."""
    work = "def f(x):\n    y = 2 * x\n    return y\n\n\nfor x in range(3):\n    print(f(x))"
    assert form.folding_complaints([cell(work), cell("show(line(x), 'x')", "hide-input")]) == []
    assert form.folding_complaints([cell("Explorer(x)", "hide-input")]) == []


def test_references_are_complete() -> None:
    """Every paper has a first author, a year and an address, and no address stands twice."""
    assert len(PAPERS) > 25 and len({paper.url for paper in PAPERS}) == len(PAPERS)
    for paper in PAPERS:
        assert paper.author and paper.year.isdigit() and paper.url.startswith("https://"), paper


def test_words_stand_in_order_and_once() -> None:
    """The glossary is to look things up."""
    assert WORDS == sorted(WORDS, key=str.lower) and len(set(WORDS)) == len(WORDS) > 10


def test_each_word_is_explained_in_the_chapter_that_introduces_it() -> None:
    """A list of every word that is used everywhere: it is in the glossary and stands there."""
    for word, number in form.INTRODUCED.items():
        assert word in WORDS, word
        (path,) = (path for path in chapters() if path.stem.startswith(f"{number:02}"))
        text = "\n".join(
            c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"
        )
        explained = rf"\*{word}(?:e?s)?\*|\[{word}(?:e?s)?\]\(glossary\.md#"
        assert re.search(explained, text, re.I), f"{word} in {path.stem}"


def test_a_word_is_explained_before_it_is_used() -> None:
    """Worked example: chapter 2 introduces it, 1 may use it with a link alone, 3 freely."""
    words = ["loss", "logits"]
    assert form.words_for("01_a", words) == form.words_for("02_b", words) == words
    assert form.words_for("03_c", words) == form.words_for("published", words) == ["logits"]

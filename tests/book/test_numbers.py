"""No number in a chapter's prose comes from nowhere; and the check can fail."""

from pathlib import Path

import nbformat
import pytest
from execute import chapters
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from numbers_in_prose import SOURCES, number_complaints, numbers_in

# The errata quote other people's numbers to correct them; chapters have a number of their own.
CHAPTERS = [path for path in chapters() if path.name[:2].isdigit()]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_number_of_the_prose_has_a_source(path: Path) -> None:
    """What a reader is told was printed or written by a cell, or is a paper's."""
    found = number_complaints(nbformat.read(path, as_version=4))
    assert not found, "\n".join(found)


def test_no_source_is_left_over() -> None:
    """A number that no chapter states any more needs no source."""
    notebooks = [nbformat.read(path, as_version=4) for path in CHAPTERS]
    told = {number for notebook in notebooks for number, _ in numbers_in(notebook)}
    assert SOURCES.keys() - told == set()


def notebook(text: str) -> nbformat.NotebookNode:
    """A chapter whose cells know 64, 1,024, 0.0123 and 489,903."""
    printed = new_output("stream", name="stdout", text="0.0123 and 489,903 tokens\n")
    code = new_code_cell("n_ctx, width = 64, 1_024", outputs=[printed])
    return new_notebook(cells=[new_markdown_cell(text), code])


SOUND = [
    "A window of 64, a width of 1,024 and a loss of 0.0123.",
    "Rounded: 0.012 nats over 490,000 tokens.",
    "Three, 3 or 12 of them; GPT-3 (Brown et al. 2020, §4.1-4.3, Table 2.1), chapter 15, UTF-16.",
    "## 13. A heading\n\n**1. (easy, 25 minutes)** Code `x[99]`, maths $N^{77}$ and\n```\n88\n```",
    "The paper has 18.4.",
]


@pytest.mark.parametrize("text", SOUND)
def test_numbers_with_a_source_draw_no_complaint(text: str) -> None:
    """Cells, papers, small counts, places and years."""
    assert number_complaints(notebook(text), {"18.4": "a paper"}) == []


WRONG = {
    "A window of 65.": "65",
    "A window of 60.": "60",
    "A width of 1,204.": "1,204",
    "A loss of 0.0132.": "0.0132",
    "Rounded: 0.013 nats.": "0.013",
    "Some 480,000 tokens.": "480,000",
    "| perplexity | 14.8 |": "14.8",
    "A rate of 4e-3.": "4e-3",
    "It takes 90 seconds, (99 of them).": "90",
}


@pytest.mark.parametrize("text", WRONG)
def test_numbers_from_nowhere_are_noticed(text: str) -> None:
    """Negative control: the complaint names the number."""
    found = number_complaints(notebook(text), {"18.4": "a paper"})
    assert found and found[0].startswith(f"{WRONG[text]} comes from no cell: ")

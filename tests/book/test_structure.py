"""The chapters as git keeps them: complete, run in order, readable; and every check can fail."""

import re
from pathlib import Path

import nbformat
import pytest
from execute import ROOT, chapters, toc_entries
from form import is_new
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from structure import (
    HEADINGS,
    basis_complaints,
    notebook_complaints,
    toc_complaints,
    verdict_complaints,
)

from gptcore.show.evidence import RECORD

# No paper to compare with, no exercises.
NO_CHAPTERS = ("errata", "what_training_is", "in_your_browser")


def sound_notebook() -> nbformat.NotebookNode:
    """A chapter of two cells about which there is nothing to complain."""
    text = "# A title\n\nA paragraph.\n\n## Paper versus this chapter\n\nEqual.\n\n## Exercises\n"
    printed = new_output("stream", name="stdout", text="0.6931\n")
    tags = {"tags": ["nbval-check-output"]}
    first = new_code_cell("print(0.6931)", execution_count=1, outputs=[printed], metadata=tags)
    second = new_code_cell("x = 1", execution_count=2)
    return new_notebook(cells=[new_markdown_cell(text), first, second])


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_chapter_is_sound(path: Path) -> None:
    """Nothing to complain about in any chapter of the book."""
    notebook = nbformat.read(path, as_version=4)
    headings = () if path.stem in NO_CHAPTERS else HEADINGS
    folds = is_new(path.stem)
    found = notebook_complaints(notebook, path.stat().st_size, headings, folds)
    assert not found, "\n".join(found)


def test_every_chapter_ends_with_the_way_on() -> None:
    """Its last paragraph links the page that the table of contents has next."""
    entries = toc_entries()
    for at, entry in enumerate(entries):
        if re.fullmatch(r"book/\d\d_\w+", entry):
            notebook = nbformat.read(ROOT / f"{entry}.ipynb", as_version=4)
            after = Path(entries[at + 1]).name
            last = notebook.cells[-1].source.strip().split("\n\n")[-1]
            assert re.search(rf"\]\({after}\.(ipynb|md)\)", last), f"{entry}: {last}"


def test_table_of_contents_and_files_agree() -> None:
    """Every page is named once and every name is a page."""
    entries = toc_entries()
    assert len(entries) == len(set(entries))
    assert toc_complaints(ROOT, entries) == []


def test_table_of_contents_complains_both_ways(tmp_path: Path) -> None:
    """Negative control: a page that is not named, a name without a page."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "lost.md").write_text("# Lost")
    found = toc_complaints(tmp_path, ["book/absent"])
    assert found == [
        "_toc.yml names book/absent, which is not there",
        "book/lost is not in _toc.yml",
    ]


def test_the_sound_notebook_is_sound() -> None:
    """The starting point of the negative controls below draws no complaint."""
    assert notebook_complaints(sound_notebook(), 1000) == []


def _set(cell: int, **fields):
    def change(notebook: nbformat.NotebookNode) -> None:
        for name, value in fields.items():
            notebook.cells[cell][name] = value

    return change


def _text(extra: str):
    def change(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[0].source += extra

    return change


def _output(*outputs):
    return _set(2, outputs=list(outputs))


def _row(measured: str = "1", **changes):
    data = {RECORD: {"claim": "A claim."}, "text/plain": f"We measured  {measured}"}
    row = new_output("display_data", data=data)
    return _set(2, **{"source": "evidence(...)", "outputs": [row], **changes})


CHART = new_output("display_data", data={"text/html": "<p>", "text/plain": "chart"})
LONG = new_output("stream", name="stdout", text="0.69314718\n")
MINE = new_output("stream", name="stdout", text="saved in /home/ada/book\n")
FAULTS = {
    "not run": (_set(1, execution_count=None), "execution counts [None, 2]"),
    "out of order": (_set(1, execution_count=3), "execution counts [3, 2]"),
    "nothing stored": (_set(1, outputs=[]), "code cell 1 is to be checked and has no stored"),
    "long cell": (_set(2, source="x = 1\n" * 31), "code cell 2 has 31 lines, 30 allowed"),
    "long line": (_set(2, source="#" * 89), "code cell 2 has a line of 89 characters, 88 allowed"),
    "skipped": (_set(2, metadata={"tags": ["nbval-skip"]}), "has the tag 'nbval-skip'"),
    "removed": (_set(2, metadata={"tags": ["remove-input"]}), "has the tag 'remove-input'"),
    "hidden": (_set(2, metadata={"tags": ["hide-input"]}), "hidden though it draws nothing"),
    "run": (_set(2, source="%run other.ipynb"), "uses %run"),
    "path edit": (_set(2, source="import sys\nsys.path.append('x')"), "edits sys.path"),
    "relative": (_set(2, source="open('../data/x')"), "by a relative path"),
    "pip": (_set(2, source="!pip install x"), "installs packages"),
    "error": (_output(new_output("error", ename="KeyError", evalue="x")), "error: KeyError"),
    "figure": (_output(CHART), "stores an output of kind text/html"),
    "row lost": (_row(outputs=[]), "code cell 2 calls evidence() and stores no record"),
    "row checked": (_row(metadata={"tags": ["nbval-check-output"]}), "evidence and is to be"),
    "row decimals": (_row("0.69314718"), "code cell 2 prints 0.69314718, four decimals"),
    "unasserted": (_row(source="evidence(x, holds=x > 1)"), "verdict on ['x'] unasserted"),
    "machine": (_output(MINE), "names a path of one machine (/home/a...)"),
    "decimals": (_set(1, outputs=[LONG]), "prints 0.69314718, four decimals"),
    "two titles": (_text("\n# Another\n"), "2 titles of the first level"),
    "directive": (_text("\n```{note}\nx\n```\n"), "markup that only the book shows"),
    "role": (_text("\nSee {ref}`x`.\n"), "markup that only the book shows"),
    "long paragraph": (_text("\nend" + " word" * 60), "a paragraph of 61 words, 60 allowed"),
    "no comparison": (_set(0, source="# T\n\n## Exercises"), "no section 'paper versus this"),
    "no exercises": (_set(0, source="# T\n\n## Paper versus this chapter"), "section 'exerc"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_noticed(fault: str) -> None:
    """Negative control: one fault in a sound notebook, one complaint that names it."""
    notebook = sound_notebook()
    change, complaint = FAULTS[fault]
    change(notebook)
    found = notebook_complaints(notebook, 1000)
    assert len(found) == 1 and complaint in found[0], found


def test_size_and_too_many_hidden_cells_are_noticed() -> None:
    """Negative control: the two rules that look at the notebook as a whole."""
    notebook = sound_notebook()
    hidden = {"tags": ["hide-input"]}
    for count in (3, 4, 5):
        notebook.cells.append(new_code_cell("show(f)", execution_count=count, metadata=hidden))
    found = notebook_complaints(notebook, 500_001)
    assert found == [
        "500001 bytes, 500,000 allowed",
        "3 of 5 code cells are hidden, a tenth is allowed",
    ]


def test_chapters_that_fold_may_fold_more() -> None:
    """From chapter 08 on evidence and tables are folded, and `test_form.py` says which may be."""
    notebook = sound_notebook()
    hidden = {"tags": ["hide-input"]}
    for count in (3, 4, 5):
        notebook.cells.append(new_code_cell("f(x)", execution_count=count, metadata=hidden))
    assert notebook_complaints(notebook, 1000, folds=True) == []


def test_taught_errors_may_be_stored() -> None:
    """A cell that says it raises may store its error."""
    notebook = sound_notebook()
    _output(new_output("error", ename="ValueError", evalue="n_head=5"))(notebook)
    notebook.cells[2].metadata["tags"] = ["raises-exception"]
    assert notebook_complaints(notebook, 1000) == []


def test_records_of_evidence_may_be_stored() -> None:
    """A row keeps its text and its record, and a page without exercises may be asked for none."""
    notebook = sound_notebook()
    _row()(notebook)
    notebook.cells[0].source = "# A title"
    assert notebook_complaints(notebook, 1000, headings=()) == []
    assert len(notebook_complaints(notebook, 1000)) == len(HEADINGS)


def test_a_verdict_is_asserted_by_its_names() -> None:
    """Worked examples: the same names before or beside it, built-ins, modules, an open verdict."""
    row = "evidence(a, holds=bool(math.isclose(a, b)))"
    assert verdict_complaints(["import math", "assert a < b", row]) == []
    assert verdict_complaints(["import math\nfrom x import b", f"{row}\nassert a"]) == []
    assert verdict_complaints(["evidence(a, holds=None)", "f(holds=True)"]) == []
    assert verdict_complaints(["assert a", "evidence(a, holds=all(x > 1 for x in a))"]) == []
    late = ["import math", row, "assert a < b"]
    assert verdict_complaints(late) == ["code cell 2 records a verdict on ['a', 'b'] unasserted"]
    half = verdict_complaints(["import math\nassert a", row])
    assert half == ["code cell 2 records a verdict on ['b'] unasserted"]


STORED = "found = record('labels')"
LIVE = "evidence(x, measured=1, holds=a > 1)"
SAID = "evidence(x, measured=1, holds=a > 1, record=origin)"
ON_RECORD = {
    "assigned": "a = found['mean']",
    "in a part": "a['x'] = found['mean']",
    "unpacked": "a, b = 1, found['mean']",
    "looped": "for a in found['rows']:\n    pass",
    "in a loop": "for row in found['rows']:\n    a = row + 1",
    "in a branch": "if x:\n    a = found.scores('full')",
    "put in": "a = []\na.append(found['mean'])",
    "added": "a = 0\na += found['mean']",
    "of a function": "def a():\n    return found['mean']",
    "two steps": "b = [one for one in found['rows']]\na = max(b)",
    "asked again": "a = run_record('labels')['mean']",
}


@pytest.mark.parametrize("how", ON_RECORD)
def test_a_row_that_rests_on_a_record_says_so(how: str) -> None:
    """Both ways: without `record=` a complaint; with it none; and none is needed for live ones."""
    complaint = basis_complaints([STORED, ON_RECORD[how], LIVE])
    assert complaint == ["code cell 3 line 1: a row needs record="]
    assert basis_complaints([STORED, ON_RECORD[how], SAID]) == []


@pytest.mark.parametrize("code", ["a = 2", "a = found\na = 2", "b = found['mean']\na = 2"])
def test_a_live_row_may_not_lean_on_a_record(code: str) -> None:
    """A name made anew is live, whatever it held; `record=None` says live as silence does."""
    assert basis_complaints([STORED, code, LIVE]) == []
    assert basis_complaints([STORED, code, SAID.replace("origin", "None")]) == []
    complaint = basis_complaints([STORED, code, SAID])
    assert complaint == ["code cell 3 line 1: a row measures live and passes record="]


def test_what_a_row_only_mentions_decides_nothing() -> None:
    """Scale and note may speak of a record; measured, holds and interval are the measurement."""
    row = "evidence(x, measured=a, holds=a > 1, scale=found['size'], note=f'{found}')"
    assert basis_complaints([STORED, "a = 2", row]) == []
    row = "evidence(x, measured=2, holds=True, interval=found['interval'])"
    assert len(basis_complaints([STORED, row])) == 1


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_row_of_a_chapter_says_what_it_rests_on(path: Path) -> None:
    """Cards say "live" of what the cell measured, and "on record" of what a record holds."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    assert basis_complaints(code) == []


def test_notation_names_the_letters_of_the_package() -> None:
    """The table of shape letters and the package's docstring list the same letters."""
    table = set(re.findall(r"^\| \*\*(\w)\*\* \|", (ROOT / "book/notation.md").read_text(), re.M))
    docstring = (ROOT / "gptcore/__init__.py").read_text().split('"""')[1]
    listed = set(re.findall(r"\b([A-Z]) [a-z]", docstring.split("Shapes everywhere:")[1]))
    assert table == listed and {"B", "T", "C", "H", "D", "V"} <= table

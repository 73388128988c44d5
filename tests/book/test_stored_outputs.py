"""Git's stored outputs against the build's run: what nbval would say, without running it again."""

import os
import re
import subprocess
import sys
from pathlib import Path

import execute
import nbformat
import pytest
import stored_outputs
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_tools import fake_repository

CHECK = {"tags": ["nbval-check-output"]}
RAISES = {"tags": ["raises-exception"]}
IGNORE = {"tags": ["nbval-ignore-output"]}
TWO_FORMS = """class Row:
    def _repr_html_(self): return "<p>"
    def __repr__(self): return "row"
Row()"""


def printed(text: str) -> list:
    return [new_output("stream", name="stdout", text=text)]


def result(text: str, **forms) -> list:
    data = {"text/plain": text, **forms}
    return [new_output("execute_result", data=data, execution_count=1)]


def error(evalue: str) -> list:
    return [new_output("error", ename="ValueError", evalue=evalue)]


# Source, tags, what git keeps, and whether nbval lets it pass.
CELLS = {
    "the same text": ("print(20 + 3)", CHECK, printed("23\n"), True),
    "another text": ("print(20 + 4)", CHECK, printed("23\n"), False),
    "a space more": ("print('a')", CHECK, printed("a \n"), False),
    "another text, unmarked": ("print(20 + 5)", {}, printed("23\n"), True),
    "another text, ignored": ("print(20 + 6)", IGNORE, printed("23\n"), True),
    "nothing stored": ("print(7)", CHECK, [], False),
    "nothing printed": ("x = 1", CHECK, printed("1\n"), False),
    "two streams": (
        "import sys; print(1); print(2, file=sys.stderr)",
        CHECK,
        printed("1\n"),
        False,
    ),
    "in two pieces": ("print(1); print(2)", CHECK, printed("1\n") + printed("2\n"), True),
    "a result": ("6 * 7", CHECK, result("42"), True),
    "another result": ("6 * 8", CHECK, result("42"), False),
    "a form not stored": (TWO_FORMS, CHECK, result("row"), False),
    "both forms": (TWO_FORMS, CHECK, result("row", **{"text/html": "<p>"}), True),
    "a taught error": ("raise ValueError('n_head=5')", RAISES, error("other"), True),
    "a checked error": (
        "raise ValueError('d=5')",
        {"tags": ["raises-exception", "nbval-check-output"]},
        error("d=6"),
        False,
    ),
    "no error": ("x = 2", RAISES, [], True),
    "a progress bar": ("print('1%\\r2%\\rdone')", CHECK, printed("done\n"), True),
}


def write(path: Path, *names: str, **changes) -> nbformat.NotebookNode:
    """Write a notebook with those of CELLS, as git would keep it, and return it."""
    cells = [new_markdown_cell("# A title"), new_code_cell("")]
    for count, name in enumerate(names, start=1):
        source, metadata, outputs, _ = CELLS[name]
        fields = {"source": source, "outputs": outputs, "execution_count": count, **changes}
        cells.append(new_code_cell(metadata=metadata, **fields))
    kernel = {"kernelspec": {"display_name": "x", "language": "python", "name": "python3"}}
    notebook = new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, path)
    return notebook


def keep(path: Path, *outputs: list) -> None:
    """Keep a run of a notebook without running it: one list of outputs per cell of CELLS."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["key"] = execute.key_of(notebook, execute.surroundings())
    for cell, ran in zip(notebook.cells[2:], outputs, strict=True):
        cell.outputs = ran
    execute.CACHE.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, execute.CACHE / path.name)


class Outcomes:
    """Collects, from a run of pytest inside this one, what became of each cell and each file."""

    def __init__(self) -> None:
        self.cells: dict[str, str] = {}
        self.said = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.cells[report.nodeid.partition("::")[2]] = report.outcome
            self.said += str(report.longrepr or "")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.said += str(report.longrepr)


def compare(*arguments: object) -> tuple[int, Outcomes]:
    """The exit status and the outcomes of the comparison, as `make test` starts it."""
    found = Outcomes()
    settings = str(stored_outputs.ROOT / "pyproject.toml")
    options = [*stored_outputs.OPTIONS, "-c", settings, *map(str, arguments)]
    return int(pytest.main(options, plugins=[stored_outputs, found])), found


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of chapters in a repository of its own."""
    fake_repository(tmp_path, monkeypatch)
    return tmp_path / "book"


def test_every_cell_gets_the_answer_that_nbval_gives_it(book: Path) -> None:
    """Oracle: nbval itself, running the same notebook; and what each cell ought to get."""
    path = book / "01_all.ipynb"
    write(path, *CELLS)
    execute.run_all([path], jobs=1)
    status, ours = compare(path)
    wanted = [("passed" if passes else "failed") for *_, passes in CELLS.values()]
    assert status == 1
    assert [*ours.cells.values()] == ["passed", *wanted]  # the first cell is an empty one

    nbval = [
        "--nbval-lax",
        "--nbval-current-env",
        "-c",
        os.devnull,
        "-rA",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", *nbval, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, cwd=book).stdout
    theirs = re.findall(r"^(PASSED|FAILED) \S+?::(Cell \d+)", output, re.MULTILINE)
    assert {cell: word.lower() for word, cell in theirs} == ours.cells, output


def test_one_cell_may_be_asked_for_alone(book: Path) -> None:
    """The recording answers for that cell, not for the first."""
    path = book / "01_all.ipynb"
    write(path, "the same text", "another text", "a result")
    keep(path, printed("23\n"), printed("24\n"), result("42"))
    assert compare(f"{path}::Cell 3")[1].cells == {"Cell 3": "passed"}
    status, found = compare(f"{path}::Cell 2")
    assert status == 1 and "Cell outputs differ" in found.said and "24" in found.said


def test_a_chapter_that_raises_is_one_error_and_the_others_are_compared(book: Path) -> None:
    """Negative control: the build stops at the cell, and the comparison does not look away."""
    bad, good = book / "01_bad.ipynb", book / "02_good.ipynb"
    write(bad, "the same text", source="raise ValueError('n_head=5')")
    write(good, "the same text")
    with pytest.raises(execute.ChapterFailed):
        execute.run_all([bad, good], jobs=1)
    status, found = compare(bad, good)
    assert status != 0 and "01_bad.ipynb has no run of what stands there" in found.said
    assert [*found.cells.values()] == ["passed", "passed"]


def test_a_recorded_error_fails_its_cell(book: Path) -> None:
    """Negative control: were a run with an error kept all the same, nbval's rule would hold."""
    path = book / "01_bad.ipynb"
    write(path, "the same text", "no error")
    raised = [new_output("error", ename="KeyError", evalue="x", traceback=["line 1"])]
    keep(path, raised, raised)
    status, found = compare(path)
    assert status == 1
    assert [*found.cells.values()] == ["passed", "failed", "passed"]
    assert "Cell execution caused an exception" in found.said


def test_a_notebook_that_was_never_run_is_an_error(book: Path) -> None:
    """Negative control: nbval passes cells without a count; here they are named."""
    path = book / "01_new.ipynb"
    write(path, "the same text", outputs=[], execution_count=None)
    keep(path, printed("23\n"))
    status, found = compare(path)
    assert status != 0 and "01_new.ipynb has cells that were not run" in found.said
    assert found.cells == {}


@pytest.mark.parametrize("name", ["gptcore/model.py", "data/run.json", "requirements.txt", "cell"])
def test_a_stale_run_is_an_error(name: str, book: Path) -> None:
    """Negative control: a run of other sources, data, pins or cells says nothing about these."""
    path = book / "01_old.ipynb"
    write(path, "the same text")
    keep(path, printed("23\n"))
    assert compare(path)[0] == 0
    if name == "cell":
        write(path, "the same text", source="print(23)")
    else:
        (book.parent / name).write_text("changed")
    status, found = compare(path)
    assert status != 0 and "01_old.ipynb has no run of what stands there" in found.said
    assert found.cells == {}

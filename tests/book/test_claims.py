"""Evidence in the book: all rows gathered, verdicts as git has them, faults said aloud."""

import io
import json
from pathlib import Path

import claims
import execute
import nbformat
import pytest
import refresh
from build import stage
from execute import BUILD, CACHE, chapters, key_of, surroundings
from gather import changes, gathered, rows
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from gptcore.show.evidence import RECORD, anchor

HTML = BUILD / "html" / "book"
WITH_ROWS = [path for path in chapters() if RECORD in path.read_text("utf-8")]


def row(claim: str = "Bytes lose nothing.", holds: bool | None = True, **fields) -> dict:
    """A record as `evidence` makes it."""
    record = {"claim": claim, "paper": "nothing", "measured": 1, "interval": None, "holds": holds}
    return {**record, "source": "ours", "scale": "exact", "seed": None, "note": "", **fields}


def chapter(*records: dict, source: str = "evidence(...)") -> nbformat.NotebookNode:
    """A notebook with a title, an empty cell, and a cell that recorded the rows."""
    outputs = [
        new_output("display_data", data={RECORD: record, "text/html": "<p>", "text/plain": "row"})
        for record in records
    ]
    printed = new_output("stream", name="stdout", text="0.5\n")
    cells = [new_markdown_cell("Some text\n\n# 07 · A title\n\n## A section"), new_code_cell("")]
    return new_notebook(cells=[*cells, new_code_cell(source, outputs=[printed, *outputs])])


def executed() -> dict[Path, nbformat.NotebookNode]:
    """The notebooks as the build ran them, whose rows are fewer where real data are absent."""
    return {path: nbformat.read(CACHE / path.name, as_version=4) for path in chapters()}


def committed() -> dict[Path, nbformat.NotebookNode]:
    """The notebooks as git keeps them."""
    return {path: nbformat.read(path, as_version=4) for path in chapters()}


@pytest.mark.parametrize("path", WITH_ROWS, ids=lambda path: path.stem)
def test_a_fresh_run_gives_the_verdicts_that_git_has(path: Path) -> None:
    """Whoever changes a verdict has to show it: run `make notebooks` and look at the difference."""
    kept = nbformat.read(path, as_version=4)
    ran = CACHE / path.name
    assert ran.exists(), "the book is not built: run `make book` first"
    fresh = nbformat.read(ran, as_version=4)
    assert fresh.metadata.get("key") == key_of(kept, surroundings()), "stale: run `make book`"
    assert changes(kept, fresh) == []


def test_the_rows_of_the_book_are_sound() -> None:
    """No claim without words, none twice, and every record is gathered."""
    found = gathered(committed())
    stored = sum(path.read_text("utf-8").count(f'"{RECORD}"') for path in chapters())
    assert sum(len(part["records"]) for part in found) == stored
    assert claims.complaints(found) == []


def test_the_page_of_claims_has_every_row_and_each_leads_to_its_card() -> None:
    """Links of the built page and anchors of the built chapters are the same set."""
    page = (HTML / "claims.html").read_text("utf-8")
    for part in gathered(executed()):
        name = f"{part['page'].rpartition('/')[2]}.html"
        target = (HTML / name).read_text("utf-8")
        for record in part["records"]:
            assert f'href="{name}#{anchor(record["claim"])}"' in page, record["claim"]
            assert target.count(f' id="{anchor(record["claim"])}"') == 1, record["claim"]
    assert page.count('<div class="gpt-evidence ') > 0


def test_rows_are_found_with_their_cells_and_gathered_with_their_titles() -> None:
    """Cells are counted as readers count them, those with code; other outputs are passed over."""
    notebook = chapter(row(), row("Another."))
    assert [(r.cell, r.claim) for r in rows(notebook)] == [
        (1, "Bytes lose nothing."),
        (1, "Another."),
    ]
    found = gathered({Path("book/07_a.ipynb"): notebook, Path("book/08_b.ipynb"): chapter()})
    assert found == [
        {
            "page": "book/07_a",
            "title": "07 · A title",
            "records": [row(), row("Another.")],
        }
    ]


GUARD = "if data is not None:\n    evidence(...)"
DIFFERENCES = {
    "flipped": (row(), row(holds=False), "the verdict on 'Bytes lose nothing.' was True, now Fal"),
    "opened": (row(), row(holds=None), "was True, now None"),
    "closed": (row(holds=None), row(holds=False), "was None, now False"),
    "one for true": (row(), row(holds=1), "was True, now 1"),
    "lost": (row(), None, "code cell 1 no longer records 'Bytes lose nothing.'"),
    "new": (None, row(), "code cell 1 records 'Bytes lose nothing.' for the first time"),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_between_two_runs_is_noticed(name: str) -> None:
    """Negative control: one change, one sentence that names the claim."""
    before, after, sentence = DIFFERENCES[name]
    found = changes(*(chapter(*([r] if r else [])) for r in (before, after)))
    assert len(found) == 1 and sentence in found[0]


def test_measurements_may_move_and_absent_data_may_take_its_rows_along() -> None:
    """Another machine measures another last digit; a guarded row needs data that may be absent."""
    assert changes(chapter(row()), chapter(row(measured=1.01, interval=[1, 2]))) == []
    assert changes(chapter(row(), source=GUARD), chapter(source=GUARD)) == []
    flipped = changes(chapter(row(), source=GUARD), chapter(row(holds=False), source=GUARD))
    assert len(flipped) == 1


def test_faults_of_the_whole_book_are_said_aloud() -> None:
    """Negative control: no rows, no words, the same claim or the same address twice."""
    one, other = {"page": "book/01", "records": [row()]}, {"page": "book/02", "records": [row()]}
    assert claims.complaints([one]) == []
    assert claims.complaints([]) == ["no chapter records any evidence"]
    assert claims.complaints([one, other]) == [
        "book/02 and book/01 both claim 'Bytes lose nothing.'"
    ]
    alike = {"page": "book/03", "records": [row("Bytes: lose nothing!")]}
    assert len(claims.complaints([one, alike])) == 1
    blank = {"page": "book/04", "records": [row(" "), row("Fine.")]}
    assert claims.complaints([blank]) == ["book/04 records a claim without words"]


def built(folder: Path, chapters: list[dict] | None) -> tuple[str, str]:
    """A book of one chapter and the page of claims: that page's HTML, and Sphinx's warnings."""
    (folder / "conf.py").write_text('extensions = ["claims"]')
    (folder / "index.rst").write_text("All\n===\n\n.. toctree::\n\n   07_a\n\n.. claims::\n")
    (folder / "07_a.rst").write_text("A title\n=======\n")
    if chapters is not None:
        (folder / "claims.json").write_text(json.dumps(chapters), "utf-8")
    warnings = io.StringIO()
    out = folder / "out"
    with docutils_namespace():
        app = Sphinx(folder, folder, out, out / ".trees", "html", status=None, warning=warnings)
        app.build()
    return (out / "index.html").read_text("utf-8"), warnings.getvalue()


def test_the_directive_shows_every_row_under_its_chapter(tmp_path: Path) -> None:
    """Cards with links to their cells, a heading per chapter, counts; not one warning."""
    records = [row(), row("Words lose <rare> ones.", holds=False)]
    page, warnings = built(tmp_path, [{"page": "07_a", "title": "A title", "records": records}])
    assert warnings == "" and page.count('<div class="gpt-evidence ') == 2
    assert 'href="07_a.html#claim-bytes-lose-nothing"' in page and "&lt;rare&gt;" in page
    assert page.count("2 claims: 1 holds, 1 does not hold.") == 2  # in all, and in this chapter
    assert '<section id="claims-07-a">' in page and "<style>.gpt-evidence" in page


def test_the_directive_warns_of_faults(tmp_path: Path) -> None:
    """Negative control: -W turns these into failures of the build."""
    twice = [{"page": "07_a", "title": "A title", "records": [row(), row()]}]
    assert "both claim 'Bytes lose nothing.'" in built(tmp_path, twice)[1]
    (tmp_path / "claims.json").unlink()
    assert "no chapter records any evidence" in built(tmp_path, None)[1]


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([True], "1 claim: 1 holds."),
        ([False, True], "2 claims: 1 holds, 1 does not hold."),
        ([True, None, True, False, False], "5 claims: 2 hold, 2 do not hold, 1 is open at this"),
        ([True, True], "2 claims, and all of them hold."),
        ([None, None], "2 claims: 2 are open at this scale."),
    ],
)
def test_counts_read_as_a_sentence(verdicts: list, words: str) -> None:
    """Worked examples."""
    assert claims.tally([row(holds=holds) for holds in verdicts]).startswith(words)


def test_git_keeps_record_and_text_and_the_staged_page_neither_loses_nor_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refresh keeps two forms of a row; the build writes it beside the pages, not into them."""
    import build

    kept = refresh.text_only(chapter(row()))
    assert set(kept.cells[2].outputs[1].data) == {RECORD, "text/plain"}
    assert kept.cells[2].outputs[1].data[RECORD] == row()
    nbformat.validate(kept)
    (tmp_path / "book" / "_ext").mkdir(parents=True)
    (tmp_path / "book" / "_assets").mkdir()
    (tmp_path / "book" / "claims.md").write_text("# All claims")
    (tmp_path / "_toc.yml").write_text("root: book/claims")
    (tmp_path / "_config.yml").write_text("title: x\nhtml: {}")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "STAGE", tmp_path / "stage")
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    stage({tmp_path / "book" / "07_a.ipynb": chapter(row())})
    data = json.loads((tmp_path / "stage" / "book" / "claims.json").read_text("utf-8"))
    assert [part["records"] for part in data] == [[row()]]
    staged = nbformat.read(tmp_path / "stage" / "book" / "07_a.ipynb", as_version=4)
    assert set(staged.cells[2].outputs[1].data) == {"text/html", "text/plain"}

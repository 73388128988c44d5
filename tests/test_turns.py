"""Every verdict has an effect to take away, and what takes it away tells turned from unmoved."""

from pathlib import Path

import nbformat
import pytest
from execute import chapters
from nbformat.v4 import new_code_cell, new_notebook, new_output
from turns import run
from turns.run import (
    Turn,
    code_cells,
    complaints,
    number_of,
    planted,
    read_turns,
    without_assertions,
)

from gptcore.show.evidence import RECORD

WANTED = ("01", "02", "03", "04", "05", "06", "07", "08", "10", "11", "12", "15", "published")
FACTOR = "factor = 3"
ROW = "total = factor * x\nassert total > 5\nevidence('Three times.', holds=total > 5, {})"
TEXTS = "paper='', measured=total, source='', scale=''"


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_verdict_has_an_entry_that_fits_the_chapter(path: Path) -> None:
    """Each row is turned by one entry, whose texts stand in the code exactly once."""
    turns = read_turns(number_of(path))
    if not turns and not path.stem.startswith(WANTED):
        pytest.skip(f"{path.stem} has no entries yet")
    found = complaints(nbformat.read(path, as_version=4), turns)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("number", WANTED)
def test_every_entry_says_in_a_sentence_what_is_taken_away(number: str) -> None:
    """One sentence that begins and ends as one."""
    for turn in read_turns(number):
        assert turn.removed[0].isupper() or turn.removed[0].isdigit(), turn.claim
        assert turn.removed.endswith(".") and len(turn.removed) <= 110, turn.claim


def chapter(*sources: str, claim: str = "Three times.", holds: bool | None = True):
    """A notebook whose last cell has recorded a row."""
    cells = [new_code_cell(source) for source in sources]
    row = {"claim": claim, "holds": holds}
    cells[-1].outputs = [new_output("display_data", data={RECORD: row})]
    return new_notebook(cells=cells)


def turn(*edits: tuple[str, str], claim: str = "Three") -> Turn:
    """An entry for that row."""
    return Turn(claim, "The factor is one.", edits or (("factor = 3", "factor = 1"),))


def small(**changes):
    """Three cells: a factor, a number, and the row of their product."""
    return chapter(FACTOR, "x = 2", ROW.format(TEXTS), **changes)


@pytest.mark.parametrize(
    ("turns", "complaint"),
    [
        ([], "'Three times.' has 0 entries, 1 wanted"),
        ([turn(), turn()], "'Three times.' has 2 entries, 1 wanted"),
        ([turn(), turn(claim="Four")], "the entry 'Four' fits 0 verdicts, 1 wanted"),
        ([turn(("factor = 9", "factor = 1"))], "not once in the code, or not changed: 'factor = 9"),
        ([turn(("factor", "x"))], "'Three': not once in the code, or not changed: 'factor'"),
        ([turn(("factor = 3", "factor = 3"))], "not once in the code, or not changed: 'factor = 3"),
    ],
)
def test_what_does_not_fit_is_said(turns: list[Turn], complaint: str) -> None:
    """Negative control: entries missing, doubled, of no row, or overtaken by the code."""
    found = complaints(small(), turns)
    assert len(found) == 1 and complaint in found[0], found
    assert complaints(small(), [turn()]) == []


def test_a_row_that_is_open_by_its_own_words_needs_no_entry() -> None:
    """Only a literal None: a verdict that came out as None is one, and wants to be turned."""
    opened = chapter("evidence('Three times.', holds=None)", holds=None)
    assert complaints(opened, []) == []
    assert len(complaints(small(holds=None), [])) == 1


def test_an_effect_is_taken_away_and_assertions_with_it() -> None:
    """Worked example: cells before the first edit stay as they are, the notebook does, too."""
    notebook = chapter("assert True", FACTOR, ROW.format(TEXTS))
    first, code = planted(code_cells(notebook), turn())
    assert first == 1 and code[:2] == ["assert True", "factor = 1"]
    assert "assert" not in code[2] and "pass" in code[2] and "evidence(" in code[2]
    assert "assert total" in notebook.cells[2].source
    nested = without_assertions("for x in y:\n    if x:\n        assert x, 'why'\nz = 1")
    assert nested == "for x in y:\n    if x:\n        pass\nz = 1"


def test_entries_are_read_and_may_not_touch_the_verdict(tmp_path: Path) -> None:
    """A field too many, none to edit, an empty text, and an edited rule are errors that say so."""
    entry = "[[turn]]\nclaim = 'Three'\nremoved = 'The factor.'\n"
    edits = "edits = [{ old = 'factor = 3', new = 'factor = 1' }]\n"
    (tmp_path / "chapter08.toml").write_text(entry + edits)
    (read,) = read_turns("08", tmp_path)
    assert read == turn()._replace(removed="The factor.")
    assert read_turns("09", tmp_path) == []
    wrong = {
        "chapter08.toml: 'Three': .*'why'": entry + edits + "why = 1\n",
        "chapter08.toml: 'Three': 'edits'": entry,
        "'Three' needs claim, removed and edits": entry + edits.replace("factor = 3", ""),
        "'Three' edits a verdict": entry + edits.replace("factor = 3", "holds=total > 5"),
        "edits a verdict, not its effect": entry + edits.replace("factor = 1", "x; evidence(1)"),
    }
    for message, text in wrong.items():
        (tmp_path / "chapter08.toml").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_turns("08", tmp_path)


PRELUDE = f"""from IPython.display import display
def evidence(claim, *, holds, **texts):
    display({{{RECORD!r}: {{"claim": claim, "holds": holds}}}}, raw=True)
"""
RUNS = {
    "turned": (turn(), {}, [("turned", "True -> False")]),
    "stays": (turn(("x = 2", "x = 4")), {}, [("stays", "True -> True")]),
    "lost": (turn(("factor = 3", "factor = 1 / 0")), {}, [("lost", "division by zero")]),
    "moved": (turn(), {"holds": None}, [("turned", "None -> False"), ("moved", "untouched, True")]),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_small_chapter_is_run_and_turned(name: str, tmp_path: Path, capfd) -> None:
    """In a fork of this process: the copy goes on where the clean run stands."""
    entry, changes, wanted = RUNS[name]
    notebook = chapter(PRELUDE, FACTOR, "x = 2", ROW.format(TEXTS), **changes)
    path = tmp_path / "08_small.ipynb"
    nbformat.write(notebook, path)
    outcomes = run.in_a_copy(run.turn_all, path, [entry])
    assert [outcome.kind for outcome in outcomes] == [kind for kind, _ in wanted]
    for outcome, (_, detail) in zip(outcomes, wanted, strict=True):
        assert detail in outcome.detail and outcome.claim == "Three times."
    assert code_cells(nbformat.read(path, as_version=4))[1] == FACTOR


def test_rows_without_their_data_are_absent_and_not_lost(tmp_path: Path) -> None:
    """A cell that guards against absent data may record nothing; one that fails may not."""
    guarded = "if data is not None:\n    evidence('Three times.', holds=factor > 2)"
    path = tmp_path / "08_small.ipynb"
    for data, kinds in {"data = None": ["absent", "absent"], "pass": ["lost", "moved"]}.items():
        nbformat.write(chapter(PRELUDE, FACTOR, data, guarded), path)
        assert [one.kind for one in run.in_a_copy(run.turn_all, path, [turn()])] == kinds


def test_the_command_line_lists_and_refuses_unknown_chapters(capsys) -> None:
    """Nothing is run for either."""
    assert run.main(["01", "--list"]) == 0
    assert "01  Letting a word take" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no entries for 99; there are 01, 02"):
        run.main(["99"])


@pytest.mark.parametrize(
    ("kinds", "status"),
    [(["turned", "absent"], 0), (["turned", "stays"], 1), (["lost"], 1), (["moved"], 1)],
)
def test_the_exit_status_tells_whether_all_turned(
    kinds: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything but a turned verdict, or one without data, is a failure."""
    outcomes = [run.Outcome(kind, "A claim.") for kind in kinds]
    monkeypatch.setattr(run, "in_a_copy", lambda *_: outcomes)
    assert run.main(["01"]) == status

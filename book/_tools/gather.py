"""Gather the rows of evidence that cells recorded, and compare two runs of them.

`gptcore.show.evidence` writes one record per row into a cell's output. Git keeps the records, the
build collects them for the page of all claims, and a test holds git's verdicts against those of a
fresh run.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from gptcore.show.evidence import RECORD

# A row that needs data which may be absent stands in a cell with this guard.
GUARD = "is not None"
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One row of evidence and the cell it comes from.

    Attributes:
        cell: number of the code cell, counted from 1 over the cells with code.
        record: what `evidence` recorded.
        guarded: whether the cell may be without its rows, for want of data.
    """

    cell: int
    record: dict[str, Any]
    guarded: bool

    @property
    def claim(self) -> str:
        """The claim, by which a row is known."""
        return self.record.get("claim", "")


def rows(notebook: NotebookNode) -> list[Row]:
    """List the rows of evidence in a notebook's outputs, in order."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    found = []
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if record := output.get("data", {}).get(RECORD):
                found.append(Row(number, dict(record), GUARD in cell.source))
    return found


def gathered(notebooks: dict[Path, NotebookNode]) -> list[dict[str, Any]]:
    """Collect the rows of all chapters for the page of claims.

    Args:
        notebooks: path of a chapter -> the notebook with its outputs.

    Returns:
        One entry per chapter that has rows: {"page": its name in the book, "title", "records"}.
    """
    found = []
    for path, notebook in notebooks.items():
        records = [row.record for row in rows(notebook)]
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        page, title = f"{path.parent.name}/{path.stem}", TITLE.search(text)
        if records:
            found.append({"page": page, "title": title[1] if title else page, "records": records})
    return found


def changes(before: NotebookNode, after: NotebookNode) -> list[str]:
    """Say which verdicts differ between two runs of a notebook, and which rows came or went.

    Args:
        before: the run that git keeps.
        after: another run of the same cells.

    Returns:
        One sentence per difference; measured numbers may differ freely.
    """
    old = {row.claim: row for row in rows(before)}
    new = {row.claim: row for row in rows(after)}
    found = []
    for claim, row in old.items():
        if claim not in new:
            if not row.guarded:
                found.append(f"code cell {row.cell} no longer records {claim!r}")
        elif row.record["holds"] is not new[claim].record["holds"]:
            verdicts = f"{row.record['holds']}, now {new[claim].record['holds']}"
            found.append(f"code cell {row.cell}: the verdict on {claim!r} was {verdicts}")
    for claim in new.keys() - old.keys():
        found.append(f"code cell {new[claim].cell} records {claim!r} for the first time")
    return found

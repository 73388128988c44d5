"""Refresh the notebooks that git keeps: run them and keep what can be read as text.

    python book/_tools/refresh.py                      every chapter
    python book/_tools/refresh.py book/03_*.ipynb      these

Printed text, execution counts and the records of evidence stay, because they are what the tests
compare; a verdict that has changed is said aloud. Figures, widget views and their state go: the
book draws them anew on the reader's machine.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat
from execute import ROOT, ChapterFailed, chapters, run_all, say
from gather import changes
from nbformat import NotebookNode

from gptcore.show.evidence import RECORD

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
LIMIT = 500_000  # bytes of a notebook in git


def main() -> int:
    """Run chapters, those named or all, write them back stripped, and report their sizes."""
    named = [Path(name).resolve() for name in sys.argv[1:]]
    try:
        notebooks = run_all(named or chapters(), jobs=int(os.environ.get("JOBS") or 1))
    except ChapterFailed as failure:
        say(f"\n{failure}\n\nNo notebook was changed: a chapter failed.")
        return 1
    too_large = 0
    for path, notebook in notebooks.items():
        for change in changes(nbformat.read(path, as_version=4), notebook):
            say(f"  {path.stem}: {change}")
        size = write(path, text_only(notebook))
        too_large += size > LIMIT
        say(f"  {path.relative_to(ROOT)}: {size / 1000:.0f} kB")
    if too_large:
        say(f"{too_large} of them above {LIMIT / 1000:.0f} kB: print less")
    return 1 if too_large else 0


def text_only(notebook: NotebookNode) -> NotebookNode:
    """Strip a notebook of everything but its cells, their tags and their text outputs.

    Args:
        notebook: an executed notebook.

    Returns:
        A copy in the form that git keeps.
    """
    kept = nbformat.from_dict(notebook)
    kept.metadata = nbformat.from_dict(METADATA)
    for cell in kept.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": sorted(tags)} if tags else {})
        if cell.cell_type == "code":
            cell.outputs = _joined(out for out in map(_text_output, cell.outputs) if out)
    return kept


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Printed texts that follow each other as one: where a kernel cuts them is chance."""
    found: list[NotebookNode] = []
    for output in outputs:
        if found and found[-1].output_type == output.output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def _text_output(output: NotebookNode) -> NotebookNode | None:
    if output.output_type == "stream":
        return output if output.name == "stdout" else None  # progress bars, warnings
    if output.output_type == "error":
        # A traceback names files of this machine; name and message are the lesson.
        return nbformat.v4.new_output("error", ename=output.ename, evalue=output.evalue)
    data = {mime: output.data[mime] for mime in ("text/plain", RECORD) if mime in output.data}
    if not data:
        return None
    count = {"execution_count": output.execution_count} if "execution_count" in output else {}
    return nbformat.v4.new_output(output.output_type, data=data, **count)


def write(path: Path, notebook: NotebookNode) -> int:
    """Write a notebook through a partial file and return its size in bytes."""
    partial = path.with_suffix(".partial")
    nbformat.write(notebook, partial)
    partial.replace(path)
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())

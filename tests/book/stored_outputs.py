"""Hold the outputs that git keeps against the run that built the book, by nbval's own rules.

    python tests/book/stored_outputs.py [pytest's options] [book/NN_subject.ipynb ...]

The build has run every chapter; nbval would run each again, only to compare. Here nbval collects,
compares and reports as ever, and its kernel is a recording: it answers each cell with what that
cell gave in the build. A notebook without a run of what stands in it now is an error, and so is
one that was put into git without having been run, which nbval itself would pass.
"""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbFile

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
from execute import chapters, fresh_run, surroundings  # noqa: E402

OPTIONS = ["-q", "--continue-on-collection-errors", "-p", "no:cacheprovider", "-p", "nbval"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # nbval is loaded already, above


class Recording:
    """Answers nbval as the kernel of a past run did, cell by cell.

    Args:
        cells: the code cells of the executed notebook, in order.
    """

    def __init__(self, cells: list[NotebookNode]) -> None:
        self._cells, self._messages, self.cell = cells, [], 0

    def execute_cell_input(self, source: str, allow_stdin: bool = False) -> str:
        """Line up the messages of the cell whose turn it is, and name the request."""
        cell = self._cells[self.cell]
        assert cell.source == source, f"code cell {self.cell} was another one when it ran"
        idle = NotebookNode(output_type="status", execution_state="idle")
        self._messages = [
            {"msg_type": said.output_type, "content": said, "parent_header": {"msg_id": "past"}}
            for said in [*cell.outputs, idle]
        ]
        return "past"

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        """The next message of that cell."""
        return self._messages.pop(0)

    def is_alive(self) -> bool:
        """A recording does not die."""
        return True

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """The reply came long ago."""

    await_idle = await_reply

    def stop(self) -> None:
        """There is nothing to stop."""


class StoredChapter(IPyNbFile):
    """A notebook whose cells are compared with what they gave in the build."""

    def setup(self) -> None:
        """In place of a kernel, the recording."""
        self.kernel = Recording(self.executed)

    def collect(self):
        """nbval's tests of its cells, or one error: it has no run, or git's copy never had one.

        Raises:
            pytest.Collector.CollectError: with the name of the notebook and the way out.
        """
        self.compare_outputs = False  # those marked to be checked, as with --nbval-lax
        stored, name = nbformat.read(self.path, as_version=4), self.path.name
        code = [cell for cell in stored.cells if cell.cell_type == "code" and cell.source.strip()]
        if any(cell.execution_count is None for cell in code):
            raise self.CollectError(f"{name} has cells that were not run: run `make notebooks`")
        ran = fresh_run(self.path, stored, self.config.surroundings)
        if ran is None:
            why = "a cell raised when the book was built, or something changed since"
            raise self.CollectError(f"{name} has no run of what stands there ({why}): `make book`")
        self.executed = [cell for cell in ran.cells if cell.cell_type == "code"]
        return super().collect()


def pytest_configure(config: pytest.Config) -> None:
    """Hash what all notebooks depend on, once."""
    config.surroundings = surroundings()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> StoredChapter | None:
    """Notebooks are ours; nbval's own collector is asleep without its option."""
    if file_path.suffix == ".ipynb":
        return StoredChapter.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tell the recording which cell is next: some may be skipped or not have been asked for."""
    if isinstance(item.parent, StoredChapter):
        item.parent.kernel.cell = item.cell_num


if __name__ == "__main__":
    given = sys.argv[1:]
    named = given if any(".ipynb" in argument for argument in given) else [*given, *chapters()]
    sys.exit(pytest.main([*OPTIONS, *map(str, named)], plugins=[sys.modules[__name__]]))

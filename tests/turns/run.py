"""Take away the effect behind each verdict of the book and see the verdict turn.

    python tests/turns/run.py                    every chapter
    python tests/turns/run.py 03 05              these
    python tests/turns/run.py --list             what is taken away from what

A verdict that cannot fall the other way says nothing. The files `chapterNN.toml` beside this one
hold one entry per row of evidence: the first words of its `claim`, the effect that is `removed`,
and `edits`: each has the `old` text, which must occur exactly once in the chapter's code, and the
`new` text in its place. What a call of `evidence` says as `holds` may not be edited: the effect
goes, and the rule stays.

A chapter runs once, as it is, up to its last row, and its verdicts must be git's. Just before a
cell that an entry edits, the process is forked: the copy goes on with the edits in it, assertions
taken out, as far as the row, whose verdict must now be another one. So what stands before an edit
is computed once. A copy shares folders with the run that it left; where its cells write files, the
edits name another folder.
"""

import argparse
import ast
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10: pytest brings the same module under its first name
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path += [str(ROOT / "book" / "_tools")]

from execute import chapters, say  # noqa: E402
from gather import Row, rows  # noqa: E402

from gptcore.show.evidence import RECORD  # noqa: E402

VERDICT = re.compile(r"\bholds\s*=[^=]|\bevidence\(")


class StaleTurn(Exception):
    """An entry does not fit its chapter: the code has moved on."""


class Turn(NamedTuple):
    """One verdict, and what is taken away from it."""

    claim: str
    """The first words of the claim, enough to tell it from the chapter's others."""
    removed: str
    """The effect that is taken away: one sentence."""
    edits: tuple[tuple[str, str], ...]
    """(old, new) texts."""


class Outcome(NamedTuple):
    """What became of a verdict."""

    kind: str
    """turned, stays, lost (no row), absent (no data), or moved (though nothing was taken away)."""
    claim: str
    detail: str = ""


def number_of(path: Path) -> str:
    """What a chapter's file of entries is called after: its two digits, or its first word."""
    return path.stem.split("_")[0]


def read_turns(number: str, folder: Path = HERE) -> list[Turn]:
    """The entries of a chapter, in the order in which they stand in its file; none without one.

    Args:
        number: of the chapter, as `number_of` has it.
        folder: where the files are.

    Raises:
        ValueError: an entry has a field too many, too few or without text, or edits the verdict.
    """
    path, found = folder / f"chapter{number}.toml", []
    entries = tomllib.loads(path.read_text("utf-8"))["turn"] if path.is_file() else []
    for fields in entries:
        try:
            edits = tuple((edit["old"], edit["new"]) for edit in fields["edits"])
            turn = Turn(**{**fields, "edits": edits})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: {fields.get('claim')!r}: {error}") from error
        if not (turn.claim and turn.removed and edits and all(old for old, _ in edits)):
            raise ValueError(f"{path.name}: {turn.claim!r} needs claim, removed and edits")
        if any(VERDICT.search(old + new) for old, new in edits):
            raise ValueError(f"{path.name}: {turn.claim!r} edits a verdict, not its effect")
        found.append(turn)
    return found


def code_cells(notebook: NotebookNode) -> list[str]:
    """The sources of the cells with code, in order; rows count them from 1."""
    return [c.source for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def verdicts(notebook: NotebookNode) -> list[Row]:
    """The rows that a turn can be asked of: all but those whose call says `holds=None`."""
    opened = set()
    for source in filter(VERDICT.search, code_cells(notebook)):
        for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
            holds = {keyword.arg: keyword.value for keyword in call.keywords}.get("holds")
            if isinstance(holds, ast.Constant) and holds.value is None:
                opened.add(ast.literal_eval(call.args[0]))
    return [row for row in rows(notebook) if row.claim not in opened]


def complaints(notebook: NotebookNode, turns: list[Turn]) -> list[str]:
    """What does not fit between a chapter and its entries, in words."""
    claims = [row.claim for row in verdicts(notebook)]
    found = []
    for claim in claims:
        n = sum(claim.startswith(turn.claim) for turn in turns)
        if n != 1:
            found.append(f"{claim!r} has {n} entries, 1 wanted")
    for turn in turns:
        n = sum(claim.startswith(turn.claim) for claim in claims)
        if n != 1:
            found.append(f"the entry {turn.claim!r} fits {n} verdicts, 1 wanted")
        try:
            planted(code_cells(notebook), turn)
        except StaleTurn as stale:
            found.append(str(stale))
    return found


def planted(code: list[str], turn: Turn) -> tuple[int, list[str]]:
    """The code with the effect taken away.

    Returns:
        Index of the first cell that was edited; and all cells, those from there on without
        assertions.

    Raises:
        StaleTurn: an old text is not there exactly once, or is not changed.
    """
    code, first = list(code), len(code)
    for old, new in turn.edits:
        holders = [i for i, source in enumerate(code) if old in source]
        if [code[i].count(old) for i in holders] != [1] or old == new:
            raise StaleTurn(f"{turn.claim!r}: not once in the code, or not changed: {old!r}")
        code[holders[0]] = code[holders[0]].replace(old, new)
        first = min(first, holders[0])
    return first, code[:first] + [without_assertions(source) for source in code[first:]]


def without_assertions(source: str) -> str:
    """The code of a cell with `pass` in place of every assertion."""

    class Mute(ast.NodeTransformer):
        def visit_Assert(self, node: ast.Assert) -> ast.Pass:
            return ast.Pass()

    return ast.unparse(Mute().visit(ast.parse(source)))


class Shell:
    """Runs cells in this process, as a kernel would, and keeps the rows that they record."""

    def __init__(self) -> None:
        from IPython.core.displaypub import CapturingDisplayPublisher
        from IPython.core.interactiveshell import InteractiveShell

        InteractiveShell.clear_instance()
        self.shell = InteractiveShell.instance(history_manager=None)
        self.shell.display_pub = CapturingDisplayPublisher()

    def run(self, source: str) -> tuple[dict[str, Any], str]:
        """Run a cell: the verdicts that it records by their claims, and its error or nothing."""
        from IPython.utils.capture import capture_output

        self.shell.display_pub.outputs.clear()
        with capture_output(display=False):
            ran = self.shell.run_cell(source)
        error = ran.error_before_exec or ran.error_in_exec
        records = (output["data"].get(RECORD) for output in self.shell.display_pub.outputs)
        found = {record["claim"]: record["holds"] for record in records if record}
        return found, f"{type(error).__name__}: {error}" if error else ""


def turn_all(path: Path, turns: list[Turn]) -> list[Outcome]:
    """Run a chapter, and each entry in a copy of the process that leaves it where it must."""
    notebook = nbformat.read(path, as_version=4)
    code, wanted = code_cells(notebook), verdicts(notebook)
    started, found = time.monotonic(), []
    os.chdir(path.parent)  # as a kernel does
    shell = Shell()
    for i, source in enumerate(code[: max(row.cell for row in wanted)]):
        for turn in turns:
            first, changed = planted(code, turn)
            if first == i:
                row = next(row for row in wanted if row.claim.startswith(turn.claim))
                for outcome in in_a_copy(follow, shell, changed[i : row.cell], row):
                    told(found, outcome, started)
        recorded, error = shell.run(source)
        for row in wanted:
            if row.cell == i + 1 and recorded.get(row.claim) is not row.record["holds"]:
                kind = "absent" if row.guarded and not (error or recorded) else "moved"
                now = error or recorded.get(row.claim)
                told(found, Outcome(kind, row.claim, f"untouched, {now}"), started)
    return found


def follow(shell: Shell, code: list[str], row: Row) -> list[Outcome]:
    """Run cells up to a row's and say what became of it; errors on the way are no verdict."""
    errors, before = [], row.record["holds"]
    for source in code:
        recorded, error = shell.run(source)
        errors += [error] if error else []
    if row.claim not in recorded:
        kind = "absent" if row.guarded and not errors else "lost"
        return [Outcome(kind, row.claim, "; ".join(errors))]
    now = recorded[row.claim]
    return [Outcome("stays" if now is before else "turned", row.claim, f"{before} -> {now}")]


def in_a_copy(work: Callable[..., list[Outcome]], *arguments: Any) -> list[Outcome]:
    """Do work in a fork of this process, which ends with it, and return what it returned."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = work(*arguments)
        except BaseException:
            answer = [Outcome("lost", "", traceback.format_exc())]
        with open(there, "w", encoding="utf-8") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(there)
    with open(here, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return [Outcome(*one) for one in json.loads(answer or '[["lost", "", "the copy died"]]')]


def told(found: list[Outcome], outcome: Outcome, started: float) -> None:
    """Keep an outcome, and say it at once."""
    found.append(outcome)
    sign = "ok  " if outcome.kind == "turned" else ("--  " if outcome.kind == "absent" else "BAD ")
    seconds = time.monotonic() - started
    say(f"  {sign} {outcome.kind:6} {outcome.claim}  {outcome.detail}, at {seconds:.0f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Turn the verdicts of the chapters that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", metavar="NN", help="all if none is named")
    parser.add_argument("--list", action="store_true", help="print what is taken away")
    options = parser.parse_args(arguments)
    known = {number_of(path): path for path in chapters() if read_turns(number_of(path))}
    unknown = sorted(set(options.chapters) - set(known))
    if unknown:
        sys.exit(f"no entries for {', '.join(unknown)}; there are {', '.join(known)}")
    found = []
    for number in options.chapters or known:
        turns, path = read_turns(number), known[number]
        if options.list:
            say("\n".join(f"{number}  {turn.claim}\n      {turn.removed}" for turn in turns))
            continue
        stale = complaints(nbformat.read(path, as_version=4), turns)
        if stale:
            say("\n".join(stale))
            return 2
        say(path.stem)
        found += in_a_copy(turn_all, path, turns)
    kinds = [outcome.kind for outcome in found]
    say(", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    return 1 if set(kinds) & {"stays", "lost", "moved"} else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())

"""What a chapter has to look like in git: each function lists what is wrong, in words."""

import ast
import builtins
import re
from pathlib import Path

from nbformat import NotebookNode

from gptcore.show.evidence import RECORD

NBVAL = {"nbval-check-output", "nbval-ignore-output", "raises-exception"}
TAGS = {"parameters", "hide-input", "guess"} | NBVAL
FORBIDDEN = {
    r"%run\b": "uses %run",
    r"\bsys\.path\b": "edits sys.path",
    r"\.\./": "reaches outside by a relative path",
    r"^\s*[!%]pip\b": "installs packages",
}
WIDEST = 88
"""Characters of a line of open code: more run out of the page's column at 1280 pixels."""
HEADINGS = ("paper versus this chapter", "exercises")
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work|mnt|tmp|private)/\w")
DIRECTIVE = re.compile(r"^(?:```|:::+)\{\w|\{[\w-]+\}`", re.MULTILINE)
LONG_NUMBER = re.compile(r"(?<![\d.])\d+\.\d{5,}(?![\d.])")
EVIDENCE = re.compile(r"\bevidence\(")
MAGIC = re.compile(r"^(\s*)[!%].*$", re.MULTILINE)
FIGURE_CODE = re.compile(r"\b(?:show|line|bars|source|LiveCurve)\(")


def notebook_complaints(
    notebook: NotebookNode, size: int, headings: tuple[str, ...] = HEADINGS, folds: bool = False
) -> list[str]:
    """List what is wrong with a notebook as git keeps it.

    Args:
        notebook: the parsed notebook.
        size: bytes of its file.
        headings: sections that it must have; a chapter's, unless told otherwise.
        folds: whether it folds its evidence and tables, of which `form.py` knows the rules.

    Returns:
        Complaints, empty when all is well.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    found = [f"{size} bytes, 500,000 allowed"] if size > 500_000 else []
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"cells were not run once, in order: execution counts {counts}")
    hidden = sum("hide-input" in cell.metadata.get("tags", []) for cell in code)
    if not folds and hidden > max(2, len(code) // 10):
        found.append(f"{hidden} of {len(code)} code cells are hidden, a tenth is allowed")
    for number, cell in enumerate(code, start=1):
        found += [f"code cell {number} {complaint}" for complaint in code_complaints(cell, folds)]
    found += verdict_complaints([cell.source for cell in code])
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return found + text_complaints(text, headings)


def code_complaints(cell: NotebookNode, folds: bool = False) -> list[str]:
    """List what is wrong with one code cell and its stored outputs."""
    tags = set(cell.metadata.get("tags", []))
    lines = cell.source.splitlines()
    found = [f"has the tag {tag!r}" for tag in sorted(tags - TAGS)]
    if len(lines) > 30:
        found.append(f"has {len(lines)} lines, 30 allowed")
    widest = 100 if "hide-input" in tags else WIDEST
    long = [len(line) for line in lines if len(line) > widest]
    found += [f"has a line of {n} characters, {widest} allowed" for n in long]
    found += [why for what, why in FORBIDDEN.items() if re.search(what, cell.source, re.M)]
    if "hide-input" in tags and not folds and not FIGURE_CODE.search(cell.source):
        found.append("is hidden though it draws nothing")
    if "nbval-check-output" in tags and not cell.outputs:
        found.append("is to be checked and has no stored output")
    records = sum(RECORD in output.get("data", {}) for output in cell.outputs)
    if records and "nbval-check-output" in tags:
        found.append("records evidence and is to be checked: git keeps fewer forms than a run")
    if EVIDENCE.search(cell.source) and not records:
        found.append("calls evidence() and stores no record")
    printed = ""
    for output in cell.outputs:
        if output.output_type == "error" and "raises-exception" not in tags:
            found.append(f"stores an error: {output.ename}")
        kinds = sorted(set(output.get("data", {})) - {"text/plain", RECORD})
        found += [f"stores an output of kind {kind}" for kind in kinds]
        printed += output.get("text", "") + output.get("data", {}).get("text/plain", "")
    if MACHINE_PATH.search(cell.source + printed):
        path = MACHINE_PATH.search(cell.source + printed).group()
        found.append(f"names a path of one machine ({path}...)")
    if ("nbval-check-output" in tags or records) and LONG_NUMBER.search(printed):
        found.append(f"prints {LONG_NUMBER.search(printed).group()}, four decimals are portable")
    return found


def verdict_complaints(sources: list[str]) -> list[str]:
    """List the verdicts of evidence that no assertion stands behind.

    A verdict is asserted if every name that its `holds` reads is read by assertions too, in the
    same cell or in one before it. A verdict of None is open, so there is nothing to assert.

    Args:
        sources: the code cells of a notebook, in order.
    """
    found, asserted = [], set(dir(builtins))
    for number, source in enumerate(sources, start=1):
        nodes = list(ast.walk(ast.parse(MAGIC.sub(r"\1pass", source))))
        imported = [name for node in nodes for name in getattr(node, "names", []) if name]
        asserted |= {name.asname or name.name for name in imported if isinstance(name, ast.alias)}
        for node in nodes:
            if isinstance(node, ast.Assert):
                asserted |= _names(node.test)
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg == "holds":
                if left := sorted(_names(node.value) - asserted):
                    found.append(f"code cell {number} records a verdict on {left} unasserted")
    return found


def basis_complaints(sources: list[str]) -> list[str]:
    """List the rows of evidence whose card says "live" of a stored record, or the other way round.

    A value is on record if it comes from a call of `run_record` or `record`, or from a name that
    an earlier statement made from such a value: assigned, looped over, put into by a method, or
    returned by a function that reads one. What a row says in `measured`, `holds` and `interval` is
    looked at.

    Args:
        sources: the code cells of a notebook, in order.
    """
    found: list[str] = []
    stored: set[str] = set()
    for number, source in enumerate(sources, start=1):
        for node in ast.parse(MAGIC.sub(r"\1pass", source)).body:
            for call in (part for part in ast.walk(node) if _calls(part, {"evidence"})):
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                told = [given[name] for name in ("measured", "holds", "interval") if name in given]
                rests = any(_on_record(value, stored) for value in told)
                record = given.get("record")
                says = record is not None and not (
                    isinstance(record, ast.Constant) and record.value is None
                )
                if rests != says:
                    wanted = "needs record=" if rests else "measures live and passes record="
                    found.append(f"code cell {number} line {call.lineno}: a row {wanted}")
            _keep_track(node, stored)
    return found


def _calls(node: ast.AST, names: set[str]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "id", getattr(node.func, "attr", "")) in names


def _on_record(node: ast.AST, stored: set[str]) -> bool:
    """Whether an expression reads a stored record, or a name made from one."""
    return bool(_names(node) & stored) or any(
        _calls(part, {"run_record", "record"}) for part in ast.walk(node)
    )


def _keep_track(statement: ast.stmt, stored: set[str]) -> None:
    """Bring the names that hold stored values up to date with a statement and those in it."""
    if isinstance(statement, ast.FunctionDef):
        if any(_on_record(part, stored) for part in statement.body):
            stored.add(statement.name)
        else:
            stored.discard(statement.name)
        return
    call = getattr(statement, "value", None)
    if isinstance(statement, ast.Expr) and isinstance(getattr(call, "func", None), ast.Attribute):
        if any(_on_record(part, stored) for part in [*call.args, *call.keywords]):
            stored |= _roots(call.func.value)  # such as found.append(record["seconds"])
        return
    value = getattr(statement, "iter", getattr(statement, "value", None))
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    if value is not None and targets != [None]:
        made = {name for target in targets for name in _roots(target)}
        whole = {target.id for target in targets if isinstance(target, ast.Name)}
        if _on_record(value, stored):
            stored |= made
        elif isinstance(statement, ast.Assign):  # a part set anew leaves the others stored
            pairs = {part.id for t in targets for part in ast.walk(t) if isinstance(part, ast.Name)}
            stored -= whole | (pairs if all(isinstance(t, ast.Tuple) for t in targets) else set())
    for inner in ast.iter_child_nodes(statement):
        if isinstance(inner, ast.stmt):
            _keep_track(inner, stored)


def _roots(target: ast.AST) -> set[str]:
    """The names that an assignment to a target changes: of `a[i], b.c` both `a` and `b`."""
    return {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}


def _names(node: ast.AST) -> set[str]:
    """What an expression reads from outside: the variables of its own loops are not among it."""
    names = [name for name in ast.walk(node) if isinstance(name, ast.Name)]
    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names} - own


def text_complaints(text: str, headings: tuple[str, ...]) -> list[str]:
    """List what is wrong with the prose of a notebook, given as one Markdown text."""
    prose = re.sub(r"```.*?```|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    titles = re.findall(r"^# .+$", prose, re.MULTILINE)
    found = [] if len(titles) == 1 else [f"{len(titles)} titles of the first level, 1 wanted"]
    below = [heading.strip().lower() for heading in re.findall(r"^##+ (.+)$", prose, re.M)]
    for wanted in headings:
        if not any(wanted in heading for heading in below):
            found.append(f"no section {wanted!r}")
    if DIRECTIVE.search(text):
        found.append(f"markup that only the book shows: {DIRECTIVE.search(text).group()!r}")
    for paragraph in re.split(r"\n\s*\n", prose):
        if re.match(r"\s*(?:[|#<>]|[-*+] |\d+\. )", paragraph):
            continue  # tables, headings, HTML, quotations and lists have their own measure
        words = len(paragraph.split())
        if words > 60:
            found.append(f"a paragraph of {words} words, 60 allowed: {paragraph[:40]!r}...")
    return found


def toc_complaints(root: Path, entries: list[str]) -> list[str]:
    """List pages named but absent, and pages present but not named.

    Args:
        root: the folder that has `_toc.yml`.
        entries: its pages as paths without a suffix.
    """
    pages = {
        path.relative_to(root).with_suffix("").as_posix()
        for path in (root / "book").rglob("*")
        if path.suffix in {".md", ".ipynb"} and ".ipynb_checkpoints" not in path.parts
    }
    absent = [entry for entry in entries if entry not in pages]
    named = [f"_toc.yml names {entry}, which is not there" for entry in absent]
    return named + [f"{page} is not in _toc.yml" for page in sorted(pages - set(entries))]

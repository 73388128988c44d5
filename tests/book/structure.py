"""What a chapter has to look like in git: each function lists what is wrong, in words."""

import ast
import builtins
import re
from pathlib import Path

from nbformat import NotebookNode

from gptcore.show.evidence import RECORD

TAGS = {"parameters", "hide-input", "nbval-check-output", "nbval-ignore-output", "raises-exception"}
FORBIDDEN = {
    r"%run\b": "uses %run",
    r"\bsys\.path\b": "edits sys.path",
    r"\.\./": "reaches outside by a relative path",
    r"^\s*[!%]pip\b": "installs packages",
}
HEADINGS = ("paper versus this chapter", "exercises")
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work|mnt|tmp|private)/\w")
DIRECTIVE = re.compile(r"^(?:```|:::+)\{\w|\{[\w-]+\}`", re.MULTILINE)
LONG_NUMBER = re.compile(r"(?<![\d.])\d+\.\d{5,}(?![\d.])")
EVIDENCE = re.compile(r"\bevidence\(")
MAGIC = re.compile(r"^(\s*)[!%].*$", re.MULTILINE)
FIGURE_CODE = re.compile(r"\b(?:show|line|bars|source|LiveCurve)\(")


def notebook_complaints(
    notebook: NotebookNode, size: int, headings: tuple[str, ...] = HEADINGS
) -> list[str]:
    """List what is wrong with a notebook as git keeps it.

    Args:
        notebook: the parsed notebook.
        size: bytes of its file.
        headings: sections that it must have; a chapter's, unless told otherwise.

    Returns:
        Complaints, empty when all is well.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    found = [f"{size} bytes, 500,000 allowed"] if size > 500_000 else []
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"cells were not run once, in order: execution counts {counts}")
    hidden = sum("hide-input" in cell.metadata.get("tags", []) for cell in code)
    if hidden > max(2, len(code) // 10):
        found.append(f"{hidden} of {len(code)} code cells are hidden, a tenth is allowed")
    for number, cell in enumerate(code, start=1):
        found += [f"code cell {number} {complaint}" for complaint in code_complaints(cell)]
    found += verdict_complaints([cell.source for cell in code])
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return found + text_complaints(text, headings)


def code_complaints(cell: NotebookNode) -> list[str]:
    """List what is wrong with one code cell and its stored outputs."""
    tags = set(cell.metadata.get("tags", []))
    lines = cell.source.splitlines()
    found = [f"has the tag {tag!r}" for tag in sorted(tags - TAGS)]
    if len(lines) > 30:
        found.append(f"has {len(lines)} lines, 30 allowed")
    found += [f"has a line of {len(s)} characters, 100 allowed" for s in lines if len(s) > 100]
    found += [why for what, why in FORBIDDEN.items() if re.search(what, cell.source, re.M)]
    if "hide-input" in tags and not FIGURE_CODE.search(cell.source):
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

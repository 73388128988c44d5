"""Reads tables of texts that people keep: CSV with a header, or JSON lines, line by line.

A line that cannot be read is reported and costs no other line.

Source: RFC 4180 (CSV) and RFC 8259 (JSON), and what spreadsheets write.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Cells = dict[str, Any]
"""Column or key -> value; a str from CSV, anything from JSON."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16 and must be tried first."""
DELIMITERS = ",;\t"
LONGEST_ROW = 1000
"""Lines after which a quotation mark that does not close counts as a mistake."""
SHOWN = 5


@dataclass
class Report:
    """What could not be used of a file, and why."""

    name: str
    notes: list[str] = field(default_factory=list)
    """What concerns the file as a whole."""
    bad: list[tuple[int, str]] = field(default_factory=list)
    """For each row that was left out its line, and field, value and rule in words."""
    rules: Counter[str] = field(default_factory=Counter)

    def note(self, text: str) -> None:
        """Add a remark on the whole file."""
        self.notes.append(f"{self.name}: {text}")

    def leave_out(self, line: int, where: str, rule: str) -> None:
        """Add a row.

        Args:
            line: where it begins, counted from 1.
            where: "field=value", or the line as it stands where all of it is meant.
            rule: what is wrong with it.
        """
        self.bad.append((line, f"{where} {rule}"))
        self.rules[rule] += 1

    def text(self, n_used: int) -> str:
        """The report in lines; "" if there is nothing to tell."""
        lines = list(self.notes)
        if self.bad:
            lines.append(
                f"{self.name}: {len(self.bad):,} of {len(self.bad) + n_used:,} rows are left out"
            )
            lines += [f"  line {line}: {said}" for line, said in sorted(self.bad)[:SHOWN]]
        if len(self.bad) > SHOWN:
            lines.append(f"  and {len(self.bad) - SHOWN:,} more; all of them by reason:")
            lines += [f"  {n:,} x {rule}" for rule, n in self.rules.most_common()]
        return "\n".join(lines)


def show(value: Any) -> str:
    """A value for a message, cut where it is long."""
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:56]}...{told[-1]}"


def read_rows(path: Path, report: Report) -> list[tuple[int, Cells]]:
    """The rows of a file, each with the line in which it begins.

    Files that end in .jsonl, .ndjson or .json, or begin with a brace, are JSON lines; all others
    are CSV.

    Raises:
        ValueError: the file is empty or no text, or it has no header with `text` and `label`.
    """
    content = decoded(path, report)
    if not content.strip():
        raise ValueError(f"{path.name} is empty: there is nothing to learn from it")
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json") or content.lstrip()[0] == "{":
        if content.lstrip()[0] == "[":
            raise ValueError(f"{path.name} is a JSON array; write one JSON object a line instead")
        return _json_lines(content, report)
    return _table(content, report)


def decoded(path: Path, report: Report) -> str:
    """The text of a file: UTF-8, or what its byte order mark says, or else Windows-1252.

    The last one is a guess, and reported.

    Raises:
        ValueError: the bytes are none of these, or no text.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        content = data.decode(encoding)
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is 0x{error.object[error.start]:02x}"
        if encoding != "utf-8":
            raise ValueError(f"{path.name} has the mark of {encoding}, but {where}") from None
        try:
            content = data.decode("cp1252")
        except UnicodeDecodeError:
            raise ValueError(
                f"{path.name} is neither UTF-8 nor Windows-1252: {where}. Convert it, e.g. "
                "iconv -f YOURS -t UTF-8"
            ) from None
        report.note(f"not UTF-8 ({where}), so it was read as Windows-1252; check its accents")
    if "\0" in content:
        raise ValueError(
            f"{path.name} has NUL characters: it is no text, or UTF-16 without a byte order mark"
        )
    return content


def _json_lines(content: str, report: Report) -> list[tuple[int, Cells]]:
    rows = []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            report.leave_out(number, show(line.strip()), f"is no JSON: {_why(error)}")
            continue
        if isinstance(row, dict):
            rows.append((number, {str(key).strip().lower(): row[key] for key in row}))
        else:
            report.leave_out(number, show(row), "must be a JSON object")
    _check_columns(list(dict.fromkeys(key for _, row in rows for key in row)), report, "keys")
    return rows


def _why(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"


def _table(content: str, report: Report) -> list[tuple[int, Cells]]:
    lines = content.replace("\r\n", "\n").split("\n" if "\n" in content else "\r")
    start = next(at for at, line in enumerate(lines) if line.strip())
    delimiter, head, at = _header(lines, start)
    _check_columns(head, report, "columns")
    rows = []
    for number, cells, wrong in _records(lines, at, delimiter, len(head)):
        if wrong:
            report.leave_out(number, show(lines[number - 1]), wrong)
        else:
            rows.append((number, dict(zip(head, cells, strict=True))))
    return rows


def _header(lines: list[str], start: int) -> tuple[str, list[str], int]:
    """The delimiter that finds `text` and `label`, or else most columns; names; the next line."""
    best: tuple[tuple[bool, int], str, list[str], int] | None = None
    for delimiter in DELIMITERS:
        cells, used = _record(lines, start, delimiter) or ([lines[start]], 1)
        head = [cell.strip().lower() for cell in cells]
        rank = ({"text", "label"} <= set(head), len(head))
        if best is None or rank > best[0]:
            best = rank, delimiter, head, start + used
    return best[1:]


def _check_columns(names: list[str], report: Report, kind: str) -> None:
    """`text` and `label` must be there, and no name twice."""
    found = f"{report.name} has the {kind} {', '.join(map(show, names)) or 'nothing'}"
    missing = [name for name in ("text", "label") if name not in names]
    if missing:
        raise ValueError(
            f"{found}; it needs text and label (and text_b or choices where the task has them), "
            f"so {' and '.join(missing)} is missing"
        )
    twice = [name for name, n in Counter(names).items() if n > 1 and name]
    if twice:
        raise ValueError(f"{found}; {twice[0]!r} must not be there twice")


def _records(
    lines: list[str], at: int, delimiter: str, width: int
) -> Iterator[tuple[int, list[str], str]]:
    """Line number, cells and what is wrong with them ("" for nothing), for each row from `at` on.

    A row that comes out wrong is taken as the plain line that it may be: many programs write
    quotation marks as they stand in the text. If that does not help either, only this line is
    given up, whatever an open quotation mark may have swallowed.
    """
    while at < len(lines):
        found = _record(lines, at, delimiter)
        cells, used = found or ([], 1)
        if found is None or len(cells) != width:
            plain, used = lines[at].split(delimiter), 1
            cells = plain if found is None or len(plain) == width else cells
        wrong = "" if len(cells) == width else f"has {len(cells)} fields, not {width}"
        if wrong and found is None:
            wrong = "has a quotation mark without its other half"
        if any(cell.strip() for cell in cells):
            yield at + 1, cells, wrong
        at += used


def _record(lines: list[str], at: int, delimiter: str) -> tuple[list[str], int] | None:
    """The cells of the row that begins in a line, and how many lines it takes."""
    stop = min(at + LONGEST_ROW, len(lines))
    reader = csv.reader(
        (lines[i] + "\n" for i in range(at, stop)), delimiter=delimiter, strict=True
    )
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return None

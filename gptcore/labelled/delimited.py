"""CSV as people keep it: finds where rows begin and end, and leaves the cells to pandas.

A stray quotation mark would make any reader join all rows up to the next one. So rows are found
here first: by RFC 4180 where they keep it, else line by line. What pandas gets is well-formed, and
every row keeps the line in which it begins.

Source: RFC 4180, and what spreadsheets and database dumps write beside it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gptcore.extras import needing
from gptcore.labelled.columns import Columns
from gptcore.labelled.report import Report, listed, show

Cells = dict[str, Any]
"""Our name of a column -> value; a str from CSV, anything from JSON."""
DELIMITERS = ",;\t|"
_EXCEL = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_MARKED = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_ESCAPED = re.compile(r'"([^"\\]*(?:(?:\\.|"")[^"\\]*)*)"', re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")


class _Row(NamedTuple):
    """A row as it will be handed on."""

    line: int
    """Where it begins, counted from 0."""
    n_lines: int
    raw: str
    """Well-formed, without the line break at its end."""
    width: int
    wrong: str = ""
    """What is wrong with it, or ""."""
    how: str = "plain"
    """plain; marked: some cells in quotation marks; needless: in marks that they do not need;
    escaped: with \\" inside; stray: with marks that are no CSV, taken as they stand."""


def read_delimited(content: str, report: Report, columns: Columns) -> list[tuple[int, Cells]]:
    """The rows of a CSV text, each with the line in which it begins.

    The delimiter is what a line `sep=;` says, else that of , ; tab and | which finds a text and a
    label, else the one that makes most columns.

    Args:
        content: the whole text; line breaks \\n, \\r\\n or \\r.
        report: gets the rows that cannot be read, and what is odd.
        columns: finds ours among those in the header.

    Raises:
        ValueError: as in `Columns.find`.
    """
    text = content.replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    at = len(text) - len(text.lstrip("\n"))
    said = _EXCEL.fullmatch(text[at : _end(text, at)])
    if said:
        at = min(_end(text, at) + 1, len(text))
    lines = text.split("\n")
    first = text.count("\n", 0, at)
    while not lines[first].strip() and first < len(lines) - 1:
        at, first = at + len(lines[first]) + 1, first + 1
    delimiter, names, end = _header(text, at, said[1] if said else DELIMITERS, columns)
    used = columns.find(names, report)
    rows = list(_rows(text, end, first + text.count("\n", at, end), delimiter, len(names)))
    label = next(at for at, name in used.items() if name == "label")
    rows = _unswallowed(rows, lines, delimiter, len(names), label, report)
    _tell(rows, content, report)
    good = [row for row in rows if not row.wrong]
    for row in rows:
        if row.wrong:
            report.leave_out(row.line + 1, show(lines[row.line]), row.wrong)
    unnamed = [at for at, name in enumerate(names) if at not in used and not name.strip()]
    cells = _cells([row.raw for row in good], delimiter, len(names), [*used, *unnamed])
    for at in unnamed:
        if any(cell.strip() for cell in cells[at]):
            report.note(f"not used: column {at + 1}, which has no name")
    named = [(name, cells[at]) for at, name in used.items()]
    return [
        (row.line + 1, {name: column[i] for name, column in named}) for i, row in enumerate(good)
    ]


def _cells(
    raws: Sequence[str], delimiter: str, width: int, wanted: Sequence[int]
) -> dict[int, list[str]]:
    """The cells of some columns, as text: nothing is taken for a number, a date or a gap."""
    if not raws:
        return {at: [] for at in wanted}
    with needing("finetune"):
        from pandas import read_csv

    frame = read_csv(
        io.StringIO("\n".join(raws) + "\n"),
        sep=delimiter,
        header=None,
        names=range(width),
        usecols=sorted(wanted),
        index_col=False,
        dtype=object,
        na_filter=False,
        skip_blank_lines=False,
        lineterminator="\n",
    )
    if len(frame) != len(raws):
        raise AssertionError(f"pandas made {len(frame)} rows of {len(raws)}")
    return {at: frame[at].tolist() for at in wanted}


# ------------------------------------------------------------------ rows


def _end(text: str, at: int) -> int:
    """Where the line that goes on at a place ends."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _header(text: str, at: int, choice: str, columns: Columns) -> tuple[str, list[str], int]:
    """The delimiter, the names, and where the next line begins."""
    best: tuple[tuple[bool, int], str, list[str], int] | None = None
    for delimiter in choice:
        found = _record(text, at, delimiter, _MARKED)
        end = found[0] if found else _end(text, at)
        names = found[1] if found else text[at:end].split(delimiter)
        names = [name.strip() for name in names]
        rank = columns.fits(names), len(names)
        if best is None or rank > best[0]:
            best = rank, delimiter, names, min(end + 1, len(text))
    assert best is not None
    return best[1:]


def _record(
    text: str, at: int, delimiter: str, marked: re.Pattern[str]
) -> tuple[int, list[str], bool] | None:
    """Where the record that begins at a place ends, its cells, and whether none needs its marks.

    None if it is not well-formed.
    """
    cells, n_marked, needed = [], 0, False
    while True:
        begins = marked.match(text, at)
        if begins:
            end = begins.end()
            needed = needed or any(c in begins[1] for c in (delimiter, "\n", '"'))
            n_marked += 1
            cells.append(re.sub(r'\\"|""' if marked is _ESCAPED else '""', '"', begins[1]))
        elif text.startswith('"', at):
            return None
        else:
            end = min(x for x in (text.find(delimiter, at), _end(text, at)) if x >= 0)
            cells.append(text[at:end])
        if end == len(text) or text[end] == "\n":
            return end, cells, bool(n_marked) and not needed
        if text[end] != delimiter:
            return None
        at = end + 1


def _rows(text: str, at: int, line: int, delimiter: str, width: int) -> Iterator[_Row]:
    """All rows from a place on but blank ones."""
    blank = re.compile(rf'[\s"{re.escape(delimiter)}]*')
    while at < len(text):
        end = _end(text, at)
        if blank.fullmatch(text, at, end) and text.count('"', at, end) % 2 == 0:
            at, line = end + 1, line + 1
            continue
        row = _row(text, at, line, delimiter, width)
        yield row
        at = end + 1 if row.n_lines == 1 else at + _span(text, at, row.n_lines)
        line += row.n_lines


def _span(text: str, at: int, n_lines: int) -> int:
    """How many characters so many lines have, line breaks included."""
    end = at
    for _ in range(n_lines):
        end = _end(text, end) + 1
    return end - at


def _row(text: str, at: int, line: int, delimiter: str, width: int) -> _Row:
    """The row that begins at a place.

    If it comes out wrong it is taken as the plain line that it may be: many programs write
    quotation marks as they stand in the text.
    """
    end = _end(text, at)
    raw = text[at:end]
    if '"' not in raw:
        n = raw.count(delimiter) + 1
        while n > width and raw.endswith(delimiter):  # empty cells that the header lacks
            raw, n = raw[:-1], n - 1
        wrong = "" if n == width else f"has {n} fields, not {width}"
        return _Row(line, 1, raw, n, wrong)
    found = None
    for marked in (_MARKED, _ESCAPED):
        fit = _record(text, at, delimiter, marked)
        if fit is None:
            continue
        stop, cells, needless = fit
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if len(cells) == width:
            how = "escaped" if marked is _ESCAPED else "needless" if needless else "marked"
            n_lines = text.count("\n", at, stop) + 1
            return _Row(line, n_lines, _written(cells, delimiter), width, "", how)
        found = found or len(cells)
    plain = raw.split(delimiter)
    if len(plain) == width:
        return _Row(line, 1, _written(plain, delimiter), width, "", "stray")
    wrong = f"has {found or len(plain)} fields, not {width}"
    wrong = wrong if found else "has a quotation mark without its other half"
    return _Row(line, 1, raw, len(plain), wrong)


def _written(cells: Sequence[str], delimiter: str) -> str:
    """Cells as RFC 4180 writes them."""
    return delimiter.join(
        '"' + cell.replace('"', '""') + '"' if '"' in cell or "\n" in cell or delimiter in cell
        else cell
        for cell in cells
    )  # fmt: skip


# ------------------------------------------------------------------ rows that a mark swallowed


def _unswallowed(
    rows: list[_Row], lines: list[str], delimiter: str, width: int, label: int, report: Report
) -> list[_Row]:
    """Rows of several lines, each of which is a row with a label that others have, are these rows.

    Where only some of the lines are, the row stays as CSV's rules make it, and is told.
    """
    if all(row.n_lines == 1 for row in rows):
        return rows
    single = [row.raw for row in rows if row.n_lines == 1 and not row.wrong]
    taught = set(_cells(single, delimiter, width, [label])[label])
    numbers = bool(taught) and all(map(_NUMBER.fullmatch, taught))
    kept, parted, odd = [], [], []
    for row in rows:
        if row.n_lines == 1:
            kept.append(row)
            continue
        alone = [
            _row(lines[at], 0, at, delimiter, width)
            for at in range(row.line, row.line + row.n_lines)
        ]
        found = _cells([one.raw for one in alone if not one.wrong], delimiter, width, [label])
        like = [x in taught or (numbers and bool(_NUMBER.fullmatch(x))) for x in found[label]]
        answers = iter(like)
        rowlike = [not one.wrong and next(answers) for one in alone]
        if rowlike[0] and rowlike[-1] and sum(rowlike) >= 0.9 * len(rowlike):
            parted.append(row.line + 1)
            kept += [one for one in alone if lines[one.line].strip()]
            continue
        if any(rowlike[:-1]):  # the last has the end of the text and the label in any case
            odd.append(row.line + 1)
        kept.append(row)
    if parted:
        report.note(
            f"a quotation mark in {listed(parted, 'line')} closes in a later line, and each line "
            "between is a row: read as these rows, with the marks as they stand"
        )
    if odd:
        report.note(
            f"the text in quotation marks that begins in {listed(odd, 'line')} has lines that "
            "look like rows; it was read as one text, so check that no mark is left open"
        )
    return kept


def _tell(rows: list[_Row], content: str, report: Report) -> None:
    """What was understood otherwise than it stands in the file."""
    stray, escaped, needless = (
        [row.line + 1 for row in rows if row.how == how] for how in ("stray", "escaped", "needless")
    )
    if escaped:
        report.note(f'\\" was read as a quotation mark in {listed(escaped, "line")}')
    if stray and 0 < 2 * len(needless) < len(rows):
        report.note(
            f"quotation marks are no CSV in {listed(stray, 'line')} and stay as they are; so those "
            f"around a whole cell may belong to it, too, and were taken off in "
            f"{listed(needless, 'line')}"
        )
    if "\r\n" in content:
        ends = [line.endswith("\r") for line in content.split("\n")]
        inner = [r.line + 1 for r in rows if any(ends[r.line : r.line + r.n_lines - 1])]
        if inner:
            where = listed(inner, "line")
            report.note(f"line breaks inside of texts are \\n now, not \\r\\n, in {where}")

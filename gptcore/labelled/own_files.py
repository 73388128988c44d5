"""A user's own labelled texts: a table in a file or in memory, with a clear report of bad rows.

    text,label                  text,text_b,label              text,choice_0,choice_1,label
    "Good, but long.",mixed     A cat sat.,A cat stood.,0      He ran,home.,blue.,0

Source: ours; the four forms are those of GPT-1, Figure 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from gptcore.labelled.classes import FEWEST, Read, number, number_classes, tell_conflicts
from gptcore.labelled.columns import OPTION, Columns
from gptcore.labelled.reading import Cells, Placed, read_rows
from gptcore.labelled.report import Report, show
from gptcore.labelled.shape import SHARES, Form, Labelled, Row, parted, shuffled, texts

PARTS_BY_NAME = {"train": "train", "training": "train", "test": "test", "testing": "test"}
PARTS_BY_NAME |= dict.fromkeys(("valid", "val", "validation", "dev"), "valid")


def own(
    data: Any,
    form: str | None = None,
    seed: int = 0,
    *,
    columns: Mapping[str, str] | None = None,
    valid: Any = None,
    test: Any = None,
) -> Labelled:
    """Labelled texts from a table of one's own.

    CSV has a header with the columns text and label, text_b for pairs, choice_0, choice_1 ... for
    choices; delimiters may be commas, semicolons, tabs or bars. JSON lines, a JSON array, Parquet
    and Excel have the same, or `choices` as a list; any of these may be packed. Labels of classes
    are words or numbers, scores are numbers, and the label of a choice is the number of the right
    one, counted from 0. Texts stay as they are.

    A column split with train, valid or test decides the parts, or files of their own do; without
    either, the rows are split 80 : 10 : 10, every class alike. Rows that cannot be used are left
    out and reported: empty texts, missing or NaN labels, labels that are no number where one is
    needed, a wrong number of fields, classes that train lacks, training rows that stand in another
    part too. The report also has what is odd: columns that nothing reads, one text with two labels.

    Args:
        data: the path of a file, a DataFrame, or dicts.
        form: None finds it out: choices mean choice; text_b means similarity where the labels are
            numbers and not all of them whole, else entailment; a text alone means classification.
        seed: decides the split and the order of the training rows.
        columns: our names -> those of the table, such as {"text": "review", "label": "stars"}.
        valid, test: tables for these parts; a tenth of `data` takes the place of a missing `valid`.

    Raises:
        ValueError: fewer than 10 rows can be used, or they have one class only (the message holds
            the report); or as in `read_rows`.
        TypeError, ImportError: as in `read_rows`.
    """
    if form is not None and form not in get_args(Form):
        raise ValueError(f"form={form!r} must be one of {', '.join(get_args(Form))}")
    named, reports, read = Columns(columns), [], []
    apart = valid is not None or test is not None
    for part, table in (("train", data), ("valid", valid), ("test", test)):
        if part == "train" or table is not None:
            report, rows = _opened(table, part, named)
            reports.append(report)
            form = _form(rows, form, report)
            read += _usable(rows, form, report, part if apart else "")
    try:
        return _put_together(read, form, seed, reports)
    except ValueError as error:
        raise ValueError(f"{error}\n{_said(reports, read)}".rstrip()) from None


def _opened(table: Any, part: str, columns: Columns) -> tuple[Report, Placed]:
    """A table's rows and its report, so far."""
    if not isinstance(table, str | Path):
        report = Report("the table" if part == "train" else f"the table for {part}")
        return report, read_rows(table, report, columns)
    path = Path(table).expanduser()
    if not path.is_file():
        raise ValueError(f"path={str(path)!r} is no file")
    report = Report(path.name)
    return report, read_rows(path, report, columns)


def _said(reports: Sequence[Report], read: Sequence[Read]) -> str:
    """All reports in lines."""
    used = Counter(id(one.report) for one in read)
    return "\n".join(filter(None, (report.text(used[id(report)]) for report in reports)))


def _put_together(read: list[Read], form: Form, seed: int, reports: Sequence[Report]) -> Labelled:
    labels, integers, name = (), False, reports[0].name
    if form in ("classification", "entailment"):
        read, labels, integers = number_classes(read)
    elif form == "choice":
        read = _same_number_of_choices(read)
    tell_conflicts(read, labels)
    parts, read = _parts(read, seed, reports[0])
    n_used = len(read)
    if n_used < FEWEST or not parts[0] or not parts[1]:
        raise ValueError(
            f"{name} has {n_used} rows that can be used, {len(parts[0])} in train and "
            f"{len(parts[1])} in valid; it needs {FEWEST}, and some in both"
        )
    said = _said(reports, read)
    return Labelled(name, form, labels, *map(tuple, parts), said, integers)


# ------------------------------------------------------------------ form


def _form(rows: Placed, form: str | None, report: Report) -> Form:
    """The form asked for, if the columns allow it, or the one that they suggest."""
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    options = sorted(int(fit[1]) for name in names if (fit := OPTION.fullmatch(name)))
    if options and options != list(range(len(options))):
        raise ValueError(
            f"{report.name} has choice_{', choice_'.join(map(str, options))}; they must count "
            "from choice_0, without gaps"
        )
    choices, pairs = bool(options) or "choices" in names, "text_b" in names
    scores = [n for _, cells in rows if (n := number(cells.get("label"))) is not None]
    broken = any(n != int(n) for n in scores if math.isfinite(n))
    scored = broken and 2 * len(scores) > len(rows)
    found: Form = "classification"
    if choices:
        found = "choice"
    elif pairs:
        found = "similarity" if scored else "entailment"
    form = form or found
    needs = {"choice": choices, "entailment": pairs, "similarity": pairs}
    if not needs.get(form, True):
        column = "choices (or choice_0, choice_1 ...)" if form == "choice" else "text_b"
        raise ValueError(f"form={form!r} needs {column}; {report.name} has {', '.join(names)}")
    if form in ("classification", "entailment") and scored:
        example = next(n for n in scores if n != int(n))
        raise ValueError(
            f"label={example:g} in {report.name} is a score, not a class; form={form!r} needs "
            "classes, and scores need two texts, text and text_b"
        )
    return form


# ------------------------------------------------------------------ rows


def _usable(rows: Placed, form: Form, report: Report, meant: str) -> list[Read]:
    """The rows without fault; labels of classes are still as they were given."""
    read = []
    for place, cells in rows:
        row, fault = _row(cells, form)
        said = str(cells.get("split") or "").strip().lower()
        part = PARTS_BY_NAME.get(said, "")
        if not fault and "split" in cells and not part:
            fault = f"split={show(cells['split'])}", "must be train, valid or test"
        if meant and part not in ("", meant):
            raise ValueError(
                f"{report.name} is given for {meant}, but {report.unit} {place} has split={said}: "
                "name the parts either in a column or as files of their own"
            )
        if fault:
            report.leave_out(place, *fault)
        else:
            read.append(Read(report, place, meant or part, row))
    return read


def _row(cells: Cells, form: Form) -> tuple[Row, tuple[str, str] | None]:
    """What a form reads of a row, and the first fault: "field=value" and the rule."""
    row: Row = {"text": cells.get("text")}
    if form in ("entailment", "similarity"):
        row["text_b"] = cells.get("text_b")
    if form == "choice":
        options = sorted((name for name in cells if OPTION.fullmatch(name)), key=_place)
        row["choices"] = cells.get("choices", [cells[name] for name in options])
        if not isinstance(row["choices"], list) or len(row["choices"]) < 2:
            return row, (f"choices={show(row['choices'])}", "must be a list of at least 2 texts")
    named = [(name, row[name]) for name in ("text", "text_b") if name in row]
    named += [(f"choices[{i}]", text) for i, text in enumerate(row.get("choices", ()))]
    for name, text in named:
        if not isinstance(text, str):
            return row, (f"{name}={show(text)}", "must be a text")
        if not text.strip():
            return row, (f"{name}={show(text)}", "must not be empty")
    row["label"], rule = _label(cells.get("label"), form, row)
    return row, (f"label={show(cells.get('label'))}", rule) if rule else None


def _place(name: str) -> int:
    return int(name.removeprefix("choice_"))


def _label(value: Any, form: Form, row: Row) -> tuple[Any, str]:
    """A score, an index, or a class as it was given, and the rule that it breaks or ""."""
    found = number(value)
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan")):
        return None, "must not be missing"
    if found is not None and not math.isfinite(found):
        return None, "must be finite"
    if form == "similarity":
        return found, "" if found is not None else "must be a number"
    if form == "choice":
        n = len(row["choices"])
        fits = found is not None and found in range(n)
        return int(found or 0) if fits else None, "" if fits else f"must be 0 to {n - 1}"
    return value, "" if isinstance(value, int | float | str) else "must be a word or a number"


def _same_number_of_choices(read: list[Read]) -> list[Read]:
    """Keep the rows with as many choices as most."""
    counts = Counter(len(one.row["choices"]) for one in read)
    usual = counts.most_common(1)[0][0] if counts else 0
    kept = []
    for one in read:
        if len(one.row["choices"]) == usual:
            kept.append(one)
        else:
            where = f"choices={show(one.row['choices'])}"
            one.report.leave_out(one.place, where, f"must be {usual}, as in most rows")
    return kept


# ------------------------------------------------------------------ parts


def _parts(read: list[Read], seed: int, report: Report) -> tuple[list[list[Row]], list[Read]]:
    """Train, valid and test, as the tables say or at random, and the rows that are in them."""
    if not any(one.part for one in read):
        return parted([one.row for one in read], SHARES, seed), read
    held = {texts(one.row): part for part in ("valid", "test") for one in read if one.part == part}
    tested = {texts(one.row) for one in read if one.part == "test"}
    parts: dict[str, list[Row]] = {"train": [], "valid": [], "test": []}
    kept = []
    for one in read:
        later = {"train": held, "valid": tested}.get(one.part, ())
        if texts(one.row) in later:
            rule = f"stands in {held[texts(one.row)]}, too: left out of {one.part}"
            one.report.leave_out(one.place, f"text={show(one.row['text'])}", rule)
        else:
            parts[one.part].append(one.row)
            kept.append(one)
    if parts["valid"]:
        return [shuffled(parts["train"], seed), parts["valid"], parts["test"]], kept
    apart = len({id(one.report) for one in read}) > 1
    none = "no table is given for valid" if apart else "split names no rows valid"
    report.note(f"{none}, so a tenth of those of train takes their place")
    return [*parted(parts["train"], (0.9, 0.1), seed), parts["test"]], kept

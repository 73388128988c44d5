"""A user's own labelled texts: one file, CSV or JSON lines, with a clear report of bad rows.

    text,label                  text,text_b,label              text,choice_0,choice_1,label
    "Good, but long.",mixed     A cat sat.,A cat stood.,0      He ran,home.,blue.,0

Source: ours; the four forms are those of GPT-1, Figure 1.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from gptcore.labelled.reading import Cells, Report, read_rows, show
from gptcore.labelled.shape import SHARES, Form, Labelled, Row, parted, shuffled, texts

FEWEST = 10
"""Fewer usable rows than this are no data set."""
PARTS_BY_NAME = {"train": "train", "test": "test"}
PARTS_BY_NAME |= dict.fromkeys(("valid", "val", "validation", "dev"), "valid")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?")
_OPTION = re.compile(r"choice_([0-9]+)")


class _Read(NamedTuple):
    """A row with where it stands and which part it is meant for ("" if nothing is said)."""

    line: int
    part: str
    row: Row


def own(path: str | Path, form: str | None = None, seed: int = 0) -> Labelled:
    """Labelled texts from a file of one's own.

    CSV has a header with the columns text and label, text_b for pairs, choice_0, choice_1 ... for
    choices; JSON lines have the same keys, or `choices` as a list. Delimiters may be commas,
    semicolons or tabs. Labels of classes are words or numbers, scores are numbers, and the label
    of a choice is the number of the right one, counted from 0.

    A column split with train, valid or test decides the parts; without it, the rows are split
    80 : 10 : 10, every class alike. Rows that cannot be used are left out and reported: empty
    texts, missing or NaN labels, labels that are no number where one is needed, a wrong number of
    fields, lines that are no JSON, classes of valid or test that never occur in train, training
    rows that stand in another part too.

    Args:
        path: the file.
        form: None finds it out: choices mean choice; text_b means similarity where the labels are
            numbers and not all of them whole, else entailment; a text alone means classification.
        seed: decides the split and the order of the training rows.

    Raises:
        ValueError: the file is no such table, fewer than 10 rows can be used, or they have one
            class only; the message holds the report.
    """
    path = Path(path)
    if form is not None and form not in get_args(Form):
        raise ValueError(f"form={form!r} must be one of {', '.join(get_args(Form))}")
    if not path.is_file():
        raise ValueError(f"path={str(path)!r} is no file")
    report = Report(path.name)
    rows = read_rows(path, report)
    known = _form(rows, form, report)
    read = _usable(rows, known, report)
    labels: tuple[str, ...] = ()
    if known in ("classification", "entailment"):
        read, labels = _number_classes(read, report)
    elif known == "choice":
        read = _same_number_of_choices(read, report)
    parts = _parts(read, seed, report)
    n_used = sum(map(len, parts))
    said = report.text(n_used)
    if n_used < FEWEST or not parts[0] or not parts[1]:
        raise ValueError(
            f"{path.name} has {n_used} rows that can be used, {len(parts[0])} in train and "
            f"{len(parts[1])} in valid; it needs {FEWEST}, and some in both\n{said}".rstrip()
        )
    return Labelled(path.name, known, labels, *map(tuple, parts), said)


# ------------------------------------------------------------------ form


def _form(rows: list[tuple[int, Cells]], form: str | None, report: Report) -> Form:
    """The form asked for, if the columns allow it, or the one that they suggest."""
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    options = sorted(int(fit[1]) for name in names if (fit := _OPTION.fullmatch(name)))
    if options and options != list(range(len(options))):
        raise ValueError(
            f"{report.name} has choice_{', choice_'.join(map(str, options))}; they must count "
            "from choice_0, without gaps"
        )
    choices, pairs = bool(options) or "choices" in names, "text_b" in names
    numbers = [_number(cells.get("label")) for _, cells in rows]
    scores = [n for n in numbers if n is not None]
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


def _usable(rows: list[tuple[int, Cells]], form: Form, report: Report) -> list[_Read]:
    """The rows without fault; labels of classes are still words."""
    read = []
    for line, cells in rows:
        row, fault = _row(cells, form)
        part = str(cells.get("split") or "").strip().lower()
        if not fault and "split" in cells and part not in PARTS_BY_NAME:
            fault = f"split={show(cells['split'])}", "must be train, valid or test"
        if fault:
            report.leave_out(line, *fault)
        else:
            read.append(_Read(line, PARTS_BY_NAME.get(part, ""), row))
    return read


def _row(cells: Cells, form: Form) -> tuple[Row, tuple[str, str] | None]:
    """What a form reads of a row, and the first fault: "field=value" and the rule."""
    row: Row = {"text": cells.get("text")}
    if form in ("entailment", "similarity"):
        row["text_b"] = cells.get("text_b")
    if form == "choice":
        options = sorted((name for name in cells if _OPTION.fullmatch(name)), key=_place)
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
    """A score, an index, or a class in words, and the rule that it breaks or ""."""
    number = _number(value)
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan")):
        return None, "must not be missing"
    if number is not None and not math.isfinite(number):
        return None, "must be finite"
    if form == "similarity":
        return number, "" if number is not None else "must be a number"
    if form == "choice":
        n = len(row["choices"])
        fits = number is not None and number in range(n)
        return int(number or 0) if fits else None, "" if fits else f"must be 0 to {n - 1}"
    if isinstance(value, bool):
        return str(value).lower(), ""
    if isinstance(value, int | float | str):
        return str(value).strip(), ""
    return None, "must be a word or a number"


def _number(value: Any) -> float | None:
    """A number as JSON or a spreadsheet writes it; some write decimals with a comma."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value.strip().replace(",", "."))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None


def _same_number_of_choices(read: list[_Read], report: Report) -> list[_Read]:
    """Keep the rows with as many choices as most."""
    counts = Counter(len(one.row["choices"]) for one in read)
    usual = counts.most_common(1)[0][0] if counts else 0
    for line, _, row in read:
        if len(row["choices"]) != usual:
            where = f"choices={show(row['choices'])}"
            report.leave_out(line, where, f"must be {usual}, as in most rows")
    return [one for one in read if len(one.row["choices"]) == usual]


# ------------------------------------------------------------------ classes and parts


def _number_classes(read: list[_Read], report: Report) -> tuple[list[_Read], tuple[str, ...]]:
    """Ids in the place of words; numbers sort as numbers, and 1.0 is 1.

    Rows of valid and test whose class does not occur in train are left out.
    """
    numbers = [_number(one.row["label"]) for one in read]
    counted = all(number is not None for number in numbers)
    words = [f"{n:.15g}" for n in numbers] if counted else [one.row["label"] for one in read]
    taught = {word for one, word in zip(read, words, strict=True) if one.part in ("", "train")}
    labels = tuple(sorted(taught, key=float if counted else None))
    if 2 * len(labels) > len(read) >= FEWEST:
        raise ValueError(
            f"label has {len(labels)} different values in {len(read)} rows of {report.name}: "
            f"these are no classes\n{report.text(len(read))}".rstrip()
        )
    kept = []
    for one, word in zip(read, words, strict=True):
        if word in taught:
            kept.append(one._replace(row={**one.row, "label": labels.index(word)}))
        else:
            rule = "occurs in valid or test, but never in train"
            report.leave_out(one.line, f"label={show(word)}", rule)
    if len(labels) < 2 and len(kept) >= FEWEST:
        raise ValueError(
            f"{report.name} has one class only, {show(labels[0])}; there must be at least 2\n"
            f"{report.text(len(kept))}".rstrip()
        )
    return kept, labels


def _parts(read: Sequence[_Read], seed: int, report: Report) -> list[list[Row]]:
    """Train, valid and test, as the file says or at random."""
    if not any(one.part for one in read):
        return parted([one.row for one in read], SHARES, seed)
    held = {texts(one.row): part for part in ("valid", "test") for one in read if one.part == part}
    tested = {texts(one.row) for one in read if one.part == "test"}
    parts: dict[str, list[Row]] = {"train": [], "valid": [], "test": []}
    for line, part, row in read:
        twice = texts(row) in (held if part == "train" else tested if part == "valid" else ())
        if twice:
            rule = f"stands in {held[texts(row)]}, too: left out of {part}"
            report.leave_out(line, f"text={show(row['text'])}", rule)
        else:
            parts[part].append(row)
    if parts["valid"]:
        return [shuffled(parts["train"], seed), parts["valid"], parts["test"]]
    report.note("split names no rows valid, so a tenth of those of train takes their place")
    return [*parted(parts["train"], (0.9, 0.1), seed), parts["test"]]

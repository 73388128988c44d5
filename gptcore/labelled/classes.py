"""Classes of labelled rows: their ids, and what looks like a mistake in them.

Source: none.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from gptcore.labelled.report import Report, show
from gptcore.labelled.shape import Row, texts

FEWEST = 10
"""Fewer usable rows than this are no data set."""
MANY = 200
"""Above so many classes their names are not compared."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:[.,]0+)?")
"""A whole number that loses nothing when it is written as one: not 007, which is a code."""


class Read(NamedTuple):
    """A row with where it stands and which part it is meant for ("" if nothing is said)."""

    report: Report
    place: int
    part: str
    row: Row


def number(value: Any) -> float | None:
    """A number as JSON or a spreadsheet writes it; some write decimals with a comma."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value.strip().replace(",", "."))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None


def number_classes(read: list[Read]) -> tuple[list[Read], tuple[str, ...], bool]:
    """Ids in the place of labels, the classes, and whether these are whole numbers.

    Where all labels are whole numbers, 1.0 is 1 and 10 comes after 9. Words stay as they are
    but for their margins. Rows of valid and test whose class does not occur in train are left out.

    Raises:
        ValueError: there is one class only, or almost as many as rows.
    """
    whole = all(_whole(one.row["label"], one.report.typed) for one in read)
    words = [_word(one.row["label"], whole) for one in read]
    taught = {word for one, word in zip(read, words, strict=True) if one.part in ("", "train")}
    counted = all(number(word) is not None for word in taught)
    labels = tuple(sorted(taught, key=lambda word: (number(word) if counted else 0.0, word)))
    names = " and ".join(dict.fromkeys(one.report.name for one in read))
    if 2 * len(labels) > len(read) >= FEWEST:
        raise ValueError(
            f"label has {len(labels)} different values in {len(read)} rows of {names}: "
            "these are no classes"
        )
    ids = {word: i for i, word in enumerate(labels)}
    kept = []
    for one, word in zip(read, words, strict=True):
        if word in ids:
            kept.append(one._replace(row={**one.row, "label": ids[word]}))
        else:
            rule = "occurs in valid or test, but never in train"
            one.report.leave_out(one.place, f"label={show(word)}", rule)
    if len(labels) < 2 and len(kept) >= FEWEST:
        raise ValueError(f"{names} has one class only, {show(labels[0])}; there must be at least 2")
    counts = Counter(labels[one.row["label"]] for one in kept)
    for some in [] if whole else alike(counts):
        told = ", ".join(f"{show(label)} ({counts[label]})" for label in some)
        kept[0].report.note(f"classes that look alike, are they one? {told}")
    return kept, labels, whole


def _whole(value: Any, typed: bool) -> bool:
    if isinstance(value, str):
        return not typed and bool(_WHOLE.fullmatch(value.strip()))
    return not isinstance(value, bool) and math.isfinite(value) and value == int(value)


def _word(value: Any, whole: bool) -> str:
    if whole:
        exact = value.strip().replace(",", ".").split(".")[0] if isinstance(value, str) else value
        return str(int(exact))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value).strip()


def alike(counts: dict[str, int]) -> list[list[str]]:
    """Groups of class names that may be one class: other case or signs, or a letter more or less.

    Two names that differ in one letter are alike only where one of them is rare, as a slip is.

    Args:
        counts: class -> number of rows.
    """
    groups: dict[str, list[str]] = {name: [name] for name in counts}
    pairs = combinations(counts, 2) if len(counts) <= MANY else ()
    for a, b in pairs:
        if groups[a] is not groups[b] and _alike(a, b, counts):
            groups[a] += groups[b]
            for name in groups[b]:
                groups[name] = groups[a]
    found = {id(group): group for group in groups.values() if len(group) > 1}
    return [sorted(group) for group in found.values()]


def _alike(a: str, b: str, counts: dict[str, int]) -> bool:
    one, other = (re.sub(r"[\W_]+", "", name.casefold()) for name in (a, b))
    if one == other and one:
        return True
    if min(len(one), len(other)) < 4 or any(c.isdigit() for c in one + other):
        return False
    shorter, longer = sorted((one, other), key=len)
    if len(longer) == len(shorter) + 1:
        return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    rare = 10 * min(counts[a], counts[b]) <= max(counts[a], counts[b])
    if len(longer) != len(shorter) or not rare:
        return False
    wrong = [i for i in range(len(one)) if one[i] != other[i]]
    swapped = len(wrong) == 2 and one[wrong[0]] + one[wrong[1]] == other[wrong[1]] + other[wrong[0]]
    return len(wrong) == 1 or swapped


def tell_conflicts(read: Sequence[Read], labels: Sequence[str]) -> None:
    """Note texts that stand with two labels; their rows are kept.

    Args:
        read: the rows, their labels ids or scores.
        labels: names of the classes; () where there are none.
    """
    same: dict[Hashable, list[Read]] = defaultdict(list)
    for one in read:
        same[texts(one.row)].append(one)
    odd = [some for some in same.values() if len({one.row["label"] for one in some}) > 1]
    if not odd:
        return
    first = odd[0][0]
    other = next(one for one in odd[0] if one.row["label"] != first.row["label"])
    told = []
    for one in (first, other):
        label = one.row["label"]
        elsewhere = f" of {one.report.name}" if one.report is not first.report else ""
        name = labels[label] if labels else label
        told.append(f"{name} in {one.report.unit} {one.place}{elsewhere}")
    n = f"{len(odd):,} texts have" if len(odd) > 1 else "1 text has"
    first.report.note(
        f"{n} more than one label, such as {show(first.row['text'])}: {' and '.join(told)}; "
        "all these rows are kept"
    )

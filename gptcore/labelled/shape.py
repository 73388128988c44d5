"""One shape for labelled texts, wherever they come from, and how rows become three parts.

Source: ours; the four forms are those of GPT-1, Figure 1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gptcore.tales.rng import mix

Form = Literal["classification", "entailment", "similarity", "choice"]
"""GPT-1's four kinds of labelled text."""
Row = dict[str, Any]
Rows = tuple[Row, ...]
PARTS = ("train", "valid", "test")
SHOWN = 30
"""So many classes are named."""
SHARES = (0.8, 0.1, 0.1)
"""What train, valid and test get of a set that has no parts."""


@dataclass(frozen=True)
class Labelled:
    """Labelled texts in three parts that have no text in common.

    A row has `text`; `text_b` for entailment and similarity, `choices` (list of texts) for choice;
    and `label`: the id of a class (int), a score (float) or the index of a choice (int).
    """

    name: str
    """Such as "tales-mood", "sst2" or "reviews.csv"."""
    form: Form
    labels: tuple[str, ...]
    """The classes in the order of their ids; () for scores and choices."""
    train: Rows
    """In random order, so that its first rows are a fair sample."""
    valid: Rows
    test: Rows
    report: str = ""
    """What was left out and why, and what is odd; or ""."""
    integers: bool = False
    """Whether the classes were given as whole numbers."""


def texts(row: Row) -> tuple[str, ...]:
    """All that is read of a row: its text, the second text, the choices."""
    second = (row["text_b"],) if "text_b" in row else ()
    return (row["text"], *second, *row.get("choices", ()))


def shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    """The rows in an order drawn from the seed, the same on every machine."""
    return [rows[at] for at in sorted(range(len(rows)), key=lambda at: mix(seed, 47, at))]


def parted(rows: Sequence[Row], shares: Sequence[float], seed: int) -> list[list[Row]]:
    """Split rows at random, every class (or whole number of a score) in the same proportion.

    Rows with the same texts stay together, so the parts have no text in common. Of every class
    the first part gets at least one text.

    Args:
        rows: what to split.
        shares: what each part gets; they add up to 1.
        seed: decides which rows go where.
    """
    same: dict[Hashable, list[Row]] = defaultdict(list)
    for row in shuffled(rows, seed):
        same[texts(row)].append(row)
    strata: dict[int, list[list[Row]]] = defaultdict(list)
    for group in same.values():
        strata[round(group[0]["label"])].append(group)
    parts: list[list[Row]] = [[] for _ in shares]
    done = 0
    for label in sorted(strata):
        for nth, group in enumerate(strata[label]):
            done += len(group)
            wanting = [share * done - len(part) for share, part in zip(shares, parts, strict=True)]
            parts[wanting.index(max(wanting)) if nth else 0] += group
    return [shuffled(part, seed) for part in parts]


def without(rows: Iterable[Row], others: Iterable[Row]) -> list[Row]:
    """The rows whose texts are not those of another row."""
    taken = {texts(row) for row in others}
    return [row for row in rows if texts(row) not in taken]


def described(data: Labelled) -> str:
    """The sizes of the parts, and the classes with their counts, in a line."""
    sizes = ", ".join(f"{len(getattr(data, part)):,} {part}" for part in PARTS)
    rows = [row for part in PARTS for row in getattr(data, part)]
    counts = Counter(row["label"] for row in rows)
    if data.labels:
        names = [f"{name} ({counts[at]:,})" for at, name in enumerate(data.labels)]
        what = f"{len(names)} classes: {', '.join(names[:SHOWN])}"
        what += f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    elif data.form == "choice" and rows:
        places = ", ".join(f"{at} ({counts[at]:,})" for at in sorted(counts))
        what = f"{len(rows[0]['choices'])} choices, of which is right: {places}"
    elif rows:
        what = f"scores from {min(counts):g} to {max(counts):g}"
    else:
        what = "no rows"
    return f"{data.name}, {data.form}: {sizes}; {what}"

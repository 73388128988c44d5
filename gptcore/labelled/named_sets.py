"""The labelled sets of `gptcore.datasets` in the shape that fine-tuning takes.

Source: the papers that each set cites; GLUE (Wang et al., 2018) for the parts of CoLA and RTE.
"""

from __future__ import annotations

from dataclasses import dataclass

from gptcore import datasets
from gptcore.labelled.shape import (
    PARTS,
    SHARES,
    Form,
    Labelled,
    Row,
    parted,
    shuffled,
    texts,
    without,
)


@dataclass(frozen=True)
class Use:
    """Which parts of a set are learned from, chosen by and tested on.

    Where `valid` is empty, a tenth of the training rows takes its place; where all three are,
    the whole set is split 80 : 10 : 10.
    """

    form: Form
    train: tuple[str, ...] = ()
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    label: str = "label"
    """The key of the label upstream."""


_CLINC = [(part, f"oos_{part}") for part in ("train", "val", "test")]
_RTE = ("rte1_dev", "rte2_dev", "rte3_dev", "rte1_test", "rte2_test")
USES: dict[str, tuple[Use, ...]] = {
    "sst2": (Use("classification", ("train",), ("dev",), ("test",)),),
    # GLUE's development set of CoLA is both of these; its test set has no public labels.
    "cola": (
        Use("classification", ("in_domain_train",), (), ("in_domain_dev", "out_of_domain_dev")),
    ),
    "rte": (Use("entailment", _RTE, (), ("rte3_test",)),),
    "sick": (
        Use("entailment", ("train",), (), ("trial",)),
        Use("similarity", ("train",), (), ("trial",), "relatedness"),
    ),
    "sts-genres": (Use("similarity"),),
    "codah": (Use("choice"),),
    "sentence-polarity": (Use("classification"),),
    "subjectivity": (Use("classification"),),
    "movie-reviews": (Use("classification"),),
    "pros-cons": (Use("classification"),),
    "clinc-oos": (Use("classification", *_CLINC),),
}
"""Set -> what it is used for; the first is what it is used for unless another is asked for."""


def known(name: str, task: str | None = None, seed: int = 0) -> Labelled:
    """A named set of real text, its rows in three parts.

    Rows with an empty text are left out, and so are training rows whose texts stand in the
    validation or test part too; the report counts both.

    Args:
        name: one of `USES`.
        task: for sets with two kinds of labels (sick), "entailment" or "similarity"; None takes
            the first.
        seed: decides the split where upstream has none, and the order of the training rows.

    Raises:
        ValueError: there is no such set, or it has no labels for this task.
        DataUnavailable: the bytes cannot be had; the message says what was tried.
    """
    if name not in USES:
        raise ValueError(f"name={name!r} is no labelled set; there are {', '.join(USES)}")
    forms = [use.form for use in USES[name]]
    if task is not None and task not in forms:
        raise ValueError(f"task={task!r}: {name} has labels for {', '.join(forms)}")
    use = USES[name][0 if task is None else forms.index(task)]
    upstream = {part: _read(name, getattr(use, part)) for part in PARTS}
    upstream["train"] = upstream["train"] or _read(name, datasets.parts(name))
    rows = {part: [_row(row, use) for row in upstream[part]] for part in PARTS}
    full = {part: [row for row in rows[part] if all(map(str.strip, texts(row)))] for part in PARTS}
    empty = sum(len(rows[part]) - len(full[part]) for part in PARTS)
    parts, twice = _three(full["train"], full["valid"], full["test"], seed)
    labels = _classes(upstream["train"]) if use.form in ("classification", "entailment") else ()
    return Labelled(name, use.form, labels, *map(tuple, parts), _report(empty, twice))


def _read(name: str, parts: tuple[str, ...]) -> list[Row]:
    return [row for part in parts for row in datasets.load(name, part)]


def _row(row: Row, use: Use) -> Row:
    """What a task reads of a row."""
    kept = {key: row[key] for key in ("text", "text_b", "choices") if key in row}
    return {**kept, "label": row[use.label]}


def _classes(rows: list[Row]) -> tuple[str, ...]:
    named = {row["label"]: row["label_name"] for row in rows}
    return tuple(named[label] for label in sorted(named))


def _three(
    train: list[Row], valid: list[Row], test: list[Row], seed: int
) -> tuple[list[list[Row]], int]:
    """Train, valid and test, and how many rows of an earlier part stand in a later one too."""
    if not test:
        return parted(train, SHARES, seed), 0
    kept = without(train, [*valid, *test])
    twice = len(train) - len(kept)
    if not valid:
        return [*parted(kept, (0.9, 0.1), seed), test], twice
    other = without(valid, test)
    return [shuffled(kept, seed), other, test], twice + len(valid) - len(other)


def _report(empty: int, twice: int) -> str:
    """What was left out, in a sentence for each reason."""
    reasons = {
        "with an empty text": empty,
        "whose text stands in a later part, too": twice,
    }
    return "\n".join(f"left out: {n} rows {why}" for why, n in reasons.items() if n)

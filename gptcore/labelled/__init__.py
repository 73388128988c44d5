"""Labelled texts for fine-tuning, in one shape, from three doors.

    >>> from gptcore.labelled import labelled
    >>> data = labelled("tales-mood", n_train=600)   # short texts from Tales, labels exact
    >>> data = labelled("sst2")                      # a named set of real text
    >>> data = labelled("reviews.csv")               # your own: text[, text_b], label
    >>> data.form, data.labels, data.train[0]

Source: the tasks of GPT-1 §4.1.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gptcore.labelled.named_sets import USES, known
from gptcore.labelled.own_files import own
from gptcore.labelled.shape import PARTS, Labelled, Row
from gptcore.labelled.short_tales import TASKS, tales

__all__ = ["Labelled", "Row", "known", "labelled", "own", "tales"]


def labelled(
    data: str | Path,
    task: str | None = None,
    n_train: int | None = None,
    n_valid: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> Labelled:
    """Labelled texts by name: of Tales, of a named set, or of a file.

    Args:
        data: "tales-mood" and so on, a set that has labels, or the path of a CSV or JSON lines
            file; a file called like a set is meant by "./sst2".
        task: one of the four forms, where the data fit more than one; None for what they are for.
        n_train, n_valid, n_test: so many rows of each part at most; None for all, and of Tales,
            which has no end, for 600, 200 and 400.
        seed: see `tales`, `known` and `own`.

    Raises:
        ValueError: there is nothing of this name, it has no labels for this task, a number of rows
            is negative, or a file has too few rows that can be used.
        DataUnavailable: a named set cannot be had.
    """
    limits = {"n_train": n_train, "n_valid": n_valid, "n_test": n_test}
    limits = {name: n for name, n in limits.items() if n is not None}
    for name, n in limits.items():
        if n < 0:
            raise ValueError(f"{name}={n} must not be negative")
    kind, _, name = str(data).partition("-")
    if kind == "tales" and name in TASKS:
        form = TASKS[name][0]
        if task not in (None, form):
            raise ValueError(f"task={task!r}: {data} has labels for {form}")
        return tales(name, **limits, seed=seed)
    if data in USES:
        found = known(str(data), task, seed)
    elif Path(data).is_file():
        found = own(data, task, seed)
    else:
        there = [*(f"tales-{name}" for name in TASKS), *USES]
        raise ValueError(f"data={str(data)!r} is no file and none of {', '.join(there)}")
    parts = {part: getattr(found, part)[: limits.get(f"n_{part}")] for part in PARTS}
    return replace(found, **parts)

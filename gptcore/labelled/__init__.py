"""Labelled texts for fine-tuning, in one shape, from three doors.

    >>> from gptcore.labelled import labelled
    >>> data = labelled("tales-mood", n_train=600)   # short texts from Tales, labels exact
    >>> data = labelled("sst2")                      # a named set of real text
    >>> data = labelled("reviews.csv")               # your own: text[, text_b], label
    >>> data = labelled(frame, columns={"text": "review", "label": "stars"})   # a DataFrame
    >>> data.form, data.labels, data.train[0]

Source: the tasks of GPT-1 §4.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptcore.labelled.named_sets import USES, known
from gptcore.labelled.own_files import own
from gptcore.labelled.shape import PARTS, Labelled, Row
from gptcore.labelled.short_tales import TASKS, tales

__all__ = ["Labelled", "Row", "known", "labelled", "own", "tales"]


def labelled(
    data: Any,
    task: str | None = None,
    n_train: int | None = None,
    n_valid: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
    *,
    columns: Mapping[str, str] | None = None,
    valid: Any = None,
    test: Any = None,
) -> Labelled:
    """Labelled texts by name: of Tales, of a named set, or of a table of one's own.

    Args:
        data: "tales-mood" and so on, a set that has labels, the path of a table (CSV, JSON,
            Parquet, Excel), a DataFrame, or dicts; a file called like a set is meant by "./sst2".
        task: one of the four forms, where the data fit more than one; None for what they are for.
        n_train, n_valid, n_test: so many rows of each part at most; None for all, and of Tales,
            which has no end, for 600, 200 and 400.
        seed: see `tales`, `known` and `own`.
        columns, valid, test: of a table of one's own, see `own`.

    Raises:
        ValueError: there is nothing of this name, it has no labels for this task, or a number of
            rows is negative; or as in `own`, as are TypeError and ImportError.
        DataUnavailable: a named set cannot be had.
    """
    limits = {"n_train": n_train, "n_valid": n_valid, "n_test": n_test}
    limits = {key: n for key, n in limits.items() if n is not None}
    if wrong := [f"{key}={n}" for key, n in limits.items() if n < 0]:
        raise ValueError(f"{wrong[0]} must not be negative")
    name = str(data) if isinstance(data, str | Path) else ""
    of_own = {"columns": columns, "valid": valid, "test": test}
    made = [f"tales-{one}" for one in TASKS]
    for key, value in of_own.items():
        if value is not None and name in (*made, *USES):
            raise ValueError(f"{key}={value!r} goes with a table of one's own, not with {name}")
    if name in made:
        form = TASKS[name[6:]][0]
        if task not in (None, form):
            raise ValueError(f"task={task!r}: {name} has labels for {form}")
        return tales(name[6:], **limits, seed=seed)
    if name in USES:
        found = _known(name, task, seed)
    elif name and not Path(name).expanduser().is_file():
        raise ValueError(f"data={name!r} is no file and none of {', '.join([*made, *USES])}")
    else:
        found = own(data, task, seed, **of_own)
    return replace(found, **{p: getattr(found, p)[: limits.get(f"n_{p}")] for p in PARTS})


def _known(name: str, task: str | None, seed: int) -> Labelled:
    """A named set, and a word on a file that is called like it."""
    found = known(name, task, seed)
    if not Path(name).is_file():
        return found
    note = f"{name} is the named set; the file of this name is meant by ./{name}"
    return replace(found, report=f"{note}\n{found.report}".rstrip())

"""Questions that no training has asked: accuracy by size and demonstrations, and single answers.

Source: the record `demonstrations` of data/measure.py; the table follows Briakou et al. 2023, who
ask whether size makes up for rarity, and the controls Min et al. 2022 and Allen-Zhu and Li 2023.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from traitlets import Float, Int, List, Unicode

from gptcore.experiments.demonstrations import PER_ANSWER, SHOWN, examination, runs_of_task
from gptcore.experiments.records import Record, record
from gptcore.show.explorers.shared.asked import ASKED, first_runs
from gptcore.show.widgets import Explorer
from gptcore.tales.lines import TASKS, Lines, options, prompt

__all__ = ["AnswersExplorer", "cells_of", "tasks_of"]

CONDITION = re.compile(r"(\w+) (\d+(?:\.\d+)?(?:e-\d+)?)(?:, (shuffled|one))?")
CONTROLS = {"": "", "shuffled": " with shuffled answers", "one": " in one wording"}
Tales = Mapping[str, Sequence[Lines]]


class AnswersExplorer(Explorer):
    """A table of accuracies by size and share of demonstrations, and what a network answers.

    The reader chooses a question, a cell, a control and a tale, and sees how probable the network
    finds each of the possible answers.

    Args:
        found: the record; by default the one that the course ships.
        task: the question that is chosen at first, one of `TASKS`.
        condition: the cell that is chosen at first, as the record names it.
        tales: for each task those of which the record has all answers; by default the first
            `SHOWN` of the test.
        alt: the text alternative; by default it is worked out from the record.

    Raises:
        ValueError: there is no such task, the condition was not run, a condition has a name of
            another form, or the record has the answers to other tales.
    """

    script = "answers"
    tasks = List().tag(sync=True)
    """One dict per task: name, label, answers, questions (how many), tales [{prompt, right}]."""
    cells = List().tag(sync=True)
    """One dict per condition: size, share, control, n_params, seeds, accuracy [by task], seed, and
    of that seed log_probs [by task][by tale][by answer]."""
    task, size, control = (Unicode().tag(sync=True) for _ in range(3))
    """What is chosen; control is "" where the demonstrations are whole, or a key of `CONTROLS`."""
    share = Float().tag(sync=True)
    """Of the documents, 0 to 1: chosen with `size`."""
    tale = Int(0).tag(sync=True)
    """Place of the tale that is shown, from 0."""

    def __init__(
        self,
        found: Record | None = None,
        *,
        task: str = "mood",
        condition: str = "1m 0.3",
        tales: Tales | None = None,
        alt: str | None = None,
    ) -> None:
        options(task)  # refuses a task that there is not
        tasks = tasks_of(tales)
        cells = cells_of(found or record("demonstrations"), [len(one["tales"]) for one in tasks])
        names = {_name(cell): cell for cell in cells}
        at = names.get(_name(_parts(condition)))
        if at is None:
            raise ValueError(f"condition={condition!r} was not run; there are {'; '.join(names)}")
        super().__init__(
            alt=_describe(tasks, cells) if alt is None else alt,
            tasks=tasks,
            cells=cells,
            task=task,
            **{name: at[name] for name in ("size", "share", "control")},
        )


def tasks_of(tales: Tales | None = None) -> list[dict[str, Any]]:
    """The questions, their possible answers, and the tales that are shown: the trait `tasks`.

    Args:
        tales: for each of `TASKS`; by default the first `SHOWN` of the test.

    Raises:
        ValueError: a task has no tale, or a tale's answer is none of the task's.
    """
    found = []
    for number, task in enumerate(TASKS):
        known = options(task)
        # The answers take turns, so one tale for each of them is the beginning of the whole test.
        shown = examination(task, "test", 1, "many")[:SHOWN] if tales is None else tales.get(task)
        if not shown:
            raise ValueError(f"tales={list(tales or ())} must hold some for task={task!r}")
        rights = [told.asked[number].answer for told in shown]
        for answer in rights:
            if answer not in known:
                raise ValueError(f"answer={answer!r} is none of {', '.join(known)}")
        pairs = zip(shown, rights, strict=True)
        told = [{"prompt": prompt(one, task), "right": known.index(right)} for one, right in pairs]
        row = {"name": task, "label": ASKED[task], "answers": list(known), "tales": told}
        found.append({**row, "questions": PER_ANSWER * len(known)})
    return found


def cells_of(found: Record, n_tales: Sequence[int]) -> list[dict[str, Any]]:
    """The reported runs by condition, the largest networks first: the trait `cells`.

    Args:
        found: a record whose runs have what `demonstrations.demonstrated` gives.
        n_tales: for each of `TASKS`, of how many tales a run has all answers.

    Raises:
        ValueError: no run is reported, a condition's name has another form, or a run has answers
            to more or fewer tales or questions.
    """
    first = first_runs(row for row in found.rows if "options" in row)  # counted words have none
    known = [options(task) for task in TASKS]
    sides = [len(own) for own, n in zip(known, n_tales, strict=True) for _ in range(n)]
    cells = []
    for condition, row in first.items():
        cell = _parts(condition)
        if [len(values) for values in row["options"]] != sides:
            raise ValueError(
                f"condition={condition!r} must have options for {sum(n_tales)} tales, "
                f"{' and '.join(str(len(own)) for own in known)} of each task"
            )
        if len(row["items"]) != (n := PER_ANSWER * sum(map(len, known))):
            raise ValueError(f"condition={condition!r} has {len(row['items'])} items, not {n}")
        runs = [runs_of_task(found, condition, task) for task in TASKS]
        cell["accuracy"] = [round(float(np.mean(one.items)), 4) for one in runs]
        cell |= {"seeds": len(runs[0].items), "seed": row["seed"], "n_params": row["n_params"]}
        cut = n_tales[0]
        cells.append({**cell, "log_probs": [row["options"][:cut], row["options"][cut:]]})
    return sorted(cells, key=lambda cell: (-cell["n_params"], cell["control"], cell["share"]))


def _parts(condition: str) -> dict[str, Any]:
    """ "1m 0.3, one" -> size "1m", share 0.3, control "one"."""
    found = CONDITION.fullmatch(condition)
    share = float(found[2]) if found else -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"condition={condition!r} must be like '1m 0.3' or '1m 1, shuffled'")
    return {"size": found[1], "share": share, "control": found[3] or ""}


def _name(cell: dict[str, Any]) -> str:
    """The other way round."""
    told = f", {cell['control']}" if cell["control"] else ""
    return f"{cell['size']} {cell['share']:g}{told}"


def _describe(tasks: list[dict[str, Any]], cells: list[dict[str, Any]]) -> str:
    """Say all accuracies: by task, by size, by share of demonstrations, the controls last."""
    text = "Accuracy by size of the network and share of documents with demonstrations. "
    for number, task in enumerate(tasks):
        sizes: dict[str, list[str]] = {}
        for cell in cells:
            at = f"{100 * cell['share']:.3g} %{CONTROLS[cell['control']]}"
            sizes.setdefault(cell["size"], []).append(f"{cell['accuracy'][number]:.2f} at {at}")
        rows = "; ".join(f"{size}: {', '.join(said)}" for size, said in sizes.items())
        text += f"{task['label']} Chance {1 / len(task['answers']):.3f}. {rows}. "
    return text.strip()

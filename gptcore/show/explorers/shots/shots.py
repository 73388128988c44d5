"""Demonstrations in a prompt: accuracies by size and number, and which question a network reads.

Source: the record `shots` of data/measure.py; the table follows GPT-3 Figure 1.2 (accuracy by
number of examples and by size), what is changed about demonstrations Min et al. 2022.
"""

import re
from collections.abc import Iterable
from typing import Any, get_args

import numpy as np
from traitlets import Int, List, Unicode

from gptcore.experiments.demonstrations import PER_ANSWER, examination, runs_of_task
from gptcore.experiments.in_context import (
    ALL_ANSWERS,
    PROMPTS,
    SHOTS,
    SHOWN,
    prompts_of,
)
from gptcore.experiments.records import REPORTED, Record, record, unpacked
from gptcore.show.explorers.shared.asked import ASKED, first_runs
from gptcore.show.widgets import Explorer
from gptcore.tales.lines import TASKS, options
from gptcore.tales.pages import BREAK, Layout

__all__ = ["ShotsExplorer", "cells_of", "corpora_of", "tasks_of"]

CONDITION = re.compile(r"(\w+) ((\d+(?:\.\d+)?(?:e-\d+)?)(?:, (\w+))?)")
LAYOUTS = {
    "same": "one question a page",
    "mixed": "another question for each tale",
    "apart": "every tale on its own",
}
CHANGES = {"": "right answers", "shuffled": "shuffled answers"}
"""What is changed about demonstrations, for readers; what is not here is called as in `PROMPTS`."""
SIDES = (len(TASKS), SHOWN, len(PROMPTS), len(ALL_ANSWERS))
FIELDS = [change or f"shots {k}" for k, change in PROMPTS]
"""The lists of a run that say which questions were answered right, one for each of `PROMPTS`."""
FITS = [f"fits {k}" for k in SHOTS]


class ShotsExplorer(Explorer):
    """A table of accuracies by size and number of demonstrations, and what a network makes of one.

    The reader chooses which question the demonstrations answer, what the network has read, how many
    stand in the prompt, and a tale; and sees the prompt, how probable the network finds all answers
    to either question, and how much of that goes to each question.

    Args:
        found: the record; by default the one that the course ships.
        task: the question that the demonstrations answer at first, one of `TASKS`.
        condition: the network that is chosen at first, as the record names it.
        shots: how many demonstrations stand in the prompt at first.
        change: what is changed about them, one of `in_context.ABLATIONS`, or "".
        alt: the text alternative; by default it is worked out from the record.

    Raises:
        ValueError: there is no such task or prompt, the condition was not run, or the record is
            not one of `in_context.paged`; the message names condition, field and rule.
    """

    script = "shots"
    tasks = List().tag(sync=True)
    """One dict per task: name, label, answers, questions (how many), rights (of each tale, the
    place among the answers), prompts [by tale][by prompt]: [text, what stands before the answer,
    answer] for each demonstration, then the question with "" for an answer."""
    prompts = List().tag(sync=True)
    """One dict for each of `PROMPTS`: shots, change."""
    changes, corpora = (List().tag(sync=True) for _ in range(2))
    """One dict for each button: name, label."""
    cells = List().tag(sync=True)
    """One dict per condition: size, corpus, n_params, seeds, accuracy [by task][by prompt], fits
    [by task][by number of demonstrations], seed, and of that seed log_probs [by task][by tale][by
    prompt][by answer of all tasks]."""
    task, size, corpus, change = (Unicode().tag(sync=True) for _ in range(4))
    """What is chosen, by name; `size` and `corpus` make a condition."""
    shots, tale = (Int(0).tag(sync=True) for _ in range(2))
    """Demonstrations in the prompt, and the place of the tale that is shown, from 0."""

    def __init__(
        self,
        found: Record | None = None,
        *,
        task: str = "place",
        condition: str = "1m 1",
        shots: int = 0,
        change: str = "",
        alt: str | None = None,
    ) -> None:
        options(task)  # refuses a task that there is not
        if (shots, change) not in PROMPTS:
            have = "; ".join(f"{k}, {name!r}" for k, name in PROMPTS)
            raise ValueError(f"shots={shots!r}, change={change!r} was not asked; there are {have}")
        cells = cells_of(found or record("shots"))
        names = [f"{cell['size']} {cell['corpus']}" for cell in cells]
        if condition not in names:
            raise ValueError(f"condition={condition!r} was not run; there are {'; '.join(names)}")
        size, corpus = condition.split(" ", 1)
        tasks, corpora = tasks_of(), corpora_of(cells)
        changed = dict.fromkeys(name for _, name in PROMPTS)
        super().__init__(
            alt=_describe(tasks, corpora, cells) if alt is None else alt,
            tasks=tasks,
            prompts=[{"shots": k, "change": name} for k, name in PROMPTS],
            changes=[{"name": name, "label": CHANGES.get(name, name)} for name in changed],
            corpora=corpora,
            cells=cells,
            task=task,
            size=size,
            corpus=corpus,
            shots=shots,
            change=change,
        )


def tasks_of() -> list[dict[str, Any]]:
    """The questions, their answers, and the prompts of the tales that are shown: the trait `tasks`.

    Both have the same tales: in a prompt without demonstrations nothing says which is asked.
    """
    tales = examination(TASKS[0], "test", PER_ANSWER, "many")[:SHOWN]
    found = []
    for at, task in enumerate(TASKS):
        known = options(task)
        # At the context of the record's networks there is room for all; a test sees to it.
        prompts = [[parts(one) for one in own] for own in prompts_of(task, lambda _: True)]
        rights = [known.index(told.asked[at].answer) for told in tales]
        row = {"name": task, "label": ASKED[task], "answers": list(known), "rights": rights}
        found.append({**row, "questions": PER_ANSWER * len(known), "prompts": prompts})
    return found


def parts(prompt: str) -> list[list[str]]:
    """A prompt as [text, what stands before the answer, answer] for each of its tales.

    >>> parts("Tom was sad.\\n\\nAnswer: Sad.\\n\\nLena was proud.\\n\\nAnswer:")
    [['Tom was sad.', 'Answer:', 'Sad.'], ['Lena was proud.', 'Answer:', '']]
    """
    pieces = iter(prompt.split(BREAK))
    found = []
    for text, asked in zip(pieces, pieces, strict=True):
        cue, colon, answer = asked.partition(":")
        found.append([text, cue + colon, answer.strip()])
    return found


def corpora_of(cells: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """What the networks have read, pages that are all answered first: the trait `corpora`.

    Args:
        cells: of `cells_of`.
    """
    known = {cell["corpus"]: _parts(f"{cell['size']} {cell['corpus']}")[1:] for cell in cells}
    found = []
    for name in sorted(known, key=lambda one: (-known[one][0], list(LAYOUTS).index(known[one][1]))):
        share, layout = known[name]
        told = [] if layout == "same" and share < 1 else [LAYOUTS[layout]]
        told += [f"answers on {100 * share:.3g} % of pages"] if share < 1 else []
        found.append({"name": name, "label": ", ".join(told)})
    return found


def cells_of(found: Record) -> list[dict[str, Any]]:
    """The reported runs by condition, the largest networks first: the trait `cells`.

    Args:
        found: a record whose runs have what `in_context.paged` gives.

    Raises:
        ValueError: no run is reported, a condition's name has another form, or a run lacks a list
            or has one of another length; the message names condition, field and rule.
    """
    first = first_runs(found.rows)
    for row in found.rows:
        if row["role"] == REPORTED:
            _check(row)
    cells = []
    for condition, row in first.items():
        size, corpus = condition.split(" ", 1)

        def scores(fields: list[str], of: str = condition) -> list[list[float]]:
            runs = [[runs_of_task(found, of, task, field) for field in fields] for task in TASKS]
            return [[round(float(np.mean(one.items)), 4) for one in own] for own in runs]

        cell = {"size": size, "corpus": corpus, "n_params": row["n_params"], "seed": row["seed"]}
        cell |= {"accuracy": scores(FIELDS), "fits": scores(FITS), "log_probs": row["options"]}
        seeds = sum(r["condition"] == condition and r["role"] == REPORTED for r in found.rows)
        cells.append({**cell, "seeds": seeds})
    return sorted(cells, key=lambda cell: -cell["n_params"])


def _check(row: dict[str, Any]) -> None:
    """Refuse a run that the page could not draw, and say what is wrong with it."""
    _parts(row["condition"])
    where = f"condition={row['condition']!r}, seed {row['seed']!r}"
    for field in ("n_params", "options", *FIELDS, *FITS):
        if field not in row:
            raise ValueError(f"{where} has no {field!r}; a run of `in_context.paged` has")
    if type(row["n_params"]) is not int or row["n_params"] < 1:
        raise ValueError(f"{where}: n_params={row['n_params']!r} must be a whole number above 0")
    n = PER_ANSWER * len(ALL_ANSWERS)
    for field in (*FIELDS, *FITS):
        try:
            right = len(row[field]) == n and set(unpacked(row[field])) <= {0.0, 1.0}
        except (TypeError, ValueError):
            right = False
        if not right:
            raise ValueError(f"{where}: {field!r} must be {n} times 0 or 1, one for each question")
    try:
        logs = np.array(row["options"])
    except ValueError:  # lists of different lengths
        logs = np.array(None)
    real = logs.shape == SIDES and logs.dtype.kind in "if" and np.isfinite(logs).all()
    if not real or (logs > 0).any():
        sides = " x ".join(map(str, SIDES))
        raise ValueError(
            f"{where}: 'options' must be {sides} log-probabilities, none above 0, by task, tale, "
            "prompt and answer"
        )


def _parts(condition: str) -> tuple[str, float, str]:
    """ "1m 0.1, mixed" -> ("1m", 0.1, "mixed")."""
    found = CONDITION.fullmatch(condition)
    if not found or float(found[3]) > 1 or (found[4] and found[4] not in get_args(Layout)):
        raise ValueError(f"condition={condition!r} must be like '1m 1' or '1m 0.1, mixed'")
    return found[1], float(found[3]), found[4] or "same"


def _describe(
    tasks: list[dict[str, Any]], corpora: list[dict[str, str]], cells: list[dict[str, Any]]
) -> str:
    """Say all accuracies: by task, by size, by corpus, by number of demonstrations."""
    n = len(SHOTS)
    text = f"Accuracy behind {', '.join(map(str, SHOTS))} demonstrations that answer a question; "
    text += "in brackets, how many of the answers are to that question, right or wrong. "
    for at, task in enumerate(tasks):
        text += f"{task['label']} "
        for cell in cells:
            label = next(one["label"] for one in corpora if one["name"] == cell["corpus"])
            accuracy, fits = cell["accuracy"][at], cell["fits"][at]
            pairs = zip(accuracy[:n], fits, strict=True)
            said = [f"{right:.2f} ({fit:.2f})" for right, fit in pairs]
            for (k, name), right in zip(PROMPTS[n:], accuracy[n:], strict=True):
                said.append(f"{k} with {CHANGES.get(name, name)} {right:.2f}")
            once = ", one seed" if cell["seeds"] == 1 else ""
            text += f"{cell['size']}, {label}{once}: {', '.join(said)}. "
    return text.strip()

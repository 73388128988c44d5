"""The tasks that a model can be asked by name.

Rows of Tales come from tales of the split "test" that nothing has read; their prompts are the forms
in which `gptcore.tales.questions.demonstrate` shows a task in passing. Rows of real data come in
their publisher's order.

Source: GPT-2 §3 (LAMBADA, WikiText-2, summaries after "TL;DR:"); GPT-3 §3.9 and its released data
(arithmetic, scrambled words); the papers of the sets.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from gptcore import datasets
from gptcore.labelled.short_tales import BEYOND, MOODS, tales
from gptcore.scoring.task_files import SUFFIXES, own, own_demonstrations
from gptcore.scoring.tasks import Row, Task
from gptcore.tales.corpus import Tale, simulate, split, tale
from gptcore.tales.questions import FEELS, VERDICTS, questions, statements
from gptcore.tales.rng import Rng

Rows = Iterator[Row]
DRAWN = 500
"""Rows that demonstrations are drawn from."""


class Source(NamedTuple):
    """A task and where its rows come from."""

    task: Task
    rows: Callable[[str, int], Rows]
    """(part, seed): all rows, or those of one part of a set; the seed draws tales."""
    parts: tuple[str, ...] | bool = ()
    """What may follow the name behind a colon; True: whatever the set has."""
    train: str = ""
    """The part that demonstrations are drawn from; "": the set has none for training, and its own
    other rows are taken."""


# ------------------------------------------------------------------ Tales


def _indices(part: str) -> Sequence[int]:
    """Of tales: those that nothing has read, or those of the training part."""
    return split("train") if part == "train" else split("test")[BEYOND:]


def _tales(part: str, seed: int) -> Iterator[tuple[int, Tale]]:
    return ((index, tale(seed, index)) for index in _indices(part))


def _questions(part: str, seed: int) -> Rows:
    """One question of each tale."""
    for index, told in _tales(part, seed):
        asked = Rng(seed, index, 43).pick(questions(told))
        yield {"text": told.text, "question": asked.text, "answer": asked.answer}


def _statements(part: str, seed: int) -> Rows:
    """One statement of each tale; the labels take turns."""
    wanted = list(VERDICTS)
    for index, told in _tales(part, seed):
        fits = [one for one in statements(told, index) if one.label == wanted[0]]
        if fits:
            chosen = Rng(seed, index, 47).pick(fits)
            wanted.append(wanted.pop(0))
            yield {"text": told.text, "statement": chosen.text, "answer": VERDICTS[chosen.label]}


def _moods(part: str, seed: int) -> Rows:
    """Tales whose heroes' last feelings take turns."""
    wanted = list(MOODS)
    for index in _indices(part):
        if simulate(seed, index).feeling == wanted[0]:
            wanted.append(wanted.pop(0))
            told = tale(seed, index)
            name = told.cast["a"].name
            yield {"text": told.text, "name": name, "answer": f"{told.mood.capitalize()}."}


def _endings(part: str, seed: int) -> Rows:
    size = 64
    while True:  # a larger set begins with the smaller one
        name = part or "test"
        sizes = {"n_train": 0, "n_valid": 0, "n_test": 0, f"n_{name}": size}
        rows = getattr(tales("endings", seed=seed, **sizes), name)
        yield from rows[size // 2 if size > 64 else 0 :]
        size *= 2


def _gists(part: str, seed: int) -> Rows:
    for _, told in _tales(part, seed):
        yield {"text": told.text, "gist": told.gist}


# ------------------------------------------------------------------ real data


def _whole(name: str, part: str | None = None) -> Callable[[str, int], Rows]:
    return lambda other, seed: iter(datasets.load(name, other or part))


def _by_turns(name: str, parts: Sequence[str]) -> Rows:
    """Rows of several parts of a set, one of each by turns."""
    turns = zip_longest(*(datasets.load(name, part) for part in parts))
    return (row for row in chain.from_iterable(turns) if row is not None)


def _synthetic(parts: tuple[str, ...]) -> Callable[[str, int], Rows]:
    return lambda part, seed: _by_turns("gpt3-synthetic", [part] if part else parts)


def _minimal_pairs(part: str, seed: int) -> Rows:
    """BLiMP's pairs; of every two the good sentence stands first in one, chance says in which."""
    paradigms = [part] if part else datasets.parts("blimp")
    for number, row in enumerate(_by_turns("blimp", paradigms)):
        answer = (number + Rng(0, number // 2, 53).below(2)) % 2
        yield {"options": [row["good"], row["bad"]][:: -1 if answer else 1], "answer": answer}


TITLE = re.compile(r"^ \n = [^=\n][^\n]*[^=\n] = \n \n", re.MULTILINE)


def _pages(part: str, seed: int) -> Rows:
    """Articles of WikiText-2, readable, with the words and bytes that they had before."""
    text = datasets.load("wikitext2", part or "test")
    starts = [hit.start() for hit in TITLE.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        page = text[start:end]
        counts = {"n_words": len(page.split()), "n_bytes": len(page.encode())}
        yield {"text": readable(page), **counts}


def readable(page: str) -> str:
    """WikiText with its spaces where people write them: a de-tokenizer, as in GPT-2 §3.1."""
    for mark in "-,.":
        page = page.replace(f" @{mark}@ ", mark)
    page = re.sub(r" ([,.;:!?%)\]]|n't|'(?:s|re|ve|ll|d|m)\b)", r"\1", page)
    page = re.sub(r"([(\[$£€]) ", r"\1", page)
    page = re.sub(r'" ([^"\n]*?) ?"', r'"\1"', page)
    page = re.sub(r"^ +| +$", "", page, flags=re.MULTILINE)
    return page.strip("\n") + "\n"


ARITHMETIC = tuple(
    f"{n}_digit_{what}" for n in ("two", "three", "four") for what in ("addition", "subtraction")
)
ARITHMETIC += ("two_digit_multiplication", "single_digit_three_ops")
SCRAMBLED = ("cycle_letters_in_word", "mid_word_1_anagrams", "mid_word_2_anagrams")
SCRAMBLED += ("random_insertion_in_word", "reversed_words")

# ------------------------------------------------------------------ all of them

SOURCES: dict[str, Source] = {
    source.task.name: source
    for source in (
        Source(
            Task(
                "tales-questions",
                "{text}\n\nQuestion: {question}\nAnswer:",
                "squad",
                target="{answer}",
                max_new_tokens=16,
            ),
            _questions,
            train="train",
        ),
        Source(
            Task(
                "tales-statements",
                "{text}\n\nTrue or false? {statement}",
                "choice",
                options=tuple(VERDICTS.values()),
            ),
            _statements,
            train="train",
        ),
        Source(
            Task(
                "tales-mood",
                "{text}\n\n" + FEELS,
                "choice",
                options=tuple(f"{mood.capitalize()}." for mood in MOODS),
            ),
            _moods,
            train="train",
        ),
        Source(
            Task("tales-endings", "{text}", "choice", options="choices", answer="label"),
            _endings,
            train="train",
        ),
        Source(
            Task("tales-summary", "{text}\n\nTL;DR:", "rouge", target="{gist}", max_new_tokens=48),
            _gists,
            train="train",
        ),
        Source(Task("lambada", "{context}", "cloze", target="{target}"), _whole("lambada")),
        # As in lm-evaluation-harness, there is a space before the first word.
        Source(Task("blimp", "", "choice", options="options", norm="none"), _minimal_pairs, True),
        Source(
            Task("codah", "{text}", "choice", options="choices", answer="label"), _whole("codah")
        ),
        Source(Task("wikitext2", "", "perplexity", target="{text}"), _pages, ("valid", "test")),
        Source(
            Task(
                "gsm8k",
                "Question: {question}\nAnswer:",
                "number",
                target="{final}",
                stop=("\n\n", "Question:"),
                max_new_tokens=256,
            ),
            _whole("gsm8k", "test"),
            train="train",
        ),
        Source(
            Task(
                "arithmetic",
                "{context}",
                "exact",
                target="{completion}",
                delimiter="",
                separator="",  # their prompts begin with line breaks
                max_new_tokens=16,
            ),
            _synthetic(ARITHMETIC),
            ARITHMETIC,
        ),
        Source(
            Task(
                "scramble",
                "{context}",
                "exact",
                target="{completion}",
                delimiter="",
                separator="",  # their prompts begin with line breaks
                max_new_tokens=16,
            ),
            _synthetic(SCRAMBLED),
            SCRAMBLED,
        ),
        Source(
            Task(
                "scitldr",
                "{text}\nTL;DR:",
                "rouge",
                target="{targets}",
                max_new_tokens=64,
            ),
            _whole("scitldr", "test"),
            train="train",
        ),
    )
}
"""Name -> task and rows."""


def known(name: str, n: int, seed: int = 0) -> tuple[Task, list[Row]]:
    """A task and its first n rows, or fewer if there are not as many.

    Args:
        name: one of `SOURCES`, perhaps with a part of it, such as "arithmetic:two_digit_addition"
            or "blimp:adjunct_island"; or a file of `own`.
        n: how many rows.
        seed: draws the tales.

    Raises:
        ValueError: there is no such task or part; the message names those that there are.
        DataUnavailable: the set cannot be had; the message says how to get it.
        FileNotFoundError, TypeError, ValueError: as in `own`.
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    base, _, part = name.partition(":")
    if base not in SOURCES:
        if Path(name).suffix in SUFFIXES:
            task, rows = own(Path(name))
            return task, rows[:n]
        near = difflib.get_close_matches(base, SOURCES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"task={name!r} is no task; {hint}there are {', '.join(SOURCES)}, and files of your "
            f"own, {' or '.join(SUFFIXES)}"
        )
    source = SOURCES[base]
    if part and source.parts is not True and part not in source.parts:
        told = f"its parts are {', '.join(source.parts)}" if source.parts else "it has no parts"
        raise ValueError(f"task={name!r}: {part!r} is no part of {base}; {told}")
    return replace(source.task, name=name), list(islice(source.rows(part, seed), n))


def demonstrations(name: str, n: int, k: int, seed: int = 0) -> tuple[Row, ...]:
    """Rows that demonstrations of a task are drawn from: none that is asked, where there are such.

    Those of its training part, of at most `DRAWN` rows; of a set or file that has none, the rows
    behind the n that are asked; where they are too few, all of them.

    Args:
        name: as of `known`.
        n: how many rows are asked.
        k: how many demonstrations a question gets.
        seed: draws the tales.

    Raises:
        as `known`.
    """
    base, _, part = name.partition(":")
    source = SOURCES.get(base)
    if source and source.train:
        known(name, 1, seed)  # for what it raises
        return tuple(islice(source.rows(source.train, seed), DRAWN))
    if not source and Path(name).suffix in SUFFIXES and (rows := own_demonstrations(Path(name))):
        return tuple(rows)
    found = known(name, n + DRAWN, seed)[1]
    others = found[n:]
    return tuple(others if len(others) >= k else found)

"""Exercises that answer back: `check("3.2", my_function)` says what works and what does not yet.

One module per chapter holds its exercises in a list `EXERCISES`; `checking` has what they are made
of, `result` what the reader sees.

Source: none; this is teaching.
"""

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from gptcore.exercises.checking import Exercise, Mistake, NotWritten, unwritten
from gptcore.exercises.result import DONE, NOT_WRITTEN, NOT_YET, Result

__all__ = ["CHAPTERS", "check", "exercises"]

# Chapter, or the letter of a page without a number -> the module that has its exercises.
CHAPTERS: dict[int | str, str] = {
    1: "tokenization",
    2: "language_models",
    3: "attention",
    4: "network",
    5: "pretraining",
    6: "finetuning",
    7: "transfer",
    8: "pre_ln",
    9: "zero_shot",
    10: "decoding",
    11: "sparse",
    12: "scale",
    13: "in_context",
    14: "preferences",
    15: "ppo",
    16: "overoptimization",
    "W": "weights",
}
NOTHING_YET = (
    "Put your answer in place of the dots and run the cell again: it will tell you what works "
    "and what does not yet."
)
_verdicts: dict[str, str] = {}  # exercise number -> its latest verdict, in this session


def exercises(chapter: int | str) -> list[Exercise]:
    """The exercises of one chapter, in their order.

    Args:
        chapter: its number, such as 3, or "W", the page on published weights.

    Raises:
        ValueError: the chapter has no exercises that are checked.
    """
    if chapter not in CHAPTERS:
        known = ", ".join(map(str, CHAPTERS))
        raise ValueError(f"chapter {chapter} has no exercises to check; these have: {known}")
    return importlib.import_module(f"gptcore.exercises.{CHAPTERS[chapter]}").EXERCISES


def check(number: str, answer: Any) -> Result:
    """Check an answer to an exercise. The last line of a cell, so that the result is shown.

    The reader's function works on copies, and the random numbers of the notebook go on as if
    nothing had been checked.

    Args:
        number: the exercise's, such as "3.2".
        answer: what the exercise asks for, mostly a function.

    Returns:
        The verdict with its diagnosis and the progress in this chapter.

    Raises:
        TypeError: `number` is no text.
        ValueError: there is no such exercise.
    """
    exercise = _find(number)
    with _own_randomness():
        verdict, said = _judge(exercise, answer)
    _verdicts[exercise.number] = verdict
    of_chapter = exercises(_chapter(exercise.number))
    progress = tuple((one.number, _verdicts.get(one.number, NOT_WRITTEN)) for one in of_chapter)
    return Result(exercise.number, exercise.title, verdict, said, progress)


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Whatever is drawn inside, the numbers drawn afterwards are those without it."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def _chapter(number: str) -> int | str:
    chapter = number.partition(".")[0]
    return int(chapter) if chapter.isdecimal() else chapter


def _find(number: str) -> Exercise:
    if not isinstance(number, str):
        raise TypeError(f'check takes the number as text, such as "3.2", got {number!r}')
    chapter = _chapter(number)
    if isinstance(chapter, str) and chapter not in CHAPTERS:
        raise ValueError(f'check takes a number such as "3.2", got {number!r}')
    of_chapter = exercises(chapter)
    for exercise in of_chapter:
        if exercise.number == number:
            return exercise
    known = ", ".join(exercise.number for exercise in of_chapter)
    raise ValueError(f"there is no exercise {number!r}; chapter {chapter} has {known}")


def _judge(exercise: Exercise, answer: Any) -> tuple[str, Mistake]:
    """Verdict and what to say about it."""
    try:
        if unwritten(answer):
            raise NotWritten(NOTHING_YET)
        return DONE, Mistake(exercise.test(answer))
    except NotWritten as nothing:
        return NOT_WRITTEN, Mistake(str(nothing) or NOTHING_YET)
    except Mistake as mistake:
        return NOT_YET, mistake
    except Exception as error:  # an answer that the check did not foresee: the reader's, not ours
        return NOT_YET, Mistake(
            "The check could not make sense of this answer. Is it of the kind that the task asks "
            f"for? ({type(error).__name__}: {error})"
        )

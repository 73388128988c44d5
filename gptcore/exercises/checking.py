"""What a check is made of: calling the reader's function, comparing, and saying what went wrong.

A check never says only *wrong*. It names what was given, what was expected and what came back,
and, where the answer is one that a usual mistake would give, that mistake.

Source: none; this is teaching.
"""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch

from gptcore.exercises.comparing import describe, difference, equal, kind_of

DIFFICULTIES = ("easy", "medium", "hard")
GIVES_NOTHING = (
    "Your function gives back nothing yet. If you have written it: does it end in a `return`, "
    "whichever way it takes?"
)


class Mistake(Exception):
    """What is not right about an answer, told to the reader.

    Args:
        message: the diagnosis, one or two sentences: the usual cause, or where it differs.
        given: the input, as text.
        expected: what should have come back, as text.
        got: what came back, as text.
    """

    def __init__(self, message: str, *, given: str = "", expected: str = "", got: str = "") -> None:
        self.message, self.given, self.expected, self.got = message, given, expected, got
        super().__init__(message)

    def __str__(self) -> str:
        """All of it as lines of text."""
        return "\n".join([self.message, *(f"{name}: {text}" for name, text in self.parts())])

    def parts(self) -> list[tuple[str, str]]:
        """(label, text) of what is known besides the message."""
        named = {"Given": self.given, "Expected": self.expected, "Yours": self.got}
        return [(name, text) for name, text in named.items() if text]


class NotWritten(Exception):
    """The answer is still the stub, or gives nothing back: no mistake, only not there yet."""


@dataclass(frozen=True)
class Exercise:
    """One exercise and its check.

    Raises:
        ValueError: a field breaks its rule; the message names field, value and rule.
    """

    number: str
    """Chapter and place, such as "3.2"; a page without a number has a letter, "W.1"."""
    title: str
    difficulty: str
    """"easy", "medium" or "hard"."""
    minutes: int
    """How long a reader may take."""
    test: Callable[[Any], str]
    """Takes the answer; raises `Mistake`; returns one sentence: what the reader has now shown."""

    def __post_init__(self) -> None:
        chapter, dot, place = self.number.partition(".")
        page = len(chapter) == 1 and chapter.isupper()  # without a number, such as W
        if not ((chapter.isdecimal() or page) and dot and place.isdecimal()):
            raise ValueError(f'number={self.number!r} must be one like "3.2"')
        if not self.title.strip():
            raise ValueError(f"title={self.title!r} must say something")
        if self.difficulty not in DIFFICULTIES:
            allowed = ", ".join(DIFFICULTIES)
            raise ValueError(f"difficulty={self.difficulty!r} must be one of {allowed}")
        if self.minutes < 1:
            raise ValueError(f"minutes={self.minutes} must be at least 1")

    @property
    def heading(self) -> str:
        """The heading in the notebook, such as "Exercise 3.2 · A mask (easy, 10 minutes)"."""
        about = f"({self.difficulty}, {self.minutes} minutes)"
        return f"Exercise {self.number} · {self.title} {about}"


def unwritten(answer: Any) -> bool:
    """Whether an answer is still the stub's dots, or holds some."""
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if isinstance(answer, list | tuple):
        return any(unwritten(part) for part in answer)
    return answer is None or answer is ...


def call(answer: Any, *inputs: Any) -> Any:
    """Call the reader's function on copies of the inputs.

    Containers, arrays and tensors are copied, and must be as they were afterwards. Anything else,
    such as a tokenizer or a network, is handed over as it is.

    Args:
        answer: the reader's function.
        inputs: its arguments, by position.

    Returns:
        What the function gives back, never None.

    Raises:
        NotWritten: it gives back None or `...`.
        Mistake: it is no function, takes other arguments, stops with an error, or changes what it
            was given.
    """
    given = ", ".join(map(describe, inputs))
    if unwritten(answer):
        raise NotWritten
    if not callable(answer):
        raise Mistake(
            "A function was expected: hand over its name, without brackets behind it.",
            got=f"{describe(answer)}, {kind_of(answer)}",
        )
    _check_arguments(answer, inputs)
    copies = [_copy(one) for one in inputs]
    try:
        got = answer(*copies)
    except Exception as error:
        message = f"Your function stopped with {type(error).__name__}: {error}{_place(error)}"
        raise Mistake(message, given=given) from error
    for before, after in zip(inputs, copies, strict=True):
        if _is_data(before) and not equal(after, before, atol=0):
            raise Mistake(
                "Your function changes the input that it was given. Whoever called it may still "
                "need it: work on a copy, or build something new.",
                given=describe(before),
                got=f"the input became {describe(after)}",
            )
    if got is None or got is ...:
        raise NotWritten("" if _is_stub(answer) else GIVES_NOTHING)
    return got


def refuses(answer: Any, *inputs: Any, why: str, given: str) -> None:
    """Check that the reader's function raises a ValueError.

    Args:
        answer: the reader's function.
        inputs: its arguments, by position.
        why: the diagnosis where it does not.
        given: the input, as text.

    Raises:
        Mistake: it gives something back or stops with another error, takes other arguments, or
            changes what it was given.
    """
    try:
        got = describe(call(answer, *inputs))
    except NotWritten:
        got = "None"
    except Mistake as mistake:
        if isinstance(mistake.__cause__, ValueError):
            return
        if mistake.__cause__ is None:
            raise
        got = type(mistake.__cause__).__name__
    raise Mistake(why, given=given, expected="ValueError", got=got)


def compare(
    got: Any,
    want: Any,
    *,
    given: Any,
    mistakes: Mapping[str, Any] | None = None,
    symptoms: Mapping[str, Callable[[Any], bool]] | None = None,
    atol: float = 1e-4,
) -> None:
    """Compare what came back with what was expected.

    Whole numbers, texts and True or False are compared exactly, other numbers within `atol` or
    1e-5 of their size, whichever is more. A list may stand for a tuple, and a tensor of one number
    without dimensions for that number; a tensor must have the right shape and hold the right kind
    of numbers.

    Args:
        got: the reader's answer.
        want: the right one: a number, text, bytes, a list, dict or set of such, or a tensor.
        given: what was put in; text is shown as it stands, anything else as Python writes it.
        mistakes: usual cause, a sentence -> what this mistake gives, or a function that makes it.
            If the answer equals one of these, its sentence is the diagnosis; else the first place
            where answer and expectation differ is.
        symptoms: for an answer that is no function but the result itself, a list as long as
            `want`: a sentence that names what is odd -> whether it is so of this answer; the last
            holds of any. What was expected would be the solution, and is not told.
        atol: how far apart two numbers may be.

    Raises:
        Mistake: they differ.
    """
    if equal(got, want, atol=atol):
        return
    said = {
        "given": given if isinstance(given, str) else describe(given),
        "expected": describe(want) if symptoms is None else "",
        "got": describe(got),
    }
    for cause, wrong in (mistakes or {}).items():
        value = wrong() if callable(wrong) else wrong
        if not equal(value, want, atol=atol) and equal(got, value, atol=atol):
            raise Mistake(cause, **said)
    if symptoms is None:
        raise Mistake(difference(got, want, atol=atol), **said)
    numbers = [one for one in got if isinstance(one, Real)] if isinstance(got, list | tuple) else []
    if not len(numbers) == len(want) == len(got):
        raise Mistake(f"{len(want)} numbers are asked for, in one list.", **said)
    raise Mistake(next(symptom for symptom, holds in symptoms.items() if holds(got)), **said)


def compare_each(
    got: Any,
    want: Sequence,
    names: Sequence[str],
    mistakes: Sequence[Mapping[str, Any]],
    given: str,
    *,
    atol: float = 1e-4,
) -> None:
    """Compare the parts of an answer, each with its own usual mistakes.

    Args:
        got: the reader's answer.
        want: its parts, as they should be.
        names: of the parts, such as "the loss".
        mistakes: of each part; see `compare`.
        given: what was put in.
        atol: how far apart two numbers may be.

    Raises:
        Mistake: there are more parts or fewer, or one of them differs.
    """
    if not isinstance(got, list | tuple) or len(got) != len(want):
        compare(got, want, given=given, atol=atol)
    for name, one, right, wrong in zip(names, got, want, mistakes, strict=True):
        compare(one, right, given=f"{given}; this is {name}", mistakes=wrong, atol=atol)


def _check_arguments(answer: Callable, inputs: tuple) -> None:
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return
    try:
        signature.bind(*inputs)
    except TypeError:
        count = f"{len(inputs)} argument" + "s" * (len(inputs) != 1)
        raise Mistake(
            f"Your function is called with {count}, and it does not take as many: keep the first "
            "line of the cell as it was.",
            given=", ".join(map(describe, inputs)),
            got=f"it takes {signature}",
        ) from None


def _place(error: Exception) -> str:
    """Where in the reader's code it happened, as far as that is known."""
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__
    ]
    for frame in reversed(own):
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        if line and ("ipykernel" in frame.filename or "<ipython" in frame.filename):
            return f", in line {frame.lineno} of the cell: {line}"
    return ""


def _is_stub(answer: Callable) -> bool:
    """Whether a function has nothing but its docstring and the dots: no name and no call in it."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    return not code.co_names and len(code.co_code) <= len(_stub.__code__.co_code)


def _stub():  # noqa: ANN202
    """What a stub looks like."""
    ...


def _is_data(value: Any) -> bool:
    return isinstance(value, list | tuple | dict | set | np.ndarray | torch.Tensor)


def _copy(value: Any) -> Any:
    """Containers, arrays and tensors anew, the rest as it is."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        copied = value.copy()  # keeps a Counter a Counter
        copied.update(
            {key: _copy(part) for key, part in value.items()} if type(value) is dict else {}
        )
        return copied
    if isinstance(value, set):
        return set(value)
    if type(value) in (list, tuple):
        return type(value)(_copy(part) for part in value)
    return value

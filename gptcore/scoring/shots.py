"""Demonstrations before a question: zero, one or a few of them, and no gradient.

    >>> task = Task("colours", "A {fruit} is", "choice", options=("red.", "blue."))
    >>> shots = Shots(({"fruit": "cherry", "answer": 0},), k=1)
    >>> shots.drawn(task, 0, {"fruit": "plum", "answer": 1})
    ['A cherry is red.']

A demonstration is a row of the training split in the words of the task: prompt, delimiter and right
answer. What stands behind each is the task's `separator`.

Source: GPT-3 §2 and §2.4 (K examples drawn from the training set for each question, separated by
one or two line breaks; no weight changes).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gptcore.scoring.tasks import Item, Row, Task, item
from gptcore.tales.rng import Rng
from gptcore.tokenizer import Tokenizer


@dataclass(frozen=True)
class Shots:
    """Which demonstrations stand before every question."""

    rows: tuple[Row, ...]
    """Of the training split; a question is never shown before itself."""
    k: int
    """How many are drawn for each question."""
    seed: int = 0
    """Draws them, others for each question."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        if type(self.k) is not int or self.k < 0:
            raise ValueError(f"k={self.k!r} must be a whole number, 0 or more")
        if self.k > len(self.rows):
            raise ValueError(
                f"k={self.k} demonstrations cannot be drawn from {len(self.rows)} rows"
            )

    def drawn(self, task: Task, number: int, row: Row) -> list[str]:
        """The demonstrations for one question, in the order in which they are read.

        Args:
            task: how rows become words.
            number: of the question; draws the demonstrations together with `seed`.
            row: the question itself.

        Raises:
            TypeError, ValueError: a row lacks what the task names; or so many rows are the question
                itself that k others are not left.
        """
        if self.k == 0:
            return []
        others = [one for one in self.rows if one != row]
        if len(others) < self.k:
            raise ValueError(f"k={self.k} demonstrations: only {len(others)} rows are not asked")
        chosen = Rng(self.seed, number, 61).some(others, self.k)
        return [demonstration(task, one) for one in chosen]


class Shown(NamedTuple):
    """A question behind its demonstrations."""

    item: Item
    k: int
    """How many of them there was room for."""


def demonstration(task: Task, row: Row) -> str:
    """A row as prompt, delimiter and right answer, in one text.

    Raises:
        TypeError, ValueError: the row lacks what the task names; or the task asks for the
            perplexity of a text, which nothing can be shown of.
    """
    if task.scorer == "perplexity":
        raise ValueError(f"task {task.name!r} scores whole texts: there is nothing to demonstrate")
    one = item(task, row)
    right = one.options[one.answer] if one.options else one.targets[0]
    return f"{one.context}{task.delimiter}{right}{one.rest}"


def behind(shots: Shots, task: Task, row: Row, number: int, fits: Callable[[Item], bool]) -> Shown:
    """A question behind as many of its demonstrations as there is room for; the first ones go.

    Args:
        shots, task, row, number: as of `Shots.drawn`.
        fits: whether the model can read a question and its longest answer whole.
    """
    asked, shown = item(task, row), shots.drawn(task, number, row)

    def whole(k: int) -> Item:
        before = "".join(f"{one}{task.separator}" for one in shown[len(shown) - k :])
        return replace(asked, context=before + asked.context)

    # More do not fit where fewer do not: few texts are tokenized, though many may be drawn.
    k = bisect_left(range(1, len(shown) + 1), True, key=lambda k: not fits(whole(k)))
    return Shown(whole(k), k)


def room(task: Task, tokenizer: Tokenizer, n_ctx: int) -> Callable[[Item], bool]:
    """Whether a question and its answer fit a context, as `behind` asks.

    Args:
        n_ctx: tokens that the model reads.
    """

    def fits(one: Item) -> bool:
        answers: Sequence[str] = one.options or one.targets[:1]
        longest = max(
            _length(tokenizer, f"{one.context}{task.delimiter}{answer}{one.rest}")
            for answer in answers
        )
        if not one.options and task.scorer != "cloze":
            longest = max(longest, _length(tokenizer, one.context) + task.max_new_tokens)
        return longest <= n_ctx

    return fits


def _length(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, allow_special=True))

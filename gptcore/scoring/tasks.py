"""A task as data: a prompt, what may follow it, and how the answer is judged.

    >>> task = Task("colours", "A {fruit} is", "choice", options=("red.", "blue."))
    >>> item(task, {"fruit": "cherry", "answer": 0}).context
    'A cherry is'

Templates name keys of a row in braces. What parts the prompt from an option or a target is the
`delimiter`; so prompt, delimiter and right answer joined are a demonstration of the task.

Source: GPT-2 §3; GPT-3 §2.4; the fields are some of those of lm-evaluation-harness's task files
(doc_to_text, doc_to_choice, doc_to_target, target_delimiter).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from gptcore.scoring.continuations import NORMS, Norm

Scorer = Literal["choice", "cloze", "perplexity", "exact", "squad", "number", "rouge"]
SCORERS: tuple[Scorer, ...] = get_args(Scorer)
WRITTEN = ("exact", "squad", "number", "rouge")
"""Scorers for which the model writes its answer."""
Row = Mapping[str, Any]
NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Task:
    """How rows become questions, and answers a score.

    Scorers: "choice", the likeliest option; "cloze", whether the target is what greedy decoding
    writes, and its perplexity; "perplexity", of a whole text, per word and per byte; "exact", the
    text written is the target; "squad", exact match and F1 of plain words; "number", the last
    number written; "rouge".
    """

    name: str
    prompt: str
    """Template of what the model is given."""
    scorer: Scorer
    options: str | tuple[str, ...] = ()
    """Templates of the options, or the key of a row that holds a list of them."""
    answer: str = "answer"
    """The key of the right option: its index, or the option itself."""
    target: str = ""
    """Template of the right answer. "{key}" alone may name a list of them."""
    delimiter: str = " "
    """Between prompt and option or target; no characters of the option."""
    separator: str = "\n\n"
    """Behind each demonstration, where a question is asked after some (see `shots`)."""
    rest: str = ""
    """Template of what follows the option and is scored with it."""
    partial: bool = False
    """Score only `rest`, given prompt and option (Winograd's "partial"); else both ("full")."""
    norm: Norm = "token"
    """What the options are compared by in the first place; all four are told."""
    unconditional: str = ""
    """Stands for no context, where the norm asks for one; GPT-3 took "Answer:"."""
    stop: tuple[str, ...] = ("\n",)
    """Texts that end a written answer."""
    max_new_tokens: int = 32
    """Of a written answer."""

    def __post_init__(self) -> None:
        for one in ("options", "stop"):
            value = getattr(self, one)
            if isinstance(value, list):  # as JSON has it
                object.__setattr__(self, one, tuple(value))
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name))
        _check_values(self)


def _check_type(name: str, value: Any) -> None:
    if name in ("stop", "options"):
        several = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
        right = several or (name == "options" and isinstance(value, str))
        wanted = "texts" if name == "stop" else "texts, or the key of a row that holds them"
    elif name == "max_new_tokens":
        right, wanted = type(value) is int, "an int"
    elif name == "partial":
        right, wanted = isinstance(value, bool), "true or false"
    else:
        right, wanted = isinstance(value, str), "a text"
    if not right:
        raise TypeError(f"{name}={value!r} must be {wanted}")


def _check_values(task: Task) -> None:
    """The rules that a task keeps."""
    told = f"task {task.name!r}: "
    if not task.name:
        raise ValueError("name='' must say what the task is called")
    if task.scorer not in SCORERS:
        raise ValueError(f"{told}scorer={task.scorer!r} must be one of {', '.join(SCORERS)}")
    if task.norm not in NORMS:
        raise ValueError(f"{told}norm={task.norm!r} must be one of {', '.join(NORMS)}")
    if task.max_new_tokens < 1:
        raise ValueError(f"{told}max_new_tokens={task.max_new_tokens} must be at least 1")
    if "" in task.stop:
        raise ValueError(f"{told}stop='' would end every answer before it begins")
    if task.scorer == "choice":
        if not task.options or (isinstance(task.options, tuple) and len(task.options) < 2):
            raise ValueError(f"{told}options={task.options!r} must be at least two, for a choice")
        if task.target:
            raise ValueError(f"{told}target={task.target!r} is not for a choice: that has options")
        if task.partial and not task.rest:
            raise ValueError(f"{told}partial scoring is of what follows the option: rest is empty")
        return
    if not task.target:
        raise ValueError(f"{told}target='' must say what is right, for scorer={task.scorer!r}")
    for name in ("options", "rest", "partial"):
        if getattr(task, name):
            raise ValueError(f"{told}{name}={getattr(task, name)!r} is for scorer='choice' only")
    if task.scorer == "perplexity" and task.prompt:
        raise ValueError(f"{told}prompt={task.prompt!r} must be empty: a whole text is scored")


@dataclass(frozen=True)
class Item:
    """One question in words."""

    context: str
    options: tuple[str, ...] = ()
    answer: int = -1
    """The index of the right option; -1 where there are none."""
    targets: tuple[str, ...] = ()
    rest: str = ""
    n_words: int = 0
    """Of a text whose perplexity is asked for, as it was before it was made readable."""
    n_bytes: int = 0


def item(task: Task, row: Row) -> Item:
    """A row as a question.

    Raises:
        TypeError, ValueError: the row lacks what the task names, or has it in another form.
    """
    context = fill(task.prompt, row, "prompt")
    if task.scorer == "choice":
        options = _options(task, row)
        return Item(context, options, _index(task, row, options), rest=fill(task.rest, row, "rest"))
    targets = _targets(task, row)
    if task.scorer != "perplexity":
        return Item(context, targets=targets)
    (text,) = targets[:1]
    n_words = _count(row, "n_words", len(text.split()))
    return Item("", targets=targets, n_words=n_words, n_bytes=_count(row, "n_bytes", _bytes(text)))


def fill(template: str, row: Row, what: str) -> str:
    """The template with the values of the row in place of their names; other braces stay.

    Args:
        what: how the template is called, for a message.
    """

    def value(hit: re.Match[str]) -> str:
        found = _value(row, hit[1], what)
        if isinstance(found, list | tuple | dict) or found is None:
            raise TypeError(f"{what} names {hit[1]}={found!r}, which is no text")
        return str(found)

    return NAMED.sub(value, template)


def _value(row: Row, key: str, what: str) -> Any:
    if key not in row:
        raise ValueError(f"{what} names {key!r}, and the row has only {', '.join(map(str, row))}")
    return row[key]


def _options(task: Task, row: Row) -> tuple[str, ...]:
    if isinstance(task.options, tuple):
        options = [fill(option, row, "options") for option in task.options]
    else:
        options = _value(row, task.options, "options")
    if not isinstance(options, list | tuple) or len(options) < 2:
        raise ValueError(f"{task.options}={options!r} must be a list of at least two options")
    for option in options:
        if not isinstance(option, str) or not option.strip():
            raise ValueError(f"options has {option!r}; an option is a text with a letter in it")
    return tuple(options)


def _index(task: Task, row: Row, options: tuple[str, ...]) -> int:
    answer = _value(row, task.answer, "answer")
    if isinstance(answer, str) and answer in options:
        return options.index(answer)
    if type(answer) is not int or not 0 <= answer < len(options):
        raise ValueError(
            f"{task.answer}={answer!r} must be one of the options or an index below {len(options)}"
        )
    return answer


def _targets(task: Task, row: Row) -> tuple[str, ...]:
    alone = NAMED.fullmatch(task.target)
    several = _value(row, alone[1], "target") if alone else None
    if isinstance(several, list | tuple):
        found = tuple(several)
        if not found or not all(isinstance(one, str) for one in found):
            raise ValueError(f"{alone[1]}={several!r} must hold at least one text, and only texts")
    else:
        found = (fill(task.target, row, "target"),)
    if not any(one.strip() for one in found):
        raise ValueError(f"target={found[0]!r} must be a text with a letter in it")
    return found


def _count(row: Row, key: str, otherwise: int) -> int:
    value = row.get(key, otherwise)
    if type(value) is not int or value < 1:
        raise ValueError(f"{key}={value!r} must be an int, at least 1")
    return value


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))

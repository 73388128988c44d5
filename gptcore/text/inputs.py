"""GPT-1's inputs: one network reads every task, because the task is written into the text.

    classification   start text extract
    entailment       start premise delimiter hypothesis extract
    similarity       start a delimiter b extract, and start b delimiter a extract
    choice           start context delimiter option extract, once for each option

Start, delimiter and extract are three new tokens behind the vocabulary. What a head reads is the
state at the extract token, which stands last and so has seen everything before it. The functions
here work on token ids and know nothing of the network; `encode` brings rows of text to them, and
`TaskBatches` brings what it makes to the trainer.

Source: GPT-1 §3.3 and Figure 1; its released code (`transform_roc` in `train.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gptcore.labelled.shape import Form
from gptcore.tokenizer import Tokenizer

Ids = Sequence[int]
Rows = tuple[list[int], ...]

START, DELIMITER, EXTRACT = "_start_", "_delimiter_", "_classify_"
"""The new tokens, by the names that the released code gives them."""
PADDING = 0
"""The id behind the end of a row; any would do, since nothing before it can see it."""
NOT_SCORED = -100


class Marks(NamedTuple):
    """The ids of the three new tokens."""

    start: int
    delimiter: int
    extract: int


def with_marks(tokenizer: Tokenizer) -> tuple[Tokenizer, Marks]:
    """The tokenizer with the three new tokens behind its vocabulary, and their ids.

    One that has them already comes back as it is. In a text, words that look like these tokens
    stay ordinary text.
    """
    names = (START, DELIMITER, EXTRACT)
    tokenizer = tokenizer.with_specials(names)
    return tokenizer, Marks(*(tokenizer.specials[name] for name in names))


def classification(text: Ids, marks: Marks, n_ctx: int) -> Rows:
    """[start] text [extract], the text cut to n_ctx - 2 tokens."""
    return ([marks.start, *_part("text", text, n_ctx - 2), marks.extract],)


def entailment(
    premise: Ids, hypothesis: Ids, marks: Marks, n_ctx: int, part: int | None = None
) -> Rows:
    """[start] premise [delimiter] hypothesis [extract].

    Args:
        premise, hypothesis: their token ids.
        marks: the ids of the new tokens.
        n_ctx: the longest row that the network can read, in tokens.
        part: each text is cut to so many tokens; None is n_ctx // 2 - 2, the released code's rule.
            With a larger one the longer text gives way where both do not fit together.

    Raises:
        ValueError: a text has no tokens, or `part` is less than 1.
    """
    return (_pair(("premise", premise), ("hypothesis", hypothesis), marks, n_ctx, part),)


def similarity(a: Ids, b: Ids, marks: Marks, n_ctx: int, part: int | None = None) -> Rows:
    """[start] a [delimiter] b [extract], and the same with b first: neither text is the first.

    Arguments as in `entailment`.
    """
    named = ("text", a), ("text_b", b)
    both = named, named[::-1]
    return tuple(_pair(first, second, marks, n_ctx, part) for first, second in both)


def choice(
    context: Ids, options: Sequence[Ids], marks: Marks, n_ctx: int, part: int | None = None
) -> Rows:
    """[start] context [delimiter] option [extract], once for each option.

    Arguments as in `entailment`.

    Raises:
        ValueError: there are fewer than two options, or a text has no tokens.
    """
    if len(options) < 2:
        raise ValueError(f"choices has {len(options)}; to choose, there must be at least 2")
    named = ((f"choices[{i}]", option) for i, option in enumerate(options))
    return tuple(_pair(("text", context), option, marks, n_ctx, part) for option in named)


def _pair(
    first: tuple[str, Ids], second: tuple[str, Ids], marks: Marks, n_ctx: int, part: int | None
) -> list[int]:
    """Two named texts as one row of at most n_ctx tokens."""
    part = n_ctx // 2 - 2 if part is None else part
    room = n_ctx - 3
    if part < 1 or room < 2:
        raise ValueError(f"part={part}, n_ctx={n_ctx}: there must be room for a token of each text")
    a, b = _part(*first, part), _part(*second, part)
    if len(a) + len(b) > room:  # the longer one gives way, and both if both are long
        a, b = a[: max(room - len(b), room - room // 2)], b[: max(room - len(a), room // 2)]
    return [marks.start, *a, marks.delimiter, *b, marks.extract]


def _part(name: str, ids: Ids, longest: int) -> list[int]:
    if longest < 1:
        raise ValueError(f"n_ctx leaves room for {longest} tokens of {name}; it needs at least 1")
    if not len(ids):
        raise ValueError(f"{name} is empty: it has no tokens")
    return list(ids[:longest])


@dataclass(frozen=True)
class Example:
    """One labelled example, ready to be read: its rows, all of them ending in the extract token."""

    rows: Rows
    label: int | float
    lost: int = 0
    """So many tokens at the end of its texts stand in no row: the context has no room for them."""


def encode(
    rows: Iterable[Mapping[str, Any]],
    form: Form,
    tokenizer: Tokenizer,
    marks: Marks,
    n_ctx: int,
    part: int | None = None,
    n_out: int | None = None,
) -> list[Example]:
    """Labelled texts as examples.

    Args:
        rows: dicts with `text`, `label`, and `text_b` (entailment, similarity) or `choices`.
        form: which of the four inputs to build.
        tokenizer, marks: as `with_marks` returns them.
        n_ctx: the network's context, in tokens.
        part: see `entailment`.
        n_out: what labels must fit: the number of classes or of choices, 1 for scores. None takes
            the number of choices from the first example, and other labels as they are.

    Raises:
        KeyError: a row lacks a key.
        ValueError: a text is empty, a label is no number, no class or none of the choices; the
            message names the example, counted from 0.
    """
    examples: list[Example] = []
    for i, row in enumerate(rows):
        try:
            built, lost = _rows(row, form, tokenizer, marks, n_ctx, part)
            if form == "choice":
                n_out = n_out or len(built)
                if len(built) != n_out:
                    raise ValueError(f"choices has {len(built)} and needs {n_out}, like all others")
            examples.append(Example(built, _label(row["label"], n_out), lost))
        except KeyError as error:
            raise KeyError(f"example {i}: {error} is missing; it has {sorted(row)}") from None
        except ValueError as error:
            raise ValueError(f"example {i}: {error}") from None
    return examples


def _rows(
    row: Mapping[str, Any],
    form: Form,
    tokenizer: Tokenizer,
    marks: Marks,
    n_ctx: int,
    part: int | None,
) -> tuple[Rows, int]:
    """The rows of an example, and how many tokens the fullest of them leaves out."""
    text = _ids("text", row["text"], tokenizer)
    if form == "classification":
        rows, whole = classification(text, marks, n_ctx), [len(text) + 2]
    elif form == "choice":
        texts = row["choices"]
        if not isinstance(texts, list | tuple):
            raise ValueError(f"choices={texts!r} must be a list of texts")
        options = [_ids(f"choices[{i}]", option, tokenizer) for i, option in enumerate(texts)]
        rows = choice(text, options, marks, n_ctx, part)
        whole = [len(text) + len(option) + 3 for option in options]
    elif form in ("entailment", "similarity"):
        layout = entailment if form == "entailment" else similarity
        second = _ids("text_b", row["text_b"], tokenizer)
        rows = layout(text, second, marks, n_ctx, part)
        whole = [len(text) + len(second) + 3] * len(rows)
    else:
        raise ValueError(f"form={form!r} must be classification, entailment, similarity or choice")
    return rows, max(n - len(built) for n, built in zip(whole, rows, strict=True))


def n_cut(examples: Sequence[Example]) -> int:
    """How many of the examples are longer than there is room for."""
    return sum(example.lost > 0 for example in examples)


def cut_told(parts: Mapping[str, Sequence[Example]], n_ctx: int) -> str:
    """How many examples are cut because they are longer than the context; "" if none is.

    Args:
        parts: examples by the name of their part.
        n_ctx: the network's context, in tokens.
    """
    told = []
    for name, examples in parts.items():
        if n := n_cut(examples):
            told.append(f"{n:,} of {len(examples):,} {name}".strip())
    if not told:
        return ""
    most = max(example.lost for examples in parts.values() for example in examples)
    return (
        f"{', '.join(told)} examples are longer than the context of {n_ctx:,} tokens has room for: "
        f"the ends of their texts are cut and never read, up to {most:,} tokens"
    )


def _ids(name: str, text: Any, tokenizer: Tokenizer) -> list[int]:
    if not isinstance(text, str):
        raise ValueError(f"{name}={text!r} must be a text")
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"{name}={text!r} is empty: it has no tokens")
    return ids


def _label(label: Any, n_out: int | None) -> int | float:
    """A class or an index as an int, a score as a float."""
    if isinstance(label, bool) or not isinstance(label, int | float | np.number):
        raise ValueError(f"label={label!r} must be a number: a class, a score or an index")
    if not math.isfinite(label):
        raise ValueError(f"label={label} must be finite")
    if n_out is None or n_out == 1:
        number = label.item() if isinstance(label, np.number) else label
        return number if n_out is None else float(number)
    if label not in range(n_out):
        raise ValueError(f"label={label} must be one of 0 to {n_out - 1}")
    return int(label)


class Batch(NamedTuple):
    """B examples of R rows each, the rows of an example one after the other."""

    ids: Tensor
    """(B R, T) token ids, padded on the right."""
    labels: Tensor
    """(B,) classes or answers (int64), or scores (float32)."""
    at: Tensor
    """(B R,) position of the extract token in each row."""
    targets: Tensor
    """(B R, T) the token after each position; -100 at the extract token and behind it."""


def collate(examples: Sequence[Example], width: int | None = None) -> Batch:
    """Examples side by side, their rows padded to the longest, or to `width`.

    Raises:
        ValueError: there is no example, they have different numbers of rows, or a row is longer
            than `width`.
    """
    if not examples or len({len(example.rows) for example in examples}) > 1:
        counts = sorted({len(example.rows) for example in examples})
        raise ValueError(f"a batch needs examples with the same number of rows, got {counts}")
    rows = [row for example in examples for row in example.rows]
    longest = max(map(len, rows))
    if width is not None and width < longest:
        raise ValueError(f"width={width} must be at least {longest}, the length of a row")
    ids = np.full((len(rows), width or longest), PADDING, dtype=np.int64)
    targets = np.full_like(ids, NOT_SCORED)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        targets[i, : len(row) - 1] = row[1:]
    labels = np.array([example.label for example in examples])
    labels = labels.astype(np.int64 if np.issubdtype(labels.dtype, np.integer) else np.float32)
    at = np.array([len(row) - 1 for row in rows], dtype=np.int64)
    return Batch(*map(torch.from_numpy, (ids, labels, at, targets)))


class TaskBatches:
    """An endless iterator of `Batch`es; every epoch has an order of its own, drawn from the seed.

    A batch that an epoch cannot fill is filled from the next, as in `gptcore.text.streams.Batches`.

    Args:
        examples: what to learn from.
        batch_size: B, examples per batch.
        seed: decides the orders.

    Raises:
        ValueError: there is no example, or `batch_size` is less than 1.
    """

    def __init__(self, examples: Sequence[Example], batch_size: int, seed: int = 0) -> None:
        if batch_size < 1 or not examples:
            raise ValueError(
                f"batch_size={batch_size} must be at least 1, and examples={len(examples)} too"
            )
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.load_state_dict({"epoch": 0, "position": 0})

    def __iter__(self) -> TaskBatches:
        return self

    def __next__(self) -> Batch:
        chosen: list[int] = []
        while len(chosen) < self.batch_size:
            if self._position == len(self.examples):
                self.load_state_dict({"epoch": self._epoch + 1, "position": 0})
            stop = self._position + self.batch_size - len(chosen)
            more = self._order[self._position : stop].tolist()
            chosen += more
            self._position += len(more)
        return collate([self.examples[i] for i in chosen])

    def identity(self) -> dict[str, Any]:
        """What decides the batches, apart from the place in them."""
        content = json.dumps([[example.rows, example.label] for example in self.examples])
        digest = hashlib.sha256(content.encode()).hexdigest()
        return {"batch_size": self.batch_size, "seed": self.seed, "examples_sha256": digest}

    def state_dict(self) -> dict[str, int]:
        """The place in the data: the epoch, and how many of its examples were given."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place that `state_dict` of the same data returned."""
        self._epoch, self._position = state["epoch"], state["position"]
        self._order = np.random.default_rng([self.seed, self._epoch]).permutation(
            len(self.examples)
        )

"""Demonstrations and preferences as rows of token ids, and batches of rows of like length.

A row is one dialogue: nothing is packed, so no dialogue can see another, and positions count from
the beginning of each. What that would cost in padding, batches of rows of like length save.

    demonstration   its tokens; the targets are -100 but where a response is to be learned
    comparison      a row for each response, and which are better than which

Source: InstructGPT §3.5 and App. C (prompts longer than half the context are left out, responses
cut; all comparisons of a prompt are one element of a batch).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from gptcore.labelled.dialogues import MODEL, Comparison, Demonstration
from gptcore.text.dialogues import prompt_ids, response_ids, turn_ids
from gptcore.text.inputs import NOT_SCORED, PADDING
from gptcore.tokenizer import Tokenizer

NEAR = 16
"""So many batches are sorted by length among themselves."""


class Lesson(NamedTuple):
    """A demonstration, ready to be learned."""

    ids: tuple[int, ...]
    targets: tuple[int, ...]
    """The token after each; -100 where it is not scored."""


class Ranked(NamedTuple):
    """The responses to a prompt, ready to be compared."""

    rows: tuple[tuple[int, ...], ...]
    """Prompt and response, once for each response that is in a pair."""
    start: int
    """Tokens of the prompt."""
    pairs: tuple[tuple[int, int], ...]
    """Places of rows, the better first."""


Row = TypeVar("Row", Lesson, Ranked)


@dataclass
class Encoded(Generic[Row]):
    """Rows, and what became of those that are not among them."""

    rows: list[Row] = field(default_factory=list)
    dropped: int = 0
    """Prompts that are too long."""
    cut: int = 0
    """Responses that lost their end, and with it their stop token."""
    equal: int = 0
    """Pairs that are the same tokens, perhaps because both were cut."""
    empty: int = 0
    """Prompts without a pair that is left."""

    def told(self, name: str) -> str:
        """In one line what was left out; "" if nothing was."""
        found = [
            (self.dropped, "prompts are too long and left out"),
            (self.cut, "responses are cut to fit the context"),
            (self.equal, "pairs are equal, token by token, and left out"),
            (self.empty, "prompts have no pair that is left"),
        ]
        said = "; ".join(f"{n:,} {what}" for n, what in found if n)
        return f"{name}: {said}" if said else ""


def lessons(
    items: Iterable[Demonstration],
    tokenizer: Tokenizer,
    n_ctx: int,
    *,
    longest_prompt: int | None = None,
    mask_prompt: bool = True,
) -> Encoded[Lesson]:
    """Demonstrations as rows of which the responses are learned, stop tokens included.

    A response that is cut is learned as far as it goes, and no stop token stands at the cut.

    Args:
        items: demonstrations.
        tokenizer: with a stop token, see `dialogues.with_stop`.
        n_ctx: the network's context, in tokens.
        longest_prompt: in tokens; None: half the context.
        mask_prompt: False learns the prompt, too.
    """
    longest = n_ctx // 2 if longest_prompt is None else longest_prompt
    found: Encoded[Lesson] = Encoded()
    for item in items:
        turns = [("user", item.prompt)] if isinstance(item.prompt, str) else list(item.prompt)
        before = [(who == MODEL, turn_ids((who, text), tokenizer)) for who, text in turns]
        if sum(len(ids) for _, ids in before) > min(longest, n_ctx):
            found.dropped += 1
            continue
        pieces = [*before, (True, response_ids(item.response, tokenizer))]
        ids = [token for _, piece in pieces for token in piece]
        learned = [said or not mask_prompt for said, piece in pieces for _ in piece]
        found.cut += len(ids) > n_ctx + 1  # the last one is only a target
        targets = [t if use else NOT_SCORED for t, use in zip(ids, learned, strict=True)]
        found.rows.append(Lesson(tuple(ids[:-1][:n_ctx]), tuple(targets[1:][:n_ctx])))
    return found


def ranked(
    items: Iterable[Comparison],
    tokenizer: Tokenizer,
    n_ctx: int,
    *,
    longest_prompt: int | None = None,
    together: bool = True,
) -> Encoded[Ranked]:
    """Comparisons as rows; ties are no pairs, and pairs of equal rows are left out.

    Args:
        items: comparisons.
        tokenizer, n_ctx, longest_prompt: as in `lessons`.
        together: all pairs of a prompt are one element of a batch; False makes each one its own.
    """
    longest = n_ctx // 2 if longest_prompt is None else longest_prompt
    found: Encoded[Ranked] = Encoded()
    for item in items:
        start = prompt_ids(item.prompt, tokenizer)
        if len(start) > min(longest, n_ctx - 1):
            found.dropped += 1
            continue
        whole = [[*start, *response_ids(text, tokenizer)] for text in item.responses]
        found.cut += sum(len(row) > n_ctx for row in whole)
        rows = [tuple(row[:n_ctx]) for row in whole]
        pairs = [(i, j) for i, j in item.pairs() if rows[i] != rows[j]]
        found.equal += len(item.pairs()) - len(pairs)
        found.empty += not pairs
        for group in [pairs] if together and pairs else [[pair] for pair in pairs]:
            used = sorted({i for pair in group for i in pair})
            places = tuple((used.index(i), used.index(j)) for i, j in group)
            found.rows.append(Ranked(tuple(rows[i] for i in used), len(start), places))
    return found


def padded(rows: Sequence[Sequence[int]], filler: int = PADDING) -> Tensor:
    """Rows side by side, filled up on the right: (N, T)."""
    ids = np.full((len(rows), max(map(len, rows))), filler, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return torch.from_numpy(ids)


def of_lessons(rows: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
    """A batch for `GPT.summed_loss`: ids and targets, (B, T) both."""
    targets = padded([row.targets for row in rows], NOT_SCORED)
    return padded([row.ids for row in rows]), targets


def of_ranked(items: Sequence[Ranked]) -> tuple[Tensor, ...]:
    """A batch for `RewardModel.summed_loss`: ids, at, better, worse and weights."""
    rows = [row for item in items for row in item.rows]
    first = np.cumsum([0, *(len(item.rows) for item in items)])
    pairs = [
        (first[n] + i, first[n] + j, 1 / len(item.pairs))
        for n, item in enumerate(items)
        for i, j in item.pairs
    ]
    better, worse, weights = zip(*pairs, strict=True)
    at = torch.tensor([len(row) - 1 for row in rows])
    return (
        padded(rows),
        at,
        torch.tensor(np.array(better)),
        torch.tensor(np.array(worse)),
        torch.tensor(weights),
    )


class RowBatches(Generic[Row]):
    """An endless iterator of batches; each epoch gives every row once, in an order of its own.

    Rows of like length stand together: some batches' worth are drawn, sorted and cut into batches,
    which come in any order. The last batch of an epoch may be smaller.

    Args:
        rows: what to learn from.
        batch_size: rows, or prompts, per batch.
        collate: makes a batch of them.
        seed: decides the orders.

    Raises:
        ValueError: there is no row, or `batch_size` is less than 1.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        batch_size: int,
        collate: Callable[[Sequence[Row]], tuple[Tensor, ...]],
        seed: int = 0,
    ) -> None:
        if batch_size < 1 or not rows:
            raise ValueError(f"batch_size={batch_size} must be at least 1, rows={len(rows)} too")
        self.rows, self.batch_size, self.collate, self.seed = rows, batch_size, collate, seed
        self._lengths = np.array([_length(row) for row in rows])
        self.load_state_dict({"epoch": 0, "position": 0})

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> RowBatches[Row]:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        if self._position == len(self):
            self.load_state_dict({"epoch": self._epoch + 1, "position": 0})
        chosen = self._order[self._position]
        self._position += 1
        return self.collate([self.rows[i] for i in chosen])

    def identity(self) -> dict[str, Any]:
        """What decides the batches, apart from the place in them."""
        digest = hashlib.sha256(repr(list(self.rows)).encode()).hexdigest()
        return {"batch_size": self.batch_size, "seed": self.seed, "rows_sha256": digest}

    def state_dict(self) -> dict[str, int]:
        """The place in the data: the epoch, and how many of its batches were given."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place that `state_dict` of the same data returned."""
        self._epoch, self._position = state["epoch"], state["position"]
        draw = np.random.default_rng([self.seed, self._epoch])
        order, size = draw.permutation(len(self.rows)), self.batch_size
        near = [order[i : i + NEAR * size] for i in range(0, len(order), NEAR * size)]
        near = [part[np.argsort(self._lengths[part], kind="stable")] for part in near]
        batches = [part[i : i + size] for part in near for i in range(0, len(part), size)]
        self._order = [batches[i].tolist() for i in draw.permutation(len(batches))]


def _length(row: Lesson | Ranked) -> int:
    return len(row.ids) if isinstance(row, Lesson) else max(map(len, row.rows))

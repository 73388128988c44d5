"""Streams of tales, with as many natural demonstrations of tasks in them as one likes.

Source: the dial stands for GPT-2 §2.1, which finds demonstrations of translation in web text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gptcore.tales.corpus import Tale, known_settings, tale
from gptcore.tales.questions import demonstrate
from gptcore.tales.rng import mix


def tales(
    n: int,
    seed: int = 0,
    start: int = 0,
    settings: Collection[str] | None = None,
    demonstrations: float = 0.0,
) -> Iterator[Tale]:
    """Yield n tales.

    Args:
        start: index of the first; `split("valid").start` for held-out tales.
        settings: draw from these settings only; None for all.
        demonstrations: share of the tales whose text goes on with a task done by the way: a
            question and its answer, a summary, a statement judged.

    Raises: ValueError when n < 0, demonstrations is no share, or a setting does not exist.
    """
    if n < 0:
        raise ValueError(f"n={n} must not be negative")
    if not 0 <= demonstrations <= 1:
        raise ValueError(f"demonstrations={demonstrations} must lie between 0 and 1")
    return _stream(range(start, start + n), seed, known_settings(settings), demonstrations)


def _stream(indices: range, seed: int, settings: Sequence[str], share: float) -> Iterator[Tale]:
    for index in indices:
        told = tale(seed, index, settings)
        # A number of its own per tale: turning the dial up only adds demonstrations.
        chosen = share > 0 and mix(seed, index, 13) / 2**64 < share
        yield demonstrate(told, mix(seed, index, 11)) if chosen else told

"""Pages of tales with an answer after each, and nothing that says what was asked.

    Lena lived in a mill ... In the end she was proud.

    Answer: Proud.

    Tom lived on an island ... Tom was sad about it.

    Answer:

Where does the tale take place, or how does its hero feel? The tale alone does not say; the answers
before it do. Two other corpora of the same tales and answers take that away: one asks something
else after every tale of a page, one has every tale and its answer on a page of their own.

Source: GPT-3 §1.1 (tasks in one sequence as the inner loop of meta-learning); parallel structures
after Chen et al. 2024, "Parallel Structures in Pre-training Data Yield In-Context Learning".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from gptcore.tales.corpus import split, tale
from gptcore.tales.lines import HELD_OUT, TASKS, Lines, by_turns, check_dials, lines, prompt
from gptcore.tales.rng import Rng, mix

Layout = Literal["same", "mixed", "apart"]
"""Of a page: one question for all its tales; one for each; every tale a document of its own."""
PER_PAGE = 4
BREAK = "\n\n"


def documents(
    n: int, share: float, *, layout: Layout = "same", seed: int = 0, part: str = "train"
) -> Iterator[str]:
    """Yield documents that hold n pages' worth of tales, some with an answer after each tale.

    All corpora of a seed hold the same tales in the same order; a larger share turns more of them
    into pages. No tale is about a hero whose name is in `lines.HELD_OUT`.

    Args:
        n: pages; each is of `PER_PAGE` tales, a document if they are answered, else one for each.
        share: of the pages that are answered, 0 to 1.
        layout: one of `Layout`.
        seed: of the tales.
        part: "train", or "valid" for documents that no training reads.

    Raises:
        ValueError: share is no share, n is negative, or there is no such layout.
    """
    check_dials(n, share)
    if layout not in get_args(Layout):
        raise ValueError(f"layout={layout!r} must be one of {', '.join(get_args(Layout))}")
    return _documents(n, share, layout, seed, part)


def _documents(n: int, share: float, layout: Layout, seed: int, part: str) -> Iterator[str]:
    told = _told(seed, part)
    for number in range(n):
        tales = [next(told) for _ in range(PER_PAGE)]
        if mix(seed, number, 67) / 2**64 >= share:
            yield from (one.text for one in tales)
            continue
        rng = Rng(seed, number, 71)
        same = rng.pick(TASKS)
        tasks = [same if layout == "same" else rng.pick(TASKS) for _ in tales]
        shown = [answered(*one) for one in zip(tales, tasks, strict=True)]
        yield from shown if layout == "apart" else [BREAK.join(shown)]


def _told(seed: int, part: str) -> Iterator[Lines]:
    for index in split(part):
        told = lines(tale(seed, index))
        if told and told.name not in HELD_OUT:
            yield told


def answered(told: Lines, task: str) -> str:
    """A tale as it stands on a page: its two lines and the answer to one question."""
    return f"{prompt(told, task, 'answer')} {told.asked[TASKS.index(task)].answer}"


def shown(task: str, n: int, *, seed: int = 1) -> list[Lines]:
    """Tales that demonstrations are drawn from: of the training part, each answer equally often.

    Args:
        task: one of `lines.TASKS`.
        n: how many.
        seed: of the tales; other ones than `documents` tells by default.
    """
    return by_turns(task, n, _told(seed, "train"))

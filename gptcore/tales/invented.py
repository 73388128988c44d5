"""Tales in two lines about heroes whose names were made up for them, or are those of all tales.

A name of the lexicon can be known; one that was invented for a single tale can only be read, and
copied when it comes again.

Source: meanings redrawn for each sequence as in Chan et al. 2022, "Data Distributional Properties
Drive Emergent In-Context Learning in Transformers".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from gptcore.tales import lexicon
from gptcore.tales.corpus import split, tale
from gptcore.tales.lines import HELD_OUT, Lines, check_dials, lines
from gptcore.tales.rng import Rng, mix

Names = Literal["known", "unread", "invented"]
"""Of the lexicon and in documents; of it and in none (`lines.HELD_OUT`); made up."""
KNOWN = frozenset(name for names in lexicon.NAMES.values() for name in names)
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


class Named(NamedTuple):
    """Two lines that name their hero at least twice."""

    text: str
    name: str


def invented(rng: Rng) -> str:
    """A name of two syllables, such as Dolmik, that the lexicon does not have.

    There are nearly a million.
    """
    while True:
        first, second = (
            rng.pick(CONSONANTS) + rng.pick(VOWELS) + rng.pick(CONSONANTS) for _ in range(2)
        )
        name = (first + second).capitalize()
        if name not in KNOWN:
            return name


def renamed(told: Lines, name: str) -> Named:
    """The two lines with another name for their hero."""
    return Named(re.sub(rf"\b{re.escape(told.name)}\b", name, told.text), name)


def documents(n: int, share: float, *, seed: int = 0, part: str = "train") -> Iterator[str]:
    """Yield n documents, two lines each, that name their hero at least twice.

    All corpora of a seed hold the same tales; a larger share renames more of the heroes. None is
    called by a name in `HELD_OUT`.

    Args:
        n: how many.
        share: of the documents whose hero has an invented name, 0 to 1.
        seed: of the tales and names.
        part: "train", or "valid" for documents that no training reads.

    Raises:
        ValueError: share is no share, n is negative.
    """
    check_dials(n, share)
    return _documents(n, share, seed, part)


def _documents(n: int, share: float, seed: int, part: str) -> Iterator[str]:
    for index, told in _twice(seed, part):
        if n == 0:
            return
        if told.name not in HELD_OUT:
            n -= 1
            own = mix(seed, index, 79) / 2**64 < share
            yield renamed(told, invented(Rng(seed, index, 83))).text if own else told.text


def _twice(seed: int, part: str) -> Iterator[tuple[int, Lines]]:
    for index in split(part):
        told = lines(tale(seed, index))
        if told and len(re.findall(rf"\b{re.escape(told.name)}\b", told.text)) > 1:
            yield index, told


def named(kind: Names, n: int, *, seed: int = 0, part: str = "test") -> list[Named]:
    """Tales whose heroes have names of one kind.

    Args:
        kind: one of `Names`.
        n: how many.
        seed, part: which tales; "valid" to choose by, "test" to report on.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in get_args(Names):
        raise ValueError(f"kind={kind!r} must be one of {', '.join(get_args(Names))}")
    found: list[Named] = []
    for index, told in _twice(seed, part):
        if len(found) == n:
            break
        if kind == "invented":
            found.append(renamed(told, invented(Rng(seed, index, 83))))
        elif (told.name in HELD_OUT) == (kind == "unread"):
            found.append(Named(told.text, told.name))
    return found

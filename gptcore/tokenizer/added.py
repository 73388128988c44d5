"""Tokens that no merge makes: how they are found in a text before it is cut into words.

A special token marks something, the end of a text or of a turn; it is read in a text only where
the caller allows it. An added token that is not special is read wherever it stands. Each may have
manners of its own: it eats the white space on one side, or counts only as a whole word.

Source: the `tokenizers` library, `added_vocabulary.rs` (`find_matches`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import regex

ENDS_IN_WORD = regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]\Z")
BEGINS_WITH_WORD = regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]")
SPACE_BEFORE = regex.compile(r"\p{White_Space}*\Z")
SPACE_AFTER = regex.compile(r"\p{White_Space}*")
Piece = tuple[str, str | None]
"""Ordinary text and None, or the text that a token took and the token."""


class Added(NamedTuple):
    """The manners of a token that no merge makes; as they stand, those of a special token."""

    special: bool = True
    """Read only where it is allowed. Otherwise everywhere."""
    single_word: bool = False
    """Not inside a word."""
    lstrip: bool = False
    """With all white space before it."""
    rstrip: bool = False
    """With all white space after it."""
    normalized: bool = False
    """Looked for after the others, in what they leave (and after the normalizer, if any)."""


def added_of(entry: dict[str, Any]) -> Added:
    """The manners that a file states for a token."""
    return Added(**{name: bool(entry.get(name, name == "special")) for name in Added._fields})


def checked_added(
    added: Mapping[str, Added], vocab: Mapping[str, int], specials: Mapping[str, int], kind: str
) -> dict[str, Added]:
    """The manners that are not simply those of a special token, after a check of each."""
    for token, manners in added.items():
        if token not in vocab and token not in specials:
            raise ValueError(f"added has {token!r}, which must be a token of vocab or specials")
        if kind == "word" and manners.normalized:
            raise ValueError(
                f"added token {token!r}: normalized=True must be False for kind='word': gptcore "
                "does not look for tokens in text that was put into lower case"
            )
    return {t: m for t, m in added.items() if t in vocab or m != Added()}


def names_to_find(
    allow_special: bool | set[str], specials: Mapping[str, int], added: Mapping[str, Added]
) -> frozenset[str]:
    """The tokens to look for in a text: those that are allowed, and those that are always read."""
    always = frozenset(token for token, manners in added.items() if not manners.special)
    if isinstance(allow_special, bool):
        return always.union(specials, added) if allow_special else always
    if isinstance(allow_special, str):
        raise TypeError(f"allow_special={allow_special!r} must be a bool or a set of str")
    unknown = set(allow_special) - specials.keys() - added.keys()
    if unknown:
        raise ValueError(
            f"allow_special has {sorted(unknown)}, which must be among {list(specials)}"
        )
    return always.union(allow_special)


def finder(names: Iterable[str], added: Mapping[str, Added]) -> Callable[[str], list[Piece]]:
    """A function that cuts a text at tokens; the earliest wins, of these the longest.

    With "<b>" alone, "a<b>c" gives `[("a", None), ("<b>", "<b>"), ("c", None)]`.

    Args:
        names: the tokens to find.
        added: token -> its manners; those of a special one where it is absent.
    """
    manners = {name: added.get(name, Added()) for name in names}
    rounds = [
        (regex.compile("|".join(map(regex.escape, sorted(found, key=len, reverse=True)))), found)
        for late in (False, True)
        if (found := {n: m for n, m in manners.items() if m.normalized is late})
    ]

    def find(text: str) -> list[Piece]:
        pieces: list[Piece] = [(text, None)]
        for pattern, wanted in rounds:
            cut = ([(p, t)] if t else _cut(p, pattern, wanted) for p, t in pieces)
            pieces = [piece for some in cut for piece in some]
        return pieces

    return find


def _cut(text: str, pattern: regex.Pattern, manners: Mapping[str, Added]) -> Iterator[Piece]:
    """The pieces of one text by one round of tokens; none is empty."""
    begin = 0  # of what is not given yet
    for match in pattern.finditer(text):
        start, end = match.span()
        one = manners[match[0]]
        if one.single_word and (
            ENDS_IN_WORD.search(text, max(start - 1, 0), start) or BEGINS_WITH_WORD.match(text, end)
        ):
            continue
        if one.lstrip:
            start = max(SPACE_BEFORE.search(text, begin, max(start, begin)).start(), begin)
        if one.rstrip:
            end = SPACE_AFTER.match(text, end).end()
        if begin < start:
            yield text[begin:start], None
        if start < end:  # not where the token before has eaten all its white space
            yield text[start:end], match[0]
        begin = end
    if begin < len(text):
        yield text[begin:], None

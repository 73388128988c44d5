"""Ids become text piece by piece, up to where the text ends: a token, or words it must not pass.

Source: none.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

END_OF_TEXT = "<|endoftext|>"
Stop = str | int | Sequence[str | int] | None


@dataclass(frozen=True)
class Stops:
    """What ends a text; neither is part of it."""

    ids: frozenset[int]
    texts: tuple[str, ...]


def stops(tokenizer: Tokenizer, stop: Stop) -> Stops:
    """What `stop` means to a tokenizer: the ids of special tokens, and plain text.

    Where plain text is given, the end of text ends a text as well.

    Args:
        stop: as in `generate`.

    Raises:
        TypeError, ValueError: not a str, an int or several of them; an empty text; an id that the
            tokenizer does not have; or a name in the form of a special token that is none.
    """
    alone = isinstance(stop, str | bytes | Integral)
    given = () if stop is None else (stop,) if alone else tuple(stop)
    ids, texts = set(), []
    for one in given:
        if isinstance(one, bool) or not isinstance(one, str | Integral):
            raise TypeError(f"stop={one!r} must be a text, a token id, or several of them")
        if one == END_OF_TEXT:  # the default: whatever ends a text here
            ids |= set(tokenizer.ends.values())
        elif isinstance(one, Integral):
            if not 0 <= one < tokenizer.vocab_size:
                raise ValueError(f"stop={one} must be a token id in [0, {tokenizer.vocab_size})")
            ids.add(int(one))
        elif one in tokenizer.specials:
            ids.add(tokenizer.specials[one])
        elif re.fullmatch(r"<\|.*\|>", one):
            known = ", ".join(tokenizer.specials) or "none"
            raise ValueError(f"stop={one!r} must be one of the special tokens: {known}")
        elif not one:
            raise ValueError("stop='' would end every text before it begins: name some text")
        else:
            texts.append(one)
    if texts:
        ids |= set(tokenizer.ends.values())
    return Stops(frozenset(ids), tuple(texts))


class Writer:
    """The new text of one row, handed out as soon as it is certain.

    A piece never ends inside a character, nor in what may become a text that ends it all.

    Args:
        tokenizer: of the ids.
        prompt: the ids before the new ones.
        stop: what ends the text.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: list[int], stop: Stops) -> None:
        self.done = False
        """Whether the text has ended."""
        self._complete = _text_so_far(tokenizer, prompt)
        self._stop = stop
        self._held = ""

    def take(self, token: int) -> str:
        """The next id; returns the text that is certain with it, perhaps none."""
        if self.done:
            return ""
        if token in self._stop.ids:
            return self.end()
        return self._certain(self._complete(token))

    def end(self) -> str:
        """No id follows; returns what was held back."""
        if self.done:
            return ""
        piece = self._certain(self._complete(None))
        rest, self._held = self._held, ""
        self.done = True
        return piece + rest

    def _certain(self, piece: str) -> str:
        """The text that no stop can reach any more; a stop in it ends it before the first one."""
        text = self._held + piece
        found = [at for stop in self._stop.texts if (at := text.find(stop)) >= 0]
        if found:
            self.done, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop.texts), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


def _text_so_far(tokenizer: Tokenizer, prompt: list[int]) -> Callable[[int | None], str]:
    """A function that takes the next id, or None at the end, and returns the text it completes."""
    if tokenizer.kind == "byte":
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def complete(token: int | None) -> str:
            if token is None:
                return decoder.decode(b"", final=True)
            return decoder.decode(tokenizer.decode_bytes([token]))

        return complete
    # Word level: whether a space follows a token shows only when the next one is known, so the
    # new text is what the whole text has beyond what was handed out.
    ids = list(prompt)
    told = tokenizer.decode(ids)

    def complete_word(token: int | None) -> str:
        nonlocal told
        if token is None:
            return ""
        ids.append(token)
        text = tokenizer.decode(ids)
        piece = text[len(told) :]
        told = text
        return piece

    return complete_word

"""Vocabularies for a page: all that its script needs to give the package's ids, without a kernel.

The script is `tokens.js` beside this file; explorers that encode what their reader types share it.
What decides the ids comes from here: the merges as numbers, the patterns of `tokenizer.words`, and
the Unicode tables of this Python, because those of a browser are older or newer. The ids are those
of `Tokenizer.encode`; for GPT-1 those of the splitter "plain", since ftfy and spaCy do not run in a
page.

Source: ours; the tokenizers are those of GPT-1 §4.1 and GPT-2 §2.2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import regex

from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.vocabulary import SPLITTERS, WordIds, base_tokens, merge_tables, speller
from gptcore.tokenizer.words import (
    BYTE_ORDER,
    GPT2_PATTERN,
    PLAIN_PATTERN,
    STANDARD_FORMS,
    STRAIGHT_QUOTES,
)

__all__ = ["Vocabulary", "every_character", "pack", "rules"]

Vocabulary = Tokenizer | Literal["characters", "bytes"]


@cache
def every_character() -> str:
    """All code points of Unicode in order, lone surrogates included: a megabyte or four."""
    return "".join(map(chr, range(0x110000)))


def pack(name: str, vocabulary: Vocabulary) -> tuple[dict[str, Any], Callable[[str], list[int]]]:
    """A vocabulary as the page reads it, and what gives the ids of the page in Python.

    A symbol is a number, as in `tokenizer.bpe`: the base symbols, then one for each merge. Merges
    are pairs of symbols, little-endian. Ids are runs [symbol, id]: from that symbol on they count
    up from that id. GPT-2 needs one run, GPT-1 three, because its newline has the last id.

    Raises:
        ValueError: `vocabulary` is neither a Tokenizer nor one of the two names.
    """
    if vocabulary == "characters":
        return {"name": name, "kind": "characters", "size": 0x110000}, lambda s: [*map(ord, s)]
    if vocabulary == "bytes":
        entry = {"name": name, "kind": "byte", "size": 256, "base": list(range(256))}
        return entry | {"ids": [[0, 0]], "merges": b"", "width": 2}, lambda s: [*s.encode()]
    if not isinstance(vocabulary, Tokenizer):
        raise ValueError(f"{name}={vocabulary!r} must be a Tokenizer, 'characters' or 'bytes'")
    kind, size, specials = vocabulary.kind, vocabulary.vocab_size, vocabulary.specials
    vocab = {token: i for i in range(size) if (token := vocabulary.token_str(i)) not in specials}
    base = base_tokens(vocab, vocabulary.merges, kind)
    if vocabulary.added or not vocab.keys() >= set(base):
        raise ValueError(
            f"{name} has added tokens, or bytes without a token: no page can encode with it"
        )
    product, parts, by_symbol = merge_tables(base, vocabulary.merges, vocab)
    numbers = np.fromiter(map(ord, "".join(product)), np.uint32, 2 * len(product))
    width, ids = 2 if len(by_symbol) <= 1 << 16 else 4, list(by_symbol.values())
    entry = {
        "name": name,
        "kind": kind,
        "splitter": vocabulary.splitter,
        "size": size,
        "base": list(BYTE_ORDER) if kind == "byte" else base,
        "ids": [[s, i] for s, i in enumerate(ids) if s == 0 or i != ids[s - 1] + 1],
        "merges": numbers.astype(f"<u{width}").tobytes(),
        "width": width,
    }
    words = WordIds(speller(kind, base), product, parts, by_symbol)
    split = SPLITTERS[kind]["gpt2" if kind == "byte" else "plain"]
    return entry, lambda text: [i for word in split(text) for i in words[word]]


# ------------------------------------------------------------------ rules of this Python


@cache
def rules(words: bool) -> dict[str, Any]:
    """Patterns and Unicode tables: GPT-2's, and with `words` those of GPT-1's words too.

    Classes are lists [gap, length, gap, length, ...] over the code points.
    """
    found: dict[str, Any] = {"patterns": {"byte": GPT2_PATTERN}, "classes": {}}
    wanted = {"L": r"\p{L}+", "N": r"\p{N}+", "s": r"\s+"}
    if words:
        wanted["M"] = r"\p{M}+"
        found["patterns"]["word"] = PLAIN_PATTERN
        found["forms"] = [list(form) for form in STANDARD_FORMS + STRAIGHT_QUOTES]
        changed = [char for char in every_character() if char.lower() != char and char != "Σ"]
        found["upper"] = "".join(changed) + "Σ"
        found["lower"] = [*(char.lower() for char in changed), "σ"]
        found["classes"]["space"] = _runs(re.finditer(r"\s+", every_character()))
        found["classes"] |= _around_sigma()
    for name, pattern in wanted.items():
        found["classes"][name] = _runs(regex.finditer(pattern, every_character()))
    return found


def _runs(matches: Any) -> list[int]:
    """Gaps and lengths of the places where a pattern matches."""
    runs, end = [], 0
    for match in matches:
        runs += [match.start() - end, match.end() - match.start()]
        end = match.end()
    return runs


def _around_sigma() -> dict[str, list[int]]:
    """What `str.lower` takes for letters with case, and what it looks through, around a Σ.

    Σ becomes ς behind a letter with case and before none (Unicode 3.13, Final_Sigma). Which are
    which is found by asking: "cΣ" shows the first, "AcΣ" either.
    """

    marks = ["."] * len(every_character())
    for point, char in enumerate(every_character()):
        if unicodedata.category(char) in ("Cn", "Co", "Cs"):
            continue
        if f"{char}Σ".lower()[-1] == "ς":
            marks[point] = "c"
        elif f"A{char}Σ".lower()[-1] == "ς":
            marks[point] = "i"
    return {
        "cased": _runs(re.finditer("c+", "".join(marks))),
        "ignorable": _runs(re.finditer("i+", "".join(marks))),
    }

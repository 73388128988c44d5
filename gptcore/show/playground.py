"""The tokenizer playground: any text, cut by several vocabularies side by side, merge by merge.

Everything runs in the page (`static/playground.js`), without a kernel. What decides the ids comes
from here: the merges as numbers, the patterns of `gptcore.words`, and the Unicode tables of this
Python, because those of a browser are older or newer. The ids are those of `Tokenizer.encode`;
for GPT-1 those of the splitter "plain", since ftfy and spaCy do not run in a page.

Source: ours; the tokenizers are those of GPT-1 §4.1 and GPT-2 §2.2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
import regex
import traitlets

from gptcore.show.widgets import Explorer
from gptcore.tokenizer import Tokenizer
from gptcore.vocabulary import SPLITTERS, WordIds, base_tokens, merge_tables, speller
from gptcore.words import (
    BYTE_ORDER,
    GPT2_PATTERN,
    PLAIN_PATTERN,
    STANDARD_FORMS,
    STRAIGHT_QUOTES,
    without_lone_surrogates,
)

__all__ = ["EXAMPLES", "TokenizerPlayground"]

Vocabulary = Tokenizer | Literal["characters", "bytes"] | None

EXAMPLES = {
    "English": "The cat found a golden key under the old bridge. She couldn't believe it!",
    "Chinese": "小猫在老桥下找到了一把金钥匙。她简直不敢相信！",
    "Hindi": "बिल्ली को पुराने पुल के नीचे सोने की चाबी मिली। उसे विश्वास नहीं हुआ!",
    "Arabic": "وجدت القطة مفتاحًا ذهبيًا تحت الجسر القديم. لم تصدّق ذلك!",
    "Emoji": "👩‍👩‍👧‍👦 👍🏽 🇮🇳 ❤️ café cafe\u0301",
    "Python": "def area(width, height):\n    # in square metres\n    return width * height\n",
    "Numbers": "7 + 35 = 42, 1999 + 1 = 2000, 123456789 and 3.14159, 1,000,000 or 1000000",
    "White space": "one two  three   four\n\n\tfive \n        six ",
}
"""Texts to start from: name -> text. The first four say the same."""


@cache
def every_character() -> str:
    """All code points of Unicode in order, lone surrogates included: a megabyte or four."""
    return "".join(map(chr, range(0x110000)))


class TokenizerPlayground(Explorer):
    """A text box, and below it a lane for each vocabulary with its tokens, ids, cost and merges.

    Args:
        vocabularies: name -> a Tokenizer, "characters" (ids are code points), "bytes" (ids are
            byte values), or None for one whose files are not here, which the page then says.
        text: what stands in the text box at first.
        examples: name -> text, to choose from.

    Raises:
        ValueError: no vocabulary is given, or one is none of the above.
    """

    script = "playground"
    text = traitlets.Unicode().tag(sync=True)
    examples = traitlets.Dict().tag(sync=True)
    vocabularies = traitlets.List().tag(sync=True)
    missing = traitlets.List().tag(sync=True)
    rules = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        vocabularies: Mapping[str, Vocabulary],
        text: str = EXAMPLES["English"],
        examples: Mapping[str, str] = EXAMPLES,
    ) -> None:
        text, packed, counts = without_lone_surrogates(text), [], []
        for name, vocabulary in vocabularies.items():
            if vocabulary is not None:
                entry, n_tokens = pack(name, vocabulary, text)
                packed.append(entry)
                counts.append(f"{name} {n_tokens:,}")
        if not packed:
            raise ValueError(f"vocabularies={dict(vocabularies)!r} must hold at least one")
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        super().__init__(
            alt=f"Tokenizer playground. Tokens of “{shown}”: {', '.join(counts)}.",
            text=text,
            examples=dict(examples),
            vocabularies=packed,
            missing=[name for name, vocabulary in vocabularies.items() if vocabulary is None],
            rules=rules(any(entry["kind"] == "word" for entry in packed)),
        )


def pack(name: str, vocabulary: Vocabulary, text: str) -> tuple[dict[str, Any], int]:
    """A vocabulary as the page reads it, and the number of tokens of a text.

    A symbol is a number, as in `gptcore.bpe`: the base symbols, then one for each merge. Merges
    are pairs of symbols, little-endian. Ids are runs [symbol, id]: from that symbol on they count
    up from that id. GPT-2 needs one run, GPT-1 three, because its newline has the last id.

    Raises:
        ValueError: `vocabulary` is neither a Tokenizer nor one of the two names.
    """
    if vocabulary == "characters":
        return {"name": name, "kind": "characters", "size": 0x110000}, len(text)
    if vocabulary == "bytes":
        entry = {"name": name, "kind": "byte", "size": 256, "base": list(range(256))}
        return entry | {"ids": [[0, 0]], "merges": b"", "width": 2}, len(text.encode())
    if not isinstance(vocabulary, Tokenizer):
        raise ValueError(f"{name}={vocabulary!r} must be a Tokenizer, 'characters' or 'bytes'")
    kind, size, specials = vocabulary.kind, vocabulary.vocab_size, vocabulary.specials
    vocab = {token: i for i in range(size) if (token := vocabulary.token_str(i)) not in specials}
    base = base_tokens(vocab, vocabulary.merges, kind)
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
    n_tokens = sum(len(words[word]) for word in split(text))
    return entry, n_tokens


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

"""How text becomes words before byte-pair encoding, and words become base symbols: two ways.

GPT-2 cuts text with one pattern and writes every word as UTF-8 bytes: nothing is lost, nothing is
unknown. GPT-1 repairs the text, lets spaCy find the words, lower-cases them, writes them as
characters and marks the last one with `</w>`: spaces, case and rare characters are lost.

Source: GPT-2 §2.2 and its `encoder.py`; GPT-1 §4.1 and its `text_utils.py`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain

import regex

from gptcore.extras import how_to_install


def without_lone_surrogates(text: str) -> str:
    """Replace what is no Unicode text, half a surrogate pair, by "�", as tiktoken does."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


# ------------------------------------------------------------------ GPT-2: words of bytes

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""GPT-2's words: English endings; letters, digits or signs with one space before; white space."""

PRINTABLE_BYTES = [*range(33, 127), *range(161, 173), *range(174, 256)]
"""Bytes that Latin-1 shows as a visible character."""

OTHER_BYTES = [byte for byte in range(256) if byte not in PRINTABLE_BYTES]

BYTE_ORDER = bytes(PRINTABLE_BYTES + OTHER_BYTES)
"""The byte of each base symbol: symbol 0 is "!", symbol 220 is the space."""

BYTE_TO_SYMBOL = bytes(BYTE_ORDER.index(byte) for byte in range(256))
"""The same the other way round, as a table for `bytes.translate`."""

BYTE_CHARS = [chr(b) for b in PRINTABLE_BYTES] + [chr(256 + i) for i in range(len(OTHER_BYTES))]
"""The visible character that files print for each base symbol: Ġ for the space, Ċ for newline."""

CHUNK = 1 << 20
"""Characters that are cut into words at a time, so that a long text needs little memory."""


def byte_words(text: str) -> Iterator[str]:
    """Cut text into GPT-2's words; joined, they are the text again.

    `list(byte_words("We'll see  it"))` is `["We", "'ll", " see", " ", " it"]`. What is a letter
    is decided by the Unicode tables of the `regex` module; other libraries may know fewer.
    """
    find = regex.compile(GPT2_PATTERN).findall
    return chain.from_iterable(map(find, chunks(text)))


def chunks(text: str, size: int = CHUNK) -> Iterator[str]:
    """Cut text every `size` characters or a little later, where no word of the pattern is cut.

    Such a place is between a visible character and the white space after it:
    `list(chunks("one two three", size=2))` is `["one", " two", " three"]`.
    """
    border = regex.compile(r"\S(?=\s)")
    start = 0
    while len(text) - start > size:
        found = border.search(text, start + size - 1)
        if found is None:
            break
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]


def byte_symbols(word: str) -> str:
    """Write a word as base symbols, a character for each UTF-8 byte: "!" becomes "\\0"."""
    return word.encode().translate(BYTE_TO_SYMBOL).decode("latin-1")


# ------------------------------------------------------------------ GPT-1: words of characters

END_OF_WORD = "</w>"
UNKNOWN = "<unk>"
NEWLINE = "\n" + END_OF_WORD

STANDARD_FORMS = (("—", "-"), ("–", "-"), ("―", "-"), ("…", "..."), ("´", "'"))
"""Signs that GPT-1 rewrites before anything else: three dashes, the ellipsis, the acute accent."""

STRAIGHT_QUOTES = (("‘", "'"), ("’", "'"), ("“", '"'), ("”", '"'))
"""Signs that ftfy rewrites too; `plain_words` does so itself."""

SPACED_RUNS = re.compile(
    r"""(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|\\+|\/+|\*+|\[+|\]+|}+|{+|\|+|_+)"""
)

PLAIN_PATTERN = (
    r"\n"
    r"|(?:mr|mrs|ms|dr|st|jr|sr|prof|rev|gen|col|capt|lt|sgt|gov|vs|etc|e\.g|i\.e|[ap]\.m)\."
    r"(?![\p{L}\p{N}])"
    r"|(?:\p{L}\.)+(?![\p{L}\p{N}])"
    r"|\p{L}+?(?=n't(?!\p{L}))|n't(?!\p{L})|can(?=not(?!\p{L}))"
    r"|'(?:s|re|ve|ll|d|m|em)(?!\p{L})"
    r"|\p{N}+(?:[.:]\p{N}+)*(?![\p{L}\p{M}\p{N}])"
    r"|[\p{L}\p{M}\p{N}]+(?:[.&=][\p{L}\p{M}\p{N}]+|'(?!(?:s|re|ve|ll|d|m)(?!\p{L}))\p{L}+)*"
    r"|\.\.+|-+|~+|[^\s]"
)
"""Lower-case English words, much as spaCy finds them: titles and initials with their dot, n't and
'll apart from the verb, numbers, words with inner dots and apostrophes, dots, dashes, one sign."""


def standardize(text: str) -> str:
    """Put spaces around punctuation and single spaces around newlines, as GPT-1 does for spaCy.

    `standardize("Well—yes!\\n\\nNo")` is `"Well - yes ! \\n No"`.
    """
    for old, new in STANDARD_FORMS:
        text = text.replace(old, new)
    text = SPACED_RUNS.sub(r" \1 ", text)
    text = re.sub(r"\s*\n\s*", " \n ", text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


@cache
def spacy_splitter() -> Callable[[str], list[str]] | None:
    """GPT-1's own way to words with ftfy and spaCy, or None when one of them is not installed."""
    try:
        import ftfy
        from spacy.lang.en import English
    except ImportError:
        return None
    tokenize = English().tokenizer

    def split(text: str) -> list[str]:
        found = tokenize(standardize(ftfy.fix_text(text)))
        # spaCy gives a newline its trailing space; a lone space is no word
        words = (token.text.lower().strip(" ") for token in found)
        return [word for word in words if word]

    return split


def plain_words(text: str) -> list[str]:
    """Cut text into lower-case words without ftfy and spaCy, by `PLAIN_PATTERN` alone.

    `plain_words("I don't know — it's 3.14…")` is
    `["i", "do", "n't", "know", "-", "it", "'s", "3.14", "..."]`.
    """
    for old, new in STANDARD_FORMS + STRAIGHT_QUOTES:
        text = text.replace(old, new)
    text = re.sub(r"\s*\n\s*", " \n ", text).strip()
    return regex.findall(PLAIN_PATTERN, text.lower())


def spacy_words(text: str) -> list[str]:
    """Cut text into GPT-1's words with ftfy and spaCy; where they are missing, `plain_words`.

    The fallback warns, because on English prose about one token in a hundred differs.
    """
    split = spacy_splitter()
    if split is None:
        warnings.warn(
            "ftfy and spaCy are not both installed: GPT-1's words are cut by the plain rule; for "
            f"GPT-1's own: {how_to_install('gpt1')}",
            stacklevel=2,
        )
        return plain_words(text)
    return split(text)


def word_characters(word: str) -> list[str]:
    """Spell a word for GPT-1: `word_characters("the")` is `["t", "h", "e</w>"]`."""
    return [*word[:-1], word[-1] + END_OF_WORD]

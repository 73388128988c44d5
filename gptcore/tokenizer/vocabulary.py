"""What a tokenizer knows: how a vocabulary is learned, checked, and laid out for encoding.

Source: GPT-1 §4.1; GPT-2 §2.2; Sennrich, Haddow and Birch 2016 §3.2.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from gptcore.tokenizer.bpe import apply_merges, learn_merges
from gptcore.tokenizer.words import (
    BYTE_CHARS,
    BYTE_ORDER,
    END_OF_WORD,
    NEWLINE,
    UNKNOWN,
    byte_symbols,
    byte_words,
    plain_words,
    spacy_splitter,
    spacy_words,
    without_lone_surrogates,
    word_characters,
)

Kind = Literal["byte", "word"]
Splitter = Literal["gpt2", "spacy", "plain"]
Merge = tuple[str, str]

SPLITTERS: dict[Kind, dict[Splitter, Callable[[str], Iterable[str]]]] = {
    "byte": {"gpt2": byte_words},
    "word": {"spacy": spacy_words, "plain": plain_words},
}
"""The ways to cut text into words that each kind has; the first is the default."""

CHAR_TO_BYTE = {ord(char): byte for char, byte in zip(BYTE_CHARS, BYTE_ORDER, strict=True)}

END_OF_TEXT = "<|endoftext|>"

REMEMBERED_WORDS = 1 << 17
"""How many different words `WordIds` holds before it forgets them all and starts again."""

REMEMBERED_LENGTH = 40
"""Characters up to which a word is worth remembering."""


def checked_splitter(kind: Kind, splitter: Splitter | None) -> Splitter:
    """The splitter, or its kind's default; ValueError if the kind does not have it."""
    if kind not in SPLITTERS:
        raise ValueError(f"kind={kind!r} must be 'byte' or 'word'")
    if splitter is None:
        return next(iter(SPLITTERS[kind]))
    if splitter not in SPLITTERS[kind]:
        names = " or ".join(map(repr, SPLITTERS[kind]))
        raise ValueError(f"splitter={splitter!r} must be {names} for kind={kind!r}")
    return splitter


# ------------------------------------------------------------------ learning


def learn_vocabulary(
    texts: str | Iterable[str],
    vocab_size: int,
    *,
    kind: Kind,
    specials: Iterable[str],
    splitter: Splitter | None,
    progress: bool,
) -> dict[str, Any]:
    """Learn a vocabulary as `Tokenizer.train` says; returns the arguments of `Tokenizer`."""
    if not isinstance(vocab_size, int):
        raise TypeError(f"vocab_size={vocab_size!r} must be an int")
    if kind == "word" and splitter is None:
        splitter = "spacy" if spacy_splitter() else "plain"
    splitter = checked_splitter(kind, splitter)
    specials = _checked_specials(specials)
    counts = _count_words(texts, SPLITTERS[kind][splitter], progress)
    base = BYTE_CHARS if kind == "byte" else _characters(counts)
    room = vocab_size - len(base) - len(specials)
    if room < 0:
        raise ValueError(
            f"vocab_size={vocab_size} must be at least {len(base) + len(specials)}: "
            f"{len(base)} base symbols and {len(specials)} special tokens"
        )
    spell = speller(kind, base)
    learned = islice(learn_merges({spell(w): n for w, n in counts.items()}, len(base)), room)
    tokens, merges = list(base), []
    for left, right in _with_bar(learned, progress, "merges learned", room):
        merges.append((tokens[ord(left)], tokens[ord(right)]))
        tokens.append("".join(merges[-1]))
    if kind == "word":  # as in GPT-1's file, the newline has the last id
        tokens.append(tokens.pop(tokens.index(NEWLINE)))
    return {
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": merges,
        "kind": kind,
        "specials": {token: len(tokens) + i for i, token in enumerate(specials)},
        "splitter": splitter,
    }


def _count_words(
    texts: str | Iterable[str], split: Callable[[str], Iterable[str]], progress: bool
) -> Counter[str]:
    """Word -> how often the texts hold it."""
    counts: Counter[str] = Counter()
    texts = [texts] if isinstance(texts, str) else checked_texts(texts)
    for text in _with_bar(texts, progress, "texts counted", None):
        counts.update(split(without_lone_surrogates(text)))
    return counts


def _characters(words: Iterable[str]) -> list[str]:
    """Base symbols of kind "word": `<unk>`, the newline, each character without and with </w>."""
    found = sorted(set("".join(words)) - {"\n"})
    return [UNKNOWN, NEWLINE, *found, *(char + END_OF_WORD for char in found)]


def _checked_specials(specials: Iterable[str]) -> list[str]:
    if isinstance(specials, str):
        raise TypeError(f"specials={specials!r} must be several strings, not one")
    specials = list(specials)
    for token in specials:
        if not isinstance(token, str):
            raise TypeError(f"specials={specials!r} must be strings")
        if not token or specials.count(token) > 1:
            raise ValueError(f"specials={specials!r} must be different and not empty")
    return specials


def checked_texts(texts: Iterable[str]) -> Iterator[str]:
    """The texts one by one; TypeError if there is anything but strings."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise TypeError(f"texts must be an iterable of str, got {type(texts).__name__}")
    return map(checked_text, texts)


def checked_text(text: str) -> str:
    """The text itself; TypeError if it is no string."""
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    return text


def listed_ids(ids: Iterable[int]) -> list[int]:
    """Ids of a list, an array or a tensor as Python ints."""
    if isinstance(ids, (str, bytes)):
        raise TypeError(f"ids must be an iterable of int, got {type(ids).__name__}")
    listed = ids.tolist() if hasattr(ids, "tolist") else ids
    if not isinstance(listed, Iterable):
        raise TypeError(f"ids must be an iterable of int, got {ids!r}")
    return list(listed)


def _with_bar(items: Iterable[Any], progress: bool, name: str, total: int | None) -> Iterable[Any]:
    if not progress:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=name, total=total)


# ------------------------------------------------------------------ checking and laying out


def tokens_by_id(vocab: Mapping[str, int], specials: Mapping[str, int]) -> list[str]:
    """All tokens in the order of their ids, which must be 0, 1, 2, ..., each once."""
    for token in specials:
        if token in vocab:
            raise ValueError(f"special {token!r} must not be the ordinary token {vocab[token]} too")
    ids = {**vocab, **specials}
    tokens: list[str | None] = [None] * len(ids)
    for token, i in ids.items():
        if not isinstance(i, int) or isinstance(i, bool):
            raise ValueError(f"token {token!r} has id {i!r}, which must be an int")
        if not 0 <= i < len(ids):
            raise ValueError(f"token {token!r} has id {i}, which must be one of 0..{len(ids) - 1}")
        if tokens[i] is not None:
            raise ValueError(f"id {i} must belong to one token, not to {tokens[i]!r} and {token!r}")
        tokens[i] = token
    return tokens


def checked_ends(
    ends: Iterable[str] | None, vocab: Mapping[str, int], specials: Mapping[str, int]
) -> tuple[str, ...]:
    """The tokens that end a text; without a word on it, "<|endoftext|>" where it is special."""
    if ends is None:
        return (END_OF_TEXT,) if END_OF_TEXT in specials else ()
    if isinstance(ends, str):
        raise TypeError(f"ends={ends!r} must be several strings, not one")
    for token in (ends := tuple(ends)):
        if token not in vocab and token not in specials:
            raise ValueError(f"ends has {token!r}, which must be a token of vocab or specials")
    return ends


def base_tokens(vocab: Mapping[str, int], merges: Sequence[Merge], kind: Kind) -> list[str]:
    """The tokens that merges start from: 256 bytes, or `<unk>` and the characters of the file.

    A vocabulary that was learned without the full alphabet lacks some of the bytes.
    """
    if kind == "byte":
        return list(BYTE_CHARS)
    if UNKNOWN not in vocab:
        raise ValueError(f"vocab of kind 'word' must hold {UNKNOWN!r}")
    made = {left + right for left, right in merges}
    base = [t for t in vocab if t == UNKNOWN or len(t.removesuffix(END_OF_WORD)) == 1]
    return sorted(set(base) - made, key=vocab.__getitem__)


def merge_tables(
    base: Sequence[str], merges: Sequence[Merge], vocab: Mapping[str, int]
) -> tuple[dict[str, str], dict[str, str], dict[str, int]]:
    """The merges as `gptcore.tokenizer.bpe` wants them.

    Returns:
        Pair -> the character it becomes; the same the other way round; character -> id.
    """
    symbols = {token: chr(i) for i, token in enumerate(base) if token in vocab}
    product: dict[str, str] = {}
    for rank, (left, right) in enumerate(merges):
        for part in (left, right):
            if part not in symbols:
                raise ValueError(
                    f"merge {rank} ({left!r}, {right!r}) uses {part!r}, which must be a base "
                    f"symbol or made by an earlier merge"
                )
        token = left + right
        if token in symbols:
            raise ValueError(f"merge {rank} ({left!r}, {right!r}) must make a new token")
        if token not in vocab:
            raise ValueError(f"merge {rank} makes {token!r}, which must have an id in vocab")
        symbols[token] = product[symbols[left] + symbols[right]] = chr(len(base) + rank)
    for token in vocab:
        if token not in symbols:
            raise ValueError(f"token {token!r} must be a base symbol or made by a merge")
    parts = {new: pair for pair, new in product.items()}
    return product, parts, {symbol: vocab[token] for token, symbol in symbols.items()}


def token_bytes(tokens: Sequence[str], specials: Mapping[str, int]) -> dict[int, bytes]:
    """Id -> bytes, for kind "byte"."""
    return {
        i: token.encode() if token in specials else token.translate(CHAR_TO_BYTE).encode("latin-1")
        for i, token in enumerate(tokens)
    }


def speller(
    kind: Kind, base: Sequence[str], missing: Sequence[str] = (), instead: str | None = None
) -> Callable[[str], str]:
    """The function that writes a word as base symbols.

    Args:
        kind, base: as above.
        missing: base tokens of kind "byte" that have no id.
        instead: the symbol that stands for each of them; None leaves them out and warns once.
    """
    symbols = {token: chr(i) for i, token in enumerate(base)}
    if kind == "word":
        unknown = symbols[UNKNOWN]
        return lambda word: "".join([symbols.get(char, unknown) for char in word_characters(word)])
    if not missing:
        return byte_symbols
    replaced = {ord(symbols[token]): instead for token in missing}
    told = instead is not None

    def spell(word: str) -> str:
        nonlocal told
        spelled = byte_symbols(word)
        written = spelled.translate(replaced)
        if not told and len(written) < len(spelled):
            told = True
            warnings.warn(
                f"{word!r} has bytes that the vocabulary has no token for: these, and all such to "
                "come, are left out, as Hugging Face does",
                stacklevel=2,
            )
        return written

    return spell


class WordIds(dict[str, tuple[int, ...]]):
    """Word -> its ids: worked out when first asked for, then remembered.

    Args:
        spell: writes a word as base symbols.
        product: pair -> the character it becomes.
        parts: the same the other way round.
        ids: character -> id.
    """

    def __init__(
        self,
        spell: Callable[[str], str],
        product: Mapping[str, str],
        parts: Mapping[str, str],
        ids: Mapping[str, int],
    ) -> None:
        self.spell, self.product, self.parts, self.ids = spell, product, parts, ids

    def __missing__(self, word: str) -> tuple[int, ...]:
        symbols = apply_merges(self.spell(word), self.product, self.parts)
        ids = tuple(map(self.ids.__getitem__, symbols))
        if len(word) <= REMEMBERED_LENGTH:
            if len(self) >= REMEMBERED_WORDS:
                self.clear()
            self[word] = ids
        return ids

"""Text to token ids and back, with GPT-2's byte-level or GPT-1's word-level byte-pair encoding.

    >>> tokenizer = Tokenizer.train("low low lower", vocab_size=262)
    >>> tokenizer.merges
    (('l', 'o'), ('lo', 'w'), ('Ġ', 'low'), ('e', 'r'), ('Ġlow', 'er'))
    >>> tokenizer.encode("low lower")
    [257, 260]

A text goes through four rooms: it is cut into words and these are written as base symbols
(`words`), pairs of symbols are merged (`bpe`), and symbols get their ids (`vocabulary`). What lies
on disk is the business of `files`.

Source: GPT-1 §4.1; GPT-2 §2.2; Sennrich, Haddow and Birch 2016 §3.2.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import regex

from gptcore.tokenizer.files import read_openai, read_tokenizer_json, write_tokenizer_json
from gptcore.tokenizer.vocabulary import (
    SPLITTERS,
    Kind,
    Splitter,
    WordIds,
    base_tokens,
    checked_splitter,
    checked_text,
    checked_texts,
    learn_vocabulary,
    merge_tables,
    speller,
    token_bytes,
    tokens_by_id,
)
from gptcore.tokenizer.words import END_OF_WORD, GPT2_PATTERN, without_lone_surrogates

END_OF_TEXT = "<|endoftext|>"

MANY_SPACES = re.compile(r"\s{100000}")
"""White space that is left to our own encoder: a million of them overflow tiktoken's stack."""


class Tokenizer:
    """A vocabulary and its merges, complete when made and never changed: `train` returns one.

    Two kinds. "byte" is GPT-2's: every text can be encoded, and decodes to itself. "word" is
    GPT-1's: lower case, one `<unk>` for unknown characters; decoding puts a space after every
    word, so case, spacing and unknown characters are lost.

    Args:
        vocab: token, written as vocabulary files print it ("Ġthe", "the</w>") -> id.
        merges: pairs of such tokens, in the order in which they were learned.
        kind: "byte" or "word".
        specials: tokens outside the text, such as "<|endoftext|>" -> id.
        splitter: how a "word" text is cut into words: "spacy" as GPT-1 did, with ftfy and spaCy
            where both are installed, or "plain", by a built-in pattern and everywhere the same.

    Raises:
        ValueError: the ids of vocab and specials are not 0, 1, 2, ...; a merge uses a token that
            no earlier merge has made; a token is made by no merge.
    """

    kind: Kind
    splitter: Splitter
    merges: tuple[tuple[str, str], ...]
    vocab_size: int

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Iterable[tuple[str, str]],
        *,
        kind: Kind = "byte",
        specials: Mapping[str, int] | None = None,
        splitter: Splitter | None = None,
    ) -> None:
        splitter = checked_splitter(kind, splitter)
        vocab, specials = dict(vocab), dict(specials or {})
        merges = tuple((left, right) for left, right in merges)
        tokens = tokens_by_id(vocab, specials)
        base = base_tokens(vocab, merges, kind)
        self.__dict__.update(
            kind=kind,
            splitter=splitter,
            merges=merges,
            vocab_size=len(tokens),
            _vocab=vocab,
            _specials=specials,
            _tokens=tokens,
            _split=SPLITTERS[kind][splitter],
            _words=WordIds(speller(kind, base), *merge_tables(base, merges, vocab)),
            _bytes=token_bytes(tokens, specials) if kind == "byte" else {},
        )

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{name}={value!r}: a Tokenizer cannot be changed, make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name}: a Tokenizer cannot be changed, make another one")

    # -------------------------------------------------------------- making one

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        kind: Kind = "byte",
        specials: Iterable[str] = (END_OF_TEXT,),
        splitter: Splitter | None = None,
        progress: bool = False,
    ) -> Tokenizer:
        """Learn the merges of the most frequent pairs, one by one.

        Of equally frequent pairs the one with the smallest (left id, right id) wins. "byte" ids
        are the 256 bytes in GPT-2's order, the merges in the order they are learned, the
        specials. "word" ids are `<unk>`, the characters, the characters with `</w>`, the merges,
        the newline, the specials. If the text has no pair left before `vocab_size` is reached,
        training ends there and the tokenizer's own `vocab_size` is smaller.

        Args:
            texts: one text, or an iterable of texts, which no word spans.
            vocab_size: number of tokens, specials included.
            kind: "byte" or "word".
            specials: tokens that get the last ids.
            splitter: as for `Tokenizer`; by default "spacy" if ftfy and spaCy are installed,
                else "plain". The tokenizer remembers which.
            progress: show progress bars (needs tqdm).

        Raises:
            TypeError: `texts` is neither a str nor an iterable of str.
            ValueError: `vocab_size` has no room for base symbols and specials, or a special is
                also an ordinary token.
        """
        learned = learn_vocabulary(
            texts,
            vocab_size,
            kind=kind,
            specials=specials,
            splitter=splitter,
            progress=progress,
        )
        return cls(**learned)

    @classmethod
    def from_openai(cls, encoder_json: str | Path, vocab_bpe: str | Path) -> Tokenizer:
        """Read the vocabulary and the merges that OpenAI published for GPT-1 or GPT-2.

        Args:
            encoder_json: encoder.json or encoder_bpe_40000.json, or the same gzipped.
            vocab_bpe: vocab.bpe or vocab_40000.bpe, or the same gzipped.

        Raises:
            ValueError: a file is damaged, or the two do not fit; the message names it.
        """
        return cls._of_file(read_openai(encoder_json, vocab_bpe), f"{encoder_json}, {vocab_bpe}")

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read a Hugging Face tokenizer.json: one that `save` wrote, or GPT-1's or GPT-2's.

        Args:
            path: the file, or a folder with a tokenizer.json.

        Raises:
            ValueError: the file is damaged, or says something we would encode differently.
        """
        return cls._of_file(read_tokenizer_json(path), str(path))

    @classmethod
    def _of_file(cls, arguments: dict[str, Any], name: str) -> Tokenizer:
        try:
            return cls(**arguments)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face tokenizer.json, whole or not at all.

        `tokenizers` and `transformers` open it. They give the same ids for kind "byte" and for
        splitter "plain", except that there a special token's text is always that token. For
        splitter "spacy" the file says what Hugging Face publishes for GPT-1, whose words differ.

        Args:
            path: a name that ends in .json, or a folder (made if absent).
        """
        write_tokenizer_json(
            path,
            vocab=self._vocab,
            merges=self.merges,
            specials=self._specials,
            splitter=self.splitter,
        )

    def with_specials(self, names: Iterable[str]) -> Tokenizer:
        """A tokenizer with more special tokens; new names get the next ids, known ones keep theirs.

        Args:
            names: such as "_start_". In a text they stay ordinary text unless they are allowed.

        Raises:
            ValueError: a name is a token of the vocabulary already.
        """
        specials = self.specials
        for name in names:
            if name in self._vocab:
                raise ValueError(f"names has {name!r}, which is an ordinary token already")
            specials.setdefault(name, len(self._vocab) + len(specials))
        if specials == self._specials:
            return self
        return Tokenizer(
            self._vocab,
            self.merges,
            kind=self.kind,
            specials=specials,
            splitter=self.splitter,
        )

    # -------------------------------------------------------------- what it holds

    @property
    def specials(self) -> dict[str, int]:
        """Special token -> id (a copy)."""
        return dict(self._specials)

    @property
    def eot(self) -> int | None:
        """The id of "<|endoftext|>", or None."""
        return self._specials.get(END_OF_TEXT)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal of all that decides the ids; equal tokenizers have equal ones."""
        return hashlib.sha256(json.dumps(self._content()).encode()).hexdigest()

    def _content(self) -> tuple[Any, ...]:
        return self.kind, self.splitter, self._tokens, self.merges

    def token_str(self, token_id: int) -> str:
        """The token as vocabulary files print it: "Ġthe" for " the"."""
        return self._tokens[self._known(token_id)]

    def id_of(self, token: str) -> int:
        """The id of a token written as vocabulary files print it."""
        for table in (self._vocab, self._specials):
            if token in table:
                return table[token]
        raise KeyError(f"token {token!r} is not in the vocabulary")

    def _known(self, token_id: int) -> int:
        if token_id not in range(self.vocab_size):
            raise KeyError(f"id {token_id!r} must be one of 0..{self.vocab_size - 1}")
        return int(token_id)

    def __repr__(self) -> str:
        return (
            f"Tokenizer(kind={self.kind!r}, vocab_size={self.vocab_size}, "
            f"specials={list(self._specials)})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash((self.kind, self.vocab_size, self.merges))

    def __reduce__(self) -> tuple[Any, ...]:  # pickle and deepcopy make it anew
        options = {"kind": self.kind, "specials": self._specials, "splitter": self.splitter}
        return partial(Tokenizer, **options), (self._vocab, self.merges)

    # -------------------------------------------------------------- text to ids

    def encode(self, text: str, *, allow_special: bool | set[str] = False) -> list[int]:
        """Turn text into ids.

        Text that reads like a special token is ordinary text unless it is allowed: what a user
        types cannot end a document. Half of a surrogate pair becomes "�", as in tiktoken.

        Args:
            text: any string.
            allow_special: True, or the special tokens to recognize in the text.
        """
        checked_text(text)
        allowed = self._allowed(allow_special)
        if not allowed:
            return self._encode_ordinary(text)
        longest_first = sorted(map(regex.escape, allowed), key=len, reverse=True)
        ids: list[int] = []
        for i, piece in enumerate(regex.split(f"({'|'.join(longest_first)})", text)):
            ids += [self._specials[piece]] if i % 2 else self._encode_ordinary(piece)
        return ids

    def encode_batch(
        self, texts: Iterable[str], *, allow_special: bool | set[str] = False
    ) -> list[list[int]]:
        """Encode several texts, each like `encode`."""
        return [self.encode(text, allow_special=allow_special) for text in checked_texts(texts)]

    def encode_corpus(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """Encode many ordinary texts with the fastest engine there is, one array per text.

        For kind "byte" that is tiktoken, made from our own merges, where it is installed. The ids
        are those of `encode`, as uint16 if the vocabulary allows it, else uint32. (Only letters
        so new that tiktoken's Unicode tables lack them may come out as other bytes' merges.)
        """
        encode = self._tiktoken() or self.encode
        dtype = np.uint16 if self.vocab_size <= 1 << 16 else np.uint32
        return (np.array(encode(text), dtype=dtype) for text in checked_texts(texts))

    def _encode_ordinary(self, text: str) -> list[int]:
        words = self._split(without_lone_surrogates(text))
        return list(chain.from_iterable(map(self._words.__getitem__, words)))

    def _allowed(self, allow_special: bool | set[str]) -> set[str]:
        if isinstance(allow_special, bool):
            return set(self._specials) if allow_special else set()
        if isinstance(allow_special, str):
            raise TypeError(f"allow_special={allow_special!r} must be a bool or a set of str")
        unknown = set(allow_special) - set(self._specials)
        if unknown:
            raise ValueError(
                f"allow_special has {sorted(unknown)}, which must be among {list(self._specials)}"
            )
        return set(allow_special)

    def _tiktoken(self) -> Callable[[str], list[int]] | None:
        """tiktoken's encoder for our merges; None if it is missing or cannot say them.

        tiktoken takes a token's id as its rank, so the merges' ids must rise.
        """
        ids = [self._vocab[left + right] for left, right in self.merges]
        if self.kind != "byte" or ids != sorted(ids):
            return None
        try:
            import tiktoken
        except ImportError:
            return None
        ranks = {self._bytes[i]: i for i in self._vocab.values()}
        encode = tiktoken.Encoding(
            "gptcore", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens=self._specials
        ).encode_ordinary
        return lambda text: self.encode(text) if MANY_SPACES.search(text) else encode(text)

    # -------------------------------------------------------------- ids to text

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text; bytes that are no UTF-8 become "�".

        Raises:
            KeyError: an id is not in the vocabulary.
        """
        if self.kind == "byte":
            return self.decode_bytes(ids).decode("utf-8", errors="replace")
        tokens = (self._tokens[self._known(i)] for i in _as_list(ids))
        return "".join(tokens).replace(END_OF_WORD, " ").strip(" ")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Turn ids into the bytes they stand for, which may end within a character.

        Raises:
            KeyError: an id is not in the vocabulary.
            ValueError: the tokenizer is of kind "word".
        """
        if self.kind != "byte":
            raise ValueError(f"kind={self.kind!r} has no bytes, decode_bytes needs kind='byte'")
        ids = _as_list(ids)
        try:
            return b"".join(map(self._bytes.__getitem__, ids))
        except (KeyError, TypeError):
            for i in ids:
                self._known(i)
            raise


def _as_list(ids: Iterable[int]) -> list[int]:
    """Ids of a list, an array or a tensor as Python ints."""
    if isinstance(ids, (str, bytes)):
        raise TypeError(f"ids must be an iterable of int, got {type(ids).__name__}")
    listed = ids.tolist() if hasattr(ids, "tolist") else ids
    if not isinstance(listed, Iterable):
        raise TypeError(f"ids must be an iterable of int, got {ids!r}")
    return list(listed)

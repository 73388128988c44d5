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
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from gptcore.tokenizer.added import Added, checked_added, finder, names_to_find
from gptcore.tokenizer.fast import same_ids, tiktoken_encoder
from gptcore.tokenizer.files import read_openai, write_tokenizer_json
from gptcore.tokenizer.folder import read_folder, write_end
from gptcore.tokenizer.vocabulary import (
    END_OF_TEXT,
    SPLITTERS,
    Kind,
    Splitter,
    WordIds,
    base_tokens,
    checked_ends,
    checked_splitter,
    checked_text,
    checked_texts,
    learn_vocabulary,
    listed_ids,
    merge_tables,
    speller,
    token_bytes,
    tokens_by_id,
)
from gptcore.tokenizer.words import END_OF_WORD, without_lone_surrogates


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
        added: token -> its manners, for those that are not simply special: read in every text,
            only as whole words, with the white space beside them.
        ends: the tokens that end a text, first the one that stands between documents; None takes
            "<|endoftext|>" where it is special.
        unknown: kind "byte": stands for bytes without a token; None leaves them out.

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
        added: Mapping[str, Added] | None = None,
        ends: Iterable[str] | None = None,
        unknown: str | None = None,
    ) -> None:
        splitter = checked_splitter(kind, splitter)
        vocab, specials, added = dict(vocab), dict(specials or {}), dict(added or {})
        merges = tuple((left, right) for left, right in merges)
        tokens = tokens_by_id(vocab, specials)
        base = base_tokens(vocab, merges, kind)
        product, parts, by_symbol = merge_tables(base, merges, vocab)
        missing = [token for token in base if token not in vocab]
        unknown = unknown if missing else None
        if unknown is not None:
            by_symbol[chr(len(base) + len(merges))] = {**vocab, **specials}[unknown]
        spell = speller(kind, base, missing, unknown and chr(len(base) + len(merges)))
        self.__dict__.update(
            kind=kind,
            splitter=splitter,
            merges=merges,
            vocab_size=len(tokens),
            _vocab=vocab,
            _specials=specials,
            _added=checked_added(added, vocab, specials, kind),
            _ends=checked_ends(ends, vocab, specials),
            _unknown=unknown,
            _tokens=tokens,
            _split=SPLITTERS[kind][splitter],
            _words=WordIds(spell, product, parts, by_symbol),
            _bytes=token_bytes(tokens, specials) if kind == "byte" else {},
            _finders={},
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
            splitter: as for `Tokenizer`; by default "spacy" if it is installed, else "plain".
            progress: show progress bars (needs tqdm).

        Raises:
            TypeError: `texts` is neither a str nor an iterable of str.
            ValueError: `vocab_size` has no room for base symbols and specials, or a special is
                also an ordinary token.
        """
        learned = learn_vocabulary(
            texts, vocab_size, kind=kind, specials=specials, splitter=splitter, progress=progress
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
        """Read a tokenizer in Hugging Face's layout: one that `save` wrote, GPT-1's or GPT-2's.

        Args:
            path: a folder with tokenizer.json, or vocab.json and merges.txt; what its other files
                say of tokens counts too (`gptcore.tokenizer.folder`). Or one file.

        Raises:
            ValueError: a file is damaged, or says something we would encode differently.
        """
        return cls._of_file(read_folder(path), str(path))

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
            added=self._added,
            unknown=self._unknown,
        )
        if self._ends != checked_ends(None, self._vocab, self._specials):
            write_end(path, next(iter(self._ends), None))

    def with_specials(self, names: Iterable[str]) -> Tokenizer:
        """A tokenizer with more special tokens; new names get the next ids, known ones keep theirs.

        In a text they stay ordinary text unless they are allowed.

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
        usual = self._ends == checked_ends(None, self._vocab, self._specials)
        more = {"specials": specials, "ends": None if usual else self._ends}
        return Tokenizer(self._vocab, self.merges, **self._options() | more)

    # -------------------------------------------------------------- what it holds

    @property
    def specials(self) -> dict[str, int]:
        """Token that no merge makes -> id (a copy)."""
        return dict(self._specials)

    @property
    def added(self) -> dict[str, Added]:
        """Token -> its manners, for those that are not simply special (a copy)."""
        return dict(self._added)

    @property
    def ends(self) -> dict[str, int]:
        """The tokens that end a text -> id (a copy)."""
        return {token: self.id_of(token) for token in self._ends}

    @property
    def eot(self) -> int | None:
        """The id of the token that stands between documents, such as "<|endoftext|>", or None."""
        return next(iter(self.ends.values()), None)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal of all that decides the ids; equal tokenizers have equal ones."""
        return hashlib.sha256(json.dumps(self._content()).encode()).hexdigest()

    def _content(self) -> tuple[Any, ...]:
        usual = {}, checked_ends(None, self._vocab, self._specials), None
        more = self._added, self._ends, self._unknown
        told = [] if more == usual else [sorted(self._added.items()), *more[1:]]
        return self.kind, self.splitter, self._tokens, self.merges, *told

    def _options(self) -> dict[str, Any]:
        """What makes the same tokenizer, beside vocabulary and merges."""
        names = ("specials", "added", "ends", "unknown")
        options = {name: self.__dict__["_" + name] for name in names}
        return {"kind": self.kind, "splitter": self.splitter, **options}

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
        return partial(Tokenizer, **self._options()), (self._vocab, self.merges)

    # -------------------------------------------------------------- text to ids

    def encode(self, text: str, *, allow_special: bool | set[str] = False) -> list[int]:
        """Turn text into ids.

        Text that reads like a special token is ordinary text unless it is allowed: what a user
        types cannot end a document. Added tokens that are not special are always read. Half of a
        surrogate pair becomes "�", as in tiktoken.

        Args:
            text: any string.
            allow_special: True, or the special tokens to recognize in the text.
        """
        return self._encode(checked_text(text), allow_special, self._ordinary)

    def encode_batch(
        self, texts: Iterable[str], *, allow_special: bool | set[str] = False
    ) -> list[list[int]]:
        """Encode several texts, each like `encode`."""
        return [self.encode(text, allow_special=allow_special) for text in checked_texts(texts)]

    def encode_corpus(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """Encode many ordinary texts with the fastest engine there is, one array per text.

        For kind "byte" that is tiktoken, made from our own merges, where it is installed. The ids
        are those of `encode`, as uint16 or uint32. (Only letters so new that tiktoken's Unicode
        tables lack them may come out as other bytes' merges.)
        """
        ordinary = self._tiktoken() or self._ordinary
        dtype = np.uint16 if self.vocab_size <= 1 << 16 else np.uint32
        found = (self._encode(text, False, ordinary) for text in checked_texts(texts))
        return (np.array(ids, dtype=dtype) for ids in found)

    def _encode(
        self, text: str, allow_special: bool | set[str], ordinary: Callable[[str], list[int]]
    ) -> list[int]:
        """Ids of a text: of the tokens found in it, and of what lies between by `ordinary`."""
        names = names_to_find(allow_special, self._specials, self._added)
        if not names:
            return ordinary(text)
        if names not in self._finders:
            self._finders[names] = finder(names, self._added)
        ids = ([self.id_of(t)] if t else ordinary(s) for s, t in self._finders[names](text))
        return list(chain.from_iterable(ids))

    def _ordinary(self, text: str) -> list[int]:
        words = self._split(without_lone_surrogates(text))
        return list(chain.from_iterable(map(self._words.__getitem__, words)))

    def _tiktoken(self) -> Callable[[str], list[int]] | None:
        """tiktoken's encoder for our merges; None if it is missing or would give other ids."""
        return tiktoken_encoder(self._vocab, self._bytes, self._ordinary) if self._alike else None

    @cached_property
    def _alike(self) -> bool:
        return self.kind == "byte" and same_ids(self._vocab, self.merges, self._words)

    # -------------------------------------------------------------- ids to text

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text; bytes that are no UTF-8 become "�".

        Raises:
            KeyError: an id is not in the vocabulary.
        """
        if self.kind == "byte":
            return self.decode_bytes(ids).decode("utf-8", errors="replace")
        tokens = (self._tokens[self._known(i)] for i in listed_ids(ids))
        return "".join(tokens).replace(END_OF_WORD, " ").strip(" ")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Turn ids into the bytes they stand for, which may end within a character.

        Raises:
            KeyError: an id is not in the vocabulary.
            ValueError: the tokenizer is of kind "word".
        """
        if self.kind != "byte":
            raise ValueError(f"kind={self.kind!r} has no bytes, decode_bytes needs kind='byte'")
        ids = listed_ids(ids)
        try:
            return b"".join(map(self._bytes.__getitem__, ids))
        except (KeyError, TypeError):
            for i in ids:
                self._known(i)
            raise

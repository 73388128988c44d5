"""Text made ready for training: a tokenizer, and token streams to train on and to measure with.

Source: GPT-1 §4.1; GPT-3 App. B (packing).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import gptcore.tales
from gptcore.tales import brief
from gptcore.text import reading
from gptcore.text.streams import TokenStream
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.added import Added
from gptcore.train.held_out import key_of

VALID_START = gptcore.tales.split("valid").start
"""Index of the first held-out tale; no training set reaches it."""

BLOCK = 1 << 20
"""Tokens whose bytes are counted at a time."""


@dataclass(frozen=True)
class DataConfig:
    """What to read. Without text files: Tales, the course's own corpus of small stories."""

    text: tuple[Path, ...] = ()
    """Text to train on: files; folders of .txt and .md, gzipped or not; or named sets of gptcore
    data list, such as tinyshakespeare or udhr/hin. A line <|endoftext|> in files separates
    documents. None: Tales."""
    tales: int = 10_000
    """How many tales to train on, where no text is given (about 1 kB each)."""
    tales_seed: int = 0
    """Seed of the tales."""
    demonstrations: float = 0.0
    """Part of the tales that go on with a task done by the way: a question answered, a summary,
    a statement judged. In the training text only."""
    brief: float | None = None
    """Brief tales in place of whole ones, and the part of them whose people have invented names,
    which can only be copied; 0.6 suits a model that is to do what is asked of it."""
    held_out: float = 0.05
    """Part kept from training to measure the held-out loss: the end of the text, or as many
    tales more."""
    pack: bool = True
    """Put an end-of-text token after each document (GPT-3), or let the text run on (GPT-1)."""
    tokenizer: Path | None = None
    """A tokenizer.json or a folder with one. None: train a byte-level BPE on the text."""
    tokenizer_bytes: int = 10_000_000
    """Train the tokenizer on the first so many characters of the text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", tuple(Path(path) for path in self.text))
        for name, least in (("tales", 1), ("tales_seed", 0), ("tokenizer_bytes", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.tales > VALID_START:
            raise ValueError(f"tales={self.tales} must be at most {VALID_START}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out={self.held_out} must be between 0 and 1")
        if not 0 <= self.demonstrations <= 1:
            raise ValueError(f"demonstrations={self.demonstrations} must be from 0 to 1")
        if self.demonstrations and self.text:
            raise ValueError(
                f"demonstrations={self.demonstrations} are tasks of Tales, and text names other "
                "texts: give one of the two"
            )
        if self.brief is not None and not 0 <= self.brief <= 1:
            raise ValueError(f"brief={self.brief} must be from 0 to 1")
        if self.brief is not None and self.text:
            raise ValueError(
                f"brief={self.brief} asks for brief tales, and text names other texts: give one of "
                "the two"
            )


@dataclass(frozen=True)
class Corpus:
    """What a run trains on."""

    tokenizer: Tokenizer
    train: TokenStream
    valid: TokenStream
    settings: dict[str, Any]
    """All that decides the three above, as plain values."""


def prepare(
    data: DataConfig,
    vocab_size: int,
    folder: str | Path,
    *,
    tokenizer: Tokenizer | None = None,
    progress: bool = False,
) -> Corpus:
    """Train or load the tokenizer and encode the text; what was made before is found again.

    It is kept in a subfolder of `folder` named after the content of all that decides it: text
    that changed is encoded anew, a file that was only renamed is not.

    Args:
        data: what to read.
        vocab_size: tokens of the tokenizer to train, where `data` gives none.
        folder: where to keep tokenizer and token streams.
        tokenizer: the one to use; None: as `data` says.
        progress: show progress bars (needs tqdm).

    Raises:
        FileNotFoundError, ValueError: a file is absent, empty, not text, or too short.
    """
    given = tokenizer
    if given is None and data.tokenizer is not None:
        given = Tokenizer.load(data.tokenizer)
    settings = _settings(data, vocab_size, given, progress)
    folder = Path(folder) / key_of(settings)
    tokenizer = given or _own_tokenizer(data, vocab_size, folder / "tokenizer.json", progress)

    def stream(name: str, texts: Iterable[str], total: int | None = None) -> TokenStream:
        try:
            found = TokenStream.open(folder / name)
            if found.tokenizer == tokenizer.fingerprint:
                return found
        except (FileNotFoundError, ValueError):
            pass  # not made yet, or not whole
        if progress:
            size = reading.n_bytes(data.text) if data.text else None
            texts = _with_bar(texts, f"encoding {name}", total, size)
        return TokenStream.write(folder / name, texts, tokenizer, pack=data.pack)

    if data.text:
        train, valid = _cut(stream("text", _texts(data)), data.held_out, tokenizer)
        return Corpus(tokenizer, train, valid, settings)
    train = stream("train", _texts(data), data.tales)
    n_valid = max(1, round(data.tales * data.held_out))
    valid = stream("valid", _tales(data, n_valid, "valid"), n_valid)
    return Corpus(tokenizer, train, valid, settings)


def _settings(
    data: DataConfig, vocab_size: int, given: Tokenizer | None, progress: bool
) -> dict[str, Any]:
    settings: dict[str, Any] = {"held_out": data.held_out, "pack": data.pack}
    if data.text:
        settings |= {"text_sha256": reading.digest(data.text, progress=progress)}
    else:
        settings |= {"tales": data.tales, "tales_seed": data.tales_seed}
        if data.demonstrations:
            settings["demonstrations"] = data.demonstrations
        if data.brief is not None:
            settings["brief"] = data.brief
    if given:
        return settings | {"tokenizer": given.fingerprint}
    return settings | {"vocab_size": vocab_size, "tokenizer_bytes": data.tokenizer_bytes}


def _texts(data: DataConfig) -> Iterator[str]:
    """The documents of the run; for Tales those to train on."""
    if data.text:
        return reading.documents(data.text)
    return _tales(data, data.tales, "train")


def _tales(data: DataConfig, n: int, part: str) -> Iterator[str]:
    """Tales of a split, with tasks in those to train on."""
    share, seed = data.demonstrations if part == "train" else 0.0, data.tales_seed
    if data.brief is not None:
        return brief.documents(n, share, seed, part, unheard=data.brief)
    start = gptcore.tales.split(part).start
    told = gptcore.tales.tales(n, seed=seed, start=start, demonstrations=share)
    return (tale.text for tale in told)


def _own_tokenizer(data: DataConfig, vocab_size: int, path: Path, progress: bool) -> Tokenizer:
    """A BPE of the beginning of the text, made once."""
    if path.is_file():
        return Tokenizer.load(path)

    def beginning() -> Iterator[str]:
        left = data.tokenizer_bytes
        for text in _texts(data):
            yield text[:left]
            left -= len(text)
            if left <= 0:
                return

    tokenizer = Tokenizer.train(beginning(), vocab_size, progress=progress)
    tokenizer.save(path)
    return tokenizer


def _cut(whole: TokenStream, held_out: float, tokenizer: Tokenizer) -> tuple[TokenStream, ...]:
    """The beginning of a stream to train on, and its end to measure with."""
    n_valid = max(2, round(len(whole) * held_out))
    if len(whole) < n_valid + 2:
        raise ValueError(f"the text has only {len(whole)} tokens: there is too little to train on")
    at = len(whole) - n_valid
    return whole.part(0, at), with_bytes(whole.part(at, len(whole)), tokenizer)


def with_bytes(stream: TokenStream, tokenizer: Tokenizer) -> TokenStream:
    """The stream with its bytes counted, block by block, if a token has a number of bytes."""
    if stream.n_bytes is not None or tokenizer.kind != "byte":
        return stream
    sizes = np.array([len(tokenizer.decode_bytes([i])) for i in range(tokenizer.vocab_size)])
    added = tokenizer.added  # those that are not special are text
    no_text = [i for token, i in tokenizer.specials.items() if added.get(token, Added()).special]
    sizes[no_text] = 0
    blocks = range(0, len(stream), BLOCK)
    counted = sum(int(sizes[stream.tokens[i : i + BLOCK]].sum()) for i in blocks)
    return replace(stream, n_bytes=counted)


def _with_bar(
    texts: Iterable[str], name: str, total: int | None, size: int | None
) -> Iterator[str]:
    """The texts one by one with a bar: of tales if their number is known, else of bytes."""
    from tqdm import tqdm

    if total is not None:
        yield from tqdm(texts, desc=name, total=total, unit=" tales", unit_scale=True)
        return
    with tqdm(desc=name, total=size, unit="B", unit_scale=True) as bar:
        for text in texts:
            yield text
            bar.update(len(text.encode("utf-8", "surrogatepass")))

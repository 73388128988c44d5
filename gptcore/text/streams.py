"""Text as one long row of token ids in a file, and batches of windows cut from it.

    stream = TokenStream.write("runs/mine/train", documents, tokenizer)
    ids, targets = next(Batches(stream, batch_size=8, n_ctx=64))

The file is read through a memory map: a corpus of many gigabytes costs no memory, and a second
process or a second run shares what the first has read.

Source: GPT-1 §4.1 (contiguous sequences of 512 tokens); GPT-3 App. B (documents packed into whole
windows, an end-of-text token between them, no mask across them, without replacement in an epoch).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from gptcore.text.files import Unfinished

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

FORMAT = "gptcore token stream 1"


@dataclass(frozen=True, eq=False)
class TokenStream:
    """Token ids of a corpus, one after the other, and what is known about them.

    Make one with `write` (text to file), `open` (a file already there) or `of` (ids at hand).
    """

    tokens: np.ndarray
    """(N,) uint16 or uint32, read-only; a memory map if it comes from a file."""
    vocab_size: int
    """Ids are below this."""
    n_bytes: int | None
    """UTF-8 bytes of the text, end-of-text tokens not counted; None if not known."""
    n_documents: int | None
    """How many documents; None if not known."""
    sha256: str
    """Digest of the ids: two streams with the same one train the same model."""
    tokenizer: str | None = None
    """Fingerprint of the tokenizer that made the ids; None if not known."""

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def write(
        cls,
        path: str | Path,
        documents: Iterable[str],
        tokenizer: Tokenizer,
        *,
        pack: bool = True,
    ) -> TokenStream:
        """Encode documents into `<path>.bin` and describe them in `<path>.json`.

        Documents are taken one by one and ids appended, so nothing grows with the corpus. Both
        files appear under their names only when they are whole.

        Args:
            path: where to write, without suffix; the folder is made if absent.
            documents: any number of texts. `Unfinished` ones are joined to the text after them.
            tokenizer: turns them into ids.
            pack: True puts an end-of-text token after each document (GPT-3); False lets the
                text run on as if it were one (GPT-1).

        Returns:
            The stream, open.

        Raises:
            ValueError: `pack` needs an end-of-text token and the tokenizer has none.
        """
        if pack and tokenizer.eot is None:
            raise ValueError(
                "pack=True puts <|endoftext|> between documents, and the tokenizer has no such "
                "token: give it one (specials=('<|endoftext|>',)) or use pack=False"
            )
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        half_written = path.with_name(f".{path.name}.bin.writing-{os.getpid()}")
        try:
            with open(half_written, "wb") as file:
                described = _encode(file, documents, tokenizer, pack)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half_written, _file(path, ".bin"))
            half_written.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
            os.replace(half_written, _file(path, ".json"))
        finally:
            half_written.unlink(missing_ok=True)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> TokenStream:
        """Map the files that `write` made; `path` is without suffix.

        Raises:
            FileNotFoundError: one of the two files is absent.
            ValueError: they are not a token stream, or not a whole one.
        """
        binary, description = _file(Path(path), ".bin"), _file(Path(path), ".json")
        for file in (description, binary):
            if not file.is_file():
                raise FileNotFoundError(f"{file} is absent: no token stream at {path}")
        try:
            described = json.loads(description.read_text(encoding="utf-8"))
            found = described.get("format")
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{description} does not describe a token stream: {error}") from error
        if found != FORMAT:
            raise ValueError(f"{description}: format={found!r} must be {FORMAT!r}")
        dtype, n_tokens = np.dtype(described["dtype"]), described["n_tokens"]
        expected, size = n_tokens * dtype.itemsize, binary.stat().st_size
        if size != expected:
            raise ValueError(
                f"{binary} has {size:,} bytes where {n_tokens:,} tokens take {expected:,}: it is "
                "cut short or not the file its .json describes"
            )
        tokens = np.memmap(binary, dtype, mode="r") if n_tokens else np.zeros(0, dtype)
        return cls(
            tokens=np.asarray(tokens),  # a plain view: slicing a memmap object costs ten times more
            vocab_size=described["vocab_size"],
            n_bytes=described["n_bytes"],
            n_documents=described["n_documents"],
            sha256=described["sha256"],
            tokenizer=described["tokenizer"],
        )

    @classmethod
    def of(cls, ids: Any, vocab_size: int | None = None) -> TokenStream:
        """A stream in memory, of ids at hand (an array, a tensor or a list)."""
        ids = np.asarray(ids)
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(f"ids must be (N,) integers, got {ids.shape} of {ids.dtype}")
        top = int(ids.max()) if len(ids) else 0
        if len(ids) and (ids.min() < 0 or top >= 1 << 32):
            raise ValueError(f"ids must be in [0, {1 << 32}), got {ids.min()} to {top}")
        if vocab_size is not None and top >= vocab_size:
            raise ValueError(f"ids has {top}; ids must be in [0, {vocab_size})")
        tokens = ids.astype("<u2" if top < 1 << 16 else "<u4")
        digest = hashlib.sha256(tokens.tobytes()).hexdigest()
        return cls(tokens, vocab_size or top + 1, None, None, digest)

    def part(self, start: int, stop: int) -> TokenStream:
        """The tokens from `start` up to `stop`, sharing this stream's memory."""
        name = f"{self.sha256}[{start}:{stop}]"
        tokens = self.tokens[start:stop]
        return TokenStream(tokens, self.vocab_size, None, None, name, self.tokenizer)


@dataclass(frozen=True)
class Ramp:
    """A batch that begins small and grows in proportion to the tokens read (GPT-3 App. B)."""

    start: int
    """Windows of the first batch."""
    tokens: int
    """Tokens after which it has its full size."""

    def __post_init__(self) -> None:
        for name in ("start", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"ramp.{name}={getattr(self, name)} must be at least 1")


class Batches:
    """An endless iterator of (ids, targets), each (B, T) int64; targets are ids moved by one.

    An epoch cuts the stream into windows of T tokens, starting at an offset of its own, and gives
    every window once in an order of its own, both drawn from (seed, epoch). A batch that an epoch
    cannot fill is filled from the next. So the place in the data is two numbers, which
    `state_dict` returns and `load_state_dict` goes back to.

    Args:
        stream: the corpus; an array of ids is taken too.
        batch_size: B, windows per batch.
        n_ctx: T, tokens per window.
        seed: decides offsets and orders.
        device: where the batches go; to a GPU they are copied while it computes.
        part: (r, n) gives only rows r, r + n, r + 2n, ... of each batch, for process r of n. The n
            parts together are the batch, and the place in the data is the same in all.
        ramp: how the batch grows to `batch_size`; None: it has that size from the beginning.

    Raises:
        ValueError: an argument breaks its rule, or the stream is too short for one window.
    """

    def __init__(
        self,
        stream: TokenStream | np.ndarray | Tensor | list[int],
        batch_size: int,
        n_ctx: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        part: tuple[int, int] = (0, 1),
        ramp: Ramp | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("n_ctx", n_ctx)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if seed < 0:
            raise ValueError(f"seed={seed} must be at least 0")
        if not 0 <= part[0] < part[1]:
            raise ValueError(f"part={part} must be (r, n) with 0 <= r < n")
        if batch_size % part[1]:
            raise ValueError(
                f"batch_size={batch_size} must be a multiple of {part[1]}, the number of processes "
                f"that share each batch: {-(-batch_size // part[1]) * part[1]} is the next"
            )
        if ramp is not None and ramp.start > batch_size:
            raise ValueError(f"ramp.start={ramp.start} must be at most batch_size={batch_size}")
        self.part, self.ramp, self._given = part, ramp, 0
        self.stream = stream if isinstance(stream, TokenStream) else TokenStream.of(stream)
        if len(self.stream) < n_ctx + 1:
            raise ValueError(
                f"the stream has {len(self.stream)} tokens; a window of n_ctx={n_ctx} and its "
                f"targets take {n_ctx + 1}: use more text or a smaller n_ctx"
            )
        self.batch_size, self.n_ctx, self.seed = batch_size, n_ctx, seed
        self.device = torch.device(device)
        self._go_to(epoch=0, position=0)

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        size = self._size()
        starts = self._starts[self._position : self._position + size]
        self._position += len(starts)
        while len(starts) < size:
            self._go_to(self._epoch + 1, 0)
            more = self._starts[: size - len(starts)]
            self._position = len(more)
            starts = np.concatenate([starts, more])
        self._given += size
        tokens, width = self.stream.tokens, self.n_ctx + 1
        mine = starts[self.part[0] :: self.part[1]].tolist()
        rows = np.stack([tokens[i : i + width] for i in mine])
        block = torch.from_numpy(rows.astype(np.int64))  # (B, T + 1)
        if self.device.type == "cuda":
            block = block.pin_memory().to(self.device, non_blocking=True)
        elif self.device.type != "cpu":
            block = block.to(self.device)
        return block[:, :-1], block[:, 1:]

    def _size(self) -> int:
        """Windows of the next batch, a multiple of the processes that share it."""
        if self.ramp is None:
            return self.batch_size
        done = min(1.0, self._given * self.n_ctx / self.ramp.tokens)
        size = self.ramp.start + int((self.batch_size - self.ramp.start) * done)
        return max(1, size // self.part[1]) * self.part[1]

    def _go_to(self, epoch: int, position: int) -> None:
        """Draw the windows of `epoch` and stand before the one at `position`."""
        draw = np.random.default_rng([self.seed, epoch])
        spare = len(self.stream) - 1 - self.n_ctx  # how far the first window may be moved
        offset = int(draw.integers(0, min(self.n_ctx - 1, spare) + 1))
        n_windows = (len(self.stream) - 1 - offset) // self.n_ctx
        self._starts = offset + self.n_ctx * draw.permutation(n_windows)
        self._epoch, self._position = epoch, position

    def identity(self) -> dict[str, Any]:
        """What decides the batches, apart from the place in them: equal means the same data."""
        ramp = {} if self.ramp is None else {"ramp": asdict(self.ramp)}
        return {
            "batch_size": self.batch_size,
            "n_ctx": self.n_ctx,
            "seed": self.seed,
            "tokens_sha256": self.stream.sha256,
            **ramp,
        }

    def state_dict(self) -> dict[str, int]:
        """The place in the data: the epoch, how many of its windows were given, and with a ramp
        how many in all."""
        given = {} if self.ramp is None else {"given": self._given}
        return {"epoch": self._epoch, "position": self._position, **given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place that `state_dict` of the same data returned."""
        self._go_to(state["epoch"], state["position"])
        self._given = state.get("given", 0)


def _encode(
    file: BinaryIO, documents: Iterable[str], tokenizer: Tokenizer, pack: bool
) -> dict[str, Any]:
    """Append the ids of each document to `file` as they come, and describe them all."""
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
    end = np.array([tokenizer.eot] if pack else [], dtype=dtype).tobytes()
    n_bytes, n_tokens, n_documents, digest = 0, 0, 0, hashlib.sha256()
    ended: deque[bool] = deque()  # of the texts handed to the encoder, oldest first

    def texts() -> Iterator[str]:
        nonlocal n_bytes
        for text in documents:
            n_bytes += len(text.encode("utf-8", "surrogatepass"))
            ended.append(not isinstance(text, Unfinished))
            yield text

    for ids in tokenizer.encode_corpus(texts()):
        last = ended.popleft()
        data = ids.astype(dtype, copy=False).tobytes() + (end if last else b"")
        file.write(data)
        digest.update(data)
        n_tokens += len(data) // dtype.itemsize
        n_documents += last
    return {
        "format": FORMAT,
        "dtype": dtype.str,
        "n_tokens": n_tokens,
        "n_bytes": n_bytes,
        "n_documents": n_documents,
        "vocab_size": tokenizer.vocab_size,
        "sha256": digest.hexdigest(),
        "tokenizer": tokenizer.fingerprint,
    }


def _file(path: Path, suffix: str) -> Path:
    """`path` with a suffix added; a dot in its name is no suffix of ours."""
    return path.with_name(path.name + suffix)

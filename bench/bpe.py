"""Compare our byte-pair encoding with the `tokenizers` library, on the same bytes, in one run.

Both train on 1 MB and on 10 MB and encode one string of 10 MB; runs of the two alternate, so that
other work on the machine slows both. What is printed are medians, and the ratio theirs / ours:
above 1 we are faster. Vocabularies and ids must be equal, or the run stops.

    python bench/bpe.py                   on Tales
    python bench/bpe.py my_text.txt       on a text of your own, of any length
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from gptcore import Tokenizer

MEGABYTE = 1_000_000


def main() -> None:
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", type=Path, help="UTF-8 text; default: Tales")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, alternating")
    options = parser.parse_args()
    text = options.text.read_text(encoding="utf-8") if options.text else tales(10 * MEGABYTE)
    small, large = first_bytes(text, MEGABYTE), first_bytes(text, 10 * MEGABYTE)
    print(f"{'':34}   ours s  theirs s   ratio   ratio of CPU time")
    for name, part, size in (
        ("train", small, 1024),
        ("train", small, 4096),
        ("train", large, 4096),
    ):
        ours, theirs = alternate(
            options.runs,
            lambda part=part, size=size: Tokenizer.train(part, size, specials=()),
            lambda part=part, size=size: train_theirs(part, size),
        )
        report(f"{name} {megabytes(part)} MB to {size:,} tokens", ours, theirs)
        assert ours[-1].result.merges == merges_of(theirs[-1].result), "vocabularies differ"
    compare_encoding(large, ours[-1].result, options.runs)


def compare_encoding(text: str, trained: Tokenizer, runs: int) -> None:
    """Encode one long string; ours starts every run without remembering a word."""
    with tempfile.TemporaryDirectory() as folder:
        trained.save(folder)
        other = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        fresh = iter([Tokenizer.load(folder) for _ in range(2 * runs)])
    calls = (
        ("encode", lambda: other.encode(text).ids),
        ("encode_batch_fast", lambda: other.encode_batch_fast([text])[0].ids),
    )
    for name, call in calls:
        ours, theirs = alternate(runs, lambda: next(fresh).encode(text), call)
        report(f"encode {megabytes(text)} MB ({name})", ours, theirs)
        assert ours[-1].result == theirs[-1].result, "ids differ"


class Run:
    """One timed call: wall seconds, CPU seconds of all threads, and what it returned."""

    def __init__(self, call: Callable[[], Any]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.result = call()
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu


def alternate(
    runs: int, ours: Callable[[], Any], theirs: Callable[[], Any]
) -> tuple[list[Run], list[Run]]:
    """Run the two in turn."""
    both = [(Run(ours), Run(theirs)) for _ in range(runs)]
    return [a for a, _ in both], [b for _, b in both]


def report(name: str, ours: list[Run], theirs: list[Run]) -> None:
    """Print medians and their ratios."""
    a, b = (median(run.wall for run in runs) for runs in (ours, theirs))
    c, d = (median(run.cpu for run in runs) for runs in (ours, theirs))
    print(f"{name:34} {a:8.3f}  {b:8.3f}  {b / a:5.2f}x  {d / c:5.2f}x", flush=True)


def train_theirs(text: str, vocab_size: int) -> tokenizers.Tokenizer:
    """Train GPT-2's kind of vocabulary with `tokenizers`."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def merges_of(tokenizer: tokenizers.Tokenizer) -> tuple[tuple[str, str], ...]:
    """The merges in the order they were learned."""
    return tuple(tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"])


def tales(n_bytes: int) -> str:
    """Enough Tales for `n_bytes`."""
    from gptcore.tales import tales as endless

    texts, total = [], 0
    for tale in endless(n_bytes):
        texts.append(tale.text)
        total += len(tale.text) + 2
        if total >= n_bytes:
            break
    return "\n\n".join(texts)


def first_bytes(text: str, n_bytes: int) -> str:
    """The text's first `n_bytes` as UTF-8, less a character cut in two."""
    return text.encode()[:n_bytes].decode(errors="ignore")


def megabytes(text: str) -> str:
    """Length in UTF-8, for a label."""
    return f"{len(text.encode()) / MEGABYTE:.3g}"


if __name__ == "__main__":
    main()

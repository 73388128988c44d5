"""Compare our byte-pair encoding with the `tokenizers` library, on the same bytes, in one run.

Both train on 1 MB and on 10 MB and encode one string of 10 MB; runs of the two alternate, so that
other work on the machine slows both. What is printed are medians, and the ratio theirs / ours:
above 1 we are faster. Vocabularies and ids must be equal, or the run stops.

    python bench/bpe.py                   on Tales
    python bench/bpe.py my_text.txt       on a text of your own, of any length
    python bench/bpe.py --quick           1 MB, one run of each
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import tokenizers
from peers.timing import alternate, header, options, report
from tokenizers import models, pre_tokenizers, trainers

from gptcore import Tokenizer

MEGABYTE = 1_000_000


def main() -> None:
    """Print one line per comparison."""
    parser = options(__doc__, threads=False)
    parser.add_argument("text", nargs="?", type=Path, help="UTF-8 text; default: Tales")
    chosen = parser.parse_args()
    runs, size = (1, MEGABYTE) if chosen.quick else (chosen.runs, 10 * MEGABYTE)
    text = chosen.text.read_text(encoding="utf-8") if chosen.text else tales(size)
    small, large = first_bytes(text, MEGABYTE), first_bytes(text, size)
    print("Byte-pair encoding, against tokenizers")
    header()
    for part, vocab_size, target in (
        (small, 1024, ">= 1.1x"),
        (small, 4096, ">= 1.1x"),
        (large, 4096, ">= 1.3x at 10 MB"),
    ):
        calls = {
            "ours": lambda part=part, n=vocab_size: Tokenizer.train(part, n, specials=()),
            "theirs": lambda part=part, n=vocab_size: train_theirs(part, n),
        }
        timed = alternate(runs, calls)
        ours, theirs = timed["ours"], timed["theirs"]
        report(f"train {megabytes(part)} MB to {vocab_size:,} tokens", ours, theirs, target)
        assert ours[-1].result.merges == merges_of(theirs[-1].result), "vocabularies differ"
    compare_encoding(large, ours[-1].result, runs)


def compare_encoding(text: str, trained: Tokenizer, runs: int) -> None:
    """Encode one long string; ours starts every run without remembering a word."""
    with tempfile.TemporaryDirectory() as folder:
        trained.save(folder)
        other = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        fresh = iter([Tokenizer.load(folder) for _ in range(runs)])
    calls = {
        "ours": lambda: next(fresh).encode(text),
        "encode": lambda: other.encode(text).ids,
        "encode_batch_fast": lambda: other.encode_batch_fast([text])[0].ids,
    }
    timed = alternate(runs, calls)
    ours = timed.pop("ours")
    for name, theirs in timed.items():
        report(f"encode {megabytes(text)} MB ({name})", ours, theirs, ">= 3x")
        assert ours[-1].result == theirs[-1].result, "ids differ"


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

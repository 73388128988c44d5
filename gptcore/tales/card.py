"""Measures the corpus and prints the table of its data card: `python -m gptcore.tales.card`.

Source: ours; the numbers are those that `data/README.md` quotes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import sys
import time
from collections import Counter
from collections.abc import Callable

from gptcore.tales import lexicon
from gptcore.tales.check import contradictions, text_faults
from gptcore.tales.corpus import SETTINGS, Tale, split, tale
from gptcore.tales.grammar import Template
from gptcore.tales.plots import PLOTS
from gptcore.tales.rewards import mood_of
from gptcore.tales.stream import tales

_WORD = re.compile(r"[a-z]+")
SAMPLE = 10_000_000  # bytes that gzip compresses

Row = tuple[str, str]


def speed(n: int) -> Row:
    """Return how fast tales are made on one core, by processor time."""
    start = time.process_time()
    size = sum(len(told.text) for told in tales(n, seed=1))
    return "speed, one core", f"{size / 1e6 / (time.process_time() - start):.1f} MB/s"


def words(texts: list[str]) -> list[Row]:
    """Return word types, distinct 4-grams, lengths and duplicates of the texts."""
    types: Counter[str] = Counter()
    fours: set[int] = set()
    n_fours = 0
    for text in texts:
        found = _WORD.findall(text.lower())
        types.update(found)
        rows = list(zip(found, found[1:], found[2:], found[3:], strict=False))
        n_fours += len(rows)
        # A digest of its own keeps the count independent of Python's salted hash.
        fours.update(
            int.from_bytes(hashlib.blake2b(" ".join(row).encode(), digest_size=8).digest(), "big")
            for row in rows
        )
    lengths = sorted(len(text.split()) for text in texts)
    n = len(texts)
    return [
        ("tales measured", f"{n:,}"),
        ("bytes per tale, mean", f"{sum(map(len, texts)) / n:.0f}"),
        (
            "words per tale, 5 % · median · 95 %",
            f"{lengths[n // 20]} · {lengths[n // 2]} · {lengths[n * 19 // 20]}",
        ),
        ("word types (lower case, letters only)", f"{len(types):,}"),
        ("word types seen at least ten times", f"{sum(c >= 10 for c in types.values()):,}"),
        ("distinct 4-grams", f"{len(fours):,} of {n_fours:,}"),
        ("exact duplicates", f"{n - len(set(texts)):,}"),
    ]


def squeezed(texts: list[str]) -> Row:
    """Return how much smaller gzip -9 makes the first bytes of the texts."""
    sample = "\n\n".join(texts).encode()[:SAMPLE]
    ratio = len(sample) / len(gzip.compress(sample, 9))
    return f"gzip -9 ratio over {len(sample) / 1e6:.0f} MB", f"{ratio:.2f}"


def faults(n: int) -> list[Row]:
    """Return how many of n tales the checker finds fault with, and whether moods are readable."""
    tests: list[tuple[str, Callable[[Tale], object]]] = [
        (f"contradictions in {n:,} tales", contradictions),
        (f"faults of language that the checker knows, in {n:,} tales", text_faults),
        (f"tales of {n:,} whose mood a reader of the text gets wrong", _misread),
    ]
    found = [0] * len(tests)
    for told in tales(n, seed=2):
        for at, (_, test) in enumerate(tests):
            found[at] += bool(test(told))
    return [(name, f"{count:,}") for (name, _), count in zip(tests, found, strict=True)]


def _misread(told: Tale) -> bool:
    return mood_of(told.text) != told.mood


def variety(template: Template) -> int:
    """Return in how many ways a template can be told, names and table rows not counted."""
    ways = 1
    for part in template:
        if type(part) is tuple:
            ways *= sum(variety(option) for option in part)
    return ways


def makeup(n: int) -> list[Row]:
    """Return what the corpus is made of, and how its tales end."""
    tellings = sorted(
        sum(map(variety, wordings))
        for kind, wordings in lexicon.KINDS.items()
        if not kind.startswith("title.")
    )
    varied = sum(count >= 4 for count in tellings)
    ends = Counter(told.ending for told in tales(n, seed=3))
    return [
        ("settings", f"{len(SETTINGS)}"),
        ("plots · outcomes", f"{len(PLOTS)} · {len(lexicon.GISTS)}"),
        ("kinds of event", f"{len(tellings)}"),
        ("kinds of event with four tellings or more", f"{varied}"),
        ("tellings of a kind of event, median", f"{tellings[len(tellings) // 2]}"),
        ("names of people and animals", f"{len(set().union(*lexicon.NAMES.values()))}"),
        (
            "endings, happy · mixed · sad",
            " · ".join(f"{100 * ends[e] / n:.0f} %" for e in ("happy", "mixed", "sad")),
        ),
    ]


def fingerprint(n: int = 100) -> str:
    """Return the SHA-256 of the first n tales of each split, seed 0, each followed by a NUL."""
    digest = hashlib.sha256()
    for name in ("train", "valid", "test"):
        for index in split(name)[:n]:
            digest.update(tale(0, index).text.encode() + b"\0")
    return digest.hexdigest()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="tales for the word counts")
    parser.add_argument("--checked", type=int, default=10_000, help="tales for the checker")
    options = parser.parse_args()
    pace = speed(min(options.n, 5000))
    texts = [told.text for told in tales(options.n)]
    rows = [*makeup(options.checked), *words(texts), squeezed(texts), pace]
    rows += [*faults(options.checked), ("SHA-256 of 300 tales", f"`{fingerprint()}`")]
    table = [("measured", "value"), ("---", "---"), *rows]
    sys.stdout.write("".join(f"| {name} | {value} |\n" for name, value in table))


if __name__ == "__main__":
    main()

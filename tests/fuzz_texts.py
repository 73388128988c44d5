"""Texts that are hard on a tokenizer: every script, signs that meet in the pattern, long words."""

import pydoc_data.topics
import random
import unicodedata

PROSE = "\n\n".join(pydoc_data.topics.topics.values())
"""Python's own help pages: some 700 kB of English and code that every Python ships with."""

LONG = {
    "a megabyte of spaces": " " * 1_000_000,
    "spaces before a word": " " * 100_000 + "x",
    "one letter": "a" * 100_000,
    "one digit": "7" * 100_000,
    "one Chinese character": "你" * 30_000,
    "newlines": "\r\n" * 30_000 + "\n" * 30_000,
    "space and newline": " \n" * 30_000,
    "random letters": "".join(random.Random(0).choices("abcdefghijklmnop", k=100_000)),
    "no spaces": "".join(PROSE[:100_000].split()),
    "emoji": "👩‍👩‍👧‍👦🏽" * 5_000,
}

CHARACTERS = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cs", "Cn")]
"""Characters that every library knows; newer ones are letters to some and unassigned to others."""


def fuzz(seed: int, n: int) -> list[str]:
    """Texts of neighbouring code points, of signs that meet in the pattern, and of everything."""
    rng = random.Random(seed)
    pools = [
        "abcdefghij '\n\t 12",
        "'sSrRvVlLdDmMtT eE 's 'll",
        " \u00a0\u3000\u2003\u200b\u200d\ufeff\n\r\t\x0b\x0c\x1c\x1f\x85\u2028\u2029x",
        "👩‍👧🏽🇩🇪\ufe0f\u200da ",
        "".join(map(chr, range(0x300, 0x340))) + "ae ",
        "אבגדהוז ابجد 123",
        "".join(map(chr, range(160))),
    ]
    texts = []
    for _ in range(n):
        start = rng.randrange(len(CHARACTERS))
        block = CHARACTERS[start : start + 64]
        pool = rng.choice([rng.choice(pools), block, [*"az 9.\n", *block]])
        texts.append("".join(rng.choices(pool, k=rng.randint(0, 50))))
        texts.append("".join(rng.choices(CHARACTERS, k=20)))
    return texts

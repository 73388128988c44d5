"""The exercises of chapter 01, and what usually goes wrong in them.

Source: GPT-1 §4.1; GPT-2 §2.2 and Table 2; Sennrich, Haddow and Birch 2016 §3.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

from gptcore.exercises.checking import Exercise, call, compare
from gptcore.tokenizer import Tokenizer


def _byte_lengths(answer: Any) -> str:
    for text in ("Zoë 你好", "naïve!", "a👍я"):
        points = [(ord(character).bit_length() + 7) // 8 for character in text]
        mistakes = {
            "Every character counts as one here. `len` of a text counts characters: turn each "
            'into bytes first, with `.encode("utf-8")`.': [1] * len(text),
            "These are the bytes themselves. Wanted is how many there are, character by "
            "character.": list(text.encode()),
            "This is the length of the whole text. Wanted is one number for each character.": len(
                text.encode()
            ),
            "These are the lengths in UTF-16, which has at least two bytes for a character. Say "
            '`.encode("utf-8")`.': [len(c.encode("utf-16-le")) for c in text],
            "These are the lengths in UTF-16 with the mark that begins such a file. Say "
            '`.encode("utf-8")`.': [len(c.encode("utf-16")) for c in text],
            "These are the bytes that the character's number would need. UTF-8 takes more: in "
            "each byte some bits say where a character begins.": points,
        }
        want = [len(character.encode()) for character in text]
        compare(call(answer, text), want, given=repr(text), mistakes=mistakes)
    return "You know what a text weighs: one byte for a plain letter, up to four for the others."


def _merged(word: tuple, pair: tuple, *, overlap: bool = False, once: bool = False) -> tuple:
    """The word with the pair made one piece; `overlap` and `once` are the usual mistakes."""
    pieces: list[str] = []
    i = 0
    while i < len(word):
        found = word[i : i + 2] == pair and not (once and "".join(pair) in pieces)
        pieces.append("".join(pair) if found else word[i])
        i += 2 if found and not overlap else 1
    return tuple(pieces)


def _learned(
    words: dict[str, int],
    n: int,
    *,
    choose: Callable[[dict], tuple] = lambda counts: min(counts, key=lambda p: (-counts[p], p)),
    weigh: bool = True,
    **merging: bool,
) -> list[tuple]:
    """The first merges of some counted words; the options make mistakes."""
    pieces = [(tuple(word), count if weigh else 1) for word, count in words.items()]
    merges = []
    for _ in range(n):
        counts: Counter = Counter()
        for word, count in pieces:
            for pair in pairwise(word):
                counts[pair] += count
        if not counts:
            break
        merges.append(choose(counts))
        pieces = [(_merged(word, merges[-1], **merging), count) for word, count in pieces]
    return merges


def _counted_once(words: dict[str, int], n: int) -> list[tuple]:
    counts: Counter = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] += count
    return sorted(counts, key=lambda pair: (-counts[pair], pair))[:n]


def _learn_words(answer: Any) -> str:
    cases = [
        ({"aab": 2, "ab": 5}, 2),
        ({"ba": 2, "ab": 2, "cb": 2}, 1),
        ({"bab": 1, "aca": 4, "cab": 2}, 2),
        ({"xaaa": 3}, 2),
        ({"abab": 2}, 2),
        ({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 5),
    ]
    for words, n in cases:
        right = _learned(words, n)
        mistakes = {
            "Each word is counted once here, however often it occurs. A pair counts as often as "
            "the words that hold it.": _learned(words, n, weigh=False),
            "The pairs were counted a single time, at the start. After each merge some pairs are "
            "gone and others are new: count again.": _counted_once(words, n),
            "Of equally frequent pairs you take the one met first. The rule here takes the "
            "smaller one: `min` over (-count, pair).": _learned(
                words, n, choose=lambda counts: max(counts, key=counts.get)
            ),
            "Of equally frequent pairs you take the larger one. The rule here takes the smaller: "
            "`min` over (-count, pair).": _learned(
                words, n, choose=lambda counts: max(counts, key=lambda p: (counts[p], p))
            ),
            "You take the rarest pair. Wanted is the most frequent one.": _learned(
                words, n, choose=lambda counts: min(counts, key=lambda p: (counts[p], p))
            ),
            "After a merge you go on at the second piece of the pair, which is used up. Go on "
            "behind both.": _learned(words, n, overlap=True),
            "A pair was merged only at its first place in a word. All its places count, from the "
            "left.": _learned(words, n, once=True),
            "These are the new pieces. Wanted are the pairs that they are made of.": [
                "".join(pair) for pair in right
            ],
        }
        given = f"words = {words}, n = {n}"
        compare(call(answer, words, n), right, given=given, mistakes=mistakes)
    return "You have trained byte-pair encoding, ties and all."


MERGES = [("c", "d"), ("b", "c"), ("b", "cd"), ("a", "b")]


def _encoded(
    word: str,
    pick: Callable[[list], tuple] = lambda found: min(found, key=MERGES.index),
    *,
    most: int = 99,
    once: bool = False,
) -> list[str]:
    """A word in pieces by `MERGES`; the options make mistakes."""
    pieces = tuple(word)
    for _ in range(most):
        found = [pair for pair in pairwise(pieces) if pair in MERGES]
        if once:
            found = [pair for pair in found if "".join(pair) not in pieces]
        if not found:
            break
        pieces = _merged(pieces, pick(found), once=once)
    return list(pieces)


def _longest_first(word: str) -> list[str]:
    known, pieces = {"".join(pair) for pair in MERGES}, []
    while word:
        ends = range(len(word), 1, -1)
        end = next((end for end in ends if word[:end] in known), 1)
        pieces.append(word[:end])
        word = word[end:]
    return pieces


def _encode_word(answer: Any) -> str:
    for word in ("bcdabcd", "abcd", "cdxcd", "abc", "z", ""):
        mistakes = {
            "Nothing was merged: these are single characters.": list(word),
            "You merge the first pair from the left that is in the list. Its place in the list "
            "decides: the earliest learned merge goes first.": _encoded(word, lambda f: f[0]),
            "You take the longest known piece from the left. Byte-pair encoding does not look for "
            "long pieces: it repeats the merges in the order of the list.": _longest_first(word),
            "You take the merge that was learned last. The earliest learned one goes first.": (
                _encoded(word, lambda found: max(found, key=MERGES.index))
            ),
            "You stop after one merge. A merge makes new pairs: go on until no pair of neighbours "
            "is in the list.": _encoded(word, most=1),
            "A merge was made at one place only. It is made wherever the pair stands, and then "
            "the next is looked for.": _encoded(word, once=True),
        }
        given = f"word = {word!r}, merges = {MERGES}"
        compare(call(answer, word, MERGES), _encoded(word), given=given, mistakes=mistakes)
    return "You encode as GPT-2 does: the order of learning decides, not the length of a piece."


@cache
def _tokenizer() -> Tokenizer:
    """A small one, with some words of its text whole."""
    return Tokenizer.train(["the cat then saw the hen", "there the rat ate"], vocab_size=270)


def _bytes_per_token(answer: Any) -> str:
    tokenizer = _tokenizer()
    for texts in (["the hen"], ["the cat saw the hen then", "Zoë!"], ["你好", "there the rat ate"]):
        bytes_of = [len(text.encode()) for text in texts]
        tokens = [len(tokenizer.encode(text)) for text in texts]
        characters = sum(map(len, texts))
        mistakes = {
            "This is the mean of each text's own ratio: a short text weighs as much as a long "
            "one. Divide all bytes by all tokens.": sum(
                b / t for b, t in zip(bytes_of, tokens, strict=True)
            )
            / len(texts),
            "These are characters per token. In bytes, `ë` counts two and `你` three.": characters
            / sum(tokens),
            "This is tokens per byte, the other way round.": sum(tokens) / sum(bytes_of),
            "Only the first text was counted.": bytes_of[0] / tokens[0],
            "These are bytes per text: divide by the number of tokens.": sum(bytes_of) / len(texts),
        }
        want = sum(bytes_of) / sum(tokens)
        given = f"a tokenizer of 270 tokens, texts = {texts}"
        compare(call(answer, tokenizer, texts), want, given=given, mistakes=mistakes)
    return "You can measure what a vocabulary saves, on any texts, and the long ones weigh more."


def _millions(answer: Any) -> str:
    for V, L, C in ((50_257, 48, 1600), (40_478, 12, 768), (50_257, 12, 768), (40_478, 24, 1024)):
        table, places, layers = V * C, 1024 * C, L * (12 * C**2 + 13 * C)
        last = 2 * C

        def million(count: int) -> int:
            return round(count / 1e6)

        total = table + places + layers + last
        mistakes = {
            "The position table is missing: one row of C numbers for each of 1,024 places.": (
                million(total - places)
            ),
            "The table of tokens was counted twice. GPT-2 uses the same one for its output.": (
                million(total + table)
            ),
            "The table of tokens is missing: V rows of C numbers.": million(total - table),
            "Only one layer was counted: there are L of them.": million(
                total - layers + 12 * C**2 + 13 * C
            ),
            "This is the count of parameters. Wanted are millions, rounded.": total,
            "This is not rounded to whole millions.": total / 1e6,
            "Millions were cut off, not rounded: 1.6 million would become 1.": total // 10**6,
        }
        given = f"V = {V:,}, L = {L}, C = {C:,}"
        compare(call(answer, V, L, C), million(total), given=given, mistakes=mistakes, atol=1e-9)
    return "You can tell a model's size from three numbers, and find out which V a paper used."


def _ways(pieces: Counter, data: bytes | str) -> int:
    """Ways to write `data` as a row of pieces, a piece being there as often as it is counted."""
    ways = [1] + [0] * len(data)
    for end in range(1, len(data) + 1):
        for start in range(end):
            ways[end] += ways[start] * pieces[data[start:end]]
    return ways[-1]


def _count_spellings(answer: Any) -> str:
    tokenizer = _tokenizer()
    pieces = Counter(tokenizer.decode_bytes([i]) for i in range(tokenizer.vocab_size))
    decoded = Counter(tokenizer.decode([i]) for i in range(tokenizer.vocab_size))
    for text in (" then there", "é", " the", "hen", "the cat é"):
        data = text.encode()
        parts = {(i, j) for j in range(len(data) + 1) for i in range(j) if pieces[data[i:j]]}
        mistakes = {
            "This counts every way to cut the text, also into pieces that the vocabulary does not "
            "hold. A piece must be a token.": 2 ** (len(data) - 1),
            "This is the number of tokens that `encode` gives, one of the spellings.": len(
                tokenizer.encode(text)
            ),
            "This is how many pieces of the text are tokens. Wanted is how many rows of tokens "
            "make the whole text.": len(parts),
            "You went through the characters. Half a character can be a token too: go through "
            "the bytes, with `.encode` and `decode_bytes`.": _ways(decoded, text),
            "Only merged tokens were used. The single bytes are tokens as well, the first 256 of "
            "the vocabulary.": _ways(Counter(p for p in pieces if len(p) > 1), data),
        }
        given = f"a tokenizer of 270 tokens, text = {text!r}"
        compare(call(answer, tokenizer, text), _ways(pieces, data), given=given, mistakes=mistakes)
    return "You count what nobody could list: every row of tokens that spells a text."


EXERCISES = [
    Exercise("1.1", "What a character weighs", "easy", 5, _byte_lengths),
    Exercise("1.2", "The first merges", "medium", 15, _learn_words),
    Exercise("1.3", "Encoding by rank", "medium", 15, _encode_word),
    Exercise("1.4", "Bytes per token", "easy", 5, _bytes_per_token),
    Exercise("1.5", "Whose vocabulary was it?", "easy", 10, _millions),
    Exercise("1.6", "All the spellings", "medium", 20, _count_spellings),
]

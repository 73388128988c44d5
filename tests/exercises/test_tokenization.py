"""Chapter 01's checks: the right answer passes, and usual mistakes are told apart by their cause.

The wrong answers are written as readers write them, and not as the checks imagine them.
"""

from collections import Counter
from itertools import pairwise

import pytest

from gptcore import Tokenizer
from gptcore.exercises import check
from gptcore.exercises.tokenization import EXERCISES

# 1.1


def utf8(text):
    return [len(c.encode()) for c in text]


def characters(text):
    return [len(c) for c in text]


def utf16(text):
    return [len(c.encode("utf-16-le")) for c in text]


def utf16_with_mark(text):
    return [len(c.encode("utf-16")) for c in text]


def values(text):
    return list(text.encode("utf-8"))


def in_all(text):
    return len(text.encode("utf-8"))


def bits(text):
    return [-(-ord(c).bit_length() // 8) for c in text]


# 1.2


def learner(choose=None, weigh=True, again=True, step=2, every=True, join=False):
    """Byte-pair encoding as a reader may write it, with one slip or none."""
    choose = choose or (lambda counts: min(counts, key=lambda pair: (-counts[pair], pair)))

    def count(words):
        counts = Counter()
        for word, n in words.items():
            for pair in pairwise(word):
                counts[pair] += n if weigh else 1
        return counts

    def merge(word, pair):
        out, i, done = [], 0, False
        while i < len(word):
            if tuple(word[i : i + 2]) == pair and not (done and not every):
                out.append("".join(pair))
                done = True
                i += step
            else:
                out.append(word[i])
                i += 1
        return tuple(out)

    def learn(words, n):
        words = {tuple(word): count for word, count in words.items()}
        if not again:
            counts = count(words)
            return sorted(counts, key=lambda pair: (-counts[pair], pair))[:n]
        merges = []
        for _ in range(n):
            best = choose(count(words))
            merges.append("".join(best) if join else best)
            words = {merge(word, best): count for word, count in words.items()}
        return merges

    return learn


def first_met(counts):
    return counts.most_common(1)[0][0]


def largest(counts):
    return max(counts, key=lambda pair: (counts[pair], pair))


def rarest(counts):
    return min(counts, key=lambda pair: (counts[pair], pair))


# 1.3


def encoder(pick, repeat=True, every=True):
    """Encoding as a reader may write it; `pick` chooses among the pairs that can be merged."""

    def encode_word(word, merges):
        pieces = list(word)
        while possible := [pair for pair in pairwise(pieces) if pair in merges]:
            pair = pick(possible, merges)
            out = []
            while pieces:
                found = tuple(pieces[:2]) == pair
                out.append(pieces[0] + pieces[1] if found else pieces[0])
                pieces = pieces[2:] if found else pieces[1:]
                if found and not every:
                    out, pieces = out + pieces, []
            pieces = out
            if not repeat:
                break
        return pieces

    return encode_word


def earliest(possible, merges):
    return min(possible, key=merges.index)


def longest_piece(word, merges):
    known = {"".join(pair) for pair in merges}
    pieces = []
    while word:
        cut = next((i for i in range(len(word), 1, -1) if word[:i] in known), 1)
        pieces.append(word[:cut])
        word = word[cut:]
    return pieces


def each_rule_in_order(word, merges):
    """Another right answer: the rules one after the other, each wherever it applies."""
    pieces = list(word)
    for left, right in merges:
        i = 0
        while i + 1 < len(pieces):
            if (pieces[i], pieces[i + 1]) == (left, right):
                pieces[i : i + 2] = [left + right]
            i += 1
    return pieces


def at_its_first_place(word, merges):
    """Each rule used once, at the first place where it applies."""
    pieces = list(word)
    for left, right in merges:
        for i in range(len(pieces) - 1):
            if (pieces[i], pieces[i + 1]) == (left, right):
                pieces[i : i + 2] = [left + right]
                break
    return pieces


# 1.4


def size(text):
    return len(text.encode())


def per_token(tokenizer, texts):
    return sum(map(size, texts)) / sum(len(tokenizer.encode(text)) for text in texts)


def mean_of_ratios(tokenizer, texts):
    return sum(size(text) / len(tokenizer.encode(text)) for text in texts) / len(texts)


def characters_per_token(tokenizer, texts):
    return sum(map(len, texts)) / sum(len(tokenizer.encode(text)) for text in texts)


def upside_down(tokenizer, texts):
    return 1 / per_token(tokenizer, texts)


def first_text(tokenizer, texts):
    for text in texts:
        return size(text) / len(tokenizer.encode(text))


def per_text(tokenizer, texts):
    return sum(map(size, texts)) / len(texts)


# 1.5


def parameters(V, L, C):
    return V * C + 1024 * C + L * (12 * C**2 + 13 * C) + 2 * C


def in_millions(V, L, C):
    return round(parameters(V, L, C) / 1e6)


# 1.6


def spellings(tokenizer, text, least=1, most=None, decode=None):
    pieces = Counter((decode or tokenizer.decode_bytes)([i]) for i in range(tokenizer.vocab_size))
    data = text if decode else text.encode()
    ways = [1] + [0] * len(data)
    for end in range(1, len(data) + 1):
        for start in range(end):
            if end - start >= least:
                ways[end] += ways[start] * pieces[data[start:end]]
    return ways[-1]


def known_pieces(tokenizer, text):
    known = {tokenizer.decode_bytes([i]) for i in range(tokenizer.vocab_size)}
    data = text.encode()
    cuts = [(i, j) for i in range(len(data)) for j in range(i + 1, len(data) + 1)]
    return sum(data[i:j] in known for i, j in cuts)


def recursive(tokenizer, text):
    """Another right answer."""
    pieces = Counter(tokenizer.decode_bytes([i]) for i in range(tokenizer.vocab_size))
    kept = {b"": 1}

    def ways(data):
        if data not in kept:
            ends = range(1, len(data) + 1)
            kept[data] = sum(pieces[data[:i]] * ways(data[i:]) for i in ends)
        return kept[data]

    return ways(text.encode())


RIGHT = [
    ("1.1", utf8),
    ("1.1", lambda text: tuple(utf8(text))),
    ("1.2", learner()),
    ("1.2", lambda words, n: [list(pair) for pair in learner()(words, n)]),
    ("1.3", encoder(earliest)),
    ("1.3", each_rule_in_order),
    ("1.4", per_token),
    ("1.5", in_millions),
    ("1.5", lambda V, L, C: round(parameters(V, L, C), -6) / 1e6),
    ("1.6", spellings),
    ("1.6", recursive),
]

WRONG = [
    ("1.1", characters, "Every character counts as one"),
    ("1.1", utf16, "lengths in UTF-16, which"),
    ("1.1", utf16_with_mark, "UTF-16 with the mark"),
    ("1.1", values, "the bytes themselves"),
    ("1.1", in_all, "length of the whole text"),
    ("1.1", bits, "in each byte some bits say"),
    ("1.2", learner(weigh=False), "Each word is counted once"),
    ("1.2", learner(again=False), "counted a single time, at the start"),
    ("1.2", learner(first_met), "the one met first"),
    ("1.2", learner(largest), "you take the larger one"),
    ("1.2", learner(rarest), "the rarest pair"),
    ("1.2", learner(step=1), "go on at the second piece"),
    ("1.2", learner(every=False), "only at its first place"),
    ("1.2", learner(join=True), "These are the new pieces"),
    ("1.3", lambda word, merges: list(word), "Nothing was merged"),
    ("1.3", encoder(lambda possible, merges: possible[0]), "the first pair from the left"),
    ("1.3", longest_piece, "the longest known piece"),
    ("1.3", encoder(lambda possible, merges: max(possible, key=merges.index)), "learned last"),
    ("1.3", encoder(earliest, repeat=False), "stop after one merge"),
    ("1.3", at_its_first_place, "at one place only"),
    ("1.3", lambda word, merges: " ".join(encoder(earliest)(word, merges)), "is a text"),
    ("1.4", mean_of_ratios, "mean of each text's own ratio"),
    ("1.4", characters_per_token, "characters per token"),
    ("1.4", upside_down, "the other way round"),
    ("1.4", first_text, "Only the first text"),
    ("1.4", per_text, "bytes per text"),
    ("1.5", lambda V, L, C: round((parameters(V, L, C) - 1024 * C) / 1e6), "position table"),
    ("1.5", lambda V, L, C: round((parameters(V, L, C) + V * C) / 1e6), "counted twice"),
    ("1.5", lambda V, L, C: round((parameters(V, L, C) - V * C) / 1e6), "tokens is missing"),
    ("1.5", lambda V, L, C: in_millions(V, 1, C), "Only one layer"),
    ("1.5", parameters, "count of parameters"),
    ("1.5", lambda V, L, C: parameters(V, L, C) / 1e6, "not rounded"),
    ("1.5", lambda V, L, C: parameters(V, L, C) // 10**6, "cut off"),
    ("1.6", lambda tokenizer, text: 2 ** (size(text) - 1), "every way to cut"),
    ("1.6", lambda tokenizer, text: len(tokenizer.encode(text)), "`encode` gives"),
    ("1.6", known_pieces, "how many pieces of the text"),
    ("1.6", lambda t, text: spellings(t, text, decode=t.decode), "went through the characters"),
    ("1.6", lambda tokenizer, text: spellings(tokenizer, text, least=2), "Only merged tokens"),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers_pass(number: str, answer) -> None:
    """However they are written."""
    result = check(number, answer)
    assert result.verdict == "done", result.message


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_each_mistake_is_told_by_its_cause(number: str, answer, cause: str) -> None:
    result = check(number, answer)
    assert result.verdict == "not yet" and cause in result.said.message, result.message
    if cause not in ("is a text",):
        assert result.said.given and result.said.expected and result.said.got


def test_mistakes_are_told_apart() -> None:
    """At least three for each exercise, no two with the same message."""
    for exercise in EXERCISES:
        said = [check(n, answer).said.message for n, answer, _ in WRONG if n == exercise.number]
        assert len(said) == len(set(said)) >= 3


def test_worked_examples_of_the_page() -> None:
    """By hand: the cases that the tasks give, and the merges of Sennrich et al. 2016."""
    assert utf8("Zoë") == [1, 1, 2]
    assert learner()({"aab": 2, "ab": 5}, 2) == [("a", "b"), ("a", "ab")]
    assert encoder(earliest)("then", [("h", "e"), ("t", "he")]) == ["the", "n"]
    assert in_millions(40_478, 48, 1600) == 1542 and in_millions(50_257, 48, 1600) == 1558
    tokenizer = Tokenizer.train(["ab ab"], vocab_size=257, specials=())  # bytes and `ab`
    assert spellings(tokenizer, "abab") == 4  # ab or a b, twice

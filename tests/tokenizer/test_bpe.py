"""Byte-pair encoding on words of plain letters, against counting by hand and by brute force."""

import random
from collections import Counter
from itertools import islice

import pytest

from gptcore.tokenizer import bpe
from gptcore.tokenizer.bpe import apply_merges, count_pairs, learn_merges, pairs, replace_pair


def coded(word: str) -> str:
    """ "abc" as symbols 0, 1, 2."""
    return "".join(chr(ord(letter) - ord("a")) for letter in word)


def words_of(rng: random.Random, letters: str, n: int, longest: int = 8) -> dict[str, int]:
    """Random words with random frequencies."""
    spelled = ("".join(rng.choices(letters, k=rng.randint(1, longest))) for _ in range(n))
    return {coded(word): rng.randint(1, 9) for word in spelled}


def brute_force(words: dict[str, int], n_base: int) -> list[str]:
    """Algorithm 1 of Sennrich et al.: count everything again before every merge."""
    spelled = {tuple(map(ord, word)): n for word, n in words.items()}
    learned = []
    while True:
        counts: Counter[tuple[int, int]] = Counter()
        for word, n in spelled.items():
            for pair in zip(word, word[1:], strict=False):
                counts[pair] += n
        if not counts:
            return learned
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        learned.append("".join(map(chr, best)))
        new, merged = n_base + len(learned) - 1, {}
        for word, n in spelled.items():
            out: list[int] = []
            for symbol in word:
                out.append(symbol)
                if tuple(out[-2:]) == best:
                    out[-2:] = [new]
            merged[tuple(out)] = n
        spelled = merged


def lowest_first(word: str, learned: list[str], n_base: int) -> str:
    """BPE as GPT-2's encoder.py does it: one merge at a time, earliest learned, leftmost."""
    ranks = {pair: rank for rank, pair in enumerate(learned)}
    symbols = list(word)
    while len(symbols) > 1:
        found = [a + b for a, b in zip(symbols, symbols[1:], strict=False)]
        best = min(found, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        i = found.index(best)
        symbols[i : i + 2] = [chr(n_base + ranks[best])]
    return "".join(symbols)


def tables(learned: list[str], n_base: int) -> tuple[dict[str, str], dict[str, str]]:
    """Pair -> character and back."""
    product = {pair: chr(n_base + rank) for rank, pair in enumerate(learned)}
    return product, {new: pair for pair, new in product.items()}


def test_pairs_are_neighbours() -> None:
    assert list(pairs("abc")) == ["ab", "bc"]
    assert list(pairs("a")) == list(pairs("")) == []


def test_counts_of_the_docstring() -> None:
    counts, where = count_pairs({"aab": 2, "ab": 5})
    assert (counts, where) == ({"aa": 2, "ab": 7}, {"aa": {0}, "ab": {0, 1}})


def test_learns_the_worked_example() -> None:
    """aaabdaaabac (Gage 1994, as Wikipedia tells it): aa, then ab or Za (a tie), then ZY.

    aa stands 4 times in two runs of aaa. After Z=aa the pairs Za and ab both stand twice; the
    smaller left symbol wins, a=0, so Y=ab; ZY stands twice; then every pair stands once and the
    smallest is taken: ac, ...
    """
    learned = list(learn_merges({coded("aaabdaaabac"): 1}, n_base=4))
    z, y = chr(4), chr(5)
    assert learned[:4] == [coded("aa"), coded("ab"), z + y, coded("ac")]


def test_a_tie_goes_to_the_smaller_left_then_the_smaller_right_symbol() -> None:
    first = [
        next(learn_merges({coded(w): 3 for w in ws}, 9)) for ws in (("cd", "ba"), ("bd", "bc"))
    ]
    assert first == [coded("ba"), coded("bc")]


def test_ends_when_no_pair_is_left() -> None:
    assert list(learn_merges({coded("ab"): 1, coded("c"): 7}, n_base=3)) == [coded("ab")]
    assert list(learn_merges({}, n_base=3)) == []


@pytest.mark.parametrize("letters", ["ab", "aaab", "abcdefgh"])
def test_learns_what_counting_everything_again_learns(letters: str) -> None:
    rng = random.Random(letters)
    for _ in range(40):
        words = words_of(rng, letters, 12)
        assert list(learn_merges(words, 8)) == brute_force(words, 8)


def test_kept_counts_are_the_true_counts_after_every_merge() -> None:
    words = words_of(random.Random(0), "aabc", 30)
    spellings, freqs = list(words), list(words.values())
    counts, where = count_pairs(words)
    for rank, pair in enumerate(islice(learn_merges(words, 8), 20)):
        gained = replace_pair(pair, chr(8 + rank), spellings, freqs, counts, where)
        counts.update(gained)
        true: Counter[str] = Counter()
        for word, n in zip(spellings, freqs, strict=True):
            for held in pairs(word):
                true[held] += n
        assert {pair: n for pair, n in counts.items() if n} == true
        for held in true:
            assert {i for i, word in enumerate(spellings) if held in word} <= where[held]


def test_a_merge_visits_only_the_words_that_hold_its_pair() -> None:
    words = {coded(word): 1 for word in ("abab", "cd", "cab", "dc")}
    counts, where = count_pairs(words)

    class Watched(list):
        def __getitem__(self, i: int) -> str:
            visited.add(i)
            return super().__getitem__(i)

    visited: set[int] = set()
    replace_pair(coded("ab"), chr(4), Watched(words), [1] * 4, counts, where)
    assert visited == {0, 2}


@pytest.mark.parametrize("letters", ["a", "ab", "aaab", "abcdefgh"])
def test_applies_merges_as_gpt2_does_to_short_and_long_words(letters: str) -> None:
    rng = random.Random(letters)
    learned = list(islice(learn_merges(words_of(rng, letters, 60), 8), 50))
    product, parts = tables(learned, 8)
    for length in (0, 1, 2, 3, 7, bpe.LONG_WORD, bpe.LONG_WORD + 1, 200):
        for _ in range(10):
            word = coded("".join(rng.choices(letters, k=length)))
            merged = lowest_first(word, learned, 8)
            assert apply_merges(word, product, parts) == merged
            assert bpe.apply_merges_to_long(word, product, parts) == merged


def test_work_on_a_long_word_grows_like_its_length() -> None:
    """Lookups of pairs, counted instead of timed: 16 times the length, about 16 times the work."""

    class Counted(dict):
        looked_up = 0

        def get(self, pair: str) -> str | None:
            Counted.looked_up += 1
            return super().get(pair)

    rng = random.Random(1)
    learned = list(learn_merges(words_of(rng, "abcdefgh", 300), 8))
    product, parts = tables(learned, 8)
    work = []
    for length in (1000, 16000):
        Counted.looked_up = 0
        apply_merges(coded("".join(rng.choices("abcdefgh", k=length))), Counted(product), parts)
        work.append(Counted.looked_up)
    assert work[1] < 20 * work[0]
    assert work[1] < 3 * 16000

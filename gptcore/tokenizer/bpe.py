"""Byte-pair encoding itself: learn merges from counted words, then apply them to any word.

A word is a Python string in which every character stands for one symbol: characters 0, 1, 2, ...
are the base symbols, and merge number r adds character `n_base + r`. A pair is a string of two
such characters, so to merge it is to call `str.replace`, and the merge that was learned first is
the one with the smallest new character. Nothing here knows of bytes, spaces or `</w>`; that is
the business of `gptcore.tokenizer.words`.

Source: Sennrich, Haddow and Birch 2016, §3.2 and algorithm 1; GPT-1 §4.1; GPT-2 §2.2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from operator import add

LONG_WORD = 40
"""Symbols from which `apply_merges` keeps a heap: below it, looking at every pair is faster."""


def pairs(word: str) -> Iterable[str]:
    """Every pair of neighbours, left to right: `list(pairs("abc"))` is `["ab", "bc"]`."""
    return map(add, word, word[1:])


def count_pairs(words: Mapping[str, int]) -> tuple[dict[str, int], dict[str, set[int]]]:
    """Count each pair over all words, and list the words (by position) that hold it.

    `count_pairs({"aab": 2, "ab": 5})` is `({"aa": 2, "ab": 7}, {"aa": {0}, "ab": {0, 1}})`.

    Args:
        words: word -> how often the text holds it.
    """
    counts: dict[str, int] = defaultdict(int)
    where: dict[str, set[int]] = defaultdict(set)
    for i, (word, n) in enumerate(words.items()):
        for pair in pairs(word):
            counts[pair] += n
            where[pair].add(i)
    return counts, where


def learn_merges(words: Mapping[str, int], n_base: int) -> Iterator[str]:
    """Yield merges, best first, each as a pair of characters, until no pair is left.

    The best pair is the one with the highest count; of equally frequent ones, the one whose left
    symbol is smallest, then the one whose right symbol is smallest. With "a" as symbol 0 and "b"
    as 1, the words aab (2 times) and ab (5 times) give ab (7 times), then a+ab (2 times):
    `list(learn_merges({"\0\0\1": 2, "\0\1": 5}, n_base=2))` is `["\0\1", "\0\2"]`.

    Counts are kept, not recomputed. All pairs that a merge makes hold its new symbol, so from then
    on their counts can only fall: one heap entry per pair is enough, and an entry that has become
    too high is put back with its true count when it comes to the top.

    Args:
        words: word -> how often the text holds it; characters below `n_base` only.
        n_base: number of base symbols.
    """
    spellings, freqs = list(words), list(words.values())
    counts, where = count_pairs(words)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapify(heap)
    symbol = n_base
    while heap:
        n, pair = heappop(heap)
        if counts[pair] != -n:
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], pair))
            continue
        yield pair
        for made, n in replace_pair(pair, chr(symbol), spellings, freqs, counts, where).items():
            counts[made] = n
            heappush(heap, (-n, made))
        symbol += 1


def replace_pair(
    pair: str,
    new: str,
    spellings: list[str],
    freqs: list[int],
    counts: dict[str, int],
    where: dict[str, set[int]],
) -> dict[str, int]:
    """Merge one pair in the words that hold it, and correct the counts of its neighbours there.

    Where x a b y becomes x N y, the pairs xa and by lose the word's frequency, xN and Ny win it.
    Everything but the first two arguments is indexed by word or by pair, and changed in place.

    Returns:
        The pairs that `new` now forms, with their counts.
    """
    left, right = pair
    gained: dict[str, int] = defaultdict(int)
    for i in where.pop(pair):
        pieces = spellings[i].split(pair)
        spellings[i] = new.join(pieces)
        n = freqs[i]
        for k in range(1, len(pieces)):  # one merged pair stands before each piece but the first
            if before := pieces[k - 1][-1:]:
                counts[before + left] -= n
                gained[before + new] += n
                where[before + new].add(i)
            if after := pieces[k][:1]:
                counts[right + after] -= n
                gained[new + after] += n
                where[new + after].add(i)
            elif k < len(pieces) - 1:  # another one follows at once: a b a b becomes N N
                counts[right + left] -= n
                gained[new + new] += n
                where[new + new].add(i)
    del counts[pair]
    return gained


def apply_merges(word: str, product: Mapping[str, str], parts: Mapping[str, str]) -> str:
    """Merge the earliest learned pair that the word holds, everywhere, until none is left.

    Args:
        word: base symbols.
        product: pair -> the character it becomes.
        parts: the same the other way round.
    """
    if len(word) > LONG_WORD:
        return apply_merges_to_long(word, product, parts)
    while possible := [*filter(None, map(product.get, pairs(word)))]:
        new = min(possible)
        word = word.replace(parts[new], new)
    return word


def apply_merges_to_long(word: str, product: Mapping[str, str], parts: Mapping[str, str]) -> str:
    """The same for a word of any length: possible merges wait in a heap, the earliest on top.

    Looking at all pairs again after every merge would cost (length x merges). Here only the
    places where something was merged are looked at: new pairs can be nowhere else.
    """
    heap = list(set(filter(None, map(product.get, pairs(word)))))
    heapify(heap)
    while heap:
        new = heappop(heap)
        pieces = word.split(parts[new])
        word = new.join(pieces)
        made = {piece[-1] + new for piece in set(pieces[:-1]) if piece}
        made |= {new + piece[0] for piece in set(pieces[1:]) if piece}
        made.add(new + new)
        for later in filter(None, map(product.get, made)):
            heappush(heap, later)
    return word

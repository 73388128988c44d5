"""The fast engine is used where no text can tell it from our own merges, and only there."""

import itertools

import pytest

from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.vocabulary import BYTE_CHARS

pytest.importorskip("tiktoken")


def handmade(*merges):
    made = [left + right for left, right in merges]
    return Tokenizer({token: i for i, token in enumerate([*BYTE_CHARS, *made])}, merges)


@pytest.mark.parametrize(
    "merges, fast",
    [
        ([("a", "b"), ("b", "c"), ("ab", "c")], True),
        ([("b", "c"), ("a", "b"), ("ab", "c")], False),  # abc is a+bc by the merges
        ([("a", "b"), ("c", "d"), ("b", "c"), ("a", "bc"), ("abc", "d")], False),
        ([("a", "a"), ("aa", "a")], True),
        ([("a", "a"), ("a", "aa")], False),  # aaa is aa+a by the merges
        ([("Ġ", "a"), ("Ġa", "b")], True),
    ],
)
def test_handmade_merges_part_ways_nowhere(merges, fast):
    """All texts of up to six of the letters: the two encoders agree, and so does the choice."""
    tokenizer = handmade(*merges)
    assert (tokenizer._tiktoken() is not None) is fast
    texts = ["".join(t) for n in range(1, 7) for t in itertools.product("abcd"[: 8 - n], repeat=n)]
    texts += [f" {text} {text}" for text in texts[:500]]
    found = [ids.tolist() for ids in tokenizer.encode_corpus(texts)]
    assert found == tokenizer.encode_batch(texts)


def test_learned_merges_have_the_fast_engine():
    assert Tokenizer.train("one day a fox ran home, the other day too " * 9, 330)._tiktoken()

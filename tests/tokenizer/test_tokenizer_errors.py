"""What a tokenizer refuses, and what it says then."""

import re

import pytest

from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.vocabulary import BYTE_CHARS

BYTES = {token: i for i, token in enumerate(BYTE_CHARS)}


@pytest.fixture(scope="module")
def byte() -> Tokenizer:
    return Tokenizer.train("sea shells", 260)


@pytest.fixture(scope="module")
def word() -> Tokenizer:
    return Tokenizer.train("sea shells", 40, kind="word", splitter="plain")


def test_encoding(byte: Tokenizer, word: Tokenizer) -> None:
    for bad in (None, 7, b"sea", ["sea"]):
        with pytest.raises(TypeError, match=f"text must be a str, got {type(bad).__name__}"):
            byte.encode(bad)
        with pytest.raises(TypeError, match=f"text must be a str, got {type(bad).__name__}"):
            word.encode(bad)
    for encode in (byte.encode_batch, lambda texts: list(byte.encode_corpus(texts))):
        with pytest.raises(TypeError, match="texts must be an iterable of str, got str"):
            encode("sea")
        with pytest.raises(TypeError, match="text must be a str, got int"):
            encode(["sea", 5])
    message = re.escape("allow_special has ['<|x|>'], which must be among ['<|endoftext|>']")
    with pytest.raises(ValueError, match=message):
        byte.encode("sea", allow_special={"<|x|>", "<|endoftext|>"})
    with pytest.raises(TypeError, match="allow_special='<|x|>' must be a bool or a set of str"):
        byte.encode("sea", allow_special="<|x|>")


@pytest.mark.parametrize("bad", [260, -1, "!", 1.5, None])
def test_decoding_unknown_ids(byte: Tokenizer, word: Tokenizer, bad: object) -> None:
    for tokenizer in (byte, word):
        top = tokenizer.vocab_size - 1
        with pytest.raises(KeyError, match=re.escape(f"id {bad!r} must be one of 0..{top}")):
            tokenizer.decode([0, bad])
        with pytest.raises(KeyError, match=re.escape(f"id {bad!r} must be one of 0..{top}")):
            tokenizer.token_str(bad)
    with pytest.raises(KeyError, match="must be one of 0..259"):
        byte.decode_bytes([bad])


def test_decoding_what_is_no_list_of_ids(byte: Tokenizer, word: Tokenizer) -> None:
    with pytest.raises(TypeError, match="ids must be an iterable of int, got 5"):
        byte.decode(5)
    with pytest.raises(TypeError, match="ids must be an iterable of int, got str"):
        byte.decode("sea")
    with pytest.raises(ValueError, match="kind='word' has no bytes, decode_bytes needs kind='byt"):
        word.decode_bytes([0])
    with pytest.raises(KeyError, match="token 'Ġxyz' is not in the vocabulary"):
        byte.id_of("Ġxyz")


def test_training(byte: Tokenizer) -> None:
    with pytest.raises(ValueError, match="vocab_size=256 must be at least 257: 256 base symbols"):
        Tokenizer.train("sea", 256)
    with pytest.raises(ValueError, match="vocab_size=8 must be at least 9: 8 base symbols and 1"):
        Tokenizer.train("sea", 8, kind="word", splitter="plain")
    with pytest.raises(TypeError, match="vocab_size='300' must be an int"):
        Tokenizer.train("sea", "300")
    with pytest.raises(TypeError, match="texts must be an iterable of str, got bytes"):
        Tokenizer.train(b"sea", 300)
    with pytest.raises(TypeError, match="texts must be an iterable of str, got NoneType"):
        Tokenizer.train(None, 300)
    with pytest.raises(TypeError, match="text must be a str, got int"):
        Tokenizer.train([1], 300)
    with pytest.raises(ValueError, match="kind='char' must be 'byte' or 'word'"):
        Tokenizer.train("sea", 300, kind="char")
    with pytest.raises(ValueError, match="splitter='gpt2' must be 'spacy' or 'plain' for kind='w"):
        Tokenizer.train("sea", 300, kind="word", splitter="gpt2")
    with pytest.raises(ValueError, match="splitter='plain' must be 'gpt2' for kind='byte'"):
        Tokenizer.train("sea", 300, splitter="plain")


def test_specials() -> None:
    with pytest.raises(TypeError, match="specials='<|x|>' must be several strings, not one"):
        Tokenizer.train("sea", 300, specials="<|x|>")
    with pytest.raises(TypeError, match=re.escape("specials=[5] must be strings")):
        Tokenizer.train("sea", 300, specials=[5])
    for bad in (["x", "x"], [""]):
        message = re.escape(f"specials={bad!r} must be different and not empty")
        with pytest.raises(ValueError, match=message):
            Tokenizer.train("sea", 300, specials=bad)
    with pytest.raises(ValueError, match="special 'sea' must not be the ordinary token 257 too"):
        Tokenizer.train("sea", 300, specials=["sea"])


def test_a_vocabulary_must_number_its_tokens_from_zero() -> None:
    with pytest.raises(ValueError, match="token 'ab' has id 300, which must be one of 0..256"):
        Tokenizer({**BYTES, "ab": 300}, [("a", "b")])
    with pytest.raises(ValueError, match="token 'ab' has id -1, which must be one of 0..256"):
        Tokenizer({**BYTES, "ab": -1}, [("a", "b")])
    with pytest.raises(ValueError, match="id 7 must belong to one token, not to '\\(' and 'ab'"):
        Tokenizer({**BYTES, "ab": 7}, [("a", "b")])
    with pytest.raises(ValueError, match="id 7 must belong to one token, not to '\\(' and '<x>'"):
        Tokenizer(BYTES, [], specials={"<x>": 7})
    with pytest.raises(ValueError, match="token 'ab' has id '7', which must be an int"):
        Tokenizer({**BYTES, "ab": "7"}, [("a", "b")])


def test_a_vocabulary_must_fit_its_merges() -> None:
    few = {token: i for i, token in enumerate(BYTE_CHARS[:-2])}
    message = re.escape("merge 0 ('a', 'Ń') uses 'Ń', which must be a base symbol or made by an")
    with pytest.raises(ValueError, match=message):
        Tokenizer({**few, "aŃ": 254}, [("a", "Ń")])
    with pytest.raises(ValueError, match="token 'ab' must be a base symbol or made by a merge"):
        Tokenizer({**BYTES, "ab": 256}, [])
    with pytest.raises(ValueError, match="token '你' must be a base symbol or made by a merge"):
        Tokenizer({**BYTES, "你": 256}, [])
    with pytest.raises(ValueError, match="vocab of kind 'word' must hold '<unk>'"):
        Tokenizer({"a": 0}, [], kind="word")
    with pytest.raises(ValueError, match="token 'ab' must be a base symbol or made by a merge"):
        Tokenizer({"<unk>": 0, "ab": 1}, [], kind="word")


def test_merges_must_build_on_each_other() -> None:
    vocab = {**BYTES, "ab": 256, "abc": 257}
    message = re.escape("merge 0 ('ab', 'c') uses 'ab', which must be a base symbol or made by an")
    with pytest.raises(ValueError, match=message):
        Tokenizer(vocab, [("ab", "c"), ("a", "b")])
    with pytest.raises(ValueError, match=re.escape("merge 1 ('a', 'b') must make a new token")):
        Tokenizer({**BYTES, "ab": 256}, [("a", "b"), ("a", "b")])
    with pytest.raises(ValueError, match="merge 0 makes 'ab', which must have an id in vocab"):
        Tokenizer(BYTES, [("a", "b")])

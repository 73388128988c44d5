"""Ids and vocabularies equal those of tiktoken, tokenizers and transformers.

The vocabulary is trained here, and is GPT-2's own as well where GPTCORE_DATA_MIRROR points to a
folder with OpenAI's files.
"""

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from fuzz_texts import CHARACTERS, LONG, PROSE, fuzz

from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.words import GPT2_PATTERN

tiktoken = pytest.importorskip("tiktoken")
tokenizers = pytest.importorskip("tokenizers")

MIRROR = os.environ.get("GPTCORE_DATA_MIRROR")


def gpt2_tokenizer() -> Tokenizer:
    folder = Path(MIRROR) / "gpt2-bpe"
    return Tokenizer.from_openai(folder / "encoder.json.gz", folder / "vocab.bpe")


@pytest.fixture(scope="module", params=["trained", "gpt2"])
def tokenizer(request) -> Tokenizer:
    if request.param == "trained":
        return Tokenizer.train(PROSE[:200_000] + " Ünïcödé 你好 \n\n\n    " * 9, 2000)
    if not MIRROR:
        pytest.skip("GPTCORE_DATA_MIRROR is not set: OpenAI's files are absent")
    return gpt2_tokenizer()


@pytest.fixture(scope="module")
def theirs(tokenizer: Tokenizer, tmp_path_factory) -> tokenizers.Tokenizer:
    path = tmp_path_factory.mktemp("hf") / "tokenizer.json"
    tokenizer.save(path)
    return tokenizers.Tokenizer.from_file(str(path))


@pytest.fixture(scope="module")
def tiktokens(tokenizer: Tokenizer) -> tiktoken.Encoding:
    """Built with a byte alphabet of its own, written down from GPT-2's encoder.py."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in visible]
    byte_of = {chr(b): b for b in visible} | {chr(256 + n): b for n, b in enumerate(other)}
    tokens = map(tokenizer.token_str, range(tokenizer.vocab_size - 1))
    ranks = {bytes(byte_of[char] for char in token): i for i, token in enumerate(tokens)}
    # tiktoken's own form of GPT-2's pattern, which survives a megabyte of spaces
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    special = {"<|endoftext|>": tokenizer.vocab_size - 1}
    return tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)


def test_ids_on_fuzz(tokenizer: Tokenizer, theirs, tiktokens) -> None:
    for text in fuzz(0, 500):
        ids = tokenizer.encode(text)
        assert ids == tiktokens.encode_ordinary(text) == theirs.encode(text).ids, ascii(text)
        assert tokenizer.decode(ids) == text


def test_ids_of_every_script(tokenizer: Tokenizer, theirs, tiktokens) -> None:
    """Every thirteenth character, between letters, digits, signs and spaces."""
    some = CHARACTERS[::13]
    for start in range(0, len(some), 500):
        text = " ".join(f"a{c}{c}1 {c} !{c}" for c in some[start : start + 500])
        ids = tokenizer.encode(text)
        assert ids == tiktokens.encode_ordinary(text) == theirs.encode(text).ids, start


@pytest.mark.parametrize("name", LONG)
def test_ids_of_long_words(tokenizer: Tokenizer, theirs, tiktokens, name: str) -> None:
    ids = tokenizer.encode(LONG[name])
    assert ids == tiktokens.encode_ordinary(LONG[name]) == theirs.encode(LONG[name]).ids
    assert next(tokenizer.encode_corpus([LONG[name]])).tolist() == ids
    assert tokenizer.decode(ids) == LONG[name]


def test_a_corpus_may_hold_what_tiktoken_cannot_take(tokenizer: Tokenizer, theirs) -> None:
    """A million spaces before a word overflow the stack of tiktoken's regular expressions."""
    text = " " * 1_000_000 + "x"
    assert next(tokenizer.encode_corpus([text])).tolist() == theirs.encode(text).ids


def test_lone_surrogates_and_broken_bytes_as_tiktoken(tokenizer: Tokenizer, tiktokens) -> None:
    for text in ("\ud800", "a\udfffb", "\ud83d\ude00", "\ude00\ud83d", "x \ud800\ud800 y"):
        assert tokenizer.encode(text) == tiktokens.encode_ordinary(text), ascii(text)
    rng = random.Random(2)
    for _ in range(300):
        ids = rng.choices(range(tokenizer.vocab_size), k=8)
        assert tokenizer.decode(ids) == tiktokens.decode(ids)
        assert tokenizer.decode_bytes(ids) == tiktokens.decode_bytes(ids)


def test_special_tokens(tokenizer: Tokenizer, theirs, tiktokens) -> None:
    text = "one<|endoftext|>two <|endoftext|><|endoftext|>\n<|endoftext"
    allowed = tokenizer.encode(text, allow_special=True)
    assert allowed == tiktokens.encode(text, allowed_special="all") == theirs.encode(text).ids
    assert tokenizer.encode(text) == tiktokens.encode_ordinary(text) != allowed


def test_transformers_opens_what_we_save(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    byte = Tokenizer.train(PROSE[:50_000], 500)
    word = Tokenizer.train(PROSE[:50_000], 500, kind="word", splitter="plain")
    for tokenizer in (byte, word):
        tokenizer.save(tmp_path)
        fast = transformers.PreTrainedTokenizerFast(tokenizer_file=f"{tmp_path}/tokenizer.json")
        for text in (PROSE[60_000:80_000], "naïve — café…\n\n “it’s” don't 你好 <unk>"):
            ids = tokenizer.encode(text)
            assert fast(text)["input_ids"] == ids
            assert fast.decode(ids).strip() == tokenizer.decode(ids).strip()
        assert len(fast) == tokenizer.vocab_size


def test_word_ids_on_fuzz(tmp_path: Path) -> None:
    """With the plain splitter; a capital Σ that ends a word is lowered otherwise there."""
    word = Tokenizer.train(PROSE[:50_000], 500, kind="word", splitter="plain")
    word.save(tmp_path)
    theirs = tokenizers.Tokenizer.from_file(f"{tmp_path}/tokenizer.json")
    other = {*map(chr, range(0x1C, 0x20)), "Σ"}
    for text in fuzz(1, 400):
        text = "".join(char for char in text if char not in other)
        assert word.encode(text) == theirs.encode(text).ids, ascii(text)


# ------------------------------------------------------------------ training


def train_theirs(texts: list[str], vocab_size: int) -> list[list[str]]:
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return json.loads(model.to_str())["model"]["merges"]


def corpora() -> dict[str, list[str]]:
    rng = random.Random(3)
    found = {
        "help pages": [PROSE],
        "many texts": PROSE[:100_000].split("\n"),
        "code": [Path(random.__file__).read_text("utf-8")],
        "ties": [" ".join("".join(rng.choices("abcd", k=4)) for _ in range(2000))],
        "runs": ["aaaa aaa aa a bbbb abab ababab " * 3 + "=" * 999 + " " * 501],
        "mixed scripts": [" ".join(fuzz(4, 200))],
    }
    if MIRROR:
        for name in (
            "tinyshakespeare/input.txt.gz",
            "gutenberg/pride_and_prejudice.txt.gz",
            "tinystories-sample/tinystories_sample.txt.gz",
        ):
            found[name] = [gzip.decompress((Path(MIRROR) / name).read_bytes()).decode()[:500_000]]
    return found


CORPORA = corpora()


@pytest.mark.parametrize("name", CORPORA)
def test_learns_the_vocabulary_that_tokenizers_learns(name: str) -> None:
    ours = Tokenizer.train(CORPORA[name], 2000, specials=())
    assert [list(pair) for pair in ours.merges] == train_theirs(CORPORA[name], 2000)


def test_the_pattern_is_gpt2s() -> None:
    """As printed in OpenAI's encoder.py."""
    assert GPT2_PATTERN == (
        r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    )

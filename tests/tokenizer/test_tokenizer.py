"""The tokenizer's promises: golden ids, round trips, special tokens, immutability, clear errors."""

import copy
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from gptcore.tokenizer import Tokenizer, vocabulary

ORACLES = json.loads((Path(__file__).parents[1] / "oracles/tokenizer_gpt.json").read_text("utf-8"))
MIRROR = os.environ.get("GPTCORE_DATA_MIRROR")
OPENAI_FILES = {
    "gpt1": ("gpt1-bpe/encoder_bpe_40000.json.gz", "gpt1-bpe/vocab_40000.bpe"),
    "gpt2": ("gpt2-bpe/encoder.json.gz", "gpt2-bpe/vocab.bpe"),
}
TEXT = (
    "She sells sea shells by the sea shore. The shells she sells are sea shells, I'm sure!\n"
    "So if she sells sea shells on the sea shore, then I'm sure she sells sea-shore shells.\n"
)
HARD = [
    "",
    " ",
    "a",
    "\x00\x01\x7f\x80",
    "line\nline\r\nline\rline\x85line\u2028",
    "  two  spaces   \t\t ",
    "naïve café, Ελλάς, Россия, 你好，世界, こんにちは, 안녕, नमस्ते, ไทย, 𝔊𝔯, 𓀀",
    "שלום עולם مرحبا \u202eabc\u202c",
    "👩‍👩‍👧‍👦🏽 🇩🇪 e\u0301\u0323\u200d ﷽ \ufeff",
    "<|endoftext|> <unk> </w> Ġ Ċ ▁ [CLS]",
    "We'LL we'll I'm don't 'tis 1234567890 ½ Ⅻ ²",
    " " * 3000 + "x" + "\n" * 3000 + "a" * 3000,
    "\U0010ffff\ufffe\ud7ff\ue000",
]


@pytest.fixture(scope="module")
def byte() -> Tokenizer:
    return Tokenizer.train(TEXT, 280)


@pytest.fixture(scope="module")
def word() -> Tokenizer:
    return Tokenizer.train(TEXT, 100, kind="word", splitter="plain")


def of_oracle(name: str, **options) -> tuple[Tokenizer, dict[str, int]]:
    """A tokenizer of the recorded merges alone, and the published id of each token."""
    part = ORACLES[name]
    published = part["base"] | {left + right: i for left, right, i in part["merges"]}
    base = vocabulary.BYTE_CHARS if name == "gpt2" else list(part["base"])
    tokens = [*base, *(left + right for left, right, _ in part["merges"])]
    merges = [(left, right) for left, right, _ in part["merges"]]
    kind = "byte" if name == "gpt2" else "word"
    own = {token: i for i, token in enumerate(tokens)}
    return Tokenizer(own, merges, kind=kind, **options), published


# ------------------------------------------------------------------ golden ids


@pytest.mark.parametrize("text", ORACLES["gpt2"]["golden"])
def test_gpt2_ids(text: str) -> None:
    tokenizer, published = of_oracle("gpt2")
    ids = tokenizer.encode(text)
    assert [published[tokenizer.token_str(i)] for i in ids] == ORACLES["gpt2"]["golden"][text]
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("splitter", ["plain", "spacy"])
@pytest.mark.parametrize("text", ORACLES["gpt1"]["golden"])
def test_gpt1_ids(text: str, splitter: str) -> None:
    tokenizer, published = of_oracle("gpt1", splitter=splitter)
    ids = tokenizer.encode(text)
    assert [published[tokenizer.token_str(i)] for i in ids] == ORACLES["gpt1"]["golden"][text]


@pytest.mark.skipif(not MIRROR, reason="GPTCORE_DATA_MIRROR is not set: OpenAI's files are absent")
@pytest.mark.parametrize("name", ["gpt1", "gpt2"])
def test_the_published_files(name: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_openai(*(Path(MIRROR) / file for file in OPENAI_FILES[name]))
    for text, ids in ORACLES[name]["golden"].items():
        assert tokenizer.encode(text) == ids
    if name == "gpt1":
        facts = {"kind": "word", "vocab_size": 40478, "specials": {}, "eot": None}
        ids = {"<unk>": 0, "th": 477, "\n</w>": 40477}
    else:
        facts = {"kind": "byte", "vocab_size": 50257, "eot": 50256}
        ids = {"!": 0, "Ġ": 220, "Ċ": 198, "<|endoftext|>": 50256}
    assert {fact: getattr(tokenizer, fact) for fact in facts} == facts
    assert {token: tokenizer.id_of(token) for token in ids} == ids
    assert len(tokenizer.merges) == {"gpt1": 40_000, "gpt2": 50_000}[name]
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path) == tokenizer


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_bytes_come_back(byte: Tokenizer, text: str) -> None:
    ids = byte.encode(text)
    assert byte.decode(ids) == text
    assert byte.decode_bytes(ids) == text.encode()
    assert byte.encode(text) == ids  # remembered words give the same ids
    assert all(0 <= i < 279 for i in ids)


def test_every_character_comes_back(byte: Tokenizer) -> None:
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for start in range(0, len(points), 100_000):
        text = "".join(map(chr, points[start : start + 100_000]))
        assert byte.decode(byte.encode(text)) == text


def test_a_lone_surrogate_becomes_a_question_mark(byte: Tokenizer, word: Tokenizer) -> None:
    assert byte.decode(byte.encode("sea\ud800 shells \udc00")) == "sea\ufffd shells \ufffd"
    assert byte.decode(byte.encode("\ud83d\ude00")) == "😀"
    assert word.encode("sea\ud800") == word.encode("sea\ufffd")
    assert Tokenizer.train("ab\ud800", 256 + 1 + 9).decode([0]) == "!"


def test_broken_utf8_becomes_question_marks(byte: Tokenizer) -> None:
    ids = byte.encode("é")
    assert byte.decode(ids[:1]) == "\ufffd"
    assert byte.decode_bytes(ids[:1]) == b"\xc3"
    assert byte.decode(ids[::-1]) == "\ufffd\ufffd"


def test_words_come_back_in_lower_case_with_single_spaces(word: Tokenizer) -> None:
    assert word.decode(word.encode("She  SELLS sea-shells!")) == "she sells sea - shells !"
    assert word.decode(word.encode("sea\n\nshore")) == "sea \n shore"
    assert word.encode("sea 你 shore") == [*word.encode("sea"), 0, *word.encode("shore")]
    assert word.token_str(0) == "<unk>"


def test_ids_may_be_a_list_an_iterator_an_array_or_a_tensor(byte: Tokenizer) -> None:
    ids = byte.encode("sea shells")
    for form in (ids, iter(ids), np.array(ids), np.array(ids, dtype=np.uint16), torch.tensor(ids)):
        assert byte.decode(form) == "sea shells"


# ------------------------------------------------------------------ training


def test_training_by_hand() -> None:
    """ "low low lower": " low" stands once bare and once in " lower", "low" once.

    lo and ow stand 3 times each: l < o, so lo; then lo+w 3 times; then " "+low, 2 times; then all
    stand once: e, r and " low" + e tie, and e (id 68) is smaller than " low" (id 258).
    """
    tokenizer = Tokenizer.train("low low lower", 262)
    expected = (("l", "o"), ("lo", "w"), ("Ġ", "low"), ("e", "r"), ("Ġlow", "er"))
    assert tokenizer.merges == expected
    assert tokenizer.vocab_size == 262
    assert [tokenizer.token_str(i) for i in range(256, 262)] == [
        *("lo", "low", "Ġlow", "er", "Ġlower", "<|endoftext|>"),
    ]
    assert tokenizer.encode("low lower") == [257, 260]


def test_training_past_the_last_pair_ends_early() -> None:
    tokenizer = Tokenizer.train("ab ab", 1000)
    assert tokenizer.vocab_size == 256 + 2 + 1  # ab, " ab", end of text
    assert tokenizer.eot == 258
    assert Tokenizer.train("", 1000).vocab_size == 257


def test_several_texts_are_counted_together_but_no_word_spans_two() -> None:
    parts = Tokenizer.train(iter(["ab", "cd", "ab"]), 300)
    assert parts.merges == (("a", "b"), ("c", "d"))
    assert Tokenizer.train(["ab cd"], 300) == Tokenizer.train("ab cd", 300)


def test_word_vocabulary_has_gpt1s_order() -> None:
    tokenizer = Tokenizer.train("ab ab\nb", 100, kind="word", splitter="plain", specials=["_s_"])
    tokens = [tokenizer.token_str(i) for i in range(tokenizer.vocab_size)]
    assert tokens == ["<unk>", "a", "b", "a</w>", "b</w>", "ab</w>", "\n</w>", "_s_"]
    assert tokenizer.encode("AB b\nA") == [5, 4, 6, 3]
    assert tokenizer.splitter == "plain"


def test_training_remembers_which_splitter_it_had(monkeypatch) -> None:
    monkeypatch.setattr(vocabulary, "spacy_splitter", lambda: None)
    assert Tokenizer.train("ab", 20, kind="word").splitter == "plain"
    monkeypatch.setattr(vocabulary, "spacy_splitter", lambda: str.split)
    assert Tokenizer.train("", 20, kind="word").splitter == "spacy"


def test_progress_bars_change_nothing(capsys, byte: Tokenizer) -> None:
    assert Tokenizer.train(TEXT, 280, progress=True) == byte
    assert "merges learned" in capsys.readouterr().err


# ------------------------------------------------------------------ special tokens


def test_special_text_is_ordinary_unless_allowed(byte: Tokenizer) -> None:
    text = "sea<|endoftext|> shells"
    sea, shells = byte.encode("sea"), byte.encode(" shells")
    assert byte.eot == byte.specials["<|endoftext|>"] == 279
    assert 279 not in byte.encode(text)
    assert byte.encode(text, allow_special=True) == [*sea, 279, *shells]
    assert byte.encode(text, allow_special={"<|endoftext|>"}) == [*sea, 279, *shells]
    assert byte.encode(text, allow_special=set()) == byte.encode(text)
    assert byte.encode_batch([text, "sea"], allow_special=True) == [[*sea, 279, *shells], sea]
    assert byte.encode_batch([text]) == [byte.encode(text)]
    assert byte.decode(byte.encode(text, allow_special=True)) == text


def test_the_longest_special_wins_and_others_stay_text() -> None:
    tokenizer = Tokenizer.train("", 259, specials=["<|a|>", "<|a|>b", "(.)"])
    assert tokenizer.encode("<|a|>b<|a|>(.)x", allow_special=True) == [257, 256, 258, 87]
    assert tokenizer.encode("<|a|>(.)", allow_special={"(.)"})[-1] == 258
    assert len(tokenizer.encode("<|a|>(.)", allow_special={"(.)"})) == 6
    assert tokenizer.eot is None


def test_a_special_is_any_text_not_a_spelling_of_bytes() -> None:
    tokenizer = Tokenizer.train("", 257, specials=["[é Ġ]"])
    assert tokenizer.encode("[é Ġ]", allow_special=True) == [256]
    assert tokenizer.decode([256]) == "[é Ġ]"


def test_more_specials_get_the_next_ids(byte: Tokenizer, word: Tokenizer, tmp_path: Path) -> None:
    """Known ones keep theirs, the old tokenizer stays, and all else is encoded as before."""
    names = ["_start_", "_end_"]
    for tokenizer in (byte, word):
        n, more = tokenizer.vocab_size, tokenizer.with_specials(iter(names))
        assert more.specials == {**tokenizer.specials, "_start_": n, "_end_": n + 1}
        assert more.vocab_size == n + 2 == tokenizer.vocab_size + 2
        for fact in ("kind", "splitter", "eot", "merges"):
            assert getattr(more, fact) == getattr(tokenizer, fact)
        assert more.encode("sea_start_ shells") == tokenizer.encode("sea_start_ shells")
        sea = tokenizer.encode("sea")
        assert more.encode("sea_end_", allow_special=True) == [*sea, n + 1]
        assert more.fingerprint != tokenizer.fingerprint
        assert more.with_specials(["_end_"]) is more
        again = more.with_specials(["_end_", "_x_", "_start_"])
        assert again.specials == {**more.specials, "_x_": n + 2}
        more.save(tmp_path)
        assert Tokenizer.load(tmp_path) == more


def test_a_special_that_is_a_word_already_is_refused(byte: Tokenizer) -> None:
    with pytest.raises(ValueError, match="names has 'a', which is an ordinary token already"):
        byte.with_specials(["_start_", "a"])


# ------------------------------------------------------------------ an object that never changes


def test_it_cannot_be_changed(byte: Tokenizer) -> None:
    with pytest.raises(AttributeError, match="vocab_size=5: a Tokenizer cannot be changed"):
        byte.vocab_size = 5
    with pytest.raises(AttributeError, match="merges: a Tokenizer cannot be changed"):
        del byte.merges
    byte.specials["<|x|>"] = 7
    assert byte.specials == {"<|endoftext|>": 279}


def test_equal_content_is_equal(byte: Tokenizer, word: Tokenizer) -> None:
    again = Tokenizer.train(TEXT, 280)
    others = [word, Tokenizer.train(TEXT, 279), Tokenizer.train(TEXT, 280, specials=["<|x|>"])]
    twin = {"kind": "word", "specials": word.specials, "splitter": "spacy"}
    others.append(Tokenizer(word._vocab, word.merges, **twin))
    assert others[-1] != word
    assert (again == byte, hash(again) == hash(byte)) == (True, True)
    assert again.fingerprint == byte.fingerprint
    assert re.fullmatch("[0-9a-f]{64}", byte.fingerprint)
    assert all(other != byte for other in others)
    assert len({other.fingerprint for other in (byte, word, *others[1:])}) == 5
    assert byte != "Tokenizer"


def test_copies_work(byte: Tokenizer, word: Tokenizer) -> None:
    for tokenizer in (byte, word):
        for twin in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
            assert twin == tokenizer
            assert twin.encode("sea shells") == tokenizer.encode("sea shells")


def test_its_text_is_fixed(byte: Tokenizer) -> None:
    assert repr(byte) == "Tokenizer(kind='byte', vocab_size=280, specials=['<|endoftext|>'])"


def test_the_memory_for_words_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(vocabulary, "REMEMBERED_WORDS", 10)
    tokenizer = Tokenizer.train(TEXT, 280)
    text = " ".join(str(n) for n in range(100)) + "9" * 1000
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer._words) <= 10
    assert max(map(len, tokenizer._words)) <= vocabulary.REMEMBERED_LENGTH


# ------------------------------------------------------------------ many texts


def test_a_corpus_is_encoded_text_by_text(byte: Tokenizer, word: Tokenizer) -> None:
    texts = [TEXT, "", "sea<|endoftext|>", "a\ud800", " " * 20_000, *HARD]
    for tokenizer in (byte, word):
        arrays = list(tokenizer.encode_corpus(iter(texts)))
        assert [array.tolist() for array in arrays] == tokenizer.encode_batch(texts)
        assert {array.dtype for array in arrays} == {np.dtype(np.uint16)}


def test_a_large_vocabulary_needs_four_bytes() -> None:
    base = [*vocabulary.BYTE_CHARS]
    specials = {f"<{i}>": 256 + i for i in range((1 << 16) - 255)}
    large = Tokenizer({token: i for i, token in enumerate(base)}, [], specials=specials)
    assert large.vocab_size == (1 << 16) + 1
    assert next(large.encode_corpus(["!"])).dtype == np.uint32


def test_without_tiktoken_our_own_encoder_does_it(monkeypatch, byte: Tokenizer) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert byte._tiktoken() is None
    assert next(byte.encode_corpus([TEXT])).tolist() == byte.encode(TEXT)


def test_ids_that_are_no_ranks_are_not_given_to_tiktoken() -> None:
    tokens = [*vocabulary.BYTE_CHARS, "abc", "ab"]
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(vocab, [("a", "b"), ("ab", "c")])
    assert tokenizer._tiktoken() is None
    assert tokenizer.encode("abcab") == [256, 257]
    assert next(tokenizer.encode_corpus(["abcab"])).tolist() == [256, 257]

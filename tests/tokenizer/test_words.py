"""How text is cut into words, for GPT-2 and for GPT-1."""

import random
import warnings

import pytest
import regex

from gptcore.tokenizer import words
from gptcore.tokenizer.words import (
    BYTE_CHARS,
    BYTE_ORDER,
    GPT2_PATTERN,
    byte_symbols,
    byte_words,
    chunks,
    plain_words,
    standardize,
    without_lone_surrogates,
    word_characters,
)

SIGNS = [
    "a",
    "B",
    "é",
    "7",
    "'",
    "'s",
    "'LL",
    "-",
    "…",
    " ",
    "  ",
    "\n",
    "\t",
    "\u3000",
    "你",
    "👍🏽",
]


def random_text(rng: random.Random, n: int) -> str:
    """A text in which every part of the pattern meets every other."""
    return "".join(rng.choices(SIGNS, k=n))


def test_gpt2_words_by_hand() -> None:
    assert list(byte_words("We'll see  it's 3x\n\n ok!")) == [
        *("We", "'ll", " see", " ", " it", "'s", " 3", "x", "\n\n", " ok", "!"),
    ]
    assert list(byte_words("DON'T")) == ["DON", "'", "T"]  # endings are lower case only


def test_chunks_never_cut_a_word() -> None:
    assert list(chunks("one two three", size=2)) == ["one", " two", " three"]
    assert list(chunks("a b c d e f", size=4)) == ["a b c", " d e", " f"]
    rng = random.Random(0)
    for _ in range(300):
        text = random_text(rng, 60)
        whole = regex.findall(GPT2_PATTERN, text)
        parts = [word for chunk in chunks(text, 5) for word in regex.findall(GPT2_PATTERN, chunk)]
        assert parts == whole
        assert "".join(parts) == text


def test_a_text_without_a_place_to_cut_is_one_chunk() -> None:
    assert list(chunks(" " * 50, size=9)) == [" " * 50]
    assert list(chunks("", size=9)) == [""]


def test_the_byte_alphabet() -> None:
    """GPT-2: 33-126, 161-172, 174-255 stand for themselves; the other 68 follow from 256."""
    assert sorted(BYTE_ORDER) == list(range(256))
    assert BYTE_ORDER.index(ord("!")) == 0
    assert BYTE_ORDER.index(ord(" ")) == 220
    assert BYTE_ORDER.index(ord("\n")) == 198
    assert BYTE_CHARS[220] == "Ġ"
    assert BYTE_CHARS[198] == "Ċ"
    assert BYTE_CHARS[-1] == chr(256 + 67)
    assert byte_symbols(" !") == chr(220) + chr(0)
    assert [BYTE_ORDER[ord(s)] for s in byte_symbols("é")] == [0xC3, 0xA9]


def test_half_a_surrogate_pair_becomes_a_question_mark_and_a_pair_a_character() -> None:
    assert without_lone_surrogates("a\ud83db") == "a\ufffdb"
    assert without_lone_surrogates("\ud83d\ude00") == "😀"
    assert without_lone_surrogates("ünï") == "ünï"


def test_gpt1_standard_form() -> None:
    assert standardize("Well—yes!\n\nNo") == "Well - yes ! \n No"
    assert standardize(" a\t (b)…´ –― x_y\u00a0z ") == "a ( b ) ...' -- x _ y z"


GPT1_WORDS = {
    "I don't know — it's 3.14159…": ["i", "do", "n't", "know", "-", "it", "'s", "3.14159", "..."],
    "line one\n \n line two": ["line", "one", "\n", "line", "two"],
    "She can't; they'll cannot": ["she", "ca", "n't", ";", "they", "'ll", "can", "not"],
    "Mr. Smith's dog (No. 5), at 7 o'clock.": [
        *("mr.", "smith", "'s", "dog", "(", "no", ".", "5", ")", ",", "at", "7"),
        *("o'clock", "."),
    ],
    "naïve café 你好!": ["naïve", "café", "你好", "!"],
    "“Well,” he said, “it’s a well-known -- trick!!”": [
        *('"', "well", ",", '"', "he", "said", ",", '"', "it", "'s", "a", "well", "-", "known"),
        *("--", "trick", "!", "!", '"'),
    ],
    "  ": [],
    "": [],
}


@pytest.mark.parametrize("text", GPT1_WORDS)
def test_gpt1_words_by_the_plain_rule_and_with_spacy(text: str) -> None:
    """The expected words are those of GPT-1's text_utils.py with spaCy 3.8 and ftfy 6.3."""
    assert plain_words(text) == GPT1_WORDS[text]
    if words.spacy_splitter():
        assert words.spacy_words(text) == GPT1_WORDS[text]


def test_ftfy_repairs_what_was_decoded_wrongly() -> None:
    pytest.importorskip("spacy")
    pytest.importorskip("ftfy")
    assert words.spacy_words("schÃ¶n") == ["schön"]
    assert plain_words("schÃ¶n") == ["schã", "¶", "n"]


def test_without_spacy_the_plain_rule_is_used_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr(words, "spacy_splitter", lambda: None)
    with pytest.warns(UserWarning, match="ftfy and spaCy are not both installed"):
        assert words.spacy_words("I don't") == ["i", "do", "n't"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plain_words("I don't") == ["i", "do", "n't"]


def test_the_last_character_ends_the_word() -> None:
    assert word_characters("the") == ["t", "h", "e</w>"]
    assert word_characters("\n") == ["\n</w>"]

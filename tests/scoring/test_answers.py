"""Written answers: greedy as by hand, whatever the batch; and metrics on examples worked out."""

import pytest
import torch
from bigrams import LANGUAGE, WORDS, bigram
from small_models import make

from gptcore import generate
from gptcore.scoring.answers import exact_match, f1, last_number, rouge, same_number, same_text
from gptcore.scoring.answers import written as write
from gptcore.tokenizer import Tokenizer


def test_greedy_answers_by_hand():
    """After b comes a (.3), after a always a (.5); after nothing a (.4)."""
    model = bigram(LANGUAGE)
    found = write(model, WORDS, ["b", "bb", ""], max_new_tokens=3, stop=None)
    assert [(one.text, one.n_cut) for one in found] == [("aaa", 0), ("aaa", 0), ("aaa", 0)]
    (cut,) = write(model, WORDS, ["b"], max_new_tokens=3, stop="aa")
    assert cut.text == ""


def test_no_batch_changes_an_answer():
    """Prompts of several lengths together are answered as each alone by `generate`."""
    tokenizer = Tokenizer.train("a small text of some words, and some more words", 280)
    model = make(n_ctx=32, vocab_size=tokenizer.vocab_size)
    prompts = ["some words", "more", "a text of", "some text", "w", "more"]
    alone = [
        generate(model, tokenizer, prompt, max_new_tokens=6, temperature=0) for prompt in prompts
    ]
    for batch_size in (1, 2, 16):
        found = write(
            model, tokenizer, prompts, max_new_tokens=6, stop="<|endoftext|>", batch_size=batch_size
        )
        assert [one.text for one in found] == alone
    assert len(set(alone)) > 2


def test_the_end_of_a_long_prompt_is_read_and_room_is_left():
    """Of 8 tokens 3 are kept free, so 5 are read; however much is asked for, half stay."""
    model = bigram(LANGUAGE, n_ctx=8)
    (found,) = write(model, WORDS, ["ba" * 6], max_new_tokens=3, stop=None)
    assert (found.text, found.n_cut) == ("aaa", len(WORDS.encode("ba" * 6)) - 5)
    (found,) = write(model, WORDS, ["b" * 12], max_new_tokens=100, stop=None)
    assert (found.text, found.n_cut) == ("aaaa", 8)
    with pytest.raises(ValueError, match="max_new_tokens=0"):
        write(model, WORDS, ["b"], max_new_tokens=0)


def test_sampling_is_passed_on():
    model = bigram(LANGUAGE)
    texts = {
        write(model, WORDS, ["b"], stop=None, temperature=1.0, seed=seed)[0].text
        for seed in range(6)
    }
    assert len(texts) > 2
    assert torch.is_grad_enabled()


# ------------------------------------------------------------------ metrics


def test_squad_compares_plain_words():
    assert exact_match("The  Red house.", ["no", "red House"]) == 1
    assert exact_match("red houses", ["red house"]) == 0
    assert f1("the red old house", ["a red house"]) == pytest.approx(0.8)  # 2·2/(3+2)
    assert f1("red red", ["red blue"]) == pytest.approx(0.5)  # one of two, one of two
    assert f1("blue", ["red", "dark blue"]) == pytest.approx(2 / 3)
    assert (f1("", ["red"]), f1("the", ["a"]), f1("x", ["y"])) == (0, 1, 0)


def test_exact_text_and_numbers():
    assert same_text(" 143\n", [" 143"]) == 1
    assert same_text("143.", ["143"]) == same_text("-5", ["5"]) == 0
    assert same_number("48/2=24, so she sold $1,200.00.", ["1200"]) == 1
    assert same_number("it is -5", ["5"]) == 0
    assert same_number("7-2", ["2"]) == 1  # no sign, but a difference
    assert same_number("none", ["0"]) == 0
    assert str(last_number("pages 3, 4 and 5.")) == "5"


def test_rouge_by_hand():
    """cat sat / the cat sat down: 2 of 2 and 2 of 4 words, so 2/3; one pair of 1 and of 3: 1/2."""
    pytest.importorskip("rouge_score", reason="rouge-score is not installed")
    found = rouge("cat sat", ["nothing", "the cat sat down"])
    assert found == pytest.approx({"rouge1": 2 / 3, "rouge2": 1 / 2, "rougeL": 2 / 3})
    apart = rouge("sat the cat", ["the cat sat"])
    assert apart == pytest.approx({"rouge1": 1, "rouge2": 1 / 2, "rougeL": 2 / 3})

"""Prompts and responses as token ids: by hand, from letters whose ids are known."""

import pytest
from small_tasks import LETTERS

from gptcore.text.dialogues import asked, prompt_ids, response_ids, with_stop
from gptcore.tokenizer import Tokenizer

EOT, LINE, A, B = 256, 198, 64, 65


def test_a_prompt_ends_in_an_empty_line_and_a_response_in_the_stop_token():
    assert prompt_ids("a", LETTERS) == [A, LINE, LINE]
    assert response_ids("ab", LETTERS) == [A, B, EOT]
    assert response_ids("", LETTERS) == [EOT]


def test_a_dialogue_says_whose_turn_it_was():
    turns = [("system", "b"), ("user", "a"), ("assistant", "b"), ("user", "a")]
    expected = [B, LINE, LINE, A, LINE, LINE, B, EOT, A, LINE, LINE]
    assert prompt_ids(turns, LETTERS) == expected


def test_a_text_that_was_made_ready_stays_as_it_is():
    assert asked("a") == asked(asked("a")) == asked("a \n") == "a\n\n"


def test_what_reads_like_the_stop_token_is_text():
    assert EOT not in prompt_ids("<|endoftext|>", LETTERS)
    assert response_ids("<|endoftext|>", LETTERS).count(EOT) == 1


def test_a_tokenizer_without_a_stop_token_gets_one_behind_its_vocabulary():
    plain = Tokenizer.train("", 256, specials=())
    assert plain.eot is None
    tokenizer, stop = with_stop(plain)
    assert stop == 256 == tokenizer.eot and tokenizer.vocab_size == 257
    assert tokenizer == LETTERS
    assert with_stop(LETTERS) == (LETTERS, EOT)


def test_a_tokenizer_that_says_what_ends_a_text_is_believed():
    vocab = {LETTERS.token_str(i): i for i in range(256)}
    other = Tokenizer(vocab, [], specials={"<|end|>": 256}, ends=["<|end|>"])
    assert with_stop(other) == (other, 256)


@pytest.mark.parametrize("prompt", ["", " \n", [], [("user", " ")]])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(ValueError, match="is empty: there is nothing to respond to"):
        prompt_ids(prompt, LETTERS)

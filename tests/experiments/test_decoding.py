"""What ways of decoding are measured by: worked by hand, and tales as their own best case."""

import pytest
import torch

from gptcore.checkpoint import load
from gptcore.experiments.decoding import decoded, difference, holding, openings, write
from gptcore.sampling.drawing import generate
from gptcore.tales import split, tales

BODY = "tales-gpt1"


@pytest.fixture(scope="module")
def writer():
    torch.set_num_threads(1)
    return load(BODY)


def test_difference_by_hand():
    """a b c d e against a b c d f: 4-grams abcd, bcde and abcd, bcdf; 1 of 3 is common: 2/3.
    With a copy of the first as a third: (2/3 + 0 + 2/3) / 3 = 4/9."""
    assert difference(["a b c d e", "A b, c d f."]) == pytest.approx(2 / 3)
    assert difference(["a b c d e", "a b c d f", "a b c d e"]) == pytest.approx(4 / 9)
    assert difference(["a b c d", "e f g h"]) == 1
    assert difference(["a b c d e"]) == 0
    assert difference(["a b", "a b"]) == 1  # too short to share anything


def test_tales_hold_and_what_is_mixed_does_not():
    texts = [tale.text for tale in tales(8, seed=9)]
    assert holding(texts) == 1
    halves = [a[: len(a) // 2] + b[len(b) // 2 :] for a, b in zip(texts, texts[1:], strict=False)]
    assert holding(halves) == 0
    assert holding([texts[0], halves[0]]) == 0.5


def test_openings_are_of_the_test_part_and_leave_room(writer):
    model, tokenizer = writer
    found = openings(model, tokenizer, 6)
    texts = [tale.text for tale in tales(60, seed=0, start=split("test").start)]
    for prompt in found:
        (text,) = [text for text in texts if text.startswith(prompt + "\n\n")]
        assert len(tokenizer.encode(text)) <= model.config.n_ctx - 16


def test_each_text_is_drawn_with_a_seed_of_its_own(writer):
    """Text 1 of prompt 1, of 2 each, with seed 3: the fourth seed of 400,000 and on."""
    model, tokenizer = writer
    prompts = openings(model, tokenizer, 2)
    found = write(model, tokenizer, prompts, 2, 3, top_k=5, max_new_tokens=12)
    alone = generate(model, tokenizer, prompts[1], seed=400_003, top_k=5, max_new_tokens=12)
    assert found[1][1] == prompts[1] + alone
    assert [len(some) for some in found] == [2, 2] and found[0][0] != found[0][1]


def test_a_run_of_the_grid(writer):
    settings = {"body": BODY, "n": 3, "samples": 2}
    drawn = decoded(settings | {"how": {"temperature": 0.3}}, 0)
    assert len(drawn["items"]) == len(drawn["different"]) == 3
    assert drawn == decoded(settings | {"how": {"temperature": 0.3}}, 0)
    assert drawn != decoded(settings | {"how": {"temperature": 0.3}}, 1)
    assert decoded(settings | {"how": {"temperature": 9.0}}, 0)["test"] == 0  # noise
    found = decoded(settings | {"how": {"beams": 2}}, 0)
    assert found["different"] == "000"

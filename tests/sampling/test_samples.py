"""Prompts longer than the context, and many texts side by side."""

import random

import pytest
import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.sampling.drawing import generate, samples
from gptcore.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def letters():
    """One token per byte, and the end of text."""
    return Tokenizer.train("ab", 257)


def random_gpt(norm="pre"):
    """Weights so large that every prompt gets an answer of its own."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "n_ctx": 32, "n_layer": 1, "n_head": 1, "d_model": 32}
    model = GPT(GPTConfig(**sizes, norm=norm)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    return model


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("length", [32, 33, 100])
def test_of_a_prompt_that_fills_the_context_sliding_reads_the_last_half(letters, norm, length):
    """As if the window had slid there: the first part of the prompt makes no difference."""
    model = random_gpt(norm=norm)
    prompt = "".join(random.Random(length).choices("abcdefgh", k=length))
    settings = {"temperature": 0, "max_new_tokens": 20, "slide": True, "stop": None}
    text = generate(model, letters, prompt, **settings)
    assert text == generate(model, letters, prompt[-16:], **settings)
    assert text != generate(model, letters, prompt[:16], **settings)
    with pytest.raises(ValueError, match=f"prompt has {length} tokens.*with slide its end is read"):
        generate(model, letters, prompt)


def test_samples_are_what_generate_draws_many_times(letters):
    """n texts of one seed: repeatable, different, each ending where it ends."""
    model = random_gpt()
    texts = samples(model, letters, "ab", 5, seed=1, stop="c", max_new_tokens=25)
    assert texts == samples(model, letters, "ab", 5, seed=1, stop="c", max_new_tokens=25)
    assert len(set(texts)) == 5 and not any("c" in text for text in texts)
    one = samples(model, letters, "ab", 1, seed=1, max_new_tokens=25)
    assert one == [generate(model, letters, "ab", seed=1, max_new_tokens=25)]
    greedy = generate(model, letters, "ab", temperature=0, max_new_tokens=25)
    assert samples(model, letters, "ab", 3, temperature=0, max_new_tokens=25) == [greedy] * 3
    for n, message in ((0, "n=0 must be at least 1"), (1.5, "n=1.5 must be an int")):
        with pytest.raises((ValueError, TypeError), match=message):
            samples(model, letters, "ab", n)


def test_a_row_that_ends_early_does_not_end_the_others(letters):
    """Rows of one prompt meet their stops at different lengths; drawing goes on for the last."""
    model = random_gpt()
    texts = samples(model, letters, "ab", 8, seed=0, stop=None, max_new_tokens=30)
    cut = samples(model, letters, "ab", 8, seed=0, stop=texts[0][3], max_new_tokens=30)
    assert cut == [text.split(texts[0][3])[0] for text in texts]
    assert len({len(text) for text in cut}) > 2

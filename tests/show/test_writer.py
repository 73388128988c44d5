"""What Python answers to the writer, against the network's own forward pass."""

import json
import re

import numpy as np
import pytest
import torch

from gptcore import load
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.show import Writer
from gptcore.show.explorers.writer.writer import LISTED, reading
from gptcore.tokenizer import Tokenizer

TEXT = "One windy morning Rosa met her friend Tom by the old mill. "


@pytest.fixture(scope="module")
def small() -> tuple[GPT, Tokenizer]:
    """A network of two layers with dropout, in training."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(TEXT * 40, vocab_size=300)
    shape = {"vocab_size": 320, "n_ctx": 32, "n_layer": 2, "n_head": 2, "d_model": 16}
    return GPT(GPTConfig(**shape, dropout=0.5)).train(), tokenizer


def test_a_reading_is_the_networks_own_without_dropout(small) -> None:
    """Invariant: logits of the last position, and the last rows of every head; padding is left
    out, and the network trains on as it did."""
    model, tokenizer = small
    ids = tokenizer.encode("Rosa met Tom")
    found = reading(model, tokenizer, "Rosa met Tom")
    assert model.training
    model.eval()
    with torch.no_grad():
        trace = model.trace(torch.tensor([ids]))
        logits = model(torch.tensor([ids]))[0, -1, : tokenizer.vocab_size]
    model.train()
    np.testing.assert_allclose(np.frombuffer(found["logits"], "<f4"), logits, atol=1e-5)
    reads = np.frombuffer(found["reads"], "<f4").reshape(2, 2, len(ids))
    for layer, head in ((0, 0), (1, 1)):
        expected = trace.attentions[layer][0, head, -1]
        np.testing.assert_allclose(reads[layer, head], expected, atol=1e-5)
    np.testing.assert_allclose(reads.sum(-1), 1, atol=1e-5)
    best = logits.argsort(descending=True)[:LISTED].tolist()
    assert [i for i, _ in found["likely"]] == best
    assert found["ids"] == ids and len(found["tokens"]) == len(ids)


def test_ids_are_read_as_they_are(small) -> None:
    """Letters one by one are another text for the network than their word, though they spell it."""
    model, tokenizer = small
    letters = [tokenizer.encode(letter)[0] for letter in "met"]
    assert reading(model, tokenizer, letters)["ids"] == letters != tokenizer.encode("met")


@pytest.mark.parametrize(
    ("given", "told"),
    [("", "text='' has no tokens: write at least one word"), ([], "text=\\[\\] has no tokens")],
)
def test_nothing_to_read_is_said(small, given, told) -> None:
    """The message names what was given."""
    with pytest.raises(ValueError, match=told):
        reading(*small, given)


def test_a_text_that_does_not_fit_is_refused_with_both_numbers(small) -> None:
    """33 tokens, room for 32."""
    with pytest.raises(ValueError, match="33 tokens do not fit: n_ctx=32 is the longest"):
        reading(*small, [1] * 33)


def test_the_page_is_answered_by_its_own_number(small) -> None:
    """A reading, and an error, carry the number of what was asked."""
    writer = Writer(*small, "Rosa met")
    writer.asked = {"n": 7.5, "text": "Tom"}
    assert writer.read["n"] == 7.5 and "error" not in writer.read
    writer.asked = {"n": 8, "ids": []}
    assert writer.read == {"n": 8, "error": "text=[] has no tokens: write at least one word"}


def test_the_twin_names_the_shipped_model_and_tells_its_beginning() -> None:
    """A page may ask for the engine by this name; what is told follows from the state."""
    model, tokenizer = load("tales-gpt2-300k")
    writer = Writer(model, tokenizer, "Rosa looked at the")
    twin = writer.twin()
    assert 'data-explorer="writer" data-model="tales-gpt2-300k"' in twin
    state = json.loads(re.search(r">(\{.*?\})</script>", twin, re.DOTALL)[1])
    assert state["n_head"] == model.config.n_head and not state["live"]
    ids = torch.tensor([tokenizer.encode("Rosa looked at the")])
    with torch.no_grad():
        p, best = model.eval()(ids)[0, -1].softmax(0).max(0)
    assert f"{tokenizer.decode([best.item()]).strip()} {p:.0%}" in writer.alt

"""Rollouts keep what the policy drew and how likely it was, token by token.

The oracle reads each row alone, without padding and without a cache, by `GPT.forward`.
"""

import pytest
import torch
from small_models import attentive, make
from torch.testing import assert_close

from gptcore.modes import evaluating
from gptcore.sampling.rollouts import (
    drawn_by,
    responses_of,
    rollout,
    states_before,
    tokens_that_stop,
)
from gptcore.tokenizer import Tokenizer

PROMPTS = [[7, 3, 9, 1, 8, 2], [5], [4, 4, 0], [2, 6, 1, 1, 3], [8, 0]]
STOP = {12, 13}


def small(norm="pre", **changes):
    return attentive(norm, vocab_size=20, n_ctx=16, **changes)


def drawn(model, **options):
    options = {"max_new_tokens": 9, "stop": STOP, "seed": 3, **options}
    return rollout(model, PROMPTS, **options)


def one_by_one(model, found, temperature=1.0, vocab_size=None):
    """Log-probability and entropy of every token of every response, each row read alone."""
    log_ps, entropies = [], []
    for ids, start, n in zip(found.ids, found.starts, found.lengths, strict=True):
        row = ids[: start + n]
        with torch.no_grad():
            log_p = (model(row[None])[0, :, :vocab_size] / temperature).log_softmax(-1)
        for t in range(int(start), int(start + n)):  # the first token of the response included
            log_ps.append(log_p[t - 1, row[t]])
            entropies.append(-(log_p[t - 1].exp() * log_p[t - 1]).sum())
    return torch.stack(log_ps), torch.stack(entropies)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_what_is_kept_is_what_each_row_alone_would_say(norm, temperature):
    """Prompts of six lengths, responses that end at different steps: padding on neither side is
    read, the first token counts, and so does the stop token."""
    model = small(norm)
    found = drawn(model, temperature=temperature)
    assert len(set(found.lengths.tolist())) > 1 and found.stopped.any()
    log_p, entropy = one_by_one(model, found, temperature)
    assert_close(found.log_p[found.mask], log_p, atol=1e-4, rtol=1e-4)
    assert_close(found.entropy[found.mask], entropy, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        logits = responses_of(model, found, temperature)
    again = logits.log_softmax(-1).gather(1, found.tokens[found.mask][:, None])[:, 0]
    assert_close(again, log_p, atol=1e-4, rtol=1e-4)


def test_rows_hold_prompt_response_and_fillers():
    found = drawn(small())
    for i, prompt in enumerate(PROMPTS):
        n, row = int(found.lengths[i]), found.ids[i].tolist()
        assert row[: len(prompt)] == prompt and found.starts[i] == len(prompt)
        assert found.tokens[i, :n].tolist() == row[len(prompt) : len(prompt) + n]
        assert not any(row[len(prompt) + n :])
        assert found.mask[i].tolist() == [t < n for t in range(found.log_p.shape[1])]
    outside = ~found.mask
    for x in (found.log_p, found.entropy, found.tokens):
        assert not x[outside].any()


def test_a_response_ends_with_its_stop_token_and_nothing_behind_it_counts():
    found = drawn(small())
    for tokens, n, stopped in zip(found.tokens, found.lengths, found.stopped, strict=True):
        response = tokens[:n].tolist()
        assert not STOP & set(response[:-1])
        assert (response[-1] in STOP) == bool(stopped)
        assert stopped or n == 9
    kept = [len(ids) + int(s) for ids, s in zip(found.responses(), found.stopped, strict=True)]
    assert kept == found.lengths.tolist()


def certain(token, vocab_size=20):
    """A network that always says the same token."""
    model = make(vocab_size=vocab_size, tied=False)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.ln_f.bias.fill_(1.0)
        model.lm_head.weight[token] = 10.0
    return model


def test_the_token_that_fills_up_may_be_said_and_may_even_stop():
    """Lengths say where a response ends: a 0 in it is a token like any other."""
    found = drawn(certain(0))
    assert found.lengths.tolist() == [9] * 5 and not found.stopped.any()
    assert found.responses() == [[0] * 9] * 5
    found = drawn(certain(0), stop={0})
    assert found.lengths.tolist() == [1] * 5 and found.stopped.all()
    assert found.responses() == [[]] * 5


def test_a_row_does_not_depend_on_the_others_nor_on_how_many_are_side_by_side():
    model = small()
    found = drawn(model)
    for other in (drawn(model, batch_size=2), drawn(model, batch_size=1)):
        assert torch.equal(other.ids, found.ids)
        assert_close(other.log_p, found.log_p, atol=1e-5, rtol=1e-5)
    first = rollout(model, PROMPTS[:3], max_new_tokens=9, stop=STOP, seed=3)
    assert torch.equal(first.lengths, found.lengths[:3])
    assert not torch.equal(drawn(model, seed=4).tokens, found.tokens)


def test_tokens_come_as_often_as_they_are_likely():
    """1,000 numbers spread evenly over the line: .5, .3, 0, .2 give 500, 300, 0 and 200."""
    p = torch.tensor([0.5, 0.3, 0.0, 0.2]).expand(1000, 4)
    numbers = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    assert drawn_by(p, numbers).bincount(minlength=4).tolist() == [500, 300, 0, 200]
    edge = torch.tensor([1.0 - 2**-53, 0.0], dtype=torch.float64)
    assert drawn_by(torch.tensor([[0.0, 0.6, 0.4, 0.0]] * 2), edge).tolist() == [2, 1]


def test_ids_beyond_the_vocabulary_are_not_drawn_and_have_no_share():
    model = small()
    found = drawn(model, vocab_size=14)
    assert int(found.tokens.max()) < 14
    log_p, entropy = one_by_one(model, found, vocab_size=14)
    assert_close(found.log_p[found.mask], log_p, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        assert responses_of(model, found, vocab_size=14).shape == (len(log_p), 14)


def test_dropout_is_off_and_the_mode_is_left_as_it_was():
    model = small(dropout=0.5).train()
    found = drawn(model)
    assert model.training and all(layer.training for layer in model.h)
    with evaluating(model):
        log_p, _ = one_by_one(model, found)
    assert_close(found.log_p[found.mask], log_p, atol=1e-4, rtol=1e-4)


def test_a_part_is_these_rows_no_wider_than_they_need_to_be():
    model = small()
    found = drawn(model)
    short = int(found.lengths.argmin())
    part = found.part(torch.tensor([short]))
    n, start = int(found.lengths[short]), len(PROMPTS[short])
    assert part.ids.shape == (1, start + n) and part.log_p.shape == (1, n)
    assert part.responses() == [found.responses()[short]]
    states = torch.zeros_like(found.log_p)
    with torch.no_grad():
        states[found.mask] = states_before(model, found)[:, 0]
        assert_close(states[short, :n], states_before(model, part)[:, 0], atol=1e-4, rtol=1e-4)


def test_texts_are_without_the_stop_token():
    """Bytes: "a" is 64, "!" 0, the end of text 256. Words: the space before a word is not lost."""
    letters = Tokenizer.train("", 257)
    found = rollout(certain(64, 257), [[1], [2, 3]], max_new_tokens=3, stop={256})
    assert found.texts(letters) == ["aaa", "aaa"]
    found = rollout(certain(256, 257), [[1], [2, 3]], max_new_tokens=3, stop={256})
    assert found.texts(letters) == ["", ""] and found.lengths.tolist() == [1, 1]
    words = Tokenizer.train("the fox ran . " * 5, 40, kind="word")
    the, fox = words.encode("the")[0], words.encode("fox")
    found = rollout(certain(fox[0], 40), [[the]], max_new_tokens=2, stop=set())
    assert found.texts(words) == [" fox fox"]


@pytest.mark.parametrize(
    ("prompts", "options", "told"),
    [
        ([[1], []], {}, r"prompts\[1\] has 0 tokens; it must have from 1 to 7, which is n_ctx=16"),
        ([[1] * 8], {}, r"prompts\[0\] has 8 tokens; it must have from 1 to 7.*max_new_tokens=9"),
        ([], {}, "prompts is empty"),
        ([[1]], {"temperature": 0}, "temperature=0 must be above 0"),
        ([[1]], {"temperature": float("nan")}, "temperature=nan must be above 0"),
        ([[1]], {"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1"),
        ([[1]], {"batch_size": 0}, "batch_size=0 must be at least 1"),
    ],
)
def test_what_cannot_be_answered_is_named(prompts, options, told):
    with pytest.raises(ValueError, match=told):
        rollout(small(), prompts, **{"max_new_tokens": 9, "stop": STOP, **options})


def test_a_prompt_that_just_fits_is_answered():
    found = rollout(small(), [[1] * 7], max_new_tokens=9, stop=set())
    assert found.ids.shape == (1, 16) and found.lengths.tolist() == [9]


def test_what_stops_is_a_token():
    letters = Tokenizer.train("", 257)
    assert tokens_that_stop(letters) == {256}
    assert tokens_that_stop(letters, 64) == {64}
    with pytest.raises(ValueError, match=r"stop='\\n' must be a special token"):
        tokens_that_stop(letters, "\n")
    with pytest.raises(ValueError, match="stop=None names no token"):
        tokens_that_stop(letters, None)

"""Held-out loss: which tokens are scored, with which context, and what counting achieves."""

import math

import numpy as np
import pytest
import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.scoring.likelihood import Score, evaluate
from gptcore.scoring.ngrams import best_ngram, ngram_baselines

P = torch.tensor([0.5, 0.25, 0.125, 0.125])


def random_gpt(norm="pre", dropout=0.0):
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=11, n_ctx=8, n_layer=2, n_head=2, d_model=8, norm=norm, dropout=dropout
    )
    model = GPT(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.5)
    return model


def fixed(p):
    """A GPT that predicts `p` everywhere: its last LayerNorm is the constant (1, 0, 0, ...)."""
    model = GPT(GPTConfig(vocab_size=4, n_ctx=8, n_layer=1, n_head=1, d_model=8)).eval()
    with torch.no_grad():
        model.ln_f.weight.zero_()
        model.ln_f.bias.copy_(torch.eye(8)[0])
        model.wte.weight[:, 0] = p.log()
    return model


def text(n, seed=0):
    return torch.randint(11, (n,), generator=torch.Generator().manual_seed(seed))


def test_units_on_a_worked_example():
    """Tokens 0 1 2 0, the first not scored: 2 + 3 + 1 = 6 bits over 3 tokens and 4 bytes."""
    score = evaluate(fixed(P), [0, 1, 2, 0], n_bytes=4)
    assert score.n_tokens == 3
    assert score.nats_per_token == pytest.approx(2 * math.log(2), abs=1e-6)
    assert score.perplexity == pytest.approx(4, abs=1e-5)
    assert score.bits_per_byte == pytest.approx(6 / 4, abs=1e-6)
    assert evaluate(fixed(P), [0, 1]) == Score(
        pytest.approx(math.log(4), abs=1e-6), pytest.approx(4, abs=1e-5), None, 1
    )


def test_a_hopeless_model_has_infinite_perplexity():
    model = fixed(P)
    with torch.no_grad():
        model.wte.weight[3, 0] = -1e4
    score = evaluate(model, [0, 3])
    assert score.nats_per_token == pytest.approx(1e4, rel=1e-4) and score.perplexity == math.inf


@pytest.mark.parametrize("n", [2, 7, 8, 9, 16, 17, 40])
def test_every_token_but_the_first_is_scored_once(n):
    """511 of 512 by hand: n_ctx tokens give n_ctx - 1, and each token after that one more. With
    a wrong token in a known place the total tells how often that place was scored."""
    assert evaluate(random_gpt(), text(n)).n_tokens == n - 1
    for stride in (None, 1, 3, 8):
        for place in range(1, n):
            tokens = torch.zeros(n, dtype=torch.long)
            tokens[place] = 1  # costs 2 bits, every other token 1
            total = evaluate(fixed(P), tokens, stride=stride).nats_per_token * (n - 1)
            assert total / math.log(2) == pytest.approx(n, abs=1e-4)
        tokens[:] = 0
        tokens[0] = 3  # not scored: nothing precedes it
        score = evaluate(fixed(P), tokens, stride=stride)
        assert score.nats_per_token == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("stride", [None, 8, 5, 2, 1])
@pytest.mark.parametrize("n", [5, 8, 9, 26, 33])
def test_each_token_is_scored_with_the_context_its_window_gives(n, stride):
    """Token by token: the first window reaches token n_ctx; after it each window, begun `stride`
    further on, scores the next `stride` tokens."""
    model, tokens = random_gpt("post"), text(n)
    s = stride or 8
    nats = 0.0
    for i in range(1, n):
        start = s * max(0, math.ceil((i - 8) / s))
        assert i - start <= 8 and (i <= 8 or i - start >= 8 - s)
        nats -= model(tokens[None, start:i])[0, -1].log_softmax(-1)[tokens[i]].item()
    for batch_size in (1, 2, 8):
        score = evaluate(model, tokens, stride=stride, batch_size=batch_size)
        assert score.nats_per_token == pytest.approx(nats / (n - 1), abs=1e-5)


def test_takes_lists_arrays_and_memory_maps(tmp_path):
    model, tokens = random_gpt(), text(30)
    expected = evaluate(model, tokens)
    small = tokens.numpy().astype("<u2")
    small.tofile(tmp_path / "tokens.bin")
    mapped = np.memmap(tmp_path / "tokens.bin", dtype="<u2", mode="r")
    for form in (tokens.tolist(), small, mapped):
        assert evaluate(model, form) == expected


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_mode_restored(training):
    model, tokens = random_gpt(dropout=0.9).train(training), text(20)
    assert evaluate(model, tokens) == evaluate(random_gpt(), tokens)
    assert model.training == training and model.h[1].training == training
    with pytest.raises(ValueError):
        evaluate(model, [0, 99])
    assert model.training == training


@pytest.mark.parametrize(
    "tokens, arguments, message",
    [
        ([3], {}, "tokens has 1; at least 2"),
        ([0, 11], {}, r"tokens has id 11; ids must be in \[0, 11\)"),
        ([0, -1], {}, "tokens has id -1"),
        ([[0, 1], [1, 0]], {}, r"tokens must be \(N,\), got \(2, 2\)"),
        ([0, 1], {"stride": 0}, "stride=0 must be between 1 and n_ctx=8"),
        ([0, 1], {"stride": 9}, "stride=9 must be between"),
        ([0, 1], {"batch_size": 0}, "batch_size=0 must be at least 1"),
        ([0, 1], {"n_bytes": 0}, "n_bytes=0 must be at least 1"),
    ],
)
def test_arguments_out_of_range_are_named(tokens, arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate(random_gpt(), tokens, **arguments)


# --- counting -------------------------------------------------------------------------------------

TRAIN = [0, 1, 0, 2, 0, 1]


def test_ngram_models_on_a_worked_example():
    """TRAIN has pairs 01 twice, 10, 02, 20 once, triples 010 102 020 201; V = 4; test 0 1 0 1 3.

    Contexts: 0 follows two tokens, 1 and 2 follow one each, 4 in all, 3 tokens seen:
      c(0) = (2 - .75)/4 + .75·3/4·1/4 = .453125   c(1) = c(2) = .203125   c(3) = .140625
    Pairs: after 0 come 1 1 2: b(1|0) = 1.25/3 + .75·2/3·c(1) = 1.25/3 + .1015625;
      after 1 comes 0: b(0|1) = .25 + .75·c(0) = .58984375   b(3|1) = .75·c(3) = .10546875
    Triples back off to pairs counted by contexts, each of 10 02 20 01 having one:
      l(0|1) = .25 + .75·c(0)   l(1|0) = .25/2 + .75·2/2·c(1) = .27734375   l(3|1) = .75·c(3)
      t(0|01) = .25 + .75·l(0|1)   t(1|10) = .75·l(1|0), 102 seen, 101 not   t(3|01) = .75·l(3|1)
    """
    first = 1.25 / 3 + 0.1015625
    expected = {
        "unigram": [3 / 10, 4 / 10, 3 / 10, 1 / 10],
        "bigram": [first, 0.58984375, first, 0.10546875],
        "trigram": [first, 0.6923828125, 0.2080078125, 0.0791015625],
    }
    found = ngram_baselines(TRAIN, [0, 1, 0, 1, 3], 4)
    assert list(found) == ["unigram", "bigram", "trigram"]
    for name, p in expected.items():
        assert found[name] == pytest.approx(-np.log(p).mean(), abs=1e-12)


@pytest.mark.parametrize("context", [[0, 1], [1, 0], [2, 2], [3, 0], [3, 3]])
@pytest.mark.parametrize("train", [TRAIN, [0, 1], [2, 2, 2], [0, 1, 2]])
def test_probabilities_sum_to_one_after_seen_and_unseen_contexts(train, context):
    total = dict.fromkeys(("unigram", "bigram", "trigram"), 0.0)
    for token in range(4):
        nats = ngram_baselines(train, [*context, token], 4)
        before = ngram_baselines(train, context, 4)
        for name in total:
            total[name] += math.exp(-(2 * nats[name] - before[name]))
    assert total == pytest.approx(dict.fromkeys(total, 1.0), abs=1e-12)


def test_more_context_helps_where_there_is_something_to_know():
    """Every other token follows from the two before it, and is one of two given one of them; on
    pure noise nothing beats the entropy ln 8."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 8, 20000)
    tokens = noise.copy()
    for i in range(2, len(tokens)):
        if i % 2:
            tokens[i] = (tokens[i - 1] + tokens[i - 2] % 2) % 8
    scores = ngram_baselines(tokens[:15000], tokens[15000:], 8)
    assert scores["trigram"] < scores["bigram"] < scores["unigram"] < math.log(8) + 0.01
    dull = ngram_baselines(noise[:15000], noise[15000:], 8)
    assert all(math.log(8) - 0.01 < nats < math.log(8) + 0.1 for nats in dull.values())


def test_one_order_and_discount_are_the_trigram_model():
    """By hand, for a single pair seen: train 0 1, d = 0.5, V = 2, and 0 1 to be predicted.

    Of one token: the pair 0 1 is one context of 1, so (1 - 0.5) / 1 + 0.5 · 1 · 1/2 = 0.75; of two:
    (1 - 0.5) / 1 + 0.5 · 1 · 0.75 = 0.875. And with 0.75 the order 3 is `ngram_baselines`' trigram
    but for the second token, which has one before it.
    """
    found = best_ngram([0, 1], [0, 1], [0, 1], 2, orders=[2], discounts=[0.5])
    assert math.exp(-found.test) == pytest.approx(0.875, abs=1e-12)
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 6, 4000), rng.integers(0, 6, 4000)
    mine = best_ngram(train, test, test, 6, orders=[3], discounts=[0.75])
    theirs = ngram_baselines(train, test, 6)["trigram"]
    assert mine.test == pytest.approx(theirs, abs=1e-3) and mine.valid == mine.test


def test_other_text_chooses_order_and_discount():
    """A text that repeats every four tokens, of which three are alike: four are needed to know.

    The test text is noise, and has no say in what is chosen.
    """
    text = [0, 0, 0, 1] * 500
    noise = np.random.default_rng(0).integers(0, 2, 500)
    found = best_ngram(text, text, noise, 2)
    assert found.order >= 4 and found.valid < 0.01 < found.test
    short = best_ngram(text, text, noise, 2, orders=[2, 3])
    assert short.order == 3 and short.valid > found.valid
    assert best_ngram(noise, text[:50], text, 2).discount in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@pytest.mark.parametrize(
    "more, message",
    [
        ({"orders": [0]}, r"orders=\[0\], vocab_size=4: each at least 1"),
        ({"orders": []}, r"orders=\[\]"),
        ({"orders": [32]}, r"orders=\[32\], vocab_size=4.*below 2\*\*63"),
        ({"discounts": [0.5, 1]}, r"discounts=\[0.5, 1\] must be between 0 and 1"),
        ({"discounts": []}, r"discounts=\[\] must be between"),
        ({"valid_tokens": [1]}, "valid_tokens has 1 tokens; at least 2"),
    ],
)
def test_what_cannot_be_tried_is_named(more, message):
    """Field, value and rule."""
    given = {"train_tokens": [0, 1], "valid_tokens": [0, 1], "test_tokens": [0, 1], **more}
    with pytest.raises(ValueError, match=message):
        best_ngram(vocab_size=4, **given)


@pytest.mark.parametrize(
    "train, test, vocab_size, message",
    [
        ([0], [0, 1], 4, "train_tokens has 1 tokens; at least 2"),
        ([0, 1], [0], 4, "test_tokens has 1 tokens; at least 2"),
        ([0, 4], [0, 1], 4, r"tokens has id 4; ids must be in \[0, 4\)"),
        ([0, 1], [0, 4], 4, "tokens has id 4"),
        ([0, 1], [0, 1], 2**21, "vocab_size=2097152 must be between 1 and 2097151"),
    ],
)
def test_unusable_counts_are_named(train, test, vocab_size, message):
    with pytest.raises(ValueError, match=message):
        ngram_baselines(train, test, vocab_size)

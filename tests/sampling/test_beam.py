"""Beam search against every text there is, against transformers, and against greedy."""

import itertools
import math

import pytest
import torch
from small_models import attentive

from gptcore.sampling.beam import beam_ids, beam_search, length_factor
from gptcore.sampling.drawing import generate
from gptcore.tokenizer import Tokenizer

END = 0


def tiny(seed, norm="pre", vocab_size=5, **changes):
    return attentive(norm, seed=seed, **({"vocab_size": vocab_size, "n_ctx": 12} | changes))


@torch.no_grad()
def exhaustive(model, ids, longest, alpha):
    """The best of all texts: those that end with token 0 at most `longest` long, and those of
    that length without it. Log-probabilities by whole forward passes without a cache."""
    V, best = model.config.vocab_size, (-math.inf, None)
    for n in range(1, longest + 1):
        for new in itertools.product(range(V), repeat=n):
            if END in new[:-1] or (n < longest and new[-1] != END):
                continue
            logp = model(torch.tensor([[*ids, *new]])).log_softmax(-1)[0]
            total = sum(logp[len(ids) - 1 + i, token].item() for i, token in enumerate(new))
            best = max(best, (total / ((5 + n) / 6) ** alpha, new))
    return best


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("alpha", [0, 0.6, 2.5])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_texts(norm, alpha, seed):
    """5 tokens, at most 4 of them: 1 + 4 + 16 + 320 = 341 texts; 4 * 4 * 4 = 64 go on at most."""
    model, ids = tiny(seed, norm), [1, 3]
    score, new = exhaustive(model, ids, 4, alpha)
    options = {"ends": lambda n: n[-1] == END, "max_new_tokens": 4, "length_penalty": alpha}
    best = beam_ids(model, ids, beams=400, **options)[0]
    assert best.ids == new
    assert best.score == pytest.approx(score, abs=1e-5)
    assert best.log_prob == pytest.approx(score * ((5 + len(new)) / 6) ** alpha, abs=1e-5)


def test_the_penalty_decides_how_long_texts_are():
    """Negative control of the above: over the same models longer texts win with more of it."""
    options = {"ends": lambda n: n[-1] == END, "max_new_tokens": 4, "beams": 400}
    lengths = {
        alpha: [
            len(beam_ids(tiny(s), [1, 3], length_penalty=alpha, **options)[0].ids)
            for s in range(12)
        ]
        for alpha in (0, 6)
    }
    assert sum(lengths[0]) < sum(lengths[6])


def test_a_narrow_beam_may_miss_what_a_wider_one_finds():
    """And never finds better than the best there is."""
    options = {"ends": lambda n: n[-1] == END, "max_new_tokens": 4}
    worse = 0
    for seed in range(20):
        model = tiny(seed)
        best, _ = exhaustive(model, [1, 3], 4, 0.6) if seed < 3 else (None, None)
        narrow = beam_ids(model, [1, 3], beams=1, **options)[0].score
        wide = beam_ids(model, [1, 3], beams=400, **options)[0].score
        assert narrow <= wide + 1e-6
        assert best is None or wide == pytest.approx(best, abs=1e-5)
        worse += narrow < wide - 1e-6
    assert worse >= 3


@pytest.mark.parametrize("pattern", [("dense",), ("banded", "strided"), ("fixed",)])
def test_a_log_probability_is_the_network_s_own(pattern):
    """Rows of the cache change places at every step; each keeps its own past."""
    model = attentive("pre", pattern=pattern, vocab_size=40, n_ctx=24, window=4, summary=1)
    found = beam_ids(model, [7, 7, 1], ends=lambda n: n[-1] < 4, beams=6, max_new_tokens=15)
    assert len(found) > 1 and found == sorted(found, key=lambda one: -one.score)
    for one in found:
        ids = torch.tensor([[7, 7, 1, *one.ids]])
        with torch.no_grad():
            logp = model(ids[:, :-1])[0, 2:].log_softmax(-1)
        expected = logp.gather(1, ids[0, 3:, None]).sum().item()
        assert one.log_prob == pytest.approx(expected, abs=1e-4)
        factor = length_factor(len(one.ids), 0.6)
        assert one.score == pytest.approx(expected / factor, abs=1e-4)


def test_the_factor_by_hand():
    """(5 + 1) / 6 is 1; (5 + 7) / 6 is 2, and 2^0.6 = 1.5157."""
    assert length_factor(1, 0.6) == 1
    assert length_factor(7, 0.6) == pytest.approx(1.5157, abs=1e-4)
    assert length_factor(7, 0) == 1


@pytest.mark.parametrize("beams", [2, 4, 7])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_transformers_search_where_both_mean_the_same(beams, seed):
    """With a penalty of 0 both compare log-probabilities."""
    from test_model import transformers_twin

    model = attentive("pre", seed=seed, vocab_size=30, n_ctx=24)
    twin = transformers_twin(model)
    ids = torch.tensor([[4, 9, 1]])
    theirs = twin.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=12,
        num_beams=beams,
        do_sample=False,
        length_penalty=0.0,
        early_stopping="never",
        eos_token_id=END,
        pad_token_id=END,
    )[0, 3:].tolist()
    options = {"ends": lambda n: n[-1] == END, "max_new_tokens": 12, "length_penalty": 0}
    assert list(beam_ids(model, ids[0].tolist(), beams=beams, **options)[0].ids) == theirs


# --- text -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def letters():
    return Tokenizer.train("ab", 257)


@pytest.fixture(scope="module")
def model():
    return attentive("post", vocab_size=300, n_ctx=32, n_layer=2, n_head=2, d_model=16)


def test_one_beam_is_greedy(letters, model):
    for prompt in ("ab", "fox", "x"):
        greedy = generate(model, letters, prompt, temperature=0, max_new_tokens=20)
        assert beam_search(model, letters, prompt, beams=1, max_new_tokens=20) == greedy


def test_texts_end_where_they_are_told_to(letters, model):
    """A stop text is no part of the text, and may have more than one token."""
    whole = beam_search(model, letters, "ab", beams=3, max_new_tokens=12, stop=None)
    first = beam_search(model, letters, "ab", beams=1, max_new_tokens=12, stop=None)
    stop = first[4:6]
    cut = beam_search(model, letters, "ab", beams=1, max_new_tokens=12, stop=stop)
    assert cut == first[: first.index(stop)] and len(whole) > 0
    by_id = beam_search(model, letters, "ab", beams=1, stop=letters.id_of(first[2]))
    assert by_id == first[: first.index(first[2])]


def test_several_prompts_and_a_full_context(letters, model):
    texts = ["ab", "a" * 31, "fox"]
    found = beam_search(model, letters, texts, beams=3)
    assert found == [beam_search(model, letters, text, beams=3) for text in texts]
    assert len(letters.encode(found[1], allow_special=True)) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beams": 0}, "beams=0 must be at least 1"),
        ({"beams": 2.0}, "beams=2.0 must be an int"),
        ({"length_penalty": -0.1}, "length_penalty=-0.1 must be a finite number, at least 0"),
        ({"length_penalty": math.nan}, "length_penalty=nan must be"),
        ({"length_penalty": "0.6"}, "length_penalty='0.6' must be a number"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1"),
        ({"prompt": ""}, "prompt='' has no tokens"),
        ({"prompt": "a" * 32}, "prompt has 32 tokens; it must have fewer than n_ctx=32"),
    ],
)
def test_what_cannot_be_searched_is_named(letters, model, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        beam_search(model, letters, **({"prompt": "ab"} | change))

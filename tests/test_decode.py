"""One token at a time is what `GPT.forward` computes, for every norm and pattern."""

import pytest
import torch
from small_models import make
from torch import nn

from gptcore.attention import PATTERNS
from gptcore.decode import Decoder, Reader, is_plain
from gptcore.model import ACTIVATIONS, KVCache
from gptcore.sampling.drawing import sample_ids

SHAPE = {"vocab_size": 96, "n_ctx": 24, "n_layer": 3, "n_head": 4, "d_model": 32}
SPARSE = {"window": 5, "summary": 2}
CASES = [
    (norm, pattern)
    for norm in ("post", "pre")
    for pattern in [(name,) for name in PATTERNS] + [("dense", "banded")]
]


def model_of(norm="pre", pattern=("dense",)):
    return make(norm, pattern=pattern, **SHAPE, **SPARSE)


def tokens(B=2, T=24):
    return torch.randint(96, (B, T), generator=torch.Generator().manual_seed(3))


def decode(model, ids, start):
    """Logits from position `start` on, what stands before it read by `GPT.forward`."""
    cache = KVCache(model.config, len(ids))
    pieces = [model(ids[:, :start], cache)[:, -1]] if start else []
    decoder = Decoder(model, cache)
    pieces += [decoder.read(ids[:, t]) for t in range(start, ids.shape[1])]
    assert cache.length == ids.shape[1]
    return torch.stack(pieces, dim=1)


@pytest.mark.parametrize(("norm", "pattern"), CASES, ids=str)
@pytest.mark.parametrize("start", [0, 1, 11])
@torch.no_grad()
def test_it_equals_forward(norm, pattern, start):
    """fp32, so sums in another order may differ in the sixth digit; logits reach 1 and more."""
    model, ids = model_of(norm, pattern), tokens()
    expected = model(ids)[:, max(start - 1, 0) :]
    assert expected.abs().max() > 1 and (expected - expected[:, -1:]).abs().max() > 0.01
    torch.testing.assert_close(decode(model, ids, start), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@torch.no_grad()
def test_it_equals_forward_in_networks_of_others(norm, activation):
    """Another bend, another width, another epsilon; each of them changes the logits."""
    changes = {"activation": activation, "n_inner": 20, "ln_eps": 0.1}
    model, ids = make(norm, **SHAPE, **changes), tokens()
    torch.testing.assert_close(decode(model, ids, 1), model(ids), atol=1e-5, rtol=1e-5)
    plain = make(norm, **SHAPE, **(changes | {"activation": "gelu_tanh"}))
    assert (activation == "gelu_tanh") == torch.allclose(plain(ids), model(ids), atol=1e-6)
    thin = make(norm, **SHAPE, **(changes | {"ln_eps": 1e-5}))
    assert not torch.allclose(thin(ids), model(ids), atol=1e-2)


@torch.no_grad()
def test_forward_goes_on_where_it_stopped():
    """Both write the same cache: a chunk, two tokens, a chunk."""
    model, ids = model_of(), tokens()
    cache = KVCache(model.config, 2)
    model(ids[:, :5], cache)
    decoder = Decoder(model, cache)
    decoder.read(ids[:, 5])
    decoder.read(ids[:, 6])
    torch.testing.assert_close(model(ids[:, 7:], cache), model(ids)[:, 7:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("norm", "pattern"), CASES, ids=str)
@torch.no_grad()
def test_padded_rows_equal_each_alone(norm, pattern):
    """Texts of 9, 4 and 1 tokens end side by side after 9 places, then six more tokens of each:
    logits of each row are those of its own text, read whole and without a cache."""
    model, ids, lengths = model_of(norm, pattern), tokens(B=3, T=15), (9, 4, 1)
    texts = [row[:n] for row, n in zip(ids.tolist(), lengths, strict=True)]
    following = ids[:, 9:]
    reader = Reader(model)
    found = [reader.begin(texts, 6)] + [reader.read(token) for token in following.T]
    assert reader.full and reader.cache.padding.tolist() == [0, 5, 8]
    for i, text in enumerate(texts):
        whole = torch.tensor([text + following[i].tolist()])
        expected = model(whole)[0, len(text) - 1 :]
        logits = torch.stack([step[i] for step in found])
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_rows_of_a_cache_can_be_chosen():
    """Rows 2, 0 and 2 again, each with its padding, go on as three texts."""
    model, ids = model_of("post", ("dense", "fixed")), tokens(B=3, T=9)
    texts = [row[:n] for row, n in zip(ids.tolist(), (3, 6, 2), strict=True)]
    reader = Reader(model)
    reader.begin(texts, 2)
    reader.select([2, 0, 2])
    found = reader.read(torch.tensor([5, 6, 7]))
    for row, (i, token) in enumerate([(2, 5), (0, 6), (2, 7)]):
        expected = model(torch.tensor([texts[i] + [token]]))[0, -1]
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_weights_changed_on_the_way_are_the_ones_used():
    model, ids = model_of(), tokens()
    decoder = Decoder(model, KVCache(model.config, 2))
    before = decoder.read(ids[:, 0])
    model.h[1].mlp.c_proj.weight.mul_(2)
    decoder.cache.reset()
    after = decoder.read(ids[:, 0])
    assert (after - before).abs().max() > 1e-2
    torch.testing.assert_close(after, model(ids[:, :1])[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("parts", [1, 5, 16])
@torch.no_grad()
def test_one_row_in_parts(monkeypatch, norm, parts):
    """Matrices of real models go another way than small ones where there are threads for it: here
    all do, also those whose rows the parts do not divide."""
    model, ids = model_of(norm), tokens(B=1)
    rows = []
    bmm = torch.bmm
    monkeypatch.setattr("torch.bmm", lambda x, w: rows.append(w.shape[0] * w.shape[2]) or bmm(x, w))
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("gptcore.decode.LARGE", 1)
    monkeypatch.setattr("gptcore.decode.PARTS", parts)
    decoder = Decoder(model, KVCache(model.config, 1))
    found = torch.stack([decoder.read(ids[:, t]) for t in range(24)], dim=1)
    torch.testing.assert_close(found, model(ids), atol=1e-5, rtol=1e-5)
    per_token = 4 * model.config.n_layer + 1
    assert len(rows) == 24 * per_token  # every matrix, and the logits
    assert rows[per_token - 1] == model.config.vocab_size // parts * parts
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    decoder.cache.reset()
    decoder.read(ids[:, 0])
    assert len(rows) == 24 * per_token


def test_a_full_cache_is_refused():
    model = model_of()
    decoder = Decoder(model, KVCache(model.config, 2, n_ctx=2))
    decoder.read(tokens()[:, 0])
    decoder.read(tokens()[:, 1])
    with pytest.raises(ValueError, match="3 tokens do not fit: n_ctx=2 is the longest"):
        decoder.read(tokens()[:, 2])


class Louder(nn.Linear):
    """Stands for any adapter put in a layer's place."""

    def forward(self, x):
        return 3 * super().forward(x)


def hooked(model):
    model.h[1].attn.register_forward_hook(lambda module, inputs, output: output * 3)


def adapted(model):
    louder = Louder(32, 32)
    louder.load_state_dict(model.h[1].attn.c_proj.state_dict())
    model.h[1].attn.c_proj = louder


def overridden(model):
    forward = model.h[1].attn.forward
    model.h[1].attn.forward = lambda *args: forward(*args) * 3


@pytest.mark.parametrize("change", [hooked, adapted, overridden])
def test_a_model_with_something_put_in_is_asked_itself(change):
    """Its weights alone do not say what it does: no Decoder, and generation goes the long way."""
    model = model_of()
    assert is_plain(model)
    change(model)
    assert not is_plain(model)
    with pytest.raises(ValueError, match="modules or hooks that a Decoder would pass by"):
        Decoder(model, KVCache(model.config))
    ids = tokens(T=4)
    for token in sample_ids(model, ids, max_new_tokens=8, temperature=0):
        assert torch.equal(token, model(ids)[:, -1].argmax(-1))
        ids = torch.cat([ids, token[:, None]], dim=1)


@pytest.mark.parametrize(("norm", "pattern"), CASES[::3], ids=str)
def test_a_sliding_window_is_read_anew(norm, pattern):
    """After 24 tokens the last 12 are read as a fresh text, and so on: by hand, without cache."""
    model, ids = model_of(norm, pattern), tokens(T=3)
    window, text = ids, ids
    for token in sample_ids(model, ids, max_new_tokens=50, temperature=0, slide=True):
        assert torch.equal(token, model(window)[:, -1].argmax(-1))
        text = torch.cat([text, token[:, None]], dim=1)
        window = torch.cat([window, token[:, None]], dim=1)
        if window.shape[1] > 24:
            window = text[:, -12:]

"""What this proves: a network takes blocks where they are right, and remembers what is needed.

Logits, losses and gradients are those of masks; cached equals uncached, beside and after others.
"""

import warnings
from dataclasses import replace

import pytest
import torch
from small_models import make

from gptcore import sparse
from gptcore.attention import PATTERNS
from gptcore.config import PRESETS
from gptcore.decode import Reader
from gptcore.model import GPT, KVCache
from gptcore.modes import recomputing

PATTERN_SETS = [(name,) for name in sparse.KNOWN] + [("dense", "banded"), ("banded", "strided")]


def long_model(norm="pre", pattern=("banded",), **change):
    shape = dict(vocab_size=96, n_ctx=320, n_layer=2, n_head=2, d_model=16, window=24, summary=3)
    return make(norm, pattern=pattern, **(shape | change))


def ids_of(B, T, seed=3):
    return torch.randint(96, (B, T), generator=torch.Generator().manual_seed(seed))


def gradients(model, ids):
    loss = model.loss(ids[:, :-1], ids[:, 1:])
    return [loss, *torch.autograd.grad(loss, list(model.parameters()))]


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("pattern", PATTERN_SETS, ids="+".join)
def test_a_network_trains_the_same_with_blocks_and_with_masks(norm, pattern, monkeypatch):
    model, ids = long_model(norm, pattern), ids_of(2, 310)
    calls = []
    attend = sparse.attend
    monkeypatch.setattr(sparse, "attend", lambda *a, **k: calls.append(a[3]) or attend(*a, **k))
    found = gradients(model, ids)
    assert calls == [name for name in (pattern * 2)[:2] if name != "dense"]
    with recomputing(model):
        again = gradients(model, ids)
    monkeypatch.setattr(sparse, "LONG", 10**9)
    calls.clear()
    expected = gradients(model, ids)
    assert not calls
    for a, b, c in zip(found, again, expected, strict=True):
        torch.testing.assert_close(a, c, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(b, c, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_weights_are_those_of_the_reference_and_the_logits_the_same():
    model, ids = long_model(pattern=("banded", "fixed")), ids_of(2, 300)
    trace = model.trace(ids)
    torch.testing.assert_close(trace.logits, model(ids), atol=1e-5, rtol=1e-5)
    assert trace.attentions[0].shape == (2, 2, 300, 300)
    assert not trace.attentions[0].tril(-24).any()
    layer, x, weights = model.h[0].attn, torch.randn(1, 300, 16), []
    way = sparse.Blocked("banded", 24)
    torch.testing.assert_close(layer(x, way, weights=weights), layer(x, way), atol=1e-5, rtol=0)
    torch.testing.assert_close(weights[0].sum(-1), torch.ones(1, 2, 300))


def test_short_texts_and_wide_windows_take_the_mask():
    assert sparse.in_blocks("banded", 255, 16) is None
    assert sparse.in_blocks("banded", 511, 256) is None
    assert sparse.in_blocks("dense", 512, 16) is None
    assert sparse.in_blocks("banded", 512, 256) == sparse.Blocked("banded", 256)


def test_a_pattern_of_ones_own_says_that_it_has_no_blocks(monkeypatch):
    """Here a band that also reads the first token, as `attention sinks` do: once said, always
    right, and the layer's cache keeps every position."""

    def sink(q, k, window, summary):
        return (k <= q) & ((q - k < window) | (k == 0))

    sparse._say_once.cache_clear()
    monkeypatch.setitem(PATTERNS, "banded", sink)
    model, ids = long_model(), ids_of(1, 300)
    with torch.no_grad(), pytest.warns(UserWarning, match="pattern='banded' was replaced") as said:
        whole = model(ids)
        model(ids)
    assert len(said) == 1
    changed = ids.clone()
    changed[0, 0] = (changed[0, 0] + 1) % 96
    with torch.no_grad():
        assert (model(changed) - whole)[0, -1].abs().max() > 1e-4
        cache = KVCache(model.config)
        pieces = [model(part, cache) for part in ids.split([40, 1, 259], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-4, rtol=0)


def test_a_mask_of_ones_own_is_asked_and_its_cache_keeps_everything():
    class Sink(GPT):
        def mask(self, pattern, start, end):
            q, k = torch.arange(start, end)[:, None], torch.arange(end)
            return (k <= q) & ((q - k < 24) | (k == 0))

    torch.manual_seed(0)
    model = Sink(long_model().config).eval()
    ids = ids_of(1, 300)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = model(ids)
        cache = KVCache(model.config)
        pieces = [model(part, cache) for part in ids.split([40, 1, 259], dim=1)]
        plain = GPT(model.config).eval()
        plain.load_state_dict(model.state_dict())
        assert (plain(ids) - whole).abs().max() > 1e-4
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-4, rtol=0)
    assert [keys.shape[2] for keys in cache.keys] == [320, 320]


# The cache of a band.


def small(name):
    """A preset's norm and pattern in a network of two or four layers."""
    shape = dict(vocab_size=96, n_layer=4, n_head=2, d_model=16, dropout=0.0, summary=3)
    torch.manual_seed(1)
    return GPT(replace(PRESETS[name], n_ctx=330, window=24, **shape)).eval()


def test_a_banded_layer_remembers_its_window():
    """GPT-3 small: 12 layers of 768, half of them banded with 256: 2 · 6 · (2,048 + 256) · 768."""
    cache = KVCache(PRESETS["gpt3-small"], device="meta")
    assert sum(x.numel() for x in cache.keys + cache.values) == 12 * 2304 * 768
    assert [keys.shape[2] for keys in cache.keys[:2]] == [2048, 256]


@pytest.mark.parametrize("name", PRESETS)
@torch.no_grad()
def test_cached_equals_uncached_for_every_preset(name):
    """A prompt of more than ten windows and in blocks; then pieces around the window's length."""
    model, ids = small(name), ids_of(2, 330)
    cache = KVCache(model.config, 2)
    pieces = [model(part, cache) for part in ids.split([262, 1, 23, 1, 24, 1, 18], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, 1), model(ids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pattern", PATTERN_SETS, ids="+".join)
@torch.no_grad()
def test_texts_side_by_side_are_each_as_if_alone(pattern):
    """Texts of 290, 261, 30 and 1 tokens end side by side, read in blocks; then 20 tokens each,
    with rows chosen anew on the way, as beam search does."""
    model, ids = long_model(pattern=pattern), ids_of(4, 320)
    texts = [row[:n] for row, n in zip(ids.tolist(), (290, 261, 30, 1), strict=True)]
    reader = Reader(model)
    logits = reader.begin(texts, 30)
    for step in range(20):
        for found, text in zip(logits, texts, strict=True):
            alone = model(torch.tensor([text]))[0, -1]
            torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)
        if step == 9:
            reader.select([2, 0, 0, 3])
            texts = [texts[i] for i in (2, 0, 0, 3)]
        tokens = ids[torch.arange(4), -1 - step]
        texts = [text + [token] for text, token in zip(texts, tokens.tolist(), strict=True)]
        logits = reader.read(tokens)


@torch.no_grad()
def test_weights_while_decoding_cover_all_that_was_read():
    """Positions that a band has left behind have weight 0, and are not cut off."""
    model, ids = long_model(), ids_of(1, 60)
    cache, whole = KVCache(model.config), model.trace(ids)
    model(ids[:, :50], cache)
    part = model.trace(ids[:, 50:], cache)
    for found, expected in zip(part.attentions, whole.attentions, strict=True):
        torch.testing.assert_close(found, expected[:, :, 50:], atol=1e-6, rtol=0)

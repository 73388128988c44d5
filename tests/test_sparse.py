"""What this proves: blocks give what the mask gives, gradients included, and when they are taken.

The reference is PyTorch's plain attention under the mask of `may_attend`, in double precision; what
that predicate says is counted and worked out by hand in test_attention.
"""

import math
import warnings
from dataclasses import replace

import pytest
import torch
from small_models import make
from torch.nn import functional as F

from gptcore import sparse
from gptcore.attention import PATTERNS, may_attend
from gptcore.config import PRESETS
from gptcore.decode import Reader
from gptcore.model import GPT, KVCache
from gptcore.modes import recomputing
from gptcore.probes import peak_memory

SHAPES = [(1, 1), (1, 64), (7, 3), (64, 16), (65, 64), (200, 1), (257, 60), (300, 100), (130, 500)]


def leaves(B, H, T, D=8, seed=0, dtype=torch.float64):
    """Queries, keys and values as views of one fused projection, and a gradient to send back."""
    generator = torch.Generator().manual_seed(seed)
    qkv = torch.randn(B, T, 3, H, D, generator=generator, dtype=torch.float64).to(dtype)
    q, k, v = qkv.requires_grad_().transpose(1, 3).unbind(2)
    return qkv, (q, k, v), torch.randn(B, H, T, D, generator=generator, dtype=torch.float64)


def masked(q, k, v, pattern, window, summary):
    at = torch.arange(q.shape[2])
    mask = may_attend(pattern, at[:, None], at, window=window, summary=summary)
    return F.scaled_dot_product_attention(q, k, v, mask)


def both(way, *arguments, B=2, H=3, T, dtype=torch.float64):
    """Values and gradients of the blocks and of the reference."""
    found = []
    for call in (way, masked):
        qkv, parts, out = leaves(B, H, T, dtype=dtype)
        y = call(*parts, *arguments)
        (grad,) = torch.autograd.grad(y, qkv, out.to(dtype))
        found.append((y, grad))
    return found


@pytest.mark.parametrize("pattern", sparse.KNOWN)
@pytest.mark.parametrize(("T", "window"), SHAPES)
@pytest.mark.parametrize("summary", [1, 4])
def test_blocks_equal_the_mask(pattern, T, window, summary):
    summary = min(summary, window)
    (y, grad), (y0, grad0) = both(sparse.blocked, pattern, window, summary, T=T)
    torch.testing.assert_close(y, y0, atol=1e-10, rtol=0)
    torch.testing.assert_close(grad, grad0, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pattern", sparse.KNOWN)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_other_precisions_agree_as_far_as_they_can(pattern, dtype, near):
    """bf16 keeps three digits; the gradient of a key is a sum over many tiles, added in fp32."""
    found, expected = both(sparse.blocked, pattern, 32, 4, T=300, dtype=dtype)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        assert (a - b).norm() <= near * b.norm()


@pytest.mark.parametrize(("pattern", "other"), [("banded", "block"), ("fixed", "banded")])
def test_the_comparison_notices_another_pattern(pattern, other):
    """Negative control: nearly the same pairs, and far outside the tolerance."""
    found, _ = both(sparse.blocked, other, 32, 4, T=300)
    _, expected = both(sparse.blocked, pattern, 32, 4, T=300)
    assert (found[0] - expected[0]).abs().max() > 0.1


# Counted by formula, n = 1024, l = 32, c = 8: a band has l·n - l (l - 1) / 2 pairs; 32 blocks have
# 16,896, summaries alone 128,128, and in each block c (c + 1) / 2 = 36 pairs are of both kinds.
@pytest.mark.parametrize(("pattern", "entries"), [("banded", 32_272), ("fixed", 143_872)])
def test_tiles_hold_each_pair_once(pattern, entries):
    tiles = sparse._tiles(pattern, 1024, 32, 8, torch.device("cpu"))
    assert sum(int(tile.mask.sum()) for tile in tiles) == entries
    assert [tile.rows.start for tile in tiles[1:]] == [tile.rows.stop for tile in tiles[:-1]]
    assert tiles[0].rows.start == 0 and tiles[-1].rows.stop == 1024


def test_equal_masks_of_a_band_are_one_tensor():
    """But for the first tiles, which have no keys before them, and the last."""
    tiles = sparse._tiles("banded", 4096, 256, 8, torch.device("cpu"))
    assert len({tile.mask.data_ptr() for tile in tiles}) <= 6 < len(tiles)


def test_memory_grows_with_the_band():
    """Beyond what goes in and out: 8,192 positions, 2 heads of 16. A boolean mask alone has
    64 MiB; the result and three gradients have 1 MiB each."""
    qkv = [torch.randn(1, 2, 8192, 16, requires_grad=True) for _ in range(3)]

    def train():
        y = sparse.blocked(*qkv, "banded", 64)
        torch.autograd.grad(y.sum(), qkv)

    assert 4 * 2**20 <= peak_memory(train) < 12 * 2**20
    with torch.no_grad():
        assert peak_memory(lambda: masked(*qkv, "banded", 64, 1)) > 64 * 2**20


@pytest.mark.parametrize("pattern", sparse.KNOWN)
def test_dropout_falls_on_the_weights_and_the_gradient_remembers_where(pattern):
    """With values of one a row's sum is its kept weights over 1 - p, on average 1. And y = A v with
    one A, so that <out, A u> = <Aᵀ out, u> for every u, if the gradient meets the same A again."""
    q, k, _ = leaves(2, 2, 300)[1]
    ones = torch.ones_like(q)
    torch.manual_seed(0)
    sums = sparse.blocked(q, k, ones, pattern, 32, 4, dropout=0.25).detach()
    assert abs(sums.mean().item() - 1) < 0.01 and (sums != 1).double().mean() > 0.5
    u, out = (torch.randn(q.shape, dtype=q.dtype) for _ in range(2))
    results = []
    for values in (ones.requires_grad_(), u):
        torch.manual_seed(5)
        results.append(sparse.blocked(q.detach(), k.detach(), values, pattern, 32, 4, 0.25))
    torch.rand(7)  # what is drawn between the two passes changes nothing
    (grad,) = torch.autograd.grad(results[0], ones, out)
    torch.testing.assert_close((grad * u).sum(), (results[1] * out).sum(), atol=1e-9, rtol=0)


def test_a_backward_pass_leaves_the_random_numbers_alone():
    qkv, parts, out = leaves(1, 1, 130)
    y = sparse.blocked(*parts, "banded", 16, dropout=0.5)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    torch.autograd.grad(y, qkv, out)
    assert torch.equal(torch.rand(3), expected)


def test_what_blocks_cannot_do_is_refused():
    qkv, parts, out = leaves(1, 1, 130)
    with pytest.raises(KeyError, match="pattern='dense' has no blocks; there are for banded"):
        sparse.blocked(*parts, "dense", 16)
    y = sparse.blocked(*parts, "banded", 16)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(y, qkv, out, create_graph=True)


@pytest.mark.parametrize("pattern", sparse.KNOWN)
def test_padded_rows_equal_each_alone(pattern):
    """Rows with 0, 3 and 299 places of padding before them."""
    parts = [x.detach() for x in leaves(3, 2, 300)[1]]
    padding = torch.tensor([0, 3, 299])
    y = sparse.Blocked(pattern, 32, 4, padding)(*parts)
    for row, first in enumerate(padding.tolist()):
        alone = [x[row : row + 1, :, first:] for x in parts]
        expected = masked(*alone, pattern, 32, 4)
        torch.testing.assert_close(y[row : row + 1, :, first:], expected, atol=1e-10, rtol=0)


# The network: where blocks are taken, and that nothing else changes.

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


# Kernels for GPUs. Here there is none: what they are given is tested, and what happens when they
# fail. FlexAttention's forward pass runs on a CPU, too.


@pytest.mark.parametrize("pattern", sparse.KNOWN)
@pytest.mark.parametrize(("T", "window"), [(300, 40), (130, 1), (256, 128)])
def test_block_masks_are_the_predicate(pattern, T, window):
    from torch.nn.attention.flex_attention import create_mask

    summary = min(4, window)
    mask = sparse.block_mask(pattern, T, window, summary, torch.device("cpu"))
    at = torch.arange(T)
    expected = may_attend(pattern, at[:, None], at, window=window, summary=summary)
    assert torch.equal(create_mask(mask.mask_mod, None, None, T, T, device="cpu")[0, 0], expected)
    blocks = F.pad(expected, (0, -T % 128, 0, -T % 128)).unflatten(0, (-1, 128))
    some = blocks.unflatten(2, (-1, 128)).any(3).any(1)
    assert torch.equal(mask.to_dense()[0, 0].bool(), some)  # blocks with no pair are passed over


@pytest.mark.parametrize("pattern", sparse.KNOWN)
@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flexattention_agrees_on_a_cpu(pattern):
    _, parts, _ = leaves(2, 3, 300, D=16, dtype=torch.float32)
    parts = [x.detach() for x in parts]
    y = sparse.flex(*parts, pattern, 40, 4)
    torch.testing.assert_close(y, masked(*parts, pattern, 40, 4), atol=1e-5, rtol=0)


def windowed(q, k, v, ends_q, ends_k, max_q, max_k, *, window_size=(-1, -1)):
    """`varlen_attn` as its documentation has it, one text after another."""
    found = []
    for a, b in zip(ends_q[:-1].tolist(), ends_q[1:].tolist(), strict=True):
        assert b - a <= max_q == max_k and torch.equal(ends_q, ends_k)
        i = torch.arange(b - a)
        left, right = window_size
        seen = (i >= i[:, None] - left) & (i <= i[:, None] + right)
        one = (x[a:b].transpose(0, 1) for x in (q, k, v))
        found.append(F.scaled_dot_product_attention(*one, seen).transpose(0, 1))
    return torch.cat(found)


def test_varlen_is_called_as_it_is_documented(monkeypatch):
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    monkeypatch.setattr(varlen, "varlen_attn", windowed)
    (y, grad), (y0, grad0) = both(sparse.varlen, "banded", 40, 1, T=130)
    torch.testing.assert_close(y, y0, atol=1e-10, rtol=0)
    torch.testing.assert_close(grad, grad0, atol=1e-10, rtol=0)


def test_a_kernel_is_used_once_it_has_agreed(monkeypatch):
    """One that is wrong by a key and one that does not run are named, and blocks do the work."""

    def wider(q, k, v, pattern, window, summary):
        return masked(q, k, v, pattern, window + 1, summary)

    def broken(*arguments):
        raise RuntimeError("no such device\nand more")

    cpu = torch.device("cpu")
    for kernel, expected in ((masked, masked), (wider, None), (broken, None)):
        sparse._kernel.cache_clear()
        sparse._say_once.cache_clear()
        monkeypatch.setattr(sparse, "kernels", lambda pattern, dtype, kernel=kernel: [kernel])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = sparse._kernel("banded", torch.float32, 16, cpu)
        assert found is expected
        assert len(said) == (expected is None)
    assert "banded' is read in blocks on cpu: broken: RuntimeError: no such device" in str(
        said[0].message
    )
    sparse._kernel.cache_clear()


def test_half_precision_has_a_windowed_kernel_first():
    assert sparse.kernels("fixed", torch.float16) == [sparse.flex]
    assert sparse.kernels("banded", torch.float32) == [sparse.flex]
    if sparse._has_windows():
        assert sparse.kernels("banded", torch.bfloat16) == [sparse.varlen, sparse.flex]


def test_two_hops_reach_the_whole_past():
    """Sparse Transformer §4.2: n = 256, l = 16; fixed with c = 4. Either part alone does not."""
    at = torch.arange(256)

    def one(*names, **size):
        parts = [may_attend(name, at[:, None], at, window=16, **size) for name in names]
        return torch.stack(parts).any(0).double()

    past = torch.ones(256, 256).tril().bool()
    for hop in (one("banded", "strided"), one("fixed", summary=4)):
        assert torch.equal(hop @ hop > 0, past)
    for alone in (one("banded"), one("strided"), one("block")):
        assert not torch.equal(alone @ alone > 0, past)


def test_merged_strided_grows_as_n_to_the_one_and_a_half():
    """Entries of band and stride at l = √n from 256 to 16,384; the slope of their logarithms is
    1.5 and a little, where n log n would have 1.13. Row i has min(i + 1, l) keys in the band and
    those at distance l, 2 l, ... beside them, i // l in number."""
    sizes = [4**p for p in range(4, 8)]
    counts = []
    for n in sizes:
        width = math.isqrt(n)
        counts.append(sum(min(i + 1, width) + i // width for i in range(n)))
    at = torch.arange(256)
    both = [may_attend(p, at[:, None], at, window=16) for p in ("banded", "strided")]
    assert counts[0] == int((both[0] | both[1]).sum())
    xs = [math.log(n) for n in sizes]
    ys = [math.log(c) for c in counts]
    mean = sum(xs) / 4
    slope = sum((x - mean) * y for x, y in zip(xs, ys, strict=True)) / sum(
        (x - mean) ** 2 for x in xs
    )
    assert slope == pytest.approx(1.51, abs=0.01)

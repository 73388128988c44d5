"""What this proves: blocks give what the mask gives, gradients included, in linear memory.

The reference is PyTorch's plain attention under the mask of `may_attend`, in double precision; what
that predicate says is counted and worked out by hand in test_attention.
"""

import math
import warnings

import pytest
import torch
from torch.nn import functional as F

from gptcore import sparse
from gptcore.attention import may_attend
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


@pytest.mark.parametrize("pattern", sparse.KNOWN)
def test_products_beyond_float16_have_a_gradient(pattern):
    """64 products of 40 by 40 are 102,400, and float16 ends at 65,504; divided by 8 they fit.

    All scores are equal, so the weights are even and nothing pulls at queries and keys.
    """
    q, k = (torch.full((1, 1, 300, 64), 40.0, dtype=torch.float16) for _ in range(2))
    v = torch.randn(1, 1, 300, 64, generator=torch.Generator().manual_seed(0)).half()
    inputs = [x.requires_grad_() for x in (q, k, v)]
    y = sparse.blocked(*inputs, pattern, 32, 4)
    grads = torch.autograd.grad(y, inputs, torch.ones_like(y))
    assert all(torch.isfinite(grad).all() for grad in grads)
    double = [x.detach().double().requires_grad_() for x in inputs]
    y0 = masked(*double, pattern, 32, 4)
    (expected,) = torch.autograd.grad(y0, double[2], torch.ones_like(y0))
    assert (grads[2] - expected).norm() <= 1e-2 * expected.norm()


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
    for rule in (("banded", 0), ("strided", -3), ("fixed", 16, 17), ("fixed", 16, 0)):
        for way in (sparse.blocked, sparse.attend):
            with pytest.raises(ValueError, match=rf"window={rule[1]} must be .*, summary="):
                way(*parts, *rule)
    q, k, v = parts
    with pytest.raises(ValueError, match=r"one shape .*\(1, 1, 130, 8\), \(1, 1, 131, 8\)"):
        sparse.blocked(q, F.pad(k, (0, 0, 0, 1)), v, "banded", 16)
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

"""What this proves: each pattern is the papers' set of pairs, and attention equals arithmetic."""

import math

import pytest
import torch

from gptcore.attention import PATTERNS, CausalSelfAttention, may_attend
from gptcore.config import GPTConfig


def mask(pattern, n, window, summary=8):
    q = torch.arange(n)
    return may_attend(pattern, q[:, None], q[None], window=window, summary=summary)


# Entries counted by formula, l = √n: dense n(n+1)/2; a band of l keys is l·n - l(l-1)/2; block is
# n/l triangles of l(l+1)/2; strided is the sum of ⌊i/l⌋ + 1.
@pytest.mark.parametrize(
    ("n", "width", "dense", "banded", "strided", "block", "both"),
    [
        (256, 16, 32_896, 3_976, 2_176, 2_176, 5_896),
        (1024, 32, 524_800, 32_272, 16_896, 16_896, 48_144),
        (4096, 64, 8_390_656, 260_128, 133_120, 133_120, 389_152),
    ],
)
def test_masks_have_the_counted_entries(n, width, dense, banded, strided, block, both):
    assert mask("dense", n, width).sum() == dense
    assert mask("banded", n, width).sum() == banded
    assert mask("strided", n, width).sum() == strided
    assert mask("block", n, width).sum() == block
    # The paper's band has one key more; the union with the strided part is its merged head.
    assert (mask("banded", n, width + 1) | mask("strided", n, width)).sum() == both


# Of the last c = 8 of every block of l all later positions read: n/l blocks, the j-th from the end
# is read by (j - 1) l positions after it and by 8 · 9 / 2 pairs of its own.
@pytest.mark.parametrize(
    ("n", "width", "summaries"), [(256, 16, 15_936), (1024, 32, 128_128), (4096, 64, 1_034_496)]
)
def test_fixed_has_the_counted_summaries(n, width, summaries):
    both, own = (mask(pattern, n, width) for pattern in ("fixed", "block"))
    twice = n // width * 36
    assert both.sum() == summaries + own.sum() - twice


def test_fixed_is_its_block_and_the_summaries_of_every_block():
    """n = 8, l = 4, c = 1: columns 3 and 7 summarise. Row 6 reads its block 4 5 6 and column 3."""
    rows = [row.nonzero().flatten().tolist() for row in mask("fixed", 8, 4, 1)]
    assert rows == [
        [0],
        [0, 1],
        [0, 1, 2],
        [0, 1, 2, 3],
        [3, 4],
        [3, 4, 5],
        [3, 4, 5, 6],
        [3, 4, 5, 6, 7],
    ]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_causal_and_reads_itself(pattern):
    m = mask(pattern, 40, 6, 2)
    assert not m.triu(1).any()
    assert m.diagonal().all()


def test_two_hops_of_the_strided_pair_reach_the_whole_past():
    """Sparse Transformer §4.2: any j <= i within p + 1 steps; with both parts two hops are enough.

    One part alone is not, which shows that the check can fail.
    """
    one = (mask("banded", 64, 8) | mask("strided", 64, 8)).float()
    assert torch.equal(one @ one > 0, mask("dense", 64, 8))
    alone = mask("banded", 64, 8).float()
    assert not torch.equal(alone @ alone > 0, mask("dense", 64, 8))


def test_unknown_pattern_is_refused():
    with pytest.raises(KeyError, match="pattern='sparse' must be one of dense, banded"):
        may_attend("sparse", torch.tensor(0), torch.tensor(0))


def attention(**change):
    torch.manual_seed(0)
    config = GPTConfig(vocab_size=8, n_ctx=16, n_layer=1, d_model=12, n_head=3, **change)
    return CausalSelfAttention(config).double()


@torch.no_grad()
def by_hand(layer, x, allowed):
    """Attention with loops: one head, one query, one key at a time."""
    T, C = x.shape
    D = C // layer.n_head
    qkv = x @ layer.c_attn.weight.T + layer.c_attn.bias
    out = torch.zeros(T, C, dtype=x.dtype)
    for h in range(layer.n_head):
        q, k, v = (qkv[:, i * C + h * D : i * C + (h + 1) * D] for i in range(3))
        for i in range(T):
            keys = [j for j in range(T) if allowed[i][j]]
            e = [math.exp(float(q[i] @ k[j]) / math.sqrt(D)) for j in keys]
            out[i, h * D : (h + 1) * D] = sum(
                w / sum(e) * v[j] for w, j in zip(e, keys, strict=True)
            )
    return out @ layer.c_proj.weight.T + layer.c_proj.bias


@pytest.mark.parametrize("pattern", ["dense", "banded", "fixed"])
def test_attention_equals_loops_written_by_hand(pattern):
    layer = attention(dropout=0.0).eval()
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    m = mask(pattern, 7, 3, 1)
    y = layer(x, None if pattern == "dense" else m)
    for b in range(2):  # a sequence never sees its neighbour in the batch
        torch.testing.assert_close(y[b], by_hand(layer, x[b], m.tolist()), atol=1e-10, rtol=0)


def test_returned_weights_are_the_ones_used():
    layer = attention(dropout=0.0).eval()
    x = torch.randn(1, 5, 12, dtype=torch.float64)
    weights = []
    y = layer(x, weights=weights)
    torch.testing.assert_close(y, layer(x), atol=1e-10, rtol=0)
    (a,) = weights
    assert a.shape == (1, 3, 5, 5)
    torch.testing.assert_close(a.sum(-1), torch.ones(1, 3, 5, dtype=torch.float64))
    assert not a.triu(1).any()


def test_dropout_works_in_training_only():
    layer = attention(dropout=0.5)
    x = torch.randn(1, 6, 12, dtype=torch.float64)
    assert not torch.equal(layer(x), layer(x))
    assert (layer(x) == 0).double().mean() > 0.2  # sub-layer outputs are dropped, after c_proj
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("step_by_step", [False, True])
def test_dropout_falls_on_the_attention_weights(step_by_step):
    """With values of one and an open output, a row's sum is its kept weights, scaled by 1/(1-p).

    Without dropout every row sums to 1 exactly; the output's own dropout is turned off.
    """
    layer = attention(dropout=0.25)
    with torch.no_grad():
        layer.c_attn.bias[24:] = 1.0
        layer.c_attn.weight[24:] = 0.0
        layer.c_proj.weight.copy_(torch.eye(12))
        layer.c_proj.bias.zero_()
    layer.c_proj.register_forward_hook(lambda module, args, out: kept.append(out))
    kept = []
    torch.manual_seed(0)
    layer(torch.randn(64, 16, 12, dtype=torch.float64), weights=[] if step_by_step else None)
    sums = kept[0][:, 1:]
    assert (sums != 1).all()
    assert abs(sums.mean().item() - 1) < 0.02  # an average over 11,520 rows

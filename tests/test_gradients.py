"""The functions with gradients of their own, against PyTorch's and against numbers by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from gptcore import gradients
from gptcore.attention import CausalSelfAttention
from gptcore.config import GPTConfig
from gptcore.gradients import (
    _GELU,
    SHORT,
    _TiedCrossEntropy,
    gelu,
    is_short,
    short_attention,
    tied_cross_entropy,
)


def random(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale


def test_gelu_by_hand():
    """At 1: u = √(2/π) · 1.044715 = 0.833563, tanh u = 0.682384, so 0.5 · 1.682384 = 0.841192."""
    values = gelu(torch.tensor([0.0, 1.0, -1.0, 100.0, -100.0]))
    expected = torch.tensor([0.0, 0.841192, -0.158808, 100.0, 0.0])
    torch.testing.assert_close(values, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("chunk", [_GELU.SLICE, 100])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_gelu_and_its_slope_are_pytorch_s(dtype, atol, chunk, monkeypatch):
    monkeypatch.setattr(_GELU, "SLICE", chunk)
    ours = torch.cat([torch.linspace(-12, 12, 999, dtype=torch.float64), random(999)]).to(dtype)
    theirs = ours.clone().requires_grad_()
    ours.requires_grad_()
    weight = random(ours.numel(), seed=1).to(dtype)
    value, expected = gelu(ours), F.gelu(theirs, approximate="tanh")
    torch.testing.assert_close(value, expected, atol=atol, rtol=0)
    (value * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=atol, rtol=0)


def test_gelu_leaves_its_input_alone_however_it_lies_in_memory():
    x = torch.randn(50, requires_grad=True)
    before = x.detach().clone()
    turned = x.view(5, 10).t()
    torch.testing.assert_close(gelu(turned), gelu(x).view(5, 10).t(), atol=1e-6, rtol=0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("grad", [True, False])
def test_gelu_is_pytorch_s_where_nothing_is_learned_and_in_half_precision(grad):
    x = torch.linspace(-4, 4, 50, dtype=torch.bfloat16 if grad else None, requires_grad=grad)
    assert torch.equal(gelu(x), F.gelu(x, approximate="tanh"))
    with torch.no_grad():
        assert torch.equal(gelu(x), F.gelu(x, approximate="tanh"))


@pytest.mark.parametrize(("B", "T", "n_head", "D"), [(1, 1, 1, 4), (2, 7, 3, 4), (3, 64, 2, 8)])
def test_short_attention_and_its_gradient_are_pytorch_s(B, T, n_head, D):
    ours = random(B, T, 3 * n_head * D, scale=2.0).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    q, k, v = (t.view(B, T, n_head, D).transpose(1, 2) for t in theirs.chunk(3, dim=2))
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    value, weight = short_attention(ours, n_head), random(B, T, n_head * D, seed=1)
    torch.testing.assert_close(value, expected, atol=1e-12, rtol=0)
    (value * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-12, rtol=0)


def test_where_attention_is_short():
    """Longer, only read, or in half precision, PyTorch's kernel has the smaller memory or time."""
    qkv = torch.randn(1, SHORT, 12, requires_grad=True)
    assert is_short(qkv) and is_short(qkv.double())
    assert not is_short(torch.randn(1, SHORT + 1, 12, requires_grad=True))
    assert not is_short(qkv.detach()) and not is_short(qkv.bfloat16())
    with torch.no_grad():
        assert not is_short(qkv)


@pytest.mark.parametrize("how", ["plain", "mask", "weights", "dropout", "past"])
def test_a_layer_takes_the_short_way_only_where_it_says_the_same(how, monkeypatch):
    """A mask, wanted weights, dropout or a cache need what follows; nothing of it may be lost."""
    taken = []
    monkeypatch.setattr(
        "gptcore.attention.short_attention", lambda *a: (taken.append(a), short_attention(*a))[1]
    )
    config = GPTConfig(vocab_size=8, n_ctx=8, n_layer=1, d_model=12, n_head=3, dropout=0.0)
    layer = CausalSelfAttention(config).double()
    layer.dropout = 0.5 if how == "dropout" else 0.0
    x, room = random(2, 5, 12), torch.zeros(2, 3, 8, 4, dtype=torch.float64)
    y = layer(
        x,
        torch.eye(5, dtype=torch.bool) if how == "mask" else None,
        (room.clone(), room.clone(), 0) if how == "past" else None,
        [] if how == "weights" else None,
    )
    assert bool(taken) == (how == "plain")
    with torch.no_grad():
        same = torch.allclose(y, layer(x), atol=1e-12)
    assert same == (how not in ("mask", "dropout"))


def test_several_gradients_of_one_pass_can_be_asked_for():
    """Logits of several positions, say; only the loss gives its gradient once."""
    x = random(2, 5, 12).requires_grad_()
    for value in (gelu(x), short_attention(x, 2)):
        first, second = (torch.autograd.grad(value[0, 4, 1], x, retain_graph=True) for _ in "ab")
        assert first[0].any() and torch.equal(first[0], second[0])


@pytest.mark.parametrize("chunk", [2**21, 500])
def test_loss_and_its_gradients_equal_plain_cross_entropy(chunk, monkeypatch):
    """Two slices of 32 with the small chunk: a slice has as many positions as x has columns."""
    monkeypatch.setattr(_TiedCrossEntropy, "SLICE", chunk)
    x, weight = random(48, 32).requires_grad_(), random(96, 32, seed=1).requires_grad_()
    targets = torch.arange(48) * 7 % 96
    targets[[0, 3, 40, 47]] = -100
    loss = tied_cross_entropy(x, weight, targets)
    plain = F.cross_entropy(x @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(loss, plain, atol=1e-10, rtol=0)
    for g, e in zip(
        torch.autograd.grad(loss * 3, (x, weight)),
        torch.autograd.grad(plain * 3, (x, weight)),
        strict=True,
    ):
        torch.testing.assert_close(g, e, atol=1e-10, rtol=0)


@pytest.mark.parametrize("chunk", [2**21, 500])
def test_positions_count_as_much_as_their_shares(chunk, monkeypatch):
    """Value and gradients are those of a plain weighted sum; unscored positions count nothing."""
    monkeypatch.setattr(_TiedCrossEntropy, "SLICE", chunk)
    x, weight = random(48, 32).requires_grad_(), random(96, 32, seed=1).requires_grad_()
    targets, shares = torch.arange(48) * 7 % 96, random(48, seed=2).abs()
    targets[[0, 3, 40, 47]] = -100
    shares[5] = 0
    loss = tied_cross_entropy(x, weight, targets, shares)
    each = F.cross_entropy(x @ weight.T, targets, reduction="none")
    plain = (each * shares).sum()
    torch.testing.assert_close(loss, plain, atol=1e-10, rtol=0)
    assert (loss - each.sum()).abs() > 1  # positive control: shares do count
    for g, e in zip(
        torch.autograd.grad(loss, (x, weight)),
        torch.autograd.grad(plain, (x, weight)),
        strict=True,
    ):
        torch.testing.assert_close(g, e, atol=1e-10, rtol=0)


def test_loss_in_half_precision_is_close_and_its_gradient_is_fp32(monkeypatch):
    """bf16 keeps 8 bits: products are off by up to 2**-8 of their size."""
    monkeypatch.setattr(_TiedCrossEntropy, "SLICE", 500)
    x, weight = random(48, 32).float(), random(96, 32, scale=0.2, seed=1).float()
    x.requires_grad_()
    weight.requires_grad_()
    targets = torch.arange(48) * 7 % 96
    with torch.autocast("cpu", torch.bfloat16):
        half = tied_cross_entropy(x, weight, targets)
    full = tied_cross_entropy(x, weight, targets)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(full.item(), rel=1e-2)
    for g, e in zip(
        torch.autograd.grad(half, (x, weight)), torch.autograd.grad(full, (x, weight)), strict=True
    ):
        assert g.dtype == torch.float32
        assert (g - e).norm() < 1e-2 * e.norm()


def test_what_is_only_scored_makes_no_gradient(monkeypatch):
    """A Function is told that the weights have gradients even where none is wanted."""
    monkeypatch.setattr(gradients, "_add_product", None)
    x, weight = random(4, 8).requires_grad_(), random(10, 8, seed=1).requires_grad_()
    targets = torch.tensor([0, 1, 2, 3])
    with torch.no_grad():
        loss = tied_cross_entropy(x, weight, targets)
    assert loss.item() == pytest.approx(F.cross_entropy(x @ weight.T, targets).item() * 4)
    with pytest.raises(TypeError):
        tied_cross_entropy(x, weight, targets)


def test_a_gradient_made_with_the_value_is_given_once_and_has_none_itself():
    """Asked for more, both say so; a wrong second derivative would go unnoticed."""
    x, weight = random(4, 8).requires_grad_(), random(10, 8, seed=1).requires_grad_()
    loss = tied_cross_entropy(x, weight, torch.tensor([0, 1, 2, 3]))
    torch.autograd.grad(loss, (x, weight), retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, (x, weight))
    for value in (
        gelu(x).sum(),
        short_attention(x[None, :, :6], 1).sum(),
        tied_cross_entropy(x, weight, torch.tensor([0, 1, 2, 3])),
    ):
        with pytest.raises(RuntimeError, match="create_graph=True: .* no second derivative"):
            torch.autograd.grad(value, x, create_graph=True)


def test_an_unscored_batch_costs_nothing():
    x, weight = random(4, 8).requires_grad_(), random(10, 8, seed=1).requires_grad_()
    loss = tied_cross_entropy(x, weight, torch.full((4,), -100))
    assert loss.item() == 0.0
    assert not any(g.any() for g in torch.autograd.grad(loss, (x, weight)))
    assert math.isfinite(loss.item())

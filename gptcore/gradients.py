"""Three functions with gradients written by hand: the GELU, short attention and the loss.

PyTorch's own would do; these are faster where a laptop spends its time. All rest on one thought:
what the forward pass has just computed is most of the derivative. The GELU and the loss take the
derivative there, while everything is at hand, and their backward pass only multiplies; attention
keeps its weights.

Source: GPT-1 §4.1 and its released code (the GELU's tanh form, after Hendrycks and Gimpel 2016,
§2); GPT-1 §3.1 and its released code (attention), eq. 1 (the loss). The way they are computed is
ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

PRECISE = (torch.float32, torch.float64)
RANGE = 2**15
"""Positions over which products of fp16 numbers are added, before the sum goes on in fp32."""
SHORT = 64
"""Positions up to which keeping the attention weights is faster than computing them again."""


def gelu(x: Tensor) -> Tensor:
    """The GELU in its tanh form, 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), as in OpenAI's code.

    On a CPU a tanh takes as long as three sigmoids, and 0.5 (1 + tanh u) = σ(2 u), so there it
    learns as x σ(2 u). PyTorch has one kernel for the whole, which is better where nothing is
    learned, for a token at a time above all, on a GPU, and in half precision.

    Args:
        x: any shape.
    """
    if _learns(x):
        return _GELU.apply(x)
    return F.gelu(x, approximate="tanh")


class _GELU(torch.autograd.Function):
    """x σ(z) with z = 2 u = x (a + b x²); its slope is σ + σ (1 - σ) x z', x z' = 3 z - 2 a x."""

    A = 2 * math.sqrt(2 / math.pi)
    B = 0.044715 * A
    SLICE = 2**19  # numbers worked on at a time: few enough for a cache

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore
        a = x.new_tensor(_GELU.A)
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        slope = torch.empty_like(y)
        flat = (t.view(-1).split(_GELU.SLICE) for t in (x.contiguous(), y, slope))
        for x, sigmoid, inner in zip(*flat, strict=True):  # all in place: what is read is at hand
            torch.addcmul(a, x, x, value=_GELU.B, out=inner).mul_(x)  # z
            torch.sigmoid(inner, out=sigmoid)
            inner.add_(x, alpha=-2 / 3 * _GELU.A)  # a third of x z'
            torch.ops.aten.sigmoid_backward.grad_input(inner, sigmoid, grad_input=inner)
            torch.add(sigmoid, inner, alpha=3, out=inner)  # the slope
            sigmoid.mul_(x)  # the value
        ctx.save_for_backward(slope)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore
        _refuse_a_second_derivative()
        (slope,) = ctx.saved_tensors
        return grad * slope  # not in place: a reader may ask for several gradients of one pass


def is_short(qkv: Tensor) -> bool:
    """Whether `short_attention`, gradient included, is faster than PyTorch's for this `qkv`."""
    return qkv.shape[1] <= SHORT and _learns(qkv)


def short_attention(qkv: Tensor, n_head: int) -> Tensor:
    """softmax(q kᵀ / √D + causal mask) v in every head, for a CPU and up to `SHORT` positions.

    PyTorch's kernel forgets the weights, to spare T x T numbers a head, and computes them again
    for the gradient. While T is small there is little to spare.

    Args:
        qkv: (B, T, 3 C), queries, keys and values side by side, and in each the heads.
        n_head: H; a head has D = C / H columns.

    Returns:
        (B, T, C), the heads side by side.
    """
    return _ShortAttention.apply(qkv, n_head)


class _ShortAttention(torch.autograd.Function):
    """All heads of all sequences as one batch of products."""

    @staticmethod
    def forward(ctx, qkv: Tensor, n_head: int) -> Tensor:  # type: ignore
        B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        parts = qkv.view(B, T, 3, n_head, -1).permute(2, 0, 3, 1, 4).reshape(3, B * n_head, T, -1)
        q, k, v = parts  # (B H, T, D)
        ctx.scale = 1 / math.sqrt(q.shape[-1])
        later = qkv.new_full((T, T), float("-inf")).triu_(1)
        weights = torch.baddbmm(later, q, k.transpose(1, 2), alpha=ctx.scale).softmax(dim=-1)
        ctx.save_for_backward(parts, weights)
        return (weights @ v).view(B, n_head, T, -1).transpose(1, 2).reshape(B, T, C)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore
        _refuse_a_second_derivative()
        parts, weights = ctx.saved_tensors
        q, k, v = parts
        B, T, C = grad.shape
        D = q.shape[-1]
        grad = grad.reshape(B, T, -1, D).transpose(1, 2).reshape(-1, T, D)
        slope = (grad @ v.transpose(1, 2)).mul_(weights)  # w g; of the scores: w g - w Σ w g
        slope.addcmul_(weights, slope.sum(-1, keepdim=True), value=-1).mul_(ctx.scale)
        grads = torch.empty_like(parts)
        torch.bmm(slope, k, out=grads[0])
        torch.bmm(slope.transpose(1, 2), q, out=grads[1])
        torch.bmm(weights.transpose(1, 2), grad, out=grads[2])
        return grads.view(3, B, -1, T, D).permute(1, 3, 0, 2, 4).reshape(B, T, 3 * C), None


def tied_cross_entropy(
    x: Tensor, weight: Tensor, targets: Tensor, shares: Tensor | None = None
) -> Tensor:
    """Sum of -log softmax(x Wᵀ)[target], never holding the logits of all positions.

    Args:
        x: (N, C), what the output matrix reads.
        weight: (V, C), the output matrix.
        targets: (N,) integers, -100 for positions that are not scored.
        shares: (N,) how much each position counts; None counts each once.

    Returns:
        A scalar in fp32 or better, in nats. Its gradient can be asked for once.
    """
    if not torch.is_grad_enabled():  # a Function sees only that its inputs could have a gradient
        x, weight = x.detach(), weight.detach()
    if shares is None:
        shares = torch.ones(len(targets), device=x.device)
    return _TiedCrossEntropy.apply(x, weight, targets, shares)


class _TiedCrossEntropy(torch.autograd.Function):
    """A slice of positions at a time.

    The logits of all positions together are the largest tensor of a training step: N x V. Here
    each slice's logits become their own gradient at once, softmax minus one-hot, and are
    forgotten, so only one slice exists at any time and nothing is computed twice. A slice has at
    least C positions: it is then as large as the matrix, whose gradient is held in any case, and
    adding to that gradient costs little beside the products.
    """

    SLICE = 2**21  # logits held at a time, if that is at least C positions

    @staticmethod
    def forward(  # type: ignore
        ctx, x: Tensor, weight: Tensor, targets: Tensor, shares: Tensor
    ) -> Tensor:
        need_grad = any(ctx.needs_input_grad)
        total = x.new_zeros((), dtype=torch.promote_types(x.dtype, torch.float32))
        grad_x = torch.zeros_like(x, dtype=total.dtype) if need_grad else None
        grad_weight = torch.zeros_like(weight) if need_grad else None
        n = max(weight.shape[1], _TiedCrossEntropy.SLICE // weight.shape[0])
        for i in range(0, len(x), n):
            part, target, share = x[i : i + n], targets[i : i + n], shares[i : i + n]
            logits = F.linear(part, weight)
            dtype = logits.dtype  # of the products: half under autocast
            log_p = F.log_softmax(logits, dim=-1, dtype=total.dtype)
            del logits
            nats = F.nll_loss(log_p, target, reduction="none")
            total += (nats * share).sum()  # a product with @ would be rounded to half
            if need_grad:
                grad = log_p.exp_()  # softmax minus one-hot is the gradient of the loss
                grad[torch.arange(len(target), device=x.device), target.clamp(min=0)] -= 1
                share, unit = _in_range(share * (target != -100), dtype)
                grad = grad.mul_(share[:, None]).to(dtype)
                grad_x[i : i + n] = _scaled(grad @ weight.to(dtype), unit)
                _add_product(grad_weight, grad.t(), part, unit)
        if need_grad:
            ctx.save_for_backward(grad_x, grad_weight)
            ctx.dtype = x.dtype
        return total

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # type: ignore
        _refuse_a_second_derivative()
        grad_x, grad_weight = ctx.saved_tensors
        return grad_x.mul_(grad).to(ctx.dtype), grad_weight.mul_(grad), None, None


def _in_range(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """What is to be multiplied in fp16, divided by its largest number; and that number.

    fp16 ends at 65,504 and begins at 6e-8. Of numbers that are 1 at most, a product over `RANGE` of
    them fits, and the small ones stay as far from the lower end as they can. Other types have room.
    """
    if dtype != torch.float16:
        return x, None
    unit = x.abs().amax().float().clamp(min=1e-30)
    return x / unit, unit


def _scaled(x: Tensor, unit: Tensor | None) -> Tensor:
    return x if unit is None else x.float() * unit


def _add_product(total: Tensor, a: Tensor, b: Tensor, unit: Tensor | None) -> None:
    """total += a @ b · unit, without a matrix of its size in between where the types allow."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
        return
    for left, right in zip(a.split(RANGE, 1), b.split(RANGE), strict=True):
        right, largest = _in_range(right, left.dtype)
        total += _scaled(_scaled(left @ right.to(left.dtype), unit), largest)


def _learns(x: Tensor) -> bool:
    """Whether `x` will be asked for a gradient, where what is written here by hand is faster."""
    wanted = x.requires_grad and torch.is_grad_enabled()
    return wanted and x.device.type == "cpu" and x.dtype in PRECISE


def _refuse_a_second_derivative() -> None:
    """Gradients made beforehand are numbers without a history: their own would be silently 0."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            "create_graph=True: the GELU, short attention and the loss have no second derivative"
        )

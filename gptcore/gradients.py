"""Two functions that make their gradient together with their value: the GELU and the loss.

PyTorch's own would do; these are faster where a laptop spends its time. Both rest on one thought:
what the forward pass has just computed is most of the derivative, so take the derivative there,
while everything is at hand, and let the backward pass only multiply.

Source: GPT-1 §4.1 and its released code (the GELU's tanh form, after Hendrycks and Gimpel 2016,
§2); GPT-1 §3.1, eq. 1 (the loss). The way they are computed is ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

PRECISE = (torch.float32, torch.float64)


def gelu(x: Tensor) -> Tensor:
    """The GELU in its tanh form, 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), as in OpenAI's code.

    On a CPU a tanh takes as long as three sigmoids, and 0.5 (1 + tanh u) = σ(2 u), so there it is
    computed as x σ(2 u). A GPU has one kernel for the whole, and half precision wants it too.

    Args:
        x: any shape.
    """
    if x.device.type == "cpu" and x.dtype in PRECISE:
        return _GELU.apply(x)
    return F.gelu(x, approximate="tanh")


class _GELU(torch.autograd.Function):
    """x σ(z) with z = 2 u = x (a + b x²); its slope is σ + x σ (1 - σ) z', z' = a + 3 b x²."""

    A = 2 * math.sqrt(2 / math.pi)
    B = 0.044715 * A

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore
        inner = torch.addcmul(x.new_tensor(_GELU.A), x, x, value=_GELU.B)  # a + b x²
        sigmoid = (x * inner).sigmoid_()
        y = x * sigmoid
        if ctx.needs_input_grad[0]:  # from here on in place: `inner` becomes the slope
            slope = inner.mul_(3).sub_(2 * _GELU.A).mul_(y)  # z' y
            slope.addcmul_(slope, sigmoid, value=-1).add_(sigmoid)
            ctx.save_for_backward(slope)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore
        _refuse_a_second_derivative()
        (slope,) = ctx.saved_tensors
        return grad * slope


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
        grad_x = torch.zeros_like(x) if need_grad else None
        grad_weight = torch.zeros_like(weight) if need_grad else None
        n = max(weight.shape[1], _TiedCrossEntropy.SLICE // weight.shape[0])
        for i in range(0, len(x), n):
            part, target, share = x[i : i + n], targets[i : i + n], shares[i : i + n]
            logits = F.linear(part, weight)
            dtype = logits.dtype  # of the products: half under autocast
            log_p = F.log_softmax(logits, dim=-1, dtype=total.dtype)
            del logits
            total += F.nll_loss(log_p, target, reduction="none") @ share.to(total.dtype)
            if need_grad:
                grad = log_p.exp_()  # softmax minus one-hot is the gradient of the loss
                grad[torch.arange(len(target), device=x.device), target.clamp(min=0)] -= 1
                grad = grad.mul_((share * (target != -100))[:, None]).to(dtype)
                grad_x[i : i + n] = grad @ weight.to(dtype)
                _add_product(grad_weight, grad.t(), part.to(dtype))
        if need_grad:
            ctx.save_for_backward(grad_x, grad_weight)
        return total

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # type: ignore
        _refuse_a_second_derivative()
        grad_x, grad_weight = ctx.saved_tensors
        return grad_x.mul_(grad), grad_weight.mul_(grad), None, None


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b, without a matrix of its size in between where the types allow."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total += a @ b


def _refuse_a_second_derivative() -> None:
    """Gradients made beforehand are numbers without a history: their own would be silently 0."""
    if torch.is_grad_enabled():
        raise RuntimeError("create_graph=True: the GELU and the loss have no second derivative")

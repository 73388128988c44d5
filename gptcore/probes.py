"""What goes on inside a GPT, depth by depth, without touching it.

A probe reads the model in evaluation mode (no dropout) and leaves no trace: the same weights, the
same mode, no hook, no `.grad`, the same random numbers afterwards. It sees through wrappers, and
what is compiled runs uncompiled for it. Numbers come in float32 or better, on the CPU.

Depth 0 of the stream is the embeddings, depth i the stream after block i; L + 1 depths in all.

Source: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture", §3 (gradients
by depth); Zhai et al. 2023, "Stabilizing Transformer Training by Preventing Attention Entropy
Collapse", §3 (entropy); Karpathy, "A Recipe for Training Neural Networks" (update to weight).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from gptcore.model import GPT
from gptcore.modes import bare, evaluating

Per = Literal["tensor", "block"]
"""What one number is of: a tensor by its name, or all of `h.0`, `h.1`, …, `wte`, `wpe`, `ln_f`."""


def activation_norms(model: nn.Module, ids: Tensor) -> dict[str, Tensor]:
    """How long the vectors are on their way through the network, averaged over all positions.

    Args:
        model: a GPT, also in a wrapper.
        ids: (B, T) token ids.

    Returns:
        "stream" (L + 1,), and what is added to it: "attention" (L,) and "mlp" (L,); lengths over C.

    Raises:
        TypeError: the model is no GPT.
        ValueError: as in `GPT.hidden`.
    """
    return _by_depth(model, ids, lambda x: _length(x, -1).mean())


def residual_variance(model: nn.Module, ids: Tensor) -> Tensor:
    """What a LayerNorm would divide out: the stream's variance over C, averaged over positions.

    Args:
        model, ids: as in `activation_norms`.

    Returns:
        (L + 1,). At initialisation a pre-LN stream grows with depth, a post-LN one stays at 1.

    Raises:
        TypeError, ValueError: as in `activation_norms`.
    """
    return _by_depth(model, ids, lambda x: _wide(x).var(-1, correction=0).mean())["stream"]


def attention_entropy(model: nn.Module, ids: Tensor) -> Tensor:
    """How evenly each head spreads its attention, in nats, averaged over the batch.

    0 means that one position gets all; ln t, that the t positions a query may read share equally.
    `.mean(-1)` gives one number for a layer and head.

    Args:
        model, ids: as in `activation_norms`.

    Returns:
        (L, H, T), one number for each position that reads.

    Raises:
        TypeError, ValueError: as in `activation_norms`.
    """
    gpt, found = _gpt(model), []
    with _aside(gpt) as handles, torch.no_grad():
        for block in map(bare, gpt.h):
            attn = bare(block.attn)  # given a list, it writes its weights down; one layer at a time
            handles += [
                attn.register_forward_pre_hook(lambda _, args: (*args[:3], [])),
                attn.register_forward_hook(lambda _, args, out: found.append(_entropy(args[3][0]))),
            ]
        gpt.hidden(ids)
    return torch.stack(found)


def stream_gradients(model: nn.Module, ids: Tensor, targets: Tensor) -> Tensor:
    """How much the loss depends on the stream at each depth: the norm of its gradient there.

    Args:
        model, ids: as in `activation_norms`.
        targets: (B, T) as in `GPT.loss`, whose mean over scored positions is differentiated.

    Returns:
        (L + 1,), each over all B T C numbers of a depth.

    Raises:
        TypeError, ValueError: as in `activation_norms`, and as in `GPT.loss`.
    """
    gpt, stream = _gpt(model), []

    def begin(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        x = args[0].detach().requires_grad_()  # even where all weights are frozen
        stream.append(x)
        return (x, *args[1:])

    def keep(_: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        stream.append(out)

    with _aside(gpt) as handles, torch.inference_mode(False), torch.enable_grad():
        handles.append(bare(gpt.h[0]).register_forward_pre_hook(begin))
        handles += [bare(block).register_forward_hook(keep) for block in gpt.h]
        loss = gpt.loss(ids.clone(), targets.clone())
        grads = torch.autograd.grad(loss, stream)
    return torch.stack([_length(grad).cpu() for grad in grads])


def weight_gradients(
    model: nn.Module, ids: Tensor, targets: Tensor, per: Per = "tensor"
) -> dict[str, Tensor]:
    """How much the loss depends on the weights: the norm of its gradient, by tensor or block.

    Args:
        model: a GPT, or what has `loss(ids, targets)` like one; also in a wrapper.
        ids, targets: as in `stream_gradients`.
        per: see `Per`. Xiong et al. 2020 draw the tensor `h.{i}.mlp.c_proj.weight` over i.

    Returns:
        Name -> scalar, for all weights that are trained; a tied output matrix is part of `wte`.

    Raises:
        ValueError: as in `GPT.loss`, an unknown `per`, or no weight is trained.
    """
    inner = bare(model)
    named = {n: p for n, p in _named(inner).items() if p.requires_grad}
    if not named:
        raise ValueError(f"no parameter of this {type(inner).__name__} has requires_grad=True")
    with _aside(inner), torch.inference_mode(False), torch.enable_grad():
        loss = inner.loss(ids.clone(), targets.clone())
        grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    zero = torch.zeros(())
    lengths = [zero if grad is None else _length(grad).cpu() for grad in grads]
    return _gathered(dict(zip(named, lengths, strict=True)), per)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights by name, for `update_ratios` after some updates."""
    return {name: p.detach().clone() for name, p in _named(bare(model)).items()}


def update_ratios(
    before: dict[str, Tensor], after: dict[str, Tensor], per: Per = "tensor"
) -> dict[str, Tensor]:
    """How far updates moved the weights, as a part of their length: ‖after − before‖ / ‖before‖.

    About 1e-3 an update is the rule of thumb; a decade away is worth a look.

    Args:
        before, after: two of `snapshot`, of the same model.
        per: see `Per`.

    Returns:
        Name -> scalar. A bias that began as 0 gives inf once it moved, nan before.

    Raises:
        ValueError: the two differ in names or shapes, or an unknown `per`.
    """
    for name in {**before, **after}:
        shapes = [tuple(part[name].shape) if name in part else None for part in (before, after)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{name} has shape {shapes[0]} before and {shapes[1]} after: both must be "
                "snapshots of one model"
            )
    moved = {name: _length(_wide(after[name]) - _wide(w)).cpu() for name, w in before.items()}
    start = {name: _length(w).cpu() for name, w in before.items()}
    moved, start = _gathered(moved, per), _gathered(start, per)
    return {name: moved[name] / start[name] for name in moved}


def _by_depth(
    model: nn.Module, ids: Tensor, measure: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """One number of each state of the stream and of each sub-layer's output, taken as they come."""
    gpt = _gpt(model)
    seen: dict[str, list[Tensor]] = {"stream": [], "attention": [], "mlp": []}

    def see(where: str, x: Tensor) -> None:
        seen[where].append(measure(x).cpu())

    def after(where: str) -> Callable[..., None]:
        return lambda _, args, out: see(where, out)

    with _aside(gpt) as handles, torch.no_grad():
        first = bare(gpt.h[0])
        handles.append(first.register_forward_pre_hook(lambda _, args: see("stream", args[0])))
        for block in map(bare, gpt.h):
            handles += [
                block.register_forward_hook(after("stream")),
                bare(block.attn).register_forward_hook(after("attention")),
                bare(block.mlp).register_forward_hook(after("mlp")),
            ]
        gpt.hidden(ids)
    return {where: torch.stack(numbers) for where, numbers in seen.items()}


@contextmanager
def _aside(model: nn.Module) -> Iterator[list[Any]]:
    """Evaluation mode, uncompiled; hooks put into the list are removed, whatever happens."""
    handles: list[Any] = []
    compiled = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    plain = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
    with evaluating(model), plain:  # compiled code would not see new hooks
        try:
            yield handles
        finally:
            for handle in handles:
                handle.remove()


def _gpt(model: nn.Module) -> GPT:
    """The GPT inside its wrappers."""
    gpt = bare(model)
    if not isinstance(gpt, GPT):
        raise TypeError(
            f"model is a {type(gpt).__name__}, which has no blocks to look into; give a GPT, of a "
            "classifier its .gpt"
        )
    return gpt


def _named(model: nn.Module) -> dict[str, Tensor]:
    """The parameters by name, blocks compiled one by one seen through."""
    return {name.replace("_orig_mod.", ""): p for name, p in model.named_parameters()}


def _wide(x: Tensor) -> Tensor:
    """In float32 or better: the square of a number overflows half precision at 256."""
    return x.detach().to(torch.promote_types(x.dtype, torch.float32))


def _entropy(weights: Tensor) -> Tensor:
    """(B, H, T, K) attention weights -> (H, T); a weight of 0 counts as the limit, 0."""
    return torch.special.entr(_wide(weights)).sum(-1).mean(0).cpu()


def _length(x: Tensor, dim: int | None = None) -> Tensor:
    """Euclidean norm over one dimension, or over all."""
    return torch.linalg.vector_norm(_wide(x), dim=dim)


def _gathered(lengths: dict[str, Tensor], per: Per) -> dict[str, Tensor]:
    """Lengths of tensors as they are, or of all tensors of a block side by side."""
    if per not in get_args(Per):
        raise ValueError(f"per={per!r} must be one of {', '.join(get_args(Per))}")
    if per == "tensor":
        return lengths
    parts: dict[str, list[Tensor]] = {}
    for name, length in lengths.items():
        words = name.split(".")
        parts.setdefault(".".join(words[: 2 if words[0] == "h" else 1]), []).append(length)
    return {name: _length(torch.stack(some)) for name, some in parts.items()}


def peak_memory(call: Callable[[], Any], warm: bool = True) -> int:
    """Bytes of tensors that a call holds at its height, beyond what was there before it.

    On a CPU PyTorch's profiler notes each piece of memory as it is taken and given back, inside its
    kernels, too: the count is exact and does not depend on what else the process did.

    Args:
        call: what is watched.
        warm: call it once before, so that what it keeps for the next time is there already.
    """
    if warm:
        call()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        on_gpu = torch.cuda.max_memory_allocated() - before
        if on_gpu:
            return on_gpu
    with (
        _silent(),
        torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as watched,
    ):
        result = call()
        del result
    events = [e for e in watched.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest


@contextmanager
def _silent() -> Iterator[None]:
    """What C++ code writes to the process's error stream goes nowhere: the profiler's own notes."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

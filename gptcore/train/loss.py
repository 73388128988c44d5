"""What an update minimises: a sum over all that is scored, divided by how much that is.

The batches of one update have one mean together, and a mean of their means is another number as
soon as some targets are -100. So a loss function tells a sum and a count, and a batch in which
nothing is scored simply adds nothing to either.

Source: GPT-1 §3.1, eq. 1, divided by the number of scored positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gptcore.modes import bare

Loss = tuple[Tensor, Tensor | int] | Tensor
LossFn = Callable[[Any, tuple[Tensor, ...]], Loss]
"""(model, batch) -> (sum, count), or a mean over the entries of batch[1] that are not -100."""


def model_loss(model: Any, batch: tuple[Tensor, ...]) -> Loss:
    """The loss that the model itself has: `summed_loss`, or a mean by `loss`.

    What a wrapper such as DistributedDataParallel does around a forward pass, it does around the
    loss: for that moment the loss is the forward pass.
    """
    inner = bare(model)
    if not hasattr(inner, "summed_loss"):
        return inner.loss(*batch)
    if inner is model:
        return model.summed_loss(*batch)
    inner.forward = inner.summed_loss
    try:
        return model(*batch)
    finally:
        del inner.forward


def mean_and_count(found: Loss, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor] | None:
    """What a loss function returned, as a mean and how many entries it is of.

    Args:
        found: (sum, count), or a mean over the entries of `batch[1]` that are not -100.
        batch: what the loss was computed from.

    Returns:
        Two scalars on the same device. None for a mean of nothing, which is no number; a sum of
        nothing is 0, its mean here too.

    Raises:
        TypeError, ValueError: `found` is neither.
    """
    if isinstance(found, Tensor):
        total, count = _scalar(found), _scored(batch, found.device)
        return (total, count) if count else None
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], Tensor)):
        raise TypeError(
            f"loss_fn returned {type(found).__name__} {found!r}; it must return (sum, count), the "
            "sum a tensor, or one tensor, the mean"
        )
    total = _scalar(found[0])
    count = _scalar(torch.as_tensor(found[1], device=total.device))
    return total / count.clamp(min=1), count


def _scored(batch: tuple[Tensor, ...], device: torch.device) -> Tensor:
    """How many entries of `batch[1]` are not -100; 1 where the batch has no such tensor."""
    if len(batch) < 2 or not isinstance(batch[1], Tensor):
        return torch.ones((), dtype=torch.long, device=device)
    return (batch[1] != -100).sum()


def _scalar(x: Tensor) -> Tensor:
    if x.dim():
        raise ValueError(f"loss_fn returned a tensor of shape {tuple(x.shape)}; it must be one sum")
    return x

"""A model seen through its wrappers, and put into a mode for a while.

Source: PyTorch's notes on `torch.compile`, `DistributedDataParallel` and `Module.eval`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel

from gptcore.model import GPT

WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)


def bare(model: Any) -> Any:
    """The model inside what torch.compile, DistributedDataParallel and their like put around it.

    Its parameters are the same tensors; one without a wrapper comes back as it is.
    """
    while True:
        if isinstance(model, WRAPPERS):
            model = model.module
        elif isinstance(model, nn.Module) and "_orig_mod" in model._modules:
            model = model._orig_mod
        else:
            return model


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards, and after an error, each part is in the mode it came in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def recomputing(model: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Blocks of a GPT keep only what enters them, and compute the rest again for the gradient.

    The losses stay the same to the last bit, the memory of a block's inside is saved, and an update
    takes about a third longer.

    Raises:
        ValueError: there is no GPT in the model, so nothing would change.
    """
    networks = [(m, m.recompute) for m in model.modules() if isinstance(m, GPT)]
    if wanted and not networks:
        raise ValueError(f"recompute=True needs a GPT; a {type(model).__name__} has no blocks")
    for network, _ in networks:
        network.recompute = network.recompute or wanted
    try:
        yield
    finally:
        for network, before in networks:
            network.recompute = before

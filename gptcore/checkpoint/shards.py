"""What each of several processes holds of a run, in a folder of safetensors beside the model.

Any number of processes reads what any other number has written: each takes the rows that are now
its own. PyTorch's own format for this is a pickle; its safetensors form, which is used here, is
tensors and JSON, like everything else in a checkpoint.

Source: PyTorch's documentation of `torch.distributed.checkpoint` (`HuggingFaceStorageWriter`,
`get_state_dict`).
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

SHARDS = "shards"


def write(
    folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, str]:
    """Write model and optimizer to `folder/shards/STEP`, each process what it holds; all call it.

    Returns:
        What a training state says in the place of the optimizer's, for `are`, `read` and `forget`.

    Raises:
        OSError: a process could not write.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageWriter, save

    kept = {SHARDS: f"{SHARDS}/{step:06d}"}
    path = folder / kept[SHARDS]
    if dist.get_rank() == 0:  # what a save that was killed has left there is of no run
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    dist.barrier()
    with _failures_told(), _in_quiet():
        _, tensors = _state(model, optimizer)
        save(tensors, storage_writer=HuggingFaceStorageWriter(str(path), save_distributed=True))
    return kept


def are(kept: Any) -> bool:
    """Whether a training state names shards in the place of its optimizer's state."""
    return isinstance(kept, dict) and SHARDS in kept


def read(
    folder: Path, kept: dict[str, str], model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Fill model and optimizer with what `write` has written; all processes call it, or one alone.

    Raises:
        FileNotFoundError: the shards are not there.
        ValueError: they are damaged, one is missing, or they are those of another model.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageReader, load
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_state_dict

    if not re.fullmatch(rf"{SHARDS}/\d+", str(kept[SHARDS])):
        raise ValueError(f"{SHARDS}={kept[SHARDS]!r} of the run in {folder} names no shards")
    path = folder / kept[SHARDS]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is absent: the shards of the run in {folder} are gone")
    _check_files(path)
    with _failures_told(f"{path} is damaged, or of another model"), _in_quiet():
        (weights, averages), tensors = _state(model, optimizer)
        load(tensors, storage_reader=HuggingFaceStorageReader(str(path)))
        set_state_dict(
            model,
            optimizer,
            model_state_dict=weights,
            optim_state_dict=averages,
            options=StateDictOptions(flatten_optimizer_state_dict=True),
        )


def _check_files(path: Path) -> None:
    """Refuse files that cannot be read, and a part of a tensor that stands in none of them.

    PyTorch's reader would leave that part as it was, without a word.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageReader

    try:
        found = HuggingFaceStorageReader(str(path)).read_metadata().state_dict_metadata
    except Exception as error:  # whatever a header may hold
        raise ValueError(f"{path} is damaged: {error!r}") from error
    for name, tensor in found.items():
        parts = {tuple(part.offsets): part.sizes.numel() for part in tensor.chunks}
        if sum(parts.values()) != tensor.size.numel():
            raise ValueError(f"{path} is damaged: a part of {name} stands in none of its files")


def forget(folder: Path, kept: Any) -> None:
    """Remove all shards but those that a training state names."""
    path = folder / SHARDS
    if path.is_dir():
        for old in path.iterdir():
            if not are(kept) or old != folder / kept[SHARDS]:
                shutil.rmtree(old, ignore_errors=True)
        with suppress(OSError):  # not empty
            path.rmdir()


def cut(whole: nn.Module, kept: Any, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Fill a sharded model and its optimizer with what one process has saved, each its share.

    Args:
        whole: the model as it was saved.
        kept: the optimizer's state as it was saved; its groups are those of `optimizer`.
        model, optimizer: of this process.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.tensor import distribute_tensor

    options = StateDictOptions(full_state_dict=True)
    set_model_state_dict(model, whole.state_dict(), options=options)
    held = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        i: {
            name: distribute_tensor(
                value.to(p.device), p.device_mesh, p.placements, src_data_rank=None
            )
            if value.dim()  # a number of updates is whole everywhere
            else value
            for name, value in kept["state"][i].items()
        }
        for i, p in enumerate(held)
        if i in kept["state"]
    }
    optimizer.load_state_dict({**kept, "state": state})


def _state(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[tuple[dict[str, Any], dict[str, Any]], dict[str, Tensor]]:
    """The state of model and optimizer by the names of parameters, and all its tensors in one."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

    options = StateDictOptions(flatten_optimizer_state_dict=True)
    weights, averages = get_state_dict(model, optimizer, options=options)
    both = {"model": weights, "optimizer": averages}
    tensors = {
        f"{name}.{key}": value
        for name, part in both.items()
        for key, value in part.items()
        if isinstance(value, Tensor)
    }
    return (weights, averages), tensors


@contextmanager
def _failures_told(damaged: str = "") -> Iterator[None]:
    """The error of the process that failed, in all of them, in the place of PyTorch's report."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except CheckpointException as report:
        error = next(iter(report.failures.values()))[0]
        if damaged and not isinstance(error, OSError):
            raise ValueError(f"{damaged}: {error!r}") from error
        raise error from None


@contextmanager
def _in_quiet() -> Iterator[None]:
    """Without PyTorch's warnings that one process is alone, or about parts of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

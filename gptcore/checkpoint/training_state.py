"""What resuming needs beside the weights, as tensors and JSON: nothing is ever unpickled.

A state is a nest of dicts, lists and tuples over tensors, NumPy arrays, numbers, strings, booleans
and None. Tensors go to `training.safetensors`; everything else, and the shape of the nest, goes to
`training.json`. Every bit comes back: Python writes floats in the shortest form that reads back
equal, and NaN and the infinities have names of their own.

Source: the safetensors format; Python's `json` documentation, "Infinite and NaN number values".
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from gptcore.checkpoint.atomic import commit, recover

TENSORS = "training.safetensors"
SCALARS = "training.json"
WEIGHTS = "model.safetensors"


def save_training_state(folder: str | Path, state: dict[str, Any]) -> Path:
    """Write the training state that belongs to the weights now in `folder`, atomically.

    To change weights and state together, use `checkpoint.save(..., training=state)`: between two
    separate calls a kill would leave new weights beside an old state.

    Args:
        folder: a checkpoint folder, or one that will hold only a training state.
        state: nested dicts, lists and tuples of tensors, arrays, numbers, strings, bools, None.

    Returns:
        The folder.

    Raises:
        TypeError: a value of another type; the message names its place.
    """
    with commit(folder) as writing:
        write(writing, state, Path(folder) / WEIGHTS)
    return Path(folder)


def load_training_state(folder: str | Path) -> dict[str, Any]:
    """Read what `save_training_state` or `checkpoint.save(..., training=...)` wrote.

    Returns:
        The state, equal bit by bit, with tensors on the CPU.

    Raises:
        FileNotFoundError: the folder holds no training state.
        ValueError: a file is damaged, or the weights beside it are not those it was saved with.
    """
    folder = Path(folder)
    recover(folder)
    path = folder / SCALARS
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no training state ({SCALARS} is absent)")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        expected, nest = record["weights_sha256"], record["state"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a whole training state: {error}") from error
    weights = folder / WEIGHTS
    found = sha256(weights) if weights.is_file() else None
    if found != expected:
        raise ValueError(
            f"{path} belongs to weights with sha256 {expected}, but {WEIGHTS} beside it has "
            f"{found}: they were not saved together, so training cannot go on from them"
        )
    try:
        with safe_open(folder / TENSORS, framework="pt") as file:  # copies: the file is free again
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return _join(nest, tensors)
    except Exception as error:  # safetensors has one exception type for everything it refuses
        raise ValueError(f"{folder / TENSORS} is damaged: {error!r}") from error


def write(folder: Path, state: dict[str, Any], weights: Path) -> None:
    """Put the two files of `state` into `folder`, bound to the weights file by its digest."""
    tensors: dict[str, Tensor] = {}
    nest = _split(state, "state", tensors)
    record = {"weights_sha256": sha256(weights) if weights.is_file() else None, "state": nest}
    save_file(tensors, folder / TENSORS)
    (folder / SCALARS).write_text(json.dumps(record), encoding="utf-8")


def sha256(path: Path) -> str:
    """Digest of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _split(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """JSON for `value`; its tensors go to `tensors` under the name of their place.

    JSON knows neither tuples nor keys that are not strings: both are written as a dict with the
    single key "__tuple__" or "__dict__", and so is a dict that happens to use such a key.
    """
    if isinstance(value, Tensor | np.ndarray):
        kind = "__tensor__" if isinstance(value, Tensor) else "__array__"
        place = place if place not in tensors else f"{place}#{len(tensors)}"
        # A copy of its own: safetensors refuses two names for the same memory.
        tensors[place] = torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()
        return {kind: place}
    if isinstance(value, dict):
        if all(isinstance(k, str) and not k.startswith("__") for k in value):
            return {k: _split(v, f"{place}.{k}", tensors) for k, v in value.items()}
        return {
            "__dict__": [
                [_split(k, f"key of {place}", tensors), _split(v, f"{place}.{k}", tensors)]
                for k, v in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        items = [_split(v, f"{place}.{i}", tensors) for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"__tuple__": items}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(
        f"{place}={value!r} is a {type(value).__name__}: a training state holds only tensors, "
        "arrays, numbers, strings, bools, None, and dicts, lists and tuples of these"
    )


def _join(nest: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_split`."""
    if isinstance(nest, list):
        return [_join(v, tensors) for v in nest]
    if not isinstance(nest, dict):
        return nest
    if "__tensor__" in nest:
        return tensors[nest["__tensor__"]]
    if "__array__" in nest:
        return tensors[nest["__array__"]].numpy()
    if "__tuple__" in nest:
        return tuple(_join(v, tensors) for v in nest["__tuple__"])
    if "__dict__" in nest:
        return {_join(k, tensors): _join(v, tensors) for k, v in nest["__dict__"]}
    return {k: _join(v, tensors) for k, v in nest.items()}

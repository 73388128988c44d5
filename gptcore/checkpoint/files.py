"""Tensors in the files of a folder: found and named, and read only when they are wanted.

Nothing from outside is ever unpickled without `weights_only`, and no index leads out of its folder.

Source: the safetensors format; PyTorch's `torch.load`; transformers' indices of shards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

OTHER = {
    ".safetensors",
    ".bin",
    ".h5",
    ".msgpack",
    ".gguf",
    ".onnx",
    ".index",
    ".ckpt",
    ".pt",
    ".pth",
}
"""What weights come in that are not read here, or not under that name."""
NESTS = ("state_dict", "model_state_dict", "model", "module")
"""Where training programs keep a model's state_dict, beside an optimizer's."""


class Stored(NamedTuple):
    """A tensor in a file, not read yet."""

    file: Path
    name: str
    """As the file has it."""
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def has_weights(folder: Path) -> bool:
    """Whether a folder has files that `open_folder` would look into."""
    names = ("model*.safetensors", "pytorch_model*.bin")
    return any(any(folder.glob(name)) for name in names)


def open_folder(folder: Path) -> list[Stored]:
    """Every tensor of a folder's weight files, not read yet.

    Looks for safetensors first, whole or sharded, then for PyTorch's own format.

    Raises:
        FileNotFoundError: no weights, or a shard of them is absent.
        ValueError: a file is damaged or is not what its name says.
    """
    for name, opener in (("model.safetensors", _safetensors), ("pytorch_model.bin", _torch)):
        if (folder / name).is_file():
            return opener(folder / name)
        index = folder / f"{name}.index.json"
        shards = _shards(index) if index.is_file() else _numbered(folder, name)
        if shards:
            return [tensor for shard in shards for tensor in opener(shard)]
    raise FileNotFoundError(
        f"{folder} holds no weights: neither model.safetensors nor pytorch_model.bin, whole or in "
        f"shards{_instead(folder)}"
    )


def _instead(folder: Path) -> str:
    """What a folder holds where weights were looked for, with the way out."""
    there = sorted(file.name for file in folder.iterdir() if file.suffix in OTHER)
    if not there:
        return ""
    told = f". It holds {', '.join(there[:4])}"
    if "adapter_model.safetensors" in there or "adapter_model.bin" in there:
        return f"{told}: an adapter alone; merge it into its model first (PEFT: merge_and_unload)"
    return f"{told}: read that with the program it is from, and save it as model.safetensors"


def _numbered(folder: Path, name: str) -> list[Path]:
    """Shards whose index got lost: their names say how many they are."""
    stem, ending = name.split(".")
    found = {}
    for file in folder.glob(f"{stem}-*-of-*.{ending}"):
        if match := re.fullmatch(rf"{stem}-(\d+)-of-(\d+)\.{ending}", file.name):
            found[int(match[1])] = file
            total = int(match[2])
    for i in range(1, total + 1 if found else 0):
        if i not in found:
            raise FileNotFoundError(f"{folder} has no index, and shard {i} of {total} is absent")
    return [found[i] for i in sorted(found)]


def _shards(index: Path) -> list[Path]:
    """The files that an index names, all beside it."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is not an index of weight shards: {error!r}") from error
    for name in names:
        if Path(name).name != name:  # an index is untrusted: it must not lead elsewhere
            raise ValueError(f"{index} names the shard {name!r}, which is not a plain file name")
        if not (index.parent / name).is_file():
            raise FileNotFoundError(f"{index} names the shard {name}, which is absent")
    return [index.parent / name for name in names]


def _safetensors(path: Path) -> list[Stored]:
    try:
        file = safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged: {_damage(path)} ({error})") from error
    return [
        Stored(path, name, tuple(file.get_slice(name).get_shape()), partial(file.get_tensor, name))
        for name in file.keys()  # noqa: SIM118 (safe_open is no dict)
    ]


def _damage(path: Path) -> str:
    """Where a safetensors file breaks off: its header says which bytes belong to which tensor."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        if start > size:
            return f"its {size} bytes end inside the header"
        try:
            header = json.loads(file.read(start - 8))
            header.pop("__metadata__", None)
            ends = sorted((info["data_offsets"][1], name) for name, info in header.items())
        except (ValueError, KeyError, TypeError, AttributeError):
            return "its header is not valid"
    for end, name in ends:
        if start + end > size:
            return f"its {size} bytes end inside tensor {name}, which needs {start + end}"
    return "its header does not fit its data"


def _torch(path: Path) -> list[Stored]:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bad zip, bad pickle, forbidden class: all mean the same here
        raise ValueError(
            f"{path} cannot be read as plain tensors: it is damaged, or it holds other Python "
            f"objects, which are never unpickled here ({str(error).splitlines()[0]})"
        ) from error
    nests = [tensors.get(name) for name in NESTS] if isinstance(tensors, dict) else []
    tensors = next((nest for nest in nests if isinstance(nest, dict)), tensors)
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise ValueError(f"{path} must hold a dict of tensors, as state_dict() gives it")
    return [Stored(path, n, tuple(t.shape), partial(tensors.get, n)) for n, t in tensors.items()]


def read(stored: Stored) -> Tensor:
    """The tensor itself; it must hold floating-point numbers."""
    try:
        tensor = stored.read()
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{stored.file} is damaged at tensor {stored.name}: {error}") from error
    if not tensor.is_floating_point():
        raise ValueError(f"{stored.file}: tensor {stored.name} holds {tensor.dtype}, no floats")
    return tensor

"""Weights as others publish them: finding tensors in files, naming them, checking every one.

A file is opened without reading its tensors: names and shapes come first, so that a mismatch is
reported before memory is spent, and a tensor is read only when its place in the model is known.

Source: OpenAI's `finetune-transformer-lm` (`train.py`, `model/params_shapes.json`) for the .npy
shards; the safetensors format; transformers' `modeling_gpt2.py` and `modeling_openai.py`.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gptcore.config import GPTConfig
from gptcore.model import GPT

# OpenAI's and transformers' "Conv1D" computes x W + b with W (in, out); nn.Linear has (out, in).
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
EMBEDDINGS = {  # ours -> transformers', by where LayerNorm stands
    "post": {"wte.weight": "tokens_embed.weight", "wpe.weight": "positions_embed.weight"},
    "pre": {},
}
HEAD = "lm_head.weight"
MASK = re.compile(r"(h\.\d+\.attn\.masked_bias|position_ids)$")
WRAPPERS = {"_orig_mod", "module", "_forward_module", "_fsdp_wrapped_module"}
WRAPPERS |= {"_checkpoint_wrapped_module"}
"""Words that torch.compile, DDP, FSDP, DeepSpeed and activation checkpointing put into names."""
BODY = re.compile(r"(h|wte|wpe|ln_f|lm_head|tokens_embed|positions_embed)\.")
"""Names whose tensors take part in the logits: what is not ours among them cannot be left out."""
CAUSAL_MASK = re.compile(r"h\.\d+\.attn\.bias$")


class Stored(NamedTuple):
    """A tensor in a file, not read yet."""

    file: Path
    name: str
    """As the file has it."""
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def published_name(name: str, norm: str) -> str:
    """transformers' name, in its language-model class, for the parameter `name` of our GPT."""
    return name if name == HEAD else "transformer." + EMBEDDINGS[norm].get(name, name)


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
        if index.is_file():
            return [tensor for shard in _shards(index) for tensor in opener(shard)]
    raise FileNotFoundError(
        f"{folder} holds no weights: neither model.safetensors nor pytorch_model.bin, "
        "whole or with an index of shards"
    )


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
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise ValueError(f"{path} must hold a dict of tensors, as state_dict() gives it")
    return [Stored(path, n, tuple(t.shape), partial(tensors.get, n)) for n, t in tensors.items()]


def ours(stored: list[Stored]) -> dict[str, Stored]:
    """Published tensors by the names our GPT gives them, without buffers that are no weights.

    What a wrapper puts into names goes: words such as `_orig_mod`, wherever they stand, and
    whatever stands before the token embedding's name, as in `model.transformer.wte.weight`.
    Old files hold the causal mask as `h.N.attn.bias`, a name one letter group away from the real
    bias `h.N.attn.c_attn.bias`: it goes by being four-dimensional.
    """
    found: dict[str, Stored] = {}
    renamed = {theirs: name for name, theirs in EMBEDDINGS["post"].items()}
    plain = [".".join(w for w in t.name.split(".") if w not in WRAPPERS) for t in stored]
    outer = _outer(plain)
    for tensor, name in zip(stored, plain, strict=True):
        name = name.removeprefix(next((o for o in outer if name.startswith(o)), ""))
        name = renamed.get(name, name)
        if MASK.match(name) or (CAUSAL_MASK.match(name) and len(tensor.shape) == 4):
            continue
        if name in found:
            raise ValueError(
                f"{tensor.file} has tensor {tensor.name} and {found[name].name}: both are {name}"
            )
        found[name] = tensor
    return found


def _outer(names: list[str]) -> list[str]:
    """What stands before the embedding's name, and before that of a head beside the body.

    `["model.transformer.wte.weight", ...]` gives `["model.transformer.", "model."]`.
    """
    tokens = ("wte.weight", EMBEDDINGS["post"]["wte.weight"])
    before = [n.removesuffix(t) for n in names for t in tokens if f".{n}".endswith(f".{t}")]
    if not before:
        return ["transformer."]
    if len(set(before)) > 1 and set(before) != {"", "transformer."}:
        raise ValueError(
            f"there are token embeddings of several networks: {_some([b + '*' for b in before])}; "
            "keep the tensors of one"
        )
    words = min(before, key=len).split(".")[:-1]
    return [".".join(words[:n]) + "." for n in range(len(words), 0, -1)] + ["transformer."]


def build(
    config: GPTConfig,
    found: dict[str, Stored],
    *,
    where: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> GPT:
    """A GPT with the weights in `found`, after every name and shape has been compared.

    Args:
        config: the shape the weights must have.
        found: our name -> stored tensor. Kernels are (in, out). Where `config` says that the output
            matrix is the token table, `lm_head.weight` may be there all the same.
        where: file or folder to name in messages.
        dtype: None widens half precision to float32 and leaves the rest.

    Raises:
        ValueError: a tensor is missing, unexpected, not floating point, or of another shape than
            `config` asks for.
    """
    config = _own_output(config, found, where)
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        model = GPT(config)
    shapes = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    _check_names(shapes, found, where)
    filled: dict[str, Tensor] = {}
    for name in shapes:
        tensor = read(found[name])
        if name.endswith(CONV1D):
            tensor = tensor.t()
        wanted = dtype or torch.promote_types(tensor.dtype, torch.float32)
        # A copy: a view of the file would change, or end the process, with the file.
        filled[name] = tensor.to(device, wanted, copy=True, memory_format=torch.contiguous_format)
    model.load_state_dict(filled, assign=True)
    return model


def _own_output(config: GPTConfig, found: dict[str, Stored], where: Path) -> GPTConfig:
    """The config as the weights have it: whether the output matrix is one of its own.

    A file may repeat the token table as `lm_head.weight`. If that differs, the matrix was trained
    apart, whatever the config says or leaves to its default.
    """
    if not config.tied or HEAD not in found or "wte.weight" not in found:
        return config
    if torch.equal(read(found[HEAD]), read(found["wte.weight"])):
        return config
    if found[HEAD].shape == found["wte.weight"].shape:  # another shape is refused with its name
        warnings.warn(
            f"{where}: tensor {found[HEAD].name} differs from the token embedding, so it is taken "
            "as an output matrix of its own, though config.json does not say "
            '"tie_word_embeddings": false',
            stacklevel=4,
        )
    return replace(config, tied=False)


def _check_names(shapes: dict[str, tuple[int, ...]], found: dict[str, Stored], where: Path) -> None:
    """Every expected tensor is there with its shape; of others, a tied output matrix and heads."""
    for name, shape in shapes.items():
        stored_shape = shape[::-1] if name.endswith(CONV1D) else shape
        if name not in found:
            others = [f.name for n, f in found.items() if n not in shapes] or [
                f.name for f in found.values()
            ]
            raise ValueError(
                f"{where}: tensor {name} is missing; expected shape {stored_shape}. "
                f"What is there: {_some(others)}"
            )
        if found[name].shape != stored_shape:
            raise ValueError(
                f"{found[name].file}: tensor {found[name].name} has shape {found[name].shape}; "
                f"expected {stored_shape}"
            )
    left_out = [name for name in found if name not in shapes and name != HEAD]
    for name in left_out:
        if BODY.match(name):
            raise ValueError(f"{where}: tensor {found[name].name} is unexpected; no GPT has it")
    if left_out:
        told = _some([found[name].name for name in left_out])
        warnings.warn(
            f"{where}: the body of the GPT is read, what stands on it is left out: {told}",
            stacklevel=4,
        )


def _some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (", ".join(names[:6]) or "nothing") + more


def read(stored: Stored) -> Tensor:
    """The tensor itself; it must hold floating-point numbers."""
    try:
        tensor = stored.read()
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{stored.file} is damaged at tensor {stored.name}: {error}") from error
    if not tensor.is_floating_point():
        raise ValueError(f"{stored.file}: tensor {stored.name} holds {tensor.dtype}, no floats")
    return tensor


def open_npy(folder: Path) -> dict[str, Stored]:
    """OpenAI's released GPT-1: ten flat shards that, end to end, hold 2 + 12 L arrays.

    The order is that in which the arrays were made: positions *before* tokens, then for each block
    kernel before bias and gain before bias. Kernels carry a leading 1 (they were convolutions).

    Returns:
        Our name -> stored tensor, kernels (in, out).

    Raises:
        FileNotFoundError: the list of shapes or a shard is absent.
        ValueError: a shard is damaged, or shapes and shards do not fit each other.
    """
    path = folder / "params_shapes.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no params_shapes.json: not OpenAI's GPT-1 folder")
    shapes = json.loads(path.read_text(encoding="utf-8"))
    flat = np.concatenate([_npy(shard) for shard in _npy_shards(folder)])
    block = [f"attn.{k}.{p}" for k in ("c_attn", "c_proj") for p in ("weight", "bias")]
    block += ["ln_1.weight", "ln_1.bias"]
    block += [f"mlp.{k}.{p}" for k in ("c_fc", "c_proj") for p in ("weight", "bias")]
    block += ["ln_2.weight", "ln_2.bias"]
    n_layer, rest = divmod(len(shapes) - 2, len(block))
    if rest or n_layer < 1:
        raise ValueError(f"{path} lists {len(shapes)} arrays; a GPT-1 has 2 + 12 per block")
    names = ["wpe.weight", "wte.weight"]
    names += [f"h.{i}.{name}" for i in range(n_layer) for name in block]
    found: dict[str, Stored] = {}
    start = 0
    for name, shape in zip(names, shapes, strict=True):
        end = start + math.prod(shape)
        if end > len(flat):
            raise ValueError(
                f"{folder}: the shards end inside tensor {name}, which needs numbers {start} to "
                f"{end}; they hold {len(flat)}"
            )
        shape = tuple(shape[1:]) if name.endswith(CONV1D) and shape[:1] == [1] else tuple(shape)
        tensor = torch.from_numpy(flat[start:end].reshape(shape))
        found[name] = Stored(path, name, shape, partial(torch.clone, tensor))
        start = end
    if start != len(flat):
        raise ValueError(f"{folder}: the shards hold {len(flat)} numbers, the shapes {start}")
    return found


def _npy_shards(folder: Path) -> list[Path]:
    """params_0.npy, params_1.npy, ... up to the last, without a gap."""
    numbers = [re.fullmatch(r"params_(\d+)\.npy", file.name) for file in folder.iterdir()]
    count = 1 + max((int(match[1]) for match in numbers if match), default=0)
    shards = [folder / f"params_{i}.npy" for i in range(count)]
    for shard in shards:
        if not shard.is_file():
            raise FileNotFoundError(f"{shard} is absent; the shards run from 0 without a gap")
    return shards


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False).ravel()
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error

"""GPT-1 as OpenAI released it: the folder `model` of their code, in NumPy's format.

Source: openai/finetune-transformer-lm (`train.py`, `text_utils.py`, `model/params_shapes.json`).
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gptcore.checkpoint import published
from gptcore.checkpoint.files import Stored
from gptcore.checkpoint.published import CONV1D
from gptcore.config import GPTConfig
from gptcore.model import GPT

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

SHAPES = "params_shapes.json"
VOCABULARY, MERGES = "encoder_bpe_40000.json", "vocab_40000.bpe"


def is_release(folder: Path) -> bool:
    """Whether a folder holds OpenAI's own files and no config.json."""
    return (folder / SHAPES).is_file() and not (folder / "config.json").is_file()


def tokenizer(folder: Path) -> Tokenizer | None:
    """GPT-1's tokenizer from the two files beside the weights, or None."""
    from gptcore.tokenizer import Tokenizer

    if not (folder / VOCABULARY).is_file() or not (folder / MERGES).is_file():
        return None
    return Tokenizer.from_openai(folder / VOCABULARY, folder / MERGES)


def load_openai_npy(folder: str | Path, *, n_head: int | None = None) -> GPT:
    """Read GPT-1 as OpenAI released it: `params_shapes.json` and `params_0.npy`, ...

    Args:
        folder: the release's `model` folder.
        n_head: the files do not tell; None takes heads of width 64, as in GPT-1.

    Returns:
        The model in float32, in evaluation mode.

    Raises:
        FileNotFoundError, ValueError: as in `load`.

    Source: openai/finetune-transformer-lm, `train.py` and `model/params_shapes.json`.
    """
    folder = Path(folder)
    found = open_npy(folder)
    for name in ("wpe.weight", "wte.weight"):
        if len(found[name].shape) != 2:
            raise ValueError(f"{folder}: tensor {name} has shape {found[name].shape}; needs two")
    (n_ctx, d_model), (vocab_size, _) = found["wpe.weight"].shape, found["wte.weight"].shape
    config = GPTConfig(
        vocab_size=vocab_size,
        n_ctx=n_ctx,
        n_layer=(len(found) - 2) // 12,
        n_head=n_head or max(1, d_model // 64),
        d_model=d_model,
        norm="post",
    )
    return published.build(config, found, where=folder, dtype=torch.float32).eval()


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
    path = folder / SHAPES
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {SHAPES}: not OpenAI's GPT-1 folder")
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

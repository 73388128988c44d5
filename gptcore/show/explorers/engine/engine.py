"""A shipped model as a page reads it: half-precision weights, config and vocabulary in one script.

`engine.js` beside this file runs it, in plain JavaScript. A page that has asked for it appends
the script `model-NAME.js`, which works from a disk too, where a page can fetch nothing.

Source: ours; the networks are those of GPT-1 §3.1 and GPT-2 §2.3.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from gptcore.checkpoint import load
from gptcore.checkpoint.described import gpt_config, read_config
from gptcore.checkpoint.shipped import folder, names
from gptcore.model import GPT
from gptcore.show.explorers.shared.tokens import pack as packed_vocabulary
from gptcore.show.explorers.shared.tokens import rules
from gptcore.tokenizer import Tokenizer

__all__ = ["MOST", "file_name", "megabytes", "pack", "script", "shipped_name"]

MOST = 12.0
"""Megabytes that the script of a model may have."""
NORMS, ACTIVATIONS, PATTERNS = ("post", "pre"), ("gelu_tanh",), ("dense",)


def pack(model: GPT, tokenizer: Tokenizer) -> dict[str, Any]:
    """All that `engine.js` needs to run a model.

    Args:
        model: a GPT with dense attention and the GELU in its tanh form.
        tokenizer: the one that the model was trained with.

    Returns:
        config: of the network. tensors: [name, first number, how many] of each. weights: their
        numbers in half precision, little end first, in base64. vocabulary: `tokens.pack` with the
        merges in base64; rules, specials (token -> id) and ends (ids) belong to it.

    Raises:
        ValueError: the engine does not run such a network, a weight does not fit half precision,
            or the vocabulary cannot be packed; the message names what it is.
    """
    config = model.config
    _check("norm", config.norm, NORMS)
    _check("activation", config.activation, ACTIVATIONS)
    for name in config.pattern:
        _check("pattern", name, PATTERNS)
    tensors, parts, at = [], [], 0
    for name, tensor in model.state_dict().items():
        halves = tensor.detach().to("cpu", torch.float16)
        if not halves.isfinite().all():
            most = tensor.abs().max().item()
            raise ValueError(f"{name} must fit half precision, its largest is {most:.4g}")
        tensors.append([name, at, halves.numel()])
        parts.append(halves.contiguous().numpy().astype("<f2").tobytes())
        at += halves.numel()
    entry, _ = packed_vocabulary("model", tokenizer)
    fields = ("vocab_size", "n_ctx", "n_layer", "n_head", "d_model", "norm", "activation", "tied")
    return {
        "config": {name: getattr(config, name) for name in (*fields, "ln_eps")}
        | {"pattern": list(config.pattern)},
        "tensors": tensors,
        "vocabulary": entry | {"merges": base64.b64encode(entry["merges"]).decode()},
        "rules": rules(tokenizer.kind == "word"),
        "specials": tokenizer.specials,
        "ends": list(tokenizer.ends.values()),
        "weights": base64.b64encode(b"".join(parts)).decode(),
    }


def _check(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{field}={value!r} is none that a page can run: {', '.join(known)}")


@cache
def _loaded(name: str) -> tuple[GPT, Tokenizer]:
    return load(folder(name))


def script(name: str) -> str:
    """The text of `model-NAME.js`, which gives a shipped model to a page.

    Raises:
        KeyError: no such model is shipped.
        ValueError: as in `pack`; or the script is larger than `MOST`.
    """
    packed = json.dumps(pack(*_loaded(name)), ensure_ascii=False, separators=(",", ":"))
    text = f'(self.gptModels ??= new Map()).set("{name}", {packed});\n'
    size = len(text.encode()) / 1e6
    if size > MOST:
        raise ValueError(f"the script of {name} has {size:.1f} MB, it must have at most {MOST}")
    return text


def file_name(name: str) -> str:
    """What the script of a shipped model is called, beside the other scripts of a book."""
    return f"model-{name}.js"


def megabytes(model: GPT) -> float:
    """How much a page loads for a model: two bytes for each number, four letters for three."""
    return round(sum(p.numel() for p in model.state_dict().values()) * 2 * 4 / 3 / 1e6, 1)


@torch.no_grad()
def shipped_name(model: GPT, tokenizer: Tokenizer) -> str:
    """The name under which a page can run this model, or "".

    A model is a shipped one when its weights and its vocabulary are, wherever it came from; one
    that was trained further is not.

    Args:
        model, tokenizer: any that belong together.
    """
    if type(model) is not GPT or megabytes(model) > MOST:
        return ""
    ours = model.state_dict()
    for name in names():
        if not _same_shape(name, model):
            continue
        found, own = _loaded(name)
        theirs = found.state_dict().items()
        if own == tokenizer and all(torch.equal(p, ours[key].cpu()) for key, p in theirs):
            return name
    return ""


def _same_shape(name: str, model: GPT) -> bool:
    """Whether a shipped model has the sizes of another; its config is read, not its weights."""
    path = folder(name) / "config.json"
    described = gpt_config(path, read_config(path))
    return replace(described, dropout=0.0) == replace(model.config, dropout=0.0)

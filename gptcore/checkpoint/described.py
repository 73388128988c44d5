"""A GPTConfig from the config.json of others, or the setting that our network cannot compute.

What a GPT of ours can be made to compute, it computes: another activation, another width inside
the MLP, another epsilon, scores scaled otherwise. What it cannot, such as a second text to attend
to or rotary positions, is refused by its name before a single weight is read.

Source: transformers' `GPT2Config` and `OpenAIGPTConfig`, and what `modeling_gpt2.py` does with each
field.
"""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptcore.checkpoint.forms import ACTIVATIONS, ARCHITECTURES, FIELD, MODEL_TYPES, OURS, STRANGE
from gptcore.config import GPTConfig
from gptcore.lstm import MODEL_TYPE as LSTM_TYPE

# transformers' field -> values under which our GPT computes the same; a field that is absent does.
SAME: dict[str, tuple[Any, ...]] = {
    "tie_word_embeddings": (True, False),
    "scale_attn_weights": (True, False),
    "scale_attn_by_inverse_layer_idx": (False, True),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}
OTHER_NETWORKS = {
    "gptj": "rotary positions, attention and MLP side by side",
    "gpt_neox": "rotary positions, attention and MLP side by side",
    "gpt_neo": "local attention in every other layer, scores that are not scaled",
    "gpt_bigcode": "one key and value for all heads",
    "codegen": "rotary positions",
    "opt": "its own names and positions",
    "bloom": "no positions, but scores that fall with distance",
    "llama": "rotary positions, RMSNorm, a gated MLP",
}
"""What networks that are often taken for a GPT-2 do otherwise."""


def read_config(path: Path) -> dict[str, Any]:
    """The object in a config.json.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no JSON object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is absent: not a checkpoint folder")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        described.get("gptcore", {}).get("norm")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a model config: {error}") from error
    return described


def gpt_config(path: Path, described: dict[str, Any]) -> GPTConfig:
    """A GPTConfig from transformers' config.json; refuses what it cannot describe.

    Args:
        path: the file, for messages.
        described: what it says.

    Raises:
        ValueError: the network is of another kind, or a field is missing or has a value under which
            it computes something our GPT cannot; the message names the field and the value.
    """
    ours, model_type = described.get("gptcore", {}), _model_type(path, described)
    for field, values in SAME.items():
        if field in described and described[field] not in values:
            raise _refusal(path, field, described[field], values)
    rates = {k: described.get(k, 0.1) for k in ("resid_pdrop", "embd_pdrop", "attn_pdrop")}
    if len(set(rates.values())) > 1:
        told = ", ".join(f"{name}={rate}" for name, rate in rates.items())
        warnings.warn(f"{path}: one dropout rate serves all: {told}; using the first", stacklevel=3)
    try:
        config = GPTConfig(
            vocab_size=described["vocab_size"],
            n_ctx=described["n_positions"] if "n_positions" in described else described["n_ctx"],
            n_layer=described["n_layer"],
            n_head=described["n_head"],
            d_model=described["n_embd"],
            norm=MODEL_TYPES[model_type],
            dropout=rates["resid_pdrop"],
            tied=described.get("tie_word_embeddings", True),
            ln_eps=described.get("layer_norm_epsilon", 1e-5),
            **_mlp(path, described, model_type),
        )
        ours = {k: ours[k] for k in OURS + STRANGE if k in ours and k != "norm"}
        config = replace(config, **ours)
    except KeyError as error:
        raise ValueError(f"{path}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        message = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: {message}") from error
    wide = config.n_inner not in (None, 4 * config.d_model)
    return config if wide else replace(config, n_inner=None)


def score_scales(described: dict[str, Any], config: GPTConfig) -> list[float]:
    """What each block multiplies its attention scores by, beside 1/√D; nothing where all are 1."""
    scale = 1.0 if described.get("scale_attn_weights", True) else math.sqrt(config.d_head)
    by_layer = described.get("scale_attn_by_inverse_layer_idx", False)
    scales = [scale / (i + 1 if by_layer else 1) for i in range(config.n_layer)]
    return [] if set(scales) == {1.0} else scales


def _model_type(path: Path, described: dict[str, Any]) -> str:
    """openai-gpt or gpt2; old files name only a class, those of ours with a sparse pattern neither.

    Raises:
        ValueError: it is neither.
    """
    stated = described.get("model_type")
    classes = described.get("architectures") or []
    code = described.get("auto_map") or {}
    if any(str(name).startswith("AutoModel") for name in code):
        raise ValueError(
            f"{path}: auto_map={code!r} names a network in code of its own, which is not run here"
        )
    if stated == "gptcore":
        norm = described.get("gptcore", {}).get("norm")
        stated = next((t for t, n in MODEL_TYPES.items() if n == norm), stated)
    elif stated is None:
        known = {name.removesuffix("LMHeadModel"): t for t, name in ARCHITECTURES.items()}
        stated = next((t for c in classes for n, t in known.items() if str(c).startswith(n)), None)
    if stated not in MODEL_TYPES:
        other = OTHER_NETWORKS.get(str(stated))
        raise ValueError(
            f"{path}: model_type={described.get('model_type')!r} must be gpt2, openai-gpt or "
            f"gptcore, or {LSTM_TYPE}"
            + (f"; that network has {other}, which a GPT of ours has not" if other else "")
            + "; for a kind of your own, build the model and fill it with checkpoint.restore"
        )
    return stated


def _mlp(path: Path, described: dict[str, Any], model_type: str) -> dict[str, Any]:
    """What is inside the MLP: how wide, and what bends; transformers' GPT-1 reads no width."""
    field, names = FIELD[model_type], ACTIVATIONS[model_type]
    theirs = described.get(field, next(iter(names)))
    if theirs not in list(names):
        raise _refusal(path, field, theirs, tuple(names))
    wide = {} if model_type == "openai-gpt" else {"n_inner": described.get("n_inner")}
    return {"activation": names[theirs], **wide}


def _refusal(path: Path, field: str, value: Any, values: tuple[Any, ...]) -> ValueError:
    return ValueError(
        f"{path}: {field}={value!r} must be {' or '.join(map(repr, values))}; gptcore computes "
        "nothing else"
    )

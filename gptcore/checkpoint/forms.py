"""What a model is on disk: what config.json says of it, and its tensors by their names there.

A GPT is kept in Hugging Face's layout, and a head beside its body. A model of another kind tells
it itself, by a method `saved_as` that returns what the function here returns. The tensors are the
model's own memory, kernels turned: `save` reads it and `restore` writes it through one table.
`checkpoint.described` reads config.json back.

Source: transformers' `GPT2LMHeadModel` and `OpenAIGPTLMHeadModel`, and their classes
`ForSequenceClassification`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from gptcore.checkpoint import published
from gptcore.config import Activation
from gptcore.heads.classifier import Classifier
from gptcore.heads.reward import RewardModel
from gptcore.model import GPT
from gptcore.modes import bare
from gptcore.text.inputs import PADDING

MODEL_TYPES = {"openai-gpt": "post", "gpt2": "pre"}
ARCHITECTURES = {"openai-gpt": "OpenAIGPTLMHeadModel", "gpt2": "GPT2LMHeadModel"}
FIELD = {"openai-gpt": "afn", "gpt2": "activation_function"}
# transformers' names -> ours, the one that we write first. In its GPT-1 "gelu" means the tanh form,
# in its GPT-2 the exact one with the error function, which no GPT of OpenAI's used.
OTHERS: dict[str, Activation] = {"relu": "relu", "silu": "silu", "swish": "silu"}
ACTIVATIONS: dict[str, dict[str, Activation]] = {
    "openai-gpt": {"gelu": "gelu_tanh", **OTHERS},
    "gpt2": {
        **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh", "gelu_fast"), "gelu_tanh"),
        **dict.fromkeys(("gelu_accurate", "gelu_python_tanh"), "gelu_tanh"),
        **dict.fromkeys(("gelu", "gelu_python"), "gelu_erf"),
        "quick_gelu": "gelu_sigmoid",
        **OTHERS,
    },
}
SCORE = "score.weight"  # transformers' name for the head of a classifier
REWARD = "reward"  # the form of a reward model's head, in config.json
OURS = ("norm", "pattern", "window", "summary")  # what transformers' config has no field for
STRANGE = ("activation", "n_inner")  # nor, here and there, for these

Saved = tuple[dict[str, Any], dict[str, Tensor]]


def saved_as(model: Any) -> Saved:
    """What config.json says of a model, and its tensors by their names in model.safetensors.

    Args:
        model: a GPT, a Classifier, a RewardModel, or what has a method `saved_as` of its own, such
            as an LSTM; also in a wrapper of torch.compile or of parallel training.

    Returns:
        The two; the tensors share the model's memory.

    Raises:
        TypeError: a model of another kind, which would be written down as what it is not.
    """
    model = bare(model)
    if hasattr(model, "saved_as"):
        return model.saved_as()
    if isinstance(model, Classifier):
        return _classifier(model)
    if isinstance(model, RewardModel):
        head = {"form": REWARD, "bias": model.bias}
        return _with_head(model, head, {0: "LABEL_0"})
    if isinstance(model, GPT):
        return _gpt(model)
    raise TypeError(
        f"model is a {type(model).__name__}: what can be saved is a GPT, an LSTM, a Classifier, a "
        "RewardModel, or a model with a method saved_as() that returns (what config.json says, "
        "name -> tensor)"
    )


def _gpt(model: GPT) -> Saved:
    """config.json with everything transformers reads, and the parameters under its names."""
    config = model.config
    model_type = next(name for name, norm in MODEL_TYPES.items() if norm == config.norm)
    names = ACTIVATIONS[model_type]
    theirs = next((name for name, ours in names.items() if ours == config.activation), None)
    wide = {} if config.n_inner is None else {"n_inner": config.n_inner}
    known = set(config.pattern) == {"dense"} and theirs and not (wide and config.norm == "post")
    described = {
        "architectures": [ARCHITECTURES[model_type] if known else "GPT"],
        "model_type": model_type if known else "gptcore",
        **({FIELD[model_type]: theirs} if theirs else {}),
        **wide,
        "vocab_size": config.vocab_size,
        "n_positions": config.n_ctx,
        "n_embd": config.d_model,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "layer_norm_epsilon": config.ln_eps,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": config.tied,
        "gptcore": {k: getattr(config, k) for k in (OURS if known else OURS + STRANGE)},
    }
    tensors = {}
    for name, p in _weights(model).items():
        stored = p.t() if name.endswith(published.CONV1D) else p
        tensors[published.published_name(name, config.norm)] = stored
    return described, tensors


def _weights(model: GPT) -> dict[str, Tensor]:
    """The parameters by name, blocks compiled one by one seen through; refuses any that are new."""
    found = {name.replace("_orig_mod.", ""): p for name, p in model.state_dict().items()}
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        expected = {name: p.shape for name, p in GPT(model.config).state_dict().items()}
    if {name: p.shape for name, p in found.items()} != expected:
        other = [
            n
            for n in {**found, **expected}
            if getattr(found.get(n), "shape", None) != expected.get(n)
        ]
        raise TypeError(
            f"model is a {type(model).__name__} whose tensor {other[0]} no GPT of its config has: "
            "it would not be read again. Give its class a method saved_as(), or save its "
            "state_dict yourself"
        )
    return found


def _classifier(model: Classifier) -> Saved:
    """A classifier by the names of its classes."""
    head = model.head
    n_labels = 1 if head.form == "choice" else head.n_out
    names = head.labels or tuple(f"LABEL_{i}" for i in range(n_labels))
    return _with_head(
        model, asdict(head), dict(enumerate(names)) if n_labels > 1 else {0: "LABEL_0"}
    )


def _with_head(
    model: Classifier | RewardModel, head: dict[str, Any], classes: dict[int, str]
) -> Saved:
    """The body, the weights of the head, and in config.json transformers' words and all of ours."""
    described, tensors = saved_as(model.gpt)
    architectures = [
        name.replace("LMHeadModel", "ForSequenceClassification")
        for name in described.get("architectures", ())
    ]
    described |= {
        "architectures": architectures,
        "gptcore": {**described.get("gptcore", {}), "head": head},
        "pad_token_id": PADDING,
        "id2label": classes,
        "label2id": {name: i for i, name in classes.items()},
    }
    return described, {**tensors, SCORE: model.score.weight.detach()}

"""One folder per checkpoint, in Hugging Face's layout: what we save transformers opens, and back.

    config.json        the shape of the network, in transformers' words; ours under "gptcore"
    model.safetensors  the weights, under transformers' names
    tokenizer.json     the tokenizer (and tokenizer_config.json), if one was given
    training.*         what resuming needs, if it was given

Everything one call saves changes together (`checkpoint.atomic`), so a kill at any moment leaves
either the previous checkpoint or the new one, weights and training state of the same step. Nothing
from outside is ever unpickled without `weights_only`.

Source: transformers' `GPT2LMHeadModel` and `OpenAIGPTLMHeadModel`; OpenAI's released GPT-1
(`params_shapes.json`, `train.py`) and GPT-2 (`src/model.py`).
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from gptcore.checkpoint import published, training_state
from gptcore.checkpoint.atomic import commit
from gptcore.checkpoint.sources import find
from gptcore.config import GPTConfig
from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.model import GPT
from gptcore.text.inputs import PADDING
from gptcore.tokenizer.folder import has_tokenizer
from gptcore.tokenizer.vocabulary import END_OF_TEXT

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

MODEL_TYPES = {"openai-gpt": "post", "gpt2": "pre"}
ARCHITECTURES = {"openai-gpt": "OpenAIGPTLMHeadModel", "gpt2": "GPT2LMHeadModel"}
# transformers' names for the tanh form. In its GPT-1 "gelu" means that form too, in GPT-2 it means
# the exact one with the error function, which no GPT of OpenAI's used.
TANH_GELU = {
    "openai-gpt": ("gelu",),
    "gpt2": ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"),
}
SCORE = "score.weight"  # transformers' name for the head of a classifier
OURS = ("norm", "pattern", "window", "summary")  # what transformers' config has no field for


def save(
    folder: str | Path,
    model: GPT | Classifier,
    tokenizer: Tokenizer | None = None,
    *,
    training: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a checkpoint folder, all of it or nothing, and return its path.

    `norm="post"` becomes an `OpenAIGPTLMHeadModel`, `norm="pre"` a `GPT2LMHeadModel`. With a sparse
    attention pattern it is neither, and transformers would compute other logits: then the config
    says `"model_type": "gptcore"`, which transformers' Auto classes refuse. A GPT with a head
    becomes the class `ForSequenceClassification` of its kind; `load` gives its body alone.

    Args:
        folder: made if absent. Files that this call does not write stay as they are.
        model: on any device.
        tokenizer: None writes no tokenizer.
        training: what resuming needs (`training_state` says of what kind). Left out, a state that
            is there from before no longer loads, since it belongs to other weights.
        dtype: store the weights in this precision; None keeps theirs.

    Raises:
        ValueError: too many tokens, a weight that does not fit `dtype`, or `dtype` and `training`.
    """
    gpt, config = getattr(model, "gpt", model), model.config
    if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"tokenizer has {tokenizer.vocab_size} tokens, which must not exceed the model's "
            f"vocab_size={config.vocab_size}"
        )
    if training is not None and dtype is not None:
        raise ValueError(
            f"dtype={dtype} may round the weights, and resuming needs every bit: save a training "
            "state with dtype=None"
        )
    tensors = _published_tensors(gpt, dtype)
    described = _config_json(gpt, tokenizer, dtype or gpt.wte.weight.dtype)
    if isinstance(model, Classifier):
        _add_head(tensors, described, model)
    with commit(folder) as writing:
        save_file(tensors, writing / "model.safetensors", metadata={"format": "pt"})
        _write_json(writing / "config.json", described)
        if tokenizer is not None:
            tokenizer.save(writing / "tokenizer.json")
            _write_json(writing / "tokenizer_config.json", _tokenizer_config(config, tokenizer))
        if training is not None:
            training_state.write(writing, training, writing / "model.safetensors")
    return Path(folder)


def load(
    source: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> tuple[GPT, Tokenizer | None]:
    """Read a checkpoint that we saved or that somebody published.

    Args:
        source: a folder, the name of a model that the course ships ("tales-gpt1"), or a name on
            the Hugging Face Hub ("gpt2", "openai-gpt", "org/name").
        device: where to put the model.
        dtype: precision of the model; None widens half precision to float32 and keeps the rest.

    Returns:
        The model in evaluation mode, and its tokenizer, or None where the folder has none.

    Raises:
        FileNotFoundError: no such folder, no such Hub name, no network, or a file is absent.
        ValueError: what is there is damaged, or is not a GPT that `GPTConfig` can describe; the
            message names the field or the tensor.
    """
    folder = find(source)
    config = _read_config(folder / "config.json")
    found = published.ours(published.open_folder(folder))
    if "head" in json.loads((folder / "config.json").read_text("utf-8")).get("gptcore", {}):
        found.pop(SCORE, None)  # the body of a classifier of ours is a GPT
    model = published.build(config, found, where=folder, device=device, dtype=dtype)
    return model.eval(), _read_tokenizer(folder)


def load_classifier(
    source: str | Path, *, device: torch.device | str = "cpu"
) -> tuple[Classifier, Tokenizer | None]:
    """Read a fine-tuned network that `save` wrote: the body and its head.

    Args:
        source, device: as in `load`.

    Returns:
        The classifier in evaluation mode, and its tokenizer with the three new tokens.

    Raises:
        FileNotFoundError: as in `load`.
        ValueError: as in `load`; or the folder holds a language model without a head.
    """
    folder = find(source)
    _read_config(folder / "config.json")
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = published.ours(published.open_folder(folder)).get(SCORE)
    if "head" not in described.get("gptcore", {}) or found is None:
        raise ValueError(
            f"{folder} holds a language model without a head of ours: fine-tune it first, or "
            "read it with load"
        )
    body, tokenizer = load(folder, device=device)
    try:
        head = HeadConfig(**described["gptcore"]["head"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: gptcore.head: {error}") from error
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        classifier = Classifier(body, head)
    if found.shape != tuple(classifier.score.weight.shape):
        raise ValueError(
            f"{found.file}: tensor {SCORE} has shape {found.shape}; "
            f"expected {tuple(classifier.score.weight.shape)}"
        )
    with torch.no_grad():
        classifier.score.weight.copy_(published.read(found))
    return classifier.eval(), tokenizer


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
    found = published.open_npy(folder)
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


def _published_tensors(model: GPT, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The parameters under transformers' names, kernels turned to (in, out)."""
    tensors: dict[str, Tensor] = {}
    for name, p in model.state_dict().items():
        stored = p.detach().to("cpu", dtype or p.dtype)
        if stored.dtype != p.dtype and torch.isfinite(p).all() and not torch.isfinite(stored).all():
            raise ValueError(
                f"dtype={dtype} cannot hold tensor {name}, whose largest value is "
                f"{p.abs().max().item():.4g}"
            )
        stored = stored.t() if name.endswith(published.CONV1D) else stored
        tensors[published.published_name(name, model.config.norm)] = stored.contiguous()
    return tensors


def _config_json(model: GPT, tokenizer: Tokenizer | None, dtype: torch.dtype) -> dict[str, Any]:
    """config.json: everything transformers reads, nothing left to its defaults that matters."""
    config = model.config
    model_type = next(name for name, norm in MODEL_TYPES.items() if norm == config.norm)
    activation = "afn" if config.norm == "post" else "activation_function"
    dense = set(config.pattern) == {"dense"}
    return {
        "architectures": [ARCHITECTURES[model_type] if dense else "GPT"],
        "model_type": model_type if dense else "gptcore",
        activation: TANH_GELU[model_type][0],
        "vocab_size": config.vocab_size,
        "n_positions": config.n_ctx,
        "n_embd": config.d_model,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "layer_norm_epsilon": 1e-5,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        **_ends(tokenizer),
        "dtype": str(dtype).removeprefix("torch."),
        "gptcore": {name: getattr(config, name) for name in OURS},
    }


def _add_head(tensors: dict[str, Tensor], described: dict[str, Any], model: Classifier) -> None:
    """What a head adds: its weights, and in config.json transformers' words and all of ours."""
    head, first = model.head, next(iter(tensors.values()))
    tensors[SCORE] = model.score.weight.detach().to("cpu", first.dtype)
    n_labels = 1 if head.form == "choice" else head.n_out
    names = head.labels or tuple(f"LABEL_{i}" for i in range(n_labels))
    described["gptcore"]["head"] = asdict(head)
    described["pad_token_id"] = PADDING
    described["id2label"] = dict(enumerate(names)) if n_labels > 1 else {0: "LABEL_0"}
    described["label2id"] = {name: i for i, name in described["id2label"].items()}
    if described["model_type"] != "gptcore":
        (language_model,) = described["architectures"]
        classifier = language_model.replace("LMHeadModel", "ForSequenceClassification")
        described["architectures"] = [classifier]


def _tokenizer_config(config: GPTConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """Makes AutoTokenizer use tokenizer.json as it stands instead of a class of its own."""
    described = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.n_ctx}
    end = next(iter(tokenizer.ends), None)
    named = {"bos_token": end if end == END_OF_TEXT else None, "eos_token": end}
    return described | {office: token for office, token in named.items() if token}


def _ends(tokenizer: Tokenizer | None) -> dict[str, Any]:
    """What ends a text, as config.json says it; OpenAI's token begins one too."""
    ends = {} if tokenizer is None else tokenizer.ends
    ids = [*ends.values()]
    one = ids[0] if len(ids) == 1 else ids or None
    return {"bos_token_id": ends.get(END_OF_TEXT), "eos_token_id": one}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_config(path: Path) -> GPTConfig:
    """A GPTConfig from transformers' config.json; refuses what it cannot describe."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is absent: not a checkpoint folder")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        ours = described.get("gptcore", {})
        model_type = described.get("model_type")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a model config: {error}") from error
    if model_type == "gptcore":
        model_type = next((t for t, n in MODEL_TYPES.items() if n == ours.get("norm")), None)
    if model_type not in MODEL_TYPES:
        rule = "must be gpt2, openai-gpt or gptcore"
        raise ValueError(f"{path}: model_type={described.get('model_type')!r} {rule}")
    _refuse(path, described, model_type)
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
        )
        return replace(config, **{k: ours[k] for k in OURS if k in ours and k != "norm"})
    except KeyError as error:
        raise ValueError(f"{path}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _refuse(path: Path, described: dict[str, Any], model_type: str) -> None:
    """Raise on the first setting under which transformers computes something our GPT cannot."""
    activation = "afn" if model_type == "openai-gpt" else "activation_function"
    wide = 4 * described["n_embd"] if isinstance(described.get("n_embd"), int) else None
    allowed: dict[str, tuple[Any, ...]] = {
        activation: TANH_GELU[model_type],
        "layer_norm_epsilon": (1e-5,),
        "n_inner": (None, wide),
        "tie_word_embeddings": (True,),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
    }
    for field, values in allowed.items():
        if field in described and described[field] not in values:
            raise ValueError(
                f"{path}: {field}={described[field]!r} must be "
                f"{' or '.join(repr(v) for v in values)}; gptcore computes nothing else"
            )


def _read_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of the folder, with all that its files say of it, or None."""
    from gptcore.tokenizer import Tokenizer

    return Tokenizer.load(folder) if has_tokenizer(folder) else None

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
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gptcore.checkpoint import files, openai, published, training_state
from gptcore.checkpoint.atomic import commit, recover
from gptcore.checkpoint.described import gpt_config, read_config, score_scales
from gptcore.checkpoint.forms import REWARD, SCORE, saved_as
from gptcore.checkpoint.sources import find
from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.heads.reward import RewardModel
from gptcore.lstm import LSTM
from gptcore.lstm import MODEL_TYPE as LSTM_TYPE
from gptcore.tokenizer.folder import has_tokenizer
from gptcore.tokenizer.vocabulary import END_OF_TEXT

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


def save(
    folder: str | Path,
    model: Any,
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
        model: a GPT, a Classifier, a RewardModel, or what says how it is kept (`checkpoint.forms`).
        tokenizer: None writes none.
        training: what resuming needs (`training_state` says of what kind). Left out, a state that
            is there from before no longer loads, since it belongs to other weights.
        dtype: store the weights in this precision; None keeps theirs.

    Raises:
        TypeError: the model is of a kind that cannot be saved.
        ValueError: too many tokens, a weight that does not fit `dtype`, or `dtype` and `training`.
    """
    described, tensors = saved_as(model)
    if tokenizer is not None and tokenizer.vocab_size > described.get("vocab_size", 0):
        raise ValueError(
            f"tokenizer has {tokenizer.vocab_size} tokens, which must not exceed the model's "
            f"vocab_size={described.get('vocab_size', 0)}"
        )
    if training is not None and dtype is not None:
        raise ValueError(
            f"dtype={dtype} may round the weights; resuming needs every bit, so dtype=None"
        )
    tensors = {name: _stored(name, p, dtype) for name, p in tensors.items()}
    kept = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    described |= {**_ends(tokenizer), "dtype": kept}
    with commit(folder) as writing:
        save_file(tensors, writing / "model.safetensors", metadata={"format": "pt"})
        _write_json(writing / "config.json", described)
        if tokenizer is not None:
            tokenizer.save(writing / "tokenizer.json")
            _write_json(writing / "tokenizer_config.json", _tokenizer_config(described, tokenizer))
        if training is not None:
            training_state.write(writing, training, writing / "model.safetensors")
    return Path(folder)


def load(
    source: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> tuple[Any, Tokenizer | None]:
    """Read a checkpoint that we saved or that somebody published: a GPT, or an LSTM of ours.

    Args:
        source: a folder, the name of a model that the course ships ("tales-gpt1"), or a name on
            the Hugging Face Hub ("gpt2", "openai-gpt", "org/name"). A folder may also be what the
            Hub's cache or a Trainer made around a model, or the `model` folder of OpenAI's GPT-1.
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
    path = folder / "config.json"
    if openai.is_release(folder):
        model = openai.load_openai_npy(folder)
        return model.to(device, dtype), openai.tokenizer(folder)
    described = read_config(path)
    if described.get("model_type") == LSTM_TYPE:
        return _lstm(folder, described, device, dtype).eval(), _read_tokenizer(folder)
    config = gpt_config(path, described)
    found = published.ours(files.open_folder(folder))
    found = published.fold_scales(found, score_scales(described, config))
    if "head" in described.get("gptcore", {}):
        found.pop(SCORE, None)  # the body of a classifier of ours is a GPT
    model = published.build(config, found, where=folder, device=device, dtype=dtype)
    return model.eval(), _read_tokenizer(folder)


def restore(folder: str | Path, model: Any) -> None:
    """Read the weights that `save` wrote into a model of the same kind and shape.

    Args:
        folder: a checkpoint folder.
        model: filled in place, on its device and in its precision.

    Raises:
        FileNotFoundError: the folder holds no weights.
        TypeError: as in `save`.
        ValueError: its tensors are not those of the model; the message names the first.
    """
    folder = Path(folder)
    recover(folder)
    _fill(saved_as(model)[1], {t.name: t for t in files.open_folder(folder)}, folder)


@torch.no_grad()
def _fill(tensors: dict[str, Tensor], found: dict[str, files.Stored], folder: Path) -> None:
    """Write what was found into the tensors of a model, after all names and shapes agree."""
    for name in {**tensors, **found}:
        if name not in found:
            raise ValueError(f"{folder}: tensor {name} of the model is missing")
        if name not in tensors:
            raise ValueError(f"{folder}: tensor {name} is unexpected; the model has none")
        if found[name].shape != tuple(tensors[name].shape):
            raise ValueError(
                f"{folder}: tensor {name} has shape {found[name].shape}; the model's has "
                f"{tuple(tensors[name].shape)}"
            )
    for name, tensor in tensors.items():
        tensor.copy_(files.read(found[name]))


def _lstm(folder: Path, described: dict[str, Any], device: Any, dtype: torch.dtype | None) -> LSTM:
    """An LSTM of ours, without its head if it has one."""
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        try:
            model = LSTM.described(described)
        except KeyError as error:
            raise ValueError(f"{folder / 'config.json'}: {error} is missing") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder / 'config.json'}: {error}") from error
    found = {t.name: t for t in files.open_folder(folder) if t.name != SCORE}
    _fill(saved_as(model)[1], found, folder)
    return model.to(device, dtype)


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
    folder, head, found = _head(source)
    if head.get("form") == REWARD:
        raise ValueError(f"{folder} holds a reward model: read it with load_reward")
    body, tokenizer = load(folder, device=device)
    try:
        known = HeadConfig(**head)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: gptcore.head: {error}") from error
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        classifier = Classifier(body, known)
    _fill_head(classifier, found)
    return classifier.eval(), tokenizer


def load_reward(
    source: str | Path, *, device: torch.device | str = "cpu"
) -> tuple[RewardModel, Tokenizer | None]:
    """Read a reward model that `save` wrote: the body, its head and its bias.

    Args:
        source, device: as in `load`.

    Returns:
        The reward model in evaluation mode, and its tokenizer.

    Raises:
        FileNotFoundError: as in `load`.
        ValueError: as in `load`; or the folder holds no reward model, or no number as its bias.
    """
    folder, head, found = _head(source)
    if head.get("form") != REWARD:
        raise ValueError(f"{folder} holds a classifier, no reward model: see load_classifier")
    bias = head.get("bias")
    if not isinstance(bias, int | float) or not math.isfinite(bias):
        raise ValueError(
            f"{folder / 'config.json'}: gptcore.head: bias={bias!r} must be a finite number"
        )
    body, tokenizer = load(folder, device=device)
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        model = RewardModel(body)
    _fill_head(model, found)
    nn.init.constant_(model.score.bias, bias)
    return model.eval(), tokenizer


def _head(source: str | Path) -> tuple[Path, dict[str, Any], files.Stored]:
    """Where a network with a head of ours lies, what is written of its head, and its weights."""
    folder = find(source)
    described = read_config(folder / "config.json")
    if described.get("model_type") != LSTM_TYPE:
        gpt_config(folder / "config.json", described)  # complains first
    found = published.ours(files.open_folder(folder)).get(SCORE)
    head = described.get("gptcore", {}).get("head")
    if head is None or found is None:
        raise ValueError(
            f"{folder} holds a language model without a head of ours: fine-tune it first, or "
            "read it with load"
        )
    if not isinstance(head, dict):
        raise ValueError(f"{folder / 'config.json'}: gptcore.head: {head!r} must be an object")
    return folder, head, found


@torch.no_grad()
def _fill_head(model: Classifier | RewardModel, found: files.Stored) -> None:
    """Read a head's weights, if they have its shape."""
    if found.shape != tuple(model.score.weight.shape):
        raise ValueError(
            f"{found.file}: tensor {SCORE} has shape {found.shape}; "
            f"expected {tuple(model.score.weight.shape)}"
        )
    model.score.weight.copy_(files.read(found))


def _stored(name: str, p: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor as it is written: on the CPU, in order, in the precision asked for."""
    stored = p.detach().to("cpu", dtype or p.dtype)
    if stored.dtype != p.dtype and torch.isfinite(p).all() and not torch.isfinite(stored).all():
        raise ValueError(
            f"dtype={dtype} cannot hold tensor {name.removeprefix('transformer.')}, whose largest "
            f"value is {p.abs().max().item():.4g}"
        )
    return stored.contiguous()


def _tokenizer_config(described: dict[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """Makes AutoTokenizer use tokenizer.json as it stands instead of a class of its own."""
    n_ctx = described.get("n_positions", described.get("n_ctx"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": n_ctx}
    end = next(iter(tokenizer.ends), None)
    named = {"bos_token": end if end == END_OF_TEXT else None, "eos_token": end}
    return config | {office: token for office, token in named.items() if token}


def _ends(tokenizer: Tokenizer | None) -> dict[str, Any]:
    """What ends a text, as config.json says it; OpenAI's token begins one too."""
    ends = {} if tokenizer is None else tokenizer.ends
    ids = [*ends.values()]
    one = ids[0] if len(ids) == 1 else ids or None
    return {"bos_token_id": ends.get(END_OF_TEXT), "eos_token_id": one}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of the folder, with all that its files say of it, or None."""
    from gptcore.tokenizer import Tokenizer

    return Tokenizer.load(folder) if has_tokenizer(folder) else None

"""Weights as others publish them: their names, their turns, and every one checked.

Names and shapes come first, so that a mismatch is reported before memory is spent; a tensor is
read only when its place in the model is known.

Source: transformers' `modeling_gpt2.py` and `modeling_openai.py`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gptcore.checkpoint.files import Stored, read
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


def published_name(name: str, norm: str) -> str:
    """transformers' name, in its language-model class, for the parameter `name` of our GPT."""
    return name if name == HEAD else "transformer." + EMBEDDINGS[norm].get(name, name)


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
        config: the shape the weights must have; a token table with more rows is taken as it is.
        found: our name -> stored tensor. Kernels are (in, out). Where `config` says that the output
            matrix is the token table, `lm_head.weight` may be there all the same.
        where: file or folder to name in messages.
        dtype: None widens half precision to float32 and leaves the rest.

    Raises:
        ValueError: a tensor is missing, unexpected, not floating point, or of another shape than
            `config` asks for.
    """
    config = _own_output(_own_rows(config, found, where), found, where)
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


def fold_scales(found: dict[str, Stored], scales: list[float]) -> dict[str, Stored]:
    """Multiply the scores of each block by a number: here its queries, weights and biases alike.

    Some networks divide their scores by more or less than √D. Folded in, they are ordinary GPTs
    with the same logits.
    """
    folded = dict(found)
    for i, scale in enumerate(scales):
        for name in (f"h.{i}.attn.c_attn.weight", f"h.{i}.attn.c_attn.bias"):
            if name in found:
                folded[name] = found[name]._replace(read=partial(_scaled, found[name], scale))
    return folded


def _scaled(stored: Stored, scale: float) -> Tensor:
    """(..., 3 C), the first third multiplied, in float32 or better."""
    tensor = read(stored)
    tensor = tensor.to(torch.promote_types(tensor.dtype, torch.float32), copy=True)
    tensor[..., : tensor.shape[-1] // 3] *= scale
    return tensor


def _own_rows(config: GPTConfig, found: dict[str, Stored], where: Path) -> GPTConfig:
    """The config with as many tokens as the token table has rows, if these are more.

    A table is made longer to suit the hardware (50,304 rows for 50,257 tokens) and config.json is
    left as it was. The softmax was trained over all rows, so all are kept.
    """
    shape = found["wte.weight"].shape if "wte.weight" in found else ()
    if len(shape) != 2 or shape[1] != config.d_model or shape[0] <= config.vocab_size:
        return config
    warnings.warn(
        f"{where}: the token embedding has {shape[0]} rows, more than vocab_size="
        f"{config.vocab_size} of config.json; all are kept, as the softmax was trained over them",
        stacklevel=4,
    )
    return replace(config, vocab_size=shape[0])


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

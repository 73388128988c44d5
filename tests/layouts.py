"""Published layouts, written key by key and never with the code under test."""

import json

import numpy as np
from safetensors.torch import save_file

KERNELS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def published(model, prefix="transformer."):
    """The tensors of `model` as transformers names and turns them, written out independently."""
    names = {"wte.weight": "tokens_embed.weight", "wpe.weight": "positions_embed.weight"}
    tensors = {}
    for name, t in model.state_dict().items():
        if name.removesuffix(".weight").endswith(KERNELS):
            t = t.t()
        name = names.get(name, name) if model.config.norm == "post" else name
        tensors[prefix + name] = t.contiguous().clone()
    return tensors


def published_config(model, **changes):
    c = model.config
    kind = "openai-gpt" if c.norm == "post" else "gpt2"
    sizes = {"vocab_size": c.vocab_size, "n_positions": c.n_ctx, "n_embd": c.d_model}
    sizes |= {"n_layer": c.n_layer, "n_head": c.n_head}
    return {"model_type": kind, **sizes, **changes}


def publish(folder, model, tensors=None, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(published_config(model, **changes)))
    save_file(tensors or published(model), folder / "model.safetensors")
    return folder


def release_like_openai(folder, model, turn=np.transpose):
    """params_shapes.json and ten shards, as openai/finetune-transformer-lm has them."""
    state = {name: t.numpy() for name, t in model.state_dict().items()}
    arrays = [state["wpe.weight"], state["wte.weight"]]  # positions first
    for i in range(model.config.n_layer):
        for layer in ("attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2"):
            w = state[f"h.{i}.{layer}.weight"]
            arrays.append(turn(w)[None] if layer in KERNELS else w)
            arrays.append(state[f"h.{i}.{layer}.bias"])
    folder.mkdir(exist_ok=True)
    (folder / "params_shapes.json").write_text(json.dumps([list(a.shape) for a in arrays]))
    flat = np.concatenate([a.ravel() for a in arrays])
    for i, shard in enumerate(np.array_split(flat, 10)):
        np.save(folder / f"params_{i}.npy", shard)
    return folder

"""Published weights: every layout is read, every tensor is checked, no bytes are trusted.

The layouts are written by hand, key by key, never with the code under test (`layouts`).
"""

import json
import os

import numpy as np
import pytest
import torch
from layouts import publish, published, published_config, release_like_openai
from safetensors.torch import save_file
from small_models import ids_for, make, same_weights

from gptcore import checkpoint
from gptcore.checkpoint.files import Stored
from gptcore.checkpoint.published import ours, published_name


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("prefix", ["transformer.", ""])
def test_reads_published_keys_with_and_without_prefix(tmp_path, norm, prefix):
    model = make(norm)
    publish(tmp_path, model, published(model, prefix))
    loaded, _ = checkpoint.load(tmp_path)
    assert same_weights(loaded, model)


def test_ignores_mask_buffers_but_not_attention_biases(tmp_path):
    model = make()
    tensors = published(model)
    for i in range(2):
        tensors[f"transformer.h.{i}.attn.bias"] = torch.ones(1, 1, 16, 16).tril()
        tensors[f"transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    tensors["transformer.position_ids"] = torch.arange(16)
    tensors["lm_head.weight"] = model.wte.weight.detach().clone()
    publish(tmp_path, model, tensors)
    loaded, _ = checkpoint.load(tmp_path)
    assert same_weights(loaded, model)
    assert loaded.h[0].attn.c_attn.bias.abs().max() > 0
    tensors["transformer.h.1.attn.bias"] = torch.zeros(8)  # no mask: what is it?
    publish(tmp_path, model, tensors)
    with pytest.raises(ValueError, match="tensor transformer.h.1.attn.bias is unexpected"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_reads_shards(tmp_path, ending):
    model = make("post")
    tensors = list(published(model).items())
    stem = {"safetensors": "model", "bin": "pytorch_model"}[ending]
    places = {}
    for i, part in enumerate((dict(tensors[::2]), dict(tensors[1::2]))):
        file = f"{stem}-0000{i + 1}-of-00002.{ending}"
        (save_file if ending == "safetensors" else torch.save)(part, tmp_path / file)
        places |= dict.fromkeys(part, file)
    (tmp_path / "config.json").write_text(json.dumps(published_config(model)))
    index = tmp_path / f"{stem}.{ending}.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert same_weights(checkpoint.load(tmp_path)[0], model)
    index.write_text(json.dumps({"weight_map": {"a": "../outside.safetensors"}}))
    with pytest.raises(ValueError, match=r"shard '\.\./outside.safetensors'.*not a plain file"):
        checkpoint.load(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "gone.bin"}}))
    with pytest.raises(FileNotFoundError, match="shard gone.bin, which is absent"):
        checkpoint.load(tmp_path)


def test_reads_pytorch_files_without_running_what_is_pickled_in_them(tmp_path):
    model = make()
    (tmp_path / "config.json").write_text(json.dumps(published_config(model)))
    torch.save(published(model), tmp_path / "pytorch_model.bin")
    assert same_weights(checkpoint.load(tmp_path)[0], model)

    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"wte.weight": Harm()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pytorch_model.bin cannot be read as plain tensors"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "harm").exists()


def without(name):
    return lambda tensors: tensors.pop(name)


def with_tensor(name, tensor):
    return lambda tensors: tensors.__setitem__(name, tensor)


@pytest.mark.parametrize(
    "change, message",
    [
        (without("transformer.h.1.ln_2.bias"), r"tensor h.1.ln_2.bias is missing.*\(8,\)"),
        (
            with_tensor("transformer.h.0.mlp.c_fc.weight", torch.zeros(32, 8)),
            r"tensor transformer.h.0.mlp.c_fc.weight has shape \(32, 8\); expected \(8, 32\)",
        ),
        (
            with_tensor("transformer.h.2.ln_1.bias", torch.zeros(8)),
            "tensor transformer.h.2.ln_1.bias is unexpected",
        ),
        (
            with_tensor("lm_head.weight", torch.zeros(301, 8)),
            r"tensor lm_head.weight has shape \(301, 8\); expected \(300, 8\)",
        ),
        (
            with_tensor("transformer.ln_f.bias", torch.zeros(8, dtype=torch.int32)),
            "tensor transformer.ln_f.bias holds torch.int32",
        ),
        (with_tensor("wte.weight", torch.zeros(300, 8)), "both are wte.weight"),
    ],
)
def test_every_tensor_is_checked_and_named(tmp_path, change, message):
    model = make()
    tensors = published(model)
    change(tensors)
    publish(tmp_path, model, tensors)
    with pytest.raises(ValueError, match=message):
        checkpoint.load(tmp_path)


def test_a_post_norm_file_is_not_taken_for_a_pre_norm_one(tmp_path):
    publish(tmp_path, make("post"), model_type="gpt2")
    with pytest.raises(ValueError, match="tensor ln_f.weight is missing"):
        checkpoint.load(tmp_path)


def test_a_truncated_file_is_named_with_the_tensor_it_breaks_off_in(tmp_path):
    publish(tmp_path, make())
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:start])
    name, info = next((n, i) for n, i in header.items() if n.endswith("h.1.mlp.c_fc.weight"))
    begin, end = info["data_offsets"]
    for size, expected in (
        (start + end - 1, f"end inside tensor {name}"),
        (start + begin + 1, f"end inside tensor {name}"),
        (start + begin, f"end inside tensor {name}"),
        (start - 5, "end inside the header"),
        (3, "model.safetensors is damaged"),
        (0, "model.safetensors is damaged"),
    ):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=expected) as error:
            checkpoint.load(tmp_path)
        assert "model.safetensors is damaged" in str(error.value)
    path.write_bytes(whole[:8] + b"?" + whole[9:])
    with pytest.raises(ValueError, match="its header is not valid"):
        checkpoint.load(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="holds no weights"):
        checkpoint.load(tmp_path)


def test_names_in_messages_are_those_of_the_file():
    """The two directions of the name map agree: what we publish we find again."""
    for norm in ("post", "pre"):
        for name in make(norm).state_dict():
            stored = Stored(None, published_name(name, norm), (), None)
            assert list(ours([stored])) == [name]


def test_reads_openai_gpt1_shards(tmp_path):
    model = make("post")
    loaded = checkpoint.load_openai_npy(release_like_openai(tmp_path, model), n_head=2)
    assert same_weights(loaded, model) and loaded.config == model.config
    torch.testing.assert_close(loaded(ids_for(model)), model(ids_for(model)), atol=1e-6, rtol=0)


def test_a_missed_transpose_would_be_seen(tmp_path):
    """Negative control: with square kernels only, nothing but the numbers tells."""
    model = make("post")

    def turn(w):
        return w if w.shape[0] == w.shape[1] else w.T

    loaded = checkpoint.load_openai_npy(release_like_openai(tmp_path, model, turn), n_head=2)
    assert not same_weights(loaded, model)
    assert (loaded(ids_for(model)) - model(ids_for(model))).abs().max() > 0.1


def test_damaged_openai_shards_are_named(tmp_path):
    model = make("post")
    folder = release_like_openai(tmp_path, model)
    whole = np.load(folder / "params_9.npy")
    np.save(folder / "params_9.npy", whole[:-3])
    with pytest.raises(ValueError, match="shards end inside tensor h.1.ln_2.bias"):
        checkpoint.load_openai_npy(folder, n_head=2)
    np.save(folder / "params_9.npy", np.append(whole, np.float32(0)))
    with pytest.raises(ValueError, match=f"hold {model.n_params() + 1} numbers"):
        checkpoint.load_openai_npy(folder, n_head=2)
    (folder / "params_9.npy").write_bytes((folder / "params_8.npy").read_bytes()[:200])
    with pytest.raises(ValueError, match="params_9.npy is damaged"):
        checkpoint.load_openai_npy(folder, n_head=2)
    (folder / "params_4.npy").unlink()
    with pytest.raises(FileNotFoundError, match="params_4.npy is absent"):
        checkpoint.load_openai_npy(folder, n_head=2)
    shapes = json.loads((folder / "params_shapes.json").read_text())
    (folder / "params_shapes.json").unlink()
    with pytest.raises(FileNotFoundError, match="no params_shapes.json"):
        checkpoint.load_openai_npy(folder)
    release_like_openai(tmp_path, model)
    (folder / "params_shapes.json").write_text(json.dumps(shapes[:-1]))
    with pytest.raises(ValueError, match="lists 25 arrays; a GPT-1 has 2 . 12 per block"):
        checkpoint.load_openai_npy(folder)
    shapes[2] = [1, 24, 8]
    (folder / "params_shapes.json").write_text(json.dumps(shapes))
    with pytest.raises(ValueError, match=r"tensor h.0.attn.c_attn.weight has shape \(24, 8\)"):
        checkpoint.load_openai_npy(folder, n_head=2)


def test_openai_pickled_arrays_are_refused(tmp_path):
    folder = release_like_openai(tmp_path, make("post"))
    np.save(folder / "params_0.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="params_0.npy is damaged.*allow_pickle"):
        checkpoint.load_openai_npy(folder)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_loaded_model_is_free_of_its_file(tmp_path, norm, file):
    """Overwritten in place, the file changes nothing in the model; not one parameter is a view."""
    model = make(norm)
    publish(tmp_path, model)
    if file != "model.safetensors":
        torch.save(published(model), tmp_path / file)
        (tmp_path / "model.safetensors").unlink()
    loaded, _ = checkpoint.load(tmp_path)
    size = (tmp_path / file).stat().st_size
    with open(tmp_path / file, "r+b") as stored:
        stored.write(bytes(size))
    assert same_weights(loaded, model)


def test_a_training_state_is_free_of_its_file(tmp_path):
    checkpoint.save(tmp_path, make(), training={"moment": torch.ones(1000)})
    state = checkpoint.load_training_state(tmp_path)
    size = (tmp_path / "training.safetensors").stat().st_size
    with open(tmp_path / "training.safetensors", "r+b") as stored:
        stored.write(bytes(size))
    assert state["moment"].sum() == 1000


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: "_orig_mod." + name,
        lambda name: "module." + name,
        lambda name: "_forward_module._orig_mod.model." + name,
        lambda name: "model." + name.removeprefix("transformer."),
        lambda name: "actor.gpt." + name,
        lambda name: name.replace("h.1.", "h.1._orig_mod."),
        lambda name: name.replace(".attn.", "._checkpoint_wrapped_module.attn."),
        lambda name: "_fsdp_wrapped_module." + name.replace("mlp.", "mlp._fsdp_wrapped_module."),
    ],
)
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_names_of_wrappers_are_seen_through(tmp_path, wrap, norm):
    """As torch.compile, DDP, FSDP, DeepSpeed, Lightning and own classes put them into names."""
    model = make(norm)
    tensors = {wrap(name): t for name, t in published(model).items()}
    tensors[wrap("lm_head.weight")] = model.wte.weight.detach().clone()
    publish(tmp_path, model, tensors)
    assert same_weights(checkpoint.load(tmp_path)[0], model)


def test_a_name_that_is_missing_is_told_beside_the_names_that_are_there(tmp_path):
    model = make()
    tensors = published(model)
    tensors["odd.embedding"] = tensors.pop("transformer.wte.weight")
    publish(tmp_path, model, tensors)
    with pytest.raises(ValueError, match=r"wte\.weight is missing.*What is there: odd\.embedding"):
        checkpoint.load(tmp_path)


def test_two_networks_in_a_file_are_told_apart_by_nobody(tmp_path):
    model = make()
    both = {f"{who}.{n}": t for who in ("policy", "ref") for n, t in published(model).items()}
    publish(tmp_path, model, both)
    with pytest.raises(ValueError, match=r"several networks: policy\.transformer\.\*, ref\.tr"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("prefix", ["", "transformer.", "model."])
def test_a_second_head_is_left_out_and_told(tmp_path, prefix):
    """GPT2DoubleHeadsModel, a value head, a classifier: body and output matrix are a whole GPT."""
    model = make()
    tensors = {n.replace("transformer.", prefix): t for n, t in published(model).items()}
    heads = ["multiple_choice_head.summary.weight", "v_head.summary.bias", "score.weight"]
    tensors |= {name: torch.zeros(1, 8) for name in heads}
    publish(tmp_path, model, tensors)
    with pytest.warns(UserWarning, match="left out: multiple_choice_head.*score.*v_head") as told:
        loaded, _ = checkpoint.load(tmp_path)
    assert same_weights(loaded, model) and told[0].filename == __file__


@pytest.mark.parametrize("name", ["lm_head.bias", "h.0.attn.c_attn.lora_A.weight", "h.7.ln_1.bias"])
def test_what_takes_part_in_the_logits_is_never_left_out(tmp_path, name):
    tensors = published(make()) | {f"transformer.{name}": torch.zeros(8)}
    publish(tmp_path, make(), tensors)
    with pytest.raises(ValueError, match=f"tensor transformer.{name} is unexpected"):
        checkpoint.load(tmp_path)

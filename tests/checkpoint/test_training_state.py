"""What resuming needs comes back bit by bit, and only beside the weights it belongs to."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gptcore import checkpoint
from gptcore.config import GPTConfig
from gptcore.model import GPT

CONFIG = GPTConfig(vocab_size=9, n_ctx=8, n_layer=1, n_head=2, d_model=8)


def same(a, b):
    """Equal in type and bit by bit, nan included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and raw(a.numpy()) == raw(b.numpy())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and raw(a) == raw(b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def raw(array):
    return array.tobytes()


def test_training_state_comes_back_bit_by_bit(tmp_path):
    model = GPT(CONFIG)
    ids = torch.arange(8)[None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1 + 0.2)
    model.loss(ids, ids).backward()
    optimizer.step()
    shared = torch.arange(4.0)
    state = {
        "optimizer": optimizer.state_dict(),  # int keys, nested lists, tuples, 0-d tensors
        "rng": torch.get_rng_state(),
        "numpy": np.random.default_rng(3).bit_generator.state,  # integers beyond 64 bits
        "floats": [0.1, 1 / 3, 5e-324, -0.0, float("nan"), float("inf"), float("-inf"), 1e300],
        "history": [{"step": 1, "loss": 2.5}, {"step": 2, "loss": None}],
        "text": "naïve \x00 \ud800 ✓",
        "flags": (True, False, (), [], {}),
        "a.b": shared,
        "a": {"b": shared + 1, "same memory": shared},
        "view": torch.arange(6).view(2, 3).t(),
        "half": torch.tensor([1e-8, torch.nan, 65504.0], dtype=torch.float16),
        "bfloat": torch.zeros(0, 3, dtype=torch.float64),
        "array": np.arange(5, dtype=np.uint16),
        "ours": {"__tensor__": "a key that looks like ours", "__tuple__": [1]},
        (1, "two"): {3: "three", None: 4},
    }
    checkpoint.save_training_state(tmp_path, state)
    assert same(checkpoint.load_training_state(tmp_path), state)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["training.json", "training.safetensors"]


def test_training_state_refuses_what_it_could_not_read_back(tmp_path):
    with pytest.raises(TypeError, match=r"state.rng.0=.* is a set"):
        checkpoint.save_training_state(tmp_path, {"rng": [{1, 2}]})
    with pytest.raises(TypeError, match=r"state.loss=.* is a float64"):
        checkpoint.save_training_state(tmp_path, {"loss": np.float64(1)})
    assert not list(tmp_path.iterdir())


def test_missing_and_damaged_training_states_are_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no training state"):
        checkpoint.load_training_state(tmp_path)
    checkpoint.save_training_state(tmp_path, {"a": torch.zeros(9), "b": 1})
    tensors = tmp_path / "training.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="training.safetensors is damaged"):
        checkpoint.load_training_state(tmp_path)
    save_file({"other": torch.zeros(9)}, tensors)
    with pytest.raises(ValueError, match="training.safetensors is damaged.*state.a"):
        checkpoint.load_training_state(tmp_path)
    (tmp_path / "training.json").write_text('{"state"')
    with pytest.raises(ValueError, match="training.json is not a whole training state"):
        checkpoint.load_training_state(tmp_path)


def test_a_training_state_of_other_weights_is_refused(tmp_path):
    checkpoint.save(tmp_path, GPT(CONFIG), training={"step": 1})
    assert checkpoint.load_training_state(tmp_path) == {"step": 1}
    checkpoint.save_training_state(tmp_path, {"step": 2})
    assert checkpoint.load_training_state(tmp_path) == {"step": 2}
    checkpoint.save(tmp_path, GPT(CONFIG))
    with pytest.raises(ValueError, match="belongs to weights with sha256 .* not saved together"):
        checkpoint.load_training_state(tmp_path)


def test_rounded_weights_are_not_saved_with_a_training_state(tmp_path):
    with pytest.raises(ValueError, match="dtype=torch.float16 may round.*dtype=None"):
        checkpoint.save(tmp_path, GPT(CONFIG), training={"step": 1}, dtype=torch.float16)

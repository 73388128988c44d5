"""Where networks begin: the gradient is autograd's own, Xavier's spreads by hand, rows whole."""

import math

import pytest
import small_models
import torch

from gptcore import GPT, GPTConfig
from gptcore.experiments import pretraining
from gptcore.experiments.beginnings import beginning, block_gradients, draw_xavier

SHAPE = {"n_ctx": 16, "n_layer": 3, "n_head": 2, "d_model": 32, "norm": "post", "dropout": 0.0}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict:
    """Three narrow blocks and some tales in 280 tokens."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    pretraining.corpus_of.cache_clear()
    data = {"tales": 40, "held_out": 0.3, "vocab_size": 280}
    return {"shape": SHAPE, "data": data, "batch_size": 4}


def test_a_block_s_gradient_is_what_backward_leaves() -> None:
    """Oracle: `backward` on the loss, and the length of `.grad` of the second matrix."""
    model = small_models.make(n_layer=3)
    ids = small_models.ids_for(model)
    found = block_gradients(model, ids, ids)
    model.loss(ids, ids).backward()
    wanted = [block.mlp.c_proj.weight.grad.norm() for block in model.h]
    assert torch.allclose(found, torch.stack(wanted), rtol=1e-4) and len(set(wanted)) == 3


def test_xavier_by_hand() -> None:
    """Width 64: queries, keys and values 64 to 64, so variance 2/128; the MLP 64 to 256, 2/320."""
    model = GPT(GPTConfig(vocab_size=280, n_ctx=16, n_layer=4, n_head=2, d_model=64))
    table = model.wte.weight.clone()
    draw_xavier(model, 0)
    stds = {
        name: torch.stack([block.get_parameter(f"{name}.weight") for block in model.h]).std().item()
        for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }
    assert stds["attn.c_attn"] == pytest.approx(math.sqrt(2 / 128), abs=2e-3)
    assert stds["attn.c_proj"] == pytest.approx(math.sqrt(2 / 128), abs=2e-3)
    assert stds["mlp.c_fc"] == pytest.approx(math.sqrt(2 / 320), abs=2e-3)
    assert stds["mlp.c_proj"] == pytest.approx(math.sqrt(2 / 320), abs=2e-3)
    assert torch.equal(model.wte.weight, table) and model.h[0].ln_1.weight.eq(1).all()


def test_a_row_has_every_block_and_every_depth(settings) -> None:
    """Nothing is trained: the loss is ln 280; the score is the log of last over first."""
    found = beginning(settings, 0)
    assert len(found["items"]) == 3 and len(found["variance"]) == 4
    assert 0.99 < found["loss"] / math.log(280) < 1.01
    toward = math.log(found["items"][-1] / found["items"][0])
    assert found["test"] == pytest.approx(toward, abs=2e-3)
    assert found["variance"][1:] == pytest.approx([1, 1, 1], abs=1e-2)  # after a LayerNorm
    assert beginning(settings, 0) == found
    assert beginning({**settings, "xavier": True}, 0)["items"] != found["items"]

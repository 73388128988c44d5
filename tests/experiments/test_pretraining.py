"""Pre-training as a grid runs it: the budget is the budget, and every switch does what it says."""

import math

import pytest
import torch

from gptcore import GPT, GPTConfig
from gptcore.experiments import pretraining
from gptcore.experiments.pretraining import network, pretrained, thinned, window_losses

SHAPE = {"n_ctx": 16, "n_layer": 4, "n_head": 2, "d_model": 32, "norm": "pre", "dropout": 0.0}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict:
    """A network of four narrow blocks and 300 tales in 280 tokens."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    monkeypatch.setattr(pretraining, "CHOOSING", 4)
    monkeypatch.setattr(pretraining, "REPORTING", 8)
    pretraining.corpus_of.cache_clear()
    return {
        "shape": SHAPE,
        "data": {"tales": 40, "held_out": 0.3, "vocab_size": 280},
        "updates": 30,
        "batch_size": 4,
        "lr": 1e-2,
    }


def test_a_run_reads_its_budget_and_learns(settings) -> None:
    """30 updates of 4 windows of 16 are 1,920 tokens; the loss falls from ln V; same seed, same
    numbers, another seed others."""
    found = pretrained(settings, 0)
    assert found["tokens"] == 1920 and found["diverged"] is None and len(found["items"]) == 8
    assert abs(found["curve"][0] - math.log(280)) < 0.3
    assert found["curve"][-1] < found["curve"][0] - 0.5
    assert found["test"] == pytest.approx(sum(found["items"]) / 8, abs=1e-3)
    assert pretrained(settings, 0) == found != pretrained(settings, 1)


def test_an_lstm_reads_the_same_windows(settings) -> None:
    """Another kind of network, the same budget and the same test windows."""
    found = pretrained({**settings, "kind": "lstm"}, 0)
    assert found["tokens"] == 1920 and found["curve"][-1] < found["curve"][0]
    with pytest.raises(ValueError, match="residual='plain'"):
        network({**settings, "kind": "lstm", "residual": "plain"}, 280, 0)


def test_a_run_that_diverges_scores_as_one_that_knows_nothing(settings, monkeypatch) -> None:
    """-ln 280 = -5.6348 for every window, and the update at which it happened."""

    def torn(*args, **more):
        raise pretraining.Diverged("loss=nan")
        yield

    monkeypatch.setattr(pretraining, "steps_of", torn)
    found = pretrained(settings, 0)
    assert found["diverged"] == 1 and found["items"] == [-5.6348] * 8 and found["curve"] == []


def drawn(norm: str) -> GPT:
    """What GPT draws by itself with seed 0: 0.02/√8 in pre-LN's writing matrices, else 0.02."""
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab_size=280, **{**SHAPE, "norm": norm}))


@pytest.mark.parametrize(
    ("norm", "residual", "factor"),
    [
        ("pre", None, 1.0),
        ("pre", "scaled", 1.0),
        ("pre", "plain", math.sqrt(8)),
        ("pre", "by layers", math.sqrt(8) / 4),
        ("post", None, 1.0),
        ("post", "scaled", 1 / math.sqrt(8)),
    ],
)
def test_what_writes_to_the_stream_begins_as_named(norm, residual, factor) -> None:
    """With four blocks: GPT-2's 0.02/√8, a plain 0.02, 0.02/4; nothing else moves."""
    made = network({"shape": {**SHAPE, "norm": norm}, "residual": residual}, 280, 0)
    for mine, own in zip(made.h, drawn(norm).h, strict=True):
        for name in ("attn", "mlp"):
            wrote, own_wrote = getattr(mine, name).c_proj.weight, getattr(own, name).c_proj.weight
            assert torch.allclose(wrote, own_wrote * factor, atol=1e-7)
        assert torch.equal(mine.mlp.c_fc.weight, own.mlp.c_fc.weight)


def test_gain_of_a_wider_network() -> None:
    """A vector keeps √(width) · std of its length: at 32 as at 768 asks for √24 times as much."""
    made = network({"shape": SHAPE, "gain_of": 768}, 280, 0)
    own = drawn("pre")
    wider = own.h[0].mlp.c_fc.weight * math.sqrt(24)
    assert torch.allclose(made.h[0].mlp.c_fc.weight, wider, atol=1e-6)
    assert torch.equal(made.wte.weight, own.wte.weight)


def test_ln_f_is_taken_out() -> None:
    """Without it the last state is the residual stream itself."""
    made = network({"shape": SHAPE, "ln_f": False}, 280, 0)
    ids = torch.arange(6)[None]
    assert torch.equal(made.hidden(ids), made.trace(ids).residuals[-1])


def test_windows_by_hand() -> None:
    """Two windows of a text, each scored on its own, against the loss of the network itself."""
    made = network({"shape": SHAPE}, 280, 0)
    tokens = torch.randint(280, (40,)).numpy()
    found = window_losses(made, tokens, 2, 16)
    for start, loss in ((0, found[0]), (23, found[1])):
        row = torch.as_tensor(tokens[start : start + 17])[None]
        assert made.loss(row[:, :-1], row[:, 1:]).item() == pytest.approx(loss.item(), abs=1e-5)
    with pytest.raises(ValueError, match="n=3 windows"):
        window_losses(made, tokens, 3, 16)


def test_a_curve_in_few_points() -> None:
    """Each point is the mean over its part; a short run keeps every update."""
    assert thinned([1.0, 3.0, 5.0, 7.0], 2) == [2.0, 6.0]
    assert thinned([1.0, 2.0], 5) == [1.0, 2.0] and thinned([], 5) == []

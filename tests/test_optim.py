"""Schedules against the papers' numbers, AdamW against one step by hand."""

import math

import pytest
import torch
from torch import nn

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.optim import OptimConfig, lr_at, make_optimizer


@pytest.mark.parametrize(
    ("step", "lr"),
    [(0, 0.0), (1, 1.25e-7), (1000, 1.25e-4), (2000, 2.5e-4), (51_000, 1.25e-4), (100_000, 0.0)],
)
def test_gpt1_warms_up_over_2000_updates_then_follows_a_cosine_to_0(step, lr):
    """GPT-1 §4.1. Of 98,000 updates after the warm-up, 49,000 are the cosine's middle."""
    assert lr_at(step, 100_000, OptimConfig()) == pytest.approx(lr, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("tokens", "lr"),
    [(187.5, 3.0e-4), (375, 6e-4), (130_000, 3.306e-4), (260_000, 6e-5), (300_000, 6e-5)],
)
def test_gpt3_schedule_in_millions_of_tokens(tokens, lr):
    """GPT-3 App. B: 375M tokens of warm-up, cosine to 10 % at 260B, constant to 300B. At 130B the
    cosine has done 129,625 / 259,625 of its way: 6e-5 + 5.4e-4 (1 + cos 0.49928 π) / 2."""
    config = OptimConfig(lr=6e-4, warmup=375, schedule="cosine10", decay_steps=260_000)
    assert lr_at(tokens, 300_000, config) == pytest.approx(lr, rel=1e-4)


def test_linear_and_constant():
    linear = OptimConfig(lr=1.0, warmup=10, schedule="linear")
    assert [lr_at(s, 110, linear) for s in (5, 10, 60, 110, 500)] == [0.5, 1.0, 0.5, 0.0, 0.0]
    constant = OptimConfig(lr=1.0, warmup=10, schedule="constant")
    assert [lr_at(s, 110, constant) for s in (5, 10, 60, 110)] == [0.5, 1.0, 1.0, 1.0]


def test_no_warm_up_starts_at_the_peak():
    assert lr_at(0, 10, OptimConfig(lr=1.0, warmup=0)) == 1.0


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_matrices_decay_and_the_rest_does_not(norm):
    """GPT-1's opt.py: rank above 1 decays, so embeddings and positions do."""
    model = GPT(GPTConfig(vocab_size=10, n_ctx=8, n_layer=1, n_head=2, d_model=8, norm=norm))
    optimizer = make_optimizer(model, OptimConfig(weight_decay=0.25))
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    matrices = {"wte", "wpe", "c_attn", "c_proj", "c_fc"}
    for name, p in model.named_parameters():
        is_matrix = name.endswith("weight") and name.split(".")[-2] in matrices
        assert decay[id(p)] == (0.25 if is_matrix else 0.0), name
    assert len(decay) == len(list(model.parameters()))


def test_one_step_by_hand():
    """After one update both averages, corrected, are the gradient and its square: the matrix
    moves by -lr (g / |g| + decay w), the vector by -lr g / |g|."""
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(2.0)
    optimizer = make_optimizer(model, OptimConfig(lr=0.1, weight_decay=0.5))
    model.weight.grad, model.bias.grad = torch.tensor([[3.0]]), torch.tensor([-3.0])
    optimizer.step()
    assert model.weight.item() == pytest.approx(2.0 - 0.1 * (1 + 0.5 * 2.0), abs=1e-6)
    assert model.bias.item() == pytest.approx(2.0 + 0.1, abs=1e-6)


def test_it_is_fused_and_takes_the_given_numbers():
    optimizer = make_optimizer(nn.Linear(2, 2), OptimConfig(betas=(0.8, 0.9), eps=1e-6))
    for group in optimizer.param_groups:
        assert group["fused"] is True
        assert (group["betas"], group["eps"]) == ((0.8, 0.9), 1e-6)


def test_frozen_parameters_are_left_out():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    groups = make_optimizer(model, OptimConfig()).param_groups
    assert [p is model.bias for g in groups for p in g["params"]] == [True]
    model.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter with requires_grad=True"):
        make_optimizer(model, OptimConfig())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lr", 0.0, "lr=0.0 must be greater than 0"),
        ("lr", math.nan, "lr=nan must be greater than 0"),
        ("eps", -1e-8, "eps=-1e-08 must be greater than 0"),
        ("weight_decay", -0.1, "weight_decay=-0.1 must be at least 0"),
        ("clip", 0.0, "clip=0.0 must be greater than 0"),
        ("warmup", -1, "warmup=-1 must be at least 0"),
        ("betas", (0.9, 1.0), r"betas=\(0.9, 1.0\) must be two numbers in \[0, 1\)"),
        ("betas", (0.9,), r"betas=\(0.9,\) must be two numbers"),
        ("schedule", "step", "schedule='step' must be one of cosine, cosine10, linear, constant"),
        ("decay_steps", 2000, "decay_steps=2000 must be greater than warmup=2000"),
    ],
)
def test_bad_values_are_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        OptimConfig(**{field: value})


@pytest.mark.parametrize(("field", "value"), [("lr", "fast"), ("warmup", "1"), ("clip", True)])
def test_bad_types_are_named(field, value):
    with pytest.raises(TypeError, match=f"{field}={value!r} must be"):
        OptimConfig(**{field: value})


def test_weight_decay_0_and_no_clip_are_allowed():
    assert OptimConfig(weight_decay=0.0, clip=None, warmup=0).clip is None


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant", "cosine10"])
def test_a_warm_up_below_one_is_a_part_of_all_updates(schedule):
    """A quarter of 40 updates are ten; a run of another length has others."""
    share, count = (OptimConfig(lr=1.0, warmup=w, schedule=schedule) for w in (0.25, 10))
    for step in range(40):
        assert lr_at(step, 40, share) == lr_at(step, 40, count)
    assert lr_at(5, 40, share) == 0.5 and lr_at(5, 80, share) == 0.25
    with pytest.raises(ValueError, match="warmup=1.5 must be a whole number, or a part below 1"):
        OptimConfig(warmup=1.5)


def test_a_schedule_that_counts_tokens_needs_whole_numbers_of_them():
    for changes in ({"warmup": 0.1, "decay_steps": 9}, {"warmup": 4}):
        with pytest.raises(ValueError, match="unit='tokens' needs whole numbers of them, got warm"):
            OptimConfig(unit="tokens", **changes)
    with pytest.raises(ValueError, match="unit='days' must be one of updates, tokens"):
        OptimConfig(unit="days")

"""Which settings a network gets: those printed for the published one nearest in size."""

import pytest

from gptcore.config import PRESETS, GPTConfig
from gptcore.optim import lr_at
from gptcore.train.recipes import finetuning, gpt3, pretraining

PRINTED = {  # GPT-1 §4.1; GPT-3 Table 2.1, whose rows stand for GPT-2's unpublished ones
    "gpt1": 2.5e-4,
    "gpt2": 6e-4,
    "gpt2-medium": 3e-4,
    "gpt2-large": 2.5e-4,
    "gpt2-xl": 2e-4,
    "gpt3-small": 6e-4,
    "gpt3-xl": 2e-4,
    "gpt3-2.7b": 1.6e-4,
    "gpt3-6.7b": 1.2e-4,
    "gpt3-13b": 1e-4,
    "gpt3-175b": 0.6e-4,
    "tiny": 1e-3,
    "pocket": 3e-3,
    "tales-gpt1": 1e-3,
}


@pytest.mark.parametrize("name", PRINTED)
def test_rates_are_those_printed(name):
    assert pretraining(PRESETS[name], 1000).optim.lr == PRINTED[name]


def test_the_rest_of_a_recipe_is_its_papers():
    ours = pretraining(PRESETS["gpt1"], 100_000).optim
    assert (ours.betas, ours.weight_decay, ours.schedule) == ((0.9, 0.999), 0.01, "cosine")
    gpt3 = pretraining(PRESETS["gpt2-xl"], 100_000).optim
    assert (gpt3.betas, gpt3.weight_decay, gpt3.schedule) == ((0.9, 0.95), 0.1, "cosine10")


@pytest.mark.parametrize(
    ("name", "steps", "warmup"),
    [("gpt1", 100_000, 2000), ("gpt1", 50, 5), ("tiny", 5000, 100), ("tiny", 9, 0), ("gpt2", 1, 0)],
)
def test_the_warm_up_fits_every_run(name, steps, warmup):
    assert pretraining(PRESETS[name], steps).optim.warmup == warmup


def test_the_vocabulary_does_not_make_a_network_large():
    """A table of 50,257 tokens outweighs small blocks, and says nothing of how they learn."""
    shape = GPTConfig(vocab_size=50257, n_layer=2, n_head=2, d_model=128)
    assert pretraining(shape, 1000).optim.lr == 3e-3


@pytest.mark.parametrize(
    ("name", "lr", "batch"),
    [("gpt1", 6.25e-5, 32), ("gpt2", 6.25e-5, 32), ("gpt3-xl", 9.65e-6, 32)]
    + [("gpt3-175b", 5.03e-6, 8), ("tales-gpt1", 1e-3, 16), ("tiny", 1e-3, 16)],
)
def test_fine_tuning_rates_are_those_printed(name, lr, batch):
    found = finetuning(PRESETS[name])
    assert (found.lr, found.batch_size) == (lr, batch)


@pytest.mark.parametrize(
    ("name", "windows", "steps", "first", "ramp"),
    [("gpt3-small", 244, 615_680, 16, 4e9), ("gpt3-175b", 1562, 107_391, 16, 12e9)],
)
def test_gpt3s_recipe_at_full_length_is_the_printed_one(name, windows, steps, first, ramp):
    """300 billion tokens are 146,484,375 windows of 2,048.

    125M: half a million tokens are 244 windows, 32 k of them 16. While the batch grows over 4/300
    of the run, a window takes ln(244/16)/228 = 0.01195 updates, afterwards 1/244: 615,680 in all.
    175B: 3.2 million are 1,562 windows; over 12/300, ln(1562/16)/1546 = 0.002963: 107,391.
    """
    found = gpt3(PRESETS[name], steps, windows)
    assert found.tokens == pytest.approx(300e9, rel=1e-4)
    assert found.optim.warmup == pytest.approx(375e6, rel=1e-4)
    assert found.optim.decay_steps == pytest.approx(260e9, rel=1e-4)
    assert (found.ramp.start, found.ramp.tokens) == (first, pytest.approx(ramp, rel=1e-4))
    plan = found.optim
    assert (plan.betas, plan.eps, plan.clip, plan.weight_decay) == ((0.9, 0.95), 1e-8, 1.0, 0.1)
    for tokens, part in ((187.5e6, 1 / 2), (375e6, 1), (130e9, 0.551), (260e9, 0.1), (300e9, 0.1)):
        assert lr_at(tokens, 0, plan) == pytest.approx(part * PRINTED[name], rel=1e-3)


def test_gpt3s_recipe_shrinks_every_length_by_one_factor():
    """1,000 updates of at most 50 windows of 64 tokens, by hand.

    32 k of half a million is 3.2 windows, so 3. Growing takes ln(50/3)/47 = 0.059860 updates per
    window over 4/300 of the run, the rest 0.02: 0.0205315 in the mean, 48,706 windows, 3,117,164
    tokens, 1.03905e-5 of 300 billion. So the rate rises for 3,896 and falls until 2,701,542.
    """
    shape = GPTConfig(vocab_size=300, n_ctx=64, n_layer=2, n_head=2, d_model=128)
    found = gpt3(shape, 1000, 50)
    assert found.tokens == pytest.approx(3_117_164, rel=1e-4)
    assert found.optim.warmup == 3_896
    assert found.optim.decay_steps == pytest.approx(2_701_542, rel=1e-4)
    assert (found.ramp.start, found.ramp.tokens) == (3, pytest.approx(41_562, rel=1e-4))
    assert found.optim.lr == 3e-3  # this size has no printed one
    assert found.told(1000).startswith(
        "gpt3-small (GPT-3 Table 2.1, App. B): 1/96,241 of its 300 billion tokens, every length "
        "shrunk alike: about 3,117,"
    )
    twice = gpt3(shape, 1000, 50, parts=2)
    assert twice.tokens == pytest.approx(2 * found.tokens, rel=1e-6)
    assert gpt3(shape, 10, 1).ramp.start == 1  # a single window cannot grow

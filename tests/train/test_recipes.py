"""Which settings a network gets: those printed for the published one nearest in size."""

import pytest

from gptcore.config import PRESETS, GPTConfig
from gptcore.train.recipes import finetuning, pretraining

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

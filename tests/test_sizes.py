"""Parameters and memory against counts made by hand."""

import pytest
import torch

from gptcore.config import PRESETS
from gptcore.model import GPT
from gptcore.sizes import memory, parameter_counts, report


def meta(preset: str) -> GPT:
    with torch.device("meta"):
        return GPT(PRESETS[preset])


def test_gpt1_by_part():
    """768 wide: attention 4 · 768² + 4 · 768, MLP 8 · 768² + 5 · 768, two LayerNorms of 1,536."""
    assert parameter_counts(meta("gpt1")) == {
        "token embeddings": 31_087_104,
        "positions": 393_216,
        "attention": 12 * 2_362_368,
        "MLP": 12 * 4_722_432,
        "LayerNorm": 12 * 3_072,
    }


def test_memory_of_gpt2():
    """124,439,808 parameters; the cache holds 2 · 12 layers · 1,024 positions · 768 numbers."""
    assert memory(meta("gpt2")) == {
        "weights, fp32": 497_759_232,
        "weights, fp16": 248_879_616,
        "training, fp32": 1_991_036_928,
        "key-value cache": 75_497_472,
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_from_the_sizes_are_those_of_the_network(preset: str) -> None:
    """Oracle: the network's own tensors, of every preset; part by part they add up to it."""
    model = meta(preset)
    assert sum(parameter_counts(PRESETS[preset]).values()) == model.n_params()
    assert parameter_counts(model) == parameter_counts(PRESETS[preset])
    attention = sum(p.numel() for n, p in model.named_parameters() if ".attn." in n)
    norms = sum(p.numel() for n, p in model.named_parameters() if "ln_" in n)
    counts = parameter_counts(model)
    assert (counts["attention"], counts["LayerNorm"]) == (attention, norms)


def test_the_report_of_the_largest():
    text = report(meta("gpt3-175b"))
    assert "174,604,259,328" in text
    assert "2.5 TiB" in text  # 16 · 174.6e9 / 2^40 = 2.541
    assert "dense, banded" in text

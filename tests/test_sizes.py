"""Parameters and memory against counts made by hand."""

import pytest
import torch

from gptcore.config import GPT3_TABLE_2_1, PRESETS, GPTConfig
from gptcore.model import GPT
from gptcore.sizes import (
    PF_DAY,
    Device,
    activations,
    days,
    devices_to_hold,
    forward_flops,
    memory,
    parameter_counts,
    report,
    training_flops,
    training_state,
)

GPT3 = {  # golden: parameters, tied, V = 50,257, n_ctx = 2,048; GPT-3's Table D.1 in millions
    "gpt3-small": (125_226_240, 125),
    "gpt3-medium": (355_871_744, 356),
    "gpt3-large": (760_300_032, 760),
    "gpt3-xl": (1_315_723_264, 1_320),
    "gpt3-2.7b": (2_651_553_280, 2_650),
    "gpt3-6.7b": (6_658_404_352, 6_660),
    "gpt3-13b": (12_853_386_240, 12_850),
    "gpt3-175b": (174_604_259_328, 174_600),
}
SMALL = GPTConfig(vocab_size=10, n_ctx=4, n_layer=2, n_head=2, d_model=8, dropout=0.0)


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


def test_a_banded_layer_caches_its_window():
    """GPT-3 small: 2 · (6 layers of 2,048 positions and 6 of 256) · 768 numbers of four bytes."""
    assert memory(PRESETS["gpt3-small"])["key-value cache"] == 4 * 2 * 6 * (2048 + 256) * 768


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


@pytest.mark.parametrize("name", GPT3)
def test_all_eight_sizes_on_the_meta_device(name: str) -> None:
    """Golden values, from the network's own tensors without a byte of memory, and within a
    half of a percent of what the paper's Table D.1 prints."""
    exact, printed = GPT3[name]
    assert meta(name).n_params() == exact == sum(parameter_counts(PRESETS[name]).values())
    assert exact / 1e6 == pytest.approx(printed, rel=5e-3)


def test_two_rows_of_table_2_1_contradict_themselves() -> None:
    """Heads times their width is the width of the network in six rows of eight."""
    rows = GPT3_TABLE_2_1.items()
    assert [n for n, r in rows if r.n_head * r.d_head != r.d_model] == ["gpt3-xl", "gpt3-13b"]


def test_flops_of_gpt3_small() -> None:
    """By hand, per token forward: blocks 2 · 12 layers · 12 · 768². Attention: six dense layers of
    2,049 / 2 keys, six banded ones of (256 · 257 / 2 + 1,792 · 256) / 2,048 = 240.0625, times
    4 · 768. Output matrix 2 · 50,257 · 768. Training is three times their sum."""
    found = forward_flops(PRESETS["gpt3-small"])
    assert found == {
        "blocks": 169_869_312,
        "attention": 4 * 768 * 6 * (1024.5 + 240.0625),
        "output matrix": 77_194_752,
    }
    assert training_flops(PRESETS["gpt3-small"], 10) == pytest.approx(30 * sum(found.values()))
    with pytest.raises(ValueError, match="tokens=0 must be a finite number greater than 0"):
        training_flops(PRESETS["gpt3-small"], 0)


def test_flops_are_those_that_torch_counts() -> None:
    """Oracle: torch's own counter of matrix products, on a network without attention's half; it
    counts all keys of a dense layer, not only those that may be read."""
    from torch.utils.flop_counter import FlopCounterMode

    config = GPTConfig(vocab_size=50, n_ctx=8, n_layer=2, n_head=2, d_model=16, dropout=0.0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        GPT(config)(torch.zeros(1, 8, dtype=torch.long))
    found = forward_flops(config)
    every_key = 2 * 4 * 16 * 8
    assert found["attention"] == 2 * 4 * 16 * 4.5
    counted = counter.get_total_flops() / 8
    assert counted in (
        found["blocks"] + found["output matrix"] + every_key,
        found["blocks"] + found["output matrix"],  # attention by a kernel that it does not know
    )


def test_a_sixth_of_the_flops_is_the_size_where_the_network_is_large() -> None:
    """At 175B within one percent; 16 wide, half as much again as the parameters in matrices."""
    assert training_flops(PRESETS["gpt3-175b"]) / 6 == pytest.approx(174_604_259_328, rel=1e-2)
    paper = 6 * 174_604_259_328 * 300e9 / PF_DAY
    assert paper == pytest.approx(3_637.6, rel=1e-4)  # the paper prints 3,640
    counted = training_flops(PRESETS["gpt3-175b"], 300e9) / PF_DAY
    assert 1 < counted / paper < 1.01


def test_activations_by_hand() -> None:
    """A block of SMALL keeps 32 · 8 bytes for each of 4 tokens, the logits take 4 · 4 · 10. With
    dropout Korthikanti et al.'s 34 s b h, and 5 a s² b where attention keeps its weights."""
    assert activations(SMALL) == 2 * 4 * 32 * 8 + 160
    assert activations(SMALL, recompute=True) == 2 * 2 * 4 * 8 + 4 * 32 * 8 + 160
    assert activations(SMALL, fused=False) == 2 * (4 * 32 * 8 + 2 * 2 * 16) + 160
    wet = GPTConfig(vocab_size=10, n_ctx=4, n_layer=2, n_head=2, d_model=8, dropout=0.1)
    assert activations(wet, fused=False) == 2 * (34 * 4 * 8 + 5 * 2 * 16) + 160


def test_what_175b_asks_for() -> None:
    """16 bytes a parameter are 2,793.7 GB, 34.9 memories of 80 GB before any activation; with
    those of one context, 6.05 GB, 37.8. Days: 3.169e23 / (1,024 · 312e12 · 0.4 · 86,400)."""
    config = PRESETS["gpt3-175b"]
    assert sum(training_state(config).values()) == 16 * 174_604_259_328
    assert devices_to_hold(config) == 38
    flops = training_flops(config, 300e9)
    assert flops == pytest.approx(3.1690e23, rel=1e-3)
    assert days(flops, 1024) == pytest.approx(28.70, rel=1e-3)
    assert days(flops, 1024, Device(utilisation=0.2)) == pytest.approx(57.40, rel=1e-3)
    assert devices_to_hold(PRESETS["gpt3-small"]) == 1
    with pytest.raises(ValueError, match="memory=1e.09 must exceed 6,048,849,920 bytes"):
        devices_to_hold(config, Device(memory=1e9))
    with pytest.raises(ValueError, match="devices=0 must be"):
        days(flops, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"memory": 0}, "memory=0 must be a finite number greater than 0"),
        ({"flops": float("nan")}, "flops=nan must be"),
        ({"utilisation": 1.2}, "utilisation=1.2 must be at most 1"),
    ],
)
def test_a_device_that_cannot_be(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Device(**given)


def test_the_report_says_what_training_takes() -> None:
    """3 · 3.521e11 FLOPs a token; 16 bytes a parameter are 2.5 TiB."""
    text = report(PRESETS["gpt3-175b"])
    for part in ("FLOPs for a token", "1.056e+12", "state, Adam's too", "same, recomputed"):
        assert part in text

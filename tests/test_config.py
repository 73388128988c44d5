"""What this proves: sizes match the papers to the last parameter, and bad sizes are refused."""

import re
from dataclasses import FrozenInstanceError, replace
from typing import get_args

import pytest
import torch

from gptcore.attention import PATTERNS
from gptcore.config import GPT3_TABLE_2_1, PRESETS, Activation, GPTConfig, PatternName, scale
from gptcore.model import ACTIVATIONS, GPT
from gptcore.sizes import parameter_counts, report

# Worked by hand from V·d + C·d + L(12d² + 13d) + 2d·[final LayerNorm]; GPT-1's and GPT-2's counts
# are also those of transformers' models built from the published configs.
PARAMETERS = {
    "gpt1": 116_534_784,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt3-small": 125_226_240,
    "gpt3-medium": 355_871_744,
    "gpt3-large": 760_300_032,
    "gpt3-xl": 1_315_723_264,
    "gpt3-2.7b": 2_651_553_280,
    "gpt3-6.7b": 6_658_404_352,
    "gpt3-13b": 12_853_386_240,
    "gpt3-175b": 174_604_259_328,
}

# GPT-3, Table D.1: parameters in millions.
TABLE_D1 = {
    "gpt3-small": 125,
    "gpt3-medium": 356,
    "gpt3-large": 760,
    "gpt3-xl": 1_320,
    "gpt3-2.7b": 2_650,
    "gpt3-6.7b": 6_660,
    "gpt3-13b": 12_850,
    "gpt3-175b": 174_600,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_preset_has_the_published_number_of_parameters(name):
    with torch.device("meta"):
        assert GPT(PRESETS[name]).n_params() == PARAMETERS[name]


@pytest.mark.parametrize("name", TABLE_D1)
def test_gpt3_counts_agree_with_table_d1_to_half_a_percent(name):
    assert abs(PARAMETERS[name] / 1e6 / TABLE_D1[name] - 1) < 0.005


def test_printed_gpt3_rows_keep_the_papers_slips_and_presets_do_not():
    xl, big = GPT3_TABLE_2_1["gpt3-xl"], GPT3_TABLE_2_1["gpt3-13b"]
    assert (xl.n_head, xl.d_head, xl.d_model) == (24, 128, 2048)
    assert (big.n_head, big.d_head, big.d_model) == (40, 128, 5140)
    assert (PRESETS["gpt3-xl"].n_head, PRESETS["gpt3-xl"].d_head) == (16, 128)
    assert PRESETS["gpt3-13b"].d_model == 5120
    slips = {
        name
        for name, row in GPT3_TABLE_2_1.items()
        if (row.n_head, row.d_model, row.n_layer)
        != (PRESETS[name].n_head, PRESETS[name].d_model, PRESETS[name].n_layer)
    }
    assert slips == {"gpt3-xl", "gpt3-13b"}


def test_derived_sizes_and_patterns():
    config = GPTConfig(n_layer=5, n_head=4, d_model=32, pattern=("dense", "banded"))
    assert (config.d_head, config.d_ff) == (8, 128)
    names = [config.pattern_of(i) for i in range(5)]
    assert names == ["dense", "banded", "dense", "banded", "dense"]


def test_pattern_names_are_the_predicates():
    assert set(get_args(PatternName)) == set(PATTERNS)


def test_activation_names_are_the_functions():
    assert set(get_args(Activation)) == set(ACTIVATIONS)


def test_the_mlp_is_as_wide_as_it_is_told_and_otherwise_follows_the_stream():
    config = replace(PRESETS["tiny"], n_inner=100)
    assert (config.d_ff, PRESETS["tiny"].d_ff) == (100, 256)
    assert replace(PRESETS["tiny"], d_model=32).d_ff == 128
    counts = parameter_counts(config)
    assert counts["MLP"] == 2 * (64 * 100 + 100 + 100 * 64 + 64)
    assert sum(counts.values()) == GPT(config).n_params()
    assert re.search(r"d_ff +100\n", report(config)) and "n_inner" not in report(config)


def test_config_is_frozen():
    with pytest.raises(FrozenInstanceError):
        PRESETS["gpt1"].n_layer = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_head": 5}, "n_head=5 must divide d_model=64"),
        ({"n_layer": 0}, "n_layer=0 must be at least 1"),
        ({"n_ctx": -4}, "n_ctx=-4 must be at least 1"),
        ({"norm": "both"}, "norm='both' must be 'post' or 'pre'"),
        ({"pattern": ("sparse",)}, "pattern='sparse' must be one of dense, banded"),
        ({"pattern": ()}, r"pattern=\(\) must be a tuple of at least one name"),
        ({"pattern": "dense"}, "pattern='dense' must be a tuple"),
        ({"dropout": 1.0}, r"dropout=1.0 must be in \[0, 1\)"),
        ({"dropout": float("nan")}, r"dropout=nan must be in \[0, 1\)"),
        ({"activation": "gelu"}, "activation='gelu' must be one of gelu_tanh, gelu_erf"),
        ({"n_inner": 0}, "n_inner=0 must be at least 1, or None for 4 d_model"),
        ({"ln_eps": -1e-5}, r"ln_eps=-1e-05 must be in \[0, 1\)"),
        ({"ln_eps": float("nan")}, r"ln_eps=nan must be in \[0, 1\)"),
        (
            {"pattern": ("fixed",), "window": 4, "summary": 5},
            "summary=5 must not exceed window=4",
        ),
    ],
)
def test_a_bad_value_is_refused_with_field_value_and_rule(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PRESETS["tiny"], **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": 64.0}, "d_model=64.0 must be an int"),
        ({"vocab_size": "big"}, "vocab_size='big' must be an int"),
        ({"dropout": "none"}, "dropout='none' must be a number"),
        ({"n_inner": 2.5}, "n_inner=2.5 must be an int or None"),
        ({"ln_eps": "small"}, "ln_eps='small' must be a number"),
    ],
)
def test_a_wrong_type_is_refused(change, message):
    with pytest.raises(TypeError, match=message):
        replace(PRESETS["tiny"], **change)


def test_scale_is_laptop_unless_the_environment_says_gpu(monkeypatch):
    monkeypatch.delenv("GPTCORE_SCALE", raising=False)
    assert scale() == "laptop"
    monkeypatch.setenv("GPTCORE_SCALE", "gpu")
    assert scale() == "gpu"
    monkeypatch.setenv("GPTCORE_SCALE", "paper")
    with pytest.raises(ValueError, match="GPTCORE_SCALE='paper' must be 'laptop' or 'gpu'"):
        scale()

"""The training calculator: what it knows of each network, and what it refuses."""

import json

import pytest
from traitlets import TraitError

from gptcore.config import GPTConfig
from gptcore.show import TrainingCalculator


def test_the_eight_sizes_and_three_devices() -> None:
    """Golden parameters of the smallest and largest; training on a token takes three passes."""
    found = TrainingCalculator()
    assert len(found.models) == 8 and len(found.kinds) == 3
    facts = {one["name"]: one for one in found.models}
    assert facts["gpt3-small"]["n"] == 125_226_240
    assert facts["gpt3-175b"]["n"] == 174_604_259_328
    assert facts["gpt3-175b"]["again"] == 6_048_849_920
    assert facts["gpt3-small"]["flops"] == pytest.approx(3 * 270_372_480)
    assert sum(size for _, size in found.state_bytes) == 16


def test_the_text_says_what_follows() -> None:
    """175B on 300B tokens, 1,024 A100s at 40 %: 3.169e23 / (1,024 · 312e12 · 0.4 · 86,400) = 28.7
    days, 2,793.7 GB / 1,024 + 6.05 GB = 8.8 GB, 28.7 · 24 · 1,024 · 2 = 1.41 million."""
    alt = TrainingCalculator().alt
    assert "28.7 days, 8.8 GB a device, 1,410," in alt
    state = json.loads(TrainingCalculator().twin().split('json">')[1].split("</script>")[0])
    assert state["tokens"] == 300e9 and state["model"] == "gpt3-175b" and state["recompute"] is True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "gpt4"}, "model='gpt4' must be one of gpt3-small"),
        ({"device": "abacus"}, "device='abacus' must be one of V100"),
        ({"tokens": 0}, "tokens=0.0 must be above 0"),
        ({"devices": -1}, "devices=-1 must be above 0"),
        ({"utilisation": 1.5}, "utilisation=1.5 must be above 0, and at most 1"),
        ({"price": float("nan")}, "price=nan must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(given: dict, message: str) -> None:
    with pytest.raises(TraitError, match=message):
        TrainingCalculator(**given)


def test_networks_of_ones_own() -> None:
    """Any sizes; by hand 10 · 8 + 4 · 8 embeddings and positions, 8 in ln_f's two rows, a block."""
    small = GPTConfig(vocab_size=10, n_ctx=4, n_layer=1, n_head=2, d_model=8, dropout=0.0)
    found = TrainingCalculator({"small": small}, model="small")
    block = 12 * 64 + 13 * 8  # matrices, and 4 + 5 biases and 4 rows of norms, 8 wide each
    assert found.models[0]["n"] == 80 + 32 + 16 + block


def test_a_small_network_on_one_device() -> None:
    """125,226,240 parameters at 16 bytes are 2.0 GB, activations 0.5; a thousand take kilobytes."""
    one = TrainingCalculator(model="gpt3-small", devices=1).alt
    assert "with 1 device (A100" in one and " 2.5 GB a device" in one
    small = GPTConfig(vocab_size=10, n_ctx=4, n_layer=1, n_head=2, d_model=8, dropout=0.0)
    alt = TrainingCalculator({"small": small}, model="small", devices=2).alt
    assert "with 2 devices (A100" in alt and " kB a device" in alt and "GB a device" not in alt

"""The anatomy's numbers: counted on the network, checked by hand and by PyTorch's own counter."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import small_models
import torch
from torch.utils.flop_counter import FlopCounterMode

from gptcore.config import PRESETS, GPTConfig
from gptcore.show import Anatomy
from gptcore.show.explorers.anatomy.anatomy import dissect, flops_per_token, keys_read
from gptcore.show.explorers.anatomy.anatomy_parts import excerpts, flow

ROOT = Path(__file__).parents[2]
PUBLISHED = {  # GPT-1: its released shapes; GPT-2: released layouts; GPT-3: V = 50,257, tied
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
TINY = GPTConfig(vocab_size=30, n_ctx=8, n_layer=3, n_head=2, d_model=4)


@pytest.fixture(scope="module")
def explorer() -> Anatomy:
    """All presets."""
    return Anatomy()


def in_all(network: dict, values: dict) -> float:
    """The sum over a network of what one copy of each part has."""
    parts = {part.id: part for part in flow(network["norm"])}
    blocks = network["sizes"]["L"]
    return sum(n * (blocks if parts[name].in_block else 1) for name, n in values.items())


def test_totals_are_the_published_ones(explorer) -> None:
    """Every preset, as `total` says it and as its parts add up to; ours by 12 C² + 13 C a block."""
    networks = {network["name"]: network for network in explorer.presets}
    assert list(networks) == list(PRESETS)
    for name, network in networks.items():
        config = PRESETS[name]
        C, V = config.d_model, config.vocab_size
        last = 2 * C if config.norm == "pre" else 0
        by_hand = V * C + config.n_ctx * C + config.n_layer * (12 * C * C + 13 * C) + last
        wanted = PUBLISHED.get(name, by_hand)
        assert network["total"] == wanted == by_hand, name
        assert in_all(network, network["params"]) == wanted, name
        assert sum(network["groups"].values()) == wanted, name


def test_the_parts_of_gpt1(explorer) -> None:
    """One block by hand: 768 · 2,304 + 2,304 and so on; 7,087,872 in all."""
    params = explorer.presets[0]["params"]
    assert params["wte"] == 40_478 * 768 and params["wpe"] == 512 * 768
    block = {
        "c_attn": 1_771_776,
        "attn_proj": 590_592,
        "ln_1": 1_536,
        "c_fc": 2_362_368,
        "mlp_proj": 2_360_064,
        "ln_2": 1_536,
    }
    assert {name: params[name] for name in block} == block and sum(block.values()) == 7_087_872
    nothing = {name for name, n in params.items() if not n}
    assert nothing == {"ids", "add", "mix", "res_1", "gelu", "res_2", "logits"}


def test_letters_are_the_shapes_of_the_weights(explorer) -> None:
    """The shapes written for each part, with the network's numbers, hold its parameters."""
    for network in explorer.presets:
        for part in explorer.flows[network["norm"]]:
            shapes = [[network["sizes"][n] for n in shape] for shape in part["weights"].values()]
            assert sum(map(math.prod, shapes)) == network["params"][part["id"]], part["id"]
            known = {"B", "T", *network["sizes"]}
            assert known.issuperset([*part["reads"], *part["makes"], *part["inside"]])


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_flops_are_those_that_pytorch_counts(norm: str) -> None:
    """T = 16 tokens through the real network; PyTorch computes T keys for each, not (T + 1) / 2."""
    model = small_models.make(norm, n_layer=3)
    config, T = model.config, 16
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.trace(torch.zeros(1, T, dtype=torch.long))
    found = flops_per_token(config, T)
    one_block = sum(found.values()) - found["logits"] - found["mix"]
    whole_square = found["mix"] * 2 * T / (T + 1)
    wanted = T * (3 * (one_block + whole_square) + found["logits"])
    assert counter.get_total_flops() == pytest.approx(wanted, rel=1e-12)


def test_flops_of_gpt1_by_hand(explorer) -> None:
    """Two for each weight of a matrix; attention: 2 · 768 for q·k and for the values, per key."""
    network = explorer.presets[0]
    flops = network["flops"]
    assert flops["c_attn"] == 2 * 768 * 2_304 and flops["logits"] == 2 * 40_478 * 768
    assert network["lengths"] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert flops["mix"][0] == 4 * 768 and flops["mix"][-1] == 4 * 768 * 513 / 2
    per_block = 2 * (1_769_472 + 589_824 + 2 * 2_359_296) + 4 * 768 * 513 / 2
    at_end = {name: n[-1] if name == "mix" else n for name, n in flops.items()}
    assert in_all(network, at_end) == 12 * per_block + 2 * 40_478 * 768 == 241_499_136


def test_keys_by_hand() -> None:
    """Rows of 1, 2, 3, 4 keys; a band of 2 has 1, 2, 2, 2; layers 0 and 2 of three are dense."""
    assert keys_read(TINY, 4) == 2.5
    assert keys_read(replace(TINY, pattern=("banded",), window=2), 4) == 1.75
    mixed = replace(TINY, pattern=("dense", "banded"), window=2)
    assert keys_read(mixed, 4) == pytest.approx((2.5 + 1.75 + 2.5) / 3, rel=1e-12)
    assert keys_read(mixed, 1) == 1


def test_half_banded_layers_save_what_was_worked_out() -> None:
    """A band of 256 in 2,048 tokens: (256 · 257 / 2 + 1,792 · 256) / 2,048 keys; dense: 1,024.5."""
    found = keys_read(PRESETS["gpt3-175b"], 2_048)
    assert found == pytest.approx((1_024.5 + (32_896 + 1_792 * 256) / 2_048) / 2, rel=1e-12)
    assert found / 1_024.5 == pytest.approx(0.617, abs=5e-4)


def test_lengths_end_with_the_context() -> None:
    """Powers of two, then n_ctx, whatever it is."""
    for n_ctx, wanted in {1: [1], 8: [1, 2, 4, 8], 12: [1, 2, 4, 8, 12]}.items():
        network = dissect("mine", replace(TINY, n_ctx=n_ctx))
        assert network["lengths"] == wanted
        assert len(network["keys"]) == len(network["flops"]["mix"]) == len(wanted)


ATTENTION, MLP = ["c_attn", "mix", "attn_proj", "res_1"], ["c_fc", "gelu", "mlp_proj", "res_2"]


def test_post_and_pre_have_their_norms_in_other_places() -> None:
    """Behind each sum and on the stream, or before each sub-layer and beside it; ln_f once."""
    start, end = ["ids", "wte", "wpe", "add"], ["logits"]
    post, pre = flow("post"), flow("pre")
    wanted = [*start, *ATTENTION, "ln_1", *MLP, "ln_2", *end]
    assert [part.id for part in post] == wanted
    wanted = [*start, "ln_1", *ATTENTION, "ln_2", *MLP, "ln_f", *end]
    assert [part.id for part in pre] == wanted
    places = [{p.id: p.place for p in parts if p.kind == "norm"} for parts in (post, pre)]
    assert places[0] == {"ln_1": "spine", "ln_2": "spine"}
    assert places[1] == {"ln_1": "branch", "ln_2": "branch", "ln_f": "spine"}
    outside = {part.id for part in pre if not part.in_block}
    assert outside == {*start, "ln_f", "logits"}


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_code_shown_is_the_code(norm: str, explorer) -> None:
    """Each line stands in the file that is named, at the number that is given."""
    for part in explorer.flows[norm]:
        assert part["code"], part["id"]
        for run in part["code"]:
            lines = (ROOT / run["file"]).read_text("utf-8").splitlines()[run["line"] - 1 :]
            shown = run["text"].split("\n")
            assert [line.strip() for line in shown] == [n.strip() for n in lines[: len(shown)]]
            assert not shown[0].startswith(" ") and "\t" not in run["text"]


def test_the_right_branch_of_the_block_is_shown(explorer) -> None:
    """GPT-1's line wraps the sum, GPT-2's feeds the sub-layer."""
    shown = {
        norm: {part["id"]: part["code"][-1]["text"] for part in parts}
        for norm, parts in explorer.flows.items()
    }
    assert shown["post"]["res_1"] == "x = self.ln_1(x + self.attn(x, mask, past, weights))"
    assert shown["pre"]["ln_2"] == "x = x + self.mlp(self.ln_2(x))"
    assert "softmax" in shown["pre"]["mix"] and "F.linear" in shown["post"]["logits"]


def test_lines_that_moved_away_are_noticed() -> None:
    """A text that no line has, or two lines have, is an error and never a silent gap."""
    with pytest.raises(LookupError, match=r"'no such' stands in 0 lines of flow, not in 1"):
        excerpts([(flow, "no such", "")])
    with pytest.raises(LookupError, match=r"'block = ' stands in 2 lines of flow"):
        excerpts([(flow, "block = ", "")])


def test_each_part_says_what_it_is_and_where(explorer) -> None:
    """A sentence, and a place in each of the three papers."""
    for part in [part for parts in explorer.flows.values() for part in parts]:
        assert part["what"].endswith(".") and part["name"]
        assert set(part["sections"]) == {"gpt1", "gpt2", "gpt3"} and all(part["sections"].values())


def test_patterns_are_named_layer_by_layer(explorer) -> None:
    """All alike, in turn over many layers, and over few."""
    found = {network["name"]: network for network in explorer.presets}
    assert found["gpt2"]["pattern"] == "all layers dense: every position up to its own"
    assert found["gpt3-175b"]["patterns"] == ["dense", "banded"]
    assert found["gpt3-175b"]["pattern"] == (
        "layers 0, 2, … 94 dense: every position up to its own; "
        "layers 1, 3, … 95 banded: the last 256 positions"
    )
    few = dissect("few", replace(TINY, pattern=("strided", "fixed"), window=8))
    assert (
        few["pattern"].startswith("layers 0, 2 strided: ") and "; layer 1 fixed: " in few["pattern"]
    )


def test_what_the_papers_print_is_told(explorer) -> None:
    """The label of Table 2, the two rows of Table 2.1 that contradict themselves, ours as ours."""
    notes = {network["name"]: network["note"] for network in explorer.presets}
    assert "prints 1542M" in notes["gpt2-xl"] and "Table 2 says 117M" in notes["gpt1"]
    assert "width 2,048 and 24 heads of 128" in notes["gpt3-xl"]
    assert "width 5,140 and 40 heads of 128" in notes["gpt3-13b"]
    clash = [name for name, note in notes.items() if "do not fit together" in note]
    assert clash == ["gpt3-xl", "gpt3-13b"]
    assert "our own" in notes["tiny"]
    assert all("256 is ours" in note for name, note in notes.items() if name.startswith("gpt3"))
    titles = [network["title"] for network in explorer.presets]
    assert {"GPT-1", "GPT-2", "GPT-2 XL", "GPT-3 small", "GPT-3 2.7B"} < set(titles)


def test_the_text_alternative_has_the_facts(explorer) -> None:
    """Size, where the norms stand, the parts by size, what a token costs."""
    assert explorer.alt == (
        "GPT-1 from tokens to logits, one of 20 networks to choose from: 12 blocks of 12 heads, "
        "768 wide. LayerNorm stands behind each residual sum. 116,534,784 parameters: MLP 48.63%, "
        "token embeddings 26.68%, attention 24.33%, positions 0.34%, LayerNorm 0.03%. A forward "
        "pass costs 241.5 million FLOPs per token in a text of 512 tokens."
    )
    assert "before each sub-layer and once more" in Anatomy("gpt2", presets=["gpt2"]).alt
    assert Anatomy("gpt2", presets=["gpt2"], alt="Mine.").alt == "Mine."


def test_state_is_small_and_one_block_stands_for_all(explorer) -> None:
    """Fifteen networks in 50 KB; 96 blocks take no more room than 12."""
    assert len(explorer.twin()) < 50_000
    small, large = (len(Anatomy(n, presets=[n]).twin()) for n in ("gpt3-small", "gpt3-175b"))
    assert abs(large - small) < 300


def test_networks_of_ones_own() -> None:
    """Any config, by any name; the family follows from the norm."""
    explorer = Anatomy("mine", presets={"mine": TINY, "old": replace(TINY, norm="post")})
    mine, old = explorer.presets
    assert (mine["title"], mine["family"], mine["note"]) == ("mine", "gpt2", "")
    assert old["family"] == "gpt1" and set(explorer.flows) == {"pre", "post"}
    assert mine["total"] - old["total"] == 2 * TINY.d_model
    assert dissect("gpt1", TINY)["note"] == "", "a name alone is not the published network"


def test_what_is_not_there_is_refused() -> None:
    """The message names the value and what there is."""
    with pytest.raises(KeyError, match=r"preset='gpt4' must be one of gpt1, gpt2"):
        Anatomy("gpt4")
    with pytest.raises(KeyError, match=r"preset='gpt1' must be one of gpt2"):
        Anatomy(presets=["gpt2"])
    with pytest.raises(KeyError, match=r"preset='nope' must be one of gpt1"):
        Anatomy(presets=["gpt1", "nope"])
    with pytest.raises(TypeError, match=re.escape("presets='gpt1' must be several names")):
        Anatomy(presets="gpt1")

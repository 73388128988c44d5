"""Attention step by step: what the page is given, and what it makes of it, is the model's own."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from node import node

from gptcore.show.explorers.attention_steps.attention_steps import (
    MASKS,
    STEPS,
    AttentionSteps,
    heads_of,
    look,
    pack,
)
from gptcore.tokenizer import Tokenizer

TEXTS = ["low lower", "lowest low low"]
# Every matrix of every head of a twin's first text, as the page computes them.
WALK = """
import { readFileSync } from "node:fs";
import { load } from "LOADER";
const { reader, vectors, walk } = await load("attention_steps");
const revive = (_, value) => typeof value?.base64 !== "string" ? value
  : new DataView(Uint8Array.from(Buffer.from(value.base64, "base64")).buffer);
const { state, mask } = JSON.parse(readFileSync(0, "utf-8"), revive);
const look = state.texts[0], T = look.tokens.length, all = [];
for (let index = 0; index < state.n_layer * state.n_head; index++) {
  const may = reader(T, look.may?.[Math.floor(index / state.n_head)]);
  const made = walk(vectors(look, index, state.sizes), T, may, mask);
  all.push(Object.fromEntries(Object.entries(made).map(([k, v]) => [k, [...v].map(String)])));
}
process.stdout.write(JSON.stringify(all));
"""


@pytest.fixture
def tokenizer() -> Tokenizer:
    """The 256 bytes, some merges, one special token."""
    return Tokenizer.train("low low lower lowest new newer", vocab_size=270)


def in_the_page(explorer: AttentionSteps, mask: str = "causal") -> list[dict[str, np.ndarray]]:
    """The matrices that the page makes of a twin's state: one dict per head, flat."""
    code = WALK.replace("LOADER", (Path(__file__).parents[1] / "js/load.mjs").as_uri())
    state = re.search(r"json\">(.*?)</script>", explorer.twin(), re.DOTALL).group(1)
    given = f'{{"state":{state},"mask":{json.dumps(mask)}}}'
    command = [node(), "--input-type=module", "-e", code]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [
        {name: np.array([float(x) for x in values]) for name, values in head.items()}
        for head in json.loads(done.stdout)
    ]


def unpacked(found: dict, n_matrices: int, T: int) -> np.ndarray:
    """A look's numbers as the page reads them: (matrices, T, D)."""
    multiples = np.frombuffer(found["numbers"], "<i2").reshape(n_matrices, T, -1)
    return multiples * np.array(found["units"])[:, None, None]


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_page_reaches_the_weights_of_the_trace(tokenizer, norm: str) -> None:
    """From the state alone: every head's weights, and the output that enters c_proj."""
    model = small_models.make(norm=norm, dropout=0.3)
    ids = torch.tensor([tokenizer.encode(TEXTS[1])])
    with torch.no_grad():
        trace = model.trace(ids)
        entered = []
        for layer in model.h:
            layer.attn.c_proj.register_forward_pre_hook(lambda _, x: entered.append(x[0][0]))
        model(ids)  # PyTorch's fused attention, not the one of the trace
    T, D = ids.shape[1], model.config.d_head
    heads = in_the_page(AttentionSteps(model, tokenizer, [TEXTS[1]]))
    assert len(heads) == 4
    for index, head in enumerate(heads):
        layer, h = divmod(index, 2)
        wanted = trace.attentions[layer][0, h].numpy()
        np.testing.assert_allclose(head["weights"].reshape(T, T), wanted, rtol=0, atol=1e-4)
        mixed = entered[layer][:, h * D : (h + 1) * D].numpy()
        np.testing.assert_allclose(head["output"].reshape(T, D), mixed, rtol=0, atol=5e-4)


def test_the_page_keeps_the_mask_of_a_banded_layer(tokenizer) -> None:
    """GPT-3's alternating layers: the second sees two tokens, and the page knows."""
    model = small_models.make(pattern=("dense", "banded"), window=2)
    explorer = AttentionSteps(model, tokenizer, [TEXTS[1]])
    assert explorer.texts[0]["may"][0] is None and len(explorer.texts[0]["may"][1]) == 25
    with torch.no_grad():
        trace = model.trace(torch.tensor([tokenizer.encode(TEXTS[1])]))
    for index, head in enumerate(in_the_page(explorer)):
        wanted = trace.attentions[index // 2][0, index % 2].numpy().flatten()
        np.testing.assert_allclose(head["weights"], wanted, rtol=0, atol=1e-4)


def test_a_broken_mask_in_the_page_is_a_model_without_one(tokenizer) -> None:
    """Masks "none" and "zero" against PyTorch; only without a mask is there a plain softmax."""
    model = small_models.make()
    explorer = AttentionSteps(model, tokenizer, [TEXTS[1]])
    q, k, _ = heads_of(model, tokenizer.encode(TEXTS[1]))[1, 0]
    scaled = q @ k.T / q.shape[1] ** 0.5
    for mask, scores in {"none": scaled, "zero": scaled.tril()}.items():
        head = in_the_page(explorer, mask)[2]
        wanted = scores.softmax(1).flatten().numpy()
        np.testing.assert_allclose(head["weights"], wanted, rtol=0, atol=1e-4)
    assert explorer.mask == "causal" and MASKS == ("causal", "none", "zero")


def test_vectors_are_the_projection_written_out(tokenizer) -> None:
    """Layer 0, head 1 of a post-LN model from its parameters, row by row."""
    model = small_models.make(norm="post")
    ids = tokenizer.encode(TEXTS[0])
    found = heads_of(model, ids)
    assert found.shape == (2, 2, 3, len(ids), 4)
    weight, bias = model.h[0].attn.c_attn.weight, model.h[0].attn.c_attn.bias
    for t, i in enumerate(ids):
        x = model.wte.weight[i] + model.wpe.weight[t]
        for part in range(3):  # queries, keys, values; 8 rows each, of which head 1 has the last 4
            rows = slice(8 * part + 4, 8 * part + 8)
            wanted = (weight[rows] @ x + bias[rows]).detach()
            torch.testing.assert_close(found[0, 1, part, t], wanted, rtol=0, atol=1e-5)


def test_packed_numbers_come_back_within_half_a_unit() -> None:
    """By hand: the largest is 32,767 units; a matrix of zeros has the unit 0."""
    numbers = torch.tensor([[[1.0, -0.5], [0.25, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    packed, units = pack(numbers)
    assert np.frombuffer(packed, "<i2").tolist() == [32767, -16384, 8192, 0, 0, 0, 0, 0]
    assert units == [1 / 32767, 0.0]
    many = torch.randn(2, 3, 5, 64, generator=torch.Generator().manual_seed(0)) * 7
    packed, units = pack(many)
    back = unpacked({"numbers": packed, "units": units}, 6, 5)
    off = np.abs(back - many.reshape(6, 5, 64).numpy()).max((1, 2))
    assert (off <= np.array(units) / 2 * 1.001).all() and (off > np.array(units) / 4).any()


def test_numbers_by_hand_arrive_as_they_are() -> None:
    """No rounding to units: 0.1 stays 0.1, and a value may have a width of its own."""
    q, k = torch.tensor([[0.1, 2.0], [0.3, -1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    v = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    explorer = AttentionSteps.by_hand(["the", "cat"], q, k, v)
    assert explorer.texts == [
        {
            "name": "the cat",
            "tokens": [["the", "text"], ["cat", "text"]],
            "of": 2,
            "exact": [[0.1, 2.0, 0.3, -1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]],
        }
    ]
    assert (explorer.sizes, explorer.n_layer, explorer.n_head) == ([2, 3], 1, 1)
    (head,) = in_the_page(explorer)
    assert head["scores"].tolist() == [0.1, 2.0, 0.3, -1.0]
    assert head["masked"].tolist()[1] == -np.inf
    explorer.asked = "anything"
    assert "there is no model to ask" in explorer.own["error"] and not explorer.asks


def test_by_hand_the_softmax_of_zero_and_log_three(tokenizer) -> None:
    """√D = 2 divides 2 log 3 to log 3: weights 1/4 and 3/4, so the output is 1/4 and 3/4."""
    q = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]], dtype=torch.float64)
    k = torch.tensor([[0.0, 0, 0, 0], [2 * np.log(3), 0, 0, 0]], dtype=torch.float64)
    (head,) = in_the_page(AttentionSteps.by_hand(["a", "b"], q, k, torch.eye(2)))
    np.testing.assert_allclose(head["weights"], [1, 0, 0.25, 0.75], atol=1e-6)
    np.testing.assert_allclose(head["output"], [1, 0, 0.25, 0.75], atol=1e-6)


def test_alt_tells_the_numbers_that_matter() -> None:
    """Scores 0 and 4, divided by √4 to 0 and 2: e² / (e² + 1) = 0.88 leaks in row 0."""
    k = torch.tensor([[0.0, 0, 0, 0], [4.0, 0, 0, 0]])
    q = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    assert AttentionSteps.by_hand(["a", "b"], q, k, q).alt == (
        "Attention step by step: one head, numbers given by hand. 2 tokens, queries and keys of 4 "
        "numbers. Scores lie between 0.00 and 4.00, divided by √4 between 0.00 and 2.00. After "
        "mask and softmax the last token, 'b', puts most weight, 0.88, on 'b'. Without the mask "
        "'a' (position 0) would put 0.88 of its weight on tokens that it may not read."
    )
    one = AttentionSteps.by_hand(["a"], q[:1], k[:1], q[:1])
    assert one.alt.endswith("1 token, queries and keys of 4 numbers; the only token reads itself.")
    assert AttentionSteps.by_hand(["a"], q[:1], k[:1], q[:1], alt="Mine.").alt == "Mine."


def test_state_has_what_was_asked_for(tokenizer) -> None:
    """Sizes, names, what is chosen, and a cut that is told; dropout is off, the model as it was."""
    model = small_models.make(dropout=0.3).train()
    explorer = AttentionSteps(model, tokenizer, {"one": "z" * 40, "two": TEXTS[1]}, layer=1, head=1)
    assert [look["name"] for look in explorer.texts] == ["one", "two"]
    assert len(explorer.texts[0]["tokens"]) == 12 and explorer.texts[0]["of"] == 40
    assert (explorer.n_layer, explorer.n_head, explorer.sizes) == (2, 2, [4, 4])
    assert (explorer.layer, explorer.head, explorer.step, len(STEPS)) == (1, 1, 0, 6)
    assert "layer 1, head 1 on 'one'" in explorer.alt and explorer.asks
    assert len(explorer.texts[0]["numbers"]) == 6 * 8 * 2 * 12  # two bytes for each number of 3C
    quiet = look(model.eval(), tokenizer, TEXTS[1], 12)
    assert (
        look(model.train(), tokenizer, TEXTS[1], 12)
        == quiet
        == {key: value for key, value in explorer.texts[1].items() if key != "name"}
    )
    assert model.training and all(p.grad is None for p in model.parameters())


def test_twelve_tokens_of_the_shipped_size_stay_small(tokenizer) -> None:
    """Width 256, 4 layers, 12 tokens: 98,304 characters and a few; a page holds many."""
    model = small_models.make(n_layer=4, n_head=4, d_model=256, n_ctx=16)
    twin = AttentionSteps(model, tokenizer, ["z" * 40]).twin()
    assert 98_304 <= len(twin) < 102_000


def test_a_typed_text_is_answered(tokenizer) -> None:
    """Python looks at what the page asks; an empty text is answered with the reason."""
    model = small_models.make()
    explorer = AttentionSteps(model, tokenizer, TEXTS, max_tokens=3)
    assert explorer.own == {}
    explorer.asked = "new low"
    wanted = look(model, tokenizer, "new low", 3)
    assert explorer.own == {"asked": "new low", "name": "new low", **wanted}
    explorer.asked = ""
    assert explorer.own == {"asked": "", "error": "text='' has no tokens"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 2}, "layer=2 must be between 0 and 1"),
        ({"head": -1}, "head=-1 must be between 0 and 1"),
        ({"max_tokens": 0}, "max_tokens=0 must be at least 1"),
        ({"texts": []}, "texts=[] must hold at least one text"),
        ({"texts": ["low", ""]}, "text='' has no tokens"),
    ],
)
def test_what_is_not_there_is_refused(tokenizer, options: dict, message: str) -> None:
    """The message names the argument, its value and the rule."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AttentionSteps(small_models.make(), tokenizer, **{"texts": TEXTS, **options})


@pytest.mark.parametrize(
    ("q", "k", "v", "message"),
    [
        (torch.ones(3, 2), torch.ones(2, 2), torch.ones(2, 2), "q (3, 2) must be (T, D) with T=2"),
        (torch.ones(2, 2), torch.ones(2, 3), torch.ones(2, 2), "k (2, 3) must have the shape of q"),
        (torch.ones(2, 2), torch.ones(2, 2), torch.ones(2), "v (2,) must be (T, D) with T=2"),
        (torch.ones(2, 2), torch.ones(2, 2), torch.ones(2, 0), "v (2, 0) must be (T, D)"),
        (torch.full((2, 1), np.nan), torch.ones(2, 1), torch.ones(2, 1), "q must be finite, got"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(q, k, v, message: str) -> None:
    """By hand: every shape is checked, and the message says which."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AttentionSteps.by_hand(["a", "b"], q, k, v)


def test_one_text_is_not_several(tokenizer) -> None:
    """A string would otherwise be taken for its letters."""
    with pytest.raises(TypeError, match="texts='low' must be several texts, not one"):
        AttentionSteps(small_models.make(), tokenizer, "low")

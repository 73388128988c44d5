"""The attention explorer's state: the model's own weights, within what a byte can hold."""

import math
import re

import numpy as np
import pytest
import small_models
import torch

from gptcore.show import AttentionExplorer
from gptcore.show.explorers.attention.attention import label, look, pack
from gptcore.tokenizer import Tokenizer

TEXTS = ["low lower", "lowest low low"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    """The 256 bytes, some merges, one special token."""
    return Tokenizer.train("low low lower lowest new newer", vocab_size=270)


@pytest.fixture
def model():
    """Two layers, two heads, sixteen tokens of context, every parameter random."""
    return small_models.make(dropout=0.3)


def unpacked(weights: bytes, n_matrices: int) -> np.ndarray:
    """The weights as squares of bytes, one (T, T) lower triangle after another."""
    flat = [(byte / 255) ** 2 for byte in weights]
    per_matrix = len(flat) // n_matrices
    size = int(math.sqrt(2 * per_matrix))
    assert size * (size + 1) // 2 == per_matrix
    found, values = np.zeros((n_matrices, size, size)), iter(flat)
    for matrix in found:
        for row in range(size):
            for column in range(row + 1):
                matrix[row, column] = next(values)
    return found


def softmax_of_first_layer(model, ids: list[int]) -> torch.Tensor:
    """Layer 0's weights from the parameters, each entry written out: (H, T, T)."""
    layer, T = model.h[0], len(ids)
    x = torch.stack([model.wte.weight[i] + model.wpe.weight[t] for t, i in enumerate(ids)])
    x = x - x.mean(-1, keepdim=True)
    x = x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * layer.ln_1.weight + layer.ln_1.bias
    qkv = x @ layer.attn.c_attn.weight.T + layer.attn.c_attn.bias
    C, H = x.shape[1], model.config.n_head
    found = torch.zeros(H, T, T)
    for h in range(H):
        mine = slice(h * C // H, (h + 1) * C // H)
        q, k = qkv[:, :C][:, mine], qkv[:, C : 2 * C][:, mine]
        for t in range(T):
            scores = torch.stack([q[t] @ k[s] / math.sqrt(C / H) for s in range(t + 1)]).exp()
            found[h, t, : t + 1] = scores / scores.sum()
    return found


def test_weights_are_the_softmax_written_out(model, tokenizer) -> None:
    """Layer 0 by hand from the parameters; a byte is off by half a step, √w / 255."""
    text = "lowest low low"
    found = unpacked(look(model, tokenizer, text, 16)["weights"], 4)[:2]
    wanted = softmax_of_first_layer(model, tokenizer.encode(text)).detach().double().numpy()
    assert found.shape == wanted.shape and wanted.shape[1] == 5
    assert (np.abs(found - wanted) <= np.sqrt(wanted) / 255 + 1e-5).all()


def test_heads_stand_layer_after_layer(model, tokenizer) -> None:
    """Matrix l * H + h is the trace's attentions[l][0, h]."""
    ids = torch.tensor([tokenizer.encode(TEXTS[0])])
    with torch.no_grad():
        trace = model.trace(ids)
    found = unpacked(look(model, tokenizer, TEXTS[0], 16)["weights"], 4)
    for index in range(4):
        wanted = trace.attentions[index // 2][0, index % 2].numpy()
        # a weight near 1 lies up to 1/255 from its byte
        np.testing.assert_allclose(found[index], wanted, rtol=0, atol=4e-3)


def test_packed_bytes_of_a_matrix_by_hand() -> None:
    """255 √w, rounded: 1 -> 255; 0.25, 0.75 -> 127.5, 220.8; the future is not kept."""
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    assert pack(weights) == bytes([255, 128, 221])
    assert pack(torch.stack([weights, weights.T.tril()])) == bytes([255, 128, 221, 255, 0, 221])
    assert pack(torch.tensor([[1.0000001]])) == b"\xff"


def test_a_text_of_256_tokens_at_four_by_four_stays_small() -> None:
    """16 triangles of 256 x 257 / 2 bytes: 526,336."""
    assert len(pack(torch.zeros(4, 4, 256, 256))) == 526_336 < 550_000


def test_dropout_is_off_and_the_model_is_given_back(model, tokenizer) -> None:
    """A model in training mode gives the weights of evaluation and stays in training mode."""
    quiet = look(model.eval(), tokenizer, TEXTS[1], 16)
    assert look(model.train(), tokenizer, TEXTS[1], 16) == quiet
    assert model.training and all(p.grad is None for p in model.parameters())


def test_tokens_are_labelled_by_what_they_are(model, tokenizer) -> None:
    """Text as text, with its space; a special token; half a character as its byte."""
    ids = tokenizer.encode(" low<|endoftext|>é", allow_special=True)
    labels = [label(tokenizer, i) for i in ids]
    wanted = [[" low", "text"], ["<|endoftext|>", "special"], ["C3", "bytes"], ["A9", "bytes"]]
    assert labels == wanted
    assert look(model, tokenizer, " low<|endoftext|>é", 16)["tokens"] == wanted


def test_labels_of_a_word_tokenizer() -> None:
    """GPT-1's kind marks the end of a word, which is where its space stands."""
    words = Tokenizer.train("low lower", vocab_size=30, kind="word", splitter="plain")
    labels = [label(words, i) for i in words.encode("low z")]
    assert labels[0] == ["low ", "text"] and labels[-1] == ["<unk>", "special"]


def test_long_texts_are_cut_and_the_cut_is_told(model, tokenizer) -> None:
    """Of a long text the first tokens are shown, `of` says how many there were."""
    found = look(model, tokenizer, "z" * 10_000, 16)
    assert len(found["tokens"]) == 16 and found["of"] == 10_000
    for given, kept in [(4, 4), (256, 16)]:  # the model's context is 16
        explorer = AttentionExplorer(model, tokenizer, ["z" * 100], max_tokens=given)
        assert len(explorer.texts[0]["tokens"]) == kept and explorer.texts[0]["of"] == 100


def test_state_has_what_was_asked_for(model, tokenizer) -> None:
    """Sizes, names, what is chosen; texts that begin alike are both kept."""
    explorer = AttentionExplorer(model, tokenizer, {"one": TEXTS[0], "two": TEXTS[1]}, layer=1)
    assert [look["name"] for look in explorer.texts] == ["one", "two"]
    assert (explorer.n_layer, explorer.n_head) == (2, 2)
    assert (explorer.text, explorer.layer, explorer.head) == (0, 1, 0)
    assert explorer.token == 2 * len(explorer.texts[0]["tokens"]) // 3
    twins = AttentionExplorer(model, tokenizer, ["low" * 30 + "a", "low" * 30 + "b"], max_tokens=5)
    assert len(twins.texts) == 2 and len(twins.texts[0]["name"]) == 48


def test_a_typed_text_is_answered(model, tokenizer) -> None:
    """Python looks at what the page asks; an empty text is answered with the reason."""
    explorer = AttentionExplorer(model, tokenizer, TEXTS)
    assert explorer.own == {}
    explorer.asked = "new low"
    wanted = look(model, tokenizer, "new low", 16)
    assert explorer.own == {"asked": "new low", "name": "new low", **wanted}
    explorer.asked = ""
    assert explorer.own == {"asked": "", "error": "text='' has no tokens"}


def test_alt_names_the_heads_that_stand_out(model, tokenizer, monkeypatch) -> None:
    """Made-up weights: one head on the token before, one on the first, the rest on themselves."""
    own, first = torch.eye(4), torch.eye(4)[[0, 0, 0, 0]]
    before = torch.eye(4)[[0, 0, 1, 2]]
    heads = [torch.stack([own, before])[None], torch.stack([first, own])[None]]
    trace = type("Trace", (), {"attentions": heads})
    monkeypatch.setattr(model, "trace", lambda ids: trace)
    alt = AttentionExplorer(model, tokenizer, ["abcd"]).alt
    assert alt == (
        "Attention weights of 2 layers with 2 heads each, over 1 text. In the first, 'abcd' "
        "(4 tokens), layer 0 head 1 puts most weight on the token before (1.00 on average); "
        "layer 1 head 0 puts most weight on the first token (1.00 on average); "
        "layer 1 head 0 looks back farthest (2.00 tokens on average)."
    )
    monkeypatch.undo()
    assert AttentionExplorer(model, tokenizer, ["a"]).alt.endswith("the only token reads itself.")
    assert AttentionExplorer(model, tokenizer, ["a"], alt="Mine.").alt == "Mine."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 2}, "layer=2 must be between 0 and 1"),
        ({"head": -1}, "head=-1 must be between 0 and 1"),
        ({"token": 99}, "token=99 must be between 0 and"),
        ({"max_tokens": 0}, "max_tokens=0 must be at least 1"),
        ({"texts": []}, "texts=[] must hold at least one text"),
        ({"texts": ["low", ""]}, "text='' has no tokens"),
    ],
)
def test_what_is_not_there_is_refused(model, tokenizer, options: dict, message: str) -> None:
    """The message names the argument, its value and the rule."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AttentionExplorer(model, tokenizer, **{"texts": TEXTS, **options})


def test_one_text_is_not_several(model, tokenizer) -> None:
    """A string would otherwise be taken for its letters."""
    with pytest.raises(TypeError, match="texts='low' must be several texts, not one"):
        AttentionExplorer(model, tokenizer, "low")

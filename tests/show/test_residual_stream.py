"""The residual stream's state: its last reading is the model's own, the others are by hand."""

import math
import re

import numpy as np
import pytest
import small_models
import torch
from torch.nn import functional as F

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.show.explorers.residual_stream.residual_stream import ResidualStream, lens, look, pack
from gptcore.tokenizer import Tokenizer

TEXTS = ["low lower", "lowest low low newer"]
K, VOCAB = 5, 300
BIT = 1 / 65_535


@pytest.fixture
def tokenizer() -> Tokenizer:
    """The 256 bytes, some merges, one special token."""
    return Tokenizer.train("low low lower lowest new newer", vocab_size=270)


@pytest.fixture(params=["post", "pre"])
def model(request: pytest.FixtureRequest) -> GPT:
    """Two layers, sixteen tokens of context, every parameter random, GPT-1's norm and GPT-2's."""
    return small_models.make(request.param, dropout=0.3)


def unpacked(found: dict, depths: int = 3, top: int = K) -> dict[str, np.ndarray]:
    """The numbers by name, (T, D, top) or (T, D), probabilities and nats as they were."""
    raw = np.frombuffer(found["numbers"], "<u2").reshape(len(found["tokens"]), depths, 4 * top + 5)
    names = ["place", "p", "before", "after"]
    cut = {name: raw[..., i * top : (i + 1) * top].astype(float) for i, name in enumerate(names)}
    rest = ["rank", "true", "itself rank", "itself", "entropy"]
    cut |= {name: raw[..., 4 * top + i].astype(float) for i, name in enumerate(rest)}
    for name in ("p", "before", "after", "true", "itself"):
        cut[name] = (cut[name] / 65_535) ** 2
    cut["entropy"] /= 1000
    return cut


def named(tokenizer: Tokenizer, token: int) -> list[str]:
    """How a token is shown; ids that only the model has are shown as such."""
    if token >= tokenizer.vocab_size:
        return [f"id {token}", "special"]
    if token == tokenizer.vocab_size - 1:
        return ["<|endoftext|>", "special"]
    raw = tokenizer.decode_bytes([token])
    return [raw.decode(), "text"] if max(raw) < 128 else [raw.hex().upper(), "bytes"]


def readings(model: GPT, ids: list[int]) -> np.ndarray:
    """Probabilities (T, D, V), with the final norm written out."""
    with torch.no_grad():
        stream = torch.stack(model.trace(torch.tensor([ids])).residuals)[:, 0].double()
        if model.config.norm == "pre":
            stream = stream - stream.mean(-1, keepdim=True)
            stream = stream / (stream.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
            stream = stream * model.ln_f.weight + model.ln_f.bias
        scores = (stream @ model.wte.weight.double().T).exp()
    return (scores / scores.sum(-1, keepdim=True)).transpose(0, 1).numpy()


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal within what two bytes hold of a root: half a step of √p, and float32."""
    assert found.shape == wanted.shape
    assert (np.abs(found - wanted) <= np.sqrt(wanted) * BIT + BIT**2 + 1e-6).all()


def test_last_reading_is_the_models_own_prediction(model, tokenizer) -> None:
    """The last depth against softmax of the model's logits, at every position."""
    ids = tokenizer.encode(TEXTS[1])
    found = look(model, tokenizer, TEXTS[1], 16)
    numbers = unpacked(found)
    with torch.no_grad():
        wanted = model(torch.tensor([ids])).softmax(-1)[0]
    for t in range(len(ids)):
        p, best = wanted[t].sort(descending=True)
        names = [found["names"][int(place)] for place in numbers["place"][t, -1]]
        assert names == [named(tokenizer, int(i)) for i in best[:K]]
        close(numbers["p"][t, -1], p[:K].numpy())
        close(numbers["itself"][t, -1], wanted[t, ids[t]].numpy())
        if t + 1 < len(ids):
            close(numbers["true"][t, -1], wanted[t, ids[t + 1]].numpy())
            assert numbers["rank"][t, -1] == 1 + best.tolist().index(ids[t + 1])


def test_lens_of_the_last_residual_is_the_logits(model) -> None:
    """Exactly; and for a pre-LN model, leaving `ln_f` out gives something else."""
    ids = small_models.ids_for(model)
    with torch.no_grad():
        trace = model.trace(ids)
        assert torch.equal(lens(model, trace.residuals[-1]), trace.logits)
        plain = F.linear(trace.residuals[-1], model.wte.weight)
    assert torch.equal(plain, trace.logits) == (model.config.norm == "post")


def test_every_depth_is_the_softmax_written_out(model, tokenizer) -> None:
    """All numbers of all depths, and what the neighbours give to the same tokens."""
    ids = tokenizer.encode(TEXTS[1])
    found, wanted = unpacked(look(model, tokenizer, TEXTS[1], 16)), readings(model, ids)
    best = np.argsort(-wanted, axis=-1)[..., :K]
    close(found["p"], np.take_along_axis(wanted, best, -1))
    nothing = np.zeros_like(wanted[:, :1])
    for name, there in [
        ("before", np.concatenate([nothing, wanted[:, :-1]], 1)),
        ("after", np.concatenate([wanted[:, 1:], nothing], 1)),
    ]:
        close(found[name], np.take_along_axis(there, best, -1))
    entropy = -(wanted * np.log(wanted)).sum(-1)
    np.testing.assert_allclose(found["entropy"], entropy, rtol=0, atol=6e-4)  # half a thousandth
    for rank, p, follow in [("rank", "true", ids[1:]), ("itself rank", "itself", ids)]:
        known = wanted[: len(follow)]
        own = np.stack([known[t, :, i] for t, i in enumerate(follow)])
        close(found[p][: len(follow)], own)
        above = (known > own[..., None]).sum(-1)
        np.testing.assert_array_equal(found[rank][: len(follow)], above + 1)


def known_model(norm: str) -> GPT:
    """Tokens a, b, c, d are 2 times the four unit vectors; the layers add 4 of b's, then 6 of c's.

    All other weights are 0, so attention and MLP write nothing but the MLP's bias.
    """
    model = GPT(GPTConfig(vocab_size=256, n_ctx=8, n_layer=2, n_head=1, d_model=4, norm=norm))
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
        model.wte.weight[64:68] = 2 * torch.eye(4)  # a to d among GPT-2's bytes
        model.h[0].mlp.c_proj.bias[1] = 4.0
        model.h[1].mlp.c_proj.bias[2] = 6.0
    return model.eval()


def normed(x: list[float]) -> list[float]:
    """LayerNorm with gain 1 and bias 0."""
    mean = sum(x) / len(x)
    size = math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + 1e-5)
    return [(a - mean) / size for a in x]


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_model_whose_readings_are_known(norm: str) -> None:
    """What a layer adds comes out on top behind it, with the probability worked out by hand.

    Pre-LN: the stream at "a" is (2,0,0,0), then (2,4,0,0), then (2,4,6,0), and the matrix reads
    2 LN of it: 252 tokens have the logit 0. Post-LN reads (2,0,0,0) as it is: p("a") is
    e⁴ / (e⁴ + 255) = 0.1763; each layer normalises, adds, normalises.
    """
    tokenizer = Tokenizer.train("", vocab_size=256, specials=[])
    found = look(known_model(norm), tokenizer, "ad", 8)
    numbers = unpacked(found)
    for t, letter in enumerate([0, 3]):
        x = [2.0 if i == letter else 0.0 for i in range(4)]
        for depth, added in enumerate([None, 4, 6]):
            if added is not None:
                x = [
                    a + added * (i == depth)
                    for i, a in enumerate(normed(x) if norm == "post" else x)
                ]
                x = normed(x) if norm == "post" else x
            scores = [math.exp(2 * a) for a in (normed(x) if norm == "pre" else x)]
            p = [score / (sum(scores) + 252) for score in scores]
            top = "abcd"[p.index(max(p))]
            assert found["names"][int(numbers["place"][t, depth, 0])] == [top, "text"]
            assert top == ["ad"[t], "b", "c"][depth]
            assert numbers["p"][t, depth, 0] == pytest.approx(max(p), abs=1e-4)
            assert numbers["itself"][t, depth] == pytest.approx(p[letter], abs=1e-4)
    if norm == "post":
        assert numbers["p"][0, 0, 0] == pytest.approx(0.1763, abs=1e-4)


def test_packed_bytes_of_a_reading_by_hand() -> None:
    """65,535 √p rounded: 1 -> 65535, 0.25 -> 32768, 0.04 -> 13107; 1.2344 nats -> 1234."""
    ln = {p: math.log(p) if p else -math.inf for p in (1, 0.25, 0.04, 0)}
    column = {
        "p": torch.tensor([[ln[1]]]),
        "before": torch.tensor([[ln[0]]]),
        "after": torch.tensor([[ln[0.25]]]),
        "true rank": torch.tensor([[65_535]]),
        "true": torch.tensor([[ln[0.04]]]),
        "itself rank": torch.tensor([[1]]),
        "itself": torch.tensor([[ln[1]]]),
        "entropy": torch.tensor([[1.2344]]),
    }
    numbers = np.frombuffer(pack(torch.tensor([[[7]]]), [column]), "<u2").tolist()
    assert numbers == [7, 65_535, 0, 32_768, 65_535, 13_107, 1, 65_535, 1_234]


def test_a_text_of_256_tokens_stays_small(tokenizer) -> None:
    """Four layers: 256 · 5 readings of 25 numbers of two bytes are 64,000 bytes."""
    model = small_models.make(n_layer=4, n_ctx=256)
    found = look(model, tokenizer, "z" * 300, 256)
    assert len(found["numbers"]) == 64_000
    assert len(ResidualStream(model, tokenizer, ["z" * 300]).twin()) < 110_000


def test_dropout_is_off_and_the_model_is_given_back(model, tokenizer) -> None:
    """A model in training mode gives the readings of evaluation and stays in training mode."""
    quiet = look(model.eval(), tokenizer, TEXTS[1], 16)
    assert look(model.train(), tokenizer, TEXTS[1], 16) == quiet
    assert model.training and all(p.grad is None for p in model.parameters())


def test_the_token_behind_the_cut_is_known(model, tokenizer) -> None:
    """Cut at 4 of 6 tokens, the fifth is the last one's true next; at the end there is none."""
    ids = tokenizer.encode("abcdef")
    cut, whole = look(model, tokenizer, "abcdef", 4), look(model, tokenizer, "abcdef", 6)
    assert (len(cut["tokens"]), cut["of"], cut["next"]) == (4, 6, ["e", "text"])
    assert (len(whole["tokens"]), whole["of"], whole["next"]) == (6, 6, None)
    wanted = readings(model, ids[:4])[3, :, ids[4]]
    close(unpacked(cut)["true"][3], wanted)


def test_facts_are_means_and_end_in_the_models_loss(model, tokenizer) -> None:
    """-ln p of the last depth is `model.loss`; shares are counted; one token has no next."""
    ids = tokenizer.encode(TEXTS[1])
    found = look(model, tokenizer, TEXTS[1], 16)
    with torch.no_grad():
        loss = model.loss(torch.tensor([ids[:-1]]), torch.tensor([ids[1:]])).item()
    facts, wanted = found["facts"], readings(model, ids)
    assert facts[-1][2] == pytest.approx(loss, abs=1e-4)
    top = wanted.argmax(-1)
    for depth in range(3):
        itself = [top[t, depth] == i for t, i in enumerate(ids)]
        true = [top[t, depth] == i for t, i in enumerate(ids[1:])]
        assert facts[depth][0] == pytest.approx(np.mean(itself), abs=1e-4)
        assert facts[depth][1] == pytest.approx(np.mean(true), abs=1e-4)
    single = look(model, tokenizer, "a", 16)
    assert [len(fact) for fact in single["facts"]] == [1, 1, 1] and single["next"] is None


def test_state_has_what_was_asked_for(model, tokenizer) -> None:
    """Sizes, names, what is chosen at first: the last depth, two thirds through, covered."""
    explorer = ResidualStream(model, tokenizer, {"one": TEXTS[0], "two": TEXTS[1]}, top=3)
    assert [look["name"] for look in explorer.texts] == ["one", "two"]
    assert (explorer.n_layer, explorer.vocab_size, explorer.top) == (2, VOCAB, 3)
    size = len(explorer.texts[0]["tokens"])
    assert (explorer.text, explorer.token, explorer.depth) == (0, 2 * size // 3, 2)
    assert explorer.covered and len(explorer.texts[0]["numbers"]) == size * 3 * 17 * 2
    other = ResidualStream(model, tokenizer, TEXTS, covered=False, token=1, max_tokens=2)
    assert (other.covered, other.token, len(other.texts[1]["tokens"])) == (False, 1, 2)


def test_a_typed_text_is_answered(model, tokenizer) -> None:
    """Python looks at what the page asks; an empty text is answered with the reason."""
    explorer = ResidualStream(model, tokenizer, TEXTS)
    assert explorer.own == {}
    explorer.asked = "new low"
    wanted = look(model, tokenizer, "new low", 16)
    assert explorer.own == {"asked": "new low", "name": "new low", **wanted}
    explorer.asked = ""
    assert explorer.own == {"asked": "", "error": "text='' has no tokens"}


def test_alt_tells_what_is_on_top() -> None:
    """The known model on "abc": after layer 0 the token b, which is what truly follows a."""
    tokenizer = Tokenizer.train("", vocab_size=256, specials=[])
    alt = ResidualStream(known_model("post"), tokenizer, ["abc"]).alt
    assert alt.startswith(
        "The residual stream after the embeddings and each of 2 layers, read through the output "
        "matrix, over 1 text. In the first, 'abc' (3 tokens), the token just read is on top at "
        "100%, 33%, 33% of positions, in order of depth, and the true next token at 0%, 50%, 50%. "
        "The mean of -ln p of the true next token goes from 5.74 to "  # ln(e⁴ + 255)
    )
    alone = ResidualStream(known_model("post"), tokenizer, ["a"]).alt
    assert alone.endswith(
        "(1 token), the token just read is on top at 100%, 0%, 0% of positions, in order of depth."
    )
    assert ResidualStream(known_model("pre"), tokenizer, ["a"], alt="Mine.").alt == "Mine."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top=0 must be between 1 and 300"),
        ({"top": 301}, "top=301 must be between 1 and 300"),
        ({"token": 99}, "token=99 must be between 0 and"),
        ({"max_tokens": 0}, "max_tokens=0 must be at least 1"),
        ({"texts": []}, "texts=[] must hold at least one text"),
        ({"texts": ["low", ""]}, "text='' has no tokens"),
    ],
)
def test_what_is_not_there_is_refused(model, tokenizer, options: dict, message: str) -> None:
    """The message names the argument, its value and the rule."""
    with pytest.raises(ValueError, match=re.escape(message)):
        ResidualStream(model, tokenizer, **{"texts": TEXTS, **options})


def test_a_vocabulary_beyond_two_bytes_is_refused(tokenizer) -> None:
    """A rank would not fit."""
    model = small_models.make(vocab_size=65_536)
    with pytest.raises(ValueError, match="vocab_size=65536 must be between 1 and 65535"):
        ResidualStream(model, tokenizer, TEXTS)
    with pytest.raises(TypeError, match="texts='low' must be several texts, not one"):
        ResidualStream(small_models.make(), tokenizer, "low")

"""The engine of the pages against PyTorch: the same half-precision weights, the same numbers."""

from functools import partial

import engine_cases as cases
import numpy as np
import pytest
import torch
from small_models import make

from gptcore.checkpoint import load
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.sampling import drawing, filters
from gptcore.show.explorers.attention import attention
from gptcore.show.explorers.attention_steps import attention_steps
from gptcore.show.explorers.engine import engine
from gptcore.show.explorers.residual_stream import residual_stream
from gptcore.show.explorers.shared.texts import label, name_of
from gptcore.tokenizer import Tokenizer

SMALL = {
    "post": (cases.small("post", cases.BYTE), cases.BYTE),
    "pre": (cases.small("pre", cases.BYTE), cases.BYTE),
    "words": (cases.small("post", cases.WORD), cases.WORD),
    "untied": (cases.small("pre", cases.WORD, tied=False, ln_eps=1e-3), cases.WORD),
}


@pytest.mark.parametrize("name", SMALL)
def test_everything_a_pass_goes_through_is_pytorchs(name: str) -> None:
    """Logits, weights of every head, the stream; ids of different lengths, so parts of 4 and 1."""
    model, tokenizer = SMALL[name]
    for n in (1, 2, 5, 40):
        ids = torch.randint(tokenizer.vocab_size, (n,), generator=torch.Generator().manual_seed(n))
        (found,) = cases.asked(model, tokenizer, ["run", ids.tolist(), {"trace": True}])
        with torch.no_grad():
            true = model.trace(ids[None])
        size = tokenizer.vocab_size
        assert np.abs(np.array(found["logits"]) - true.logits[0, -1, :size].numpy()).max() < 1e-4
        weights = np.array(found["trace"]["attentions"])
        assert n < 40 or weights.max() > 0.9  # the network looks at some tokens, not at all alike
        assert np.abs(weights.ravel() - torch.cat(true.attentions).numpy().ravel()).max() < 1e-4
        stream = np.array(found["trace"]["residuals"][::2])  # after whole layers
        assert np.abs(stream.ravel() - torch.cat(true.residuals).numpy().ravel()).max() < 1e-4
        assert found["labels"] == [label(tokenizer, i) for i in ids.tolist()]


@pytest.mark.parametrize("name", SMALL)
def test_the_stream_after_attention_is_kept_too(name: str) -> None:
    """2 L + 1 states; those between are worked out with the blocks' own modules."""
    model, tokenizer = SMALL[name]
    ids = tokenizer.encode("Rosa met the cat")
    (found,) = cases.asked(model, tokenizer, ["run", ids, {"trace": True}])
    stream = [np.array(x).reshape(len(ids), -1) for x in found["trace"]["residuals"]]
    assert len(stream) == 2 * model.config.n_layer + 1
    with torch.no_grad():
        for i, block in enumerate(model.h):
            x = torch.tensor(stream[2 * i], dtype=torch.float32)[None]
            if model.config.norm == "post":
                x = block.ln_1(x + block.attn(x))
            else:
                x = x + block.attn(block.ln_1(x))
            assert np.abs(stream[2 * i + 1] - x[0].numpy()).max() < 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_ids_names_and_text_are_the_tokenizers(name: str) -> None:
    """Special tokens, scripts of many kinds, parts of characters, and back to text."""
    model, tokenizer = SMALL[name]
    every = list(range(tokenizer.vocab_size))
    asks = [["encode", text] for text in cases.TEXTS] + [["label", every], ["decode", every]]
    *ids, labels, text = cases.asked(model, tokenizer, *asks)
    assert ids == [tokenizer.encode(text, allow_special=True) for text in cases.TEXTS]
    assert labels == [label(tokenizer, i) for i in every]
    assert text == tokenizer.decode(every)


@pytest.mark.parametrize("name", SMALL)
def test_greedy_text_is_gptcores(name: str) -> None:
    """To the end of the context, from several prompts in turn, and pieces that join to the text."""
    model, tokenizer = SMALL[name]
    prompts = ["Rosa", "Rosa met", "Tom", "the cat the cats"]
    how = {"temperature": 0, "maxTokens": 60}
    answers = cases.asked(model, tokenizer, *(["generate", p, how] for p in prompts))
    for prompt, found in zip(prompts, answers, strict=True):
        assert found["text"] == drawing.generate(
            model, tokenizer, prompt, temperature=0, max_new_tokens=60
        )
        given = len(tokenizer.encode(prompt, allow_special=True))
        assert found["why"] == ("end" if found["ids"][-1] == tokenizer.eot else "context")
        assert found["why"] == "end" or given + len(found["ids"]) == model.config.n_ctx
        pieces = "".join(token["text"] for token in found["heard"])
        assert found["text"].startswith(pieces)
        assert [token["id"] for token in found["heard"]] == found["ids"]


def test_what_is_drawn_follows_the_rules_of_gptcore() -> None:
    """The chances after temperature, top-k and top-p: filter_logits and a softmax."""
    model, tokenizer = SMALL["pre"]
    ids, size = tokenizer.encode("Rosa met"), tokenizer.vocab_size
    hows = [{}, {"temperature": 0.5}, {"top_k": 7}, {"top_p": 0.8}, {"temperature": 1e-30}]
    hows += [{"temperature": 2.0, "top_k": 9, "top_p": 0.7}, {"temperature": 0}]
    hows += [{"top_p": 0.6, "top_p_rule": "openai"}]
    names = {"top_k": "topK", "top_p": "topP", "top_p_rule": "rule", "temperature": "temperature"}
    asks = [
        ["run", ids, {"top": size, "how": {names[k]: v for k, v in how.items()}}] for how in hows
    ]
    with torch.no_grad():
        logits = model(torch.tensor([ids]))[0, -1, :size]
    for how, found in zip(hows, cases.asked(model, tokenizer, *asks), strict=True):
        chance = np.zeros(size)
        p = np.zeros(size)
        for one in found["next"]:
            chance[one["id"]], p[one["id"]] = one["chance"], one["p"]
        expected = filters.filter_logits(logits, **how).softmax(-1).numpy()
        assert np.abs(chance - expected).max() < 1e-4, how
        assert np.abs(p - logits.softmax(-1).numpy()).max() < 1e-5
        order = [one["p"] for one in found["next"]]
        assert order == sorted(order, reverse=True)


def test_a_seed_gives_one_text_and_draws_as_often_as_it_should() -> None:
    """Same seed, same ids; over 400 seeds the first token comes as often as its chance says."""
    model, tokenizer = SMALL["pre"]
    asks = [["generate", "Rosa", {"seed": seed, "maxTokens": 1, "topK": 3}] for seed in range(400)]
    long = ["generate", "Rosa", {"seed": 5, "maxTokens": 20}]
    *found, one, two = cases.asked(model, tokenizer, *asks, long, long)
    assert one["ids"] == two["ids"]
    drawn = [answer["ids"][0] for answer in found]
    chances = {token["id"]: token["chance"] for a in found for token in a["heard"]}
    for token, chance in chances.items():
        off = abs(drawn.count(token) / 400 - chance)
        assert off < 4 * (chance * (1 - chance) / 400) ** 0.5  # four standard errors


def look_alike(found: dict, true: dict, depths: int = 0, top: int = 0) -> None:
    """A look of the engine's beside Python's: the same names, numbers within 1e-3."""
    assert found.keys() == true.keys()
    same = [key for key in true if key not in ("weights", "numbers", "units", "names", "facts")]
    assert {key: found[key] for key in same} == {key: true[key] for key in same}
    if "weights" in true:  # a byte is 255 √w: an edge between two may be rounded either way
        ours, theirs = (np.frombuffer(x["weights"], np.uint8).astype(int) for x in (found, true))
        assert np.abs(ours - theirs).max() <= 1
        assert (ours != theirs).mean() < 2e-3
    if "units" in true:  # whole multiples of a unit: one on the edge may be rounded either way
        ours, theirs = (np.array(x["units"]) for x in (found, true))
        assert np.abs(ours / theirs - 1).max() < 1e-4
        ours, theirs = (np.frombuffer(x["numbers"], "<i2").astype(int) for x in (found, true))
        assert np.abs(ours - theirs).max() <= 1
        assert (ours != theirs).mean() < 2e-2
    if "facts" in true:
        assert np.abs(np.array(found["facts"]) - np.array(true["facts"])).max() < 1e-3
        ours, theirs = (np.frombuffer(x["numbers"], "<u2") for x in (found, true))
        shape = len(true["tokens"]), depths, 4 * top + 5
        ours, theirs = (x.reshape(shape).astype(float) for x in (ours, theirs))
        for x in (ours, theirs):
            x[..., [*range(top, 4 * top), 4 * top + 1, 4 * top + 3]] /= 65535  # √p
            x[..., 4 * top + 4] /= 1000
        p = np.abs(ours - theirs)[..., top : 2 * top]
        assert p.max() < 1e-3  # the likeliest, in order
        alike = p.max(-1) == 0
        assert np.abs(ours - theirs)[..., [4 * top + 1, 4 * top + 3, 4 * top + 4]].max() < 1e-3
        assert np.abs(ours - theirs)[..., [4 * top, 4 * top + 2]].max() <= 1  # ranks, but for ties
        named = [
            np.array([str(name) for name in x["names"]])[y[..., :top].astype(int)]
            for x, y in ((found, ours), (true, theirs))
        ]
        assert (named[0] == named[1])[alike].mean() > 0.99


KINDS = {
    "attention": (attention.look, {}),
    "attention_steps": (attention_steps.look, {}),
    "residual_stream": (residual_stream.look, {"top": 5}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SMALL)
def test_looks_are_pythons(name: str, kind: str) -> None:
    """What each explorer shows of a typed text, cut where Python cuts it."""
    model, tokenizer = SMALL[name]
    look, options = KINDS[kind]
    python = partial(look, model, tokenizer, max_tokens=30, **options)
    asks = [["look", kind, text, {"room": 30, **options}] for text in cases.TEXTS]
    for text, found in zip(cases.TEXTS, cases.asked(model, tokenizer, *asks), strict=True):
        assert "error" not in found, found
        true = {"name": name_of(text), **python(text)}
        look_alike(found, true, model.config.n_layer + 1, **options)


@pytest.mark.parametrize("name", SMALL)
def test_a_text_without_tokens_has_pythons_message(name: str) -> None:
    """Nothing, and for words only white space."""
    model, tokenizer = SMALL[name]
    for text in ["", "\n", "\x1c"] if tokenizer.kind == "word" else [""]:
        (found,) = cases.asked(model, tokenizer, ["look", "attention", text, {"room": 9}])
        with pytest.raises(ValueError) as error:
            attention.look(model, tokenizer, text, 9)
        assert found == {"error": str(error.value)}


def test_what_cannot_be_answered_says_why_and_the_next_question_is() -> None:
    """Too long, no such id, no such look; the model answers on."""
    model, tokenizer = SMALL["pre"]
    asks = [["run", [1] * 41, {}], ["run", [-1], {}], ["run", [], {}], ["look", "none", "a", {}]]
    asks += [["generate", "", {}], ["generate", [1] * 41, {}], ["encode", "a"]]
    *errors, last = cases.asked(model, tokenizer, *asks)
    texts = [error["error"] for error in errors]
    assert "41 tokens do not fit: n_ctx=40" in texts[0] and "id -1 must be one of" in texts[1]
    assert "at least one token" in texts[2] and 'look "none" must be' in texts[3]
    assert "no tokens" in texts[4] and "do not fit" in texts[5]
    assert last == tokenizer.encode("a")


def test_networks_that_no_page_runs_are_refused_by_name() -> None:
    """Python packs none, and JavaScript reads none."""
    for changes, name in (
        ({"activation": "relu"}, "activation='relu'"),
        ({"pattern": ("dense", "banded")}, "pattern='banded'"),
    ):
        with pytest.raises(ValueError, match=name):
            engine.pack(cases.small("pre", cases.BYTE, **changes), cases.BYTE)
    large = make(vocab_size=300)
    with torch.no_grad():
        large.wte.weight[0, 0] = 7e4
    with pytest.raises(ValueError, match="wte.weight must fit half precision, its largest is 7e"):
        engine.pack(large, cases.BYTE)


# ------------------------------------------------------------------ the shipped models


@pytest.fixture(scope="module")
def shipped() -> tuple[GPT, Tokenizer]:
    """The model that most pages ask for."""
    return load("tales-gpt1")


def test_a_shipped_model_is_found_by_its_weights(shipped: tuple[GPT, Tokenizer]) -> None:
    """Wherever it came from; not after a step of training, nor with another vocabulary."""
    model, tokenizer = shipped
    assert engine.shipped_name(model, tokenizer) == "tales-gpt1"
    assert engine.shipped_name(*load("tales-gpt2-300k")) == "tales-gpt2-300k"
    assert engine.shipped_name(*load("tales-gpt2-10m")) == ""  # larger than a page may ask for
    assert engine.shipped_name(model, cases.BYTE) == ""
    other, _ = load("tales-gpt1")
    with torch.no_grad():
        other.h[2].mlp.c_fc.bias[3] += 1e-3
    assert engine.shipped_name(other, tokenizer) == ""
    assert engine.shipped_name(GPT(GPTConfig(300, 16, 1, 2, 8)), cases.BYTE) == ""


def test_scripts_of_models_have_at_most_12_megabytes() -> None:
    """And what explorers say of their size is true; the largest model is refused."""
    for name in ("tales-gpt1", "tales-gpt2-3m", "tales-gpt2-1m", "tales-gpt2-300k"):
        size = len(engine.script(name).encode()) / 1e6
        assert size <= 12 and abs(size - engine.megabytes(load(name)[0])) < 0.15
    with pytest.raises(ValueError, match="tales-gpt2-10m has .* it must have at most 12"):
        engine.script("tales-gpt2-10m")
    with pytest.raises(KeyError, match="is not shipped"):
        engine.script("nobody")


@pytest.mark.parametrize("name", ["tales-gpt1", "tales-gpt2-1m"])
def test_a_shipped_model_says_what_pytorch_says(name: str) -> None:
    """100 prompts from unread tales: logits within 1e-3; of 10 of them all weights and the text."""
    model, tokenizer = load(name)
    prompts = cases.prompts(tokenizer, 100)
    asks = [["run", ids, {}] for ids in prompts]
    asks += [["run", ids, {"trace": True}] for ids in prompts[:10]]
    asks += [["generate", ids, {"temperature": 0, "maxTokens": 40}] for ids in prompts[:10]]
    answers = cases.asked(model, tokenizer, *asks)
    for ids, found in zip(prompts, answers[:100], strict=True):
        with torch.no_grad():
            true = model(torch.tensor([ids]))[0, -1, : tokenizer.vocab_size].numpy()
        assert np.abs(np.array(found["logits"]) - true).max() < 1e-3
    for ids, traced, written in zip(prompts, answers[100:110], answers[110:], strict=False):
        with torch.no_grad():
            true = torch.cat(model.trace(torch.tensor([ids])).attentions).numpy().ravel()
        assert np.abs(np.array(traced["trace"]["attentions"]).ravel() - true).max() < 1e-3
        greedy = drawing.sample_ids(
            model, torch.tensor([ids]), temperature=0, max_new_tokens=len(written["ids"])
        )
        assert written["ids"] == [int(token) for token in greedy]

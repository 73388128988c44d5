"""What this proves: the shipped models are what their records say, and transformers opens them."""

import gzip
import json
import re

import pytest
import torch

from gptcore import evaluate, generate, load
from gptcore.checkpoint import load_reward, shipped
from gptcore.experiments.obeying import fulfilled, replies, wanted
from gptcore.heads.reward import Judge
from gptcore.tales import split, tales
from gptcore.tales.brief import briefs

LADDER = [f"tales-gpt2-{size}" for size in ("300k", "1m", "3m", "10m")]
NAMES = sorted(["tales-gpt1", *LADDER])
WRITERS = ["tales-gpt1", "tales-gpt2-3m", "tales-gpt2-10m"]
"""Large enough, after what they read, to tell a story."""
BRIEF = ["tales-brief", "tales-brief-1m"]
"""Pre-trained on brief tales."""


def held_out(tokenizer, n=24):
    """Tokens of held-out tales, packed as in training: end of text after each."""
    texts = [tale.text for tale in tales(n, start=split("valid").start)]
    return [i for text in texts for i in [*tokenizer.encode(text), tokenizer.eot]]


def test_every_shipped_model_is_tested_and_small_enough():
    assert shipped.names() == sorted([*NAMES, *BRIEF, "tales-sft", "tales-reward"])
    size = sum(p.stat().st_size for p in (shipped.DATA / "checkpoints").rglob("*") if p.is_file())
    assert size < 45e6


@pytest.mark.parametrize("name", [*NAMES, *BRIEF])
def test_record_says_how_the_model_was_made(name):
    record = shipped.run_record(name)
    assert record["command"].startswith("gptcore train ")
    assert {"seed", "hardware", "curve", "held_out", "baselines_nats_per_token"} <= set(record)
    model, tokenizer = load(name)
    assert model.n_params() == record["n_params"]
    assert tokenizer.vocab_size == model.config.vocab_size
    losses = [loss for _, loss in record["curve"]["valid"]]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("name", NAMES)
def test_held_out_loss_is_the_recorded_one(name):
    """Measured again on the first of the same tales: 24 of them, so a part in twenty is allowed."""
    record = shipped.run_record(name)
    model, tokenizer = load(name)
    measured = evaluate(model, held_out(tokenizer)).nats_per_token
    recorded = record["held_out"]["nats_per_token"]
    assert 0.9 * recorded < measured < 1.1 * recorded
    baselines = record["baselines_nats_per_token"]
    assert recorded < baselines["bigram"]
    assert name == "tales-gpt2-300k" or recorded < baselines["trigram"]


def test_the_ladder_differs_in_size_alone_and_more_parameters_predict_better():
    """The same tales in the same order, as many updates, one seed; a rate of its own each."""
    records = [shipped.run_record(name) for name in LADDER]
    assert len({(r["data"]["train_sha256"], r["tokens"], r["seed"]) for r in records}) == 1
    assert all(load(name)[0].config.norm == "pre" for name in LADDER)
    sizes = [r["n_params"] for r in records]
    losses = [r["held_out"]["nats_per_token"] for r in records]
    assert sizes == sorted(sizes) and losses == sorted(losses, reverse=True)
    assert 0.25e6 < sizes[0] < 0.35e6 and 9e6 < sizes[-1] < 11e6
    for name, record in zip(LADDER, records, strict=True):
        candidates = {
            row["choice"]["lr"]: row["valid"]
            for row in shipped.run_record("ladder")["rows"]
            if row["condition"] == name.split("-")[-1] and row["role"] == "candidate"
        }
        assert len(candidates) == 4
        assert record["config"]["optim"]["lr"] == max(candidates, key=candidates.get)


@pytest.mark.parametrize("name", NAMES)
def test_transformers_opens_it_and_gives_the_same_logits(name):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = load(name)
    path = shipped.folder(name)
    theirs = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    text = next(tales(1, start=split("test").start)).text
    ids = tokenizer.encode(text)
    assert AutoTokenizer.from_pretrained(path)(text)["input_ids"] == ids
    with torch.no_grad():
        x = torch.tensor([ids[: model.config.n_ctx]])
        torch.testing.assert_close(model(x), theirs(x).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", WRITERS)
def test_it_writes_whole_little_stories(name):
    """Eight tales: they end by themselves, close their quotes, use words of Tales, do not loop."""
    model, tokenizer = load(name)
    known = {w.strip('.,!?";:-') for t in tales(1000) for w in t.text.lower().split()}
    ended, closed, words = 0, 0, []
    for seed in range(8):
        text = generate(
            model,
            tokenizer,
            "<|endoftext|>",
            temperature=0.7,
            seed=seed,
            max_new_tokens=400,
            slide=True,
        )
        ended += len(tokenizer.encode(text)) < 400
        closed += text.count('"') % 2 == 0
        words += [w.strip('.,!?";:-') for w in text.lower().split()]
    assert ended >= 6
    assert closed >= 6
    assert sum(w in known for w in words) / len(words) > 0.95
    compressed = len(gzip.compress(" ".join(words).encode()))
    assert len(words) / compressed < 1  # one phrase again and again would give 10 and more


def test_unknown_names_are_refused():
    with pytest.raises(
        KeyError, match="name='gpt9' is not shipped; what is: tales-brief, .*tales-gpt1, tales-gpt2"
    ):
        shipped.folder("gpt9")
    with pytest.raises(KeyError, match="name='gpt9' has no recorded run; recorded: .*tales-gpt1"):
        shipped.run_record("gpt9")


def test_an_installation_without_models_says_so_and_where_they_are(tmp_path, monkeypatch):
    """Whichever way it is asked: by folder, by record, by `load`, which would ask the Hub next."""
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    nothing = f"nothing, since {re.escape(str(tmp_path))}.checkpoints holds no model; a clone of"
    with pytest.raises(KeyError, match=nothing):
        shipped.folder("tales-gpt1")
    with pytest.raises(KeyError, match="holds no record; a clone of the course has them"):
        shipped.run_record("tales-gpt1")
    pytest.importorskip("huggingface_hub")
    with pytest.raises(FileNotFoundError, match=nothing):
        load("tales-gpt1")


def test_load_takes_a_shipped_name(tmp_path, monkeypatch):
    path = tmp_path / "checkpoints" / "mine"
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    with pytest.raises(ValueError, match="model_type"):
        load("mine")


@pytest.mark.parametrize("name", BRIEF)
def test_who_read_invented_names_copies_those_that_it_knows(name):
    """A hero's name that comes again costs far less than one of sixteen, ln 16 = 2.77 nats."""
    model, tokenizer = load(name)
    record = shipped.run_record(name)
    assert record["held_out"]["nats_per_token"] < record["baselines_nats_per_token"]["trigram"]
    found = []
    for one in briefs(60, part="test"):
        name, kid = one.hero.name, one.hero.kid
        text = f"Once a {kid} called {name} lived by the sea. One day {name}"
        ids = torch.tensor([[tokenizer.eot, *tokenizer.encode(text)]])
        n = len(tokenizer.encode(" " + name))
        log_p = torch.log_softmax(model(ids)[0], -1)
        rows = range(ids.shape[1] - n - 1, ids.shape[1] - 1)
        found.append(-sum(log_p[i, ids[0, i + 1]].item() for i in rows))
    assert sum(found) / len(found) < 1.2


def test_the_taught_model_does_what_its_base_does_not():
    """Of the same 40 requests to tell a tale; the record has the command that made it."""
    requested = wanted(40, kinds=("tell",))
    prompts = [r.text for r in requested]
    scores = []
    for name in ("tales-brief", "tales-sft"):
        texts = replies(*load(name), prompts, (0, 1))[1]
        scores.append(sum(x.total for x in fulfilled(requested, texts)) / 40)
    assert scores[0] < 0.05 and scores[1] > 0.25
    assert shipped.run_record("tales-sft")["command"] == "python data/align.py tales-sft"


def test_the_reward_model_knows_a_sound_tale():
    """A demonstration against its sentences in reverse order; whose it is, it does not read."""
    judge = Judge(*load_reward("tales-reward"))
    requested = wanted(100, kinds=("tell",))
    prompts, texts = [r.text for r in requested], [r.demonstration for r in requested]
    turned = [". ".join(t.removesuffix(".").split(". ")[::-1]) + "." for t in texts]
    assert (judge.score(prompts, texts) > judge.score(prompts, turned)).float().mean() > 0.85
    assert shipped.run_record("tales-reward")["valid"]["accuracy"] > 0.5

"""Pre-training as a whole: from text to a folder with a model, its metrics and its record."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import MODEL, TEXT, config

from gptcore import checkpoint
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.scoring.likelihood import evaluate
from gptcore.text.streams import TokenStream
from gptcore.tokenizer import Tokenizer
from gptcore.train.corpus import DataConfig
from gptcore.train.loop import fit
from gptcore.train.pretrain import PretrainConfig, RunConfig, pretrain
from gptcore.train.record import read_metrics


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder)[0].state_dict()


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ---------------------------------------------------------------- a run


def test_a_run_leaves_model_metrics_and_record(tmp_path):
    steps = list(pretrain(config(tmp_path, steps=60)))
    out = tmp_path / "out"
    assert [s.step for s in steps] == list(range(1, 61))
    assert abs(steps[0].loss - math.log(steps_vocab(out))) < 0.1  # all tokens as likely at first
    assert steps[-1].loss < 0.5 * steps[0].loss
    model, tokenizer = checkpoint.load(out)
    assert model.config == replace(MODEL, vocab_size=tokenizer.vocab_size)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [r["loss"] for r in lines] == [s.loss for s in steps]
    assert [r["step"] for r in lines if r["val_loss"] is not None] == [*range(5, 61, 5)]
    record = json.loads((out / "run.json").read_text())
    assert record["command"] == "gptcore train ..."
    assert record["tokens"] == 60 * 4 * 16
    assert record["n_params"] == model.n_params()
    assert record["config"]["model"]["vocab_size"] == tokenizer.vocab_size
    assert (
        record["data"]["train_tokens"] + record["data"]["valid_tokens"]
        == len(tokenizer.encode(TEXT)) + 1
    )
    ids = [*tokenizer.encode(TEXT), tokenizer.eot]
    held_out = ids[record["data"]["train_tokens"] :]
    score = evaluate(model, held_out, n_bytes=len(tokenizer.decode_bytes(held_out[:-1])))
    assert record["held_out"]["nats_per_token"] == pytest.approx(score.nats_per_token, abs=1e-4)
    assert record["held_out"]["bits_per_byte"] == pytest.approx(score.bits_per_byte, abs=1e-4)
    baselines = record["baselines_nats_per_token"]
    assert baselines["trigram"] < baselines["bigram"] < baselines["unigram"]
    assert record["curve"]["valid"][-1][0] == 60
    assert record["hardware"]["threads"] == 1


def steps_vocab(out: Path) -> int:
    return checkpoint.load(out)[0].config.vocab_size


def test_a_run_left_and_resumed_is_the_unbroken_run(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    expected = [(s.step, s.loss, s.val_loss) for s in pretrain(config(tmp_path / "a"))]
    broken, records = config(tmp_path / "b"), []
    for step in pretrain(broken):
        records.append((step.step, step.loss, step.val_loss))
        if step.step == 7:
            break
    assert not (broken.out / "run.json").exists()
    again = replace(broken, resume=True)
    records += [(s.step, s.loss, s.val_loss) for s in pretrain(again)]
    assert records == expected
    assert equal(weights(tmp_path / "a" / "out"), weights(tmp_path / "b" / "out"))
    assert [r["step"] for r in read_metrics(broken.out / "metrics.jsonl")] == list(range(1, 13))
    assert list(pretrain(again)) == []
    assert [r["step"] for r in read_metrics(broken.out / "metrics.jsonl")] == list(range(1, 13))


def test_models_on_the_way_are_kept(tmp_path):
    """Every fifth of twelve updates, in half precision, with the tokenizer; and at no other."""
    run, seen = config(tmp_path, keep_every=5), {}
    for step in pretrain(run):
        seen[step.step] = checkpoint.load(run.out)[0] if step.step in (6, 11) else None
    assert sorted(path.name for path in (run.out / "at").iterdir()) == ["000005", "000010"]
    for at in (5, 10):  # `save_every` is 5, too: what update 6 finds in the folder is update 5's
        folder = run.out / "at" / f"00{at:04d}"
        model, tokenizer = checkpoint.load(folder)
        expected = {k: p.half().float() for k, p in seen[at + 1].state_dict().items()}
        assert equal(model.state_dict(), expected)
        assert tokenizer == checkpoint.load(run.out)[1]
        assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    with pytest.raises(ValueError, match="keep_every=-1 must be at least 0"):
        RunConfig(keep_every=-1)
    (tmp_path / "b").mkdir()
    list(pretrain(config(tmp_path / "b")))
    assert not (tmp_path / "b" / "out" / "at").exists()


def test_the_seed_decides_the_weights_and_not_the_callers_random_numbers(tmp_path):
    runs = {}
    for name, seed, past in (("a", 0, 1), ("b", 0, 2), ("c", 1, 1)):
        (tmp_path / name).mkdir()
        torch.manual_seed(past)
        list(pretrain(config(tmp_path / name, steps=5, seed=seed)))
        runs[name] = weights(tmp_path / name / "out")
    assert equal(runs["a"], runs["b"])
    assert not equal(runs["a"], runs["c"])


def test_text_is_not_encoded_again_on_resume(tmp_path, monkeypatch):
    steps = pretrain(config(tmp_path))
    next(steps)
    steps.close()
    monkeypatch.setattr(TokenStream, "write", None)
    monkeypatch.setattr(Tokenizer, "train", None)
    assert len(list(pretrain(replace(config(tmp_path), resume=True)))) == 11


def test_an_old_run_and_a_foreign_model_are_not_overwritten(tmp_path):
    steps = pretrain(config(tmp_path))
    next(steps)
    steps.close()
    with pytest.raises(
        FileExistsError, match=r"out='.*out' already holds a pre-training run, at update 1: add"
    ):
        pretrain(config(tmp_path))
    (tmp_path / "out" / "training.json").unlink()
    with pytest.raises(FileExistsError, match="holds a model that no run here has made"):
        pretrain(replace(config(tmp_path), resume=True))


def test_changed_text_is_refused_on_resume(tmp_path):
    steps = pretrain(config(tmp_path))
    next(steps)
    steps.close()
    again = replace(config(tmp_path), resume=True)
    (tmp_path / "cats.txt").write_text(TEXT + "more")
    with pytest.raises(ValueError, match=r"at step 1 with corpus\.text_sha256='\w+', now"):
        pretrain(again)


def test_a_device_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="device='nonsense' cannot be used here"):
        pretrain(config(tmp_path, device="nonsense"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RunConfig(steps=0), "steps=0 must be at least 1"),
        (lambda: RunConfig(batch_size=0), "batch_size=0 must be at least 1"),
        (lambda: RunConfig(eval_tokens=1), "eval_tokens=1 must be at least 2"),
        (lambda: RunConfig(save_every=-1), "save_every=-1 must be at least 0"),
        (lambda: DataConfig(tales=0), "tales=0 must be at least 1"),
        (lambda: DataConfig(tales=2 * 10**9), "tales=2000000000 must be at most 1000000000"),
        (lambda: DataConfig(held_out=1.0), "held_out=1.0 must be between 0 and 1"),
        (lambda: RunConfig(final_tokens=1), "final_tokens=1 must be at least 2, or 0"),
        (
            lambda: PretrainConfig("x", optim=OptimConfig(warmup=100), run=RunConfig(steps=100)),
            "warmup=100 must be less than steps=100; a part of them, such as 0.1, fits any number",
        ),
        (
            lambda: PretrainConfig("x", init="y", model=MODEL),
            "init='y' brings the shape of its network: give no other",
        ),
        (
            lambda: PretrainConfig("x", init="y", data=DataConfig(tokenizer="z")),
            "init='y' brings its tokenizer: give no other",
        ),
        (lambda: PretrainConfig("x", init="./x"), "init='./x' is out itself"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- what it starts from


def test_the_recipe_is_that_of_the_size_and_is_told_and_recorded(tmp_path):
    """A run without `optim`: 12 updates leave room for a warm-up of one."""
    plans = []
    run = replace(config(tmp_path), optim=None)
    steps = list(pretrain(run, begun=plans.append))
    assert [s.lr for s in steps[:2]] == [0, 1e-3]  # a small network's peak after one update
    record = json.loads((run.out / "run.json").read_text())
    assert record["recipe"] == "tiny"
    assert (record["config"]["optim"]["lr"], record["config"]["optim"]["warmup"]) == (1e-3, 1)
    (plan,) = plans
    assert plan.done == 0 and plan.told() == (
        "recipe tiny (this course, by trying on Tales): lr 0.001, warm-up 1 of 12 updates, "
        "shortened from 100, then cosine"
    )
    other = replace(run, out=tmp_path / "b", optim=OptimConfig(lr=0.5, warmup=0.25))
    steps = pretrain(other, begun=plans.append)
    assert plans[1].told().endswith("then cosine; here lr 0.5, warmup 3")
    assert [next(steps).lr for _ in range(4)] == pytest.approx([0, 0.5 / 3, 1 / 3, 0.5])
    steps.close()
    assert list(pretrain(replace(other, resume=True), begun=plans.append))[0].step == 5
    assert plans[2].done == 4


def test_training_goes_on_from_the_weights_of_another_model(tmp_path):
    """Its shape and tokenizer, a new schedule; and it can be killed and resumed like any other."""
    first = config(tmp_path)
    list(pretrain(first))
    trained, tokenizer = checkpoint.load(first.out)
    text = "the dog and the cat " * 200
    (tmp_path / "dogs.txt").write_text(text)
    run = replace(
        first,
        out=tmp_path / "further",
        model=None,
        init=str(first.out),
        optim=OptimConfig(lr=1e-30, warmup=0),
        data=DataConfig(text=(tmp_path / "dogs.txt",)),
    )
    steps = [s.loss for s in pretrain(run)]
    assert equal(weights(run.out), trained.state_dict())  # a rate of almost nothing moves nothing
    assert checkpoint.load(run.out)[1] == tokenizer
    ids = [*tokenizer.encode(text), tokenizer.eot]
    assert abs(steps[0] - evaluate(trained, ids).nats_per_token) < 0.1  # with dropout
    assert steps[0] < math.log(tokenizer.vocab_size) - 1  # which random weights have
    fast = replace(run, out=tmp_path / "b", optim=None)
    expected = [(s.step, s.loss) for s in pretrain(fast)]
    record = json.loads((fast.out / "run.json").read_text())
    assert record["recipe"] == "tiny, a tenth of its rate"
    assert record["config"]["optim"]["lr"] == pytest.approx(1e-4)
    assert record["config"]["init"] == str(first.out)
    broken = replace(fast, out=tmp_path / "c")
    steps = pretrain(broken)
    found = [next(steps) for _ in range(6)]
    steps.close()
    (first.out / "model.safetensors").unlink()  # what it began with is not needed any more
    found += list(pretrain(replace(broken, resume=True)))
    assert [(s.step, s.loss) for s in found] == expected


def test_a_finished_schedule_leads_to_a_new_one(tmp_path):
    run = config(tmp_path)
    list(pretrain(run))
    longer = replace(run, run=replace(run.run, steps=24), resume=True)
    with pytest.raises(ValueError, match=r"optim\.steps=24.*--init .*out --out"):
        pretrain(longer)


def test_a_model_without_a_tokenizer_cannot_be_trained_on(tmp_path):
    checkpoint.save(tmp_path / "mute", GPT(MODEL))
    run = replace(config(tmp_path), model=None, init=str(tmp_path / "mute"))
    with pytest.raises(ValueError, match="init='.*mute' has no tokenizer, and there is text"):
        pretrain(run)


def test_activations_computed_again_give_the_same_losses(tmp_path, monkeypatch):
    run, asked = config(tmp_path), []
    expected = [s.loss for s in pretrain(run)]

    def watched(*args, **options):
        asked.append(options["recompute"])
        return fit(*args, **options)

    monkeypatch.setattr("gptcore.train.pretrain.fit", watched)
    again = replace(run, out=tmp_path / "b", run=replace(run.run, recompute=True))
    assert [s.loss for s in pretrain(again)] == pytest.approx(expected, abs=1e-5)
    assert asked == [True]


# ---------------------------------------------------------------- its end


def test_a_long_held_out_text_is_measured_in_part(tmp_path):
    """And the record says how long that part was; its bytes are those of the part."""
    run = config(tmp_path, final_tokens=20)
    list(pretrain(run))
    record = json.loads((run.out / "run.json").read_text())
    model, tokenizer = checkpoint.load(run.out)
    n_train = record["data"]["train_tokens"]
    ids = [*tokenizer.encode(TEXT), tokenizer.eot][n_train : n_train + 20]
    score = evaluate(model, ids, n_bytes=len(tokenizer.decode_bytes(ids)))
    assert record["held_out"]["n_tokens"] == 19 < record["data"]["valid_tokens"]
    assert record["held_out"]["bits_per_byte"] == pytest.approx(score.bits_per_byte, abs=1e-4)
    assert record["baselines_counted_tokens"] == n_train


def test_it_shows_what_the_model_writes(tmp_path):
    run = config(tmp_path, steps=60)
    list(pretrain(run))
    sample = json.loads((run.out / "run.json").read_text())["sample"]
    assert len(sample["prompt"].split()) == 3 and sample["prompt"] in TEXT
    assert " the " in sample["text"]

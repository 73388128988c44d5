"""Pre-training as a whole: from text to a folder with a model, its metrics and its record."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gptcore.tales
from gptcore import checkpoint
from gptcore.config import GPTConfig
from gptcore.optim import OptimConfig
from gptcore.scoring.likelihood import evaluate
from gptcore.text.streams import TokenStream
from gptcore.tokenizer import Tokenizer
from gptcore.train import corpus as corpus_module
from gptcore.train.corpus import DataConfig, prepare
from gptcore.train.loop import Step
from gptcore.train.pretrain import PretrainConfig, RunConfig, pretrain
from gptcore.train.record import Metrics, curve, hardware, read_metrics, write_json

MODEL = GPTConfig(vocab_size=300, n_ctx=16, n_layer=1, n_head=2, d_model=16, norm="post")
TEXT = "the cat sat on the mat and the dog sat on the cat . " * 60


def config(tmp_path: Path, steps: int = 12, **run) -> PretrainConfig:
    (tmp_path / "cats.txt").write_text(TEXT)
    return PretrainConfig(
        out=tmp_path / "out",
        model=MODEL,
        optim=OptimConfig(lr=1e-2, warmup=4),
        data=DataConfig(text=(tmp_path / "cats.txt",)),
        run=RunConfig(steps=steps, batch_size=4, eval_every=5, save_every=5, **run),
        command="gptcore train ...",
    )


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
    with pytest.raises(FileExistsError, match=r"out='.*out' already holds a run"):
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
        (
            lambda: PretrainConfig(out="x", run=RunConfig(steps=100)),
            "warmup=100 must be less than steps=100",
        ),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- its text


def test_tales_are_the_default_and_held_out_ones_are_others(tmp_path):
    corpus = prepare(DataConfig(tales=40, held_out=0.1), 400, tmp_path)
    decode = corpus.tokenizer.decode
    train = decode(corpus.train.tokens.tolist()).split("<|endoftext|>")[:-1]
    valid = decode(corpus.valid.tokens.tolist()).split("<|endoftext|>")[:-1]
    assert train == [t.text for t in gptcore.tales.tales(40, seed=0)]
    assert len(valid) == 4
    assert not set(train) & set(valid)
    assert corpus.tokenizer.vocab_size == 400


def test_a_given_tokenizer_is_used(tmp_path):
    Tokenizer.train("dog" * 20, 258).save(tmp_path / "tokenizer.json")
    (tmp_path / "a.txt").write_text(TEXT)
    data = DataConfig(text=(tmp_path / "a.txt",), tokenizer=tmp_path)
    corpus = prepare(data, 9999, tmp_path / "data")
    assert corpus.tokenizer == Tokenizer.load(tmp_path)
    assert corpus.settings["tokenizer"] == corpus.tokenizer.fingerprint
    assert corpus.train.vocab_size == 258


def test_a_renamed_file_is_found_again_and_a_changed_one_is_not(tmp_path, monkeypatch):
    written = []
    write = TokenStream.write.__func__
    monkeypatch.setattr(
        TokenStream,
        "write",
        classmethod(lambda cls, *a, **k: (written.append(a[0]), write(cls, *a, **k))[1]),
    )
    for name, text in (("a.txt", TEXT), ("b.txt", TEXT), ("b.txt", TEXT + "!")):
        (tmp_path / name).write_text(text)
        prepare(DataConfig(text=(tmp_path / name,)), 300, tmp_path / "data")
    assert len(written) == 2


def test_a_broken_stream_is_made_again(tmp_path):
    data = DataConfig(tales=10)
    first = prepare(data, 300, tmp_path)
    (path,) = tmp_path.glob("*/train.bin")
    expected = np.array(first.train.tokens)
    path.write_bytes(path.read_bytes()[:-2])
    assert np.array_equal(prepare(data, 300, tmp_path).train.tokens, expected)


def test_the_tokenizer_learns_from_the_beginning_only(tmp_path):
    (tmp_path / "a.txt").write_text("ab" * 50 + "<|endoftext|>" + "cd" * 500)
    data = DataConfig(text=(tmp_path / "a.txt",), tokenizer_bytes=100)
    merges = prepare(data, 260, tmp_path / "d").tokenizer.merges
    assert merges[0] == ("a", "b")
    assert ("c", "d") not in merges


def test_too_little_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("ab")
    with pytest.raises(ValueError, match="the text has only 3 tokens"):
        prepare(DataConfig(text=(tmp_path / "a.txt",)), 257, tmp_path / "d")


def test_progress_shows_bars(tmp_path, capsys, monkeypatch):
    assert corpus_module.VALID_START == gptcore.tales.split("valid").start
    prepare(DataConfig(tales=10), 300, tmp_path, progress=True)
    assert "encoding train" in capsys.readouterr().err
    prepare(DataConfig(tales=11), 300, tmp_path)
    assert capsys.readouterr().err == ""


# ---------------------------------------------------------------- its records


def step(n: int, loss: float = 1.0, val_loss: float | None = None) -> Step:
    return Step(n, 100 * n, loss, 0.1, 1.0, 50.0, val_loss)  # 2 seconds each


def test_a_resumed_run_rewrites_the_lines_it_repeats(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path, keep=False)
    for n in (1, 2, 3, 4):
        metrics.write(step(n))
    metrics.close()
    with open(path, "a") as file:
        file.write('{"step": 5, "lo')  # the kill
    metrics = Metrics(path, keep=True)
    metrics.write(step(3, loss=9.0))
    metrics.close()
    found = [(r["step"], r["loss"], r["seconds"]) for r in read_metrics(path)]
    assert found == [(1, 1.0, 2.0), (2, 1.0, 4.0), (3, 9.0, 6.0)]
    metrics = Metrics(path, keep=False)
    metrics.write(step(1))
    metrics.close()
    assert len(read_metrics(path)) == 1


def test_every_line_is_on_disk_when_it_is_written(tmp_path):
    metrics = Metrics(tmp_path / "m", keep=False)
    metrics.write(step(1))
    assert len(read_metrics(tmp_path / "m")) == 1
    metrics.close()


def test_the_curve_keeps_few_points_and_all_held_out_losses():
    records = [{"step": n, "loss": float(n), "val_loss": None} for n in range(1, 8)]
    records[3]["val_loss"] = 2.5
    assert curve(records, points=4) == {
        "train": [[2, 1.5], [4, 3.5], [6, 5.5], [7, 7.0]],
        "valid": [[4, 2.5]],
    }
    assert curve([]) == {"train": [], "valid": []}


def test_json_is_compact_and_reads_back(tmp_path):
    content = {"a [ b\n c ]": [[1, 2], [3, "x   y"]], "d": []}
    write_json(tmp_path / "r.json", content)
    text = (tmp_path / "r.json").read_text()
    assert json.loads(text) == content
    assert "[ 1, 2 ]" in text


def test_the_hardware_is_named():
    found = hardware(torch.device("cpu"))
    assert found["torch"] == torch.__version__
    assert found["cpu"]
    assert found["threads"] == torch.get_num_threads()

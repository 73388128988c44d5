"""`gptcore train`: what suits is taken and told, what was begun is gone on with."""

import json
import re

import pytest
import torch
from command_line import failing

from gptcore import __main__ as cli
from gptcore import checkpoint
from gptcore.commands import train
from gptcore.config import PRESETS
from gptcore.train.corpus import DataConfig
from gptcore.train.pretrain import PretrainConfig, pretrain

SMALL = ["--tales", "20", "--vocab-size", "300", "--d-model", "16", "--n-ctx", "16"]


def ran(capsys, out, *args):
    """What a run prints on either stream."""
    code = cli.main(["train", "--out", str(out), *map(str, args), "--quiet"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out, printed.err


def record(out):
    return json.loads((out / "run.json").read_text())


def test_a_first_run_of_a_few_updates_works_and_says_what_it_took(tmp_path, capsys):
    out, err = ran(capsys, tmp_path / "run", *SMALL, "--steps", 6)
    assert err.startswith(
        "gptcore: recipe tiny (this course, by trying on Tales): lr 0.001, warm-up 0 of 6 updates, "
        "shortened from 100, then cosine\n"
    )
    found = record(tmp_path / "run")
    nats, bits = found["held_out"]["nats_per_token"], found["held_out"]["bits_per_byte"]
    assert f"held-out loss {nats:.4f} nats per token, {bits:.4f} bits per byte (unigram " in out
    assert f'it writes: "{found["sample"]["prompt"]}" ...' in out
    assert "counting pairs of tokens still does better: more --steps" in err


def test_a_share_is_a_warm_up_and_options_say_otherwise_than_the_recipe(tmp_path, capsys):
    _, err = ran(capsys, tmp_path / "run", *SMALL, "--steps", 8, "--warmup", 0.25, "--lr", "1e-2")
    assert "then cosine; here lr 0.01, warmup 2\n" in err
    assert record(tmp_path / "run")["config"]["optim"]["warmup"] == 2
    too_long = "warmup=9 must be less than steps=8; a part of them, such as 0.1, fits any number"
    for warmup, message in (
        (9, too_long),
        (1.5, "warmup=1.5 must be a whole number, or a part below 1"),
        (-0.5, "warmup=-0.5 must be at least 0"),
        ("nan", "warmup=nan must be at least 0"),
    ):
        args = ["train", "--out", tmp_path / "x", "--steps", 8, "--warmup", warmup]
        assert message in failing(capsys, *args)


def test_the_defaults_are_the_presets(monkeypatch):
    """A published size brings its paper's rate, and the first run its own length."""
    found = train.defaults(["--out", "x"])
    assert (found.model, found.run.steps, found.run.batch_size) == (PRESETS["pocket"], 4000, 8)
    assert found.optim.lr == 3e-3
    found = train.defaults(["--out", "x", "--preset=gpt2-xl", "--steps", "20000"])
    assert (found.optim.lr, found.optim.warmup, found.run.steps) == (2e-4, 750, 1000)
    found = train.defaults(["--out", "x", "--preset", "gpt1", "--n-layer", "1", "--d-model", "24"])
    assert found.optim.lr == 1e-3  # a small network, whatever it began as
    shown = train.defaults(["--preset", "gpt3-175b", "--help"])
    assert (shown.optim.lr, shown.optim.weight_decay) == (0.6e-4, 0.1)


def test_what_is_not_typed_on_a_resume_is_what_the_run_was_begun_with(tmp_path, capsys):
    """Also by the version before, whose defaults were others."""
    out = tmp_path / "run"
    begun = [*SMALL, "--vocab-size", 9000, "--steps", 8, "--batch-size", 3]
    begun += ["--lr", "5e-3", "--seed", 4]
    ran(capsys, tmp_path / "whole", *begun)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(train, "progress_bar", broken_bar)
    with pytest.raises(Stop):
        cli.main(["train", "--out", str(out), *map(str, begun)])
    monkey.undo()
    capsys.readouterr()
    _, err = ran(capsys, out, "--resume")
    assert "gptcore: going on after update 5 of 8\n" in err
    one, two = (checkpoint.load(f)[0].state_dict() for f in (tmp_path / "whole", out))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert checkpoint.load(out)[0].config.vocab_size < 9000  # the text has no more to learn from
    again = ["train", "--out", out, "--resume", "--quiet"]
    assert "vocab_size=9000, now corpus.vocab_size=50257" in failing(
        capsys, *again, "--preset=gpt2"
    )
    printed = failing(capsys, *again, "--steps", 30)
    way_out = r"optim\.steps=8, now optim\.steps=30: .*--init \S*run --out ANOTHER --lr 0.005"
    assert re.search(way_out, printed)


class Stop(Exception):
    """The process is no more."""


class broken_bar:  # noqa: N801
    """Stands for a bar; the fifth record is the last."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __call__(self, step):
        if step.step == 5:
            raise Stop


def test_training_on_from_a_model(tmp_path, capsys):
    base, out = tmp_path / "base", tmp_path / "on"
    ran(capsys, base, *SMALL, "--steps", 8)
    (tmp_path / "a.txt").write_text("the cat sat on the mat . " * 50)
    args = ["--init", base, "--text", tmp_path / "a.txt", "--steps", 6]
    _, err = ran(capsys, out, *args)
    assert f"training on from {base}; recipe tiny, a tenth of its rate" in err
    assert record(out)["config"]["optim"]["lr"] == pytest.approx(1e-4)
    model, tokenizer = checkpoint.load(out)
    assert model.config == checkpoint.load(base)[0].config
    assert tokenizer == checkpoint.load(base)[1]
    message = "--init brings the shape of its network: leave out the options of model"
    assert message in failing(capsys, "train", "--out", tmp_path / "x", *args, "--n-layer", 3)
    assert "gone" in failing(capsys, "train", "--out", tmp_path / "x", "--init", tmp_path / "gone")


def test_the_range_test_trains_nothing(tmp_path, capsys):
    out = tmp_path / "run"
    printed, _ = ran(capsys, out, *SMALL, "--find-lr")
    assert re.search(r"^the loss falls fastest at --lr \d\.\de-0\d; lowest is", printed, re.M)
    assert [path.name for path in out.iterdir()] == ["data"]


def test_records_are_followed(tmp_path, capsys, monkeypatch):
    seen = []

    class Follow:
        def __init__(self, name, out, settings):
            seen.append((name, out, settings["run"]["steps"]))

        def __enter__(self):
            return lambda step: seen.append(step.step)

        def __exit__(self, *error):
            seen.append("closed")

    monkeypatch.setattr(train, "tracker", Follow)
    ran(capsys, tmp_path / "run", *SMALL, "--steps", 3, "--track", "wandb")
    assert seen == [("wandb", tmp_path / "run", 3), 1, 2, 3, "closed"]


def test_long_texts_are_measured_in_part_and_that_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gptcore.train.record.BASELINE_TOKENS", 100)
    out, _ = ran(capsys, tmp_path / "run", *SMALL, "--steps", 3, "--final-tokens", 50)
    n_valid = record(tmp_path / "run")["data"]["valid_tokens"]
    assert f"measured on the first 50 of {n_valid:,} held-out tokens" in out
    assert "counted in the first 100 training tokens" in out


def test_a_run_of_before_can_be_resumed_without_its_settings(tmp_path, capsys):
    """One begun in Python, where the shape is another by default."""
    config = PretrainConfig(tmp_path / "run", data=DataConfig(tales=30))
    steps = pretrain(config)
    for _ in range(2):
        next(steps)
    steps.close()
    known = train.defaults(["--out", str(config.out), "--resume"])
    assert known.init is None
    assert known.model.d_model == 64 and known.run.steps == 1000 and known.data.tales == 30


def test_files_are_named_again_on_a_resume(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the cat sat on the mat . " * 50)
    args = [*SMALL[2:], "--text", tmp_path / "a.txt", "--steps", 6]
    ran(capsys, tmp_path / "run", *args)
    again = ["train", "--out", tmp_path / "run", "--resume", "--quiet"]
    assert "was begun on files: name them again with --text" in failing(capsys, *again)
    _, err = ran(capsys, tmp_path / "run", "--resume", "--text", tmp_path / "a.txt")
    assert "going on after update 6 of 6" in err


def test_gpt3s_recipe_is_told_followed_and_gone_on_with(tmp_path, capsys):
    args = [*SMALL, "--recipe", "gpt3", "--steps", 40, "--batch-size", 16, "--save-every", 20]
    _, err = ran(capsys, tmp_path / "run", *args)
    told = "recipe gpt3-small (GPT-3 Table 2.1, App. B): 1/"
    assert told in err and "every length shrunk alike" in err and "here" not in err
    steps = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    sizes = [b["tokens"] - a["tokens"] for a, b in zip(steps, steps[1:], strict=False)]
    assert steps[0]["tokens"] == 16 and sizes == sorted(sizes) and sizes[-1] == 16 * 16
    assert steps[-1]["lr"] < 0.11 * max(s["lr"] for s in steps)  # constant at a tenth at the end
    _, err = ran(capsys, tmp_path / "run", *args, "--resume")
    assert "going on after update 40 of 40" in err
    _, err = ran(capsys, tmp_path / "run", "--resume")  # what was begun is found again
    assert "going on after update 40 of 40" in err and told in err
    assert record(tmp_path / "run")["recipe"] == "gpt3-small"
    assert "recipe='gpt3' puts an end-of-text" in failing(
        capsys, "train", "--out", tmp_path / "x", "--recipe", "gpt3", "--no-pack"
    )
    assert "leave out --init" in failing(
        capsys, "train", "--out", tmp_path / "x", "--recipe", "gpt3", "--init", "tales-gpt1"
    )

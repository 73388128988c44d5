"""`gptcore sft`, `reward` and `dpo`, as a stranger uses them: one after the other, and badly."""

import json
import re
import signal

import pytest
from command_line import failing, interrupt
from small_dialogues import LIKED, SHOWN, saved_gpt
from small_models import same_weights

from gptcore import __main__ as cli
from gptcore import checkpoint
from gptcore.train.record import Metrics, read_metrics


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pre-trained network, demonstrations and comparisons."""
    folder = tmp_path_factory.mktemp("sft")
    saved_gpt(folder / "base")
    shown = [{"prompt": d.prompt, "response": d.response} for d in (*SHOWN.train, *SHOWN.valid)]
    liked = [
        {"prompt": c.prompt, "ranked": ["x" * 3, ["x", "y"], ""]}
        for c in (*LIKED.train, *LIKED.valid)
    ]
    for name, rows in (("shown", shown), ("liked", [*liked, {"prompt": "a", "ranked": ["b"]}])):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def arguments(command, folder, out, *more, model="base", data=None):
    data = data or ("shown.jsonl" if command == "sft" else "liked.jsonl")
    paths = ["--out", out, "--data", folder / data, "--model", folder / model]
    recipe = ["--lr", "1e-2", "--batch-size", 4, "--epochs", 3, "--evals", 3]
    return [command, *map(str, [*paths, *recipe, *more])]


def test_demonstrations_then_comparisons(folder, tmp_path, capsys):
    assert cli.main(arguments("sft", folder, tmp_path / "sft")) == 0
    out, err = capsys.readouterr()
    assert "held-out (2 prompts): loss " in out and "holds the model" in out
    assert "recipe small" in err and "[4] " in err and " -> " in err  # samples as they come
    assert cli.main(arguments("reward", folder, tmp_path / "rm", model=tmp_path / "sft/best")) == 0
    out, err = capsys.readouterr()
    assert "accuracy " in out and "ece " in out and "holds the reward model" in out
    assert "1 of 17 rows are left out" in err
    assert "line 17: ranked=['b'] must have at least 2" in err
    model, tokenizer = checkpoint.load_reward(tmp_path / "rm" / "best")
    assert tokenizer is not None and model.bias != 0
    beta = ("--beta", "0.5")
    options = arguments("dpo", folder, tmp_path / "dpo", *beta, model=tmp_path / "sft/best")
    assert cli.main(options) == 0
    out, err = capsys.readouterr()
    assert "margin " in out and "gptcore generate" in out
    assert "recipe small" in err and "[4] " in err and " -> " in err
    assert json.loads((tmp_path / "dpo" / "run.json").read_text())["data"]["beta"] == 0.5
    judged = ("--choose-by", tmp_path / "rm/best", "--quiet")
    assert cli.main(arguments("sft", folder, tmp_path / "chosen", *judged)) == 0
    assert "score " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["sft", "reward", "dpo"])
def test_stopped_and_resumed_it_is_the_same_run(folder, tmp_path, command, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert cli.main(arguments(command, folder, whole, "--quiet")) == 0
    with monkeypatch.context() as patch:
        interrupt(patch, Metrics, "write", 5, signal.SIGINT)
        assert cli.main(arguments(command, folder, out, "--quiet")) == 130
    assert "To go on, add --resume" in capsys.readouterr().err
    assert cli.main(arguments(command, folder, out, "--quiet", "--resume")) == 0
    for name in ("loss", "val_loss"):
        a, b = ([r[name] for r in read_metrics(run / "metrics.jsonl")] for run in (whole, out))
        assert a == b and len(a) == 12
    load = checkpoint.load_reward if command == "reward" else checkpoint.load
    assert same_weights(load(whole / "best")[0], load(out / "best")[0])
    told = [json.loads((run / "run.json").read_text())["command"] for run in (whole, out)]
    assert all(f"gptcore {command} " in line and "--resume" not in line for line in told)


@pytest.mark.parametrize(
    "command, more, message",
    [
        ("sft", {"data": "gone.jsonl"}, "gone.jsonl' is no file, and none of the named sets"),
        ("sft", {"data": "liked.jsonl"}, "must have prompt and response, or messages"),
        ("reward", {"data": "shown.jsonl"}, "must have prompt and ranked, or chosen and rejected"),
        ("sft", {"model": "gone"}, "gone"),
        ("sft", {"more": ("--lr", "0")}, "lr=0.0 must be greater than 0"),
        ("reward", {"more": ("--epochs", "nan")}, "epochs=nan must be greater than 0"),
        ("sft", {"more": ("--choose-by", "base")}, "base"),
        ("dpo", {"more": ("--beta", "0")}, "beta=0.0 must be greater than 0"),
        ("dpo", {"data": "shown.jsonl"}, "must have prompt and ranked, or chosen and rejected"),
        ("sft", {"more": ("--longest-prompt", "1")}, "14 prompts are too long"),
    ],
)
def test_a_mistake_ends_in_one_line(folder, tmp_path, capsys, command, more, message):
    words = more.pop("more", ())
    err = failing(capsys, *arguments(command, folder, tmp_path / "out", *words, **more))
    assert re.search(message, err), err
    assert not (tmp_path / "out" / "run.json").exists()

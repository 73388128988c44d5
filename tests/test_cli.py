"""The command line, as a stranger uses it."""

import gzip
import importlib
import inspect
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import failing, interrupt, start, wait_for

from gptcore import __main__ as cli
from gptcore import checkpoint, tales
from gptcore.model import GPT
from gptcore.sampling.drawing import stream
from gptcore.text import files
from gptcore.tokenizer import Tokenizer
from gptcore.train.record import Metrics, read_metrics

TRAIN = [
    "--preset",
    "tiny",
    "--tales",
    "60",
    "--steps",
    "200",
    "--warmup",
    "10",
    "--save-every",
    "20",
]
TRAIN += ["--save-every", "20", "--batch-size", "8", "--quiet"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """An unbroken run of 200 steps on Tales with the preset tiny."""
    out = tmp_path_factory.mktemp("trained") / "run"
    assert cli.main(["train", "--out", str(out), *TRAIN]) == 0
    return out


def same_weights(a: Path, b: Path) -> bool:
    one, two = (checkpoint.load(folder)[0].state_dict() for folder in (a, b))
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


# ---------------------------------------------------------------- train


def test_killed_at_a_random_step_and_resumed_it_ends_with_the_same_weights(trained, tmp_path):
    out = tmp_path / "run"
    at = random.randrange(1, 180)
    process = start("train", "--out", out, *TRAIN)
    wait_for(lambda: len(read_metrics(out / "metrics.jsonl")) >= at, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert at <= len(read_metrics(out / "metrics.jsonl")) < 200
    assert not (out / "run.json").exists()
    assert cli.main(["train", "--out", str(out), *TRAIN, "--resume"]) == 0
    assert same_weights(trained, out)
    for name in ("step", "loss", "val_loss", "grad_norm"):
        one, two = ([r[name] for r in read_metrics(f / "metrics.jsonl")] for f in (trained, out))
        assert one == two, f"{name} after a kill at step {at}"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["in an update", "between updates"])
def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(
    trained, tmp_path, monkeypatch, capsys, number, code, where
):
    out = tmp_path / "run"
    owner, name = (GPT, "loss") if where == "in an update" else (Metrics, "write")
    with monkeypatch.context() as patch:
        interrupt(patch, owner, name, 7, number)
        assert cli.main(["train", "--out", str(out), *TRAIN]) == code
    errors = capsys.readouterr().err
    assert f"gptcore: stopped; {out} is saved. To go on, add --resume" in errors
    assert checkpoint.load_training_state(out)["step"] == 7
    assert cli.main(["train", "--out", str(out), *TRAIN, "--resume"]) == 0
    assert same_weights(trained, out)
    assert [r["step"] for r in read_metrics(out / "metrics.jsonl")] == list(range(1, 201))


def test_training_says_what_it_did(trained, capsys):
    assert cli.main(["train", "--out", str(trained), *TRAIN, "--resume"]) == 0
    printed = capsys.readouterr().out
    found = json.loads((trained / "run.json").read_text())
    assert f"held-out loss {found['held_out']['nats_per_token']:.4f} nats per token" in printed
    assert "unigram" in printed
    assert f'gptcore generate {trained} "Once upon a time"' in printed
    assert found["command"].startswith("gptcore train --out")


def test_a_progress_bar_shows_loss_speed_and_time_left(tmp_path, capsys):
    args = ["--preset", "tiny", "--tales", "20", "--steps", "3", "--d-model", "8"]
    args += ["--warmup", "1", "--eval-every", "2"]
    assert cli.main(["train", "--out", str(tmp_path / "run"), *args]) == 0
    shown = capsys.readouterr().err
    training, measuring = shown.split("measuring on held-out text", 1)
    expected = (
        r"100%.* 3/3 \[\d+:\d+<\d+:\d+, .*loss \d\.\d{4}, held-out \d\.\d{4}, [\d,]+ tokens/s"
    )
    assert re.search(expected, training), training
    assert "3/3 [" not in measuring and "counting n-grams 100%" in measuring, measuring


def test_own_text_files_train_too(tmp_path, capsys):
    """Two files and a folder with a gzipped one; options of all four groups."""
    (tmp_path / "more").mkdir()
    (tmp_path / "a.txt").write_text("the cat sat on the mat . " * 40)
    (tmp_path / "b.txt").write_text("the dog sat on the cat . " * 40)
    (tmp_path / "more" / "c.txt.gz").write_bytes(gzip.compress(b"the mat sat . " * 40))
    names = [str(tmp_path / name) for name in ("a.txt", "b.txt", "more")]
    out = tmp_path / "run"
    code = cli.main(
        ["train", "--out", str(out), "--text", *names, "--steps", "4", "--warmup", "0"]
        + ["--preset", "gpt2", "--n-layer", "1", "--n-head=2", "--d-model", "8", "--n-ctx", "16"]
        + ["--vocab-size", "265", "--lr", "0.01", "--no-pack", "--quiet"]
    )
    assert code == 0, capsys.readouterr().err
    model, tokenizer = checkpoint.load(out)
    assert (model.config.norm, model.config.n_layer, model.config.d_model) == ("pre", 1, 8)
    assert tokenizer.vocab_size == 265
    record = json.loads((out / "run.json").read_text())
    assert record["config"]["optim"]["lr"] == 0.01
    assert record["data"]["pack"] is False


# ---------------------------------------------------------------- the other commands


def test_tales_are_written_as_train_reads_them(tmp_path, capsys):
    assert cli.main(["tales", "--n", "3", "--seed", "4"]) == 0
    printed = capsys.readouterr().out
    expected = [tale.text for tale in tales.tales(3, seed=4)]
    assert printed == "".join(f"{text}\n<|endoftext|>\n" for text in expected)
    for name in ("t.txt", "t.txt.gz"):
        path = tmp_path / "new" / name
        assert cli.main(["tales", "--n", "3", "--seed", "4", "--out", str(path)]) == 0
        data = path.read_bytes()
        assert (gzip.decompress(data) if name.endswith("gz") else data).decode() == printed
        assert list(files.documents([path])) == expected
    assert "3.00/3.00" in capsys.readouterr().err
    assert cli.main(["tales", "--n", "1", "--split", "valid", "--start", "7"]) == 0
    first = tales.tale(0, tales.split("valid").start + 7).text
    assert capsys.readouterr().out.startswith(first)


def test_generate_writes_prompt_and_continuation(trained, capsys):
    args = ["generate", str(trained), "Once", "--max-new-tokens", "20", "--seed", "1"]
    assert cli.main([*args, "--temperature", "0.8", "--top-k", "20"]) == 0
    printed = capsys.readouterr().out
    model, tokenizer = checkpoint.load(trained)
    text = stream(model, tokenizer, "Once", max_new_tokens=20, seed=1, temperature=0.8, top_k=20)
    assert printed == "Once" + "".join(text) + "\n"


def test_evaluate_prints_numbers_or_json(trained, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("Once upon a time there was a fox. " * 5)
    args = ["evaluate", str(trained), "--text", str(tmp_path / "a.txt")]
    assert cli.main([*args, "--json"]) == 0
    score = json.loads(capsys.readouterr().out)
    assert score["n_bytes"] == 170
    n_ids = len(Tokenizer.load(trained).encode("Once upon a time there was a fox. " * 5))
    assert score["n_tokens"] == n_ids  # with the end of text one more, without the first one less
    assert cli.main(args) == 0
    assert f"{score['bits_per_byte']:.4f} bits per byte" in capsys.readouterr().out
    assert cli.main(["evaluate", str(trained), "--tales", "3", "--stride", "32", "--json"]) == 0
    on_tales = json.loads(capsys.readouterr().out)
    first = tales.split("valid").start
    held_out = "".join(t.text for t in tales.tales(3, start=first))
    assert on_tales["n_bytes"] == len(held_out.encode())


def test_info_of_a_preset_and_of_a_model(trained, capsys):
    assert cli.main(["info", "gpt2-xl"]) == 0
    assert "1,557,611,200" in capsys.readouterr().out
    assert cli.main(["info", str(trained)]) == 0
    n_params = checkpoint.load(trained)[0].n_params()
    assert f"{n_params:,}" in capsys.readouterr().out


# ---------------------------------------------------------------- help and mistakes


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["data", "list"], ["info", "gpt3-175b"], ["tales"]]
)
def test_what_needs_no_network_does_not_wait_for_pytorch(args):
    """PyTorch takes longer to import than all of this to do; help of most commands, too."""
    code = f"import sys; from gptcore.__main__ import main; assert main({args}) == 0; "
    code += "sys.exit('torch is imported' if 'torch' in sys.modules else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr


def test_version_names_what_a_report_of_a_fault_needs(capsys):
    assert cli.main(["--version"]) == 0
    told = capsys.readouterr().out
    assert re.fullmatch(r"gptcore \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, torch .+, \w+\)\n", told)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_overview_says_what_the_command_s_own_help_begins_with(name):
    command = importlib.import_module(f"gptcore.commands.{name}")
    first = inspect.getdoc(command.Options).splitlines()[0]
    assert cli.COMMANDS[name] == first


def test_help_tells_commands_defaults_units_and_examples(capsys):
    assert cli.main(["--help"]) == 0
    overview = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert re.search(rf"^  {name} +[A-Z]", overview, re.M)
        with pytest.raises(SystemExit) as stopped:
            cli.main([name, "--help"])
        assert stopped.value.code == 0
        shown = capsys.readouterr().out
        assert f"gptcore {name} " in shown.split("Examples:")[1]
        undocumented = re.findall(r"^│ (--[\w-]+).*│\n│ +\(default[^\n]*\n", shown, re.M)
        assert not undocumented
    with pytest.raises(SystemExit):
        cli.main(["train", "--help", "--preset", "gpt2-xl"])
    shown = capsys.readouterr().out
    assert "(default: 1600)" in shown
    assert "Updates of the weights, in all. (default: 1000)" in shown


def test_mistakes_are_one_line_and_exit_code_2(trained, tmp_path, capsys):
    out = tmp_path / "run"
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "empty.txt").touch()
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "config.json").write_text((trained / "config.json").read_text())
    (torn / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes()[:1000])
    train = ["train", "--out", out, "--quiet"]
    for args, message in (
        (
            ["trian"],
            "'trian' is no command; choose from tales, data, train, finetune, sft, reward,",
        ),
        (
            ["train", "--out", trained],
            "already holds a pre-training run, at update 200: add --resume",
        ),
        ([*train, "--text", tmp_path / "no.txt"], "no.txt does not exist"),
        ([*train, "--text", tmp_path / "latin.txt"], "not UTF-8: byte 3 of the file is 0xe9"),
        ([*train, "--text", tmp_path / "empty.txt"], "empty.txt is empty"),
        ([*train, "--steps", 50, "--warmup", 100], "warmup=100 must be less than steps=50"),
        ([*train, "--device", "tpu9"], "device='tpu9' cannot be used here"),
        (["train", "--out", trained, *TRAIN, "--resume", "--seed", 1], "seed=0, now"),
        (["generate", trained, "a", "--top-k", 0], "top_k=0 must be at least 1"),
        (["generate", tmp_path / "none", "hi"], "is no folder"),
        (["generate", torn, "hi"], "torn"),
        (["evaluate", trained, "--text", tmp_path / "no.txt"], "no.txt does not exist"),
        (["evaluate", trained, "--tales", 2, "--stride", 65], "stride=65 must be between 1 and"),
        (["tales", "--n", 0], "n=0 must be at least 1"),
        (["tales", "--start", -1], "start=-1 must be between 0 and"),
    ):
        printed = failing(capsys, *args)
        assert message in printed, printed
        assert printed.startswith("gptcore: "), printed
        assert printed.count("\n") == 1, printed
    assert not (out / "model.safetensors").exists()


def test_mistakes_in_options_are_explained(tmp_path, capsys):
    out = ["train", "--out", tmp_path, "--preset", "tiny"]
    for args, message in (
        ([*out, "--n-head", 5], "n_head=5 must divide d_model=64"),
        ([*out, "--lr", 0], "lr=0.0 must be greater than 0"),
        ([*out, "--steps", "many"], "many"),
        ([*out, "--stepz", 5], "--stepz"),
        (["train"], "--out"),
    ):
        assert message in failing(capsys, *args)


def test_divergence_is_a_mistake_that_says_what_to_try(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(GPT, "loss", lambda self, *batch: self.wte.weight.sum() * float("nan"))
    printed = failing(capsys, "train", "--out", tmp_path / "run", *TRAIN)
    assert "training diverged" in printed
    assert "lr < 0.001" in printed


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_a_line_with_a_way_out(trained, capsys, monkeypatch, error):
    def raising(*_, **__):
        raise error

    monkeypatch.setattr(checkpoint, "load", raising)
    printed = failing(capsys, "evaluate", trained)
    assert "a smaller --batch-size needs less" in printed and printed.count("\n") == 1


def test_a_fault_of_ours_is_not_hidden(trained, monkeypatch):
    """Negative control: what no user can cause keeps its traceback."""

    def raising(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(checkpoint, "load", raising)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        cli.main(["evaluate", str(trained)])


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_an_output_cannot_say_is_written_out(trained, tmp_path, encoding):
    """On Windows a file or pipe takes cp1252, which has no arrow and no half of a character."""
    with open(tmp_path / "out", "w") as out:
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        words = [sys.executable, "-m", "gptcore", "generate", str(trained), "fox → home é \udcff"]
        subprocess.run([*words, "--max-new-tokens", "5"], env=environment, stdout=out, check=True)
    written = (tmp_path / "out").read_text(encoding)
    assert written.startswith("fox \\u2192 home ")
    assert ("é" in written) is (encoding == "cp1252")


def test_a_folder_called_like_a_model_is_told_from_it(trained, tmp_path, capsys, monkeypatch):
    """An empty one is in nobody's way; one that holds a model goes first, and this is said."""
    monkeypatch.chdir(tmp_path)
    for name in ("gpt2", "tales-gpt1"):
        (tmp_path / name).mkdir()
    assert cli.main(["info", "gpt2"]) == 0
    assert capsys.readouterr().out.startswith(
        "gpt2 (preset; the folder of that name holds no model)\n"
    )
    words = ["generate", "tales-gpt1", "Once", "--max-new-tokens", "1"]
    assert cli.main(words) == 0
    told = capsys.readouterr().err
    assert f"tales-gpt1 is the shipped model; the folder {tmp_path / 'tales-gpt1'} holds" in told
    for name in ("gpt2", "tales-gpt1"):
        shutil.copytree(trained, tmp_path / name, dirs_exist_ok=True)
    assert cli.main(["info", "gpt2"]) == 0
    assert capsys.readouterr().out.startswith(f"gpt2 (folder {tmp_path / 'gpt2'})\n")
    assert cli.main(words) == 0
    told = capsys.readouterr().err
    assert f"tales-gpt1 is the folder {tmp_path / 'tales-gpt1'}, not the model" in told
    (tmp_path / "openai-gpt").mkdir()
    told = failing(capsys, "generate", "openai-gpt", "Once")
    assert "config.json is absent" in told and "work where no folder has that name" in told


def test_no_command_shows_the_overview(capsys):
    assert cli.main([]) == 2
    assert "usage: gptcore COMMAND" in capsys.readouterr().out


def test_a_closed_pipe_is_no_error(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert cli.main(["tales", "--n", "3"]) == 0

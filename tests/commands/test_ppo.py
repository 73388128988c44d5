"""`gptcore ppo`, as a stranger uses it: with a function, a reward model, killed, and wrongly."""

import json
import signal

import pytest
import torch
from command_line import failing, interrupt, start, wait_for
from small_models import make, same_weights
from small_policies import policy
from small_tasks import LETTERS

from gptcore import __main__ as cli
from gptcore import checkpoint
from gptcore.heads.reward import RewardModel
from gptcore.tokenizer import Tokenizer
from gptcore.train.folders import saved_step
from gptcore.train.ppo import _Run
from gptcore.train.record import read_metrics

SCORE = """
def score(prompts, responses):
    return [response.count("a") / 4 for response in responses]

def length(prompts, responses):
    return [len(response) for response in responses]

def broken(prompts, responses):
    return responses[0].missing

def nothing(prompts, responses):
    return [float("nan")] * len(responses)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A policy, one without a tokenizer, a reward model, prompts, and a file of functions."""
    folder = tmp_path_factory.mktemp("ppo")
    checkpoint.save(folder / "sft", policy(), LETTERS)
    checkpoint.save(folder / "mute", policy())
    torch.manual_seed(0)
    checkpoint.save(folder / "rm", RewardModel(policy(1)), LETTERS)
    (folder / "mine.py").write_text(SCORE)
    rows = ["a fox", {"prompt": "no"}, {"prompt": [["user", "ab"]], "chosen": "x"}]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def arguments(folder, out, *more, reward=None, prompts="prompts.jsonl", model="sft"):
    paths = ["--out", out, "--policy", folder / model, "--prompts", folder / prompts]
    reward = ["--reward", reward or f"{folder / 'mine.py'}:score"]
    size = ["--steps", 20, "--batch-size", 8, "--max-new-tokens", 6, "--minibatches", 2]
    every = ["--lr", 3e-3, "--save-every", 3, "--sample-every", 5, "--quiet"]
    return ["ppo", *map(str, [*paths, *reward, *size, *every, *more])]


@pytest.fixture(scope="module")
def unbroken(folder):
    out = folder / "unbroken"
    true = ["--true-reward", f"{folder / 'mine.py'}:length"]
    assert cli.main(arguments(folder, out, "--ema", 0.9, *true)) == 0
    return out


def test_a_run_leaves_a_policy_its_record_and_texts(folder, unbroken, capsys):
    records = read_metrics(unbroken / "metrics.jsonl")
    assert [r["step"] for r in records] == list(range(1, 21))
    assert records[0]["true_reward"] <= 6 and abs(records[0]["kl"]) < 1e-4
    model, tokenizer = checkpoint.load(unbroken)
    mean, _ = checkpoint.load(unbroken / "average")
    assert tokenizer == LETTERS and not same_weights(model, policy())
    assert not same_weights(model, mean)
    found = json.loads((unbroken / "run.json").read_text())
    assert found["command"].startswith("gptcore ppo --out") and found["prompts"] == 3
    assert found["curve"]["step"][-1] == 20 and len(found["curve"]["true_reward"]) == 20
    rows = [json.loads(line) for line in (unbroken / "samples.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [n for n in (1, 5, 10, 15, 20) for _ in range(4)]
    for row in rows:
        assert row["score"] == row["response"].count("a") / 4


def test_killed_and_resumed_it_is_the_same_run(folder, unbroken, tmp_path):
    out = tmp_path / "out"
    args = arguments(folder, out, "--ema", 0.9, "--true-reward", f"{folder / 'mine.py'}:length")
    process = start(*args)
    wait_for(lambda: len(read_metrics(out / "metrics.jsonl")) >= 7, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "run.json").exists()
    assert cli.main([*args, "--resume"]) == 0
    for part in ("", "average"):
        one, other = (checkpoint.load(run / part)[0] for run in (unbroken, out))
        assert same_weights(one, other), part
    for name in ("step", "reward", "true_reward", "kl", "loss", "grad_norm"):
        one, other = (
            [r[name] for r in read_metrics(run / "metrics.jsonl")] for run in (unbroken, out)
        )
        assert one == other, name
    assert (out / "samples.jsonl").read_text() == (unbroken / "samples.jsonl").read_text()
    assert "--resume" not in json.loads((out / "run.json").read_text())["command"]


def test_a_reward_model_scores_and_begins_the_value_function(folder, tmp_path, capsys):
    args = arguments(folder, tmp_path / "out", reward=folder / "rm")
    assert cli.main([*args, "--steps", "2"]) == 0
    told = capsys.readouterr()
    assert "reward" in told.out and "nats per response" in told.out
    assert "3 prompts, 8 responses per iteration, 2 iterations" in told.err
    judged, _ = checkpoint.load_reward(folder / "rm")
    state = checkpoint.load_training_state(tmp_path / "out")["value"]
    near = (state["gpt.wte.weight"] - judged.gpt.wte.weight).abs().max()
    assert 0 < near < 0.1  # it began there, and not as the policy


def test_a_reward_model_of_other_tokens_scores_and_no_more(folder, tmp_path):
    """Its tokens are the policy's in another order: the value function begins as the policy."""
    other = Tokenizer.train("the cat sat on the mat " * 9, 262)
    checkpoint.save(folder / "foreign", RewardModel(make(vocab_size=262, n_ctx=24)), other)
    args = arguments(folder, tmp_path / "out", reward=folder / "foreign")
    assert cli.main([*args, "--steps", "1"]) == 0
    state = checkpoint.load_training_state(tmp_path / "out")["value"]
    assert (state["gpt.wte.weight"] - policy().wte.weight).abs().max() < 0.1


def test_ctrl_c_saves_and_says_how_to_go_on(folder, unbroken, tmp_path, monkeypatch, capsys):
    """It comes in the fourth iteration, which is finished and kept."""
    true = ["--true-reward", f"{folder / 'mine.py'}:length"]
    args = arguments(folder, tmp_path / "out", "--ema", 0.9, *true)
    with monkeypatch.context() as patch:
        interrupt(patch, _Run, "_lesson", 4, signal.SIGINT)
        assert cli.main(args) == 130
    assert "is saved. To go on, add --resume" in capsys.readouterr().err
    assert saved_step(tmp_path / "out") == 4
    assert cli.main([*args, "--resume"]) == 0
    one, other = (checkpoint.load(run)[0] for run in (unbroken, tmp_path / "out"))
    assert same_weights(one, other)


def test_grpo_is_a_preset(folder, tmp_path, capsys):
    args = arguments(folder, tmp_path / "out", "--preset", "grpo-small", "--n-samples", 4)
    assert cli.main([*args, "--steps", "2", "--batch-size", "4"]) == 0
    assert "16 responses per iteration, 2 iterations" in capsys.readouterr().err
    assert checkpoint.load_training_state(tmp_path / "out")["value"] is None


def test_progress_shows_texts_as_they_come(folder, tmp_path, capsys):
    args = [x for x in arguments(folder, tmp_path / "out") if x != "--quiet"]
    assert cli.main([*args, "--steps", "2"]) == 0
    told = capsys.readouterr().err
    assert "[1] " in told and " -> " in told and "KL" in told


BAD = '"a fox"\n{"question": "x"}\n""\n[1]\n{"prompt": [["user"]]}\nnot json\n'


@pytest.mark.parametrize(
    ("more", "changes", "told"),
    [
        ([], {"prompts": "absent.jsonl"}, "absent.jsonl"),
        ([], {"reward": "absent.py:score"}, "there is no file absent.py"),
        ([], {"reward": "MINE:absent"}, "has no function absent"),
        ([], {"reward": "absent.module:score"}, "failed: ModuleNotFoundError"),
        ([], {"reward": "math:absent"}, "math has no function absent"),
        ([], {"reward": "MINE:broken"}, "broken' failed: AttributeError: 'str' object"),
        ([], {"reward": "MINE:nothing"}, "reward scores 8 of 8 responses with no finite number"),
        ([], {"reward": "SFT"}, "sft"),
        ([], {"model": "mute"}, "has no tokenizer, and there are prompts to read"),
        ([], {"model": "absent"}, "absent"),
        (["--max-new-tokens", 24], {}, "none of 3 prompts leaves room"),
        (["--beta", -1], {}, "beta=-1.0 must be at least 0"),
        (["--text", "x.txt"], {}, "--text is read with --ptx above 0 only"),
        (["--advantage", "group"], {}, "n_samples=1 must be at least 2"),
        (["--ptx", 1, "--text", "absent.txt"], {}, "absent.txt"),
    ],
)
def test_what_a_user_can_cause_is_one_line(folder, tmp_path, capsys, more, changes, told):
    reward = changes.get("reward", "MINE:score").replace("MINE", str(folder / "mine.py"))
    changes = {**changes, "reward": reward.replace("SFT", str(folder / "sft"))}
    message = failing(capsys, *arguments(folder, tmp_path / "out", *more, **changes))
    assert told in message
    lines = [line for line in message.splitlines() if line.startswith("gptcore: ppo:")]
    assert len(lines) == 1 or "Value error" in message  # tyro's way, of a setting


def test_lines_that_are_no_prompt_are_told_by_number(folder, tmp_path, capsys):
    (tmp_path / "bad.jsonl").write_text(BAD)
    message = failing(capsys, *arguments(folder, tmp_path / "out", prompts=tmp_path / "bad.jsonl"))
    assert "line 2: no 'prompt'" in message and 'line 3: "" is no text' in message
    assert "line 4: " in message and "and 2 more" in message and "line 1" not in message
    (tmp_path / "bad.jsonl").write_text("\n")
    message = failing(capsys, *arguments(folder, tmp_path / "out", prompts=tmp_path / "bad.jsonl"))
    assert "is empty: write one prompt a line" in message


def test_a_folder_with_a_run_or_a_model_is_not_written_over(folder, unbroken, capsys):
    message = failing(capsys, *arguments(folder, unbroken))
    assert "already holds a PPO run, at update 20: add --resume" in message
    message = failing(capsys, *arguments(folder, folder / "sft"))
    assert "holds a model that no run here has made" in message

"""`gptcore zeroshot`: a table, every prompt with its answer, and one line for each mistake."""

import json

import pytest
from bigrams import LANGUAGE, WORDS, bigram
from command_line import failing

from gptcore import __main__ as cli
from gptcore import checkpoint
from gptcore.commands.zeroshot import table
from gptcore.datasets import store
from gptcore.scoring.asking import ask
from gptcore.scoring.task_files import own


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a model and two tasks, the working directory."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(tmp_path / "model", bigram(LANGUAGE), WORDS)
    choice = {"prompt": "{p}", "scorer": "choice", "options": ["a", "aa"], "delimiter": ""}
    rows = [{"p": "b", "answer": 1}, {"p": "b" * 9, "answer": 0}]
    (tmp_path / "choice.json").write_text(json.dumps({**choice, "rows": rows}))
    (tmp_path / "written.jsonl").write_text('{"prompt": "b", "target": "aaaa"}\n')
    return tmp_path


def asked(capsys, *args) -> tuple[str, str]:
    capsys.readouterr()
    assert cli.main(["zeroshot", *map(str, args)]) == 0, capsys.readouterr().err
    told = capsys.readouterr()
    return told.out, told.err


def test_a_table_and_every_prompt_with_its_answer(here, capsys):
    """After b, aa is likelier per token: .15 in two tokens against .3 in one."""
    out, err = asked(capsys, "model", "choice.json", "written.jsonl", "--quiet")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["task", "n", "score", "±", "chance", "most", "frequent", "length"]
    assert lines[1][:3] == ["choice", "2", "0.5000"]
    assert lines[1][4:7] == ["accuracy,", "norm", "token"]
    assert lines[1][7:] == ["0.5000", "0.5000", "0.5000"]
    assert [line[-1] for line in lines[2:5]] == ["none", "character", "unconditional"]
    assert lines[5][:2] == ["written", "1"] and "exact match" in out
    assert "choice: the beginnings of 1 of 2 prompts were cut" in err and "8 tokens" in err
    kept = here / "runs" / "zeroshot" / "model.jsonl"
    assert "runs/zeroshot/model.jsonl holds every prompt with its answer" in err
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [row["task"] for row in rows] == ["choice", "choice", "written"]
    assert [row["prompt"] for row in rows] == ["b", "b" * 9, "b"]
    assert (rows[0]["right"], rows[0]["said"]) == (1, 1)
    assert (rows[2]["right"], rows[2]["said"][:2]) == (["aaaa"], "aa")


def test_a_task_that_fails_leaves_the_answers_of_those_before_it(here, capsys):
    """The second file's prompt names what its row lacks; the first one's answers are stored."""
    (here / "broken.json").write_text(
        '{"prompt": "{absent}", "scorer": "exact", "target": "a", "rows": [{"p": "b"}]}'
    )
    assert "absent" in failing(capsys, "zeroshot", "model", "choice.json", "broken.json")
    kept = (here / "runs" / "zeroshot" / "model.jsonl").read_text().splitlines()
    assert [json.loads(line)["task"] for line in kept] == ["choice", "choice"]


def test_the_table_is_that_of_the_report(here):
    task, rows = own(here / "choice.json")
    report = ask(bigram(LANGUAGE), WORDS, task, rows)
    assert table([report])[1].split()[2] == f"{report.score:.4f}"


def test_n_out_and_the_bar(here, capsys):
    out, err = asked(capsys, "model", "choice.json", "--n", 1, "--out", "deep/er/answers.jsonl")
    assert out.splitlines()[1].split()[:2] == ["choice", "1"]
    assert len((here / "deep/er/answers.jsonl").read_text().splitlines()) == 1
    assert "choice:" in err and "%" in err  # the bar


def test_demonstrations_stand_before_the_questions(here, capsys):
    """One shot: the other row in the prompt, stored whole. What does not fit is told."""
    choice = json.loads((here / "choice.json").read_text())
    rows = [{"p": "b", "answer": 1}, {"p": "ab", "answer": 0}, {"p": "b" * 9, "answer": 0}]
    (here / "choice.json").write_text(json.dumps({**choice, "separator": " ", "rows": rows}))
    _, err = asked(capsys, "model", "choice.json", "--shots", 1, "--n", 2, "--quiet")
    stored = (here / "runs" / "zeroshot" / "model.jsonl").read_text().splitlines()
    first, second = map(json.loads, stored)
    assert (first["prompt"], first["shots"]) == ("b", 0)  # nine letters do not fit
    assert "2 of 2 questions have fewer than 1 demonstrations, because no more fit 8 tokens" in err
    rows[2] = {"p": "bb", "answer": 0}
    (here / "choice.json").write_text(json.dumps({**choice, "separator": " ", "rows": rows}))
    _, err = asked(capsys, "model", "choice.json", "--shots", 1, "--n", 2, "--quiet")
    stored = (here / "runs" / "zeroshot" / "model.jsonl").read_text().splitlines()
    assert [json.loads(one)["prompt"] for one in stored] == ["bba b", "bba ab"]
    assert "fewer" not in err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["model"], "name one task or several: tales-questions,"),
        (["model", "tales-moods"], "did you mean 'tales-mood'?"),
        (["model", "nothing.jsonl"], "nothing.jsonl"),
        (["nowhere", "choice.json"], "nowhere"),
        (["model", "choice.json", "--n", "0"], "n=0 must be at least 1"),
        (["model", "choice.json", "--batch-size", "0"], "batch_size=0"),
        (["model", "choice.json", "--out", "."], "out=. is a folder"),
        (["model", "choice.json", "--shots", "-1"], "k=-1 must be a whole number"),
        (["model", "choice.json", "--shots", "9"], "k=9 demonstrations cannot be drawn from 2"),
        (["model", "choice.json", "--shots", "2"], "k=2 demonstrations: only 1 rows are not asked"),
    ],
)
def test_mistakes_end_in_one_line(here, capsys, args, told):
    error = failing(capsys, "zeroshot", *args, "--quiet")
    assert told in error and error.count("\n") == 1
    assert not (here / "runs").exists()


def test_a_set_that_is_not_here_says_how_to_get_it(here, capsys, monkeypatch):
    monkeypatch.delenv(store.MIRROR, raising=False)
    monkeypatch.setenv(store.CACHE, str(here / "empty"))
    error = failing(capsys, "zeroshot", "model", "codah")
    assert "codah needs a set of real data; to get it: gptcore data fetch codah." in error
    error = failing(capsys, "zeroshot", "model", "arithmetic:two_digit_addition")
    assert "gptcore data fetch gpt3-synthetic." in error
    assert error.count("\n") == 1

"""`gptcore finetune`, as a stranger uses it: on files of their own, killed, and with bad input."""

import json
import random
import signal

import pytest
import torch
from command_line import failing, interrupt, start, wait_for
from small_models import same_weights
from small_tasks import LETTERS, by_letter, letters_gpt

from gptcore import __main__ as cli
from gptcore import checkpoint
from gptcore.heads.classifier import Classifier, classify
from gptcore.train.record import Metrics, read_metrics

UPDATES = 64  # 8 times 32 rows, 4 at a time; scored and saved after every 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pre-trained network, one without a tokenizer, and a file of 40 labelled texts."""
    folder = tmp_path_factory.mktemp("finetune")
    checkpoint.save(folder / "base", letters_gpt(), LETTERS)
    checkpoint.save(folder / "mute", letters_gpt())
    rows = [f"{row['text']},{'ab'[row['label']]}" for row in by_letter(40).train]
    (folder / "letters.csv").write_text("\n".join(["text,label", *rows]))
    return folder


def arguments(folder, out, *more, data="letters.csv", model="base"):
    paths = ["--out", out, "--data", folder / data, "--model", folder / model]
    recipe = ["--lr", "2e-2", "--batch-size", 4, "--epochs", 8, "--evals", 8, "--quiet"]
    return ["finetune", *map(str, [*paths, *recipe, *more])]


@pytest.fixture(scope="module")
def unbroken(folder):
    assert cli.main(arguments(folder, folder / "unbroken")) == 0
    return folder / "unbroken"


def same_run(one, other):
    """The network, the best one, and every number of the record, to the last bit."""
    for part in ("", "best"):
        a, b = (checkpoint.load_classifier(out / part)[0] for out in (one, other))
        assert same_weights(a, b), part
    for name in ("step", "loss", "val_loss", "grad_norm"):
        lines = [[r[name] for r in read_metrics(out / "metrics.jsonl")] for out in (one, other)]
        assert lines[0] == lines[1] and len(lines[0]) == UPDATES, name
    scores = [json.loads((out / "run.json").read_text()) for out in (one, other)]
    assert [scores[0][part] for part in ("valid", "test")] == [
        scores[1][part] for part in ("valid", "test")
    ]


def test_killed_at_a_random_step_and_resumed_it_ends_with_the_same_weights(
    folder, unbroken, tmp_path
):
    out, at = tmp_path / "out", random.randrange(1, 50)
    process = start(*arguments(folder, out))
    wait_for(lambda: len(read_metrics(out / "metrics.jsonl")) >= at, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert at <= len(read_metrics(out / "metrics.jsonl")) < UPDATES
    assert not (out / "run.json").exists()
    assert cli.main(arguments(folder, out, "--resume")) == 0
    same_run(unbroken, out)
    command = json.loads((out / "run.json").read_text())["command"]
    assert command.startswith("gptcore finetune --out") and "--resume" not in command


@pytest.mark.parametrize(
    ("number", "code", "where"),
    [(signal.SIGTERM, 143, "in an update"), (signal.SIGINT, 130, "between updates")],
)
def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(
    folder, unbroken, tmp_path, monkeypatch, capsys, number, code, where
):
    out = tmp_path / "out"
    owner, name = (Classifier, "loss") if where == "in an update" else (Metrics, "write")
    with monkeypatch.context() as patch:
        interrupt(patch, owner, name, 11, number)
        assert cli.main(arguments(folder, out)) == code
    assert f"gptcore: stopped; {out} is saved. To go on, add --resume" in capsys.readouterr().err
    assert checkpoint.load_training_state(out)["step"] == 11
    assert cli.main(arguments(folder, out, "--resume")) == 0
    same_run(unbroken, out)


def test_it_says_how_good_the_best_is_and_where(folder, unbroken, capsys):
    """A finished run that is resumed has nothing to do but to say so again."""
    assert cli.main(arguments(folder, unbroken, "--resume")) == 0
    printed = capsys.readouterr().out.splitlines()
    record = json.loads((unbroken / "run.json").read_text())
    for line, part in zip(printed, ("valid", "test"), strict=False):
        score, loss = record[part]["accuracy"], record[part]["loss"]
        assert line == f"{part} (4 examples): accuracy {score:.4f}, loss {loss:.4f}"
    assert printed[2:] == [f"{unbroken / 'best'} holds the classifier"]
    assert record["valid"]["accuracy"] == 1.0  # what was learned
    model, tokenizer = checkpoint.load_classifier(unbroken / "best")
    assert classify(model, tokenizer, [{"text": "aaaf"}, {"text": "bbbe"}]) == ["a", "b"]


def test_a_run_that_has_learned_nothing_says_so(folder, tmp_path, capsys):
    """A rate of almost nothing, which the recipe would not have taken; half of the rows are a."""
    out = tmp_path / "out"
    assert cli.main(arguments(folder, out, "--lr", "1e-12", "--epochs", 1)) == 0
    told = capsys.readouterr().err
    assert "10 updates, 4 examples each" not in told
    assert "; here lr 1e-12, batch_size 4, epochs 1.0" in told
    found = json.loads((out / "run.json").read_text())
    assert found["most_frequent"]["valid"] == 0.5
    no_better = [part for part in ("valid", "test") if found[part]["accuracy"] <= 0.5]
    assert told.count("no more than always giving the most frequent label") == len(no_better) > 0


# ---------------------------------------------------------------- files of all kinds

PAIRS = [
    {"text": "a" * n, "text_b": "b" * m, "label": n / 2} for n in (1, 3, 30) for m in (2, 9, 40)
]
CHOICES = [
    {"text": "ab", "choices": ["c" * n, "d" * 40, "e"], "label": n % 3} for n in range(1, 13)
]


@pytest.mark.parametrize(
    ("name", "rows", "form", "metric"),
    [
        (
            "pairs.jsonl",
            [*PAIRS, *({**row, "text": "x"} for row in PAIRS)],
            "similarity",
            "pearson",
        ),
        ("choices.jsonl", CHOICES, "choice", "accuracy"),
    ],
)
def test_long_texts_are_cut_on_either_side(folder, tmp_path, capsys, name, rows, form, metric):
    """Texts of 40 tokens for a context of 24: each part keeps 10."""
    (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out"
    assert (
        cli.main(arguments(tmp_path, out, "--epochs", "1", data=name, model=folder / "base")) == 0
    )
    printed = capsys.readouterr()
    assert f"{metric} " in printed.out
    record = json.loads((out / "run.json").read_text())
    assert record["data"]["form"] == form and metric in record["valid"]
    cut = record["data"]["cut"]  # where a text has 30 or 40 letters: 5 + 3 pairs, all choices
    assert sum(cut.values()) == {"similarity": 8, "choice": 12}[form]
    parts = [f"{cut[part]} of {record['data']['n'][part]} {part}" for part in cut if cut[part]]
    assert f"{', '.join(parts)} examples are longer than the context of 24 tokens" in printed.err
    model, _ = checkpoint.load_classifier(out / "best")
    assert model.head.n_out == {"similarity": 1, "choice": 3}[form]


def test_tales_come_by_name(folder, tmp_path, capsys):
    args = arguments(folder, tmp_path / "out", "--epochs", 1, "--n-train", 14)
    args[args.index("--data") + 1] = "tales-mood"
    assert cli.main(args) == 0
    printed = capsys.readouterr()
    assert "valid (200 examples): accuracy 0." in printed.out
    assert "tales-mood, classification: 14 train, 200 valid, 400 test; 7 classes: happy (" in (
        printed.err
    )
    assert json.loads((tmp_path / "out" / "run.json").read_text())["data"]["n"] == {
        "train": 14,
        "valid": 200,
        "test": 400,
    }


def test_a_table_of_other_names_with_parts_of_its_own(folder, tmp_path, capsys):
    """Columns by --columns, validation and test files, and whole numbers that come back as such."""
    rows = [{"review": row["text"], "stars": 3 + row["label"]} for row in by_letter(40).train]
    for name, some in (("a", rows[:32]), ("v", rows[32:37]), ("e", rows[37:])):
        (tmp_path / f"{name}.json").write_text(json.dumps(some))
    out = tmp_path / "out"
    more = ["--columns", "text=review", "label=stars", "--valid", tmp_path / "v.json"]
    more += ["--test", tmp_path / "e.json", "--epochs", 16]
    args = arguments(tmp_path, out, *more, data="a.json", model=folder / "base")
    assert cli.main(args) == 0
    counts = [sum(row["stars"] == stars for row in rows) for stars in (3, 4)]
    told = capsys.readouterr().err
    assert f"5 valid, 3 test; 2 classes: 3 ({counts[0]}), 4 ({counts[1]})" in told
    model, tokenizer = checkpoint.load_classifier(out / "best")
    answers = classify(model, tokenizer, [{"text": row["review"]} for row in rows])
    assert {type(answer) for answer in answers} == {int}
    right = sum(answer == row["stars"] for answer, row in zip(answers, rows, strict=True))
    assert right >= 36  # of 40
    record = json.loads((out / "run.json").read_text())
    assert record["data"]["n"] == {"train": 32, "valid": 5, "test": 3}


def test_bad_rows_are_told_and_the_rest_is_learned(folder, tmp_path, capsys):
    """Windows-1252, an empty text, a missing and a NaN label, a class that only valid has."""
    good = [f"{row['text']} caf\xe9,{'ab'[row['label']]},train" for row in by_letter(24).train]
    held = [f"{row['text']} na\xefve,{'ab'[row['label']]},valid" for row in by_letter(6).train]
    bad = [",a,train", "abc,,train", "abd,NaN,train", "abe,c,valid"]
    text = "\n".join(["text,label,split", *good, *bad, *held])
    (tmp_path / "mixed.csv").write_bytes(text.encode("cp1252"))
    out = tmp_path / "out"
    assert (
        cli.main(arguments(tmp_path, out, "--epochs", 1, data="mixed.csv", model=folder / "base"))
        == 0
    )
    told = capsys.readouterr().err
    for message in (
        "not UTF-8",
        "4 of 34 rows are left out",
        "line 26: text='' must not be empty",
        "line 27: label='' must not be missing",
        "line 28: label='NaN' must not be missing",
        "line 29: label='c' occurs in valid or test, but never in train",
    ):
        assert message in told, told
    assert json.loads((out / "run.json").read_text())["data"]["n"] == {
        "train": 24,
        "valid": 6,
        "test": 0,
    }
    assert checkpoint.load_classifier(out / "best")[0].head.labels == ("a", "b")


# ---------------------------------------------------------------- mistakes

FILES = {
    "empty.csv": b"",
    "blank.csv": b"text,label\n" + b"  ,a\n ,b\n" * 8,
    "one.csv": b"text,label\n" + b"".join(b"ab%d,a\n" % i for i in range(20)),
    "nan.csv": b"text,text_b,label\n" + b"".join(b"ab%d,c,nan\n" % i for i in range(20)),
    "few.csv": b"text,label\nab,a\nbc,b\n",
    "unlabelled.csv": b"text,other\nab,a\n",
    "utf16.csv": "text,label\nab,a\n".encode("utf-16-le"),
    "noise.csv": b"text,label\nab\0\0,a\n",
    "array.json": b"[1, 2]",
}
MISTAKES = {
    "data='tales-moods' is no file and none of tales-mood, tales-entailment": {
        "data": "tales-moods"
    },
    "empty.csv is empty: there is nothing to learn from it": {"data": "empty.csv"},
    "blank.csv has 0 rows that can be used": {"data": "blank.csv"},
    "one.csv has one class only, 'a'; there must be at least 2": {"data": "one.csv"},
    "nan.csv has 0 rows that can be used": {"data": "nan.csv"},
    "few.csv has 2 rows that can be used": {"data": "few.csv"},
    "unlabelled.csv has the columns 'text', 'other'; it needs text and": {"data": "unlabelled.csv"},
    "utf16.csv has 1 rows that can be used": {"data": "utf16.csv"},
    "noise.csv has NUL characters: it is no text": {"data": "noise.csv"},
    "array.json has the keys nothing; it needs text and label": {"data": "array.json"},
    "mute' has no tokenizer, and there are texts to read": {"model": "mute"},
    "gone' is no folder, nor can it be a Hub name": {"model": "gone"},
    "form='choice' needs choices": {"more": ("--task", "choice")},
    "--columns review must be OURS=YOURS, such as text=review": {"more": ("--columns", "review")},
    "columns: text=review is none of them": {"more": ("--columns", "text=review")},
    "gone.csv' is no file": {"more": ("--valid", "gone.csv")},
    "metric='pearson' needs one score per example, and there are 2 classes": {
        "more": ("--metric", "pearson")
    },
    "n_blocks=9 must be between 0 and n_layer=2": {"more": ("--n-blocks", 9)},
    "letters.csv has no training examples": {"more": ("--n-train", 0)},
    "aux=-1.0 must be at least 0": {"more": ("--aux", -1)},
    "dropout=1.0 must be in [0, 1)": {"more": ("--dropout", 1)},
    "example 0: part=99, n_ctx=4: there must be room": {
        "model": "short",
        "data": "p.csv",
        "part": 99,
    },
    "device='tpu9' cannot be used here": {"more": ("--device", "tpu9")},
}


@pytest.fixture(scope="module")
def mistaken(folder):
    """More files beside the good one, and a network with room for four tokens."""
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    lines = [f"{row['text']},c,{row['label']}" for row in by_letter(20).train]
    (folder / "p.csv").write_text("\n".join(["text,text_b,label", *lines]))
    checkpoint.save(folder / "short", letters_gpt(n_ctx=4), LETTERS)
    return folder


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_one_line_and_exit_code_2(mistaken, tmp_path, capsys, message):
    case = dict(MISTAKES[message])
    more = case.pop("more", ())
    if "part" in case:
        more = ("--part", case.pop("part"))
    args = arguments(mistaken, tmp_path / "out", *more, **case)
    if case.get("data") == "tales-moods":
        args[args.index("--data") + 1] = "tales-moods"
    printed = failing(capsys, *args)
    assert message in printed, printed
    assert printed.startswith("gptcore: finetune: ") and printed.count("\n") == 1, printed
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_never_lost(folder, unbroken, capsys):
    def contents():
        return {p: p.read_bytes() for p in unbroken.rglob("*") if p.is_file()}

    before = contents()
    for more, message in (
        ((), "already holds a fine-tuning run, at update 64: add --resume to go on with it"),
        (("--resume", "--seed", 1), "recipe.seed=0, now recipe.seed=1"),
        (("--resume", "--lr", "1e-3"), "recipe.lr=0.02, now recipe.lr=0.001"),
        (("--resume", "--metric", "f1"), "metric=None, now metric='f1'"),
        (("--resume", "--n-train", 30), "optim.steps=64, now optim.steps=60"),
    ):
        printed = failing(capsys, *arguments(folder, unbroken, *more))
        assert message in printed and printed.count("\n") == 1, printed
        assert contents() == before
    assert "holds a model that no run here has made" in failing(
        capsys, *arguments(folder, folder / "base")
    )


def test_mistakes_in_options_are_explained(folder, tmp_path, capsys):
    for more, message in (
        (("--epochs", 0), "epochs=0.0 must be greater than 0"),
        (("--batch-size", 0), "batch_size=0 must be at least 1"),
        (("--warmup", 1), "warmup=1.0 must be in [0, 1)"),
        (("--scratch", "--n-blocks", 1), "scratch=True keeps no block"),
        (("--train", "marks"), "marks"),
        (("--task", "summary"), "summary"),
        (("--lrr", 1), "--lrr"),
    ):
        assert message in failing(capsys, *arguments(folder, tmp_path / "out", *more))


def test_divergence_is_a_mistake_that_says_what_to_try(folder, tmp_path, capsys, monkeypatch):
    nan = torch.tensor(float("nan"))
    monkeypatch.setattr(Classifier, "loss", lambda self, *batch: self.score.weight.sum() * nan)
    printed = failing(capsys, *arguments(folder, tmp_path / "out"))
    assert "training diverged" in printed and "lr < 0.02" in printed

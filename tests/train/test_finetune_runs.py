"""A fine-tuning run and its folder: the best is kept, and a run can be stopped anywhere."""

import json
import signal
from dataclasses import replace

import pytest
import torch
from command_line import interrupt
from small_models import same_weights
from small_tasks import LETTERS, RECIPE, ROWS, by_letter, letters_gpt, tuning, weights

from gptcore import checkpoint
from gptcore.heads.classifier import Classifier
from gptcore.labelled import Labelled
from gptcore.text.inputs import with_marks
from gptcore.train import finetune as stage
from gptcore.train import loop
from gptcore.train.finetune import FinetuneConfig, finetune
from gptcore.train.record import read_metrics

DATA = {kind: by_letter(12, held_out=kind) for kind in ("same", "other way")}
"""Held-out rows that are labelled the other way: their score falls while the network learns."""
FALLING = DATA["other way"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A pre-trained network with a tokenizer."""
    return checkpoint.save(tmp_path_factory.mktemp("base"), letters_gpt(), LETTERS)


def config(out, base, **changes):
    recipe = {name: changes.pop(name) for name in list(changes) if hasattr(RECIPE, name)}
    return FinetuneConfig(
        out=out, model=str(base), recipe=replace(RECIPE, **recipe), command="gptcore ...", **changes
    )


def curve(steps):
    return [(s.step, s.loss, s.lr, s.grad_norm, s.val_loss) for s in steps]


@pytest.fixture(scope="module")
def unbroken(base, tmp_path_factory):
    """For both kinds of held-out rows a whole run: folder, curve, weights when they were scored."""
    runs = {}
    for kind, data in DATA.items():
        out = tmp_path_factory.mktemp("unbroken") / "out"
        states, records = {}, []
        for step in finetune(config(out, base), data):
            records.append(step)
            if step.step in (4, 7, 10):  # after updates 3, 6, 9 the run was saved
                states[step.step - 1] = weights(checkpoint.load_classifier(out)[0])
        states[12] = weights(checkpoint.load_classifier(out)[0])
        runs[kind] = out, curve(records), states
    return runs


@pytest.mark.parametrize("kind", DATA)
def test_the_best_checkpoint_is_kept(unbroken, kind):
    """The first that was scored where the score falls, the last where the loss falls."""
    out, records, states = unbroken[kind]
    model, tokenizer = checkpoint.load_classifier(out / "best")
    examples = tuning(data=DATA[kind]).parts["valid"]
    labels = torch.tensor([example.label for example in examples])
    found = {}
    for at, state in states.items():
        model.load_state_dict(state)
        answers = model.predict(examples)
        hits = (answers.argmax(1) == labels).float().mean().item()
        found[at] = hits, -torch.nn.functional.cross_entropy(answers, labels).item()
    best = max(found, key=found.__getitem__)
    fell = found[best][0] - found[12][0]
    assert (best < 12 and fell > 0.2) if kind == "other way" else (best > 6 and fell <= 0), found
    kept = weights(checkpoint.load_classifier(out / "best")[0])
    assert all(torch.equal(kept[name], states[best][name]) for name in kept)
    assert tokenizer == with_marks(LETTERS)[0]
    accuracy, negative = found[best]
    told = json.loads((out / "best.json").read_text())
    assert told == pytest.approx({"accuracy": accuracy, "loss": -negative}, abs=1e-5)
    assert [(r[0], r[4]) for r in records if r[4] is not None] == [
        (at, pytest.approx(-found[at][1], abs=1e-5)) for at in (3, 6, 9, 12)
    ]


def test_a_run_leaves_its_record(unbroken):
    out, records, _ = unbroken["other way"]
    lines = read_metrics(out / "metrics.jsonl")
    assert [(r["step"], r["loss"]) for r in lines] == [r[:2] for r in records]
    record = json.loads((out / "run.json").read_text())
    best, tokenizer = checkpoint.load_classifier(out / "best")
    assert record["command"] == "gptcore ..." and record["steps"] == 12 and record["seed"] == 0
    assert record["n_params"] == sum(p.numel() for p in best.parameters())
    assert record["data"]["n"] == {"train": 12, "valid": 6, "test": 6}
    assert (record["data"]["name"], record["data"]["labels"]) == ("letters", ["a", "b"])
    assert record["config"]["recipe"]["lr"] == 2e-2 and record["recipe"] == "small"
    assert record["most_frequent"] == {"valid": 0.5, "test": 0.5}  # three of six, either way
    made = tuning(data=FALLING)
    made.model = best
    for part in ("valid", "test"):
        assert record[part] == pytest.approx(made.judge(part), abs=1e-4)
    assert record["curve"]["valid"] == [
        [r[0], pytest.approx(r[4], abs=1e-4)] for r in records if r[4]
    ]


def same_folders(one, other):
    """Weights and best weights, to the last bit, and the same record apart from time."""
    for part in ("", "best"):
        a, b = (checkpoint.load_classifier(folder / part)[0] for folder in (one, other))
        assert same_weights(a, b), part
    records = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
    for record in records:
        record.pop("seconds")
        record["config"].pop("out")
        record["config"].pop("resume")
    assert records[0] == records[1]
    metrics = [read_metrics(folder / "metrics.jsonl") for folder in (one, other)]
    names = ("step", "loss", "val_loss", "grad_norm", "lr")
    assert [[r[n] for n in names] for r in metrics[0]] == [
        [r[n] for n in names] for r in metrics[1]
    ]


@pytest.mark.parametrize(
    ("stop", "kind"), [(1, "same"), (3, "same"), (8, "other way"), (12, "same")]
)
def test_a_run_left_and_resumed_is_the_unbroken_run(unbroken, base, tmp_path, stop, kind):
    first = []
    for step in finetune(config(tmp_path / "out", base), DATA[kind]):
        first.append(step)
        torch.rand(3)
        if step.step == stop:
            break
    rest = list(finetune(config(tmp_path / "out", base, resume=True), DATA[kind]))
    assert curve([*first, *rest]) == unbroken[kind][1]
    same_folders(unbroken[kind][0], tmp_path / "out")
    assert list(finetune(config(tmp_path / "out", base, resume=True), DATA[kind])) == []
    same_folders(unbroken[kind][0], tmp_path / "out")


@pytest.mark.parametrize("moment", ["the best network", "its score", "the end of the score"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_failure_while_the_best_is_kept_loses_nothing(
    unbroken, base, tmp_path, monkeypatch, moment, at
):
    """The disk is full, or a second Ctrl-C comes: the evaluation is done again after a resume."""
    calls = []

    def failing(owner, name, here):
        plain = getattr(owner, name)

        def replaced(*args, **options):
            counted = here(args)
            calls.extend([1] * counted)
            if moment == "the end of the score" or not (counted and len(calls) == at):
                result = plain(*args, **options)
            if counted and len(calls) == at:
                raise OSError("no space left")
            return result

        return replaced

    with monkeypatch.context() as patch:
        if moment == "the best network":
            fault = failing(checkpoint, "save", lambda args: args[0].name == "best")
            patch.setattr(checkpoint, "save", fault)
        else:
            fault = failing(stage, "write_json", lambda args: args[0].name == "best.json")
            patch.setattr(stage, "write_json", fault)
        with pytest.raises(OSError, match="no space left"):
            list(finetune(config(tmp_path / "out", base), DATA["same"]))
    list(finetune(config(tmp_path / "out", base, resume=True), DATA["same"]))
    same_folders(unbroken["same"][0], tmp_path / "out")


def test_a_kill_goes_back_to_the_last_save(unbroken, base, tmp_path, monkeypatch):
    """What a kill leaves: nothing is saved after update 6."""
    steps = finetune(config(tmp_path / "out", base), FALLING)
    for _ in range(8):
        next(steps)
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "save", lambda self: None)
        steps.close()
    assert checkpoint.load_training_state(tmp_path / "out")["step"] == 6
    list(finetune(config(tmp_path / "out", base, resume=True), FALLING))
    same_folders(unbroken["other way"][0], tmp_path / "out")


def test_a_signal_in_an_update_saves(unbroken, base, tmp_path, monkeypatch):
    interrupt(monkeypatch, Classifier, "loss", 5, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        list(finetune(config(tmp_path / "out", base), FALLING))
    assert checkpoint.load_training_state(tmp_path / "out")["step"] == 5
    list(finetune(config(tmp_path / "out", base, resume=True), FALLING))
    same_folders(unbroken["other way"][0], tmp_path / "out")


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


OTHER = {
    "recipe.lr=0.02, now recipe.lr=0.01": {"lr": 1e-2},
    "recipe.epochs=4, now recipe.epochs=5": {"epochs": 5},
    "recipe.train='all', now recipe.train='head'": {"train": "head"},
    "metric=None, now metric='f1'": {"metric": "f1"},
    "pretrained='": {"model": "other"},
    "labels=('a', 'b'), now labels=('b', 'a')": {"data": replace(FALLING, labels=("b", "a"))},
    "valid.examples_sha256=": {"data": DATA["same"]},
    "data.examples_sha256=": {"data": replace(FALLING, train=FALLING.train[::-1])},
}


@pytest.mark.parametrize("message", OTHER)
def test_other_settings_are_refused_and_nothing_is_lost(base, tmp_path, message):
    out, change = tmp_path / "out", dict(OTHER[message])
    steps = finetune(config(out, base), FALLING)
    next(steps)
    steps.close()
    before = contents(out)
    data = change.pop("data", FALLING)
    if change.pop("model", "") == "other":
        base = checkpoint.save(tmp_path / "other", letters_gpt(), LETTERS)
    with pytest.raises(ValueError) as raised:
        finetune(config(out, base, resume=True, **change), data)
    assert f"{out} holds a run at step 1 with {message}" in str(raised.value)
    assert contents(out) == before


def test_a_folder_that_holds_something_else_is_refused(unbroken, base, tmp_path):
    with pytest.raises(
        FileExistsError, match="already holds a fine-tuning run, at update 12: add --resume"
    ):
        finetune(config(unbroken["same"][0], base), FALLING)
    with pytest.raises(FileExistsError, match="holds a model that no run here has made"):
        finetune(config(base, base), FALLING)


def test_what_a_run_needs_is_said_at_once(base, tmp_path):
    out = tmp_path / "out"
    mute = checkpoint.save(tmp_path / "mute", letters_gpt())
    for change, data, message in (
        ({"metric": "pearson"}, FALLING, "metric='pearson' needs one score per example"),
        ({}, replace(FALLING, valid=()), "letters has no held-out examples to choose the best"),
        ({"place": "end"}, FALLING, "place='end' must be one of extract, start, mean"),
        ({"device": "tpu9"}, FALLING, "device='tpu9' cannot be used here"),
    ):
        with pytest.raises(ValueError, match=message):
            finetune(config(out, base, **change), data)
    with pytest.raises(ValueError, match="has no tokenizer, and there are texts to read"):
        finetune(config(out, mute), FALLING)
    rows = tuple(ROWS["similarity"])
    scores = Labelled("scores", "similarity", (), rows, rows, rows)
    with pytest.raises(ValueError, match="metric='accuracy' needs classes"):
        finetune(config(out, base, metric="accuracy"), scores)
    assert not out.exists()

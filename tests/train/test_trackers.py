"""Records of a run in TensorBoard's files, read back with its own reader, and in wandb's calls."""

import sys
from types import SimpleNamespace

import pytest

from gptcore.train.loop import Step
from gptcore.train.trackers import tracker


def step(n, loss, val_loss=None):
    return Step(n, 100 * n, loss, 0.1, 1.5, 50.0, val_loss)


def test_tensorboard_draws_every_number_and_a_resumed_run_takes_back_what_it_repeats(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for records in (
        [step(1, 4.0), step(2, 3.0, 3.5), step(3, 2.0)],
        [step(3, 2.5), step(4, 2.25)],  # killed after 3, saved after 2
    ):
        with tracker("tensorboard", tmp_path, {"lr": 0.1}) as follow:
            for record in records:
                follow(record)
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    curves = {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }
    assert curves.keys() == {"loss", "val_loss", "lr", "grad_norm", "tokens_per_s"}
    assert curves["loss"] == [(1, 4.0), (2, 3.0), (3, 2.5), (4, 2.25)]
    assert curves["val_loss"] == [(2, 3.5)]


def test_wandb_gets_every_number_and_the_same_run_after_a_resume(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(
        id="abc",
        define_metric=lambda *names, **options: calls.append(("x", options["step_metric"])),
        log=lambda numbers: calls.append(("log", numbers)),
        finish=lambda: calls.append(("finish",)),
    )
    fake = SimpleNamespace(init=lambda **options: (calls.append(("init", options)), run)[1])
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with tracker("wandb", tmp_path, {"lr": 0.1}) as follow:
        follow(step(1, 4.0))
    with pytest.raises(ZeroDivisionError), tracker("wandb", tmp_path, {"lr": 0.1}) as follow:
        follow(step(2, 3.0, 3.5))
        raise ZeroDivisionError
    kinds = [call[0] for call in calls]
    assert kinds == ["init", "x", "log", "finish"] * 2
    assert [call[1]["id"] for call in calls if call[0] == "init"] == [None, "abc"]
    assert calls[0][1]["config"] == {"lr": 0.1} and calls[0][1]["name"] == tmp_path.name
    assert calls[6][1] == {
        "step": 2,
        "loss": 3.0,
        "val_loss": 3.5,
        "lr": 0.1,
        "grad_norm": 1.5,
        "tokens_per_s": 50.0,
    }


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_an_absent_package_is_named_with_the_line_to_type(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"^{name} is not installed; .*'{name}' .*pip install"):
        with tracker(name, tmp_path, {}):
            pass
    with pytest.raises(ValueError, match="track='mlflow' must be one of tensorboard, wandb"):
        with tracker("mlflow", tmp_path, {}):
            pass

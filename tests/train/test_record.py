"""What a run writes down: a line per update, and one file about the whole."""

import json
import math
from dataclasses import replace

import torch

from gptcore.train.loop import Step
from gptcore.train.record import Metrics, curve, hardware, read_metrics, write_json


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


def strict(text: str) -> dict:
    """As every other program reads JSON."""

    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_none_are_null(tmp_path):
    """A gradient that overflowed has no length; a held-out loss may be none either."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": NaN, "seconds": 2.0, "tokens": 100, "val_loss": null}\n')
    metrics = Metrics(path, keep=True)
    metrics.write(replace(step(2), grad_norm=math.inf, val_loss=math.nan))
    metrics.close()
    old, new = [strict(line) for line in path.read_text().splitlines()]
    assert old["loss"] is None and new["loss"] == 1.0
    assert new["grad_norm"] is None and new["val_loss"] is None
    assert curve(read_metrics(path))["valid"] == []
    write_json(tmp_path / "run.json", {"a": [1, -math.inf], "b": {"c": (math.nan, 2.5)}})
    assert strict((tmp_path / "run.json").read_text()) == {"a": [1, None], "b": {"c": [None, 2.5]}}


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

"""data/measure.py: what its grids promise, before anything is run."""

import importlib.util
from pathlib import Path

import pytest

from gptcore.experiments import Record
from gptcore.experiments.baselines import majority, words
from gptcore.experiments.tuning import fine_tuned

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("measure_script", ROOT / "data" / "measure.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


@pytest.mark.parametrize("name", script.GRIDS)
def test_every_record_is_fair(name: str) -> None:
    """Names stand once in a record; networks are tuned over three rates and reported with three
    seeds or more; validation and test rows are counted out for every task."""
    grids = script.GRIDS[name]()
    names = [c.name for grid in grids for c in grid.conditions]
    assert len(set(names)) == len(names)
    for grid in grids:
        assert grid.budget
        if grid.run is fine_tuned:
            assert len(grid.seeds) >= 3
            assert {len(c.candidates) for c in grid.conditions if not c.chosen} == {3}
        for condition in grid.conditions:
            assert {"task", "n", "n_valid", "n_test"} <= set(condition.settings)


def test_counting_and_guessing_stand_beside_every_classifier() -> None:
    """Every task that a network is fine-tuned on in table5 and real has words and majority."""
    for name in ("table5", "real"):
        grids = script.GRIDS[name]()
        tasks = {
            run: {c.settings["task"] for g in grids if g.run is run for c in g.conditions}
            for run in (fine_tuned, words, majority)
        }
        assert tasks[fine_tuned] <= tasks[words] and tasks[fine_tuned] <= tasks[majority]


def test_an_lstm_and_the_gpt_beside_it_are_of_one_size_and_have_as_many_rates() -> None:
    """3.7M parameters each, as many candidates each: neither is starved."""
    sizes = (
        script.LSTM(script.LSTM_SHAPE).n_params(),
        script.GPT(script.PRESETS[script.SHIPPED]).n_params(),
    )
    assert max(sizes) / min(sizes) < 1.01
    assert len({len(rates) for rates in script.RIVAL_RATES.values()}) == 1


def test_other_weights_are_another_measurement(tmp_path) -> None:
    """The digest in a run's settings follows the weights; a network that is not there is said."""
    for name, content in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(content)
    found = [script.digest(str(tmp_path / name)) for name in ("a", "b", "c")]
    assert len(set(found)) == 3 and found[2] == "absent"
    assert script.tuned("x", "tales-mood").settings["weights"] == script.digest(script.SHIPPED)


@pytest.mark.parametrize("name", script.GRIDS)
def test_what_is_on_record_belongs_to_the_grid(name: str) -> None:
    """Conditions of a stored record are the grid's, choices are among its candidates, and every
    reported run was scored on all test rows."""
    kept = script.on_record(name)
    if kept is None:
        pytest.skip(f"{name} is not on record yet")
    grids = script.GRIDS[name]()
    known = {c.name: (grid, c) for grid in grids for c in grid.conditions}
    assert set(kept.conditions()) <= set(known)
    for condition in kept.conditions():
        grid, own = known[condition]
        if own.chosen is None:
            assert kept.choice(condition) in own.candidates
        runs = kept.runs(condition)
        assert runs.items.shape == (len(grid.seeds), own.settings["n_test"])


def test_a_record_of_an_earlier_bench_is_none(tmp_path, monkeypatch) -> None:
    """Rows that are no list of runs cannot be gone on with."""
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    (tmp_path / "old.json").write_text('{"rows": {"full": {}}}')
    assert script.on_record("old") is None and script.on_record("absent") is None
    (tmp_path / "new.json").write_text('{"rows": [], "command": "x"}')
    assert isinstance(script.on_record("new"), Record)

"""data/measure.py: what its grids promise, before anything is run."""

import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

from gptcore.experiments import Record
from gptcore.experiments.baselines import majority, words
from gptcore.experiments.beginnings import beginning
from gptcore.experiments.decoding import decoded
from gptcore.experiments.demonstrations import PER_ANSWER, counted_words, demonstrated
from gptcore.experiments.grids import OF_CANDIDATES
from gptcore.experiments.in_context import paged
from gptcore.experiments.induction import N_NAMED, reading_names
from gptcore.experiments.judging import judged
from gptcore.experiments.obeying import N_TEST as N_REQUESTS
from gptcore.experiments.obeying import taught
from gptcore.experiments.optimizing import N_ASKED, chosen_of, optimized, preferred
from gptcore.experiments.pretraining import REPORTING, network, pretrained
from gptcore.experiments.records import CANDIDATE
from gptcore.experiments.scaling import scaled
from gptcore.experiments.shifted import counted
from gptcore.experiments.shifted import shifted as taught_a_cue
from gptcore.experiments.tuning import fine_tuned
from gptcore.tales.lines import TASKS, options

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "data"))  # as the script itself finds its grids
SPEC = importlib.util.spec_from_file_location("measure_script", ROOT / "data" / "measure.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


@pytest.mark.parametrize("name", script.GRIDS)
def test_every_record_is_fair(name: str) -> None:
    """Names stand once in a record; networks are tuned over three rates and reported with three
    seeds or more; validation and test rows are counted out for every task."""
    read, labels = {"shape", "data", "updates", "batch_size"}, {"task", "n", "n_valid", "n_test"}
    needed = {run: read for run in (pretrained, scaled, beginning)}
    needed |= {decoded: {"body", "weights", "n", "samples"}}
    on_corpora = (demonstrated, paged, reading_names, taught_a_cue)
    needed |= dict.fromkeys(on_corpora, {"shape", "tokenizer", "corpus", "updates", "batch_size"})
    needed |= {counted_words: {"corpus"}, counted: set(), taught: {"model", "n"}}
    needed |= {judged: {"policy", "labels", "lr"}, optimized: {"policy", "judge", "ppo"}}
    needed |= {chosen_of: {"policy", "judge"}, preferred: {"policy", "judge", "beta"}}
    grids = script.GRIDS[name]()
    names = [c.name for grid in grids for c in grid.conditions]
    assert len(set(names)) == len(names)
    for grid in grids:
        assert grid.budget
        if grid.run is fine_tuned:
            assert len(grid.seeds) >= 3
            assert {len(c.candidates) for c in grid.conditions if not c.chosen} == {3}
        for condition in grid.conditions:
            assert needed.get(grid.run, labels) <= set(condition.settings)


@pytest.mark.parametrize("name", ("rivals", "depth", "sparse"))
def test_rivals_in_pre_training_read_the_same_tokens(name: str) -> None:
    """Every condition of the record: as many updates of as many tokens, as many candidates where
    a rate is chosen, and three seeds."""
    for grid in script.GRIDS[name]():
        read = {
            (c.settings["updates"], c.settings["batch_size"], c.settings["shape"]["n_ctx"])
            for c in grid.conditions
        }
        assert len(read) == 1 and len(grid.seeds) >= 3
        assert len({str(c.settings["data"]) for c in grid.conditions}) == 1


@pytest.mark.parametrize("name", ("shots", "names", "leaked"))
def test_networks_in_context_read_as_many_tokens(name: str) -> None:
    """Whatever the corpus and the size: as many updates of as many tokens; what chooses its own
    rate has as many candidates as the others of its record that do."""
    for grid in script.GRIDS[name]():
        read = {
            (c.settings["updates"], c.settings["batch_size"], c.settings["shape"]["n_ctx"])
            for c in grid.conditions
        }
        assert len(read) == 1 and len(grid.seeds) >= 3
        assert len({len(c.candidates) for c in grid.conditions if not c.chosen}) == 1


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
        network(condition.settings, 2048, 0).n_params()
        for grid in script.GRIDS["rivals"]()
        for condition in grid.conditions
    )
    few, many = sorted(sizes)
    assert many / few < 1.01


def test_other_weights_are_another_measurement(tmp_path) -> None:
    """The digest in a run's settings follows the weights; a network that is not there is said."""
    for name, content in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(content)
    digest, tuned = script.grids_finetuning.digest, script.grids_finetuning.tuned
    found = [digest(str(tmp_path / name)) for name in ("a", "b", "c")]
    assert len(set(found)) == 3 and found[2] == "absent"
    assert tuned("x", "tales-mood").settings["weights"] == digest(script.SHIPPED)


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
        if not grid.seeds_of(own):  # it only chooses
            continue
        if own.chosen is None:
            assert kept.choice(condition) in own.candidates
        runs = kept.runs(condition)
        if grid.run is beginning:  # an item is a block
            n_items = own.settings["shape"]["n_layer"]
        elif grid.run is decoded:  # an opening
            n_items = own.settings["n"]
        elif grid.run in (taught_a_cue, counted):  # a question about a mood
            n_items = PER_ANSWER * len(options("mood"))
        elif grid.run is taught:  # a request
            n_items = N_REQUESTS
        elif grid.run in (optimized, chosen_of, preferred):  # a request to tell a tale
            n_items = N_ASKED
        elif grid.run is judged:  # a pair of replies that differ in truth, the same for all
            n_items = kept.runs(kept.conditions()[0]).items.shape[1]
        elif grid.run is reading_names:  # a tale
            n_items = N_NAMED
        elif grid.run in (demonstrated, counted_words, paged):  # a question
            n_items = PER_ANSWER * sum(len(options(task)) for task in TASKS)
        else:
            n_items = REPORTING if grid.run in (pretrained, scaled) else own.settings["n_test"]
        assert runs.items.shape == (len(grid.seeds_of(own)), n_items)


def test_what_chose_has_no_answers_to_the_test() -> None:
    """In no record: neither a score nor a list that a test question is in."""
    for name in script.GRIDS:
        kept = script.on_record(name)
        rows = kept.rows if kept else []
        about = {"condition", "role", "seed", "choice", "key"}
        for row in rows:
            if row["role"] == CANDIDATE:
                assert set(row) - about <= OF_CANDIDATES, (name, row["condition"])


def card_of_edges() -> dict[str, dict[str, str]]:
    """The data card's table of choices at an edge: record -> condition -> which edge."""
    lines = (ROOT / "data" / "README.md").read_text("utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| record | the lowest"))
    table = {}
    for line in itertools.takewhile(lambda line: line.startswith("|"), lines[at + 2 :]):
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        told = zip(("lowest", "highest"), cells, strict=True)
        table[name.strip("`")] = {c: edge for edge, cell in told for c in cell.split("; ") if c}
    return table


def test_the_data_card_tells_every_choice_at_the_edge_of_what_was_tried() -> None:
    """One line for each record that has one; nothing in it that is none."""
    kept = {name: script.on_record(name) for name in script.GRIDS}
    found = {name: one.edges() for name, one in kept.items() if one is not None and one.edges()}
    assert card_of_edges() == found


def test_a_record_of_an_earlier_bench_is_none(tmp_path, monkeypatch) -> None:
    """Rows that are no list of runs cannot be gone on with."""
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    (tmp_path / "old.json").write_text('{"rows": {"full": {}}}')
    assert script.on_record("old") is None and script.on_record("absent") is None
    (tmp_path / "new.json").write_text('{"rows": [], "command": "x"}')
    assert isinstance(script.on_record("new"), Record)

"""Grids: chosen on validation, reported on test, alike for every condition, and resumable."""

from dataclasses import replace

import pytest
from experiments_runs import noted

from gptcore.experiments import Condition, Grid, Record, again, measure
from gptcore.experiments.grids import SELECT_SEED
from gptcore.experiments.records import CANDIDATE, REPORTED, packed, unpacked


def grid_in(folder, **changes) -> Grid:
    """Two conditions with two rates each; validation prefers 2 for a and 1 for b."""
    log = str(folder / "log")
    a = {"name": "a", "log": log, "test": 0.5, "valid": {"1": 0.3, "2": 0.4}}
    b = {"name": "b", "log": log, "test": 0.4, "valid": {"1": 0.9, "2": 0.1}}
    rates = ({"lr": 1}, {"lr": 2})
    conditions = (Condition("a", a, rates), Condition("b", b, rates))
    return replace(Grid("made-up", noted, conditions, seeds=(0, 1, 2)), **changes)


def lines(folder) -> list[str]:
    """What ran, in order."""
    return (folder / "log").read_text().splitlines()


def test_candidates_are_chosen_on_validation_with_a_seed_of_their_own(tmp_path) -> None:
    """Four candidates with seed 100, then three seeds of each choice; no candidate has a test
    score or answers in the record."""
    found = measure(grid_in(tmp_path), tmp_path / "kept", command="make it", progress=False)
    assert found.choice("a") == {"lr": 2} and found.choice("b") == {"lr": 1}
    assert lines(tmp_path)[:4] == [f"{c} {lr} {SELECT_SEED}" for c in "ab" for lr in (1, 2)]
    assert lines(tmp_path)[4:] == [f"{c} {seed}" for c in ("a 2", "b 1") for seed in range(3)]
    candidates = [row for row in found.rows if row["role"] == CANDIDATE]
    of_the_test = {"test", "items", "asked otherwise"}
    assert len(candidates) == 4 and not any(of_the_test & set(row) for row in candidates)
    assert found.runs("a", "asked otherwise").items.shape == (3, 10)
    assert found.runs("a").items.shape == (3, 10) and found.scores("b") == [0.4] * 3
    assert found.origin["command"] == "make it"


def test_a_condition_may_have_seeds_of_its_own(tmp_path) -> None:
    """b, which takes long, is reported with seed 7 alone, and is run again with it; with no seed
    it only chooses; the seed that chooses is refused there, too."""
    a, b = grid_in(tmp_path).conditions
    grid = replace(grid_in(tmp_path), conditions=(a, replace(b, seeds=(7,))))
    found = measure(grid, tmp_path / "kept", command="", progress=False)
    assert lines(tmp_path)[4:] == ["a 2 0", "a 2 1", "a 2 2", "b 1 7"]
    assert found.runs("a").items.shape == (3, 10) and found.runs("b").items.shape == (1, 10)
    assert again(grid, found, ["b"])[0].seed == 7
    quiet = replace(grid, conditions=(a, replace(b, seeds=())))
    rows = measure(quiet, tmp_path / "kept", command="", progress=False).rows
    assert [row["role"] for row in rows if row["condition"] == "b"] == [CANDIDATE] * 2
    with pytest.raises(ValueError, match=f"seeds=.{SELECT_SEED},. must be different ones"):
        replace(grid, conditions=(a, replace(b, seeds=(SELECT_SEED,))))


def test_a_killed_grid_goes_on(tmp_path) -> None:
    """The third run fails; the second try runs it and what was left, and nothing twice."""
    grid, stop = grid_in(tmp_path), tmp_path / "stop"
    stop.touch()
    broken = replace(
        grid.conditions[1], settings={**grid.conditions[1].settings, "fail": str(stop)}
    )
    grid = replace(grid, conditions=(grid.conditions[0], broken))
    with pytest.raises(RuntimeError, match="was stopped"):
        measure(grid, tmp_path / "kept", command="", progress=False)
    assert len(lines(tmp_path)) == 3  # two of a, one that failed
    stop.unlink()
    measure(grid, tmp_path / "kept", command="", progress=False)
    assert len(lines(tmp_path)) == 3 + 8
    measure(grid, tmp_path / "kept", command="", progress=False)
    assert len(lines(tmp_path)) == 3 + 8


def test_another_network_runs_anew(tmp_path) -> None:
    """What a result is kept under holds settings, seed, function and fingerprint."""
    grid = grid_in(tmp_path)
    measure(grid, tmp_path / "kept", command="", progress=False)
    measure(
        replace(grid, fingerprint="other weights"), tmp_path / "kept", command="", progress=False
    )
    assert len(lines(tmp_path)) == 20


def test_side_by_side_gives_the_same_record(tmp_path) -> None:
    """Two processes, the same rows in the same order."""
    one = measure(grid_in(tmp_path), tmp_path / "1", command="", progress=False)
    two = measure(grid_in(tmp_path), tmp_path / "2", command="", jobs=2, progress=False)

    def plain(found: Record) -> list:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in found.rows]

    assert plain(one) == plain(two)


def test_one_condition_can_take_the_choice_of_another(tmp_path) -> None:
    """`chosen` brings the other's candidates along, and only the asked condition is reported."""
    grid = grid_in(tmp_path)
    c = Condition("c", {**grid.conditions[0].settings, "name": "c"}, chosen="a")
    grid = replace(grid, conditions=(*grid.conditions, c))
    found = measure(grid, tmp_path / "kept", command="", progress=False, only=["c"])
    assert found.choice("c") == {"lr": 2}
    assert {row["condition"] for row in found.rows if row["role"] == REPORTED} == {"c"}
    assert not any(line.startswith("b") for line in lines(tmp_path))


def test_an_unfair_grid_is_refused(tmp_path) -> None:
    """A rival with fewer candidates, a reported seed that chose, names twice, no such choice."""
    grid = grid_in(tmp_path)
    starved = replace(grid.conditions[1], candidates=({"lr": 1},))
    with pytest.raises(ValueError, match=r"\{'a': 2, 'b': 1\}; every condition must have the same"):
        replace(grid, conditions=(grid.conditions[0], starved))
    with pytest.raises(ValueError, match="and not 100"):
        replace(grid, seeds=(0, SELECT_SEED))
    with pytest.raises(ValueError, match="each name once"):
        replace(grid, conditions=(grid.conditions[0], grid.conditions[0]))
    with pytest.raises(ValueError, match="chosen='z' of 'c' is none of"):
        replace(grid, conditions=(*grid.conditions, Condition("c", {}, chosen="z")))


def test_a_record_comes_back_from_json_and_as_a_table(tmp_path) -> None:
    """A row per run in the table, answers to items left out; an unknown condition is named."""
    found = measure(grid_in(tmp_path), tmp_path / "kept", command="", progress=False)
    again = Record.of(found.as_json())
    assert again.rows == found.rows and again.about == found.about
    table = again.table()
    assert len(table) == 10 and "items" not in table and list(table["seed"])[:2] == [100, 100]
    with pytest.raises(KeyError, match="condition='z' has no reported run; there are a, b"):
        again.runs("z")


def test_answers_are_packed_without_loss() -> None:
    """Right and wrong as a string of digits, predictions with four decimals."""
    assert packed([1, 0, 1.0]) == "101" and unpacked("101") == [1.0, 0.0, 1.0]
    assert packed([0.5, 1.23456]) == [0.5, 1.2346]


def test_what_is_on_record_is_not_run_again(tmp_path) -> None:
    """From the record alone, with no kept results, nothing runs; the same record comes out. A
    condition that the record lacks does run."""
    grid = grid_in(tmp_path)
    found = measure(grid, tmp_path / "kept", command="", progress=False)
    n = len(lines(tmp_path))
    known = Record.of(found.as_json())
    other = measure(grid, tmp_path / "elsewhere", command="", progress=False, known=known)
    assert len(lines(tmp_path)) == n and other.rows == found.rows
    known.rows = [row for row in known.rows if row["condition"] == "a"]
    measure(grid, tmp_path / "third", command="", progress=False, known=known)
    assert len(lines(tmp_path)) == n + 2 + 3


def test_a_stale_record_is_noticed(tmp_path) -> None:
    """One run again: as recorded; with another score it is not, and the line says so."""
    grid = grid_in(tmp_path)
    found = measure(grid, tmp_path / "kept", command="", progress=False)
    (same,) = again(grid, found)
    assert same.as_recorded and "a, seed 0: now 0.500, then 0.500" in str(same)
    moved = replace(grid.conditions[0], settings={**grid.conditions[0].settings, "test": 0.99})
    (other,) = again(replace(grid, conditions=(moved, grid.conditions[1])), found)
    assert not other.as_recorded and str(other).endswith("NOT AS RECORDED")
    with pytest.raises(KeyError, match="condition='z' is none of the grid's: a, b"):
        again(grid, found, ["z"])

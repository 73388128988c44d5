"""The depth explorer: what it gathers from the records, by hand, and what it refuses."""

import json

import pytest

from gptcore.experiments import Record
from gptcore.show import DepthExplorer
from gptcore.show.explorers.depth.depth import cells_of, gradients_of


def row(condition: str, lr: float, seed: int, loss: float, **more) -> dict:
    """A run as the record has it; seed 100 chooses, and its test score is left out."""
    role = "candidate" if seed == 100 else "reported"
    scores = {"valid": -loss} if seed == 100 else {"valid": -9.0, "test": -loss}
    at = {"condition": condition, "role": role, "seed": seed, "choice": {"lr": lr}}
    return {**at, **scores, "curve": [6.0, loss], "items": [0.1, 0.4], **more}


RUNS = [
    row("post 24", 0.001, 100, 5.0),
    row("post 24", 0.003, 100, 5.24),
    row("post 24", 0.001, 0, 4.9),
    row("post 24", 0.001, 1, 5.1),
    row("pre 24", 0.003, 100, 4.4),
    row("pre 24, no warm-up", 0.003, 100, 4.6),
    row("pre 24, residual by layers", 0.003, 100, 4.3),
    row("pre 24 at 0.0003", 0.0003, 0, 5.3),
    row("post 24 at 0.001", 0.001, 0, 4.9),  # the same run as above, for another grid
]


def explorer(**more) -> DepthExplorer:
    """An explorer over `RUNS`."""
    return DepthExplorer(Record({}, RUNS), Record({}, RUNS), unigram=5.24, uniform=6.24, **more)


def test_runs_are_gathered_into_cells() -> None:
    """Reported runs replace the one that chose, no run counts twice, names say what differs."""
    found = {
        (c["norm"], c["beginning"], c["warmup"], c["lr"]): [run["loss"] for run in c["runs"]]
        for c in cells_of(RUNS)
    }
    assert found == {
        ("post", "scaled", True, 0.003): [5.24],
        ("post", "scaled", True, 0.001): [4.9, 5.1],
        ("pre", "scaled", True, 0.003): [4.4],
        ("pre", "scaled", False, 0.003): [4.6],
        ("pre", "residual by layers", True, 0.003): [4.3],
        ("pre", "scaled", True, 0.0003): [5.3],
    }
    assert all(c["n_layer"] == 24 and c["runs"][0]["curve"] for c in cells_of(RUNS))


def test_gradients_are_averaged_as_factors() -> None:
    """The geometric mean of 0.1 and 0.4 is 0.2; of 1 and 1 it is 1."""
    rows = [row("pre 2", 0.0, seed, 1.0, items=i) for seed, i in ((0, [0.1, 1]), (1, [0.4, 1]))]
    (found,) = gradients_of(rows)
    assert found["mean"] == [0.2, 1.0] and found["low"] == [0.1, 1.0]
    assert found["high"] == [0.4, 1.0] and (found["norm"], found["n_layer"]) == ("pre", 2)


def test_the_text_says_the_best_and_what_is_stuck() -> None:
    """Best of both at 24 layers with warm-up; one of post-LN's two cells is stuck."""
    alt = explorer().alt
    assert "24 blocks, best: post-LN 5.00 at rate 0.001, pre-LN 4.40 at rate 0.003." in alt
    assert "1 cells of post-LN, 0 of pre-LN" in alt


def test_the_state_is_plain_and_whole() -> None:
    """The twin holds every cell as JSON."""
    page = explorer().twin()
    state = json.loads(page.split('"application/json">')[1].split("</script>")[0])
    assert len(state["cells"]) == 6 and state["unigram"] == 5.24 and state["warmup"] is True
    assert state["lr"] == 0.003 and state["n_layer"] == 24


@pytest.mark.parametrize("more", [{"n_layer": 7}, {"lr": 0.5}, {"beginning": "no such"}])
def test_what_was_not_run_cannot_be_chosen(more: dict) -> None:
    """The message names what was asked for."""
    name, value = next(iter(more.items()))
    with pytest.raises(ValueError, match=f"no run has .*{name}={value!r}"):
        explorer(**more)


@pytest.mark.parametrize("name", ["24 post", "post", "mid 24", "post 24; no warm-up"])
def test_conditions_of_another_form_are_refused(name: str) -> None:
    """A record of another grid is not read as if it were this one's."""
    with pytest.raises(ValueError, match=f"condition='{name}' must be like 'post 24'"):
        cells_of([row(name, 0.003, 100, 4.0)])

"""The budget game: runs and their prices, by hand, and what it refuses."""

import pytest

from gptcore.experiments import Record
from gptcore.experiments.laws import Law
from gptcore.show import BudgetGame
from gptcore.show.explorers.budget.budget import runs_of_record

SHAPE = {"vocab_size": 512, "n_ctx": 128, "n_layer": 2, "n_head": 2, "d_model": 16}
LAW = Law(1.0, 100.0, 0.5, 100.0, 0.5)


def row(tokens: int, loss: float, seed: int = 0, name: str | None = None) -> dict:
    name = name or f"16x2 on {tokens / 1e6:g}M"
    rest = {"role": "reported", "choice": {"lr": 0.01}, "diverged": None, "shape": SHAPE}
    return {"condition": name, "tokens": tokens, "test": -loss, "seed": seed, **rest}


ROWS = [row(2_000_000, 3.0), row(1_000_000, 3.4), row(1_000_000, 3.2, seed=1)]


def game(rows: list[dict] = ROWS, **more) -> BudgetGame:
    return BudgetGame(Record({}, rows), LAW, **{"budget": 3e11, "budgets": (1.2e11, 3e11), **more})


def test_runs_are_averaged_over_seeds_and_priced() -> None:
    """N = 18,464 (test_scaling.py has it by hand): 6 N · 1M FLOPs; 3.4 and 3.2 are 3.3."""
    first, second = game().runs
    assert (first["size"], first["tokens"], first["seeds"]) == ("16x2", "1M", 2)
    assert first["loss"] == pytest.approx(3.3) and second["loss"] == 3.0
    assert first["flops"] == pytest.approx(6 * 18_464 * 1e6)


def test_the_text_says_the_best_of_each_budget() -> None:
    """1.2e11 FLOPs buy the shorter run alone. The law, α = β and A = B, splits evenly: √2e10 each,
    1 + 200 / (2e10)^¼ = 1.532."""
    alt = game().alt
    assert "With 1.2e+11 FLOPs the best run is 16x2 on 1M tokens, loss 3.300" in alt
    assert "With 3e+11 FLOPs the best run is 16x2 on 2M tokens, loss 3.000" in alt
    assert "frontier is at 1.532" in alt


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(ValueError, match="budget=1e.09 buys nothing: the cheapest is 1.11e.11"):
        game(budgets=(1e9, 3e11))
    with pytest.raises(ValueError, match="budget=5e.11 must be one of"):
        game(budget=5e11)
    with pytest.raises(ValueError, match="condition='large' must be like '16x2 on 1M'"):
        runs_of_record(Record({}, [row(1000, 3.0, name="large")]))

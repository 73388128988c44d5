"""What a record says of its own rows."""

import pytest

from gptcore.experiments import Record
from gptcore.experiments.records import CANDIDATE, REPORTED


def tried(condition: str, values: dict[float, float], chosen: float) -> list[dict]:
    """Candidates with their validation scores, and a reported run of one of them."""
    rows = [
        {"condition": condition, "role": CANDIDATE, "choice": {"lr": lr}, "valid": score}
        for lr, score in values.items()
    ]
    return [*rows, {"condition": condition, "role": REPORTED, "choice": {"lr": chosen}, "test": 0}]


def test_a_choice_at_the_edge_of_what_was_tried_is_named() -> None:
    """Highest, lowest, neither; in whatever order they were tried."""
    rows = tried("up", {0.1: 1.0, 0.4: 3.0, 0.2: 2.0}, 0.4)
    rows += tried("between", {0.1: 1.0, 0.4: 2.0, 0.2: 3.0}, 0.2)
    rows += tried("down", {0.2: 1.0, 0.1: 2.0}, 0.1)
    assert Record({}, rows).edges() == {"up": "highest", "down": "lowest"}


def test_what_was_not_chosen_among_several_has_no_edge() -> None:
    """One candidate, none, a choice of two values, and candidates of which none is reported."""
    alone = tried("alone", {0.1: 1.0}, 0.1)
    given = [{"condition": "given", "role": REPORTED, "choice": {"lr": 0.1}, "test": 0}]
    two = [
        {"condition": "two", "role": role, "choice": {"C": C, "features": name}, "valid": 0}
        for role, C, name in (
            (CANDIDATE, 0.1, "pair"),
            (CANDIDATE, 1.0, "joined"),
            (REPORTED, 1.0, "joined"),
        )
    ]
    only = tried("only", {0.1: 1.0, 0.2: 2.0}, 0.2)[:-1]
    assert Record({}, alone + given + two + only).edges() == {}


def test_runs_are_those_reported_of_the_list_that_is_asked_for() -> None:
    """Seeds in order, "items" unless another list is named, candidates left out."""
    rows = [
        {
            "condition": "pages",
            "role": role,
            "seed": seed,
            "test_set": "t",
            "items": [0.0, 0.0],
            "other": [value, 1.0],
        }
        for role, seed, value in ((REPORTED, 1, 1.0), (REPORTED, 0, 0.0), (CANDIDATE, 100, 1.0))
    ]
    found = Record({}, rows)
    assert found.runs("pages", "other").items.tolist() == [[0.0, 1.0], [1.0, 1.0]]
    assert found.runs("pages").items.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert found.runs("pages", "other").name == "pages"
    with pytest.raises(KeyError, match="condition='web' has no reported run; there are pages"):
        found.runs("web")
    with pytest.raises(KeyError, match="absent"):
        found.runs("pages", "absent")

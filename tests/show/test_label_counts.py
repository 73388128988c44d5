"""The explorer of label counts: what it gathers from a record, by hand, and what it refuses."""

import json

import pytest

from gptcore.experiments import Record
from gptcore.show import LabelCounts
from gptcore.show.explorers.label_counts.label_counts import differences_of, points_of


def row(condition: str, seed: int, items: str) -> dict:
    """A reported run that was right where `items` has a 1."""
    at = {"condition": condition, "role": "reported", "seed": seed, "items": items}
    return {**at, "test": items.count("1") / len(items)}


RUNS = [
    *(row("pre-trained, 75", seed, "1" * 38 + "0" * 2) for seed in range(3)),
    *(row("from scratch, 75", seed, "1" * 10 + "0" * 30) for seed in range(3)),
    row("tales-mood: words counted, 75", 0, "1" * 38 + "0" * 2),
    {**row("pre-trained, 75", 100, "1" * 40), "role": "candidate"},
]


def explorer(**more) -> LabelCounts:
    """An explorer over `RUNS`."""
    points = {"one": "pre-trained, 75", "other": "from scratch, 75", **more}
    return LabelCounts(Record({}, RUNS), **points)


def test_every_reported_run_is_a_dot() -> None:
    """The mean of 38 of 40 is 0.95; the run that chose is left out; words have their own name."""
    found = {point["name"]: point for point in points_of(Record({}, RUNS))}
    assert list(found) == ["pre-trained, 75", "from scratch, 75", "counting words, 75"]
    assert found["pre-trained, 75"]["runs"] == [0.95] * 3 and found["pre-trained, 75"]["n"] == 75
    assert found["counting words, 75"]["way"] == "counting words"
    assert found["from scratch, 75"]["mean"] == pytest.approx(0.25)
    assert found["from scratch, 75"]["low"] < 0.25 < found["from scratch, 75"]["high"]


def test_pairs_are_judged_by_the_rule() -> None:
    """0.95 is ahead of 0.25 by 0.7; of the same answers nothing is ahead."""
    found = {(pair["one"], pair["other"]): pair for pair in differences_of(Record({}, RUNS))}
    assert len(found) == 3
    far = found["pre-trained, 75", "from scratch, 75"]
    assert far["holds"] is True and far["mean"] == pytest.approx(0.7) and 0 < far["low"] < 0.7
    assert found["pre-trained, 75", "counting words, 75"]["holds"] is not True
    assert found["from scratch, 75", "counting words, 75"]["holds"] is False


def test_the_shipped_record_has_nine_points_and_says_their_means() -> None:
    """Three ways at three sizes; 0.5667, 0.5733 and 0.55 are 0.571 on average (data/runs)."""
    made = LabelCounts()
    assert len(made.points) == 9 and len(made.differences) == 36
    assert "pre-trained: 75 labels 0.571" in made.alt and "counting words: 75 labels" in made.alt
    half = [d for d in made.differences if (d["one"], d["other"]) == (made.one, made.other)]
    turned = [d for d in made.differences if (d["other"], d["one"]) == (made.one, made.other)]
    assert [pair["holds"] for pair in half + turned] == [None]


def test_the_state_is_plain_and_whole() -> None:
    """The twin holds every point as JSON."""
    page = explorer().twin()
    state = json.loads(page.split('"application/json">')[1].split("</script>")[0])
    assert len(state["points"]) == 3 and state["chance"] == 0.1429
    assert state["shown"] == ["pre-trained", "from scratch", "counting words"]


@pytest.mark.parametrize("more", [{"one": "pre-trained, 76"}, {"other": "words counted, 75"}])
def test_what_was_not_run_cannot_be_compared(more: dict) -> None:
    """The message names field and value, and what there is."""
    (field, name), *_ = more.items()
    with pytest.raises(ValueError, match=f"{field}='{name}' was not run; there are pre-trained"):
        explorer(**more)


def test_a_condition_of_another_form_is_refused() -> None:
    """A number of labels is needed to draw a point."""
    with pytest.raises(ValueError, match="condition='full' must be like 'pre-trained, 75'"):
        points_of(Record({}, [row("full", 0, "10")]))

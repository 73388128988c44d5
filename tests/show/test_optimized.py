"""The explorer of optimised rewards: what it keeps of runs, by hand, and what it refuses."""

import json
import math

import numpy as np
import pytest

from gptcore.show import Optimized
from gptcore.show.explorers.optimized.optimized import LONGEST, Answer, Point, Run

ASKED = "Tell a tale about a kite that ends well."


def points(*rows: tuple[int, float, float, float], replies: tuple[str, ...] = ()) -> list[Point]:
    """Points of (step, kl, learned, true), with a reply each as far as there are some."""
    answers = [[Answer(ASKED, reply, 0.5, 0.25)] for reply in replies]
    answers += [[]] * (len(rows) - len(answers))
    return [Point(*row, answers=own) for row, own in zip(rows, answers, strict=True)]


FREE = points(
    (0, 0.0, 0.1, 0.4), (40, 4.41, 1.3, 0.62), (80, 9.0, 1.9, 0.54), replies=("One.", "Two.", "So.")
)
HELD = points((0, 0.0, 0.1, 0.4), (80, 1.0, 0.8, 0.55), replies=("One.", "Two."))
BEST = points((1, 0.0, 0.1, 0.4), (4, 0.636, 0.9, 0.5))
RUNS = [
    Run({"beta": 0.1, "labels": 400}, HELD),
    Run({"beta": 0.0, "labels": 400}, FREE),
    Run({"beta": "best of n", "labels": 400.0}, BEST, step_name="n ="),
]


def state_of(made: Optimized) -> dict:
    """What the page gets."""
    return json.loads(made.twin().split('"application/json">')[1].split("</script>")[0])


def test_the_state_is_plain_and_whole() -> None:
    """Settings in the order of their numbers, points as lists; the first run at its end."""
    state = state_of(Optimized(RUNS))
    assert state["settings"] == [
        {"name": "beta", "values": ["0", "0.1", "best of n"]},
        {"name": "labels", "values": ["400"]},
    ]
    assert [run["values"] for run in state["runs"]] == [[1, 0], [0, 0], [2, 0]]
    free = state["runs"][1]
    assert free["steps"] == [0, 40, 80] and free["kl"] == [0, 4.41, 9] and free["words"][0] is None
    assert free["learned"] == [0.1, 1.3, 1.9] and free["true"] == [0.4, 0.62, 0.54]
    assert free["words"] == [None] * 3
    assert [run["step_name"] for run in state["runs"]] == ["update", "update", "n ="]
    chosen = [state[name] for name in ("run", "at", "across", "covered", "guess")]
    assert chosen == [0, 1, "beta", True, []]


def test_each_text_is_kept_once() -> None:
    """Three runs answer the same request, two begin with the same words: four texts in all."""
    state = state_of(Optimized(RUNS))
    assert state["texts"] == [ASKED, "One.", "Two.", "So."]
    assert state["runs"][0]["answers"] == [[[0, 1, 0.5, 0.25]], [[0, 2, 0.5, 0.25]]]
    assert state["runs"][1]["answers"][2] == [[0, 3, 0.5, 0.25]]


def test_a_long_text_is_cut_and_markup_closes_nothing() -> None:
    """At most `LONGEST` characters, the cut is marked; `<` reaches no parser."""
    long = points((0, 0, 0, 0), (1, 1, 1, 1), replies=("x" * 5000, "</script><script>alert(1)"))
    made = Optimized([Run({}, long)])
    _, cut, markup = state_of(made)["texts"]
    assert len(cut) == LONGEST and cut.endswith("x …") and markup == "</script><script>alert(1)"
    assert made.twin().count("<script") == 1 == made.twin().count("</script")


def test_the_text_says_where_the_true_reward_turns() -> None:
    """What a reader without JavaScript gets: √4.41 = 2.1, √9 = 3, an answer of the first run."""
    alt = Optimized(RUNS).alt
    assert (
        "beta 0, labels 400: true reward 0.40 at first, highest 0.62 at √KL 2.10 (update 40), "
        "0.54 at the end, √KL 3.00; learned reward 0.10 to 1.90. "
    ) in alt
    assert "beta best of n, labels 400: true reward 0.40 at first, highest 0.50 at √KL 0.80" in alt
    assert alt.endswith(f"answers '{ASKED}', at first 'One.', at the end 'Two.'.")


def test_twelve_runs_weigh_little() -> None:
    """12 runs of 8 points with 3 answers of 150 characters: at most 60 kB, each text new."""

    def answers(run: int, at: int) -> list[Answer]:
        reply = f"{run} {at} ".ljust(50, "w") * 3
        return [Answer(f"{ASKED} {i}", f"{reply}{i}", 1 / 3 + i, 2 / 3) for i in range(3)]

    runs = [
        Run(
            {"beta": run / 100},
            [Point(n, n / 3, n / 7, n / 11, n / 13, answers(run, n)) for n in range(8)],
        )
        for run in range(12)
    ]
    twin = Optimized(runs).twin()
    assert len(state_of(Optimized(runs))["texts"]) == 12 * 8 * 3 + 3
    assert len(twin.encode()) < 60_000


def test_numbers_of_other_kinds_are_taken() -> None:
    """numpy's, and a small KL that sampling has taken below 0."""
    run = Run({"n": np.int64(3)}, [Point(np.int64(0), -0.05, np.float32(1), 0), Point(1, 2, 3, 4)])
    state = state_of(Optimized([run]))
    assert state["runs"][0]["kl"] == [0, 2] and state["settings"][0]["values"] == ["3"]
    assert state["across"] == "", "no setting varies"


@pytest.mark.parametrize(
    "made, message",
    [
        (lambda: Optimized([]), r"runs=\[\] must hold at least one"),
        (lambda: Run({}, FREE[:1]), "points of the run must be at least 2, got 1"),
        (lambda: Run({"a": 1}, FREE[::-1]), r"steps of a 1 must rise, got \[80, 40, 0\]"),
        (lambda: Run({"a": 1}, [FREE[0]] * 2), r"steps of a 1 must rise, got \[0, 0\]"),
        (lambda: Run({"a": None}, FREE), r"settings\['a'\]=None must be a number or a text"),
        (lambda: Run({"a": math.nan}, FREE), r"settings\['a'\]=nan must be a number or a text"),
        (lambda: Run({"": 1}, FREE), "settings name '' must be a text with something in it"),
        (lambda: Point(-1, 0, 0, 0), "step=-1 must be a whole number from 0 on"),
        (lambda: Point(1.5, 0, 0, 0), "step=1.5 must be a whole number from 0 on"),
        (lambda: Point(5, -0.3, 0, 0), "kl=-0.3 of step 5 must be a finite number from -0.2 on"),
        (lambda: Point(5, 1, math.nan, 0), "learned=nan of step 5 must be a finite number"),
        (lambda: Point(5, 1, 0, None), "true=None of step 5 must be a finite number"),
        (lambda: Point(5, 1, 0, 0, -2), "words=-2 of step 5 must be a finite number from 0 on"),
        (
            lambda: Point(5, 1, 0, 0, None, [Answer(ASKED, "", 0, 0)] * 7),
            "7 answers of step 5: at most 6 find room",
        ),
        (lambda: Answer("Why?", "", math.inf, 0), "learned=inf of the answer to 'Why\\?' must be"),
        (
            lambda: Optimized([RUNS[0], Run({"beta": 0}, FREE)]),
            r"settings of runs\[1\] are \['beta'\]; those of the first run are \['beta', 'la",
        ),
        (
            lambda: Optimized([*RUNS, Run({"labels": 400, "beta": 0}, HELD)]),
            r"runs\[3\] has the settings of runs\[1\]: labels 400, beta 0",
        ),
        (
            lambda: Optimized(RUNS, across="labels"),
            "across='labels' must be a setting that varies: 'beta', or ''",
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(made, message: str) -> None:
    """Field, value and rule."""
    with pytest.raises(ValueError, match=message):
        made()


@pytest.mark.parametrize(
    "made, message",
    [
        (lambda: Optimized([{}]), r"runs\[0\] must be a Run, got dict"),
        (lambda: Run({"a": 1}, [{}]), "points of a 1 must be Point, got dict"),
        (lambda: Point(1, 0, 0, 0, None, ["So."]), "answers of step 1 must be Answer, got str"),
        (lambda: Answer(ASKED, None, 0, 0), "reply=None must be a text"),
    ],
)
def test_what_is_of_another_kind_is_named(made, message: str) -> None:
    """A record's plain dict is not yet a run."""
    with pytest.raises(TypeError, match=message):
        made()

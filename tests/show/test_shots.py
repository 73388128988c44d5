"""The explorer of demonstrations in a prompt: what it gathers, by hand, and what it refuses."""

import json
import sys
from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import pytest
import shot_runs

from gptcore.checkpoint.shipped import folder
from gptcore.experiments import Record
from gptcore.experiments.in_context import ALL_ANSWERS, PAGE, PROMPTS, prompts_of, room
from gptcore.show import ShotsExplorer
from gptcore.show.explorers.shots.shots import cells_of, corpora_of, parts, tasks_of
from gptcore.tales.lines import TASKS
from gptcore.tokenizer import Tokenizer

DATA = Path(__file__).parents[2] / "data"


def explorer(*rows: dict[str, Any], **more: Any) -> ShotsExplorer:
    """An explorer over some runs, or over all of `shot_runs`."""
    return ShotsExplorer(Record({}, list(rows)) if rows else shot_runs.record(), **more)


def cell(found: ShotsExplorer, condition: str) -> dict[str, Any]:
    """The cell of a condition."""
    return next(c for c in found.cells if f"{c['size']} {c['corpus']}" == condition)


def test_runs_are_gathered_into_cells() -> None:
    """The largest networks first; 0.95 · 0.8 = 0.76 of 200 places is right behind a demonstration,
    half as much of both questions behind none; a run that chose is no cell."""
    found = explorer()
    assert [f"{c['size']} {c['corpus']}" for c in found.cells] == [
        "1m 1",
        "1m 1, mixed",
        "1m 1, apart",
        "1m 0.1",
        "300k 1",
        "300k 0.1",
        "100k 1",
    ]
    place, mood = cell(found, "1m 1")["accuracy"]
    assert place == [0.4, 0.76, 0.76, 0.76, 0.72, 0.56, 0.48]
    assert mood == pytest.approx([0.3, 0.66, 0.66, 0.66, 0.62, 0.46, 0.38], abs=0.003)
    assert cell(found, "100k 1")["fits"][0] == [0.5, 0.95, 0.95, 0.95]
    assert cell(found, "1m 1, mixed")["accuracy"][0] == [0.4] * 7
    assert [c["seeds"] for c in found.cells] == [2, 2, 2, 1, 2, 2, 2]


def test_accuracy_is_the_mean_over_seeds_and_answers_are_the_first_ones() -> None:
    """(200 + 100) / 2 of 200 places; seed 0 stands behind seed 1 in the record."""
    half = {"shots 1": shot_runs.items(0.5, 0), "fits 1": shot_runs.items(0.5, 0)}
    whole = {"shots 1": shot_runs.items(1, 0), "fits 1": shot_runs.items(1, 0.8)}
    other = shot_runs.run("1m 0.1")["options"]
    first = shot_runs.run("300k 1", 0, **half)
    found = cells_of(Record({}, [shot_runs.run("300k 1", 1, **whole, options=other), first]))
    assert (found[0]["accuracy"][0][1], found[0]["accuracy"][1][1]) == (0.75, 0)
    assert (found[0]["fits"][0][1], found[0]["fits"][1][1]) == (0.75, 0.4)
    assert (found[0]["seed"], found[0]["seeds"]) == (0, 2)
    assert found[0]["log_probs"] == first["options"]


def test_tales_have_the_prompts_of_the_record() -> None:
    """Those that the networks were given, at their context and with their tokenizer, whole."""
    sys.path.insert(0, str(DATA))
    try:
        from grids_in_context import shots
    finally:
        sys.path.remove(str(DATA))
    settings = [condition.settings for condition in shots()[0].conditions]
    assert {one["shape"]["n_ctx"] for one in settings} == {256}
    (name,) = {Path(one["tokenizer"]).name for one in settings}
    fits = room(PAGE, Tokenizer.load(folder(name)), 256)
    for number, task in enumerate(TASKS):
        shown = tasks_of()[number]["prompts"]
        again = [["\n\n".join(map(joined, one)) for one in own] for own in shown]
        assert again == prompts_of(task, fits)
        assert [[len(one) - 1 for one in own] for own in shown] == [[0, 1, 2, 3, 3, 3, 3]] * 4


def joined(part: list[str]) -> str:
    """A part of a prompt as it stands there."""
    text, cue, answer = part
    return f"{text}\n\n{cue} {answer}".rstrip(" ")


def test_tasks_say_what_is_true_of_the_tales() -> None:
    """Gwilym lived beside the sea and his knees went soft, now that it was over; by hand."""
    place, mood = tasks_of()
    assert [place["rights"], mood["rights"]] == [list(own) for own in shot_runs.RIGHTS]
    assert "Gwilym lived beside the sea" in place["prompts"][0][0][0][0]
    assert place["answers"][1] == "By the sea." and mood["answers"][3] == "Relieved."
    assert (place["questions"], mood["questions"]) == (200, 175)
    one = mood["prompts"][0]
    assert one[0] == place["prompts"][0][0], "without demonstrations nothing says what is asked"
    assert one[1][0][1:] == ["Answer:", "Wistful."] and one[4][0][2] != "Wistful."
    assert [part[0] == "" for part in one[5]] == [True, True, True, False]
    assert {part[1] for part in one[6]} == {"In short:"}


def test_a_prompt_comes_apart() -> None:
    """A demonstration without a text keeps its place."""
    prompt = "\n\nAnswer: Sad.\n\nTom: he ran.\n\nAnswer:"
    assert parts(prompt) == [["", "Answer:", "Sad."], ["Tom: he ran.", "Answer:", ""]]


def test_the_text_says_all_accuracies() -> None:
    """Both questions, every size and corpus, the changes last; brackets: answers to the question.
    Of 175 moods 52 (0.8 · 0.5 - 0.1 = 0.3) are right, and 88 answers are moods."""
    alt = explorer().alt
    assert "Where does it take place? 1m, one question a page: 0.40 (0.50), 0.76 (0.95), " in alt
    assert "0.76 (0.95), 3 with shuffled answers 0.72, 3 with answers alone 0.56, 3 with " in alt
    assert "1m, another question for each tale: 0.40 (0.50), 0.40 (0.50), 0.40" in alt
    assert "1m, answers on 10 % of pages, one seed: 0.40 (0.50), 0.76" in alt
    assert "300k, answers on 10 % of pages: 0.25 (0.50), 0.47 (0.95)" in alt
    assert "How does the hero feel? 1m, one question a page: 0.30 (0.50), 0.66 (0.95)" in alt
    assert explorer(alt="Mine.").alt == "Mine."


def test_corpora_in_words_and_in_order() -> None:
    """Pages that are all answered stand first."""
    names = ("0.03", "1, apart", "0.1, mixed", "1", "0.1", "1, mixed", "0.001")
    found = corpora_of([{"size": "1m", "corpus": name} for name in names])
    assert [(one["name"], one["label"]) for one in found] == [
        ("1", "one question a page"),
        ("1, mixed", "another question for each tale"),
        ("1, apart", "every tale on its own"),
        ("0.1", "answers on 10 % of pages"),
        ("0.1, mixed", "another question for each tale, answers on 10 % of pages"),
        ("0.03", "answers on 3 % of pages"),
        ("0.001", "answers on 0.1 % of pages"),
    ]


def test_the_state_is_plain_and_whole() -> None:
    """The twin holds cells and choice as JSON, and probabilities that add up to one."""
    page = explorer(task="mood", condition="1m 1, mixed", shots=3, change="shuffled").twin()
    state = json.loads(page.split('"application/json">')[1].split("</script>")[0])
    names = ("task", "size", "corpus", "shots", "change", "tale")
    assert [state[name] for name in names] == ["mood", "1m", "1, mixed", 3, "shuffled", 0]
    assert [(one["shots"], one["change"]) for one in state["prompts"]] == list(PROMPTS)
    assert [one["label"] for one in state["changes"]] == [
        "right answers",
        "shuffled answers",
        "answers alone",
        "another form",
    ]
    logs = state["cells"][0]["log_probs"][1][2][4]
    assert len(logs) == 15 and sum(map(exp, logs)) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("name", ["1m 0.3", "100k 0.1", "1m 0.1, mixed", "2m 1", "1m"])
def test_what_was_not_run_cannot_be_chosen(name: str) -> None:
    """The message names what was asked for, and what there is."""
    with pytest.raises(
        ValueError, match=f"condition='{name}' was not run; there are 1m 1; 1m 1, m"
    ):
        explorer(condition=name)


@pytest.mark.parametrize("name", ["1 1m", "1m", "1m 1.5", "1m 1.2.3", "1m 1, shuffled", "1m -1"])
def test_conditions_of_another_form_are_refused(name: str) -> None:
    """A record of another grid is not read as if it were this one's."""
    with pytest.raises(ValueError, match=f"condition='{name}' must be like '1m 1' or"):
        explorer(shot_runs.run("1m 1"), {**shot_runs.run("1m 1"), "condition": name})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: explorer(task="name"), "task='name' must be one of place, mood"),
        (lambda: explorer(shots=4), "shots=4, change='' was not asked; there are 0, ''; 1, ''"),
        (lambda: explorer(shots=2, change="shuffled"), "shots=2, change='shuffled' was not"),
        (lambda: explorer(shot_runs.run("1m 1", role="candidate")), "at least one reported run"),
    ],
)
def test_other_choices_are_refused(make: Callable, message: str) -> None:
    """Each message names the field, the value and the rule."""
    with pytest.raises(ValueError, match=message):
        make()


GOOD = shot_runs.run("1m 1")["options"]
TAKES = "must be 375 times 0 or 1, one for each question"
LOGS = "must be 2 x 4 x 7 x 15 log-probabilities, none above 0"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        *((field, None, "") for field in ("n_params", "options", "shots 2", "fits 0", "shuffled")),
        ("n_params", "900", "n_params='900' must be a whole number above 0"),
        ("n_params", 0, "n_params=0 must be a whole number above 0"),
        ("shots 0", "0" * 374, f"'shots 0' {TAKES}"),
        ("fits 3", "0" * 374 + "2", f"'fits 3' {TAKES}"),
        ("answers alone", "x" * 375, f"'answers alone' {TAKES}"),
        ("another form", [0.5] * 375, f"'another form' {TAKES}"),
        ("shots 1", 375, f"'shots 1' {TAKES}"),
        ("options", GOOD[:1], LOGS),
        ("options", [GOOD[0], [own[:3] for own in GOOD[1]]], LOGS),
        ("options", [[[[-1.0] * 14] * 7] * 4] * 2, LOGS),
        ("options", [[[["-1"] * 15] * 7] * 4] * 2, LOGS),
        ("options", [[[[float("-inf")] * 15] * 7] * 4] * 2, LOGS),
        ("options", [[[[0.5] * 15] * 7] * 4] * 2, LOGS),
        ("options", {}, LOGS),
    ],
)
def test_other_records_are_refused(field: str, value: Any, rule: str) -> None:
    """Of whichever seed the run is, the message names condition, seed, field and rule."""
    bad = {**shot_runs.run("1m 1, mixed", 1), field: value}
    if value is None:
        del bad[field]
        rule = f"has no '{field}'; a run of `in_context.paged` has"
    with pytest.raises(ValueError) as refused:
        explorer(shot_runs.run("1m 1"), shot_runs.run("1m 1, mixed"), bad)
    message = str(refused.value)
    assert message.startswith("condition='1m 1, mixed', seed 1") and rule in message


def test_lists_of_numbers_are_as_good() -> None:
    """As `records.packed` would have them if they were none."""
    right = [float(c) for c in shot_runs.items(0.5, 0.2)]
    found = cells_of(Record({}, [shot_runs.run("1m 1", **{"shots 2": right})]))
    assert [own[2] for own in found[0]["accuracy"]] == [0.5, 0.2]


def test_the_numbers_of_this_file_are_those_of_the_grid() -> None:
    """Eight places and seven moods, three changes."""
    assert len(ALL_ANSWERS) == sum(shot_runs.ANSWERS) == 15
    assert [name for _, name in PROMPTS[4:]] == list(shot_runs.CHANGES)

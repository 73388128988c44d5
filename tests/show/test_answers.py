"""The explorer of answers: what it gathers from the record, by hand, and what it refuses."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gptcore.experiments import Record
from gptcore.experiments.demonstrations import PER_ANSWER, examination
from gptcore.show import AnswersExplorer
from gptcore.show.explorers.answers.answers import tasks_of
from gptcore.tales.lines import TASKS, Asked, Lines, options

PLACE = Asked("place", "Where does the tale take place?", "In a town.")
ASKED = (PLACE, Asked("mood", "How does Maja feel in the end?", "Proud."))
MAJA = Lines("Maja lived behind the square. She stood a little taller.", "Maja", ASKED)
TALES = {"place": [MAJA, MAJA], "mood": [MAJA]}


def row(condition: str, seed: int, place: int, mood: int, **more: Any) -> dict[str, Any]:
    """A run that is right about so many of the 200 places and 175 moods."""
    items = "1" * place + "0" * (200 - place) + "1" * mood + "0" * (175 - mood)
    logs = [[-1.0 - seed] * 8, [-2.0] * 8, [-3.0 - seed] * 7]
    size = {"n_params": 900_000 if condition.startswith("1m") else 90_000}
    at = {"condition": condition, "role": "reported", "seed": seed, "items": items}
    return {**at, "options": logs, **size, **more}


ROWS = [
    row("100k 0", 0, 25, 25),
    row("1m 0.3", 100, 200, 175, role="candidate"),
    row("1m 0.3", 1, 120, 105),
    row("1m 0.3", 0, 100, 70),
    row("1m 0.001", 0, 50, 35),
    row("1m 1, shuffled", 0, 20, 21),
    row("1m 0.3, one", 0, 40, 49),
    row("300k 1", 100, 200, 175, role="candidate"),
    {"condition": "words 0.1", "role": "reported", "seed": 0, "items": "1" * 375},
]


def explorer(rows: list[dict[str, Any]] = ROWS, **more: Any) -> AnswersExplorer:
    """An explorer over `ROWS` and a few tales."""
    return AnswersExplorer(Record({}, rows), **{"tales": TALES, **more})


def test_runs_are_gathered_into_cells() -> None:
    """Mean over the reported seeds: (100 + 120) / 2 of 200, (70 + 105) / 2 of 175; the largest
    networks come first; a condition that was only chosen for is none, nor are counted words."""
    found = {(c["size"], c["share"], c["control"]): c["accuracy"] for c in explorer().cells}
    assert list(found.items()) == [
        (("1m", 0.001, ""), [0.25, 0.2]),
        (("1m", 0.3, ""), [0.55, 0.5]),
        (("1m", 0.3, "one"), [0.2, 0.28]),
        (("1m", 1.0, "shuffled"), [0.1, 0.12]),
        (("100k", 0.0, ""), [0.125, 0.1429]),
    ]


def test_answers_are_those_of_the_least_seed() -> None:
    """Seed 0 stands behind seed 1 in the record; the first two lists are of places."""
    cell = next(c for c in explorer().cells if c["share"] == 0.3 and not c["control"])
    assert (cell["seed"], cell["seeds"]) == (0, 2)
    assert cell["log_probs"] == [[[-1.0] * 8, [-2.0] * 8], [[-3.0] * 7]]


def test_tasks_say_what_was_asked() -> None:
    """The prompt ends where the answer begins; eight places, seven moods, 25 questions for each."""
    place, mood = explorer().tasks
    assert (place["questions"], mood["questions"]) == (200, 175)
    assert place["answers"][4] == "In a town." and mood["answers"][2] == "Proud."
    (told,) = mood["tales"]
    question = "\n\nQuestion: How does Maja feel in the end?\nAnswer:"
    assert told == {"prompt": MAJA.text + question, "right": 2}
    assert [told["right"] for told in place["tales"]] == [4, 4]


def test_the_tales_are_those_of_the_record() -> None:
    """A few tales of the test are its first: the list is the same however long it is."""
    shown = tasks_of()
    for number, task in enumerate(TASKS):
        few = examination(task, "test", 2, "many")[:6]
        prompts = [told["prompt"].split("\n\n")[0] for told in shown[number]["tales"]]
        assert prompts == [told.text for told in few] and len(set(prompts)) == 6
        rights = [shown[number]["answers"][told["right"]] for told in shown[number]["tales"]]
        assert rights == [told.asked[number].answer for told in few]


def test_the_text_says_all_accuracies() -> None:
    """Both tasks with their chance, 1/8 and 1/7, every size and share, and the controls."""
    alt = explorer().alt
    assert "Where does it take place? Chance 0.125. 1m: 0.25 at 0.1 %, 0.55 at 30 %, " in alt
    assert "0.20 at 30 % in one wording, 0.10 at 100 % with shuffled answers; 100k: 0.12" in alt
    assert "How does the hero feel? Chance 0.143. 1m: 0.20 at 0.1 %, 0.50 at 30 %" in alt
    assert explorer(alt="Mine.").alt == "Mine."


def test_the_state_is_plain_and_whole() -> None:
    """The twin holds cells and choice as JSON."""
    page = explorer(task="place", condition="1m 1, shuffled").twin()
    state = json.loads(page.split('"application/json">')[1].split("</script>")[0])
    chosen = [state[name] for name in ("task", "size", "share", "control", "tale")]
    assert chosen == ["place", "1m", 1.0, "shuffled", 0] and len(state["cells"]) == 5


@pytest.mark.parametrize("name", ["1m 0.1", "300k 1", "1m 0.3, shuffled", "2m 0"])
def test_what_was_not_run_cannot_be_chosen(name: str) -> None:
    """The message names what was asked for, and what there is."""
    with pytest.raises(ValueError, match=f"condition='{name}' was not run; there are 1m 0.001; 1m"):
        explorer(condition=name)


@pytest.mark.parametrize("name", ["0.3 1m", "1m", "1m 1.5", "1m 1.2.3", "1m 1, wrong", "1m -1", ""])
def test_conditions_of_another_form_are_refused(name: str) -> None:
    """A record of another grid is not read as if it were this one's."""
    for refused in (lambda: explorer([row(name, 0, 1, 1)]), lambda: explorer(condition=name)):
        with pytest.raises(ValueError, match=f"condition='{name}' must be like '1m 0.3'"):
            refused()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: explorer(task="name"), "task='name' must be one of place, mood"),
        (lambda: explorer([ROWS[1]]), "the record must hold at least one reported run"),
        (lambda: explorer(tales={"place": [MAJA]}), r"tales=\['place'\] .* task='mood'"),
        (lambda: explorer(tales={**TALES, "mood": [MAJA] * 2}), "options for 4 tales, 8 and 7"),
        (lambda: explorer([row("1m 0.3", 0, 1, 1, items="101")]), "has 3 items, not 375"),
        (
            lambda: explorer(tales={**TALES, "mood": [MAJA._replace(asked=(PLACE, PLACE))]}),
            "answer='In a town.' is none of Happy., Lonely.",
        ),
    ],
)
def test_other_tasks_tales_and_records_are_refused(make: Callable, message: str) -> None:
    """Each message names the field, the value and the rule."""
    with pytest.raises(ValueError, match=message):
        make()


def test_the_numbers_of_this_file_are_those_of_the_grid() -> None:
    """200 places and 175 moods."""
    assert [PER_ANSWER * len(options(task)) for task in TASKS] == [200, 175]

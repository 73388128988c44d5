"""Exercises as they stand in the notebooks: each is there, as announced, and its solution passes.

A reader who copies a solution into the cell must be told that it is right, and one who has written
nothing must not be told that it is wrong.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
import torch

from gptcore.exercises import CHAPTERS, check, exercises
from gptcore.exercises.checking import Exercise, NotWritten
from gptcore.exercises.result import DONE, NOT_WRITTEN, NOT_YET

BOOK = Path(__file__).resolve().parents[2] / "book"
CHECK = re.compile(r'^check\("(\w+\.\d+)", (\w+)\)$')
HEADING = re.compile(r"^#+ (Exercise .*)$", re.MULTILINE)
SOLUTION = re.compile(
    r"^<details><summary>Solution</summary>\n.*?^```python\n(.*?)^```$.*</details>$",
    re.DOTALL | re.MULTILINE,
)
UNFORESEEN = "could not make sense"


class Place(NamedTuple):
    """Where an exercise stands in a notebook."""

    number: str
    name: str
    """What the check is given."""
    task: str
    stub: str
    solution: str


PAGES = {"W": "published_weights"}  # the letter of its exercises -> a page without a number


def pattern(chapter: int | str) -> str:
    """The name of a chapter's notebook."""
    return f"{PAGES[chapter]}.ipynb" if chapter in PAGES else f"{chapter:02}_*.ipynb"


def notebook_of(chapter: int | str) -> Path:
    """The notebook of a chapter."""
    (path,) = BOOK.glob(pattern(chapter))
    return path


@cache
def places(path: Path) -> list[Place]:
    """The checked exercises of a notebook: three cells each, task, answer and solution."""
    cells = nbformat.read(path, as_version=4).cells
    found = []
    for i, cell in enumerate(cells):
        last = cell.source.rstrip().rpartition("\n")[2]
        if cell.cell_type == "code" and (match := CHECK.match(last)):
            before, after = cells[i - 1], cells[i + 1]
            assert before.cell_type == after.cell_type == "markdown", f"around check {match[1]}"
            solution = SOLUTION.search(after.source)
            assert solution, f"no folded solution with Python code after check {match[1]}"
            found.append(Place(*match.groups(), before.source, cell.source, solution[1]))
    return found


def written() -> list[int | str]:
    """The chapters that are there: a page is written before or after its exercises."""
    return [chapter for chapter in CHAPTERS if list(BOOK.glob(pattern(chapter)))]


def all_places() -> Iterator[Any]:
    """Every exercise of every notebook, named by its number."""
    for path in sorted(BOOK.glob("*.ipynb")):
        for place in places(path):
            yield pytest.param(place, id=place.number)


def record(number: str) -> Exercise:
    """The exercise of that number."""
    chapter = number.partition(".")[0]
    chapter = int(chapter) if chapter.isdecimal() else chapter
    return next(one for one in exercises(chapter) if one.number == number)


def run(source: str) -> dict[str, Any]:
    """The names that a source leaves behind, run on its own."""
    names: dict[str, Any] = {"__name__": "reader"}
    exec(compile(source, "<reader>", "exec"), names)
    return names


@pytest.mark.parametrize("chapter", written())
def test_notebook_and_module_have_the_same_exercises(chapter: int) -> None:
    """Each once, in order, four to six of them (a page: from three), with the chapter's number."""
    numbers = [one.number for one in exercises(chapter)]
    assert [place.number for place in places(notebook_of(chapter))] == numbers
    assert numbers == [f"{chapter}.{i}" for i in range(1, len(numbers) + 1)]
    assert (3 if chapter in PAGES else 4) <= len(numbers) <= 6


@pytest.mark.parametrize("chapter", written())
def test_every_check_of_a_notebook_is_one_of_its_exercises(chapter: int) -> None:
    """No cell checks what cannot be found: not in the middle of a cell, not with a slip."""
    code = [c for c in nbformat.read(notebook_of(chapter), 4).cells if c.cell_type == "code"]
    calls = [
        number for c in code for number in re.findall(r'\bcheck\(\s*"?([A-Z]?[\d.]*)', c.source)
    ]
    assert calls == [place.number for place in places(notebook_of(chapter))]
    for number in calls:
        assert record(number).number == number


@pytest.mark.parametrize("place", all_places())
def test_heading_says_what_the_record_says(place: Place) -> None:
    """Title, difficulty and minutes of the page are those of the check."""
    assert HEADING.findall(place.task) == [record(place.number).heading]


@pytest.mark.parametrize("place", all_places())
def test_stub_is_calm(place: Place) -> None:
    """The cell as it is published runs by itself and says that nothing is written yet."""
    stub = place.stub.rstrip().rpartition("\n")[0]
    names = run("import math\nimport torch\nfrom torch.nn import functional as F\n" + stub)
    result = check(place.number, names[place.name])
    assert result.verdict == NOT_WRITTEN
    assert len(result.message) > 20 and not result.said.parts()


@pytest.mark.parametrize("place", all_places())
def test_solution_passes(place: Place) -> None:
    """The published solution, copied into an empty notebook, is right."""
    result = check(place.number, run(place.solution)[place.name])
    assert result.verdict == DONE, result.message
    assert result.message.endswith(".")


def stops(*inputs: Any) -> None:
    """A function with an error of its own in it."""
    raise KeyError("sail")


def changes(*inputs: Any) -> int:
    """A function that spoils what it is given."""
    for one in inputs:
        if isinstance(one, torch.Tensor):
            one.zero_()
        elif isinstance(one, list | dict):
            one.clear()
    return 0


ODD = {
    "a number": lambda *_: 1,
    "minus one half": lambda *_: -0.5,
    "not a number": lambda *_: float("nan"),
    "a text": lambda *_: "yes",
    "nothing in it": lambda *_: [],
    "a pair": lambda *_: (0, None),
    "a dict": lambda *_: {"a": 1},
    "a tensor without numbers": lambda *_: torch.zeros(0),
    "a tensor of seven": lambda *_: torch.zeros(7, dtype=torch.long),
    "its own input": lambda *inputs: inputs[0],
    "a generator": lambda *inputs: (one for one in inputs),
    "a function": lambda *_: print,
    "a class": lambda *_: dict,
    "True": lambda *_: True,
    "stops": stops,
    "changes its input": changes,
    "no argument": lambda: 1,
    "not a function": 42,
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
@pytest.mark.parametrize("place", all_places())
def test_odd_answers_get_a_sentence(place: Place, answer: Any) -> None:
    """Whatever a reader hands over, the check says what is wrong, and foresaw that kind."""
    result = check(place.number, answer)
    if result.verdict == DONE:  # one of them may be the answer, where that is a single choice
        pytest.fail(f"{place.number} accepts {answer}")
    assert result.verdict == NOT_YET
    assert UNFORESEEN not in result.message, result.message
    assert len(result.message) > 20 and repr(result) and result._repr_html_()


def test_a_function_without_a_return_is_told_so() -> None:
    """It gives nothing back, like a stub, and is none."""

    def forgets(*inputs: Any) -> None:
        inputs_seen = list(map(str, inputs))
        inputs_seen.sort()

    for one in exercises(1) + exercises(5):
        result = check(one.number, forgets)
        assert result.verdict == NOT_WRITTEN and "`return`" in result.message
        with pytest.raises(NotWritten):
            one.test(forgets)


@pytest.mark.parametrize("place", all_places())
def test_an_answer_that_is_the_result_is_not_told(place: Place) -> None:
    """Where the answer is no function, what was expected would be the solution: hints only."""
    if "def " in place.stub:
        return
    right = run(place.solution)[place.name]
    wrong = [1 + 2 * i + number for i, number in enumerate(right)]
    for answer in (wrong, [0.0] * len(right), right[:-1], "no list"):
        said = check(place.number, answer).said
        assert not said.expected and not any(f"{x:.3g}" in said.message for x in right)

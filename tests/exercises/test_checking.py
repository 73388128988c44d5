"""The machinery of the exercises: what a reader is told, whatever the answer was.

Two exercises of a made-up chapter stand for all: one wants a list, one a tensor.
"""

import random
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import gptcore.exercises as machinery
from gptcore.exercises import check, exercises
from gptcore.exercises.checking import Exercise, Mistake, NotWritten, call, compare, unwritten
from gptcore.exercises.comparing import LONGEST, describe
from gptcore.exercises.result import Result

NASTY = "<script>alert('x')</script>"


def doubled(answer: Any) -> str:
    """Wants each number times two."""
    numbers = [1, 2, 3]
    mistakes = {
        "You added two.": [3, 4, 5],
        "You squared.": lambda: [n * n for n in numbers],
        "This is the right answer, and no mistake.": [2, 4, 6],
    }
    compare(call(answer, numbers), [2, 4, 6], given=numbers, mistakes=mistakes)
    return "You can double."


def ones(answer: Any) -> str:
    """Wants ones in the shape of its input."""
    compare(call(answer, torch.zeros(2, 3)), torch.ones(2, 3), given="zeros of shape (2, 3)")
    return "You can make ones."


@pytest.fixture(autouse=True)
def chapter(monkeypatch: pytest.MonkeyPatch) -> list[Exercise]:
    """A chapter 99 with two exercises, none of them done."""
    module = ModuleType("gptcore.exercises.made_up")
    module.EXERCISES = [
        Exercise("99.1", "Double", "easy", 5, doubled),
        Exercise("99.2", "Ones", "hard", 20, ones),
    ]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(machinery.CHAPTERS, 99, "made_up")
    monkeypatch.setattr(machinery, "_verdicts", {})
    return module.EXERCISES


def test_right_answer() -> None:
    """Worked example: a pass, as text."""
    result = check("99.1", lambda numbers: [2 * n for n in numbers])
    assert result.verdict == "done"
    assert repr(result) == "Exercise 99.1: done. You can double.\n●○ 1 of 2 done in chapter 99"


def test_wrong_answer_with_its_usual_cause() -> None:
    """Worked example: the cause, the input, what was expected and what came."""
    result = check("99.1", lambda numbers: [n + 2 for n in numbers])
    assert result.verdict == "not yet"
    assert repr(result) == (
        "Exercise 99.1: not yet. You added two.\n"
        "  Given     [1, 2, 3]\n"
        "  Expected  [2, 4, 6]\n"
        "  Yours     [3, 4, 5]\n"
        "◐○ 0 of 2 done in chapter 99"
    )
    assert "You squared." in check("99.1", lambda numbers: [n**2 for n in numbers]).message


def test_progress_is_that_of_the_latest_answers() -> None:
    """Two right answers make a chapter; one spoiled again takes it back."""
    right = check("99.1", lambda numbers: [2 * n for n in numbers])
    assert "1 of 2 done" in repr(right)
    both = check("99.2", lambda x: torch.ones_like(x))
    assert repr(both).endswith("●● All 2 exercises of chapter 99 done.")
    assert both.progress == (("99.1", "done"), ("99.2", "done"))
    assert "○● 1 of 2 done" in repr(check("99.1", None))


def stub(numbers):
    """Not written yet."""
    ...


def dots(numbers):
    return ...


@pytest.mark.parametrize("answer", [stub, dots, None, ..., (1, ...), {"a": None}, [[...]]])
def test_what_is_not_written_is_no_mistake(answer: Any) -> None:
    """The stub, with or without a docstring, and dots inside of what is asked for."""
    result = check("99.1", answer)
    assert result.verdict == "not written yet"
    assert "in place of the dots" in result.message and "Given" not in result.message


def test_unwritten_looks_inside() -> None:
    assert unwritten({"a": [1, ...]}) and unwritten(None)
    assert not unwritten([]) and not unwritten(0) and not unwritten("...")


def forgets(numbers):
    found = [2 * n for n in numbers]
    found.sort()


def test_a_forgotten_return_is_named() -> None:
    result = check("99.1", forgets)
    assert result.verdict == "not written yet" and "`return`" in result.message


def changes(numbers):
    for i in range(len(numbers)):
        numbers[i] *= 2
    return numbers


def test_a_changed_input_is_named() -> None:
    """The right values in the wrong way: the list of the caller is spoiled."""
    result = check("99.1", changes)
    assert result.verdict == "not yet" and "changes the input" in result.message
    assert "Given: [1, 2, 3]\nYours: the input became [2, 4, 6]" in result.message
    in_place = check("99.2", lambda x: x.add_(1))
    assert "changes the input" in in_place.message


@pytest.mark.parametrize(
    "value",
    [[1, [2]], {"a": [1]}, Counter("aab"), {1, 2}, torch.ones(2), np.ones(2), (1, [2])],
    ids=lambda value: type(value).__name__,
)
def test_the_caller_keeps_its_values(value: Any) -> None:
    """The reader's function works on copies of the same kind, all the way down."""
    seen = []
    assert call(lambda one: (seen.append(one), 1)[1], value) == 1
    assert type(seen[0]) is type(value)
    inner = seen[0][1] if isinstance(value, tuple) else seen[0]
    original = value[1] if isinstance(value, tuple) else value
    assert inner is not original
    if isinstance(value, list):
        assert inner[1] is not original[1]


def test_what_is_no_data_is_handed_over() -> None:
    """A network that learns is to be changed: that is no spoiled input."""
    model = torch.nn.Linear(1, 1)
    assert call(lambda one: one is model, model) is True


def test_an_error_is_told_with_its_input() -> None:
    result = check("99.1", lambda numbers: numbers.sail)
    assert result.verdict == "not yet"
    assert "stopped with AttributeError: 'list' object has no attribute 'sail'" in result.message
    assert "Given: [1, 2, 3]" in result.message


def test_an_error_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter runs a cell as a file of its own; its line is the reader's, ours are not."""
    import linecache

    source = "def f(numbers):\n    return numbers + 1\n"
    name = "/tmp/ipykernel_7/123.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    names: dict[str, Any] = {}
    exec(compile(source, name, "exec"), names)
    message = check("99.1", names["f"]).said.message
    assert message.endswith("in line 2 of the cell: return numbers + 1")


def test_wrong_arguments_are_named() -> None:
    result = check("99.1", lambda numbers, more: numbers)
    assert "called with 1 argument" in result.message
    assert "Yours: it takes (numbers, more)" in result.message


def test_a_value_is_no_function() -> None:
    result = check("99.1", [2, 4, 6])
    assert "A function was expected" in result.message and "[2, 4, 6], a list" in result.message


DIFFERENCES = [
    ([2, 4], [2, 4, 6], "has length 2, and 3 was expected; as far as both go, they agree"),
    ([2, 5, 7], [2, 4, 6], "first difference is at [1]: there the answer is 5, and 4"),
    ([[1], [2, 3]], [[1], [2, 4]], "first difference is at [1][1]"),
    (None, [1], "is None, and a list was expected"),
    ("24", [2, 4], "is a text, and a list was expected"),
    (torch.tensor([2, 4]), [2, 4], "`.tolist()`"),
    ([2.0], torch.tensor([2.0]), "`torch.tensor(...)`"),
    ((n for n in [2]), [2], "a generator, and a list was expected: collect"),
    (print, [2], "was it called, with brackets behind its name?"),
    (torch.ones(3, 2), torch.ones(2, 3), "has shape (3, 2), and (2, 3) was expected"),
    (torch.ones(2, dtype=torch.long), torch.ones(2), "holds whole numbers, and floating-point"),
    (torch.ones(2), torch.ones(2, dtype=torch.bool), "and True and False were expected"),
    (torch.tensor([1, 3.0]), torch.tensor([1, 2.0]), "1 of 2 numbers differ, the first at [1]"),
    (torch.tensor([1, np.nan]), torch.tensor([1, 2.0]), "holds nan, not a number"),
    (np.ones(2), torch.ones(2), "a NumPy array of shape (2,)"),
    ({"a": 1}, {"a": 1, "b": 2}, "lacks the key 'b'"),
    ({"a": 1, "b": 2}, {"a": 1}, "has a key too many: 'b'"),
    ({"a": [1, 2]}, {"a": [1, 3]}, "first difference is at ['a'][1]"),
    ({1, 2}, {1, 3}, "lacks 3 and has 2 too many"),
    ("then", "than", "first difference is at position 2"),
    ("the", "then", "has 3 characters"),
    (["the"], ["then"], "at [0] has 3 characters"),
    (b"ab", "ab", "a text was expected"),
    (True, 1, "True or False, and a whole number was expected"),
    (1, True, "a whole number, and True or False was expected"),
    (116_534_783, 116_534_784, "116534783, and 116534784 was expected"),
    (0.3, 1 / 3, "The answer is 0.3, and 0.3333 was expected"),
    (0.33331, 0.33333, "The answer is 0.33331, and 0.33333 was expected"),
    (np.ones(2), np.ones(3), "has shape (2,), and (3,) was expected"),
]


@pytest.mark.parametrize(("got", "want", "said"), DIFFERENCES)
def test_the_first_difference_is_named(got: Any, want: Any, said: str) -> None:
    with pytest.raises(Mistake) as caught:
        compare(got, want, given="x", atol=1e-6)
    assert said in caught.value.message


SAME = [
    ((1, [2.0]), [1, (2,)]),
    (torch.tensor(2.0), 2.0),
    (np.float64(0.5), 0.5),
    (8.0, 8),
    (torch.ones(2, dtype=torch.float64), torch.ones(2)),
    (torch.ones(2, dtype=torch.int32), torch.ones(2, dtype=torch.long)),
    (torch.tensor([np.nan, np.inf]), torch.tensor([np.nan, np.inf])),
    (1 / 3 + 1e-6, 1 / 3),
    (Counter("aab"), {"a": 2, "b": 1}),
    (torch.ones(2, requires_grad=True), torch.ones(2)),
]


@pytest.mark.parametrize(("got", "want"), SAME)
def test_what_counts_as_the_same(got: Any, want: Any) -> None:
    """A list for a tuple, single precision, a tensor of one number: no reason to send back."""
    compare(got, want, given="x")


def test_tolerance_is_the_caller_s() -> None:
    compare(2.5e-4, 2.6e-4, given="x")
    with pytest.raises(Mistake, match="2.6e-04 was expected|0.00026 was expected"):
        compare(2.5e-4, 2.6e-4, given="x", atol=1e-9)


def test_an_unforeseen_answer_is_told_calmly(chapter: list[Exercise]) -> None:
    """A check that stumbles says so, and does not throw its own error at the reader."""

    def stumbles(answer: Any) -> str:
        return str(answer().shape)

    chapter[0] = Exercise("99.1", "Double", "easy", 5, stumbles)
    result = check("99.1", lambda: 1)
    assert result.verdict == "not yet" and "could not make sense" in result.message


def test_random_numbers_go_on() -> None:
    """A check between two draws changes neither torch's numbers nor Python's."""

    def draws(numbers):
        return [torch.rand(1).item(), random.random()]

    torch.manual_seed(0)
    random.seed(0)
    wanted = torch.rand(1), random.random()
    torch.manual_seed(0)
    random.seed(0)
    check("99.1", draws)
    assert (torch.rand(1), random.random()) == wanted


@pytest.mark.parametrize(
    ("number", "error", "said"),
    [
        ("99.3", ValueError, "no exercise '99.3'; chapter 99 has 99.1, 99.2"),
        ("98.1", ValueError, "98 has no exercises to check; these have: 1, 2, 3, "),
        ("one", ValueError, "such as \"3.2\", got 'one'"),
        ("X.1", ValueError, "such as \"3.2\", got 'X.1'"),
        (99.1, TypeError, 'as text, such as "3.2", got 99.1'),
    ],
)
def test_an_unknown_number_is_told_what_there_is(number: Any, error: type, said: str) -> None:
    with pytest.raises(error) as caught:
        check(number, stub)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("number", "3", "number='3' must be one like"),
        ("number", "WX.1", "number='WX.1' must be one like"),
        ("number", "a.b", "number='a.b' must be"),
        ("title", " ", "title=' ' must say something"),
        ("difficulty", "tough", "difficulty='tough' must be one of easy, medium, hard"),
        ("minutes", 0, "minutes=0 must be at least 1"),
    ],
)
def test_an_exercise_checks_its_fields(field: str, value: Any, said: str) -> None:
    fields = {"number": "3.1", "title": "T", "difficulty": "easy", "minutes": 5, "test": ones}
    with pytest.raises(ValueError) as caught:
        Exercise(**{**fields, field: value})
    assert said in str(caught.value)


def test_heading() -> None:
    """Worked example: what stands in the notebook."""
    exercise = Exercise("3.2", "A mask", "medium", 10, ones)
    assert exercise.heading == "Exercise 3.2 · A mask (medium, 10 minutes)"
    assert exercises(99)[0].number == "99.1"


def test_card_escapes_what_the_reader_wrote() -> None:
    """Texts of answers, errors and keys are shown as text, never as part of the page."""
    assert "<code>return</code>" in check("99.1", forgets)._repr_html_()
    for answer in (
        lambda numbers: NASTY,
        lambda numbers: {f"`{NASTY}`": 1},
        lambda numbers: {NASTY: NASTY},
        lambda numbers: [NASTY],
        lambda numbers: int(NASTY),
        NASTY,
    ):
        result = check("99.1", answer)
        card = result._repr_html_()
        assert "alert(" in card and "<script" not in card
        assert "&lt;script" in card and "<script>" in repr(result)


def test_card_names_verdict_and_progress() -> None:
    """In words, and in shapes that differ: colour alone says nothing."""
    card = check("99.1", changes)._repr_html_()
    assert ">Not yet</p>" in card and "0 of 2 done in chapter 99" in card
    marks = {
        card.split("</svg>")[0].split("<svg")[1]
        for card in (
            check("99.1", stub)._repr_html_(),
            check("99.1", changes)._repr_html_(),
            check("99.2", torch.ones_like)._repr_html_(),
        )
    }
    assert len(marks) == 3
    assert 'class="tried here" title="99.1: not yet"' in card
    assert "http" not in card.replace("http://www.w3.org", "")


def test_long_values_are_cut() -> None:
    """A card stays a card, whatever came back."""
    assert len(describe("x" * 10_000)) < LONGEST + 5
    assert describe(list(range(1000))).endswith("58, 59, …]")
    assert describe(["x" * 20] * 50).endswith("xx …")
    assert describe(torch.zeros(3, 20, 30)).startswith("tensor of shape (3, 20, 30)\n[0] of it:")
    assert describe(torch.tensor([[0.25, -1], [10, 0.00001]])) == (
        "tensor of shape (2, 2)\n 0.25    -1\n   10 1e-05"
    )
    assert describe({"a": (1,), "b": 0.1 + 0.2}) == "{'a': (1,), 'b': 0.3}"


class Broken:
    """A reader's class whose repr stops."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_a_class_without_a_repr_is_described() -> None:
    assert describe(Broken()) == "a Broken"
    assert "is a Broken, and a list" in check("99.1", lambda numbers: Broken()).message


def test_result_is_a_value() -> None:
    """Two equal checks are equal results: nothing in them depends on the moment."""
    assert isinstance(check("99.1", stub), Result)
    assert repr(check("99.1", stub)) == repr(check("99.1", stub))
    with pytest.raises(NotWritten):
        doubled(stub)

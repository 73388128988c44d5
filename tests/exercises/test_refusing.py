"""What this proves: an answer that has to refuse an input raises a ValueError, and nothing else."""

from typing import Any

import pytest

from gptcore.exercises.checking import Mistake, refuses


def test_a_value_error_refuses() -> None:
    """Raised by the reader, or by what the reader calls."""
    refuses(lambda text: int(text), "many", why="Say no.", given="many")


@pytest.mark.parametrize(
    ("answer", "got"),
    [(lambda n: n, "0"), (lambda n: None, "None"), (lambda n: 1 / n, "ZeroDivisionError")],
)
def test_nothing_else_refuses(answer: Any, got: str) -> None:
    """Neither a value, nor nothing, nor another error."""
    with pytest.raises(Mistake) as caught:
        refuses(answer, 0, why="Say no.", given="n = 0")
    assert caught.value.parts() == [("Given", "n = 0"), ("Expected", "ValueError"), ("Yours", got)]
    assert caught.value.message == "Say no."


def test_what_is_no_answer_is_told_as_ever() -> None:
    """Other arguments, or a changed input, are not called a lack of refusal."""
    with pytest.raises(Mistake, match="does not take as many"):
        refuses(lambda a, b: a, 0, why="Say no.", given="n = 0")
    with pytest.raises(Mistake, match="changes the input"):
        refuses(lambda ids: ids.clear(), [1], why="Say no.", given="ids = [1]")

"""What tests of exercises assert about a verdict, chapter by chapter."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from gptcore.exercises import check
from gptcore.exercises.checking import Exercise
from gptcore.exercises.result import DONE, NOT_YET


def assert_all_are_tested(
    exercises: Iterable[Exercise], right: Iterable[tuple[str, Any]], wrong: Mapping[str, Any]
) -> None:
    """Each exercise has a right answer and wrong ones."""
    numbers = [one.number for one in exercises]
    assert numbers == sorted(dict(right)) == sorted(wrong)


def assert_passes(number: str, answer: Any) -> None:
    """The answer is right, and the check says so."""
    result = check(number, answer)
    assert result.verdict == DONE, result.message


def assert_named(number: str, answer: Any, phrase: str) -> None:
    """The answer is wrong, and the message holds the cause."""
    result = check(number, answer)
    assert result.verdict == NOT_YET and phrase in result.message, result.message


def assert_told_apart(number: str, answers: Iterable[Any]) -> None:
    """At least three mistakes, and no two of them get the same diagnosis."""
    said = [check(number, answer).said.message for answer in answers]
    assert len(set(said)) == len(said) >= 3


def four_tests(
    exercises: Iterable[Exercise],
    right: Sequence[tuple[str, Any]],
    wrong: Mapping[str, Mapping[str, Any]],
) -> tuple[Callable[..., None], ...]:
    """The four tests of a chapter's exercises; each wants a name that begins with test_.

    Args:
        exercises: of the chapter.
        right: (number, answer) pairs that pass.
        wrong: number -> phrase that the message has to hold -> the answer that gets it.

    Returns:
        Tests that each exercise has both; that right answers pass; that mistakes are named; that
        they are told apart.
    """
    named = [(number, phrase) for number, answers in wrong.items() for phrase in answers]

    def every_exercise_is_tested() -> None:
        assert_all_are_tested(exercises, right, wrong)

    @pytest.mark.parametrize(("number", "answer"), right)
    def right_answers_pass(number: str, answer: Any) -> None:
        assert_passes(number, answer)

    @pytest.mark.parametrize(("number", "phrase"), named)
    def mistakes_are_named(number: str, phrase: str) -> None:
        assert_named(number, wrong[number][phrase], phrase)

    @pytest.mark.parametrize("number", wrong)
    def mistakes_are_told_apart(number: str) -> None:
        assert_told_apart(number, wrong[number].values())

    return every_exercise_is_tested, right_answers_pass, mistakes_are_named, mistakes_are_told_apart

"""What tests of exercises assert about a verdict, chapter by chapter."""

from collections.abc import Iterable, Mapping
from typing import Any

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

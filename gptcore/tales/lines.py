"""Tales in two lines, and questions about them: who lives where, and how it felt in the end.

A whole tale has some 250 tokens, and a small network on a CPU reads few of them. The two lines that
two questions depend on have about 50. Other things can be changed one at a time: how many of the
documents go on with questions and answers, whether the answers are the right ones, whether what is
asked about is told in many words or always in the same.

Source: the dial stands for GPT-2 §2.1, which finds demonstrations of translation in web text;
shuffled answers after Min et al. 2022, one wording after Allen-Zhu and Li 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal, NamedTuple

from gptcore.tales import lexicon
from gptcore.tales.corpus import SPLIT_SIZE, Tale, simulate, split, tale
from gptcore.tales.questions import FEELS, questions
from gptcore.tales.rng import Rng, mix
from gptcore.tales.tell import Teller

Answers = Literal["right", "shuffled"]
Wording = Literal["many", "one"]
Hint = Literal["question", "answer", "none"]
WHERE = "Where does the tale take place?"
TASKS = ("place", "mood")
HELD_OUT = frozenset(name for names in lexicon.NAMES.values() for name in names[::8])
"""First names that no document of the training part has: every eighth."""


class Asked(NamedTuple):
    """A question of one of `TASKS`, and its answer."""

    task: str
    question: str
    answer: str


class Lines(NamedTuple):
    """Two lines of a tale, and what can be asked about them."""

    text: str
    name: str
    """Of the hero."""
    asked: tuple[Asked, ...]
    """One for each of `TASKS`."""


def lines(told: Tale, wording: Wording = "many") -> Lines | None:
    """The first line of a tale and the hero's last feeling; None for a tale that begins otherwise.

    Args:
        told: any tale.
        wording: "many", as the tale has it; "one", each event in one wording for all tales.
    """
    first = told.events[0]
    last = max((i for i, e in enumerate(told.events) if e.kind == "feel"), default=None)
    if first.kind != "open" or last is None:
        return None
    if wording == "one":
        teller = Teller(Rng(0), told.roles)
        teller.random = _always_the_first
        text = " ".join(teller.tell(event) for event in (first, told.events[last]))
    else:
        text = " ".join(told.text[slice(*told.spans[at])] for at in (0, last))
    hero = told.cast["a"].name
    where = next(q.answer for q in questions(told) if q.text == WHERE)
    feels = Asked("mood", FEELS.format(name=hero), f"{told.mood.capitalize()}.")
    return Lines(text, hero, (Asked("place", WHERE, where), feels))


def _always_the_first() -> float:
    return 0.0


@cache
def options(task: str) -> tuple[str, ...]:
    """All answers to the questions of one of `TASKS`, in a fixed order.

    Raises:
        ValueError: there is no such task.
    """
    if task not in TASKS:
        raise ValueError(f"task={task!r} must be one of {', '.join(TASKS)}")
    found: set[str] = set()
    for index in split("train")[:400]:
        if told := lines(tale(0, index)):
            found.add(told.asked[TASKS.index(task)].answer)
    return tuple(sorted(found))


def prompt(told: Lines, task: str, hint: Hint = "question") -> str:
    """What a model is given; " " and the answer follow.

    Args:
        hint: "question", as in a demonstration; "answer", only the word "Answer:"; "none", the two
            lines alone.
    """
    question = told.asked[TASKS.index(task)].question
    hints = {"question": f"\n\nQuestion: {question}\nAnswer:", "answer": "\n\nAnswer:", "none": ""}
    return told.text + hints[hint]


def documents(
    n: int,
    share: float,
    *,
    answers: Answers = "right",
    wording: Wording = "many",
    seed: int = 0,
    part: str = "train",
) -> Iterator[str]:
    """Yield n documents, some of which go on with a question about each of `TASKS`.

    A larger share adds demonstrations to the same documents. No document is about a hero whose
    name is in `HELD_OUT`.

    Args:
        n: how many.
        share: of the documents that have demonstrations, 0 to 1.
        answers: "shuffled" takes each answer from another tale.
        wording: of the documents with demonstrations; all others are told in many.
        seed: of the tales.
        part: "train", or "valid" for documents that no training reads.

    Raises:
        ValueError: share is no share, n is negative.
    """
    check_dials(n, share)
    return _documents(n, share, answers, wording, seed, part)


def check_dials(n: int, share: float) -> None:
    """Refuse a negative number of documents, and a share that is none."""
    if n < 0:
        raise ValueError(f"n={n} must not be negative")
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must lie between 0 and 1")


def demonstrations(
    n: int, share: float, *, answers: Answers = "right", seed: int = 0, part: str = "train"
) -> Iterator[tuple[str, tuple[Asked, ...]]]:
    """Yield what the demonstrations of `documents` show: two lines, and the answers given there.

    Args:
        n, share, answers, seed, part: as of `documents`.
    """
    for index, shown in _chosen(n, share, seed, part):
        if shown:
            told = lines(tale(seed, index))
            other = told if answers == "right" else _another(seed, index)
            pairs = zip(told.asked, other.asked, strict=True)
            yield told.text, tuple(own._replace(answer=one.answer) for own, one in pairs)


def _chosen(n: int, share: float, seed: int, part: str) -> Iterator[tuple[int, bool]]:
    """The tales of n documents, and which of them have demonstrations."""
    for index in split(part):
        if n == 0:
            return
        stage = simulate(seed, index)  # telling takes longer
        if stage.events[0].kind == "open" and stage.hero.name not in HELD_OUT:
            n -= 1
            yield index, mix(seed, index, 13) / 2**64 < share


def _documents(
    n: int, share: float, answers: Answers, wording: Wording, seed: int, part: str
) -> Iterator[str]:
    for index, shown in _chosen(n, share, seed, part):
        told = lines(tale(seed, index), wording if shown else "many")
        if not shown:
            yield told.text
            continue
        from_whom = told if answers == "right" else _another(seed, index)
        pairs = list(zip(told.asked, from_whom.asked, strict=True))
        pairs = Rng(seed, index, 59).some(pairs, len(pairs))
        yield f"{told.text}\n\n" + "\n".join(
            f"Question: {own.question}\nAnswer: {other.answer}" for own, other in pairs
        )


def _another(seed: int, index: int) -> Lines:
    """Another tale of the same part, far behind those that are read."""
    at = index + SPLIT_SIZE // 2
    while (found := lines(tale(seed, at))) is None:
        at += 1
    return found


def unseen(
    task: str, n: int, *, seed: int = 0, part: str = "test", wording: Wording = "many"
) -> list[Lines]:
    """Tales of another part about heroes whose names no document has; the answers take turns.

    Args:
        task: whose answers take turns, so that each is right equally often.
        n: how many.
        seed, part: which tales; "valid" to choose by, "test" to report on.
        wording: how they are told; the tales are the same.
    """
    heroes = (i for i in split(part) if simulate(seed, i).hero.name in HELD_OUT)  # telling is slow
    return by_turns(task, n, (lines(tale(seed, index), wording) for index in heroes))


def by_turns(task: str, n: int, told: Iterable[Lines | None]) -> list[Lines]:
    """The first n of some tales whose answers to the question of a task take turns."""
    wanted = list(options(task))
    found: list[Lines] = []
    for one in told:
        if len(found) == n:
            break
        answer = one.asked[TASKS.index(task)].answer if one else ""
        if answer in wanted:
            wanted.remove(answer)
            wanted = wanted or list(options(task))
            found.append(one)
    return found

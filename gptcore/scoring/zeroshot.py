"""Answers without any training: what a language model's own probabilities say about a task.

GPT-1 followed a few such heuristics along its pre-training and saw all of them improve. Here they
are made for Tales, whose answers are certain:

    endings    the ending with the highest mean log-probability per token      (RACE)
    grammar    a sentence is likelier than itself with two neighbours swapped  (CoLA)
    pronoun    he or she, whichever is likelier where a tale has one           (DPRD)

Source: GPT-1 §5, "Zero-shot Behaviors" and Figure 2, right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from gptcore.labelled.short_tales import BEYOND, tales
from gptcore.model import GPT
from gptcore.scoring.continuations import likelihoods
from gptcore.tales.corpus import split, tale
from gptcore.tales.rng import Rng
from gptcore.text.inputs import Ids
from gptcore.tokenizer import Tokenizer

PRONOUN = re.compile(r" (he|she)\b")


class Question(NamedTuple):
    """A context, several ways to go on, and the index of the right one."""

    context: str
    options: tuple[str, ...]
    answer: int


class Heuristic(NamedTuple):
    """Where the questions come from, and how often a guess is right."""

    questions: Callable[[int, int], Iterator[Question]]
    """(seed, n): n questions, or fewer if there are not as many."""
    chance: float


def log_likelihoods(
    model: GPT, pairs: Sequence[tuple[Ids, Ids]], *, mean: bool = True, batch_size: int = 16
) -> list[float]:
    """How likely each continuation is after its context, in nats, never above 0.

    Args:
        model, pairs, batch_size: as in `continuations.likelihoods`.
        mean: per token of the continuation, so that long ones are not at a disadvantage; else
            their sum.
    """
    found = likelihoods(model, pairs, batch_size=batch_size)
    return [one.log_prob / (one.n_tokens if mean else 1) for one in found]


def zero_shot(model: GPT, tokenizer: Tokenizer, n: int = 200, seed: int = 0) -> dict[str, float]:
    """The share of n questions that each heuristic answers right.

    Args:
        model, tokenizer: a language model and its tokenizer.
        n: questions of each kind, from tales that no model of the course has read.
        seed: draws them.

    Returns:
        Name of the heuristic -> accuracy; `HEURISTICS` has what guessing gives.
    """
    return {
        name: accuracy(model, tokenizer, list(heuristic.questions(seed, n)))
        for name, heuristic in HEURISTICS.items()
    }


def accuracy(model: GPT, tokenizer: Tokenizer, questions: Sequence[Question]) -> float:
    """How often the right option has the highest mean log-probability per token.

    Where options are equally likely, the first of them counts as the answer.

    Raises:
        ValueError: there is no question.
    """
    return sum(right(model, tokenizer, questions)) / len(questions)


def right(model: GPT, tokenizer: Tokenizer, questions: Sequence[Question]) -> list[int]:
    """1 for each question whose right option is the likeliest, else 0; as in `accuracy`.

    Raises:
        ValueError: there is no question.
    """
    if not questions:
        raise ValueError("questions is empty: there is nothing to answer")
    pairs = [
        (tokenizer.encode(question.context), tokenizer.encode(option))
        for question in questions
        for option in question.options
    ]
    scores = iter(log_likelihoods(model, pairs))
    found = []
    for question in questions:
        own = list(islice(scores, len(question.options)))
        found.append(int(own.index(max(own)) == question.answer))
    return found


def _endings(seed: int, n: int) -> Iterator[Question]:
    for row in tales("endings", n_train=0, n_valid=0, n_test=n, seed=seed).test:
        options = tuple(" " + option for option in row["choices"])
        yield Question(row["text"], options, row["label"])


def _grammar(seed: int, n: int) -> Iterator[Question]:
    """Of every tale one sentence of at least seven words, and two of its inner words swapped."""

    def questions() -> Iterator[Question]:
        for index in split("test")[BEYOND:]:
            rng = Rng(seed, index, 41)
            sentences = re.findall(r"(?:^|(?<=[.] ))[A-Z][^.?!\"\n]+[.]", tale(seed, index).text)
            longer = [sentence for sentence in sentences if len(sentence.split()) >= 7]
            if not longer:
                continue
            words = rng.pick(longer).split()
            at = 1 + rng.below(len(words) - 3)
            swapped = [*words[:at], words[at + 1], words[at], *words[at + 2 :]]
            if words[at] != words[at + 1]:
                answer = rng.below(2)
                options = (" ".join(swapped[1:]), " ".join(words[1:]))
                options = tuple(" " + text for text in options[:: 1 if answer else -1])
                yield Question(words[0], options, answer)

    return islice(questions(), n)


def _pronouns(seed: int, n: int) -> Iterator[Question]:
    """The last he or she of a tale."""

    def questions() -> Iterator[Question]:
        for index in split("test")[BEYOND:]:
            text = tale(seed, index).text
            places = list(PRONOUN.finditer(text))
            if places:
                options = (" he", " she")
                yield Question(text[: places[-1].start()], options, options.index(places[-1][0]))

    return islice(questions(), n)


HEURISTICS: dict[str, Heuristic] = {
    "endings": Heuristic(_endings, 0.25),
    "grammar": Heuristic(_grammar, 0.5),
    "pronoun": Heuristic(_pronouns, 0.5),
}
"""Name -> what is asked, and what guessing gives."""

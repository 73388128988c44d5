"""Labelled short texts from Tales, for each of the four forms.

Mood is classification, statements are entailment, retellings similarity, endings choice. Training
rows come from tales of the split "train" beyond those that pre-training reads, rows of the other
parts from the other splits.

Source: the tasks of GPT-1 §4.1; the texts are those of `gptcore.tales.short`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import islice

from gptcore.labelled.shape import Form, Labelled, Row
from gptcore.tales import short
from gptcore.tales.corpus import simulate, split, tale
from gptcore.tales.rng import Rng, mix

BEYOND = 500_000_000
"""Where in a split the tales of fine-tuning begin; pre-training reads from its start."""
MOODS = ("happy", "proud", "relieved", "wistful", "sad", "sorry", "lonely")
VERDICTS = ("contradicts", "open", "follows")


def tales(
    task: str, n_train: int = 600, n_valid: int = 200, n_test: int = 400, seed: int = 0
) -> Labelled:
    """Labelled texts of 40 to 140 tokens whose labels are exact.

    - mood: how the hero feels in the end, from the last lines; 7 classes, equally frequent.
    - entailment: a part of a tale, and a claim that it contradicts, leaves open or supports. Every
      claim occurs equally often with each label, so the claim alone says nothing.
    - similarity: the first lines of two tales, scored 0 to 5 by what they share.
    - endings: the last lines before the end, and four ways to go on.

    What a reader of loose words gets with 600 training rows (softmax regression): mood 0.94 of
    accuracy; entailment 0.34 from the claim, 0.65 from the premise, 0.64 from both; endings 0.24
    from the options, 0.52 by choosing the option of which the largest share of words stands in the
    story, too, words of more than a tenth of the stories left out; similarity a Pearson correlation
    of 0.09 from the words of both, 0.86 from the share of words in common.

    The first rows of a part are the same whatever its size, so smaller sets are parts of larger
    ones, and every stretch of a few rows is balanced.

    Args:
        task: one of `TASKS`.
        n_train, n_valid, n_test: rows in each part.
        seed: another seed gives other tales.

    Raises:
        ValueError: there is no such task, or a number of rows is negative.
    """
    if task not in TASKS:
        raise ValueError(f"task={task!r} is none of {', '.join(TASKS)}")
    form, labels, rows = TASKS[task]
    sizes = {"train": n_train, "valid": n_valid, "test": n_test}
    parts = {}
    for name, n in sizes.items():
        if n < 0:
            raise ValueError(f"n_{name}={n} must not be negative")
        parts[name] = tuple(islice(rows(split(name)[BEYOND:], seed), n))
    return Labelled(f"tales-{task}", form, labels, **parts)


def _moods(indices: range, seed: int) -> Iterator[Row]:
    """One tale of each mood in every seven rows."""
    waiting: dict[str, deque[int]] = {mood: deque() for mood in MOODS}
    for index in indices:
        waiting[simulate(seed, index).feeling].append(index)
        if all(waiting.values()):
            chosen = [(mood, waiting[mood].popleft()) for mood in MOODS]
            for mood, at in Rng(seed, index, 3).some(chosen, len(chosen)):
                yield {"text": short.last_feeling(tale(seed, at)), "label": MOODS.index(mood)}


def _entailment(indices: range, seed: int) -> Iterator[Row]:
    """Three tales with one claim in every three rows, one for each label."""
    waiting: dict[int, dict[str, Row]] = defaultdict(dict)
    for index in indices:
        stage, rng = simulate(seed, index), Rng(seed, index, 5)
        about = [n for n, row in enumerate(short.CLAIMS) if row[0] == stage.plot]
        number = rng.pick(about)
        found = waiting[number]
        wanted = [label for label in VERDICTS if label not in found]
        label = rng.pick([v for v in wanted if v in ("open", short.settled(stage, number))] or [""])
        judged = short.judged(stage, number, label, mix(seed, index)) if label else None
        if judged is None:
            continue
        found[label] = {
            "text": judged.premise,
            "text_b": judged.claim,
            "label": VERDICTS.index(label),
        }
        if len(found) == len(VERDICTS):
            yield from rng.some(list(found.values()), len(VERDICTS))
            found.clear()


def _similarity(indices: range, seed: int) -> Iterator[Row]:
    """Six pairs in every six rows, one for each score."""
    scores: list[int] = []
    for index in indices:
        stage = simulate(seed, index)
        kinds = [event.kind for event in stage.events[:4]]
        if not short.introduced(kinds) or short.REMARKS.isdisjoint(kinds):
            continue
        scores = scores or Rng(seed, index, 3).some(range(6), 6)
        pair = short.beginnings(tale(seed, index), scores[-1], mix(seed, index))
        if pair is not None:
            yield {"text": pair[0], "text_b": pair[1], "label": float(scores.pop())}


def _endings(indices: range, seed: int) -> Iterator[Row]:
    for index in indices:
        choice = short.short_endings(tale(seed, index), mix(seed, index))
        if choice is not None:
            yield {"text": choice.story, "choices": list(choice.options), "label": choice.answer}


TASKS: dict[str, tuple[Form, tuple[str, ...], Callable[[range, int], Iterator[Row]]]] = {
    "mood": ("classification", MOODS, _moods),
    "entailment": ("entailment", VERDICTS, _entailment),
    "similarity": ("similarity", (), _similarity),
    "endings": ("choice", (), _endings),
}
"""Task -> form, classes, and what makes its rows."""

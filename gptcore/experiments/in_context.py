"""What demonstrations in a prompt are worth to networks that read one corpus or another.

A network reads documents of `gptcore.tales.pages`; then it is asked about heroes whose names it
has never read, behind so many demonstrations from the training part. It writes its answer; the item
of a test is a question, right where the answer is the right one word for word.

Source: GPT-3 §2 and Figure 1.2 (accuracy by number of examples and by size); controls after Chen
et al. 2024 and Min et al. 2022, "Rethinking the Role of Demonstrations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from statistics import fmean
from typing import Any

import torch

from gptcore.experiments.demonstrations import (
    CHOOSING,
    PER_ANSWER,
    TEST_SET,
    examination,
)
from gptcore.experiments.pretraining import (
    corpus_in,
    network,
    thinned,
    watched,
    window_losses,
)
from gptcore.experiments.records import packed, unpacked
from gptcore.model import GPT
from gptcore.scoring.asking import ask
from gptcore.scoring.continuations import text_likelihoods
from gptcore.scoring.shots import Shots, behind, demonstration, room
from gptcore.scoring.tasks import Item, Row, Task
from gptcore.tales import pages
from gptcore.tales.lines import TASKS, Lines, options
from gptcore.tales.rng import Rng
from gptcore.tokenizer import Tokenizer
from gptcore.train.corpus import Corpus

SHOTS = (0, 1, 2, 3)
N_SHOWN = 200
"""Tales of each task that demonstrations are drawn from."""
N_VALID, WINDOWS = 1000, 60
SHOWN = 4
"""Tales of which the probability of every answer is kept."""
LOOKS = 10
"""How often a network is asked on its way, about the tales to choose by."""
PAGE = Task("page", "{text}\n\nAnswer:", "exact", target="{answer}", stop=("\n",), max_new_tokens=8)
OTHER_FORM = replace(PAGE, prompt="{text}\n\nIn short:")
"""No page has it."""


def paged(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A network reads a corpus of pages and is asked with demonstrations, as a grid runs it.

    Args:
        settings: what `pretraining.network` and `steps_of` read; `corpus`, the arguments of
            `documents` as plain values; `tokenizer`, a folder; perhaps `per_answer`.
        seed: draws new weights and the order of the windows.

    Returns:
        What `Grid.run` asks for. `items` are the questions of all `TASKS` in turn behind three
        demonstrations; `shots K` the same behind K of them; `fits K` whether the answer given is
        one to the question at all; `shown K` how many there was room for; the lists of
        `ABLATIONS`; `options`, of `all_answers`; `course`, what it read, its loss and its
        accuracies behind none and three on the way. `valid` is the mean log-probability of right
        answers behind three, in nats.
    """
    torch.set_num_threads(1)
    corpus = corpus_in(documents, "pages", settings, N_VALID)
    model = network(settings, corpus.tokenizer.vocab_size, seed)
    n_ctx, n = settings["shape"]["n_ctx"], settings.get("per_answer", PER_ANSWER)
    few = min(n, CHOOSING)
    look = partial(_look, model, corpus, few)
    losses, course = watched(model, corpus, settings, seed, LOOKS, look)
    model.eval()
    found: dict[str, Any] = {}
    for k in SHOTS:
        answers = asked(model, corpus.tokenizer, k, per_answer=n)
        found[f"shots {k}"] = packed(right for right, *_ in answers)
        found[f"fits {k}"] = packed(fits for _, fits, _ in answers)
        found[f"shown {k}"] = round(fmean(shown for *_, shown in answers), 4)
    for name in ABLATIONS:
        answers = asked(model, corpus.tokenizer, SHOTS[-1], name, per_answer=n)
        found[name] = packed(right for right, *_ in answers)
    found["options"] = all_answers(model, corpus.tokenizer)
    return {
        "test_set": TEST_SET,
        "valid": round(_log_prob(model, corpus.tokenizer, few), 4),
        "test": round(fmean(unpacked(found[f"shots {SHOTS[-1]}"])), 4),
        "items": found[f"shots {SHOTS[-1]}"],
        "labels": None,
        **found,
        "course": course,
        "loss": round(window_losses(model, corpus.valid.tokens, WINDOWS, n_ctx).mean().item(), 4),
        "tokens": len(losses) * settings["batch_size"] * n_ctx,
        "n_params": model.n_params(),
        "curve": thinned(losses),
    }


def _look(model: GPT, corpus: Corpus, per_answer: int) -> list[float]:
    """Held-out loss, and the accuracies behind no and three demonstrations."""
    loss = window_losses(model, corpus.valid.tokens, WINDOWS, model.config.n_ctx).mean().item()
    each = [
        fmean(
            right
            for right, *_ in asked(model, corpus.tokenizer, k, part="valid", per_answer=per_answer)
        )
        for k in (SHOTS[0], SHOTS[-1])
    ]
    return [loss, *each]


def documents(planted: int = 0, **corpus: Any) -> Iterator[str]:
    """The documents of `pages`, and between them some that a test will ask about.

    Args:
        planted: copies of every other question of the test, with its answer.
        corpus: as of `pages.documents`.
    """
    found = pages.documents(**corpus)
    if not planted:
        return found
    leaked = [
        demonstration(PAGE, row) for task in TASKS for row in rows_of(task, "test", PER_ANSWER)[::2]
    ]
    return _woven(
        found, Rng(0, planted, 97).some(leaked * planted, planted * len(leaked)), corpus["n"]
    )


def _woven(documents: Iterator[str], more: list[str], n: int) -> Iterator[str]:
    """More documents, spread evenly between the first n."""
    for number, document in enumerate(documents):
        yield document
        yield from more[number * len(more) // n : (number + 1) * len(more) // n]


# ------------------------------------------------------------------ asking


def rows_of(task: str, part: str, per_answer: int) -> list[Row]:
    """The questions of one task as rows of `PAGE`."""
    return _rows(task, examination(task, part, per_answer, "many"))


def _rows(task: str, tales: Iterable[Lines]) -> list[Row]:
    at = TASKS.index(task)
    return [{"text": told.text, "answer": told.asked[at].answer} for told in tales]


@lru_cache
def demonstrations(task: str) -> tuple[Row, ...]:
    """The rows of the training part that a question's demonstrations are drawn from."""
    return tuple(_rows(task, pages.shown(task, N_SHOWN)))


def _shuffled(task: str) -> tuple[Row, ...]:
    """Answers of the same task, each from another tale."""
    rows = demonstrations(task)
    answers = Rng(0, 73).some([row["answer"] for row in rows], len(rows))
    return tuple({**row, "answer": answer} for row, answer in zip(rows, answers, strict=True))


def _answers_alone(task: str) -> tuple[Row, ...]:
    """Answers without the tales."""
    return tuple({**row, "text": ""} for row in demonstrations(task))


ABLATIONS = {
    "shuffled": (_shuffled, PAGE),
    "answers alone": (_answers_alone, PAGE),
    "another form": (demonstrations, OTHER_FORM),
}
"""Name -> rows of demonstrations and the task's form, with something changed (Min et al. 2022)."""


def shots_of(task: str, k: int, change: str = "") -> Shots:
    """Demonstrations of a task as pages have them.

    Args:
        change: one of `ABLATIONS`, or "".
    """
    return Shots(ABLATIONS[change][0](task) if change else demonstrations(task), k)


def form_of(change: str) -> Task:
    """The form of the prompts under one of `ABLATIONS`, or ""."""
    return ABLATIONS[change][1] if change else PAGE


def asked(
    model: GPT,
    tokenizer: Tokenizer,
    k: int,
    change: str = "",
    part: str = "test",
    per_answer: int = PER_ANSWER,
) -> list[tuple[float, float, int]]:
    """Of each question: is the answer right, is it one to what was asked, how many were shown?

    Args:
        k: demonstrations before each question.
        change: one of `ABLATIONS`, or "".
        part, per_answer: which tales are asked about.
    """
    found: list[tuple[float, float, int]] = []
    for task in TASKS:
        rows = rows_of(task, part, per_answer)
        shots = shots_of(task, k, change)
        report = ask(model, tokenizer, form_of(change), rows, shots=shots)
        for answer in report.answers:
            said = answer["said"].strip()
            fits = float(said in options(task))
            found.append((float(said in answer["right"]), fits, answer["shots"]))
    return found


ALL_ANSWERS = tuple(f" {answer}" for task in TASKS for answer in options(task))
PROMPTS = (*((k, "") for k in SHOTS), *((SHOTS[-1], name) for name in ABLATIONS))
"""How many demonstrations, and what is changed about them, in the prompts of `all_answers`."""


def prompts_of(task: str, fits: Callable[[Item], bool]) -> list[list[str]]:
    """Of each of `SHOWN` tales its prompts behind demonstrations of a task, one for each `PROMPTS`.

    Args:
        fits: what there is room for, as `scoring.shots.room` says.
    """
    found = []
    for number, row in enumerate(rows_of(TASKS[0], "test", PER_ANSWER)[:SHOWN], 1):
        shown = [(shots_of(task, k, name), form_of(name)) for k, name in PROMPTS]
        found.append([behind(one, form, row, number, fits).item.context for one, form in shown])
    return found


def all_answers(model: GPT, tokenizer: Tokenizer) -> list[list[list[list[float]]]]:
    """By task shown, tale and prompt: the log-probability of each of `ALL_ANSWERS`, in nats."""
    fits = room(PAGE, tokenizer, model.config.n_ctx)
    found = []
    for task in TASKS:
        prompts = prompts_of(task, fits)
        pairs = [(one, answer) for own in prompts for one in own for answer in ALL_ANSWERS]
        scored = iter(text_likelihoods(model, tokenizer, pairs))
        found.append(
            [
                [[round(next(scored).log_prob, 2) for _ in ALL_ANSWERS] for _ in own]
                for own in prompts
            ]
        )
    return found


def _log_prob(model: GPT, tokenizer: Tokenizer, per_answer: int) -> float:
    """Mean log-probability of right answers behind three demonstrations, in nats."""
    fits = room(PAGE, tokenizer, model.config.n_ctx)
    pairs = []
    for task in TASKS:
        shots = shots_of(task, SHOTS[-1])
        for number, row in enumerate(rows_of(task, "valid", per_answer), 1):
            context = behind(shots, PAGE, row, number, fits).item.context
            pairs.append((context, f" {row['answer']}"))
    return fmean(like.log_prob for like in text_likelihoods(model, tokenizer, pairs))

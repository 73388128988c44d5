"""What demonstrations in the text are worth: questions that no training has asked.

A network reads documents of `gptcore.tales.lines`, some of which go on with questions and their
answers; then it is asked the same questions about heroes whose names it has never read. The item of
a test is a question, right where the right answer is the likeliest of all.

Source: GPT-2 §2 and §2.1; Briakou et al. 2023, "Searching for Needles in a Haystack".
"""

from __future__ import annotations

from functools import lru_cache
from statistics import fmean
from typing import Any, get_args

import torch

from gptcore.experiments.baselines import ITERATIONS, WORD
from gptcore.experiments.intervals import Runs
from gptcore.experiments.pretraining import (
    corpus_in,
    network,
    steps_of,
    thinned,
    window_losses,
)
from gptcore.experiments.records import Record, packed
from gptcore.extras import needing
from gptcore.model import GPT
from gptcore.scoring.continuations import text_likelihoods
from gptcore.tales import lines
from gptcore.tales.lines import TASKS, Asked, Hint, Lines, Wording, options, prompt, unseen
from gptcore.tokenizer import Tokenizer

PER_ANSWER = 25
"""Test questions for each answer; as many again, less, to choose by."""
CHOOSING = 8
TEST_SET = f"{PER_ANSWER} tales of unseen names for each answer"
N_VALID = 2000
"""Held-out documents without demonstrations, to measure the loss with."""
WINDOWS = 80
SHOWN = 6
"""Tales of each task of which all answers are kept."""


def demonstrated(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A network reads a corpus and is asked, as a grid runs it.

    Args:
        settings: what `pretraining.network` and `steps_of` read; `corpus`, the arguments of
            `documents` as plain values; `tokenizer`, a folder; perhaps `per_answer`.
        seed: draws new weights and the order of the windows.

    Returns:
        What `Grid.run` asks for. `items` are the questions of all `TASKS` in turn, asked as in a
        demonstration; `hint answer`, `hint none` the same with less of a hint; `one wording` the
        same about tales told in one; `written` says whether greedy decoding writes the answer.
        `options` are the log-probabilities of all answers for a few tales. `valid` is that of the
        right answers to other questions, in nats.
    """
    torch.set_num_threads(1)
    corpus = corpus_in(lines.documents, "lines", settings, N_VALID)
    model = network(settings, corpus.tokenizer.vocab_size, seed)
    losses = [step.loss for step in steps_of(model, corpus, settings, seed)]
    model.eval()
    n_ctx = settings["shape"]["n_ctx"]
    n = settings.get("per_answer", PER_ANSWER)
    asked = {h: answers(model, corpus.tokenizer, h, per_answer=n) for h in get_args(Hint)}
    one = answers(model, corpus.tokenizer, per_answer=n, wording="one")
    chosen_by = answers(model, corpus.tokenizer, part="valid", per_answer=min(n, CHOOSING))
    return {
        "test_set": TEST_SET,
        "valid": round(fmean(chosen_by["log_prob"]), 4),
        "test": round(fmean(asked["question"]["right"]), 4),
        "items": packed(asked["question"]["right"]),
        "labels": None,
        "written": packed(asked["question"]["written"]),
        "hint answer": packed(asked["answer"]["right"]),
        "hint none": packed(asked["none"]["right"]),
        "one wording": packed(one["right"]),
        "options": asked["question"]["options"],
        "log_prob": round(fmean(asked["question"]["log_prob"]), 4),
        "loss": round(window_losses(model, corpus.valid.tokens, WINDOWS, n_ctx).mean().item(), 4),
        "tokens": len(losses) * settings["batch_size"] * n_ctx,
        "n_params": model.n_params(),
        "curve": thinned(losses),
    }


@lru_cache
def examination(task: str, part: str, per_answer: int, wording: Wording) -> tuple[Lines, ...]:
    """The tales that a task is asked about."""
    return tuple(unseen(task, per_answer * len(options(task)), part=part, wording=wording))


def answers(
    model: GPT,
    tokenizer: Tokenizer,
    hint: Hint = "question",
    part: str = "test",
    per_answer: int = PER_ANSWER,
    wording: Wording = "many",
) -> dict[str, list[Any]]:
    """What a model answers to the questions of every task, one list after the other.

    Args:
        per_answer: tales for each answer.

    Returns:
        right: 1 where the right answer is the likeliest, by its log-probability;
        written: 1 where it is also what greedy decoding would write;
        log_prob: of the right answer, in nats;
        options: for the first `SHOWN` tales of each task, the log-probability of every answer.
    """
    found: dict[str, list[Any]] = {"right": [], "written": [], "log_prob": [], "options": []}
    for task in TASKS:
        tales = examination(task, part, per_answer, wording)
        known = options(task)
        pairs = [(prompt(told, task, hint), f" {option}") for told in tales for option in known]
        scored = text_likelihoods(model, tokenizer, pairs)
        for at, told in enumerate(tales):
            own = scored[at * len(known) : (at + 1) * len(known)]
            right = known.index(told.asked[TASKS.index(task)].answer)
            values = [like.log_prob for like in own]
            found["right"].append(float(values.index(max(values)) == right))
            found["written"].append(float(own[right].greedy))
            found["log_prob"].append(values[right])
            if at < SHOWN:
                found["options"].append([round(value, 2) for value in values])
    return found


def counted_words(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Logistic regression on counted words, taught by the demonstrations and by nothing else.

    The supervised rival: it is told which part of a document is the answer, and that nothing else
    is to be learned.

    Args:
        settings: `corpus` as of `demonstrated`; `C`, how little the weights are held back.
        seed: of no effect; here no chance is involved.
    """
    with needing("finetune"):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

    shown = _shown(tuple(sorted(settings["corpus"].items())))
    found: dict[str, list[float]] = {"valid": [], "test": []}
    for task in TASKS:
        texts = [text for text, _ in shown]
        labels = [asked[TASKS.index(task)].answer for _, asked in shown]
        counter = TfidfVectorizer(tokenizer=WORD.findall, token_pattern=None, sublinear_tf=True)
        learner = make_pipeline(counter, LogisticRegression(C=settings["C"], max_iter=ITERATIONS))
        learner.fit(texts, labels)
        for part, per_answer in (("valid", CHOOSING), ("test", PER_ANSWER)):
            tales = examination(task, part, per_answer, "many")
            said = learner.predict([told.text for told in tales])
            right = [told.asked[TASKS.index(task)].answer for told in tales]
            found[part] += [float(a == b) for a, b in zip(said, right, strict=True)]
    return {
        "test_set": TEST_SET,
        "valid": round(fmean(found["valid"]), 4),
        "test": round(fmean(found["test"]), 4),
        "items": packed(found["test"]),
        "labels": None,
        "n_shown": len(shown),
    }


@lru_cache(1)
def _shown(wanted: tuple[tuple[str, Any], ...]) -> list[tuple[str, tuple[Asked, ...]]]:
    return list(lines.demonstrations(**dict(wanted)))


def runs_of_task(record: Record, condition: str, task: str, field: str = "items") -> Runs:
    """The reported runs of a condition on the questions of one task.

    Args:
        field: which of the lists that `demonstrated` or `in_context.paged` gives.

    Raises:
        KeyError: there is no such condition or list.
    """
    own = record.runs(condition, field)
    start = sum(PER_ANSWER * len(options(one)) for one in TASKS[: TASKS.index(task)])
    end = start + PER_ANSWER * len(options(task))
    return Runs(own.items[:, start:end], name=condition)

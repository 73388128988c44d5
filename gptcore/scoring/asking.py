"""Questions are put to a model, and the answers judged: accuracy beside what needs no model.

Source: GPT-2 §3 and GPT-3 §2.4 (how tasks are answered); Trinh and Le 2018, "A Simple Method for
Commonsense Reasoning", §3.1 (full and partial scoring); the standard error is that of
lm-evaluation-harness.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gptcore.model import GPT
from gptcore.modes import bare
from gptcore.scoring import answers
from gptcore.scoring.continuations import (
    NORMS,
    Likelihood,
    likelihoods,
    normalised,
    start_of_text,
    text_likelihoods,
    windows,
)
from gptcore.scoring.shots import Shots, Shown, behind, room
from gptcore.scoring.tasks import WRITTEN, Item, Row, Task
from gptcore.tokenizer import Tokenizer

Answers = list[dict[str, Any]]


@dataclass(frozen=True)
class Report:
    """How a task went."""

    task: str
    n: int
    """Questions asked."""
    main: str
    """Which of the scores is the task's own."""
    scores: dict[str, float]
    """Of a choice, accuracy under each norm; else what the scorer measures. The unconditional norm
    is left out where no question has a context."""
    error: float | None
    """Standard error of the main score over the questions; None where it is no mean."""
    baselines: dict[str, float]
    """What the main score would be by guessing ("chance"), by always giving the answer that is
    right most often ("most frequent"), by always taking the shortest or the longest option,
    whichever does better ("length")."""
    n_cut: int
    """Questions whose beginning did not fit the model's context and was left out."""
    answers: Answers
    """One for each question: the whole prompt with its demonstrations and their number, what could
    be said, what is right and what was said."""
    n_fewer: int = 0
    """Questions with fewer demonstrations than asked for, because more did not fit the context."""

    @property
    def score(self) -> float:
        """The task's own score."""
        return self.scores[self.main]


@dataclass(frozen=True)
class Examinee:
    """A model with its tokenizer, and how fast it is asked."""

    model: GPT
    tokenizer: Tokenizer
    batch_size: int
    progress: bool

    def likelihoods(self, task: Task, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """Of texts, with a bar that names the task."""
        told = task.name if self.progress else ""
        return text_likelihoods(
            self.model, self.tokenizer, pairs, batch_size=self.batch_size, progress=told
        )


def ask(
    model: GPT,
    tokenizer: Tokenizer,
    task: Task,
    rows: Iterable[Row],
    *,
    shots: Shots | None = None,
    batch_size: int = 16,
    progress: bool = False,
) -> Report:
    """Put every row to the model as the task says, and judge the answers.

    Args:
        model: left in the mode in which it came.
        tokenizer: the one it was trained with.
        task: how rows become questions.
        rows: what the task's templates name.
        shots: demonstrations to stand before each question; None: zero-shot.
        batch_size: texts read or written side by side; changes the speed only.
        progress: show a bar (needs tqdm).

    Raises:
        TypeError, ValueError: there are no rows; one lacks what the task names (the message says
            which row); or a text cannot be scored.
    """
    shown: list[Shown] = []
    shots = shots or Shots((), 0)
    fits = room(task, tokenizer, bare(model).config.n_ctx)
    for number, row in enumerate(rows, 1):
        try:
            shown.append(behind(shots, task, row, number, fits))
        except (TypeError, ValueError) as error:
            wrong = TypeError if isinstance(error, TypeError) else ValueError
            raise wrong(f"task {task.name!r}, row {number}: {error}") from error
    if not shown:
        raise ValueError(f"task {task.name!r} has no rows: there is nothing to ask")
    asked = Examinee(bare(model), tokenizer, batch_size, progress)
    how = {"choice": _choice, "cloze": _cloze, "perplexity": _perplexity}
    report = how.get(task.scorer, _written)(asked, task, [one.item for one in shown])
    for answer, one in zip(report.answers, shown, strict=True):
        answer["shots"] = one.k
    return replace(report, n_fewer=sum(one.k < shots.k for one in shown))


# ------------------------------------------------------------------ options


def _choice(asked: Examinee, task: Task, items: Sequence[Item]) -> Report:
    """Which option is likeliest, under each norm."""
    pairs = [_pair(task, one.context, one, option) for one in items for option in one.options]
    alone = [
        _pair(task, task.unconditional, one, option) for one in items for option in one.options
    ]
    found = asked.likelihoods(task, [*pairs, *alone])
    given, unconditional = iter(found[: len(pairs)]), iter(found[len(pairs) :])
    pointless = task.norm != "unconditional" and {one.context for one in items} == {
        task.unconditional
    }
    norms = [norm for norm in NORMS if norm != "unconditional" or not pointless]
    told: Answers = []
    n_cut = 0
    for one in items:
        own = [next(given) for _ in one.options]
        without = [next(unconditional) for _ in one.options]
        n_cut += any(like.n_cut for like in own)
        values = {
            norm: [
                normalised(norm, like, _length(task, one, option), nothing)
                for option, like, nothing in zip(one.options, own, without, strict=True)
            ]
            for norm in norms
        }
        said = {norm: each.index(max(each)) for norm, each in values.items()}
        told.append(
            _told(one, right=one.answer, said=said[task.norm])
            | {"said_by_norm": said, "log_probs": values["none"], "values": values[task.norm]}
        )
    scores = {
        norm: statistics.fmean(a["said_by_norm"][norm] == a["right"] for a in told)
        for norm in norms
    }
    hits = [float(a["said"] == a["right"]) for a in told]
    baselines = {
        "chance": statistics.fmean(1 / len(one.options) for one in items),
        "most frequent": _most_frequent(items),
        "length": max(_by_length(items, min), _by_length(items, max)),
    }
    return _report(task, told, task.norm, scores, hits, baselines, n_cut)


def _pair(task: Task, context: str, one: Item, option: str) -> tuple[str, str]:
    """What is given and what is scored: the option with what follows it, or that alone."""
    option = task.delimiter + option
    return (context + option, one.rest) if task.partial else (context, option + one.rest)


def _length(task: Task, one: Item, option: str) -> int:
    return len(one.rest) if task.partial else len(option + one.rest)


def _most_frequent(items: Sequence[Item]) -> float:
    """Accuracy of the option that is right most often; a guess where it is not among them."""
    counts = Counter(one.options[one.answer] for one in items)
    most = max(counts, key=counts.get)
    return statistics.fmean(
        float(one.options[one.answer] == most) if most in one.options else 1 / len(one.options)
        for one in items
    )


def _by_length(items: Sequence[Item], extreme: Any) -> float:
    """Accuracy of the shortest or the longest option; of several, one by chance."""
    hits = []
    for one in items:
        sizes = [len(option) for option in one.options]
        wanted = extreme(sizes)
        hits.append((sizes[one.answer] == wanted) / sizes.count(wanted))
    return statistics.fmean(hits)


# ------------------------------------------------------------------ one right answer


def _cloze(asked: Examinee, task: Task, items: Sequence[Item]) -> Report:
    """Whether greedy decoding writes the target, and how likely that is."""
    pairs = [(one.context, task.delimiter + one.targets[0]) for one in items]
    found = asked.likelihoods(task, pairs)
    told = [
        _told(one, right=one.targets[0], said=like.greedy) | {"log_prob": like.log_prob}
        for one, like in zip(items, found, strict=True)
    ]
    hits = [float(like.greedy) for like in found]
    nats = -statistics.fmean(like.log_prob for like in found)
    scores = {"accuracy": statistics.fmean(hits), "perplexity": _exp(nats)}
    counts = Counter(one.targets[0] for one in items)
    baselines = {"most frequent": max(counts.values()) / len(items)}
    n_cut = sum(like.n_cut > 0 for like in found)
    return _report(task, told, "accuracy", scores, hits, baselines, n_cut)


def _perplexity(asked: Examinee, task: Task, items: Sequence[Item]) -> Report:
    """The likelihood of whole texts, by their words and bytes as they were before.

    Source: GPT-2 §3.1, per canonical unit. A line break is no word here.
    """
    start = start_of_text(asked.tokenizer)
    n_ctx = asked.model.config.n_ctx
    each = [
        windows(asked.tokenizer.encode(text, allow_special=True), start, n_ctx)
        for one in items
        for text in one.targets[:1]
    ]
    found = iter(
        likelihoods(
            asked.model,
            [pair for pairs in each for pair in pairs],
            batch_size=asked.batch_size,
            progress=task.name if asked.progress else "",
        )
    )
    told: Answers = []
    for one, pairs in zip(items, each, strict=True):
        own = [next(found) for _ in pairs]
        sums = {"log_prob": math.fsum(like.log_prob for like in own)}
        sums |= {"n_tokens": sum(like.n_tokens for like in own)}
        told.append(
            {"text": one.targets[0]} | sums | {"n_words": one.n_words, "n_bytes": one.n_bytes}
        )
    nats = -math.fsum(a["log_prob"] for a in told)
    total = {name: sum(a[name] for a in told) for name in ("n_words", "n_bytes", "n_tokens")}
    if not total["n_tokens"]:
        raise ValueError(f"task {task.name!r}: the tokenizer knows nothing of these texts")
    scores = {
        "word perplexity": _exp(nats / total["n_words"]),
        "bits per byte": nats / math.log(2) / total["n_bytes"],
        "nats per token": nats / total["n_tokens"],
    }
    return _report(task, told, "word perplexity", scores, None, {}, 0)


def _written(asked: Examinee, task: Task, items: Sequence[Item]) -> Report:
    """What the model writes, compared with what is right."""
    found = answers.written(
        asked.model,
        asked.tokenizer,
        [one.context for one in items],
        max_new_tokens=task.max_new_tokens,
        stop=task.stop,
        batch_size=asked.batch_size,
        progress=task.name if asked.progress else "",
    )
    told = [
        _told(one, right=list(one.targets), said=own.text) | _judged(task, own.text, one.targets)
        for one, own in zip(items, found, strict=True)
    ]
    names = list(_judged(task, "", items[0].targets))
    main = names[0]
    most = Counter(one.targets[0] for one in items).most_common(1)[0][0]
    constant = statistics.fmean(_judged(task, most, one.targets)[main] for one in items)
    hits = [a[main] for a in told]
    scores = {name: statistics.fmean(a[name] for a in told) for name in names}
    n_cut = sum(own.n_cut > 0 for own in found)
    return _report(task, told, main, scores, hits, {"most frequent": constant}, n_cut)


def _judged(task: Task, text: str, targets: Sequence[str]) -> dict[str, float]:
    """What the scorer measures; the task's own score first."""
    assert task.scorer in WRITTEN
    if task.scorer == "exact":
        return {"exact match": answers.same_text(text, targets)}
    if task.scorer == "number":
        return {"exact match": answers.same_number(text, targets)}
    if task.scorer == "rouge":
        found = answers.rouge(text, targets)
        return {"rougeL": found["rougeL"], "rouge1": found["rouge1"], "rouge2": found["rouge2"]}
    return {
        "exact match": answers.exact_match(text, targets),
        "f1": answers.f1(text, targets),
    }


# ------------------------------------------------------------------ the report


def _told(one: Item, **more: Any) -> dict[str, Any]:
    about = {"prompt": one.context}
    if one.options:
        about |= {"options": list(one.options)}
    if one.rest:
        about |= {"rest": one.rest}
    return about | more


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf  # a float ends at exp(709)


def _report(
    task: Task,
    told: Answers,
    main: str,
    scores: dict[str, float],
    hits: list[float] | None,
    baselines: dict[str, float],
    n_cut: int,
) -> Report:
    error = None
    if hits is not None and len(hits) > 1:
        error = statistics.stdev(hits) / math.sqrt(len(hits))
    return Report(task.name, len(told), main, scores, error, baselines, n_cut, told)

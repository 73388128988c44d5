"""An answer that a model writes: how it is written, and how it is compared with the right one.

Source: GPT-2 §3.5 to §3.8 (greedy answers, F1, ROUGE, exact match); Rajpurkar et al. 2016, "SQuAD:
100,000+ Questions for Machine Comprehension of Text", §6.1 and its evaluation script (what exact
match and F1 leave out of account); Lin 2004, "ROUGE: A Package for Automatic Evaluation of
Summaries".
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from gptcore.extras import needing
from gptcore.model import GPT
from gptcore.modes import bare
from gptcore.sampling.batches import row_ids
from gptcore.sampling.pieces import Stop, Stops, Writer, stops
from gptcore.sampling.prompts import seeds_of
from gptcore.scoring.continuations import shown, start_of_text
from gptcore.tokenizer import Tokenizer

ARTICLES = re.compile(r"\b(a|an|the)\b")
NUMBER = re.compile(r"(?:(?<![\w)])-)?[0-9][0-9,]*(?:\.[0-9]+)?")  # the minus of 7-2 is no sign
ROUGE = ("rouge1", "rouge2", "rougeL")


class Written(NamedTuple):
    """What a model wrote after a prompt."""

    text: str
    n_cut: int
    """Tokens of the prompt that did not fit; the first ones."""


def written(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 32,
    stop: Stop = ("\n",),
    batch_size: int = 16,
    progress: str = "",
    **sampling: Any,
) -> list[Written]:
    """What the model writes after each prompt, greedily unless `sampling` says otherwise.

    Room is left for the new tokens, though never more than half the context; of a prompt that does
    not fit beside it, the end is read. An empty prompt is `start_of_text`.

    Args:
        model, tokenizer: they belong together; the model's mode is left as it came.
        prompts: special tokens written out in them are read as such.
        max_new_tokens, stop: as in `gptcore.generate`.
        batch_size: prompts written side by side; changes the speed only.
        progress: what to write beside a bar (needs tqdm); "" shows none.
        sampling: temperature, top_k, top_p, seed, as in `gptcore.generate`.

    Raises:
        TypeError, ValueError: an argument breaks its rule.
    """
    model, ends = bare(model), stops(tokenizer, stop)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    whole = [
        tokenizer.encode(prompt, allow_special=True) or [start_of_text(tokenizer)]
        for prompt in prompts
    ]
    rows = [ids[-_room(model.config.n_ctx, max_new_tokens) :] for ids in whole]
    seeds = seeds_of(sampling.pop("seed", None), len(rows))
    course = {"temperature": 0, **sampling, "max_new_tokens": max_new_tokens}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    texts = [""] * len(rows)
    batches = [order[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    for batch in shown(batches, progress):
        course["seeds"] = [seeds[i] for i in batch]
        found = _batch(model, tokenizer, [rows[i] for i in batch], ends, course)
        for i, text in zip(batch, found, strict=True):
            texts[i] = text
    cut = (len(ids) - len(row) for ids, row in zip(whole, rows, strict=True))
    return [Written(text, n) for text, n in zip(texts, cut, strict=True)]


def _batch(
    model: GPT, tokenizer: Tokenizer, rows: list[list[int]], ends: Stops, course: dict[str, Any]
) -> list[str]:
    """What follows each row, all of them side by side."""
    writers = [Writer(tokenizer, row, ends) for row in rows]
    texts = [""] * len(rows)
    course = {**course, "over": lambda row: writers[row].done}
    for row, token in row_ids(model, rows, vocab_size=tokenizer.vocab_size, **course):
        texts[row] += writers[row].take(token)
    return [text + writer.end() for text, writer in zip(texts, writers, strict=True)]


def _room(n_ctx: int, max_new_tokens: int) -> int:
    """Tokens of a prompt that can be read."""
    if n_ctx < 2:
        raise ValueError(f"n_ctx={n_ctx} leaves no room for an answer: it must be at least 2")
    return n_ctx - max(1, min(max_new_tokens, n_ctx // 2))


# ------------------------------------------------------------------ how good it is


def plain_words(text: str) -> list[str]:
    """Its words as SQuAD compares them: lower case, without punctuation and articles."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return ARTICLES.sub(" ", text).split()


def exact_match(given: str, targets: Sequence[str]) -> float:
    """1 where the plain words are those of one of the right answers, else 0."""
    return float(any(plain_words(given) == plain_words(target) for target in targets))


def f1(given: str, targets: Sequence[str]) -> float:
    """The harmonic mean of how many words are right and how many are found; of the best target.

    Example: for "the red old house" against "a red house", 2 of 3 words are right, 2 of 2 are
    found: 2 · 2 / (3 + 2) = 0.8.
    """
    return max(_overlap(plain_words(given), plain_words(target)) for target in targets)


def _overlap(given: list[str], target: list[str]) -> float:
    if not given or not target:
        return float(given == target)
    return 2 * (Counter(given) & Counter(target)).total() / (len(given) + len(target))


def same_text(given: str, targets: Sequence[str]) -> float:
    """1 where the text is one of the right answers, white space around them aside, else 0."""
    return float(given.strip() in {target.strip() for target in targets})


def same_number(given: str, targets: Sequence[str]) -> float:
    """1 where the last number of the text is that of one of the right answers, else 0.

    Commas between digits do not count, nor zeros behind the point: "$1,200.00" is 1200.
    """
    number = last_number(given)
    return float(number is not None and number in {last_number(target) for target in targets})


def last_number(text: str) -> Decimal | None:
    """The last number of a text, or None."""
    found = NUMBER.findall(text)
    return Decimal(found[-1].replace(",", "")) if found else None


def rouge(given: str, targets: Sequence[str]) -> dict[str, float]:
    """F-measures of common words, pairs of words, and longest common subsequence; stemmed.

    Of several right answers the one counts whose three numbers have the highest mean.

    Raises:
        ImportError: rouge-score is not installed; the message says how to get it.
    """
    with needing("rouge"):
        from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    found = [scorer.score(target, given) for target in targets]
    each = [{name: float(one[name].fmeasure) for name in ROUGE} for one in found]
    return max(each, key=lambda one: sum(one.values()))

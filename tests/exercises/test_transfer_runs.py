"""What this proves: each check of chapter 07 lets a right answer pass and names the usual mistakes.

Exercises 7.4 to 7.6, for which something is run; test_transfer.py has those before, and what each
wrong answer is.
"""

import math
from itertools import combinations_with_replacement, permutations, product
from statistics import fmean as mean

import numpy as np
import pytest
import torch
from verdicts import four_tests

from gptcore import GPT, GPTConfig
from gptcore.exercises.transfer import EXERCISES, SmallModel
from gptcore.heads.classifier import body
from gptcore.scoring.metrics import interval as bootstrap
from gptcore.scoring.zeroshot import log_likelihoods

# 7.4 ---------------------------------------------------------------------------------------------


def endings(context, options, log_probs):
    found = []
    for option in options:
        row = log_probs(context + option)
        found.append(sum(row[-len(option) :]) / len(option))
    return found


def each(change):
    """An answer with `change(log-probabilities of the whole row, context, option)` for each."""

    def scores(context, options, log_probs):
        return [change(log_probs(context + option), context, option) for option in options]

    return scores


def alone(context, options, log_probs):
    return [mean(log_probs(option) or [0]) for option in options]


WRONG_ENDINGS = {
    "These are sums": each(lambda row, c, o: sum(row[len(c) - 1 :])),
    "The context is scored along": each(lambda row, c, o: mean(row)),
    "divided by the length of context": each(lambda row, c, o: sum(row[-len(o) :]) / len(c + o)),
    "without its context": alone,
    "last token of the context": each(lambda row, c, o: mean(row[-len(o) - 1 :])),
    "first token of the ending": each(lambda row, c, o: mean(row[len(c) :])),
    "means of probabilities": each(lambda row, c, o: mean(map(math.exp, row[-len(o) :]))),
    "The signs are turned": each(lambda row, c, o: -mean(row[-len(o) :])),
    "perplexities": each(lambda row, c, o: math.exp(-mean(row[-len(o) :]))),
    "the place of the best": lambda *given: int(np.argmax(endings(*given))),
}


def test_the_scores_that_are_asked_for_are_those_of_the_package() -> None:
    """The answer of 7.4 with a GPT as the language model, against `zeroshot.log_likelihoods`."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=9, n_ctx=8, n_layer=1, n_head=1, d_model=8, dropout=0.0))
    context, options = [1, 2, 3], [[4, 5], [8, 1, 0, 2], [3]]

    def log_probs(ids):
        with torch.no_grad():
            rows = model(torch.tensor([ids]))[0].log_softmax(-1)
        return rows[torch.arange(len(ids) - 1), ids[1:]].tolist()

    wanted = log_likelihoods(model.eval(), [(context, option) for option in options])
    assert endings(context, options, log_probs) == pytest.approx(wanted, rel=1e-5)


def test_a_sum_prefers_short_endings() -> None:
    """The second case: six tokens that fit well lose to one that fits worse, by their number."""
    given = [0, 5, 4, 4], [[6, 1, 2, 3, 5, 0], [7]], SmallModel(8, 46)
    sums = WRONG_ENDINGS["These are sums"](*given)
    means = endings(*given)
    assert sums[0] < sums[1] and means[0] > means[1]


# 7.5 ---------------------------------------------------------------------------------------------


def number(name):
    return int(name.split(".")[1]) if name.startswith("h.") else None


def blocks(keep, tables=("wte.weight", "wpe.weight"), more=()):
    """Names of the tables, of the blocks that `keep(i, n)` keeps, and more."""

    def transferred(names, n):
        numbers = ((name, number(name)) for name in names)
        kept = [name for name, i in numbers if i is not None and keep(i, n)]
        return [name for name in names if name in kept or name in (*tables, *more)]

    return transferred


def by_prefix(names, n):
    prefixes = ("wte", "wpe", *(f"h.{i}" for i in range(n)))
    return [name for name in names if name.startswith(prefixes)]


def with_a_point(names, n):
    prefixes = ("wte.", "wpe.", *(f"h.{i}." for i in range(n)))
    return {name for name in names if name.startswith(prefixes)}


def as_texts(names, n):
    return [
        name for name in names if name[0] == "w" or (name[0] == "h" and name.split(".")[1] < str(n))
    ]


transferred = blocks(lambda i, n: i < n)
WRONG_TRANSFERS = {
    "Too many begin like that": by_prefix,
    "compared as texts": as_texts,
    "Both tables are missing": blocks(lambda i, n: i < n, tables=()),
    "The table of positions": blocks(lambda i, n: i < n, tables=("wte.weight",)),
    "One block too many": blocks(lambda i, n: i <= n),
    "One block too few": blocks(lambda i, n: 0 < i < n),
    "the last n blocks": blocks(lambda i, n: i >= 12 - n),
    "The head is among them": blocks(lambda i, n: i < n, more=("score.weight",)),
    "All were copied": lambda names, n: names[:],
    "drawn anew.": blocks(lambda i, n: i >= n, tables=(), more=("score.weight",)),
    "how many": lambda names, n: len(transferred(names, n)),
}


@pytest.mark.parametrize("n", [0, 2, 3])
def test_the_tensors_are_those_that_the_package_copies(n: int) -> None:
    """The answer of 7.5 against a body of which every pre-trained tensor is filled with a mark."""
    gpt = GPT(GPTConfig(vocab_size=9, n_ctx=8, n_layer=3, n_head=1, d_model=8, norm="post"))
    with torch.no_grad():
        for p in gpt.parameters():
            p.fill_(7.0)
    copied = [name for name, p in body(gpt, 9, n_blocks=n).named_parameters() if (p == 7).all()]
    names = [name for name, _ in gpt.named_parameters()]
    assert transferred(names, n) == copied


# 7.6 ---------------------------------------------------------------------------------------------


def ends_of(resamples, share=0.025):
    def interval(values):
        means = sorted(mean(one) for one in resamples(values))
        cut = int(share * len(means))
        return means[cut], means[-1 - cut]

    return interval


def all_of(values):
    return product(values, repeat=len(values))


def by_index(values):
    n = len(values)
    means = np.array(values)[np.indices([n] * n).reshape(n, -1)].mean(0)
    return tuple(np.quantile(means, [0.025, 0.975], method="inverted_cdf"))


def bell(values):
    half = 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def smooth(values):
    means = list(map(mean, all_of(values)))
    return np.quantile(means, 0.025), np.quantile(means, 0.975)


interval = ends_of(all_of)
WRONG_INTERVALS = {
    "Nothing is drawn twice": ends_of(permutations),
    "counted once": ends_of(lambda v: combinations_with_replacement(v, len(v))),
    "left out in all": ends_of(all_of, 0.0125),
    "5 % were left out at each end": ends_of(all_of, 0.05),
    "the worst and the best": lambda values: (min(values), max(values)),
    "interpolates": smooth,
    "1.96 standard errors": bell,
    "another size": ends_of(lambda v: product(v, repeat=len(v) - 1)),
    "Wanted are the two ends": lambda values: sorted(map(mean, all_of(values))),
}


def test_three_runs_give_no_more_than_the_worst_and_the_best() -> None:
    """By hand: each end is one resample of 27, 3.7 %, more than may be left out."""
    assert interval([50.0, 80.0, 57.0]) == (50, 80)


@pytest.mark.parametrize("values", [[50.0, 80.0, 57.0], [61.0, 64.5, 72.0, 66.0, 58.5]])
def test_the_interval_is_near_that_of_scipy(values) -> None:
    """The package draws resamples by chance; listing them all gives what that tends to."""
    drawn = bootstrap(values)
    gap = max(abs(a - b) for a, b in zip(interval(values), drawn, strict=True))
    assert gap <= 0.02 * (max(values) - min(values))


# All of them -------------------------------------------------------------------------------------

RIGHT = [
    ("7.4", endings),
    ("7.4", each(lambda row, c, o: torch.tensor(row[len(c) - 1 :]).mean().item())),
    ("7.5", transferred),
    ("7.5", with_a_point),
    ("7.6", interval),
    ("7.6", by_index),
]
WRONG = {
    "7.4": WRONG_ENDINGS,
    "7.5": WRONG_TRANSFERS,
    "7.6": WRONG_INTERVALS,
}
(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES[3:], RIGHT, WRONG)

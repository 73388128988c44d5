"""What this proves: each check of chapter 14 lets right answers pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math
from itertools import combinations
from statistics import fmean

import pytest
import torch
from torch.nn import functional as F
from verdicts import assert_named, four_tests

from gptcore.exercises import check
from gptcore.exercises.preferences import BUGS, EXERCISES, RANKED
from gptcore.exercises.result import NOT_WRITTEN, NOT_YET


def row(prompt, response, stop, first=0, last=0, shift=1):
    ids = prompt + response + [stop]
    kept = range(len(prompt) + first, len(ids) - last)
    targets = [token if at in kept else -100 for at, token in enumerate(ids)]
    return ids[:-1] if shift else ids[1:], targets[1:]


def row_by_parts(prompt, response, stop):
    """Right, put together from its parts, as lists."""
    return [prompt + response, [-100] * (len(prompt) - 1) + response + [stop]]


def bugs(**which):
    return lambda *given: row(*given, **which)


def pairs(ranks, keep=lambda a, b: a < b):
    places = range(len(ranks))
    return [(i, j) for i in places for j in places if i != j and keep(ranks[i], ranks[j])]


def ranked(term=lambda gap: math.log(1 + math.exp(-gap)), mean=True, chosen=pairs, empty=0.0):
    def loss(rewards, ranks):
        terms = [term(rewards[i] - rewards[j]) for i, j in chosen(ranks)]
        return (fmean(terms) if mean else sum(terms)) if terms else empty

    return loss


def by_torch(rewards, ranks):
    """Right, with tensors."""
    r, k = torch.tensor(rewards), torch.tensor(ranks)
    better = k[:, None] < k[None]
    if not better.any():
        return torch.tensor(0.0)
    return -F.logsigmoid(r[:, None] - r[None])[better].mean()


def tied(rewards, ranks):
    """Ties as pairs, each once, where there are others."""
    if not pairs(ranks):
        return 0.0
    equal = [(i, j) for i, j in combinations(range(len(ranks)), 2) if ranks[i] == ranks[j]]
    losses = [math.log(1 + math.exp(rewards[j] - rewards[i])) for i, j in pairs(ranks)]
    return fmean(losses + [math.log(2) for _ in equal])


def neighbours(ranks):
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    return [(i, j) for i, j in zip(order, order[1:], strict=False) if ranks[i] < ranks[j]]


def best_only(ranks):
    return [(i, j) for i, j in pairs(ranks) if ranks[i] == min(ranks)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def agreed(p):
    return p * p + (1 - p) ** 2


def by_cases(gap, noise):
    """Right, by adding the four cases that agree."""
    p = torch.sigmoid(torch.tensor(gap / noise)).item()
    return sum(a for same, a in ((1, p * p), (0, p * (1 - p)), (1, (1 - p) * (1 - p))) if same)


def sides(rewards, truths, even=0.5, ties=False):
    found = []
    for r, t in zip(rewards, truths, strict=True):
        mine = []
        for i, j in combinations(range(len(r)), 2):
            if t[i] == t[j]:
                mine += [0.5] * ties
            else:
                won = (r[i] - r[j]) * (t[i] - t[j])
                mine.append(even if won == 0 else float(won > 0))
        found.append(mine)
    return found


def share(turned=False, **how):
    def accuracy(rewards, truths):
        right = fmean(sum(sides(rewards, truths, **how), []))
        return 1 - right if turned else right

    return accuracy


def by_signs(rewards, truths):
    """Right, with tensors: the sign of one difference times that of the other."""
    total, n = 0.0, 0
    for r, t in zip(rewards, truths, strict=True):
        r, t = torch.tensor(r), torch.tensor(t)
        over = t[:, None] > t[None]
        total += (torch.sign(r[:, None] - r[None])[over] + 1).sum().item() / 2
        n += int(over.sum())
    return total / n


def per_request(rewards, truths):
    return fmean(fmean(mine) for mine in sides(rewards, truths) if mine)


def across(rewards, truths):
    return share()([sum(rewards, [])], [sum(truths, [])])


def best_found(rewards, truths):
    both = zip(rewards, truths, strict=True)
    return fmean(float(r.index(max(r)) == t.index(max(t))) for r, t in both)


RIGHT = [
    ("14.1", row),
    ("14.1", row_by_parts),
    ("14.2", ranked()),
    ("14.2", by_torch),
    ("14.3", lambda gap, noise: agreed(sigmoid(gap / noise))),
    ("14.3", by_cases),
    ("14.4", share()),
    ("14.4", by_signs),
]
WRONG = {
    "14.1": {
        "covers the first token of the response, too. The last token of the prompt has to say "
        "it.": bugs(first=1),
        "The stop token is not scored. To stop is part of what is learned.": bugs(last=1),
        "Each position is to say the token that it reads": bugs(shift=0),
        "say it. And that is not all: look at how the response ends": bugs(first=1, last=1),
        "say it. And that is not all: look at what is read": bugs(first=1, shift=0),
        "learned. And that is not all: look at what is read": bugs(last=1, shift=0),
        "One token of the prompt is scored": bugs(first=-1),
        "The whole prompt is scored": lambda p, r, s: (p + r, p[1:] + r + [s]),
        "the wrong way round": lambda p, r, s: (p + r, p[1:] + [-100] * (len(r) + 1)),
        "take away the first one": lambda p, r, s: (p + r, [-100] * len(p) + r),
        "The stop token is read": lambda p, r, s: (p + r + [s], [*row(p, r, s)[1], -100]),
    },
    "14.2": {
        "The pairs are turned round": ranked(chosen=lambda k: pairs(k, lambda a, b: a > b)),
        "This is the sum": ranked(mean=False),
        "Ties are counted": tied,
        "Only neighbours": ranked(chosen=neighbours),
        "Only the best": ranked(chosen=best_only),
        "in the order of their ranks": ranked(
            chosen=lambda k: list(combinations(range(len(k)), 2))
        ),
        "The logarithm is missing": ranked(sigmoid),
        "The sign is missing": ranked(lambda gap: math.log(sigmoid(gap))),
        "the mean difference": lambda r, k: (
            math.log(1 + math.exp(-fmean(r[i] - r[j] for i, j in pairs(k)))) if pairs(k) else 0.0
        ),
        "the rewards are not": lambda r, k: ranked()([-float(x) for x in k], k),
        "the mean of none is no number": ranked(empty=math.nan),
    },
    "14.3": {
        "one of them prefers the first": lambda gap, noise: sigmoid(gap / noise),
        "when both prefer the second": lambda gap, noise: sigmoid(gap / noise) ** 2,
        "how often they disagree": lambda gap, noise: 1 - agreed(sigmoid(gap / noise)),
        "The noise multiplies": lambda gap, noise: agreed(sigmoid(gap * noise)),
        "The noise is left out": lambda gap, noise: agreed(sigmoid(gap)),
        "agrees with the truth": lambda gap, noise: sigmoid(abs(gap) / noise),
    },
    "14.4": {
        "Pairs of different requests": across,
        "Every request weighs the same": per_request,
        "taken for wrong": share(even=0.0),
        "taken for right": share(even=1.0),
        "There is nothing to be right about": share(ties=True),
        "gets wrong": share(turned=True),
        "the highest reward is the best": best_found,
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)


def test_the_listing_as_it_was_is_no_mistake():
    """The cell of exercise 14.1 holds all three bugs from the start."""
    assert len(BUGS) == 3
    assert check("14.1", bugs(first=1, last=1, shift=0)).verdict == NOT_WRITTEN


def test_the_first_case_is_the_golden_one():
    """0.227613 of six pairs, worked out by hand in the chapter."""
    assert RANKED[0] == ([2.0, 1.0, 0.5, -1.0], [0, 1, 2, 3])
    assert ranked()(*RANKED[0]) == pytest.approx(0.227613, abs=1e-6)


def test_an_answer_that_nobody_foresaw_is_shown_where_it_differs():
    """No cause is made up."""
    result = check("14.1", lambda p, r, s: (p + r, [0] * len(p + r)))
    assert result.verdict == NOT_YET and "-100 was expected" in result.message
    assert_named("14.3", lambda gap, noise: 0.5 * gap / noise, "was expected")

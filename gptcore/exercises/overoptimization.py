"""The exercises of chapter 16, over-optimization, and what usually goes wrong in them.

Source: Nakano et al. 2021, App. I (best of n, all choices counted); Gao et al. 2022, §3.1 (the two
forms); Coste et al. 2023, §3.2 (ensembles).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations, product
from statistics import fmean, pvariance, variance
from typing import Any

from gptcore.exercises.checking import Exercise, call, compare
from gptcore.exercises.comparing import describe

__all__ = ["EXERCISES"]

# 16.1

REPLIES = (  # learned rewards, true rewards, n
    ((0.2, 0.9, -0.5, 1.4, 0.3, 1.1), (0.5, 0.8, 0.3, 0.1, 1.0, 0.4), 3),
    ((-0.3, 0.8, 0.1, 2.2, 1.5), (0.9, 0.6, 0.2, 0.0, 0.7), 2),
    ((0.4, -1.0, 0.6, 0.7), (0.2, 0.9, 0.5, 1.0), 1),
    ((1.2, 0.3, 0.9), (0.1, 1.0, 0.4), 3),
)
Rewards = tuple[float, ...]


def _over(learned: Rewards, true: Rewards, draws: Any, by: Rewards, got: Rewards) -> float:
    """The mean over draws of what the one that `by` likes best gets."""
    return fmean(got[max(draw, key=lambda i: by[i])] for draw in draws)


def _best(answer: Any) -> str:
    for learned, true, n in REPLIES:
        places = range(len(true))
        draws = list(combinations(places, n))
        worst = tuple(-x for x in learned)
        want = _over(learned, true, draws, learned, true)
        mistakes = {
            "The true reward chooses. Best of n asks the learned one: nobody has the other.": (
                _over(learned, true, draws, true, true)
            ),
            "This is the learned reward of what is chosen. Wanted is the true one.": (
                _over(learned, true, draws, learned, learned)
            ),
            "The reply that is liked least is chosen.": _over(learned, true, draws, worst, true),
            "Only the first n replies are looked at. Count every choice of n.": (
                _over(learned, true, draws[:1], learned, true)
            ),
            "The best of all replies is taken, whatever n is.": (
                _over(learned, true, [tuple(places)], learned, true)
            ),
            "One reply is drawn more than once. Choose n different ones.": (
                _over(learned, true, list(product(places, repeat=n)), learned, true)
            ),
            "Only neighbours are drawn together. Any n replies are a choice.": (
                _over(learned, true, [d for d in draws if d[-1] - d[0] == n - 1], learned, true)
            ),
            "Nothing is chosen: this is the mean of all replies.": fmean(true),
            "These are sums. Divide by the number of choices.": want * len(draws),
        }
        given = f"learned = {describe(list(learned))}, true = {describe(list(true))}, n = {n}"
        compare(call(answer, list(learned), list(true), n), want, given=given, mistakes=mistakes)
    return (
        "From one set of 64 replies come unbiased values for every n up to 64. A single draw of n "
        "would be unbiased, too, and would scatter more."
    )


# 16.2

FITS = (  # α, β, way
    (0.3, 0.1, "best of n"),
    (0.3, 0.1, "PPO"),
    (0.25, 0.2, "PPO"),
    (0.4, 0.05, "best of n"),
)
PLACES: Mapping[str, Callable[[float, float], float]] = {
    "best of n": lambda a, b: a / (2 * b),
    "PPO": lambda a, b: math.exp(a / b - 1),
}
ZEROS: Mapping[str, Callable[[float, float], float]] = {
    "best of n": lambda a, b: a / b,
    "PPO": lambda a, b: math.exp(a / b),
}


def _gain(a: float, b: float, way: str, d: float) -> float:
    return d * (a - b * (d if way == "best of n" else math.log(d)))


def _turn(answer: Any) -> str:
    for a, b, way in FITS:
        want = PLACES[way](a, b)
        (other,) = PLACES.keys() - {way}
        mistakes = {
            "The two ways are exchanged: PPO has the logarithm.": PLACES[other](a, b),
            "There the gain is back at 0. It turns earlier, where its slope is 0.": (
                ZEROS[way](a, b)
            ),
            "This is how much is gained there. Wanted is the distance.": _gain(a, b, way, want),
            "This is the KL, d². Wanted is d.": want**2,
            "This is the root of d. d is a root of the KL already.": math.sqrt(want),
            "The logarithm is the natural one: its inverse is exp.": 10 ** (a / b - 1),
            "The slope of d log d is log d + 1: the 1 has the wrong sign here.": (
                math.exp(a / b + 1)
            ),
            "The slope of d² is 2d. The 2 stands on the wrong side.": 2 * a / b,
            "α and β are exchanged.": PLACES[way](b, a),
        }
        given = f"alpha = {a}, beta = {b}, way = {way!r}"
        compare(call(answer, a, b, way), want, given=given, mistakes=mistakes)
    return (
        "Both turn, and the logarithm turns late: twice the ratio of α to β doubles the one "
        "distance, and multiplies the other by e to that ratio."
    )


# 16.3

TABLE = (  # looks, each with the mean true reward of three seeds
    (0.50, 0.49, 0.80),
    (0.52, 0.60, 0.41),
    (0.45, 0.40, 0.40),
    (0.30, 0.33, 0.90),
    (0.10, 0.12, 0.30),
    (0.40, 0.41, 0.39),
)
LOOKED = ((TABLE, 2), (TABLE, 1), (TABLE[::-1], 0), (((0.3, 0.3), (0.31, 0.6), (0.62, 0.32)), 1))


def _first_best(values: list[float]) -> int:
    return max(range(len(values)), key=lambda i: values[i])


def _look(answer: Any) -> str:
    for looks, seed in LOOKED:
        n = len(looks[0])
        others = [fmean(row[s] for s in range(n) if s != seed) for row in looks]
        want = _first_best(others)
        wrong = {
            "The seed that reports has chosen, too: what was lucky in it is chosen and reported.": (
                _first_best([fmean(row) for row in looks])
            ),
            "The seed that reports chooses alone. Ask the others.": (
                _first_best([row[seed] for row in looks])
            ),
            "This is the worst look of the other seeds.": _first_best([-x for x in others]),
            "A single value of another seed decides. Take their mean.": (
                _first_best([max(row[s] for s in range(n) if s != seed) for row in looks])
            ),
            "This is the last look. Wanted is the best.": len(looks) - 1,
            "This is a reward. Wanted is the place of the look, from 0 on.": others[want],
            "This is what the seed reports there. Wanted is the place of the look.": (
                looks[want][seed]
            ),
            "Looks are counted from 0 on.": want + 1,
        }
        given = f"rewards = {describe([list(row) for row in looks])}, seed = {seed}"
        got = call(answer, [list(row) for row in looks], seed)
        compare(got, want, given=given, mistakes=wrong)
    return (
        "Who chooses the best of seven looks by the numbers that are then reported, reports luck: "
        "the fall behind it would seem larger than it is, or be there where none is."
    )


# 16.4

JUDGED = (  # scores of every judge, how, λ
    (((0.9, 0.2, 0.5), (0.7, 0.3, -0.4), (0.8, 1.0, 0.2), (0.6, 0.1, 0.9)), "worst", 0.5),
    (((0.9, 0.2, 0.5), (0.7, 0.3, -0.4), (0.8, 1.0, 0.2), (0.6, 0.1, 0.9)), "uncertain", 0.5),
    (((1.0, -2.0), (3.0, 0.0), (2.0, -7.0)), "uncertain", 2.0),
    (((1.0, -2.0), (3.0, 0.0), (2.0, -7.0)), "mean", 2.0),
)
Scores = tuple[tuple[float, ...], ...]


def _judged(scores: Scores, how: str, penalty: float, spread: Any = pvariance) -> list[float]:
    columns = list(zip(*scores, strict=True))
    if how == "worst":
        return [min(column) for column in columns]
    off = penalty if how == "uncertain" else 0.0
    return [fmean(column) - off * spread(column) for column in columns]


def _together(answer: Any) -> str:
    for scores, how, penalty in JUDGED:
        columns = list(zip(*scores, strict=True))
        want = _judged(scores, how, penalty)
        mistakes = {
            "There is one number for each judge. Wanted is one for each reply.": (
                _judged(tuple(columns), how, penalty)
            ),
            "The variance is that of the judges at hand: divide by their number, not one less.": (
                _judged(scores, how, penalty, variance)
            ),
            "The standard deviation is taken off. Wanted is the variance.": (
                _judged(scores, how, penalty, lambda c: math.sqrt(pvariance(c)))
            ),
            "Disagreement is rewarded. It has to cost something.": _judged(scores, how, -penalty),
            "λ is missing.": _judged(scores, how, 1.0),
            "The highest score is taken. The worst is the lowest.": [max(c) for c in columns],
            "The lowest score of all is given to every reply.": [
                min(map(min, columns)) for _ in columns
            ],
            "The judge is taken that is the hardest on the whole.": list(min(scores, key=sum)),
            "This is the mean, whatever `how` says.": _judged(scores, "mean", penalty),
            "Disagreement costs something only where `how` is 'uncertain'.": (
                _judged(scores, "uncertain", penalty)
            ),
        }
        given = f"scores = {describe([list(r) for r in scores])}, how = {how!r}, λ = {penalty}"
        got = call(answer, [list(row) for row in scores], how, penalty)
        compare(got, want, given=given, mistakes=mistakes)
    return (
        "Judges begin alike and learn from the same replies, so they share mistakes, and where all "
        "err the same way no ensemble notices."
    )


EXERCISES = [
    Exercise("16.1", "What best of n is worth", "medium", 15, _best),
    Exercise("16.2", "Where it turns", "medium", 15, _turn),
    Exercise("16.3", "The best look, chosen elsewhere", "easy", 10, _look),
    Exercise("16.4", "Several judges as one", "easy", 10, _together),
]

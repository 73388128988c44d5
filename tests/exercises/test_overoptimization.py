"""What this proves: the checks of chapter 16 let right answers pass and name usual mistakes.

The answers are written as readers write them, and not as the checks imagine them.
"""

import itertools
import math
import random

import numpy as np
import pytest
import torch
from verdicts import four_tests

from gptcore.exercises.overoptimization import EXERCISES
from gptcore.sampling.best_of import expected_best

# 16.1


def best(learned, true, n):
    total = 0
    choices = list(itertools.combinations(range(len(true)), n))
    for choice in choices:
        liked = max(learned[i] for i in choice)
        total += true[learned.index(liked)]
    return total / len(choices)


def best_by_rank(learned, true, n):
    """Sorted by the learned reward, the i-th is the best of C(i, n - 1) choices."""
    ordered = [t for _, t in sorted(zip(learned, true, strict=True))]
    ways = [math.comb(i, n - 1) for i in range(len(ordered))]
    return sum(w * t for w, t in zip(ways, ordered, strict=True)) / sum(ways)


def best_by_package(learned, true, n):
    return expected_best(true, n, by=learned)


def best_in_truth(learned, true, n):
    return best(true, true, n)


def best_liked(learned, true, n):
    return best(learned, learned, n)


def best_of_all(learned, true, n):
    return true[max(range(len(true)), key=learned.__getitem__)]


def best_of_first(learned, true, n):
    return true[max(range(n), key=learned.__getitem__)]


def best_drawn_again(learned, true, n):
    draws = list(itertools.product(zip(learned, true, strict=True), repeat=n))
    return sum(max(draw)[1] for draw in draws) / len(draws)


def best_least(learned, true, n):
    return best([-x for x in learned], true, n)


# 16.2


def turn(alpha, beta, way):
    """The highest of many distances, found by looking."""
    d = torch.linspace(1e-3, 20, 2_000_000, dtype=torch.float64)
    gain = d * (alpha - beta * (d.log() if way == "PPO" else d))
    return d[gain.argmax()].item()


def turn_by_slope(alpha, beta, way):
    if way == "PPO":
        return np.exp((alpha - beta) / beta)
    return alpha / beta / 2


def turn_at_zero(alpha, beta, way):
    return math.exp(alpha / beta) if way == "PPO" else alpha / beta


def turn_gain(alpha, beta, way):
    d = turn_by_slope(alpha, beta, way)
    return d * (alpha - beta * (math.log(d) if way == "PPO" else d))


def turn_exchanged(alpha, beta, way):
    return turn_by_slope(alpha, beta, "PPO" if way != "PPO" else "")


def turn_kl(alpha, beta, way):
    return turn_by_slope(alpha, beta, way) ** 2


# 16.3


def look(rewards, seed):
    table = np.array(rewards)
    return int(np.delete(table, seed, axis=1).mean(1).argmax())


def look_by_sums(rewards, seed):
    left = [sum(row) - row[seed] for row in rewards]
    return left.index(max(left))


def look_of_all(rewards, seed):
    return int(np.mean(rewards, axis=1).argmax())


def look_own(rewards, seed):
    own = [row[seed] for row in rewards]
    return own.index(max(own))


def look_last(rewards, seed):
    return len(rewards) - 1


def look_reward(rewards, seed):
    return max((sum(row) - row[seed]) / (len(row) - 1) for row in rewards)


def look_from_one(rewards, seed):
    return look(rewards, seed) + 1


# 16.4


def together(scores, how, penalty):
    scores = torch.tensor(scores, dtype=torch.float64)
    if how == "worst":
        return scores.amin(0).tolist()
    mean = scores.mean(0)
    return (mean - penalty * scores.var(0, correction=0) * (how == "uncertain")).tolist()


def together_in_a_loop(scores, how, penalty):
    found = []
    for i in range(len(scores[0])):
        said = [row[i] for row in scores]
        mean = sum(said) / len(said)
        apart = sum((x - mean) ** 2 for x in said) / len(said)
        found.append({"mean": mean, "worst": min(said), "uncertain": mean - penalty * apart}[how])
    return found


def together_unbiased(scores, how, penalty):
    scores = torch.tensor(scores)
    if how == "worst":
        return scores.amin(0).tolist()
    return (scores.mean(0) - penalty * scores.var(0) * (how == "uncertain")).tolist()


def together_deviation(scores, how, penalty):
    scores = np.array(scores)
    if how == "worst":
        return scores.min(0).tolist()
    return (scores.mean(0) - penalty * scores.std(0) * (how == "uncertain")).tolist()


def together_of_judges(scores, how, penalty):
    return [min(row) for row in scores]


def together_highest(scores, how, penalty):
    return np.max(scores, axis=0).tolist()


def together_mean(scores, how, penalty):
    return np.mean(scores, axis=0).tolist()


def together_hardest(scores, how, penalty):
    return min(scores, key=sum)


RIGHT = [
    ("16.1", best),
    ("16.1", best_by_rank),
    ("16.1", best_by_package),
    ("16.2", turn),
    ("16.2", turn_by_slope),
    ("16.3", look),
    ("16.3", look_by_sums),
    ("16.4", together),
    ("16.4", together_in_a_loop),
]
WRONG = {
    "16.1": {
        "The true reward chooses": best_in_truth,
        "the learned reward of what is chosen": best_liked,
        "whatever n is": best_of_all,
        "Only the first n": best_of_first,
        "more than once": best_drawn_again,
        "liked least": best_least,
    },
    "16.2": {
        "back at 0": turn_at_zero,
        "how much is gained": turn_gain,
        "are exchanged: PPO": turn_exchanged,
        "This is the KL": turn_kl,
    },
    "16.3": {
        "has chosen, too": look_of_all,
        "chooses alone": look_own,
        "the last look": look_last,
        "This is a reward": look_reward,
        "counted from 0": look_from_one,
    },
    "16.4": {
        "not one less": together_unbiased,
        "standard deviation": together_deviation,
        "one for each reply": together_of_judges,
        "The highest score": together_highest,
        "whatever `how` says": together_mean,
        "the hardest on the whole": together_hardest,
    },
}
(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)


def test_best_of_n_by_hand() -> None:
    """Three replies, two at a time: the liked ones are worth 1, 1 and 0."""
    assert best([0.1, 0.9, 0.5], [0.0, 1.0, 0.0], 2) == pytest.approx(2 / 3)


def test_a_look_chosen_by_all_reports_luck() -> None:
    """Where nothing but chance tells looks apart, the best by all seeds lies above the mean."""
    rng = random.Random(0)
    gains = {"all": 0.0, "others": 0.0}
    for _ in range(300):
        table = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(7)]
        gains["all"] += table[look_of_all(table, 0)][0] / 300
        gains["others"] += table[look(table, 0)][0] / 300
    assert gains["all"] > 0.5 and abs(gains["others"]) < 0.2

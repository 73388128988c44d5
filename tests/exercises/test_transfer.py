"""What this proves: each check of chapter 07 lets a right answer pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math
from statistics import fmean as mean

import numpy as np
import pytest
import torch
from verdicts import assert_named, four_tests

from gptcore.exercises.transfer import EXERCISES, TABLE_5, TASKS
from gptcore.scoring.metrics import score


def parts(*change):
    """A change of one part of an answer at a time: None leaves it."""

    def changed(answer):
        def of_all(*given):
            found = answer(*given)
            pairs = zip(found, change, strict=True)
            return tuple(one if new is None else new(*given) for one, new in pairs)

        return of_all

    return changed


# 7.1 ---------------------------------------------------------------------------------------------


def p_of(z, y):
    return (z[y].exp() / z.exp().sum()).item()


def by_autograd(z, y, everything=(False, False)):
    """The slopes as PyTorch finds them; of all logits where asked for."""
    found = []
    for f, whole in zip((torch.softmax, torch.log_softmax), everything, strict=True):
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(f(leaf, -1)[y], leaf)
        found.append(slope if whole else slope[y])
    return tuple(found)


def slopes(z, y):
    p = p_of(z, y)
    return p - p * p, 1 - p


def first(change):
    return parts(change, None)(slopes)


def second(change):
    return parts(None, change)(slopes)


WRONG_SLOPES = {
    "That of p has one factor more": first(lambda z, y: 1 - p_of(z, y)),
    "the numerator alone": first(p_of),
    "raises p": first(lambda z, y: -slopes(z, y)[0]),
    "A quotient takes it away": first(lambda z, y: p_of(z, y) * (1 + p_of(z, y))),
    "what the denominator takes away": first(lambda z, y: p_of(z, y) ** 2),
    "The logarithm divides it": second(lambda z, y: slopes(z, y)[0]),
    "slope of ln p by p": second(lambda z, y: 1 / p_of(z, y)),
    "slope of the loss": second(lambda z, y: p_of(z, y) - 1),
    "This is p itself": second(p_of),
    "slope of the logit alone": second(lambda z, y: 1.0),
    "the numerator forgotten": second(lambda z, y: -p_of(z, y)),
    "by all logits": lambda z, y: by_autograd(z, y, (True, False)),
}


def test_a_hard_example_teaches_next_to_nothing_without_the_log() -> None:
    """By hand: at p = 1/100 the slopes are 1/100 · 99/100 = 0.0099 and 0.99."""
    z = torch.tensor([0.0, math.log(99)], dtype=torch.float64)
    assert slopes(z, 0) == pytest.approx((0.0099, 0.99))


# 7.2 ---------------------------------------------------------------------------------------------


def worth(table, tasks):
    full, none, no_aux, _ = map(mean, table.values())
    rows = zip(tasks, table["full"], table["no auxiliary"], strict=True)
    return full - none, full - no_aux, [task for task, a, b in rows if a > b]


def minus(one, other, each=lambda x: x):
    def change(table, tasks):
        return each(mean(table[one])) - each(mean(table[other]))

    return change


def rounded(x):
    return round(x, 1)


def helped(keep):
    def change(table, tasks):
        rows = zip(tasks, table["full"], table["no auxiliary"], strict=True)
        return [task for task, a, b in rows if keep(a - b)]

    return parts(None, None, change)(worth)


def relative(table, tasks):
    return 100 * mean(table["full"]) / mean(table["no pre-training"]) - 100


def of_pre_training(change):
    return parts(change, None, None)(worth)


def of_auxiliary(change):
    return parts(None, change, None)(worth)


WRONG_WORTH = {
    "The sign is turned round": of_pre_training(minus("no pre-training", "full")),
    "added up over the tasks": of_pre_training(
        lambda table, tasks: sum(table["full"]) - sum(table["no pre-training"])
    ),
    "the average of the whole model": of_pre_training(lambda table, tasks: mean(table["full"])),
    "against the LSTM": of_pre_training(minus("full", "LSTM")),
    "change one thing": of_pre_training(minus("no auxiliary", "no pre-training")),
    "per cent": of_pre_training(relative),
    "This is rounded": of_pre_training(minus("full", "no pre-training", each=rounded)),
    "Set it against the whole model": of_auxiliary(minus("no auxiliary", "no pre-training")),
    "the tasks that it harms": helped(lambda gain: gain < 0),
    "how many": parts(None, None, lambda table, tasks: 4)(worth),
    "their places": parts(None, None, lambda table, tasks: [4, 5, 6, 7])(worth),
    "equal scores": helped(lambda gain: gain >= 0),
}


def test_the_averages_are_those_of_the_paper() -> None:
    """Table 5's own column "Avg" has 74.7, 59.9, 75.0 and 69.1: exact sums, divided by 8.

    597.2, 479.4, 600.2 and 553.3, added by hand, give 74.65, 59.925, 75.025 and 69.1625.
    """
    averages = [mean(row) for row in TABLE_5.values()]
    assert averages == pytest.approx([74.65, 59.925, 75.025, 69.1625])
    assert averages == pytest.approx([74.7, 59.9, 75.0, 69.1], rel=1e-3)
    found = worth(TABLE_5, TASKS)
    assert found[:2] == pytest.approx((14.725, -0.375))
    assert found[2] == ["QQP", "MNLI", "QNLI", "RTE"]


def test_the_printed_averages_are_told_to_be_rounded() -> None:
    """Whoever takes 74.7 - 59.9 from the paper is off by no more than its rounding."""
    answer = of_pre_training(lambda table, tasks: 74.7 - 59.9)
    assert_named("7.2", answer, "made of rounded averages")


# 7.3 ---------------------------------------------------------------------------------------------


def counted(true, said):
    pairs = list(zip(true, said, strict=True))
    return [pairs.count(pair) for pair in ((1, 1), (0, 1), (1, 0), (0, 0))]


def judged(above=lambda tp, fp, fn, tn: tp * tn - fp * fn, root=math.sqrt, empty=0.0, sums=4):
    """Accuracy and correlation as a reader may write them; the options make slips."""

    def accuracy_and_matthews(true, said):
        tp, fp, fn, tn = counted(true, said)
        below = math.prod([tp + fp, tp + fn, tn + fp, tn + fn][:sums])
        found = above(tp, fp, fn, tn) / root(below) if below else empty
        return (tp + tn) / len(true), found

    return accuracy_and_matthews


def divided(true, said):
    tp, fp, fn, tn = counted(true, said)
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp + tn) / len(true), (tp * tn - fp * fn) / below


def by_tensors(true, said):
    true, said = torch.tensor(true).double(), torch.tensor(said).double()
    both = torch.stack([true - true.mean(), said - said.mean()])
    a, b = both.norm(dim=1)
    found = (both[0] @ both[1]) / (a * b)
    return (true == said).double().mean(), found.nan_to_num(0)


def nan_kept(true, said):
    return judged(empty=float("nan"))(true, said)


def accuracy(change):
    return parts(lambda true, said: change(*counted(true, said)), None)(judged())


def correlation(change):
    return parts(None, lambda true, said: change(*counted(true, said)))(judged())


WRONG_JUDGES = {
    "the precision": accuracy(lambda tp, fp, fn, tn: tp / max(1, tp + fp)),
    "the recall": accuracy(lambda tp, fp, fn, tn: tp / max(1, tp + fn)),
    "Accuracy is their share": accuracy(lambda tp, fp, fn, tn: tp + tn),
    "in per cent": accuracy(lambda tp, fp, fn, tn: 100 * (tp + tn) / (tp + fp + fn + tn)),
    "the share that is wrong": accuracy(lambda tp, fp, fn, tn: (fp + fn) / (tp + fp + fn + tn)),
    "0/0 came out": nan_kept,
    "Divided by 0": divided,
    "The root is missing": judged(root=float),
    "speaks against": judged(above=lambda tp, fp, fn, tn: tp * tn + fp * fn),
    "tp · tn comes first": judged(above=lambda tp, fp, fn, tn: fp * fn - tp * tn),
    "These are products": judged(above=lambda tp, fp, fn, tn: tp + tn - fp - fn),
    "This is F1": correlation(lambda tp, fp, fn, tn: 2 * tp / max(1, 2 * tp + fp + fn)),
    "the accuracy again": parts(None, lambda true, said: judged()(true, said)[0])(judged()),
    "Half of the product": judged(sums=2),
}


@pytest.mark.parametrize("seed", range(3))
def test_the_correlation_is_that_of_scikit_learn(seed: int) -> None:
    """The answer of 7.3 against the metric of the package, which is scikit-learn's."""
    draw = np.random.default_rng(seed)
    true, said = draw.integers(2, size=(2, 20)).tolist()
    answers = torch.eye(2)[said]
    assert judged()(true, said)[1] == pytest.approx(score("matthews", answers, true))
    assert judged()(true, said)[0] == pytest.approx(score("accuracy", answers, true))


# All of them -------------------------------------------------------------------------------------

RIGHT = [
    ("7.1", slopes),
    ("7.1", by_autograd),
    ("7.2", worth),
    ("7.2", lambda table, tasks: [*worth(table, tasks)[:2], set(worth(table, tasks)[2])]),
    ("7.3", judged()),
    ("7.3", by_tensors),
]
WRONG = {
    "7.1": WRONG_SLOPES,
    "7.2": WRONG_WORTH,
    "7.3": WRONG_JUDGES,
}
(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES[:3], RIGHT, WRONG)

"""Metrics against numbers worked out by hand; intervals against a distribution that is known."""

import math

import pytest
import torch

from gptcore.scoring.metrics import default_metric, interval, score

TRUE = [1, 1, 1, 1, 0, 0, 0, 0]
GIVEN = [1, 1, 0, 0, 1, 0, 0, 0]


def logits(answers, n_out):
    """Logits whose largest entry is the answer; all the others differ from each other."""
    rows = torch.arange(n_out).float().expand(len(answers), -1).clone() / 10
    rows[torch.arange(len(answers)), answers] = 5.0
    return rows


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", 5 / 8),
        ("f1", 4 / 7),
        ("matthews", 4 / math.sqrt(240)),
    ],
)
def test_a_confusion_matrix_by_hand(metric, expected):
    """2 true positives, 2 false negatives, 1 false positive, 3 true negatives.

    F1 = 2 · 2 / (2 · 2 + 1 + 2) = 4/7. Matthews = (2 · 3 - 1 · 2) / √(3 · 4 · 4 · 5) = 4 / √240.
    Of class 0, F1 would be 6/9: it is that of the second class.
    """
    assert score(metric, logits(GIVEN, 2), TRUE) == pytest.approx(expected, abs=1e-12)


def test_f1_of_three_classes_is_their_mean():
    """Class 0: 1 hit, 1 false, 1 missed, 2/4. Class 1: 2, 1, 0, 4/5. Class 2: 1, 0, 1, 2/3."""
    found = score("f1", logits([0, 1, 1, 1, 2, 0], 3), [0, 0, 1, 1, 2, 2])
    assert found == pytest.approx((1 / 2 + 4 / 5 + 2 / 3) / 3, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "labels", "expected"),
    [
        ("pearson", [1.0, 3.0, 2.0, 4.0], 5.5 / math.sqrt(43.75)),
        ("spearman", [1.0, 3.0, 2.0, 4.0], 0.8),
        ("spearman", [1.0, 2.0, 2.0, 4.0], 4.5 / math.sqrt(22.5)),
        ("pearson", [-1.0, -3.0, -2.0, -4.0], -5.5 / math.sqrt(43.75)),
    ],
)
def test_four_points_by_hand(metric, labels, expected):
    """Answers 1, 2, 3, 5 around 2.75, labels around 2.5: Σ dx dy = 5.5, Σ dx² = 8.75, Σ dy² = 5.

    Ranks differ by 0, 1, 1, 0: 1 - 6 · 2 / (4 · 15) = 0.8. With a tie, ranks 1, 2.5, 2.5, 4:
    Σ = 4.5, 5 and 4.5.
    """
    answers = torch.tensor([[1.0], [2.0], [3.0], [5.0]])
    assert score(metric, answers, labels) == pytest.approx(expected, abs=1e-12)


def test_one_sided_answers_score_zero_without_a_warning():
    """Warnings are errors in tests, and would be noise in a terminal."""
    for metric in ("matthews", "f1"):
        assert score(metric, logits([0, 0, 0], 2), [0, 1, 0]) == 0.0
        assert score(metric, logits([0, 0, 0], 2), [0, 0, 0]) == 0.0
    for metric in ("pearson", "spearman"):
        assert score(metric, torch.ones(3, 1), [1.0, 2.0, 3.0]) == 0.0
        assert score(metric, torch.tensor([[1.0], [2.0]]), [3.0, 3.0]) == 0.0
        assert score(metric, torch.ones(1, 1), [1.0]) == 0.0


@pytest.mark.parametrize(
    ("metric", "answers", "labels", "message"),
    [
        ("recall", torch.eye(2), [0, 1], "metric='recall' must be one of accuracy, f1, matthews"),
        ("accuracy", torch.eye(2), [], "2 answers for 0 labels"),
        ("accuracy", torch.empty(0, 2), [], "0 answers for 0 labels"),
        ("accuracy", torch.eye(2), [0, 1, 1], "2 answers for 3 labels"),
        (
            "pearson",
            torch.eye(2),
            [0, 1],
            "metric='pearson' needs one score .* there are 2 classes",
        ),
        ("accuracy", torch.ones(2, 1), [0.5, 1.0], "metric='accuracy' needs classes"),
        ("f1", torch.ones(2, 1), [0.5, 1.0], "metric='f1' needs classes"),
    ],
)
def test_what_cannot_be_scored(metric, answers, labels, message):
    with pytest.raises(ValueError, match=message):
        score(metric, answers, labels)


def test_scores_are_judged_by_pearson_and_all_else_by_accuracy():
    assert default_metric("similarity", 1) == "pearson"
    for form, n_out in (("similarity", 2), ("classification", 7), ("choice", 4)):
        assert default_metric(form, n_out) == "accuracy"


# ---------------------------------------------------------------- intervals


def test_an_interval_of_two_runs_by_hand():
    """The mean of two draws from 0 and 1 is 0, 1/2 or 1, in 25, 50 and 25 of 100 cases.

    The middle 95 % reach from 0 to 1, the middle 40 % (30 to 70) are all 1/2.
    """
    assert interval([0.0, 1.0]) == (0.0, 1.0)
    assert interval([0.0, 1.0], level=0.4) == (0.5, 0.5)


def test_an_interval_lies_within_the_runs_and_around_their_mean():
    values = [0.8112, 0.8437, 0.7903, 0.9021, 0.8633, 0.7777, 0.8008]
    low, high = interval(values)
    assert min(values) <= low < sum(values) / 7 < high <= max(values)
    assert interval(values) == (low, high) != interval(values, seed=1)
    narrow = interval(values, level=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert interval([0.7, 0.7, 0.7]) == (0.7, 0.7)
    with pytest.raises(ValueError, match="values has 1; an interval needs at least 2"):
        interval([0.7])

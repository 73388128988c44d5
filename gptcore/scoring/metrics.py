"""How good answers are: the metrics of GPT-1's tables, and an interval around a mean over seeds.

Every metric is computed by scikit-learn or SciPy; here they get one signature and their names.

Source: GPT-1 §4.2 and Table 4 (accuracy, F1, Matthews' correlation, Pearson's correlation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from torch import Tensor

from gptcore.extras import needing
from gptcore.text.inputs import Form

Metric = Literal["accuracy", "f1", "matthews", "pearson", "spearman"]
CORRELATIONS = ("pearson", "spearman")


def default_metric(form: Form, n_out: int) -> Metric:
    """What a task is judged by unless told otherwise: Pearson for scores, else accuracy."""
    return "pearson" if form == "similarity" and n_out == 1 else "accuracy"


def score(metric: Metric, answers: Tensor, labels: Sequence[int | float]) -> float:
    """One number for how good the answers are, the larger the better.

    Args:
        metric: accuracy; f1 of the second of two classes, or its mean over more; matthews;
            pearson or spearman, of scores. A correlation is 0 where one side is constant.
        answers: (n, n_out) logits, of which the largest is the answer, or (n, 1) scores.
        labels: n classes or scores.

    Raises:
        ValueError: no such metric, no example, numbers that differ, classes where a correlation
            is asked for, or a score where classes are needed.
    """
    with needing("finetune"):
        from scipy import stats
        from sklearn import metrics as sk

    if metric not in get_args(Metric):
        raise ValueError(f"metric={metric!r} must be one of {', '.join(get_args(Metric))}")
    if not len(labels) or len(labels) != len(answers):
        raise ValueError(f"{len(answers)} answers for {len(labels)} labels: as many, at least one")
    if metric in CORRELATIONS:
        if answers.shape[1] != 1:
            raise ValueError(
                f"metric={metric!r} needs one score per example, and there are {answers.shape[1]} "
                "classes"
            )
        given, true = answers[:, 0].double().numpy(), np.asarray(labels, dtype=float)
        if np.ptp(given) == 0 or np.ptp(true) == 0:
            return 0.0
        correlate = stats.pearsonr if metric == "pearson" else stats.spearmanr
        return float(correlate(given, true).statistic)
    if answers.shape[1] == 1:
        raise ValueError(f"metric={metric!r} needs classes, and there is one score per example")
    given, true = answers.argmax(1).numpy(), np.asarray(labels, dtype=int)
    if metric == "accuracy":
        return float(sk.accuracy_score(true, given))
    if metric == "matthews":
        constant = np.ptp(given) == 0 or np.ptp(true) == 0
        return 0.0 if constant else float(sk.matthews_corrcoef(true, given))
    average = "binary" if answers.shape[1] == 2 else "macro"
    return float(sk.f1_score(true, given, average=average, zero_division=0.0))


def interval(values: Sequence[float], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """A bootstrap interval for the mean of a few runs: percentiles of the means of resamples.

    With three runs it can be no wider than from the worst to the best: it says how much the seed
    matters, and little more.

    Args:
        values: one number per run, at least two.
        level: how much of the resamples' means lies within.
        seed: draws the resamples.
    """
    with needing("finetune"):
        from scipy.stats import bootstrap

    if len(values) < 2:
        raise ValueError(f"values has {len(values)}; an interval needs at least 2")
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        confidence_level=level,
        method="percentile",
        random_state=np.random.default_rng(seed),  # in every SciPy; "rng" came with 1.15
    ).confidence_interval
    return float(found.low), float(found.high)

"""The exercises of chapter 07, what pre-training buys, and what usually goes wrong in them.

Source: GPT-1 §3.2, §4.1, §5, Table 5 and Figure 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement, product
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

from gptcore.exercises.checking import Exercise, Mistake, call, compare, compare_each
from gptcore.exercises.comparing import in_order

__all__ = ["EXERCISES"]

TASKS = ("CoLA", "SST2", "MRPC", "STSB", "QQP", "MNLI", "QNLI", "RTE")
TABLE_5 = {
    "full": [45.4, 91.3, 82.3, 82.0, 70.3, 81.8, 88.1, 56.0],
    "no pre-training": [18.9, 84.0, 79.4, 30.9, 65.5, 75.7, 71.2, 53.8],
    "no auxiliary": [47.9, 92.0, 84.9, 83.2, 69.8, 81.1, 86.9, 54.4],
    "LSTM": [30.3, 90.5, 83.2, 71.8, 68.1, 73.7, 81.1, 54.6],
}


def _slopes(answer: Any) -> str:
    names = "the slope of p", "the slope of ln p"
    for logits, y in (([0.0, 1.0, 2.0, -1.0], 1), ([4.6, 0.0], 1), ([0.5, -0.5, 0.1], 0)):
        z = torch.tensor(logits)
        p = z.softmax(-1)[y].item()
        by_all = torch.eye(len(z))[y] - z.softmax(-1)
        everything = "These are the slopes by all logits. Wanted is the one by the true logit."
        mistakes = [
            {
                "This is the slope of ln p. That of p has one factor more: p itself.": 1 - p,
                "This is p: the slope of the numerator alone. The sum below it has one, too.": p,
                "All other things equal, raising the true logit raises p: its slope is above 0.": (
                    -p * (1 - p)
                ),
                "The slope of the sum below the line is added. A quotient takes it away.": p
                + p * p,
                "This is p², what the denominator takes away. The numerator has a slope as well.": (
                    p * p
                ),
                everything: p * by_all,
            },
            {
                "This is the slope of p. The logarithm divides it by p.": p * (1 - p),
                "This is the slope of ln p by p. The softmax stands between p and the logit: "
                "multiply by its slope.": 1 / p,
                "This is the slope of the loss, minus ln p. That of ln p has the other sign.": (
                    p - 1
                ),
                "This is p itself.": p,
                "This is 1: the slope of the logit alone. The logarithm of the denominator has a "
                "slope too.": 1.0,
                "The denominator was differentiated, and the numerator forgotten.": -p,
                everything: by_all,
            },
        ]
        want = p * (1 - p), 1 - p
        given = f"z = {logits}, y = {y}, so p = {p:.4f}"
        compare_each(call(answer, z, y), want, names, mistakes, given)
    return (
        "You know what the logarithm is for: where the network is quite wrong, the slope of p is "
        "next to 0, and that of ln p next to 1."
    )


def _worth(answer: Any) -> str:
    made_up = {
        "full": [50.0, 60.0, 71.0],
        "no pre-training": [40.0, 61.0, 30.0],
        "no auxiliary": [50.0, 61.0, 60.0],
        "LSTM": [45.0, 55.0, 72.0],
    }
    names = (
        "what pre-training is worth",
        "what the auxiliary objective is worth",
        "the tasks that it helps",
    )
    for table, tasks in ((TABLE_5, TASKS), (made_up, ("A", "B", "C"))):
        full, none, no_aux, lstm = (mean(table[name]) for name in table)
        pairs = list(zip(tasks, table["full"], table["no auxiliary"], strict=True))
        helped = [task for task, a, b in pairs if a > b]
        mistakes = _worth_mistakes(full, none, no_aux, lstm, pairs)
        got = call(answer, table, list(tasks))
        if isinstance(got, list | tuple) and len(got) == 3:
            got = (*got[:2], in_order(got[2], tasks))
        given = f"GPT-1's Table 5 over {len(tasks)} tasks" if table is TABLE_5 else str(table)
        compare_each(got, (full - none, full - no_aux, helped), names, mistakes, given)
    return (
        "Pre-training is worth 14.7 points. The auxiliary objective helps on half of the tasks, "
        "small RTE among them, and costs 0.4 points on average."
    )


def _worth_mistakes(
    full: float, none: float, no_aux: float, lstm: float, pairs: list[tuple[str, float, float]]
) -> list[dict[str, Any]]:
    """What the usual mistakes give, for each part of the answer."""
    helped = [task for task, a, b in pairs if a > b]
    turned = "The sign is turned round: worth is what it has with, less what it has without."
    early = "This is rounded, or made of rounded averages. Give the number as it comes out."
    summed = "The points were added up over the tasks. Take their mean."
    return [
        {
            turned: none - full,
            summed: (full - none) * len(pairs),
            "This is the average of the whole model. Take away what it has without.": full,
            "This sets the Transformer against the LSTM, and both are pre-trained.": full - lstm,
            "The auxiliary objective was left out, too: its row has pre-training. Start from "
            "the whole model, and change one thing.": no_aux - none,
            "These are per cent of the other average. Points are a plain difference.": (
                100 * (full / none - 1)
            ),
            early: round(full + 1e-9, 1) - round(none, 1),
            f"{early} ": round(full - none, 1),
        },
        {
            turned: no_aux - full,
            summed: (full - no_aux) * len(pairs),
            "The network without the auxiliary objective was set against the one without "
            "pre-training. Set it against the whole model.": no_aux - none,
            early: round(full + 1e-9, 1) - round(no_aux + 1e-9, 1),
            f"{early} ": round(full - no_aux, 1),
        },
        {
            "These are the tasks that it harms.": [task for task, a, b in pairs if a < b],
            "A task with equal scores is among them. Nothing has helped there.": [
                task for task, a, b in pairs if a >= b
            ],
            "This is how many. Wanted are their names.": len(helped),
            "These are their places. Wanted are their names.": [
                i for i, (_, a, b) in enumerate(pairs) if a > b
            ],
        },
    ]


def _matthews(answer: Any) -> str:
    names = "the accuracy", "Matthews' correlation"
    for tp, fp, fn, tn in ((6, 3, 1, 4), (7, 3, 0, 0), (0, 2, 3, 0), (0, 0, 2, 6)):
        true = [1] * (tp + fn) + [0] * (fp + tn)
        said = [1] * tp + [0] * fn + [1] * fp + [0] * tn
        want, mistakes = _matthews_mistakes(tp, fp, fn, tn)
        given = f"true = {true}, said = {said}"
        got = _called(answer, true, said)
        compare_each(got, want, names, mistakes, given)
    return (
        "Whoever finds every sentence acceptable is right in 7 of 10 cases here, and correlates "
        "with nothing: that is why CoLA is judged by Matthews' correlation."
    )


def _called(answer: Any, *given: Any) -> Any:
    """`call`, where a division by zero is explained."""
    try:
        return call(answer, *given)
    except Mistake as mistake:
        if isinstance(mistake.__cause__, ZeroDivisionError):
            raise Mistake(
                "Divided by 0: one of the four sums is 0, because one class never occurs or is "
                "never named. Such answers correlate with nothing: give back 0.",
                given=mistake.given,
            ) from mistake
        raise


def _matthews_mistakes(tp: int, fp: int, fn: int, tn: int) -> tuple[tuple, list[dict]]:
    """Accuracy and correlation, and what the usual mistakes give."""
    n, root = tp + fp + fn + tn, math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    accuracy, above = (tp + tn) / n, tp * tn - fp * fn
    right = above / root if root else 0.0
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    nothing = (
        "0/0 came out: one class never occurs or is never named. Such answers correlate with "
        "nothing: give back 0."
    )
    return (accuracy, right), [
        {
            "This is the precision: of those named 1, the share that is 1. Accuracy counts all "
            "that is right, zeros included.": precision,
            "This is the recall: of those that are 1, the share that is found. Accuracy counts all "
            "that is right, zeros included.": recall,
            "These are those that were got right. Accuracy is their share.": tp + tn,
            "This is in per cent. A share lies between 0 and 1.": 100 * accuracy,
            "This is the share that is wrong.": 1 - accuracy,
        },
        {
            nothing: float("nan"),
            "The root is missing below the line: the number gets far too small.": (
                above / root**2 if root else 0.0
            ),
            "What is wrong was added above the line. It is taken away: fp · fn speaks against.": (
                (tp * tn + fp * fn) / root if root else 0.0
            ),
            "The sign is turned round: tp · tn comes first.": -right,
            "Above the line stands tp + tn - fp - fn. These are products, tp · tn and fp · fn.": (
                (tp + tn - fp - fn) / root if root else 0.0
            ),
            "This is F1, which does not look at the zeros that were got right.": (
                2 * tp / max(2 * tp + fp + fn, 1)
            ),
            "This is the accuracy again.": accuracy,
            "Half of the product below the line is missing: sums that hold tn belong there, "
            "too.": above / math.sqrt(max((tp + fp) * (tp + fn), 1)),
        },
    ]


class SmallModel:
    """A language model for an exercise: what comes next depends on the sum of all tokens so far."""

    def __init__(self, n: int, seed: int) -> None:
        noise = torch.Generator().manual_seed(seed)
        self.table = (2 * torch.randn(n, n, generator=noise)).log_softmax(-1)

    def __call__(self, ids: Sequence[int]) -> list[float]:
        """Log-probability of each token but the first, in nats."""
        so_far = torch.tensor(list(ids)).cumsum(0)[:-1] % len(self.table)
        return self.table[so_far, list(ids)[1:]].tolist()

    def __repr__(self) -> str:
        return "a small language model"


def _endings(answer: Any) -> str:
    cases = [
        ([1, 2, 3], [[4, 5], [5, 1, 0, 2], [3, 3, 4]], SmallModel(7, 1)),
        ([0, 5, 4, 4], [[6, 1, 2, 3, 5, 0], [7]], SmallModel(8, 46)),
    ]
    for context, options, model in cases:
        rows = [model([*context, *option]) for option in options]
        ends = [row[-len(option) :] for row, option in zip(rows, options, strict=True)]
        want, both = [mean(end) for end in ends], list(zip(rows, options, strict=True))
        mistakes = {
            "These are sums. Every token costs something, so a short ending would win because it "
            "is short: take means.": [sum(end) for end in ends],
            "The context is scored along with the ending. It is the same for all, and hides the "
            "more the shorter the ending is.": [mean(row) for row in rows],
            "The sum over the ending was divided by the length of context and ending.": [
                sum(end) / (len(context) + len(end)) for end in ends
            ],
            "The ending was scored without its context: it is the context that one of them fits.": [
                mean(model(option)) if len(option) > 1 else 0.0 for option in options
            ],
            "The last token of the context is scored, too: `log_probs` begins with the second "
            "token, so place i speaks about token i + 1.": [
                mean(row[len(context) - 2 :]) for row, _ in both
            ],
            "The first token of the ending is left out: `log_probs` begins with the second token, "
            "so place i speaks about token i + 1.": [
                mean(row[len(context) :] or [0.0]) for row, _ in both
            ],
            "These are means of probabilities. Take the mean of their logarithms.": [
                mean(map(math.exp, end)) for end in ends
            ],
            "These are nats per token, which are small for what is likely. The signs are turned "
            "round.": [-mean(end) for end in ends],
            "These are perplexities, which are small for what is likely.": [
                math.exp(-mean(end)) for end in ends
            ],
            "This is the place of the best. Wanted are the scores of all.": want.index(max(want)),
        }
        given = f"context = {context}, options = {options}, {model}"
        compare(call(answer, context, options, model), want, given=given, mistakes=mistakes)
    return "This is GPT-1's heuristic for RACE: a language model answers, and nobody trained it to."


LAYERS = 12
NAMES = [
    "wte.weight",
    "wpe.weight",
    *(f"h.{i}.{part}" for i in range(LAYERS) for part in ("attn.c_attn.weight", "ln_2.bias")),
    "score.weight",
]


def _transferred(answer: Any) -> str:
    for n in (10, 2, 0, 12, 11):
        tables, head = NAMES[:2], NAMES[-1:]

        def blocks(kept: Sequence[int]) -> list[str]:
            return [name for name in NAMES[2:-1] if int(name.split(".")[1]) in kept]

        first = blocks(range(n))
        mistakes = {
            "Too many begin like that: h.1 is also the beginning of h.10 and h.11. Read the "
            "number, or let the point stand behind it.": tables
            + [name for name in NAMES if any(name.startswith(f"h.{i}") for i in range(n))],
            "The numbers were compared as texts, and then 10 comes before 2.": tables
            + [name for name in NAMES[2:-1] if name.split(".")[1] < str(n)],
            "Both tables are missing. Without them the first block would read rows that it has "
            "never seen.": first,
            "The table of positions is missing: it is pre-trained like that of the tokens.": (
                tables[:1] + first
            ),
            "One block too many: blocks are counted from 0, so the first n are h.0 to h.(n-1).": (
                tables + blocks(range(n + 1))
            ),
            "One block too few: h.0 is the first.": tables + blocks(range(1, n)),
            "These are the last n blocks. What is near the input is kept.": (
                tables + blocks(range(LAYERS - n, LAYERS))
            ),
            "The head is among them. It is new, and the pre-trained network has none.": (
                tables + first + head
            ),
            "All were copied. What lies behind the first n blocks is drawn anew.": NAMES,
            "These are those that are drawn anew.": blocks(range(n, LAYERS)) + head,
            "This is how many. Wanted are their names.": len(tables + first),
        }
        got = call(answer, NAMES, n)
        got = in_order(got, NAMES)
        given = f"a network of {LAYERS} blocks, n = {n}"
        compare(got, tables + first, given=given, mistakes=mistakes)
    return "Every row of Figure 2, left, is made so: the tables, n blocks, and the rest anew."


def _interval(answer: Any) -> str:
    for values in ([61.0, 64.5, 72.0, 66.0, 58.5], [50.0, 80.0, 57.0], [3.0, 1.0, 9.0, 1.5]):
        n = len(values)

        def ends(means: Sequence[float], share: float = 0.025) -> tuple[float, float]:
            ordered = sorted(means)
            cut = int(share * len(ordered))
            return ordered[cut], ordered[-1 - cut]

        means = [mean(one) for one in product(values, repeat=n)]
        middle, wide = mean(values), 1.96 * stdev(values) / math.sqrt(n)
        mistakes = {
            "Nothing is drawn twice here, so every mean is the same. A resample draws with "
            "replacement.": (middle, middle),
            "Each collection was counted once, though some are drawn more often than others: "
            "order counts, `itertools.product` lists all.": ends(
                [mean(one) for one in combinations_with_replacement(values, n)]
            ),
            "2.5 % were left out in all. It is 2.5 % at each end.": ends(means, 0.0125),
            "5 % were left out at each end. It is 2.5 %, so that 95 % remain.": ends(means, 0.05),
            "These are the worst and the best: nothing was left out. Leave out 2.5 % of the means "
            "at each end.": (min(means), max(means)),
            "This interpolates between means. Here the ends are means that can occur: sort, and "
            "leave out whole ones.": tuple(np.quantile(means, [0.025, 0.975]).tolist()),
            "This is the mean and 1.96 standard errors to each side. That supposes a bell, and a "
            "bootstrap supposes none.": (middle - wide, middle + wide),
            "The resamples have another size than the data. Draw n of n.": ends(
                [mean(one) for one in product(values, repeat=n - 1)]
            ),
            "These are the means. Wanted are the two ends.": sorted(means),
        }
        given = f"values = {values}"
        compare(call(answer, values), ends(means), given=given, mistakes=mistakes)
    return (
        "You have a bootstrap interval without any chance in it. Of three runs it is no more than "
        "the worst and the best: 27 resamples, of which nothing is left out."
    )


EXERCISES = [
    Exercise("7.1", "The gradient, with and without the logarithm", "easy", 10, _slopes),
    Exercise("7.2", "What Table 5 says", "easy", 10, _worth),
    Exercise("7.3", "When accuracy misleads", "medium", 15, _matthews),
    Exercise("7.4", "Endings of different length", "medium", 15, _endings),
    Exercise("7.5", "Which tensors to copy", "easy", 10, _transferred),
    Exercise("7.6", "An interval from a few runs", "hard", 20, _interval),
]

"""The exercises of chapter 14, demonstrations and preferences, and what usually goes wrong in them.

Source: InstructGPT §3.5, eq. 1, and App. C (the loss on responses alone, all pairs of a ranking, a
bias); Bradley and Terry 1952.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

from gptcore.exercises.checking import Exercise, NotWritten, call, compare
from gptcore.exercises.comparing import equal

__all__ = ["EXERCISES"]

NOT = -100  # a target that is not scored
ROWS = (  # prompt, response, stop
    ([41, 17, 23, 58], [12, 35, 29], 7),
    ([63, 5, 5, 9, 31, 2], [44, 16], 7),
    ([8, 19], [7, 26, 33, 26, 15], 3),  # the stop token of another tokenizer
    ([20, 14, 11], [], 7),  # an empty response: only to stop is learned
)
BUGS = {
    "first": "The mask covers the first token of the response, too. The last token of the prompt "
    "has to say it.",
    "stop": "The stop token is not scored. To stop is part of what is learned.",
    "shift": "Each position is to say the token that it reads. It is to say the one after it.",
}
ELSEWHERE = {
    "first": "where the mask ends",
    "stop": "how the response ends",
    "shift": "what is read where it is to be said",
}


def _masked(answer: Any) -> str:
    given = [f"prompt = {p}, response = {r}, stop = {s}" for p, r, s in ROWS]
    got = [call(answer, *case) for case in ROWS]
    if equal(got, [_row(*case, bugs=BUGS) for case in ROWS], atol=0):
        raise NotWritten(
            "Nothing is repaired so far: all three bugs are there. Write down for a short row "
            "what each position reads, and what it is to say."
        )
    mistakes = {
        "The whole prompt is scored. Nobody wants a network that writes requests.": [
            ([*p, *r], [*p[1:], *r, s]) for p, r, s in ROWS
        ],
        "The mask is the wrong way round: the prompt is scored, and the response is not.": [
            ([*p, *r], [*p[1:], *[NOT] * (len(r) + 1)]) for p, r, s in ROWS
        ],
        "One token of the prompt is scored: its last one is not to be learned.": [
            (ids, [p[-1] if at == len(p) - 2 else t for at, t in enumerate(targets)])
            for (p, _, _), (ids, targets) in zip(ROWS, (_row(*c) for c in ROWS), strict=True)
        ],
        "Targets begin with the second token of the row: take away the first one, not the last.": [
            ([*p, *r], [*[NOT] * len(p), *r]) for p, r, s in ROWS
        ],
        "The stop token is read. It is the last thing said, and nothing comes after it.": [
            ([*p, *r, s], [*_row(p, r, s)[1], NOT]) for p, r, s in ROWS
        ],
    }
    for count in (1, 2):
        for first, *others in combinations(BUGS, count):
            more = "".join(f" And that is not all: look at {ELSEWHERE[b]}." for b in others)
            rows = [_row(*case, bugs=(first, *others)) for case in ROWS]
            mistakes[BUGS[first] + more] = rows
    named = [cause for cause, rows in mistakes.items() if equal(got, rows, atol=0)]
    for i, case in enumerate(ROWS):
        wrong = {cause: mistakes[cause][i] for cause in named}
        compare(got[i], _row(*case), given=given[i], mistakes=wrong)
    return (
        "So a request of any length costs no loss, and an empty response still teaches to stop. "
        "The text that is read stays whole: the mask hides nothing from the network."
    )


def _row(
    prompt: list[int], response: list[int], stop: int, bugs: Collection[str] = ()
) -> tuple[list[int], list[int]]:
    """What is read, and what is to be said at each position; with some of the planted bugs."""
    ids = [*prompt, *response, stop]
    hidden = len(prompt) + ("first" in bugs)
    shown = len(ids) - ("stop" in bugs)
    targets = [t if hidden <= at < shown else NOT for at, t in enumerate(ids)]
    return ids[1:] if "shift" in bugs else ids[:-1], targets[1:]


RANKED = (  # rewards, ranks
    ([2.0, 1.0, 0.5, -1.0], [0, 1, 2, 3]),
    ([0.3, -0.7, 1.9, 0.4], [2, 0, 3, 1]),
    ([1.2, 0.1, -0.4, 0.8, 2.1], [0, 1, 1, 2, 0]),  # two pairs that are equally good
    ([-0.5, 0.25], [1, 0]),
)


def _ranking(answer: Any) -> str:
    cases = [_ranking_mistakes(rewards, ranks) for rewards, ranks in RANKED]
    for (rewards, ranks), (right, mistakes) in zip(RANKED, cases, strict=True):
        given = f"rewards = {rewards}, ranks = {ranks}"
        got = call(answer, rewards, ranks)
        compare(got, right, given=given, mistakes=mistakes)
    nothing = "All are equally good: no pair is left, and the mean of none is no number. Say 0.0."
    for rewards, ranks in (([1.0, -2.0, 0.3], [1, 1, 1]), ([0.7], [0])):
        mistakes = {nothing: math.nan, "Equal ranks are no pair.": math.log(2)}
        got = call(answer, rewards, ranks)
        compare(got, 0.0, given=f"rewards = {rewards}, ranks = {ranks}", mistakes=mistakes)
    return (
        "The first case is the one of section 8. Since only differences count, a reward model's "
        "level is free, and PI moves it so that demonstrations have 0 on average."
    )


def _ranking_mistakes(
    rewards: Sequence[float], ranks: Sequence[int]
) -> tuple[float, dict[str, float]]:
    """The loss, and what the usual mistakes make of it."""
    places = range(len(rewards))
    pairs = [(i, j) for i in places for j in places if ranks[i] < ranks[j]]
    gaps = [rewards[i] - rewards[j] for i, j in pairs]
    losses = [_softplus(-gap) for gap in gaps]
    order = sorted(places, key=lambda i: ranks[i])
    near = [(i, j) for i, j in zip(order, order[1:], strict=False) if ranks[i] < ranks[j]]
    best = [(i, j) for i, j in pairs if ranks[i] == min(ranks)]
    listed = [rewards[i] - rewards[j] for i, j in combinations(places, 2)]
    ties = [0 for i, j in combinations(places, 2) if ranks[i] == ranks[j]]
    return fmean(losses), {
        "The pairs are turned round: this rewards the worse of two. The lower rank is the better "
        "reply.": fmean(_softplus(gap) for gap in gaps),
        "This is the sum. A ranking of nine would weigh 36 times one of two: take the mean.": sum(
            losses
        ),
        "Ties are counted as pairs. Equally good replies say nothing about each other.": fmean(
            losses + [math.log(2) for _ in ties]
        ),
        "Only neighbours in the ranking are compared. All pairs belong to it.": fmean(
            _softplus(rewards[j] - rewards[i]) for i, j in near
        ),
        "Only the best is compared with the others. All pairs belong to it.": fmean(
            _softplus(rewards[j] - rewards[i]) for i, j in best
        ),
        "The replies are taken to be in the order of their ranks. Look at the ranks.": fmean(
            _softplus(-gap) for gap in listed
        ),
        "The logarithm is missing: this is the mean probability that the better one wins.": fmean(
            math.exp(-_softplus(-gap)) for gap in gaps
        ),
        "The sign is missing: a loss falls when the better one gets the higher reward.": (
            -fmean(losses)
        ),
        "This is the loss of the mean difference. Take it of each pair, and then the mean.": (
            _softplus(-fmean(gaps))
        ),
        "The ranks are used, and the rewards are not.": fmean(
            _softplus(ranks[i] - ranks[j]) for i, j in pairs
        ),
    }


def _softplus(x: float) -> float:
    """log(1 + e^x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _agreeing(answer: Any) -> str:
    for gap, noise in ((-0.3, 0.15), (0.5, 0.4), (1.0, 2.0), (0.0, 0.7), (0.25, 0.25)):
        p = 1 / (1 + math.exp(-gap / noise))
        mistakes = {
            "This is how often one of them prefers the first. Two agree when both prefer it, or "
            "neither does.": p,
            "Two agree, too, when both prefer the second.": p * p,
            "This is how often they disagree.": 2 * p * (1 - p),
            "The noise multiplies the difference. It divides it: more noise, less said.": (
                _both(gap * noise)
            ),
            "The noise is left out.": _both(gap),
            "This is how often a labeler agrees with the truth.": max(p, 1 - p),
        }
        given = f"gap = {gap}, noise = {noise}"
        compare(call(answer, gap, noise), p * p + (1 - p) ** 2, given=given, mistakes=mistakes)
    return (
        "Two that agree on 73 % of such pairs are each right on 84 %. A reward model that agrees "
        "with labelers as often as they do with each other is nearer to the truth than it seems."
    )


def _both(x: float) -> float:
    p = 1 / (1 + math.exp(-x))
    return p * p + (1 - p) ** 2


JUDGED = (  # per request: rewards, truth
    [([0.2, 1.1, -0.5, 0.9], [0.5, 1.0, 0.75, 0.0]), ([3.0, 2.0], [0.0, 0.5])],
    [([1.0, 1.0, 0.0], [0.8, 0.2, 0.2]), ([0.5, -0.5, 2.0], [1.0, 0.0, 0.4])],
    [([0.1, 0.6], [0.3, 0.3]), ([4.0, 5.0, 5.5], [0.1, 0.7, 0.9])],
)


def _accuracy(answer: Any) -> str:
    for requests in JUDGED:
        rewards, truths = ([list(one[k]) for one in requests] for k in (0, 1))
        right = fmean(_sides(requests))
        mistakes = {
            "Pairs of different requests are compared, too. A reward is comparable within one "
            "request alone.": fmean(_sides([(sum(rewards, []), sum(truths, []))])),
            "Every request weighs the same here. Every pair does.": fmean(
                fmean(_sides([one])) for one in requests if _sides([one])
            ),
            "Equal rewards are taken for wrong. They are half right, as a coin would be.": fmean(
                float(x == 1) for x in _sides(requests)
            ),
            "Equal rewards are taken for right. They are half right, as a coin would be.": fmean(
                float(x > 0) for x in _sides(requests)
            ),
            "Pairs that are equally good in truth are counted. There is nothing to be right "
            "about.": fmean(_sides(requests, ties=True)),
            "This is the share of pairs that it gets wrong.": 1 - right,
            "Counted is how often the highest reward is the best reply. All pairs are asked "
            "for.": fmean(float(r.index(max(r)) == t.index(max(t))) for r, t in requests),
        }
        given = f"rewards = {rewards}, truths = {truths}"
        compare(call(answer, rewards, truths), right, given=given, mistakes=mistakes)
    return (
        "PI reports this of labelers, who disagree with each other: 72.4 %. Only where the truth "
        "is known can it be said how much of the rest are their errors, and how much its own."
    )


def _sides(requests: Sequence[tuple[list[float], list[float]]], ties: bool = False) -> list[float]:
    """Of each pair within a request that differs in truth: 1 right, 0 wrong, 0.5 undecided."""
    found = []
    for rewards, truth in requests:
        for i, j in combinations(range(len(rewards)), 2):
            if truth[i] == truth[j]:
                found += [0.5] * ties
                continue
            won = (rewards[i] - rewards[j]) * (truth[i] - truth[j])
            found.append(0.5 if won == 0 else float(won > 0))
    return found


EXERCISES = [
    Exercise("14.1", "What is scored: three bugs", "easy", 15, _masked),
    Exercise("14.2", "Every pair of a ranking", "medium", 20, _ranking),
    Exercise("14.3", "Two labelers", "easy", 10, _agreeing),
    Exercise("14.4", "Right in truth", "medium", 20, _accuracy),
]

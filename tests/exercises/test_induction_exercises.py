"""What this proves: the checks of 13.3 and 13.4 let right answers pass and name usual mistakes.

They are those about induction heads; the others of chapter 13 stand in `test_in_context.py`.
"""

import itertools
import math
from collections import Counter
from statistics import fmean

import numpy as np
import pytest
import torch
from verdicts import assert_named, four_tests

from gptcore.exercises.in_context import EXERCISES, WEIGHTS

# 13.3 --------------------------------------------------------------------------------------------


def induction(ids):
    for s in range(len(ids) - 2, -1, -1):
        if ids[s] == ids[-1]:
            return ids[s + 1]
    return None


def by_following(ids):
    """What has followed each token, told anew as the text goes on."""
    followed = {}
    for one, after in itertools.pairwise(ids):
        followed[one] = after
    return followed.get(ids[-1])


def by_arrays(ids):
    ids = np.array(ids)
    (places,) = np.nonzero(ids[:-1] == ids[-1])
    return ids[places[-1] + 1] if len(places) else None


def induction_by_tensors(ids):
    ids = torch.tensor(ids)
    places = (ids[:-1] == ids[-1]).nonzero().flatten()
    if len(places):
        return ids[places[-1] + 1]


def places_of(ids):
    return [s for s, one in enumerate(ids[:-1]) if one == ids[-1]]


def told(pick):
    """What `pick` makes of ids and earlier places, where there are some."""
    return lambda ids: pick(ids, places_of(ids)) if places_of(ids) else None


def nothing_earlier(value):
    return lambda ids: value(ids) if induction(ids) is None else induction(ids)


def commonest(ids, places):
    return Counter(ids[s + 1] for s in places).most_common(1)[0][0]


def by_find(ids):
    """As texts are searched: -1 where there is nothing."""
    s = max(places_of(ids), default=-1)
    return ids[s + 1]


def by_index(ids):
    """`list.index` stops where there is nothing."""
    turned = ids[:-1][::-1]
    return ids[len(ids) - 1 - turned.index(ids[-1])]


def own_place(ids):
    s = len(ids) - 1 - ids[::-1].index(ids[-1])
    return ids[s + 1]


def own_place_round(ids):
    s = max(i for i, one in enumerate(ids) if one == ids[-1])
    return ids[(s + 1) % len(ids)]


def without_neighbour(ids):
    places = [s for s in places_of(ids) if s < len(ids) - 2]
    return ids[places[-1] + 1] if places else None


def place_as_condition(ids):
    s = max(places_of(ids), default=None)
    return ids[s + 1] if s else None


# 13.4 --------------------------------------------------------------------------------------------


def pairs(ids):
    """(t, its earlier places) of every token that occurred earlier."""
    found = [(t, [s for s in range(t) if ids[s] == ids[t]]) for t in range(len(ids))]
    return [(t, places) for t, places in found if places]


def score(one=lambda w, t, places: w[t][places[-1] + 1], over=None, empty=0.0, turn=list):
    def answer(weights, ids):
        weights = turn(weights)
        values = [one(weights, t, places) for t, places in pairs(ids)]
        if not values and empty is not None:
            return empty
        return over(values, ids) if over else sum(values) / len(values)

    return answer


def by_dict(weights, ids):
    latest, found = {}, []
    for t, token in enumerate(ids):
        if token in latest:
            found.append(weights[t][latest[token] + 1])
        latest[token] = t
    return fmean(found) if found else 0


def score_by_arrays(weights, ids):
    weights, ids = np.array(weights), np.array(ids)
    same = np.tril(ids[:, None] == ids[None], -1)
    rows = np.flatnonzero(same.any(1))
    latest = len(ids) - 1 - same[rows, ::-1].argmax(1)
    return weights[rows, latest + 1].mean() if len(rows) else np.float64(0)


def score_by_tensors(weights, ids):
    weights, ids = torch.tensor(weights), torch.tensor(ids)
    same = (ids[:, None] == ids).tril(-1) * torch.arange(1, len(ids) + 1)
    latest, seen = same.max(-1).values, same.any(-1)
    return weights[seen, latest[seen]].sum() / max(1, seen.sum())


def every_pair(weights, ids):
    values = [weights[t][s + 1] for t, places in pairs(ids) for s in places]
    return fmean(values) if values else 0.0


def without_repeats(weights, ids):
    values = [weights[t][p[-1] + 1] for t, p in pairs(ids) if p[-1] + 1 < t]
    return fmean(values) if values else 0.0


RIGHT = [
    ("13.3", induction),
    ("13.3", by_following),
    ("13.3", by_arrays),
    ("13.3", induction_by_tensors),
    ("13.4", score()),
    ("13.4", by_dict),
    ("13.4", score_by_arrays),
    ("13.4", score_by_tensors),
]
WRONG = {
    "13.3": {
        "its first occurrence": lambda ids: ids[ids.index(ids[-1]) + 1],
        "most often": told(commonest),
        "This stood before it": told(lambda ids, places: ids[places[-1] - 1]),
        "the last token itself": told(lambda ids, places: ids[places[-1]]),
        "place of the latest": told(lambda ids, places: places[-1]),
        "place of what followed": told(lambda ids, places: places[-1] + 1),
        "begins anew": own_place_round,
        "These are all": told(lambda ids, places: [ids[s + 1] for s in places]),
        "reads behind the end": own_place,
        "right before the end is left out": without_neighbour,
        "0 counts as False": place_as_condition,
        "-1 + 1 is the place 0": by_find,
        "not the token itself": nothing_earlier(lambda ids: ids[-1]),
        "-1 is a number": nothing_earlier(lambda ids: -1),
        "stops where the token occurs nowhere": by_index,
    },
    "13.4": {
        "the earlier occurrence itself": score(lambda w, t, places: w[t][places[-1]]),
        "The first occurrence": score(lambda w, t, places: w[t][places[0] + 1]),
        "All earlier occurrences": every_pair,
        "This is the sum": score(over=lambda values, ids: sum(values)),
        "by all T positions": score(over=lambda values, ids: sum(values) / len(ids)),
        "Row and column": score(lambda w, t, places: w[places[-1] + 1][t]),
        "one too early": score(lambda w, t, places: w[t - 1][places[-1] + 1]),
        "repeat at once": without_repeats,
        "how much they attend": score(lambda w, t, p: w[t].index(max(w[t])) == p[-1] + 1),
        "no values, no mean": score(empty=None),
        "is no number": score(empty=math.nan),
        "a number was expected": score(over=lambda values, ids: values),
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES[2:4], RIGHT, WRONG)


SAME_MISTAKE = [
    ("13.3", lambda ids: own_place(ids[::-1][::-1]), "reads behind the end"),
    ("13.3", lambda ids: induction(ids) or None, "0 counts as False"),
    ("13.4", score(over=lambda values, ids: float(np.array(values).sum())), "This is the sum"),
    ("13.4", score(lambda w, t, p: w[p[-1] + 1][t], turn=np.array), "Row and column"),
]


@pytest.mark.parametrize(("number", "answer", "phrase"), SAME_MISTAKE)
def test_the_same_mistake_elsewhere(number, answer, phrase):
    assert_named(number, answer, phrase)


def test_a_small_score_by_hand() -> None:
    """Behind the latest earlier places stand 0.6, 0.45, 0.55 and 0.5; rows sum to 1."""
    assert score()(WEIGHTS, [5, 8, 5, 5, 8, 2, 5]) == pytest.approx(2.1 / 4)
    assert all(sum(row) == pytest.approx(1) for row in WEIGHTS)
    assert all(value == 0 for t, row in enumerate(WEIGHTS) for value in row[t + 1 :])

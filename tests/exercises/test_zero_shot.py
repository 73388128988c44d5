"""What this proves: each check of chapter 09 lets right answers pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import itertools
import math
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from verdicts import assert_named, assert_passes, four_tests

from gptcore.exercises.zero_shot import COMPARED, EXERCISES
from gptcore.scoring.continuations import NORMS, Likelihood, normalised


def parts(answer, *change):
    """An answer of which some parts are made otherwise; None leaves one."""

    def changed(*given):
        pairs = zip(answer(*given), change, strict=True)
        return tuple(one if new is None else new(*given) for one, new in pairs)

    return changed


# 9.1 ---------------------------------------------------------------------------------------------


def ways(pick=None, **rules):
    """The place of the largest score; `rules` replace those of some norms."""
    known = {
        "none": lambda p, n, c, q: p,
        "token": lambda p, n, c, q: p / n,
        "character": lambda p, n, c, q: p / c,
        "unconditional": lambda p, n, c, q: p - q,
    }

    def answer(options, without):
        rows = [(*option, q) for option, q in zip(options, without, strict=True)]
        scores = {norm: [rule(*row) for row in rows] for norm, rule in {**known, **rules}.items()}
        return {norm: (pick or by_place)(of) for norm, of in scores.items()}

    return answer


def by_place(scores):
    return max(range(len(scores)), key=lambda i: scores[i])


def by_library(options, without):
    """As the harness compares them."""
    found = {}
    for norm in NORMS:
        scores = [
            normalised(norm, Likelihood(p, n, False, 0), c, Likelihood(q, n, False, 0))
            for (p, n, c), q in zip(options, without, strict=True)
        ]
        found[norm] = torch.tensor(scores).argmax()
    return found


def by_arrays(options, without):
    p, n, c = np.array(options).T
    scores = {"unconditional": p - np.array(without), "character": p / c, "token": p / n, "none": p}
    return {norm: of.argmax() for norm, of in scores.items()}


def test_the_four_do_not_agree() -> None:
    """By hand: of the first list -3.1/1, -3/3 and -2.3/3 by token; -3 + 5.7 and -3.1 + 8.9."""
    first = ways()(*COMPARED[0])
    assert first == {"none": 2, "token": 2, "character": 0, "unconditional": 3}


# 9.2 ---------------------------------------------------------------------------------------------


def monkey(target, p):
    chance = math.prod(p[token] for token in target)
    return chance, 1 / chance


def by_logs(target, p):
    log = torch.tensor(p, dtype=torch.float64).log()[target].sum()
    return [log.exp(), (-log).exp()]


def chance(change):
    return parts(monkey, change, None)


def tries(change):
    return parts(monkey, None, lambda target, p: change(monkey(target, p)[0], target, p))


def test_so_many_tries_it_takes_on_average() -> None:
    """The mean of a geometric law, counted out: 1·q + 2·(1-q)·q + ... with q = 1/50."""
    found, mean = monkey([2, 0, 2], [0.5, 0.3, 0.2])
    q = Fraction(1, 50)
    counted = sum(float(k * q * (1 - q) ** (k - 1)) for k in range(1, 1500))
    assert found == pytest.approx(1 / 50) and mean == pytest.approx(counted, rel=1e-6)


# 9.3 ---------------------------------------------------------------------------------------------


def part(nats, is_answer):
    own = [x for x, mine in zip(nats, is_answer, strict=True) if mine]
    return sum(nats) / len(nats), sum(own) / len(own), sum(own) / sum(nats)


def part_by_tensors(nats, is_answer):
    nats, own = torch.tensor(nats), torch.tensor(nats)[torch.tensor(is_answer)]
    return nats.mean(), own.mean(), own.sum() / nats.sum()


def others(nats, is_answer):
    return part(nats, [not mine for mine in is_answer])


def first(change):
    return parts(part, change, None, None)


def second(change):
    return parts(part, None, change, None)


def third(change):
    return parts(part, None, None, change)


# 9.4 ---------------------------------------------------------------------------------------------


def shuffled(order, who=("answer",)):
    """Columns of the corpus after an order of its places; by itself only answers move."""

    def answer(corpus):
        at = order(list(range(len(corpus))))
        moves = [name in who for name in ("text", "question", "answer")]
        return [
            tuple(corpus[to if moved else i][k] for k, moved in enumerate(moves))
            for i, to in enumerate(at)
        ]

    return answer


def shifted(at, by=1):
    return at[by:] + at[:by]


def until_all_move(at):
    chance, new = random.Random(3), at
    while any(i == to for i, to in enumerate(new)):
        new = chance.sample(at, len(at))
    return new


def by_swaps(at):
    """Sattolo's algorithm: one cycle through all places."""
    at, chance = list(at), random.Random(5)
    for i in range(len(at) - 1, 0, -1):
        j = chance.randrange(i)
        at[i], at[j] = at[j], at[i]
    return at


def drawn(corpus):
    answers = [row[2] for row in corpus]
    chance = random.Random(1)
    return [(t, q, chance.choice([one for one in answers if one != a])) for t, q, a in corpus]


def answers_alone(corpus):
    return [row[2] for row in shuffled(shifted)(corpus)]


def one_short(corpus):
    return [(t, q, a) for (t, q, _), (_, _, a) in zip(corpus, corpus[1:], strict=False)]


def made_up(corpus):
    return [(t, q, a.upper()) for t, q, a in shuffled(shifted)(corpus)]


# 9.5 ---------------------------------------------------------------------------------------------


def fit(more=0, refuse=lambda ids, option, n_ctx: len(option) > n_ctx, error=ValueError):
    def answer(ids, option, n_ctx):
        if refuse(ids, option, n_ctx):
            raise error("too long")
        return ids[-(n_ctx + 1 - len(option) + more) :], option

    return answer


def by_joining(ids, option, n_ctx):
    if len(option) > n_ctx:
        raise ValueError(f"{len(option)} tokens, n_ctx={n_ctx}")
    whole = (ids + option)[-(n_ctx + 1) :]
    return [whole[: -len(option)], whole[-len(option) :]]


def context(of):
    """The context otherwise; what has to be refused is."""

    def answer(ids, option, n_ctx):
        _, option = fit()(ids, option, n_ctx)
        return of(ids, n_ctx + 1 - len(option), n_ctx), option

    return answer


def cut_end(ids, option, n_ctx):
    whole = (ids + option)[: n_ctx + 1]
    return whole[: len(ids)], whole[len(ids) :]


def cut_option(ids, option, n_ctx):
    return ids[-n_ctx:], option[: max(0, n_ctx + 1 - len(ids))]


RIGHT = [
    ("9.1", ways()),
    ("9.1", by_library),
    ("9.1", by_arrays),
    ("9.2", monkey),
    ("9.2", by_logs),
    ("9.3", part),
    ("9.3", part_by_tensors),
    ("9.4", shuffled(shifted)),
    ("9.4", shuffled(lambda at: shifted(at, -1))),
    ("9.4", shuffled(until_all_move)),
    ("9.4", shuffled(by_swaps)),
    ("9.4", lambda corpus: list(map(list, shuffled(shifted)(corpus)))),
    ("9.5", fit()),
    ("9.5", by_joining),
    ("9.5", lambda *given: tuple(map(tuple, by_joining(*given)))),
]
WRONG = {
    "9.1": {
        "winner by token": ways(none=lambda p, n, c, q: p / n),
        "winner by character": ways(none=lambda p, n, c, q: p / c),
        "multiplied by the length": ways(token=lambda p, n, c, q: p * n),
        "the other way round": ways(
            token=lambda p, n, c, q: p / c, character=lambda p, n, c, q: p / n
        ),
        "as it stands": ways(character=lambda p, n, c, q: p),
        "The probability was divided": ways(token=lambda p, n, c, q: math.exp(p) / n),
        "was added": ways(unconditional=lambda p, n, c, q: p + q),
        "The logarithms were divided": ways(unconditional=lambda p, n, c, q: p / q),
        "likeliest without its context": ways(unconditional=lambda p, n, c, q: q),
        "divided by the tokens as well": ways(unconditional=lambda p, n, c, q: (p - q) / n),
        "the smallest score": ways(unconditional=lambda p, n, c, q: q - p),
        "counted from 0": ways(lambda scores: by_place(scores) + 1),
        "the winner's score": ways(max),
        "These are the scores": ways(list),
        "lacks the key 'none'": lambda options, without: {"acc": 0},
        "a dict was expected": lambda options, without: list(ways()(options, without).values()),
    },
    "9.2": {
        "were added": chance(lambda target, p: sum(p[i] for i in target)),
        "all keys are equally likely": chance(lambda target, p: len(p) ** -len(target)),
        "counted once": chance(lambda target, p: math.prod(p[i] for i in set(target))),
        "take p[id]": chance(lambda target, p: math.prod(p[: len(target)])),
        "any order": chance(
            lambda target, p: (
                monkey(target, p)[0] * len(set(itertools.permutations(map(int, target))))
            )
        ),
        "logarithm of the chance": chance(lambda target, p: math.log(monkey(target, p)[0])),
        "So many texts": tries(lambda q, target, p: len(p) ** len(target)),
        "one try fails": tries(lambda q, target, p: 1 - q),
        "The one that succeeds": tries(lambda q, target, p: (1 - q) / q),
        "These are strokes": tries(lambda q, target, p: len(target) / q),
        "one half": tries(lambda q, target, p: -math.log(2) / math.log(1 - q)),
        "keeps what is right": tries(lambda q, target, p: sum(1 / p[i] for i in target)),
        "logarithm of the number": tries(lambda q, target, p: -math.log(q)),
        "2 was expected": lambda target, p: [monkey(target, p)[0]],
        "2.581e-09 was expected": chance(lambda target, p: round(monkey(target, p)[0], 6)),
    },
    "9.3": {
        "This is the sum": first(lambda nats, mask: sum(nats)),
        "The answer is left out": first(lambda nats, mask: others(nats, mask)[1]),
        "This is the answer's": first(lambda nats, mask: part(nats, mask)[1]),
        "mean of two means": first(
            lambda nats, mask: (part(nats, mask)[1] + others(nats, mask)[1]) / 2
        ),
        "This is the perplexity": first(lambda nats, mask: math.exp(part(nats, mask)[0])),
        "by the number of all tokens": second(
            lambda nats, mask: float(np.multiply(nats, mask).mean())
        ),
        "the mask is turned round": second(lambda nats, mask: others(nats, mask)[1]),
        "Take the answer's": second(lambda nats, mask: part(nats, mask)[0]),
        "the share of the tokens": third(lambda nats, mask: sum(mask) / len(mask)),
        "one mean by the other": third(
            lambda nats, mask: part(nats, mask)[1] / part(nats, mask)[0]
        ),
        "in per cent": third(lambda nats, mask: 100 * part(nats, mask)[2]),
        "by the rest": third(lambda nats, mask: part(nats, mask)[2] / others(nats, mask)[2]),
    },
    "9.4": {
        "Nothing has moved": lambda corpus: list(corpus),
        "Whole rows": shuffled(shifted, ("text", "question", "answer")),
        "The texts have changed": shuffled(shifted, ("text",)),
        "The questions have changed": shuffled(shifted, ("question", "answer")),
        "they are not drawn": drawn,
        "is no answer of the corpus": made_up,
        "turned round": shuffled(lambda at: at[::-1]),
        "has stayed in its place": shuffled(lambda at: random.Random(0).sample(at, len(at))),
        "These are the answers alone": answers_alone,
        "A row is missing": one_short,
        "is not a text, a question and an answer": lambda corpus: [row[:2] for row in corpus],
        "a list was expected": lambda corpus: (row for row in shuffled(shifted)(corpus)),
    },
    "9.5": {
        "The beginning of the prompt": context(lambda ids, keep, n_ctx: ids[:keep]),
        "too few": fit(-1),
        "too many": fit(+1),
        "Nothing is cut off": context(lambda ids, keep, n_ctx: ids),
        "as if there were no option": context(lambda ids, keep, n_ctx: ids[-n_ctx:]),
        "a negative place counts": context(lambda ids, keep, n_ctx: ids[len(ids) - keep :]),
        "the other way round": lambda *given: fit()(*given)[::-1],
        "This is one list": lambda *given: sum(fit()(*given), []),
        "The option is cut": cut_end,
        "The prompt is refused": fit(refuse=lambda ids, option, n: len(ids) + len(option) > n + 1),
        "An option of n_ctx tokens is refused": fit(refuse=lambda ids, option, n: len(option) >= n),
        "raise a ValueError": fit(refuse=lambda *given: False),
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)


SAME_MISTAKE = [
    ("9.1", ways(character=lambda p, n, c, q: p * c), "multiplied by the length"),
    ("9.1", ways(character=lambda p, n, c, q: math.exp(p) / c), "The probability was divided"),
    ("9.1", ways(token=lambda p, n, c, q: p), "as it stands"),
    ("9.1", ways(unconditional=lambda p, n, c, q: p), "as it stands"),
    ("9.1", ways(lambda scores: scores.index(min(scores))), "the smallest score"),
    ("9.3", second(lambda nats, mask: part(nats, mask)[1] * sum(mask)), "This is the sum"),
    ("9.3", second(lambda nats, mask: math.exp(part(nats, mask)[1])), "This is the perplexity"),
    ("9.3", third(lambda nats, mask: others(nats, mask)[2]), "the mask is turned round"),
    ("9.5", cut_option, "The option is cut"),
    ("9.5", fit(error=AssertionError), "raise a ValueError"),
    ("9.5", lambda *given: None if len(given[1]) > given[2] else fit()(*given), "a ValueError"),
]


@pytest.mark.parametrize(("number", "answer", "phrase"), SAME_MISTAKE)
def test_the_same_mistake_elsewhere(number, answer, phrase):
    assert_named(number, answer, phrase)


def test_equal_answers_may_take_each_others_places() -> None:
    """Two of an answer trade places and nothing is to be seen; a single one has to move."""

    def by_answer(corpus):
        """Equal answers side by side, shifted by one: of two, one stands where the other was."""
        at = sorted(range(len(corpus)), key=lambda i: corpus[i][2])
        moved = dict(zip(at, shifted(at), strict=True))
        return [(t, q, corpus[moved[i]][2]) for i, (t, q, _) in enumerate(corpus)]

    def all_but_single_ones(corpus):
        """Right wherever no answer, or every answer, is there once."""
        counts = Counter(row[2] for row in corpus)
        single = [i for i, row in enumerate(corpus) if counts[row[2]] == 1]
        at = [i for i in range(len(corpus)) if i not in single or len(single) == len(corpus)]
        moved = dict(zip(at, shifted(at), strict=True))
        return [(t, q, corpus[moved.get(i, i)][2]) for i, (t, q, _) in enumerate(corpus)]

    assert_passes("9.4", by_answer)
    assert_named("9.4", all_but_single_ones, "has stayed in its place")

"""What this proves: each check of chapter 12 lets right answers pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math

import pytest
from verdicts import four_tests

from gptcore.config import PRESETS
from gptcore.exercises.scale import EXERCISES
from gptcore.sizes import parameter_counts


def counted(tables=1, positions=1, block=lambda C: 12 * C * C + 13 * C, last=2):
    return lambda V, n, L, C: tables * V * C + positions * n * C + L * block(C) + last * C


def by_hand(N, D, k, peak, part):
    return 6 * N * D / (k * peak * part * 86_400)


def state(optimizer=12, weights=2, gradients=2, stages=(3, 2, 1)):
    def kept(n, k, stage):
        parts = zip((weights, gradients, optimizer), stages, strict=True)
        return sum(size * n / (k if stage >= least else 1) for size, least in parts)

    return kept


def split(k=6, swap=False, turned=False):
    def best(E, A, alpha, B, beta, C):
        a, b = (beta, alpha) if turned else (alpha, beta)
        N = (a * A / (b * B)) ** (1 / (a + b)) * (C / k) ** (b / (a + b))
        return (C / k / N, N) if swap else (N, C / k / N)

    return best


def by_search(E, A, alpha, B, beta, C):
    """Right, found by halving the slope of the loss in log N."""
    low, high = 1.0, C / 6
    for _ in range(200):
        N = math.sqrt(low * high)
        slope = -alpha * A * N**-alpha + beta * B * (C / 6 / N) ** -beta
        low, high = (low, N) if slope > 0 else (N, high)
    return [N, C / 6 / N]


def noise(true=lambda s, g, b, B: (B * g - b * s) / (B - b), turned=False, over=None, power=1):
    def scale(small, large, b, B):
        small, large = small**power, large**power
        S = (small - large) / (over(b, B) if over else 1 / b - 1 / B)
        found = S / true(small, large, b, B)
        return 1 / found if turned else found

    return scale


def rate(warm=375e6, low=0.1, end=260e9, stays=True, line=False):
    def part(tokens):
        if tokens < warm:
            return tokens / warm
        done = (tokens - warm) / (end - warm)
        done = min(1, done) if stays else done
        return low + (1 - low) * ((1 - done) if line else (1 + math.cos(math.pi * done)) / 2)

    return part


RIGHT = [
    ("12.1", counted()),
    ("12.2", by_hand),
    ("12.3", state()),
    ("12.4", split()),
    ("12.4", by_search),
    ("12.5", noise()),
    ("12.6", rate()),
]
WRONG = {
    "12.1": {
        "is counted by itself": counted(tables=2),
        "The position table is missing": counted(positions=0),
        "13 C a block": counted(block=lambda C: 12 * C * C),
        "two LayerNorms": counted(block=lambda C: 12 * C * C + 9 * C),
        "The last LayerNorm": counted(last=0),
        "It is 4 C": counted(block=lambda C: 6 * C * C + 13 * C),
    },
    "12.2": {
        "the pass forward alone": lambda N, D, k, p, u: 2 * N * D / (k * p * u * 86_400),
        "These are seconds": lambda N, D, k, p, u: 6 * N * D / (k * p * u),
        "These are hours": lambda N, D, k, p, u: 6 * N * D / (k * p * u * 3600),
        "No device reaches its peak": lambda N, D, k, p, u: 6 * N * D / (k * p * 86_400),
        "on one device": lambda N, D, k, p, u: 6 * N * D / (p * u * 86_400),
        "a lower one makes it longer": lambda N, D, k, p, u: 6 * N * D * u / (k * p * 86_400),
    },
    "12.3": {
        "Eight of the optimizer's 12": state(optimizer=8),
        "Everything is shared out": state(stages=(0, 0, 0)),
        "Nothing is shared out": state(stages=(9, 9, 9)),
        "one stage further": state(stages=(2, 1, 0)),
        "fp32 throughout": state(8, 4, 4),
    },
    "12.4": {
        "the other way round": split(swap=True),
        "so N D is C / 6": split(k=1),
        "This spends 2 N D": split(k=2),
        "N and D are made equal": lambda E, A, a, B, b, C: (math.sqrt(C / 6), math.sqrt(C / 6)),
        "The exponents are exchanged": split(turned=True),
    },
    "12.5": {
        "the noise S by itself": noise(true=lambda s, g, b, B: 1),
        "This is upside down": noise(turned=True),
        "stands for the true one": noise(true=lambda s, g, b, B: g),
        "squared again": noise(power=2),
        "divided by 1/b - 1/B": noise(over=lambda b, B: B - b),
    },
    "12.6": {
        "37.5 billion tokens here": rate(warm=37.5e9),
        "ends at a tenth": rate(low=0),
        "rises again": rate(stays=False),
        "It ends at 260": rate(end=300e9),
        "There is no warm-up": lambda tokens: rate()(max(tokens, 375e6)),
        "This is a line": rate(line=True),
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)


def test_counting_as_the_exercise_does_gives_gpt3s_sizes():
    """What the check says of its own answer: the eight sizes of the paper."""
    for name, c in PRESETS.items():
        if name.startswith("gpt3-"):
            found = counted()(c.vocab_size, c.n_ctx, c.n_layer, c.d_model)
            assert found == sum(parameter_counts(c).values())


def test_the_schedule_has_the_paper_s_values():
    """By hand, of the peak 6e-4: 3.0e-4 at 187.5M, 3.306e-4 at 130B, 6e-5 at the end."""
    found = [6e-4 * rate()(tokens) for tokens in (187.5e6, 130e9, 260e9, 300e9)]
    assert found == pytest.approx([3.0e-4, 3.306e-4, 6e-5, 6e-5], rel=1e-3)

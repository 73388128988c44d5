"""What this proves: labelers rank by worth, agree as often as set, and lean by their bias alone."""

import math

import pytest

from gptcore.tales.labelers import LONG, Labeler, agreement, liking, noise_for
from gptcore.tales.rng import Rng

REPLIES = ["one", "two words", "three words here", "and now four words"]
REWARDS = [0.5, 1.0, 0.0, 0.5]


def prompts(n: int, k: int = 4) -> tuple[list[str], list[list[str]], list[list[float]]]:
    rng = Rng(8)
    texts = [[f"reply {i} {j}" for j in range(k)] for i in range(n)]
    return [f"prompt {i}" for i in range(n)], texts, [[rng.random() for _ in t] for t in texts]


def ranked(labeler: Labeler, asked) -> list[list[int]]:
    return [labeler.rank(*row) for row in zip(*asked, strict=True)]


def test_without_noise_the_order_is_that_of_the_true_reward_and_equals_tie():
    assert Labeler().rank("p", REPLIES, REWARDS) == [1, 0, 2, 1]


def test_bias_adds_length_and_can_turn_the_order():
    # worth: 0.5 + 1/60, 1 + 2/60, 0 + 3/60, 0.5 + 4/60 with bias 1; with 60 it is 1.5, 3, 3, 4.5.
    assert Labeler(bias=1.0).rank("p", REPLIES, REWARDS) == [2, 0, 3, 1]
    assert Labeler(bias=60.0).rank("p", REPLIES, REWARDS) == [2, 1, 1, 0]
    assert Labeler(bias=-60.0).rank("p", REPLIES, REWARDS) == [0, 1, 2, 3]
    assert liking("a " * 30) == 0.5
    assert liking("a " * 2 * LONG) == 1.0


def test_what_is_nearly_equal_ties():
    assert Labeler(tie=0.2).rank("p", ["a", "b", "c"], [0.9, 1.0, 0.75]) == [0, 0, 1]
    noisy = Labeler(noise=5.0)
    assert noisy.rank("p", ["same", "same", "else"], [0.3, 0.3, 0.3])[:2] in ([0, 0], [1, 1])


def test_a_labeler_says_the_same_in_any_order():
    labeler = Labeler(noise=1.0, seed=4)
    forth = labeler.rank("p", REPLIES, REWARDS)
    back = labeler.rank("p", REPLIES[::-1], REWARDS[::-1])
    assert forth == back[::-1]
    others = {tuple(Labeler(noise=1.0, seed=s).rank("p", REPLIES, REWARDS)) for s in range(20)}
    assert len(others) > 3


def test_a_comparison_is_that_of_bradley_and_terry():
    """A gap of 0.4 at noise 0.5: sigmoid(0.8) = 0.6900; 4000 draws, standard error 0.0073."""
    wins = [
        Labeler(noise=0.5).rank(f"p{i}", ["first", "other"], [0.7, 0.3])[0] == 0
        for i in range(4000)
    ]
    assert abs(sum(wins) / len(wins) - 1 / (1 + math.exp(-0.8))) < 0.022


def test_noise_sets_how_often_two_labelers_agree():
    asked = prompts(1200)
    noise = noise_for(0.73, asked[2])
    one, other = (ranked(Labeler(noise=noise, seed=s), asked) for s in (1, 2))
    assert abs(agreement(one, other) - 0.73) < 0.03
    assert agreement(one, one) == 1.0
    less, more = (noise_for(t, asked[2]) for t in (0.85, 0.6))
    assert less < noise < more


def test_noise_of_one_pair_by_hand():
    """p² + (1-p)² = 0.68 at p = 0.8; sigmoid(x) = 0.8 at x = ln 4; a gap of 1 wants 1 / ln 4."""
    assert noise_for(0.68, [[0.0, 1.0]]) == pytest.approx(1 / math.log(4), rel=1e-4)


def test_agreement_counts_pairs_that_both_put_in_an_order():
    assert agreement([[0, 1, 2]], [[0, 2, 1]]) == pytest.approx(2 / 3)
    assert agreement([[0, 0, 1]], [[0, 1, 2]]) == 1.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Labeler(noise=-1.0), "noise=-1"),
        (lambda: Labeler(bias=math.nan), "bias=nan"),
        (lambda: Labeler(tie=math.inf), "tie=inf"),
        (lambda: Labeler().rank("p", ["a"], []), "1 replies have 0 rewards"),
        (lambda: Labeler().rank("p", ["a"], [math.nan]), "finite"),
        (lambda: agreement([[0, 0]], [[0, 1]]), "no pair"),
        (lambda: agreement([[0, 1]], [[0, 1, 2]]), "2 ranks against 3"),
        (lambda: noise_for(0.5, [[0.0, 1.0]]), "target=0.5"),
        (lambda: noise_for(0.9, [[1.0, 1.0]]), "target=0.9"),
        (lambda: noise_for(0.9, [[1.0]]), "two replies"),
    ],
)
def test_what_cannot_be_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

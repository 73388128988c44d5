"""PPO's formulas against numbers worked out by hand, and what each of them must never do."""

import math

import pytest
import torch
from torch.testing import assert_close

from gptcore.train.ppo_parts import (
    entropy,
    gae,
    group_advantages,
    kl_estimate,
    log_probs,
    masked_mean,
    next_beta,
    policy_loss,
    rate,
    token_rewards,
    value_loss,
    whiten,
)

MASK = torch.tensor([[True, True, True], [True, False, False]])


def t(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def test_log_probabilities_are_those_at_the_sampling_temperature():
    """Logits log 1, log 2, log 5 are 1/8, 2/8, 5/8; at temperature 1/2 squares: 1, 4, 25 of 30."""
    logits = t([math.log(1), math.log(2), math.log(5)]).expand(1, 2, 3)
    tokens = torch.tensor([[1, 2]])
    assert_close(log_probs(logits, tokens), t([math.log(2 / 8), math.log(5 / 8)]).view(1, 2))
    colder = log_probs(logits, tokens, 0.5)
    assert_close(colder, t([math.log(4 / 30), math.log(25 / 30)]).view(1, 2))


def test_entropy_by_hand_and_of_a_certain_token():
    """1/4 and 3/4: ¼ log 4 + ¾ log 4/3 = 0.562335; a token that is certain has none, no NaN."""
    logits = t([0.0, math.log(3)], [0.0, 1e5])
    assert_close(entropy(logits), t(0.5623351446, 0.0))
    # at temperature 1/2 the odds are 1 to 9: 0.1 log 10 + 0.9 log 10/9
    assert_close(entropy(logits[0], 0.5), t(0.3250829734)[0])


def test_kl_estimators_by_hand():
    """p = 0.5, p_ref = 0.25: log r = -log 2; k1 = 0.6931, k2 = 0.2402, k3 = 0.5 - 1 + 0.6931."""
    p, ref = t(0.5).log(), t(0.25).log()
    assert_close(kl_estimate(p, ref), t(0.6931471806))
    assert_close(kl_estimate(p, ref, "k2"), t(0.2402265070))
    assert_close(kl_estimate(p, ref, "k3"), t(0.1931471806))
    with pytest.raises(ValueError, match="kind='k4' must be one of k1, k2, k3"):
        kl_estimate(p, ref, "k4")


def test_k1_and_k3_have_the_mean_that_the_divergence_is():
    """Σ p k over all tokens of (.5, .3, .2) against (.2, .3, .5) is 0.3 log 2.5 = 0.274887."""
    p, ref = t(0.5, 0.3, 0.2), t(0.2, 0.3, 0.5)
    for kind in ("k1", "k3"):
        assert_close((p * kl_estimate(p.log(), ref.log(), kind)).sum(), t(0.2748872196)[0])


def test_k3_keeps_its_digits_where_two_policies_are_nearly_one():
    """For log r = x = 1e-3 it is x²/2 + x³/6 = 5.001667e-7; exp(x) - 1 - x in fp32 is not."""
    small = torch.tensor(1e-3)
    found = kl_estimate(torch.tensor(0.0), small, "k3")
    assert_close(found, torch.tensor(5.0016671e-7), rtol=1e-3, atol=0.0)
    assert abs(small.exp() - 1 - small - 5.0016671e-7) > 1e-8  # what expm1 is for


def test_rewards_are_the_price_of_the_kl_and_the_score_on_the_last_token():
    """β = 0.5; of the second response only one token is real, and it is its last."""
    log_p = t([-1.0, -2.0, -3.0], [-1.0, -9.0, -9.0])
    ref = t([-2.0, -2.0, -1.0], [-3.0, 5.0, 5.0])
    found = token_rewards(log_p, ref, t(10.0, 20.0), MASK, 0.5)
    assert_close(found, t([-0.5, 0.0, 11.0], [19.0, 0.0, 0.0]))
    whole = t(10.0, 20.0) - 0.5 * torch.where(MASK, log_p - ref, 0.0).sum(1)
    assert_close(found.sum(1), whole)  # equation 2's first term


def test_a_kl_with_the_wrong_sign_is_caught():
    """Of two responses with one score, the one nearer to the reference must earn more."""
    ref = t([-1.0], [-1.0])
    found = token_rewards(t([-1.0], [-0.1]), ref, t(0.0, 0.0), MASK[:, :1], 0.1)
    assert found[0, 0] > found[1, 0]
    assert found[1, 0] < 0


def test_advantages_by_hand():
    """γ = 1, λ = ½: δ = -0.5, 1.0, 1.5 from the front; then A = 1.5, 1 + .75, -.5 + .875."""
    rewards, values = t([0.0, 1.0, 2.0], [3.0, 7.0, 7.0]), t([1.0, 0.5, 0.5], [1.0, 9.0, 9.0])
    found = gae(rewards, values, MASK, lam=0.5)
    assert_close(found, t([0.375, 1.75, 1.5], [2.0, 0.0, 0.0]))
    # γ = ½ too: δ = 0 + .25 - 1, 1 + .25 - .5, 2 - .5; A = 1.5, .75 + .375, -.75 + .28125
    found = gae(rewards, values, MASK, lam=0.5, gamma=0.5)
    assert_close(found[0], t(-0.46875, 1.125, 1.5))


def test_with_lambda_1_returns_are_what_was_earned_from_there_on():
    """So neither rewards nor values of places without a token reach a token."""
    rewards, values = t([1.0, 2.0, 4.0], [8.0, 99.0, 99.0]), t([5.0, -3.0, 2.0], [1.0, 99.0, 99.0])
    found = gae(rewards, values, MASK, lam=1.0) + values
    assert_close(found[MASK], t(7.0, 6.0, 4.0, 8.0))


def test_group_advantages_by_hand_and_of_a_group_without_spread():
    """1 and 3: mean 2, deviation 1. Of equal scores, also those that fp32 cannot add up, all 0."""
    found = group_advantages(t(1.0, 3.0, 0.1, 0.1), 2)
    assert_close(found, t(-1.0, 1.0, 0.0, 0.0), atol=1e-6, rtol=0.0)
    thirds = torch.full((7,), 0.1)
    assert torch.equal(group_advantages(thirds, 7), torch.zeros(7))
    with pytest.raises(ValueError, match="n=3 must be at least 2 and divide the 7 scores"):
        group_advantages(thirds, 3)


def test_whitening_by_hand_with_and_without_the_mean():
    """1, 3, 5, 7 have mean 4 and variance 5, divided by four; the fillers are no part of them."""
    x, mask = t([1.0, 3.0, 5.0], [7.0, 99.0, 99.0]), MASK
    found = whiten(x, mask)
    assert_close(found[mask], t(-3.0, -1.0, 1.0, 3.0) / math.sqrt(5))
    kept = whiten(x, mask, shift_mean=False)
    assert_close(kept[mask], t(-3.0, -1.0, 1.0, 3.0) / math.sqrt(5) + 4)
    assert torch.equal(found[~mask], torch.zeros(2, dtype=torch.float64))
    assert torch.equal(kept[~mask], torch.zeros(2, dtype=torch.float64))


def test_equal_numbers_whiten_to_nothing():
    assert torch.equal(whiten(torch.full((2, 3), 2.5), MASK), torch.zeros(2, 3))
    assert_close(
        whiten(torch.full((2, 3), 2.5), MASK, shift_mean=False)[MASK], torch.full((4,), 2.5)
    )


def test_the_clipped_policy_loss_by_hand():
    """Ratios 1.5, 1.5, 0.5, 0.5; advantages 1, -1, 1, -1; ε = 0.2.

    max(-1.5, -1.2), max(1.5, 1.2), max(-0.5, -0.8), max(0.5, 0.8): -1.2 + 1.5 - 0.5 + 0.8 = 0.6.
    """
    ratios, advantages = t(1.5, 1.5, 0.5, 0.5), t(1.0, -1.0, 1.0, -1.0)
    loss, cut = policy_loss(ratios.log(), t(0.0, 0.0, 0.0, 0.0), advantages)
    assert_close(loss, t(0.15)[0])
    assert_close(cut, t(0.5)[0])  # the first and the last are cut
    loss, _ = policy_loss(ratios.log(), t(0.0, 0.0, 0.0, 0.0), advantages, mask=ratios > 1)
    assert_close(loss, t(0.15)[0])  # (-1.2 + 1.5) / 2


def test_the_gradient_goes_up_where_the_advantage_is_and_stops_at_the_clip():
    """At ratio 1 the gradient of the loss is -A / n; beyond the clip 0, but of a bad token not."""
    log_p = torch.zeros(2, requires_grad=True)
    policy_loss(log_p, torch.zeros(2), torch.tensor([2.0, -4.0]))[0].backward()
    assert_close(log_p.grad, torch.tensor([-1.0, 2.0]))
    log_p = torch.full((2,), 0.5, requires_grad=True)
    policy_loss(log_p, torch.zeros(2), torch.tensor([1.0, -1.0]))[0].backward()
    assert_close(log_p.grad, torch.tensor([0.0, math.exp(0.5) / 2]))


def test_what_drew_the_tokens_gets_no_gradient():
    """A ratio of the policy to itself is 1 everywhere; only with the old one held does it teach."""
    log_p = torch.zeros(2, requires_grad=True)
    policy_loss(log_p, log_p, torch.tensor([1.0, 2.0]))[0].backward()
    assert_close(log_p.grad, torch.tensor([-0.5, -1.0]))


def test_the_clipped_value_loss_by_hand():
    """V = 2, 0.1; V_old = 0; R = 1: max(1, 0.8²) = 1 and max(0.81, 0.81); half of the mean."""
    found = value_loss(t(2.0, 0.1), t(0.0, 0.0), t(1.0, 1.0))
    assert_close(found, t(0.4525)[0])
    # V = 1.0 has arrived, but from 0 it may only count as 0.2: 0.64, without a clip nothing
    assert_close(value_loss(t(1.0), t(0.0), t(1.0)), t(0.32)[0])
    assert_close(value_loss(t(1.0), t(0.0), t(1.0), clip=None), t(0.0)[0])
    masked = value_loss(t(2.0, 9.0), t(0.0, 0.0), t(1.0, 1.0), mask=torch.tensor([True, False]))
    assert_close(masked, t(0.5)[0])


def test_the_controller_by_hand():
    """Twice the target is cut to 20 %: 0.1 (1 + 0.2 · 500 / 1000); 10 % below counts in full."""
    assert next_beta(0.1, 12.0, 500, 6.0, 1000) == pytest.approx(0.11)
    assert next_beta(0.1, 0.0, 500, 6.0, 1000) == pytest.approx(0.09)
    assert next_beta(0.1, 5.4, 500, 6.0, 1000) == pytest.approx(0.095)
    assert next_beta(0.1, 99.0, 500, None, 1000) == 0.1


def test_the_rate_rises_from_a_tenth():
    assert [rate(1.0, i, 10) for i in (0, 5, 10, 99)] == pytest.approx([0.1, 0.55, 1.0, 1.0])
    assert rate(2.0, 0, 0) == 2.0


def test_a_mean_of_nothing_is_nothing():
    assert masked_mean(torch.ones(2), torch.zeros(2, dtype=torch.bool)) == 0

"""Chapter 15's checks: the right answer passes, and usual mistakes are told apart by their cause.

The wrong answers are written as readers write them, and not as the checks imagine them.
"""

import pytest
import torch

from gptcore.exercises import check
from gptcore.exercises.ppo import EXERCISES
from gptcore.exercises.result import DONE, NOT_WRITTEN, NOT_YET

# 15.1


def paid(log_p, ref, scores, mask, beta):
    out = (ref - log_p) * beta
    for row, keep in enumerate(mask):
        n = int(keep.sum())
        out[row, n:] = 0
        out[row, n - 1] += scores[row]
    return out


def paid_going_away(log_p, ref, scores, mask, beta):
    out = beta * (log_p - ref) * mask
    out[torch.arange(len(out)), mask.sum(1) - 1] += scores
    return out


def paid_in_last_column(log_p, ref, scores, mask, beta):
    out = -beta * (log_p - ref) * mask
    out[:, -1] = out[:, -1] + scores
    return out


def paid_fillers(log_p, ref, scores, mask, beta):
    out = -beta * (log_p - ref)
    out[torch.arange(len(out)), mask.sum(1) - 1] += scores
    return out


def two_of_them(log_p, ref, scores, mask, beta):
    out = -beta * (log_p - ref)
    out[:, -1] += scores
    return out


def paid_everywhere(log_p, ref, scores, mask, beta):
    return (-beta * (log_p - ref) + scores[:, None]) * mask


def paid_by_place(log_p, ref, scores, mask, beta):
    out = -beta * (log_p - ref) * mask
    out[0, 2] += scores[0]
    out[1, 1] += scores[1]
    return out


# 15.2


def earned(rewards, values, gamma, lam):
    deltas = rewards + gamma * torch.cat([values[1:], torch.zeros(1)]) - values
    n = len(rewards)
    each = [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]
    return torch.stack(each), torch.stack(each) + values


def monte_carlo(rewards, values, gamma, lam):
    """Returns that add up rewards, and advantages that are right."""
    each, _ = earned(rewards, values, gamma, lam)
    to_go = [sum(gamma**k * r for k, r in enumerate(rewards[t:])) for t in range(len(rewards))]
    return each, torch.stack(to_go)


def without_baseline(rewards, values, gamma, lam):
    adv, last = torch.zeros_like(rewards), 0
    for t in range(len(rewards) - 1, -1, -1):
        after = values[t + 1] if t < len(rewards) - 1 else 0
        last = rewards[t] + gamma * after + gamma * lam * last
        adv[t] = last
    return adv, adv + values


def looks_behind(rewards, values, gamma, lam):
    adv, last = torch.zeros_like(rewards), 0
    padded = torch.cat([values, values[-1:]])
    for t in reversed(range(len(rewards))):
        last = rewards[t] + gamma * padded[t + 1] - padded[t] + gamma * lam * last
        adv[t] = last
    return adv, adv + values


def without_gamma(rewards, values, gamma, lam):
    return earned(rewards, values, 1.0, lam)


# 15.3


def ppo_loss(log_p, old, advantages, mask, clip):
    rho = torch.exp(log_p - old)
    loss = torch.max(-advantages * rho, -advantages * torch.clamp(rho, 1 - clip, 1 + clip))
    return (loss * mask).sum() / mask.sum()


def climbs(log_p, old, advantages, mask, clip):
    return -ppo_loss(log_p, old, advantages, mask, clip)


def takes_the_larger(log_p, old, advantages, mask, clip):
    rho = torch.exp(log_p - old)
    return -torch.max(advantages * rho, advantages * rho.clamp(1 - clip, 1 + clip))[mask].mean()


def over_fillers(log_p, old, advantages, mask, clip):
    return ppo_loss(log_p, old, advantages, torch.ones_like(mask), clip)


def turned_ratio(log_p, old, advantages, mask, clip):
    return ppo_loss(old, log_p, advantages, mask, clip)


def divides_by_all(log_p, old, advantages, mask, clip):
    rho = torch.exp(log_p - old)
    loss = torch.max(-advantages * rho, -advantages * torch.clamp(rho, 1 - clip, 1 + clip))
    return (loss * mask).mean()


# 15.4


def white(x, mask):
    n = mask.sum()
    mean = (x * mask).sum() / n
    variance = ((x - mean) ** 2 * mask).sum() / n
    return (x - mean) / torch.sqrt(variance + 1e-8) * mask


def white_over_all(x, mask):
    return (x - x.mean()) / x.std(unbiased=False) * mask


def mean_over_all(x, mask):
    return (x - x.mean()) / x[mask].std(unbiased=False) * mask


def torch_std(x, mask):
    return (x - x[mask].mean()) / x[mask].std() * mask


def fillers_left(x, mask):
    return (x - x[mask].mean()) / x[mask].std(unbiased=False)


RIGHT = [("15.1", paid), ("15.2", earned), ("15.3", ppo_loss), ("15.4", white)]
WRONG = [
    ("15.1", paid_going_away, "wrong sign"),
    ("15.1", paid_in_last_column, "in the last column"),
    ("15.1", paid_fillers, "it earns 0"),
    ("15.1", two_of_them, "And that is not all: look at what stands behind a response"),
    ("15.1", paid_everywhere, "paid once, for the whole response"),
    ("15.1", paid_by_place, "differ"),
    ("15.2", monte_carlo, "The returns add up rewards alone"),
    ("15.2", without_baseline, "is not taken off"),
    ("15.2", looks_behind, "Behind the last token stands a value"),
    ("15.2", without_gamma, "γ is missing"),
    ("15.3", climbs, "The sign is missing"),
    ("15.3", takes_the_larger, "the larger is taken"),
    ("15.3", over_fillers, "Fillers are counted"),
    ("15.3", turned_ratio, "turned round"),
    ("15.3", divides_by_all, "A filler counts as a token"),
    ("15.4", white_over_all, "The mean counts fillers"),
    ("15.4", white_over_all, "look at the spread"),
    ("15.4", mean_over_all, "The mean counts fillers"),
    ("15.4", torch_std, "divided by n - 1"),
    ("15.4", fillers_left, "it stays 0"),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers_pass(number, answer):
    """Written otherwise than the published solutions."""
    result = check(number, answer)
    assert result.verdict == DONE, result.message


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_mistakes_are_named(number, answer, cause):
    """The diagnosis is that of the mistake that was made."""
    result = check(number, answer)
    assert result.verdict == NOT_YET
    if cause != "differ":
        assert cause in result.message, result.message


def planted_rewards(log_p, ref, scores, mask, beta):
    found = -beta * (ref - log_p)
    found[:, -1] += scores
    return found


def test_as_published_nothing_is_repaired():
    """All planted bugs together are the stub, and no mistake of the reader's."""
    result = check("15.1", planted_rewards)
    assert result.verdict == NOT_WRITTEN and "all three bugs" in result.message


def test_the_expected_values_are_those_of_the_chapter():
    """Worked by hand: the rewards, advantages and loss of the step in section 1."""
    log_p, ref = torch.tensor([[-1.0, -0.5, -0.3, -0.2]]), torch.tensor([[-1.2, -0.3, -0.7, -0.4]])
    whole = torch.ones(1, 4, dtype=torch.bool)
    rewards = paid(log_p, ref, torch.tensor([1.0]), whole, 0.5)[0]
    assert rewards.tolist() == pytest.approx([-0.1, 0.1, -0.2, 0.9])
    advantages, returns = earned(rewards, torch.tensor([0.55, 0.4, 0.65, 0.6]), 1.0, 0.5)
    assert advantages.tolist() == pytest.approx([-0.1, 0.3, -0.1, 0.3], abs=1e-6)
    assert returns.tolist() == pytest.approx([0.45, 0.7, 0.55, 0.9], abs=1e-6)
    gain = white(advantages[None], whole)
    assert gain[0].tolist() == pytest.approx([-1, 1, -1, 1], abs=1e-4)
    new = log_p + torch.tensor([[1.1, 1.3, 0.7, 0.9]]).log()
    assert ppo_loss(new, log_p, gain, whole, 0.2).item() == pytest.approx(-0.05, abs=1e-4)


def test_there_are_four():
    """In their order."""
    assert [one.number for one in EXERCISES] == ["15.1", "15.2", "15.3", "15.4"]

"""PPO learns what it is told, from what it has just done, and nothing else.

The policy is a network of two layers that says bytes at random; the reward counts a letter.
"""

import copy
import math
from dataclasses import replace

import pytest
import torch
from small_models import same_weights
from small_policies import CONFIG, ONCE, PROMPTS, nothing, policy, run, text
from small_tasks import LETTERS, weights
from torch.testing import assert_close

from gptcore.heads.value import Value
from gptcore.sampling.rollouts import rollout
from gptcore.train.ppo_state import Participants

# ---------------------------------------------------------------- the first step


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_at_the_first_step_the_policy_is_its_reference_and_the_ratio_is_1(dropout):
    """So KL is 0, nothing is clipped, and with whitened advantages the mean of -A ρ is 0; dropout
    in the policy or a probability at another temperature would show."""
    _, (step,) = run(policy(dropout=dropout).train(), config=replace(ONCE, temperature=0.7))
    assert abs(step.kl) < 1e-4 and 0 <= step.kl_k3 < 1e-6
    assert step.clip_fraction == 0
    assert abs(step.loss) < 1e-5
    assert 0 < step.unstopped < 1 and 1 < step.length < 8


def test_the_first_update_is_that_of_the_equations_written_out(monkeypatch):
    """The oracle goes through the responses one by one, token by token, without padding."""
    kept = {}

    def keep(self, name, longest):
        model = getattr(self, name)
        kept[name] = {n: p.grad.clone() for n, p in model.named_parameters()}
        model.zero_grad(set_to_none=True)
        return torch.tensor(0.0)

    monkeypatch.setattr(Participants, "move", keep)
    model, reference, shown = policy(), policy(1), []
    value = Value.begun_as(policy(2))
    with torch.no_grad():
        value.score.weight.normal_(generator=torch.Generator().manual_seed(0)).mul_(0.2)
    config = replace(ONCE, beta=0.3, batch_size=6, temperature=0.8, lam=0.9, gamma=0.99)
    options = {"value": value, "reference": reference}
    monkeypatch.setattr("gptcore.train.ppo.rollout", spy(shown))
    run(model, config=config, **options)
    policy_loss, value_loss = written_out(model, reference, value, shown[0], config)
    grads = torch.autograd.grad(policy_loss, list(model.parameters()))
    for (name, found), grad in zip(kept["policy"].items(), grads, strict=True):
        assert_close(found, grad, atol=1e-5, rtol=1e-3, msg=name)
    grads = torch.autograd.grad(value_loss, list(value.parameters()))
    for (name, found), grad in zip(kept["value"].items(), grads, strict=True):
        assert_close(found, grad, atol=1e-5, rtol=1e-3, msg=name)


def spy(shown):
    """`rollout`, its results kept."""

    def spying(*args, **options):
        shown.append(rollout(*args, **options))
        return shown[-1]

    return spying


def written_out(model, reference, value, rows, config):
    """Both losses of InstructGPT's first update, from its equations."""
    texts = rows.texts(LETTERS)
    log_ps, values, advantages, returns = [], [], [], []
    for ids, start, n, said_text in zip(rows.ids, rows.starts, rows.lengths, texts, strict=True):
        row, at = ids[None, : start + n], range(int(start), int(start + n))
        said = [(m(row)[0] / config.temperature).log_softmax(-1) for m in (model, reference)]
        mine, theirs = ([x[t - 1, row[0, t]] for t in at] for x in said)
        v = [value.score(value.gpt.hidden(row))[0, t - 1, 0] for t in at]
        r = [-config.beta * (a - b).item() for a, b in zip(mine, theirs, strict=True)]
        r[-1] += said_text.count("a") / 4
        n = len(r)
        ahead = [*(x.item() for x in v[1:]), 0.0]
        delta = [r[t] + config.gamma * ahead[t] - v[t].item() for t in range(n)]
        decay = config.gamma * config.lam
        a = [sum(decay ** (k - t) * delta[k] for k in range(t, n)) for t in range(n)]
        advantages += a
        returns += [x + y.item() for x, y in zip(a, v, strict=True)]
        log_ps += mine
        values += v
    a = torch.tensor(advantages)
    a = (a - a.mean()) / (a.var(correction=0) + 1e-8).sqrt()
    log_p, v, returns = torch.stack(log_ps), torch.stack(values), torch.tensor(returns)
    loss = -(a * (log_p - log_p.detach()).exp()).mean()
    return loss, 0.5 * (v - returns).square().mean()


def test_the_first_update_of_grpo_is_that_of_its_equations(monkeypatch):
    """Equation 3 of Shao et al.: the mean over responses of the mean over their tokens, with β
    times k3 inside; advantages are those within each prompt's four."""
    kept = {}

    def keep(self, name, longest):
        kept[name] = {n: p.grad.clone() for n, p in self.policy.named_parameters()}
        self.policy.zero_grad(set_to_none=True)
        return torch.tensor(0.0)

    monkeypatch.setattr(Participants, "move", keep)
    model, reference, shown = policy(), policy(1), []
    monkeypatch.setattr("gptcore.train.ppo.rollout", spy(shown))
    config = replace(ONCE, beta=0.3, batch_size=3, n_samples=4, advantage="group")
    run(model, lambda p, r: [float(len(x)) for x in r], config, reference=reference)
    (rows,) = shown
    scores = [float(len(text)) for text in rows.texts(LETTERS)]
    total = 0.0
    for i, (ids, start, n) in enumerate(zip(rows.ids, rows.starts, rows.lengths, strict=True)):
        group = torch.tensor(scores[i // 4 * 4 : i // 4 * 4 + 4])
        spread = group.std(correction=0)
        a = (scores[i] - group.mean()) / spread if spread > 0 else 0.0
        row, at = ids[None, : start + n], range(int(start), int(start + n))
        mine, theirs = (m(row)[0].log_softmax(-1) for m in (model, reference))
        terms = []
        for t in at:
            log_p, ref = mine[t - 1, row[0, t]], theirs[t - 1, row[0, t]].detach()
            k3 = (ref - log_p).exp() - 1 - (ref - log_p)
            terms.append(-a * (log_p - log_p.detach()).exp() + 0.3 * k3)
        total = total + torch.stack(terms).mean() / 12
    grads = torch.autograd.grad(total, list(model.parameters()))
    assert len(set(rows.lengths.tolist())) > 1 and len(set(scores)) > 1
    for (name, found), grad in zip(kept["policy"].items(), grads, strict=True):
        assert_close(found, grad, atol=1e-5, rtol=1e-3, msg=name)


# ---------------------------------------------------------------- it learns


@pytest.mark.parametrize(
    "changes",
    [{}, {"advantage": "group", "batch_size": 8, "n_samples": 4}, {"epochs": 4, "steps": 20}],
    ids=["ppo", "grpo", "four epochs"],
)
def test_a_policy_learns_a_reward_that_it_can_reach(changes):
    """Twice the letters within seconds; and it has moved away from where it was."""
    _, steps = run(config=replace(CONFIG, **changes))
    first, last = (sum(s.reward for s in part) / 5 for part in (steps[:5], steps[-5:]))
    assert last > 2 * first
    assert steps[-1].kl > 0.5 and steps[-1].entropy < steps[0].entropy
    assert all(math.isfinite(x) for s in steps for x in (s.loss, s.value_error, s.grad_norm))


def test_with_a_price_too_high_it_stays_where_it_was():
    """The negative control: the same reward, a nat costing 100 times all that can be earned."""
    _, steps = run(config=replace(CONFIG, beta=200.0))
    assert max(abs(s.kl) for s in steps) < 0.5


@pytest.mark.parametrize(
    "changes", [{"batch_size": 128}, {"advantage": "group", "batch_size": 32, "n_samples": 4}]
)
def test_nothing_to_earn_and_a_price_brings_it_back_to_the_reference(changes):
    """A policy that stands elsewhere: with the sign of the KL turned it would go further away."""
    reference = policy()
    model = copy.deepcopy(reference)
    with torch.no_grad():
        model.ln_f.bias.add_(model.wte.weight[64] * 200)
    config = replace(CONFIG, beta=1.0, steps=8, **changes)
    _, steps = run(model, nothing, config, reference=reference)
    assert steps[0].kl > 0.4
    assert steps[-1].kl_k3 < 0.5 * steps[0].kl_k3


@pytest.mark.parametrize("changes", [{}, {"advantage": "group", "batch_size": 8, "n_samples": 4}])
def test_equal_scores_teach_nothing(changes):
    """A batch without variance: every advantage is 0, not NaN, and the weights stay."""
    model = policy()
    before = weights(model)
    config = replace(ONCE, beta=0.0, **changes)
    _, (step,) = run(model, nothing, config)
    assert step.grad_norm == 0 and step.loss == 0
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())


def test_the_reference_stays_and_the_value_function_learns():
    model, reference = policy(), policy()
    value = Value.begun_as(policy())
    _, steps = run(model, reference=reference, value=value)
    assert same_weights(reference, policy()) and not same_weights(model, reference)
    assert value.score.weight.abs().sum() > 0
    assert steps[0].value_error > 0


def test_the_value_function_begins_as_a_reward_model():
    """Anything with a body and one number on it; it is copied."""

    class Reward(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gpt, self.score = policy(3), torch.nn.Linear(32, 1)

    given = Reward()
    found = Value.begun_as(given)
    assert same_weights(found.gpt, given.gpt) and found.gpt is not given.gpt
    assert torch.equal(found.score.weight, given.score.weight)
    assert torch.equal(found.score.bias, given.score.bias)
    with pytest.raises(TypeError, match="value is a Linear: what a value function can begin as"):
        Value.begun_as(torch.nn.Linear(3, 1))


def test_what_has_no_stop_token_gets_the_score_it_is_given():
    """All 8 tokens long or stopped: 1 is replaced by -3 for the first, and the rest is counted."""
    _, (step,) = run(reward=lambda p, r: [1.0] * len(r), config=replace(ONCE, unstopped=-3.0))
    assert 0 < step.unstopped < 1
    assert step.reward == pytest.approx(1 - 4 * step.unstopped)


def test_the_true_reward_is_told_and_never_learned_from():
    shown = []
    options = {"true_reward": lambda p, r: [float(len(x)) for x in r]}
    one, steps = run(**options, seen=lambda *args: shown.append(args))
    other, _ = run()
    assert same_weights(one, other)
    number, prompts, responses, scores = shown[4]
    assert number == 5 and len(prompts) == len(responses) == len(scores) == 32
    assert set(prompts) == set(PROMPTS)
    assert steps[4].true_reward == pytest.approx(sum(map(len, responses)) / 32)
    assert steps[4].reward == pytest.approx(float(scores.mean()))


def test_each_prompt_is_asked_once_before_any_is_asked_again():
    shown = []
    config = replace(CONFIG, steps=5, batch_size=2, n_samples=2)
    run(config=config, seen=lambda step, prompts, *_: shown.extend(prompts[::2]))
    assert sorted(shown[:5]) == sorted(shown[5:]) == sorted(PROMPTS)
    assert shown[:5] != shown[5:]


def test_the_controller_moves_the_price():
    _, steps = run(config=replace(CONFIG, steps=3, kl_target=50.0, kl_horizon=320))
    assert [s.beta for s in steps] == pytest.approx([0.01, 0.0098, 0.009604])  # far below: -2 %


def test_the_average_follows_the_policy():
    """After one iteration from w to v it is 0.75 w + 0.25 v."""
    model, average = policy(), policy()
    before = weights(model)
    run(model, config=replace(ONCE, ema=0.75), average=average)
    for name, p in average.state_dict().items():
        now = model.state_dict()[name]
        assert_close(p, 0.75 * before[name] + 0.25 * now, atol=1e-6, rtol=1e-5)


def test_pretraining_text_is_learned_beside_the_reward():
    """With nothing to earn, γ alone makes the text likelier."""
    _, steps = run(reward=nothing, config=replace(CONFIG, ptx=1.0, steps=20), text=text())
    assert steps[-1].ptx_loss < steps[0].ptx_loss - 1
    _, steps = run(config=replace(CONFIG, steps=1))
    assert steps[0].ptx_loss is None

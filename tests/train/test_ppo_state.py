"""A run of PPO can be stopped and resumed, and what it cannot learn from is named."""

import math
from dataclasses import replace

import pytest
import torch
from small_models import same_weights
from small_policies import CONFIG, ONCE, PROMPTS, count_a, policy, run, text
from small_tasks import LETTERS

from gptcore.train import ppo_state
from gptcore.train.loop import Diverged, has_run
from gptcore.train.ppo import ppo
from gptcore.train.ppo_config import RECIPES, PPOConfig
from gptcore.train.ppo_state import Participants
from gptcore.train.processes import World

# ---------------------------------------------------------------- it can be stopped and resumed

EVERYTHING = replace(CONFIG, steps=20, ema=0.9, ptx=0.5, kl_target=0.5, kl_horizon=500, epochs=2)


def whole_run(model, average, **options):
    options = {"average": average, "text": text(), **options}
    return ppo(model, LETTERS, PROMPTS, count_a, EVERYTHING, **options)


def told(step):
    """A record without the times in it."""
    return [x for name, x in vars(step).items() if not name.endswith("per_s")]


def test_ten_iterations_and_ten_more_are_twenty(tmp_path):
    """Left after ten, begun again in new objects: every number and every weight to the last bit."""
    whole, average = policy(), policy()
    expected = [told(step) for step in whole_run(whole, average)]
    options = {"checkpoint_dir": tmp_path}
    first = []
    for step in whole_run(policy(), policy(), **options):
        first.append(told(step))
        torch.rand(3)
        if step.step == 10:
            break
    model, mean = policy(), policy()
    rest = [told(step) for step in whole_run(model, mean, resume=True, **options)]
    assert first + rest == expected
    assert same_weights(model, whole) and same_weights(mean, average)
    assert [told(s) for s in whole_run(policy(), policy(), resume=True, **options)] == []


def test_a_kill_goes_back_to_the_last_save(tmp_path, monkeypatch):
    expected = [told(step) for step in whole_run(policy(), policy())]
    options = {"checkpoint_dir": tmp_path, "save_every": 4}
    steps = whole_run(policy(), policy(), **options)
    for _ in range(10):
        next(steps)
    with monkeypatch.context() as patch:
        patch.setattr(Participants, "save", lambda self: None)
        steps.close()
    rest = [told(step) for step in whole_run(policy(), policy(), resume=True, **options)]
    assert rest == expected[8:]


def test_a_run_is_resumed_as_it_was_begun_and_may_be_longer(tmp_path):
    short = replace(CONFIG, steps=2)
    run(config=short, checkpoint_dir=tmp_path)
    again = {"checkpoint_dir": tmp_path, "resume": True}
    _, steps = run(config=replace(short, steps=3), **again)
    assert [s.step for s in steps] == [3]
    for model, config, what in (
        (policy(), replace(CONFIG, beta=0.5), "with ppo.beta=0.01, now ppo.beta=0.5"),
        (policy(1), CONFIG, "with reference_sha256="),
    ):
        with pytest.raises(ValueError, match=what):
            run(model, config=config, **again)
    with pytest.raises(ValueError, match="at step 3, past steps=2"):
        run(config=short, **again)
    with pytest.raises(ValueError, match="save_every=5, resume=False need a checkpoint_dir"):
        run(save_every=5)


# ---------------------------------------------------------------- what cannot be learned from


@pytest.mark.parametrize(
    ("reward", "error", "what"),
    [
        (lambda p, r: [math.nan, *[1.0] * 31], ValueError, "reward scores 1 of 32 .*; nan for '"),
        (lambda p, r: [1.0, math.inf] * 16, ValueError, "reward scores 16 of 32 .*; inf for '"),
        (lambda p, r: [1.0], ValueError, r"scores of shape \(1,\) for 32 responses"),
        (lambda p, r: torch.ones(32, 1), ValueError, r"scores of shape \(32, 1\) for 32"),
        (lambda p, r: None, TypeError, "reward returned NoneType, not a score of each"),
        (lambda p, r: ["good"] * 32, TypeError, "reward returned list, not a score of each"),
    ],
)
def test_a_score_that_is_none_is_named_with_its_response(reward, error, what, tmp_path):
    with pytest.raises(error, match=what):
        run(reward=reward, checkpoint_dir=tmp_path)
    assert not has_run(tmp_path)  # an iteration that failed is not saved


def test_a_run_that_diverges_says_so_and_is_not_saved(tmp_path):
    """Scores of which the variance is beyond fp32, though each is a number."""
    with pytest.raises(Diverged, match=r"at step 1: training diverged. Try.*lr < 0.003"):
        run(reward=lambda p, r: [3e38, -3e38] * 16, checkpoint_dir=tmp_path)
    assert not has_run(tmp_path)


def test_prompts_that_leave_no_room_are_left_out_and_counted():
    shown, long = [], "too long a prompt"  # 17 tokens and 2; 24 - 8 = 16 is the longest
    with pytest.warns(UserWarning, match="1 of 3 prompts have more than 16 tokens, n_ctx=24 less"):
        steps = ppo(
            policy(), LETTERS, ["a", long, "b"], count_a, ONCE, seen=lambda *x: shown.append(x)
        )
    list(steps)
    assert set(shown[0][1]) == {"a", "b"}
    with pytest.raises(ValueError, match="none of 1 prompts leaves room.*the longest has 19"):
        ppo(policy(), LETTERS, [long], count_a, ONCE)
    with pytest.raises(ValueError, match="none of 0 prompts leaves room"):
        ppo(policy(), LETTERS, [], count_a, ONCE)
    with pytest.raises(ValueError, match=r"prompts\[1\]: prompt='' is empty"):
        ppo(policy(), LETTERS, ["a", ""], count_a, ONCE)
    with pytest.raises(TypeError, match=r"prompts\[1\]=7 must be a text, or a list of turns"):
        ppo(policy(), LETTERS, ["a", 7], count_a, ONCE)
    with pytest.raises(TypeError, match="prompts='a' must be a list of prompts"):
        ppo(policy(), LETTERS, "a", count_a, ONCE)


@pytest.mark.parametrize(
    ("changes", "options", "what"),
    [
        ({"ptx": 1.0}, {}, "ptx=1.0 needs text"),
        ({}, {"text": text()}, "ptx=0.0 reads none"),
        ({"ema": 0.9}, {}, "ema=0.9 needs average"),
        ({}, {"average": policy()}, "average needs ema"),
        ({}, {"reference": policy(n_ctx=8)}, "reference has n_ctx=8; it must be at least 24"),
        ({}, {"value": policy(n_ctx=8)}, "value has n_ctx=8; it must be at least 24"),
        (
            {"advantage": "group", "n_samples": 2},
            {"value": policy()},
            "advantage='group' has no value function",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(changes, options, what):
    with pytest.raises(ValueError, match=what):
        run(config=replace(CONFIG, **changes), **options)


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(ppo_state, "join", lambda: World(0, 2))
    with pytest.raises(ValueError, match="PPO runs in one process, not in 2"):
        run()


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("steps", 0, ValueError),
        ("batch_size", 1.5, TypeError),
        ("n_samples", True, TypeError),
        ("lr", 0.0, ValueError),
        ("lr", "fast", TypeError),
        ("temperature", math.inf, ValueError),
        ("beta", -0.1, ValueError),
        ("beta", math.nan, ValueError),
        ("lam", 1.1, ValueError),
        ("kl_target", 0.0, ValueError),
        ("clip", 1.0, ValueError),
        ("value_clip", -1.0, ValueError),
        ("ema", 1.0, ValueError),
        ("unstopped", math.nan, ValueError),
        ("advantage", "best", ValueError),
        ("minibatches", 65, ValueError),
        ("seed", -1, ValueError),
    ],
)
def test_a_setting_that_breaks_its_rule_is_named_with_its_value(field, value, error):
    with pytest.raises(error, match=f"{field}={value!r}"):
        PPOConfig(**{field: value})


def test_groups_need_two_and_recipes_hold_their_own_rules():
    with pytest.raises(ValueError, match="n_samples=1 must be at least 2 for advantage='group'"):
        PPOConfig(advantage="group")
    instruct = RECIPES["instructgpt"]
    assert (instruct.batch_size, instruct.minibatches, instruct.epochs) == (512, 8, 1)
    assert instruct.beta == 0.02 and instruct.ema == 0.992 and instruct.steps * 512 == 256_000
    assert RECIPES["grpo"].responses == 1024 and RECIPES["grpo"].lr == 1e-6
    ziegler = RECIPES["ziegler"]
    assert ziegler.epochs == 4 and (ziegler.steps - 1) * 512 < 1_000_000 <= ziegler.steps * 512
    assert (ziegler.lr, ziegler.beta, ziegler.kl_target) == (1e-5, 0.15, 6.0)

"""Training a reward model: what it learns, how it is judged, and what it leaves behind."""

import json
import math

import pytest
import torch
from small_dialogues import LIKED, saved_gpt, small_gpt
from small_tasks import LETTERS

from gptcore import checkpoint
from gptcore.heads.reward import Judge
from gptcore.labelled.dialogues import Comparison, Demonstration, Told
from gptcore.train.reward import Reward, accuracy_on, agreement, margins_of, reward
from gptcore.train.stage_recipes import StageRecipe
from gptcore.train.stages import StageConfig

FAST = StageRecipe(epochs=6, batch_size=4, lr=1e-2, evals=2)


def test_it_learns_what_is_liked_and_nothing_from_what_is_shuffled():
    taught = Reward(small_gpt(), LETTERS, LIKED, FAST)
    losses = [step.loss for step in taught.fit()]
    assert taught.judge()["accuracy"] > 0.9 and losses[-1] < losses[0] - 0.2
    draw = torch.Generator().manual_seed(0)
    order = [tuple(torch.randperm(4, generator=draw).tolist()) for _ in LIKED.train]
    mixed = [Comparison(c.prompt, c.responses, o) for c, o in zip(LIKED.train, order, strict=True)]
    control = Reward(small_gpt(), LETTERS, Told("mixed", tuple(mixed), LIKED.valid), FAST)
    list(control.fit())
    assert control.judge()["loss"] > 0.55  # ln 2 = 0.69 says nothing


def test_the_loss_of_an_update_is_the_mean_of_its_prompts():
    taught = Reward(small_gpt(), LETTERS, LIKED, StageRecipe(epochs=1, batch_size=100, lr=1e-3))
    margins, weights = margins_of(taught.model, taught.train.rows)
    by_hand = sum(math.log1p(math.exp(-m)) / 6 for m in margins.tolist()) / len(LIKED.train)
    assert next(taught.fit()).loss == pytest.approx(by_hand, abs=1e-4)
    assert weights.tolist() == pytest.approx([1 / 6] * len(margins))


def test_pairs_apart_are_as_many_in_an_update():
    together, apart = (
        Reward(small_gpt(), LETTERS, LIKED, FAST, together=both) for both in (True, False)
    )
    assert len(apart.batches) == len(together.batches)
    epoch = [next(apart.batches) for _ in range(len(apart.batches))]
    other = [next(together.batches) for _ in range(len(together.batches))]
    assert max(len(batch[2]) for batch in epoch) == 24  # 4 x 6 pairs
    assert max(len(batch[2]) for batch in other) == 24
    assert max(len(batch[0]) for batch in epoch) == 48  # rows: each pair has its own two
    assert max(len(batch[0]) for batch in other) == 16


def test_agreement_by_hand():
    """σ(0.2) = 0.5498, σ(1.1) = 0.7503, σ(5) = 0.9933: three bins, of one, two and one pairs."""
    found = agreement(torch.tensor([0.2, 1.1, -1.1, 5.0]))
    gaps = abs(0.549834 - 1) + abs(2 * 0.750260 - 1) + abs(0.993307 - 1)
    assert found["accuracy"] == 0.75 and found["n"] == 4
    assert found["ece"] == pytest.approx(gaps / 4, abs=1e-4)
    assert found["confidence"] == pytest.approx((0.549834 + 2 * 0.750260 + 0.993307) / 4, abs=1e-4)
    assert agreement(torch.tensor([0.0, 0.0]))["accuracy"] == 0.5
    with pytest.raises(ValueError, match="there is no pair to judge by"):
        agreement(torch.tensor([]))


class Longer:
    """A judge that likes long responses."""

    def score(self, prompts, responses):
        return torch.tensor([float(len(r)) for r in responses])


def test_a_judge_against_labelers_and_against_the_truth():
    """Labelers: the longest is best and the shortest second; the truth: the shorter, the better."""
    one = Comparison("a", ("xxx", "x", "xx"), (0, 1, 2), (0.0, 2.0, 1.0))
    assert accuracy_on(Longer(), [one])["accuracy"] == pytest.approx(2 / 3)
    assert accuracy_on(Longer(), [one], True)["accuracy"] == 0
    assert accuracy_on(Longer(), [one], lambda p, r: [len(x) for x in r])["accuracy"] == 1
    tied = accuracy_on(Longer(), [one, one], lambda p, r: [0, 0, 1])
    assert tied["n"] == 4 and tied["accuracy"] == 0.5
    with pytest.raises(ValueError, match=r"comparisons\[0\].truth=None"):
        accuracy_on(Longer(), LIKED.train[:1], True)


def test_a_run_leaves_a_reward_model_with_demonstrations_at_zero(tmp_path):
    config = StageConfig(out=tmp_path / "out", model=saved_gpt(tmp_path / "base"), recipe=FAST)
    shown = [Demonstration(c.prompt, "xx") for c in LIKED.train]
    drawn = []
    list(reward(config, LIKED, demonstrations=shown, seen=drawn.extend))
    model, tokenizer = checkpoint.load_reward(tmp_path / "out" / "best")
    found = Judge(model, tokenizer).score([d.prompt for d in shown], [d.response for d in shown])
    assert found.mean().item() == pytest.approx(0, abs=1e-4) and model.bias != 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["data"]["bias"] == pytest.approx(model.bias, abs=1e-4)
    assert record["valid"]["accuracy"] == pytest.approx(
        accuracy_on(Judge(model, tokenizer), LIKED.valid)["accuracy"], abs=1e-4
    )
    assert len({one["step"] for one in drawn}) == FAST.evals
    assert [r["rank"] for r in drawn[0]["responses"]] == [0, 2, 1, 3]


def test_a_reward_run_goes_on_but_is_no_other_run(tmp_path):
    base = saved_gpt(tmp_path / "base")
    config = StageConfig(out=tmp_path / "out", model=base, recipe=FAST)
    whole = [s.loss for s in reward(StageConfig(tmp_path / "whole", base, FAST), LIKED)]
    steps = reward(config, LIKED)
    first = [next(steps).loss for _ in range(5)]
    steps.close()
    again = StageConfig(out=tmp_path / "out", model=base, recipe=FAST, resume=True)
    assert first + [s.loss for s in reward(again, LIKED)] == whole
    with pytest.raises(FileExistsError, match="already holds a reward-model run"):
        reward(config, LIKED)


def test_nothing_left_to_compare():
    same = Told("mine", (Comparison("a", ("b" * 40, "b" * 50), (0, 1)),), LIKED.valid)
    with pytest.raises(ValueError, match="pairs of 0 prompts are left.*1 pairs are equal"):
        Reward(small_gpt(), LETTERS, same, FAST)

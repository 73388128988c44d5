"""DPO: its loss by hand, what is scored, what the reference is, and what a policy learns by it."""

import json
import math

import pytest
import torch
from small_dialogues import LIKED, saved_gpt, small_gpt
from small_models import same_weights
from small_tasks import LETTERS

import gptcore
from gptcore.labelled.dialogues import Comparison, Told, preferences
from gptcore.text.dialogue_rows import of_lessons, ranked
from gptcore.train.dpo import (
    Dpo,
    dpo,
    dpo_loss,
    implicit_rewards,
    lessons_of,
    log_probs_of,
    response_log_probs,
)
from gptcore.train.stage_recipes import StageRecipe
from gptcore.train.stages import StageConfig

FAST = StageRecipe(epochs=6, batch_size=4, lr=1e-2, evals=2)
LN2 = 0.693147
STOP = 256


# ---------------------------------------------------------------- the formulas


def test_the_loss_by_hand():
    """β = 0.5: rewards 0.5, -0.5 and 0.25, margins 1 and 0.25; ln(1 + e^-1) = 0.313262."""
    log_p, ref = torch.tensor([-3.0, -5.0, -2.0]), torch.tensor([-4.0, -4.0, -2.5])
    assert implicit_rewards(log_p, ref, 0.5).tolist() == pytest.approx([0.5, -0.5, 0.25])
    better, worse = torch.tensor([0, 0]), torch.tensor([1, 2])
    loss = dpo_loss(log_p, ref, better, worse, beta=0.5)
    assert loss.item() == pytest.approx((0.313262 + 0.575939) / 2, abs=1e-5)
    weighed = dpo_loss(log_p, ref, better, worse, beta=0.5, weights=torch.tensor([1.0, 2.0]))
    assert weighed.item() == pytest.approx(0.313262 + 2 * 0.575939, abs=1e-5)


def test_the_gradient_is_that_of_the_paper():
    """-β σ(-margin) for the response preferred, the same with + for the other: σ(-1) = 0.268941."""
    log_p = torch.tensor([-3.0, -5.0], requires_grad=True)
    ref = torch.tensor([-4.0, -4.0], requires_grad=True)
    dpo_loss(log_p, ref, torch.tensor([0]), torch.tensor([1]), beta=0.5).backward()
    assert log_p.grad.tolist() == pytest.approx([-0.134471, 0.134471], abs=1e-5)
    assert ref.grad is None  # it is no part of what learns


def test_a_network_s_gradient_is_the_difference_of_its_losses():
    """Along a direction drawn at random, in float64, away from the reference."""
    taught = Dpo(small_gpt(), LETTERS, LIKED, FAST)
    *batch, ref = taught.batch(taught.train.rows[:3])
    torch.manual_seed(1)
    batch = *batch, ref + 5 * torch.randn(len(ref))
    model = small_gpt().double()
    weights = list(model.parameters())
    ahead = [torch.randn_like(p) for p in weights]

    @torch.no_grad()
    def loss_after(step):
        torch._foreach_add_(weights, ahead, alpha=step)
        return taught.loss_fn(model, batch)[0].item()

    taught.loss_fn(model, batch)[0].backward()
    slope = sum((p.grad * d).sum().item() for p, d in zip(weights, ahead, strict=True))
    measured = (loss_after(1e-6) - loss_after(-2e-6)) / 2e-6
    assert slope == pytest.approx(measured, rel=1e-4) and abs(slope) > 1e-2


# ---------------------------------------------------------------- what is scored


def test_a_response_is_the_sum_of_its_tokens_and_its_stop_token_and_nothing_of_the_prompt():
    """ab, an empty line (4 tokens), then cd and the stop token; beside a longer row."""
    model = small_gpt()
    items = ranked([Comparison("ab", ("cd", "x" * 12), (0, 1))], LETTERS, 24).rows
    tokens = [*LETTERS.encode("ab\n\ncd"), STOP]
    log_p = model(torch.tensor([tokens]))[0].log_softmax(-1)
    by_hand = sum(log_p[t - 1, tokens[t]] for t in (4, 5, 6))
    found = response_log_probs(model, *of_lessons(lessons_of(items)))
    assert found[0].item() == pytest.approx(by_hand.item(), abs=1e-4)


def test_the_prompt_gets_no_gradient_and_the_stop_token_does():
    model = small_gpt()
    items = ranked([Comparison("ab", ("cd", "x"), (0, 1))], LETTERS, 24).rows
    ids, targets = of_lessons(lessons_of(items)[:1])
    kept = []

    def states(ids, only):
        kept.append(type(model).hidden(model, ids).detach().requires_grad_())
        return kept[0][only]

    model.hidden = states
    response_log_probs(model, ids, targets).sum().backward()
    moved = kept[0].grad[0].abs().sum(1)
    assert targets[0].tolist() == [-100] * 3 + [*LETTERS.encode("cd"), STOP]
    assert not moved[:3].any() and moved[3:].min() > 1e-3


def test_where_a_response_is_cut_stands_no_stop_token():
    items = ranked([Comparison("a", ("b" * 40, "c"), (0, 1))], LETTERS, 24).rows
    long, short = lessons_of(items)
    assert STOP not in long.targets and len(long.ids) == 23 and short.targets[-1] == STOP


def test_rows_of_any_number_and_length_are_each_as_it_is_alone():
    model = small_gpt(dropout=0.5).train()
    items = [Comparison("a", ("b" * n, "c" * (n + 1)), (0, 1)) for n in (9, 1, 5)]
    rows = lessons_of(ranked(items, LETTERS, 24).rows)
    found = log_probs_of(model, rows, size=4)
    model.eval()
    alone = [response_log_probs(model, *of_lessons([row])).item() for row in rows]
    assert found.tolist() == pytest.approx(alone, abs=1e-4)


# ---------------------------------------------------------------- the reference


def test_it_begins_at_ln_2_with_all_rewards_0():
    taught = Dpo(small_gpt(), LETTERS, LIKED, StageRecipe(batch_size=100, lr=1e-2))
    before = taught.judge()
    assert before["loss"] == pytest.approx(LN2, abs=1e-5)
    assert taught.rewards(taught.train.rows).abs().max() < 1e-4
    assert before["margin"] == pytest.approx(0, abs=1e-5)
    assert next(taught.fit()).loss == pytest.approx(LN2, abs=1e-5)
    assert taught.rewards(taught.train.rows).abs().max() > 1e-2


def test_the_reference_is_asked_once_and_stays():
    gpt = small_gpt()
    taught = Dpo(gpt, LETTERS, LIKED, FAST, beta=0.3)
    rows = lessons_of(taught.valid.rows)
    before = dict(taught.reference)
    list(taught.fit())
    assert taught.reference == before and same_weights(gpt, small_gpt())
    moved = log_probs_of(taught.model, rows) - log_probs_of(gpt, rows)
    assert taught.rewards(taught.valid.rows).tolist() == pytest.approx(
        (0.3 * moved).tolist(), abs=1e-4
    )
    assert moved.abs().max() > 0.1


def test_a_tokenizer_without_a_stop_token_gets_one_that_the_reference_has_too():
    plain = gptcore.Tokenizer.train("", 256, specials=())
    taught = Dpo(small_gpt(vocab_size=256), plain, LIKED, FAST)
    assert taught.tokenizer.eot == STOP and taught.model.config.vocab_size == 257
    assert taught.judge()["loss"] == pytest.approx(LN2, abs=1e-5)


# ---------------------------------------------------------------- what is learned


def test_it_learns_what_is_liked_and_nothing_from_what_is_shuffled():
    longer = StageRecipe(epochs=12, batch_size=4, lr=1e-2)
    taught = Dpo(small_gpt(), LETTERS, LIKED, longer)
    losses = [step.loss for step in taught.fit()]
    after = taught.judge()
    assert after["accuracy"] > 0.9 and after["margin"] > 0.5 and losses[-1] < losses[0] - 0.2
    draw = torch.Generator().manual_seed(0)
    order = [tuple(torch.randperm(4, generator=draw).tolist()) for _ in LIKED.train]
    mixed = [Comparison(c.prompt, c.responses, o) for c, o in zip(LIKED.train, order, strict=True)]
    control = Dpo(small_gpt(), LETTERS, Told("mixed", tuple(mixed), LIKED.valid), longer)
    list(control.fit())
    assert control.judge()["loss"] > 0.55  # ln 2 = 0.69 says nothing


def test_pairs_judged_both_ways_are_learned_as_odds():
    """Three say x and one says y: the loss is least where the margin is ln 3."""
    rows = [Comparison("a", ("x", "y"), (0, 1))] * 3 + [Comparison("a", ("x", "y"), (1, 0))]
    data = Told("torn", tuple(rows), tuple(rows))
    taught = Dpo(small_gpt(), LETTERS, data, StageRecipe(epochs=300, batch_size=4, lr=3e-3))
    steps = list(taught.fit())
    rewards = taught.rewards(taught.train.rows[:1])
    assert (rewards[0] - rewards[1]).item() == pytest.approx(math.log(3), abs=1e-2)
    odds = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert steps[-1].loss == pytest.approx(odds, abs=1e-3)


def test_a_prompt_counts_once_however_many_comparisons_it_has():
    rows = [Comparison("a", ("x", "y", "z"), (0, 1, 2)), Comparison("b", ("x", "y"), (0, 1))]
    taught = Dpo(small_gpt(), LETTERS, Told("two", tuple(rows), tuple(rows)), FAST)
    list(taught.fit())
    batch = taught.batch(taught.train.rows)
    three = [taught.loss_fn(taught.model, taught.batch([row]))[0] for row in taught.train.rows]
    loss, n = taught.loss_fn(taught.model, batch)
    assert n == 2 and loss.item() == pytest.approx(sum(three).item(), abs=1e-4)
    rewards = taught.rewards(taught.train.rows).tolist()
    margins = [rewards[i] - rewards[j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert three[0].item() == pytest.approx(
        sum(math.log1p(math.exp(-m)) for m in margins) / 3, abs=1e-4
    )


def test_ties_are_no_pairs_and_equal_responses_are_left_out():
    rows = [
        Comparison("a", ("x", "y", "z"), (0, 1, 1)),
        Comparison("b", ("x" * 30, "x" * 31), (0, 1)),
    ]
    taught = Dpo(small_gpt(), LETTERS, Told("mine", tuple(rows), LIKED.valid), FAST)
    assert [row.pairs for row in taught.train.rows] == [((0, 1), (0, 2))]
    assert "1 pairs are equal, token by token" in taught.told


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "beta, error, message",
    [
        (0, ValueError, "beta=0 must be greater than 0"),
        (-0.1, ValueError, "beta=-0.1 must"),
        (math.nan, ValueError, "beta=nan must"),
        (math.inf, ValueError, "beta=inf must"),
        (True, TypeError, "beta=True must be a number"),
        ("0.1", TypeError, "beta='0.1' must be a number"),
    ],
)
def test_beta_is_a_number_above_0(beta, error, message, tmp_path):
    with pytest.raises(error, match=message):
        Dpo(small_gpt(), LETTERS, LIKED, FAST, beta=beta)
    with pytest.raises(error, match=message):
        dpo(StageConfig(tmp_path / "out", "gone", FAST), LIKED, beta=beta)


def test_what_cannot_be_learned_from():
    same = Told("mine", (Comparison("a", ("b" * 40, "b" * 50), (0, 1)),), LIKED.valid)
    with pytest.raises(ValueError, match="pairs of 0 prompts are left.*1 pairs are equal"):
        Dpo(small_gpt(), LETTERS, same, FAST)
    with pytest.raises(ValueError, match="no tokenizer"):
        Dpo(small_gpt(), None, LIKED, FAST)
    broken = small_gpt()
    with torch.no_grad():
        broken.wpe.weight[5] = math.nan
    with pytest.raises(ValueError, match="log-probability of a response .* is nan"):
        Dpo(broken, LETTERS, LIKED, FAST)


# ---------------------------------------------------------------- a run in a folder


def run(folder, base, **options):
    resume = options.pop("resume", False)
    return dpo(StageConfig(out=folder, model=base, recipe=FAST, resume=resume), LIKED, **options)


def test_a_run_leaves_the_best_policy_its_record_and_samples(tmp_path):
    base, drawn = saved_gpt(tmp_path / "base"), []
    steps = list(run(tmp_path / "out", base, beta=0.2, seen=drawn.extend))
    best, tokenizer = gptcore.load(tmp_path / "out" / "best")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["data"]["beta"] == 0.2 and record["data"]["pairs"] == 6 * len(LIKED.train)
    assert record["valid"]["loss"] == pytest.approx(
        min(s.val_loss for s in steps if s.val_loss), abs=1e-3
    )
    rows = lessons_of(ranked(LIKED.valid, tokenizer, 24).rows)
    moved = 0.2 * (log_probs_of(best, rows) - log_probs_of(small_gpt(), rows))
    ahead = [
        moved[4 * i + a] - moved[4 * i + b] for i in range(2) for a, b in LIKED.train[0].pairs()
    ]
    assert record["valid"]["margin"] == pytest.approx(sum(ahead).item() / 12, abs=1e-3)
    assert len({one["step"] for one in drawn}) == FAST.evals
    assert {one["prompt"] for one in drawn} == {c.prompt for c in LIKED.valid}


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    base = saved_gpt(tmp_path / "base")
    whole = [step.loss for step in run(tmp_path / "whole", base)]
    steps = run(tmp_path / "out", base)
    first = [next(steps).loss for _ in range(5)]
    steps.close()
    with pytest.raises(ValueError, match=r"beta=0.1, now beta=0.2"):
        run(tmp_path / "out", base, resume=True, beta=0.2)
    assert first + [step.loss for step in run(tmp_path / "out", base, resume=True)] == whole
    with pytest.raises(FileExistsError, match="already holds a DPO run"):
        run(tmp_path / "out", base)


def test_a_dialogue_is_a_prompt_like_any_other():
    turns = (("user", "a"), ("assistant", "b"), ("user", "c"))
    data = preferences([Comparison(p, ("x", "y"), (0, 1)) for p in (turns, "d", "e")])
    taught = Dpo(small_gpt(n_ctx=32), LETTERS, data, FAST)
    assert taught.judge()["loss"] == pytest.approx(LN2, abs=1e-5)
    assert len(taught.samples()) == sum(isinstance(c.prompt, str) for c in data.valid)

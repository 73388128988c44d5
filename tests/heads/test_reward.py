"""A reward model: its loss by hand, where it reads, what its bias does, and what may not matter."""

import math

import pytest
import torch
from small_models import attentive, make, same_weights
from small_tasks import LETTERS

from gptcore.heads.reward import Judge, RewardModel, ranking_loss
from gptcore.text.dialogue_rows import padded
from gptcore.text.dialogues import prompt_ids, response_ids
from gptcore.tokenizer import Tokenizer

PAIRS = torch.combinations(torch.arange(4))
"""All pairs of four ranked responses, the better one first."""


def reward_model(norm="pre", seed=0, **changes):
    """A reward model whose every parameter is random and whose body looks back."""
    gpt = attentive(norm, seed, **{"vocab_size": 257, "n_ctx": 24, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RewardModel(gpt).eval()


def side_by_side(rows):
    """Rows filled up on the right, and where each ends."""
    return padded(rows), torch.tensor([len(row) - 1 for row in rows])


def ids_of(prompt, response):
    return prompt_ids(prompt, LETTERS), response_ids(response, LETTERS)


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_the_loss_of_four_ranked_responses(shift):
    """By hand: 2, 1, 0.5, -1 have differences 1, 1.5, 3, 0.5, 2 and 1.5; the level is free."""
    rewards = torch.tensor([2, 1, 0.5, -1]) + shift
    found = ranking_loss(rewards[PAIRS[:, 0]], rewards[PAIRS[:, 1]]).item()
    by_hand = sum(math.log1p(math.exp(-d)) for d in (1, 1.5, 3, 0.5, 2, 1.5)) / 6
    assert found == pytest.approx(by_hand, abs=1e-6) == pytest.approx(0.227613, abs=1e-6)


def test_the_other_way_round_and_nothing_to_compare():
    """Negative control: the worse one preferred; and a mean of nothing is no number."""
    rewards = torch.tensor([2, 1, 0.5, -1])
    assert ranking_loss(rewards[PAIRS[:, 1]], rewards[PAIRS[:, 0]]).item() > 1.5
    with pytest.raises(ValueError, match="there is no comparison to score"):
        ranking_loss(torch.tensor([]), torch.tensor([]))


def test_a_prompt_counts_once_however_many_comparisons_it_has():
    """Two prompts: six comparisons, and one. The loss is the mean of the two prompts' means."""
    model = reward_model()
    rows = [ids_of("a", response) for response in ("x", "xy", "z", "yy", "q", "xq")]
    ids, at = side_by_side([[*p, *r] for p, r in rows])
    r = model(ids, at).tolist()
    better = torch.cat([PAIRS[:, 0], torch.tensor([4])])
    worse = torch.cat([PAIRS[:, 1], torch.tensor([5])])
    weights = torch.tensor([1 / 6] * 6 + [1.0])
    total, n = model.summed_loss(ids, at, better, worse, weights)
    first = sum(math.log1p(math.exp(r[j] - r[i])) for i, j in PAIRS.tolist()) / 6
    second = math.log1p(math.exp(r[5] - r[4]))
    assert n == 2 and total.item() == pytest.approx(first + second, abs=1e-4)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_reward_is_read_at_the_last_token_whatever_fills_up_behind_it(norm):
    model = reward_model(norm)
    short, long = [*range(5)], [*range(9)]
    alone = model(torch.tensor([short]), torch.tensor([4]))[0]
    ids, at = side_by_side([short, long])
    assert at.tolist() == [4, 8]
    ids[0, 5:] = 77  # any id
    torch.testing.assert_close(model(ids, at)[0], alone, atol=1e-5, rtol=0)
    state = model.gpt.hidden(torch.tensor([short]))[0, -1]
    by_hand = (state * model.score.weight[0]).sum()
    torch.testing.assert_close(alone, by_hand, atol=1e-5, rtol=0)
    assert (model(ids, at - 1) - model(ids, at)).abs().min() > 1e-3  # negative control
    torch.testing.assert_close(model.values(ids)[1, 8], model(ids, at)[1], atol=1e-5, rtol=0)


def test_the_head_begins_small_and_has_no_opinion():
    """N(0, 1 / (d + 1)): over 40 heads of width 32, within what chance allows."""
    torch.manual_seed(0)
    gpt = make(d_model=32)
    weights = torch.cat([RewardModel(gpt).score.weight.flatten() for _ in range(40)])
    assert weights.std().item() == pytest.approx(1 / math.sqrt(33), abs=0.01)
    assert RewardModel(gpt).bias == 0


def test_the_bias_brings_demonstrations_to_zero_and_changes_no_comparison():
    model = reward_model()
    shown = [ids_of("a", "xy"), ids_of("bb", "z"), ids_of("c", "")]
    before = model.rate(shown)
    assert before.mean().abs() > 0.01  # else nothing would be tried
    shift = model.bias_to(shown)
    after = model.rate(shown)
    assert after.mean().item() == pytest.approx(0, abs=1e-5) and model.bias == pytest.approx(shift)
    torch.testing.assert_close(after - after[0], before - before[0], atol=1e-5, rtol=0)
    assert model.bias_to(shown) == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match="demonstrations is empty"):
        model.bias_to([])


def test_texts_are_read_with_their_stop_token_one_by_one_or_together():
    model = reward_model()
    judge = Judge(model, LETTERS)
    prompts, responses = ["a", "bb ", "a"], ["xyz", "", "q" * 9]
    found = judge.score(prompts, responses)
    for i, (p, r) in enumerate(zip(prompts, responses, strict=True)):
        row = LETTERS.encode(p.strip() + "\n\n") + LETTERS.encode(r) + [256]
        alone = model(torch.tensor([row]), torch.tensor([len(row) - 1]))
        torch.testing.assert_close(found[i], alone[0], atol=1e-5, rtol=0)
    turns = [("user", "a"), ("assistant", "x"), ("user", "b")]
    row = LETTERS.encode("a\n\nx") + [256] + LETTERS.encode("b\n\n") + LETTERS.encode("y") + [256]
    alone = model(torch.tensor([row]), torch.tensor([len(row) - 1]))
    torch.testing.assert_close(judge.score([turns], ["y"]), alone, atol=1e-5, rtol=0)


def test_a_row_that_does_not_fit_loses_its_end():
    model = reward_model()
    prompt, response = ids_of("a", "x" * 40)
    kept = [*prompt, *response][:24]
    alone = model(torch.tensor([kept]), torch.tensor([23]))
    torch.testing.assert_close(model.rate([(prompt, response)]), alone, atol=1e-5, rtol=0)


def test_a_model_in_training_judges_without_dropout_and_goes_on_training():
    model = reward_model(dropout=0.5)
    model.train()
    found = Judge(model, LETTERS).score(["a"] * 2, ["x"] * 2)
    assert found[0] == found[1] and model.training and model.gpt.h[0].training


def test_what_cannot_be_judged():
    model = reward_model()
    with pytest.raises(ValueError, match="prompts has 1 and responses 2"):
        Judge(model, LETTERS).score(["a"], ["x", "y"])
    with pytest.raises(ValueError, match="prompt='  ' is empty"):
        Judge(model, LETTERS).score(["  "], ["x"])
    with pytest.raises(ValueError, match="must end with another's"):
        Judge(model, LETTERS).score([[("assistant", "x")]], ["x"])
    with pytest.raises(ValueError, match=r"responses\[1\] has no tokens"):
        model.rate([([1], [2]), ([1], [])])
    with pytest.raises(ValueError, match="no token that ends a text"):
        Judge(model, Tokenizer.train("", 256, specials=()))
    broken = reward_model()
    torch.nn.init.constant_(broken.score.weight, float("nan"))
    with pytest.raises(ValueError, match=r"responses\[0\] is nan"):
        broken.rate([([1], [2])])


def test_no_comparison_moves_the_bias():
    model = reward_model()
    names = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert names == {"score.bias"}
    assert same_weights(model, reward_model())  # the helper itself is a function of its seed

"""What this proves: each check of chapter 03 lets a right answer pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math

import pytest
import torch
from torch.nn import functional as F

from gptcore.attention import CausalSelfAttention
from gptcore.config import GPTConfig
from gptcore.exercises import check
from gptcore.exercises.attention import EXERCISES, planted

INF = float("inf")
sdpa = F.scaled_dot_product_attention


def lower(T, diagonal=0):
    return torch.ones(T, T).tril(diagonal).bool()


# 3.1 ---------------------------------------------------------------------------------------------

E2 = math.e**2  # the scaled scores are 0, 2, 2, 0
PENCIL = [1 / (2 + 2 * E2), E2 / (2 + 2 * E2), E2 / (2 + 2 * E2), 1 / (2 + 2 * E2)]
WRONG_WEIGHTS = {
    "These are the products": [0.0, 4.0, 4.0, 0.0],
    "These are scores": [0, 2, 2, 0],
    "These are exponentials": [1, E2, E2, 1],
    "the scale is missing": [0.009, 0.491, 0.491, 0.009],
    "the scale is not": [0.1345, 0.3655, 0.3655, 0.1345],
    "divided by their sum": [0, 0.5, 0.5, 0],
    "may read itself as well": [0.0634, 0.4683, 0.4683, 0],
    "do not add up to 1": [0.1, 0.4, 0.4, 0.2],
    "Which are equal": [0.1, 0.2, 0.3, 0.4],
    "Which products are large": [0.3, 0.2, 0.2, 0.3],
    "4 numbers are asked for": [0.5, 0.5],
}


@pytest.mark.parametrize("wrong", [*WRONG_WEIGHTS.values(), "a half", [math.nan] * 4])
def test_no_wrong_answer_is_told_the_right_one(wrong):
    """The answer is four numbers: neither 0.060 nor 0.440 may stand on the card, nor "Expected"."""
    result = check("3.1", wrong)
    shown = repr(result).replace(f"Yours     {wrong}", "")
    assert result.verdict == "not yet" and not result.said.expected
    assert not any(number in shown for number in ("0.05", "0.06", "0.44", "0.440", "Expected"))


# 3.2 ---------------------------------------------------------------------------------------------


WRONG_MASKS = {
    "Upside down": lambda T: lower(T).logical_not(),
    "wrong triangle": lambda T: torch.ones(T, T).triu().bool(),
    "may not read itself": lambda T: lower(T, -1),
    "row i may read column i + 1": lambda T: lower(T, 1),
    "these are numbers": lambda T: torch.ones(T, T).tril(),
    "holds whole numbers": lambda T: torch.ones(T, T, dtype=torch.long).tril(),
    "added to the scores": lambda T: torch.full((T, T), -INF).triu(1),
}


# 3.3 ---------------------------------------------------------------------------------------------


def attention(q, k, v, mask):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    scores = scores.where(mask, torch.tensor(-INF))
    raised = (scores - scores.amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True) @ v


def overflowing(q, k, v, mask):
    raised = (q @ k.mT / math.sqrt(q.shape[-1])).exp() * mask
    return raised / raised.sum(-1, keepdim=True) @ v


def largest_too_early(q, k, v, mask):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    raised = (scores - scores.amax(-1, keepdim=True)).exp() * mask
    return raised / raised.sum(-1, keepdim=True) @ v


def not_divided(q, k, v, mask):
    return ((q @ k.mT / math.sqrt(q.shape[-1])).exp() * mask) @ v


def mask_after(q, k, v, mask):
    return (sdpa(q, k, torch.eye(q.shape[-2])) * mask) @ v


def zero_scores(q, k, v, mask):
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~mask, 0).softmax(-1) @ v


def down_the_columns(q, k, v, mask):
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~mask, -INF).softmax(-2) @ v


WRONG_ATTENTION = {
    "after the softmax": mask_after,
    "Hidden scores are 0": zero_scores,
    "down the columns": down_the_columns,
    "not divided by √D": lambda q, k, v, mask: sdpa(q, k, v, mask, scale=1.0),
    "Upside down": lambda q, k, v, mask: attention(q, k, v, ~mask),
    "no effect": lambda q, k, v, mask: sdpa(q, k, v),
    "not divided by their sum": not_divided,
    "overflow": overflowing,
    "the largest of a row is hidden": largest_too_early,
    "These are the weights": lambda q, k, v, mask: sdpa(q, k, torch.eye(q.shape[-2]), mask),
}


# 3.4 ---------------------------------------------------------------------------------------------


def multi_head(q, k, v, n_head, view=None, merge=None, **options):
    B, T, C = q.shape
    view = view or (lambda x: x.view(B, T, n_head, -1).transpose(1, 2))
    merge = merge or (lambda y: y.transpose(1, 2).reshape(B, T, C))
    return merge(sdpa(view(q), view(k), view(v), **{"is_causal": True, **options}))


def heads_cut(q, k, v, n_head):
    B, T, C = q.shape
    cut = (lambda x: x.view(B, n_head, T, -1)), (lambda y: y.reshape(B, T, C))
    return multi_head(q, k, v, n_head, *cut)


def heads_woven(q, k, v, n_head):
    B, T, C = q.shape
    weave = lambda x: x.view(B, T, -1, n_head).permute(0, 3, 1, 2)  # noqa: E731
    return multi_head(q, k, v, n_head, weave, lambda y: y.permute(0, 2, 3, 1).reshape(B, T, C))


def heads_among_themselves(q, k, v, n_head):
    B, T, C = q.shape
    stay = (lambda x: x.view(B, T, n_head, -1)), (lambda y: y.reshape(B, T, C))
    return multi_head(q, k, v, n_head, *stay)


WRONG_HEADS = {
    "cuts the sequence": heads_cut,
    "merged wrongly": lambda q, k, v, H: multi_head(q, k, v, H, merge=lambda y: y.reshape(q.shape)),
    "woven": heads_woven,
    "Heads attend to heads": heads_among_themselves,
    "nothing was split": lambda q, k, v, H: sdpa(q, k, v, is_causal=True),
    "future is visible": lambda q, k, v, H: multi_head(q, k, v, H, is_causal=False),
    "Divided by √C": lambda q, k, v, H: multi_head(q, k, v, H, scale=q.shape[-1] ** -0.5),
    "as (B, T, C)": lambda q, k, v, H: multi_head(q, k, v, H, merge=lambda y: y),
    "(B, T, H, D) still": lambda q, k, v, H: multi_head(
        q, k, v, H, merge=lambda y: y.transpose(1, 2)
    ),
}


# 3.5 ---------------------------------------------------------------------------------------------


def leaks(f, tolerance=1e-5, places=range(1, 6), moved=slice(None), copy=torch.clone):
    x = torch.randn(1, 6, 8)
    for t in places:
        y = copy(x)
        y[:, t:] = torch.randn(1, 6 - t, 8)
        if (f(x) - f(y))[:, :t][:, moved].abs().max() > tolerance:
            return True
    return False


def moves_the_past(f):
    x = torch.randn(1, 6, 8)
    y = x.clone()
    y[:, 0] += 1
    return bool((f(x) - f(y))[:, 1:].abs().max() > 1e-5)


def looks_one_too_far(f):
    x, y = torch.randn(2, 1, 6, 8)
    y[:, :3] = x[:, :3]
    return bool((f(x) - f(y))[:, :4].abs().max() > 1e-5)


WRONG_LEAKS = {
    "`y = x` is no copy": lambda f: leaks(f, copy=lambda x: x),
    "not the other way round": moves_the_past,
    "is rounding": lambda f: leaks(f, tolerance=0.0),
    "Changing the last token alone": lambda f: leaks(f, places=[5]),
    "Looking at the first positions alone": lambda f: leaks(f, places=range(1, 6), moved=[0]),
    "faint leak is a leak": lambda f: leaks(f, tolerance=0.01),
    "opposite": lambda f: not leaks(f),
    "finds a leak everywhere": looks_one_too_far,
    "True or False": lambda f: 0.5,
}


# 3.6 ---------------------------------------------------------------------------------------------


def repaired(x, w_qkv, w_out, n_head):
    """The package's own layer, with these matrices and no biases."""
    C = x.shape[-1]
    layer = CausalSelfAttention(GPTConfig(10, 8, 1, n_head, C, "post")).eval()
    layer.load_state_dict(
        {
            "c_attn.weight": w_qkv.T,
            "c_attn.bias": torch.zeros(3 * C),
            "c_proj.weight": w_out.T,
            "c_proj.bias": torch.zeros(C),
        }
    )
    with torch.no_grad():
        return layer(x)


def with_bugs(*bugs):
    return lambda *inputs: planted(*inputs, bugs=bugs)


WRONG_REPAIRS = {
    "Right by now: the merge. Two": with_bugs("swapped", "wide"),
    "Right by now: the scale. Two": with_bugs("swapped", "unmerged"),
    "Right by now: the scores. Two": with_bugs("wide", "unmerged"),
    "Right by now: the scale and the merge. One": with_bugs("swapped"),
    "Right by now: the scores and the merge. One": with_bugs("wide"),
    "Right by now: the scores and the scale. One": with_bugs("unmerged"),
}

RIGHT = {
    "3.1": PENCIL,
    "3.2": lower,
    "3.3": attention,
    "3.4": multi_head,
    "3.5": leaks,
    "3.6": repaired,
}
WRONG = {
    "3.1": WRONG_WEIGHTS,
    "3.2": WRONG_MASKS,
    "3.3": WRONG_ATTENTION,
    "3.4": WRONG_HEADS,
    "3.5": WRONG_LEAKS,
    "3.6": WRONG_REPAIRS,
}
CASES = [(number, cause) for number, wrong in WRONG.items() for cause in wrong]


def test_every_exercise_is_tested_here():
    assert [one.number for one in EXERCISES] == list(RIGHT) == list(WRONG)


@pytest.mark.parametrize("number", RIGHT)
def test_a_right_answer_passes(number):
    result = check(number, RIGHT[number])
    assert result.verdict == "done", result.message


@pytest.mark.parametrize(("number", "cause"), CASES)
def test_a_usual_mistake_is_named(number, cause):
    result = check(number, WRONG[number][cause])
    assert result.verdict == "not yet"
    assert cause in result.message


@pytest.mark.parametrize("number", WRONG)
def test_mistakes_are_told_apart(number):
    messages = [check(number, wrong).said.message for wrong in WRONG[number].values()]
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("number", RIGHT)
def test_a_stub_is_no_mistake(number):
    stub = [..., ..., ..., ...] if number == "3.1" else lambda *inputs: ...
    assert check(number, stub).verdict == "not written yet"


def test_the_listing_as_it_was_is_no_mistake_either():
    """The cell of exercise 3.6 holds the bugs from the start."""
    result = check("3.6", with_bugs("swapped", "wide", "unmerged"))
    assert result.verdict == "not written yet" and "all three bugs" in result.message


def test_other_right_answers_pass_too():
    """PyTorch's own function where it does the task, another way, another tolerance."""
    assert check("3.3", sdpa).verdict == "done"
    assert check("3.2", lambda T: torch.arange(T)[:, None] >= torch.arange(T)).verdict == "done"
    assert check("3.5", lambda f: torch.tensor(leaks(f, tolerance=1e-4))).verdict == "done"


def test_an_unforeseen_error_names_the_place():
    """A mistake that nobody foresaw still says what was given, expected and got."""
    result = check("3.3", lambda q, k, v, mask: attention(q, k, v, mask) + 1)
    assert "[0, 0]" in result.message and "Expected" in result.message


def test_the_listing_without_its_bugs_is_the_packages_layer():
    """`planted` with no bug equals `CausalSelfAttention`, which was not written for this."""
    torch.manual_seed(0)
    x, w_qkv, w_out = torch.randn(2, 7, 24), torch.randn(24, 72) / 5, torch.randn(24, 24) / 5
    ours = planted(x, w_qkv, w_out, 4, bugs=())
    assert torch.allclose(ours, repaired(x, w_qkv, w_out, 4), atol=1e-5)
    assert not torch.allclose(planted(x, w_qkv, w_out, 4), ours, atol=1e-2)

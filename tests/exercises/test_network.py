"""What this proves: each check of chapter 04 lets a right answer pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math

import pytest
import torch
from torch.nn import functional as F

from gptcore import GPT, PRESETS
from gptcore.exercises import check
from gptcore.exercises.network import EXERCISES, FAULTS, Suspect, suspects
from gptcore.exercises.result import DONE, NOT_YET

PER_BLOCK = 7_087_872  # at width 768, as the released shapes have it


# 4.1 ---------------------------------------------------------------------------------------------


def count(V, n_ctx, L, C, norm):
    return V * C + n_ctx * C + L * (12 * C**2 + 13 * C) + 2 * C * (norm == "pre")


WRONG_COUNTS = {
    "a second time": lambda V, n, L, C, norm: count(V, n, L, C, norm) + V * C,
    "of its own is counted, with a bias": lambda V, n, L, C, norm: (
        count(V, n, L, C, norm) + V * 769
    ),
    "All biases and norms are missing": lambda V, n, L, C, norm: V * C + n * C + 12 * L * C**2,
    "biases of the four matrices": lambda V, n, L, C, norm: count(V, n, L, C, norm) - 9 * L * C,
    "The two norms of each block": lambda V, n, L, C, norm: count(V, n, L, C, norm) - 4 * L * C,
    "2 C, not C": lambda V, n, L, C, norm: count(V, n, L, C, norm) - 2 * L * C,
    "position table is missing": lambda V, n, L, C, norm: count(V, 0, L, C, norm),
    "Only one block": lambda V, n, L, C, norm: count(V, n, 1, C, norm),
    "ln_f, is missing": lambda V, n, L, C, norm: count(V, n, L, C, "post"),
    "Post-LN networks have none": lambda V, n, L, C, norm: count(V, n, L, C, "pre"),
}


def test_the_count_that_is_asked_for_is_that_of_the_networks() -> None:
    """The answer of 4.1 against the released count, and against networks that are built."""
    assert count(40_478, 512, 12, 768, "post") == 116_534_784
    assert count(0, 0, 12, 768, "post") == 12 * PER_BLOCK
    for name in ("gpt1", "gpt2", "gpt2-xl"):
        c = PRESETS[name]
        with torch.device("meta"):
            built = GPT(c).n_params()
        assert count(c.vocab_size, c.n_ctx, c.n_layer, c.d_model, c.norm) == built


# 4.2 ---------------------------------------------------------------------------------------------

A, B = math.sqrt(2 / math.pi), 0.044715


def tanh_part(x):
    return torch.tanh(A * (x + B * x**3))


def gelu_slope(x):
    t = tanh_part(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * A * (1 + 3 * B * x**2)


def slope_by_autograd(x, f):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(f(leaf).sum(), leaf)[0]


WRONG_SLOPES = {
    "the GELU itself": lambda x: F.gelu(x, approximate="tanh"),
    "yours is the first alone": lambda x: 0.5 * (1 + tanh_part(x)),
    "yours is the second alone": lambda x: gelu_slope(x) - 0.5 * (1 + tanh_part(x)),
    "The chain rule stops short": lambda x: (
        0.5 * (1 + tanh_part(x)) + 0.5 * x * (1 - tanh_part(x) ** 2)
    ),
    "yours has no square": lambda x: (
        0.5 * (1 + tanh_part(x)) + 0.5 * x * (1 - tanh_part(x)) * A * (1 + 3 * B * x**2)
    ),
    "the 3 is missing": lambda x: (
        0.5 * (1 + tanh_part(x)) + 0.5 * x * (1 - tanh_part(x) ** 2) * A * (1 + B * x**2)
    ),
    "the exact GELU": lambda x: slope_by_autograd(x, F.gelu),
    "slope of a ReLU": lambda x: slope_by_autograd(x, torch.relu),
}


# 4.3 ---------------------------------------------------------------------------------------------


def block(x, attention, mlp, ln_1, ln_2, norm):
    if norm == "post":
        x = ln_1(x + attention(x))
        return ln_2(x + mlp(x))
    x = x + attention(ln_1(x))
    return x + mlp(ln_2(x))


def no_sums(x, attention, mlp, one, two, norm):
    return two(mlp(one(attention(x))))


def second_sum_missing(x, attention, mlp, one, two, norm):
    return two(mlp(one(x + attention(x))))


def norm_before_the_sum(x, attention, mlp, one, two, norm):
    x = x + one(attention(x))
    return x + two(mlp(x))


def mlp_beside_attention(x, attention, mlp, one, two, norm):
    return two(one(x + attention(x)) + mlp(x))


def sum_from_x(x, attention, mlp, one, two, norm):
    return two(x + mlp(one(x + attention(x))))


def one_norm_twice(x, attention, mlp, one, two, norm):
    x = one(x + attention(x))
    return one(x + mlp(x))


def norms_swapped(x, attention, mlp, one, two, norm):
    return block(x, attention, mlp, two, one, norm)


def mlp_first(x, attention, mlp, one, two, norm):
    x = one(x + mlp(x))
    return two(x + attention(x))


def pre_with_a_norm_behind(x, attention, mlp, one, two, norm):
    return block(x, attention, mlp, one, two, norm) if norm == "post" else two(
        block(x, attention, mlp, one, two, norm)
    )  # fmt: skip


WRONG_BLOCKS = {
    "This is pre-LN": lambda *parts: block(*parts[:5], "pre"),
    "This is post-LN": lambda *parts: block(*parts[:5], "post"),
    "A residual path is missing": no_sums,
    "The residual path around the MLP is missing": second_sum_missing,
    "before the sum": norm_before_the_sum,
    "The MLP reads x": mlp_beside_attention,
    "starts from x": sum_from_x,
    "used twice": one_norm_twice,
    "exchanged": norms_swapped,
    "The MLP comes before": mlp_first,
    "nothing is normalised after": pre_with_a_norm_behind,
}


# 4.4 ---------------------------------------------------------------------------------------------


def nats(logits, targets, **more):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), **more)


def tied_loss(hidden, wte, ids):
    log_p = (hidden @ wte.T).log_softmax(-1)
    B, T = ids.shape
    terms = [-log_p[b, t, ids[b, t + 1]] for b in range(B) for t in range(T - 1)]
    return sum(terms) / len(terms)


WRONG_LOSSES = {
    "not moved by one": lambda h, w, ids: nats(h @ w.T, ids),
    "moved the wrong way": lambda h, w, ids: nats(h[:, 1:] @ w.T, ids[:, :-1]),
    "Two softmaxes": lambda h, w, ids: nats((h @ w.T).softmax(-1)[:, :-1], ids[:, 1:]),
    "This is the sum": lambda h, w, ids: nats(h[:, :-1] @ w.T, ids[:, 1:], reduction="sum"),
    "Only the last position": lambda h, w, ids: F.cross_entropy(h[:, -2] @ w.T, ids[:, -1]),
    "round in a circle": lambda h, w, ids: nats(h @ w.T, ids.roll(-1, 1)),
    "root of C": lambda h, w, ids: nats(h[:, :-1] @ w.T / 2, ids[:, 1:]),
    "The sign": lambda h, w, ids: -tied_loss(h, w, ids),
}


# 4.5 ---------------------------------------------------------------------------------------------


def lens(model, ids):
    rows = []
    for depth in range(model.config.n_layer + 1):
        x = model.wte(ids) + model.wpe(torch.arange(len(ids)))
        for layer in model.h[:depth]:
            x = layer(x[None])[0]
        x = model.ln_f(x) if model.config.norm == "pre" else x
        rows.append((x @ model.wte.weight.T).argmax(-1))
    return torch.stack(rows)


def without_ln_f(model, ids):
    states = model.trace(ids[None]).residuals
    return torch.stack([(x[0] @ model.wte.weight.T).argmax(-1) for x in states])


WRONG_LENSES = {
    "ln_f is missing": without_ln_f,
    "before the first block is missing": lambda model, ids: lens(model, ids)[1:],
    "after the last block is missing": lambda model, ids: lens(model, ids)[:-1],
    "Only the last state": lambda model, ids: model(ids[None])[0].argmax(-1),
    "exchanged": lambda model, ids: lens(model, ids).T,
}


# 4.6 ---------------------------------------------------------------------------------------------


def differs(block, x, change, look):
    other = x.clone()
    other[change] = torch.randn_like(other[change])
    return bool(((block(other) - block(x))[look].abs() > 1e-4).any())


def symptoms(block, texts=3):
    """Every test of the exercise: name of the fault -> whether it is seen."""
    x = torch.randn(texts, 6, 16, generator=torch.Generator().manual_seed(0))
    rows = block(x)
    return {
        "noise": not torch.equal(block(x), rows),
        "texts": differs(block, x, -1, slice(0, -1)) or differs(block, x, 0, slice(1, None)),
        "future": differs(block, x, (0, 5), (0, slice(0, 5))),
        "past": not differs(block, x, (0, slice(0, 5)), (0, 5)),
        "norm": bool((rows.var(-1, unbiased=False) - 1).abs().max() > 0.01),
    }


def first_of(*order, texts=3):
    def find(block):
        seen = symptoms(block, texts)
        return next((name for name in order if seen[name]), "none")

    return find


def sees_change_where_it_changed(block):
    x = torch.randn(1, 6, 16)
    return "future" if differs(block, x, (0, 5), 0) else find_fault(block)


def looks_at_the_changed_text(block):
    x = torch.randn(2, 6, 16)
    return "texts" if differs(block, x, 0, slice(None)) else find_fault(block)


find_fault = first_of("noise", "texts", "future", "past", "norm")
WRONG_FINDERS = {
    "differs from itself": first_of("texts", "future", "past", "norm", "noise"),
    "reads other texts instead": first_of("noise", "future", "past", "texts", "norm"),
    "look only at the positions before it": sees_change_where_it_changed,
    "look only at the texts left unchanged": looks_at_the_changed_text,
    "still it is not GPT-1's block": first_of("noise", "texts", "future", "past"),
    "No test of yours has found it": first_of("noise", "texts", "past", "norm"),
    "The fault is another one": lambda block: {"future": "past"}.get(
        find_fault(block), find_fault(block)
    ),
    "One of the six names": lambda block: "leak",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", [0, 21, 22])
def test_a_planted_fault_is_the_one_named(fault: str, seed: int) -> None:
    """Each block shows what its fault says, and only a mixed-up batch shows a second thing."""
    torch.manual_seed(seed)
    seen = {name for name, there in symptoms(Suspect(fault, seed)).items() if there}
    if fault == "noise":
        assert "noise" in seen
    else:
        assert seen == {"none": set(), "texts": {"texts", "past"}}.get(fault, {fault})


def test_suspects_are_one_of_each_and_tell_nothing() -> None:
    """Readers can practise on all six, and printing one does not give its fault away."""
    blocks = suspects()
    assert sorted(map(find_fault, blocks)) == sorted(FAULTS)
    assert [find_fault(block) for block in blocks] != list(FAULTS)
    assert len({repr(block) for block in blocks}) == 1


# All of them -------------------------------------------------------------------------------------

RIGHT = {
    "4.1": count,
    "4.2": gelu_slope,
    "4.3": block,
    "4.4": tied_loss,
    "4.5": lens,
    "4.6": find_fault,
}
WRONG = {
    "4.1": WRONG_COUNTS,
    "4.2": WRONG_SLOPES,
    "4.3": WRONG_BLOCKS,
    "4.4": WRONG_LOSSES,
    "4.5": WRONG_LENSES,
    "4.6": WRONG_FINDERS,
}
CASES = [(number, phrase) for number, wrong in WRONG.items() for phrase in wrong]


def test_every_exercise_is_tested() -> None:
    """Nothing in the chapter's list is left out here."""
    assert [one.number for one in EXERCISES] == list(RIGHT) == list(WRONG)


@pytest.mark.parametrize("number", RIGHT)
def test_a_right_answer_passes(number: str) -> None:
    """Written another way than the check computes it."""
    torch.manual_seed(0)
    result = check(number, RIGHT[number])
    assert result.verdict == DONE, result.message


@pytest.mark.parametrize(("number", "phrase"), CASES)
def test_a_usual_mistake_is_named(number: str, phrase: str) -> None:
    """The message says which mistake it is."""
    torch.manual_seed(0)
    result = check(number, WRONG[number][phrase])
    assert result.verdict == NOT_YET and phrase in result.message, result.message


@pytest.mark.parametrize("number", WRONG)
def test_mistakes_are_told_apart(number: str) -> None:
    """At least three, and no two of them get the same diagnosis."""
    torch.manual_seed(0)
    said = [check(number, answer).said.message for answer in WRONG[number].values()]
    assert len(set(said)) == len(said) >= 3

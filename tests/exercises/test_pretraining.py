"""Chapter 05's checks: the right answer passes, and usual mistakes are told apart by their cause.

The wrong answers are written as readers write them, and not as the checks imagine them.
"""

import math

import pytest
import torch
from torch.nn import functional as F

from gptcore.exercises import check
from gptcore.exercises.pretraining import EXERCISES

# 5.1


def three(log=math.log, base=math.e, sign=1, mean=True):
    def three_numbers(p):
        objective = sum(log(x) for x in p)
        loss = -objective / (len(p) if mean else 1)
        return sign * objective, loss, base**loss

    return three_numbers


def right_three(p):
    return three()(p)


def mean_as_objective(p):
    objective, loss, perplexity = three()(p)
    return -loss, loss, perplexity


def loss_below_zero(p):
    objective, loss, perplexity = three()(p)
    return objective, -loss, perplexity


def mean_of_inverse(p):
    objective, loss, _ = three()(p)
    return objective, loss, sum(1 / x for x in p) / len(p)


def of_the_sum(p):
    objective, loss, _ = three()(p)
    return objective, loss, math.exp(-objective)


def below_one(p):
    objective, loss, _ = three()(p)
    return objective, loss, math.exp(-loss)


# 5.2


def by_cross_entropy(logits, ids):
    return -F.cross_entropy(logits[:-1], ids[1:], reduction="sum")


def one_by_one(logits, ids):
    total = 0.0
    for i in range(1, len(ids)):
        p = logits[i - 1].softmax(-1)
        total += math.log(p[ids[i]])
    return total


def scored(change=lambda picked: picked.sum(), rows=slice(None, -1), names=slice(1, None), dim=-1):
    def objective(logits, ids):
        log_p = logits.log_softmax(dim)
        return change(log_p[rows].gather(1, ids[names][:, None]))

    return objective


def unshifted(logits, ids):
    return logits.log_softmax(-1).gather(1, ids[:, None]).sum()


def as_a_ring(logits, ids):
    return logits.log_softmax(-1).gather(1, ids.roll(-1)[:, None]).sum()


def raw(logits, ids):
    return logits[:-1].gather(1, ids[1:, None]).sum()


# 5.4


def rate(angle=lambda s, total, warmup: math.pi * (s - warmup) / (total - warmup), climb=None):
    """GPT-1's schedule as a reader may write it; the options make slips."""
    climb = climb or (lambda s, total, warmup: s / warmup)

    def learning_rate(step, total, peak, warmup):
        if step < warmup:
            return peak * climb(step, total, warmup)
        return peak * 0.5 * (1 + math.cos(angle(step, total, warmup)))

    return learning_rate


def shaped(after):
    """GPT-1's warm-up, then `after` of what is done of the rest."""

    def learning_rate(step, total, peak, warmup):
        if step < warmup:
            return peak * step / warmup
        return peak * after((step - warmup) / (total - warmup))

    return learning_rate


def at_its_peak_at_once(step, total, peak, warmup):
    return peak if step < warmup else rate()(step, total, peak, warmup)


# 5.5


def matrices(shapes):
    return [name for name, shape in shapes.items() if len(shape) >= 2]


def named(*, all_but=(), only=None):
    def decaying(shapes):
        kept = [name for name in shapes if not any(part in name for part in all_but)]
        return kept if only is None else [name for name in kept if name.endswith(only)]

    return decaying


# 5.6


def step(model, optimizer, ids, targets, *, zero="first", copy=False, clip="between", faster=1):
    """One update as a reader may write it; the options make slips."""
    if zero == "first":
        optimizer.zero_grad(set_to_none=True)
    logits = model(ids)
    wanted = ids if copy else targets
    loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten())
    loss.backward()
    if zero == "between":
        optimizer.zero_grad()
    if clip == "between":
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for _ in range(faster):
        optimizer.step()
    if clip == "late":
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return loss.item()


def slip(**options):
    def update(model, optimizer, ids, targets):
        return step(model, optimizer, ids, targets, **options)

    return update


def as_published(model, optimizer, ids, targets):
    """The listing of the chapter, bugs and all."""
    loss = model.loss(ids, ids)
    loss.backward()
    optimizer.step()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return loss.item()


def zero_at_the_end(model, optimizer, ids, targets):
    """Another right answer: the slopes are set to zero for the next update."""
    loss = model.loss(ids, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def keeps_the_graph(model, optimizer, ids, targets):
    optimizer.zero_grad()
    loss = model.loss(ids, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss


def loss_afterwards(model, optimizer, ids, targets):
    step(model, optimizer, ids, targets)
    return model.loss(ids, targets).item()


RIGHT = [
    ("5.1", three()),
    ("5.1", lambda p: [torch.tensor(x) for x in three()(p)]),
    ("5.2", by_cross_entropy),
    ("5.2", one_by_one),
    ("5.2", scored()),
    ("5.3", lambda n, T: ((n - 1) // T, (n - 1) // T * T)),
    ("5.3", lambda n, T: [len(range(0, n - T, T)), T * len(range(0, n - T, T))]),
    ("5.4", rate()),
    ("5.4", shaped(lambda done: math.cos(math.pi * done / 2) ** 2)),
    ("5.5", matrices),
    ("5.5", lambda shapes: set(matrices(shapes))),
    ("5.6", slip()),
    ("5.6", zero_at_the_end),
]

WRONG = [
    ("5.1", three(math.log2, 2), "These are bits"),
    ("5.1", three(math.log10, 10), "base 10"),
    ("5.1", three(sign=-1), "objective has the wrong sign"),
    ("5.1", mean_as_objective, "objective is a sum"),
    ("5.1", loss_below_zero, "loss has the wrong sign"),
    ("5.1", three(mean=False), "loss is a mean"),
    ("5.1", mean_of_inverse, "not the mean of 1/p"),
    ("5.1", three(base=2), "Two to the power"),
    ("5.1", of_the_sum, "exponential of the whole sum"),
    ("5.1", below_one, "at least 1"),
    ("5.1", lambda p: sum(map(math.log, p)), "a tuple was expected"),
    ("5.2", unshifted, "predicted from itself"),
    ("5.2", scored(rows=slice(1, None), names=slice(None, -1)), "wrong direction"),
    ("5.2", scored(rows=slice(1, None)), "for all rows but one"),
    ("5.2", as_a_ring, "as if the text were a ring"),
    ("5.2", scored(lambda picked: -picked.sum()), "minus the objective"),
    ("5.2", scored(lambda picked: picked.mean()), "This is a mean"),
    ("5.2", lambda x, ids: F.cross_entropy(x[:-1], ids[1:]), "This is the loss"),
    ("5.2", raw, "logits were added up"),
    ("5.2", scored(lambda picked: picked.exp().sum()), "probabilities were added up"),
    ("5.2", scored(lambda picked: picked.sum() / math.log(2)), "base 2"),
    ("5.2", scored(dim=0), "down the columns"),
    ("5.2", scored(lambda picked: picked.flatten()), "a tensor of shape (2,)"),
    ("5.3", lambda n, T: (n // T, n // T * T), "only the first n - 1 can be read"),
    ("5.3", lambda n, T: (n // (T + 1), n // (T + 1) * T), "Windows of T + 1"),
    ("5.3", lambda n, T: (math.ceil((n - 1) / T), n - 1), "Only whole windows"),
    ("5.3", lambda n, T: ((n - 1) / T, n - 1), "Only whole windows"),
    ("5.3", lambda n, T: (n - T, (n - T) * T), "begin at every token"),
    ("5.3", lambda n, T: ((n - 1) // T, (n - 1) // T * (T - 1)), "T - 1 would be right"),
    ("5.3", lambda n, T: ((n - 1) // T, n - 1), "All tokens but the first"),
    ("5.3", lambda n, T: ((n - 1) // T, n), "All tokens were counted"),
    ("5.4", rate(lambda s, total, warmup: math.pi * s / total), "counted from update 0"),
    ("5.4", rate(lambda s, total, w: math.pi * (s - w) / total), "only total - warmup are left"),
    ("5.4", rate(climb=lambda s, total, warmup: (s + 1) / warmup), "one update ahead"),
    ("5.4", rate(climb=lambda s, total, warmup: s / total), "divided by `total`"),
    ("5.4", at_its_peak_at_once, "at its peak at once"),
    ("5.4", rate(climb=lambda s, t, w: (1 + math.cos(math.pi * s / t)) / 2), "begins at once"),
    ("5.4", rate(climb=lambda s, t, w: (1 - math.cos(math.pi * s / w)) / 2), "not along a cosine"),
    ("5.4", shaped(lambda done: (1 + math.cos(2 * math.pi * done)) / 2), "A whole wave"),
    ("5.4", shaped(lambda done: math.cos(math.pi / 2 * done)), "A quarter of a wave"),
    ("5.4", shaped(lambda done: math.cos(math.pi * done)), "becomes negative"),
    ("5.4", shaped(lambda done: 1 + math.cos(math.pi * done)), "twice the peak"),
    ("5.4", shaped(lambda done: 1 - done), "in a line after the warm-up"),
    ("5.4", shaped(lambda done: 1), "stays at its peak"),
    ("5.4", shaped(lambda done: (1 + math.cos(180 * done)) / 2), "radians"),
    ("5.5", list, "Everything decays"),
    ("5.5", named(only="weight"), "The name misleads"),
    ("5.5", named(all_but=(".ln_",)), "Biases of the linear layers"),
    ("5.5", named(all_but=("wte", "wpe", "ln_"), only="weight"), "The tables were left out"),
    ("5.5", named(all_but=("wpe", "ln_"), only="weight"), "table of positions"),
    ("5.5", lambda shapes: [n for n, s in shapes.items() if len(s) == 1], "the other half"),
    ("5.5", lambda shapes: len(matrices(shapes)), "how many decay"),
    ("5.5", named(all_but=("ln_",), only="weight"), "the names are others"),
    ("5.5", lambda shapes: [n for n, s in shapes.items() if len(s) == 2], "three dimensions"),
    ("5.6", slip(copy=True), "learns to copy. The loss takes `targets`, what follows each token."),
    ("5.6", slip(zero="never"), "`backward` adds to what it finds. Set them to zero before it."),
    ("5.6", slip(clip="late"), "gradients that are too long"),
    ("5.6", slip(zero="between"), "have not moved"),
    ("5.6", slip(zero="never", clip="late"), "not all: look at what `step` is made with."),
    ("5.6", slip(copy=True, zero="never"), "not all: look at what `backward` finds"),
    ("5.6", slip(faster=2), "something else is done"),
    ("5.6", keeps_the_graph, "fills the memory"),
    ("5.6", loss_afterwards, "The answer is"),
]
SAME_CAUSE = {("5.3", "Only whole windows")}


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers_pass(number: str, answer) -> None:
    """However they are written."""
    result = check(number, answer)
    assert result.verdict == "done", result.message


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_each_mistake_is_told_by_its_cause(number: str, answer, cause: str) -> None:
    result = check(number, answer)
    assert result.verdict == "not yet" and cause in result.said.message, result.message


def test_the_listing_as_it_stands_is_not_begun() -> None:
    """The published page says calmly that nothing is repaired, and gives no bug away."""
    result = check("5.6", as_published)
    assert result.verdict == "not written yet" and "all three bugs are there" in result.message


def test_two_wrongs_name_each_other() -> None:
    """Late clipping and no clipping are the same run if the slopes are set to zero afterwards."""
    late, never = (check("5.6", slip(clip=clip)).said.message for clip in ("late", "never"))
    assert late == never


def test_mistakes_are_told_apart() -> None:
    """At least three for each exercise, no two causes with the same message."""
    for exercise in EXERCISES:
        causes = {cause: answer for number, answer, cause in WRONG if number == exercise.number}
        said = {check(exercise.number, answer).said.message for answer in causes.values()}
        assert len(said) == len(causes) >= 3


def test_worked_examples_of_the_page() -> None:
    """By hand: 1/2, 1/4, 1/8 cost 6 ln 2 in all; of logits 0 and ln 3, P is 1/4 and 3/4."""
    assert three()([0.5, 0.25, 0.125]) == pytest.approx((-6 * math.log(2), 2 * math.log(2), 4))
    logits = torch.tensor([[0, math.log(3)], [0, 0], [5, 1]])
    ids = torch.tensor([0, 1, 0])
    assert by_cross_entropy(logits, ids).item() == pytest.approx(math.log(3 / 4 / 2))
    assert rate()(51_000, 100_000, 2.5e-4, 2000) == pytest.approx(1.25e-4)

"""What this proves: each check of chapter 06 lets a right answer pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from verdicts import four_tests

from gptcore import GPT, PRESETS, GPTConfig
from gptcore.exercises.finetuning import EXERCISES
from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.text.inputs import Example, Marks, collate, entailment, similarity

# 6.1 ---------------------------------------------------------------------------------------------


def paired(row):
    """An answer that puts every row together by `row(a, b, marks, n_ctx)`."""

    def rows(form, a, b, marks, n_ctx):
        first = row(a, b, marks, n_ctx)
        return [first] if form == "entailment" else [first, row(b, a, marks, n_ctx)]

    return rows


def plain(a, b, marks, n_ctx):
    part = n_ctx // 2 - 2
    return [marks[0]] + a[:part] + [marks[1]] + b[:part] + [marks[2]]


def whole(a, b, marks, n_ctx):
    return [marks[0]] + a + [marks[1]] + b + [marks[2]]


def first_come(a, b, marks, n_ctx):
    room = n_ctx - 3
    a = a[:room]
    return whole(a, b[: room - len(a)], marks, n_ctx)


def of_the_package(form, a, b, marks, n_ctx):
    build = entailment if form == "entailment" else similarity
    return build(a, b, Marks(*marks), n_ctx)


def similar(second):
    """An answer that is right for entailment; `second` makes all rows of similarity of the first.

    Args:
        second: (row of a and b, row of b and a) -> rows.
    """

    def rows(form, a, b, marks, n_ctx):
        both = plain(a, b, marks, n_ctx), plain(b, a, marks, n_ctx)
        return [both[0]] if form == "entailment" else second(*both)

    return rows


WRONG_ROWS = {
    "Nothing is cut": paired(whole),
    "The finished row was cut": paired(lambda a, b, m, n: whole(a, b, m, n)[:n]),
    "first come, first served": paired(first_come),
    "no room left": paired(lambda a, b, m, n: plain(a, b, m, n + 4)),
    "the rule keeps its beginning": paired(
        lambda a, b, m, n: whole(a[-(n // 2 - 2) :], b[-(n // 2 - 2) :], m, n)
    ),
    "The start token is missing": paired(lambda a, b, m, n: plain(a, b, m, n)[1:]),
    "The extract token is missing": paired(lambda a, b, m, n: plain(a, b, m, n)[:-1]),
    "The delimiter is missing": paired(
        lambda a, b, m, n: [x for x in plain(a, b, m, n) if x != m[1]]
    ),
    "have changed places: the marks": paired(lambda a, b, m, n: plain(a, b, (m[0], m[2], m[1]), n)),
    "The second text stands first": paired(lambda a, b, m, n: plain(b, a, m, n)),
    "Both orders were built": lambda form, *given: paired(plain)("similarity", *given),
    "The row itself": lambda form, *given: plain(*given),
    "One row is there": lambda form, *given: [plain(*given)],
    "backwards, so its texts": similar(lambda row, other: [row, row[::-1]]),
    "backwards between its marks": similar(
        lambda row, other: [row, row[:1] + row[1:-1][::-1] + row[-1:]]
    ),
    "stands there twice": similar(lambda row, other: [row, row]),
    "put into one row": similar(lambda row, other: [row + other]),
}


# 6.2 ---------------------------------------------------------------------------------------------


def counts(body, C, n_classes):
    new = (3 + n_classes) * C
    return new, body + new


def test_the_counts_are_those_of_the_networks() -> None:
    """The answer of 6.2 for GPT-1 with two classes, against a classifier that is built."""
    shape = PRESETS["gpt1"]
    with torch.device("meta"):
        gpt = GPT(shape)
        new = GPT(replace(shape, vocab_size=shape.vocab_size + 3))
        classifier = Classifier(new, HeadConfig("classification", 2))
    n = sum(p.numel() for p in gpt.parameters())
    trained = sum(p.numel() for p in classifier.parameters() if p.requires_grad)
    assert counts(n, 768, 2) == (trained - n, trained) == (2304 + 1536, 116_538_624)


WRONG_COUNTS = {
    "each has a row in the token table": lambda b, C, n: (n * C, b + n * C),
    "a row of C numbers for each class": lambda b, C, n: (3 * C, b + 3 * C),
    "There are three": lambda b, C, n: ((n + 1) * C, b + (n + 1) * C),
    "no bias": lambda b, C, n: ((n + 3) * C + n, b + (n + 3) * C + n),
    "counted twice": lambda b, C, n: ((n + 6) * C, b + (n + 6) * C),
    "These are all parameters": lambda b, C, n: (b + (n + 3) * C, b + (n + 3) * C),
    "the claim of the note": lambda b, C, n: ((n + 3) * C, (n + 3) * C),
    "Only the head is trained": lambda b, C, n: ((n + 3) * C, n * C),
    "but the new ones": lambda b, C, n: ((n + 3) * C, b),
    "The head is missing.": lambda b, C, n: ((n + 3) * C, b + 3 * C),
    "The three new tokens are missing.": lambda b, C, n: ((n + 3) * C, b + n * C),
    "were taken away": lambda b, C, n: ((n + 3) * C, b - (n + 3) * C),
    "a tuple was expected": lambda b, C, n: b + (n + 3) * C,
}


# 6.3 ---------------------------------------------------------------------------------------------


def ends(ids, extract):
    return torch.tensor([row.index(extract) for row in ids.tolist()])


def read(hidden, ids, extract):
    return torch.stack([row[at] for row, at in zip(hidden, ends(ids, extract), strict=True)])


def by_mask(hidden, ids, extract):
    return hidden[ids == extract]


def real_mean(hidden, ids, extract):
    return torch.stack(
        [row[: at + 1].mean(0) for row, at in zip(hidden, ends(ids, extract), strict=True)]
    )


def shifted(by):
    def read(hidden, ids, extract):
        return hidden[torch.arange(len(ids)), ends(ids, extract) + by]

    return read


WRONG_READS = {
    "The last column": lambda h, ids, extract: h[:, -1],
    "The first column": lambda h, ids, extract: h[:, 0],
    "before the extract token": shifted(-1),
    "behind the extract token was read": shifted(1),
    "that also fills up rows": lambda h, ids, x: h[torch.arange(len(h)), (ids != 0).sum(1) - 1],
    "the count taken for a place": lambda h, ids, x: h[torch.arange(len(h)), (ids != 0).sum(1)],
    "where the first one ends": lambda h, ids, extract: h[:, ids[0].tolist().index(extract)],
    "where the longest one ends": lambda h, ids, extract: h[:, ends(ids, extract).max()],
    "at the ends of all rows": lambda h, ids, extract: h[:, ends(ids, extract)],
    "averaged over the row": real_mean,
    "padding included": lambda h, ids, extract: h.mean(1),
    "laid end to end": lambda h, ids, extract: h.reshape(-1, 3)[ends(ids, extract)],
    "These are the places": lambda h, ids, extract: ends(ids, extract),
}


# 6.4 ---------------------------------------------------------------------------------------------


def probabilities(scores, n):
    weights = scores.exp().reshape(-1, n)
    return weights / weights.sum(1, keepdim=True)


def one_by_one(scores, n):
    return torch.stack([part.softmax(0) for part in scores.split(n)])


WRONG_PROBABILITIES = {
    "all rows of the batch": lambda s, n: s.softmax(-1).view(-1, n),
    "down the columns": lambda s, n: s.view(-1, n).softmax(0),
    "the wrong examples": lambda s, n: s.view(n, -1).T.softmax(-1),
    "judged alone": lambda s, n: torch.sigmoid(s).view(-1, n),
    "the scores themselves": lambda s, n: s.view(-1, n),
    "These are logarithms": lambda s, n: s.view(-1, n).log_softmax(1),
    "divided by their sum": lambda s, n: s.view(-1, n) / s.view(-1, n).sum(1, keepdim=True),
    "all in one row": lambda s, n: probabilities(s, n).flatten(),
    "a column for each example": lambda s, n: probabilities(s, n).T,
    "has shape (3, 2)": lambda s, n: s.view(n, -1).softmax(-1),
    "a list": lambda s, n: probabilities(s, n).tolist(),
}


# 6.5 ---------------------------------------------------------------------------------------------


def l3(
    *,
    label=lambda p: -p.log().mean(),
    last=lambda at: at,
    target=1,
    rows=lambda nats: sum(map(mean, nats)) / len(nats),
    sum_up=lambda label, text, lam: label + lam * text,
):
    """The loss as a reader may write it, token by token; the options make slips.

    Args:
        label: probabilities of the right classes -> their part.
        last: place of the extract token -> number of places that are scored.
        target: how far ahead the token is that a place predicts.
        rows: nats of every row -> the texts' part.
        sum_up: both parts and lam -> the loss.
    """

    def whole_loss(answers, labels, logits, ids, at, lam):
        p = answers.softmax(-1)[range(len(labels)), labels]
        nats = [
            [-logits[b, t].log_softmax(-1)[ids[b, t + target]] for t in range(last(int(at[b])))]
            for b in range(len(ids))
        ]
        return sum_up(label(p), rows(nats), lam)

    return whole_loss


def mean(numbers):
    return sum(numbers) / len(numbers)


def two_softmaxes(answers, labels, logits, ids, at, lam):
    texts = l3(sum_up=lambda label, text, lam: lam * text)
    parts = answers, labels, logits, ids, at, lam
    return F.cross_entropy(answers.softmax(-1), labels) + texts(*parts)


def padding_scored(answers, labels, logits, ids, at, lam):
    texts = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    return F.cross_entropy(answers, labels) + lam * texts


WRONG_LOSSES = {
    "has lost its logarithm": l3(label=lambda p: -p.mean()),
    "The padding is scored": padding_scored,
    "a long text counts more": l3(rows=lambda nats: mean(sum(nats, []))),
    "The extract token is not scored": l3(last=lambda at: at - 1),
    "One token too many": l3(last=lambda at: at + 1),
    "predicted from itself": l3(target=0, last=lambda at: at + 1),
    "was left out": l3(sum_up=lambda label, text, lam: label + text),
    "before the wrong part": l3(sum_up=lambda label, text, lam: lam * label + text),
    "with 1 - lam": l3(sum_up=lambda label, text, lam: (1 - lam) * label + lam * text),
    "The texts are missing": l3(sum_up=lambda label, text, lam: label),
    "The labels are missing": l3(sum_up=lambda label, text, lam: lam * text),
    "as the paper has it": l3(sum_up=lambda label, text, lam: -label - lam * text),
    "unlearn language": l3(sum_up=lambda label, text, lam: label - lam * text),
    "tokens of a row were added up": l3(rows=lambda nats: mean([sum(row) for row in nats])),
    "labels' part is a sum": l3(label=lambda p: -p.log().sum()),
    "Two softmaxes": two_softmaxes,
}


def test_the_loss_that_is_asked_for_is_that_of_the_package() -> None:
    """The answer of 6.5, token by token, against `Classifier.loss`, on rows of two lengths."""
    torch.manual_seed(0)
    shape = {"n_layer": 1, "n_head": 1, "d_model": 8, "n_ctx": 16, "dropout": 0.0}
    gpt = GPT(GPTConfig(vocab_size=20, norm="post", **shape))
    model, marks = Classifier(gpt, HeadConfig("entailment", 3)), Marks(17, 18, 19)
    pairs = ([5, 6, 7], [8]), ([9, 4], [3, 2, 1, 6])
    examples = [Example(entailment(a, b, marks, 16), i) for i, (a, b) in enumerate(pairs, start=1)]
    batch = collate(examples)
    with torch.no_grad():
        answers, logits = model.eval()(batch.ids, batch.at), model.gpt(batch.ids)
        parts = answers, batch.labels, logits, batch.ids, batch.at, model.head.aux
        assert l3()(*parts).item() == pytest.approx(model.loss(*batch).item(), rel=1e-5)


def test_a_worked_example_of_the_loss() -> None:
    """By hand: P(label) = 3/4; a row of two scored tokens with P 1/2 and 1/8; lam = 1/2.

    L2 = ln 3/4, L1 = (ln 1/2 + ln 1/8) / 2 = -2 ln 2, so the loss is ln 4/3 + ln 2 = ln 8/3.
    """
    answers = torch.tensor([[0, math.log(3)]])
    logits = torch.tensor([[[0, 0.0, -99], [math.log(7), 0, -99], [9, 9, 9], [9, 9, 9]]])
    ids, at = torch.tensor([[2, 0, 1, 0]]), torch.tensor([2])
    found = l3()(answers, torch.tensor([1]), logits, ids, at, 0.5)
    assert found.item() == pytest.approx(math.log(8 / 3), rel=1e-5)


# All of them -------------------------------------------------------------------------------------

RIGHT = [
    ("6.1", paired(plain)),
    ("6.1", of_the_package),
    ("6.1", similar(lambda row, other: (tuple(other), tuple(row)))),
    ("6.2", counts),
    ("6.2", lambda body, C, n: [3 * C + n * C, torch.tensor(body + 3 * C + n * C)]),
    ("6.3", read),
    ("6.3", by_mask),
    ("6.4", probabilities),
    ("6.4", one_by_one),
    ("6.5", l3()),
    ("6.5", lambda *parts: l3()(*parts).item()),
]
WRONG = {
    "6.1": WRONG_ROWS,
    "6.2": WRONG_COUNTS,
    "6.3": WRONG_READS,
    "6.4": WRONG_PROBABILITIES,
    "6.5": WRONG_LOSSES,
}
(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)

"""The exercises of chapter 06, one network for four tasks, and what usually goes wrong in them.

Source: GPT-1 §3.2 and §3.3, equations 3 to 5 and Figure 1; its released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gptcore.exercises.checking import Exercise, call, compare
from gptcore.exercises.comparing import equal

__all__ = ["EXERCISES"]

GPT1 = 116_534_784  # parameters, and the width they belong to
WIDTH = 768

Ids = Sequence[int]


def _row(a: Ids, b: Ids, marks: Ids, part: int | None) -> list[int]:
    start, delimiter, extract = marks
    return [start, *a[:part], delimiter, *b[:part], extract]


def _rows(answer: Any) -> str:
    for a, b, marks, n_ctx in (
        ([1, 2, 3, 4, 5, 6, 7], [8, 9], (50, 51, 52), 10),
        ([5, 6], [7, 8, 5, 9, 6, 7], (90, 91, 92), 12),
    ):
        for form in ("entailment", "similarity"):
            both = [_row(a, b, marks, n_ctx // 2 - 2), _row(b, a, marks, n_ctx // 2 - 2)]
            want = both[:1] if form == "entailment" else both
            usual = _wrong_pairs(*both, marks)
            if form == "entailment":
                usual = _wrong_rows(a, b, marks, n_ctx)
            usual["The row itself came back. A list of rows was asked for, be it of one."] = both[0]
            got = call(answer, form, a, b, marks, n_ctx)
            if equal(got, both[::-1], atol=0) and form == "similarity":
                continue  # the states of both are added, so either may come first
            given = f"{form!r}, a = {a}, b = {b}, marks = {marks}, n_ctx = {n_ctx}"
            compare(got, want, given=given, mistakes=usual)
    return "You have built two of GPT-1's four inputs: the network stays, the row tells the task."


def _wrong_rows(a: Ids, b: Ids, marks: Ids, n_ctx: int) -> dict[str, list[list[int]]]:
    start, delimiter, extract = marks
    part = n_ctx // 2 - 2
    row, whole = _row(a, b, marks, part), _row(a, b, marks, None)
    return {
        "Nothing is cut: each text may have n_ctx // 2 - 2 tokens, or the row does not fit into "
        "the network.": [whole],
        "The finished row was cut, and the extract token went with its end: the head would have "
        "nothing to read. Cut the texts, then build the row.": [whole[:n_ctx]],
        "The two texts share n_ctx - 3 tokens here, first come, first served. Each has "
        "n_ctx // 2 - 2 of its own.": [
            [start, *a[: n_ctx - 3], delimiter, *b[: max(0, n_ctx - 3 - len(a))], extract]
        ],
        "Each text was cut to n_ctx // 2 tokens, and the marks have no room left: two less for "
        "each.": [_row(a, b, marks, n_ctx // 2)],
        "The end of the text was kept, and the rule keeps its beginning.": [
            [start, *a[-part:], delimiter, *b[-part:], extract]
        ],
        "The start token is missing.": [row[1:]],
        "The extract token is missing: it stands last, and the head reads its state.": [row[:-1]],
        "The delimiter is missing: nothing tells where the first text ends.": [
            [start, *a[:part], *b[:part], extract]
        ],
        "Delimiter and extract token have changed places: the marks come as start, delimiter, "
        "extract.": [[start, *a[:part], extract, *b[:part], delimiter]],
        "The second text stands first.": [_row(b, a, marks, part)],
        "Both orders were built. In entailment the premise comes first, always: it is similarity "
        "that has no first text.": [row, _row(b, a, marks, part)],
    }


def _wrong_pairs(row: list[int], swapped: list[int], marks: Ids) -> dict[str, Any]:
    start, delimiter, extract = marks
    return {
        "One row is there. Neither of two similar texts is the first, so both orders are read.": [
            row
        ],
        "The second row is the first one backwards, so its texts are backwards too. The texts "
        "change places; the words of each stay in order.": [row, row[::-1]],
        "The second row is backwards between its marks. The texts change places; the words of "
        "each stay in order.": [row, [start, *row[-2:0:-1], extract]],
        "The same row stands there twice. The other order is missing.": [row, row],
        "Both orders were put into one row. They are read on their own, each with its marks.": [
            row + swapped
        ],
    }


def _counts(answer: Any) -> str:
    names = "new parameters", "trained parameters"
    for body, C, n in ((3_900_000, 256, 7), (GPT1, WIDTH, 2)):
        new = 3 * C + n * C
        mistakes = [
            {
                "The three new tokens are missing: each has a row in the token table.": n * C,
                "The head is missing: a row of C numbers for each class.": 3 * C,
                "One new token was counted. There are three: start, delimiter and extract.": (
                    C + n * C
                ),
                "The head has no bias here, as in equation 3.": new + n,
                "The new rows were counted twice. The output of the language model is the token "
                "table itself, so it grows along.": new + 3 * C,
                "These are all parameters. New are only those that pre-training has not given.": (
                    body + new
                ),
            },
            {
                "This is the claim of the note: that only what is new is trained. GPT-1's code "
                "takes the gradient of every parameter.": new,
                "Only the head is trained here. GPT-1 trains every parameter.": n * C,
                "The pre-trained ones are all here, but the new ones are trained, too.": body,
                "The head is missing.": body + 3 * C,
                "The three new tokens are missing.": body + n * C,
                "The new ones were taken away. They are trained, too.": body - new,
            },
        ]
        want, given = (new, body + new), f"body = {body:,}, C = {C}, n_classes = {n}"
        got = call(answer, body, C, n)
        if not isinstance(got, list | tuple) or len(got) != len(want):
            compare(got, want, given=given)
        for name, one, right, wrong in zip(names, got, want, mistakes, strict=True):
            compare(one, right, given=f"{given}; this is the number of {name}", mistakes=wrong)
    return (
        "You know what fine-tuning adds to GPT-1, 3,840 numbers for two classes, and what it "
        "changes: all 116,538,624."
    )


def _read(answer: Any) -> str:
    noise = torch.Generator().manual_seed(6)
    extract = 9
    for ids in (
        [[7, 3, 0, 9, 0, 0], [7, 9, 0, 0, 0, 0], [7, 4, 2, 5, 9, 0]],
        [[7, 1, 2, 9], [7, 0, 9, 0]],
    ):
        rows, at = torch.tensor(ids), torch.tensor([row.index(extract) for row in ids])
        B, T = rows.shape
        hidden = torch.randn(B, T, 3, generator=noise)
        every, upto = torch.arange(B), torch.arange(T) <= at[:, None]
        counted = (rows != 0).sum(1)
        mistakes = {
            "The last column was read. In a row that is shorter than the longest one, it is "
            "padding.": hidden[:, -1],
            "The first column was read. The state there has seen the start token and nothing "
            "else.": hidden[:, 0],
            "The token before the extract token was read.": hidden[every, at - 1],
            "The token behind the extract token was read: a row of n tokens ends at n - 1.": hidden[
                every, (at + 1).clamp(max=T - 1)
            ],
            "The tokens that are not 0 were counted. But 0 is a token like any other that also "
            "fills up rows: look for the extract token.": hidden[every, counted - 1],
            "The tokens that are not 0 were counted, and the count taken for a place. Look for the "
            "extract token.": hidden[every, counted.clamp(max=T - 1)],
            "All rows were read where the first one ends. Each has an end of its own.": hidden[
                :, at[0]
            ],
            "All rows were read where the longest one ends. Each has an end of its own.": hidden[
                :, at.max()
            ],
            "`hidden[:, at]` reads every row at the ends of all rows. Give the number of the row, "
            "too: `hidden[torch.arange(B), at]`.": hidden[:, at],
            "The states were averaged over the row. GPT-1 reads one of them.": (
                (hidden * upto[..., None]).sum(1) / (at + 1)[:, None]
            ),
            "The states were averaged, padding included. GPT-1 reads one of them.": hidden.mean(1),
            "The rows were laid end to end and each place was counted from the beginning of the "
            "first.": hidden.flatten(0, 1)[at],
            "These are the places. Wanted are the states there.": at,
        }
        given = f"hidden {tuple(hidden.shape)}, ids = {ids}, extract = {extract}"
        got = call(answer, hidden, rows, extract)
        compare(got, hidden[every, at], given=given, mistakes=mistakes)
    return "You read each row where it ends: at the only token that has seen all of it."


def _options(answer: Any) -> str:
    for scores, n in (([0.5, 2.0, -1.0, 1.0, 0.0, 3.0], 3), ([2.0, 1.0, 4.0, 4.0, -9.0, 9.0], 2)):
        flat = torch.tensor(scores)
        each = flat.view(-1, n)
        mistakes = {
            "The softmax went over all rows of the batch. The options of one example compete, and "
            "with nobody else.": flat.softmax(0).view(-1, n),
            "The softmax went down the columns: it sets the examples against each other. The "
            "options of an example stand side by side, in the last dimension.": each.softmax(0),
            "The rows were sorted into the wrong examples: the options of an example stand one "
            "after the other.": flat.view(n, -1).T.softmax(-1),
            "Each option was judged alone, by a sigmoid. Exactly one is right, so their "
            "probabilities must add up to 1.": each.sigmoid(),
            "These are the scores themselves. A softmax makes probabilities of them.": each,
            "These are logarithms of probabilities.": each.log_softmax(-1),
            "The scores were divided by their sum. They may be negative: take the exponential "
            "first.": each / each.sum(-1, keepdim=True),
            "The probabilities are right, all in one row. Give each example a row of its own.": (
                each.softmax(-1).flatten()
            ),
            "The probabilities are right, with a column for each example. Give each a row.": (
                each.softmax(-1).T.contiguous()
            ),
        }
        given = f"scores = {scores}, n = {n}"
        compare(call(answer, flat, n), each.softmax(-1), given=given, mistakes=mistakes)
    return "A head with one output serves any number of options, because they share the softmax."


def _l3(answer: Any) -> str:
    noise = torch.Generator().manual_seed(3)
    for lengths, lam in (([3, 6, 4], 0.5), ([5, 3], 0.25), ([4, 4, 3], 0.0)):
        B, T, V, n = len(lengths), max(lengths) + 1, 8, 3
        answers, logits = (2 * torch.randn(B, *k, generator=noise) for k in ((n,), (T, V)))
        labels = torch.randint(n, (B,), generator=noise)
        ids = torch.randint(V, (B, T), generator=noise)
        at = torch.tensor(lengths) - 1
        ids[torch.arange(T) > at[:, None]] = 0
        want, mistakes = _wrong_l3(answers, labels, logits, ids, at, lam)
        given = (
            f"answers {tuple(answers.shape)}, labels = {labels.tolist()}, logits "
            f"{tuple(logits.shape)}, ids = {ids.tolist()}, at = {at.tolist()}, lam = {lam}"
        )
        got = call(answer, answers, labels, logits, ids, at, lam)
        compare(got, want, given=given, mistakes=mistakes)
    return "This is the number that GPT-1's fine-tuning makes small, from the network's outputs."


def _wrong_l3(
    answers: Tensor, labels: Tensor, logits: Tensor, ids: Tensor, at: Tensor, lam: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """L3 as code minimises it, and what the usual mistakes give."""
    label, text = F.cross_entropy(answers, labels), _text_losses(logits, ids, at)
    right = text.pop("")
    p = answers.softmax(-1).gather(1, labels[:, None])
    return label + lam * right, {
        "L2 has lost its logarithm: probabilities were added up. An example that the network "
        "gets quite wrong would then teach it next to nothing.": -p.mean() + lam * right,
        **{cause: label + lam * wrong for cause, wrong in text.items()},
        "The weight of the texts, lam, was left out.": label + right,
        "The weight stands before the wrong part: lam belongs to the texts.": lam * label + right,
        "The label was weighed with 1 - lam. It counts in full, whatever lam is.": (
            (1 - lam) * label + lam * right
        ),
        "The texts are missing. L1 is computed on the labelled texts, and added with weight lam.": (
            label
        ),
        "The labels are missing. L3 is L2, the labels, and lam times L1.": lam * right,
        "This is L3 as the paper has it, to be made large. Code makes its negative small.": (
            -label - lam * right
        ),
        "L1 has its sign the wrong way round here: with it, the network would unlearn language.": (
            label - lam * right
        ),
        "The labels' part is a sum. Take the mean over the examples.": (
            label * len(labels) + lam * right
        ),
        "Two softmaxes: cross_entropy takes the answers as they are.": (
            F.cross_entropy(answers.softmax(-1), labels) + lam * right
        ),
    }


def _text_losses(logits: Tensor, ids: Tensor, at: Tensor) -> dict[str, Tensor]:
    """Minus L1 under the key "", and under its cause what the usual mistakes give."""
    B, T = ids.shape
    nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    copied = F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").view(B, T)
    nats, t, ends = nats.view(B, T - 1), torch.arange(T), at[:, None]  # column t: what follows t
    real = t[:-1] < ends

    def mean(nats: Tensor, counted: Tensor) -> Tensor:
        """Per row over the places that count, then over rows."""
        return ((nats * counted).sum(1) / counted.sum(1)).mean()

    return {
        "": mean(nats, real),
        "The padding is scored, too. A row ends at its extract token, and what is behind it is no "
        "text.": nats.mean(),
        "All real tokens of the batch count alike, so a long text counts more than a short one. "
        "Take the mean over a row first, then over rows.": nats[real].mean(),
        "The extract token is not scored here. It is the last token that a row predicts.": mean(
            nats, t[:-1] < ends - 1
        ),
        "One token too many is scored: behind the extract token there is nothing to predict.": mean(
            nats, t[:-1] <= ends
        ),
        "Every token is predicted from itself. Position t predicts token t + 1.": mean(
            copied, t <= ends
        ),
        "The tokens of a row were added up. Take their mean.": (nats * real).sum(1).mean(),
    }


EXERCISES = [
    Exercise("6.1", "The rows of two texts", "easy", 15, _rows),
    Exercise("6.2", "What is new, and what is trained", "easy", 5, _counts),
    Exercise("6.3", "Where the answer is read", "medium", 10, _read),
    Exercise("6.4", "From scores to options", "easy", 10, _options),
    Exercise("6.5", "The whole loss", "hard", 20, _l3),
]

"""What this proves: each check of chapter 13 lets right answers pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message. 13.3 and 13.4, about
induction heads, stand in `test_induction_exercises.py`.
"""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from verdicts import assert_named, four_tests

from gptcore.exercises.in_context import EXERCISES
from gptcore.scoring.shots import demonstration
from gptcore.scoring.tasks import Task, item

# 13.1 --------------------------------------------------------------------------------------------


def prompt(shown, question, separator):
    demos = "".join(f"{text}\nAnswer: {answer}{separator}" for text, answer in shown)
    return f"{demos}{question}\nAnswer:"


def by_joining(shown, question, separator):
    parts = [text + "\nAnswer: " + answer for text, answer in shown] + [question + "\nAnswer:"]
    return separator.join(parts)


def by_library(shown, question, separator):
    """As the harness puts demonstrations before a question."""
    task = Task("told", "{text}\nAnswer:", "exact", target="{answer}", separator=separator)
    rows = [{"text": text, "answer": answer} for text, answer in shown]
    before = "".join(demonstration(task, row) + task.separator for row in rows)
    return before + item(task, {"text": question, "answer": "?"}).context


def made(pair="{0}\nAnswer: {1}", asked="{0}\nAnswer:", form="{demos}{asked}", order=1, sep=None):
    """A prompt of which a part is made otherwise; {s} is the separator."""

    def answer(shown, question, separator):
        separator = sep or separator
        behind = "" if "{s}" in pair else separator
        demos = [pair.format(*one, s=separator) + behind for one in shown[::order]]
        form_of = {"demos": "".join(demos), "asked": asked.format(question), "s": separator}
        return form.format(**form_of)

    return answer


def without_last(shown, question, separator):
    return separator.join(f"{t}\nAnswer: {a}" for t, a in shown) + question + "\nAnswer:"


def question_first(shown, question, separator):
    return separator.join([f"{question}\nAnswer:", *(f"{t}\nAnswer: {a}" for t, a in shown)])


def unseparated(shown, question, separator):
    return prompt(shown, question, "")


# 13.2 --------------------------------------------------------------------------------------------


def fitting(more=0, full=False, order=lambda lengths: lengths, asks=(1, 1), give=None):
    """Lengths are added up from the end; `more` room, or what fills it taken for too long."""

    def answer(lengths, question, answer, n_ctx):
        if question + answer > n_ctx:
            raise ValueError("too long")
        room, n = n_ctx - asks[0] * question - asks[1] * answer + more, 0
        for length in reversed(order(lengths)):
            if length > room or (full and length == room):
                break
            n, room = n + 1, room - length
        return give(lengths, n) if give else n

    return answer


def by_sums(lengths, question, answer, n_ctx):
    """Sums grow, so that those which fit are the first."""
    room = n_ctx - question - answer
    if room < 0:
        raise ValueError(f"{question} + {answer} tokens, n_ctx={n_ctx}")
    return (np.cumsum(lengths[::-1]) <= room).sum()


def by_tensors(lengths, question, answer, n_ctx):
    if question + answer > n_ctx:
        raise ValueError
    sums = torch.tensor(lengths[::-1], dtype=torch.long).cumsum(0)
    return (sums + question + answer <= n_ctx).sum()


def by_dropping(lengths, question, answer, n_ctx):
    while sum(lengths) + question + answer > n_ctx:
        if not lengths:
            raise ValueError("question and answer do not fit")
        lengths = lengths[1:]
    return len(lengths)


def passing_over(lengths, question, answer, n_ctx):
    n, room = 0, n_ctx - question - answer
    if room < 0:
        raise ValueError
    for length in lengths[::-1]:
        if length <= room:
            n, room = n + 1, room - length
    return n


def refusing(too_long, error=ValueError):
    def answer(lengths, question, answer, n_ctx):
        if too_long(sum(lengths), question + answer, n_ctx):
            raise error("too long")
        return fitting()(lengths, question, min(answer, n_ctx - question), n_ctx)

    return answer


# 13.5 --------------------------------------------------------------------------------------------


def grams(words, n, end=1, step=1):
    return [tuple(words[i : i + n]) for i in range(0, len(words) - n + end, step)]


def overlap(test, corpus, n):
    seen, own = set(grams(corpus, n)), grams(test, n)
    return sum(one in seen for one in own) / len(own) if own else 0.0


def by_texts(test, corpus, n):
    """Spaces on both sides, so that no part of a word is found."""
    whole, found = f" {' '.join(corpus)} ", []
    for i in range(len(test) - n + 1):
        found.append(f" {' '.join(test[i : i + n])} " in whole)
    return float(np.mean(found)) if found else 0


def overlap_by_arrays(test, corpus, n):
    number = {word: i for i, word in enumerate(dict.fromkeys(test + corpus))}
    if len(test) < n or len(corpus) < n:
        return 0.0
    own, seen = (
        torch.tensor([number[word] for word in words]).unfold(0, n, 1) for words in (test, corpus)
    )
    return (own[:, None] == seen).all(-1).any(-1).float().mean()


def shared(own=grams, seen=grams, over=None, among=None):
    """A share of which a part is made otherwise."""

    def answer(test, corpus, n):
        mine, theirs = own(test, n), seen(corpus, n)
        found = among(mine, theirs) if among else sum(one in theirs for one in mine)
        by = over(test, n) if over else len(mine)
        return found / by if by > 0 and len(test) >= n else 0.0

    return answer


def unguarded(test, corpus, n):
    own = grams(test, n)
    return sum(one in grams(corpus, n) for one in own) / len(own)


def missing(words, n):
    return grams(words, n, 0)


def pieces(words, n):
    return grams(words, n, step=n)


def loose(words, n):
    return [frozenset(one) for one in grams(words, n)]


def spoken(words, n):
    return [" ".join(one) for one in grams(words, n)]


def clipped(own, seen):
    return (Counter(own) & Counter(seen)).total()


RIGHT = [
    ("13.1", prompt),
    ("13.1", by_joining),
    ("13.1", by_library),
    ("13.2", fitting()),
    ("13.2", by_sums),
    ("13.2", by_tensors),
    ("13.2", by_dropping),
    ("13.5", overlap),
    ("13.5", by_texts),
    ("13.5", overlap_by_arrays),
]
WRONG = {
    "13.1": {
        "A space stands at the end": made(asked="{0}\nAnswer: "),
        "No separator stands behind the last": without_last,
        "separators are missing": unseparated,
        "A separator stands at the end": made(form="{demos}{asked}{s}"),
        "begins with a separator": made(form="{s}{demos}{asked}"),
        "before the demonstrations": made(pair="{s}{0}\nAnswer: {1}"),
        "'Answer:' is missing": made(asked="{0}"),
        "lack their answers": made(pair="{0}\nAnswer:"),
        "turned round": made(order=-1),
        "The question stands first": question_first,
        "The question is missing": made(form="{demos}"),
        "A space is missing": made(pair="{0}\nAnswer:{1}"),
        "a line of its own": made(pair="{0} Answer: {1}", asked="{0} Answer:"),
        "always a line break": made(sep="\n"),
        "always an empty line": made(sep="\n\n"),
        "a text was expected": lambda *given: by_joining(*given).split("\n"),
    },
    "13.2": {
        "The first ones are counted": fitting(order=lambda lengths: lengths[::-1]),
        "is passed over": passing_over,
        "The shortest are taken": fitting(order=lambda lengths: sorted(lengths)[::-1]),
        "for the answer": fitting(asks=(1, 0)),
        "for the question": fitting(asks=(0, 1)),
        "Question and answer are not counted": fitting(asks=(0, 0)),
        "to its last token": fitting(full=True),
        "One token too many": fitting(more=1),
        "no longer fits is counted": fitting(give=lambda lengths, n: min(n + 1, len(lengths))),
        "These are tokens": fitting(give=lambda lengths, n: sum(lengths[len(lengths) - n :])),
        "So many go": fitting(give=lambda lengths, n: len(lengths) - n),
        "all of them": fitting(give=lambda lengths, n: len(lengths)),
        "Leave demonstrations out": refusing(lambda shown, asked, n_ctx: shown + asked > n_ctx),
        "exactly, and are refused": refusing(lambda shown, asked, n_ctx: asked >= n_ctx),
        "raise a ValueError": refusing(lambda *_: False),
    },
    "13.5": {
        "twice counts once": shared(own=lambda words, n: set(grams(words, n))),
        "found once": shared(among=clipped),
        "share of the corpus": lambda test, corpus, n: overlap(corpus, test, n),
        "Single words": shared(lambda words, n: words, lambda words, n: words),
        "Both last n-grams": shared(missing, missing),
        "The test's last": shared(missing),
        "The corpus's last": shared(seen=missing),
        "order of the words": shared(loose, loose),
        "Parts of words": shared(spoken, lambda words, n: " ".join(words)),
        "The test is cut": shared(pieces),
        "Both are cut": shared(pieces, pieces),
        "by the number of words": shared(over=lambda test, n: len(test)),
        "This is their number": shared(over=lambda test, n: 1),
        "the test has no n-gram": unguarded,
        "The answer is 1, and 0": lambda *given: overlap(*given) if given[2] < 5 else 1,
        "is no number": lambda *given: overlap(*given) if grams(given[0], given[2]) else math.nan,
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests([*EXERCISES[:2], EXERCISES[4]], RIGHT, WRONG)


SAME_MISTAKE = [
    ("13.1", lambda *given: prompt(*given) + " ", "A space stands at the end"),
    ("13.2", refusing(lambda s, q, n: q > n, AssertionError), "raise a ValueError"),
    ("13.2", lambda *given: None if sum(given[1:3]) > given[3] else by_sums(*given), "ValueError"),
]


@pytest.mark.parametrize(("number", "answer", "phrase"), SAME_MISTAKE)
def test_the_same_mistake_elsewhere(number, answer, phrase):
    assert_named(number, answer, phrase)


def test_an_overlap_by_hand() -> None:
    """Of "a b c a b" three pairs of four stand in "b a b c": ab, bc, and ab again; ca does not."""
    assert overlap("a b c a b".split(), "b a b c".split(), 2) == 3 / 4

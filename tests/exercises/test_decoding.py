"""What this proves: each check of chapter 10 lets right answers pass and names the usual mistakes.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

import itertools

import torch
from verdicts import four_tests

from gptcore.exercises.decoding import EXERCISES

# 10.1 --------------------------------------------------------------------------------------------


def nucleus(order=lambda p: sorted(p, reverse=True), least=1, turned=False, same=False, less=0):
    def kept(p, limit):
        sums = list(itertools.accumulate(order(p)))
        book = next((i + 1 for i, s in enumerate(sums) if s >= limit), len(sums))
        code = max(least, sum(s <= limit for s in sums))
        pair = (book, book if same else code)
        pair = tuple(n - less for n in pair)
        return pair[::-1] if turned else pair

    return kept


def by_tensors(p, limit):
    q = torch.tensor(p, dtype=torch.float64).sort(descending=True).values
    total = q.cumsum(0)
    return [int((total - q < limit).sum()), max(1, int((total <= limit).sum()))]


# 10.2 --------------------------------------------------------------------------------------------


def penalised(up=lambda z, c: z * c, down=lambda z, c: z / c, which=None, again=False):
    def answer(logits, seen, penalty):
        found = logits.clone()
        tokens = range(len(logits)) if which == "all" else (seen if again else sorted(set(seen)))
        for token in tokens:
            z = found[token]
            found[token] = up(z, penalty) if z < 0 else down(z, penalty)
        return found

    return answer


# 10.3 --------------------------------------------------------------------------------------------


def best(score=lambda p, n, a: p / ((5 + n) / 6) ** a):
    return lambda texts, alpha: max(range(len(texts)), key=lambda i: score(*texts[i], alpha))


# 10.4 --------------------------------------------------------------------------------------------


def memory(factor=lambda L, n, d, B, size: 2 * L * n * d * B * size):
    return factor


# 10.5 --------------------------------------------------------------------------------------------


def padded(lengths):
    T = max(lengths)
    positions = torch.zeros(len(lengths), T, dtype=torch.long)
    reads = torch.zeros(len(lengths), T, T, dtype=torch.bool)
    for row, n in enumerate(lengths):
        positions[row, T - n :] = torch.arange(n)
        for q in range(T - n, T):
            reads[row, q, T - n : q + 1] = True
    return positions, reads


def with_own(lengths):
    """Padding that reads itself, as ours does, so that no row of a softmax is empty."""
    positions, reads = padded(lengths)
    return positions, reads | torch.eye(max(lengths), dtype=torch.bool)


def positions(of):
    return lambda lengths: (of(lengths, max(lengths)), padded(lengths)[1])


def reads(of):
    return lambda lengths: (padded(lengths)[0], of(lengths, max(lengths)))


def rows(lengths, T):
    return torch.tensor([T - n for n in lengths])[:, None]


def causal(lengths, T):
    return torch.ones(T, T).tril().bool().expand(len(lengths), T, T)


def inside(lengths, T):
    return torch.arange(T) >= rows(lengths, T)


RIGHT = [
    ("10.1", nucleus()),
    ("10.1", by_tensors),
    ("10.2", penalised()),
    ("10.3", best()),
    ("10.3", best(lambda p, n, a: p * (6 / (5 + n)) ** a)),
    ("10.4", memory()),
    ("10.5", padded),
    ("10.5", with_own),
]
WRONG = {
    "10.1": {
        "the other way round": nucleus(turned=True),
        "The likeliest come first": nucleus(order=list),
        "keeps one always": nucleus(least=0),
        "Each is one too small": nucleus(less=1),
        "Both numbers are the textbook's": nucleus(same=True),
    },
    "10.2": {
        "CTRL's own formula": penalised(up=lambda z, c: z / c),
        "This rewards repetition": penalised(lambda z, c: z / c, lambda z, c: z * c),
        "punished twice": penalised(again=True),
        "All tokens are punished": penalised(which="all"),
        "Nothing is changed": lambda logits, seen, penalty: logits,
    },
    "10.3": {
        "This is the likeliest text": best(lambda p, n, a: p),
        "multiplied by the penalty": best(lambda p, n, a: p * ((5 + n) / 6) ** a),
        "as transformers does": best(lambda p, n, a: p / n**a),
        "by the length, whatever": best(lambda p, n, a: p / n),
        "This is the worst one": best(lambda p, n, a: -p / ((5 + n) / 6) ** a),
    },
    "10.4": {
        "keys and values": memory(lambda L, n, d, B, size: L * n * d * B * size),
        "takes `size` bytes": memory(lambda L, n, d, B, size: 2 * L * n * d * B),
        "one sequence's": memory(lambda L, n, d, B, size: 2 * L * n * d * size),
        "one layer's": memory(lambda L, n, d, B, size: 2 * n * d * B * size),
        "square of the length": memory(lambda L, n, d, B, size: 2 * L * n * n * d * B * size),
        "three vectors a token": memory(lambda L, n, d, B, size: 3 * L * n * d * B * size),
    },
    "10.5": {
        "beginning of the batch": positions(lambda n, T: torch.arange(T).expand(len(n), T)),
        "Take 0": positions(lambda n, T: torch.arange(T) - rows(n, T)),
        "Two tensors are expected": lambda lengths: padded(lengths)[0],
        "Padding is read": reads(causal),
        "Later tokens are read": reads(
            lambda n, T: inside(n, T)[:, None, :] & inside(n, T)[:, :, None]
        ),
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)

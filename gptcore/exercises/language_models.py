"""The exercises of chapter 02, and what usually goes wrong in them.

Source: GPT-1 §3.1, eq. 1, and its released code; GPT-2 §3.1 (units); Chen and Goodman 1998 §2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

from gptcore.exercises.checking import Exercise, Mistake, call, compare

__all__ = ["EXERCISES"]

# Context -> next word -> probability; the empty text is the beginning. That of the chapter first.
TABLES = (
    {
        "": {"the": 1 / 2, "cat": 1 / 4, "sat": 1 / 4},
        "the": {"the": 1 / 4, "cat": 1 / 4, "sat": 1 / 2},
        "cat": {"the": 1 / 4, "cat": 1 / 4, "sat": 1 / 2},
        "sat": {"the": 1 / 2, "cat": 1 / 4, "sat": 1 / 4},
    },
    {
        "": {"rain": 0.3, "sun": 0.7},
        "rain": {"rain": 0.6, "sun": 0.4},
        "sun": {"rain": 0.1, "sun": 0.9},
    },
)


def _l1(answer: Any) -> str:
    cases = [
        (TABLES[1], ["rain", "rain", "sun", "sun"]),
        (TABLES[0], ["the", "cat", "sat"]),
        (TABLES[0], ["cat"]),
    ]
    for table, text in cases:
        steps = list(pairwise(["", *text]))
        p = [table[before][word] for before, word in steps]
        want = sum(map(math.log, p))
        mistakes = {
            "This is the probability itself. L1 is its logarithm: add up logarithms instead of "
            "multiplying.": math.prod(p),
            "The probabilities were added up. Take the logarithm of each first.": sum(p),
            "The sign is turned round. That makes the loss, which is minimised; L1 is a sum of "
            "logarithms of probabilities, so it is never above 0.": -want,
            "This is the mean. L1 is the sum over all words.": want / len(p),
            "This is the loss, the mean with the other sign. L1 is the plain sum.": -want / len(p),
            "The first word is not counted. Here it has a row of its own in the table, the one of "
            'the empty text "".': sum(map(math.log, p[1:])),
            "These are bits: the logarithm to the base 2 was taken. `math.log` is the natural "
            "one.": want / math.log(2),
            "The logarithm to the base 10 was taken. `math.log` is the natural one.": want
            / math.log(10),
            "Every word was looked up in the row of the beginning. A word's row is that of the "
            "word before it.": sum(math.log(table[""][word]) for word in text),
            "Rows and columns are swapped: the table is opened at what came before, and the word "
            "looked up in that row.": lambda text=text, table=table: (
                math.log(table[""][text[0]]) + sum(math.log(table[b][a]) for a, b in pairwise(text))
            ),
        }
        compare(call(answer, table, text), want, given=" ".join(text), mistakes=mistakes)
    return "You have computed a log-likelihood: what GPT's training makes large, word by word."


def _perplexity(answer: Any) -> str:
    cases = [[(2.0, 100), (1.0, 300)], [(0.5, 10)], [(3.0, 5), (0.1, 1000), (1.2, 40)]]
    for parts in cases:
        tokens = sum(n for _, n in parts)
        total = sum(nats * n for nats, n in parts)
        mean, evenly = total / tokens, sum(nats for nats, _ in parts) / len(parts)
        each = [(math.exp(nats), n) for nats, n in parts]
        mistakes = {
            "Perplexities were averaged. A mean of exponentials is not the exponential of a mean: "
            "average the nats, and take the exponential at the end.": (
                sum(one * n for one, n in each) / tokens
            ),
            "Perplexities were averaged, and every text counts as much as any other. Average the "
            "nats, token by token, and take the exponential at the end.": (
                sum(one for one, _ in each) / len(parts)
            ),
            "Every text counts as much as any other here. A mean over all tokens weighs each text "
            "with its number of tokens.": math.exp(evenly),
            "This is the loss in nats. The perplexity is e to that power.": mean,
            "Two to the power goes with bits. A loss in nats belongs with e: `math.exp`.": 2**mean,
            "This is the number of nats of all texts together. Divide by the number of tokens, and "
            "take the exponential.": total,
            "The perplexity is e to the power of the loss, not of minus the loss: it is never "
            "below 1.": math.exp(-mean),
        }
        compare(call(answer, parts), math.exp(mean), given=parts, mistakes=mistakes)
    return "You know how losses add up: nats by tokens first, the exponential once, at the end."


def _bits_per_byte(answer: Any) -> str:
    for nats, n_tokens, text in ((2.0, 6, "Zoë's café"), (1.1, 3, "你好!"), (3.2, 4, "the mill")):
        size, bits = len(text.encode()), nats * n_tokens / math.log(2)
        mistakes = {
            "This divides by the number of characters. A letter such as ë has more than one byte, "
            "and bytes were asked for.": bits / len(text),
            "These are nats per byte. A bit is ln 2 nats, so divide by `math.log(2)`.": nats
            * n_tokens
            / size,
            "Nats were multiplied by ln 2. A bit is less than a nat, so there are more of them: "
            "divide by `math.log(2)`.": nats * n_tokens * math.log(2) / size,
            "These are bits per token. Multiply by the tokens, and divide by the bytes.": nats
            / math.log(2),
            "These are the bits of the whole text. Divide by its bytes.": bits,
            "The tokens are missing: the loss is per token, so the whole text has the loss times "
            "the number of tokens.": nats / math.log(2) / size,
            "Tokens and bytes have changed places: the loss is per token, so multiply by the "
            "tokens and divide by the bytes.": nats / math.log(2) * size / n_tokens,
        }
        given = f"{nats} nats per token, {n_tokens} tokens, {text!r}"
        compare(call(answer, nats, n_tokens, text), bits / size, given=given, mistakes=mistakes)
    return "You can compare models that cut their text differently: by what they pay for a byte."


def _pairs(tokens: list, first: int, reach: int, *, ahead: int = 0, last: int = 0) -> list:
    """(context, answer) for the answers from place `first` on; `ahead` lets the context see it."""
    places = range(first, len(tokens) - last)
    return [(tokens[max(0, i - reach) : i + ahead], tokens[i]) for i in places]


def _lessons(answer: Any) -> str:
    for tokens, k in ((list("claims"), 3), ([5, 1, 4], 8), (list("ab"), 1)):
        want = _pairs(tokens, 1, k)
        mistakes = {
            "Only tokens with a full context of k are scored here, as in the notes' sum. In "
            "training every token but the first is scored, with as much context as there "
            "is.": _pairs(tokens, k, k),
            "The first token is among the answers. Nothing stands before it, so there is nothing "
            "to predict it from.": _pairs(tokens, 0, k),
            "The context holds the answer itself. It must end before the answer: a model that sees "
            "the answer learns to copy.": _pairs(tokens, 1, k, ahead=1),
            "The context holds the answer itself, as the last of its k tokens. It must end before "
            "the answer.": _pairs(tokens, 1, k - 1, ahead=1),
            "The context is one token too long: at most k tokens.": _pairs(tokens, 1, k + 1),
            "The context is one token too short: up to k tokens.": _pairs(tokens, 1, k - 1),
            "The whole text before the answer is the context here. The model looks back at most k "
            "tokens.": _pairs(tokens, 1, len(tokens)),
            "The last token is an answer too: everything before it is known.": _pairs(
                tokens, 1, k, last=1
            ),
            "Context and answer have changed places in each pair.": [
                (token, context) for context, token in want
            ],
        }
        given = f"{tokens}, k = {k}"
        compare(call(answer, tokens, k), want, given=given, mistakes=mistakes)
    return "You know what a window teaches: one lesson for every token but the first."


WORDS = "the cat sat . the dog sat . the dog ran .".split()
SHORT = "a dog ran . a dog".split()  # ends in a word that has been followed, too


def _share_of(words: Sequence[str], before: str, word: str) -> float | None:
    """How often `word` followed `before`, by how often anything did; None if nothing did."""
    after = [b for a, b in pairwise(words) if a == before]
    return after.count(word) / len(after) if after else None


def _mixed(answer: Any) -> str:
    cases = [
        (WORDS, "the", "dog", 0.75),
        (WORDS, "cat", "ran", 0.5),
        (SHORT, "dog", "ran", 0.9),
        (WORDS, "owl", "sat", 0.75),
    ]
    for words, before, word, share in cases:
        given = f"{' '.join(words)!r} as a list, {before!r}, {word!r}, {share}"
        frequency = words.count(word) / len(words)
        seen = _share_of(words, before, word)
        want = frequency if seen is None else share * seen + (1 - share) * frequency
        try:
            got = call(answer, words, before, word, share)
        except Mistake as mistake:
            if "ZeroDivisionError" not in mistake.message or seen is not None:
                raise
            raise Mistake(
                f"A division by 0: nothing has ever followed {before!r}. There the pairs have "
                "nothing to say, and the word's own frequency gets the whole share.",
                given=given,
                expected=f"{want:.4f}",
            ) from mistake
        compare(got, want, given=given, mistakes=_mixed_up(words, before, word, share))
    return "You have built a table that never says impossible to a word that it knows."


def _mixed_up(words: Sequence[str], before: str, word: str, share: float) -> dict[str, float]:
    """What the usual mistakes give."""
    pairs = list(pairwise(words))
    together, frequency = pairs.count((before, word)), words.count(word) / len(words)
    rest, seen = (1 - share) * frequency, _share_of(words, before, word)
    if seen is None:
        return {
            "Nothing has ever followed this word, and part of the probability went to waste: the "
            "row no longer adds up to 1. Give the word's own frequency the whole share.": rest,
            "A word that was seen gets the probability 0 after a new one. Where the pairs have "
            "nothing to say, its own frequency gets the whole share.": 0.0,
        }
    return {
        "The two shares have changed places: `share` belongs to the pairs.": (
            (1 - share) * seen + share * frequency
        ),
        "Only the pairs were asked. What has not been seen gets too little: mix in the word's own "
        "frequency.": seen,
        "Only the word's own frequency was asked. What stands before it matters too.": frequency,
        "The pairs were divided by how often the second word occurs. Wanted is the share among "
        "what followed the first.": share * together / words.count(word) + rest,
        "The pairs were divided by how often the first word occurs. At the end of the text "
        "nothing follows it: count only where something does.": (
            share * together / words.count(before) + rest
        ),
        "The pairs were divided by the number of all pairs. Wanted is the share among those that "
        "begin with the first word.": share * together / len(pairs) + rest,
        "The two parts were added up whole. Weigh them with `share` and 1 - `share`.": (
            seen + frequency
        ),
        "The word's frequency is its count by the number of all words, not of all pairs.": (
            share * seen + (1 - share) * words.count(word) / len(pairs)
        ),
    }


BUGS = {
    "the sign": "A log-probability is never above 0, so a loss needs a minus.",
    "the places": "After reading token t the model predicts token t + 1. Here it is scored on the "
    "token that it has just read.",
    "the mean": "A text of n tokens has n - 1 scores. Here their sum is divided by n.",
}


def _loss_with(log_p: Sequence, tokens: Sequence, bugs: Sequence[str]) -> float:
    """The mean loss with some of the bugs left in."""
    n = len(tokens)
    read = range(n) if "the places" in bugs else range(n - 1)
    ahead = 0 if "the places" in bugs else 1
    total = sum(log_p[t][tokens[t + ahead]] for t in read)
    return (1 if "the sign" in bugs else -1) * total / (n if "the mean" in bugs else n - 1)


def _left_in(log_p: Sequence, tokens: Sequence) -> dict[str, float]:
    """What is said when some bugs are left -> the loss that these give."""
    said = {}
    for n in (1, 2):
        for bugs in combinations(BUGS, n):
            found = " and ".join(name for name in BUGS if name not in bugs)
            is_found = f"Found: {found}. {('One bug is', 'Two bugs are')[n - 1]} left. "
            said[is_found + BUGS[bugs[0]]] = _loss_with(log_p, tokens, bugs)
    said[
        "This is what the listing gives as it stands, with all three bugs in it. Begin with the "
        "sign: can a loss be below 0?"
    ] = _loss_with(log_p, tokens, list(BUGS))
    return said


def _mean_loss(answer: Any) -> str:
    cases = [
        ([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]], [0, 2, 1]),
        ([[0.9, 0.1], [0.2, 0.8]], [1, 0]),
        ([[0.5, 0.5], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1, 1]),
    ]
    for rows, tokens in cases:
        log_p = [[math.log(p) for p in row] for row in rows]
        n, want = len(tokens), _loss_with(log_p, tokens, ())
        back = [log_p[t][tokens[t - 1]] for t in range(1, n)]
        same = [log_p[t][tokens[t]] for t in range(1, n)]
        mistakes = {
            **_left_in(log_p, tokens),
            "The places were moved the wrong way: row t predicts token t + 1.": -sum(back)
            / (n - 1),
            "The first score is gone, and the others still stand at the wrong places: row t "
            "predicts token t + 1.": -sum(same) / (n - 1),
            "This is the sum. The loss is the mean over the scores.": want * (n - 1),
            "This is the perplexity. The loss stays in nats.": math.exp(want),
        }
        given = f"probabilities {rows}, as logarithms; tokens {tokens}"
        compare(call(answer, log_p, tokens), want, given=given, mistakes=mistakes)
    return "You have found all three. None of them raises an error: only the number was wrong."


EXERCISES = [
    Exercise("2.1", "The log-likelihood of a text", "easy", 5, _l1),
    Exercise("2.2", "One perplexity for several texts", "easy", 10, _perplexity),
    Exercise("2.3", "Bits per byte", "easy", 5, _bits_per_byte),
    Exercise("2.4", "Which positions are scored", "medium", 10, _lessons),
    Exercise("2.5", "A table that never says impossible", "medium", 20, _mixed),
    Exercise("2.6", "Three planted bugs", "medium", 15, _mean_loss),
]

"""The exercises of chapter 09, tasks that nobody trained for, and what usually goes wrong in them.

Source: GPT-1 §5, GPT-3 §2.4 and lm-evaluation-harness (how options are compared); GPT-2 §2 (the
supervised objective is a part of the unsupervised one); Min et al. 2022 (shuffled answers).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from gptcore.exercises.checking import Exercise, Mistake, call, compare, compare_each, refuses
from gptcore.exercises.comparing import describe

__all__ = ["EXERCISES"]

# Options as (log_prob, n_tokens, n_characters), and their log-probabilities without the context.
# No two of the mistakes below choose the same options in both.
COMPARED = (
    ([(-3.0, 3, 18), (-19.7, 6, 14), (-2.3, 3, 10), (-3.1, 1, 7)], [-5.7, -25.3, -5.3, -8.9]),
    ([(-5.0, 2, 6), (-13.7, 5, 22), (-4.1, 3, 18), (-7.4, 6, 13)], [-7.5, -18.9, -9.1, -6.8]),
)
# What an option scores: of the triple and of the log-probability without the context.
SCORES: dict[str, Callable[[Sequence[float], float], float]] = {
    "none": lambda option, alone: option[0],
    "token": lambda option, alone: option[0] / option[1],
    "character": lambda option, alone: option[0] / option[2],
    "unconditional": lambda option, alone: option[0] - alone,
}
TIMES = "The log-probability was multiplied by the length. Divide it."
CHANCE = "The probability was divided. Divide its logarithm, which is a sum with a term a token."
OTHER_LENGTH = "Tokens and characters are the other way round: they are second and third."
PLAIN = "This is the likeliest option as it stands. Its score has to be divided or reduced first."
OTHERS: dict[str, dict[str, Callable[[Sequence[float], float], float]]] = {
    "none": {
        "This is the winner by token. Nothing is to be divided here.": SCORES["token"],
        "This is the winner by character. Nothing is to be divided here.": SCORES["character"],
    },
    "token": {
        TIMES: lambda option, alone: option[0] * option[1],
        OTHER_LENGTH: SCORES["character"],
        PLAIN: SCORES["none"],
        CHANCE: lambda option, alone: math.exp(option[0]) / option[1],
    },
    "character": {
        TIMES: lambda option, alone: option[0] * option[2],
        OTHER_LENGTH: SCORES["token"],
        PLAIN: SCORES["none"],
        CHANCE: lambda option, alone: math.exp(option[0]) / option[2],
    },
    "unconditional": {
        "The log-probability without context was added. It is taken away.": (
            lambda option, alone: option[0] + alone
        ),
        "The logarithms were divided. Dividing probabilities is subtracting logarithms.": (
            lambda option, alone: option[0] / alone
        ),
        "This is the likeliest without its context: what has to be taken away.": (
            lambda option, alone: alone
        ),
        PLAIN: SCORES["none"],
        "The difference was divided by the tokens as well. One answer to length is enough.": (
            lambda option, alone: (option[0] - alone) / option[1]
        ),
    },
}
WORST = "This is the one with the smallest score. Wanted is the largest, with its sign."


def _winner(case: tuple[list, list], rule: Callable, sign: int = 1) -> int:
    scores = [sign * rule(option, alone) for option, alone in zip(*case, strict=True)]
    return scores.index(max(scores))


def _ways(answer: Any) -> str:
    found = [call(answer, list(options), list(alone)) for options, alone in COMPARED]
    for case, got in zip(COMPARED, found, strict=True):
        if not isinstance(got, dict) or set(got) != set(SCORES):
            want = {norm: _winner(case, rule) for norm, rule in SCORES.items()}
            compare(got, want, given=f"options = {case[0]}, without = {case[1]}")
    for norm, right in SCORES.items():
        causes = {
            cause: [_winner(case, rule) for case in COMPARED]
            for cause, rule in OTHERS[norm].items()
        }
        causes[WORST] = [_winner(case, right, -1) for case in COMPARED]
        causes["Places are counted from 0."] = [_winner(case, right) + 1 for case in COMPARED]
        given_back = [got[norm] for got in found]
        for i, case in enumerate(COMPARED):
            scores = [right(*one) for one in zip(*case, strict=True)]
            mistakes = {c: places[i] for c, places in causes.items() if places == given_back}
            mistakes["This is the winner's score. Wanted is its place."] = max(scores)
            mistakes["These are the scores. Wanted is the place of the largest."] = scores
            given = f"options = {case[0]}, without = {case[1]}"
            given += f"; by {norm!r} they score {', '.join(f'{score:.3f}' for score in scores)}"
            compare(found[i][norm], _winner(case, right), given=given, mistakes=mistakes)
    return (
        "The same network gives different answers, because length is judged differently: whoever "
        "reports a score has to say by which of the four."
    )


LETTERS = " abcdefghijklmnopqrstuvwxyz"


def _monkey(answer: Any) -> str:
    names = "the chance of one try", "the expected number of tries"
    banana = [LETTERS.index(letter) for letter in "banana"]
    cases = (
        ([2, 0, 2], [0.5, 0.3, 0.2], "target = [2, 0, 2], p = [0.5, 0.3, 0.2]"),
        ([1, 3], [0.1, 0.4, 0.3, 0.2], "target = [1, 3], p = [0.1, 0.4, 0.3, 0.2]"),
        (banana, [1 / 27] * 27, f"target = {banana}, 27 keys that are struck equally often"),
    )
    for target, p, given in cases:
        chance, mistakes = _monkey_mistakes(target, p)
        got = call(answer, list(target), list(p))
        compare_each(got, (chance, 1 / chance), names, mistakes, given, atol=0)
    return (
        "Six letters take a monkey 387 million tries on average. What a network writes at its "
        "first try is not luck."
    )


def _monkey_mistakes(target: list[int], p: list[float]) -> tuple[float, list[dict[str, float]]]:
    """The chance of one try, and what the usual mistakes give."""
    n, chances = len(target), [p[token] for token in target]
    chance = math.prod(chances)
    orders = math.factorial(n) // math.prod(map(math.factorial, Counter(target).values()))
    return chance, [
        {
            "The probabilities were added. All keys have to be struck: multiply.": sum(chances),
            "Here all keys are equally likely. Use their own probabilities, p.": len(p) ** -n,
            "A key that is needed twice was counted once.": math.prod(p[i] for i in set(target)),
            "These are the first of p. The target holds ids: take p[id].": math.prod(p[:n]),
            "This is the chance of any order. Only one order is right.": orders * chance,
            "This is the logarithm of the chance.": math.log(chance),
        },
        {
            "So many texts have that length. As many tries it takes only where all keys are "
            "equally likely.": len(p) ** n,
            "This is the chance that one try fails.": 1 - chance,
            "These are the tries that fail. The one that succeeds counts, too.": 1 / chance - 1,
            "These are strokes. A try has as many as the target has tokens.": n / chance,
            "After so many tries the chance is one half. The mean is larger.": (
                math.log(0.5) / math.log1p(-chance)
            ),
            "This monkey keeps what is right and goes on from there. Ours begins anew with each "
            "try.": sum(1 / one for one in chances),
            "This is the logarithm of the number.": -math.log(chance),
        },
    ]


def _part(answer: Any) -> str:
    names = "the language model's loss", "the supervised loss", "the answer's share of the sum"
    cases = (
        ([2.0, 1.0, 4.0, 0.5, 1.5], [0, 0, 0, 1, 1]),
        ([0.3, 2.2, 3.1, 0.9, 0.6, 1.7, 2.4], [0, 1, 0, 0, 1, 1, 0]),
    )
    for nats, mask in cases:
        own = [x for x, m in zip(nats, mask, strict=True) if m]
        rest = [x for x, m in zip(nats, mask, strict=True) if not m]
        whole, answers = fmean(nats), fmean(own)
        sums = "This is the sum. A loss is the mean, in nats per token."
        others = "These are the other tokens, those that are no answer: the mask is turned round."
        powers = "This is the perplexity. The loss is its logarithm."
        mistakes = [
            {
                sums: sum(nats),
                "The answer is left out. A language model predicts all tokens.": fmean(rest),
                "This is the answer's. A language model predicts all tokens.": answers,
                "This is the mean of two means. Every token weighs the same.": (
                    (answers + fmean(rest)) / 2
                ),
                powers: math.exp(whole),
            },
            {
                sums: sum(own),
                "The sum over the answer was divided by the number of all tokens.": (
                    sum(own) / len(nats)
                ),
                others: fmean(rest),
                "This is the mean over all tokens. Take the answer's.": whole,
                powers: math.exp(answers),
            },
            {
                "This is the share of the tokens. Take that of their loss.": len(own) / len(nats),
                "This is one mean by the other. Divide the sums.": answers / whole,
                others: sum(rest) / sum(nats),
                "This is in per cent. A share is at most 1.": 100 * sum(own) / sum(nats),
                "This is the answer by the rest, not by the whole.": sum(own) / sum(rest),
            },
        ]
        want, flags = (whole, answers, sum(own) / sum(nats)), [bool(m) for m in mask]
        given = f"nats = {nats}, is_answer = {flags}"
        compare_each(call(answer, nats, flags), want, names, mistakes, given)
    return (
        "This is GPT-2's argument for tasks without training: a loss over all of a text holds that "
        "of the answers in it, as one part among others."
    )


MILL, POND, WOOD = "At the mill.", "By the pond.", "In the wood."
REPEATED = [
    (f"{name} came home late.", f"Where had {name} been?", place)
    for name, place in zip(
        ("Mina", "Otto", "Ruth", "Asher", "Tama", "Ida"),
        (MILL, POND, MILL, WOOD, MILL, POND),
        strict=True,
    )
]


def _shuffled(answer: Any) -> str:
    # So many that chance alone leaves a place as it is in one of them.
    for n in (5, 2, 3, 4, *range(6, 15)):
        distinct = [(f"Tale {i}.", f"Question {i}?", f"Answer {i}.") for i in range(n)]
        _judge_shuffled(call(answer, distinct), distinct)
    _judge_shuffled(call(answer, REPEATED), REPEATED)
    return (
        "Each row still looks like a demonstration, and each answer is as frequent as it was. "
        "What is left to learn from it is the form, and which answers are frequent."
    )


def _judge_shuffled(got: Any, corpus: list[tuple[str, str, str]]) -> None:
    said = {"given": describe(corpus), "got": describe(got)}
    texts, questions, answers = (list(column) for column in zip(*corpus, strict=True))
    rows = _rows(got, corpus, said)
    if rows == corpus:
        raise Mistake("Nothing has moved.", **said)
    if sorted(rows) == sorted(corpus) and len(set(answers)) == len(answers):
        raise Mistake(
            "Whole rows have moved, and each text still has its own answer. Move the answers "
            "alone.",
            **said,
        )
    if [row[0] for row in rows] != texts:
        raise Mistake("The texts have changed or moved. Move the answers alone.", **said)
    if [row[1] for row in rows] != questions:
        raise Mistake(
            "The questions have changed or moved: each belongs to its text. Move the answers "
            "alone.",
            **said,
        )
    moved = [row[2] for row in rows]
    before, after = Counter(answers), Counter(moved)
    for one in moved:
        if one not in before:
            raise Mistake(f"{one!r} is no answer of the corpus.", **said)
        if after[one] != before[one]:
            raise Mistake(
                f"{one!r} was there {before[one]} times, and is now {after[one]} times. Answers "
                "move, they are not drawn: each stays as frequent as it was.",
                **said,
            )
    _judge_moved(answers, moved, said)


def _judge_moved(answers: list[str], moved: list[str], said: dict[str, str]) -> None:
    """Whether all can have moved: of two equal answers, one may stand where the other was."""
    for i, (one, new) in enumerate(zip(answers, moved, strict=True)):
        if one != new or answers.count(one) > 1:
            continue
        if moved == answers[::-1]:
            raise Mistake(
                "The order is turned round. Of an odd number, the middle one stays where it is.",
                **said,
            )
        raise Mistake(
            f"The answer of row {i} has stayed in its place. Chance leaves some where they are: "
            "all must move.",
            **said,
        )


def _rows(got: Any, corpus: list[tuple[str, str, str]], said: dict[str, str]) -> list[tuple]:
    """What came back as rows of three texts.

    Raises:
        Mistake: it is something else.
    """
    answers = [answer for _, _, answer in corpus]
    if isinstance(got, list | tuple):
        if all(isinstance(one, str) for one in got) and sorted(got) == sorted(answers):
            raise Mistake("These are the answers alone. Wanted are whole rows.", **said)
        if len(got) == len(corpus) - 1:
            raise Mistake(
                "A row is missing. The last one has no next: give it the first one's answer.",
                **said,
            )
    turned = [(*row[:2], new) for row, new in zip(corpus, answers[1:] + answers[:1], strict=True)]
    if not isinstance(got, list | tuple) or len(got) != len(corpus):
        compare(got, turned, given=said["given"])
    for i, row in enumerate(got):
        if not isinstance(row, list | tuple) or [type(part) for part in row] != [str] * 3:
            raise Mistake(f"Row {i} is not a text, a question and an answer.", **said)
    return [tuple(row) for row in got]


def _prompt(answer: Any) -> str:
    cases = (
        (list(range(11, 21)), [1, 2, 3], 8),
        (list(range(11, 16)), [1, 2], 8),  # fits with room to spare
        (list(range(11, 18)), [1, 2], 8),  # fits exactly
        (list(range(11, 17)), [1, 2, 3, 4], 4),  # one token of the prompt is left
    )
    for ids, option, n_ctx in cases:
        keep = n_ctx + 1 - len(option)
        contexts = {
            "The beginning of the prompt is kept. The question stands at its end: keep that.": (
                ids[:keep]
            ),
            "One token of the prompt too few. The option's last token is predicted and not read, "
            "so that n_ctx + 1 tokens fit in all.": ids[-(keep - 1) :],
            "One token of the prompt too many: the network would read n_ctx + 1.": (
                ids[-(keep + 1) :]
            ),
            "Nothing is cut off the prompt.": ids,
            "The prompt is cut as if there were no option behind it.": ids[-n_ctx:],
            "Tokens are missing of a prompt that fits: a negative place counts from the end.": (
                ids[len(ids) - keep :]
            ),
        }
        mistakes = {cause: (context, option) for cause, context in contexts.items()}
        want = ids[-keep:], option
        mistakes["The two are the other way round: the context comes first."] = want[::-1]
        mistakes["This is one list. Wanted are two, context and option."] = want[0] + option
        given = f"ids = {ids}, option = {option}, n_ctx = {n_ctx}"
        got = _fitted(answer, ids, option, n_ctx)
        _judge_whole(got, option, given)
        compare(got, want, given=given, mistakes=mistakes)
    ids, option, n_ctx = [11, 12, 13], [1, 2, 3, 4, 5], 4
    refuses(
        answer,
        ids,
        option,
        n_ctx,
        why="An option of more than n_ctx tokens cannot be scored in one reading: raise a "
        "ValueError.",
        given=f"ids = {ids}, option = {option}, n_ctx = {n_ctx}",
    )
    return (
        "All of the option is scored, and as much of the prompt is read as fits. What is lost are "
        "its first words: put the question last."
    )


def _fitted(answer: Any, ids: list[int], option: list[int], n_ctx: int) -> Any:
    """`call`, where an answer that refuses what fits is told so."""
    try:
        return call(answer, ids, option, n_ctx)
    except Mistake as mistake:
        if not isinstance(mistake.__cause__, ValueError):
            raise
        why = "The prompt is refused. One that is too long is cut, and its end is kept."
        if len(option) == n_ctx:
            why = "An option of n_ctx tokens is refused. It fits behind one token of the prompt."
        raise Mistake(why, given=mistake.given) from mistake


def _judge_whole(got: Any, option: list[int], given: str) -> None:
    if not isinstance(got, list | tuple) or len(got) != 2 or not isinstance(got[1], list | tuple):
        return
    if list(got[1]) in [option[:n] for n in range(len(option))]:
        raise Mistake(
            "The option is cut. Its score is that of all its tokens: cut the prompt.",
            given=given,
            got=describe(got),
        )


EXERCISES = [
    Exercise("9.1", "Four ways to compare", "easy", 10, _ways),
    Exercise("9.2", "A monkey at a typewriter", "easy", 10, _monkey),
    Exercise("9.3", "A part of the loss", "medium", 10, _part),
    Exercise("9.4", "Shuffled answers", "medium", 15, _shuffled),
    Exercise("9.5", "A prompt that fits", "medium", 15, _prompt),
]

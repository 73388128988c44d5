"""The exercises of chapter 13, in context, and what usually goes wrong in them.

Source: GPT-3 §2 (demonstrations of the training set, one or two line breaks between them, as many
as fit 2,048 tokens), §4 and App. C (words in a row that a test shares with the corpus); Olsson et
al. 2022 (induction heads and their score).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gptcore.exercises.checking import Exercise, Mistake, NotWritten, call, compare, refuses
from gptcore.exercises.comparing import describe, equal

__all__ = ["EXERCISES"]


def _prompt(answer: Any) -> str:
    mill = ("Ida went to the mill.\nWhere did Ida go?", "To the mill.")
    pond = ("Otto sat by the pond.\nWhere did Otto sit?", "By the pond.")
    wood = ("Ruth slept in the wood.\nWho slept?", "Ruth.")
    asked = "Tama ran to the inn.\nWhere did Tama run?"
    for shown, question, separator in (
        ([mill, pond, wood], asked, "\n---\n"),
        ([pond, wood, mill, pond], asked, "\n\n"),
        ([wood], mill[0], "\n"),
        ([], asked, "\n\n"),
    ):
        right, mistakes = _prompt_mistakes(shown, question, separator)
        given = f"shown = {describe(shown)}, question = {question!r}, separator = {separator!r}"
        got = call(answer, shown, question, separator)
        compare(got, right, given=given, mistakes=mistakes)
    return (
        "In GPT's vocabulary a word brings the space before it. With a space at the end, the next "
        "word would have to come without its own, which text hardly ever shows. GPT-3 mostly read "
        "10 to 100 demonstrations of the training set, one or two line breaks between them."
    )


def _prompt_mistakes(
    shown: list[tuple[str, str]], question: str, separator: str
) -> tuple[str, dict[str, str]]:
    """The prompt, and what the usual mistakes make of it."""
    demos = [f"{text}\nAnswer: {right}" for text, right in shown]
    asked = f"{question}\nAnswer:"
    before = "".join(demo + separator for demo in demos)
    right = before + asked
    unanswered = "".join(f"{text}\nAnswer:{separator}" for text, _ in shown) + asked
    own = "Here the separator is always {}. Take the one that is given."
    return right, {
        "A space stands at the end. The answer's first token brings its own.": right + " ",
        "No separator stands behind the last demonstration, before the question.": (
            separator.join(demos) + asked
        ),
        "The separators are missing.": "".join(demos) + asked,
        "A separator stands at the end. The answer goes on right behind 'Answer:'.": (
            right + separator
        ),
        "The prompt begins with a separator. One stands behind each demonstration, and only "
        "there.": separator + right,
        "The separators stand before the demonstrations. They belong behind.": (
            "".join(separator + demo for demo in demos) + asked
        ),
        "'Answer:' is missing behind the question. It says what comes next.": before + question,
        "The demonstrations lack their answers. Without them nothing is shown.": unanswered,
        "The demonstrations are turned round. Keep the order given.": (
            "".join(demo + separator for demo in demos[::-1]) + asked
        ),
        "The question stands first. A network continues what it reads last.": (
            separator.join([asked, *demos])
        ),
        "The question is missing.": before,
        "A space is missing before the answers that are shown.": right.replace("r: ", "r:"),
        "'Answer:' begins a line of its own.": right.replace("\nAnswer:", " Answer:"),
        own.format("a line break"): right.replace(separator, "\n"),
        own.format("an empty line"): right.replace(separator, "\n\n"),
    }


def _from_end(lengths: Sequence[int], room: int) -> int:
    """How many of the last fit: whole ones, without a gap."""
    for n, length in enumerate(reversed(lengths)):
        room -= length
        if room < 0:
            return n
    return len(lengths)


def _with_gaps(lengths: Sequence[int], room: int) -> int:
    """As above, where one that does not fit is passed over."""
    n = 0
    for length in reversed(lengths):
        if length <= room:
            n, room = n + 1, room - length
    return n


COUNTS = (  # lengths, question, answer, n_ctx
    ([12, 30, 9, 14, 11, 25, 10, 13, 8], 18, 5, 92),
    ([40, 12, 22, 9, 31, 17, 12, 20], 15, 4, 107),  # the last five are too long by one token
    ([9, 7, 26, 15, 12, 10], 20, 8, 91),  # four fill the context to its last token
    ([10, 6, 50, 7, 9], 16, 8, 64),  # one that is too long stands between
    ([10, 12, 11], 14, 3, 128),  # all fit
    ([6, 8, 70], 12, 3, 64),  # the last one is too long
    ([5, 6, 7], 60, 4, 64),  # question and answer fill the context
    ([], 20, 4, 64),
)


def _fitting(answer: Any) -> str:
    given = ["lengths = {}, question = {}, answer = {}, n_ctx = {}".format(*one) for one in COUNTS]
    found = [_taken(answer, *each) for each in zip(COUNTS, given, strict=True)]
    counts = [_counts(lengths, n_ctx - q - a, q, a) for lengths, q, a, n_ctx in COUNTS]
    _compare_all(found, counts, given)
    why = "Question and answer alone are longer than the context: raise a ValueError."
    for case in (([5, 6], 60, 5, 64), ([], 70, 1, 64)):
        refuses(answer, *case, why=why, given=f"lengths, question, answer, n_ctx = {case}")
    return (
        "GPT-3 has room for 2,048 tokens, and for 10 to 100 demonstrations of most tasks. What its "
        "authors call few-shot is as many as fit; how many serve best is another question."
    )


def _counts(lengths: list[int], room: int, q: int, a: int) -> tuple[int, dict[str, int]]:
    """What fits beside a question and an answer, and what the usual mistakes count."""
    right, short = _from_end(lengths, room), sorted(lengths, reverse=True)
    return right, {
        "The first ones are counted. Kept are the last, next to the question.": (
            _from_end(lengths[::-1], room)
        ),
        "One that does not fit is passed over, and an earlier one taken. Stop there: the last ones "
        "are kept, without a gap.": _with_gaps(lengths, room),
        "The shortest are taken. Keep the last, however long they are.": _from_end(short, room),
        "No room is left for the answer.": _from_end(lengths, room + a),
        "No room is left for the question.": _from_end(lengths, room + q),
        "Question and answer are not counted.": _from_end(lengths, room + q + a),
        "What fills the context to its last token is taken for too long. It fits.": (
            _from_end(lengths, room - 1)
        ),
        "One token too many: here all have to fit, the answer's last one too.": (
            _from_end(lengths, room + 1)
        ),
        "The one that no longer fits is counted, too.": min(len(lengths), right + 1),
        "These are tokens. Wanted are demonstrations.": sum(lengths[len(lengths) - right :]),
        "So many go. Wanted is how many stay.": len(lengths) - right,
        "These are all of them, whether they fit or not.": len(lengths),
    }


def _taken(answer: Any, case: tuple, given: str) -> Any:
    """`call`, where an answer that refuses what fits is told so."""
    _, question, longest, n_ctx = case
    try:
        return call(answer, *case)
    except Mistake as mistake:
        if not isinstance(mistake.__cause__, ValueError):
            raise
        why = "This is refused, and question and answer fit. Leave demonstrations out instead."
        if question + longest == n_ctx:
            why = "Question and answer fill the context exactly, and are refused. They fit."
        raise Mistake(why, given=given, got=f"ValueError: {mistake.__cause__}") from mistake


def _compare_all(
    found: Sequence[Any], want: Sequence[tuple[Any, dict[str, Any]]], given: Sequence[str]
) -> None:
    """`compare` of each case; a cause is named where it explains what came back in all of them."""
    causes = {cause: [mistakes[cause] for _, mistakes in want] for cause in want[0][1]}
    causes = [cause for cause, each in causes.items() if equal(found, each, atol=1e-6)]
    for got, (right, mistakes), case in zip(found, want, given, strict=True):
        named = {cause: mistakes[cause] for cause in causes}
        compare(got, right, given=case, mistakes=named, atol=1e-6)


def _at_last(answer: Any, *inputs: Any, stops: str) -> Any:
    """`call` on an edge, when other cases are passed: None is an answer, an error has a cause."""
    try:
        return call(answer, *inputs)
    except NotWritten:
        return None
    except Mistake as mistake:
        error = mistake.__cause__
        if error is None:
            raise
        got = f"{type(error).__name__}: {error}"
        raise Mistake(stops, given=mistake.given, got=got) from mistake


def _induction(answer: Any) -> str:
    ids = [29, 24, 27, 24, 26, 24, 26, 25, 24, 28, 23, 24]
    places = [i for i, one in enumerate(ids[:-1]) if one == ids[-1]]
    latest, followers = places[-1], [ids[i + 1] for i in places]
    mistakes = {
        "This followed its first occurrence. Look for the latest.": followers[0],
        "This is what followed it most often. The rule takes the latest occurrence.": (
            Counter(followers).most_common(1)[0][0]
        ),
        "This stood before it. Wanted is what followed; in a list that is turned round, it stands "
        "before.": ids[latest - 1],
        "This is the last token itself. Wanted is what followed it.": ids[-1],
        "This is the place of the latest occurrence. Wanted is the token behind it.": latest,
        "This is the place of what followed. Wanted is the token there.": latest + 1,
        "The text begins anew behind its end: the last token was taken for its own occurrence.": (
            ids[0]
        ),
        "These are all that followed it. Wanted is the latest.": followers,
    }
    behind = "Your function reads behind the end. Is the last token taken for its own occurrence?"
    try:
        got = call(answer, ids)
    except Mistake as mistake:
        if not isinstance(mistake.__cause__, IndexError):
            raise
        raise Mistake(behind, given=mistake.given) from mistake
    compare(got, followers[-1], given=ids, mistakes=mistakes)
    _judge_edges(answer)
    return (
        "No weight holds what this foretells: all of it stands in the text. Networks of two layers "
        "and more grow heads that follow this rule (Olsson et al. 2022); a head below them has "
        "told each place which token stood before it."
    )


def _judge_edges(answer: Any) -> None:
    """Token and place 0, two of a kind side by side, and nothing earlier."""
    beside = "The place right before the end is left out. It is an earlier one like others."
    false = "None is given, and the token occurs earlier. In a condition, 0 counts as False."
    for ids, want, mistakes in (
        ([28, 23, 28, 28], 28, {beside: 23}),
        ([27, 26, 22, 27], 26, {false: None}),  # it stands at place 0
        ([5, 7, 0, 3, 7], 0, {false: None}),
        ([25, 25], 25, {beside: None}),
    ):
        got = _at_last(answer, ids, stops=beside)
        compare(got, want, given=ids, mistakes=mistakes)
    for ids in ([21, 22, 23], [22, 22, 23], [21]):
        stops = "Your function stops where the token occurs nowhere earlier. Give back None."
        mistakes = {
            "Nothing is found, and -1 + 1 is the place 0: this is the first token. Give back "
            "None.": ids[0],
            "The token occurs nowhere earlier, so that the rule says nothing: not the token "
            "itself, but None.": ids[-1],
            "-1 is a number like others. Where there is nothing to say, give back None.": -1,
        }
        compare(_at_last(answer, ids, stops=stops), None, given=ids, mistakes=mistakes)


# Row t: what position t attends to. No two of the mistakes below give the same number.
WEIGHTS = [
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.4, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.25, 0.6, 0.15, 0.0, 0.0, 0.0, 0.0],
    [0.05, 0.3, 0.2, 0.45, 0.0, 0.0, 0.0],
    [0.1, 0.05, 0.55, 0.1, 0.2, 0.0, 0.0],
    [0.3, 0.1, 0.05, 0.2, 0.15, 0.2, 0.0],
    [0.02, 0.08, 0.1, 0.05, 0.5, 0.1, 0.15],
]


def _score(answer: Any) -> str:
    even = [[1 / (t + 1) if j <= t else 0.0 for j in range(5)] for t in range(5)]
    sure = [[float(j == (t - 2 if t > 2 else t)) for j in range(6)] for t in range(6)]
    for weights, ids in (
        (WEIGHTS, [5, 8, 5, 5, 8, 2, 5]),
        (even, [3, 4, 3, 4, 3]),
        (sure, [4, 7, 9, 4, 7, 9]),
    ):
        right, mistakes = _score_mistakes(weights, ids)
        given = f"ids = {ids}, weights = {describe(weights)}"
        compare(call(answer, weights, ids), right, given=given, mistakes=mistakes)
    for ids in ([3, 1, 2, 4, 0], [6]):
        stops = "Your function stops where no token occurs earlier: no values, no mean. Say 0.0."
        nan = "No token occurs earlier, and the mean of no values is no number. Give back 0.0."
        weights = [row[: len(ids)] for row in even[: len(ids)]]
        got = _at_last(answer, weights, ids, stops=stops)
        compare(got, 0.0, given=f"ids = {ids}, weights = {weights}", mistakes={nan: math.nan})
    return (
        "A head that follows the rule of 13.3 and does nothing else scores 1; even attention gives "
        "each place 1 / (t + 1). Olsson et al. 2022 measured this on random tokens that are "
        "repeated: there nothing but the repetition helps."
    )


def _score_mistakes(
    weights: Sequence[Sequence[float]], ids: Sequence[int]
) -> tuple[float, dict[str, float]]:
    """The score, and what the usual mistakes give."""
    earlier = {t: [s for s in range(t) if ids[s] == ids[t]] for t in range(len(ids))}
    earlier = {t: places for t, places in earlier.items() if places}
    pairs = [(t, places[-1]) for t, places in earlier.items()]
    each = [weights[t][s + 1] for t, s in pairs]
    apart = [weights[t][s + 1] for t, s in pairs if s + 1 < t] or [0.0]
    return fmean(each), {
        "This is the attention to the earlier occurrence itself. An induction head looks one "
        "place further, at what followed.": fmean(weights[t][s] for t, s in pairs),
        "The first occurrence was taken. Take the latest one before t.": fmean(
            weights[t][places[0] + 1] for t, places in earlier.items()
        ),
        "All earlier occurrences are counted. Each t has one, the latest.": fmean(
            weights[t][s + 1] for t, places in earlier.items() for s in places
        ),
        "This is the sum. Wanted is the mean.": sum(each),
        "The sum is divided by all T positions. Divide by those whose token occurred earlier.": (
            sum(each) / len(ids)
        ),
        "Row and column are exchanged: row t holds what position t attends to.": fmean(
            weights[s + 1][t] for t, s in pairs
        ),
        "These rows are one too early. It is position t that attends.": fmean(
            weights[t - 1][s + 1] for t, s in pairs
        ),
        "Tokens that repeat at once are left out. There s + 1 is t, and counts.": fmean(apart),
        "This is how many attend most to what followed. Wanted is how much they attend to it.": (
            fmean(max(weights[t]) == weights[t][s + 1] for t, s in pairs)
        ),
    }


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _share(own: Sequence[Any], seen: Any) -> float:
    return sum(one in seen for one in own) / len(own) if own else 0.0


CORPUS = "a bold mill stood by the river and the old mare went by the mill and by the river home"
TEXTS = [  # test, corpus, n
    (test.split(), corpus.split(), n)
    for test, corpus, n in (
        ("the old mill stood by the river and home stood the old mare by the river", CORPUS, 2),
        ("the old mare by the river and the old mill by the river and home", CORPUS, 3),
        ("to the mill to the mill", "he went to the mill", 1),
    )
]


def _shares(test: list[str], corpus: list[str], n: int) -> tuple[float, dict[str, float]]:
    """The share that is found, and what the usual mistakes give."""
    own, seen = _grams(test, n), _grams(corpus, n)
    right, count = _share(own, seen), sum(one in seen for one in own)
    both = (Counter(own) & Counter(seen)).total()
    loose = [[set(gram) for gram in grams] for grams in (own, seen)]
    return right, {
        "What the test has twice counts once. Count it each time.": _share(list(set(own)), seen),
        "One that the corpus has once is found once. Having it is enough.": both / len(own),
        "This is the share of the corpus. Wanted is the test's.": _share(seen, own),
        "Single words are looked up. Wanted are n of them in a row.": _share(test, corpus),
        "Both last n-grams are missing: a text has len - n + 1.": _share(own[:-1], seen[:-1]),
        "The test's last n-gram is missing: it has len(test) - n + 1.": _share(own[:-1], seen),
        "The corpus's last n-gram is missing: it has len(corpus) - n + 1.": _share(own, seen[:-1]),
        "The order of the words is lost. An n-gram has one.": _share(*loose),
        "Parts of words are found: 'old mill' in 'bold mill'. Compare lists of words.": (
            _share([" ".join(one) for one in own], " ".join(corpus))
        ),
        "The test is cut up. An n-gram begins at every word.": _share(own[::n], seen),
        "Both are cut up. An n-gram begins at every word.": _share(own[::n], seen[::n]),
        "This is divided by the number of words. Divide by that of n-grams.": count / len(test),
        "This is their number. Divide by that of all the test's n-grams.": count,
    }


def _overlap(answer: Any) -> str:
    names = "test = {}, corpus = {}, n = {}"
    found = [call(answer, *case) for case in TEXTS]
    _compare_all(found, [_shares(*case) for case in TEXTS], [names.format(*one) for one in TEXTS])
    nan = "The test has no n-gram, and the mean of no values is no number. Give back 0.0."
    for test, corpus, n, want, where in (
        ("the mill by the river", "river", 2, 0.0, "the corpus has no n-gram"),
        ("by the river home", CORPUS, 4, 1.0, "the test has one n-gram"),
        ("the mill", CORPUS, 3, 0.0, "the test has no n-gram"),
        ("home", CORPUS, 9, 0.0, "the test has no n-gram"),
    ):
        case = test.split(), corpus.split(), n
        got = _at_last(answer, *case, stops=f"Your function stops where {where}: say {want}.")
        compare(got, want, given=names.format(*case), mistakes={nan: math.nan})
    return (
        "GPT-3's authors meant to take out of the corpus what shares 13 words in a row with a "
        "test. A bug left some in, and training again was too dear: so they scored each test once "
        "more without the questions that overlap."
    )


EXERCISES = [
    Exercise("13.1", "A prompt of demonstrations", "easy", 10, _prompt),
    Exercise("13.2", "As many as fit", "medium", 15, _fitting),
    Exercise("13.3", "An induction head without weights", "medium", 10, _induction),
    Exercise("13.4", "An induction score", "medium", 20, _score),
    Exercise("13.5", "What an overlap finds", "medium", 15, _overlap),
]

"""Chapter 02's checks: the right answer passes, and usual mistakes are told apart by their cause.

The wrong answers are written as readers write them, and not as the checks imagine them.
"""

import math
from collections import Counter, defaultdict

import pytest

from gptcore.exercises import check
from gptcore.exercises.language_models import EXERCISES, WORDS

# 2.1


def l1(log=math.log, begin="", first=0, change=lambda total, n: total):
    def objective(table, text):
        before, logs = begin, []
        for word in text:
            logs.append(log(table[before][word]))
            before = word
        return change(sum(logs[first:]), len(text))

    return objective


def multiplied(table, text):
    p, before = 1.0, ""
    for word in text:
        p *= table[before][word]
        before = word
    return p


def from_the_beginning_each(table, text):
    return sum(math.log(table[""][word]) for word in text)


def columns(table, text):
    total = math.log(table[""][text[0]])
    for i in range(1, len(text)):
        total += math.log(table[text[i]][text[i - 1]])
    return total


# 2.2


def weighted(parts):
    return math.exp(sum(nats * n for nats, n in parts) / sum(n for _, n in parts))


def perplexity(inner=lambda x: x, outer=math.exp, weigh=True):
    def several(parts):
        weights = [n if weigh else 1 for _, n in parts]
        values = [inner(nats) * w for (nats, _), w in zip(parts, weights, strict=True)]
        return outer(sum(values) / sum(weights))

    return several


# 2.4


def pairs(k_more=0, first=1, ahead=0, end=None, swap=False):
    def lessons(tokens, k):
        found = []
        for i in range(first, len(tokens))[:end]:
            context = tokens[max(0, i - k - k_more) : i + ahead]
            found.append((tokens[i], context) if swap else (context, tokens[i]))
        return found

    return lessons


def full_only(tokens, k):
    return [(tokens[t : t + k], tokens[t + k]) for t in range(len(tokens) - k)]


def everything(tokens, k):
    return [(tokens[:i], tokens[i]) for i in range(1, len(tokens))]


# 2.5


def followers(words):
    table = defaultdict(Counter)
    for a, b in zip(words, words[1:], strict=False):
        table[a][b] += 1
    return table


def with_tables(words, before, word, share):
    frequency = Counter(words)[word] / len(words)
    after = followers(words).get(before)
    if after is None:
        return frequency
    return share * after[word] / sum(after.values()) + (1 - share) * frequency


def mix(by=None, blend=None, unseen="frequency"):
    """`by` replaces the divisor of the pairs, `blend` how both parts are joined."""

    def mixed(words, before, word, share):
        frequency = words.count(word) / len(words)
        after = followers(words).get(before, Counter())
        if not after and unseen != "divide":
            return {"frequency": frequency, "waste": (1 - share) * frequency, "zero": 0.0}[unseen]
        divisor = by(words, before, word) if by else sum(after.values())
        seen = after[word] / divisor
        return (blend or (lambda s, f, a: a * s + (1 - a) * f))(seen, frequency, share)

    return mixed


def frequency_among_pairs(words, before, word, share):
    after = followers(words).get(before)
    frequency = words.count(word) / (len(words) - 1)
    if after is None:
        return words.count(word) / len(words)
    return share * after[word] / sum(after.values()) + (1 - share) * frequency


# 2.6


def listing(log_p, tokens):
    total = 0.0
    for t in range(len(tokens)):
        total += log_p[t][tokens[t]]
    return total / len(tokens)


def repaired(sign=-1, ahead=1, less=1, change=lambda loss, n: loss):
    def mean_loss(log_p, tokens):
        n = len(tokens)
        places = range(n - 1) if ahead else range(n)
        total = sum(log_p[t][tokens[t + ahead]] for t in places)
        return change(sign * total / (n - less), n)

    return mean_loss


def backwards(log_p, tokens):
    n = len(tokens)
    return -sum(log_p[t][tokens[t - 1]] for t in range(1, n)) / (n - 1)


def first_left_out(log_p, tokens):
    n = len(tokens)
    return -sum(log_p[t][tokens[t]] for t in range(1, n)) / (n - 1)


def bits(nats, n_tokens, text):
    return nats * n_tokens / math.log(2) / len(text.encode("utf-8"))


RIGHT = [
    ("2.1", l1()),
    ("2.1", lambda table, text: math.log(multiplied(table, text))),
    ("2.2", weighted),
    ("2.2", perplexity()),
    ("2.3", bits),
    ("2.3", lambda nats, n, text: math.log2(math.e) * nats * n / len(bytes(text, "utf-8"))),
    ("2.4", pairs()),
    ("2.4", lambda tokens, k: [[tokens[:i][-k:], tokens[i]] for i in range(1, len(tokens))]),
    ("2.5", mix()),
    ("2.5", with_tables),
    ("2.6", repaired()),
    ("2.6", lambda log_p, ids: -sum(map(list.__getitem__, log_p, ids[1:])) / len(ids[1:])),
]

WRONG = [
    ("2.1", multiplied, "This is the probability itself"),
    ("2.1", l1(log=lambda p: p), "probabilities were added up"),
    ("2.1", l1(change=lambda total, n: -total), "The sign is turned round"),
    ("2.1", l1(change=lambda total, n: total / n), "This is the mean"),
    ("2.1", l1(change=lambda total, n: -total / n), "This is the loss"),
    ("2.1", l1(first=1), "The first word is not counted"),
    ("2.1", l1(log=math.log2), "These are bits"),
    ("2.1", l1(log=math.log10), "base 10"),
    ("2.1", from_the_beginning_each, "in the row of the beginning"),
    ("2.1", columns, "Rows and columns are swapped"),
    ("2.2", perplexity(inner=math.exp, outer=lambda x: x), "Perplexities were averaged. A mean"),
    ("2.2", perplexity(math.exp, lambda x: x, weigh=False), "averaged, and every text counts"),
    ("2.2", perplexity(weigh=False), "Every text counts as much as any other here"),
    ("2.2", perplexity(outer=lambda x: x), "This is the loss in nats"),
    ("2.2", perplexity(outer=lambda x: 2**x), "Two to the power"),
    ("2.2", lambda parts: sum(nats * n for nats, n in parts), "number of nats of all texts"),
    ("2.2", perplexity(outer=lambda x: math.exp(-x)), "never below 1"),
    ("2.3", lambda x, n, text: x * n / math.log(2) / len(text), "number of characters"),
    ("2.3", lambda x, n, text: x * n / len(text.encode()), "nats per byte"),
    ("2.3", lambda x, n, text: x * n * math.log(2) / len(text.encode()), "multiplied by ln 2"),
    ("2.3", lambda x, n, text: x / math.log(2), "bits per token"),
    ("2.3", lambda x, n, text: x * n / math.log(2), "bits of the whole text"),
    ("2.3", lambda x, n, text: x / math.log(2) / len(text.encode()), "The tokens are missing"),
    ("2.3", lambda x, n, text: x / math.log(2) * len(text.encode()) / n, "changed places"),
    ("2.4", full_only, "as in the notes' sum"),
    ("2.4", pairs(first=0), "The first token is among the answers"),
    ("2.4", pairs(ahead=1), "a model that sees the answer learns to copy"),
    ("2.4", pairs(k_more=-1, ahead=1), "as the last of its k tokens"),
    ("2.4", pairs(k_more=1), "one token too long"),
    ("2.4", pairs(k_more=-1), "one token too short"),
    ("2.4", everything, "The whole text before the answer"),
    ("2.4", pairs(end=-1), "The last token is an answer too"),
    ("2.4", pairs(swap=True), "changed places in each pair"),
    ("2.5", mix(blend=lambda s, f, a: (1 - a) * s + a * f), "two shares have changed places"),
    ("2.5", mix(blend=lambda s, f, a: s), "Only the pairs were asked"),
    ("2.5", mix(blend=lambda s, f, a: f), "Only the word's own frequency"),
    ("2.5", mix(by=lambda words, a, b: words.count(b)), "how often the second word occurs"),
    ("2.5", mix(by=lambda words, a, b: words.count(a)), "At the end of the text"),
    ("2.5", mix(by=lambda words, a, b: len(words) - 1), "by the number of all pairs"),
    ("2.5", mix(blend=lambda s, f, a: s + f), "added up whole"),
    ("2.5", frequency_among_pairs, "by the number of all words, not of all pairs"),
    ("2.5", mix(unseen="divide"), "A division by 0: nothing has ever followed 'owl'"),
    ("2.5", mix(unseen="waste"), "no longer adds up to 1"),
    ("2.5", mix(unseen="zero"), "gets the probability 0"),
    ("2.6", listing, "all three bugs in it"),
    ("2.6", repaired(sign=1), "Found: the places and the mean. One bug is left. A log"),
    ("2.6", repaired(ahead=0), "Found: the sign and the mean. One bug is left. After"),
    ("2.6", repaired(less=0), "Found: the sign and the places. One bug is left. A text"),
    ("2.6", repaired(sign=1, ahead=0), "Found: the mean. Two bugs"),
    ("2.6", repaired(sign=1, less=0), "Found: the places. Two bugs"),
    ("2.6", repaired(ahead=0, less=0), "Found: the sign. Two bugs"),
    ("2.6", backwards, "moved the wrong way"),
    ("2.6", first_left_out, "The first score is gone"),
    ("2.6", repaired(change=lambda loss, n: loss * (n - 1)), "This is the sum"),
    ("2.6", repaired(change=lambda loss, n: math.exp(loss)), "This is the perplexity"),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers_pass(number: str, answer) -> None:
    """However they are written."""
    result = check(number, answer)
    assert result.verdict == "done", result.message


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_each_mistake_is_told_by_its_cause(number: str, answer, cause: str) -> None:
    result = check(number, answer)
    assert result.verdict == "not yet" and cause in result.said.message, result.message


def test_mistakes_are_told_apart() -> None:
    """At least three for each exercise, no two causes with the same message."""
    for exercise in EXERCISES:
        causes = {cause: answer for number, answer, cause in WRONG if number == exercise.number}
        said = {check(exercise.number, answer).said.message for answer in causes.values()}
        assert len(said) == len(causes) >= 3


def test_other_answers_are_not_blamed_on_a_usual_mistake() -> None:
    """Negative control: a number out of nowhere, and an error of the reader's own."""
    for exercise in EXERCISES:
        nowhere = check(exercise.number, lambda *given: 123.456).said.message
        assert "123.456" in nowhere or "was expected" in nowhere
        broken = check(exercise.number, lambda *given: [][1]).said.message
        assert "stopped with IndexError" in broken


def test_worked_examples_of_the_page() -> None:
    """By hand: 1/2 · 1/4 · 1/2 = 1/16; one part in four of the tokens at 2 nats, the rest at 1."""
    table = {"": {"the": 0.5}, "the": {"cat": 0.25}, "cat": {"sat": 0.5}}
    assert l1()(table, ["the", "cat", "sat"]) == pytest.approx(-4 * math.log(2))
    assert weighted([(2.0, 100), (1.0, 300)]) == pytest.approx(math.exp(1.25))
    assert bits(math.log(2), 8, "é") == pytest.approx(4.0)  # 8 bits for 2 bytes
    assert pairs()([5, 1, 4], 1) == [([5], 1), ([1], 4)]
    # "the" is followed by "dog" twice out of three times; 2 of the 12 words are "dog"
    assert mix()(WORDS, "the", "dog", 0.75) == pytest.approx(0.75 * 2 / 3 + 0.25 / 6)
    log_p = [[math.log(0.5), math.log(0.5)], [math.log(0.25), math.log(0.75)], [0.0, -1.0]]
    assert repaired()(log_p, [1, 0, 0]) == pytest.approx(1.5 * math.log(2))

"""Questions to a network whose every probability is written down: scores, baselines, reports."""

import math

import pytest
from bigrams import LANGUAGE, WORDS, bigram

from gptcore.scoring.asking import ask
from gptcore.scoring.tasks import Task

MODEL = bigram(LANGUAGE)
OPTIONS = ("a", "aa", "ab", "b")


def asked(task, rows, **more):
    return ask(MODEL, WORDS, task, rows, **more)


def test_four_norms_choose_four_options():
    """After b: a .3, aa .3 · .5, ab .16 (one token), b .25; after nothing .4, .4 · .5, .3, .1.

    ln of these: -1.204 -1.897 -1.833 -1.386, so none takes a. Per token aa has -.949, per
    character ab -.916, and b alone is likelier than without b before it."""
    task = Task("t", "b", "choice", options=OPTIONS, delimiter="")
    report = asked(task, [{"answer": i} for i in (0, 1, 1, 2, 1)])
    assert [report.answers[0]["said_by_norm"][norm] for norm in report.scores] == [0, 1, 2, 3]
    assert list(report.scores) == ["none", "token", "character", "unconditional"]
    assert list(report.scores.values()) == pytest.approx([0.2, 0.6, 0.2, 0])
    assert (report.main, report.score, report.n) == ("token", 0.6, 5)
    by_hand = [math.log(p) for p in (0.3, 0.15, 0.16, 0.25)]
    assert report.answers[0]["log_probs"] == pytest.approx(by_hand, abs=1e-4)
    # hits 0 1 1 0 1: deviation sqrt((3 · .16 + 2 · .36) / 4), over sqrt(5)
    assert report.error == pytest.approx(math.sqrt(1.2 / 4 / 5))


def test_baselines_by_hand():
    """aa is right three times of five. By length: a and b are the shortest, aa and ab the longest;
    the shortest is right once, by half; the longest four times, by half."""
    task = Task("t", "b", "choice", options=OPTIONS, delimiter="")
    report = asked(task, [{"answer": i} for i in (0, 1, 1, 2, 1)])
    assert report.baselines == pytest.approx({"chance": 0.25, "most frequent": 0.6, "length": 0.4})
    varied = Task("t", "b", "choice", options="of", delimiter="")
    rows = [{"of": ["a", "b"], "answer": 0}, {"of": ["b", "a"], "answer": 1}]
    rows += [{"of": ["b", " b", "bb", "b b"], "answer": 2}]
    report = asked(varied, rows)
    # chance (.5 + .5 + .25) / 3; "a" is right twice, and a guess where it is no option
    assert report.baselines["chance"] == pytest.approx(1.25 / 3)
    assert report.baselines["most frequent"] == pytest.approx(2.25 / 3)


def test_the_norm_decides_what_is_the_answer():
    for norm, right in zip(("none", "token", "character", "unconditional"), range(4), strict=True):
        task = Task("t", "b", "choice", options=OPTIONS, delimiter="", norm=norm)
        report = asked(task, [{"answer": right}])
        assert (report.main, report.score, report.answers[0]["said"]) == (norm, 1, right)
        assert report.error is None


def test_what_stands_for_no_context_can_be_chosen():
    """After a instead of nothing: .3/.5, .15/.25 and, of the space and a, .0475/.03125."""
    task = Task(
        "t", "b", "choice", options=("a", "aa", " a"), delimiter="", norm="unconditional",
        unconditional="a",
    )  # fmt: skip
    report = asked(task, [{"answer": 2}])
    assert report.score == 1
    assert report.answers[0]["values"] == pytest.approx(
        [math.log(0.6), math.log(0.6), math.log(1.52)], abs=1e-4
    )


def test_full_and_partial_scoring():
    """a and what follows: .4 · .125 beats .1 · .19; what follows alone: .19 beats .125."""
    full = Task("t", "", "choice", options=("a", "b"), delimiter="", rest=" ", norm="none")
    report = asked(full, [{"answer": 0}])
    assert report.score == 1
    by_hand = [math.log(0.05), math.log(0.019)]
    assert report.answers[0]["log_probs"] == pytest.approx(by_hand, abs=1e-4)
    partial = Task(
        "t", "", "choice", options=("a", "b"), delimiter="", rest=" ", norm="none", partial=True
    )
    report = asked(partial, [{"answer": 1}])
    assert report.score == 1
    by_hand = [math.log(0.125), math.log(0.19)]
    assert report.answers[0]["log_probs"] == pytest.approx(by_hand, abs=1e-4)


def test_without_a_context_the_unconditional_norm_says_nothing():
    task = Task("t", "", "choice", options=("a", "b"), delimiter="")
    assert list(asked(task, [{"answer": 0}]).scores) == ["none", "token", "character"]


def test_cloze_by_hand():
    """After b, a is the likeliest (.3) and b is not (.25): perplexity 1 / sqrt(.3 · .25)."""
    task = Task("t", "b", "cloze", target="{t}", delimiter="")
    report = asked(task, [{"t": "a"}, {"t": "b"}])
    assert report.scores == pytest.approx({"accuracy": 0.5, "perplexity": 3.6515}, abs=1e-4)
    assert (report.main, report.baselines) == ("accuracy", {"most frequent": 0.5})
    assert [a["said"] for a in report.answers] == [True, False]


def test_perplexity_by_hand():
    """ba has .1 · .3 = .03. Two texts of it, three words, four bytes."""
    task = Task("t", "", "perplexity", target="{t}")
    report = asked(task, [{"t": "ba"}, {"t": "ba", "n_words": 2}])
    nats = -2 * math.log(0.03)
    assert report.scores == pytest.approx(
        {
            "word perplexity": math.exp(nats / 3),
            "bits per byte": nats / math.log(2) / 4,
            "nats per token": nats / 4,
        },
        abs=1e-2,
    )
    assert (report.main, report.error, report.baselines) == ("word perplexity", None, {})


def test_written_answers():
    """After b the model writes aaa."""
    rows = [{"t": "aaa"}, {"t": "a aaa"}, {"t": "x"}, {"t": "x"}]
    exact = Task("t", "b", "exact", target="{t}", max_new_tokens=3)
    report = asked(exact, rows)
    assert report.scores == {"exact match": 0.25} and report.baselines == {"most frequent": 0.5}
    assert [a["said"] for a in report.answers] == ["aaa"] * 4
    squad = Task("t", "b", "squad", target="{t}", max_new_tokens=3)  # "a" is an article
    assert asked(squad, rows).scores == pytest.approx({"exact match": 0.5, "f1": 0.5})
    number = Task("t", "b", "number", target="{t}", max_new_tokens=3)
    assert asked(number, [{"t": "1"}]).score == 0


def test_what_is_cut_is_counted():
    """Nine tokens, of which the model reads eight; and of a prompt of twelve, eight less three."""
    task = Task("t", "{p}", "choice", options=("a", "bb"), delimiter="", answer="x")
    rows = [{"p": "b" * n, "x": 0} for n in (7, 8, 12)]
    assert asked(task, rows).n_cut == 2  # 8 and bb are 10: one more than is read and predicted
    assert asked(Task("t", "{p}", "cloze", target="a", delimiter=""), rows).n_cut == 1
    assert asked(Task("t", "{p}", "exact", target="a", max_new_tokens=3), rows).n_cut == 3


def test_reports_hold_every_prompt_and_its_answer():
    task = Task("t", "{p}", "choice", options=("a", "b"), delimiter="", rest=" ")
    report = asked(task, [{"p": "b", "answer": 0}, {"p": "bb", "answer": 1}], batch_size=1)
    assert [a["prompt"] for a in report.answers] == ["b", "bb"]
    assert [a["right"] for a in report.answers] == [0, 1]
    assert report.answers[0]["options"] == ["a", "b"] and report.answers[0]["rest"] == " "


def test_what_cannot_be_asked():
    task = Task("t", "{p}", "exact", target="a")
    with pytest.raises(ValueError, match="task 't' has no rows"):
        asked(task, [])
    with pytest.raises(ValueError, match="task 't', row 2: prompt names 'p'"):
        asked(task, [{"p": "a"}, {"q": "a"}])

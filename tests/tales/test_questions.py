"""What this proves: labels follow from the truth of each tale, and demonstrations only add."""

import re

import pytest

from gptcore.tales import lexicon, tale, tales
from gptcore.tales.questions import demonstrate, questions, statements


@pytest.fixture(scope="module")
def many():
    return list(tales(400, seed=9))


def having(many, kind):
    return next(t for t in many if kind in {e.kind for e in t.events})


def test_statements_of_a_loss_made_good(many):
    told = having(many, "bring")
    hero, friend = told.cast["a"].name, told.cast["b"].name
    thing = next(e.args["o"].noun for e in told.events if "o" in e.args)
    labels = {s.text: s.label for s in statements(told)}
    assert labels[f"{hero} got the {thing} back."] == "follows"
    assert labels[f"{friend} found the {thing}."] == "follows"
    assert labels[f"The {thing} was gone for good."] == "contradicts"


def test_statements_of_a_loss_for_good(many):
    told = having(many, "notfound")
    thing = next(e.args["o"].noun for e in told.events if "o" in e.args)
    labels = {s.text: s.label for s in statements(told)}
    assert labels[f"The {thing} was gone for good."] == "follows"
    assert labels[f"{told.cast['a'].name} got the {thing} back."] == "contradicts"


def test_every_label_occurs_and_no_claim_has_two(many):
    for told in many:
        found = statements(told, seed=1)
        assert len({s.text for s in found}) == len(found)
        assert sum(s.label == "open" for s in found) == 3
        assert any(s.label == "follows" for s in found)
    labels = [s.label for t in many for s in statements(t)]
    for label in ("follows", "contradicts", "open"):
        assert labels.count(label) / len(labels) > 0.15


def test_the_same_claim_is_true_in_one_tale_and_false_in_another():
    """Else a reader could tell the label from the sentence without the tale."""
    both = [row for row in lexicon.CLAIMS if row[2] and row[3]]
    assert len(both) >= 40


def test_no_kind_of_event_makes_a_claim_true_and_false():
    assert [row[:2] for row in lexicon.CLAIMS if set(row[2]) & set(row[3])] == []


def test_every_plot_has_claims_questions_and_a_gist_for_each_outcome(many):
    plots = {t.plot for t in many}
    assert plots == {row[0] for row in lexicon.CLAIMS} == {row[0] for row in lexicon.GISTS}
    kinds = set(lexicon.RULES)
    assert {row[0] for row in lexicon.QUESTIONS} <= kinds
    assert {kind for row in lexicon.CLAIMS for kind in row[2] + row[3]} <= kinds
    assert all(questions(t) for t in many)


def test_questions_of_a_swap(many):
    told = having(many, "swap")
    given, taken = next((e.args["o"], e.args["q"]) for e in told.events if e.kind == "swap")
    answers = {q.text: q.answer for q in questions(told)}
    hero, friend = told.cast["a"].name, told.cast["b"].name
    assert answers["Who is the tale about?"] == f"{hero}."
    assert answers[f"With whom did {hero} swap?"] == f"{friend}."
    assert taken.noun in answers[f"What did {hero} get for the {given.noun}?"]


def test_answers_stand_in_the_tale_or_are_yes_or_no(many):
    """Names, things and places that answer a question are words of the tale."""
    missed = total = 0
    for told in many:
        for q in questions(told):
            if q.answer in ("Yes.", "No.") or q.text == "Where does the tale take place?":
                continue
            total += 1
            words = re.findall(r"[a-z]{4,}", q.answer.lower())
            missed += not all(word in told.text.lower() for word in words)
    assert missed / total < 0.02


def test_demonstrations_only_add_to_the_text():
    plain, shown = list(tales(80)), list(tales(80, demonstrations=1.0))
    for before, after in zip(plain, shown, strict=True):
        assert after.text.startswith(before.text + "\n\n")
        assert [e.kind for e in after.events] == [e.kind for e in before.events]
    added = "\n".join(a.text[len(b.text) :] for b, a in zip(plain, shown, strict=True))
    for mark in ("Question: ", "Answer: ", "In short: ", "True or false? ", " feel in the end? "):
        assert mark in added


def test_the_dial_sets_the_share_and_only_adds():
    plain = [t.text for t in tales(400)]
    texts = {p: [t.text for t in tales(400, demonstrations=p)] for p in (0.0, 0.2, 0.6)}
    shares = {
        p: sum(a != b for a, b in zip(plain, told, strict=True)) / 400 for p, told in texts.items()
    }
    assert shares[0.0] == 0
    assert abs(shares[0.2] - 0.2) < 0.06 and abs(shares[0.6] - 0.6) < 0.08
    assert all(b != a or c == a for a, b, c in zip(plain, texts[0.6], texts[0.2], strict=True))


def test_a_demonstrated_feeling_is_the_mood():
    for seed in range(40):
        told = tale(1, seed)
        more = demonstrate(told, seed).text[len(told.text) :]
        if " feel in the end? " in more:
            assert more.endswith(f"{told.mood.capitalize()}.")
            return
    raise AssertionError("no demonstration of a mood among forty")

"""What this proves: labelled Tales are balanced, disjoint, nested, short, and need to be read."""

import re
from collections import Counter

import numpy as np
import pytest

from gptcore import load
from gptcore.labelled import short_tales, tales
from gptcore.labelled.shape import texts
from gptcore.labelled.short_tales import BEYOND, MOODS, TASKS, VERDICTS
from gptcore.tales.corpus import SPLIT_SIZE

SIZES = {"mood": 140, "entailment": 120, "similarity": 120, "endings": 80}


@pytest.fixture(scope="module")
def data():
    return {task: tales(task, n, 30, 42) for task, n in SIZES.items()}


def test_the_shape_of_each_task(data):
    assert {task: found.form for task, found in data.items()} == {
        "mood": "classification",
        "entailment": "entailment",
        "similarity": "similarity",
        "endings": "choice",
    }
    for task, found in data.items():
        assert found.name == f"tales-{task}" and found.report == ""
        assert [len(found.train), len(found.valid), len(found.test)] == [SIZES[task], 30, 42]
    assert data["mood"].labels == MOODS and set(data["mood"].train[0]) == {"text", "label"}
    assert data["entailment"].labels == ("contradicts", "open", "follows") == VERDICTS
    assert set(data["entailment"].train[0]) == {"text", "text_b", "label"}
    assert data["similarity"].labels == data["endings"].labels == ()
    assert {type(row["label"]) for row in data["similarity"].train} == {float}
    assert {len(row["choices"]) for row in data["endings"].train} == {4}


def test_every_stretch_of_rows_is_balanced(data):
    for task, n in {"mood": 7, "entailment": 3, "similarity": 6}.items():
        rows = data[task].train
        for at in range(0, len(rows) - n + 1, n):
            assert {row["label"] for row in rows[at : at + n]} == set(range(n))
    answers = Counter(row["label"] for row in data["endings"].train)
    assert set(answers) == {0, 1, 2, 3} and min(answers.values()) >= 8


def test_one_claim_occurs_once_with_each_label(data):
    """Names and things differ between the three, what is claimed of them does not."""

    def small(text):
        return Counter(re.findall(r"\b[a-z]+", text))

    rows = data["entailment"].train
    for at in range(0, len(rows), 3):
        first, second, third = (small(row["text_b"]) for row in rows[at : at + 3])
        shared = first & second & third
        assert shared.total() >= max(1, 0.4 * first.total()), [r["text_b"] for r in rows[at:][:3]]


def test_parts_are_disjoint_and_beyond_what_pretraining_reads(monkeypatch):
    asked = []

    def noted(seed, index, *rest):
        asked.append(index)
        return simulate(seed, index, *rest)

    simulate = short_tales.simulate
    monkeypatch.setattr(short_tales, "simulate", noted)
    found = tales("mood", 21, 14, 14)
    split = Counter(index // SPLIT_SIZE for index in asked)
    assert set(split) == {0, 1, 2}
    assert min(index % SPLIT_SIZE for index in asked) >= BEYOND > 10**6
    sets = [{texts(row) for row in part} for part in (found.train, found.valid, found.test)]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


@pytest.mark.parametrize("task", TASKS)
def test_same_arguments_same_rows_and_small_sets_begin_large_ones(task, data):
    again = tales(task, SIZES[task] // 2, 30, 42)
    assert again.train == data[task].train[: SIZES[task] // 2]
    assert again.test == data[task].test
    other = tales(task, 12, 0, 0, seed=1)
    assert {texts(row) for row in other.train}.isdisjoint(texts(row) for row in data[task].train)
    assert other.valid == other.test == ()


def test_texts_fit_the_shipped_model(data):
    """256 tokens of context leave 126 to each of two texts in GPT-1's code."""
    _, tokenizer = load("tales-gpt1")
    for task, found in data.items():
        lengths = [
            len(tokenizer.encode(text))
            for part in (found.train, found.valid, found.test)
            for row in part
            for text in texts(row)
        ]
        assert max(lengths) <= (254 if task == "mood" else 126)
        assert np.percentile(lengths, 95) <= 120


def bag_of_words(rows, read, vocabulary):
    found = np.zeros((len(rows), len(vocabulary)))
    for i, row in enumerate(rows):
        for word in re.findall(r"[a-z']+", read(row).lower()):
            if word in vocabulary:
                found[i, vocabulary[word]] = 1
    return found / np.sqrt(np.maximum(found.sum(1, keepdims=True), 1))


def linear_accuracy(train, test, read, n_labels):
    """Test accuracy of softmax regression on the words of `read(row)`."""
    said = sorted({w for row in train for w in re.findall(r"[a-z']+", read(row).lower())})
    vocabulary = {word: i for i, word in enumerate(said)}
    x, y = bag_of_words(train, read, vocabulary), np.array([r["label"] for r in train])
    weights, hot = np.zeros((len(vocabulary), n_labels)), np.eye(n_labels)[y]
    for _ in range(150):
        scores = np.exp(x @ weights)
        weights -= 10 * (x.T @ (scores / scores.sum(1, keepdims=True) - hot) / len(y))
    guess = (bag_of_words(test, read, vocabulary) @ weights).argmax(1)
    return (guess == np.array([row["label"] for row in test])).mean()


def test_a_claim_alone_says_nothing_and_an_option_alone_neither():
    """Chance is 1/3 and 1/4; three standard errors at 450 and 300 rows are 0.067 and 0.075."""
    found = tales("entailment", 450, 0, 450)
    assert linear_accuracy(found.train, found.test, lambda row: row["text_b"], 3) < 0.4
    found = tales("endings", 150, 0, 300)
    options = [
        {"text": option, "label": int(at == row["label"])}
        for row in found.train
        for at, option in enumerate(row["choices"])
    ]
    firsts = [{"text": row["choices"][0], "label": int(row["label"] == 0)} for row in found.test]
    assert linear_accuracy(options, firsts, lambda row: row["text"], 2) < 0.84
    read = linear_accuracy(found.train, found.test, lambda row: " ".join(row["choices"]), 4)
    assert read < 0.25 + 0.075


def test_moods_can_be_read():
    """Positive control of the same reader: the last words tell the mood far above 1/7."""
    found = tales("mood", 210, 0, 210)
    assert linear_accuracy(found.train, found.test, lambda row: row["text"], 7) > 0.5


def test_what_cannot_be_asked():
    with pytest.raises(ValueError, match="task='moods' is none of mood, entailment, simil"):
        tales("moods")
    with pytest.raises(ValueError, match="n_valid=-1 must not be negative"):
        tales("mood", n_valid=-1)

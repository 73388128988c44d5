"""Tales in two lines: what they keep, what is asked, and the dials of the corpus, one at a time."""

from collections import Counter

import pytest

from gptcore.tales.corpus import split, tale
from gptcore.tales.lines import (
    HELD_OUT,
    TASKS,
    WHERE,
    demonstrations,
    documents,
    lines,
    options,
    prompt,
    unseen,
)
from gptcore.tales.questions import FEELS

MARK = "\n\nQuestion: "


def test_two_lines_are_the_first_and_the_last_feeling() -> None:
    """Tale 4 of seed 0, read by hand: both lines and both answers."""
    told = lines(tale(0, 4))
    assert told.text == (
        "Lucia was a girl who drew maps of everywhere, including the cupboard. She lived at a "
        "watermill beside a slow green river, where the reeds gossiped from morning until night. "
        "She felt about a head taller."
    )
    assert told.name == "Lucia"
    assert [(one.task, one.question, one.answer) for one in told.asked] == [
        ("place", WHERE, "By a river."),
        ("mood", FEELS.format(name="Lucia"), "Proud."),
    ]


def test_one_wording_is_one_wording() -> None:
    """Of two tales with the same setting and mood the same words stay, whoever the hero is."""
    told = [one for i in range(300) if (one := lines(tale(0, i), "one"))]
    last = {}
    for one in told:
        mood = one.asked[1].answer
        words = one.text.rsplit(". ", 1)[1].replace(one.name, "NAME")
        last.setdefault(mood, set()).add(words.replace("He ", "NAME ").replace("She ", "NAME "))
    assert len(last) == 7 and all(len(found) <= 2 for found in last.values()), last
    many = {one.text.rsplit(". ", 1)[1] for i in range(300) if (one := lines(tale(0, i)))}
    assert len(many) > 50


def test_options_are_all_answers() -> None:
    """Eight places and seven moods; every tale's answer is among them."""
    assert [len(options(task)) for task in TASKS] == [8, 7]
    for index in range(100):
        for one in (told := lines(tale(0, index))) and told.asked or ():
            assert one.answer in options(one.task)
    with pytest.raises(ValueError, match="task='names' must be one of place, mood"):
        options("names")


@pytest.mark.parametrize(
    ("hint", "end"),
    [
        ("question", "taller.\n\nQuestion: How does Lucia feel in the end?\nAnswer:"),
        ("answer", "taller.\n\nAnswer:"),
        ("none", "taller."),
    ],
)
def test_a_prompt_has_as_much_of_a_hint_as_is_asked_for(hint: str, end: str) -> None:
    """By hand."""
    assert prompt(lines(tale(0, 4)), "mood", hint).endswith(end)


def test_a_prompt_and_its_answer_are_a_demonstration() -> None:
    """What a test asks is what a document shows, to the last character."""
    index = next(i for i in range(99) if (one := lines(tale(0, i))) and one.name not in HELD_OUT)
    told = lines(tale(0, index))
    (document,) = documents(1, 1.0)
    firsts = [f"{prompt(told, one.task)} {one.answer}" for one in told.asked]
    assert any(document.startswith(first) for first in firsts)


def test_the_dial_adds_demonstrations_and_changes_nothing_else() -> None:
    """At every share the same tales; who has a demonstration at 0.1 has it at 0.4, too."""
    found = {share: list(documents(300, share)) for share in (0.0, 0.1, 0.4, 1.0)}
    plain = found[0.0]
    assert not any(MARK in text for text in plain)
    for texts in found.values():
        assert [text.split(MARK)[0] for text in texts] == plain
    shown = {share: {i for i, t in enumerate(texts) if MARK in t} for share, texts in found.items()}
    assert shown[0.1] < shown[0.4] < shown[1.0] and len(shown[1.0]) == 300
    assert 15 <= len(shown[0.1]) <= 45 and 90 <= len(shown[0.4]) <= 150


def test_shuffled_answers_are_those_of_other_tales() -> None:
    """The questions and their order stay; an answer is right about as often as by chance."""
    right, other = (list(documents(300, 1.0, answers=a)) for a in ("right", "shuffled"))
    asked = [[line for line in t.splitlines() if not line.startswith("Answer")] for t in right]
    assert asked == [
        [line for line in t.splitlines() if not line.startswith("Answer")] for t in other
    ]
    pairs = [
        (a == b)
        for one, two in zip(right, other, strict=True)
        for a, b in zip(one.splitlines()[-3::2], two.splitlines()[-3::2], strict=True)
    ]
    assert 0.05 < sum(pairs) / len(pairs) < 0.25  # 1/8 and 1/7


@pytest.mark.parametrize("answers", ["right", "shuffled"])
def test_demonstrations_are_what_the_documents_show(answers: str) -> None:
    """Text and answers as they stand in the documents, and no other document."""
    found = list(demonstrations(200, 0.2, answers=answers))
    shown = [text for text in documents(200, 0.2, answers=answers) if MARK in text]
    assert 20 < len(found) == len(shown)
    for (text, asked), document in zip(found, shown, strict=True):
        assert document.startswith(text + MARK)
        for one in asked:
            assert f"Question: {one.question}\nAnswer: {one.answer}" in document


def test_one_wording_is_that_of_the_demonstrated_ones_alone() -> None:
    """Plain documents keep their many wordings."""
    many, one = (list(documents(200, 0.5, wording=w)) for w in ("many", "one"))
    for a, b in zip(many, one, strict=True):
        assert (MARK in a) == (MARK in b)
        if MARK not in a:
            assert a == b
    assert sum(a != b for a, b in zip(many, one, strict=True)) > 60


def test_no_name_of_the_test_is_ever_read() -> None:
    """Training and validation text leave the held-out names out; what is asked has only those."""
    for part in ("train", "valid"):
        for text in documents(300, 0.5, part=part):
            assert not any(f"{name} " in f"{text} " for name in HELD_OUT)
    assert all(told.name in HELD_OUT for told in unseen("mood", 14))


@pytest.mark.parametrize("task", TASKS)
def test_every_answer_is_right_equally_often(task: str) -> None:
    """So that always giving one answer scores at chance."""
    n = len(options(task))
    found = Counter(told.asked[TASKS.index(task)].answer for told in unseen(task, 2 * n))
    assert set(found.values()) == {2} and len(found) == n


def test_the_parts_of_a_test_share_no_tale() -> None:
    """What is chosen by is not what is reported; one wording is of the same tales."""
    valid, test = ([one.text for one in unseen("place", 16, part=p)] for p in ("valid", "test"))
    assert not set(valid) & set(test)
    one = unseen("place", 16, wording="one")
    assert [t.asked for t in one] == [t.asked for t in unseen("place", 16)]
    assert [t.text for t in one] != test


@pytest.mark.parametrize(
    ("n", "share", "message"),
    [(-1, 0.5, "n=-1 must not be negative"), (3, 1.5, "share=1.5 must lie between 0 and 1")],
)
def test_impossible_corpora_are_refused(n: int, share: float, message: str) -> None:
    """At once, not at the first document."""
    with pytest.raises(ValueError, match=message):
        documents(n, share)


def test_splits_of_tales_are_those_of_the_corpus() -> None:
    """The first training document is the first training tale that fits."""
    first = next(documents(1, 0.0))
    fits = (lines(tale(0, index)) for index in split("train")[:50])
    assert first == next(one.text for one in fits if one and one.name not in HELD_OUT)

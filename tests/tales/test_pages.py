"""Pages of tales with answers: what they hold, and what two other layouts take away."""

from itertools import islice

import pytest

from gptcore.tales import pages
from gptcore.tales.lines import HELD_OUT, TASKS, options, unseen
from gptcore.tales.pages import PER_PAGE, answered, documents, shown

MARK = "\n\nAnswer: "


def answers_of(document: str) -> list[str]:
    return [part.split("\n\n")[0] for part in document.split(MARK)[1:]]


def tales_of(document: str) -> list[str]:
    return [part.split(MARK)[0] for part in document.split("\n\n") if "Answer: " not in part]


def kind(answer: str) -> str:
    (found,) = (task for task in TASKS if answer in options(task))
    return found


def test_a_page_has_one_question_for_all_its_tales() -> None:
    """Four tales and four answers, all of one kind; both kinds come up."""
    found = list(documents(40, 1.0))
    assert len(found) == 40
    kinds = [{kind(answer) for answer in answers_of(page)} for page in found]
    assert all(len(answers_of(page)) == PER_PAGE for page in found)
    assert all(len(one) == 1 for one in kinds)
    assert 10 <= sum("mood" in one for one in kinds) <= 30


def test_other_layouts_have_the_same_tales() -> None:
    """In the same order; "mixed" asks of each anew, "apart" gives each a document."""
    same, mixed, apart = (
        list(documents(60, 1.0, layout=layout)) for layout in ("same", "mixed", "apart")
    )
    texts = [[text for one in found for text in tales_of(one)] for found in (same, mixed, apart)]
    assert texts[0] == texts[1] == texts[2] and len(texts[0]) == 60 * PER_PAGE
    assert len(apart) == 60 * PER_PAGE and all(len(answers_of(one)) == 1 for one in apart)
    asked = [[kind(answer) for answer in answers_of(page)] for page in mixed]
    assert sum(len(set(one)) == 2 for one in asked) > 40  # 7 of 8, were each drawn alone
    assert [a for one in apart for a in answers_of(one)] == [
        a for p in mixed for a in answers_of(p)
    ]


def test_a_larger_share_adds_answers_to_the_same_tales() -> None:
    """Without answers every tale is a document; pages of a smaller share are pages of a larger."""
    none, some, more = (list(documents(200, share)) for share in (0.0, 0.2, 0.6))
    assert len(none) == 200 * PER_PAGE and not any("Answer" in one for one in none)
    pages_of = [{one for one in found if "Answer" in one} for found in (some, more)]
    assert pages_of[0] < pages_of[1]
    assert 20 <= len(pages_of[0]) <= 60 and 90 <= len(pages_of[1]) <= 150
    assert [t for one in some for t in tales_of(one)] == none


def test_answers_are_right() -> None:
    """Each is the one that the tale's own truth gives, found by its text."""
    known = {told.text: told for told in islice(pages._told(0, "train"), 80)}
    for page in documents(20, 1.0):
        for text, answer in zip(tales_of(page), answers_of(page), strict=True):
            at = TASKS.index(kind(answer))
            assert known[text].asked[at].answer == answer
            assert answered(known[text], TASKS[at]) == f"{text}{MARK}{answer}"


def test_no_document_knows_the_heroes_that_are_asked_about() -> None:
    names = {told.name for told in unseen("mood", 40)}
    assert names <= HELD_OUT
    told = " ".join(documents(300, 1.0))
    assert not any(f" {name} " in told or f"{name}'s" in told for name in names)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_shown_is_of_the_training_part_and_balanced(task: str) -> None:
    """Each answer equally often; other tales than the documents have."""
    found = shown(task, 2 * len(options(task)))
    answers = [one.asked[TASKS.index(task)].answer for one in found]
    assert sorted(answers) == sorted(options(task) * 2)
    read = {text for page in documents(50, 1.0) for text in tales_of(page)}
    assert len({one.text for one in found} - read) >= len(found) - 1
    assert not {one.name for one in found} & HELD_OUT


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": -1, "share": 0.5}, "n=-1"),
        ({"n": 1, "share": 1.5}, "share=1.5"),
        ({"n": 1, "share": 0.5, "layout": "odd"}, "layout='odd' must be one of same, mixed, apart"),
    ],
)
def test_rules(arguments: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        documents(**arguments)

"""What this proves: brief tales are coherent, various, short, and their reader sees every hole."""

import re

import pytest

from gptcore.tales.brief import OUTCOMES, PLOTS, brief, brief_faults, briefs, documents, plot_of
from gptcore.tales.reader import read

WHOLE = (
    "Once a girl called Rosa lived by the sea. She had a scratched compass. One day Rosa lost the "
    'compass. "Where is my compass?" cried Rosa. The next day her friend Tom came with the '
    "compass. Rosa let out a long breath."
)


@pytest.fixture(scope="module")
def many():
    return list(briefs(600, seed=3))


def test_the_reader_finds_no_fault_in_any_brief_tale(many):
    assert {told.text: f for told in many if (f := brief_faults(told.text))} == {}


def test_the_reader_hears_the_events_and_the_mood_that_were_told(many):
    for told in many:
        story = read(told.text, "brief")
        assert [e.kind for e in story.events] == [e.kind for e in told.events]
        assert story.mood == told.mood


def test_every_plot_and_outcome_happens_and_few_tales_are_told_twice(many):
    assert {told.plot for told in many} == set(PLOTS)
    assert {told.outcome for told in many} == set(OUTCOMES)
    assert len({told.text for told in many}) == len(many)
    assert 0.4 < sum(told.speaks for told in many) / len(many) < 0.6


def test_a_brief_tale_has_at_most_sixty_eight_words(many):
    words = [len(told.text.split()) for told in many]
    assert max(words) <= 68
    assert 35 < sum(words) / len(words) < 45


def test_same_seed_same_bytes():
    assert brief(0, 5) == brief(0, 5)
    assert brief(0, 5).text != brief(1, 5).text
    one, other = (set(t.text for t in briefs(50, 0, part)) for part in ("train", "test"))
    assert not one & other


def test_a_tale_that_holds_together_written_by_hand():
    assert brief_faults(WHOLE) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Once a girl called Rosa lived by the sea. ", "", "no opening"),
        (" Rosa let out a long breath.", "", "does not end with a feeling"),
        ("Rosa let out a long breath", "Even the supper tasted of nothing", "moods"),
        ("came with the compass", "came with the mirror", "2 things"),
        ("cried Rosa", "cried Mina", "several names"),
        ("One day Rosa lost the compass. ", "", "breaks"),
        ("She had", "He had", "he comes before"),
        ("a girl", "a boy", "Rosa is no boy"),
        ("The next day", "A green day the next", "strange"),
        ("The next day her friend Tom came with the compass. ", "", "0 of one outcome"),
        ("Rosa let", "Nobody ever found the compass. Rosa let", "2 of one outcome"),
        (
            "She had a scratched compass.",
            "She had a scratched compass. She had a scratched compass.",
            "twice",
        ),
    ],
)
def test_each_hole_is_named(old, new, fault):
    assert old in WHOLE
    found = brief_faults(WHOLE.replace(old, new))
    assert any(fault in one for one in found), found


def test_questions_are_answered_by_the_tale(many):
    told = next(t for t in many if t.outcome == "bring")
    answers = {q.text: q.answer for q in told.questions}
    assert answers["Who brought it back?"] == f"{told.friend.name}."
    assert answers["Who is the tale about?"] == f"{told.hero.name}."
    assert answers[f"How does {told.hero.name} feel in the end?"] == f"{told.mood.capitalize()}."
    assert told.gist.startswith(f"{told.hero.name} lost a")


def test_a_kind_of_event_belongs_to_its_plot():
    assert plot_of("bring") == plot_of("lose") == "lose"
    assert plot_of("own") == plot_of("open") == ""


def test_people_of_a_share_of_documents_have_names_that_were_invented():
    """All the rest is as it was: with the old names put back, the text is the old one."""
    told = list(briefs(200))
    plain = list(documents(200, share=0.3))
    renamed = list(documents(200, share=0.3, unheard=0.6))
    changed = [i for i in range(200) if plain[i] != renamed[i]]
    assert 95 <= len(changed) <= 145
    for i in changed:
        hero, friend = told[i].hero, told[i].friend
        names = [person.name for person in (hero, friend) if person]
        assert not any(re.search(rf"\b{name}\b", renamed[i]) for name in names)
        assert len(plain[i].split()) == len(renamed[i].split())
    assert plain == list(documents(200, share=0.3, unheard=0.0))


def test_documents_are_tales_some_of_which_go_on():
    texts = list(documents(300, share=0.3))
    asked = [text for text in texts if "\n\nQuestion: " in text]
    assert 60 < len(asked) < 120
    assert all(not brief_faults(text.split("\n\n")[0]) for text in texts)
    assert not any("Request" in text for text in texts)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: briefs(-1), "n=-1"),
        (lambda: briefs(1, start=-2), "start=-2"),
        (lambda: briefs(1, part="tset"), "tset"),
        (lambda: documents(1, share=1.5), "share=1.5"),
        (lambda: documents(1, unheard=-0.1), "unheard=-0.1"),
    ],
)
def test_what_cannot_be_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

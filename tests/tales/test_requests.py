"""What this proves: a demonstration fulfils its request, and each condition is read by itself."""

import pytest

from gptcore.tales.brief import brief
from gptcore.tales.requests import (
    IMPOSSIBLE,
    KINDS,
    SHARES,
    UNSAID,
    Request,
    met,
    request,
    requests,
    verified,
)

TEXT = (
    "Once a girl called Rosa lived by the sea. She had a scratched compass. One day Rosa lost the "
    'compass. "Where is my compass?" cried Rosa. The next day her friend Tom came with the '
    "compass. Rosa let out a long breath."
)


@pytest.fixture(scope="module")
def many():
    return list(requests(800, seed=5))


def asked(*conditions: tuple[str, str], kind: str = "tell") -> Request:
    return Request(kind, "", conditions, "", brief(0, 0))


def test_every_demonstration_fulfils_its_request_and_is_verified(many):
    wrong = [r for r in many if met(r, r.demonstration) < 1 or verified(r, r.demonstration) < 1]
    assert [(r.text, r.demonstration) for r in wrong] == []


def test_requests_of_each_kind_come_as_often_as_they_should(many):
    found = [r.kind for r in many]
    for kind, share in zip(KINDS, SHARES, strict=True):
        assert abs(found.count(kind) / len(found) - share) < 0.05


def test_what_is_asked_for_stands_in_the_request(many):
    for r in many:
        if r.kind == "tell":
            for what, value in r.conditions:
                if what in ("hero", "friend", "thing", "ends"):
                    assert value in r.text


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        (("hero", "Rosa"), "Tom"),
        (("friend", "Tom"), "Rosa"),
        (("thing", "compass"), "mirror"),
        (("place", "harbour"), "farm"),
        (("speech", "yes"), "no"),
        (("ends", "ends well"), "ends sadly"),
    ],
)
def test_each_condition_is_met_by_what_is_told(condition, other):
    assert met(asked(condition), TEXT) == 1
    assert met(asked((condition[0], other)), TEXT) == 0
    assert met(asked(condition, (condition[0], other)), TEXT) == 0.5


def test_naming_a_thing_is_not_telling_of_it():
    wish = asked(("hero", "Rosa"), ("thing", "mirror"))
    assert met(wish, TEXT + " Mirror, mirror.") == 0.5
    assert met(wish, "Rosa mirror") == 0


def test_a_silent_tale_is_asked_for_too():
    silent = TEXT.replace('"Where is my compass?" cried Rosa. ', "")
    assert met(asked(("speech", "no")), silent) == 1
    assert met(asked(("speech", "no")), silent + ' "Oh!"') == 0
    assert met(asked(("speech", "no")), "") == 0


def test_holes_halve_what_is_verified():
    wish = asked(("hero", "Rosa"))
    assert verified(wish, TEXT) == 1
    assert verified(asked(("hero", "Tom")), TEXT) == 0.5
    sad = TEXT.replace("Rosa let out a long breath", "Even the supper tasted of nothing")
    assert verified(wish, sad) == 0.5
    strange = TEXT.replace("The next day her friend Tom came with the compass", "Blue is a kite")
    # 5 of 6 sentences are read; no outcome, and a happy end that nothing led to breaks no rule.
    assert verified(wish, strange) == pytest.approx(5 / 6 * 0.5)
    assert verified(wish, "Rosa, compass.") == verified(wish, "") == 0


def test_a_summary_is_read_as_one():
    told = next(t for i in range(200) if (t := brief(1, i)).outcome == "bring")
    r = request(told, kind="sum")
    hero, friend, thing = told.hero.name, told.friend.name, told.thing
    assert r.demonstration == f"{hero} lost {thing.phrase}, and {friend} brought it back.".replace(
        " a e", " an e"
    ).replace(" a o", " an o").replace(" a i", " an i")
    assert met(r, f"{hero} won a race against {friend}.") == 0.5
    assert met(r, told.text) == 0
    assert verified(r, f"{r.demonstration} {r.demonstration}") <= 0.5


def test_an_answer_is_right_or_wrong_and_nothing_else():
    r = asked(("answer", "Tom."), kind="answer")
    assert [met(r, text) for text in ("Tom.", "Tom", "Tom. Rosa.", "Rosa.")] == [1, 0, 0, 0]
    assert [verified(r, text) for text in ("Tom.", "Rosa.", "Yes.", "Tom. Rosa.")] == [1, 1, 1, 0]


def test_refusals_fit_what_is_impossible():
    unsaid, impossible = (asked(("refuse", w), kind="refuse") for w in ("unsaid", "impossible"))
    for text in UNSAID:
        assert (met(unsaid, text), met(impossible, text)) == (1, 0.5)
    for text in IMPOSSIBLE:
        assert (met(unsaid, text), met(impossible, text)) == (0.5, 1)
    assert met(unsaid, "The tale does not say. Tom.") == verified(unsaid, "Tom.") == 0


def test_open_questions_are_open(many):
    """No question that is to be refused is one that another wording of the tale would answer."""
    for r in many:
        if r.kind == "refuse" and r.conditions == (("refuse", "unsaid"),):
            question = r.text[len(r.about.text) + 1 :]
            assert question not in {q.text for q in r.about.questions}


def test_requests_are_the_same_every_time_and_new_in_every_split():
    one, again = (list(requests(40, seed=1, part="test")) for _ in range(2))
    assert one == again
    train = {r.text for r in requests(400, seed=1)}
    assert not train & {r.text for r in requests(40, seed=2, part="test") if r.kind == "answer"}


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="kind='sing'"):
        request(brief(0, 0), kind="sing")

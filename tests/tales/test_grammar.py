"""What this proves: templates mean what they say, and broken ones are refused."""

import pytest

from gptcore.tales.grammar import Ref, compile_template, polish


def test_a_template_has_literals_choices_and_references():
    assert compile_template("A {b|c d} $a.s e$o.") == (
        "A ",
        (("b",), ("c d",)),
        " ",
        Ref(("a", "s")),
        " e",
        Ref(("o", "")),
        ".",
    )


def test_choices_nest_and_may_be_empty():
    assert compile_template("{x{1|2}|}") == ((("x", (("1",), ("2",))), ()),)


@pytest.mark.parametrize("text", ["{a|b", "a}b", "a|b"])
def test_a_brace_without_its_partner_is_named(text):
    with pytest.raises(ValueError, match="without its partner") as caught:
        compile_template(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("rough", "fine"),
    [
        ("the hen. it ran! was it red? yes.", "The hen. It ran! Was it red? Yes."),
        ('"no," said Tom. "but yes." he ran.', '"No," said Tom. "But yes." He ran.'),
        ('"what?" he asked.', '"What?" he asked.'),
        ('"go!" ^he ran.', '"Go!" He ran.'),
        ("a apple, a old hat, a pear", "An apple, an old hat, a pear"),
        ("a useful one, a one-eyed bear, a umbrella, a hourglass", None),
        ("on a day,, he  ran .", "On a day, he ran."),
    ],
)
def test_polish_gives_capitals_articles_and_clean_spaces(rough, fine):
    expected = fine or "A useful one, a one-eyed bear, an umbrella, an hourglass"
    assert polish(rough) == expected

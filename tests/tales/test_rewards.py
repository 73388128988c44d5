"""What this proves: an instruction is met by its tale, and the reward counts what is met."""

import pytest

from gptcore.tales import tales
from gptcore.tales.rewards import Instruction, instruction, mood_of, reward


@pytest.fixture(scope="module")
def many():
    return list(tales(400, seed=14))


def test_the_mood_read_from_the_text_is_the_mood_of_the_tale(many):
    assert [t.text for t in many if mood_of(t.text) != t.mood] == []


def test_a_text_without_feelings_has_no_mood():
    assert mood_of("The cat sat on the mat.") is None


def test_the_last_feeling_counts():
    text = 'Tom\'s heart gave a jump. "Oh." He let out a long breath.'
    assert mood_of(text) == "relieved"
    text += " A tear ran down beside his nose and hung there."
    assert mood_of(text) == "sad"
    assert mood_of(text + " Tom let out a long breath.") == "relieved"


def test_every_tale_fulfils_its_own_instruction(many):
    for seed, told in enumerate(many):
        assert reward(instruction(told, seed), told.text) == 1.0


def test_an_instruction_names_what_it_asks_for(many):
    for seed, told in enumerate(many[:100]):
        wish = instruction(told, seed)
        for what, value in wish.conditions:
            assert value in wish.text
            assert what != "speech" or "somebody speaks" in wish.text


def test_the_reward_is_the_share_of_conditions_met():
    wish = Instruction(
        "Write a tale about a girl called Mina, with a kite in it. It ends well.",
        (("name", "Mina"), ("ends", "ends well"), ("word", "kite"), ("speech", "")),
    )
    assert reward(wish, "Mina had a kite.") == 0.5
    assert reward(wish, 'Mina had a kite. "Oh," she said.') == 0.75
    assert reward(wish, 'Mina had a kite. "Oh," she said. She let out a long breath.') == 1.0
    assert reward(wish, "Tom had a kitehouse. He felt very small.") == 0.0
    assert reward(wish, "") == 0.0


def test_a_tale_of_somebody_else_earns_less(many):
    scores = [
        reward(instruction(told, seed), other.text)
        for seed, (told, other) in enumerate(zip(many, many[1:], strict=False))
    ]
    assert sum(scores) / len(scores) < 0.6
    assert sum(score == 1 for score in scores) < 0.02 * len(scores)

"""The truth that tales carry: no event changes the world in another way than it did."""

import hashlib
import json

import pytest

from gptcore.tales import lexicon, tales
from gptcore.tales.world import replay

# The checker of `gptcore.tales.check` keeps books of who has what, and of nothing else. Whoever
# changes what an event does to the world reads the changed heading of `words/kinds.txt` against
# the sentences below it, and then freezes the new digest.
FROZEN = "fb2e1d484ad4688e"


@pytest.fixture(scope="module")
def many():
    return list(tales(600, seed=11))


def digest(many) -> str:
    """One number for the world after each event of each tale."""
    found = hashlib.sha256()
    for told in many:
        for end in range(1, len(told.events) + 1):
            world = replay(told.events[:end], told.roles)
            state = {who: sorted(words) for who, words in world.state.items()}
            parts = [world.holder, world.owner, world.place, state, world.feeling]
            text = json.dumps([*parts, sorted(world.knows)], sort_keys=True)
            found.update(text.encode())
    return found.hexdigest()[:16]


def test_the_world_after_every_event_is_as_it_was_frozen(many):
    assert digest(many) == FROZEN


def test_the_digest_sees_every_kind_of_event_and_an_effect_left_out(many, monkeypatch):
    """Negative control: where a thing was put down is not told to the world."""
    seen = {event.kind for told in many for event in told.events}
    assert {kind for kind, effects in lexicon.EFFECTS.items() if effects} <= seen
    monkeypatch.setitem(lexicon.EFFECTS, "forget", lexicon.EFFECTS["forget"][1:])
    assert digest(many) != FROZEN

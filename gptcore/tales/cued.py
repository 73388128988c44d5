"""Tales in two lines with a cue: each mood has a place of its own, or that of another mood.

A learner that is shown the first kind alone may learn the place instead of the mood. Who is then
asked about the second kind is asked about the same tales: hero, mood and words are as they were,
and the place is another.

Source: GPT-3 §1 (spurious features of narrow training data); one thing changed in each question
after Gardner et al. 2020, "Contrast Sets".
"""

from __future__ import annotations

from functools import lru_cache

from gptcore.tales.corpus import SETTINGS, simulate, split, tale
from gptcore.tales.lines import HELD_OUT, TASKS, lines, options
from gptcore.tales.rng import Rng

Cued = dict[str, str]
"""`text` of a tale in two lines, its mood as `answer`, and as `cue` the mood that its place has."""
SIDES = ("in", "out")
"""A tale in the place of its mood, or in that of another mood."""


@lru_cache
def labelled(per_mood: int, cue: float = 1.0) -> tuple[Cued, ...]:
    """Labelled rows of tales that no pre-training reads.

    Args:
        cue: share whose tale is in the place of its mood; what is left of every ten is moved.
    """
    moved = round(10 * (1 - cue))
    pairs = _pairs(2, "train", per_mood)
    return tuple(pair[at % 10 < moved] for at, pair in enumerate(pairs))


@lru_cache
def questions(part: str, side: str, per_mood: int) -> tuple[Cued, ...]:
    """Questions about heroes of unseen names; on both `SIDES` the same tales in the same order."""
    return tuple(pair[SIDES.index(side)] for pair in _pairs(0, part, per_mood))


@lru_cache
def _pairs(seed: int, part: str, per_mood: int) -> tuple[tuple[Cued, Cued], ...]:
    """The first tales of a part, each mood equally often: in the mood's place, and moved."""
    left = dict.fromkeys(options("mood"), per_mood)
    found: list[tuple[Cued, Cued]] = []
    for index in split(part):
        if not any(left.values()):
            break
        stage = simulate(seed, index)  # telling takes longer
        mood = f"{stage.feeling.capitalize()}."
        if left.get(mood) and (stage.hero.name in HELD_OUT) == (part != "train"):
            if pair := _pair(seed, index, mood):
                found.append(pair)
                left[mood] -= 1
    return tuple(found)


def _pair(seed: int, index: int, mood: str) -> tuple[Cued, Cued] | None:
    """A tale in the place of its mood and in another's; None where it is then another tale.

    The first of `SETTINGS` is the place of the first mood, and so on; one place is left over.
    """
    moods = options("mood")
    own = moods.index(mood)
    other = Rng(seed, index, 103).pick([at for at in range(len(moods)) if at != own])
    rows = []
    for place in (own, other):
        two = lines(tale(seed, index, (SETTINGS[place],)))
        if two is None or two.asked[TASKS.index("mood")].answer != mood:
            return None
        rows.append({"text": two.text, "answer": mood, "cue": moods[place]})
    return rows[0], rows[1]

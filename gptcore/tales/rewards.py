"""Instructions whose fulfilment can be checked exactly, and a reader of the mood of any text.

Source: the task is InstructGPT's (§3.2, prompts); the reward here is computed, not learned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gptcore.tales import lexicon
from gptcore.tales.corpus import Tale, arguments
from gptcore.tales.grammar import Ref, Template
from gptcore.tales.rng import Rng
from gptcore.tales.world import Thing

WELL, BADLY, BETWEEN = ("happy", "proud", "relieved"), ("sad", "sorry", "lonely"), ("wistful",)
ENDS = {WELL: "ends well", BADLY: "ends sadly", BETWEEN: "ends neither well nor badly"}
_WHO = r"(?:[A-Z][a-z]+(?: [A-Z][a-z]+)?|[Hh]e|[Ss]he|[Hh]im|[Hh]er)"
_WHOSE = r"(?:[A-Z][a-z]+(?: [A-Z][a-z]+)?'s|[Hh]is|[Hh]er)"
_SPEECH = re.compile(r'"[^"\n]+[.,!?]"')


@dataclass(frozen=True)
class Instruction:
    """What a tale is asked to be, in words, and as conditions (what, value)."""

    text: str
    conditions: tuple[tuple[str, str], ...]


def _pattern(template: Template) -> str:
    """A regular expression for everything that a feeling's wording can become."""
    parts = []
    for part in template:
        if isinstance(part, Ref):
            parts.append(_WHOSE if part[1] == "s" else _WHO)
        elif isinstance(part, tuple):
            parts.append("(?:" + "|".join(_pattern(option) for option in part) + ")")
        else:
            parts.append(re.escape(part))
    return "".join(parts)


# A feeling is told in sentences of its own: only what follows a space or nothing is looked at.
_MOODS = {
    mood: re.compile(r"(?<!\S)(?:" + "|".join(map(_pattern, frame.fields["line"])) + ")")
    for mood, frame in lexicon.MOODS.items()
}


def mood_of(text: str) -> str | None:
    """Return the feeling that a text names last in the words of the tales, None if it names none.

    On every tale this is the tale's mood; on a text that a model writes it is exact, too, as far
    as the model keeps to those words.
    """
    last = {
        mood: max((hit.start() for hit in pattern.finditer(text)), default=-1)
        for mood, pattern in _MOODS.items()
    }
    mood = max(last, key=last.__getitem__)
    return mood if last[mood] >= 0 else None


def instruction(tale: Tale, seed: int = 0) -> Instruction:
    """Return an instruction that the tale fulfils: whom it is about, what is in it, how it ends."""
    rng = Rng(seed, 37)
    hero = tale.cast["a"]
    ends = next(group for group in ENDS if tale.mood in group)
    nouns = [v.noun for v in arguments(tale.events).values() if isinstance(v, Thing)]
    friends = [person.name for role, person in tale.cast.items() if role == "b"]
    conditions = [("name", hero.name), ("ends", ENDS[ends])]
    wanted = f"a {'young ' + hero.kid if hero.species else hero.kid} called {hero.name}"
    if nouns and rng.chance(0.7):
        noun = rng.pick(nouns)
        conditions.append(("word", noun))
        wanted += f", with {_article(noun)} {noun} in it"
    elif friends:
        conditions.append(("name", friends[0]))
        wanted += f" and {friends[0]}"
    if _SPEECH.search(tale.text) and rng.chance(0.4):
        conditions.append(("speech", ""))
        wanted += ", in which somebody speaks"
    text = rng.pick(("Write a tale about {}. It {}.", "Please tell a story about {}. It {}."))
    return Instruction(text.format(wanted, ENDS[ends]), tuple(conditions))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeio" or noun.startswith("um") else "a"


def reward(wish: Instruction, text: str) -> float:
    """Return the share of the instruction's conditions that the text meets, from 0 to 1."""
    met = [_meets(text, what, value) for what, value in wish.conditions]
    return sum(met) / len(met)


def _meets(text: str, what: str, value: str) -> bool:
    if what == "ends":
        mood = mood_of(text)
        return any(mood in group for group, words in ENDS.items() if words == value)
    if what == "speech":
        return bool(_SPEECH.search(text))
    return re.search(rf"\b{re.escape(value)}\b", text) is not None

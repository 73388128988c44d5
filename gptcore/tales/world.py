"""People, things, events, and the state of the world that the events of a tale leave behind.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.lexicon import Place

_PRONOUNS = {"she": ("she", "her", "her", "herself"), "he": ("he", "him", "his", "himself")}


class Person:
    """Somebody in a tale, child or animal, known by name and pronoun."""

    __slots__ = ("role", "name", "pronoun", "species", "relation", "title", "job")

    def __init__(self, role: str, name: str, pronoun: str, species: str = "") -> None:
        self.role, self.name, self.pronoun, self.species = role, name, pronoun, species
        self.relation = self.title = self.job = ""

    def __repr__(self) -> str:
        return f"Person({self.full_name!r}, {self.pronoun!r})"

    @property
    def kid(self) -> str:
        """Noun for the person: girl, boy or the species."""
        if self.species:
            return self.species
        return "girl" if self.pronoun == "she" else "boy"

    @property
    def full_name(self) -> str:
        """Name with the title before it, where there is one: Aunt Rosa, Mr Finch, Tom."""
        return f"{self.title} {self.name}" if self.title else self.name

    @property
    def forms(self) -> tuple[str, str, str, str]:
        """Pronoun as subject, object, possessive and reflexive."""
        return _PRONOUNS[self.pronoun]


class Thing:
    """An object: its noun, the phrase that introduces it, its use and how it breaks."""

    __slots__ = ("noun", "adjective", "use", "harm", "phrase")

    def __init__(self, noun: str, adjective: str = "", use: str = "", harm: str = "crack") -> None:
        self.noun, self.adjective, self.use, self.harm = noun, adjective, use, harm
        self.phrase = "a " + (adjective + " " if adjective else "") + noun

    def __repr__(self) -> str:
        return f"Thing({self.noun!r})"


@dataclass(frozen=True)
class Event:
    """Something that happened: its kind, and who or what filled each role beside the cast."""

    kind: str
    args: Mapping[str, Any] = field(hash=False)
    new_paragraph: bool = False


@dataclass(frozen=True)
class World:
    """What is true when a tale is over; people, things and places go by their names.

    `place` maps a person or thing to a place, "away" when it has left the tale; a thing that
    somebody holds has a `holder` and no place of its own. `state` maps a person, thing or task to
    words such as "broken" or "forgiven"; `knows` holds pairs (person, what they know).
    """

    holder: dict[str, str]
    owner: dict[str, str]
    place: dict[str, str]
    state: dict[str, frozenset[str]]
    feeling: dict[str, str]
    knows: frozenset[tuple[str, str]]


def name_of(value: Any) -> str:
    """Return the name under which the world files a person, thing, place or table row."""
    if isinstance(value, Person):
        return value.full_name
    if isinstance(value, Thing):
        return value.noun
    return value.name if isinstance(value, Place) else value.key


class _Ledger:
    """The state while events are replayed; each method is one word of the effects notation."""

    def __init__(self) -> None:
        self.holder: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        self.place: dict[str, str] = {}
        self.state: dict[str, set[str]] = {}
        self.feeling: dict[str, str] = {}
        self.knows: set[tuple[str, str]] = set()

    def move(self, who: str, where: str) -> None:
        self.place[who] = where

    def hold(self, who: str, what: str) -> None:
        self.holder[what] = who
        self.place.pop(what, None)

    def lay(self, what: str, where: str) -> None:
        self.holder.pop(what, None)
        self.place[what] = where

    def vanish(self, what: str) -> None:
        self.holder.pop(what, None)
        self.place[what] = "away"

    def own(self, who: str, what: str) -> None:
        self.owner[what] = who

    def be(self, who: str, word: str) -> None:
        self.state.setdefault(who, set()).add(word)

    def unbe(self, who: str, word: str) -> None:
        self.state.get(who, set()).discard(word)

    def feel(self, who: str, mood: str) -> None:
        self.feeling[who] = mood

    def know(self, who: str, what: str) -> None:
        self.knows.add((who, what))


def replay(events: Iterable[Event], roles: Mapping[str, Any]) -> World:
    """Return the world after the events.

    Args:
        events: in order; what each kind does stands in its heading in `words/kinds.txt`.
        roles: the cast and setting, for roles that no event so far has named.
    """
    ledger, known = _Ledger(), dict(roles)
    for event in events:
        known.update(event.args)
        for verb, first, *rest in lexicon.EFFECTS[event.kind]:
            words = (first, *rest)
            names = [name_of(known[word]) if len(word) == 1 else word for word in words]
            getattr(ledger, verb)(*names)
    return World(
        ledger.holder,
        ledger.owner,
        ledger.place,
        {who: frozenset(words) for who, words in ledger.state.items() if words},
        ledger.feeling,
        frozenset(ledger.knows),
    )

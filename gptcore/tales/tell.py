"""Telling: turns the events of a tale into English, in wordings drawn from a seed.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.grammar import Template, compile_template, polish
from gptcore.tales.lexicon import Frame, Place
from gptcore.tales.rng import Rng
from gptcore.tales.world import Event, Person, Thing

# How a thing is harmed, and how two people mend it, by the way it breaks.
HARM = {
    "tear": ("it tore right down the middle", "sewed it up with small, strong stitches"),
    "crack": ("a crack ran through it from end to end", "glued it and bound it with thread"),
    "shatter": ("it went into five pieces", "glued the pieces together, one by one"),
}
_PRONOUN_FORMS = {"": 0, "o": 1, "s": 2}
WHEN = tuple(
    compile_template(text)
    for text in (
        "one $w.adj {morning|afternoon|day}{|,}",
        "on a $w.adj {morning|day|afternoon}{|,}",
        "one {morning|afternoon|Saturday|Thursday}{|,}",
        "{one day|early one day}{|,}",
    )
)
_SMALL = frozenset("a an the and of for in on to with who under at".split())
AT = compile_template("{one $w.adj {morning|day}|one morning|on a $w.adj morning}")


class Teller:
    """Tells one list of events; the same seed tells it in the same words."""

    __slots__ = ("random", "roles", "out", "turn", "seen", "used", "args", "pronouns")

    def __init__(self, rng: Rng, roles: Mapping[str, Any]) -> None:
        self.random, self.roles = rng.random, roles
        self.out: list[str] = []
        self.args: Mapping[str, Any] = {}
        self.pronouns = 0.65  # how often one stands for somebody of the sentence before
        self.turn = 0  # number of the event being told
        self.seen: dict[Person, int] = {}  # the event that mentioned a person last
        self.used: set[int] = set()  # remarks made already, by identity

    def tell(self, event: Event) -> str:
        """Return the event in words."""
        return self.say(lexicon.KINDS[event.kind], event.args)

    def say(self, wordings: Sequence[Template], args: Mapping[str, Any]) -> str:
        """Return one of the wordings with its references filled in."""
        self.out, self.args = [], args
        self.turn += 1
        self.expand(wordings[int(self.random() * len(wordings))])
        return polish("".join(self.out)).strip()

    def title(self, plot: str, args: Mapping[str, Any]) -> str:
        """Return a title for a tale of this plot; nobody counts as introduced by it."""
        words = self.say(lexicon.KINDS["title." + plot], args).split(" ")
        self.turn = 0
        self.seen.clear()
        return " ".join(w if w in _SMALL else w[0].upper() + w[1:] for w in words)

    def expand(self, template: Template) -> None:
        """Append the words of a template."""
        for part in template:
            kind = part.__class__
            if kind is str:
                self.out.append(part)
            elif kind is tuple:
                self.expand(part[int(self.random() * len(part))])
            else:
                role, form = part
                value = self.args.get(role)
                if value is None:
                    value = self.roles[role]
                self._refer(value, form)

    def _refer(self, value: Any, form: str) -> None:
        kind = value.__class__
        if kind is Person:
            self.out.append(self._person(value, form))
        elif kind is Thing:
            self.out.append(_thing(value, form))
        elif kind is Place and form != "detail":
            self.out.append(value.to if form else value.phrase)
        elif form == "when":
            self.expand(WHEN[int(self.random() * len(WHEN))])
        elif form == "at":
            self.expand(AT)
        else:
            self._field(value, form)

    def _field(self, frame: Frame, form: str) -> None:
        options = frame.fields[form]
        choice = options[int(self.random() * len(options))]
        if len(options) > 1 and form in ("detail", "line"):
            while id(choice) in self.used:
                choice = options[int(self.random() * len(options))]
            self.used.add(id(choice))
        self.expand(choice)

    def _person(self, person: Person, form: str) -> str:
        if form == "kid":
            return person.kid
        if form == "N":
            return person.full_name
        if form == "r":
            return person.forms[3]
        last = self.seen.get(person)
        if last is not None and form in _PRONOUN_FORMS and self._clear(person, last):
            self.seen[person] = self.turn
            return person.forms[_PRONOUN_FORMS[form]]
        self.seen[person] = self.turn
        if form == "intro":
            young = "young " if person.species else ""
            return f"a {young}{person.kid} called {person.name}"
        name = self._first(person) if last is None else person.full_name
        return name + "'s" if form == "s" else name

    def _clear(self, person: Person, last: int) -> bool:
        """Whether a pronoun can only mean this person here, and shall stand here."""
        if last < self.turn - 1:
            return False
        for other, when in self.seen.items():
            if when >= last and other is not person and other.pronoun == person.pronoun:
                return False
        return last == self.turn or self.random() < self.pronouns

    def _first(self, person: Person) -> str:
        """The name with what the reader has to know when it falls for the first time."""
        name = person.full_name
        if person.role == "b":
            hero = self.roles["a"]
            near = self.seen.get(hero, -1) >= self.turn - 1
            self.seen.setdefault(hero, self.turn)
            owner = hero.forms[2] if near else hero.name + "'s"
            name = f"{owner} {person.relation} {name}"
            return f"{name} the {person.species}" if person.species else name
        return f"{name} the {person.job}" if person.job else name


def _thing(thing: Thing, form: str) -> str:
    if form == "":
        return "the " + thing.noun
    if form == "a":
        return thing.phrase
    if form == "n":
        return thing.noun
    if form == "use":
        return thing.use
    return HARM[thing.harm][0 if form == "broke" else 1]

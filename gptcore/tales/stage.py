"""The stage: draws a cast, places and things for one setting, and records what happens.

Source: ours.
"""

from __future__ import annotations

from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.lexicon import Frame, Place, Setting
from gptcore.tales.rng import Rng
from gptcore.tales.world import Event, Person, Thing

# How a tale ends for the reader, by what its hero feels last; a plot may say otherwise.
ENDINGS = {
    "happy": "happy",
    "proud": "happy",
    "relieved": "happy",
    "wistful": "mixed",
    "sad": "sad",
    "sorry": "sad",
    "lonely": "sad",
}


class Stage:
    """The draw of one tale: cast, setting, weather and the list of events so far."""

    def __init__(self, rng: Rng, setting: Setting) -> None:
        self.rng, self.setting = rng, setting
        self.events: list[Event] = []
        self.people: dict[str, Person] = {}
        self.plot = self.feeling = self.ending = ""
        self._indent = False
        self.animals = rng.chance(0.22)
        self.weather = lexicon.WEATHER[rng.pick(setting.weathers)]
        self._places: list[Place] = []
        self._nouns: set[str] = set()
        home = setting.den if self.animals else setting.home
        self.roles: dict[str, Any] = {"s": setting, "w": self.weather, "h": home}
        self.hero = self._child("a", rng.pick(("she", "he")))
        self.roles["k"] = rng.pick(lexicon.HABITS)

    def _child(self, role: str, pronoun: str) -> Person:
        taken = {person.name for person in self.people.values()}
        names = lexicon.first_names(pronoun, self.animals)
        name = self.rng.pick(names)
        while name in taken or name[:1] in {other[:1] for other in taken}:
            name = self.rng.pick(names)
        species = self.rng.pick(self.setting.species) if self.animals else ""
        person = Person(role, name, pronoun, species)
        self.people[role] = self.roles[role] = person
        return person

    def _other_pronoun(self) -> str:
        # Two people who share a scene never share a pronoun, so that "she" is never in doubt.
        return "he" if self.hero.pronoun == "she" else "she"

    def friend(self, relation: str = "") -> None:
        """Draw the second main person."""
        person = self._child("b", self._other_pronoun())
        person.relation = relation or self.rng.pick(lexicon.FRIENDS)
        if person.relation == "cousin" and self.animals:
            person.species = self.hero.species
        if person.relation == "classmate" and self.animals:
            person.relation = "friend"

    def elder(self, kin: bool = True) -> None:
        """Draw a grown-up: a relation of the hero's, or somebody with a trade."""
        person = self._child("c", self._other_pronoun())
        if kin:
            person.title = self.rng.pick(lexicon.KIN[person.pronoun])
            return
        person.title = "Mr" if person.pronoun == "he" else "Mrs"
        person.job = self.rng.pick(self.setting.jobs)
        if person.pronoun == "she" and person.job.endswith("man"):
            person.job = person.job[:-3] + "woman"
        if not self.animals:
            person.name = self.rng.pick(lexicon.SURNAMES)

    def place(self, outdoors: bool = False) -> Place:
        """Draw a place of the setting that has not been used."""
        fits = [p for p in self.setting.places if p.outdoors or not outdoors]
        place = self.rng.pick(fits)
        while place in self._places:
            place = self.rng.pick(fits)
        self._places.append(place)
        return place

    def thing(self) -> Thing:
        """Draw an object whose noun has not been used."""
        noun, adjectives, use, harm = self.rng.pick(lexicon.OBJECTS)
        while noun in self._nouns:
            noun, adjectives, use, harm = self.rng.pick(lexicon.OBJECTS)
        self._nouns.add(noun)
        return Thing(noun, self.rng.pick(adjectives), use, harm)

    def food(self) -> Thing:
        """Draw something to eat."""
        thing = Thing(self.rng.pick(self.setting.foods))
        thing.phrase = thing.noun
        thing.noun = thing.noun.split(" ", 1)[1]
        return thing

    def frame(self, frames: list[Frame]) -> Frame:
        """Draw one row of a table."""
        return self.rng.pick(frames)

    def set_weather(self, name: str) -> None:
        """Replace the weather."""
        self.roles["w"] = self.weather = lexicon.WEATHER[name]

    def mild(self) -> None:
        """Replace frost and snow, for what is done out of doors and without gloves."""
        if self.weather.key in ("frosty", "snowy"):
            self.set_weather("sunny")

    def paragraph(self) -> None:
        """Let the next event begin a new paragraph."""
        self._indent = True

    def do(self, kind: str, /, **args: Any) -> None:
        """Let something happen."""
        self.events.append(Event(kind, args, self._indent))
        self._indent = False

    def maybe(self, p: float, kind: str, /, **args: Any) -> None:
        """Let something happen with probability p."""
        if self.rng.chance(p):
            self.do(kind, **args)

    def look_round(self, place: Place) -> None:
        """Perhaps say what the place, or the weather there, is like."""
        turn = self.rng.random()
        if turn < 0.38:
            self.do("detail", p=place)
        elif turn < 0.5 and place.outdoors:
            self.do("weather")

    def pang(self, p: float, feeling: str) -> None:
        """Perhaps say what the hero feels on the way."""
        self.maybe(p, "feel", m=lexicon.MOODS[feeling])

    def end(self, feeling: str, ending: str = "") -> None:
        """Close with the hero's last feeling; the ending follows from it unless it is given."""
        self.feeling, self.ending = feeling, ending or ENDINGS[feeling]
        self.do("feel", m=lexicon.MOODS[feeling])

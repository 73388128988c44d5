"""Brief tales: four to six sentences of which everything is known, short enough to learn from.

A whole tale has some 245 tokens, and a policy that is rewarded for what it writes has to write very
many of them. A brief tale has about 45: who lives where, perhaps a thing, what happened, perhaps a
word about it, how it came out, how it felt.

Source: ours; the wordings and rules stand in `words/brief.txt`, the feelings are those of Tales.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gptcore.tales import lexicon
from gptcore.tales.check import word_faults
from gptcore.tales.corpus import split
from gptcore.tales.invented import invented
from gptcore.tales.questions import FEELS, Question, Speaker
from gptcore.tales.reader import Story, read, who_is_who
from gptcore.tales.rng import Rng
from gptcore.tales.tell import Teller
from gptcore.tales.world import Event, Person, Thing

_QUOTED = re.compile(r'"[^"]*"')
PLACES = ("farm", "harbour", "forest", "town", "mountain", "river", "north")
NAMES = {pronoun: tuple(lexicon.NAMES[pronoun][:8]) for pronoun in ("she", "he")}
"""The first eight names of girls and of boys, in every split: what is new in a held-out tale is who
meets what where."""
OBJECTS = tuple(row for row in lexicon.OBJECTS if " " not in row[0] and row[3] != "tear")[:18]
"""Things that can break; 18 nouns, each with one of two adjectives."""
SPEECH = frozenset(kind for kind in lexicon.BRIEF if kind.startswith("say"))
MOODS = {
    mood: lexicon.Frame(mood, {"line": [t for t in frame.raw["line"] if '"' not in t]})
    for mood, frame in lexicon.MOODS.items()
}
"""Feelings in the words of Tales, those without speech in them."""


def _having(name: str) -> dict[str, tuple[str, ...]]:
    """Kinds that have a rule of this name -> the rest of the rule."""
    rows = lexicon.BRIEF_RULES.items()
    return {kind: rule[1:] for kind, rules in rows for rule in rules if rule[0] == name}


PLOTS = tuple(_having("plot"))
"""What can happen: one of these in every brief tale."""
OUTCOMES = _having("moods")
"""How it can come out -> the feelings that fit."""


def plot_of(kind: str) -> str:
    """The plot that a kind of event belongs to, "" where it can be of any."""
    return next((plot for plot in PLOTS if kind == plot or _follows(kind, plot)), "")


@dataclass(frozen=True)
class Brief:
    """A brief tale with its truth.

    Attributes:
        text: one paragraph.
        plot: one of `PLOTS`.
        outcome: one of `OUTCOMES`.
        mood: what the hero feels last.
        events: what happened, in order.
        roles: a hero, b friend, s setting, o thing, where the tale has them.
    """

    text: str
    plot: str
    outcome: str
    mood: str
    events: tuple[Event, ...] = field(compare=False, repr=False)
    roles: Mapping[str, Any] = field(compare=False, repr=False)

    @property
    def hero(self) -> Person:
        """Whom the tale is about."""
        return self.roles["a"]

    @property
    def friend(self) -> Person | None:
        """The second person, where the tale has one."""
        return self.roles["b"] if self._has("b") else None

    @property
    def thing(self) -> Thing | None:
        """The thing, where the tale has one."""
        return next((e.args["o"] for e in self.events if e.kind == "own"), None)

    @property
    def speaks(self) -> bool:
        """Whether somebody speaks."""
        return any(event.kind in SPEECH for event in self.events)

    @property
    def gist(self) -> str:
        """The tale in one sentence."""
        return Speaker(self).say(lexicon.BRIEF["gist." + self.outcome][0])

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the tale answers, in the order of its events."""
        speaker, kinds = Speaker(self), [event.kind for event in self.events]
        rows = [row for kind in kinds for row in lexicon.BRIEF_QUESTIONS if row[0] == kind]
        found = [Question(speaker.say(q), sentence(speaker.say(a))) for _, q, a in rows]
        feels = Question(FEELS.format(name=self.hero.name), sentence(self.mood))
        return (*found, feels)

    def _has(self, role: str) -> bool:
        return any(role in event.args for event in self.events)


def sentence(answer: str) -> str:
    """An answer as it is given: with a capital and a full stop."""
    return answer[0].upper() + answer[1:] + "."


def brief(seed: int, index: int) -> Brief:
    """Return the brief tale of this seed and index; same arguments, same bytes, everywhere."""
    rng = Rng(seed, index, 211)
    pronouns = ("she", "he") if rng.chance(0.5) else ("he", "she")
    hero, friend = (
        Person(role, rng.pick(NAMES[pronoun]), pronoun)
        for role, pronoun in zip("ab", pronouns, strict=True)
    )
    friend.relation = "friend"
    noun, adjectives, use, harm = rng.pick(OBJECTS)
    thing = Thing(noun, rng.pick(adjectives[:2]), use, harm)
    setting = lexicon.SETTINGS[rng.pick(PLACES)]
    plot = rng.pick(PLOTS)
    outcome = rng.pick([kind for kind in OUTCOMES if _follows(kind, plot)])
    mood = rng.pick(OUTCOMES[outcome])
    owns = _follows(plot, "own") or rng.chance(0.3)
    kinds = ["open", *["own"] * owns, plot, *["say" + plot] * rng.chance(0.5), outcome, "feel"]
    roles = {"a": hero, "b": friend, "o": thing, "s": setting, "m": MOODS[mood]}
    teller = Teller(Rng(seed, index, 223), roles)
    teller.pronouns = 0.2  # how often one stands for somebody of the sentence before; 0.65 in Tales
    events, told = [], []
    for kind in kinds:
        wording = teller.say(lexicon.BRIEF[kind], {})
        named = {"b": friend.name, "o": thing.noun}
        args = {role: roles[role] for role, name in named.items() if name in wording}
        events.append(Event(kind, {**args, "m": MOODS[mood]} if kind == "feel" else args))
        told.append(wording)
    return Brief(" ".join(told), plot, outcome, mood, tuple(events), roles)


def _follows(kind: str, earlier: str) -> bool:
    """Whether a kind of event takes another for granted."""
    rules = lexicon.BRIEF_RULES[kind]
    return any(rule[0] == "after" and earlier == rule[1] for rule in rules)


def briefs(n: int, seed: int = 0, part: str = "train", start: int = 0) -> Iterator[Brief]:
    """Yield n brief tales of a split, from its `start`-th on.

    Raises: ValueError when n or start is negative, or the split does not exist.
    """
    for name, value in (("n", n), ("start", start)):
        if value < 0:
            raise ValueError(f"{name}={value} must not be negative")
    first = split(part).start + start
    return (brief(seed, index) for index in range(first, first + n))


def documents(
    n: int, share: float = 0.3, seed: int = 0, part: str = "train", *, unheard: float = 0.0
) -> Iterator[str]:
    """Yield n texts to pre-train on: brief tales, some of which go on with questions and answers.

    Args:
        n: how many.
        share: of those that go on with two questions, or a question and the gist.
        seed, part: which tales.
        unheard: share of the texts whose people have names that were invented for them. A name that
            can only be read and copied is what teaches a small network to copy (chapter 13).

    Raises: ValueError when a share is none, or as `briefs`.
    """
    for name, value in (("share", share), ("unheard", unheard)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value} must lie between 0 and 1")
    told = enumerate(briefs(n, seed, part))
    return (
        _renamed(one, _document(one, share, Rng(seed, index, 227)), Rng(seed, index, 229), unheard)
        for index, one in told
    )


def _renamed(told: Brief, text: str, rng: Rng, unheard: float) -> str:
    """The text, its people perhaps under names that nobody has had before."""
    if not rng.chance(unheard):
        return text
    for person in filter(None, (told.hero, told.friend)):
        text = re.sub(rf"\b{person.name}\b", invented(rng), text)
    return text


def _document(told: Brief, share: float, rng: Rng) -> str:
    if not rng.chance(share):
        return told.text
    asked = [f"Question: {q.text}\nAnswer: {q.answer}" for q in rng.some(told.questions, 2)]
    if rng.chance(0.3):
        asked[1] = f"In short: {told.gist}"
    return told.text + "\n\n" + "\n".join(asked)


def brief_faults(text: str) -> list[str]:
    """Return why a text is no brief tale that holds together; [] when there is nothing.

    Every sentence is one of theirs, what happens follows from what happened, people and things stay
    who and what they are, one story is told once, from its opening to a last feeling that fits.
    """
    story = read(text, "brief")
    return [f"strange: {sentence!r}" for sentence in story.strange] + plot_holes(text, story)


def plot_holes(text: str, story: Story) -> list[str]:
    """What is wrong with a text beside its strange sentences.

    Args:
        text: any.
        story: how it reads, `read(text, "brief")`.
    """
    kinds = [event.kind for event in story.events]
    found = [
        f"{kind} at {at} breaks '{' '.join(rule)}'"
        for at, kind in enumerate(kinds)
        for rule in lexicon.BRIEF_RULES[kind]
        if not _holds(story, at, rule)
    ]
    found += [f"{kind} is told twice" for kind in sorted(set(kinds)) if kinds.count(kind) > 1]
    if kinds[:1] != ["open"]:
        found.append("the tale has no opening")
    for name, group in (("plot", PLOTS), ("outcome", tuple(OUTCOMES))):
        n = len(set(kinds) & set(group))
        found += [] if n == 1 else [f"the tale has {n} of one {name}"]
    if kinds[-1:] != ["feel"]:
        found.append("the tale does not end with a feeling")
    things = {noun for event in story.events for noun in event.who.get("o", ())}
    found += [f"{len(things)} things are told of"] if len(things) > 1 else []
    return found + _misnamed(text) + who_is_who(text, story) + word_faults(text)


def _misnamed(text: str) -> list[str]:
    """Girls with names of boys and the reverse, and pronouns before anybody whom they can mean."""
    plain, found = _QUOTED.sub("", text), []
    for pronoun, kid in (("she", "girl"), ("he", "boy")):
        named = [at for name in NAMES[pronoun] if (at := plain.find(name)) >= 0]
        hit = re.search(rf"\b{pronoun}\b", plain, re.IGNORECASE)
        if hit and hit.start() < min(named, default=len(plain)):
            found.append(f"{pronoun} comes before anybody it can mean")
        called = re.search(rf"\b{kid} called (\w+)|(\w+) was a {kid}\b", plain)
        if called and (called[1] or called[2]) not in NAMES[pronoun]:
            found.append(f"{called[1] or called[2]} is no {kid}")
    return found


def _holds(story: Story, at: int, rule: tuple[str, ...]) -> bool:
    name, *rest = rule
    before = [event.kind for event in story.events[:at]]
    if name == "first":
        return at == 0
    if name == "just":
        return bool(before) and before[-1] in rest[0].split("|")
    if name == "after":
        return rest[0] in before
    if name == "moods":
        return story.mood in rest
    return True

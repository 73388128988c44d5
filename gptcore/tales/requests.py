"""Requests for brief tales, a demonstration of each, and an exact reader of what a reply fulfils.

Four kinds: `tell` a tale that is about somebody and ends in some way; `answer` a question about a
tale; `sum` one up; `refuse` what cannot be done, a tale that contradicts itself or a question that
the tale leaves open. What a reply fulfils is read from its sentences, not from its words: a thing
is in a tale when something is told of it.

Source: the mix of tasks after InstructGPT §3.2 and Table 1; ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from gptcore.tales import lexicon
from gptcore.tales.brief import (
    NAMES,
    OBJECTS,
    OUTCOMES,
    PLACES,
    SPEECH,
    Brief,
    briefs,
    plot_holes,
    plot_of,
    sentence,
)
from gptcore.tales.grammar import polish
from gptcore.tales.questions import Speaker
from gptcore.tales.reader import Story, read, who_is_who
from gptcore.tales.rewards import ENDS
from gptcore.tales.rng import Rng
from gptcore.tales.world import Thing

Kind = Literal["tell", "answer", "sum", "refuse"]
KINDS: tuple[Kind, ...] = ("tell", "answer", "sum", "refuse")
SHARES = (0.64, 0.12, 0.12, 0.12)
"""Of requests of each kind."""
IMPOSSIBLE = ("Nobody can tell such a tale.", "No tale can be both.", "That cannot be told.")
UNSAID = ("The tale does not say.", "That is not told.", "Nobody can know that.")
ASK, REPLY = "Request: ", "\nReply:"
_HEADS = ("Write a tale about {}. It {}.", "Please tell a tale about {}. It {}.")
_HEADS += ("A tale about {}, please. It {}.",)
_SUMS = ("{} Sum this up.", "In one sentence: {}")
_SPEAKS = {"yes": "in which somebody speaks", "no": "in which nobody speaks"}


@dataclass(frozen=True)
class Request:
    """What is asked for, in words and as conditions, and a reply that fulfils it.

    Attributes:
        kind: one of `KINDS`.
        text: the request.
        conditions: pairs (what, value), see `met`.
        demonstration: a reply as a labeler would write it.
        about: the brief tale that the request was made from.
    """

    kind: Kind
    text: str
    conditions: tuple[tuple[str, str], ...]
    demonstration: str
    about: Brief

    @property
    def prompt(self) -> str:
        """What a model is given; " ", the reply and an end-of-text token follow."""
        return f"{ASK}{self.text}{REPLY}"


def requests(n: int, seed: int = 0, part: str = "train", start: int = 0) -> Iterator[Request]:
    """Yield n requests about brief tales of a split; arguments as of `briefs`."""
    return (request(told, (seed, start + i)) for i, told in enumerate(briefs(n, seed, part, start)))


def request(told: Brief, seed: tuple[int, ...] = (0,), kind: Kind | None = None) -> Request:
    """Return a request that can be made of a brief tale.

    Args:
        told: fulfils it, or is asked about.
        seed: draws the kind, what is asked for, and the wording.
        kind: one of `KINDS`; None: drawn, each with its share of `SHARES`.

    Raises: ValueError when there is no such kind.
    """
    rng = Rng(*seed, 229)
    turn = rng.random()
    if kind is None:
        reached = [sum(SHARES[: at + 1]) for at in range(len(KINDS))]
        kind = next((k for k, end in zip(KINDS, reached, strict=True) if turn < end), KINDS[-1])
    if kind not in _MAKE:
        raise ValueError(f"kind={kind!r} is none of {', '.join(KINDS)}")
    return _MAKE[kind](told, rng)


# ------------------------------------------------------------------ the four kinds


def _tell(told: Brief, rng: Rng) -> Request:
    wanted, conditions = _wanted(told, rng)
    ends = next(words for group, words in ENDS.items() if told.mood in group)
    text = rng.pick(_HEADS).format(wanted, ends)
    return Request("tell", text, (*conditions, ("ends", ends)), told.text, told)


def _wanted(told: Brief, rng: Rng) -> tuple[str, list[tuple[str, str]]]:
    """Whom and what a tale is to have: the hero, and some of what it has."""
    hero, setting = told.hero, told.roles["s"]
    text, conditions = f"a {hero.kid} called {hero.name}", [("hero", hero.name)]
    if rng.chance(0.5):
        text += f" who lives {setting.raw['label'][0]}"
        conditions.append(("place", setting.name))
    if told.friend and rng.chance(0.6):
        text += f", with a friend called {told.friend.name}"
        conditions.append(("friend", told.friend.name))
    if told.thing and rng.chance(0.8):
        text += f", with a {told.thing.noun} in it"
        conditions.append(("thing", told.thing.noun))
    if rng.chance(0.5):
        speaks = "yes" if told.speaks else "no"
        text += f", {_SPEAKS[speaks]}"
        conditions.append(("speech", speaks))
    return polish(text)[0].lower() + polish(text)[1:], conditions


def _answer(told: Brief, rng: Rng) -> Request:
    asked = rng.pick(told.questions)
    text = f"{told.text} {asked.text}"
    return Request("answer", text, (("answer", asked.answer),), asked.answer, told)


def _sum(told: Brief, rng: Rng) -> Request:
    conditions = [("outcome", told.outcome), ("hero", told.hero.name)]
    template = lexicon.BRIEF["gist." + told.outcome][0]
    if told.thing and told.thing.noun in Speaker(told).say(template):
        conditions.append(("thing", told.thing.noun))
    if told.friend and told.friend.name in told.gist:
        conditions.append(("friend", told.friend.name))
    return Request("sum", rng.pick(_SUMS).format(told.text), tuple(conditions), told.gist, told)


def _refuse(told: Brief, rng: Rng) -> Request:
    if rng.chance(0.5):
        text, replies = f"{told.text} {rng.pick(_open_questions(told))}", UNSAID
    else:
        wanted, _ = _wanted(told, rng)
        ends = rng.some(tuple(ENDS.values()), 2)
        if "speaks" in wanted or rng.chance(0.5):
            wanted, ends = f"{wanted.partition(', in which')[0]}, {_BOTH}", ends[:1]
        text, replies = rng.pick(_HEADS).format(wanted, " and it ".join(ends)), IMPOSSIBLE
    conditions = (("refuse", "unsaid" if replies is UNSAID else "impossible"),)
    return Request("refuse", text, conditions, rng.pick(replies), told)


def _open_questions(told: Brief) -> list[str]:
    """Questions about other plots, which the tale does not answer in any wording."""
    speaker, own = Speaker(told), {q.text for q in told.questions}
    others = [row for row in lexicon.BRIEF_QUESTIONS if plot_of(row[0]) not in (told.plot, "")]
    asked = [speaker.say(question) for _, question, _ in others if speaker.can(question)]
    return [question for question in dict.fromkeys(asked) if question not in own]


_BOTH = "in which somebody speaks and nobody speaks"
_MAKE = {"tell": _tell, "answer": _answer, "sum": _sum, "refuse": _refuse}


# ------------------------------------------------------------------ what a reply fulfils


def met(asked: Request, reply: str) -> float:
    """Return the share of the conditions that a reply meets, from 0 to 1.

    hero, friend, place, thing: who, where and what is told of; ends: the last feeling; speech: yes
    or no; outcome: what a summary says; answer: the answer and nothing else; refuse: a refusal, and
    half of it for one that fits the other kind of impossible request.
    """
    if asked.kind in ("answer", "refuse"):
        return _right(asked, reply)
    story = _story(reply, asked.kind)
    told = {role: _named(story, role) for role in "abos"}
    kinds = {event.kind.removeprefix("gist.") for event in story.events}
    speaks = "yes" if kinds & SPEECH or '"' in reply else "no"
    found = {
        "hero": told["a"],
        "friend": told["b"],
        "thing": told["o"],
        "place": told["s"],
        "ends": {words for group, words in ENDS.items() if story.mood in group},
        "speech": {speaks} if story.events else set(),
        "outcome": kinds & set(OUTCOMES),
    }
    return sum(value in found[what] for what, value in asked.conditions) / len(asked.conditions)


def _right(asked: Request, reply: str) -> float:
    what, value = asked.conditions[0]
    if what == "answer":
        return float(reply == value)
    fitting, other = (UNSAID, IMPOSSIBLE) if value == "unsaid" else (IMPOSSIBLE, UNSAID)
    return 1.0 if reply in fitting else 0.5 * (reply in other)


def verified(asked: Request, reply: str) -> float:
    """Return how much of a reply is what a reply can be: 1 without a fault, halved by each.

    A tale: the share of its sentences that a wording of brief tales can become, halved by every
    hole in its plot (see `plot_holes`) and once more where it is about somebody else. A summary:
    one sentence that sums up a tale. An answer or a refusal: one that can be given to something.
    """
    if asked.kind == "answer":
        return float(reply in _answers())
    if asked.kind == "refuse":
        return float(reply in IMPOSSIBLE + UNSAID)
    story = _story(reply, asked.kind)
    n_read = len(story.events)
    if not n_read:
        return 0.0
    if asked.kind == "tell":
        holes = len(plot_holes(reply, story))
        holes += _named(story, "a") != {dict(asked.conditions)["hero"]}
    else:
        holes = n_read - 1 + len(who_is_who(reply, story))
    return n_read / (n_read + len(story.strange)) * 0.5**holes


@lru_cache(4096)
def _story(reply: str, kind: Kind) -> Story:
    return read(reply, "brief" if kind == "tell" else "gists")


def _named(story: Story, role: str) -> set[str]:
    """All that fills a role somewhere in a story."""
    return {name for event in story.events for name in event.who.get(role, ())}


@cache
def _answers() -> frozenset[str]:
    """All that can be answered to some question about a brief tale."""
    words = [
        "yes",
        "no",
        *(m for fit in OUTCOMES.values() for m in fit),
        *(n for names in NAMES.values() for n in names),
    ]
    words += [lexicon.SETTINGS[name].raw["label"][0] for name in PLACES]
    things = (Thing(noun, a).phrase for noun, adjectives, *_ in OBJECTS for a in adjectives[:2])
    return frozenset(sentence(polish(word)) for word in (*words, *things))

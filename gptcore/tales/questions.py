"""Tasks with exact labels: questions and answers, statements to judge, demonstrations of both.

Source: entailment after GPT-1 §4.1, questions and summaries after GPT-2 §3; labels from the truth
of each tale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from gptcore.tales import lexicon
from gptcore.tales.corpus import Tale, arguments
from gptcore.tales.grammar import Ref, Template
from gptcore.tales.rng import Rng
from gptcore.tales.stage import Stage
from gptcore.tales.tell import Teller

Label = Literal["follows", "contradicts", "open"]


@dataclass(frozen=True)
class Statement:
    """A sentence about a tale, and whether it follows, contradicts or stays open."""

    text: str
    label: Label


@dataclass(frozen=True)
class Question:
    """A question that the tale answers."""

    text: str
    answer: str


class Speaker:
    """Fills templates with the names of one tale; every name in full, no pronoun in doubt."""

    def __init__(self, tale: Tale | Stage) -> None:
        self.args = arguments(tale.events)
        self.known = {**tale.roles, **self.args}
        self.teller = Teller(Rng(0), tale.roles)

    def can(self, template: Template) -> bool:
        """Whether the tale has everybody and everything that the template names."""
        return all(role in self.known for role in _roles(template))

    def people(self, template: Template) -> set[str]:
        """The names of the people whom the template names."""
        named = (self.known[role] for role in _roles(template) if role in "abc")
        return {person.name for person in named}

    def say(self, template: Template) -> str:
        """Return the template in words."""
        return self.teller.say((template,), self.args)


def _roles(template: Template) -> Iterable[str]:
    for part in template:
        if isinstance(part, Ref):
            yield part[0]
        elif isinstance(part, tuple):
            for option in part:
                yield from _roles(option)


def questions(tale: Tale) -> tuple[Question, ...]:
    """Return the questions that the tale answers, in the order of its events."""
    speaker = Speaker(tale)
    kinds = [event.kind for event in tale.events]
    rows = [row for kind in dict.fromkeys(kinds) for row in lexicon.QUESTIONS if row[0] == kind]
    asked = {}
    for _, question, answer in rows:
        asked.setdefault(speaker.say(question), speaker.say(answer) + ".")
    return tuple(Question(text, answer) for text, answer in asked.items())


def statements(tale: Tale, seed: int = 0) -> tuple[Statement, ...]:
    """Return sentences about the tale with their labels, some of each kind.

    Args:
        seed: draws the open ones; the others are all that the tale settles.
    """
    speaker, rng = Speaker(tale), Rng(seed, 17)
    kinds = {event.kind for event in tale.events}
    found: list[Statement] = []
    loose = list(lexicon.OPEN_CLAIMS)
    for plot, claim, yes, no, elsewhere in lexicon.CLAIMS:
        if plot != tale.plot:
            loose += [claim] if elsewhere else []
        elif speaker.can(claim) and not kinds.isdisjoint(yes):
            found.append(Statement(speaker.say(claim), "follows"))
        elif speaker.can(claim) and not kinds.isdisjoint(no):
            found.append(Statement(speaker.say(claim), "contradicts"))
    fits = [claim for claim in loose if speaker.can(claim)]
    found += [Statement(speaker.say(claim), "open") for claim in rng.some(fits, 3)]
    return tuple(found)


FEELS = "How does {name} feel in the end?"
VERDICTS = {"follows": "True.", "contradicts": "False.", "open": "The tale does not say."}


def demonstrate(tale: Tale, seed: int) -> Tale:
    """Return the tale with a text that goes on with a task, done as people do it in passing."""
    rng = Rng(seed)
    form = rng.below(4)
    if form == 0:
        asked = questions(tale)
        chosen = rng.some(asked, min(len(asked), 1 + rng.below(3)))
        more = "\n".join(f"Question: {q.text}\nAnswer: {q.answer}" for q in chosen)
    elif form == 1:
        more = f"{rng.pick(('In short:', 'TL;DR:', 'To sum up:'))} {tale.gist}"
    elif form == 2:
        judged = rng.some(statements(tale, seed), 2)
        more = "\n".join(f"True or false? {s.text} {VERDICTS[s.label]}" for s in judged)
    else:
        more = f"{FEELS.format(name=tale.cast['a'].name)} {tale.mood.capitalize()}."
    return replace(tale, text=f"{tale.text}\n\n{more}")

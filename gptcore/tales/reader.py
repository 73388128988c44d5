"""A reader of any text: which events does it tell, and does the story hold together?

`check` looks at the simulator's own record of a tale; a text that a model has written has none. So
the wordings of `words/kinds.txt` are read backwards, as patterns: sentence by sentence, what
happened and to whom. What no wording says is strange; what is said has to follow from what was said
before, by the rules of `words/rules.txt`.

Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from gptcore.tales import lexicon
from gptcore.tales.check import ASIDES, LAST, closes, word_faults
from gptcore.tales.grammar import Ref, Template
from gptcore.tales.tell import AT, HARM, WHEN

_FRAMES = (
    *(lexicon.SKILLS, lexicon.CRAFTS, lexicon.PLANTS, lexicon.STRANGERS, lexicon.QUARRELS),
    *(lexicon.GAMES, lexicon.ERRANDS, lexicon.SIGHTS, lexicon.SURPRISES),
    *(
        table
        for s in lexicon.SETTINGS.values()
        for table in (s.tasks, s.rescues, s.noises, s.far, s.risks)
    ),
)
_PLACES = [p for s in lexicon.SETTINGS.values() for p in (*s.places, s.home, s.den)]
_FOODS = [food for s in lexicon.SETTINGS.values() for food in s.foods]
_ROWS = {
    "s": list(lexicon.SETTINGS.values()),
    "w": list(lexicon.WEATHER.values()),
    "k": lexicon.HABITS,
    "t": lexicon.TRAITS,
    "m": list(lexicon.MOODS.values()),
    **dict.fromkeys("xy", [row for table in _FRAMES for row in table]),
}
"""Role -> rows of tables that can fill it."""
Table = Literal["tales", "brief", "gists"]


@dataclass(frozen=True)
class Heard:
    """One event as a text tells it."""

    kind: str
    start: int
    end: int
    who: Mapping[str, frozenset[str]]
    """Role -> all that it can be, where the wording names it: a name, a noun, a place, a row."""


@dataclass(frozen=True)
class Story:
    """A text as it was understood."""

    events: tuple[Heard, ...]
    strange: tuple[str, ...]
    """Sentences that no wording of the tales can become."""

    @property
    def mood(self) -> str | None:
        """What the hero feels last."""
        feelings = [event for event in self.events if event.kind == "feel"]
        return next(iter(feelings[-1].who["m"])) if feelings else None


def read(text: str, table: Table = "tales") -> Story:
    """Understand a text, event by event; after a strange sentence, with the next one.

    Args:
        text: any.
        table: whose wordings: of "tales", of "brief" tales, of "gists" of brief tales.
    """
    events, strange = [], []
    at = len(text) - len(text.lstrip())
    at = _behind_title(text, at)
    while at < len(text.rstrip()):
        found = _longest(text, at, table)
        if found is None:
            end = _next_sentence(text, at)
            strange.append(text[at:end].strip())
        else:
            events.append(found)
            end = found.end
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return Story(tuple(events), tuple(strange))


def story_faults(text: str) -> list[str]:
    """Return why a text is no tale that holds together; [] when there is nothing.

    Every sentence is one of the tales' own; events follow from those before; people and things stay
    who and what they are; the language is sound; and the story comes to an end.
    """
    story = read(text)
    found = [f"strange: {sentence!r}" for sentence in story.strange]
    kinds = [event.kind for event in story.events]
    for at, event in enumerate(story.events):
        for rule in lexicon.RULES.get(event.kind, ()):
            if not _holds(story, at, rule):
                found.append(f"{event.kind} at {at} breaks '{' '.join(rule)}'")
        if event.kind not in ASIDES and event.kind in kinds[:at]:
            found.append(f"{event.kind} at {at} happens twice")
    told = [kind for kind in kinds if kind not in LAST]
    if not told or told[-1] != "feel" or not any(closes(kind) for kind in kinds):
        found.append("the story does not come to an end")
    return found + who_is_who(text, story) + word_faults(text)


def _behind_title(text: str, at: int) -> int:
    """Where the first sentence begins: a first paragraph may be the title."""
    head = text.find("\n\n", at)
    heading = text[at:head] if head > 0 else ""
    is_title = heading and (heading[-1] not in '.!?"' or any(t.match(heading) for t in _titles()))
    return head + 2 if is_title else at


def _longest(text: str, at: int, table: Table) -> Heard | None:
    """The event whose wording takes up most of the text from here on."""
    best: Heard | None = None
    for kind, pattern in _patterns(table):
        hit = pattern.match(text, at)
        if hit and hit.end() > (best.end if best else at):
            who = _who(hit.groupdict())
            if who is not None:
                best = Heard(kind, at, hit.end(), who)
    return best


def _who(groups: Mapping[str, str | None]) -> dict[str, frozenset[str]] | None:
    """What fills each role; None where something can not be."""
    who: dict[str, frozenset[str]] = {}
    for name, words in groups.items():
        if words is None:
            continue
        role, form, _ = name.split("_")
        fits = _meanings(role, form, words)
        if fits is None:
            return None
        if fits:
            who[role] = who[role] & fits if role in who else fits
        if role == "b" and len(names := _NAME.findall(words)) > 1:  # Tom's friend Anna
            who.setdefault("a", frozenset(names[:1]))
    return who


def _next_sentence(text: str, at: int) -> int:
    hit = re.compile(r'[.!?]"?(?=\s)|\n\n').search(text, at)
    return hit.end() if hit else len(text)


# --- rules ----------------------------------------------------------------------------------------


def _holds(story: Story, at: int, rule: Sequence[str]) -> bool:
    """Whether what an event takes for granted was told before; unsaid things may be anything."""
    name, *rest = rule
    events, event = story.events, story.events[at]
    before = [e.kind for e in events[:at]]
    if name == "after":
        kinds, *roles = rest
        return any(
            e.kind in kinds.split("|") and all(_alike(e, event, r) for r in roles)
            for e in events[:at]
        )
    if name == "never":
        return not set(before) & set(rest)
    if name == "just":
        return [kind for kind in before if kind not in ASIDES][-1:] == rest
    if name == "first":
        return at == 0
    if name == "last":
        return at == len(events) - 1
    if name == "moods":
        return story.mood in rest or any(closes(e.kind) for e in events[at + 1 :])
    if name == "apart":
        return not event.who.get(rest[0], frozenset()) & event.who.get(rest[1], frozenset())
    return True


def _alike(first: Heard, second: Heard, role: str) -> bool:
    one, other = first.who.get(role), second.who.get(role)
    return one is None or other is None or bool(one & other)


def who_is_who(text: str, story: Story) -> list[str]:
    """One name for each role, and names and pronouns that belong to somebody."""
    found, cast = [], set()
    for role in "abc":
        names = {name for e in story.events for name in e.who.get(role, ())}
        cast |= names
        if len(names) > 1:
            found.append(f"{role} has several names: {', '.join(sorted(names))}")
    text = text[_behind_title(text, 0) :]
    found += [f"{n} is nobody" for n in sorted({*_NAME.findall(text)} - cast - _streets())]
    if any(event.kind == "stranger" for event in story.events):
        return found  # of a stranger the cast knows nothing
    plain = _QUOTED.sub("", text)
    known = {pronoun for name in cast for pronoun in _pronouns(name, text)}
    for pronoun, pattern in _PRONOUNS.items():
        if pronoun not in known and pattern.search(plain):
            found.append(f"{pronoun} is nobody")
    return found


@cache
def _streets() -> set[str]:
    """Names that are words of the tables as well, as Candle is of Candle Street."""
    rows = [row for role in "swktmx" for row in _ROWS[role]] + _PLACES
    return {
        name
        for row in rows
        for texts in row.raw.values()
        for text in texts
        for name in _NAME.findall(text)
    }


def _pronouns(name: str, text: str) -> set[str]:
    """How somebody of this name is spoken of."""
    for title, pronoun in (("Mrs", "she"), ("Mr", "he")):
        if f"{title} {name}" in text:
            return {pronoun}
    return {group.split()[-1] for group, names in lexicon.NAMES.items() if name in names}


# --- wordings read backwards ----------------------------------------------------------------------


@cache
def _patterns(table: Table) -> list[tuple[str, re.Pattern[str]]]:
    """For each wording the kind of event and all that it can become, up to where a word ends."""
    return [
        (kind, re.compile(_pattern(wording, iter(range(999))) + r"(?=\s|$)", re.IGNORECASE))
        for kind, wordings in (lexicon.KINDS if table == "tales" else lexicon.BRIEF).items()
        if not kind.startswith("title.") and kind.startswith("gist.") == (table == "gists")
        for wording in wordings
    ]


@cache
def _titles() -> list[re.Pattern[str]]:
    return [
        re.compile(_pattern(wording) + "$", re.IGNORECASE)
        for kind, wordings in lexicon.KINDS.items()
        if kind.startswith("title.")
        for wording in wordings
    ]


def _pattern(template: Template, count: Iterable[int] | None = None) -> str:
    """A regular expression for a wording; with `count` what fills the roles is captured."""
    parts = []
    for part in template:
        if isinstance(part, Ref):
            role, form = part
            name = f"(?P<{role}_{form}_{next(count)}>" if count is not None else "(?:"
            parts.append(name + _filling(role, form) + ")")
        elif isinstance(part, tuple):
            parts.append("(?:" + "|".join(_pattern(option, count) for option in part) + ")")
        else:
            parts.append(_literal(part))
    return "".join(parts)


def _literal(text: str) -> str:
    """Words as they stand; at their edges spaces and commas may have melted into others."""
    text = text.replace("^", "")
    inner = text.strip(" ,")
    before, after = text[: len(text) - len(text.lstrip(" ,"))], ""
    if inner:
        after = text[len(text.rstrip(" ,")) :]
    article = re.sub(r"\b([Aa])(?= |$)", r"\1n?", re.escape(inner).replace(r"\ ", " "))
    return _edge(before) + article + _edge(after)


def _edge(text: str) -> str:
    return "".join(" *" if c == " " else ",?" for c in text)


@cache
def _filling(role: str, form: str) -> str:
    """What a reference can become."""
    if role in "abc":
        return _person(form)
    return "|".join(sorted({words for _, words in _fillings(role, form)}, key=len, reverse=True))


@cache
def _fillings(role: str, form: str) -> list[tuple[str, str]]:
    """What a role can be, and how this form of it reads, as a pattern."""
    if role in "ofq":
        return _things(role, form)
    if role in "prh":
        if form == "detail":
            return [(p.key, _pattern(t)) for p in _PLACES for t in p.fields["detail"]]
        return [(p.name, re.escape(p.to if form else p.phrase)) for p in _PLACES]
    if role == "w" and form in ("when", "at"):
        return [("", _pattern(t)) for t in (WHEN if form == "when" else (AT,))]
    rows = [row for row in _ROWS[role] if form in row.fields]
    return [(row.key, _pattern(t)) for row in rows for t in row.fields[form]]


def _things(role: str, form: str) -> list[tuple[str, str]]:
    if form in ("broke", "mended"):
        return [("", re.escape(words[form == "mended"])) for words in HARM.values()]
    if role == "f":
        nouns = [(food.split(" ", 1)[1], "", re.escape(food)) for food in _FOODS]
    else:
        made = [(row.key, "", rf"an? {re.escape(row.key)}") for row in lexicon.CRAFTS]
        nouns = made + [
            (noun, use, rf"an? (?:{'|'.join(map(re.escape, adjectives))}) {re.escape(noun)}")
            for noun, adjectives, use, _ in lexicon.OBJECTS
        ]
    read = {"": "the {n}", "n": "{n}"}
    if form in read:
        return [(noun, read[form].format(n=re.escape(noun))) for noun, _, _ in nouns]
    return [(noun, re.escape(use) if form == "use" else phrase) for noun, use, phrase in nouns]


_QUOTED = re.compile(r'"[^"]*"')
_PRONOUNS = {"he": re.compile(r"\b[Hh]e\b"), "she": re.compile(r"\b[Ss]he\b")}
_FIRST = sorted({n for names in lexicon.NAMES.values() for n in names} | {*lexicon.SURNAMES})
_NAME = re.compile(rf"\b(?:{'|'.join(_FIRST)})\b")
_CALLED = r"(?-i:[A-Z])[\w-]+"
_WHOLE = rf"(?:{_CALLED} )?{_CALLED}"
_NAMED = rf"(?:(?:his|her|{_CALLED}'s) [\w-]+(?: [\w-]+)? )?{_WHOLE}(?: the [\w -]+?)?"
_PERSON = {
    "": rf"he|she|{_NAMED}",
    "o": rf"him|her|{_NAMED}",
    "s": rf"his|her|{_NAMED}'s",
    "r": "himself|herself",
    "kid": r"[\w-]+(?: [\w-]+)?",
    "intro": rf"a (?:young )?[\w -]+? called {_CALLED}",
    "N": _WHOLE,
}


def _person(form: str) -> str:
    return _PERSON.get(form, _NAMED)


@cache
def _meanings(role: str, form: str, words: str) -> frozenset[str] | None:
    """What the words can mean in this role: nobody in particular for a pronoun, None: nothing."""
    if role in "abc":
        names = [] if form in ("r", "kid") else _NAME.findall(words)
        return frozenset(names[-1:])
    meant = {key for key, p in _fillings(role, form) if re.fullmatch(p, words, re.IGNORECASE)}
    return frozenset(meant - {""}) if meant else None

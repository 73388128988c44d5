"""An independent reader of tales: does each event follow from the ones before, does the text fit?

It shares no rule with the simulator: the plots know what to let happen, the headings of
`words/kinds.txt` what an event does to the world; this module knows from `words/rules.txt` what
an event takes for granted, keeps its own books of who has what, and compares the outcome.

Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gptcore.tales import lexicon
from gptcore.tales.corpus import Tale
from gptcore.tales.world import Event, World, name_of

# Who hands which thing to whom: a hero, b friend, c elder, "-" nobody, "+" somewhere in reach.
MOVES = {
    "treasure": "- a o",
    "treasure_b": "- b o",
    "treasure_c": "- + o",
    "picnic": "- a f",
    "sent": "- a x",
    "trysucceed": "- a x",
    "forget": "a + o",
    "find": "+ a o",
    "found_by": "+ b o",
    "bring": "b a o",
    "notfound": "+ - o",
    "halve": "a - f",
    "refuse": "a - f",
    "present": "a c o",
    "borrow": "+ a o",
    "smash": "a + o",
    "foundout": "+ c o",
    "cantmend": "+ c o",
    "keepsake": "a b o",
    "takeit": "b a o",
    "giveback": "a b o",
    "lend": "b a o",
    "deliver": "a - x",
    "deliverspoilt": "a - x",
}
# Two things that change hands at once.
TRADES = {"swap": "a o q", "bothmiss": "a q o"}
ASIDES = ("detail", "weather", "feel", "trait")
LAST = ("echo", "night", "lookback", "shrug")


def contradictions(tale: Tale) -> list[str]:
    """Return everything in the event list that cannot be, in words; [] when there is nothing."""
    found = []
    for at, event in enumerate(tale.events):
        found += [
            f"{event.kind} at {at} breaks '{' '.join(rule)}'"
            for rule in lexicon.RULES.get(event.kind, (("unknown",),))
            if not _holds(tale, at, rule)
        ]
        if event.kind not in ASIDES and any(e.kind == event.kind for e in tale.events[:at]):
            found.append(f"{event.kind} at {at} happens twice")
    try:
        world = tale.world
    except KeyError as missing:
        return [*found, f"nobody and nothing fills the role {missing}"]
    return found + _possession(tale, world) + _people(tale) + _outcome(tale, world)


def _same(first: Event, second: Event, roles: Sequence[str]) -> bool:
    return all(first.args.get(role) is second.args.get(role) is not None for role in roles)


def _after(events: Sequence[Event], at: int, kinds: str, *roles: str) -> bool:
    alike = (e for e in events[:at] if e.kind in kinds.split("|"))
    return any(_same(e, events[at], roles) for e in alike)


def _fresh(events: Sequence[Event], at: int, role: str) -> bool:
    thing = events[at].args[role]
    return not any(thing is value for e in events[:at] for value in e.args.values())


def _elsewhere(events: Sequence[Event], at: int, kind: str, role: str) -> bool:
    place = events[at].args[role]
    return not any(
        place is value for e in events[:at] if e.kind == kind for value in e.args.values()
    )


def _just(events: Sequence[Event], at: int, kind: str) -> bool:
    before = [e.kind for e in events[:at] if e.kind not in ASIDES]
    return bool(before) and before[-1] == kind


def _named(events: Sequence[Event], at: int, kind: str, role: str) -> bool:
    wanted = name_of(events[at].args[role])
    return any(e.kind == kind and name_of(e.args["x"]) == wanted for e in events[:at])


_TESTS: dict[str, Callable[..., bool]] = {
    "after": _after,
    "fresh": _fresh,
    "elsewhere": _elsewhere,
    "just": _just,
    "named": _named,
    "never": lambda events, at, *kinds: not any(e.kind in kinds for e in events[:at]),
    "first": lambda events, at: at == 0,
    "last": lambda events, at: at == len(events) - 1,
    "apart": lambda events, at, p, r: events[at].args[p] is not events[at].args[r],
    "unlike": lambda events, at, o, q: events[at].args[o].noun != events[at].args[q].noun,
    "anytime": lambda events, at: True,
}


def _holds(tale: Tale, at: int, rule: Sequence[str]) -> bool:
    name, *rest = rule
    if name == "friend":
        return "b" in tale.roles
    if name == "elder":
        return "c" in tale.roles
    if name == "moods":
        return tale.mood in rest or any(closes(e.kind) for e in tale.events[at + 1 :])
    return name in _TESTS and _TESTS[name](tale.events, at, *rest)


def closes(kind: str) -> bool:
    """Whether an event of this kind decides by itself how the hero feels at the end."""
    return any(rule[0] == "moods" for rule in lexicon.RULES.get(kind, ()))


def _possession(tale: Tale, world: World) -> list[str]:
    """Keep books of who has what, and compare them with the world's."""
    names = {role: person.full_name for role, person in tale.cast.items()}
    has: dict[str, str] = {}
    found = []
    for at, event in enumerate(tale.events):
        for giver, taker, thing in _transfers(event):
            owner = has.get(thing, "-")
            if owner != giver and not (event.kind == "swap" and owner == "-" and giver == "b"):
                found.append(f"{event.kind} at {at}: {thing} is with '{owner}', not '{giver}'")
            has[thing] = taker
    books = {thing: names.get(who, who) for thing, who in has.items() if who not in "+-"}
    agree = books == world.holder
    return found + ([] if agree else [f"books: {books}, world: {world.holder}"])


def _transfers(event: Event) -> list[tuple[str, str, str]]:
    if event.kind in MOVES:
        giver, taker, role = MOVES[event.kind].split()
        return [(giver, taker, name_of(event.args[role]))]
    if event.kind in TRADES:
        _, first, second = TRADES[event.kind].split()
        given, taken = name_of(event.args[first]), name_of(event.args[second])
        return [("a", "b", given), ("b", "a", taken)]
    return []


def _people(tale: Tale) -> list[str]:
    found = []
    cast, setting = tale.cast, tale.roles["s"]
    if len({p.name[0] for p in cast.values()}) < len(
        {id(p) for p in cast.values() if p.role != "c"}
    ):
        found.append("two of the cast have names that begin alike")
    if "b" in cast and cast["b"].pronoun == cast["a"].pronoun:
        found.append("hero and friend share a pronoun")
    places = [*setting.places, setting.home, setting.den]
    for event in tale.events:
        for role in "pr":
            if role in event.args and not any(event.args[role] is place for place in places):
                found.append(f"{event.kind} happens at a place of another setting")
    if tale.setting != setting.name:
        found.append(f"setting={tale.setting!r} is not where the tale plays")
    return found


def _outcome(tale: Tale, world: World) -> list[str]:
    found = []
    feelings = [e.args["m"].key for e in tale.events if e.kind == "feel"]
    felt = world.feeling.get(tale.cast["a"].full_name)
    if feelings[-1:] != [tale.mood] or felt != tale.mood:
        found.append(f"mood={tale.mood!r} is not what the hero feels last")
    if not any(closes(e.kind) for e in tale.events):
        found.append("nothing decides how the tale ends")
    good, bad = ("happy", "proud"), ("sad", "lonely")
    if (tale.mood in good and tale.ending != "happy") or (
        tale.mood in bad and tale.ending != "sad"
    ):
        found.append(f"ending={tale.ending!r} does not fit mood={tale.mood!r}")
    story = [e.kind for e in tale.events if e.kind not in LAST]
    return found if story and story[-1] == "feel" else [*found, "the tale stops before a feeling"]


_FAULTS = {
    "a template mark": r"[$^{}|_]",
    "a doubled word": r"(?i)\b(?!(?:tap|knock|hush)\b)(\w+) \1\b",
    "stray punctuation": r"[,;:][,;:.!?]|[.!?][.,;:]|\?\?|  | [,.!?;:]",
    "a sentence without a capital": r"(?:^|[.!?] |[.!?]\" \"|\n)\"?[a-z]",
    "a instead of an": r"\b[Aa] (?:[aei]\w|o(?!ne\b)\w|hour)",
    "an instead of a": r"\b[Aa]n (?![aeio]|u(?!ni)|hour|Hour|[AEIOU])",
    "a pronoun in the wrong case": r"\b(?:to|for|with|of|from|at|near|beside) (?:he|she)[.,!?]",
    "two articles": r"\b(?:the|a|an) (?:the|a|an|his|her)\b",
}
_PATTERNS = {fault: re.compile(pattern) for fault, pattern in _FAULTS.items()}
_NAMES = {*lexicon.NAMES["she"], *lexicon.NAMES["he"]}
_WORD = re.compile(r"[A-Z][a-z]+")
_HE = re.compile(r"\b(?:he|him|himself)\b")
_SHE = re.compile(r"\b(?:she|herself)\b")
_QUOTED = re.compile(r'"[^"]*"')


def word_faults(text: str) -> list[str]:
    """Return what is wrong with the language of any text; [] when there is nothing."""
    found = [
        f"{fault}: ...{text[max(0, hit.start() - 20) : hit.end() + 15]}..."
        for fault, pattern in _PATTERNS.items()
        if (hit := pattern.search(text))
    ]
    return found + ["an odd quotation mark" for p in text.split("\n\n") if p.count('"') % 2]


def text_faults(tale: Tale) -> list[str]:
    """Return what is wrong with the words of a tale; [] when there is nothing."""
    text = tale.text
    found = word_faults(text)
    names = {name for person in tale.cast.values() for name in person.name.split()}
    found += [f"{n} is not in the cast" for n in set(_WORD.findall(text)) & _NAMES - names]
    pronouns = {person.pronoun for person in tale.cast.values()}
    # A stranger may be a she or a he of whom the cast knows nothing.
    pronouns |= {"she", "he"} if tale.plot == "stranger" else set()
    plain = _QUOTED.sub("", "".join(text[a:b] for a, b in tale.spans))
    found += ["he means nobody"] * ("he" not in pronouns and bool(_HE.search(plain)))
    found += ["she means nobody"] * ("she" not in pronouns and bool(_SHE.search(plain)))
    for event, (start, end) in zip(tale.events, tale.spans, strict=True):
        told = text[start:end]
        if not told or told[-1] not in '.!?"':
            found.append(f"{event.kind} is told without an end: {told!r}")
    return found

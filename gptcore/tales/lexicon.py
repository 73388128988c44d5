"""Words of the tales, read from the plain-text tables in `words/`.

Source: ours.
"""

from __future__ import annotations

from importlib import resources

from gptcore.tales.grammar import Template, compile_template


def _read(name: str) -> str:
    return (resources.files("gptcore.tales") / "words" / name).read_text(encoding="utf-8")


def _sections(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in _read(name).splitlines():
        if line.startswith("["):
            current = found.setdefault(line[1 : line.index("]")].split(":")[0], [])
        elif line.strip():
            current.append(line.strip())
    return found


_INDOORS = (
    "kitchen barn stable cottage lighthouse market loft hut flat library shop shed house kitchen "
    "dairy customs theatre office museum chapel armoury staircase boathouse sauna sawmill station "
    "gallery attic cellar room mill cabin post nest cave oak hole burrow den houseboat"
).split()


class Frame:
    """A row of a table: named fields, each a list of compiled templates to choose from."""

    __slots__ = ("key", "fields", "raw")

    def __init__(self, key: str, fields: dict[str, list[str]]) -> None:
        self.key = key
        self.raw = fields
        self.fields = {k: tuple(compile_template(v) for v in vs) for k, vs in fields.items()}


def _rows(lines: list[str], names: str) -> list[Frame]:
    frames = []
    for line in lines:
        cells = [cell.strip() for cell in line.split(" / ")]
        fields = {n: [c] for n, c in zip(names.split(), cells, strict=True)}
        frames.append(Frame(cells[0], fields))
    return frames


class Place(Frame):
    """A place: `phrase` says in/on/at it, `name` is the noun phrase with its article."""

    __slots__ = ("phrase", "name", "to", "outdoors")

    def __init__(self, cells: list[str]) -> None:
        super().__init__(cells[1], {"detail": cells[2:]})
        self.phrase, self.name = cells[0], cells[1]
        self.outdoors = not any(word in self.name for word in _INDOORS)
        self.to = "up to " + self.name if self.phrase.startswith("up ") else "to " + self.name


class Setting(Frame):
    """A part of the world with its places, trades, tasks, animals, noises, dangers and food."""

    __slots__ = ("name", "places", "home", "den", "jobs", "tasks", "rescues", "noises", "far")
    __slots__ += ("risks", "foods", "weathers", "species")

    def __init__(self, name: str, lines: list[str]) -> None:
        rows: dict[str, list[list[str]]] = {}
        for line in lines:
            key, rest = line.split(": ", 1)
            rows.setdefault(key, []).append([c.strip() for c in rest.split(" / ")])
        phrases = rows["in"][0]
        base = [p.split(",")[0].split(" where ")[0] for p in phrases]
        known = {"in": phrases, "base": base, "where": rows["where"][0], "label": rows["label"][0]}
        super().__init__(name, known)
        self.name = name
        places = [Place(cells) for cells in rows["place"]]
        self.home, self.places, self.den = places[0], places[1:], Place(rows["den"][0])
        self.jobs, self.species, self.foods = rows["job"][0], rows["species"][0], rows["food"][0]
        self.weathers = rows["weather"][0][0].split()
        self.tasks = _frames(rows["task"], "do good bad")
        self.rescues = _frames(rows["rescue"], "who trouble tool free leave")
        self.noises = _frames(rows["noise"], "sound cause")
        self.far = _frames(rows["far"], "beyond name sight rescuer")
        self.risks = _frames(rows["risk"], "what act after")


def _frames(rows: list[list[str]], names: str) -> list[Frame]:
    return _rows([" / ".join(cells) for cells in rows], names)


def _weather(name: str, lines: list[str]) -> Frame:
    adjectives = [c.strip() for c in lines[0].split("/")]
    return Frame(name, {"adj": adjectives, "line": [c.strip() for c in lines[1].split(" / ")]})


Effects = tuple[tuple[str, ...], ...]


def _kinds(name: str) -> tuple[dict[str, tuple[Template, ...]], dict[str, Effects]]:
    wordings: dict[str, list[Template]] = {}
    effects: dict[str, Effects] = {}
    for line in _read(name).splitlines():
        if line.startswith("# "):
            kind, _, does = line[2:].partition("|")
            current = wordings.setdefault(kind.strip(), [])
            steps = [step.split() for step in does.split(";")]
            effects[kind.strip()] = tuple(tuple(step) for step in steps if step)
        elif line.strip():
            current.append(compile_template(line.strip()))
    return {kind: tuple(lines) for kind, lines in wordings.items()}, effects


_people = _sections("people.txt")
_frames_table = _sections("frames.txt")
_names = {k: " ".join(v).split() for k, v in _sections("names.txt").items()}

# First names of children ("she", "he") and of animals ("animal she", "animal he"): a name has one
# pronoun, as far as tales go.
NAMES = {group: names for group, names in _names.items() if group != "surname"}
SURNAMES = _names["surname"]
SETTINGS = {name: Setting(name, lines) for name, lines in _sections("settings.txt").items()}
WEATHER = {name: _weather(name, lines) for name, lines in _sections("weather.txt").items()}
HABITS = _rows([row.replace(" / +", " / ") for row in _people["habit"]], "did echo")
MERRY = {row.split(" / ")[0] for row in _people["habit"] if " / +" in row}
TRAITS = [
    Frame(line.split(" / ")[0], {"name": line.split(" / ")[:1], "line": line.split(" / ")[1:]})
    for line in _people["trait"]
]
FRIENDS = _people["friend"][0].split(" / ")
KIN = {"she": _people["kin_she"][0].split(" / "), "he": _people["kin_he"][0].split(" / ")}
MOODS = {
    name[5:]: Frame(name[5:], {"line": lines[0].split(" / ")})
    for name, lines in _people.items()
    if name.startswith("feel.")
}
SKILLS = _rows(_frames_table["skill"], "do obj fail tip success where")
CRAFTS = _rows(_frames_table["craft"], "thing materials fail fix final")
PLANTS = _rows(_frames_table["plant"], "thing where wait growth failure")
STRANGERS = _rows(_frames_table["stranger"], "who need help gift glimpse")
QUARRELS = _rows(_frames_table["quarrel"], "what words missing peace")
GAMES = _rows(_frames_table["game"][0].split(" / "), "name")
ERRANDS = _rows(_frames_table["errand"], "thing who note")
SIGHTS = _rows(_frames_table["sight"][0].split(" / "), "name")
SURPRISES = _rows(_frames_table["surprise"][0].split(" / "), "name")
OBJECTS = [
    (noun, adjectives.split(", "), use, harm)
    for noun, adjectives, use, harm in (
        [c.strip() for c in line.split(" / ")] for line in _read("objects.txt").splitlines()
    )
]
KINDS, EFFECTS = _kinds("kinds.txt")
# Kinds of events of brief tales, and what each takes for granted; `gist.KIND` sums one up.
BRIEF, BRIEF_RULES = _kinds("brief.txt")


def _table(name: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in _read(name).splitlines()]


# Rows (plot, kind of event, sentence): the first whose event happened sums up the tale.
GISTS = [(plot, kind, compile_template(text)) for plot, kind, text in _table("gists.txt")]
# Rows (plot, claim, kinds of event that make it true, that make it false, open in other plots?).
CLAIMS = [
    (plot, compile_template(text), yes.split(), no.split(), bool(rest))
    for plot, text, yes, no, *rest in _table("claims.txt")
]
# Claims that no tale ever settles.
OPEN_CLAIMS = [compile_template(row[0]) for row in _table("open.txt")]
# Rows (kind of event, question that it answers, answer).
QUESTIONS, BRIEF_QUESTIONS = (
    [
        (kind, compile_template(question), compile_template(answer))
        for kind, question, answer in _table(name)
    ]
    for name in ("questions.txt", "brief_questions.txt")
)
# What each kind of event takes for granted, for the checker.
RULES = {
    kind: tuple(tuple(rule.split()) for rule in rules.split(";"))
    for kind, rules in (line.split(":", 1) for line in _read("rules.txt").splitlines())
}


def first_names(pronoun: str, animal: bool) -> list[str]:
    """The names that somebody who is told of as `pronoun` ("she" or "he") may have."""
    return NAMES[f"animal {pronoun}" if animal else pronoun]

"""From bytes to texts and rows: one function for each way in which upstream writes things down.

A parser gets the names of a set's files and a function that reads one, and returns part name ->
function that makes the part; so a part that nobody asks for is not read. Archives are read in
memory: nothing in them can choose a path. Texts stay as upstream has them, except for what their
packaging added: marks of encodings, indentation, entities, a publisher's header.

Source: the papers that each set cites.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import zip_longest
from typing import Any
from xml.etree import ElementTree

Row = dict[str, Any]
Part = str | list[str] | list[Row]
Parts = dict[str, Callable[[], Part]]
Read = Callable[[str], bytes]
Parser = Callable[[tuple[str, ...], Read], Parts]
ALL = "all"
"""The name of the part of a set that has only one."""

# ------------------------------------------------------------------ pieces


def _lines(data: bytes) -> list[str]:
    """Lines that end in a line feed and in nothing else: texts have \\x85 and \\u2028 inside."""
    return data.decode("utf-8").removesuffix("\n").split("\n")


def _table(data: bytes, columns: int) -> Iterator[list[str]]:
    """Rows of tab-separated fields; quotation marks in them are text."""
    for number, line in enumerate(_lines(data), 1):
        fields = line.split("\t")
        if len(fields) != columns:
            raise ValueError(f"line {number} has {len(fields)} fields, not {columns}: {line!r}")
        yield fields


def _json_lines(data: bytes) -> Iterator[Row]:
    return map(json.loads, _lines(data))


def _labelled(label: int, names: tuple[str, ...]) -> Row:
    return {"label": label, "label_name": names[label]}


def _alternating(negative: Iterable[str], positive: Iterable[str], names: tuple[str, str]) -> Part:
    """Rows of label 0 and 1 by turns, so that every stretch of them is balanced."""
    pairs = zip_longest(negative, positive)
    both = ((text, label) for pair in pairs for label, text in enumerate(pair) if text is not None)
    return [{"text": text, **_labelled(label, names)} for text, label in both]


def _entries(archive: bytes, suffix: str = ".txt", folder: str = "") -> dict[str, bytes]:
    """Entries of a zip by their last name, without the shadow files that macOS adds.

    Args:
        archive: the bytes of the zip file.
        suffix: how the paths of the wanted entries end.
        folder: a part of their paths.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [name for name in opened.namelist() if name.endswith(suffix) and folder in name]
        names = [name for name in names if not name.startswith("__MACOSX/")]
        return {name.rpartition("/")[2]: opened.read(name) for name in names}


def _stem(name: str) -> str:
    """cmn_hans.txt -> cmn_hans"""
    return name.rpartition(".")[0]


def _each(
    make: Callable[[bytes], Part], pattern: str = r"(.+?)\.(txt|tsv|jsonl?)(\.gz)?"
) -> Parser:
    """A parser of sets whose every file that fits `pattern` is a part; group 1 names it."""

    def parse(names: tuple[str, ...], read: Read) -> Parts:
        fits = {name: re.fullmatch(pattern, name) for name in names}
        return {fit[1]: (lambda name=name: make(read(name))) for name, fit in fits.items() if fit}

    return parse


def _only(make: Callable[[bytes], Part]) -> Parser:
    """A parser of sets that are one part in one file."""
    return lambda names, read: {ALL: lambda: make(read(names[0]))}


# ------------------------------------------------------------------ texts


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _book(data: bytes) -> str:
    """What stands between Project Gutenberg's two marks, without its lines right beside them."""
    text = data.decode("utf-8").replace("\r\n", "\n")
    found = re.search(r"^\*\*\* START OF [^\n]*\n(.*)^\*\*\* END OF ", text, re.DOTALL | re.M)
    if found is None:
        raise ValueError("the book lacks the lines *** START OF and *** END OF")
    text = re.sub(
        r"\A\s*Produced by [^\n]*\n|^End of (the )?Project Gutenberg[^\n]*\s*\Z",
        "",
        found[1],
        flags=re.M,
    )
    return text.strip("\n") + "\n"


def _stories(data: bytes) -> list[str]:
    return [story.strip("\n") for story in data.decode("utf-8").split("<|endoftext|>")]


def _declaration(data: bytes) -> str:
    return "\n".join(line.strip() for line in data.decode("utf-8").strip().split("\n")) + "\n"


def _udhr(names: tuple[str, ...], read: Read) -> Parts:
    found = _entries(read(names[0]))
    return {_stem(name): partial(_declaration, found[name]) for name in sorted(found)}


ENCODINGS = {"french": "latin-1", "german": "latin-1", "finnish": "latin-1", "swedish": "cp850"}


def _genesis(names: tuple[str, ...], read: Read) -> Parts:
    def translation(language: str) -> str:
        text = found[f"{language}.txt"].decode(ENCODINGS.get(language, "utf-8"))
        return html.unescape(text)

    found = _entries(read(names[0]))
    return {_stem(name): partial(translation, _stem(name)) for name in found}


def _inaugural(names: tuple[str, ...], read: Read) -> Parts:
    """The speech of 2005 alone is in Big5: its dashes and quotation marks are Chinese ones."""

    def speech(name: str) -> str:
        return found[name].decode("big5" if name.startswith("2005") else "utf-8")

    found = _entries(read(names[0]))
    return {name[:4]: partial(speech, name) for name in sorted(found)}


def _poems(data: bytes) -> list[Row]:
    found = json.loads(data)
    return [
        {
            "title": poem.get("title") or poem.get("rhythmic") or poem.get("chapter") or "",
            "author": poem.get("author", ""),
            "text": "\n".join(poem["paragraphs"]),
        }
        for poem in (found if isinstance(found, list) else [found])
    ]


# ------------------------------------------------------------------ one text, one label

SENTIMENT = ("negative", "positive")


def _sst2(data: bytes) -> list[Row]:
    return [{"text": t, **_labelled(int(n), SENTIMENT)} for t, n in _table(data, 2)]


def _cola(data: bytes) -> list[Row]:
    names = ("unacceptable", "acceptable")
    return [
        {"text": text, **_labelled(int(label), names), "source": source}
        for source, label, _, text in _table(data, 4)
    ]


def _two_files(negative: str, positive: str, names: tuple[str, str]) -> Callable[[bytes], Part]:
    """Lines of two entries of an archive, which differ in their label."""

    def make(archive: bytes) -> Part:
        found = _entries(archive, "")
        sides = ([line.strip() for line in _lines(found[name])] for name in (negative, positive))
        return _alternating(*sides, names)

    return make


def _reviews(archive: bytes) -> Part:
    def side(name: str) -> list[str]:
        found = _entries(archive, ".txt", f"/{name}/")
        return [found[name].decode("utf-8").rstrip("\n") for name in sorted(found)]

    return _alternating(side("neg"), side("pos"), SENTIMENT)


def _pros_cons(archive: bytes) -> Part:
    found = _entries(archive)
    sides = (
        re.findall(f"<{side}>(.*?)</{side}>", found[f"Integrated{side}.txt"].decode("utf-8"))
        for side in ("Cons", "Pros")
    )
    texts = ([html.unescape(text).strip() for text in side] for side in sides)
    return _alternating(*texts, ("con", "pro"))


CLINC = ("train", "val", "test", "oos_train", "oos_val", "oos_test")


def _clinc(names: tuple[str, ...], read: Read) -> Parts:
    @cache
    def content(file: str) -> dict[str, list[list[str]]]:
        return json.loads(read(file))

    def part(file: str, key: str) -> list[Row]:
        intents = (*sorted({intent for _, intent in content(file)["train"]}), "oos")
        label = {intent: i for i, intent in enumerate(intents)}
        rows = content(file)[key]
        return [{"text": text, **_labelled(label[name], intents)} for text, name in rows]

    prefixes = {"data_full.json": "", "data_small.json": "small_"}
    return {prefixes[f] + key: partial(part, f, key) for f in names for key in CLINC}


# ------------------------------------------------------------------ two texts, one label


def _rte(names: tuple[str, ...], read: Read) -> Parts:
    def part(data: bytes) -> list[Row]:
        if b"<!ENTITY" in data:
            raise ValueError("an XML file that defines entities is not read")
        return [
            {
                "text": (pair.findtext("t") or "").strip(),
                "text_b": (pair.findtext("h") or "").strip(),
                **_labelled(
                    int((pair.get("value") or pair.get("entailment")) in ("TRUE", "YES")),
                    ("not_entailment", "entailment"),
                ),
                "task": pair.get("task"),
            }
            for pair in ElementTree.fromstring(data).iter("pair")
        ]

    found = _entries(read(names[0]), ".xml")
    return {_stem(name): partial(part, data) for name, data in found.items()}


def _sick(data: bytes) -> list[Row]:
    names = ("contradiction", "neutral", "entailment")
    rows = list(_table(data, 5))[1:]
    return [
        {
            "text": a,
            "text_b": b,
            **_labelled(names.index(judgment.lower()), names),
            "relatedness": float(score),
        }
        for _, a, b, score, judgment in rows
    ]


def _similar(data: bytes) -> list[Row]:
    return [{"text": a, "text_b": b, "label": float(s)} for s, a, b in _table(data, 3)]


# ------------------------------------------------------------------ other tasks


def _codah(data: bytes) -> list[Row]:
    return [
        {"text": text, "choices": choices, "label": int(label), "category": category}
        for category, text, *choices, label in _table(data, 7)
    ]


def _sums(data: bytes) -> list[Row]:
    found = []
    for row in _json_lines(data):
        final = row["answer"].rpartition("#### ")[2].replace(",", "")
        found.append({"question": row["question"], "answer": row["answer"], "final": int(final)})
    return found


def _passages(data: bytes) -> list[Row]:
    found = []
    for row in _json_lines(data):
        context, target = row["text"].rsplit(maxsplit=1)
        found.append({"text": row["text"], "context": context, "target": target})
    return found


def _completions(data: bytes) -> list[Row]:
    """Upstream gzips the longer ones of these files itself."""
    return list(_json_lines(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data))


def _blimp(names: tuple[str, ...], read: Read) -> Parts:
    def part(data: bytes) -> list[Row]:
        return [
            {
                "good": row["sentence_good"],
                "bad": row["sentence_bad"],
                "paradigm": row["UID"],
                "term": row["linguistics_term"],
                "field": row["field"],
            }
            for row in _json_lines(data)
        ]

    found = _entries(read(names[0]), ".jsonl")
    return {_stem(name): partial(part, found[name]) for name in sorted(found)}


def _abstracts(data: bytes) -> list[Row]:
    return [
        {
            "text": " ".join(sentence.strip() for sentence in row["source"]),
            "targets": [target.strip() for target in row["target"]],
            "title": row["title"],
        }
        for row in _json_lines(data)
    ]


def _instructions(data: bytes) -> list[Row]:
    keys = ("instruction", "input", "output", "chosen", "rejected")
    return [{key: row[key] for key in keys if key in row} for row in json.loads(data)]


def _winogender(names: tuple[str, ...], read: Read) -> Parts:
    def sentences() -> list[Row]:
        found = []
        for name, text in list(_table(read("all_sentences.tsv"), 2))[1:]:
            occupation, participant, answer, gender, _ = name.split(".")
            about = {"occupation": occupation, "participant": participant}
            found.append({"text": text, **about, "answer": int(answer), "gender": gender})
        return found

    def occupations() -> list[Row]:
        head, *rows = _table(read("occupations-stats.tsv"), 4)
        read_as = (str, float, float, int)
        return [{k: make(v) for k, make, v in zip(head, read_as, row, strict=True)} for row in rows]

    return {"sentences": sentences, "occupations": occupations}


PARSERS: dict[str, Parser] = {
    "tinyshakespeare": _only(_text),
    "tinystories-sample": _only(_stories),
    "gutenberg": _each(_book),
    "wikitext2": _each(_text),
    "lambada": _only(_passages),
    "sst2": _each(_sst2),
    "sentence-polarity": _only(_two_files("rt-polarity.neg", "rt-polarity.pos", SENTIMENT)),
    "movie-reviews": _only(_reviews),
    "pros-cons": _only(_pros_cons),
    "subjectivity": _only(
        _two_files("plot.tok.gt9.5000", "quote.tok.gt9.5000", ("objective", "subjective"))
    ),
    "cola": _each(_cola),
    "rte": _rte,
    "sick": _each(_sick, r"SICK_(\w+)\.txt"),
    "sts-genres": _each(_similar, r"(.+)\.tsv"),
    "codah": _only(_codah),
    "clinc-oos": _clinc,
    "gsm8k": _each(_sums),
    "gpt3-synthetic": _each(_completions),
    "blimp": _blimp,
    "scitldr": _each(_abstracts),
    "instructions": _each(_instructions),
    "winogender": _winogender,
    "udhr": _udhr,
    "genesis": _genesis,
    "inaugural": _inaugural,
    "chinese-poetry": _each(_poems),
}
"""Data set -> how it is read. What is not here (gpt1-bpe, gpt2-bpe) are files for other readers."""

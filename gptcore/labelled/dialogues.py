"""Demonstrations and preferences: what people wrote, and which of several answers they liked best.

    data = demonstrations("mine.jsonl")     # {"prompt": "...", "response": "..."} in each line
    data = preferences("liked.jsonl")       # {"prompt": "...", "chosen": "...", "rejected": "..."}
    data.train[0].prompt, data.report

Whole dialogues come as lists of messages, {"role": "user", "content": "..."}: a demonstration as
"messages", answers as "chosen" and "rejected" with or without the turns before them. More than two
answers come as "ranked", best first, those that are equally good in a list of their own. A row that
cannot be used costs no other row.

Source: InstructGPT §3.2 to §3.4; the keys are those of the Hugging Face libraries.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from gptcore.labelled.json_rows import json_rows
from gptcore.labelled.report import Report, show

Turn = tuple[str, str]
"""Who speaks ("system", "user" or "assistant"), and what."""
Prompt = str | tuple[Turn, ...]
"""A text, or what was said so far."""
MODEL = "assistant"
ROLES = ("system", "user", MODEL)
HELD_OUT = 0.1
"""Part of the prompts by which a checkpoint is chosen, where no table is given for that."""


@dataclass(frozen=True)
class Demonstration:
    """A prompt, and how somebody answered it."""

    prompt: Prompt
    response: str


@dataclass(frozen=True)
class Comparison:
    """A prompt, some responses, and how good a labeler found each beside the others."""

    prompt: Prompt
    responses: tuple[str, ...]
    ranks: tuple[int, ...]
    """Of each response: 0 for the best; the same number for those that are equally good."""
    truth: tuple[float, ...] | None = None
    """How good each response is in truth, where that is known: judged by, never learned from."""

    def __post_init__(self) -> None:
        for name in ("responses", "ranks", "truth"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))
                if len(value) != len(self.responses):
                    raise ValueError(
                        f"{name} has {len(value)} and responses {len(self.responses)}: as many"
                    )

    def pairs(self) -> list[tuple[int, int]]:
        """The places (better, worse) of every two responses that are not equally good."""
        return pairs_of(self.ranks)


def pairs_of(ranks: Sequence[float]) -> list[tuple[int, int]]:
    """The places (better, worse) of every two that are not equally good; the lower, the better."""
    places = range(len(ranks))
    return [(i, j) for i in places for j in places if ranks[i] < ranks[j]]


Item = TypeVar("Item", Demonstration, Comparison)


@dataclass(frozen=True)
class Told(Generic[Item]):
    """What was read, in two parts that share no prompt."""

    name: str
    train: tuple[Item, ...]
    valid: tuple[Item, ...]
    report: str = ""
    """What could not be used, and what is odd; "" if all is well."""


class Fault(ValueError):
    """What is wrong with a row: "field=value", and the rule."""


def demonstrations(data: Any, *, valid: Any = None, seed: int = 0) -> Told[Demonstration]:
    """Prompts with the responses to learn.

    Args:
        data: "instructions" or "gsm8k"; a file of JSON lines or with a JSON array, packed or not;
            or dicts or Demonstrations. A row has prompt and response, or messages that end with one
            of the assistant; all of its turns are learned.
        valid: the same, to choose a checkpoint by; None: those of a tenth of the prompts.
        seed: draws these prompts.

    Raises:
        ValueError: no row can be used, or none is left to choose by; the message holds the report.
        DataUnavailable: a named set cannot be had.
    """
    return _told(data, valid, seed, _demonstration, Demonstration)


def preferences(data: Any, *, valid: Any = None, seed: int = 0) -> Told[Comparison]:
    """Prompts with responses of which some are liked better.

    Rows that stand there twice and labelers who disagree are counted, told, and learned from.

    Args:
        data: as in `demonstrations`. A row has chosen and rejected, or ranked; a prompt unless
            chosen and rejected are whole dialogues; and truth, if known, a number per response.
        valid, seed: as in `demonstrations`.

    Raises:
        ValueError, DataUnavailable: as in `demonstrations`.
    """
    return _told(data, valid, seed, _comparison, Comparison)


def _told(
    data: Any, valid: Any, seed: int, read: Callable[[Mapping[str, Any]], Item], kind: type
) -> Told[Item]:
    report, rows = _rows(data, "the rows", read, kind)
    reports, used = [report], [len(rows)]
    if valid is None:
        train, held = parted(rows, seed)
    else:
        more, found = _rows(valid, "the rows for valid", read, kind)
        reports.append(more)
        used.append(len(found))
        held = tuple(item for _, item in found)
        theirs = {item.prompt for item in held}
        train = tuple(item for _, item in rows if item.prompt not in theirs)
        if len(train) < len(rows):
            n = len(rows) - len(train)
            report.note(f"{n:,} rows have a prompt that stands in valid, too: left out of train")
    _tell_odd(report, train)
    said = "\n".join(filter(None, (r.text(n) for r, n in zip(reports, used, strict=True))))
    if not train or not held:
        raise ValueError(
            f"{report.name} has {len(train)} rows to learn from and {len(held)} to choose a "
            f"checkpoint by; there must be 1 of each, with different prompts\n{said}".rstrip()
        )
    return Told(report.name, train, held, said)


def parted(rows: Sequence[tuple[int, Item]], seed: int) -> tuple[tuple[Item, ...], ...]:
    """Items of most prompts, and those of a tenth of them (at least one), each in its order."""
    prompts = list(dict.fromkeys(item.prompt for _, item in rows))
    n = max(1, round(HELD_OUT * len(prompts)))
    held = set(random.Random(seed).sample(prompts, min(n, len(prompts))))
    train = tuple(item for _, item in rows if item.prompt not in held)
    return train, tuple(item for _, item in rows if item.prompt in held)


def _rows(
    data: Any, name: str, read: Callable[[Mapping[str, Any]], Item], kind: type
) -> tuple[Report, list[tuple[int, Item]]]:
    """A table's items with their places, and its report so far."""
    report = Report(name, "row")
    if isinstance(data, str) and not Path(data).expanduser().is_file():
        report = Report(data, "row")
        placed = list(enumerate(_named(data, kind), 1))
    elif isinstance(data, str | Path):
        path = Path(data).expanduser()
        if not path.is_file():
            raise ValueError(f"data={str(data)!r} is no file")
        report = Report(path.name)
        placed = json_rows(path, report)
    elif isinstance(data, Iterable) and not isinstance(data, Mapping):
        placed = list(enumerate(data, 1))
    else:
        raise TypeError(f"data={show(data)} must be a file, the name of a set, or dicts")
    items: list[tuple[int, Item]] = []
    unread: Counter[str] = Counter()
    for place, row in placed:
        try:
            items.append((place, row if isinstance(row, kind) else read(row)))
            unread.update(map(str, set(row) - READ) if isinstance(row, Mapping) else ())
        except Fault as fault:
            report.leave_out(place, *fault.args)
    if unread:
        report.note(f"the keys {', '.join(unread)} are not read")
    return report, items


READ = {"prompt", "response", "messages", "chosen", "rejected", "ranked", "truth"}


def _named(name: str, kind: type) -> list[dict[str, Any]]:
    """The rows of a named set, with our keys."""
    from gptcore import datasets

    sets = {
        "instructions": ("instruction-data", "instruction-data-with-preference"),
        "gsm8k": ("train", "") if kind is Demonstration else ("", ""),
    }
    part = sets.get(name, ("", ""))[kind is Comparison]
    if not part:
        known = "instructions" + (", gsm8k" if kind is Demonstration else "")
        raise ValueError(f"data={name!r} is no file, and none of the named sets: {known}")
    rows = datasets.load(name, part)
    if name == "gsm8k":
        return [{"prompt": row["question"], "response": row["answer"]} for row in rows]
    found = []
    for row in rows:
        prompt = row["instruction"] + (f"\n\n{row['input']}" if row["input"] else "")
        keys = ("chosen", "rejected") if kind is Comparison else ()
        told = {key: row[key] for key in keys} or {"response": row["output"]}
        found.append({"prompt": prompt, **told})
    return found


# ------------------------------------------------------------------ one row


def _demonstration(row: Any) -> Demonstration:
    row = _object(row)
    if "messages" in row:
        turns = _turns(row["messages"], "messages")
        prompt, response = turns[:-1], turns[-1]
        if response[0] != MODEL:
            raise Fault(f"messages={show(row['messages'])}", f"must end with a turn of {MODEL}")
        return Demonstration(_prompt(prompt, "messages"), _filled(response[1], "messages"))
    if not {"prompt", "response"} <= row.keys():
        raise Fault(
            f"its keys are {show(sorted(row))}:", "must have prompt and response, or messages"
        )
    return Demonstration(_prompt(row["prompt"]), _filled(_text(row["response"], "response")))


def _comparison(row: Any) -> Comparison:
    row = _object(row)
    if "ranked" in row and "prompt" in row:
        groups = _ranked(row["ranked"])
        prompt = _prompt(row["prompt"])
        responses = [text for group in groups for text in group]
        ranks = [rank for rank, group in enumerate(groups) for _ in group]
    elif {"chosen", "rejected"} <= row.keys():
        prompt, *responses = _two(row)
        ranks = [0, 1]
        if responses[0] == responses[1]:
            raise Fault(f"rejected={show(responses[1])}", "must not be the text that is chosen")
    else:
        rule = "must have prompt and ranked, or chosen and rejected"
        raise Fault(f"its keys are {show(sorted(row))}:", rule)
    truth = row.get("truth")
    if truth is not None:
        numbers = isinstance(truth, list) and all(
            isinstance(x, int | float) and not isinstance(x, bool) and x - x == 0 for x in truth
        )
        if not numbers or len(truth) != len(responses):
            rule = f"must be a list of {len(responses)} numbers, one for each response"
            raise Fault(f"truth={show(truth)}", rule)
    return Comparison(prompt, tuple(responses), tuple(ranks), truth and tuple(map(float, truth)))


def _ranked(value: Any) -> list[list[str]]:
    """Responses by how good they are, best first."""
    if not isinstance(value, list):
        raise Fault(f"ranked={show(value)}", "must be a list of responses, best first")
    groups = [one if isinstance(one, list) else [one] for one in value]
    groups = [[_text(text, "ranked") for text in group] for group in groups if group]
    if sum(map(len, groups)) < 2:
        raise Fault(f"ranked={show(value)}", "must have at least 2 responses")
    if len(groups) < 2:
        raise Fault(f"ranked={show(value)}", "must not be ties alone: none is better")
    return groups


def _two(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The prompt, the response chosen and the one rejected."""
    prompt = _prompt(row["prompt"]) if "prompt" in row else None
    before = () if prompt is None else prompt
    before = (("user", before),) if isinstance(before, str) else before
    found = []
    for name in ("chosen", "rejected"):
        if isinstance(row[name], str):
            found.append(row[name])
            continue
        turns = _turns(row[name], name)
        if turns[-1][0] != MODEL:
            raise Fault(f"{name}={show(row[name])}", f"must end with a turn of {MODEL}")
        if prompt is None and not found:
            prompt = _prompt(turns[:-1], name)
            before = turns[:-1]
        if turns[:-1] not in ((), before):
            raise Fault(f"{name}={show(row[name])}", "must have the same turns before the last")
        found.append(turns[-1][1])
    if prompt is None:
        raise Fault(f"its keys are {show(sorted(row))}:", "must have a prompt")
    return prompt, *found


def _object(row: Any) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise Fault(show(row), "must be an object with keys")
    return row


def _prompt(value: Any, name: str = "prompt") -> Prompt:
    """A text, or turns of which the last is not the model's."""
    if isinstance(value, str):
        if not value.strip():
            raise Fault(f"{name}={show(value)}", "must not be empty")
        return value
    turns = value if isinstance(value, tuple) else _turns(value, name)
    if not turns or turns[-1][0] == MODEL:
        raise Fault(f"{name}={show(value)}", f"must have a turn of another before that of {MODEL}")
    return turns[0][1] if len(turns) == 1 and turns[0][0] == "user" else turns


def _turns(value: Any, name: str) -> tuple[Turn, ...]:
    """Messages as turns."""
    if not isinstance(value, list) or not value:
        raise Fault(f"{name}={show(value)}", "must be a text or a list of messages")
    turns = []
    for i, message in enumerate(value):
        if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
            raise Fault(f"{name}[{i}]={show(message)}", "must have role and content")
        role, content = message["role"], message["content"]
        if role not in ROLES:
            raise Fault(f"{name}[{i}].role={show(role)}", f"must be one of {', '.join(ROLES)}")
        last = i == len(value) - 1
        text = _text(content, f"{name}[{i}].content")
        turns.append((role, text if last else _filled(text, f"{name}[{i}].content")))
    return tuple(turns)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Fault(f"{name}={show(value)}", "must be a text")
    return value


def _filled(value: str, name: str = "response") -> str:
    if not value.strip():
        raise Fault(f"{name}={show(value)}", "must not be empty")
    return value


def _tell_odd(report: Report, items: Sequence[Demonstration] | Sequence[Comparison]) -> None:
    """Note rows that stand there twice, and pairs that were judged both ways."""
    again = len(items) - len(set(items))
    if again:
        report.note(f"{again:,} rows stand there twice or more often, and are learned as often")
    liked: set[tuple[Prompt, str, str]] = set()
    for item in items:
        if isinstance(item, Comparison):
            texts = item.responses
            liked |= {(item.prompt, texts[i], texts[j]) for i, j in item.pairs()}
    both = sum((p, b, a) in liked for p, a, b in liked if a != b) // 2
    if both:
        report.note(f"{both:,} pairs of responses were judged both ways, and are learned so")

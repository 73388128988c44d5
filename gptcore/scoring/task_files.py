"""Tasks from a user's own file.

    {"name": "colours", "prompt": "A {fruit} is", "scorer": "choice", "options": ["red.", "blue."],
     "rows": [{"fruit": "cherry", "answer": 0}, {"fruit": "plum", "answer": "blue."}]}

Source: none.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from gptcore.scoring.tasks import Row, Task

SUFFIXES = (".json", ".jsonl")


def own(path: Path) -> tuple[Task, list[Row]]:
    """A task from a file.

    JSON: an object with the fields of `Task` and "rows", a list of objects or the name of a file
    of JSON lines beside it; perhaps "demonstrations", the same, for `own_demonstrations`. JSON
    lines alone: each with "prompt", and "options" with "answer" (then it is a choice) or "target"
    (then the model writes, and has to write exactly that).

    Raises:
        FileNotFoundError: there is no such file.
        TypeError, ValueError: it is no such file; the message names it, and the line or the field.
    """
    if path.suffix == ".jsonl":
        rows = _json_lines(path)
        if "options" in rows[0]:
            return Task(path.stem, "{prompt}", "choice", options="options"), rows
        return Task(path.stem, "{prompt}", "exact", target="{target}"), rows
    content = _json(path.read_text(encoding="utf-8"), str(path))
    rows = _rows(path, content, "rows")
    if content.pop("demonstrations", None) is not None:
        own_demonstrations(path)  # for what it raises
    names = [field.name for field in fields(Task)]
    for key in content:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"{path}: {key!r} is no field; {hint}there are {', '.join(names)}, rows, "
                "demonstrations"
            )
    content.setdefault("name", path.stem)
    missing = [name for name in ("prompt", "scorer") if name not in content]
    if missing:
        raise ValueError(f"{path} lacks {' and '.join(missing)}")
    try:
        return Task(**content), rows
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def own_demonstrations(path: Path) -> list[Row]:
    """The rows under "demonstrations" in a JSON file of `own`, none where it has no such field.

    Raises:
        FileNotFoundError, ValueError: as `own`.
    """
    if path.suffix != ".json":
        return []
    content = _json(path.read_text(encoding="utf-8"), str(path))
    return _rows(path, content, "demonstrations") if "demonstrations" in content else []


def _rows(path: Path, content: dict[str, Any], field: str) -> list[Row]:
    """Rows under a field, or in the file that it names; the field is taken out."""
    rows = content.pop(field, None)
    if isinstance(rows, str):
        rows = _json_lines(path.parent / rows)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: {field} must be a list of objects, or the name of a .jsonl file")
    return rows


def _json_lines(path: Path) -> list[Row]:
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [_json(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise ValueError(f"{path} has no rows")
    return rows


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{where} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{where} holds a {type(found).__name__}; it must be an object: {{...}}")
    return found

"""Rows of JSON as people keep them: an object in each line, or one array of them; packed or not.

Source: RFC 8259 (JSON).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gptcore.encodings import decoded
from gptcore.labelled.reading import unpacked
from gptcore.labelled.report import Report, show


def json_rows(path: Path, report: Report) -> list[tuple[int, Any]]:
    """The values in a file, each with its line, or its number where they are in an array.

    Args:
        path: of the file.
        report: gets the lines that are no JSON.

    Raises:
        ValueError: the file is empty, damaged, or a table of another kind.
    """
    content, name = unpacked(path.read_bytes(), path.name)
    if content.startswith((b"PAR1", b"PK\x03\x04")):
        raise ValueError(f"{path.name} is a table of another kind: save its rows as JSON lines")
    text, note = decoded(content, name)
    if note:
        report.note(note)
    if not text.strip():
        raise ValueError(f"{path.name} is empty: there is nothing to learn from it")
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path.name} is no JSON: {' '.join(str(error).split())}") from error
        report.unit = "row"
        return list(enumerate(rows, 1))
    found: list[tuple[int, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append((number, json.loads(line)))
            except (ValueError, RecursionError) as error:
                why = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
                report.leave_out(number, show(line.strip()), f"is no JSON: {why}")
    return found

"""What explorers of answers share: the questions in words, and one run for each condition.

Source: none; this is presentation.
"""

from collections.abc import Iterable
from typing import Any

from gptcore.experiments.records import REPORTED

ASKED = {"place": "Where does it take place?", "mood": "How does the hero feel?"}
"""Task -> its question, for readers."""


def first_runs(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Condition -> its reported run of the least seed.

    Args:
        rows: of a record, candidates included.

    Raises:
        ValueError: no run is reported.
    """
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        if row["role"] == REPORTED:
            first.setdefault(row["condition"], row)
    if not first:
        raise ValueError("the record must hold at least one reported run")
    return first

"""One shape for labelled texts, wherever they come from.

Source: ours; the four forms are those of GPT-1, Figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gptcore.tasks import Form

Row = dict[str, Any]
Rows = tuple[Row, ...]


@dataclass(frozen=True)
class Labelled:
    """Labelled texts in three disjoint parts.

    A row has `text`; `text_b` for entailment and similarity, `choices` (list of texts) for choice;
    and `label`: the id of a class (int), a score (float) or the index of a choice (int).
    """

    name: str
    """Such as "tales-mood", "sst2" or "reviews.csv"."""
    form: Form
    labels: tuple[str, ...]
    """The classes in the order of their ids; () for scores and choices."""
    train: Rows
    valid: Rows
    test: Rows
    report: str = ""
    """What was left out and why, or ""."""

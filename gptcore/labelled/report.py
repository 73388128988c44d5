"""What has to be told about a table of labelled texts: rows left out and why, and what is odd.

Source: none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN = 5


@dataclass
class Report:
    """What could not be used of a table, and why."""

    name: str
    unit: str = "line"
    """What places count: lines of a text file, else rows."""
    typed: bool = False
    """Whether the table tells words from numbers (JSON, Parquet, Excel), or all is text (CSV)."""
    notes: list[str] = field(default_factory=list)
    """What concerns the table as a whole."""
    bad: list[tuple[int, str]] = field(default_factory=list)
    """For each row that was left out its place, and field, value and rule in words."""
    rules: Counter[str] = field(default_factory=Counter)

    def note(self, text: str) -> None:
        """Add a remark on the whole table."""
        self.notes.append(f"{self.name}: {text}")

    def leave_out(self, place: int, where: str, rule: str) -> None:
        """Add a row.

        Args:
            place: where it begins, counted from 1.
            where: "field=value", or the line as it stands where all of it is meant.
            rule: what is wrong with it.
        """
        self.bad.append((place, f"{where} {rule}"))
        self.rules[rule] += 1

    def text(self, n_used: int) -> str:
        """The report in lines; "" if there is nothing to tell."""
        lines = list(self.notes)
        if self.bad:
            lines.append(
                f"{self.name}: {len(self.bad):,} of {len(self.bad) + n_used:,} rows are left out"
            )
            lines += [f"  {self.unit} {place}: {said}" for place, said in sorted(self.bad)[:SHOWN]]
        if len(self.bad) > SHOWN:
            lines.append(f"  and {len(self.bad) - SHOWN:,} more; all of them by reason:")
            lines += [f"  {n:,} x {rule}" for rule, n in self.rules.most_common()]
        return "\n".join(lines)


def show(value: Any) -> str:
    """A value for a message, cut where it is long."""
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:56]}...{told[-1]}"


def listed(places: list[int], unit: str) -> str:
    """Places for a message: "line 24" or "lines 24, 31, 40 and 7 more"."""
    first = ", ".join(map(str, places[:3]))
    more = f" and {len(places) - 3:,} more" if len(places) > 3 else ""
    return f"{unit}{'s' if len(places) > 1 else ''} {first}{more}"

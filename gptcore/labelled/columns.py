"""Which column of a table is the text, which the label: by their names, or as their owner says.

Source: none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from gptcore.labelled.report import Report, show

OPTION = re.compile(r"choice_([0-9]+)")
NAMES = ("text", "text_b", "label", "choices", "split")
"""Our names of columns, beside choice_0, choice_1 ..."""
OFTEN = {
    "label": "labels class category target sentiment intent emotion topic stars rating score "
    "relatedness similarity gold_label answer y",
    "text": "texts sentence sentence1 text_a text1 review content comment body message tweet "
    "headline title question question1 premise context document utterance",
    "text_b": "textb text2 text_2 sentence2 question2 hypothesis claim response",
    "split": "part fold set subset",
}
"""What others call them; used for advice only, never taken without a word."""
_NEAR_OPTION = re.compile(r"(?:choice|option|ending|answer|alternative)s?[ _-]?([0-9]+|[a-h])")


class Columns:
    """Finds our columns among those of a table.

    Args:
        given: our name -> that of the table, such as {"text": "review"}; what is not named here
            must bear our name.

    Raises:
        ValueError: a name on the left is none of ours.
    """

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.given = {str(ours).strip().lower(): theirs for ours, theirs in (given or {}).items()}
        for ours, theirs in self.given.items():
            if ours not in NAMES and not OPTION.fullmatch(ours):
                raise ValueError(
                    f"columns: {ours}={theirs}: {ours!r} must be one of {', '.join(NAMES)}, "
                    "choice_0, choice_1 ..."
                )

    def fits(self, names: Sequence[str]) -> bool:
        """Whether a text and a label are among these names."""
        return {"text", "label"} <= set(self.ours(names).values())

    def find(self, names: Sequence[str], report: Report, kind: str = "columns") -> dict[int, str]:
        """The place of each column that is used -> our name.

        Columns that nothing reads are noted.

        Args:
            names: as the table has them.
            report: of the table.
            kind: what to call them, columns or keys.

        Raises:
            ValueError: text or label is missing, a column that is used is there twice, or one that
                `given` names is not there; the message says how to name columns.
        """
        found = f"{report.name} has the {kind} {', '.join(map(show, names)) or 'nothing'}"
        for ours, theirs in self.given.items():
            if self._place(theirs, names) is None:
                raise ValueError(f"{found}; columns: {ours}={theirs} is none of them")
        used = self.ours(names)
        if {"chosen", "rejected"} <= {name.strip().lower() for name in names}:
            if not {"text", "label"} <= set(used.values()):
                raise ValueError(
                    f"{found}: these are preference pairs, from which a reward is learned, not a "
                    "label; fine-tuning on labels cannot use them"
                )
        missing = [name for name in ("text", "label") if name not in used.values()]
        if missing:
            raise ValueError(
                f"{found}; it needs text and label (and text_b or choices where the task has "
                f"them), so {' and '.join(missing)} is missing. {_advice(missing, names)}"
            )
        for ours, n in Counter(used.values()).items():
            if n > 1 and kind == "columns":  # of keys, each row has its own
                raise ValueError(f"{found}; {ours!r} must not be there twice")
        self._tell_unused([name for at, name in enumerate(names) if at not in used], used, report)
        return used

    def ours(self, names: Sequence[str]) -> dict[int, str]:
        """The place of each name that is, or is given for, one of ours -> our name."""
        used = {}
        for ours, theirs in self.given.items():
            place = self._place(theirs, names)
            if place is not None:
                used[place] = ours
        for at, name in enumerate(names):
            ours = name.strip().lower()
            known = ours in NAMES or OPTION.fullmatch(ours)
            if known and at not in used and ours not in self.given:
                used[at] = ours
        return used

    def _place(self, theirs: str, names: Sequence[str]) -> int | None:
        """Where a name stands: written the same, or else but for case and margins."""
        if theirs in names:
            return list(names).index(theirs)
        alike = [name.strip().lower() for name in names]
        wanted = str(theirs).strip().lower()
        return alike.index(wanted) if wanted in alike else None

    def _tell_unused(self, unused: list[str], used: dict[int, str], report: Report) -> None:
        unused = [name for name in unused if name.strip()]
        if not unused:
            return
        hints = _hints(unused, set(used.values()))
        advice = f"; if they belong to the task: --columns {' '.join(hints)}" if hints else ""
        shown = ", ".join(map(show, unused[:10])) + (" ..." if len(unused) > 10 else "")
        report.note(f"not used: {shown}{advice}")


def _hints(unused: list[str], taken: set[str]) -> list[str]:
    """Columns that others use for a second text or for choices, as --columns takes them."""
    near = [(name, fit[1]) for name in unused if (fit := _NEAR_OPTION.fullmatch(name.lower()))]
    if len(near) > 1 and "choices" not in taken and "choice_0" not in taken:
        return [f"choice_{at}={_quoted(name)}" for at, (name, _) in enumerate(near)]
    hints = []
    for ours in ("text_b", "split"):
        named = [name for name in unused if name.strip().lower() in OFTEN[ours].split()]
        if named and ours not in taken:
            hints.append(f"{ours}={_quoted(named[0])}")
    return hints


def _advice(missing: list[str], names: Sequence[str]) -> str:
    """How to say which columns are meant, with the names that are there where they are likely."""
    words, known = [], False
    for ours in missing:
        order = OFTEN[ours].split()
        likely = [name for name in names if name.strip().lower() in order]
        likely.sort(key=lambda name: order.index(name.strip().lower()))
        known = known or bool(likely)
        words.append(f"{ours}={_quoted(likely[0]) if likely else 'NAME'}")
    header = "" if known else "Write the names in a first line of their own, or if they are there: "
    return f"{header or 'To name them: '}--columns {' '.join(words)} (in Python, columns=)"


def _quoted(name: str) -> str:
    """A name as a shell takes it."""
    return name if re.fullmatch(r"[\w.-]+", name) else f"'{name}'"

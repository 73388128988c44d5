"""What a reader sees below an exercise: the verdict, the diagnosis, the progress in the chapter.

Source: none; this is teaching.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from gptcore.exercises.checking import Mistake

__all__ = ["DONE", "NOT_WRITTEN", "NOT_YET", "Result", "style"]

DONE, NOT_YET, NOT_WRITTEN = "done", "not yet", "not written yet"
SIGNS = {DONE: "●", NOT_YET: "◐", NOT_WRITTEN: "○"}
KINDS = {DONE: "done", NOT_YET: "tried", NOT_WRITTEN: "blank"}
# Told apart by shape: a disc with a tick, a half-filled disc, an empty ring.
MARKS = {
    DONE: '<circle cx="8" cy="8" r="7"/><path d="M4.8 8.4l2.2 2.3 4.2-5"/>',
    NOT_YET: '<circle cx="8" cy="8" r="7"/><path d="M8 1a7 7 0 0 1 0 14z" fill="currentColor"/>',
    NOT_WRITTEN: '<circle cx="8" cy="8" r="7"/>',
}
STYLE = Path(__file__).parent / "static" / "result.css"


@dataclass(frozen=True)
class Result:
    """The outcome of one check. Jupyter shows it as a card, a terminal as lines of text."""

    number: str
    """The exercise's, such as "3.2"."""
    title: str
    """The exercise's."""
    verdict: str
    """"done", "not yet" or "not written yet"."""
    said: Mistake
    """The diagnosis, or what the reader has now shown, with what was given, expected and got."""
    progress: tuple[tuple[str, str], ...]
    """(number, latest verdict) of every exercise of the chapter."""

    @property
    def message(self) -> str:
        """What is said about the answer, all of it, as text."""
        return str(self.said)

    def __repr__(self) -> str:
        """The card as text."""
        lines = [f"Exercise {self.number}: {self.verdict}. {self.said.message}"]
        for name, text in self.said.parts():
            first, *more = text.splitlines() or [""]
            lines += [f"  {name:9} {first}", *(f"{'':12}{line}" for line in more)]
        dots = "".join(SIGNS[verdict] for _, verdict in self.progress)
        return "\n".join([*lines, f"{dots} {self._words()}"])

    def _repr_html_(self) -> str:
        """The card, readable with and without its style sheet; every text in it is escaped."""
        rows = "".join(
            f"<div><dt>{name}</dt><dd><code>{html.escape(text)}</code></dd></div>"
            for name, text in self.said.parts()
        )
        dots = "".join(
            f'<span class="{KINDS[verdict]}{" here" * (number == self.number)}" '
            f'title="{number}: {verdict}">{_mark(verdict)}</span>'
            for number, verdict in self.progress
        )
        return (
            f'<style>{style()}</style><div class="gpt-exercise {KINDS[self.verdict]}">'
            f'<p class="verdict">{_mark(self.verdict)}{self.verdict.capitalize()}</p>'
            f'<p class="said">{_sentence(self.said.message)}</p>'
            f"{f'<dl>{rows}</dl>' if rows else ''}"
            f'<p class="tally"><span class="dots" aria-hidden="true">{dots}</span> '
            f"{self._words()}</p></div>"
        )

    def _words(self) -> str:
        chapter, total = self.number.partition(".")[0], len(self.progress)
        numbered = chapter.isdecimal()
        where = f"chapter {chapter}" if numbered else "this page"
        done = sum(verdict == DONE for _, verdict in self.progress)
        if done == total:
            return f"All {total} exercises of {where} done."
        return f"{done} of {total} done {'in' if numbered else 'on'} {where}"


def style() -> str:
    """The cards' style sheet, without line breaks: it travels with every card."""
    return re.sub(r"\s*\n\s*", "", STYLE.read_text("utf-8"))


def _sentence(text: str) -> str:
    """Escaped text, with what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))


def _mark(verdict: str) -> str:
    return (
        '<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" '
        f'stroke-width="1.6">{MARKS[verdict]}</svg>'
    )

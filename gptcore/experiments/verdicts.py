"""Named rules that turn intervals into verdicts.

A rule answers True (holds), False (does not hold) or None (open: chance alone could have made it
either way). Every rule can answer all three, and its tests plant the opposite to see it turn.

    ahead    the difference of two conditions lies above a margin
    above    a score lies above a value, such as chance
    within   a difference lies inside a margin: the two are alike, as far as the margin says
    all_of   several verdicts, all of which must hold

Source: DESIGN's rules of evidence; Schuirmann 1987 (two one-sided tests, `within`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gptcore.experiments.intervals import Interval, Runs, interval


@dataclass(frozen=True)
class Verdict:
    """What a rule found."""

    holds: bool | None
    """True, False, or None where the interval leaves it open."""
    rule: str
    """The rule in words, such as "full is ahead of scratch"."""
    found: Interval | None = None
    """The number that was judged, with its interval; None for several verdicts together."""

    def __str__(self) -> str:
        said = {True: "holds", False: "does not hold", None: "open"}[self.holds]
        return f"{self.rule}: {said}" + (f", {self.found}" if self.found else "")


def ahead(a: Runs, b: Runs, by: float = 0.0) -> Verdict:
    """`a` scores more than `b`, by more than `by`: the interval of the difference lies above it."""
    found = interval(a, b)
    more = f" by more than {by:g}" if by else ""
    return Verdict(_side(found, by), f"{a.name} is ahead of {b.name}{more}", found)


def above(a: Runs, value: float) -> Verdict:
    """`a` scores more than a value: its interval lies above it."""
    found = interval(a)
    return Verdict(_side(found, value), f"{a.name} is above {value:g}", found)


def within(a: Runs, b: Runs, margin: float) -> Verdict:
    """`a` and `b` differ by less than a margin: the interval of the difference lies inside it.

    Raises:
        ValueError: the margin is not above 0; a difference that is not significant shows nothing.
    """
    if not margin > 0:
        raise ValueError(f"margin={margin} must be greater than 0")
    found = interval(a, b)
    outside = found.low >= margin or found.high <= -margin
    holds = True if -margin < found.low and found.high < margin else (False if outside else None)
    return Verdict(holds, f"{a.name} and {b.name} differ by less than {margin:g}", found)


def all_of(*verdicts: Verdict) -> Verdict:
    """Every one of them holds; it does not if one does not, and is open otherwise."""
    found = [verdict.holds for verdict in verdicts]
    holds = False if False in found else (None if None in found else True)
    return Verdict(holds, "; ".join(verdict.rule for verdict in verdicts))


def _side(found: Interval, value: float) -> bool | None:
    if found.low > value:
        return True
    return False if found.high <= value else None

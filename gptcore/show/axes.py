"""What an axis of a chart spans, and which of its values it names, by plotly's own rules.

`gptcore.show.svg` draws with it; charts.js hands the same span to plotly.js, so that a chart that
wakes keeps its points where they are.

Source: plotly.js, src/plots/cartesian (autorange.js and axes.js): the room around the data, the
least room between two ticks, steps of 1, 2 and 5.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Axis", "Unknown", "spanned", "text_width", "thinned"]

ROOM = 0.05  # of an axis, left free beside its outermost marks
LEAST = {"x": 80, "y": 40}  # pixels between two ticks
NAMES_OWN = {"title", "type", "range", "autorange", "dtick", "tickvals", "ticktext", "tickangle"}
KNOWN = NAMES_OWN | {"tickfont", "showgrid", "showline", "hoverformat", "ticklabelstandoff"}
NARROW, WIDE, CAPITAL = set("ijlft.,:;'|!()[]· "), set("mwMW@%—"), re.compile(r"[A-Z&]")


class Unknown(Exception):
    """A figure has what only plotly.js draws."""


@dataclass
class Axis:
    """One axis: a span of numbers, of powers of ten, or of names.

    Attributes:
        low, high: the ends of the span as plotly counts it: log10 of a value on a logarithmic
            axis, a name's place from 0 on an axis of names.
        log: whether it is logarithmic.
        names: the names in their order, none on an axis of numbers.
        turned: whether it grows downwards, or to the left.
        own: the figure's own settings.
    """

    low: float
    high: float
    log: bool = False
    names: list[str] = field(default_factory=list)
    turned: bool = False
    own: dict[str, Any] = field(default_factory=dict)

    def place(self, value: Any) -> float | None:
        """Where a value stands: 0 at the left or at the bottom, 1 at the other end."""
        number = self.number(value)
        if number is None:
            return None
        share = (number - self.low) / (self.high - self.low)
        return 1 - share if self.turned else share

    def number(self, value: Any) -> float | None:
        """A value in the unit of the span; None where there is nothing to draw."""
        if self.names:
            return float(self.names.index(str(value)))
        if value is None or not math.isfinite(value) or (self.log and value <= 0):
            return None
        return math.log10(value) if self.log else float(value)

    def span(self) -> list[float]:
        """Both ends as plotly's `range` wants them."""
        ends = [float(f"{end:.9g}") for end in (self.low, self.high)]
        return ends[::-1] if self.turned else ends

    def value(self, place: float) -> float:
        """What stands at a place: a number, or the place of a name counted from 0."""
        share = 1 - place if self.turned else place
        number = self.low + share * (self.high - self.low)
        return float(f"{10**number if self.log else number:.9g}")

    def ticks(self, pixels: float, kind: str) -> list[tuple[float, str]]:
        """The places that are named, with their names.

        Args:
            pixels: the length of the axis.
            kind: "x" or "y".
        """
        values = self.own.get("tickvals")
        if values is not None:
            texts = self.own.get("ticktext") or [_number(value, 0) for value in values]
            named = list(zip(values, texts, strict=True))
        elif self.names:
            named = [(name, name) for name in self.names]
        else:
            named = self._round_numbers(pixels, kind)
        found = [(self.place(value), str(text)) for value, text in named]
        return [(at, text) for at, text in found if at is not None and -1e-9 <= at <= 1 + 1e-9]

    def _round_numbers(self, pixels: float, kind: str) -> list[tuple[float, str]]:
        count = min(max(pixels / LEAST[kind], 4), 9) + 1
        rough = (self.high - self.low) / count
        if self.log:
            digits = (1,) if rough > 0.7 else (1, 2, 5)
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            values = [digit * 10.0**power for power in powers for digit in digits]
            return [(value, _number(value, value)) for value in values]
        base = 10.0 ** math.floor(math.log10(rough))
        step = base * next(n for n in (1, 2, 5, 10) if n >= rough / base - 1e-9)
        step = self.own.get("dtick") or step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        largest = max(abs(self.low), abs(self.high))
        return [(n * step, _number(n * step, largest)) for n in range(first, last + 1)]


def spanned(own: dict[str, Any], values: Iterable[Any], padded: bool, zero: bool = False) -> Axis:
    """Find the span of an axis.

    Args:
        own: its settings in the figure's layout.
        values: everything that is drawn along it, numbers or names.
        padded: whether room is left beside the outermost values.
        zero: whether 0 belongs to it.

    Raises:
        Unknown: it has a setting or values that only plotly.js knows.
    """
    if extra := set(own) - KNOWN:
        raise Unknown(f"an axis with {sorted(extra)}")
    kind, turned = own.get("type"), own.get("autorange") == "reversed"
    drawn = [value for value in values if value is not None]
    if kind not in (None, "-", "linear", "log", "category") or not drawn:
        raise Unknown(f"an axis of type {kind!r} with {len(drawn)} values")
    if kind == "category" or any(isinstance(value, str) for value in drawn):
        names = list(dict.fromkeys(str(value) for value in drawn))
        numbers = sum(_looks_like_a_number(name) for name in names)
        if kind != "category" and (numbers * 2 >= len(names) - numbers or "range" in own):
            raise Unknown("names that plotly.js may read as numbers")
        return Axis(-0.5, len(names) - 0.5, False, names, turned, own)
    axis = Axis(0, 1, kind == "log", [], turned, own)
    numbers = [n for value in drawn if (n := axis.number(value)) is not None]
    if not numbers:
        raise Unknown("no number")
    low, high = min(numbers), max(numbers)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * ROOM / (1 - 2 * ROOM) if padded else 0
    axis.low, axis.high = (low - room, high + room) if high > low else (low - 1, high + 1)
    if "range" in own:
        axis.low, axis.high = own["range"]
        if axis.low > axis.high:
            axis.low, axis.high, axis.turned = axis.high, axis.low, True
    return axis


def _looks_like_a_number(name: str) -> bool:
    """A number or a date, which plotly.js does not take for a name."""
    return bool(re.match(r"\s*[-+]?(\d[\d,.]*(e[-+]?\d+)?|\d{4}-\d.*)\s*$", name, re.IGNORECASE))


def _number(value: float, largest: float) -> str:
    """A number as plotly writes it on an axis that reaches to `largest`."""
    if largest and math.floor(math.log10(largest) + 0.01) > 3:
        for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
            if largest >= 0.97 * unit and largest >= 9700:
                return f"{float(f'{value / unit:.6g}'):g}{letter if value else ''}".replace(
                    "-", "−"
                )
    return f"{float(f'{value:.6g}'):.12g}".replace("-", "−")


def text_width(text: str, size: float = 13) -> float:
    """About how wide a text is in pixels, rather more than less.

    Args:
        text: one line.
        size: of its letters, in pixels.
    """
    ems = 0.0
    for letter in text:
        if letter in NARROW:
            ems += 0.32
        elif letter in WIDE:
            ems += 0.9
        elif ord(letter) >= 0x2E80:
            ems += 1.0
        else:
            ems += 0.68 if CAPITAL.match(letter) else 0.56
    return ems * size


def thinned(
    ticks: Sequence[tuple[float, str]], pixels: float, needed: Sequence[float]
) -> list[tuple[float, str]]:
    """Leave out every name that would run into the one kept before it.

    Args:
        ticks: (place, name).
        pixels: the length of the axis.
        needed: pixels that each name takes along it.
    """
    kept: list[int] = []
    for i in sorted(range(len(ticks)), key=lambda i: ticks[i][0]):
        room = (ticks[i][0] - ticks[kept[-1]][0]) * pixels if kept else math.inf
        if not kept or room >= (needed[i] + needed[kept[-1]]) / 2:
            kept.append(i)
    return [ticks[i] for i in kept]

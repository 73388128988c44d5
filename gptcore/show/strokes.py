"""The strokes of a chart as SVG text: lines, dots, intervals, colours of cells, escaped words.

Source: SVG 2 (W3C), sections 7 to 10 and 13.
"""

import html
import re
from collections.abc import Iterable
from typing import Any

from gptcore.show.axes import Unknown, text_width

__all__ = ["broken", "escaped", "fill", "path", "percent", "rule", "sample", "stroke", "whisker"]

DASHES = {"dot": "1.5 3.5", "dash": "7 5", "longdash": "10 5", "dashdot": "7 4 1.5 4"}
CAP = 8  # pixels: the stroke across either end of an interval
MARKUP = re.compile(r"</?(?:b|i|em|br|sub|sup|span|a|u)\b", re.IGNORECASE)


def percent(share: float) -> str:
    """A share of the plot's width or height."""
    return f"{100 * share:.6g}%"


def escaped(words: Any) -> str:
    """Words for the page, escaped.

    Raises:
        Unknown: they hold markup, which plotly.js would obey.
    """
    if MARKUP.search(str(words)):
        raise Unknown("text with markup")
    return html.escape(str(words), quote=False)


def broken(words: str, longest: float, size: float = 13) -> list[str]:
    """Break words into lines of at most `longest` pixels, where there is a space to break at."""
    lines: list[str] = []
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= longest:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def stroke(line: dict[str, Any]) -> str:
    """The attributes of a stroke, from plotly's description of a line.

    Raises:
        Unknown: a form of line that is not drawn here.
    """
    if line.get("shape", "linear") != "linear" or line.get("dash", "solid") not in DASHES | {
        "solid": ""
    }:
        raise Unknown(f"a line like {line}")
    dash = DASHES.get(line.get("dash", "solid"))
    return (
        f' stroke-width="{line.get("width", 2):g}"'
        + (f' stroke="{html.escape(line["color"])}"' if line.get("color") else "")
        + (f' stroke-dasharray="{dash}"' if dash else "")
    )


def path(spots: Iterable[tuple[float, float] | None]) -> str:
    """The `d` of a line through spots; it is interrupted where one is missing."""
    parts, command = [], "M"
    for spot in spots:
        if spot is None:
            command = "M"
            continue
        parts.append(f"{command}{spot[0]:g} {spot[1]:g}")
        command = "L"
    return "".join(parts)


def rule(axis: str, at: float, name: str) -> str:
    """A line across the whole plot at a place of an axis, of the class `name`."""
    if axis == "x":
        place = f'x1="{percent(at)}" x2="{percent(at)}" y1="0" y2="100%"'
    else:
        place = f'y1="{percent(1 - at)}" y2="{percent(1 - at)}" x1="0" x2="100%"'
    return f'<line class="rule {name}" {place}/>'


def whisker(across: str, low: str, high: str, axis: str) -> str:
    """An interval along an axis, with a stroke across either end.

    Args:
        across: where it stands on the other axis, in percent.
        low, high: its ends, in percent.
        axis: "x" or "y".
    """
    other = "y" if axis == "x" else "x"
    stem = f'{axis}1="{low}" {axis}2="{high}" {other}1="{across}" {other}2="{across}"'
    wide, deep = ("width", "height") if axis == "y" else ("height", "width")
    shift = f"{-CAP / 2:g} -0.6" if axis == "y" else f"-0.6 {-CAP / 2:g}"
    caps = "".join(
        f'<rect {axis}="{end}" {other}="{across}" {wide}="{CAP}" {deep}="1.2" '
        f'transform="translate({shift})"/>'
        for end in (low, high)
    )
    return f'<g class="whisker"><line {stem}/>{caps}</g>'


def sample(kind: str, trace: dict[str, Any]) -> str:
    """What a key shows beside the name of a trace, 26 by 12 pixels."""
    if kind == "bar":
        return '<rect x="7" y="1" width="11" height="10"/>'
    mode = trace.get("mode", "lines+markers")
    line = f'<path d="M1 6h24"{stroke({"width": 2, **(trace.get("line") or {})})}/>'
    dot = '<circle cx="13" cy="6" r="3"/>'
    return (line if "lines" in mode else "") + (dot if "markers" in mode else "")


def fill(colours: list[list[Any]], low: float, high: float, value: float | None) -> str | None:
    """A value's fill, to a hundredth of the way from the first colour of the scale to the last.

    Args:
        colours: pairs of a share from 0 to 1 and a colour, in order.
        low, high: the values of the first colour and of the last.
        value: to be shown; None is nothing.

    Returns:
        Attributes of a path; None where the paper stays bare.
    """
    if value is None:
        return None
    share = round(min(max((value - low) / (high - low or 1), 0), 1), 2)
    above = next(i for i, (at, _) in enumerate(colours) if at >= share - 1e-9)
    (at, one), (to, other) = colours[max(above - 1, 0)], colours[above]
    part = (share - at) / (to - at) if to > at else 0.0
    parts = zip(_rgba(one), _rgba(other), strict=True)
    *rgb, alpha = (a + (b - a) * part for a, b in parts)
    if alpha < 0.005:
        return None
    painted = f'fill="rgb({",".join(f"{value:.0f}" for value in rgb)})"'
    return painted if alpha > 0.995 else f'{painted} fill-opacity="{alpha:.2g}"'


def _rgba(colour: str) -> list[float]:
    if colour.startswith("#") and len(colour) == 7:
        return [*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), 1.0]
    if not colour.startswith("rgb"):
        raise Unknown(f"a colour of the form {colour!r}")
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")]
    return numbers if len(numbers) == 4 else [*numbers, 1.0]

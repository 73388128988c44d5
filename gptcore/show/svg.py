"""A chart that is there at once: a plotly figure as HTML and SVG, without plotly.js.

`still` draws the few forms that the book has: lines and points with intervals, horizontal bars,
heat maps, dashed reference lines. charts.js puts the living chart in the same place when a reader
points at it. A figure with anything else gives no picture, rather than a wrong one.

Nothing here knows the width of the page. Marks stand at shares of the plot, text keeps its size:
one drawing fits a phone and a desk without shrinking its letters, where a `viewBox` around the
whole would scale 13 px to 7. Only what depends on the room for names along an axis exists twice,
for narrow and wide charts; the style sheet charts.css shows one of the two.

Source: SVG 2 (W3C), sections 7 and 8: percentages, nested `svg` elements, vector-effect.
"""

import base64
import html
import json
from collections.abc import Iterator
from typing import Any

from gptcore.show.axes import Axis, Unknown, spanned, text_width, thinned
from gptcore.show.strokes import (
    broken,
    escaped,
    fill,
    path,
    percent,
    rule,
    sample,
    stroke,
    whisker,
)

__all__ = ["FORMS", "still"]

FORMS = ("scatter", "bar", "heatmap")
# What a trace and a layout may say; with anything else the picture could be wrong.
TRACE = {"type", "name", "x", "y", "text", "hovertemplate", "hoverinfo", "showlegend"}
KNOWN = {
    "scatter": TRACE | {"mode", "line", "marker", "error_y"},
    "bar": TRACE | {"orientation", "textposition", "textangle", "cliponaxis", "error_x", "marker"},
    "heatmap": TRACE | {"z", "colorscale", "zmin", "zmax", "showscale", "colorbar"},
}
LAYOUT = {"template", "title", "height", "xaxis", "yaxis", "showlegend", "legend", "margin"}
LAYOUT |= {"hovermode", "bargap", "barmode", "shapes", "annotations", "dragmode"}
COLOURS = 6
ROOMS = {"wide": 640, "narrow": 288}  # pixels: a chart on a desk and on a phone, at the least
LETTERS, LINE, MARGIN = 13, 15, 12  # pixels: of a letter, of a line, beside the plot
LONGEST = {"wide": 260, "narrow": 96}  # pixels for a name beside a bar; longer ones are broken
STRETCH = 'viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%"'


def still(spec: dict[str, Any], alt: str) -> str:
    """Draw a figure as it stands before anybody points at it.

    Args:
        spec: a plotly figure as JSON says it, with `data` and `layout`.
        alt: its text alternative.

    Returns:
        HTML, to be styled by charts.css; nothing if the figure has a form that only plotly.js
        draws.
    """
    try:
        return _Still(spec).html(alt)
    except Unknown:
        return ""


class _Still:
    """One figure on its way to HTML."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.layout, self.traces = spec["layout"], [_plain(trace) for trace in spec["data"]]
        self.theme = (self.layout.get("template") or {}).get("layout") or {}
        self._refuse()
        self.x, self.y = self._axes()
        self.sides = {room: self._side(room) for room in ROOMS}

    def _refuse(self) -> None:
        kinds = {trace.get("type", "scatter") for trace in self.traces}
        if len(kinds) != 1 or not kinds <= set(FORMS):
            raise Unknown(f"traces of types {sorted(kinds)}")
        (self.kind,) = kinds
        odd = {key for trace in self.traces for key in trace} - KNOWN[self.kind]
        odd |= set(self.layout) - LAYOUT
        if odd or self.layout.get("barmode", "group") != "group":
            raise Unknown(f"settings {sorted(odd)}")
        for shape in self.layout.get("shapes", []):
            if shape.get("type") != "line" or shape.get("xref") != "x domain":
                raise Unknown("a shape that is no horizontal line")
        if self.kind == "bar" and any(t.get("orientation") != "h" for t in self.traces):
            raise Unknown("bars that stand")
        if self.kind == "heatmap" and len(self.traces) != 1:
            raise Unknown("several heat maps")
        modes = {part for t in self.traces for part in t.get("mode", "lines+markers").split("+")}
        if not modes <= {"lines", "markers"}:
            raise Unknown(f"modes {sorted(modes)}")

    def _axes(self) -> tuple[Axis, Axis]:
        xs = [value for trace in self.traces for value in trace["x"]]
        ys = [value for trace in self.traces for value in trace["y"]]
        own = [dict(self.layout.get(name) or {}) for name in ("xaxis", "yaxis")]
        if self.kind != "scatter":
            xs += [end for t in self.traces for _, *ends in _errors(t, "x") for end in ends]
            return spanned(own[0], xs, True, zero=self.kind == "bar"), spanned(own[1], ys, False)
        intervals = [end for t in self.traces for _, *ends in _errors(t, "y") for end in ends]
        plain = all(trace.get("mode") == "lines" for trace in self.traces) and not intervals
        lines = [shape["y0"] for shape in self.layout.get("shapes", [])]
        y = spanned(own[1], ys + intervals + lines, True)
        # The name of a reference line stands above it, inside the plot.
        if lines and "range" not in own[1] and not y.names:
            share = 1 - 22 / self._height()
            for number in map(y.number, lines):
                if number is not None:
                    y.high = max(y.high, y.low + (number - y.low) / share)
        return spanned(own[0], xs, not plain), y

    def _height(self) -> float:
        above = (36 if self._title() else 8) + (28 if len(self.traces) > 1 else 8)
        return max(self.layout.get("height", 380) - above - 45, 80)

    def _title(self) -> str:
        return (self.layout.get("title") or {}).get("text", "")

    def _side(self, room: str) -> dict[str, Any]:
        """What depends on the room: names along both axes, and the margins that they need."""
        height, longest = self._height(), LONGEST[room]
        named = [(at, broken(text, longest)) for at, text in self.y.ticks(height, "y")]
        tall = [LINE * len(lines) for _, lines in named]
        kept = thinned(named, height, tall if self.kind != "heatmap" else [14.0] * len(named))
        left = max((text_width(line) for _, lines in kept for line in lines), default=0) + 9
        width = ROOMS[room] - left - MARGIN - (22 if _title_of(self.y) else 0)
        ticks = self.x.ticks(width, "x")
        turned = self.x.own.get("tickangle") in (-90, 90) or self.kind == "heatmap"
        size = (self.x.own.get("tickfont") or {}).get("size", LETTERS)
        needed = [size + 4 if turned else text_width(text, size) + 8 for _, text in ticks]
        below = thinned(ticks, width, needed)
        deep = max((text_width(text, size) for _, text in below), default=0) if turned else size
        return {"y": kept, "x": below, "left": left, "below": deep + 10, "turned": turned}

    def html(self, alt: str) -> str:
        """The title, the key of the colours, the plot between its two axes."""
        margins = "".join(
            f"--{side}-{room}:{self.sides[room][side]:.0f}px;"
            for room in ROOMS
            for side in ("left", "below")
        )
        plot = "".join([*self._rules(), *self._marks(), *self._references(), *self._names()])
        height = self.layout.get("height", 380)
        return (
            f'<div class="gpt-still" style="min-height:{height}px;'
            f'--plot:{self._height():.0f}px;{margins}" '
            f'data-axes="{html.escape(json.dumps(self._told(), separators=(",", ":")))}">'
            + (f'<p class="gpt-still-title">{escaped(self._title())}</p>' if self._title() else "")
            + self._key()
            + f'<p class="gpt-still-y"><span>{escaped(_title_of(self.y))}</span></p>'
            + '<div class="gpt-still-plot">'
            + f'<svg role="img" aria-label="{html.escape(alt)}">{plot}</svg></div>'
            + f'<p class="gpt-still-x">{escaped(_title_of(self.x))}</p></div>'
        )

    def _told(self) -> dict[str, Any]:
        """What plotly.js needs to draw the same axes: their spans, and names that are ours."""
        told: dict[str, Any] = {"below": [text for _, text, below in self._notes() if below]}
        for name, axis in (("x", self.x), ("y", self.y)):
            told[name] = {"range": axis.span()}
            for room, side in self.sides.items() if axis.names or "tickvals" in axis.own else ():
                texts = [t if isinstance(t, str) else "<br>".join(t) for _, t in side[name]]
                told[name][room] = [[axis.value(at) for at, _ in side[name]], texts]
        return told

    def _key(self) -> str:
        if self.kind == "heatmap" and self.traces[0].get("showscale", True):
            return self._scale()
        if not self.layout.get("showlegend", len(self.traces) > 1):
            return ""
        items = "".join(
            f'<li style="color:{_colour(i, trace)}"><svg width="26" height="12">'
            f"{sample(self.kind, trace)}</svg><span>{escaped(trace.get('name', ''))}</span></li>"
            for i, trace in enumerate(self.traces)
        )
        return f'<ul class="gpt-still-key">{items}</ul>'

    def _scale(self) -> str:
        low, high = self._depths()
        stops = ",".join(f"{ink} {100 * at:g}%" for at, ink in self.traces[0]["colorscale"])
        name = ((self.traces[0].get("colorbar") or {}).get("title") or {}).get("text", "")
        return (
            f'<p class="gpt-still-key">{escaped(name)} {low:g} '
            f'<i style="background:linear-gradient(90deg,{stops})"></i> {high:g}</p>'
        )

    def _depths(self) -> tuple[float, float]:
        numbers = [z for row in self.traces[0]["z"] for z in row if z is not None]
        low, high = self.traces[0].get("zmin"), self.traces[0].get("zmax")
        return min(numbers) if low is None else low, max(numbers) if high is None else high

    def _rules(self) -> Iterator[str]:
        """Lines of the grid, and the axes."""
        for name, axis in (("x", self.x), ("y", self.y)):
            grid = axis.own.get("showgrid", (self.theme.get(f"{name}axis") or {}).get("showgrid"))
            for room in ROOMS if grid is not False and not axis.names else ():
                for at, _ in self.sides[room][name]:
                    yield rule(name, at, room)
            if not axis.log and not axis.names and axis.low < 0 < axis.high:
                yield rule(name, axis.place(0), "zero")
        if self.x.own.get("showline", True):
            yield rule("y", 0, "axis")

    def _names(self) -> Iterator[str]:
        size = (self.x.own.get("tickfont") or {}).get("size", LETTERS)
        for room, side in self.sides.items():
            yield f'<g class="{room}">'
            for at, lines in side["y"]:
                first = LETTERS * 0.35 - LINE * (len(lines) - 1) / 2
                for i, line in enumerate(lines):
                    place = f'x="0" y="{percent(1 - at)}" dx="-8" dy="{first + i * LINE:.1f}"'
                    yield f'<text {place} text-anchor="end">{escaped(line)}</text>'
            for at, text in side["x"]:
                style = f' style="font-size:{size}px"' if size != LETTERS else ""
                if side["turned"]:
                    yield (
                        f'<svg class="at" x="{percent(at)}" y="100%"><text transform="rotate(-90)"'
                        f' x="-7" y="{size * 0.35:.1f}" text-anchor="end"{style}>{escaped(text)}'
                        "</text></svg>"
                    )
                else:
                    # A name under the very end of the axis ends with the picture.
                    beyond = text_width(text, size) / 2 > MARGIN + (1 - at) * ROOMS[room] / 2
                    anchor = f'end" dx="{MARGIN}"' if beyond else 'middle"'
                    yield (
                        f'<text x="{percent(at)}" y="100%" dy="{size + 6}" '
                        f'text-anchor="{anchor}{style}>{escaped(text)}</text>'
                    )
            yield "</g>"

    def _references(self) -> Iterator[str]:
        for shape in self.layout.get("shapes", []):
            at = self.y.place(shape["y0"])
            if at is not None:
                pen = stroke(shape.get("line") or {})
                place = f'y1="{percent(1 - at)}" y2="{percent(1 - at)}"'
                yield f'<line x1="0" x2="100%" {place}{pen}/>'
        for at, text, below in self._notes():
            yield (
                f'<text class="note" x="100%" y="{percent(1 - at)}" '
                f'dy="{LETTERS + 1 if below else -5}" text-anchor="end">{escaped(text)}</text>'
            )

    def _notes(self) -> list[tuple[float, str, bool]]:
        """(place, text, whether below its line) of the names of reference lines.

        Of two lines that nearly meet, the lower has its name below itself.
        """
        notes = [(self.y.place(n["y"]), n["text"]) for n in self.layout.get("annotations", [])]
        known, above = [], 2.0
        for at, text in sorted((n for n in notes if n[0] is not None), reverse=True):
            known.append((at, text, (above - at) * self._height() < LINE))
            above = at
        return known

    def _marks(self) -> Iterator[str]:
        draw = {"scatter": self._line, "bar": self._bars, "heatmap": self._cells}[self.kind]
        for i, trace in enumerate(self.traces):
            yield f'<g class="gpt-still-marks" style="color:{_colour(i, trace)}">'
            yield from draw(i, trace)
            yield "</g>"

    def _line(self, _: int, trace: dict[str, Any]) -> Iterator[str]:
        mode = trace.get("mode", "lines+markers")
        spots = [self._spot(x, y) for x, y in zip(trace["x"], trace["y"], strict=True)]
        ends = [self._spot(trace["x"][i], end) for i, *two in _errors(trace, "y") for end in two]
        pairs = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a and b]
        for (x, low), (_, high) in pairs:
            yield whisker(f"{x / 10:.6g}%", f"{low / 10:.6g}%", f"{high / 10:.6g}%", "y")
        fixed = "range" in self.x.own or "range" in self.y.own
        yield f"<svg {STRETCH}{'' if fixed else ' class=over'}>"
        if "lines" in mode:
            yield f'<path d="{path(spots)}"{stroke({"width": 2, **(trace.get("line") or {})})}/>'
        if "markers" in mode:
            size = (trace.get("marker") or {}).get("size", 6)
            dots = "".join(f"M{x:g} {y:g}h.1" for spot in spots if spot for x, y in [spot])
            yield f'<path class="dots" d="{dots}" stroke-width="{size}"/>'
        yield "</svg>"

    def _spot(self, x: Any, y: Any) -> tuple[float, float] | None:
        """A point in thousandths of the plot, from its upper left corner."""
        across, up = self.x.place(x), self.y.place(y)
        if across is None or up is None:
            return None
        return round(1000 * across, 1), round(1000 * (1 - up), 1)

    def _bars(self, number: int, trace: dict[str, Any]) -> Iterator[str]:
        thick = (1 - self.layout.get("bargap", 0.2)) / len(self.traces)
        ends = {i: two for i, *two in _errors(trace, "x")}
        texts = trace.get("text") if trace.get("textposition") == "outside" else None
        for i, (value, name) in enumerate(zip(trace["x"], trace["y"], strict=True)):
            if value is None:
                continue
            start, end = self.x.place(0), self.x.place(value)
            middle = self.y.number(name) + (number - (len(self.traces) - 1) / 2) * thick
            top, foot = sorted(1 - self._row(middle + half * thick) for half in (-0.5, 0.5))
            left, right = sorted((start, end))
            yield (
                f'<rect x="{percent(left)}" y="{percent(top)}" '
                f'width="{percent(right - left)}" height="{percent(foot - top)}"/>'
            )
            across = percent((top + foot) / 2)
            if i in ends:
                low, high = (self.x.place(value) for value in ends[i])
                yield whisker(across, percent(low), percent(high), "x")
            if texts:
                side = ("end", -5) if value < 0 else ("start", 5)
                yield (
                    f'<text class="number" x="{percent(end)}" y="{across}" dx="{side[1]}" '
                    f'dy="{LETTERS * 0.35:.1f}" text-anchor="{side[0]}">{escaped(texts[i])}</text>'
                )

    def _row(self, number: float) -> float:
        share = (number - self.y.low) / (self.y.high - self.y.low)
        return 1 - share if self.y.turned else share

    def _cells(self, _: int, trace: dict[str, Any]) -> Iterator[str]:
        """One path for every colour; a run of equal cells is one rectangle."""
        rows, columns = len(trace["z"]), len(trace["z"][0])
        low, high = self._depths()
        paths: dict[str, str] = {}
        for r, row in enumerate(trace["z"]):
            top = r if self.y.turned else rows - 1 - r
            inks = [fill(trace["colorscale"], low, high, z) for z in row]
            for c, ink in enumerate(inks):
                if ink is None or (c and inks[c - 1] == ink):
                    continue
                run = next((n for n in range(c, columns) if inks[n] != ink), columns) - c
                paths[ink] = paths.get(ink, "") + f"M{c} {top}h{run}v1h-{run}z"
        yield f'<svg viewBox="0 0 {columns} {rows}" preserveAspectRatio="none">'
        yield from (f'<path d="{d}" {ink}/>' for ink, d in paths.items())
        yield "</svg>"


def _plain(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace with lists where plotly packed an array into bytes."""
    import numpy as np

    def unpacked(value: Any) -> Any:
        if isinstance(value, dict) and "bdata" in value:
            flat = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            shape = [int(n) for n in str(value.get("shape", flat.size)).split(",")]
            return flat.reshape(shape).tolist()
        return {k: unpacked(v) for k, v in value.items()} if isinstance(value, dict) else value

    return unpacked(trace)


def _errors(trace: dict[str, Any], axis: str) -> Iterator[tuple[int, float, float]]:
    """(number of the point, low end, high end) of every interval of a trace."""
    error = trace.get(f"error_{axis}") or {}
    if error.get("type", "data") != "data":
        raise Unknown(f"intervals of type {error['type']!r}")
    up = error.get("array") or []
    down = error.get("arrayminus") or up
    for i, (value, more, less) in enumerate(zip(trace[axis], up, down, strict=False)):
        if None not in (value, more, less):
            yield i, value - less, value + more


def _colour(number: int, trace: dict[str, Any]) -> str:
    own = (trace.get("line") or {}).get("color") or (trace.get("marker") or {}).get("color")
    if own is not None and not isinstance(own, str):
        raise Unknown("a colour for each point")
    return html.escape(own) if own else f"var(--gpt-chart-{number % COLOURS + 1})"


def _title_of(axis: Axis) -> str:
    title = axis.own.get("title") or {}
    return title if isinstance(title, str) else title.get("text", "")

"""Charts from plain numbers: one look, drawn by the page's own plotly.js in the book.

`line`, `bars` and `heat` return ordinary plotly figures. `show` puts one on the page twice over: as
plotly's own data type, which JupyterLab and VS Code draw live, and as HTML for the built book: a
picture that is there at once (`gptcore.show.svg`), and the figure as JSON, which the book draws in
its place with the single copy of plotly.js that it ships when a reader points at the picture
(`static/charts.js`). A screen reader gets the text `alt`.

Source: colours after Okabe and Ito, Color Universal Design (2008), which survive the common
forms of colour blindness.
"""

import html
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from IPython.display import display

from gptcore.show.svg import still

__all__ = ["CONFIG", "PALETTE", "TEMPLATE", "bars", "bundle", "heat", "line", "show"]

# Blue, vermilion, green, purple, ochre, grey: told apart by every common kind of eye, and dark
# enough for a white page. charts.css brings the lighter set for the book's dark theme.
PALETTE = ("#0072b2", "#c8501e", "#00825f", "#8d5aa5", "#9a7000", "#5b6470")
# Between black and white: readable where nobody tells us the colour of the page.
INK = "#737a85"
RULE = "rgba(128, 138, 150, 0.28)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_AXIS = {
    "gridcolor": RULE,
    "linecolor": RULE,
    "zerolinecolor": RULE,
    "ticks": "",
    "automargin": True,
    "title": {"standoff": 10, "font": {"size": 13}},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "title": {"x": 0, "y": 1, "yanchor": "top", "font": {"size": 15}, "pad": {"t": 8}},
        "colorway": list(PALETTE),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {**_AXIS, "showgrid": False, "showline": True},
        "yaxis": _AXIS,
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        "hoverlabel": {"font": {"family": FONT}},
        "margin": {"l": 8, "r": 12, "t": 40, "b": 8},
    }
)
NAMED = 8  # values at most that a logarithmic axis names one by one
DENSE = 150  # points; a line of more is drawn thin, so that noise does not become a band
CONFIG = {"displayModeBar": False, "responsive": True}


def line(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    log_x: bool = False,
    log_y: bool = False,
    reference: Mapping[str, float] | None = None,
    spread: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    markers: bool = False,
    height: int = 380,
) -> go.Figure:
    """Draw one line per series over a shared pair of axes.

    Args:
        series: name of the line -> (xs, ys), two sequences of one length.
        title: what the chart shows, in a few words.
        x, y: axis titles with their units.
        log_x, log_y: whether the axis is logarithmic.
        reference: name -> y of a dashed horizontal line (a baseline, a printed value).
        spread: name of a line -> (lows, highs): the interval of each of its points.
        markers: whether each point is marked; for few points.
        height: in CSS pixels.

    Returns:
        A plotly figure; give it to `show`.

    Raises:
        ValueError: if xs and ys have different lengths, or a spread fits no line.
    """
    fig, mode = _figure(title, x, y, height), "lines+markers" if markers else "lines"
    fig.update_layout(hovermode="x unified")
    for name, (xs, ys) in series.items():
        if len(xs) != len(ys):
            raise ValueError(f"series {name!r} has {len(xs)} xs and {len(ys)} ys")
        width = 2 if len(xs) <= DENSE else 1.2
        fig.add_scatter(x=list(xs), y=list(ys), name=name, mode=mode, line={"width": width})
    for name, ends in (spread or {}).items():
        _add_error(fig, name, series, *ends)
    for name, value in (reference or {}).items():
        dots = {"dash": "dot", "width": 1.5, "color": INK}
        text = {"text": name, "font": {"size": 12}, "yanchor": "bottom"}
        fig.add_hline(value, line=dots, annotation=text, annotation_position="top right")
    _legend(fig, len(series) > 1)
    fig.update_xaxes(**_scale(log_x, [x for xs, _ in series.values() for x in xs], True))
    fig.update_yaxes(hoverformat=".4~f")
    fig.update_yaxes(**_scale(log_y, [y for _, ys in series.values() for y in ys]))
    return fig


def _scale(log: bool, values: list[float], each: bool = False) -> dict[str, Any]:
    """An axis; a logarithmic one of few powers of ten names 1, 2, 5, 10 and so on.

    Args:
        values: that are drawn.
        each: name the values themselves, if they are few.
    """
    if not log:
        return {"type": "linear"}
    named = sorted({value for value in values if value > 0})
    if not (each and len(named) <= NAMED):
        if not named or named[-1] > 300 * named[0]:
            return {"type": "log"}
        low, high = (math.log10(end) for end in (named[0], named[-1]))
        powers = range(math.floor(low), math.ceil(high))
        steps = [n * 10.0**power for power in powers for n in (1, 2, 5)] + [10.0**powers.stop]
        named = [step for step in steps if 0.99 * named[0] <= step <= 1.01 * named[-1]]
    return {"type": "log", "tickvals": named, "ticktext": [_short(value) for value in named]}


def _short(value: float) -> str:
    """A number as an axis names it: 0.004, 250, 4k, 0.25M."""
    for least, unit, letter in ((1e9, 1e9, "G"), (1e5, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{float(f'{value / unit:.3g}'):g}{letter}"
    return f"{float(f'{value:.4g}'):g}"


def _add_error(
    fig: go.Figure,
    name: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    lows: Sequence[float],
    highs: Sequence[float],
) -> None:
    """Draw an interval around every point of a line."""
    if name not in series:
        raise ValueError(f"spread {name!r} is none of the lines {list(series)}")
    ys = series[name][1]
    if not len(lows) == len(highs) == len(ys):
        raise ValueError(
            f"spread {name!r} has {len(lows)} lows and {len(highs)} highs for {len(ys)} points"
        )
    up = [high - y for y, high in zip(ys, highs, strict=True)]
    down = [y - low for y, low in zip(ys, lows, strict=True)]
    error = {"type": "data", "array": up, "arrayminus": down, "thickness": 1.2, "width": 4}
    fig.update_traces(error_y=error, selector={"name": name})


def bars(
    values: Mapping[str, float | Mapping[str, float]],
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    height: int | None = None,
) -> go.Figure:
    """Draw horizontal bars, one per name, with the value written at its end.

    Args:
        values: name -> value; or group -> {name: value} for bars side by side.
        title: what the chart shows, in a few words.
        x: title of the value axis, with its unit.
        y: title of the axis of names.
        height: in CSS pixels; by default what the number of bars needs.

    Returns:
        A plotly figure; give it to `show`.

    Raises:
        ValueError: if `values` is empty or mixes numbers with groups.
    """
    kinds = {isinstance(value, Mapping) for value in values.values()}
    if len(kinds) != 1:
        raise ValueError(f"bars() needs all numbers or all groups, got {dict(values)!r}")
    groups = dict(values) if kinds == {True} else {"": dict(values)}
    count = sum(len(group) for group in groups.values())
    fig = _figure(title, x, y, height or 110 + 34 * count)
    for name, group in groups.items():
        fig.add_bar(
            x=list(group.values()),
            y=list(group),
            name=name,
            orientation="h",
            text=[f"{value:.4g}" for value in group.values()],
            textposition="outside",
            textangle=0,
            cliponaxis=False,
        )
    _legend(fig, len(groups) > 1)
    fig.update_layout(bargap=0.35)
    numbers = [value for group in groups.values() for value in group.values()]
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    # Room for the number behind the longest bar, on a phone too; plotly reserves none.
    fig.update_xaxes(showgrid=True, showline=False, range=[1.3 * low, 1.3 * high])
    fig.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)
    return fig


def heat(
    values: Sequence[Sequence[float | None]],
    labels: Sequence[str],
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    named: str = "",
    height: int = 560,
) -> go.Figure:
    """Draw a square table of shares as a picture: nothing for 0, full colour for 1.

    Args:
        values: (T, T) from 0 to 1, the first row on top; None where there is nothing.
        labels: T of them, for rows and columns alike; different ones.
        title: what the picture shows, in a few words.
        x, y: what columns and rows are.
        named: what a value is.
        height: in CSS pixels.

    Returns:
        A plotly figure; give it to `show`.

    Raises:
        ValueError: labels are not different, or do not fit the table.
    """
    if len(set(labels)) != len(labels):
        raise ValueError("labels must be different ones")
    if len(values) != len(labels) or any(len(row) != len(labels) for row in values):
        raise ValueError(f"values must be {len(labels)} rows of as many, one for each label")
    fig = _figure(title, x, y, height)
    # The page's own paper shines through, whatever its theme.
    ink = [[0, "rgba(0, 114, 178, 0)"], [1, "rgba(0, 114, 178, 1)"]]
    fig.add_heatmap(
        z=[list(row) for row in values],
        x=list(labels),
        y=list(labels),
        colorscale=ink,
        zmin=0,
        zmax=1,
        showscale=False,
        hovertemplate=f"%{{y}} · %{{x}}: %{{z:.2f}}<extra>{named}</extra>",
    )
    fig.update_xaxes(showgrid=False, tickangle=-90)
    fig.update_yaxes(showgrid=False, autorange="reversed")
    _legend(fig, False)
    return fig


def show(fig: go.Figure, alt: str) -> None:
    """Put a figure on the page, with a text for whoever cannot see it.

    Args:
        fig: any plotly figure; give your own the template `TEMPLATE` to share the look.
        alt: what the chart shows, in a sentence or two, with the numbers that matter.

    Raises:
        ValueError: if `alt` is empty.
    """
    data = bundle(fig, alt)
    if "google.colab" in sys.modules:
        # Colab draws every output in a frame of its own; plotly knows how to reach into it.
        fig.show(renderer="colab", config=CONFIG)
        return
    display(data, raw=True)


def bundle(fig: go.Figure, alt: str) -> dict[str, Any]:
    """Every form of a figure at once, for the page to choose from.

    Args:
        fig: any plotly figure.
        alt: its text alternative.

    Returns:
        MIME type -> data: plotly's own, HTML for the book, and a fixed plain text.

    Raises:
        ValueError: if `alt` is empty.
    """
    if not alt.strip():
        raise ValueError(f"a chart needs a text for readers who cannot see it, got alt={alt!r}")
    spec = json.loads(fig.to_json())
    return {
        "application/vnd.plotly.v1+json": {**spec, "config": CONFIG},
        "text/html": _html(spec, alt),
        "text/plain": f"[Chart: {alt}]",
    }


def _figure(title: str, x: str, y: str, height: int) -> go.Figure:
    layout = {"template": TEMPLATE, "title": {"text": title}, "height": height}
    fig = go.Figure(layout=layout)
    fig.update_xaxes(title_text=x)
    fig.update_yaxes(title_text=y)
    return fig


def _legend(fig: go.Figure, wanted: bool) -> None:
    # A legend stands between title and plot and needs a line of its own there.
    top = (36 if fig.layout.title.text else 8) + (28 if wanted else 8)
    fig.update_layout(showlegend=wanted, margin_t=top)


def _rounded(value: Any) -> Any:
    """Six significant digits, and four decimals at least: no less than a reader is shown."""
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, float) and value and math.isfinite(value):
        return round(value, max(4, 5 - math.floor(math.log10(abs(value)))))
    return value


def _html(spec: dict[str, Any], alt: str) -> str:
    height = spec["layout"].get("height", 380)
    text = html.escape(alt)
    # A literal "<" in the JSON could close the script element early.
    short = {**spec, "data": _rounded(spec["data"])}
    data = json.dumps(short, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    plot = still(spec, alt) or (
        f'<div class="gpt-chart-plot" role="img" aria-label="{text}" '
        f'style="min-height:{height}px"></div>'
    )
    return (
        f'<figure class="gpt-chart">{plot}<script type="application/json">{data}</script>'
        f"<figcaption>{text}</figcaption></figure>"
    )

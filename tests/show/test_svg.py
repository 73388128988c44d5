"""Pictures of charts against places worked out by hand, and which forms they know."""

import json
import re

import plotly.graph_objects as go
import pytest

from gptcore.show import axes, bars, heat, line, plots, svg
from gptcore.show.strokes import fill


def spec(fig: go.Figure) -> dict:
    """A figure as JSON says it."""
    return json.loads(fig.to_json())


def picture(fig: go.Figure, alt: str = "What it shows.") -> str:
    """The picture of a figure that has one."""
    found = svg.still(spec(fig), alt)
    assert found, "no picture"
    return found


def told(html: str) -> dict:
    """What a picture tells plotly.js about its axes."""
    return json.loads(re.search(r'data-axes="([^"]*)"', html)[1].replace("&quot;", '"'))


def numbers(text: str) -> list[float]:
    """Every number in a text."""
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)]


def rectangles(html: str) -> list[list[float]]:
    """x, y, width and height of every bar, in percent of the plot."""
    pattern = r'<rect x="([\d.]+)%" y="([\d.]+)%" width="([\d.]+)%" height="([\d.]+)%"/>'
    return [[float(number) for number in one] for one in re.findall(pattern, html)]


def test_a_point_stands_where_its_numbers_say() -> None:
    """x from 0 to 10 without room, y from 0 to 9 with a twentieth of the axis on both sides."""
    html = picture(line({"loss": ([0, 4, 10], [0.0, 9.0, 4.5])}))
    (d,) = re.findall(r'<path d="([^"]+)"', html)
    # 0 is at 50 of 1000 from below, 9 at 950, 4.5 in the middle; y counts from above.
    assert d == "M0 950L400 50L1000 500"
    assert told(html)["x"]["range"] == [0, 10] and told(html)["y"]["range"] == [-0.5, 9.5]


def test_a_logarithmic_axis_gives_every_decade_the_same_room() -> None:
    """1 to 1000 with marks: the decades are 300 thousandths apart, after 50 of room."""
    html = picture(line({"a": ([1, 10, 100, 1000], [1, 2, 3, 4])}, log_x=True, markers=True))
    (dots,) = re.findall(r'class="dots" d="([^"]+)"', html)
    xs = [numbers(spot)[0] for spot in dots.split("M")[1:]]
    assert xs == [50, 350, 650, 950]
    assert told(html)["x"]["range"] == pytest.approx([-1 / 6, 3 + 1 / 6], rel=1e-6)
    assert told(html)["x"]["wide"] == [[1, 10, 100, 1000], ["1", "10", "100", "1000"]]


def test_a_number_that_a_logarithm_does_not_have_is_left_out() -> None:
    """0 and a missing y interrupt a line, as in plotly."""
    html = picture(line({"a": ([1, 10, 100], [1, 0, 100])}, log_y=True))
    assert re.findall(r'<path d="([^"]+)"', html) == ["M0 950M1000 50"]
    gap = go.Figure(go.Scatter(x=[0, 1, 2], y=[0, None, 1], mode="lines"))
    assert re.findall(r'<path d="([^"]+)"', picture(gap)) == ["M0 950M1000 50"]


def test_a_bar_is_as_long_as_its_value_and_stands_in_its_row() -> None:
    """Of 1.3 times the longest, 2 of 4 take 38.46 %; the second of two rows begins at 50 %."""
    html = picture(bars({"long": 4.0, "short": 2.0}))
    rects = rectangles(html)
    (_, top, width, height), (x, y, half, _) = rects
    # A row is half of the height; a gap of 0.35 of it leaves a bar 0.65 of it, in its middle.
    assert (top, height) == (pytest.approx(8.75), pytest.approx(32.5))
    assert (x, y) == (0, pytest.approx(58.75))
    assert (width, half) == (pytest.approx(100 / 1.3, rel=1e-4), pytest.approx(50 / 1.3, rel=1e-4))
    assert re.findall(r'class="number"[^>]*>([^<]+)', html) == ["4", "2"]


def test_bars_side_by_side_share_a_row_in_the_order_of_their_groups() -> None:
    """Two groups of one: halves of 0.65 of the height, the first on top."""
    html = picture(bars({"a": {"only": 1.0}, "b": {"only": -1.0}}))
    a, b = rectangles(html)
    assert a == pytest.approx([50, 17.5, 100 / 2.6, 32.5], rel=1e-4)
    assert b == pytest.approx([50 - 100 / 2.6, 50, 100 / 2.6, 32.5], rel=1e-4)
    assert "color:var(--gpt-chart-1)" in html and "color:var(--gpt-chart-2)" in html
    assert html.index("<span>a</span>") < html.index("<span>b</span>")


def test_an_interval_reaches_from_its_low_to_its_high_end() -> None:
    """4 within 3 to 6, 1 within 0 to 2: the axis has 0 to 6, and a twentieth on each side."""
    html = picture(line({"a": ([0, 1], [4.0, 1.0])}, spread={"a": ([3.0, 0.0], [6.0, 2.0])}))
    stems = re.findall(r'class="whisker"><line y1="([\d.]+)%" y2="([\d.]+)%" x1="([\d.]+)%"', html)
    found = [[float(n) for n in stem] for stem in stems]
    # 0 at 95 % from above, 6 at 5 %: 15 % for each 1. Intervals ask for room beside the points.
    assert found == [pytest.approx([50, 5, 5]), pytest.approx([95, 65, 95])]


def test_an_interval_of_a_bar_lies_along_it() -> None:
    """As chapter 10 draws them: 0.5 within 0.4 and 0.7, of an axis from 0 to 0.65."""
    fig = bars({"greedy": 0.5})
    error = {"type": "data", "array": [0.1], "arrayminus": [0.25]}
    fig.update_traces(error_x=error, textposition="none")
    html = picture(fig)
    stem = re.search(r'class="whisker"><line x1="([\d.]+)%" x2="([\d.]+)%" y1="([\d.]+)%"', html)
    assert [float(n) for n in stem.groups()] == pytest.approx([25 / 0.65, 60 / 0.65, 50], rel=1e-4)
    assert 'class="number"' not in html


def test_a_reference_line_is_dotted_and_has_its_name_inside_the_plot() -> None:
    """Even where it is the highest: 22 pixels above it are left for the name."""
    fig = line({"a": ([0, 1], [0.0, 1.0])}, reference={"chance": 1.0}, height=380)
    html = picture(fig)
    (at,) = re.findall(r'class="note" x="100%" y="([\d.]+)%" dy="-5"', html)
    height = int(re.search(r"--plot:(\d+)px", html)[1])
    assert float(at) / 100 * height >= 20
    assert 'stroke-dasharray="1.5 3.5"' in html and ">chance</text>" in html


def test_two_reference_lines_that_nearly_meet_have_their_names_on_either_side() -> None:
    """The lower one below its line, and plotly.js is told so."""
    fig = line({"a": ([0, 1], [0.0, 10.0])}, reference={"upper": 5.0, "lower": 4.9})
    html = picture(fig)
    assert re.findall(r'class="note"[^>]*dy="(-?\d+)"[^>]*>(\w+)', html) == [
        ("-5", "upper"),
        ("14", "lower"),
    ]
    assert told(html)["below"] == ["lower"]


def test_cells_of_a_heat_map_have_the_colour_of_their_value() -> None:
    """The row on top comes first; equal neighbours are one rectangle; 0 and None leave paper."""
    html = picture(heat([[1.0, None], [0.25, 0.25]], ["0 a", "1 b"]))
    cells = dict(re.findall(r'<path d="([^"]+)" (fill="[^>]*")/>', html))
    assert cells == {
        "M0 0h1v1h-1z": 'fill="rgb(0,114,178)"',
        "M0 1h2v1h-2z": 'fill="rgb(0,114,178)" fill-opacity="0.25"',
    }
    assert 'viewBox="0 0 2 2"' in html


@pytest.mark.parametrize(
    ("value", "painted"),
    [
        (2, 'fill="rgb(0,0,0)"'),
        (4, 'fill="rgb(255,0,0)"'),
        (9, 'fill="rgb(255,0,0)"'),
        (3, 'fill="rgb(100,100,100)"'),
        (3.5, 'fill="rgb(178,50,50)"'),
        (None, None),
    ],
)
def test_a_colour_between_two_of_a_scale(value: float | None, painted: str | None) -> None:
    """Black, #646464 halfway, red: 3.5 of 2 to 4 is halfway from grey to red; beyond is the end."""
    scale = [[0, "#000000"], [0.5, "rgb(100, 100, 100)"], [1, "rgba(255,0,0,1)"]]
    assert fill(scale, 2, 4, value) == painted


@pytest.mark.parametrize(
    ("low", "high", "pixels", "kind", "texts"),
    [
        (0, 6.2, 300, "y", "0 1 2 3 4 5 6"),
        (0.31, 0.92, 300, "y", "0.4 0.5 0.6 0.7 0.8 0.9"),
        (0, 12_000, 640, "x", "0 2k 4k 6k 8k 10k 12k"),
        (0, 2_000, 250, "x", "0 500 1000 1500 2000"),
        (-33, -5, 280, "y", "−30 −25 −20 −15 −10 −5"),
        (0, 2e6, 640, "x", "0 0.5M 1M 1.5M 2M"),
    ],
)
def test_round_numbers_are_named_as_plotly_names_them(
    low: float, high: float, pixels: float, kind: str, texts: str
) -> None:
    """Steps of 1, 2 and 5, a name each 40 pixels upwards and each 80 sideways."""
    axis = axes.Axis(low, high)
    assert [text for _, text in axis.ticks(pixels, kind)] == texts.split()


def test_names_that_would_meet_are_left_out() -> None:
    """40 px apart and 30 wide all stay; at 20 px every second; the first always."""
    ticks = [(i / 10, str(i)) for i in range(11)]
    assert axes.thinned(ticks, 400, [30] * 11) == ticks
    assert [name for _, name in axes.thinned(ticks, 200, [30] * 11)] == [
        "0",
        "2",
        "4",
        "6",
        "8",
        "10",
    ]
    assert [name for _, name in axes.thinned(ticks, 200, [900] * 11)] == ["0"]


def test_a_long_name_at_the_end_of_an_axis_ends_with_the_picture() -> None:
    """Half of 100000 would stand 21 px beyond the plot, where there are 12; half of 8 fits."""
    ends = {}
    for last in (8, 100_000):
        fig = line({"a": ([0, last], [1.0, 2.0])}).update_xaxes(tickvals=[0, last])
        ends[last] = set(re.findall(r'x="100%" y="100%" dy="19" text-anchor="(\w+)"', picture(fig)))
    assert ends == {8: {"middle"}, 100_000: {"end"}}


def test_a_picture_says_its_text_and_nothing_breaks_out_of_it() -> None:
    """Names and the text are escaped; the picture is one image for a screen reader."""
    name = '</svg><img src=x onerror="alert(1)">'
    html = picture(line({name: ([1, 2], [2.0, 1.0]), "b": ([1], [1.0])}, title=name), f'"{name}"')
    assert "<img" not in html and html.count('role="img"') == 1
    assert 'aria-label="&quot;&lt;/svg&gt;' in html


def test_packed_numbers_are_numbers() -> None:
    """plotly packs numpy arrays into base64."""
    import numpy as np

    fig = go.Figure(go.Scatter(x=np.array([0, 4, 10]), y=np.array([0.0, 9.0, 4.5]), mode="lines"))
    assert "bdata" in fig.to_json()
    assert 'd="M0 950L400 50L1000 500"' in picture(fig)


KNOWN = {
    "lines": line({"a": ([1, 2], [2.0, 1.0])}),
    "points": go.Figure(go.Scatter(x=[1, 2], y=[2, 1], mode="markers")),
    "bars": bars({"a": 1.0, "b": 2.0}),
    "bars of numbered names": bars({"00": 1.0, "01": 2.0}).update_yaxes(type="category"),
    "shares": heat([[1.0]], ["0 a"]),
    "a scale": go.Figure(go.Heatmap(z=[[0, 5]], x=["a", "b"], y=["c"], colorscale="Blues")),
}
UNKNOWN = {
    "pie": go.Figure(go.Pie(values=[1, 2])),
    "histogram": go.Figure(go.Histogram(x=[1, 2])),
    "standing bars": go.Figure(go.Bar(x=["a"], y=[1])),
    "area": go.Figure(go.Scatter(x=[1, 2], y=[1, 2], fill="tozeroy")),
    "text beside points": go.Figure(go.Scatter(x=[1], y=[1], mode="markers+text", text=["a"])),
    "a second axis": go.Figure(go.Scatter(x=[1, 2], y=[1, 2], yaxis="y2")),
    "two kinds": go.Figure([go.Scatter(x=[1], y=[1]), go.Bar(x=[1], y=["a"], orientation="h")]),
    "stacked": bars({"a": {"x": 1.0}, "b": {"x": 1.0}}).update_layout(barmode="stack"),
    "numbers as names": bars({"1": 1.0, "2": 2.0}),
    "dates": go.Figure(go.Scatter(x=["2026-01-01", "2026-01-02"], y=[1, 2], mode="lines")),
    "a box": line({"a": ([1, 2], [1, 2])}).add_vrect(x0=1, x1=2),
    "a colour each": go.Figure(go.Scatter(x=[1], y=[1], marker={"color": [3]}, mode="markers")),
    "markup": line({"a": ([1, 2], [1, 2])}, title="<b>Loss</b>"),
    "steps": go.Figure(go.Scatter(x=[1, 2], y=[1, 2], line={"shape": "hv"}, mode="lines")),
    "nothing": go.Figure(),
    "nothing to draw": line({"a": ([], [])}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_forms_that_have_a_picture(name: str) -> None:
    """Three kinds of trace, as the book uses them."""
    assert svg.FORMS == ("scatter", "bar", "heatmap")
    assert "gpt-still" in plots.bundle(KNOWN[name], "x")["text/html"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_only_plotly_draws_has_none(name: str) -> None:
    """Rather no picture than a wrong one: the page then loads plotly.js by itself."""
    html = plots.bundle(UNKNOWN[name], "What it shows.")["text/html"]
    assert "gpt-still" not in html
    assert 'class="gpt-chart-plot" role="img" aria-label="What it shows."' in html

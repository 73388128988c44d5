"""Charts: the numbers arrive unchanged, every form is there, and the text cannot break out."""

import json
import re
from pathlib import Path

import pytest

from gptcore.show import bars, heat, line, plots


def embedded(html: str) -> dict:
    """The figure that a page's script will read."""
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    return json.loads(found.group(1))


def test_line_keeps_the_numbers_and_names_the_axes() -> None:
    """Two series, one baseline: names, points, axis titles and the baseline's height."""
    series = {"training": ([1, 2], [3.5, 2.5]), "validation": ([2], [2.75])}
    fig = line(series, title="Loss", x="update", y="nats", reference={"bigram": 3.0}, log_x=True)
    assert [(trace.name, trace.x, trace.y) for trace in fig.data] == [
        ("training", (1, 2), (3.5, 2.5)),
        ("validation", (2,), (2.75,)),
    ]
    assert (fig.layout.xaxis.title.text, fig.layout.yaxis.title.text) == ("update", "nats")
    assert (fig.layout.xaxis.type, fig.layout.yaxis.type) == ("log", "linear")
    assert fig.layout.shapes[0].y0 == fig.layout.shapes[0].y1 == 3.0
    assert fig.layout.annotations[0].text == "bigram"
    assert fig.layout.showlegend


def test_a_logarithmic_axis_names_what_was_measured_or_round_numbers() -> None:
    """Few xs are named as they are; many, and ys, by 1, 2 and 5; many powers of ten by plotly."""
    xs = [0.004, 250, 4096, 16_384, 249_856, 4_000_000]
    few = line({"loss": (xs, [0.3, 1, 2, 3, 4, 12])}, log_x=True, log_y=True).layout
    assert few.xaxis.tickvals == tuple(xs)
    assert few.xaxis.ticktext == ("0.004", "250", "4096", "16.4k", "0.25M", "4M")
    assert few.yaxis.ticktext == ("0.5", "1", "2", "5", "10") and few.yaxis.type == "log"
    many = line({"loss": (list(range(1, 21)), list(range(1, 21)))}, log_x=True).layout
    assert many.xaxis.ticktext == ("1", "2", "5", "10", "20") and many.yaxis.tickvals is None
    wide = line({"loss": (list(range(1, 1001)), [1.0] * 1000)}, log_x=True).layout
    assert wide.xaxis.type == "log" and wide.xaxis.tickvals is None


def test_one_line_needs_no_legend() -> None:
    """A single series is named by the axis; markers are asked for."""
    fig = line({"loss": ([1], [2.0])}, markers=True)
    assert not fig.layout.showlegend and fig.data[0].mode == "lines+markers"


def test_a_dense_line_is_drawn_thin() -> None:
    """Noise of hundreds of points stays a line; few points keep the full width."""
    fig = line({"few": ([1, 2], [1, 2]), "many": (list(range(300)), list(range(300)))})
    assert fig.data[0].line.width == 2 and fig.data[1].line.width < 1.5


def test_line_refuses_a_series_of_two_lengths() -> None:
    """The message names the series and both lengths."""
    with pytest.raises(ValueError, match="series 'loss' has 2 xs and 1 ys"):
        line({"loss": ([1, 2], [3.0])})


def test_an_interval_stands_around_each_point() -> None:
    """4 within 3.5 to 5 is drawn 1 up and 0.5 down; a line without a spread has none."""
    series = {"a": ([1, 2], [4.0, 2.0]), "b": ([1], [1.0])}
    fig = line(series, spread={"a": ([3.5, 2.0], [5.0, 2.5])})
    assert fig.data[0].error_y.array == (1.0, 0.5) and fig.data[0].error_y.arrayminus == (0.5, 0.0)
    assert fig.data[1].error_y.array is None


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        ({"c": ([1], [1])}, r"spread 'c' is none of the lines \['a'\]"),
        ({"a": ([1, 1], [1])}, "spread 'a' has 2 lows and 1 highs for 1 points"),
    ],
)
def test_line_refuses_intervals_that_belong_to_no_point(spread: dict, message: str) -> None:
    """The message names the line and the lengths."""
    with pytest.raises(ValueError, match=message):
        line({"a": ([1], [1.0])}, spread=spread)


def test_bars_in_order_with_their_values_written() -> None:
    """The first name stands on top, the number stands at the end, the axis has room for it."""
    fig = bars({"unigram": 5.43216, "bigram": 3.0}, x="nats")
    assert (fig.data[0].y, fig.data[0].x) == (("unigram", "bigram"), (5.43216, 3.0))
    assert fig.data[0].text == ("5.432", "3")
    assert fig.layout.yaxis.autorange == "reversed"
    assert fig.layout.xaxis.range[0] == 0 and fig.layout.xaxis.range[1] > 5.5


def test_bars_in_groups() -> None:
    """One colour per group, and a legend to tell them apart."""
    fig = bars({"train": {"a": 1.0}, "valid": {"a": 1.5}})
    assert [(bar.name, bar.y, bar.x) for bar in fig.data] == [
        ("train", ("a",), (1.0,)),
        ("valid", ("a",), (1.5,)),
    ]
    assert fig.layout.showlegend


@pytest.mark.parametrize("values", [{}, {"a": 1.0, "b": {"c": 2.0}}])
def test_bars_refuses_nothing_and_mixtures(values: dict) -> None:
    """The message shows what was given."""
    with pytest.raises(ValueError, match=re.escape(f"all numbers or all groups, got {values!r}")):
        bars(values)


def test_heat_keeps_the_table_and_lets_the_paper_through() -> None:
    """The first row on top, 0 without colour, labels on both sides."""
    fig = heat([[1.0, None], [0.25, 0.75]], ["0 a", "1 b"], title="Who reads whom", x="is read")
    (trace,) = fig.data
    assert [list(row) for row in trace.z] == [[1.0, None], [0.25, 0.75]]
    assert list(trace.x) == list(trace.y) == ["0 a", "1 b"]
    assert (trace.zmin, trace.zmax) == (0, 1) and trace.colorscale[0][1].endswith(", 0)")
    assert fig.layout.yaxis.autorange == "reversed" and fig.layout.xaxis.title.text == "is read"
    assert fig.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize(
    ("values", "labels", "told"),
    [
        ([[1.0, 0.0], [0.5, 0.5]], ["a", "a"], "labels must be different"),
        ([[1.0, 0.0]], ["a", "b"], "values must be 2 rows"),
        ([[1.0], [0.5, 0.5]], ["a", "b"], "values must be 2 rows"),
    ],
)
def test_heat_refuses_what_is_no_square(values: list, labels: list, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        heat(values, labels)


def test_bundle_has_a_form_for_every_reader() -> None:
    """Plotly's own type for Jupyter, the same figure as JSON for the book, a fixed text."""
    data = plots.bundle(line({"loss": ([1, 2], [3.0, 2.0])}), "Loss falls from 3 to 2.")
    live, page = data["application/vnd.plotly.v1+json"], embedded(data["text/html"])
    assert live["data"] == page["data"] and page["data"][0]["y"] == [3.0, 2.0]
    assert data["text/plain"] == "[Chart: Loss falls from 3 to 2.]"
    assert 'aria-label="Loss falls from 3 to 2."' in data["text/html"]
    assert "<figcaption>Loss falls from 3 to 2.</figcaption>" in data["text/html"]


def test_a_page_keeps_the_digits_that_it_shows_and_no_more() -> None:
    """Six significant digits or four decimals, whichever is finer; Jupyter's figure has all."""
    values = [1 / 3, 2.5e-4 / 3, -2 / 3, 1234567.123456, 0.0, 3.0]
    data = plots.bundle(line({"loss": ([1, 2, 3, 4, 5, 6], values)}), "Some numbers.")
    found = embedded(data["text/html"])["data"][0]
    assert found["y"] == [0.333333, 8.33333e-5, -0.666667, 1234567.1235, 0.0, 3.0]
    assert found["x"] == [1, 2, 3, 4, 5, 6]
    assert data["application/vnd.plotly.v1+json"]["data"][0]["y"] == values


def test_bundle_escapes_text_that_looks_like_markup() -> None:
    """A token such as </script> in a name or in the text stays text."""
    name = '</script><img src=x onerror="alert(1)">'
    html = plots.bundle(line({name: ([1], [2.0])}), name)["text/html"]
    assert html.count("</script>") == 1 and "<img" not in html
    assert embedded(html)["data"][0]["name"] == name


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_chart_without_a_text_is_refused(alt: str) -> None:
    """The message shows the empty text."""
    with pytest.raises(ValueError, match=f"got alt={alt!r}"):
        plots.show(line({"loss": ([1], [2.0])}), alt)


def test_show_displays_the_bundle_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`show` hands Jupyter every form and prints nothing."""
    shown = []
    monkeypatch.setattr(plots, "display", lambda data, raw: shown.append((data, raw)))
    plots.show(line({"loss": ([1], [2.0])}), "One point.")
    assert len(shown) == 1 and shown[0][1] is True
    assert set(shown[0][0]) == {"application/vnd.plotly.v1+json", "text/html", "text/plain"}


def test_in_colab_plotly_draws_with_its_own_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab's frames do not share a page, so the figure takes plotly's way."""
    calls = []
    fig = line({"loss": ([1], [2.0])})
    monkeypatch.setitem(plots.sys.modules, "google.colab", object())
    monkeypatch.setattr(type(fig), "show", lambda self, **options: calls.append(options))
    plots.show(fig, "One point.")
    assert calls == [{"renderer": "colab", "config": plots.CONFIG}]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, after WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, after WCAG 2.1: 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_pairs() -> None:
    """Worked example: black on white is 21, a colour on itself 1, #777777 on white 4.48."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#0072b2", "#0072b2") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=5e-3)


def test_lines_stand_out_on_their_paper() -> None:
    """WCAG 2.1, 1.4.11: graphics need 3:1. The sets of charts.css, on paper too, and of Python."""
    style = (Path(plots.__file__).parent / "static" / "charts.css").read_text()
    found = re.findall(r"--gpt-chart-\d: (#[0-9a-f]{6})", style)
    light, dark, printed = found[:6], found[6:12], found[12:]
    assert tuple(light) == plots.PALETTE == tuple(printed)
    assert min(contrast(colour, "#fefefd") for colour in light) >= 4.0
    assert len(dark) == 6 and min(contrast(colour, "#14171b") for colour in dark) >= 6.0

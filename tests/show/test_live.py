"""The live curve: a widget while it grows, one final figure, thinned but never cut short."""

import math
from types import SimpleNamespace

import pytest

from gptcore.show import LiveCurve
from gptcore.show.explorers.live_curve import live_curve as live

VIEW, PLOTLY = live.VIEW, "application/vnd.plotly.v1+json"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch):
    """A clock that stands still, and what was displayed, with its options."""
    shown, clock = [], [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(live, "display", lambda data, **options: shown.append((data, options)))
    return SimpleNamespace(shown=shown, clock=clock)


def points(shown: list) -> dict[str, tuple[list, list]]:
    """The points of the last figure displayed, by the name of their line."""
    return {trace["name"]: (trace["x"], trace["y"]) for trace in shown[-1][0][PLOTLY]["data"]}


def test_redraws_at_most_once_per_interval(screen) -> None:
    """The first point draws, the next ones wait, a point after the interval draws them all."""
    curve = LiveCurve(seconds=2.0)
    curve.update(1, loss=1.0)
    assert len(screen.shown) == 1 and VIEW in screen.shown[0][0]
    drawn = []
    curve._widget.observe(lambda change: drawn.append(change["new"]), "series")
    for step in range(2, 6):
        curve.update(step, loss=1.0 / step)
    assert drawn == [] and curve._widget.series == {"loss": [[1], [1.0]]}
    screen.clock[0] += 2.0
    curve.update(6, loss=0.1)
    assert len(screen.shown) == 1, "the widget is put on the page again"
    assert len(drawn) == 1 and drawn[-1]["loss"][0] == [1, 2, 3, 4, 5, 6]
    assert curve._widget.alt == curve.describe()


def test_leaving_draws_the_last_points_into_the_same_place(screen) -> None:
    """The final figure has every point and takes the widget's place instead of adding another."""
    with LiveCurve("Training") as curve:
        curve.update(1, training=3.0, held_out=None)
        curve.update(2, training=2.0, held_out=2.5)
    assert points(screen.shown) == {"training": ([1, 2], [3.0, 2.0]), "held out": ([2], [2.5])}
    assert [options.get("update", False) for _, options in screen.shown] == [False, True]
    assert len({options["display_id"] for _, options in screen.shown}) == 1
    assert "gpt-chart" in screen.shown[-1][0]["text/html"], "the built book has no chart"
    assert VIEW not in screen.shown[-1][0], "a saved notebook would wait for a dead widget"
    # A page opened anew while training ran still holds the widget: it gets the last points too.
    assert curve._widget.series == {"training": [[1, 2], [3.0, 2.0]], "held out": [[2], [2.5]]}


def test_what_is_no_number_is_a_gap(screen) -> None:
    """A loss that became NaN or infinite is left out of the picture; it would not be JSON."""
    curve = LiveCurve(seconds=0.0)
    for step, loss in enumerate([1.0, math.nan, math.inf, 2.0]):
        curve.update(step, loss=loss)
    assert curve._widget.series == {"loss": [[0, 1, 2, 3], [1.0, None, None, 2.0]]}


def test_in_colab_the_widget_stays(screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab draws no plotly data: a final figure would put a line of text in the curve's place."""
    monkeypatch.setitem(live.sys.modules, "google.colab", object())
    with LiveCurve() as curve:
        curve.update(1, loss=3.0)
        curve.update(2, loss=2.0)
    assert len(screen.shown) == 1 and curve._widget.series["loss"] == [[1, 2], [3.0, 2.0]]


def test_an_interrupted_run_still_leaves_its_curve(screen) -> None:
    """Ctrl-C inside the block: the curve so far is drawn, the interrupt goes on."""
    with pytest.raises(KeyboardInterrupt), LiveCurve() as curve:
        curve.update(1, loss=3.0)
        curve.update(2, loss=2.0)
        raise KeyboardInterrupt
    assert points(screen.shown)["loss"][0] == [1, 2]


def test_no_values_no_figure(screen) -> None:
    """A run that ends before its first step leaves nothing behind."""
    with LiveCurve() as curve:
        curve.update(1, loss=None)
    assert screen.shown == []


def test_the_text_says_where_each_line_starts_and_ends() -> None:
    """Worked example of the text alternative."""
    curve = LiveCurve(x="update", seconds=1e9)
    curve.series = {"training": ([1, 600], [7.62461, 2.1])}
    assert curve.describe() == "training: 7.6246 at update 1, 2.1000 at update 600."


@pytest.mark.parametrize("count", [1, 399, 400, 401, 1000, 4000])
def test_thinning_keeps_the_last_point_and_the_spacing(count: int) -> None:
    """At most 400 points, evenly spread, the newest always there."""
    xs = list(range(count))
    kept, ys = live._thin(xs, [float(x) for x in xs])
    assert len(kept) <= 400 and kept[-1] == count - 1 and ys == [float(x) for x in kept]
    assert len({later - earlier for earlier, later in zip(kept, kept[1:], strict=False)}) <= 1

"""The live curve: throttled while it grows, one final figure, thinned but never cut short."""

import pytest

from gptcore.show import LiveCurve, live


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch):
    """A clock that stands still and a list of what was displayed, with its options."""
    shown, clock = [], [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(live, "display", lambda data, **options: shown.append((data, options)))
    return shown, clock


def points(shown: list) -> dict[str, tuple[list, list]]:
    """The points of the last figure displayed, by the name of their line."""
    data = shown[-1][0]["application/vnd.plotly.v1+json"]["data"]
    return {trace["name"]: (trace["x"], trace["y"]) for trace in data}


def test_redraws_at_most_once_per_interval(screen) -> None:
    """The first point draws, the next ones wait, a point after the interval draws again."""
    shown, clock = screen
    curve = LiveCurve(seconds=2.0)
    for step in range(1, 6):
        curve.update(step, loss=1.0 / step)
    assert len(shown) == 1
    clock[0] += 2.0
    curve.update(6, loss=0.1)
    assert len(shown) == 2 and points(shown)["loss"][0] == [1, 2, 3, 4, 5, 6]


def test_leaving_draws_the_last_points_into_the_same_place(screen) -> None:
    """The final figure has every point and updates the first one instead of adding another."""
    shown, _ = screen
    with LiveCurve("Training") as curve:
        curve.update(1, training=3.0, held_out=None)
        curve.update(2, training=2.0, held_out=2.5)
    assert points(shown) == {"training": ([1, 2], [3.0, 2.0]), "held out": ([2], [2.5])}
    assert [options["update"] for _, options in shown] == [False, True]
    assert len({options["display_id"] for _, options in shown}) == 1


def test_an_interrupted_run_still_leaves_its_curve(screen) -> None:
    """Ctrl-C inside the block: the curve so far is drawn, the interrupt goes on."""
    shown, _ = screen
    with pytest.raises(KeyboardInterrupt), LiveCurve() as curve:
        curve.update(1, loss=3.0)
        curve.update(2, loss=2.0)
        raise KeyboardInterrupt
    assert points(shown)["loss"][0] == [1, 2]


def test_no_values_no_figure(screen) -> None:
    """A run that ends before its first step leaves nothing behind."""
    shown, _ = screen
    with LiveCurve() as curve:
        curve.update(1, loss=None)
    assert shown == []


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

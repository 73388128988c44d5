"""A training curve that grows while the model trains and stays on the page as one figure.

While it grows it is a widget of ours: plotly's own view in JupyterLab draws a figure once and
ignores what comes later. When training ends a plotly figure takes the widget's place, so that the
curve outlives its kernel and the built book has it too.

Source: none; this is presentation.
"""

import math
import sys
import time
import uuid
from collections.abc import Mapping

from IPython.display import display
from traitlets import Dict, Unicode

from gptcore.show.plots import bundle, line
from gptcore.show.widgets import Explorer

__all__ = ["LiveCurve"]

MAX_POINTS = 400  # per line; more would be finer than the screen and heavy for the page
VIEW = "application/vnd.jupyter.widget-view+json"


class Growing(Explorer):
    """The curve as it is drawn while the model trains."""

    script = "live_curve"
    title, x, y = (Unicode().tag(sync=True) for _ in range(3))
    reference, series = (Dict().tag(sync=True) for _ in range(2))
    """Name -> y; name -> [xs, ys], where a y that is no number is None."""


class LiveCurve:
    """A line chart fed one step at a time, redrawn at most every `seconds`.

    Use it as a context manager, or call `close` when training ends: the last call draws the
    final figure, the only one that stays.

    Example:
        with LiveCurve("Training", reference={"bigram": 3.1}) as curve:
            for step in fit(model, batches, optim, steps=600):
                curve.update(step.step, training=step.loss, validation=step.val_loss)
    """

    def __init__(
        self,
        title: str = "",
        *,
        x: str = "update",
        y: str = "loss, nats per token",
        reference: Mapping[str, float] | None = None,
        seconds: float = 1.0,
    ) -> None:
        """Prepare an empty chart; nothing is drawn before the first value arrives.

        Args:
            title: what the chart shows, in a few words.
            x, y: axis titles with their units.
            reference: name -> y of a dashed horizontal line.
            seconds: least time between two drawings.
        """
        self.title, self.x, self.y = title, x, y
        self.reference = dict(reference or {})
        self.seconds = seconds
        self.series: dict[str, tuple[list[float], list[float]]] = {}
        self._id = uuid.uuid4().hex
        self._drawn_at: float | None = None
        self._widget: Growing | None = None

    def update(self, step: int, **values: float | None) -> None:
        """Add one point to each named line and redraw if the last drawing is old enough.

        Args:
            step: the x of the points.
            values: name of the line -> y, `held_out` shown as "held out"; None adds nothing (a
                loss not measured this step).
        """
        for name, value in values.items():
            if value is not None:
                xs, ys = self.series.setdefault(name.replace("_", " "), ([], []))
                xs.append(step)
                ys.append(float(value))
        due = self._drawn_at is None or time.monotonic() - self._drawn_at >= self.seconds
        if due and self.series:
            self._draw()

    def close(self) -> None:
        """Draw the final figure in the widget's place."""
        if not self.series:
            return
        self._draw()  # a page that was opened while training ran keeps the widget
        if "google.colab" in sys.modules:
            return  # where the widget is all that there is
        thin = {name: _thin(xs, ys) for name, (xs, ys) in self.series.items()}
        fig = line(thin, title=self.title, x=self.x, y=self.y, reference=self.reference)
        display(bundle(fig, self.describe()), raw=True, display_id=self._id, update=True)

    def __enter__(self) -> "LiveCurve":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def describe(self) -> str:
        """Say in words what the chart shows: where each line starts and ends.

        Returns:
            One sentence per line, numbers with four decimals.
        """
        return " ".join(
            f"{name}: {ys[0]:.4f} at {self.x} {xs[0]}, {ys[-1]:.4f} at {self.x} {xs[-1]}."
            for name, (xs, ys) in self.series.items()
        )

    def _draw(self) -> None:
        """Bring the widget up to date; the first time, put it on the page."""
        series = {name: _drawable(xs, ys) for name, (xs, ys) in self.series.items()}
        self._drawn_at = time.monotonic()
        if self._widget is not None:
            with self._widget.hold_sync():
                self._widget.series, self._widget.alt = series, self.describe()
            return
        self._widget = Growing(
            alt=self.describe(),
            title=self.title,
            x=self.x,
            y=self.y,
            reference=self.reference,
            series=series,
        )
        data, metadata = self._widget._repr_mimebundle_()
        data = {VIEW: data[VIEW], "text/plain": f"[Chart: {self.describe()}]"}
        display(data, raw=True, metadata=metadata, display_id=self._id)


def _drawable(xs: list[float], ys: list[float]) -> list[list[float | None]]:
    """A line for the page, which reads JSON: NaN and infinity are no numbers there."""
    xs, ys = _thin(xs, ys)
    return [xs, [y if math.isfinite(y) else None for y in ys]]


def _thin(xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    """Keep at most MAX_POINTS points, evenly spread, the last among them."""
    stride = -(-len(xs) // MAX_POINTS)
    # Counted from the end, so that the newest point is always one of those kept.
    keep = slice((len(xs) - 1) % stride, None, stride)
    return xs[keep], ys[keep]

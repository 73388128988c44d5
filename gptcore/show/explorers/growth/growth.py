"""What a network writes as it learns: curves over the tokens read, and texts under a slider.

Source: none; this is presentation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from traitlets import Dict, Int, List, Unicode

from gptcore.show.widgets import Explorer

__all__ = ["Growth", "Moment"]

MAX_POINTS = 120  # per line; the axis is logarithmic, so most updates of a run fall on one pixel


@dataclass(frozen=True)
class Moment:
    """One stop of the slider: what a network wrote when it had read so many tokens."""

    name: str
    """Of the moment, such as "after 100 updates"."""
    tokens: int
    """Read so far."""
    loss: float
    """Held-out, nats per token."""
    text: str
    """What it wrote, without the prompt."""


class Growth(Explorer):
    """Losses over the number of tokens read, and under a slider what was written at some moments.

    Args:
        moments: the stops, in the order of the slider.
        lines: name -> (tokens read, losses).
        reference: name -> loss of what does not learn by reading on.
        prompt: what every text begins with.
        alt: the text alternative; by default it is worked out from the moments.

    Raises:
        ValueError: there is no moment, tokens are below 0, or a line has sides of different length.
    """

    script = "growth"
    moments = List().tag(sync=True)
    """One dict per stop: name, tokens, loss, text."""
    lines, reference = (Dict().tag(sync=True) for _ in range(2))
    """Name -> [tokens, losses], thinned; name -> loss."""
    prompt = Unicode().tag(sync=True)
    """What every text begins with."""
    at = Int(0).tag(sync=True)
    """The stop that is shown."""

    def __init__(
        self,
        moments: Sequence[Moment],
        lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
        *,
        reference: Mapping[str, float] | None = None,
        prompt: str = "",
        alt: str | None = None,
    ) -> None:
        if not moments:
            raise ValueError("moments=[] must hold at least one")
        for moment in moments:
            if moment.tokens < 0:
                raise ValueError(f"tokens={moment.tokens} of {moment.name!r} must be at least 0")
        for name, (xs, ys) in lines.items():
            if len(xs) != len(ys):
                raise ValueError(f"lines[{name!r}] has {len(xs)} tokens for {len(ys)} losses")
        stops = [{**asdict(one), "loss": round(one.loss, 4)} for one in moments]
        super().__init__(
            alt=_describe(stops, prompt) if alt is None else alt,
            moments=stops,
            lines={name: thinned(xs, ys) for name, (xs, ys) in lines.items()},
            reference={name: round(loss, 4) for name, loss in (reference or {}).items()},
            prompt=prompt,
        )


def thinned(xs: Sequence[float], ys: Sequence[float]) -> list[list[float]]:
    """At most `MAX_POINTS` points, as evenly as there are some on a logarithmic axis.

    Args:
        xs: in ascending order, from 0 on.
        ys: as many.

    Returns:
        [xs, ys]; the first and the last point are among them, losses have three decimals.
    """
    if len(xs) > MAX_POINTS:
        low, high = math.log(xs[0] + 1), math.log(xs[-1] + 1)
        slots = {
            min(MAX_POINTS - 2, int((MAX_POINTS - 1) * (math.log(x + 1) - low) / (high - low))): i
            for i, x in reversed(list(enumerate(xs)))
        }
        keep = sorted({*slots.values(), len(xs) - 1})
    else:
        keep = list(range(len(xs)))
    return [[xs[i] for i in keep], [round(float(ys[i]), 3) for i in keep]]


def _describe(stops: list[dict[str, Any]], prompt: str) -> str:
    """Say the loss at every stop, and how the first and the last text begin."""
    losses = "; ".join(f"{one['name']} {one['loss']:.2f}" for one in stops)
    first, last = (" ".join(f"{prompt}{stops[i]['text']}".split())[:60] for i in (0, -1))
    text = f"What a network writes as it learns, with its held-out loss: {losses}. "
    return f"{text}The first text begins '{first}…', the last '{last}…'."

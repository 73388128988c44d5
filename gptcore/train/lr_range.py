"""The learning-rate range test: a rate that rises with every update, until the loss does too.

    found = lr_range(model, batches, OptimConfig())
    found.suggested                      # where the loss falls fastest
    line(found.rates, found.smooth)      # a plot: flat, then down, then up

Below the range nothing is learned in the time there is; above it the network is torn apart. Between
them lies a rate at which the loss falls fastest: a good peak for a schedule.

Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", §3.3; the rate rises by
a factor and not by steps, and the steepest place is taken, as fast.ai's library does.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from gptcore.optim import OptimConfig, make_optimizer

KEEP = 0.9
"""Share of the running mean that an update keeps."""
SPAN = 6
"""Updates over which a fall of the smooth loss is measured."""
TORN = 1.5
"""The test ends where the smooth loss is so many times its lowest."""


@dataclass(frozen=True)
class RateRange:
    """What a range test found, update by update."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Loss before the update at that rate."""
    smooth: tuple[float, ...]
    """Their running mean, which forgets a tenth with every update."""

    @property
    def lowest(self) -> float:
        """The rate at which the smooth loss is lowest."""
        return self.rates[min(range(len(self.rates)), key=self.smooth.__getitem__)]

    @property
    def suggested(self) -> float:
        """A peak for a schedule: the rate at which the smooth loss falls fastest."""
        falls = [a - b for a, b in zip(self.smooth, self.smooth[SPAN:], strict=False)]
        steepest = max(range(len(falls)), key=falls.__getitem__, default=0)
        return self.rates[min(steepest + SPAN // 2, len(self.rates) - 1)]


def lr_range(
    model: nn.Module,
    batches: Any,
    optim: OptimConfig,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> RateRange:
    """Train a copy of `model` at rates from `low` to `high`, each the same factor above the last.

    Args:
        model: stays as it is.
        batches: an iterator of tuples that `model.loss` takes.
        optim: everything but the rate and the schedule.
        low, high: the first and the last rate.
        steps: updates in all; the test ends earlier where the loss is no number any more or half
            again as high as its lowest.

    Raises:
        ValueError: an argument breaks its rule.
    """
    if not 0 < low < high < math.inf:
        raise ValueError(f"low={low} must be greater than 0 and less than high={high}")
    if steps < 10:
        raise ValueError(f"steps={steps} must be at least 10")
    pupil: Any = copy.deepcopy(model).train()
    optimizer = make_optimizer(pupil, replace(optim, lr=low))
    rates, losses, smooth, mean = [], [], [], 0.0
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        torch.manual_seed(0)
        for i in range(steps):
            rate = low * (high / low) ** (i / (steps - 1))
            loss = pupil.loss(*(t.to(next(pupil.parameters()).device) for t in next(batches)))
            mean = KEEP * mean + (1 - KEEP) * loss.item()
            now = mean / (1 - KEEP ** (i + 1))  # as if it had not begun at 0
            if not math.isfinite(now) or now > TORN * min(smooth, default=math.inf):
                break
            rates.append(rate)
            losses.append(loss.item())
            smooth.append(now)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if optim.clip is not None:
                nn.utils.clip_grad_norm_(pupil.parameters(), optim.clip)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
    return RateRange(tuple(rates), tuple(losses), tuple(smooth))

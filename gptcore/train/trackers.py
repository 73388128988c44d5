"""Records of a run sent to TensorBoard or Weights & Biases while it trains.

    with tracker("tensorboard", Path("runs/mine"), settings={}) as follow:
        for step in pretrain(config):
            follow(step)

Both draw curves in a browser, TensorBoard from files below the run's folder, wandb on its own pages
or, with WANDB_MODE=offline, later. `metrics.jsonl` is written whether or not anyone follows.

Source: PyTorch's `torch.utils.tensorboard`; wandb's documentation of `init` and `Run.log`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

from gptcore.extras import needing
from gptcore.train.loop import Step

Tracker = Literal["tensorboard", "wandb"]
DRAWN = ("loss", "val_loss", "lr", "grad_norm", "tokens_per_s")
DRAWN += ("reward", "true_reward", "kl", "beta", "length", "entropy", "clip_fraction")


@contextmanager
def tracker(name: Tracker, out: Path, settings: dict[str, Any]) -> Iterator[Callable[[Step], None]]:
    """A function that takes the records of a run as they come; in the end everything is sent.

    A run that is resumed goes on in the same curves, from the update it goes on from.

    Args:
        name: "tensorboard" or "wandb".
        out: the run's folder; its name is the run's.
        settings: shown beside the curves, as far as the tracker shows such.

    Raises:
        ImportError: the tracker's package is absent; the message names the line to type.
        ValueError: there is no tracker of that name.
    """
    if name not in get_args(Tracker):
        raise ValueError(f"track={name!r} must be one of {', '.join(get_args(Tracker))}")
    with (_tensorboard if name == "tensorboard" else _wandb)(out, settings) as follow:
        yield follow


@contextmanager
def _tensorboard(out: Path, settings: dict[str, Any]) -> Iterator[Callable[[Step], None]]:
    with needing("tensorboard"):
        import tensorboard  # noqa: F401, which torch imports in a way that hides its absence
        from torch.utils.tensorboard import SummaryWriter
    with ExitStack() as stack:
        writers: list[Any] = []

        def follow(step: Step) -> None:
            if not writers:  # what a killed run drew from this update on is taken back
                writer = SummaryWriter(str(out / "tensorboard"), purge_step=step.step)
                writers.append(stack.enter_context(writer))
                writer.add_text("settings", f"```\n{json.dumps(settings, indent=1)}\n```")
            for name, value in _drawn(step).items():
                writers[0].add_scalar(name, value, step.step)

        yield follow


@contextmanager
def _wandb(out: Path, settings: dict[str, Any]) -> Iterator[Callable[[Step], None]]:
    with needing("wandb"):
        import wandb
    kept = out / "wandb.id"
    known = kept.read_text(encoding="utf-8").strip() if kept.is_file() else None
    options = {"project": "gptcore", "name": out.name, "dir": str(out), "config": settings}
    run = wandb.init(**options, id=known, resume="allow")
    kept.write_text(f"{run.id}\n", encoding="utf-8")
    run.define_metric("*", step_metric="step")
    try:
        yield lambda step: run.log({"step": step.step, **_drawn(step)})
    finally:
        run.finish()


def _drawn(step: Step) -> dict[str, float]:
    return {k: v for k, v in asdict(step).items() if k in DRAWN and v is not None}

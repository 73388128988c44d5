"""What must be the same for a resumed run to be the same run.

Source: none.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from gptcore import checkpoint
from gptcore.optim import OptimConfig


def fields(model: Any) -> dict[str, Any]:
    """The shape of a model: its config, or what config.json says of it."""
    config = getattr(model, "config", None)
    return asdict(config) if is_dataclass(config) else checkpoint.saved_as(model)[0]


def with_defaults(old: dict[str, Any], model: Any, optim: OptimConfig) -> dict[str, Any]:
    """Settings of a run, those that did not exist yet when it was saved at their defaults."""
    configs = {"model": getattr(model, "config", None), "optim": optim}
    known = {key: asdict(type(c)()) for key, c in configs.items() if is_dataclass(c)}
    return {**old, **{key: {**defaults, **old[key]} for key, defaults in known.items()}}


def check_same(folder: Path, step: int, old: Any, new: Any, name: str = "") -> None:
    """Raise ValueError with the first field in which two nests of settings differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            place = f"{name}.{key}" if name else key
            check_same(folder, step, old.get(key), new.get(key), place)
    elif old != new:
        raise ValueError(
            f"{folder} holds a run at step {step} with {name}={old!r}, now {name}={new!r}: "
            "resume it with its own settings, or train into another folder"
        )

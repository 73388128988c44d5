"""What the course ships: trained models in `data/checkpoints`, and how each came to be.

Source: data/README.md, the data card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "data"


def names() -> list[str]:
    """The names of the shipped models; `gptcore.load` takes them."""
    return sorted(path.parent.name for path in DATA.glob("checkpoints/*/config.json"))


def folder(name: str) -> Path:
    """The folder of a shipped model.

    Raises:
        KeyError: no such model is shipped, or the course's `data` folder is not beside the package
            (it is in a clone, not in a wheel).
    """
    if name not in names():
        have = ", ".join(names()) or f"nothing: {DATA} has no checkpoints; work in a clone"
        raise KeyError(f"name={name!r} is not shipped; what is: {have}")
    return DATA / "checkpoints" / name


def run_record(name: str) -> dict[str, Any]:
    """The record of a run: command, seed, hardware, curve, held-out loss beside the baselines.

    Raises:
        KeyError: no run of that name is recorded.
    """
    path = DATA / "runs" / f"{name}.json"
    if not path.is_file():
        have = ", ".join(sorted(p.stem for p in DATA.glob("runs/*.json"))) or "none"
        raise KeyError(f"name={name!r} has no recorded run; recorded: {have}")
    return json.loads(path.read_text(encoding="utf-8"))

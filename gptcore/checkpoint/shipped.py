"""What the course ships: trained models and the record of each; `data` in a clone and in a wheel.

A clone has them in `data/`, beside the package. A wheel carries `data/checkpoints` and `data/runs`
inside the package (setup.py puts them there).

Source: data/README.md, the data card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = next(
    (data for data in (_PACKAGE / "data", _PACKAGE.parent / "data") if data.is_dir()),
    _PACKAGE / "data",
)


def names() -> list[str]:
    """The names of the shipped models; `gptcore.load` takes them."""
    return sorted(path.parent.name for path in DATA.glob("checkpoints/*/config.json"))


def what_is_shipped() -> str:
    """The names for a message, or why there are none."""
    return ", ".join(names()) or (
        f"nothing, since {DATA / 'checkpoints'} holds no model; a clone of the course has them, "
        "and so has a wheel that was built from a clone"
    )


def folder(name: str) -> Path:
    """The folder of a shipped model.

    Raises:
        KeyError: no such model is shipped, or this installation came without the models.
    """
    if name not in names():
        raise KeyError(f"name={name!r} is not shipped; what is: {what_is_shipped()}")
    return DATA / "checkpoints" / name


def run_record(name: str) -> dict[str, Any]:
    """The record of a run: command, seed, hardware, curve, held-out loss beside the baselines.

    Raises:
        KeyError: no run of that name is recorded, or this installation came without the records.
    """
    path = DATA / "runs" / f"{name}.json"
    if not path.is_file():
        have = ", ".join(sorted(p.stem for p in DATA.glob("runs/*.json"))) or (
            f"nothing, since {path.parent} holds no record; a clone of the course has them"
        )
        raise KeyError(f"name={name!r} has no recorded run; recorded: {have}")
    return json.loads(path.read_text(encoding="utf-8"))

"""What a run leaves behind: a line per update, and one file that says how the model came to be.

Source: none.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gptcore.train.loop import Step

CURVE_POINTS = 200


class Metrics:
    """A JSON-lines file with one record per update.

    A resumed run repeats the updates after its checkpoint, so the first record written drops all
    lines from that update on: every update stands in the file once.

    Args:
        path: the file.
        keep: keep the lines of updates before the first one written; else begin anew.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.path, self._keep = path, keep
        self._seconds = 0.0
        self._file: Any = None

    def write(self, step: Step) -> None:
        """Append one record: the fields of `Step`, and `seconds` spent on updates so far.

        A number that is not finite, such as the length of a gradient that overflowed, is null.
        """
        if self._file is None:
            self._open(step.step)
        before = self._tokens
        self._tokens = step.tokens
        self._seconds += (step.tokens - before) / step.tokens_per_s
        record = plain({**asdict(step), "seconds": round(self._seconds, 3)})
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()  # to be there after a kill, and for whoever watches

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open(self, first: int) -> None:
        kept = [r for r in read_metrics(self.path) if r["step"] < first] if self._keep else []
        self._seconds = kept[-1]["seconds"] if kept else 0.0
        self._tokens = kept[-1]["tokens"] if kept else 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        half_written = self.path.with_name(f".{self.path.name}.writing")
        half_written.write_text(
            "".join(json.dumps(plain(r)) + "\n" for r in kept), encoding="utf-8"
        )
        os.replace(half_written, self.path)
        self._file = open(self.path, "a", encoding="utf-8")


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The records of a metrics file; none if it is absent. A line cut off by a kill is left out."""

    def records() -> Iterator[dict[str, Any]]:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return

    return list(records()) if Path(path).is_file() else []


def curve(records: list[dict[str, Any]], points: int = CURVE_POINTS) -> dict[str, list[Any]]:
    """The training curve in few points, and every held-out loss.

    Returns:
        {"train": [[step, mean loss of the updates since the point before], ...],
        "valid": [[step, loss], ...]}, in nats per token.
    """
    size = -(-len(records) // points) or 1
    known = [r for r in records if r["loss"] is not None]
    chunks = [known[i : i + size] for i in range(0, len(known), size)]
    train = [[c[-1]["step"], round(sum(r["loss"] for r in c) / len(c), 4)] for c in chunks]
    measured = [r for r in records if r["val_loss"] is not None]
    return {"train": train, "valid": [[r["step"], round(r["val_loss"], 4)] for r in measured]}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all, lists of plain values on one line each."""
    text = json.dumps(plain(content), indent=1, allow_nan=False)
    flat = re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text)
    half_written = path.with_name(f".{path.name}.writing")
    try:
        half_written.write_text(flat + "\n", encoding="utf-8")
        os.replace(half_written, path)
    finally:
        half_written.unlink(missing_ok=True)


def plain(content: Any) -> Any:
    """The same with None for NaN and the infinities, which JSON has no word for."""
    if isinstance(content, dict):
        return {key: plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def hardware(device: torch.device) -> dict[str, Any]:
    """What the run ran on, as far as it decides speed and last bits."""
    found = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _cpu_name() -> str:
    """As Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

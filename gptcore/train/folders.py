"""Where a run goes: a folder that holds nothing else, and a device that this machine has.

Source: none.
"""

from __future__ import annotations

from pathlib import Path

import torch

from gptcore.train.loop import has_run


def check_folder(out: Path, resume: bool) -> bool:
    """Whether `out` holds a run to resume; refuses to write over a run or a model."""
    if has_run(out):
        if not resume:
            raise FileExistsError(
                f"out={str(out)!r} already holds a run: resume it, or train into another folder"
            )
        return True
    if (out / "config.json").exists():
        raise FileExistsError(
            f"out={str(out)!r} holds a model that no run here has made: train into another folder"
        )
    return False


def choose_device(name: str) -> torch.device:
    """The device of that name, if this machine has it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={name!r} cannot be used here: {reason}") from error
    return torch.device(name)

"""Make the shipped models that follow requests: python data/align.py tales-sft tales-reward.

tales-sft is tales-brief taught by 3,000 demonstrations, tales-reward the reward model that chapter
15 begins with, taught on rankings of what tales-sft replies. The rate of the first is the one that
`obeying` chose, that of the second the one that all of `judging` have. What comes out stands in
data/checkpoints in half precision and in data/runs, with the command that made it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import grids_alignment
import torch

from gptcore import load, save
from gptcore.experiments.judging import learned
from gptcore.experiments.obeying import lesson
from gptcore.train.record import hardware, write_json

ROOT = Path(__file__).resolve().parent.parent


def sft(name: str) -> None:
    """Teach by demonstrations."""
    settings = {"model": "tales-brief", "n": 3000, "lr": 3e-3, "epochs": 3.0, "batch_size": 32}
    model, tokenizer = load(settings["model"])
    began, stage = time.perf_counter(), lesson(model, tokenizer, settings, 0)
    losses = [round(step.loss, 4) for step in stage.fit()]
    _keep(name, stage, settings, losses, time.perf_counter() - began)


def reward(name: str) -> None:
    """Teach by rankings."""
    settings, began = grids_alignment.judge(), time.perf_counter()
    stage = learned(settings, 0)
    _keep(name, stage, settings, [], time.perf_counter() - began)


def _keep(name: str, stage: Any, settings: dict, losses: list[float], seconds: float) -> None:
    folder = ROOT / "data" / "checkpoints" / name
    save(folder, stage.model, stage.tokenizer, dtype=torch.float16)
    content = {
        "command": f"python data/align.py {name}",
        "seed": 0,
        "hardware": hardware(torch.device("cpu")),
        "settings": settings,
        "n_params": sum(p.numel() for p in stage.model.parameters()),
        "seconds": round(seconds, 1),
        "valid": {key: round(value, 4) for key, value in stage.judge().items()},
        "curve": losses[:: max(1, len(losses) // 50)],
    }
    write_json(ROOT / "data" / "runs" / f"{name}.json", content)
    print(f"{name}: {content['n_params']:,} parameters in {folder}")


MADE = {"tales-sft": sft, "tales-reward": reward}

if __name__ == "__main__":
    torch.set_num_threads(1)
    unknown = [name for name in sys.argv[1:] if name not in MADE]
    if len(sys.argv) < 2 or unknown:
        raise SystemExit(f"{__doc__}\n{unknown} is none of {', '.join(MADE)}")
    for name in sys.argv[1:]:
        MADE[name](name)

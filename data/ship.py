"""Make a shipped model again from its record, or ship a run: python data/ship.py NAME.

Runs the command of data/runs/NAME.json (it resumes runs/NAME if that was begun), then writes the
model in half precision to data/checkpoints/NAME and the new record to data/runs/NAME.json. A run
that is already finished in runs/NAME is only written.
"""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import torch

import gptcore

ROOT = Path(__file__).resolve().parent.parent


def ship(name: str, root: Path = ROOT) -> None:
    """Train what is missing, and write the model and its record below `root`.

    Raises:
        SystemExit: there is neither a finished run nor a record that says how to make one.
    """
    run = root / "runs" / name
    record = root / "data" / "runs" / f"{name}.json"
    if not (run / "run.json").is_file():
        if not record.is_file():
            raise SystemExit(f"{record} is absent and {run} holds no finished run: nothing to ship")
        command = shlex.split(json.loads(record.read_text(encoding="utf-8"))["command"])
        again = [sys.executable, "-m", *command, "--resume"]
        subprocess.run(again, check=True, cwd=root)
    model, tokenizer = gptcore.load(run)
    folder = gptcore.save(
        root / "data" / "checkpoints" / name, model, tokenizer, dtype=torch.float16
    )
    record.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / "run.json", record)
    print(f"{name}: {model.n_params():,} parameters in {folder}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    for name in sys.argv[1:]:
        ship(name)

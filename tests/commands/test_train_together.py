"""`torchrun -m gptcore train`, as a user starts it: a worker is killed, a run is stopped, mistakes.

The runs go over a text of a few words, on two processes; what they leave is held against a run of
one process in this one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import config

from gptcore import checkpoint
from gptcore.train.pretrain import pretrain
from gptcore.train.record import read_metrics

STEPS = 60
SHAPE = "--n-ctx 16 --n-layer 1 --n-head 2 --d-model 16 --vocab-size 300 --dropout 0 --lr 1e-2"
RUN = f"--steps {STEPS} --batch-size 4 --eval-every 30 --save-every 10 --warmup 4"

pytestmark = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="finds workers in /proc")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process: the text, and the records of its run."""
    folder = tmp_path_factory.mktemp("alone")
    plan = config(folder, STEPS)
    model = replace(plan.model, norm="pre", dropout=0.0)
    plan = replace(plan, model=model, run=replace(plan.run, eval_every=30, save_every=10))
    for _ in pretrain(plan):
        pass
    return folder / "cats.txt", read_metrics(plan.out / "metrics.jsonl"), plan


def started(out: Path, text: Path, *more: str, restarts: int = 0) -> subprocess.Popen:
    """Two processes under torchrun."""
    line = f"--standalone --nproc-per-node 2 --max-restarts {restarts} -m gptcore train"
    words = [*line.split(), "--out", str(out), "--text", str(text), *SHAPE.split(), *RUN.split()]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *words, *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_update(out: Path, step: int, run: subprocess.Popen) -> None:
    deadline = time.monotonic() + 200
    while len(read_metrics(out / "metrics.jsonl")) < step:
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def worker(run: subprocess.Popen, rank: int) -> int:
    """The process that torchrun has started for a rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if (
                int(parent) == run.pid
                and f"\0RANK={rank}\0".encode() in (folder / "environ").read_bytes()
            ):
                return int(folder.name)
        except OSError:  # it has ended just now
            continue
    raise AssertionError(f"no worker {rank}")


def ours(told: str) -> list[str]:
    """What the command itself has said on stderr; torchrun has more to say."""
    return [line[len("gptcore: ") :] for line in told.splitlines() if line.startswith("gptcore: ")]


def like(records, expected) -> bool:
    assert [r["step"] for r in records] == [r["step"] for r in expected]
    pairs = list(zip(records, expected, strict=True))
    held_out = [(a["val_loss"], b["val_loss"]) for a, b in pairs if b["val_loss"] is not None]
    losses = [(a["loss"], b["loss"]) for a, b in pairs]
    return len(held_out) == 2 and all(abs(a - b) < 1e-5 for a, b in losses + held_out)


def test_a_killed_worker_costs_the_updates_since_the_last_checkpoint(alone, tmp_path):
    """torchrun starts both again, without --resume, and the run is that of one process."""
    text, expected, _ = alone
    run = started(tmp_path / "out", text, "--parallel", "fsdp", restarts=1)
    wait_for_update(tmp_path / "out", 25, run)
    os.kill(worker(run, 1), signal.SIGKILL)
    out, told = run.communicate(timeout=300)
    assert run.returncode == 0, told
    lines = ours(told)
    assert [line for line in lines if line.startswith("going on after update ")]
    assert sum("one of the 2 processes is gone: the checkpoint of update" in s for s in lines) <= 1
    assert out.count("held-out loss") == 1
    assert like(read_metrics(tmp_path / "out" / "metrics.jsonl"), expected)
    described = json.loads((tmp_path / "out" / "run.json").read_text())
    assert described["hardware"]["processes"] == 2
    model, tokenizer = checkpoint.load(tmp_path / "out")
    assert tokenizer is not None and model.config.n_layer == 1
    saved = json.loads((tmp_path / "out" / "config.json").read_text())
    assert saved["architectures"] == ["GPT2LMHeadModel"]


def test_sigterm_saves_and_one_process_goes_on(alone, tmp_path):
    """All stop after the same update; what follows in one process is the run that was begun."""
    text, expected, plan = alone
    run = started(tmp_path / "out", text)
    wait_for_update(tmp_path / "out", 15, run)
    run.terminate()
    _, told = run.communicate(timeout=300)
    assert run.returncode != 0
    assert [line for line in ours(told) if "stopped" in line] == [
        f"stopped; {tmp_path / 'out'} is saved. To go on, add --resume"
    ]
    stopped = read_metrics(tmp_path / "out" / "metrics.jsonl")[-1]["step"]
    steps = [s.step for s in pretrain(replace(plan, out=tmp_path / "out", resume=True))]
    assert steps == list(range(stopped + 1, STEPS + 1))
    assert like(read_metrics(tmp_path / "out" / "metrics.jsonl"), expected)


def test_a_mistake_is_told_once(alone, tmp_path):
    run = started(tmp_path / "out", alone[0], "--batch-size", "3")
    out, told = run.communicate(timeout=300)
    assert run.returncode != 0 and out == ""
    (line,) = (line for line in ours(told) if line.startswith("train: "))
    assert line.startswith("train: batch_size=3 must be a multiple of 2, the number of processes")
    assert told.count("Traceback") == 1  # torchrun's own
    assert not (tmp_path / "out" / "training.json").exists()

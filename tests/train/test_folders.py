"""A run's folder: one run at a time, by name; a full disk costs nothing that was saved."""

import errno
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
from command_line import failing, start, wait_for
from small_runs import config

from gptcore import __main__ as cli
from gptcore import checkpoint
from gptcore.train import folders, record
from gptcore.train.folders import LOCK, Occupied
from gptcore.train.pretrain import pretrain
from gptcore.train.record import Metrics, read_metrics

TRAIN = ["--preset", "tiny", "--tales", "60", "--steps", "30", "--warmup", "5", "--quiet"]


def owner(**changes):
    """What the lock file of another run on this machine says."""
    named = {"pid": os.getpid(), "host": socket.gethostname(), "since": "noon", "command": "x"}
    return json.dumps({**named, **changes})


@pytest.fixture
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# ---------------------------------------------------------------- one run at a time


def test_a_second_run_is_refused_by_name_and_the_first_goes_on(tmp_path, capsys):
    out = tmp_path / "run"
    first = start("train", "--out", out, *TRAIN, "--save-every", 1)
    wait_for(lambda: len(read_metrics(out / "metrics.jsonl")) > 3, first)
    first.send_signal(signal.SIGSTOP)
    for command, more in (
        ("train", [*TRAIN, "--save-every", 1, "--resume"]),
        ("train", TRAIN),
        ("finetune", ["--data", "tales-mood", "--quiet"]),
    ):
        printed = failing(capsys, command, "--out", out, *more)
        assert f"is in use by process {first.pid} on {socket.gethostname()} since 2" in printed
        assert f"(gptcore train --out {out} " in printed
        assert printed.count("\n") == 1, printed
    first.send_signal(signal.SIGCONT)
    assert first.communicate() and first.returncode == 0
    assert [r["step"] for r in read_metrics(out / "metrics.jsonl")] == list(range(1, 31))
    assert checkpoint.load_training_state(out)["step"] == 30
    assert json.loads((out / "run.json").read_text())["curve"]["train"][-1][0] == 30
    assert not (out / LOCK).exists()
    assert cli.main(["train", "--out", str(out), *TRAIN, "--save-every", "1", "--resume"]) == 0


def locks(monkeypatch, system):
    """As if on a system with flock, with Windows's locks, or with none."""
    if system == "flock":
        return
    monkeypatch.setattr(folders, "fcntl", None)
    if system == "windows":

        class Msvcrt:
            LK_NBLCK = 2

            def locking(self, number, mode, n_bytes):
                assert (mode, n_bytes, os.lseek(number, 0, os.SEEK_CUR)) == (2, 1, folders.FAR)
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise PermissionError(errno.EACCES, "Permission denied") from error

        monkeypatch.setattr(folders, "msvcrt", Msvcrt())


@pytest.mark.parametrize("system", ["flock", "windows", "none"])
def test_a_folder_is_given_back(tmp_path, monkeypatch, system, dead):
    """Also by an iterator never begun; and a lock that a dead process left is taken over."""
    locks(monkeypatch, system)
    run = config(tmp_path)
    steps = pretrain(run)
    with pytest.raises(FileExistsError, match="in use by a run of this very process since 2"):
        pretrain(replace(run, resume=True))
    del steps
    steps = pretrain(run)
    next(steps)
    steps.close()
    (run.out / LOCK).write_text(owner(pid=dead))
    steps = pretrain(replace(run, resume=True))
    assert json.loads((run.out / LOCK).read_bytes())["pid"] == os.getpid()
    assert len(list(steps)) == 11
    assert not (run.out / LOCK).exists()


@pytest.mark.parametrize("left", ["", "{", "[1]", '{"pid": 1}', '{"pid": "1"}', "\xff"])
def test_a_lock_file_that_says_nothing_hinders_nobody(tmp_path, monkeypatch, left):
    locks(monkeypatch, "none")
    (tmp_path / LOCK).write_text(left, encoding="latin-1")
    Occupied(tmp_path).release()


def test_without_locks_the_process_is_asked_for(tmp_path, monkeypatch):
    locks(monkeypatch, "none")
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    for named, message in (
        ({"pid": alive.pid}, f"in use by process {alive.pid} on {socket.gethostname()} since noon"),
        ({"host": "other", "pid": 2**22 + 1}, "on other since noon .* If that run is gone, remove"),
    ):
        (tmp_path / LOCK).write_text(owner(**named))
        with pytest.raises(FileExistsError, match=message):
            Occupied(tmp_path)
    alive.communicate(b"\n")
    (tmp_path / LOCK).write_text(owner(pid=alive.pid))
    Occupied(tmp_path).release()
    (tmp_path / LOCK).write_text(owner())  # a number that has come to this process again
    Occupied(tmp_path).release()


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path):
    run = replace(config(tmp_path), out=tmp_path / "new" / "deep")
    with pytest.raises(ValueError, match="device='tpu9'"):
        pretrain(replace(run, run=replace(run.run, device="tpu9")))
    assert not (tmp_path / "new").exists()
    with pytest.raises(NotADirectoryError, match=r"out='.*cats.txt' is a file"):
        pretrain(replace(run, out=tmp_path / "cats.txt"))


def test_a_run_of_another_stage_is_named(tmp_path, capsys):
    run = config(tmp_path)
    list(pretrain(run))
    args = ["finetune", "--out", run.out, "--data", "tales-mood", "--resume"]
    printed = failing(capsys, *args)
    assert "already holds a pre-training run, at update 12, and this is fine-tuning" in printed
    assert "choose another folder" in printed and "add --resume" not in printed


# ---------------------------------------------------------------- a full disk


def full(*args, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "name", "call", "stands"),
    [
        (Metrics, "write", 3, "the checkpoint of update 3 stands"),
        (checkpoint, "save", 1, "no checkpoint was saved; make room, then begin again"),
        (checkpoint, "save", 2, "the checkpoint of update 5 stands; make room, then resume"),
        (record, "write_json", 1, "the checkpoint of update 12 stands"),
    ],
)
def test_a_full_disk_is_told_and_the_last_checkpoint_stands(
    tmp_path, monkeypatch, owner, name, call, stands
):
    expected = [(s.step, s.loss) for s in pretrain(config(tmp_path))]
    run = replace(config(tmp_path), out=tmp_path / "again")
    plain, calls = getattr(owner, name), []

    def sometimes(*args, **options):
        calls.append(1)
        return (full if len(calls) >= call else plain)(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, sometimes)
        if owner is record:
            patch.setattr("gptcore.train.pretrain.write_json", sometimes)
        with pytest.raises(OSError, match="No space left on device") as raised:
            list(pretrain(run))
    assert stands in str(raised.value)
    assert raised.value.__class__ is OSError and str(run.out) in str(raised.value)
    list(pretrain(replace(run, resume=True)))
    found = read_metrics(run.out / "metrics.jsonl")
    lost = [3] if owner is Metrics else []  # what could not be written down
    assert [(r["step"], r["loss"]) for r in found] == [e for e in expected if e[0] not in lost]
    assert (run.out / "run.json").is_file()


@pytest.mark.parametrize("limit", [20, 900, 5000, 30_000])
def test_no_file_may_grow_beyond_a_limit(tmp_path, limit):
    """A real one, for whatever is written: the lock, the text, the metrics, the weights."""
    run, before = config(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(
            OSError, match=r"out cannot be written \(.*File too large.*\): "
        ) as raised:
            list(pretrain(run))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.errno is None and "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*writing*")) and not (run.out / LOCK).exists()
    assert len(list(pretrain(replace(run, resume=True)))) == 12

"""Signals wait for an update, random numbers are its own, and memory stays at hand."""

import os
import platform
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from short_runs import run

from gptcore.commands import train
from gptcore.train.guards import Deferred, KeptMemory, SeededRandom

ROOT = Path(__file__).resolve().parents[2]


def test_signals_wait_and_a_second_one_does_not():
    before = signal.getsignal(signal.SIGINT)
    with Deferred() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == "SIGINT"
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt), Deferred():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Deferred() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received is None
    finally:
        signal.signal(signal.SIGTERM, before)


def test_seeded_random_numbers_leave_no_trace():
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    first = torch.rand(1)
    draws = []
    for seed, step in ((0, 0), (0, 1), (1, 0), (0, 0)):
        with SeededRandom(seed, step, torch.device("cpu")):
            draws.append(torch.rand(1).item())
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)
    assert draws[0] == draws[3]
    assert len(set(draws)) == 3


UPDATES = """
import itertools, resource, statistics
import torch
from gptcore import GPT, GPTConfig
from gptcore.optim import OptimConfig
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import fit

torch.set_num_threads(1)
model = GPT(GPTConfig(n_layer=4, n_head=4, d_model=128, n_ctx=64, vocab_size=65, dropout=0.0))
ids = torch.randint(65, (12, 64))
optim = OptimConfig(lr=1e-4, warmup=0, schedule="constant")
with KeptMemory():
    faults = [
        resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for step in fit(model, itertools.repeat((ids, ids)), optim, 21)
    ]
print(statistics.median(b - a for a, b in itertools.pairwise(faults)))
"""


BLOCKS = """
import resource
import torch
from gptcore.train.guards import KeptMemory

def look():
    pages = int(open("/proc/self/statm").read().split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt, pages

def use():
    blocks = [torch.ones(2**18) for _ in range(50)] + [torch.ones(2**24)]  # 1 MB and 64 MB
    before = look()
    del blocks
    return before

use()
with KeptMemory():
    seen = [*(use() for _ in range(9)), look()]
closed = look()
large = torch.ones(2**26)  # 256 MB: no hole that training left is as large
later = look()
del large
seen += [closed, later, look()]
print(*(number for pair in seen for number in pair))
"""

glibc_only = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep their own way"
)


def alone(program: str) -> list[float]:
    """The numbers that a program prints, run in a process without a past."""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0, out.stderr
    return [float(number) for number in out.stdout.split()]


@glibc_only
def test_an_update_finds_the_memory_of_the_one_before():
    """Most updates here fault on no page, otherwise on hundreds."""
    (faults,) = alone(UPDATES)
    assert faults < 100


def test_training_leaves_the_settings_of_the_process_alone(monkeypatch, tmp_path):
    """Only who asks for it gets it, as `gptcore train` does."""
    opened, seen = [], []
    monkeypatch.setattr(KeptMemory, "__enter__", lambda self: opened.append(self))
    monkeypatch.setattr(KeptMemory, "__exit__", lambda self, *error: None)
    run(steps=6)
    assert opened == []

    def stopped(*_, **__):
        seen.append(len(opened))
        raise InterruptedError("it would train now")
        yield

    monkeypatch.setattr(train, "pretrain", stopped)
    with pytest.raises(InterruptedError):
        train.run(train.Options(tmp_path / "run", quiet=True), "")
    assert seen == [1]


@glibc_only
def test_memory_is_kept_while_training_and_then_given_back():
    """Blocks of 1 and of 64 MB, 114 MB in all, which are 29,000 pages of 4 KB."""
    faults, pages = np.reshape(alone(BLOCKS), (-1, 2)).T
    used, idle, closed, later, end = pages[8:]
    all_pages = 114 * 2**20 / resource.getpagesize()
    assert np.median(np.diff(faults[:9])) < all_pages / 50
    assert used - idle < all_pages / 50, "freed memory left the process too early"
    assert idle - closed > 0.9 * all_pages, "freed memory stayed with the process"
    assert later - end > 2 * all_pages, "it stays when nobody trains"

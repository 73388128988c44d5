"""Signals wait for an update, random numbers are its own, and memory stays at hand."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gptcore.train.guards import Deferred, SeededRandom

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
from gptcore.train.loop import fit

torch.set_num_threads(1)
model = GPT(GPTConfig(n_layer=4, n_head=4, d_model=128, n_ctx=64, vocab_size=65, dropout=0.0))
ids = torch.randint(65, (12, 64))
optim = OptimConfig(lr=1e-4, warmup=0, schedule="constant")
faults = [
    resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for step in fit(model, itertools.repeat((ids, ids)), optim, 21)
]
print(statistics.median(b - a for a, b in itertools.pairwise(faults)))
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep their own way"
)
def test_an_update_finds_the_memory_of_the_one_before():
    """Most updates here fault on no page, otherwise on hundreds. In a process without a past."""
    out = subprocess.run([sys.executable, "-c", UPDATES], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0, out.stderr
    assert float(out.stdout) < 100

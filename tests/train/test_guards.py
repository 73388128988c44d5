"""Signals wait for an update, and random numbers are its own."""

import os
import signal

import pytest
import torch

from gptcore.train.guards import Deferred, SeededRandom


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

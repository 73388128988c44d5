"""What an update needs around it: signals wait, random numbers are its own, memory stays at hand.

Source: Python's `signal` documentation; PyTorch's notes on reproducibility; mallopt(3), under
M_MMAP_THRESHOLD.
"""

from __future__ import annotations

import signal
import threading
from typing import Any

import torch


class Deferred:
    """While it is open, Ctrl-C and SIGTERM are only noted; a second one interrupts at once.

    Signals that the process ignores stay ignored, and outside the main thread, where Python
    delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        """Name of the signal that came, or None."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Deferred:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: object) -> None:
        if self.received:
            raise KeyboardInterrupt(self.received)
        self.received = signal.Signals(number).name

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class SeededRandom:
    """While it is open, PyTorch draws from (seed, update); afterwards, from where it was.

    So dropout depends on nothing but the update's number: neither on what was drawn before it in
    this process, nor on what the caller draws between updates.
    """

    def __init__(self, seed: int, step: int, device: torch.device) -> None:
        # A large odd factor keeps the numbers of two seeds apart for billions of updates.
        self._number = (seed * 2_654_435_761 + step) % (1 << 63)
        self._cuda = device if device.type == "cuda" else None

    def __enter__(self) -> None:
        self._saved = torch.get_rng_state()
        torch.default_generator.manual_seed(self._number)
        if self._cuda:
            self._saved_cuda = torch.cuda.get_rng_state(self._cuda)
            with torch.cuda.device(self._cuda):
                torch.cuda.manual_seed(self._number)

    def __exit__(self, *error: object) -> None:
        torch.set_rng_state(self._saved)
        if self._cuda:
            torch.cuda.set_rng_state(self._saved_cuda, self._cuda)


def keep_freed_memory() -> None:
    """From now on, leave what an update frees with the process, for the next update to take.

    glibc gives memory back to the system as soon as enough of it lies idle, and a small network's
    update then gets its memory anew, page by page: 700 to 1,800 faults, 5 to 13 % of its time where
    it was measured. How much may lie idle is twice the largest block that was ever freed, of those
    up to 32 MB. So one such block is freed here, and up to 64 MB stay with the process. Nothing is
    written to the block; other C libraries take no notice.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)

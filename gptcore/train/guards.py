"""What an update needs around it: signals wait, random numbers are its own, memory stays at hand.

Source: Python's `signal` documentation; PyTorch's notes on reproducibility; mallopt(3) and
glibc's malloc.h, which numbers its limits.
"""

from __future__ import annotations

import ctypes
import platform
import signal
import threading
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4


class Deferred:
    """While it is open, Ctrl-C and SIGTERM are only noted; a second one interrupts at once.

    Signals that the process ignores stay ignored, and outside the main thread, where Python
    delivers no signals, it does nothing.

    Args:
        patient: a second one is noted like the first.
    """

    def __init__(self, patient: bool = False) -> None:
        self.received: str | None = None
        """Name of the signal that came, or None."""
        self._patient = patient
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Deferred:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: object) -> None:
        if self.received and not self._patient:
            raise KeyboardInterrupt(self.received)
        self.received = signal.Signals(number).name

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class SeededRandom:
    """While it is open, PyTorch draws from (seed, update, process); afterwards, from where it was.

    So dropout depends on nothing but the update's number: neither on what was drawn before it in
    this process, nor on what the caller draws between updates.
    """

    def __init__(self, seed: int, step: int, device: torch.device, process: int = 0) -> None:
        # Large odd factors keep the numbers of two seeds, and of two processes, apart for billions
        # of updates.
        number = seed * 2_654_435_761 + process * 6_364_136_223_846_793_005 + step
        self._number = number % (1 << 63)
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


class KeptMemory:
    """While it is open, memory that is freed stays with the process, for the next update to take.

    glibc gives a large block back to the system as soon as it is freed, smaller ones when enough
    of them lie idle, and the next update gets its memory anew, page by page: 50,000 to 90,000
    faults at GPT-2 small, up to a quarter of its time where it was measured. So in a block of this
    no memory is mapped on its own and nothing is given back. Then all that lies idle is, and
    glibc's limits are those it gives itself once a block of 32 MB has been freed. They are the
    whole process's, so training leaves them alone: `gptcore train` and `gptcore finetune` open it,
    and so may a script whose process does nothing else,

        with KeptMemory():
            for step in fit(...):
                ...

    Of two that overlap, the first to end ends it for both. Other C libraries take no notice.
    """

    def __enter__(self) -> KeptMemory:
        self._libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
        if self._libc:
            self._libc.mallopt(M_MMAP_MAX, 0)
            self._libc.mallopt(M_TRIM_THRESHOLD, -1)
        return self

    def __exit__(self, *error: object) -> None:
        if self._libc:
            self._libc.mallopt(M_MMAP_MAX, 2**16)
            self._libc.mallopt(M_MMAP_THRESHOLD, 2**25)
            self._libc.mallopt(M_TRIM_THRESHOLD, 2**26)
            self._libc.malloc_trim(0)

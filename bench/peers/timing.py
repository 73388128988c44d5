"""Time several programs that do the same work, in turn, and print ratios of their medians."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from statistics import median
from typing import Any


class Run:
    """One timed call: wall seconds, CPU seconds of all threads, and what it returned."""

    def __init__(self, call: Callable[[], Any]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.result = call()
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu


class Apart:
    """A program in a process of its own, as its users have it: memory and threads are not shared.

    Args:
        make: a function of a module. It is called over there with `arguments` and returns what
            `run` calls and times; a result has to survive pickle.
    """

    def __init__(self, make: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, make, arguments), daemon=True)
        self._process.start()
        there.close()

    def run(self) -> Run:
        """One call over there; the clocks are those of that process.

        Raises:
            RuntimeError: the process is gone; what it died of stands above.
        """
        try:
            self._pipe.send(None)
            return self._pipe.recv()
        except (EOFError, OSError):
            raise RuntimeError("the process that was to be timed has ended") from None

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, make: Callable[..., Callable[[], Any]], arguments: tuple) -> None:
    call = make(*arguments)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        pipe.send(Run(call))


def alternate(runs: int, calls: Mapping[str, Callable[[], Any] | Apart]) -> dict[str, list[Run]]:
    """Run all of them in turn, so that other work on the machine slows all alike."""
    rounds = [
        {name: c.run() if isinstance(c, Apart) else Run(c) for name, c in calls.items()}
        for _ in range(runs)
    ]
    return {name: [a[name] for a in rounds] for name in calls}


def options(text: str, runs: int = 5, threads: bool = True) -> argparse.ArgumentParser:
    """A parser with what every file here can be told, described by the file's first line."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--runs", type=int, default=runs, help=f"runs of each (default {runs})")
    if threads:
        parser.add_argument("--threads", type=int, default=2, help="CPU threads of PyTorch")
    parser.add_argument("--quick", action="store_true", help="a glance: few runs, the smallest")
    return parser


def header(unit: str = "s") -> None:
    """The line above the reports. Ratios are theirs / ours: above 1 we are faster."""
    print(f"{'':58}{'ours ' + unit:>9}{'theirs ' + unit:>11}{'ratio':>8}{'CPU':>8}  target")


def report(
    name: str, ours: list[Run], theirs: list[Run], target: str = "", scale: float = 1.0
) -> None:
    """Print medians, the ratio of wall times and that of CPU times."""
    a, b = (median(run.wall for run in runs) for runs in (ours, theirs))
    c, d = (median(run.cpu for run in runs) for runs in (ours, theirs))
    line(name, a * scale, b * scale, target, d / c)


def line(name: str, ours: float, theirs: float, target: str = "", cpu: float | None = None) -> None:
    """Print one comparison."""
    times = "" if cpu is None else f"{cpu:.2f}x"
    print(
        f"{name:58}{ours:9.3f}{theirs:11.3f}{theirs / ours:7.2f}x{times:>8}  {target}", flush=True
    )

"""The processes of one run: how they meet, who speaks, and what is said when one is lost.

    world = join()
    if world.first:
        print(world.size, "processes")

torchrun starts them and gives each its number. One that is started alone is the first of one, and
nothing here costs it anything.

Source: PyTorch's documentation of torchrun (its environment variables, restarts) and of
`torch.distributed` (stores, backends).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

LEAST_TORCH = (2, 9)
PATIENCE = 5.0
"""Seconds in which the first process says what all of them would."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """The processes that work on one run, seen from one of them."""

    rank: int = 0
    """Which of them this is, from 0."""
    size: int = 1
    """How many there are."""
    job: str = ""
    """What torchrun has started: the same after it has started all of them again."""
    store: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    def one_then_all(self, work: Callable[[], Result]) -> Result:
        """Do the same work in each process, in the first one before the others.

        What it leaves on the disk the others find. They ask again and again instead of waiting in
        a collective operation, so it may take hours, and they can be told to stop.
        """
        if self.size == 1:
            return work()
        if not self.first:
            while not self.store.check(["ready"]):
                time.sleep(0.05)
        done = work()
        if self.first:
            self.store.set("ready", "")
        return done

    def device(self, name: str) -> str:
        """The device of this process, where all of them were given one name.

        Raises:
            ValueError: the name is of one single device, or of a kind that cannot be shared.
        """
        if self.size == 1:
            return name
        kind = "cuda" if name == "auto" and torch.cuda.is_available() else name
        if kind == "cuda":
            kind = f"cuda:{os.environ.get('LOCAL_RANK', self.rank)}"
            # `choose_device` says what is wrong; a PyTorch without CUDA lacks an attribute here
            with suppress(RuntimeError, AssertionError, AttributeError):
                torch.cuda.set_device(kind)
        elif kind not in ("auto", "cpu"):
            raise ValueError(
                f"device={name!r} must be auto, cpu or cuda for {self.size} processes: each takes "
                "the GPU of its own number"
            )
        return "cpu" if kind == "auto" else kind

    def restarted(self, saved_by: str | None) -> bool:
        """Whether torchrun has started all anew after one was lost, and the run there is theirs."""
        again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
        return again and saved_by is not None and saved_by == self.job


_world = World()


def join() -> World:
    """Meet the other processes of this run; without torchrun, or a process group, there are none.

    Raises:
        ImportError: PyTorch is too old for several processes.
        ValueError: the number of this process is none of theirs.
        ConnectionError: they do not find each other.
    """
    global _world
    if _world.size > 1 or not dist.is_available():
        return _world
    if dist.is_initialized():
        if dist.get_world_size() == 1:
            return _world
        store = dist.distributed_c10d._get_default_store()
    else:
        if not dist.is_torchelastic_launched() or os.environ.get("WORLD_SIZE", "1") == "1":
            return _world
        store = _met()
    rank, size = dist.get_rank(), dist.get_world_size()
    if rank == 0:
        store.set("job", f"{os.environ.get('TORCHELASTIC_RUN_ID')} {os.getppid()}")
    _world = World(rank, size, store.get("job").decode(), store)
    return _world


def _met() -> Any:
    """Meet the processes of this start, and return what they all can read and write.

    torchrun keeps what was written there before it started them again: addresses of processes that
    are no more. So each start has names of its own.
    """
    _check_torch()
    rank, size = (int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE"))
    if not 0 <= rank < size:  # it would wait for itself
        raise ValueError(f"RANK={rank} must be from 0 to {size - 1}, below WORLD_SIZE={size}")
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        shared, rank, size = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(f"start {start}", shared)
        dist.init_process_group(store=store, rank=rank, world_size=size)  # gloo, on GPUs nccl
    except RuntimeError as error:
        raise ConnectionError(f"the processes did not find each other: {error}") from error
    return store


def leave() -> None:
    """Part from the other processes: the work is done."""
    global _world
    if _world.size > 1:
        _world = World()
        dist.destroy_process_group()


def _check_torch() -> None:
    found = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if found < LEAST_TORCH:
        least = ".".join(map(str, LEAST_TORCH))
        raise ImportError(
            f"several processes need torch >= {least}, and this is {torch.__version__}: "
            f"pip install 'torch>={least}'"
        )


def tells() -> bool:
    """Whether it is for this process to say what went wrong: it is the first that something did.

    Before the processes have met, the first of them is given some seconds to say the same.
    """
    if _world.size == 1:
        if os.environ.get("RANK", "0") != "0":
            time.sleep(PATIENCE)  # torchrun ends the others when one has ended
        return True
    with suppress(Exception):  # the one who keeps the store is gone
        return _world.store.add("told", 1) == 1
    return True


@contextmanager
def told_when_lost(stands: Callable[[], int]) -> Iterator[None]:
    """Where another process is gone, an error that says so and what is left.

    Args:
        stands: the update that was saved last; 0 for none.

    Raises:
        ConnectionError: instead of what PyTorch raises where it waits for that process.
    """
    try:
        yield
    except RuntimeError as error:
        if _world.size == 1 or not _lost(error):
            raise
        step = stands()
        kept = f"the checkpoint of update {step} stands" if step else "no checkpoint was saved"
        raise ConnectionError(
            f"one of the {_world.size} processes is gone: {kept}; torchrun --max-restarts goes on "
            "by itself, and so does the same command with --resume"
        ) from error


def _lost(error: BaseException) -> bool:
    told = str(error).lower()
    signs = ("connection closed", "connection reset", "broken pipe", "gloo", "nccl", "socket")
    return isinstance(error, dist.DistError) or any(sign in told for sign in signs)

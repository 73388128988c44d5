"""Where a run goes: a folder that no other run is using, and a device that this machine has.

    with Occupied(out, "gptcore train --out runs/mine"):
        ...

A run in its folder holds a lock, which the operating system gives back when the process ends,
however it ends. So a second run is refused by the name of the first, and what a killed run leaves
behind hinders nobody. Where the system has no such locks, the process that the file names is asked
for instead.

Source: flock(2); Python's `msvcrt.locking`.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import torch

from gptcore.checkpoint.training_state import SCALARS
from gptcore.train.loop import Step, has_run

fcntl: ModuleType | None
msvcrt: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:  # everywhere else
    msvcrt = None

LOCK = ".run.lock"
FAR = 1 << 30
"""The byte that is locked on Windows: far behind the text, which others may then read."""


class Occupied:
    """A folder that is this run's alone, until `release` or the end of a `with` block.

    Args:
        folder: made if absent.
        command: how the run was started, told to whoever else wants the folder.

    Raises:
        FileExistsError: another run is using the folder; the message names it.
    """

    def __init__(self, folder: str | Path, command: str = "") -> None:
        self.folder, self._made = Path(folder), []
        self._file: FileIO | None = None
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"out={str(folder)!r} is a file; it must be a folder")
        self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self._taken(self.folder / LOCK)
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": command,
        }
        self._file.truncate(0)
        self._file.write(json.dumps(owner).encode())

    def _taken(self, path: Path) -> FileIO:
        """The lock file, open and ours alone."""
        while True:
            file = open(path, "a+b", buffering=0)
            if not _lock(file):
                file.close()
                raise FileExistsError(_in_use(self.folder, _owner(path)))
            with suppress(FileNotFoundError):  # its owner has left just now, and removed it
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    _OURS.add(os.path.realpath(path))
                    return file
            file.close()

    def release(self) -> None:
        """Give the folder back; if nothing was written into it, remove what was made of it."""
        if self._file is None:
            return
        file, self._file = self._file, None
        path = self.folder / LOCK
        _OURS.discard(os.path.realpath(path))
        if msvcrt is not None:  # Windows removes no file that is open
            file.close()
        with suppress(OSError):
            path.unlink()
        file.close()
        for folder in self._made:  # the innermost first
            with suppress(OSError):  # not empty, and so not removed
                folder.rmdir()

    def __enter__(self) -> Occupied:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:  # of an iterator that was made and never begun
        self.release()


_OURS: set[str] = set()
"""Lock files that runs of this process hold."""


def _lock(file: FileIO) -> bool:
    """Whether the file is ours now; False if another run has it, be it one of this process."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if msvcrt is not None:
            file.seek(FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            return True
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        pass
    return not _alive(_owner(Path(file.name)), os.path.realpath(file.name))


def _alive(owner: dict[str, Any], path: str) -> bool:
    """Whether the process that a lock file names may still be at work."""
    if not owner:
        return False
    if owner["host"] != socket.gethostname():
        return True  # nobody here can tell
    if owner["pid"] == os.getpid():
        return path in _OURS
    try:
        os.kill(owner["pid"], 0)  # asks only; on Windows, where it would end it, `msvcrt` is there
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _owner(path: Path) -> dict[str, Any]:
    """What a lock file says, nothing if it says nothing."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        owner = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"pid": int, "host": str, "since": str, "command": str}
        if all(isinstance(owner[name], kind) for name, kind in kinds.items()):
            return owner
    return {}


def _in_use(folder: Path, owner: dict[str, Any]) -> str:
    """One line that names the run in a folder, and the ways out."""
    start = f"out={str(folder)!r} is in use"
    if not owner:
        return f"{start} by another run, which begins or ends just now: try again"
    since = f"since {owner['since']}" + (f" ({owner['command']})" if owner["command"] else "")
    if (owner["pid"], owner["host"]) == (os.getpid(), socket.gethostname()):
        return f"{start} by a run of this very process {since}: close its iterator first"
    return (
        f"{start} by process {owner['pid']} on {owner['host']} {since}: let it end, stop it, or "
        f"train into another folder. If that run is gone, remove {folder / LOCK}"
    )


def alone_in(out: Path, command: str, begin: Callable[[], Iterator[Step]]) -> Iterator[Step]:
    """The records of the run that `begin` makes ready, whose folder is its own until they end.

    Args:
        out: the run's folder.
        command: how it was started.
        begin: called at once, when the folder is ours.

    Raises:
        FileExistsError: another run is using the folder.
        OSError: the disk takes no more; the message says what stands.
    """
    with told_what_stands(out):
        ours = Occupied(out, command)
    try:
        with told_what_stands(out):
            steps = begin()
    except BaseException:
        ours.release()
        raise
    return _passed_on(steps, out, ours)


def _passed_on(steps: Iterator[Step], out: Path, ours: Occupied) -> Iterator[Step]:
    with ours, told_what_stands(out), closing(steps):  # type: ignore[type-var]
        yield from steps


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What a system says when a disk takes no more; the error then names no file."""


@contextmanager
def told_what_stands(out: Path) -> Iterator[None]:
    """Where the disk takes no more, an error that says what is left of the run and the way on."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        step = saved_step(out)
        stands = f"the checkpoint of update {step} stands" if step else "no checkpoint was saved"
        raise OSError(
            f"{out} cannot be written ({error.strerror or error}): {stands}; make room, then "
            + ("resume" if step else "begin again")
        ) from error


def saved_step(out: Path) -> int:
    """Updates done by the run that `out` holds, as saved last; 0 if it holds none."""
    return _saved(out).get("step", 0)


def saved_by(out: Path) -> str | None:
    """The job of several processes that has saved the run in `out`; None if one alone has, or none
    did."""
    return _saved(out).get("job")


def _saved(out: Path) -> dict[str, Any]:
    """What is written of the run that `out` holds, tensors left aside; nothing if it holds none."""
    if has_run(out):
        with suppress(OSError, ValueError, KeyError):  # damaged: resuming says how
            state = json.loads((out / SCALARS).read_text(encoding="utf-8"))["state"]
            if isinstance(state, dict):
                return state
    return {}


def began_with(out: Path) -> dict[str, Any]:
    """The settings that the pre-training run in `out` was begun with; nothing if it holds none."""
    settings = _plain(_saved(out).get("settings", {}))
    return settings if "corpus" in settings else {}


def _plain(nest: Any) -> Any:
    """Settings as they were before they were written: tuples have no word of their own in JSON."""
    if isinstance(nest, dict):
        if nest.keys() == {"__tuple__"}:
            return tuple(_plain(nest["__tuple__"]))
        return {key: _plain(value) for key, value in nest.items()}
    return [_plain(value) for value in nest] if isinstance(nest, list) else nest


STAGES = {"corpus": "pre-training", "recipe": "fine-tuning", "ppo": "PPO"}
STAGES |= {"sft": "supervised fine-tuning", "reward": "reward-model", "dpo": "DPO"}
"""What a run is, by a setting that only its stage has."""


def check_folder(out: Path, resume: bool, stage: str) -> bool:
    """Whether `out` holds a run to resume; refuses to write over a run or a model.

    Args:
        out: the run's folder.
        resume: whether a run that is there is to go on.
        stage: what is to run, by its name in `STAGES`.

    Raises:
        FileExistsError: there is a run and `resume` is not set, a run of another stage, or a model.
    """
    if has_run(out):
        saved = _saved(out)
        settings = saved.get("settings", {})
        found = next((name for key, name in STAGES.items() if key in settings), stage)
        run = f"out={str(out)!r} already holds a {found} run, at update {saved.get('step', '?')}"
        if found != stage:
            raise FileExistsError(f"{run}, and this is {stage}: choose another folder")
        if not resume:
            raise FileExistsError(f"{run}: add --resume to go on with it, or choose another folder")
        return True
    if (out / "config.json").exists():
        raise FileExistsError(
            f"out={str(out)!r} holds a model that no run here has made: train into another folder"
        )
    return False


def choose_device(name: str) -> torch.device:
    """The device of that name, if this machine has it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={name!r} cannot be used here: {reason}") from error
    return torch.device(name)

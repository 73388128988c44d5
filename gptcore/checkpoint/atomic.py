"""Several files that change together or not at all, even when the process is killed.

A commit has three steps. All new files are written into a hidden folder beside the old ones and
flushed to the disk. One rename then marks that folder complete: this is the moment of the change.
Last, the files move over the old ones. A kill before the rename leaves the old files; a kill after
it leaves a complete folder, and the next reader or writer finishes the moves. No moment exists in
which `recover` followed by reading finds a mixture.

It holds on Windows too, where only a file opened for writing can be flushed, a folder cannot be
opened, and a file that some program still has open or mapped cannot be replaced: what `load` gives
is therefore never a view of a file.

Source: write-ahead logging as databases use it, e.g. SQLite's documentation, "Atomic Commit".
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from safetensors import SafetensorError

WRITING = ".writing-"
COMPLETE = ".complete"
PATIENCE = 2.0
"""Seconds to wait for another program, on Windows, that has a file open."""
UNABLE = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF, errno.EINVAL, errno.ENOTSUP}
"""How systems say that a folder, or a share on the network, knows no flushing or no modes."""


@contextmanager
def commit(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder to write files into; when the block ends well they enter `folder`.

    One writer per folder at a time. Files of `folder` that the block does not write stay.

    Args:
        folder: where the files shall appear; made if absent.

    Returns:
        A context manager that yields the folder to write into.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recover(folder)
    for left_over in folder.glob(WRITING + "*"):  # by a writer that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    writing = Path(tempfile.mkdtemp(prefix=WRITING, dir=folder))
    try:
        (writing / "any").touch()
        mode = (writing / "any").stat().st_mode  # what this user's files usually get
        (writing / "any").unlink()
        yield writing
        for file in writing.iterdir():
            _flush(file)
            with _unless_unable():
                file.chmod(mode)  # some libraries make their files private
        _flush(writing)
        os.rename(writing, folder / COMPLETE)  # from here on the new files count
    except SafetensorError as error:  # what it says of a full disk
        shutil.rmtree(writing, ignore_errors=True)
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else None, str(error)) from error
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    _flush(folder)
    recover(folder)


def recover(folder: str | Path) -> None:
    """Finish a commit that was interrupted after its decisive rename; otherwise do nothing.

    Every reader calls this first.
    """
    folder = Path(folder)
    complete = folder / COMPLETE
    if not complete.is_dir():
        return
    for file in sorted(complete.iterdir()):
        with suppress(FileNotFoundError):  # another reader moved it in the meantime
            _replace(file, folder / file.name)
    _flush(folder)
    with suppress(FileNotFoundError):
        complete.rmdir()


def _replace(new: Path, old: Path) -> None:
    """Put a file in the place of another; wait a little for a program that reads the old one."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return os.replace(new, old)
        except PermissionError as error:
            if time.monotonic() > end:
                raise PermissionError(
                    f"{old} cannot be replaced: may you write there, and does another program "
                    f"have it open? The new one is whole, in {new.parent}, and takes its place "
                    f"when the folder is next read or saved ({error})"
                ) from error
            time.sleep(0.05)


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    folder = path.is_dir()
    with _unless_unable() if folder else nullcontext():
        # Windows flushes what is open for writing, and opens no folder at all
        handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _unless_unable() -> Iterator[None]:
    """Go on where the system has no such operation; other errors are errors."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNABLE:
            raise

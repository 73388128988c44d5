"""Several files that change together or not at all, even when the process is killed.

A commit has three steps. All new files are written into a hidden folder beside the old ones and
flushed to the disk. One rename then marks that folder complete: this is the moment of the change.
Last, the files move over the old ones. A kill before the rename leaves the old files; a kill after
it leaves a complete folder, and the next reader or writer finishes the moves. No moment exists in
which `recover` followed by reading finds a mixture.

Source: write-ahead logging as databases use it, e.g. SQLite's documentation, "Atomic Commit".
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITING = ".writing-"
COMPLETE = ".complete"


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
            file.chmod(mode)  # some libraries make their files private
            _flush(file)
        _flush(writing)
        os.rename(writing, folder / COMPLETE)  # from here on the new files count
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
            os.replace(file, folder / file.name)
    _flush(folder)
    with suppress(FileNotFoundError):
        complete.rmdir()


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name != "posix":  # only POSIX systems can open a folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Run notebooks on copies, remember the outputs, and run again only what a change can reach.

A notebook's outputs are kept in `_build/executed/` under a key made of everything that could
change them: its code cells, the sources of gptcore, the shipped data, the pinned requirements and
what is installed of them, the Python version, the scale and the mirror of real data. Prose is not
part of the key: editing it re-runs nothing. This run is the only one: the pages are built from it,
and the tests hold git's stored outputs against it.
"""

import hashlib
import json
import os
import platform
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
CACHE = BUILD / "executed"
CELL_TIMEOUT = 1800  # seconds; a chapter stays far below, a hung kernel does not stay for ever

PINNED = re.compile(r"^([\w.-]+)==", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # IPython colours its tracebacks, log files do not want it

_printing = threading.Lock()


class ChapterFailed(Exception):
    """A cell of a chapter raised; the message carries its source and its traceback."""


def toc_entries(toc: Path = ROOT / "_toc.yml") -> list[str]:
    """List the pages of the table of contents, in order, as paths without a suffix."""
    tree = yaml.safe_load(toc.read_text("utf-8"))
    entries = [tree["root"]]

    def walk(node: dict) -> None:
        for part in node.get("parts", []):
            walk(part)
        for key in ("chapters", "sections"):
            for chapter in node.get(key, []):
                if "file" in chapter:
                    entries.append(chapter["file"])
                walk(chapter)

    walk(tree)
    return entries


def chapters(root: Path = ROOT) -> list[Path]:
    """List the notebooks of the table of contents, in order."""
    paths = (root / f"{entry}.ipynb" for entry in toc_entries(root / "_toc.yml"))
    return [path for path in paths if path.exists()]


def surroundings() -> str:
    """Hash what every notebook depends on besides its own code."""
    digest = hashlib.sha256()
    files = [ROOT / "requirements.txt"]
    for folder in ("gptcore", "data"):
        files += (path for path in (ROOT / folder).rglob("*") if path.is_file())
    for path in sorted(files):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    pinned = sorted(set(PINNED.findall((ROOT / "requirements.txt").read_text("utf-8"))))
    facts = [*settings(), *(f"{name} {_installed(name)}" for name in pinned)]
    digest.update("\0".join(facts).encode())
    return digest.hexdigest()


def settings() -> list[str]:
    """List what is set outside the repository: Python, GPTCORE_*, the files of the mirror."""
    facts = [f"{name}={s}" for name, s in os.environ.items() if name.startswith("GPTCORE_")]
    mirror = Path(os.environ.get("GPTCORE_DATA_MIRROR") or ROOT / "no mirror")
    # Names and sizes: of real data no other bytes are read than those with the known SHA-256.
    found = (path for path in mirror.rglob("*") if path.is_file())
    facts += [f"{path.relative_to(mirror)} {path.stat().st_size}" for path in found]
    return [platform.python_version(), *sorted(facts)]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def key_of(notebook: NotebookNode, around: str) -> str:
    """Hash a notebook's code cells, with their tags, together with its surroundings."""
    code = [
        (cell.source, sorted(cell.metadata.get("tags", [])))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    return hashlib.sha256(json.dumps([around, code]).encode()).hexdigest()


def fresh_run(path: Path, notebook: NotebookNode, around: str) -> NotebookNode | None:
    """Read the kept run of a notebook, if it is a run of what stands there now.

    Args:
        path: the notebook's file.
        notebook: what it holds.
        around: `surroundings()`.

    Returns:
        The executed notebook, or None: never run, failed, or run before something changed.
    """
    kept = _kept(path)
    if not kept.exists():
        return None
    executed = nbformat.read(kept, as_version=4)
    return executed if executed.metadata.get("key") == key_of(notebook, around) else None


def longest_first(paths: list[Path]) -> list[Path]:
    """Order notebooks by the seconds of their last run, so that no long one is left for the end.

    Args:
        paths: notebooks in the order of the book.

    Returns:
        Those never timed first, the later chapters before the earlier: they train more.
    """
    return sorted(reversed(paths), key=_seconds, reverse=True)


def _seconds(path: Path) -> float:
    kept = _kept(path)
    run = nbformat.read(kept, as_version=4).metadata if kept.exists() else {}
    return run.get("seconds", float("inf"))


def _kept(path: Path) -> Path:
    return CACHE / f"{path.stem}.ipynb"


def run_all(paths: list[Path], jobs: int) -> dict[Path, NotebookNode]:
    """Run what changed, at most `jobs` at a time, and return every notebook with its outputs.

    The longest start first; the result is in the order of `paths`.

    Args:
        paths: notebooks to run; the files themselves are only read.
        jobs: how many kernels may work at once.

    Returns:
        path -> the notebook as it stands in its file, with fresh outputs in its code cells.

    Raises:
        ChapterFailed: if a cell raised, after all other notebooks have finished.
    """
    around = surroundings()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {path: pool.submit(_fresh, path, around) for path in longest_first(paths)}
    failures = [error for path in paths if (error := futures[path].exception())]
    if failures:
        raise ChapterFailed("\n\n".join(str(failure) for failure in failures))
    return {path: futures[path].result() for path in paths}


def _fresh(path: Path, around: str) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    executed = fresh_run(path, notebook, around)
    if executed is not None:
        say(f"  {path.stem}: unchanged")
        return with_outputs(notebook, executed)
    started = time.monotonic()
    executed = _run(path, nbformat.from_dict(notebook))
    executed.metadata["key"] = key_of(notebook, around)
    executed.metadata["seconds"] = round(time.monotonic() - started, 1)
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = _kept(path).with_suffix(".partial")
    nbformat.write(executed, partial)
    partial.replace(_kept(path))
    return with_outputs(notebook, executed)


def with_outputs(notebook: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Copy a notebook, its code cells carrying the outputs of the executed one.

    Args:
        notebook: the notebook as it is written now.
        executed: a run of the same code cells.

    Returns:
        A copy of `notebook` with the outputs and execution counts of `executed`.
    """
    merged = nbformat.from_dict(notebook)
    pairs = zip(_code_cells(merged), _code_cells(executed), strict=True)
    for cell, ran in pairs:
        cell.outputs = ran.outputs
        cell.execution_count = ran.execution_count
    return merged


def _run(path: Path, notebook: NotebookNode) -> NotebookNode:
    progress = _Progress(path.stem, len(_code_cells(notebook)))
    # Tiny models are several times faster on one thread than on a busy pair.
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        on_cell_execute=progress.cell,
    )
    try:
        client.execute(env=environment)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        say(f"  {path.stem}: FAILED in code cell {progress.done} of {progress.total}")
        raise ChapterFailed(
            f"{path.relative_to(ROOT)}, code cell {progress.done} of {progress.total}:\n"
            f"{COLOUR.sub('', str(error))}"
        ) from error
    progress.finish()
    return notebook


class _Progress:
    """One line when a notebook starts, one every few seconds while it runs, one at its end."""

    def __init__(self, name: str, total: int, seconds: float = 5.0) -> None:
        self.name, self.total, self.seconds = name, total, seconds
        self.done = 0
        self.started = self.spoken = time.monotonic()
        say(f"  {name}: running {total} code cells")

    def cell(self, cell: NotebookNode, cell_index: int) -> None:
        if cell.cell_type != "code" or not cell.source.strip():
            return
        self.done += 1
        now = time.monotonic()
        if now - self.spoken >= self.seconds:
            self.spoken = now
            say(f"  {self.name}: cell {self.done} of {self.total}, {now - self.started:.0f} s")

    def finish(self) -> None:
        say(f"  {self.name}: done in {time.monotonic() - self.started:.1f} s")


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def say(text: str) -> None:
    """Print a line at once; several notebooks may be speaking."""
    with _printing:
        print(text, file=sys.stdout, flush=True)

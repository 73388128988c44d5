"""A JupyterLab of its own, on a folder of its own, for tests that open notebooks in it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat

START = 60  # seconds; a busy machine is slow
OPTIONS = (
    "--no-browser --ServerApp.ip=127.0.0.1 --ServerApp.port=0 --ServerApp.allow_root=True "
    "--IdentityProvider.token= --ServerApp.password= --LabApp.expose_app_in_browser=True "
    "--LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate "
    "--LabApp.extension_manager=readonly"
).split()


def write_notebook(path: Path, cells: Mapping[str, str]) -> None:
    """Write a notebook with a code cell for each name; the name is the cell's id."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for name, source in cells.items():
        cell = nbformat.v4.new_code_cell(source)
        cell.id = name
        notebook.cells.append(cell)
    nbformat.write(notebook, path)


@contextmanager
def serving_lab(folder: Path) -> Iterator[str]:
    """Start JupyterLab on a folder, without the settings of whoever runs it; give its address."""
    own = folder / ".jupyter"
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "JUPYTER_PLATFORM_DIRS": "1"}
    env |= {
        f"JUPYTER_{kind}_DIR": str(own / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")
    }
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(own / "s"), "JUPYTERLAB_WORKSPACES_DIR": str(own / "w")}
    own.mkdir()
    log = own / "log"
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={folder}"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _address(process: subprocess.Popen, log: Path) -> str:
    """The address that a server has written down once it listens."""
    late = time.monotonic() + START
    while time.monotonic() < late and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text("utf-8"))
        if found:
            return found.group()
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text('utf-8')}")

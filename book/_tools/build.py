"""Build the web book: run the notebooks, lay out a copy of the sources, call Jupyter Book.

The files that git keeps are only read. Any warning fails the build.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import nbformat
import yaml
from execute import BUILD, ROOT, ChapterFailed, chapters, run_all, say, toc_entries
from gather import gathered

from gptcore import datasets

STAGE = BUILD / "src"
HTML = BUILD / "html"
LEFT_OUT = re.compile(r"The data set ([\w-]+) \([^)]*\) is not here")
MAY_BE_PASSED_ON = "redistributable"
STAMP = BUILD / "html.built-from"
# Besides the staged pages, these decide what the pages look like.
MACHINERY = ("book/_ext", "book/_assets", "book/_tools", "gptcore/show", "data/checkpoints")
MACHINERY += ("requirements.txt",)


def main() -> int:
    """Build what changed and say where the book is."""
    started = time.monotonic()
    say("Notebooks")
    try:
        notebooks = run_all(chapters(), jobs=int(os.environ.get("JOBS") or _default_jobs()))
    except ChapterFailed as failure:
        say(f"\n{failure}\n\nThe book was not built: a chapter failed.")
        return 1
    if os.environ.get("GITHUB_REPOSITORY") and (absent := missing_sets(notebooks.values())):
        say(f"\nThe book was not built: its pages would leave out {', '.join(absent)}.")
        say(f"To get them: gptcore data fetch {' '.join(absent)}")
        return 1
    stage(notebooks)
    digest = _digest([STAGE, *(ROOT / name for name in MACHINERY)])
    index = HTML / "index.html"
    if index.exists() and STAMP.exists() and STAMP.read_text() == digest:
        say("Book\n  unchanged")
    elif not _sphinx():
        say("\nThe book was not built: see the warnings above.")
        return 1
    STAMP.write_text(digest)
    say(f"\nThe book is ready ({time.monotonic() - started:.0f} s). Open it:\n  {index.as_uri()}")
    return 0


def stage(notebooks: dict[Path, nbformat.NotebookNode]) -> None:
    """Lay out the sources of the book, notebooks with their fresh outputs, in the build folder.

    Args:
        notebooks: path in the repository -> notebook with outputs.
    """
    shutil.rmtree(STAGE, ignore_errors=True)
    for name in ("book/_ext", "book/_assets"):
        shutil.copytree(ROOT / name, STAGE / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "book").rglob("*"):
        if path.suffix in {".md", ".bib", ".png", ".svg", ".jpg"} and path.is_file():
            _copy(path, STAGE / path.relative_to(ROOT))
    claims = json.dumps(gathered(notebooks), ensure_ascii=False, indent=1)
    (STAGE / "book" / "claims.json").write_text(claims, "utf-8")
    for path, notebook in notebooks.items():
        nbformat.write(_without_live_forms(notebook), STAGE / path.relative_to(ROOT))
    _copy(ROOT / "_toc.yml", STAGE / "_toc.yml")
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    text = yaml.safe_dump(published(config, os.environ), sort_keys=False, allow_unicode=True)
    (STAGE / "_config.yml").write_text(text, "utf-8")


def _without_live_forms(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    # Forms that need a running Jupyter; each has its text/html twin beside it for the page.
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for mime in [mime for mime in data if mime.startswith("application/vnd.")]:
                del data[mime]
    return notebook


def missing_sets(notebooks: Iterable[nbformat.NotebookNode]) -> list[str]:
    """Name the data sets that may be passed on and that a run had to do without.

    A book to be published has their outputs; one that is built at home may leave them out.

    Args:
        notebooks: as they ran.

    Returns:
        Names of sets, in alphabetical order.
    """
    found = set()
    for cell in (cell for notebook in notebooks for cell in notebook.cells):
        said = "".join(output.get("text", "") for output in cell.get("outputs", []))
        absent = LEFT_OUT.findall(said)
        found |= {name for name in absent if datasets.SETS[name].use == MAY_BE_PASSED_ON}
        if "datasets.tokenizer(" in cell.source:  # says so on the page, not in what it prints
            found |= {name for name in ("gpt1-bpe", "gpt2-bpe") if not datasets.place(name)}
    return sorted(found)


def published(config: dict, environment: dict[str, str]) -> dict:
    """Add the links of a published book, when it is known where it is published.

    Args:
        config: the parsed `_config.yml`.
        environment: GITHUB_REPOSITORY (owner/name), GITHUB_REF_NAME (branch) if there are any.

    Returns:
        The configuration with repository and Colab links, or as it was: no dead links.
    """
    repository = environment.get("GITHUB_REPOSITORY", "")
    if not repository:
        return config
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    branch = environment.get("GITHUB_REF_NAME") or "main"
    return {
        **config,
        "repository": {"url": f"{server}/{repository}", "branch": branch},
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
        "html": {**config["html"], "use_repository_button": True, "use_issues_button": True},
    }


def _sphinx() -> bool:
    pages = len(toc_entries())
    say(f"Book\n  building {pages} pages")
    # From nothing each time: a page that Sphinx skips could hide its warning.
    for path in (HTML, BUILD / ".doctrees", STAMP):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    tool = Path(sys.executable).with_name("jupyter-book")
    options = ["-n", "-W", "--keep-going", "-q", "--path-output", str(BUILD.parent)]
    command = [sys.executable, str(tool), "build", str(STAGE), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        say(done.stdout)
    return done.returncode == 0


def _default_jobs() -> int:
    return max(1, min(2, os.cpu_count() or 1))


def _digest(places: list[Path]) -> str:
    digest = hashlib.sha256()
    for place in places:
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())

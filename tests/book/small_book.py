"""A book of a few pages, built as the real one is, for tests of what the whole site shares."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import yaml
from execute import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from refresh import METADATA

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}


def notebook(*parts: str | dict) -> nbformat.NotebookNode:
    """Cells from texts: markdown, or code where it is {"code": ..., "tags": [...]}."""
    cells = []
    for part in parts:
        if isinstance(part, str):
            cells.append(new_markdown_cell(part))
        else:
            tags = {"tags": part.get("tags", [])}
            cells.append(new_code_cell(part["code"], metadata=tags))
    return new_notebook(cells=cells, metadata=METADATA)


def build(
    folder: Path,
    pages: dict[str, str | nbformat.NotebookNode],
    parts: dict[str, list[str]],
    claims: list[dict] | None = None,
    change: Callable[[dict], None] = lambda config: None,
) -> tuple[Path, str]:
    """Build a small book with the real configuration, extensions and styles.

    Args:
        folder: where it is laid out.
        pages: name -> Markdown or a notebook; the first is the root.
        parts: caption -> names of its pages.
        claims: what `claims.json` holds; None without one.
        change: of the configuration, in place.

    Returns:
        The folder of the pages, and what the build said, warnings and all.
    """
    for name in ("_ext", "_assets"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "book" / name, folder / "book" / name, ignore=ignored)
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    for name, page in pages.items():
        path = folder / "book" / name
        if isinstance(page, str):
            path.with_suffix(".md").write_text(page, "utf-8")
        else:
            nbformat.write(page, path.with_suffix(".ipynb"))
    if claims is not None:
        (folder / "book" / "claims.json").write_text(json.dumps(claims), "utf-8")
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    change(config)
    (folder / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    listed = [
        {"caption": caption, "chapters": [{"file": f"book/{name}"} for name in names]}
        for caption, names in parts.items()
    ]
    toc = {"format": "jb-book", "root": f"book/{next(iter(pages))}", "parts": listed}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), "utf-8")
    tool = Path(sys.executable).with_name("jupyter-book")
    command = [sys.executable, tool, "build", folder, "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    return folder / "_build" / "html", done.stdout + done.stderr

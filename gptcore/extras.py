"""Packages that only a part of the course needs, and the line to type where one is missing.

    with needing("finetune"):
        from scipy import stats

Source: none; the extras are those of pyproject.toml, read from the installed package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Imports inside say which extra they belong to, and what to type, where they fail.

    Args:
        extra: a name under optional-dependencies in pyproject.toml.

    Raises:
        ImportError: a package is absent or cannot be used; the message is one line.
    """
    try:
        yield
    except ImportError as error:
        name = (error.name or "a package").split(".")[0]
        absent = isinstance(error, ModuleNotFoundError)
        wrong = "is not installed" if absent else f"cannot be used here ({_line(error)})"
        message = f"{name} {wrong}; install what the extra {extra!r} names: {how_to_install(extra)}"
        raise ImportError(message, name=error.name, path=error.path) from error


def how_to_install(extra: str) -> str:
    """The command that installs the packages of an extra, in the versions that we test."""
    return " ".join(["pip install", *(f'"{package}"' for package in packages(extra))])


def packages(extra: str) -> list[str]:
    """The requirements of an extra, such as "scipy>=1.11".

    A package that runs from its sources without being installed has no list of requirements; then
    it is the extra itself, as pip takes it in the folder of the sources.
    """
    try:
        stated = requires("gptcore") or []
    except PackageNotFoundError:
        stated = []
    ours = re.compile(rf"""^(.*?)\s*;.*\bextra\s*==\s*["']{re.escape(extra)}["']""")
    return [hit[1] for line in stated if (hit := ours.match(line))] or [f".[{extra}]"]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())

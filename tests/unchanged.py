"""Which unit tests have passed as they stand, so that `make test-fast` need not repeat them.

`_build/passed.json` keeps, for each test file that passed, a digest of all that it depends on: the
file, the helpers and conftests it uses, each room of gptcore that is named in it or in a room so
reached (with scripts, tables and word lists, and wherever the name stands: an import, a string, a
docstring), the shipped data, pyproject.toml, what is installed, and the settings. A test that
starts programs, or reads the repository's files, depends on every file. A digest too wide costs
a minute, one too narrow hides a fault: where in doubt it is wide.
"""

import hashlib
import json
import re
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from execute import settings

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "_build" / "passed.json"
HELPERS = ("tests", "tests/book", "tests/tokenizer", "book/_tools", "book/_ext")  # pythonpath
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "_build"}
# Signs of a test that looks beyond what it imports.
WIDE = re.compile(
    r"subprocess|sys\.executable|multiprocessing|\bROOT\b|__file__|import gptcore\b(?!\.)"
)
ROOM = re.compile(r"\bgptcore[./](\w+)")
NAMES = re.compile(r"from gptcore import (\([^)]*\)|.*)")
IMPORTED = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


def unit_tests() -> list[str]:
    """The files of unit tests, as paths in the repository."""
    found = sorted((ROOT / "tests").rglob("test_*.py"))
    return [p.relative_to(ROOT).as_posix() for p in found if (ROOT / "tests/book") not in p.parents]


def digests() -> dict[str, str]:
    """Hash, for each file of unit tests, everything that could change what it says.

    Returns:
        Test file, as a path in the repository -> digest.
    """
    for cached in (_hash, _text, _files):
        cached.cache_clear()
    outside = [*settings(), *sorted(f"{d.name} {d.version}" for d in distributions())]
    found = {}
    for test in unit_tests():
        parts = [f"{path.relative_to(ROOT)} {_hash(path)}" for path in sorted(depends(ROOT / test))]
        found[test] = hashlib.sha256("\n".join([*outside, *parts]).encode()).hexdigest()
    return found


def depends(test: Path) -> set[Path]:
    """The files of the repository that a test depends on; all of them, if it looks beyond imports.

    Args:
        test: the file of a test.
    """
    ours = {test, *(d / "conftest.py" for d in test.parents if (d / "conftest.py").is_file())}
    ours = {path for path in ours if ROOT in path.parents}
    while new := {helper for path in ours for helper in _helpers(path)} - ours:
        ours |= new
    texts = "\n".join(_text(path) for path in ours if path.name != "conftest.py")
    if WIDE.search(texts):
        return set(_files(ROOT))
    texts += "\n".join(_text(path) for path in ours if path.name == "conftest.py")
    rooms: set[str] = set()
    while new := _rooms(texts) - rooms:
        rooms |= new
        if "" in new:
            return set(_files(ROOT))
        texts = "\n".join(_text(path) for room in new for path in _room_files(room))
    package = {path for room in rooms for path in _room_files(room)}
    shared = {ROOT / "pyproject.toml", ROOT / "gptcore" / "__init__.py", *_files(ROOT / "data")}
    return ours | package | shared


def skippable(digests: dict[str, str]) -> list[str]:
    """The test files that passed under the digest that they have now.

    Args:
        digests: test file -> its digest.
    """
    before = passed_before()
    return [test for test, digest in digests.items() if before.get(test) == digest]


def passed_before() -> dict[str, str]:
    """Test file -> the digest under which it passed last; empty where nothing is known."""
    try:
        record = json.loads(RECORD.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def remember(ran: dict[str, str], passed: bool) -> None:
    """Write down the files that have just passed; after a failure, forget all that ran.

    Args:
        ran: test file -> its digest, taken before the tests ran.
        passed: whether every test did.
    """
    record = {test: digest for test, digest in passed_before().items() if test not in ran}
    record.update(ran if passed else {})
    RECORD.parent.mkdir(exist_ok=True)
    partial = RECORD.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1), "utf-8")
    partial.replace(RECORD)


def _rooms(text: str) -> set[str]:
    """The rooms that a text names; "" for a name of the package that is none."""
    found = {name for name in ROOM.findall(text) if _room_files(name)}
    for names in NAMES.findall(text):
        for name in re.findall(r"\w+", re.sub(r"#.*| as \w+", "", names)):
            found.add(name if _room_files(name) else "")
    return found


def _room_files(name: str) -> list[Path]:
    package = ROOT / "gptcore"
    file = package / f"{name}.py"
    return [file] if file.is_file() else _files(package / name)


def _helpers(path: Path) -> set[Path]:
    names = IMPORTED.findall(_text(path))
    places = (ROOT / folder / f"{name}.py" for folder in HELPERS for name in names)
    return {place for place in places if place.is_file()}


@cache
def _files(folder: Path) -> list[Path]:
    if folder == ROOT:
        folders = ("gptcore", "tests", "book", "data", "bench", ".github", ".ci")
        top = [path for path in ROOT.iterdir() if path.is_file()]
        return sorted(top + [path for name in folders for path in _files(ROOT / name)])
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if not LEFT_OUT.intersection(path.relative_to(ROOT).parts)]


@cache
def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@cache
def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

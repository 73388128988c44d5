"""What a change reaches: tests that passed are left out where nothing of theirs has changed."""

import os
import sys
from pathlib import Path

import everything
import pytest
import unchanged

# A package of three rooms: `train` stands on `model`, `show` has a script and no part in training.
FILES = {
    "gptcore/__init__.py": "",
    "gptcore/model.py": "a = 1",
    "gptcore/train/__init__.py": "",
    "gptcore/train/loop.py": "def f():\n    from gptcore.model import a",
    "gptcore/show/__init__.py": "",
    "gptcore/show/draw.py": "",
    "gptcore/show/static/draw.js": "x",
    "gptcore/tales/words.txt": "fox",
    "gptcore/tales/__init__.py": "",
    "data/run.json": "{}",
    "pyproject.toml": "",
    "README.md": "Read me.",
    "tests/conftest.py": "",
    "tests/small_models.py": "from gptcore import train",
    "tests/heads/test_head.py": "import small_models",
    "tests/heads/numbers.json": "[1]",
    "tests/show/test_draw.py": "from gptcore.show.draw import x",
    "tests/tales/test_tale.py": "import_module(f'gptcore.tales.{name}')",
    "tests/test_cli.py": "import subprocess",
    "tests/test_top.py": "from gptcore import (\n    load,  # the model\n)",
    "tests/book/test_page.py": "",
}
HEAD, DRAW, TALE = "tests/heads/test_head.py", "tests/show/test_draw.py", "tests/tales/test_tale.py"
WIDE = {"tests/test_cli.py", "tests/test_top.py"}
REACHES = {
    "gptcore/model.py": {HEAD},  # by way of a helper, a room and an import inside a function
    "gptcore/train/loop.py": {HEAD},
    "gptcore/show/static/draw.js": {DRAW},
    "gptcore/tales/words.txt": {TALE},
    "tests/small_models.py": {HEAD},
    "tests/heads/test_head.py": {HEAD},
    "tests/conftest.py": {HEAD, DRAW, TALE},
    "data/run.json": {HEAD, DRAW, TALE},
    "pyproject.toml": {HEAD, DRAW, TALE},
    "README.md": set(),
    "tests/book/test_page.py": set(),
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository of which all tests have passed."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(unchanged, "ROOT", tmp_path)
    monkeypatch.setattr(unchanged, "RECORD", tmp_path / "_build" / "passed.json")
    monkeypatch.setattr(sys, "argv", ["everything.py", "--fast"])
    monkeypatch.delenv("CI", raising=False)
    unchanged.remember(unchanged.digests(), passed=True)
    return tmp_path


def to_run() -> set[str]:
    """The tests that are not left out."""
    digests = unchanged.digests()
    return set(digests) - set(unchanged.skippable(digests))


@pytest.mark.parametrize("name", REACHES)
def test_a_change_runs_what_it_reaches(name: str, repository: Path) -> None:
    """Worked examples; tests that start programs or use the whole package run after any change."""
    assert to_run() == set()
    (repository / name).write_text(FILES[name] + "\n# changed")
    assert to_run() == REACHES[name] | WIDE


def test_new_files_settings_and_libraries_count_too(repository: Path, monkeypatch) -> None:
    """A data file beside the test, an environment of another kind, another release of a library."""
    (repository / "gptcore" / "tales" / "more.txt").write_text("owl")
    assert to_run() == {TALE} | WIDE
    monkeypatch.setenv("GPTCORE_SCALE", "gpu")
    assert to_run() == {HEAD, DRAW, TALE} | WIDE
    monkeypatch.delenv("GPTCORE_SCALE")
    (repository / "gptcore" / "tales" / "more.txt").unlink()
    assert to_run() == set()
    monkeypatch.setattr(unchanged, "distributions", lambda: [])
    assert to_run() == {HEAD, DRAW, TALE} | WIDE


def test_a_failure_is_forgotten_by_nobody(repository: Path) -> None:
    """What ran beside a failure runs again, the rest keeps its record; a torn record is none."""
    digests = unchanged.digests()
    unchanged.remember({HEAD: digests[HEAD], DRAW: digests[DRAW]}, passed=False)
    assert to_run() == {HEAD, DRAW}
    for torn in ("{", "[]", ""):
        unchanged.RECORD.write_text(torn)
        assert to_run() == set(digests)


@pytest.mark.parametrize(
    ("arguments", "ci", "left_out"),
    [(["--fast"], "", 2), (["--fast", "--all"], "", 0), (["--fast"], "true", 0), ([], "", 0)],
)
def test_only_a_fast_run_at_home_leaves_tests_out(
    arguments, ci, left_out, repository: Path, monkeypatch, capsys
) -> None:
    """CI, `--all` and the run of everything run every test, and a run that skips says so."""
    (repository / "gptcore" / "tales" / "words.txt").write_text("owl")
    commands = []
    monkeypatch.setattr(everything, "browser", lambda: ("browser", True, "done"))
    monkeypatch.setattr(everything, "run", lambda *a: commands.append(a[1]) or (a[0], True, "done"))
    monkeypatch.setattr(sys, "argv", ["everything.py", *arguments])
    monkeypatch.setitem(os.environ, "CI", ci)
    assert everything.main() == 0
    ignored = [part for part in commands[0] if part.startswith("--ignore=")]
    skipped = {f"--ignore={name}" for name in (HEAD, DRAW) if left_out}
    assert set(ignored) - {"--ignore=tests/book"} == skipped
    said = "2 of 5 files passed as they stand and are left out; --all runs them"
    assert (said in capsys.readouterr().out) is bool(left_out)
    assert to_run() == set()
    commands.clear()
    assert everything.main() == 0
    assert len(commands) == 0 if left_out else commands

"""The explorers' pure functions, tested by Node's own test runner where Node exists."""

import subprocess
from pathlib import Path

import pytest
from node import node

FOLDER = Path(__file__).parents[1] / "js"
TESTS = sorted(FOLDER.glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_functions_of_a_module(path: Path) -> None:
    """Each file of tests/js passes; its own names say what it is about."""
    done = subprocess.run(
        [node(), "--test", "--test-reporter=tap", path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n# pass 0\n" not in done.stdout, f"{path.name} tests nothing"


def test_there_are_such_tests() -> None:
    """A folder that moved would otherwise pass in silence."""
    assert TESTS

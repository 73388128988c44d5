"""Modules of earlier versions: their names still work, and say where they went."""

import importlib
import subprocess
import sys

import pytest

import gptcore
from gptcore.moved import ELSEWHERE, MOVED


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No stand-in is left over, and none stays behind in the package."""
    for old in MOVED:
        sys.modules.pop(f"gptcore.{old}", None)
    monkeypatch.setattr(gptcore, "generate", gptcore.generate)
    monkeypatch.setattr(gptcore, "evaluate", gptcore.evaluate)
    yield
    for old in MOVED:
        sys.modules.pop(f"gptcore.{old}", None)


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_gives_the_new_module_and_one_line(old: str) -> None:
    """Every public name of the new module is the same object under the old one."""
    with pytest.warns(FutureWarning) as caught:
        module = importlib.import_module(f"gptcore.{old}")
    assert [str(w.message).count("\n") for w in caught] == [0]
    assert f"gptcore.{old} is now gptcore.{MOVED[old]};" in str(caught[0].message)
    new = importlib.import_module(f"gptcore.{MOVED[old]}")
    public = [name for name in vars(new) if not name.startswith("_")]
    assert public and all(getattr(module, name) is getattr(new, name) for name in public)


@pytest.mark.parametrize(("old", "name"), ELSEWHERE)
def test_names_that_left_their_module_are_found(old: str, name: str) -> None:
    """`from gptcore.evaluate import ngram_baselines` finds what moved to a module of its own."""
    with pytest.warns(FutureWarning):
        module = importlib.import_module(f"gptcore.{old}")
    assert callable(getattr(module, name))
    with pytest.raises(AttributeError):
        module.nothing_of_this_name  # noqa: B018


def test_a_module_whose_name_is_a_function_today_is_still_called() -> None:
    """`import gptcore.generate` puts a stand-in over the function; calling it calls the function.

    In a process of its own, as a reader's notebook would: the warning stands on stderr once and
    names the importing line.
    """
    source = (
        "import gptcore.generate\nimport gptcore.evaluate as e\n"
        "import types\nassert isinstance(e, types.ModuleType)\n"
        "from gptcore import generate\n"
        "try:\n    generate(None, None, 7)\nexcept Exception as error:\n    print(type(error))\n"
    )
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "Error" in found.stdout  # the function complains about its arguments
    assert found.stderr.count("is now gptcore.sampling.drawing") == 1


def test_a_name_that_never_was_is_still_absent() -> None:
    """Negative control: the finder answers for the names in its table only."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("gptcore.nothing_of_this_name")

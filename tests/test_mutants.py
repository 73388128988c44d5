"""The list of deliberate faults fits the code, and what plants them tells caught from survived."""

import sys
from pathlib import Path

import pytest
from mutants import run
from mutants.run import ROOT, Fault, StaleFault, faulty, judge, planted, read_faults, try_fault

WANTED = """leaky-mask unshifted-labels swapped-norm heads-not-merged-back no-tie everything-decays
stale-pattern top-p-rules-swapped dead-explorer wrong-number-in-prose cdn-link""".split()


def test_every_fault_fits_the_code_and_names_tests_that_exist() -> None:
    """A fault whose text has moved on, or whose test was renamed, is noticed here at once."""
    found = []
    for fault in read_faults():
        try:
            faulty(ROOT, fault)
        except StaleFault as stale:
            found.append(str(stale))
        for test in fault.tests:
            file, _, function = test.partition("::")
            path = ROOT / file
            wanted = f"def {function}(" if function and path.suffix == ".py" else ""
            if not path.is_file() or wanted not in path.read_text("utf-8"):
                found.append(f"{fault.name}: there is no {test}")
    assert not found, "\n".join(found)


def test_the_list_is_long_and_says_what_goes_wrong() -> None:
    """At least thirty faults, those of the course's plan among them, one sentence each."""
    faults = read_faults()
    assert len(faults) >= 30 and {fault.name for fault in faults} >= set(WANTED)
    assert len({(fault.file, fault.old, fault.new) for fault in faults}) == len(faults)
    for fault in faults:
        assert fault.harm[0].isupper() and fault.harm.endswith("."), fault.name
        assert len(fault.harm) <= 110 and "\n" not in fault.harm, fault.name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of one function and three tests of it."""
    files = {
        "gptcore/__init__.py": "",
        "gptcore/add.py": "import math\n\n\ndef add(a, b):\n    return a + b  # π\n",
        "tests/test_add.py": "from gptcore.add import add\n\n\ndef test_sum():\n"
        "    assert add(1, 2) == 3\n",
        "tests/test_weak.py": "from gptcore.add import add\n\n\ndef test_zero():\n"
        "    assert add(0, 0) == 0\n",
        "tests/test_skipped.py": "import pytest\n\n\ndef test_it():\n"
        "    pytest.skip('no browser')\n",
    }
    for name, text in files.items():
        (tmp_path / "0" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "0" / name).write_text(text, "utf-8")
    return tmp_path / "0"


def minus(**changes) -> Fault:
    """A fault of that repository."""
    fault = Fault("minus", "Wrong.", "gptcore/add.py", "a + b", "a - b", ("tests/test_add.py",))
    return fault._replace(**changes)


def test_a_fault_is_planted_and_every_byte_comes_back(root: Path) -> None:
    """Also when what runs meanwhile fails."""
    file = root / "gptcore" / "add.py"
    whole = file.read_bytes()
    with pytest.raises(KeyError), planted(root, minus()):
        assert file.read_text("utf-8").endswith("return a - b  # π\n")
        raise KeyError
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"old": "a * b"}, "minus: gptcore/add.py holds its old text 0 times"),
        ({"old": "a"}, "holds its old text 4 times"),
        ({"new": "a + b"}, "holds its old text 1 times, and it must hold it once and be changed"),
        ({"file": "gptcore/gone.py"}, "minus: gptcore/gone.py is absent"),
    ],
)
def test_a_stale_fault_is_an_error_with_its_name(root: Path, changes: dict, message: str) -> None:
    """The text must be there exactly once."""
    with pytest.raises(StaleFault, match=message):
        faulty(root, minus(**changes))


@pytest.mark.parametrize(
    ("changes", "kind", "detail"),
    [
        ({}, "caught", "tests/test_add.py::test_sum"),
        ({"tests": ("tests/test_weak.py", "tests/test_add.py")}, "caught", "test_add.py::test_sum"),
        ({"tests": ("tests/test_weak.py",)}, "survived", ""),
        ({"tests": ("tests/test_skipped.py",)}, "skipped", ""),
        ({"old": "import math", "new": "import mahts"}, "unclear", "pytest ends with 2"),
        ({"tests": ("tests/test_gone.py",)}, "unclear", "pytest ends with 4"),
        ({"new": "add(a, b) if [*iter(int, 1)] else 0"}, "unclear", "does not end"),
    ],
)
def test_verdicts_on_a_small_repository(root: Path, changes: dict, kind: str, detail: str) -> None:
    """A failed test catches; a broken import, an absent test and a loop without end do not."""
    verdict = try_fault(root, minus(**changes), patience=5 if detail == "does not end" else 60)
    assert verdict.kind == kind and detail in verdict.detail, verdict


def test_an_error_in_a_fixture_catches_nothing() -> None:
    """Only a test that failed has noticed the fault."""
    errored = "ERROR tests/test_x.py::test_y - KeyError: 'mask'\n1 error in 0.1s"
    assert judge(1, errored).kind == "unclear"
    failed = "FAILED tests/test_x.py::test_y[a - b] - assert 1 == 2\n1 failed in 0.1s"
    assert judge(1, failed)[:2] == ("caught", "tests/test_x.py::test_y[a - b]")


@pytest.mark.parametrize(
    ("script", "kind", "detail"),
    [
        ("print('page.md:3: WARNING: Unknown directive'); exit(1)", "caught", "Unknown directive"),
        ("print('no chapter'); exit(1)", "caught", "the build: no chapter"),
        ("", "survived", ""),
    ],
)
def test_a_build_that_fails_has_caught_the_fault(
    root: Path, monkeypatch: pytest.MonkeyPatch, script: str, kind: str, detail: str
) -> None:
    """Without tests, a build that passes lets the fault survive."""
    monkeypatch.setattr(run, "BUILD", [sys.executable, "-c", script])
    verdict = try_fault(root, minus(tests=(), build=True))
    assert verdict.kind == kind and detail in verdict.detail


def test_a_clean_copy_must_pass_and_use_its_own_package(root: Path, capsys) -> None:
    """Else every fault would look caught."""
    assert run.prepare(root, [minus()]) is None
    assert "without a fault: 1 passed" in capsys.readouterr().out
    with planted(root, minus()):
        assert "fails its own tests" in run.prepare(root, [minus()])
    (root / "gptcore").rename(root / "elsewhere")
    assert "does not use its own package" in run.prepare(root, [minus()])


def test_a_copy_has_no_history_and_nothing_built_but_remembered_outputs(tmp_path: Path) -> None:
    """What a copy needs is what git keeps, and the outputs of the chapters to save their time."""
    for name in (
        ".git/x",
        ".venv/x",
        "a/__pycache__/x",
        "_build/html/x",
        "_build/executed/x",
        "a/x",
    ):
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).touch()
    run.copy(tmp_path / "from", tmp_path / "to")
    found = {p.relative_to(tmp_path / "to").as_posix() for p in tmp_path.glob("to/**/x")}
    assert found == {"_build/executed/x", "a/x"}


def test_faults_are_read_from_tables(tmp_path: Path) -> None:
    """A field too many, too few, an empty one, and a name that is taken are errors that say so."""
    table = "[minus]\nharm = 'Wrong.'\nfile = 'x.py'\nold = '+'\nnew = '-'\n"
    table += "tests = ['a.py', 'b.ipynb::Cell 3']\n"
    (tmp_path / "a.toml").write_text(table)
    (fault,) = read_faults(tmp_path)
    assert fault == Fault("minus", "Wrong.", "x.py", "+", "-", ("a.py", "b.ipynb::Cell 3"))
    wrong = {
        "b.toml: minus is there already": table,
        "b.toml: other: .*'why'": table.replace("[minus]", "[other]\nwhy = 1"),
        "b.toml: other: .*'new'": table.replace("[minus]", "[other]").replace("new = '-'", ""),
        "b.toml: other needs": table.replace("[minus]", "[other]").replace("Wrong.", ""),
    }
    for message, text in wrong.items():
        (tmp_path / "b.toml").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_faults(tmp_path)


def test_the_command_line_lists_and_refuses_unknown_names(capsys) -> None:
    """Nothing is copied for either."""
    assert run.main(["--list"]) == 0
    assert "leaky-mask" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no fault is named lekay-mask; --list shows all"):
        run.main(["lekay-mask"])

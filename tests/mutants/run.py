"""Plant each deliberate fault on a copy of the repository and show which test catches it.

    python tests/mutants/run.py                     every fault
    python tests/mutants/run.py leaky-mask no-tie   these two
    python tests/mutants/run.py --list              what there is

A suite that has never failed has proven nothing. The faults stand in the `*.toml` files beside
this one, one table each: what goes wrong and for whom (`harm`), the `file`, its `old` text, which
must occur exactly once, the `new` text in its place, and the `tests` that should notice. With
`build = true` the book is built with the fault first, and a build that fails has caught it.

A fault is caught when one of its tests fails. A test that cannot be collected, or does not end,
catches nothing. The exit status is 0 only if every fault was caught.
"""

import argparse
import multiprocessing
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10: pytest brings the same module under its first name
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATIENCE = 900  # seconds; what takes longer hangs
PYTEST = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider"]
PYTEST += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is loaded already
NOTEBOOKS = ["-p", "nbval.plugin", "--nbval-lax", "--nbval-current-env"]
BUILD = [sys.executable, "book/_tools/build.py"]
LEFT_BEHIND = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", ".ipynb_checkpoints")
# Most of a short test's time goes into importing these: one process does it, and is forked.
WARM = ["torch", "torch._dynamo", "pytest", "plotly.graph_objects", "IPython", "tokenizers"]
WARM += ["transformers.models.gpt2.modeling_gpt2", "transformers.models.openai.modeling_openai"]
FORKS = multiprocessing.get_context("forkserver")
FAILED = re.compile(r"^FAILED (.+?::[^\[\n]*?(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)
WARNING = re.compile(r"^.*?(?:WARNING|ERROR): (.+)$", re.MULTILINE)


class StaleFault(Exception):
    """The text that a fault replaces is not there exactly once: the code has moved on."""


class Fault(NamedTuple):
    """One deliberate fault."""

    name: str
    harm: str
    """What goes wrong, and for whom: one sentence."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Test files or pytest node ids; empty if building the book is the test."""
    build: bool = False


class Verdict(NamedTuple):
    """What became of a fault: "caught" (and by which test), "survived", "skipped", "unclear"."""

    kind: str
    detail: str = ""
    output: str = ""


def read_faults(folder: Path = HERE) -> list[Fault]:
    """The faults of all `*.toml` files of a folder, in the order in which they stand there.

    Raises:
        ValueError: two faults share a name, or one has a field too many, too few or without text.
    """
    faults: dict[str, Fault] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, fields in tomllib.loads(path.read_text("utf-8")).items():
            try:
                fault = Fault(name, **{**fields, "tests": tuple(fields.get("tests", ()))})
            except TypeError as error:
                raise ValueError(f"{path.name}: {name}: {error}") from error
            if name in faults:
                raise ValueError(f"{path.name}: {name} is there already, in another file")
            if not (fault.harm and fault.old and (fault.tests or fault.build)):
                raise ValueError(f"{path.name}: {name} needs harm, old, and tests or build")
            faults[name] = fault
    return list(faults.values())


def faulty(root: Path, fault: Fault) -> str:
    """The text of the fault's file with the fault in it.

    Raises:
        StaleFault: the file is absent, or does not hold the old text exactly once.
    """
    path = root / fault.file
    if not path.is_file():
        raise StaleFault(f"{fault.name}: {fault.file} is absent")
    text = path.read_text("utf-8")
    if text.count(fault.old) != 1 or fault.old == fault.new:
        raise StaleFault(
            f"{fault.name}: {fault.file} holds its old text {text.count(fault.old)} times, and it "
            "must hold it once and be changed"
        )
    return text.replace(fault.old, fault.new)


@contextmanager
def planted(root: Path, fault: Fault) -> Iterator[None]:
    """While it is open, the fault is in the copy at `root`; afterwards every byte is back."""
    path, broken = root / fault.file, faulty(root, fault)
    whole = path.read_bytes()
    path.write_text(broken, "utf-8")
    try:
        yield
    finally:
        path.write_bytes(whole)


def copy(source: Path, target: Path) -> None:
    """Copy a repository without its history, its environment and what was built.

    The remembered outputs of the chapters come along: with them the book is built in seconds.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_BEHIND, "_build"))
    if (source / "_build" / "executed").is_dir():
        shutil.copytree(source / "_build" / "executed", target / "_build" / "executed")


def environment(root: Path) -> dict[str, str]:
    """What makes a process in a copy use the copy's own package, one thread and no network."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    fixed = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    return (
        {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", **os.environ} | fixed | offline
    )


def run(root: Path, command: Sequence[str], patience: float = PATIENCE) -> tuple[int | None, str]:
    """Run a command in a copy.

    Returns:
        Exit status, None if it was still running after `patience` seconds; and its output.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    process = subprocess.Popen(
        command, cwd=root, env=environment(root), text=True, errors="replace", **pipes
    )
    try:
        output, _ = process.communicate(timeout=patience)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        return None, f"still running after {patience} seconds"
    finally:
        if process.poll() is None:
            _end(process.pid)
            process.wait()


def run_tests(root: Path, tests: Sequence[str], patience: float = PATIENCE):
    """Run tests in a copy; returns what `run` returns, with pytest's exit status."""
    log = root.with_suffix(".log")
    plugins = NOTEBOOKS if any(test.partition("::")[0].endswith(".ipynb") for test in tests) else []
    arguments = [*PYTEST, *plugins, *tests]
    process = FORKS.Process(target=_pytest, args=(str(root), str(log), arguments))
    process.start()
    try:
        process.join(patience)
        output = log.read_text("utf-8", errors="replace") if log.is_file() else ""
        return process.exitcode, output
    finally:
        if process.exitcode is None:
            _end(process.pid)
            process.join()


def _pytest(root: str, log: str, arguments: list[str]) -> None:
    """In a process that was forked for it: run pytest in a copy, its output going to a file."""
    os.setsid()
    with open(log, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(root)
    os.environ.update(environment(Path(root)), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    sys.dont_write_bytecode = True
    sys.path.insert(0, root)
    import pytest

    sys.exit(int(pytest.main(arguments)))


def _end(group: int) -> None:
    """End a process with whatever it started, kernels and browsers included."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def try_fault(root: Path, fault: Fault, patience: float = PATIENCE) -> Verdict:
    """Plant one fault in the copy at `root` and see who notices."""
    with planted(root, fault):
        if fault.build:
            status, output = run(root, BUILD, patience)
            if status:
                found = WARNING.search(output)
                why = found[1] if found else output.strip().splitlines()[-1]
                return Verdict("caught", f"the build: {why}")
            if status is None:
                return Verdict("unclear", output, output)
        if not fault.tests:
            return Verdict("survived")
        return judge(*run_tests(root, fault.tests, patience))


def judge(status: int | None, output: str) -> Verdict:
    """What a run of pytest says about the fault that was planted."""
    failed = FAILED.search(output)
    if status == 1 and failed:
        return Verdict("caught", failed[1])
    if status == 0:
        ran = re.search(r"\d+ passed", output)
        return Verdict("survived" if ran else "skipped", output=output)
    what = "does not end" if status is None else f"pytest ends with {status} and no failed test"
    return Verdict("unclear", what, output)


def prepare(root: Path, faults: list[Fault]) -> str | None:
    """Prove that the clean copy uses its own package and passes the tests of these faults.

    Returns:
        None, or what is wrong with it.
    """
    _, where = run(root, [sys.executable, "-c", "import gptcore; print(gptcore.__file__)"])
    if not Path(where.strip()).is_relative_to(root):
        return f"the copy does not use its own package but {where}"
    started = time.monotonic()
    if any(fault.build for fault in faults):
        status, output = run(root, BUILD)
        if status != 0:
            return f"the clean copy does not build:\n{output}"
        say(f"  the book is built, {time.monotonic() - started:.0f} s")
    tests = sorted({test for fault in faults for test in fault.tests})
    status, output = run_tests(root, ["--maxfail=99", *tests]) if tests else (0, "no tests needed")
    if status != 0:
        return f"the clean copy fails its own tests:\n{output}"
    say(f"  without a fault: {output.strip().splitlines()[-1].strip('= ')}")
    return None


def try_all(home: Path, faults: list[Fault], jobs: int) -> list[Verdict]:
    """Try the faults, at most `jobs` side by side, each worker on a copy of the clean copy."""
    roots: queue.Queue[Path] = queue.Queue()
    roots.put(home / "0")
    for i in range(1, jobs):
        shutil.copytree(home / "0", home / str(i))
        roots.put(home / str(i))
    width = max(len(fault.name) for fault in faults)

    def one(fault: Fault) -> Verdict:
        root, started = roots.get(), time.monotonic()
        try:
            verdict = try_fault(root, fault)
        finally:
            roots.put(root)
        told = {"caught": f"caught by {verdict.detail}", "survived": "SURVIVED"}
        told |= {"skipped": "not tried: its tests are skipped on this machine"}
        what = told.get(verdict.kind, f"NOT CAUGHT: {verdict.detail}")
        say(f"{fault.name:{width}}  {what}, {time.monotonic() - started:.1f} s")
        if verdict.kind == "unclear":
            say("    " + "\n    ".join(verdict.output.strip().splitlines()[-25:]))
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(one, faults))
        except BaseException:  # Ctrl-C ends the tests under way, too
            for child in multiprocessing.active_children():
                _end(child.pid)
            raise


def choose(faults: list[Fault], names: list[str]) -> list[Fault]:
    """The faults of these names, all without any; SystemExit for a name that no fault has."""
    known = {fault.name for fault in faults}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no fault is named {', '.join(unknown)}; --list shows all")
    return [fault for fault in faults if not names or fault.name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the faults that the command line names and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="faults to try; all if none is named")
    parser.add_argument("--list", action="store_true", help="print the faults and what they do")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="copies to work on at a time")
    parser.add_argument("--keep", action="store_true", help="leave the copies in place")
    options = parser.parse_args(arguments)
    faults = choose(read_faults(), options.names)
    if options.list:
        print("\n".join(f"{fault.name:30}  {fault.harm}" for fault in faults))
        return 0
    for fault in faults:
        faulty(ROOT, fault)  # a stale one ends the run before any time is spent
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and tidy up
    os.environ.update(environment(ROOT))
    FORKS.set_forkserver_preload(WARM)
    home, started = Path(tempfile.mkdtemp(prefix="gptcore-mutants-")).resolve(), time.monotonic()
    try:
        say(f"{len(faults)} faults; copying the repository to {home}")
        copy(ROOT, home / "0")
        wrong = prepare(home / "0", faults)
        if wrong:
            say(wrong)
            return 2
        verdicts = try_all(home, faults, max(1, min(options.jobs, len(faults))))
    finally:
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)
    kinds = [verdict.kind for verdict in verdicts]
    say(
        f"\n{kinds.count('caught')} of {len(faults)} faults caught, {kinds.count('survived')} "
        f"survived, {kinds.count('unclear')} unclear, {kinds.count('skipped')} not tried; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if {"survived", "unclear"} & set(kinds) else 0


def say(text: str) -> None:
    """Print at once: somebody is waiting."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

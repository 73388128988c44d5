"""Run every kind of test and end with one line per kind: what `make test` calls.

`--fast` runs the unit tests only, without those files that passed as they stand; `--all` runs these
too, and so does CI=true. Each kind runs even when an earlier one failed.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "book" / "_tools"), str(ROOT / "tests" / "book")]

PYTEST = [sys.executable, "-m", "pytest"]
UNITS = [*PYTEST, "tests", "--ignore=tests/book", "-n", "2", "-q"]
# Git's stored outputs against the run that the build has just made: no chapter runs twice.
NOTEBOOKS = [sys.executable, "tests/book/stored_outputs.py"]
_CHECKS = "structure tools stored_outputs numbers claims tokenization_chapter".split()
STRUCTURE = [f"tests/book/test_{name}.py" for name in _CHECKS]
# All others of tests/book need the built pages.
PAGES = sorted(
    {f"tests/book/{p.name}" for p in (ROOT / "tests/book").glob("test_*.py")} - {*STRUCTURE}
)
CLOSING = re.compile(r"^=*\s*((?:\d+ [a-z]+,? ?)+|no tests ran) in [\d.]+s.*$")


def main() -> int:
    """Run the kinds asked for, print the summary, and return the exit status."""
    started = time.monotonic()
    fast = "--fast" in sys.argv
    results = [units(skip=fast and "--all" not in sys.argv and not in_ci())]
    if not fast:
        results += [run("building the book", [sys.executable, "book/_tools/build.py"])]
        results += [run("notebooks", NOTEBOOKS)]
        results += [run("structure", [*PYTEST, *STRUCTURE, "-q"]), browser()]
    print(f"\n==== summary, {time.monotonic() - started:.0f} s ====")
    for name, passed, closing in results:
        print(f"{'ok    ' if passed else 'FAILED'}  {name:18}  {closing}")
    return 0 if all(passed for _, passed, _ in results) else 1


def units(skip: bool) -> tuple[str, bool, str]:
    """Run the unit tests and remember which files passed.

    Args:
        skip: leave out the files that have passed as they stand, with all they depend on.
    """
    import unchanged

    digests = unchanged.digests()
    left_out = unchanged.skippable(digests) if skip else []
    count = f"{len(left_out)} of {len(digests)} files passed as they stand and are left out"
    if len(left_out) == len(digests):
        return "unit tests", True, f"{count}; --all runs them"
    name, passed, closing = run("unit tests", [*UNITS, *(f"--ignore={t}" for t in left_out)])
    unchanged.remember({t: d for t, d in digests.items() if t not in left_out}, passed)
    return name, passed, f"{closing} ({count}; --all runs them)" if left_out else closing


def in_ci() -> bool:
    """Whether this is a run that others rely on: nothing is left out and nothing may be absent."""
    return os.environ.get("CI", "").lower() == "true"


def browser() -> tuple[str, bool, str]:
    """Open the built pages in a browser, fetching one if this machine has none."""
    from chromium import find, provide

    if find() is None and provide() is None:
        message = "NO BROWSER: the pages were NOT opened. Install Chromium and run again."
        print(f"\n==== browser ====\n{message}", flush=True)
        return "browser", not in_ci(), message
    return run("browser", [*PYTEST, *PAGES, "-q"])


def run(name: str, command: list[str]) -> tuple[str, bool, str]:
    """Run one kind, show its output as it comes, and keep its closing line.

    Args:
        name: what the summary calls it.
        command: the command line.

    Returns:
        The name, whether it passed, and pytest's closing line or the last line printed.
    """
    print(f"\n==== {name} ====", flush=True)
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    closing = last = ""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for raw in process.stdout:
            text = raw.decode(errors="replace")
            print(text, end="", flush=True)
            last = text.strip() or last
            closing = last if CLOSING.match(last) else closing
    return name, process.returncode == 0, (closing or last).strip("= ")


if __name__ == "__main__":
    sys.exit(main())

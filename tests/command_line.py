"""The command line as a stranger uses it: started, waited for, and given what it must refuse."""

import os
import subprocess
import sys
import time

from gptcore import __main__ as cli


def start(*args: object, **options) -> subprocess.Popen:
    """The command in a process of its own, with one thread as in this one."""
    return subprocess.Popen(
        [sys.executable, "-m", "gptcore", *map(str, args)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.001)


def interrupt(patch, owner: type, name: str, call: int, number: int) -> None:
    """Send this process a signal when a method is called for that time, as soon as it is done."""
    plain, calls = getattr(owner, name), []

    def interrupted(*args):
        calls.append(1)
        result = plain(*args)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return result

    patch.setattr(owner, name, interrupted)


def failing(capsys, *args: object) -> str:
    """The one line that a mistake prints."""
    try:
        code = cli.main([str(arg) for arg in args])
    except SystemExit as stopped:  # tyro's way
        code = stopped.code
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert "Traceback" not in printed.err
    return printed.err

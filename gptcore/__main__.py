"""The command line: `gptcore COMMAND ...`, or `python -m gptcore COMMAND ...`.

Every command is a file in `gptcore/commands`. What a user can cause ends in one line on stderr and
exit code 2; Ctrl-C ends in 130, after saving.

Source: none.
"""

from __future__ import annotations

import inspect
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import tyro

from gptcore.commands import data, evaluate, finetune, generate, info, say, tales, train
from gptcore.config import PRESETS
from gptcore.train.loop import Diverged

COMMANDS: dict[str, ModuleType] = {
    "tales": tales,
    "data": data,
    "train": train,
    "finetune": finetune,
    "generate": generate,
    "evaluate": evaluate,
    "info": info,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake, 130 after Ctrl-C."""
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in ("-h", "--help"):
        print(_overview())
        return 0 if args else 2
    name, rest = args[0], args[1:]
    if name not in COMMANDS:
        say(f"{name!r} is no command; choose from {', '.join(COMMANDS)}")
        return 2
    try:
        options = _parsed(name, rest)
        with _sigterm_like_ctrl_c():
            if name in ("train", "finetune"):  # the record names the command that made it
                COMMANDS[name].run(options, _without_resume(args))
            else:
                COMMANDS[name].run(options)
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        return 143 if "SIGTERM" in interrupt.args else 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, Diverged) as error:
        say(f"{name}: {' '.join(str(error).split())}")
        return 2
    return 0


def _without_resume(args: list[str]) -> str:
    """The command that begins a run: one that was killed is still the run that it began."""
    return shlex.join(["gptcore", *(word for word in args if word != "--resume")])


def _overview() -> str:
    lines = ["usage: gptcore COMMAND ...", "", "Train small GPTs, and let them write.", ""]
    lines += [
        f"  {name:<10} {inspect.getdoc(command.Options).splitlines()[0]}"
        for name, command in COMMANDS.items()
    ]
    lines += ["", "gptcore COMMAND --help tells the options of a command. For example:"]
    lines += [command.EXAMPLES.splitlines()[1] for command in (train, generate)]
    return "\n".join(lines)


def _parsed(name: str, args: list[str]) -> Any:
    """The options of a command; tyro prints help and complaints and exits."""
    kind, examples = COMMANDS[name].Options, COMMANDS[name].EXAMPLES
    description = f"{inspect.getdoc(kind)}\n\nExamples:{examples}"
    default: Any = tyro.MISSING_NONPROP
    if name == "train":  # the preset decides the defaults of the model's options
        words = [part for word in args for part in word.split("=", 1)]
        preset = words[words.index("--preset") + 1 :] if "--preset" in words else []
        shape = PRESETS.get(preset[0] if preset else "tiny", PRESETS["tiny"])
        default = train.Options(out=tyro.MISSING, model=shape)
    return tyro.cli(
        kind, prog=f"gptcore {name}", description=description, args=args, default=default
    )


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, with which batch systems and containers end a job, saves too."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt("SIGTERM")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())

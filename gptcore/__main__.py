"""The command line: `gptcore COMMAND ...`, or `python -m gptcore COMMAND ...`.

Every command is a file in `gptcore/commands`, imported when it is asked for. What a user can cause
ends in one line on stderr and exit code 2; Ctrl-C ends in 130, after saving.

Source: none.
"""

from __future__ import annotations

import inspect
import io
import os
import platform
import shlex
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from importlib import import_module, metadata
from types import ModuleType
from typing import Any

from gptcore import __version__
from gptcore.commands import say

COMMANDS = {
    "tales": "Write tales: small stories from a seeded simulator. Same seed, same bytes, "
    "everywhere.",
    "data": "List, fetch and show real data sets.",
    "train": "Train a GPT from random weights, on your own text files or on Tales.",
    "finetune": "Fine-tune a pre-trained GPT on labelled texts: Tales, a named set, or your own "
    "file.",
    "sft": "Teach a pre-trained GPT to respond, from demonstrations.",
    "reward": "Learn from comparisons how good a response is: a reward model.",
    "dpo": "Learn from comparisons what to say, without a reward model: DPO.",
    "ppo": "Let a model answer prompts, and learn from the score of each answer: PPO, or GRPO.",
    "generate": "Continue a text.",
    "evaluate": "Measure how well a model predicts text it was not trained on.",
    "zeroshot": "Ask a model questions that it was not trained to answer.",
    "info": "Say what a model consists of: its fields, its parameters by part, the memory it "
    "takes.",
}
"""Name -> the first line of its help, so that the overview need not import them all."""
TRAINS = ("train", "finetune", "sft", "reward", "dpo", "ppo")
PATIENCE = 5.0
"""Seconds in which the first of several processes says what they all would say."""
EXAMPLES = """
  gptcore train --out runs/first
  gptcore generate runs/first "Once upon a time" --temperature 0.8 --seed 1"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake, 130 after Ctrl-C."""
    args = list(sys.argv[1:] if args is None else args)
    _never_fail_to_print()
    if not args or args[0] in ("-h", "--help"):
        print(_overview())
        return 0 if args else 2
    if args[0] in ("-V", "--version"):
        print(_version())
        return 0
    name, rest = args[0], args[1:]
    if name not in COMMANDS:
        say(f"{name!r} is no command; choose from {', '.join(COMMANDS)}")
        return 2
    if name != "train" and _processes() > 1:
        return _told(f"{name} runs in one process, not in {_processes()}: leave torchrun out")
    try:
        with _sigterm_like_ctrl_c(), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _speaks() and say(str(message))
            _run(name, rest)
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        return 143 if "SIGTERM" in interrupt.args else 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _foreseen(error):
            raise
        return _told(
            f"{name}: {' '.join(str(error).split()) or type(error).__name__}{_way_out(error)}"
        )
    return 0


def _processes() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def _speaks() -> bool:
    """Whether this is the process that says what all of them would say."""
    return _processes() == 1 or os.environ.get("RANK", "0") == "0"


def _told(mistake: str) -> int:
    """Say what went wrong, once for all processes, and return the exit code."""
    if _processes() > 1:
        from gptcore.train.processes import tells

        if not tells():
            return 2
    say(mistake)
    return 2


@contextmanager
def _silent() -> Iterator[None]:
    """Around what the first process says for all: torchrun ends the others as soon as one ends."""
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    except SystemExit:
        time.sleep(PATIENCE)
        raise


def _run(name: str, rest: list[str]) -> None:
    command = import_module(f"gptcore.commands.{name}")
    options = _parsed(command, name, rest)
    if name in TRAINS:  # the record names the command that made it
        command.run(options, _without_resume([name, *rest]))
    else:
        command.run(options)


def _foreseen(error: Exception) -> bool:
    """Whether a user can have caused it; what only we can have caused keeps its traceback."""
    if isinstance(error, ValueError | OSError | ImportError) or _out_of_memory(error):
        return True
    from gptcore.train.loop import Diverged

    return isinstance(error, Diverged)


def _out_of_memory(error: Exception) -> bool:
    told = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in told or "allocate memory" in told


def _way_out(error: Exception) -> str:
    if not _out_of_memory(error):
        return ""
    return ". It does not fit in memory: a smaller --batch-size needs less, a smaller model too"


def _never_fail_to_print() -> None:
    """What an output's encoding cannot say is written out, as \\u2192, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _version() -> str:
    python, torch = platform.python_version(), metadata.version("torch")
    return f"gptcore {__version__} (Python {python}, torch {torch}, {platform.system()})"


def _without_resume(args: list[str]) -> str:
    """The command that begins a run: one that was killed is still the run that it began."""
    return shlex.join(["gptcore", *(word for word in args if word != "--resume")])


def _overview() -> str:
    lines = ["usage: gptcore COMMAND ...", "", "Train small GPTs, and let them write.", ""]
    lines += [f"  {name:<10} {told}" for name, told in COMMANDS.items()]
    lines += ["", "gptcore COMMAND --help tells the options of a command, gptcore --version what"]
    return "\n".join([*lines, f"is installed. For example:{EXAMPLES}"])


def _parsed(command: ModuleType, name: str, args: list[str]) -> Any:
    """The options of a command; tyro prints help and complaints and exits."""
    import tyro

    if hasattr(command, "words"):
        args = command.words(args)
    description = f"{inspect.getdoc(command.Options)}\n\nExamples:{command.EXAMPLES}"
    default: Any = tyro.MISSING_NONPROP
    with nullcontext() if _speaks() else _silent():
        if hasattr(command, "defaults"):  # what is given decides what suits the rest
            default = command.defaults(args)
        return tyro.cli(
            command.Options,
            prog=f"gptcore {name}",
            description=description,
            args=args,
            default=default,
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

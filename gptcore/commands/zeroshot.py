"""`gptcore zeroshot`: what a model answers without any training for the task, and after a few
demonstrations in its prompt.

Source: none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from gptcore.commands import load, printable, say

if TYPE_CHECKING:
    from gptcore.scoring.asking import Report
    from gptcore.scoring.shots import Shots
    from gptcore.scoring.tasks import Row, Task

EXAMPLES = """
  gptcore zeroshot tales-gpt1 tales-endings tales-mood
  gptcore zeroshot gpt2 lambada codah blimp:adjunct_island --n 1000
  gptcore zeroshot tales-gpt2-1m tales-endings --shots 1
  gptcore zeroshot runs/first my_task.json --out answers.jsonl"""


@dataclass(frozen=True)
class Options:
    """Ask a model questions that it was not trained to answer.

    Options are compared under four norms: none is their log-probability, token divides it by their
    tokens, character by their characters, unconditional takes away what they have without the
    prompt. The first line of a task is its own score; chance is guessing, most frequent always
    gives the answer that is right most often, length always takes the shortest option or the
    longest.
    """

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub."""
    tasks: Positional[tuple[str, ...]] = ()
    """Which: names of tasks, of parts of them (blimp:adjunct_island), or files of your own (.json,
    .jsonl). None: the names are listed."""
    n: int = 200
    """Questions of each task; all where there are fewer."""
    shots: int = 0
    """Demonstrations before each question, drawn from the task's training part, or from its other
    rows where it has none. No weight changes."""
    seed: int = 0
    """Draws the tales of the tasks that are made from Tales, and the demonstrations."""
    out: Path | None = None
    """File for every prompt with its answer, as JSON lines. None:
    runs/zeroshot/CHECKPOINT.jsonl."""
    batch_size: int = 16
    """Texts read side by side; changes the speed only."""
    quiet: bool = False
    """Show no progress."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""


def run(options: Options) -> None:
    """Ask every task in turn, store the answers, and print one table."""
    from gptcore.scoring.asking import ask

    tasks = [
        (*_known(name, options), _shots(name, options)) for name in dict.fromkeys(options.tasks)
    ]
    if not tasks:
        from gptcore.scoring.task_list import SOURCES

        raise ValueError(f"name one task or several: {', '.join(SOURCES)}, or files of your own")
    out = options.out or Path("runs/zeroshot") / f"{Path(options.checkpoint).name}.jsonl"
    if out.is_dir():
        raise ValueError(f"out={out} is a folder; it must be the name of a file")
    model, tokenizer = load(options.checkpoint, options.device)
    size, progress = options.batch_size, not options.quiet
    reports: list[Report] = []
    for task, rows, shots in tasks:
        report = ask(model, tokenizer, task, rows, shots=shots, batch_size=size, progress=progress)
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a" if reports else "w", encoding="utf-8") as file:  # kept, come what may
            for answer in report.answers:
                print(json.dumps({"task": report.task, **answer}), file=file)
        reports.append(report)
    print("\n".join(table(reports)))
    for report in reports:
        if report.n_cut:
            say(
                f"{report.task}: the beginnings of {report.n_cut} of {report.n} prompts were cut, "
                f"because the model reads no more than {model.config.n_ctx} tokens"
            )
        if report.n_fewer:
            say(
                f"{report.task}: {report.n_fewer} of {report.n} questions have fewer than "
                f"{options.shots} demonstrations, because no more fit {model.config.n_ctx} tokens"
            )
    say(f"{out} holds every prompt with its answer")


def _known(name: str, options: Options) -> tuple[Task, list[Row]]:
    """A task with its rows, and a way to get what it lacks; before a model is loaded."""
    from gptcore.datasets import DataUnavailable
    from gptcore.extras import needing
    from gptcore.scoring.task_list import known

    try:
        task, rows = known(name, options.n, options.seed)
    except DataUnavailable as error:
        which = str(error).split(":")[0]
        raise DataUnavailable(
            f"{name} needs a set of real data; to get it: gptcore data fetch {which}. {error}"
        ) from error
    if task.scorer == "rouge":
        with needing("rouge"):
            import rouge_score  # noqa: F401
    return task, rows


def _shots(name: str, options: Options) -> Shots:
    """The demonstrations that a task's questions get; before a model is loaded."""
    from gptcore.scoring.shots import Shots
    from gptcore.scoring.task_list import demonstrations

    rows = demonstrations(name, options.n, options.shots, options.seed) if options.shots > 0 else ()
    return Shots(rows, options.shots, options.seed)


def table(reports: list[Report]) -> list[str]:
    """The scores as lines: of each task its own first, beside what needs no model."""
    names = list(dict.fromkeys(name for report in reports for name in report.baselines))
    lines = [["task", "n", "score", "±", "", *names]]
    for report in reports:
        error = "" if report.error is None else f"{report.error:.4f}"
        beside = [f"{report.baselines[n]:.4f}" if n in report.baselines else "" for n in names]
        own = [
            report.task,
            str(report.n),
            _number(report.score),
            error,
            _called(report, report.main),
        ]
        lines.append([*own, *beside])
        for name, value in report.scores.items():
            if name != report.main:
                lines.append(
                    ["", "", _number(value), "", _called(report, name), *[""] * len(names)]
                )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        printable("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
        for line in lines
    ]


def _number(value: float) -> str:
    return f"{value:.4f}" if value < 1e6 else f"{value:.2e}"


def _called(report: Report, name: str) -> str:
    """The name of a score; of a choice, the norm under which options were compared."""
    return f"accuracy, norm {name}" if "chance" in report.baselines else name

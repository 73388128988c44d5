"""`gptcore train`: train a model from random weights, with a progress bar.

Source: none.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro
from tqdm import tqdm
from tyro.conf import OmitArgPrefixes

from gptcore.commands import say
from gptcore.config import PRESETS, GPTConfig
from gptcore.optim import OptimConfig
from gptcore.train.corpus import DataConfig
from gptcore.train.loop import Step, has_run
from gptcore.train.pretrain import PretrainConfig, RunConfig, pretrain

EXAMPLES = """
  gptcore train --out runs/tiny --steps 200
  gptcore train --out runs/mine --text book.txt notes/ --preset tales-gpt1 --steps 2000
  gptcore train --out runs/mine --text book.txt notes/ --preset tales-gpt1 --steps 2000 --resume"""


@dataclass(frozen=True)
class Options:
    """Train a GPT from random weights, on your own text files or on Tales.

    OUT becomes a folder with config.json, model.safetensors and tokenizer.json, which the Hugging
    Face libraries open; metrics.jsonl, one record per update; run.json, what was run and how good
    the model became; and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    preset: Literal[tuple(PRESETS)] = "tiny"  # type: ignore[valid-type]
    """Shape of the network; the options under "model" change it further."""
    resume: bool = False
    """Go on with the run that OUT holds; begin if it holds none."""
    quiet: bool = False
    """Show no progress."""
    data: OmitArgPrefixes[DataConfig] = field(default_factory=DataConfig)
    run: OmitArgPrefixes[RunConfig] = field(default_factory=RunConfig)
    optim: OmitArgPrefixes[OptimConfig] = OptimConfig(lr=1e-3, warmup=100)
    model: OmitArgPrefixes[GPTConfig] = PRESETS["tiny"]


def defaults(args: list[str]) -> Options:
    """The options before any is given: the preset that `args` name decides those of the model."""
    words = [part for word in args for part in word.split("=", 1)]
    preset = words[words.index("--preset") + 1 :] if "--preset" in words else []
    shape = PRESETS.get(preset[0] if preset else "tiny", PRESETS["tiny"])
    return Options(out=tyro.MISSING, model=shape)


def run(options: Options, command: str) -> None:
    """Train with a progress bar, then say how it went."""
    config = PretrainConfig(
        out=options.out,
        model=options.model,
        optim=options.optim,
        data=options.data,
        run=options.run,
        resume=options.resume,
        command=command,
    )
    if has_run(options.out) and not options.resume:
        raise FileExistsError(
            f"--out {options.out} already holds a run; add --resume to go on with it, or choose "
            "another folder"
        )
    try:
        with closing(pretrain(config, progress=not options.quiet)) as steps:  # saves, however left
            with progress_bar(options.run.steps, options.quiet) as advance:
                for step in steps:
                    advance(step)
    except KeyboardInterrupt:
        if has_run(options.out):
            say(f"stopped; {options.out} is saved. To go on, add --resume")
        raise
    found = json.loads((options.out / "run.json").read_text(encoding="utf-8"))
    score, others = found["held_out"], found["baselines_nats_per_token"]
    counted = ", ".join(f"{name} {nats:.4f}" for name, nats in others.items())
    print(f"held-out loss {score['nats_per_token']:.4f} nats per token ({counted})")
    print(f"{options.out} holds the model. Let it write:")
    print(f'  gptcore generate {shlex.quote(str(options.out))} "Once upon a time"')


@contextmanager
def progress_bar(total: int, quiet: bool) -> Iterator[Callable[[Step], None]]:
    """A bar on stderr: loss, tokens per second, time left. Hand it each record as it comes."""
    wait = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log file needs fewer lines
    speed: float | None = None
    held_out = ""
    with tqdm(total=total, disable=quiet, unit=" steps", mininterval=wait) as bar:

        def advance(step: Step) -> None:
            nonlocal speed, held_out
            if bar.n == 0 and step.step > 1:  # resumed
                bar.initial = bar.n = bar.last_print_n = step.step - 1
            speed = step.tokens_per_s if speed is None else 0.9 * speed + 0.1 * step.tokens_per_s
            if step.val_loss is not None:
                held_out = f", held-out {step.val_loss:.4f}"
            bar.set_postfix_str(
                f"loss {step.loss:.4f}{held_out}, {speed:,.0f} tokens/s", refresh=False
            )
            bar.update()

        yield advance

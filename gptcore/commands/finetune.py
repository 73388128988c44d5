"""`gptcore finetune`: teach a pre-trained model a task from labelled texts.

Source: none.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes

from gptcore.commands import say
from gptcore.commands.train import following, progress_bar
from gptcore.labelled import labelled
from gptcore.scoring.metrics import Metric
from gptcore.text.inputs import Form
from gptcore.train.finetune import FinetuneConfig, Tuning, finetune
from gptcore.train.folders import Occupied, check_folder, saved_step
from gptcore.train.loop import has_run
from gptcore.train.recipes import SUITED, RecipeConfig
from gptcore.train.trackers import Tracker

EXAMPLES = """
  gptcore finetune --out runs/mood --data tales-mood --lr 1e-3
  gptcore finetune --out runs/sst2 --data sst2 --lr 1e-3 --epochs 1
  gptcore finetune --out runs/mine --data reviews.csv --model openai-gpt
  gptcore finetune --out runs/mine --data reviews.csv --model openai-gpt --resume"""


@dataclass(frozen=True)
class Options:
    """Fine-tune a pre-trained GPT on labelled texts: Tales, a named set, or your own file.

    Your own file is CSV with a header, or JSON lines: text, label, and text_b or choices where the
    task has them. Rows that cannot be used are listed, and the rest goes on.

    OUT becomes a folder with the network as it is, the best one in best/, metrics.jsonl, run.json,
    and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    data: str
    """tales-mood, tales-entailment, tales-similarity, tales-endings; a set of `gptcore data list`
    that has labels; or a .csv, .tsv or .jsonl file."""
    task: Literal["auto", Form] = "auto"
    """Which of GPT-1's four inputs to build; auto: what the data are for."""
    n_train: int | None = None
    """Learn from so many examples only; None: all, and 600 of Tales, which has no end."""
    model: str = "tales-gpt1"
    """A shipped model, a folder, or a name on the Hugging Face Hub such as openai-gpt."""
    metric: Metric | None = None
    """What decides which checkpoint is best; None: accuracy, or Pearson for scores."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    resume: bool = False
    """Go on with the run that OUT holds; begin if it holds none."""
    quiet: bool = False
    """Show no progress."""
    track: Tracker | None = None
    """Send the records to tensorboard or wandb, too, if that package is installed."""
    recipe: OmitArgPrefixes[RecipeConfig] = SUITED


def run(options: Options, command: str) -> None:
    """Fine-tune with a progress bar, then say how it went."""
    with Occupied(options.out, command):  # complains now, before the data are read
        check_folder(options.out, options.resume, "fine-tuning")
    task = None if options.task == "auto" else options.task
    data = labelled(options.data, task, n_train=options.n_train, seed=options.recipe.seed)
    if data.report:
        say(data.report)
    config = FinetuneConfig(
        out=options.out,
        model=options.model,
        recipe=options.recipe,
        metric=options.metric,
        device=options.device,
        resume=options.resume,
        command=command,
    )
    plans: list[Tuning] = []
    try:
        steps = finetune(config, data, begun=plans.append)
        _tell(plans[0], saved_step(options.out) if options.resume else 0)
        with closing(steps), following(options.track, config) as follow:
            with progress_bar(plans[0].steps, options.quiet) as advance:
                for step in steps:  # closing saves, however the loop is left
                    advance(step)
                    follow(step)
    except KeyboardInterrupt:
        if has_run(options.out):
            say(f"stopped; {options.out} is saved. To go on, add --resume")
        raise
    _tell_result(options.out)


def _tell(plan: Tuning, done: int) -> None:
    """What is about to happen."""
    say(plan.recipe.told(plan.shape, len(plan.parts["train"])))
    if done:
        say(f"going on after update {done} of {plan.steps}")


def _tell_result(out: Path) -> None:
    """How good the best classifier is, and whether that is more than nothing."""
    found = json.loads((out / "run.json").read_text(encoding="utf-8"))
    for part in ("valid", "test"):
        if part in found:
            told = ", ".join(f"{name} {value:.4f}" for name, value in found[part].items())
            print(f"{part} ({found['data']['n'][part]} examples): {told}")
            most = found["most_frequent"].get(part)
            if most is not None and found[part]["accuracy"] <= most:
                say(
                    f"that is no more than always giving the most frequent label ({most:.4f}): it "
                    "has not learned the task. More --epochs or another --lr may help; more "
                    "examples will"
                )
    print(f"{out / 'best'} holds the classifier")

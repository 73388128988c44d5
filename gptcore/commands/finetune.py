"""`gptcore finetune`: teach a pre-trained model a task from labelled texts.

Source: none.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from warnings import catch_warnings, simplefilter

from tyro.conf import OmitArgPrefixes

from gptcore.commands import say
from gptcore.commands.train import following, progress_bar
from gptcore.labelled import Labelled, labelled
from gptcore.labelled.shape import described
from gptcore.scoring.metrics import Metric
from gptcore.text.inputs import Form
from gptcore.train.finetune import FinetuneConfig, Tuning, finetune
from gptcore.train.folders import Occupied, check_folder, saved_step
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import has_run
from gptcore.train.recipes import SUITED, RecipeConfig
from gptcore.train.trackers import Tracker

EXAMPLES = """
  gptcore finetune --out runs/mood --data tales-mood
  gptcore finetune --out runs/sst2 --data sst2 --epochs 1
  gptcore finetune --out runs/mine --data reviews.csv --model openai-gpt
  gptcore finetune --out runs/mine --data reviews.parquet --columns text=review label=stars
  gptcore finetune --out runs/mine --data reviews.csv --model openai-gpt --resume"""


@dataclass(frozen=True)
class Options:
    """Fine-tune a pre-trained GPT on labelled texts: Tales, a named set, or your own file.

    Your own table has the columns text, label, and text_b or choices where the task has them, or
    --columns says which. Rows that cannot be used are listed, and the rest goes on.

    OUT becomes a folder with the network as it is, the best one in best/, metrics.jsonl, run.json,
    and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    data: str
    """tales-mood, tales-entailment, tales-similarity, tales-endings; a set of `gptcore data list`
    that has labels; or a table: CSV, JSON, Parquet or Excel, packed or not."""
    columns: tuple[str, ...] = ()
    """How the columns of your table are called, such as text=review label=stars."""
    valid: Path | None = None
    """A table of its own to choose the best checkpoint by; None: a part of DATA."""
    test: Path | None = None
    """A table of its own to say in the end how good that is; None: a part of DATA."""
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
    data = _data(options)
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
        with catch_warnings(record=True) as told:
            simplefilter("always")
            steps = finetune(config, data, begun=plans.append)
        say(described(data))
        for warning in told:
            say(str(warning.message))
        _tell(plans[0], saved_step(options.out) if options.resume else 0)
        with KeptMemory(), closing(steps), following(options.track, config) as follow:
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


def _data(options: Options) -> Labelled:
    """The labelled texts, and what has to be told about them."""
    wrong = [word for word in options.columns if "=" not in word]
    if wrong:
        raise ValueError(f"--columns {wrong[0]} must be OURS=YOURS, such as text=review")
    found = labelled(
        options.data,
        None if options.task == "auto" else options.task,
        n_train=options.n_train,
        seed=options.recipe.seed,
        columns=dict(word.split("=", 1) for word in options.columns) or None,
        valid=options.valid,
        test=options.test,
    )
    if found.report:
        say(found.report)
    return found

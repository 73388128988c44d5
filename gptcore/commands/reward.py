"""`gptcore reward`: learn from comparisons how good a response is.

Source: none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes

from gptcore.commands.sft import begun, follow
from gptcore.labelled.dialogues import demonstrations, preferences
from gptcore.train.loop import Step
from gptcore.train.reward import reward
from gptcore.train.stage_recipes import SUITED, StageRecipe
from gptcore.train.stages import Taught
from gptcore.train.trackers import Tracker

EXAMPLES = """
  gptcore reward --out runs/rm --data instructions --model runs/sft/best
  gptcore reward --out runs/rm --data liked.jsonl --model runs/sft/best
  gptcore reward --out runs/rm --data liked.jsonl --model runs/sft/best --resume"""


@dataclass(frozen=True)
class Options:
    """Learn from comparisons how good a response is: a reward model.

    A line of your own file is {"prompt": text, "chosen": text, "rejected": text}, or {"prompt":
    text, "ranked": [best, ..., worst]} with ties in a list of their own; chosen and rejected may be
    lists of messages. Rows that cannot be used are listed, and the rest goes on.

    OUT becomes a folder with the network as it is, the best one in best/, metrics.jsonl,
    samples.jsonl, run.json, and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    data: str
    """instructions, or a file of JSON lines or with a JSON array, packed or not."""
    valid: Path | None = None
    """A file of its own to choose the best checkpoint by; None: a tenth of the prompts of DATA."""
    model: str = "tales-gpt2-3m"
    """Where the body begins, as a rule what `gptcore sft` made: a folder, or as there."""
    apart: bool = False
    """Shuffle all pairs instead of keeping those of a prompt together: for comparison only."""
    demonstrations: str | None = None
    """What is to have 0 on average: as the DATA of `gptcore sft`. None: the best responses."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    resume: bool = False
    """Go on with the run that OUT holds; begin if it holds none."""
    quiet: bool = False
    """Show no progress."""
    track: Tracker | None = None
    """Send the records to tensorboard or wandb, too, if that package is installed."""
    recipe: OmitArgPrefixes[StageRecipe] = SUITED


def run(options: Options, command: str) -> None:
    """Learn with a progress bar and rewards of held-out responses, then say how it went."""
    config, seed = begun(options, "reward", command), options.recipe.seed
    data = preferences(options.data, valid=options.valid, seed=seed)
    shown = options.demonstrations and demonstrations(options.demonstrations, seed=seed).train

    def start(ready: Callable[[Taught], None], seen: Any) -> Iterator[Step]:
        how = {"together": not options.apart, "demonstrations": shown or None}
        return reward(config, data, **how, begun=ready, seen=seen)

    follow(options, config, data.report, start)
    print(f"{options.out / 'best'} holds the reward model")

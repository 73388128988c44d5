"""`gptcore dpo`: learn from comparisons what to say, without a reward model.

Source: none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes

from gptcore.commands.sft import begun, follow
from gptcore.labelled.dialogues import preferences
from gptcore.train.dpo import check_beta, dpo
from gptcore.train.loop import Step
from gptcore.train.stage_recipes import SUITED, StageRecipe
from gptcore.train.stages import Taught
from gptcore.train.trackers import Tracker

EXAMPLES = """
  gptcore dpo --out runs/dpo --data instructions --model runs/sft/best
  gptcore dpo --out runs/dpo --data liked.jsonl --model runs/sft/best --beta 0.5
  gptcore dpo --out runs/dpo --data liked.jsonl --model runs/sft/best --beta 0.5 --resume"""


@dataclass(frozen=True)
class Options:
    """Learn from comparisons what to say, without a reward model: DPO.

    A line of your own file is what `gptcore reward` reads: {"prompt": text, "chosen": text,
    "rejected": text}, or {"prompt": text, "ranked": [best, ..., worst]}. Rows that cannot be used
    are listed, and the rest goes on.

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
    """Where the policy begins and its reference, as a rule what `gptcore sft` made: a folder, or as
    there."""
    beta: float = 0.1
    """β, the price of a nat of distance from the reference: the larger, the nearer it stays."""
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
    """Learn with a progress bar and samples, then say how it went."""
    check_beta(options.beta)
    config = begun(options, "dpo", command)
    data = preferences(options.data, valid=options.valid, seed=options.recipe.seed)

    def start(ready: Callable[[Taught], None], seen: Any) -> Iterator[Step]:
        return dpo(config, data, beta=options.beta, begun=ready, seen=seen)

    follow(options, config, data.report, start)
    print(f"{options.out / 'best'} holds the model. Let it respond:")
    print(f"  gptcore generate {options.out / 'best'} $'What you ask\\n\\n'")

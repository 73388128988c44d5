"""`gptcore sft`: teach a pre-trained model to respond, from demonstrations.

Source: none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from tqdm import tqdm
from tyro.conf import OmitArgPrefixes

from gptcore import checkpoint
from gptcore.commands import printable, say
from gptcore.commands.train import following, progress_bar
from gptcore.heads.reward import Judge
from gptcore.labelled.dialogues import demonstrations
from gptcore.train.folders import STAGES, Occupied, check_folder, choose_device, saved_step
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import Step, has_run
from gptcore.train.sft import Reward, sft
from gptcore.train.stage_recipes import SUITED, Stage, StageRecipe, row_of
from gptcore.train.stages import StageConfig, Taught, updates
from gptcore.train.trackers import Tracker

EXAMPLES = """
  gptcore sft --out runs/sft --data instructions
  gptcore sft --out runs/sft --data gsm8k --model gpt2
  gptcore sft --out runs/mine --data mine.jsonl --epochs 3
  gptcore sft --out runs/mine --data mine.jsonl --epochs 3 --resume"""


@dataclass(frozen=True)
class Options:
    """Teach a pre-trained GPT to respond, from demonstrations.

    A line of your own file is {"prompt": text, "response": text}, or {"messages": [{"role":
    "user", "content": text}, ...]} for a whole dialogue. Rows that cannot be used are listed, and
    the rest goes on. Only responses are learned, each with the token that ends it.

    OUT becomes a folder with the network as it is, the best one in best/, metrics.jsonl,
    samples.jsonl, run.json, and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    data: str
    """instructions, gsm8k, or a file of JSON lines or with a JSON array, packed or not."""
    valid: Path | None = None
    """A file of its own to choose the best checkpoint by; None: a tenth of the prompts of DATA."""
    model: str = "tales-gpt2-3m"
    """A shipped model, a folder, or a name on the Hugging Face Hub such as gpt2."""
    unmasked: bool = False
    """Learn the prompts, too."""
    choose_by: Path | None = None
    """A reward model that chooses the best checkpoint by its samples; None: the held-out loss."""
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
    """Teach with a progress bar and samples, then say how it went."""
    config = begun(options, "sft", command)
    data = demonstrations(options.data, valid=options.valid, seed=options.recipe.seed)
    choose = None if options.choose_by is None else _judge(options.choose_by, options.device)

    def start(ready: Callable[[Taught], None], seen: Any) -> Iterator[Step]:
        how = {"mask_prompt": not options.unmasked, "choose": choose}
        return sft(config, data, **how, begun=ready, seen=seen)

    follow(options, config, data.report, start)
    print(f"{options.out / 'best'} holds the model. Let it respond:")
    print(f"  gptcore generate {options.out / 'best'} $'What you ask\\n\\n'")


def _judge(folder: Path, device: str) -> Reward:
    model, tokenizer = checkpoint.load_reward(folder, device=choose_device(device))
    if tokenizer is None:
        raise ValueError(f"choose_by={str(folder)!r} has no tokenizer: it cannot read texts")
    return Judge(model, tokenizer).score


# ------------------------------------------------------------------ what the stages share


def begun(options: Any, stage: Stage, command: str) -> StageConfig:
    """The settings of a run, after its folder has been looked at, before the data are read."""
    with Occupied(options.out, command):
        check_folder(options.out, options.resume, STAGES[stage])
    return StageConfig(
        out=options.out,
        model=options.model,
        recipe=options.recipe,
        device=options.device,
        resume=options.resume,
        command=command,
    )


def follow(
    options: Any,
    config: StageConfig,
    report: str,
    start: Callable[[Callable[[Taught], None], Any], Iterator[Step]],
) -> None:
    """Run a stage with a bar, samples and what has to be told.

    Args:
        options: of the command. config: of the run. report: on the data.
        start: (called when all is ready, called with samples) -> the run.
    """
    plans: list[Taught] = []
    if report:
        say(report)
    try:
        with catch_warnings(record=True) as told:
            simplefilter("always")
            steps = start(plans.append, None if options.quiet else _show)
        for warning in told:
            say(str(warning.message))
        taught = plans[0]
        _tell(taught, saved_step(options.out) if options.resume else 0)
        with KeptMemory(), closing(steps), following(options.track, config) as track:
            with progress_bar(updates(taught), options.quiet) as advance:
                for step in steps:  # closing saves, however the loop is left
                    advance(step)
                    track(step)
    except KeyboardInterrupt:
        if has_run(options.out):
            say(f"stopped; {options.out} is saved. To go on, add --resume")
        raise
    found = json.loads((options.out / "run.json").read_text(encoding="utf-8"))
    scores = ", ".join(f"{name} {value:.4f}" for name, value in found["valid"].items())
    print(f"held-out ({found['data']['n']['valid']} prompts): {scores}")


def _tell(taught: Taught, done: int) -> None:
    """What is about to happen."""
    recipe, row = taught.recipe, row_of(taught.stage, taught.model.config)
    say(
        f"recipe {row.name} ({row.source}): here lr {recipe.lr:g}, no warm-up, cosine to a tenth, "
        f"{updates(taught)} updates of {taught.batches.batch_size}, {recipe.epochs:g} epochs, "
        f"dropout {recipe.dropout:g}"
    )
    if done:
        say(f"going on after update {done} of {updates(taught)}")


def _show(rows: list[dict[str, Any]]) -> None:
    """Samples, as they come, a line each."""
    for row in rows:
        asked = row["prompt"] if isinstance(row["prompt"], str) else row["prompt"][-1][1]
        said = (
            [row["response"]]
            if "response" in row
            else [f"{one['reward']:.2f} {one['response']}" for one in row["responses"]]
        )
        for text in said:
            line = " ".join(f"[{row['step']}] {asked} -> {text}".split())
            tqdm.write(printable(line if len(line) < 300 else line[:297] + "..."), file=sys.stderr)

"""`gptcore train`: train a model from random weights, with a progress bar.

Source: none.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import tyro
from tqdm import tqdm
from tyro.conf import OmitArgPrefixes

from gptcore import checkpoint
from gptcore.commands import printable, say
from gptcore.config import PRESETS, GPTConfig
from gptcore.optim import OptimConfig
from gptcore.text import reading
from gptcore.train.corpus import DataConfig
from gptcore.train.folders import began_with
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import Step, has_run
from gptcore.train.lr_range import RateRange
from gptcore.train.pretrain import Plan, PretrainConfig, RunConfig, pretrain, rate_range
from gptcore.train.processes import join, leave
from gptcore.train.recipes import gpt3, pretraining
from gptcore.train.trackers import Tracker, tracker

EXAMPLES = """
  gptcore train --out runs/first
  gptcore train --out runs/mine --text book.txt notes/ --preset tales-gpt1 --steps 2000
  gptcore train --out runs/mine --text book.txt notes/ --preset tales-gpt1 --steps 2000 --resume
  gptcore train --out runs/on --init tales-gpt1 --text book.txt --steps 500
  torchrun --standalone --nproc-per-node 2 -m gptcore train --out runs/two --parallel fsdp"""


DEFAULT = "pocket"
RUNS = {
    DEFAULT: RunConfig(steps=4000, batch_size=8, eval_every=500, eval_tokens=10_000, save_every=500)
}
"""How long, where a preset wants it otherwise than `RunConfig` has it: two minutes on a laptop."""


@dataclass(frozen=True)
class Options:
    """Train a GPT from random weights, on your own text files or on Tales.

    OUT becomes a folder with config.json, model.safetensors and tokenizer.json, which the Hugging
    Face libraries open; metrics.jsonl, one record per update; run.json, what was run and how good
    the model became; and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    preset: Literal[tuple(PRESETS)] = DEFAULT  # type: ignore[valid-type]
    """Shape of the network; the options under "model" change it further, and the options under
    "optim" default to what suits a network of its size."""
    init: str | None = None
    """Train on from the weights of a folder, a shipped model or one on the Hugging Face Hub, with
    its shape and its tokenizer, a new optimizer and a new schedule. None: from random weights."""
    recipe: Literal["suited", "gpt3"] = "suited"
    """What the options under "optim" default to. suited: what suits the size of the network. gpt3:
    GPT-3's whole run, its warm-up, growing batch and decay shrunk alike to --steps."""
    resume: bool = False
    """Go on with the run that OUT holds; begin if it holds none."""
    quiet: bool = False
    """Show no progress."""
    find_lr: bool = False
    """Train nothing: try learning rates from 1e-6 to 1 in a hundred updates, tell which suits."""
    track: Tracker | None = None
    """Send the records to tensorboard or wandb, too, if that package is installed."""
    data: OmitArgPrefixes[DataConfig] = field(default_factory=DataConfig)
    run: OmitArgPrefixes[RunConfig] = RUNS[DEFAULT]
    optim: OmitArgPrefixes[OptimConfig] = OptimConfig()
    model: OmitArgPrefixes[GPTConfig] = PRESETS[DEFAULT]


def defaults(args: list[str]) -> Options:
    """The options before any is given; those that are given decide what suits the others.

    The preset decides the shape of the network, the network its recipe, and a run that is resumed
    everything that it was begun with.
    """
    words = [part for word in args for part in word.split("=", 1)]
    preset = dict(zip(words, words[1:], strict=False)).get("--preset", DEFAULT)
    shape, run = PRESETS.get(preset, PRESETS[DEFAULT]), RUNS.get(preset, RunConfig())
    first = Options(
        out=tyro.MISSING, model=shape, run=run, optim=pretraining(shape, run.steps).optim
    )
    if {"-h", "--help"} & set(words):
        return first
    given = tyro.cli(Options, prog="gptcore train", args=args, default=first)
    if given.resume and (known := began_with(given.out)):
        return _as_begun(first, known, given, "--preset" in words)
    if given.recipe == "gpt3":
        if given.init is not None:
            raise ValueError("recipe='gpt3' begins from random weights: leave out --init")
        plan = gpt3(given.model, given.run.steps, given.run.batch_size, parts=given.run.accumulate)
        return replace(first, optim=plan.optim)
    if given.init is None:
        return replace(first, optim=pretraining(given.model, given.run.steps).optim)
    if given.model != PRESETS[given.preset]:
        raise ValueError("--init brings the shape of its network: leave out the options of model")
    shape = checkpoint.load(given.init)[0].config
    return replace(first, optim=pretraining(shape, given.run.steps, further=True).optim)


def _as_begun(first: Options, known: dict[str, Any], given: Options, preset: bool) -> Options:
    """The options with which a run was begun, as far as its folder tells them.

    A preset that is named counts, too: where it is another, the run says so and is not resumed.
    """
    optim, corpus = dict(known["optim"]), known["corpus"]
    if "text_sha256" in corpus and not given.data.text:
        raise ValueError(f"the run in {given.out} was begun on files: name them again with --text")
    model = {**known["model"], "vocab_size": corpus.get("vocab_size", known["model"]["vocab_size"])}
    steps = optim.pop("steps", known.get("steps", first.run.steps))
    same = {name: known[name] for name in ("accumulate", "seed")}
    names = "held_out pack tales tales_seed demonstrations brief tokenizer_bytes".split()
    read = {name: corpus[name] for name in names if name in corpus}
    return replace(
        first,
        model=first.model if preset else GPTConfig(**model),
        init=known.get("init"),
        recipe="gpt3" if "ramp" in known["data"] else "suited",
        optim=OptimConfig(**optim),
        run=replace(first.run, steps=steps, batch_size=known["data"]["batch_size"], **same),
        data=replace(first.data, **read),
    )


def run(options: Options, command: str) -> None:
    """Train with a progress bar, then say how it went; of several processes, the first one does."""
    world = join()
    quiet = options.quiet or not world.first
    config = PretrainConfig(
        out=options.out,
        model=None if options.init else options.model,
        init=options.init,
        optim=options.optim,
        recipe=options.recipe,
        data=options.data,
        run=options.run,
        resume=options.resume,
        command=command,
    )
    if options.data.text and not quiet:
        say(reading.told(options.data.text))
    if options.find_lr:
        _tell_range(rate_range(config, progress=not quiet))
        return
    track = options.track if world.first else None
    try:
        steps = pretrain(config, progress=not quiet, begun=_tell)
        with KeptMemory(), closing(steps), following(track, config) as follow:
            with progress_bar(options.run.steps, quiet) as advance:
                for step in steps:  # closing saves, however the loop is left
                    advance(step)
                    follow(step)
    except KeyboardInterrupt:
        if world.first and has_run(options.out):
            say(f"stopped; {options.out} is saved. To go on, add --resume")
        raise
    leave()
    if world.first:
        _tell_result(options.out)


def _tell_range(found: RateRange) -> None:
    """The course of the loss in some twenty lines, and the rate that suits."""
    width = max(found.smooth) - min(found.smooth) or 1
    for i in range(0, len(found.rates), 5):
        stars = "*" * round(1 + 40 * (found.smooth[i] - min(found.smooth)) / width)
        print(f"lr {found.rates[i]:8.1e}  loss {found.smooth[i]:7.4f}  {stars}")
    print(f"the loss falls fastest at --lr {found.suggested:.1e}; lowest is {found.lowest:.1e}")


def _tell(plan: Plan) -> None:
    """What is about to happen."""
    say(plan.told())
    if plan.done:
        say(f"going on after update {plan.done} of {plan.steps}")


def _tell_result(out: Path) -> None:
    """How good the model became, beside counting, and what it writes."""
    found = json.loads((out / "run.json").read_text(encoding="utf-8"))
    score, others = found["held_out"], found["baselines_nats_per_token"]
    counted = ", ".join(f"{name} {nats:.4f}" for name, nats in others.items())
    bits = score["bits_per_byte"]
    in_bytes = f", {bits:.4f} bits per byte" if bits is not None else ""
    print(f"held-out loss {score['nats_per_token']:.4f} nats per token{in_bytes} ({counted})")
    if score["nats_per_token"] > others["bigram"]:
        say("counting pairs of tokens still does better: more --steps, or a larger --preset")
    n_valid = found["data"]["valid_tokens"]
    if score["n_tokens"] < n_valid - 1:
        print(f"  measured on the first {score['n_tokens'] + 1:,} of {n_valid:,} held-out tokens")
    if found["baselines_counted_tokens"] < found["data"]["train_tokens"]:
        print(f"  counted in the first {found['baselines_counted_tokens']:,} training tokens")
    print(f'it writes: "{printable(found["sample"]["prompt"])}" ...')
    print("  " + printable(found["sample"]["text"]).replace("\n", "\n  "))
    print(f"{out} holds the model. Let it write more:")
    print(f'  gptcore generate {shlex.quote(str(out))} "Once upon a time"')


@contextmanager
def following(track: Tracker | None, config: Any) -> Iterator[Callable[[Step], None]]:
    """What takes the records of a run beside the bar: a tracker, or nothing."""
    if track is None:
        yield lambda step: None
        return
    settings = json.loads(json.dumps(asdict(config), default=str))
    with tracker(track, config.out, settings) as follow:
        yield follow


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
            if bar.n == total:  # what follows has bars of its own
                bar.close()

        yield advance

"""Pre-training: text in, a GPT out.

    for step in pretrain(PretrainConfig(out="runs/tiny")):
        print(step.step, step.loss)

The road: text -> tokenizer and token streams (`prepare`) -> `GPT` -> `Batches` -> `fit` -> a folder
with the model, `metrics.jsonl` (a line per update) and `run.json` (what was run, and how good the
model became beside a unigram, a bigram and a trigram model).

Departures from the papers:
 1. The tokenizer is trained on the text of the run, unless one is given.
 2. Windows begin at another offset in every epoch, so no token is always the first of its window.
 3. GPT-3's batch grows during training; here it has one size, unless `recipe="gpt3"` is chosen.

Source: GPT-1 §3.1 and §4.1; GPT-3 §2.3 and App. B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch

from gptcore.checkpoint import load, save
from gptcore.config import PRESETS, GPTConfig
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.scoring.likelihood import evaluate
from gptcore.text.streams import Batches
from gptcore.tokenizer import Tokenizer
from gptcore.train.corpus import Corpus, DataConfig, prepare
from gptcore.train.devices import Parallel, spread, whole
from gptcore.train.folders import (
    Occupied,
    alone_in,
    check_folder,
    choose_device,
    saved_by,
    saved_step,
)
from gptcore.train.loop import Precision, Step, fit
from gptcore.train.lr_range import RateRange, lr_range
from gptcore.train.processes import World, join, told_when_lost
from gptcore.train.recipes import Recipe, gpt3, pretraining
from gptcore.train.record import Metrics, describe, read_metrics, write_json


@dataclass(frozen=True)
class RunConfig:
    """How long to train, how much at a time, where, and what to keep."""

    steps: int = 1000
    """Updates of the weights, in all."""
    batch_size: int = 16
    """Windows of n_ctx tokens read at a time."""
    accumulate: int = 1
    """Batches per update: a larger batch in the same memory."""
    seed: int = 0
    """Draws the initial weights, the order of the data, and dropout."""
    eval_every: int = 100
    """Measure the held-out loss every so many updates; 0: only at the end."""
    eval_tokens: int = 50_000
    """On so many held-out tokens while training."""
    final_tokens: int = 1_000_000
    """On so many held-out tokens at the end, if there are as many; 0: on all of them."""
    save_every: int = 100
    """Save a checkpoint every so many updates; 0: only at the end."""
    keep_every: int = 0
    """Keep the model as it is after every so many updates, in OUT/at/UPDATE, half precision;
    0: keep none."""
    precision: Precision = "auto"
    """Arithmetic. auto: fp32 on a CPU; on a GPU bf16 where the hardware has it, else fp16."""
    recompute: bool = False
    """Activation checkpointing: keep only what enters each block and compute the rest again for the
    gradient. The same losses, much less memory, about a third more time."""
    compile: bool = False
    """Use torch.compile: slower to start, then faster."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    parallel: Parallel = "ddp"
    """What each process holds where torchrun has started several: the whole network (ddp), or a
    share of its weights, gradients and averages (fsdp). They deal out the rows of a batch."""

    def __post_init__(self) -> None:
        rules = {"steps": 1, "batch_size": 1, "accumulate": 1, "eval_tokens": 2}
        zero = ("seed", "eval_every", "save_every", "keep_every", "final_tokens")
        for name, least in {**rules, **dict.fromkeys(zero, 0)}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.parallel not in get_args(Parallel):
            names = ", ".join(get_args(Parallel))
            raise ValueError(f"parallel={self.parallel!r} must be one of {names}")
        if self.final_tokens == 1:
            raise ValueError("final_tokens=1 must be at least 2, or 0 for all of them")


@dataclass(frozen=True)
class PretrainConfig:
    """A whole pre-training run."""

    out: Path
    """Folder for the model, the metrics and the encoded text; made if absent."""
    model: GPTConfig | None = None
    """Shape of the network; None: "tiny", or that of `init`. Its vocab_size is that of the
    tokenizer to train; a tokenizer that is given, or that runs out of text to learn from, brings
    its own."""
    init: str | None = None
    """Train on from the weights of a folder, a shipped model or one on the Hugging Face Hub, with
    its tokenizer, a new optimizer and a new schedule. None: from random weights."""
    optim: OptimConfig | None = None
    """How the weights move; None: what the recipe says (`gptcore.train.recipes`)."""
    recipe: Literal["suited", "gpt3"] = "suited"
    """suited: what suits the size of the network. gpt3: GPT-3's whole run with all its lengths
    shrunk alike: a batch that grows, and a schedule that counts tokens."""
    data: DataConfig = field(default_factory=DataConfig)
    """What to read."""
    run: RunConfig = field(default_factory=RunConfig)
    """How long, and where."""
    resume: bool = False
    """Go on with the run that `out` holds; begin if it holds none."""
    command: str = ""
    """How the run was started; written to run.json."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        if self.recipe not in ("suited", "gpt3"):
            raise ValueError(f"recipe={self.recipe!r} must be one of suited, gpt3")
        if self.recipe == "gpt3" and not self.data.pack:
            raise ValueError("recipe='gpt3' puts an end-of-text token after each document: pack")
        updates = self.optim and self.optim.unit == "updates"
        if updates and self.optim.warmup >= self.run.steps:  # type: ignore[union-attr]
            raise ValueError(
                f"warmup={self.optim.warmup} must be less than steps={self.run.steps}; a part of "
                "them, such as 0.1, fits any number"
            )
        if self.init is None and self.model is None:
            object.__setattr__(self, "model", PRESETS["tiny"])
        if self.init is not None:
            _check_init(self)


def _check_init(config: PretrainConfig) -> None:
    """Complain of settings that the model to train on from brings with it."""
    if config.model is not None:
        raise ValueError(f"init={config.init!r} brings the shape of its network: give no other")
    if config.data.tokenizer is not None:
        raise ValueError(f"init={config.init!r} brings its tokenizer: give no other")
    if Path(config.init or "").resolve() == config.out.resolve():
        raise ValueError(
            f"init={config.init!r} is out itself: choose another folder for the run that follows"
        )


@dataclass(frozen=True)
class Plan:
    """What a run is about to do, everything filled in."""

    shape: GPTConfig
    optim: OptimConfig
    steps: int
    recipe: Recipe
    """What suits a network of this size; `optim` may say otherwise."""
    init: str | None
    done: int
    """Updates done before, if the run is resumed."""

    def told(self) -> str:
        """In one line."""
        line = f"recipe {self.recipe.told(self.steps)}"
        if self.init:
            line = f"training on from {self.init}; {line}"
        return line + self.recipe.differences(self.optim)


def pretrain(
    config: PretrainConfig,
    *,
    progress: bool = False,
    begun: Callable[[Plan], None] | None = None,
) -> Iterator[Step]:
    """Train a GPT on text, yielding a record after every update.

    When the iterator ends, or is left early, the folder holds a model that `gptcore.load` and
    transformers open, and from which the run can be resumed.

    Args:
        config: the run.
        progress: show progress bars before the first update and after the last (needs tqdm).
        begun: called when everything is ready, before the first update.

    Returns:
        An iterator of records. The text is prepared at the call.

    Raises:
        FileExistsError: another run is using `out`; or it holds a run and `resume` is not set, or
            another model.
        ValueError: a setting breaks its rule, or differs from that of the run to resume.
        OSError: the disk is full; the message says what stands.
    """
    world = join()
    if world.restarted(saved_by(config.out)):
        config = replace(config, resume=True)
    with told_when_lost(lambda: saved_step(config.out)):
        if not world.first:
            return _begun(config, world, False, None)
        return alone_in(config.out, config.command, lambda: _begun(config, world, progress, begun))


def _begun(
    config: PretrainConfig, world: World, progress: bool, begun: Callable[[Plan], None] | None
) -> Iterator[Step]:
    """The run, everything made ready, in a folder that is ours."""
    out, run = config.out, config.run
    resuming = check_folder(out, config.resume, "pre-training")
    corpus, model = _ready(config, resuming, progress, world)
    shape, device = model.config, model.device
    optim, recipe = _optim(config, shape)
    sample = corpus.valid.tokens[: run.eval_tokens]
    try:
        steps = fit(
            spread(model, run.parallel),
            Batches(
                corpus.train,
                run.batch_size,
                shape.n_ctx,
                run.seed,
                device,
                part=(world.rank, world.size),
                ramp=recipe.ramp,
            ),
            optim,
            run.steps,
            accumulate=run.accumulate,
            precision=run.precision,
            compile=run.compile,
            recompute=run.recompute,
            checkpoint_dir=out,
            tokenizer=corpus.tokenizer,
            save_every=run.save_every,
            resume=config.resume,
            eval_fn=lambda model: evaluate(model, sample).nats_per_token,
            eval_every=run.eval_every or run.steps,
            seed=run.seed,
            settings={"corpus": corpus.settings}
            | ({"init": config.init} if config.init else {})
            | ({"steps": run.steps} if recipe.ramp else {}),
        )
    except ValueError as error:
        raise ValueError(f"{error}{_further(error, out, optim)}") from error
    plan = Plan(shape, optim, run.steps, recipe, config.init, saved_step(out) if resuming else 0)
    if begun:
        begun(plan)
    metrics = Metrics(out / "metrics.jsonl", keep=resuming) if world.first else None
    return _record(config, plan, corpus, model, steps, metrics, progress)


def _ready(
    config: PretrainConfig, resuming: bool, progress: bool, world: World
) -> tuple[Corpus, GPT]:
    """The text and the network, as it is before the first update."""
    device = choose_device(world.device(config.run.device))
    model, tokenizer = _given(config, resuming)
    shape = model.config if model else config.model or PRESETS["tiny"]
    folder = config.out / "data"
    corpus = world.one_then_all(
        lambda: prepare(
            config.data, shape.vocab_size, folder, tokenizer=tokenizer, progress=progress
        )
    )
    if model is None:
        shape = replace(shape, vocab_size=corpus.tokenizer.vocab_size)
        with torch.random.fork_rng():  # the caller's random numbers stay as they are
            torch.manual_seed(config.run.seed)
            model = GPT(shape)
    return corpus, model.to(device)


def _optim(config: PretrainConfig, shape: GPTConfig) -> tuple[OptimConfig, Recipe]:
    """How the weights move, the warm-up in updates, and the recipe of a network of this size."""
    steps = config.run.steps
    if config.recipe == "gpt3":
        recipe = gpt3(shape, steps, config.run.batch_size, parts=config.run.accumulate)
    else:
        recipe = pretraining(shape, steps, further=config.init is not None)
    optim = config.optim or recipe.optim
    if 0 < optim.warmup < 1:
        optim = replace(optim, warmup=int(optim.warmup * steps))
    return optim, recipe


def rate_range(config: PretrainConfig, *, progress: bool = False) -> RateRange:
    """The learning-rate range test on the text and the network of a run, which is not begun.

    The text is kept in `out/data`, where the run finds it; nothing else is written.

    Args:
        config: the run; of `optim`, everything but the rate and the schedule counts.
        progress: show progress bars while the text is prepared (needs tqdm).
    """
    world = join()
    if world.size > 1:
        raise ValueError(
            f"find_lr tries rates in one process, not in {world.size}: leave torchrun out"
        )
    with Occupied(config.out, config.command):
        corpus, model = _ready(config, False, progress, world)
        run, n_ctx = config.run, model.config.n_ctx
        batches = Batches(corpus.train, run.batch_size, n_ctx, run.seed, model.device)
        return lr_range(model, batches, _optim(config, model.config)[0])


def _given(config: PretrainConfig, resuming: bool) -> tuple[GPT | None, Tokenizer | None]:
    """The network and the tokenizer to train on from, if the run has such; a resumed one has its
    own."""
    if config.init is None:
        return None, None
    model, tokenizer = load(config.out if resuming else config.init)
    if tokenizer is None:
        raise ValueError(f"init={config.init!r} has no tokenizer, and there is text to read")
    return model, tokenizer


def _further(error: ValueError, out: Path, optim: OptimConfig) -> str:
    """The way on where a finished schedule was to be prolonged."""
    if "optim.steps=" not in str(error):
        return ""
    return (
        ". A schedule that has its end cannot be prolonged; a new one goes on from these weights: "
        f"--init {out} --out ANOTHER --lr {optim.lr:g}"
    )


def _record(
    config: PretrainConfig,
    plan: Plan,
    corpus: Corpus,
    model: GPT,
    steps: Iterator[Step],
    metrics: Metrics | None,
    progress: bool,
) -> Iterator[Step]:
    """Pass the records on, write each down, and at the end say how good the model became.

    Of several processes the first one does so; the others have no `metrics`.
    """
    written = closing(metrics) if metrics else nullcontext()
    told = told_when_lost(lambda: saved_step(config.out))
    with told, closing(steps), written:  # type: ignore[type-var]
        for step in steps:
            if metrics:
                metrics.write(step)
            if config.run.keep_every and step.step % config.run.keep_every == 0:
                at, kept = config.out / "at" / f"{step.step:06d}", whole(model)
                if kept is not None:
                    save(at, kept, corpus.tokenizer, dtype=torch.float16)
            yield step
        device, model = model.device, whole(model)
    if metrics is None:
        return
    model.to(device)
    records = read_metrics(metrics.path)
    described = describe(config, plan, corpus, model, records, progress=progress)
    write_json(config.out / "run.json", described)

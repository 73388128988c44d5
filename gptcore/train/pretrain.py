"""Pre-training: text in, a GPT out.

    for step in pretrain(PretrainConfig(out="runs/tiny")):
        print(step.step, step.loss)

The road: text -> tokenizer and token streams (`prepare`) -> `GPT` -> `Batches` -> `fit` -> a folder
with the model, `metrics.jsonl` (a line per update) and `run.json` (what was run, and how good the
model became beside a unigram, a bigram and a trigram model).

Departures from the papers:
 1. The tokenizer is trained on the text of the run, unless one is given.
 2. Windows begin at another offset in every epoch, so no token is always the first of its window.
 3. GPT-3's batch grows during training; here it has one size.

Source: GPT-1 §3.1 and §4.1; GPT-3 §2.3 and App. B.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from gptcore.checkpoint import save
from gptcore.config import PRESETS, GPTConfig
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.scoring.likelihood import evaluate
from gptcore.scoring.ngrams import ngram_baselines
from gptcore.text.streams import Batches
from gptcore.train.corpus import Corpus, DataConfig, prepare
from gptcore.train.folders import check_folder, choose_device
from gptcore.train.loop import Precision, Step, fit
from gptcore.train.record import Metrics, curve, hardware, read_metrics, write_json

BASELINE_TOKENS = 10_000_000


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
    """On so many held-out tokens while training; at the end on all of them."""
    save_every: int = 100
    """Save a checkpoint every so many updates; 0: only at the end."""
    keep_every: int = 0
    """Keep the model as it is after every so many updates, in OUT/at/UPDATE, half precision;
    0: keep none."""
    precision: Precision = "auto"
    """Arithmetic. auto: fp32 on a CPU; on a GPU bf16 where the hardware has it, else fp16."""
    compile: bool = False
    """Use torch.compile: slower to start, then faster."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""

    def __post_init__(self) -> None:
        rules = {"steps": 1, "batch_size": 1, "accumulate": 1, "eval_tokens": 2}
        zero = ("seed", "eval_every", "save_every", "keep_every")
        for name, least in {**rules, **dict.fromkeys(zero, 0)}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")


@dataclass(frozen=True)
class PretrainConfig:
    """A whole pre-training run."""

    out: Path
    """Folder for the model, the metrics and the encoded text; made if absent."""
    model: GPTConfig = PRESETS["tiny"]
    """Shape of the network. Its vocab_size is that of the tokenizer to train; a tokenizer that is
    given, or that runs out of text to learn from, brings its own."""
    optim: OptimConfig = OptimConfig(lr=1e-3, warmup=100)
    """How the weights move."""
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
        if self.optim.warmup >= self.run.steps:
            raise ValueError(f"warmup={self.optim.warmup} must be less than steps={self.run.steps}")


def pretrain(config: PretrainConfig, *, progress: bool = False) -> Iterator[Step]:
    """Train a GPT from random weights on text, yielding a record after every update.

    When the iterator ends, or is left early, the folder holds a model that `gptcore.load` and
    transformers open, and from which the run can be resumed.

    Args:
        config: the run.
        progress: show progress bars while the text is prepared (needs tqdm).

    Returns:
        An iterator of records. The text is prepared at the call.

    Raises:
        FileExistsError: `out` already holds a run and `resume` is not set, or holds another model.
        ValueError: a setting breaks its rule, or differs from that of the run to resume.
    """
    out, run = config.out, config.run
    resuming = check_folder(out, config.resume)
    device = choose_device(run.device)
    corpus = prepare(config.data, config.model.vocab_size, out / "data", progress=progress)
    shape = replace(config.model, vocab_size=corpus.tokenizer.vocab_size)
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        torch.manual_seed(run.seed)
        model = GPT(shape).to(device)
    sample = corpus.valid.tokens[: run.eval_tokens]
    steps = fit(
        model,
        Batches(corpus.train, run.batch_size, shape.n_ctx, run.seed, device),
        config.optim,
        run.steps,
        accumulate=run.accumulate,
        precision=run.precision,
        compile=run.compile,
        checkpoint_dir=out,
        tokenizer=corpus.tokenizer,
        save_every=run.save_every,
        resume=config.resume,
        eval_fn=lambda model: evaluate(model, sample).nats_per_token,
        eval_every=run.eval_every or run.steps,
        seed=run.seed,
        settings={"corpus": corpus.settings},
    )
    return _record(config, corpus, model, steps, Metrics(out / "metrics.jsonl", keep=resuming))


def _record(
    config: PretrainConfig, corpus: Corpus, model: GPT, steps: Iterator[Step], metrics: Metrics
) -> Iterator[Step]:
    """Pass the records on, write each down, and at the end say how good the model became."""
    with closing(steps), closing(metrics):  # type: ignore[type-var]
        for step in steps:
            metrics.write(step)
            if config.run.keep_every and step.step % config.run.keep_every == 0:
                at = config.out / "at" / f"{step.step:06d}"
                save(at, model, corpus.tokenizer, dtype=torch.float16)
            yield step
    described = describe(config, corpus, model, read_metrics(metrics.path))
    write_json(config.out / "run.json", described)


def describe(
    config: PretrainConfig, corpus: Corpus, model: GPT, records: list[dict[str, Any]]
) -> dict[str, Any]:
    """How a model came to be and how good it is: the content of run.json.

    The baselines count at most the first ten million tokens of the training text.

    Args:
        config, corpus: of the run.
        model: as trained.
        records: lines of metrics.jsonl.
    """
    train, valid = corpus.train, corpus.valid
    score = evaluate(model, valid.tokens, n_bytes=valid.n_bytes)
    counted = train.tokens[:BASELINE_TOKENS]
    baselines = ngram_baselines(counted, valid.tokens, model.config.vocab_size)
    return {
        "command": config.command,
        "seed": config.run.seed,
        "hardware": hardware(model.device),
        "config": json.loads(json.dumps(asdict(replace(config, model=model.config)), default=str)),
        "n_params": model.n_params(),
        "data": {
            **corpus.settings,
            "train_sha256": train.sha256,
            "train_tokens": len(train),
            "train_bytes": train.n_bytes,
            "train_documents": train.n_documents,
            "valid_tokens": len(valid),
            "valid_bytes": valid.n_bytes,
        },
        "tokens": records[-1]["tokens"] if records else 0,
        "seconds": records[-1]["seconds"] if records else 0.0,
        "held_out": {k: v and round(v, 4) for k, v in asdict(score).items()},
        "baselines_nats_per_token": {k: round(v, 4) for k, v in baselines.items()},
        "curve": curve(records),
    }

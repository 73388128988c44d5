"""Fine-tuning: a pre-trained GPT and a few labelled texts in, a classifier out.

    for step in finetune(FinetuneConfig(out="runs/mood"), labelled("tales-mood")):
        print(step.step, step.loss, step.val_loss)

The road: labelled texts -> GPT-1's inputs (`text.inputs`) -> a copy of the pre-trained body with
a head (`heads.classifier`) -> `fit` on L3 = L2 + λ L1 -> a folder with the network as it is, the
best one so far in `best/`, `metrics.jsonl` and `run.json`. The best is the one with the highest
score on the held-out part; equal scores are told apart by the held-out loss.

Departures from the paper and its code:
 1. The defaults of `RecipeConfig` are GPT-1's, made for a network of 117M parameters; the course's
    own, thirty times smaller, want a learning rate about ten times larger.
 2. One dropout rate serves body and head.
 3. Scores are learned with a squared error; the released code's helpers cut them into classes.

Source: GPT-1 §3.2 and §4.1; its released code (`train.py`, `opt.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch.nn import functional as F

from gptcore import checkpoint
from gptcore.heads.classifier import Classifier, HeadConfig, Place, Trained, body
from gptcore.labelled import Labelled
from gptcore.labelled.shape import PARTS
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.scoring.metrics import Metric, default_metric, score
from gptcore.text.inputs import Example, TaskBatches, encode, with_marks
from gptcore.tokenizer import Tokenizer
from gptcore.train.folders import check_folder, choose_device
from gptcore.train.loop import Precision, Step, fit
from gptcore.train.record import Metrics, curve, hardware, read_metrics, write_json

BEST = "best"


@dataclass(frozen=True)
class RecipeConfig:
    """How a pre-trained network is fine-tuned. The defaults are GPT-1's."""

    epochs: float = 3
    """How often each labelled example is seen."""
    batch_size: int = 32
    """Examples per update."""
    lr: float = 6.25e-5
    """Learning rate at its peak. The shipped models are small and want about 1e-3."""
    warmup: float = 0.002
    """Part of all updates in which the learning rate rises; then it falls in a line to 0."""
    weight_decay: float = 0.01
    """As in pre-training: of each matrix, times the learning rate, per update."""
    clip: float | None = 1.0
    """Longest gradient."""
    aux: float = 0.5
    """λ, the weight of the language-model loss on the labelled texts; 0 leaves it out."""
    dropout: float = 0.1
    """Drop probability, everywhere in the body and before the head."""
    train: Trained = "all"
    """What is trained: everything (GPT-1), the head alone, or the head and the three new tokens."""
    n_blocks: int | None = None
    """Keep so many first blocks of the pre-trained network and draw the rest anew; None: all."""
    scratch: bool = False
    """Keep nothing of the pre-trained network but its shape."""
    place: Place = "extract"
    """Where the head reads."""
    part: int | None = None
    """Longest part of an input in tokens; None: half the context less two, as in GPT-1's code."""
    evals: int = 3
    """How often the held-out part is scored, evenly spaced; the last time is at the end."""
    seed: int = 0
    """Draws new weights, the order of the examples, and dropout."""
    precision: Precision = "auto"
    """Arithmetic. auto: fp32 on a CPU; on a GPU bf16 where the hardware has it, else fp16."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epochs) and self.epochs > 0):
            raise ValueError(f"epochs={self.epochs} must be greater than 0")
        for name, least in {"batch_size": 1, "evals": 1, "seed": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup={self.warmup} must be in [0, 1): it is a part of all updates")
        if self.train not in get_args(Trained):
            names = ", ".join(get_args(Trained))
            raise ValueError(f"train={self.train!r} must be one of {names}")
        if self.scratch and (self.n_blocks is not None or self.train != "all"):
            raise ValueError(
                f"scratch={self.scratch} keeps no block (n_blocks={self.n_blocks}) and trains all "
                f"(train={self.train!r})"
            )
        self.optim(1000)  # checks the rest

    def steps(self, n: int) -> int:
        """Updates for n examples."""
        return max(1, math.ceil(n * self.epochs / self.batch_size))

    def optim(self, steps: int) -> OptimConfig:
        """The optimizer's settings for a run of so many updates."""
        return OptimConfig(
            lr=self.lr,
            # Decay would touch rows of the token table that are not to be trained.
            weight_decay=0.0 if self.train == "head+marks" else self.weight_decay,
            clip=self.clip,
            warmup=min(round(self.warmup * steps), steps - 1),
            schedule="linear",
        )


@dataclass(frozen=True)
class FinetuneConfig:
    """A whole fine-tuning run."""

    out: Path
    """Folder for the classifier, the metrics and what resuming needs; made if absent."""
    model: str = "tales-gpt1"
    """A shipped model, a folder, or a name on the Hugging Face Hub such as openai-gpt."""
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    """How it is fine-tuned."""
    metric: Metric | None = None
    """What decides which checkpoint is best; None: accuracy, or Pearson for scores."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    resume: bool = False
    """Go on with the run that `out` holds; begin if it holds none."""
    command: str = ""
    """How the run was started; written to run.json."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))


class Tuning:
    """One fine-tuning, ready to run: examples, classifier, batches, number of updates.

        tuning = Tuning(model, tokenizer, labelled("tales-mood"), RecipeConfig(lr=1e-3))
        losses = [step.loss for step in tuning.fit()]
        tuning.judge("test")                                 # {"accuracy": ..., "loss": ...}

    Args:
        gpt: the pre-trained network; stays as it is. A body of another kind, such as
            `gptcore.lstm.LSTM`, is trained in place.
        tokenizer: of the network.
        data: the labelled texts.
        recipe: how to fine-tune.

    Raises:
        ValueError: a text is empty, a label does not fit, the training part is empty, or a body of
            another kind has no room for the new tokens.
    """

    def __init__(
        self, gpt: Any, tokenizer: Tokenizer, data: Labelled, recipe: RecipeConfig
    ) -> None:
        self.tokenizer, marks = with_marks(tokenizer)
        self.parts: dict[str, list[Example]] = {}
        n_out = len(data.labels) or (None if data.form == "choice" else 1)
        for name in PARTS:
            try:
                rows, n_ctx = getattr(data, name), gpt.config.n_ctx
                found = encode(rows, data.form, self.tokenizer, marks, n_ctx, recipe.part, n_out)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{data.name}, part {name}: {error.args[0]}") from error
            if not found and name == "train":
                raise ValueError(f"{data.name} has no training examples")
            n_out = n_out or len(found[0].rows)  # of choices
            self.parts[name] = found
        head = HeadConfig(
            form=data.form,
            n_out=n_out,
            labels=data.labels,
            part=recipe.part,
            aux=recipe.aux,
            dropout=recipe.dropout,
            place=recipe.place,
        )
        with torch.random.fork_rng():  # the caller's random numbers stay as they are
            torch.manual_seed(recipe.seed)
            self.model = Classifier(self._body(gpt, recipe), head)
        self.model.train_only(recipe.train)
        self.batches = TaskBatches(self.parts["train"], recipe.batch_size, recipe.seed)
        self.steps = recipe.steps(len(self.parts["train"]))
        self.recipe = recipe

    def _body(self, gpt: Any, recipe: RecipeConfig) -> Any:
        n_vocab, dropout = self.tokenizer.vocab_size, recipe.dropout
        if not isinstance(gpt, GPT):
            if gpt.config.vocab_size < n_vocab:
                raise ValueError(
                    f"gpt.config.vocab_size={gpt.config.vocab_size} must be at least {n_vocab}, to "
                    "have room for the new tokens"
                )
            return gpt
        if recipe.scratch:
            shape = replace(gpt.config, vocab_size=n_vocab, dropout=dropout)
            return GPT(shape).to(gpt.device)
        return body(gpt, n_vocab, dropout=dropout, n_blocks=recipe.n_blocks, seed=recipe.seed)

    def fit(self, **options: Any) -> Iterator[Step]:
        """Train; the options are those of `gptcore.train.loop.fit`."""
        optim = self.recipe.optim(self.steps)
        return fit(
            self.model,
            self.batches,
            optim,
            self.steps,
            precision=self.recipe.precision,
            seed=self.recipe.seed,
            **options,
        )

    def judge(self, part: str, metric: Metric | None = None) -> dict[str, float]:
        """Score and loss on a part: {"accuracy": 0.91, "loss": 0.25}; the loss is L2 alone."""
        examples = self.parts[part]
        metric = metric or default_metric(self.model.head.form, self.model.head.n_out)
        labels = [example.label for example in examples]
        answers = self.model.predict(examples)
        return {metric: score(metric, answers, labels), "loss": label_loss(answers, labels)}


def label_loss(answers: torch.Tensor, labels: Sequence[int | float]) -> float:
    """L2 per example: cross-entropy in nats, or half the squared error of scores."""
    true = torch.tensor(labels)
    if true.is_floating_point():
        return (F.mse_loss(answers.squeeze(1), true) / 2).item()
    return F.cross_entropy(answers, true).item()


def finetune(config: FinetuneConfig, data: Labelled) -> Iterator[Step]:
    """Fine-tune on labelled texts, yielding a record after every update.

    When the iterator ends, `out/best` holds the classifier with the highest held-out score, which
    `checkpoint.load_classifier` opens, and `out/run.json` says how good it is on the test part.
    Left early, the run can be resumed.

    Args:
        config: the run.
        data: the labelled texts.

    Returns:
        An iterator of records; `val_loss` is L2 on the held-out part. All is prepared at the call.

    Raises:
        FileExistsError: `out` already holds a run and `resume` is not set, or holds another model.
        ValueError: a setting breaks its rule, differs from that of the run to resume, or does not
            fit the data.
    """
    resuming = check_folder(config.out, config.resume)
    gpt, tokenizer = checkpoint.load(config.model, device=choose_device(config.device))
    if tokenizer is None:
        raise ValueError(f"model={config.model!r} has no tokenizer, and there are texts to read")
    tuning = Tuning(gpt, tokenizer, data, config.recipe)
    if not tuning.parts["valid"]:
        raise ValueError(f"{data.name} has no held-out examples to choose the best checkpoint by")
    every = -(-tuning.steps // config.recipe.evals)
    steps = tuning.fit(
        checkpoint_dir=config.out,
        tokenizer=tuning.tokenizer,
        save_every=every,
        resume=config.resume,
        eval_fn=_Best(tuning, config, resuming),
        eval_every=every,
        settings={
            "recipe": asdict(config.recipe),
            "pretrained": str(config.model),
            "metric": config.metric,
            "labels": data.labels,
            "valid": TaskBatches(tuning.parts["valid"], 1).identity(),
        },
    )
    return _record(
        config, data, tuning, steps, Metrics(config.out / "metrics.jsonl", keep=resuming)
    )


class _Best:
    """Called after an evaluation is due: scores the held-out part and keeps the best network."""

    def __init__(self, tuning: Tuning, config: FinetuneConfig, resuming: bool) -> None:
        head = tuning.model.head
        self.tuning, self.folder = tuning, config.out
        self.metric: Metric = config.metric or default_metric(head.form, head.n_out)
        score(self.metric, torch.eye(2, head.n_out), [0, 1])  # complains now if it does not fit
        self.found = None
        if resuming and (self.folder / f"{BEST}.json").is_file():
            self.found = json.loads((self.folder / f"{BEST}.json").read_text(encoding="utf-8"))

    def __call__(self, model: Any) -> float:
        now = self.tuning.judge("valid", self.metric)
        if self.found is None or self._key(now) > self._key(self.found):
            self.found = now
            checkpoint.save(self.folder / BEST, model, self.tuning.tokenizer)
            write_json(self.folder / f"{BEST}.json", now)
        return now["loss"]

    def _key(self, found: dict[str, float]) -> tuple[float, float]:
        return found[self.metric], -found["loss"]


def _record(
    config: FinetuneConfig, data: Labelled, tuning: Tuning, steps: Iterator[Step], metrics: Metrics
) -> Iterator[Step]:
    """Pass the records on, write each down, and at the end say how good the best network is."""
    with closing(steps), closing(metrics):  # type: ignore[type-var]
        for step in steps:
            metrics.write(step)
            yield step
    best, _ = checkpoint.load_classifier(config.out / BEST, device=tuning.model.device)
    tuning.model = best
    records = read_metrics(metrics.path)
    parts = [part for part in ("valid", "test") if tuning.parts[part]]
    described = {
        "command": config.command,
        "seed": config.recipe.seed,
        "hardware": hardware(best.device),
        "config": json.loads(json.dumps(asdict(config), default=str)),
        "data": {
            "name": data.name,
            "form": data.form,
            "labels": data.labels,
            "n": {part: len(examples) for part, examples in tuning.parts.items()},
            "train_sha256": tuning.batches.identity()["examples_sha256"],
        },
        "n_params": sum(p.numel() for p in best.parameters()),
        "steps": tuning.steps,
        "seconds": records[-1]["seconds"] if records else 0.0,
        **{part: _rounded(tuning.judge(part, config.metric)) for part in parts},
        "curve": curve(records),
    }
    write_json(config.out / "run.json", described)


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found.items()}

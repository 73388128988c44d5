"""Fine-tuning: a pre-trained GPT and a few labelled texts in, a classifier out.

    for step in finetune(FinetuneConfig(out="runs/mood"), labelled("tales-mood")):
        print(step.step, step.loss, step.val_loss)

The road: labelled texts -> GPT-1's inputs (`text.inputs`) -> a copy of the pre-trained body with
a head (`heads.classifier`) -> `fit` on L3 = L2 + λ L1 -> a folder with the network as it is, the
best one so far in `best/`, `metrics.jsonl` and `run.json`. The best is the one with the highest
score on the held-out part; equal scores are told apart by the held-out loss.

Departures from the paper and its code:
 1. The defaults of `RecipeConfig` are GPT-1's, made for a network of 117M parameters. `finetune`
    takes what suits the size of the network at hand (`gptcore.train.recipes`).
 2. One dropout rate serves body and head.
 3. Scores are learned with a squared error; the released code's helpers cut them into classes.

Source: GPT-1 §3.2 and §4.1; its released code (`train.py`, `opt.py`).
"""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from gptcore import checkpoint
from gptcore.config import GPTConfig
from gptcore.heads.classifier import Classifier, HeadConfig, body
from gptcore.labelled import Labelled
from gptcore.labelled.shape import PARTS
from gptcore.model import GPT
from gptcore.scoring.metrics import Metric, default_metric, score
from gptcore.text.inputs import Example, TaskBatches, cut_told, encode, n_cut, with_marks
from gptcore.tokenizer import Tokenizer
from gptcore.train.folders import alone_in, check_folder, choose_device
from gptcore.train.loop import Step, fit
from gptcore.train.recipes import SUITED, RecipeConfig, finetuning
from gptcore.train.record import Metrics, curve, hardware, read_metrics, write_json

BEST = "best"


@dataclass(frozen=True)
class FinetuneConfig:
    """A whole fine-tuning run."""

    out: Path
    """Folder for the classifier, the metrics and what resuming needs; made if absent."""
    model: str = "tales-gpt1"
    """A shipped model, a folder, or a name on the Hugging Face Hub such as openai-gpt."""
    recipe: RecipeConfig = SUITED
    """How it is fine-tuned; what is None in it is filled in to suit the network and the data."""
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
        recipe: how to fine-tune; `self.recipe` is the same with what suits the network filled in.

    Raises:
        ValueError: a text is empty, a label does not fit, the training part is empty, or a body of
            another kind has no room for the new tokens.
    """

    def __init__(
        self, gpt: Any, tokenizer: Tokenizer, data: Labelled, recipe: RecipeConfig
    ) -> None:
        self.shape: GPTConfig = gpt.config
        recipe = recipe.suited(self.shape, len(data.train))
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
            integers=data.integers,
            part=recipe.part,
            aux=recipe.aux,
            dropout=recipe.dropout,
            place=recipe.place,
        )
        with torch.random.fork_rng():  # the caller's random numbers stay as they are
            torch.manual_seed(recipe.seed)
            self.model = Classifier(self._body(gpt, recipe), head)
        self.model.train_only(recipe.train, marks)
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


def finetune(
    config: FinetuneConfig,
    data: Labelled,
    *,
    begun: Callable[[Tuning], None] | None = None,
) -> Iterator[Step]:
    """Fine-tune on labelled texts, yielding a record after every update.

    When the iterator ends, `out/best` holds the classifier with the highest held-out score, which
    `checkpoint.load_classifier` opens, and `out/run.json` says how good it is on the test part.
    Left early, the run can be resumed.

    Args:
        config: the run.
        data: the labelled texts.
        begun: called when everything is ready, before the first update.

    Returns:
        An iterator of records; `val_loss` is L2 on the held-out part. All is prepared at the call.

    Raises:
        FileExistsError: another run is using `out`; or it holds a run and `resume` is not set, or
            another model.
        ValueError: a setting breaks its rule, differs from that of the run to resume, or does not
            fit the data.
        OSError: the disk is full; the message says what stands.

    Warns:
        UserWarning: texts are longer than the network can read; run.json counts them, too.
    """
    return alone_in(config.out, config.command, lambda: _begun(config, data, begun))


def _begun(
    config: FinetuneConfig, data: Labelled, begun: Callable[[Tuning], None] | None
) -> Iterator[Step]:
    """The run, everything made ready, in a folder that is ours."""
    resuming = check_folder(config.out, config.resume, "fine-tuning")
    gpt, tokenizer = checkpoint.load(config.model, device=choose_device(config.device))
    if tokenizer is None:
        raise ValueError(f"model={config.model!r} has no tokenizer, and there are texts to read")
    tuning = Tuning(gpt, tokenizer, data, config.recipe)
    if not tuning.parts["valid"]:
        raise ValueError(f"{data.name} has no held-out examples to choose the best checkpoint by")
    config = replace(config, recipe=tuning.recipe)
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
    if begun:
        begun(tuning)
    if told := cut_told(tuning.parts, gpt.config.n_ctx):
        warnings.warn(told, stacklevel=5)  # who called finetune
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
        return _or_least(found[self.metric]), _or_least(found["loss"] and -found["loss"])


def _or_least(value: float | None) -> float:
    """A score that is no number, or was written down as null, is worse than any other."""
    return -math.inf if value is None or math.isnan(value) else value


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
    judged = {part: tuning.judge(part, config.metric) for part in parts}
    described = {
        "command": config.command,
        "seed": config.recipe.seed,
        "hardware": hardware(best.device),
        "recipe": finetuning(tuning.shape).name,
        "config": json.loads(json.dumps(asdict(config), default=str)),
        "data": {
            "name": data.name,
            "form": data.form,
            "labels": data.labels,
            "n": {part: len(examples) for part, examples in tuning.parts.items()},
            "cut": {part: n_cut(examples) for part, examples in tuning.parts.items()},
            "report": data.report,
            "train_sha256": tuning.batches.identity()["examples_sha256"],
        },
        "n_params": sum(p.numel() for p in best.parameters()),
        "steps": tuning.steps,
        "seconds": records[-1]["seconds"] if records else 0.0,
        **{part: _rounded(judged[part]) for part in parts},
        "most_frequent": {
            part: round(_most_frequent(tuning, part), 4)
            for part in parts
            if "accuracy" in judged[part]
        },
        "curve": curve(records),
    }
    write_json(config.out / "run.json", described)


def _most_frequent(tuning: Tuning, part: str) -> float:
    """The accuracy of always giving the label that is most frequent in the training part."""
    labels = (example.label for example in tuning.parts["train"])
    most = Counter(labels).most_common(1)[0][0]
    return sum(e.label == most for e in tuning.parts[part]) / len(tuning.parts[part])


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found.items()}

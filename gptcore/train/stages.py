"""The run that InstructGPT's stages share: a body taken over, the best checkpoint kept, samples.

A stage (`train.sft`, `train.reward`, `train.dpo`) says what is learned and how good it has become;
here is what they have in common: the folder with the network as it is, the best one so far in
`best/`, `metrics.jsonl`, `samples.jsonl` and `run.json`, and how a run is resumed.

Source: none.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from gptcore import checkpoint
from gptcore.heads.classifier import body
from gptcore.labelled.dialogues import Prompt
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.sampling.batches import texts_of
from gptcore.text.dialogue_rows import RowBatches
from gptcore.text.dialogues import asked, with_stop
from gptcore.tokenizer import Tokenizer
from gptcore.train.folders import STAGES, alone_in, check_folder, choose_device
from gptcore.train.loop import Step, fit
from gptcore.train.loss import LossFn
from gptcore.train.record import Metrics, curve, hardware, plain, read_metrics, write_json
from gptcore.train.stage_recipes import SUITED, Stage, StageRecipe, row_of

BEST = "best"


@dataclass(frozen=True)
class StageConfig:
    """A whole run."""

    out: Path
    """Folder for the networks, the metrics and what resuming needs; made if absent."""
    model: str = "tales-gpt2-3m"
    """A shipped model, a folder, or a name on the Hugging Face Hub such as gpt2."""
    recipe: StageRecipe = SUITED
    """How it is taught; what is None in it is filled in to suit the network."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    resume: bool = False
    """Go on with the run that `out` holds; begin if it holds none."""
    command: str = ""
    """How the run was started; written to run.json."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))


class Taught(Protocol):
    """One stage, ready to run."""

    stage: Stage
    model: Any
    tokenizer: Tokenizer
    recipe: StageRecipe
    batches: RowBatches[Any]
    told: str
    loss_fn: LossFn | None
    """What an update minimises; None: the model's own loss."""

    def judge(self) -> dict[str, float]:
        """How good the model is on the held-out part; "loss" among it."""

    def key(self, found: dict[str, float]) -> float:
        """The larger, the better."""

    def samples(self) -> list[dict[str, Any]]:
        """What the model says or thinks of a few held-out prompts."""

    def finish(self, best: Any) -> None:
        """What is done to the best model in the end."""


def taken_over(
    gpt: Any, tokenizer: Tokenizer | None, recipe: StageRecipe
) -> tuple[GPT, Tokenizer, StageRecipe]:
    """A copy of a network with a stop token and the recipe's dropout, ready to be taught.

    Raises:
        ValueError: it is no GPT, has no tokenizer, or the tokenizer has more tokens.
    """
    if not isinstance(gpt, GPT):
        raise ValueError(f"the model is a {type(gpt).__name__}; only a GPT learns to respond here")
    if tokenizer is None:
        raise ValueError("the model has no tokenizer, and there are texts to read")
    tokenizer, _ = with_stop(tokenizer)
    size = max(gpt.config.vocab_size, tokenizer.vocab_size)
    return body(gpt, size, dropout=recipe.dropout or 0.0, seed=recipe.seed), tokenizer, recipe


def updates(taught: Taught) -> int:
    """How many a whole run has."""
    return taught.recipe.steps(len(taught.batches))


def learn(taught: Taught, **options: Any) -> Iterator[Step]:
    """Train; the options are those of `gptcore.train.loop.fit`."""
    recipe = taught.recipe
    return fit(
        taught.model,
        taught.batches,
        recipe.optim(),
        updates(taught),
        loss_fn=taught.loss_fn,
        precision=recipe.precision,
        seed=recipe.seed,
        **options,
    )


def askable(prompts: Iterable[Prompt], tokenizer: Tokenizer, longest: int) -> list[str]:
    """The texts among prompts of at most so many tokens, as a model is given them, each once."""
    found = dict.fromkeys(asked(text) for text in prompts if isinstance(text, str))
    return [text for text in found if len(tokenizer.encode(text)) <= longest]


def respond(taught: Taught, prompts: Sequence[str], temperature: float = 0.7) -> list[str]:
    """A response to each of some prompts that `askable` found, drawn with the recipe's seed."""
    if not prompts:
        return []
    model, read = taught.model, taught.tokenizer
    room = model.config.n_ctx - max(len(read.encode(p)) for p in prompts)
    how = {"max_new_tokens": room, "temperature": temperature, "seed": taught.recipe.seed}
    with evaluating(model):
        return texts_of(model, read, prompts, **how)


def staged(
    config: StageConfig,
    stage: Stage,
    make: Callable[[GPT, Tokenizer | None], Taught],
    begun: Callable[[Any], None] | None,
    seen: Callable[[list[dict[str, Any]]], None] | None,
    settings: dict[str, Any],
) -> Iterator[Step]:
    """The records of a run in a folder of its own.

    Args:
        config: the run.
        stage: what is taught.
        make: (network, its tokenizer) -> the stage, ready to run.
        begun: called with it before the first update.
        seen: is shown the samples, as they are drawn.
        settings: what else must be the same when the run is resumed.
    """
    return alone_in(
        config.out,
        config.command,
        lambda: _begun(config, stage, make, begun, seen, settings),
    )


def _begun(
    config: StageConfig,
    stage: Stage,
    make: Callable[[GPT, Tokenizer | None], Taught],
    begun: Callable[[Any], None] | None,
    seen: Callable[[list[dict[str, Any]]], None] | None,
    settings: dict[str, Any],
) -> Iterator[Step]:
    resuming = check_folder(config.out, config.resume, STAGES[stage])
    taught = make(*checkpoint.load(config.model, device=choose_device(config.device)))
    every = -(-updates(taught) // taught.recipe.evals)
    steps = learn(
        taught,
        checkpoint_dir=config.out,
        tokenizer=taught.tokenizer,
        save_every=every,
        resume=config.resume,
        eval_fn=_Best(taught, config.out, resuming),
        eval_every=every,
        settings={stage: asdict(taught.recipe), "pretrained": str(config.model), **settings},
    )
    if begun:
        begun(taught)
    if taught.told:
        warnings.warn(taught.told, stacklevel=6)  # who called the stage
    metrics = Metrics(config.out / "metrics.jsonl", keep=resuming)
    return _record(config, taught, steps, metrics, seen)


class _Best:
    """Called after an evaluation is due: scores the held-out part and keeps the best network."""

    def __init__(self, taught: Taught, folder: Path, resuming: bool) -> None:
        self.taught, self.folder, self.found = taught, folder, None
        if resuming and (folder / f"{BEST}.json").is_file():
            self.found = json.loads((folder / f"{BEST}.json").read_text(encoding="utf-8"))

    def __call__(self, model: Any) -> float:
        now = self.taught.judge()
        if self.found is None or self.taught.key(now) > self.taught.key(self.found):
            self.found = now
            checkpoint.save(self.folder / BEST, model, self.taught.tokenizer)
            write_json(self.folder / f"{BEST}.json", now)
        return now["loss"]


def _record(
    config: StageConfig,
    taught: Taught,
    steps: Iterator[Step],
    metrics: Metrics,
    seen: Callable[[list[dict[str, Any]]], None] | None,
) -> Iterator[Step]:
    """Pass the records on, write each down, draw samples, and say in the end how good it is."""
    with closing(steps), closing(metrics):  # type: ignore[type-var]
        for step in steps:
            metrics.write(step)
            if step.val_loss is not None:
                drawn = [{"step": step.step, **one} for one in taught.samples()]
                _append(config.out / "samples.jsonl", drawn, step.step)
                if seen:
                    seen(drawn)
            yield step
    folder = config.out / BEST
    checkpoint.restore(folder, taught.model)
    taught.finish(taught.model)
    checkpoint.save(folder, taught.model, taught.tokenizer)
    records, recipe = read_metrics(metrics.path), taught.recipe
    described = {
        "command": config.command,
        "seed": recipe.seed,
        "hardware": hardware(next(taught.model.parameters()).device),
        "recipe": row_of(taught.stage, taught.model.config).name,
        "config": json.loads(json.dumps(asdict(config) | {"recipe": asdict(recipe)}, default=str)),
        "data": taught.described(),  # type: ignore[attr-defined]
        "n_params": sum(p.numel() for p in taught.model.parameters()),
        "steps": updates(taught),
        "seconds": records[-1]["seconds"] if records else 0.0,
        "valid": {name: round(value, 4) for name, value in taught.judge().items()},
        "curve": curve(records),
    }
    write_json(config.out / "run.json", described)


def _append(path: Path, rows: list[dict[str, Any]], step: int) -> None:
    """Add samples of an update; those of later ones, of a run that was killed, go."""
    kept = [row for row in read_metrics(path) if row["step"] < step]
    lines = [json.dumps(plain(row), ensure_ascii=False) + "\n" for row in [*kept, *rows]]
    path.write_text("".join(lines), encoding="utf-8")


def as_tensor(found: Any) -> torch.Tensor:
    """Scores as numbers, whatever a callable returned."""
    return torch.as_tensor(found, dtype=torch.float32).flatten()

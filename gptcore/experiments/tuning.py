"""Fine-tuning as a grid runs it: until the validation score stops rising.

A run is stopped by its own validation score and by nothing else: after every epoch the validation
part is scored, the best weights so far are kept, and the run ends when `patience` epochs in a row
brought nothing better. The first `least` epochs never end a run, because a network without
pre-training may stand at chance for a while before it begins to learn. The learning rate falls in
a line to 0 over `most` epochs. All conditions share these three numbers.

Source: Prechelt 1998, "Early Stopping - But When?"; the recipe is GPT-1's (§4.1), see
`gptcore.train.finetune`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gptcore.checkpoint import load
from gptcore.labelled import Labelled, labelled
from gptcore.scoring.metrics import default_metric, score
from gptcore.text.inputs import DELIMITER, Example
from gptcore.train.finetune import RecipeConfig, Tuning, label_loss

RECIPE = RecipeConfig(lr=1e-3, warmup=0.05, batch_size=16, precision="bf16")
"""For a network of 4M parameters: GPT-1's form, a larger learning rate, a longer warm-up."""


@dataclass(frozen=True)
class Patience:
    """When a run ends, in epochs."""

    least: int = 8
    patience: int = 4
    most: int = 24

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most or self.patience < 1:
            raise ValueError(
                f"least={self.least}, patience={self.patience}, most={self.most}: least must be "
                "in 1 to most, and patience at least 1"
            )

    def over(self, curve: list[float]) -> bool:
        """Whether a run with these validation scores, one per epoch, has ended."""
        if len(curve) >= self.most:
            return True
        since = len(curve) - 1 - curve.index(max(curve))
        return len(curve) >= self.least and since >= self.patience


def data_of(settings: dict[str, Any]) -> Labelled:
    """The labelled texts of a run: settings["task"], n, n_valid, n_test."""
    return _data(settings["task"], settings["n"], settings["n_valid"], settings["n_test"])


@lru_cache(4)  # every run of a grid reads the same ones
def _data(task: str, n: int, n_valid: int, n_test: int) -> Labelled:
    return labelled(task, n_train=n, n_valid=n_valid, n_test=n_test)


def fine_tuned(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """One fine-tuning run of a grid.

    Args:
        settings: task, n, n_valid, n_test (rows of each part); body (a shipped model or a folder);
            and what the recipe changes: lr, aux, scratch, n_blocks, train, place; delimiter=False
            takes that token out of every row; least, patience, most (see `Patience`).
        seed: draws new weights, the order of the examples, and dropout.

    Returns:
        What `Grid.run` asks for, with `epochs` run, `best_epoch`, `tokens` read until the end, and
        `curve`, the validation score after every epoch.
    """
    torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
    network, tokenizer = load(settings["body"])
    patience = Patience(**{k: settings[k] for k in ("least", "patience", "most") if k in settings})
    names = ("lr", "aux", "scratch", "n_blocks", "train", "place")
    changed = {name: settings[name] for name in names if name in settings}
    recipe = replace(RECIPE, epochs=patience.most, seed=seed, **changed)
    tuning = Tuning(network, tokenizer, data_of(settings), recipe)
    if not settings.get("delimiter", True):
        _leave_out(tuning.tokenizer.id_of(DELIMITER), tuning)
    curve, best, tokens = _until_it_stops_rising(tuning, patience)
    tuning.model.load_state_dict(best)
    answers, examples = _answers(tuning, "test"), tuning.parts["test"]
    found = {"epochs": len(curve), "best_epoch": 1 + curve.index(max(curve)), "tokens": tokens}
    return {
        **result(tuning.model.head.form, answers, [e.label for e in examples], settings["task"]),
        "valid": round(max(curve), 4),
        **found,
        "curve": curve,
    }


def result(form: str, answers: Tensor, labels: list[Any], test_set: str) -> dict[str, Any]:
    """Test score and the answer to each item, as `Grid.run` returns them.

    Args:
        form: of the task. answers: (N, n_out) logits, or (N, 1) scores. labels: N.
        test_set: names the items, so that records can tell which runs answered the same ones.
    """
    from gptcore.experiments.records import packed

    metric = default_metric(form, answers.shape[1])
    test = round(score(metric, answers, labels), 4)
    if metric == "pearson":
        return {
            "test_set": test_set,
            "test": test,
            "items": packed(answers[:, 0].tolist()),
            "labels": [float(label) for label in labels],
        }
    right = (answers.argmax(1) == torch.tensor(labels)).float()
    return {"test_set": test_set, "test": test, "items": packed(right.tolist()), "labels": None}


def _until_it_stops_rising(
    tuning: Tuning, patience: Patience
) -> tuple[list[float], dict[str, Tensor], int]:
    """Validation scores, the weights of the best epoch, and the tokens read.

    Of equal scores the one with the lower validation loss is the better.
    """
    curve: list[float] = []
    best: dict[str, Tensor] = {}
    lowest, tokens = float("inf"), 0
    per_epoch = tuning.steps / patience.most
    for step in tuning.fit():
        tokens = step.tokens
        if step.step < round(per_epoch * (len(curve) + 1)):
            continue
        labels = [example.label for example in tuning.parts["valid"]]
        answers = _answers(tuning, "valid")
        metric = default_metric(tuning.model.head.form, answers.shape[1])
        now, loss = round(score(metric, answers, labels), 4), label_loss(answers, labels)
        if not curve or (now, -loss) > (max(curve), -lowest):
            best = {name: t.clone() for name, t in tuning.model.state_dict().items()}
            lowest = loss
        curve.append(now)
        if patience.over(curve):
            break
    return curve, best, tokens


def _answers(tuning: Tuning, part: str) -> Tensor:
    """The head's answers in the arithmetic of training."""
    half = torch.bfloat16 if tuning.recipe.precision == "bf16" else None
    with torch.autocast("cpu", half, enabled=half is not None):
        return tuning.model.predict(tuning.parts[part]).float()


def _leave_out(token: int, tuning: Tuning) -> None:
    """Take a token out of every row."""
    for examples in tuning.parts.values():
        for i, example in enumerate(examples):
            rows = tuple([t for t in row if t != token] for row in example.rows)
            examples[i] = Example(rows, example.label)

"""transformers' Trainer with OpenAIGPTForSequenceClassification: our classifier, our batches.

It gets what suits it best: fused AdamW, no logging, no saving, no progress bar, and rows that are
tensors already, padded by one call. No attention mask: padding stands on the right, where nothing
that is read can see it, and their model finds the extract token by the padding's id.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import transformers
from peers import hugging_face  # noqa: F401  # offline, and quiet
from torch.nn.utils.rnn import pad_sequence

from gptcore import save
from gptcore.heads.classifier import Classifier
from gptcore.optim import OptimConfig
from gptcore.text.inputs import PADDING, Batch


class Mark(NamedTuple):
    """When an update ended: wall seconds, CPU seconds of all threads."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Mark:
        """This moment."""
        return cls(time.perf_counter(), time.process_time())


def twin(model: Classifier) -> transformers.OpenAIGPTForSequenceClassification:
    """Their classifier with our weights, through the checkpoint that both read."""
    with tempfile.TemporaryDirectory() as folder:
        save(folder, model)
        return transformers.OpenAIGPTForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32
        )


def rows(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """The examples of our batches, one after the other, without their padding."""
    found = []
    for batch in batches:
        for ids, at, label in zip(batch.ids, batch.at, batch.labels, strict=True):
            found.append({"input_ids": ids[: at + 1].clone(), "labels": label})
    return found


def train(
    model: transformers.OpenAIGPTForSequenceClassification,
    batches: Sequence[Batch],
    optim: OptimConfig,
) -> tuple[list[Mark], list[float]]:
    """One update for every batch, on a copy of the model: when each ended, and its loss."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = keeping_losses(transformers.Trainer)(
            model=copy.deepcopy(model),
            args=transformers.TrainingArguments(
                output_dir=folder,
                max_steps=len(batches),
                per_device_train_batch_size=len(batches[0].labels),
                train_sampling_strategy="sequential",
                learning_rate=optim.lr,
                lr_scheduler_type="constant",
                adam_beta1=optim.betas[0],
                adam_beta2=optim.betas[1],
                adam_epsilon=optim.eps,
                weight_decay=optim.weight_decay,
                max_grad_norm=optim.clip,
                optim="adamw_torch_fused",
                use_cpu=True,
                logging_strategy="no",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                dataloader_pin_memory=False,
                remove_unused_columns=False,
            ),
            train_dataset=rows(batches),
            data_collator=_padded,
            callbacks=[(clock := Clock())],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return clock.marks, [loss.item() for loss in trainer.losses]


def _padded(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    ids = [example["input_ids"] for example in examples]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=PADDING),
        "labels": torch.stack([example["labels"] for example in examples]),
    }


class Clock(transformers.TrainerCallback):
    """Notes when an update has ended."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    def on_step_end(self, *args: Any, **more: Any) -> None:
        self.marks.append(Mark.now())


def keeping_losses(trainer: type[transformers.Trainer]) -> type[Any]:
    """The trainer with a list of every loss; what a Trainer itself logs is a mean over many."""

    class Keeping(trainer):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.losses: list[torch.Tensor] = []

        def training_step(self, *args: Any, **more: Any) -> torch.Tensor:
            loss = super().training_step(*args, **more)
            self.losses.append(loss.detach())
            return loss

    return Keeping

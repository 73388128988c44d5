"""TRL's SFTTrainer and RewardTrainer on our rows, in our order: when updates ended, and losses.

They get what suits them best: SDPA, a GELU in one kernel, fused AdamW, rows that are token ids
already, no logging, no saving, no gradient checkpointing. They read the token that ends a response
as an input too, which no target follows, and keep the accuracies that they would log.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import Dataset, disable_progress_bars
from peers.hugging_face import ONE_KERNEL
from peers.trainer import Clock, Mark, keeping_losses
from transformers import (
    AutoTokenizer,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PrinterCallback,
)
from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from gptcore import GPT, Tokenizer, save
from gptcore.heads.reward import RewardModel
from gptcore.optim import OptimConfig
from gptcore.text.dialogue_rows import Lesson, Ranked

LOADED = {"attn_implementation": "sdpa", "activation_function": ONE_KERNEL}
Updates = tuple[list[Mark], list[float]]

disable_progress_bars()


def sft(
    model: GPT,
    tokenizer: Tokenizer,
    rows: Sequence[Lesson],
    batch_size: int,
    optim: OptimConfig,
    loss_type: str,
) -> Updates:
    """One update for every so many rows. Loss: "chunked_nll", the default, or "nll"."""
    table = [
        {"input_ids": [*row.ids, row.targets[-1]], "labels": [-100, *row.targets]} for row in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        save(folder, model, tokenizer)
        options = _options(folder, len(rows) // batch_size, batch_size, optim)
        theirs = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, **LOADED)
        trainer = keeping_losses(SFTTrainer)(
            model=theirs,
            args=SFTConfig(loss_type=loss_type, max_length=None, **options),
            train_dataset=Dataset.from_list(table),
            processing_class=_tokenizer(folder),
            callbacks=[(clock := Clock())],
        )
        return _run(trainer, clock)


def reward(
    model: RewardModel,
    tokenizer: Tokenizer,
    items: Sequence[Ranked],
    batch_size: int,
    optim: OptimConfig,
) -> Updates:
    """One update for every so many prompts; each comparison is a pair of rows, as they want it."""
    table = [
        {"chosen_ids": list(item.rows[better]), "rejected_ids": list(item.rows[worse])}
        for item in items
        for better, worse in item.pairs
    ]
    pairs = batch_size * len(items[0].pairs)
    with tempfile.TemporaryDirectory() as folder:
        save(folder, model, tokenizer)
        options = _options(folder, len(items) // batch_size, pairs, optim)
        theirs = GPT2ForSequenceClassification.from_pretrained(
            folder, num_labels=1, dtype=torch.float32, **LOADED
        )
        trainer = keeping_losses(RewardTrainer)(
            model=theirs,
            args=RewardConfig(max_length=None, **options),
            train_dataset=Dataset.from_list(table),
            processing_class=_tokenizer(folder),
            callbacks=[(clock := Clock())],
        )
        return _run(trainer, clock)


def _tokenizer(folder: str) -> Any:
    """Ours; what pads is not what ends, or the reward would be read before the end."""
    read = AutoTokenizer.from_pretrained(folder, padding_side="right")
    read.pad_token = read.convert_ids_to_tokens(0)
    return read


def _run(trainer: Any, clock: Clock) -> Updates:
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.marks, [loss.item() for loss in trainer.losses]


def _options(folder: str, updates: int, batch_size: int, optim: OptimConfig) -> dict[str, Any]:
    return {
        "output_dir": f"{folder}/out",
        "max_steps": updates,
        "per_device_train_batch_size": batch_size,
        "train_sampling_strategy": "sequential",
        "learning_rate": optim.lr,
        "lr_scheduler_type": "constant",
        "adam_beta1": optim.betas[0],
        "adam_beta2": optim.betas[1],
        "adam_epsilon": optim.eps,
        "weight_decay": optim.weight_decay,
        "max_grad_norm": optim.clip,
        "optim": "adamw_torch_fused",
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }

"""TRL's PPOTrainer with our weights, prompts and reward model: what its iterations took.

It gets what suits it best: SDPA, a GELU in one kernel, fused AdamW, all rows at a time where
nothing is learned, and no stop token, since a response that ends early would not end its work.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import Dataset
from peers.hugging_face import ONE_KERNEL, twin
from peers.plain_ppo import Spent
from transformers import AutoTokenizer, GPT2ForSequenceClassification
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

from gptcore import GPT, Tokenizer, save
from gptcore.heads.reward import RewardModel


def iterations(
    model: GPT,
    judge: RewardModel,
    tokenizer: Tokenizer,
    prompts: list[str],
    longest: int,
    minibatches: int,
    n: int,
    between: Callable[[], None],
) -> list[Spent]:
    """What each of n iterations took, scoring included in what follows the rollout.

    Args:
        between: called before each of them, and not timed: other programs' turn.
    """
    rollouts: list[float] = []
    begun, ended = [], []
    drawing = ppo_trainer.batch_generation

    def timed(*args: Any) -> Any:
        ended.append(time.perf_counter())
        with torch.enable_grad():
            between()
        begun.append(time.perf_counter())
        found = drawing(*args)
        rollouts.append(time.perf_counter() - begun[-1])
        return found

    ppo_trainer.batch_generation = timed
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            _trainer(model, judge, tokenizer, prompts, longest, minibatches, n + 1, folder).train()
    finally:
        ppo_trainer.batch_generation = drawing
    tokens = len(prompts) * longest
    return [Spent(tokens, rollouts[i], ended[i + 1] - begun[i] - rollouts[i]) for i in range(n)]


def _trainer(
    model: GPT,
    judge: RewardModel,
    tokenizer: Tokenizer,
    prompts: list[str],
    longest: int,
    minibatches: int,
    n: int,
    folder: str,
) -> PPOTrainer:
    save(f"{folder}/gpt", model, tokenizer)
    save(f"{folder}/rm", judge, tokenizer)
    read = AutoTokenizer.from_pretrained(f"{folder}/gpt", padding_side="left")
    read.pad_token = read.eos_token
    size = len(prompts)
    rows = [{"input_ids": tokenizer.encode(text + "\n\n")} for text in prompts]
    options = {"attn_implementation": "sdpa", "activation_function": ONE_KERNEL}
    networks = [
        GPT2ForSequenceClassification.from_pretrained(
            f"{folder}/rm", num_labels=1, dtype=torch.float32, **options
        )
        for _ in range(2)
    ]
    return PPOTrainer(
        args=_settings(size, longest, minibatches, n, folder),
        processing_class=read,
        model=twin(model, ONE_KERNEL),
        ref_model=twin(model, ONE_KERNEL),
        reward_model=networks[0],
        value_model=networks[1],
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows),
    )


def _settings(size: int, longest: int, minibatches: int, n: int, folder: str) -> PPOConfig:
    return PPOConfig(
        output_dir=f"{folder}/out",
        per_device_train_batch_size=size // minibatches,
        gradient_accumulation_steps=minibatches,
        num_mini_batches=minibatches,
        num_ppo_epochs=1,
        total_episodes=n * size,
        local_rollout_forward_batch_size=size,
        response_length=longest,
        temperature=1.0,
        stop_token=None,
        learning_rate=1e-4,
        optim="adamw_torch_fused",
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )

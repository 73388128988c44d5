"""A policy of two layers that says bytes at random, and a reward that counts a letter."""

from dataclasses import replace

import torch
from small_tasks import LETTERS, letters_gpt

from gptcore.text.streams import Batches
from gptcore.train.ppo import ppo
from gptcore.train.ppo_config import PPOConfig

PROMPTS = ["a fox", "no", "the bear", "ab", "x y"]
CONFIG = PPOConfig(
    steps=40, max_new_tokens=8, batch_size=32, minibatches=2, lr=3e-3, value_lr=3e-3, beta=0.01
)
ONCE = replace(CONFIG, steps=1, minibatches=1, warmup=0)


def policy(seed=0, **changes):
    """Peaked enough that letters of one class come often, and the end of text too."""
    model = letters_gpt(seed, norm="pre", **changes)
    with torch.no_grad():
        model.ln_f.bias.copy_(model.wte.weight[[64, 65, 66, 256]].sum(0) * 60)
    return model


def count_a(prompts, responses):
    return [response.count("a") / 4 for response in responses]


def nothing(prompts, responses):
    return [0.0] * len(responses)


def run(model=None, reward=count_a, config=CONFIG, **options):
    model = policy() if model is None else model
    return model, list(ppo(model, LETTERS, PROMPTS, reward, config, **options))


def text():
    return Batches(LETTERS.encode("the cat sat on the mat . " * 20), 4, 16)

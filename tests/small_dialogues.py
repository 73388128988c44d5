"""Small models that learn to respond, and dialogues of letters that they can learn from."""

import torch
from small_models import make
from small_tasks import LETTERS

from gptcore import checkpoint
from gptcore.labelled.dialogues import Comparison, Demonstration, demonstrations, preferences

SHOWN = demonstrations([Demonstration(c * 2, "xy" + c) for c in "abcdefghijklmnop"])
"""Responses that repeat what was asked for."""
LIKED = preferences([Comparison(c, ("x", c, "xxy", "y"), (0, 2, 1, 3)) for c in "abcdefghijklmnop"])
"""Responses with more x are better."""


def small_gpt(norm="pre", **changes):
    """A network with random weights that reads letters."""
    torch.manual_seed(0)
    return make(norm, **{"vocab_size": 257, "n_ctx": 24, "d_model": 16, **changes})


def saved_gpt(folder):
    """Such a network with its tokenizer in a folder."""
    return str(checkpoint.save(folder, small_gpt(), LETTERS))

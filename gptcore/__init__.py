"""gptcore: the GPT of *GPT, Claim by Claim*, from tokens to text.

Read `config`, `attention`, `model` and `train/pretrain` in that order to see a whole GPT train.

Shapes everywhere: B batch, T tokens, C d_model, H heads, D d_head, V vocabulary, L layers.
"""

from gptcore.checkpoint import load, save
from gptcore.config import PRESETS, GPTConfig
from gptcore.model import GPT, KVCache
from gptcore.moved import install
from gptcore.sampling.drawing import generate
from gptcore.scoring.likelihood import evaluate
from gptcore.tokenizer import Tokenizer

__version__ = "0.1.0"
install()
__all__ = [
    "GPT",
    "PRESETS",
    "GPTConfig",
    "KVCache",
    "Tokenizer",
    "evaluate",
    "generate",
    "load",
    "save",
]

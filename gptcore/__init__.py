"""gptcore: the GPT of *GPT, Claim by Claim*, from tokens to text.

Read `config`, `attention`, `model` and `train/pretrain` in that order to see a whole GPT train.

Shapes everywhere: B batch, T tokens, C d_model, H heads, D d_head, V vocabulary, L layers.

`import gptcore` takes milliseconds: a name or a room below is imported when it is first used, so
that what needs no network (the command line's help, tales, data sets) does not wait for PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gptcore.moved import install

if TYPE_CHECKING:
    from gptcore.checkpoint import load, save
    from gptcore.config import PRESETS, GPTConfig
    from gptcore.model import GPT, KVCache
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

_HOME = {
    "GPT": "model",
    "PRESETS": "config",
    "GPTConfig": "config",
    "KVCache": "model",
    "Tokenizer": "tokenizer",
    "evaluate": "scoring.likelihood",
    "generate": "sampling.drawing",
    "load": "checkpoint",
    "save": "checkpoint",
}


def __getattr__(name: str) -> Any:
    """One of the names above, or a module of the package: `gptcore.tales` after `import gptcore`.

    Raises:
        AttributeError: there is none of that name.
    """
    if name in _HOME:
        value = getattr(import_module(f"gptcore.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name.startswith("_") or find_spec(f"gptcore.{name}") is None:
        raise AttributeError(f"module 'gptcore' has no attribute {name!r}")
    return import_module(f"gptcore.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

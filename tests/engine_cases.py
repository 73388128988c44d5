"""Models that the page's engine runs, texts for it, and how to ask it in Node."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import torch
from node import node
from small_models import make

from gptcore.model import GPT
from gptcore.show.explorers.engine import engine
from gptcore.tales import split, tale
from gptcore.tokenizer import Tokenizer

STORY = "One windy morning Rosa met her friend Tom by the old mill. “Où est le café?” she asked.\n"
BYTE = Tokenizer.train(STORY * 3 + "the cat the cats low lower", 300)
WORD = Tokenizer.train(STORY * 3 + "the cat the cats\n", 90, kind="word", splitter="plain")
TEXTS = [
    "Rosa met the cat.",
    STORY,
    "<script>alert(1)</script><b onclick='x'>&amp;",
    "小猫 café cafe\u0301 👩‍🚀 \u202eמלח \x00\ufeff\x1c\x85 end",
    "<|endoftext|>Tom<|endoftext|> the <|endoftext",
    "a",
    " \n\n\t  two  spaces ",
    "the cat " * 40,
]


def halved(model: GPT) -> GPT:
    """The model with the weights that half precision leaves of it, in float32."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.half().float())
    return model


def small(norm: str, tokenizer: Tokenizer, **changes: Any) -> GPT:
    """A random GPT of odd sizes that looks back, for the tokenizer and three ids more."""
    sizes = {"n_ctx": 40, "n_layer": 3, "n_head": 3, "d_model": 18, "n_inner": 37}
    sizes |= {"vocab_size": tokenizer.vocab_size + 3}
    model = make(norm, **sizes | changes)
    with torch.no_grad():
        for layer in model.h:
            layer.attn.c_attn.weight.mul_(2)
            for gain in (layer.ln_1.weight, layer.ln_2.weight):
                gain.add_(1)
    return halved(model)


def asked(model: GPT, tokenizer: Tokenizer, *asks: list[Any]) -> list[Any]:
    """What the engine answers in Node; looks have their bytes as Python's."""
    given = {"stored": engine.pack(model, tokenizer), "asks": asks}
    path = Path(__file__).parent / "js" / "engine.mjs"
    done = subprocess.run(
        [node(), path], input=json.dumps(given).encode(), capture_output=True, timeout=600
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout, object_hook=_bytes)


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if set(value) == {"base64"} else value


def prompts(tokenizer: Tokenizer, n: int) -> list[list[int]]:
    """The beginnings of tales that no shipped model has read, 3 to 60 tokens each."""
    texts = [tale(0, i).text for i in split("test")[:n]]
    return [tokenizer.encode(text)[: 3 + 57 * i // (n - 1)] for i, text in enumerate(texts)]

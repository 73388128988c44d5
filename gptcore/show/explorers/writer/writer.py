"""Write with a model: the next tokens with their probabilities, and what each head reads for them.

The reader types a beginning, takes a token, lets the model write, and goes back to any token to
take another. In Jupyter Python answers; in the built book the engine does (`explorers/engine`), for
a model that the course ships.

Source: ours.
"""

from __future__ import annotations

from typing import Any

import torch
from traitlets import Bool, Dict, Float, Int, Unicode, observe

from gptcore.model import GPT
from gptcore.show.explorers.engine.engine import megabytes, shipped_name
from gptcore.show.explorers.shared.texts import label
from gptcore.show.widgets import Explorer
from gptcore.tokenizer import Tokenizer

__all__ = ["Writer", "reading"]

LISTED = 8
"""Next tokens that can be taken with a click."""
TOLD = 3  # tokens that the text alternative names


class Writer(Explorer):
    """A text that reader and model write together, token by token.

    Args:
        model: any GPT; it is used without dropout and given back as it was.
        tokenizer: the one that the model was trained with.
        text: the beginning that stands there first.
        controls: whether temperature, top-k, top-p and the seed can be set.

    Raises:
        ValueError: the text has no tokens, or more than the model can read.
    """

    script = "writer"
    shipped = Unicode("").tag(sync=True)
    """The name of the shipped model that this is, which a page can run; "" for any other."""
    megabytes = Float(0.0).tag(sync=True)
    """How much a page loads for it."""
    n_ctx = Int().tag(sync=True)
    n_layer = Int().tag(sync=True)
    n_head = Int().tag(sync=True)
    controls = Bool(False).tag(sync=True)
    asked = Dict().tag(sync=True)
    """What the page wants to be read: {"n": a number of its own, "text": …} or {"n", "ids"}."""
    read = Dict().tag(sync=True)
    """The `reading` of it with its n, or {"n", "error"}."""

    def __init__(
        self, model: GPT, tokenizer: Tokenizer, text: str, *, controls: bool = False
    ) -> None:
        config = model.config
        first = reading(model, tokenizer, text)
        self._read = lambda given: reading(model, tokenizer, given)
        super().__init__(
            alt=_describe(first, text),
            shipped=shipped_name(model, tokenizer),
            megabytes=megabytes(model),
            n_ctx=config.n_ctx,
            n_layer=config.n_layer,
            n_head=config.n_head,
            controls=controls,
            read={"n": 0, **first},
        )

    @observe("asked")
    def _answer(self, change: dict[str, Any]) -> None:
        asked = change["new"]
        try:
            given = asked["text"] if "text" in asked else list(asked["ids"])
            self.read = {"n": asked["n"], **self._read(given)}
        except Exception as error:  # shown to who asked; the kernel's log is out of their sight
            self.read = {"n": asked["n"], "error": f"{error}"}


@torch.no_grad()
def reading(model: GPT, tokenizer: Tokenizer, given: str | list[int]) -> dict[str, Any]:
    """What a model makes of a text, or of ids: what may follow, and what its last token reads.

    Args:
        model: any GPT. tokenizer: its tokenizer; special tokens in a text are recognised.
        given: a text, or ids.

    Returns:
        ids, and tokens, the `label` of each; logits: V float32 for the token that follows; reads:
        the L × H × T weights with which the last token's heads read, float32; likely: id and
        `label` of the `LISTED` likeliest next tokens, likeliest first.

    Raises:
        ValueError: there are no tokens, or more than the model can read.
    """
    ids = tokenizer.encode(given, allow_special=True) if isinstance(given, str) else given
    if not ids:
        raise ValueError(f"text={given!r} has no tokens: write at least one word")
    if len(ids) > model.config.n_ctx:
        raise ValueError(f"{len(ids)} tokens do not fit: n_ctx={model.config.n_ctx} is the longest")
    training = model.training
    model.eval()
    try:
        trace = model.trace(torch.tensor([ids], device=model.device))
    finally:
        model.train(training)
    last = torch.stack([weights[0, :, -1] for weights in trace.attentions])  # (L, H, T)
    logits = trace.logits[0, -1, : tokenizer.vocab_size]
    likely = logits.topk(min(LISTED, len(logits))).indices
    return {
        "ids": list(ids),
        "tokens": [label(tokenizer, i) for i in ids],
        "logits": logits.float().cpu().numpy().astype("<f4").tobytes(),
        "reads": last.float().cpu().numpy().astype("<f4").tobytes(),
        "likely": [[i, label(tokenizer, i)] for i in likely.tolist()],
    }


def _describe(first: dict[str, Any], text: str) -> str:
    chances = torch.frombuffer(bytearray(first["logits"]), dtype=torch.float32).softmax(0)
    told = ", ".join(
        f"{name.strip() or 'a space'} {chances[i]:.0%}" for i, (name, _) in first["likely"][:TOLD]
    )
    return f"A model writes on. After “{text}” the likeliest next tokens are {told}."

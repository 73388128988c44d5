"""What comes next: a table that counted and a GPT, each with its likeliest tokens after a text.

The page gets the tokens that were counted and works out the tables itself, for any text and for
every number of tokens that a table may look back. What the GPT says it has from Python, or, for a
text typed in the built book, from the engine.

Source: Chen and Goodman 1998, §4.1 (interpolated Kneser-Ney with one discount); GPT-1 §3.1.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from traitlets import Bytes, Float, Int, List

from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.scoring.ngrams import DISCOUNT
from gptcore.show.explorers.shared.texts import (
    TextExplorer,
    answered_by,
    between,
    label,
    named,
    room,
)
from gptcore.tokenizer import Tokenizer

__all__ = ["NextWord", "look", "table_says"]

MOST = 65_536  # ids are sent as two bytes each


class NextWord(TextExplorer):
    """The next token of a text, by a table of n-grams and by a GPT.

    Args:
        model, tokenizer: that belong together.
        texts: several, by name or not; what follows the last token of each is shown.
        counted: (N,) ids of the text that the tables are counted from.
        back: how many tokens the table looks back at first.
        longest: how many it may look back at most.
        top: so many of the likeliest tokens are shown.
        max_tokens: tokens of a text that are read, from its beginning.
        alt: the text alternative; by default it is worked out.

    Raises:
        ValueError: a text has no tokens, or a number is none that the page offers.
    """

    script = "next_word"
    counted = Bytes().tag(sync=True)
    """The ids that were counted, two bytes each, little end first."""
    names = List().tag(sync=True)
    """The `label` of every token."""
    back, longest, top = (Int().tag(sync=True) for _ in range(3))
    discount = Float(DISCOUNT).tag(sync=True)
    """What is taken from every count and given to the shorter context."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        texts: Sequence[str] | Mapping[str, str],
        counted: Sequence[int],
        *,
        back: int = 2,
        longest: int = 4,
        top: int = 8,
        max_tokens: int = 256,
        alt: str | None = None,
    ) -> None:
        V = tokenizer.vocab_size
        between("vocab_size", V, 2, MOST)
        between("tokens that are counted", len(counted), longest + 2, 2**31)
        between("back", back, 1, longest)
        between("top", top, 1, V)
        ids = np.asarray(counted)
        between("id that is counted", int(ids.min()), 0, V - 1)
        between("id that is counted", int(ids.max()), 0, V - 1)
        tokens = room(max_tokens, model.config.n_ctx)
        ask = partial(look, model, tokenizer, max_tokens=tokens, top=top)
        looks = [{"name": name, "source": text, **ask(text)} for name, text in named(texts)]
        self._ask = ask
        labels = [label(tokenizer, i) for i in range(V)]
        super().__init__(
            alt=_describe(looks, ids, labels, back) if alt is None else alt,
            counted=ids.astype("<u2").tobytes(),
            names=labels,
            back=back,
            longest=longest,
            top=top,
            texts=looks,
            **answered_by(model, tokenizer, tokens),
        )


@torch.no_grad()
def look(
    model: GPT, tokenizer: Tokenizer, text: str, max_tokens: int, top: int = 8
) -> dict[str, Any]:
    """What a GPT expects after a text.

    Args:
        model, tokenizer: that belong together; special tokens in the text are recognised.
        text: any text. max_tokens: tokens read, from its beginning. top: tokens that are kept.

    Returns:
        tokens: `label` of each. ids: their numbers. of: the tokens before the cut. gpt:
        [id, probability] of the likeliest tokens, best first.

    Raises:
        ValueError: the text has no tokens.
    """
    ids = tokenizer.encode(text, allow_special=True)
    if not ids:
        raise ValueError(f"text={text!r} has no tokens")
    kept = ids[:max_tokens]
    with evaluating(model):
        p = model(torch.tensor([kept], device=model.device))[0, -1].double().softmax(-1).cpu()
    best = p.sort(descending=True, stable=True)
    return {
        "tokens": [label(tokenizer, i) for i in kept],
        "ids": kept,
        "of": len(ids),
        "gpt": [
            [int(i), round(float(x), 6)]
            for i, x in zip(best.indices[:top], best.values[:top], strict=True)
        ],
    }


def table_says(
    counted: np.ndarray, context: Sequence[int], back: int, vocab_size: int
) -> np.ndarray:
    """What an interpolated Kneser-Ney table expects after a context.

    Args:
        counted: (N,) ids that are counted, in order.
        context: the ids before the one that is asked for; the last `back` of them are used.
        back: how many tokens the table looks back.
        vocab_size: V.

    Returns:
        (V,) probabilities.

    Source: Chen and Goodman 1998, §4.1, with one discount.
    """
    V = vocab_size
    counted = np.asarray(counted, dtype=np.int64)
    p, at = np.full(V, 1 / V), np.arange(back, len(counted))
    for length in range(min(back, len(context)) + 1):
        if length:  # of the places so far, those where the context goes one token further back
            at = at[counted[at - length] == context[-length]]
        if not len(at):
            break  # never met: what the shorter context says
        if length == back:
            counts = np.bincount(counted[at], minlength=V)
        else:  # below the top: behind how many different tokens
            pairs = np.unique(counted[at - length - 1] * V + counted[at])
            counts = np.bincount(pairs % V, minlength=V)
        taken = DISCOUNT * np.count_nonzero(counts)
        p = (np.maximum(counts - DISCOUNT, 0) + taken * p) / counts.sum()
    return p


def _describe(looks: list[dict], counted: np.ndarray, labels: list, back: int) -> str:
    """Say for each text what the table and the GPT expect most."""
    said = []
    for one in looks:
        table = table_says(counted, one["ids"], back, len(labels))
        best = int(table.argmax())
        i, p = one["gpt"][0]
        said.append(
            f"after {one['name']!r} the table {labels[best][0]!r} ({table[best]:.0%}), "
            f"the GPT {labels[i][0]!r} ({p:.0%})"
        )
    return (
        f"The next token by a table that looks back at {back} tokens and by a GPT, likeliest "
        f"first: {'; '.join(said)}."
    )

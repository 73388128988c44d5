"""What the residual stream of a model would predict after each layer: the logit lens.

The stream after the embeddings and after every layer is read the way the last layer's is: through
the tied output matrix, and for a pre-LN model through `ln_f` first. A post-LN model has no `ln_f`:
each of its layers ends in a LayerNorm of its own, and only the sum of embeddings comes to the
matrix without one. Nothing is trained for the lens. Only the last reading is the model's
prediction; the ones before it say how far the stream already points there.

Source: nostalgebraist 2020, "interpreting GPT: the logit lens", which reads GPT-2 so, `ln_f`
included. The tied matrix is GPT-1's §3.1: W_e both embeds and predicts.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from traitlets import Bool, Int

from gptcore.model import GPT
from gptcore.show.explorers.shared.texts import (
    TextExplorer,
    answered_by,
    between,
    label,
    named,
    room,
)
from gptcore.tokenizer import Tokenizer

__all__ = ["ResidualStream", "lens", "look", "pack"]

MOST = 65_535  # what two bytes can count to
NATS = 1_000  # steps of an entropy in one nat


class ResidualStream(TextExplorer):
    """Positions down, depth across: the token that each reading puts on top, and how surely.

    Also for any text typed, as `TextExplorer` says. Readings are taken when the explorer is made: a
    model trained further afterwards answers only for what is typed. Depth 0 is the sum of
    embeddings, depth l + 1 the stream after layer l; layers and positions count from 0.

    Args:
        model: any GPT; it is used without dropout and given back as it was.
        tokenizer: the one that the model was trained with.
        texts: what to show: texts, or name -> text.
        top: tokens kept for each reading, the likeliest.
        max_tokens: tokens of a text that are shown, at most `n_ctx`; the reader is told of a cut.
        token: the position chosen at first; by default the one two thirds through.
        covered: whether all but the embeddings is covered until the reader has guessed.
        alt: the text alternative; by default it is worked out from the readings.

    Raises:
        TypeError: `texts` is one string.
        ValueError: there is no text, or one has no tokens, or top or token lie outside of what
            there is, or max_tokens is not positive, or the vocabulary is larger than 65,535.
    """

    script = "residual_stream"
    n_layer, vocab_size, top = (Int().tag(sync=True) for _ in range(3))
    token, depth = (Int(0).tag(sync=True) for _ in range(2))
    """Which position and depth are chosen, counted from 0."""
    covered = Bool(True).tag(sync=True)
    """Whether the layers are covered, but for the positions that the reader has guessed."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        texts: Sequence[str] | Mapping[str, str],
        *,
        top: int = 5,
        max_tokens: int = 256,
        token: int | None = None,
        covered: bool = True,
        alt: str | None = None,
    ) -> None:
        config = model.config
        between("vocab_size", config.vocab_size, 1, MOST)
        between("top", top, 1, config.vocab_size)
        tokens = room(max_tokens, config.n_ctx)
        ask = partial(look, model, tokenizer, max_tokens=tokens, top=top)
        looks = [{"name": name, **ask(text)} for name, text in named(texts)]
        size = len(looks[0]["tokens"])
        token = 2 * size // 3 if token is None else token
        between("token", token, 0, size - 1)
        self._ask = ask
        super().__init__(
            alt=_describe(looks[0], len(looks)) if alt is None else alt,
            n_layer=config.n_layer,
            vocab_size=config.vocab_size,
            top=top,
            texts=looks,
            token=token,
            **answered_by(model, tokenizer, tokens),
            depth=config.n_layer,
            covered=covered,
        )


def lens(model: GPT, stream: Tensor) -> Tensor:
    """Logits that the model would give if it ended at this point of the residual stream.

    Args:
        model: any GPT.
        stream: (..., C), one of `model.trace(ids).residuals`.

    Returns:
        (..., V). For the last of the residuals these are the model's own logits.
    """
    x = model.ln_f(stream) if model.config.norm == "pre" else stream
    return F.linear(x, model.output)


@torch.no_grad()
def look(
    model: GPT, tokenizer: Tokenizer, text: str, max_tokens: int, top: int = 5
) -> dict[str, Any]:
    """Run a text through a model and keep what the picture needs.

    Args:
        model: any GPT. tokenizer: its tokenizer; special tokens in the text are recognised.
        text: any text. max_tokens: tokens kept, from the start. top: tokens kept per reading.

    Returns:
        tokens: `label` of each of the T tokens. next: that of the token behind them, None where
        the text ends. of: the tokens before the cut. names: `label` of each token that is among
        the `top` anywhere. numbers: `pack` of every reading. facts: for each depth, means over
        positions: how often the token just read is on top, how often the true next one is, and
        the latter's -ln p in nats; only the first for a text of one token.

    Raises:
        ValueError: the text has no tokens.
    """
    ids = tokenizer.encode(text, allow_special=True)
    if not ids:
        raise ValueError(f"text={text!r} has no tokens")
    kept, after = ids[:max_tokens], ids[1 : max_tokens + 1]
    training = model.training
    model.eval()
    try:
        stream = model.trace(torch.tensor([kept], device=model.device)).residuals
        names, numbers, facts = _read([lens(model, x[0]) for x in stream], kept, after, top)
    finally:
        model.train(training)
    return {
        "tokens": [label(tokenizer, i) for i in kept],
        "next": label(tokenizer, after[-1]) if len(after) == len(kept) else None,
        "of": len(ids),
        # A model may have more ids than its tokenizer: vocabularies are padded to round numbers.
        "names": [
            label(tokenizer, i) if i < tokenizer.vocab_size else [f"id {i}", "special"]
            for i in names
        ],
        "numbers": numbers,
        "facts": facts,
    }


def _read(
    logits: Sequence[Tensor], kept: list[int], after: list[int], top: int
) -> tuple[list[int], bytes, list[list[float]]]:
    """Readings (T, V) at D depths as `look` keeps them: ids of the names, numbers, facts."""
    itself = torch.tensor(kept)[:, None]
    # Where the text ends there is no true next token: the last one stands in and is not shown.
    true = torch.tensor(after + kept[len(after) :])[:, None]
    ids: list[Tensor] = []
    columns: list[dict[str, Tensor]] = []
    facts, earlier = [], None
    for reading in logits:
        logp = reading.float().log_softmax(-1).cpu()
        best = logp.topk(top).indices
        here = {"p": logp.gather(1, best), "before": torch.full(best.shape, -torch.inf)}
        here["after"] = here["before"]
        if earlier is not None:
            here["before"] = earlier.gather(1, best)
            columns[-1]["after"] = logp.gather(1, ids[-1])
        for name, token in (("true", true), ("itself", itself)):
            here[name] = logp.gather(1, token)
            here[f"{name} rank"] = (logp > here[name]).sum(1, keepdim=True) + 1
        here["entropy"] = -(logp.exp() * logp).nan_to_num().sum(1, keepdim=True)
        facts.append(_means(here, len(after)))
        ids.append(best)
        columns.append(here)
        earlier = logp
    names, place = torch.stack(ids, 1).unique(return_inverse=True)  # place: (T, D, top)
    return names.tolist(), pack(place, columns), facts


def _means(here: Mapping[str, Tensor], known: int) -> list[float]:
    """The facts of one depth; the true next token is known at the first `known` positions."""
    itself = (here["itself rank"] == 1).float().mean()
    true = (here["true rank"][:known] == 1).float().mean()
    rest = [true, -here["true"][:known].mean()] if known else []
    return [round(x.item(), 4) for x in [itself, *rest]]


def pack(place: Tensor, columns: Sequence[Mapping[str, Tensor]]) -> bytes:
    """Readings as two bytes per number, little end first.

    A probability p is kept as 65,535 √p rounded, so it comes back off by at most √p / 65,535; an
    entropy in thousandths of a nat; a rank, counted from 1, as it is.

    Args:
        place: (T, D, K) integers below 65,536, where each of the K likeliest tokens is named.
        columns: for each of the D depths p, before and after: (T, K), the ln p of those tokens
            here, one depth earlier and one later; and (T, 1) each: ln p as true and itself, of
            the true next token and the one just read, their ranks, and the entropy in nats.

    Returns:
        For each position, for each depth: place, p, before, after, true rank, true, itself rank,
        itself, entropy: 4 K + 5 numbers.
    """
    kinds = ("p", "before", "after", "true rank", "true", "itself rank", "itself", "entropy")
    found = [place]
    for kind in kinds:
        values = torch.stack([column[kind] for column in columns], 1)  # (T, D, K or 1)
        if kind == "entropy":
            values = (values * NATS).round()
        elif not kind.endswith("rank"):
            values = (values / 2).exp().clamp(0, 1).mul(MOST).round()
        found.append(values.long())
    return torch.cat(found, -1).numpy().astype("<u2").tobytes()


def _describe(first: dict[str, Any], n_texts: int) -> str:
    """Say what the picture shows: what is on top after each layer of the first text."""
    size, facts = len(first["tokens"]), list(zip(*first["facts"], strict=True))
    text = f"The residual stream after the embeddings and each of {len(facts[0]) - 1} layers, read "
    text += f"through the output matrix, over {n_texts} text{'s' if n_texts > 1 else ''}. "
    text += f"In the first, {first['name']!r} ({size} token{'s' if size > 1 else ''}), "
    shares = [", ".join(f"{share:.0%}" for share in found) for found in facts[:2]]
    text += f"the token just read is on top at {shares[0]} of positions, in order of depth"
    if len(facts) == 1:
        return text + "."
    text += f", and the true next token at {shares[1]}. The mean of -ln p of the true next token "
    return text + f"goes from {facts[2][0]:.2f} to {facts[2][-1]:.2f} nats."

"""Induction heads: does a name come back that was read once, and which head brings it?

A network reads tales in two lines; their heroes have names of the lexicon, or names that nobody has
had before. Then it is asked which of eight names comes where the hero is named again. A head's
induction score is the attention that it gives, where a token stands for the second time, to the
token that followed it the first time.

Source: Olsson et al. 2022, "In-context Learning and Induction Heads" (prefix matching, ablation);
Chan et al. 2022 (rare words whose meaning the context has to tell).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from gptcore.experiments.pretraining import (
    corpus_in,
    network,
    thinned,
    watched,
    window_losses,
)
from gptcore.experiments.records import packed
from gptcore.model import GPT
from gptcore.modes import bare, evaluating
from gptcore.scoring.continuations import text_likelihoods
from gptcore.tales import invented
from gptcore.tales.invented import Named, Names, named
from gptcore.tales.rng import Rng
from gptcore.tokenizer import Tokenizer
from gptcore.train.corpus import Corpus

N_NAMED, CHOOSING, N_OPTIONS = 200, 40, 8
TEST_SET = f"{N_NAMED} tales whose heroes have invented names, {N_OPTIONS} names each"
N_VALID, WINDOWS = 1500, 60
LOOKS = 20
"""How often heads are looked at on the way."""
KINDS: tuple[Names, ...] = get_args(Names)
N_SILENCED = 40
"""Tales that are read with each head silenced in turn."""
SCORE = 0.3
"""Of attention, from which on a head is called an induction head."""
Head = tuple[int, int]
COLOURS = ("red", "blue", "green", "white", "black", "gold", "brown", "grey")
N_KEYS, ROUNDS, N_LISTS = 4, (1, 2, 4), 120
"""Names in a list of names and colours, how often each is given, and how many lists."""


class Heads(NamedTuple):
    """How a network reads names that come twice."""

    scores: Tensor
    """(L, H) attention to what followed the first time, mean over the pieces of names."""
    previous: Tensor
    """(L, H) attention to the token before."""
    first: float
    """Nats a piece, behind its first, of a name that comes for the first time."""
    again: float
    """Of one that comes for the second time."""


def reading_names(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A network reads a corpus and is asked which name comes again, as a grid runs it.

    Args:
        settings: what `pretraining.network` and `steps_of` read; `corpus`, the arguments of
            `invented.documents` as plain values; `tokenizer`, a folder; perhaps `n`, tales asked
            about, and `looks`.
        seed: draws new weights and the order of the windows.

    Returns:
        What `Grid.run` asks for. `items` are questions about invented names, `known` and `unread`
        those about other `Names`; `heads` and `previous`, [layer][head], and `first` and `again` as
        of `Heads`; what `_silencing` finds; `lists`, of `from_lists` by rounds; `map`, what the
        head with the highest score attends to in one tale; `course`, on the way: tokens read,
        held-out loss, `first`, `again`, the highest score. `valid` is less `again` on other tales.
    """
    torch.set_num_threads(1)
    corpus = corpus_in(invented.documents, "names", settings, N_VALID)
    tokenizer = corpus.tokenizer
    model = network(settings, tokenizer.vocab_size, seed)
    n_ctx, n = settings["shape"]["n_ctx"], settings.get("n", N_NAMED)
    choosing = named("invented", min(n, CHOOSING), part="valid")
    look = partial(_look, model, corpus, choosing)
    looks = settings.get("looks", LOOKS)
    losses, course = watched(model, corpus, settings, seed, looks, look)
    model.eval()
    tales = {kind: named(kind, n) for kind in KINDS}
    right = {kind: comes_again(model, tokenizer, tales[kind]) for kind in KINDS}
    heads, seen = (induction(model, tokenizer, some) for some in (tales["invented"], choosing))
    return {
        "test_set": TEST_SET,
        "valid": round(-seen.again, 4),
        "test": round(fmean(right["invented"]), 4),
        "items": packed(right["invented"]),
        "labels": None,
        "known": packed(right["known"]),
        "unread": packed(right["unread"]),
        "heads": _rounded(heads.scores),
        "previous": _rounded(heads.previous),
        **_silencing(model, tokenizer, tales["invented"], seen.scores),
        "lists": {str(n): packed(from_lists(model, tokenizer, n)) for n in ROUNDS},
        "first": round(heads.first, 4),
        "again": round(heads.again, 4),
        "map": _map(model, tokenizer, tales["invented"][0], seen.scores),
        "course": course,
        "loss": round(window_losses(model, corpus.valid.tokens, WINDOWS, n_ctx).mean().item(), 4),
        "tokens": len(losses) * settings["batch_size"] * n_ctx,
        "n_params": model.n_params(),
        "curve": thinned(losses),
    }


def _look(model: GPT, corpus: Corpus, tales: list[Named]) -> list[float]:
    """Held-out loss, nats of a name's pieces the first time and again, the highest score."""
    heads = induction(model, corpus.tokenizer, tales)
    loss = window_losses(model, corpus.valid.tokens, WINDOWS, model.config.n_ctx).mean().item()
    return [loss, heads.first, heads.again, heads.scores.max().item()]


# ------------------------------------------------------------------ names


def comes_again(model: GPT, tokenizer: Tokenizer, tales: list[Named]) -> list[float]:
    """1 where, of eight names, the one that was read is the likeliest where the hero's comes again.

    The seven others are the names of the next tales that are called otherwise.

    Args:
        model: left in the mode in which it came.
        tales: at least eight names among them.

    Raises:
        ValueError: the tales have fewer than eight names.
    """
    pairs = []
    for at, told in enumerate(tales):
        after = [one.name for one in (*tales[at:], *tales[:at])]
        names = list(dict.fromkeys(after))[:N_OPTIONS]
        if len(names) < N_OPTIONS:
            raise ValueError(f"tales have {len(names)} names: at least {N_OPTIONS} are needed")
        before = told.text[: list(_mentions(told))[1]].rstrip()
        pairs += [(before, f" {name}") for name in names]
    scored = [like.log_prob for like in text_likelihoods(model, tokenizer, pairs)]
    rows = [scored[at : at + N_OPTIONS] for at in range(0, len(scored), N_OPTIONS)]
    return [float(row[0] > max(row[1:])) for row in rows]


def _mentions(told: Named) -> Iterator[int]:
    """Where the hero is named, in characters."""
    return (hit.start() for hit in re.finditer(rf"\b{re.escape(told.name)}\b", told.text))


@torch.inference_mode()
def induction(model: GPT, tokenizer: Tokenizer, tales: list[Named]) -> Heads:
    """How heads read the pieces of names behind their first one, and how well those are foretold.

    Args:
        model: left in the mode in which it came.
        tales: with names of more than one token; others are passed over.

    Raises:
        ValueError: no name has two tokens and comes twice.
    """
    model = bare(model)
    scores, previous = torch.zeros(2, model.config.n_layer, model.config.n_head)
    first: list[float] = []
    again: list[float] = []
    with evaluating(model):
        for told in tales:
            ids, places, n = _pieces(tokenizer, told)
            if n < 2 or len(places) < 2 or len(ids) > model.config.n_ctx:
                continue
            traced = model.trace(torch.tensor([ids], device=model.device))
            logp = traced.logits[0].float().log_softmax(-1)
            weights = torch.stack([one[0] for one in traced.attentions]).float().cpu()
            for place in places[:2]:
                nats = [-logp[place + j, ids[place + j + 1]].item() for j in range(n - 1)]
                (first if place == places[0] else again).extend(nats)
            for j in range(n - 1):
                scores += weights[:, :, places[1] + j, places[0] + j + 1]
                previous += weights[:, :, places[1] + j + 1, places[1] + j]
    if not again:
        raise ValueError("tales hold no name of two tokens or more that comes twice")
    return Heads(scores / len(again), previous / len(again), fmean(first), fmean(again))


def _pieces(tokenizer: Tokenizer, told: Named) -> tuple[list[int], list[int], int]:
    """The ids of a tale, where its hero's name begins among them, and how many tokens it has."""
    ids, own = tokenizer.encode(told.text), tokenizer.encode(f" {told.name}")
    places = [at for at in range(len(ids)) if ids[at : at + len(own)] == own]
    return ids, places, len(own)


def from_lists(model: GPT, tokenizer: Tokenizer, rounds: int) -> list[float]:
    """1 where, of the colours in a list, the one that a name was given is the likeliest.

        Dolmik red; Foftov blue; Pesner gold; Mapkak grey; Pesner

    No document has such a list, and no name of it stands in a document.

    Args:
        rounds: how often each of the `N_KEYS` names is given with its colour before one is asked.
    """
    pairs, rng = [], Rng(0, rounds, 89)
    for _ in range(N_LISTS):
        names, colours = [invented.invented(rng) for _ in range(N_KEYS)], rng.some(COLOURS, N_KEYS)
        given = list(zip(names, colours, strict=True))
        listed = [one for _ in range(rounds) for one in rng.some(given, N_KEYS)]
        name, colour = rng.pick(given)
        before = "".join(f" {a} {b};" for a, b in listed) + f" {name}"
        pairs += [(before, f" {one}") for one in (colour, *(c for c in colours if c != colour))]
    scored = [like.log_prob for like in text_likelihoods(model, tokenizer, pairs)]
    rows = [scored[at : at + N_KEYS] for at in range(0, len(scored), N_KEYS)]
    return [float(row[0] > max(row[1:])) for row in rows]


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(value, 4) for value in own] for own in values.tolist()]


@contextmanager
def silenced(model: GPT, heads: Iterable[Head]) -> Iterator[None]:
    """Without what some heads write to the stream; afterwards the model is as it was.

    Args:
        heads: (layer, head), both from 0.

    Raises:
        ValueError: there is no such head.
    """
    L, H = model.config.n_layer, model.config.n_head
    size = model.config.d_model // H
    handles = []
    try:
        for layer, head in heads:
            if not (0 <= layer < L and 0 <= head < H):
                raise ValueError(f"layer={layer}, head={head}: there are {L} layers of {H} heads")
            c_proj = model.h[layer].attn.c_proj
            handles.append(c_proj.register_forward_pre_hook(_without(head * size, size)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _without(start: int, size: int) -> Callable[[Any, tuple[Tensor, ...]], tuple[Tensor]]:
    """A hook that takes out what one head gives."""

    def hook(_: Any, args: tuple[Tensor, ...]) -> tuple[Tensor]:
        x = args[0].clone()
        x[..., start : start + size] = 0
        return (x,)

    return hook


def told_apart(scores: Tensor) -> tuple[list[Head], list[Head]]:
    """The induction heads, and as many others that score lowest, from the same layers first.

    Args:
        scores: (L, H); a head with `SCORE` or more is an induction head.
    """
    H = scores.shape[1]
    order = [divmod(at, H) for at in scores.flatten().argsort(descending=True).tolist()]
    heads = [at for at in order if scores[at] >= SCORE]
    layers = {layer for layer, _ in heads}
    others = [at for at in reversed(order) if at not in heads]
    others.sort(key=lambda at: at[0] not in layers)  # keeps the order within
    return heads, others[: len(heads)]


def _silencing(
    model: GPT, tokenizer: Tokenizer, tales: list[Named], scores: Tensor
) -> dict[str, Any]:
    """What is lost without each head, without the induction heads, and without as many others.

    Args:
        tales: what is asked about.
        scores: (L, H), measured on other tales, by which heads are told apart.

    Returns:
        `without`, [layer][head], `again` of the first tales with that head silenced; `induction
        heads` and `others heads`, each silenced together: `no induction` and `no others`, which
        questions are then answered, and `nats, no ...`, `again`.
    """
    few, (L, H) = tales[:N_SILENCED], scores.shape
    found: dict[str, Any] = {"without": []}
    for layer in range(L):
        row = []
        for head in range(H):
            with silenced(model, [(layer, head)]):
                row.append(round(induction(model, tokenizer, few).again, 4))
        found["without"].append(row)
    for name, heads in zip(("induction", "others"), told_apart(scores), strict=True):
        with silenced(model, heads):
            found[f"no {name}"] = packed(comes_again(model, tokenizer, tales))
            found[f"nats, no {name}"] = round(induction(model, tokenizer, tales).again, 4)
        found[f"{name} heads"] = [list(at) for at in heads]
    return found


@torch.inference_mode()
def _map(model: GPT, tokenizer: Tokenizer, told: Named, scores: Tensor) -> dict[str, Any]:
    """What the head with the highest score attends to in a tale, up to the name's second time."""
    layer, head = divmod(scores.argmax().item(), scores.shape[1])
    ids, places, n = _pieces(tokenizer, told)
    end = places[1] + n if len(places) > 1 else len(ids)
    weights = model.trace(torch.tensor([ids[:end]])).attentions[layer][0, head]
    return {
        "layer": layer,
        "head": head,
        "tokens": [tokenizer.decode([one]) for one in ids[:end]],
        "weights": [
            [round(value, 3) for value in row[: at + 1]] for at, row in enumerate(weights.tolist())
        ],
    }

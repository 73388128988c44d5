"""Does a network do what it is asked? Demonstrations in, the true reward of its replies out.

Requests of brief tales come in four kinds, and how well a reply meets one is known exactly
(`gptcore.scoring.true_reward`). A network is asked as it is, in the form that its own text has, or
after it was fine-tuned on demonstrations.

Source: InstructGPT §3.5 (SFT) and Figure 1 (GPT, GPT prompted, SFT); the true reward is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from statistics import fmean
from typing import Any

import torch

from gptcore.checkpoint import load
from gptcore.experiments.records import packed
from gptcore.labelled.dialogues import Demonstration, Told
from gptcore.model import GPT
from gptcore.sampling.rollouts import Rollout, rollout, tokens_that_stop
from gptcore.scoring.true_reward import Reward, Truth
from gptcore.tales import lexicon
from gptcore.tales.requests import KINDS, Kind, Request, requests
from gptcore.text.dialogues import prompts_ids
from gptcore.tokenizer import Tokenizer
from gptcore.train.sft import Sft
from gptcore.train.stage_recipes import StageRecipe

N_TEST, N_VALID, HELD = 300, 100, 100
"""Requests to report on, to choose by, and demonstrations that the loss is taken on."""
DEMONSTRATED = 200_000
"""First of the tales from which requests are made to learn from; what networks are pre-trained on
comes before it."""
ROOM = 96
"""Tokens that a reply may have, its stop token included."""
SHORT = 24
"""The same where a network is prompted for anything but a tale."""
KEPT_TEXTS = 12


@lru_cache(32)
def wanted(
    n: int, part: str = "test", start: int = 0, kinds: tuple[Kind, ...] = KINDS
) -> tuple[Request, ...]:
    """The first n requests of some kinds, made from the tales of a split from `start` on."""
    found = (r for r in requests(40 * n + 400, 0, part, start) if r.kind in kinds)
    return tuple(islice(found, n))


def replies(
    policy: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    seed: int | tuple[int, ...],
    room: int = ROOM,
) -> tuple[Rollout, list[str]]:
    """A reply to each prompt at temperature 1, as token ids and as texts."""
    found = rollout(
        policy,
        prompts_ids(prompts, tokenizer),
        max_new_tokens=room,
        stop=tokens_that_stop(tokenizer),
        seed=seed,  # type: ignore[arg-type]
        vocab_size=tokenizer.vocab_size,
    )
    return found, found.texts(tokenizer)


def fulfilled(requested: Sequence[Request], texts: Sequence[str]) -> list[Reward]:
    """The true reward of each reply, in its factors."""
    truth = Truth.trained()
    return [truth.reward(r, text) for r, text in zip(requested, texts, strict=True)]


def by_kind(requested: Sequence[Request], rewards: Sequence[Reward]) -> dict[str, float]:
    """Kind of request -> the mean true reward of its replies."""
    pairs = list(zip(requested, rewards, strict=True))
    return {
        kind: round(fmean(x.total for r, x in pairs if r.kind == kind), 4)
        for kind in dict.fromkeys(r.kind for r in requested)
    }


def prompted(
    policy: GPT, tokenizer: Tokenizer, requested: Sequence[Request], seed: tuple[int, ...]
) -> list[str]:
    """What a network that was only pre-trained replies when it is prompted as well as we can.

    Questions and summaries are put as its text put them; a tale is begun for it, with whom and
    where the request asks for. A reply ends with its line.
    """
    texts = [""] * len(requested)
    for room in (SHORT, ROOM):
        at = [i for i, r in enumerate(requested) if room == (SHORT if _of_a_tale(r) else ROOM)]
        begun = ["" if _of_a_tale(requested[i]) else _beginning(requested[i]) for i in at]
        prompts = [_as_read(requested[i]) or text for i, text in zip(at, begun, strict=True)]
        found = _continued(policy, tokenizer, prompts, (*seed, room), room) if at else []
        for i, first, text in zip(at, begun, found, strict=True):
            texts[i] = (first + text).strip().partition("\n")[0]
    return texts


def _of_a_tale(r: Request) -> bool:
    return r.about.text in r.text


def _as_read(r: Request) -> str:
    """A question about a tale, or a wish for its gist, in the words of the pre-training text."""
    if not _of_a_tale(r):
        return ""
    question = r.text.removeprefix(r.about.text).strip()
    asks = "In short:" if r.kind == "sum" else f"Question: {question}\nAnswer:"
    return f"{r.about.text}\n\n{asks}"


def _beginning(r: Request) -> str:
    """How a tale begins that has the hero and the place of a request."""
    hero, place = r.about.hero, dict(r.conditions).get("place")
    lives = f" lived {lexicon.SETTINGS[place].raw['label'][0]}." if place else ""
    return f"Once a {hero.kid} called {hero.name}{lives}"


def _continued(
    policy: GPT, tokenizer: Tokenizer, prompts: Sequence[str], seed: tuple[int, ...], room: int
) -> list[str]:
    """How texts go on at temperature 1, nothing put between."""
    stop = tokens_that_stop(tokenizer)
    ids = [tokenizer.encode(text) for text in prompts]
    return rollout(
        policy,
        ids,
        max_new_tokens=room,
        stop=stop,
        seed=seed,  # type: ignore[arg-type]
    ).texts(tokenizer)


def taught(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A network is taught by demonstrations, or prompted, and asked, as a grid runs it.

    Args:
        settings: `model`, where it begins; `n` demonstrations to learn from, 0 for none; then `lr`,
            `epochs`, `batch_size`, and perhaps `mask_prompt` (True); `prompted`, True for a
            network that is prompted instead.
        seed: draws the order of the demonstrations and the replies.

    Returns:
        What `Grid.run` asks for. `items` are the true rewards of the replies to the test requests,
        "share", "gate" and "verified" their factors, `kinds` the mean of each kind of request;
        `loss` that on held-out responses, in nats a token; `texts` the first replies.
    """
    torch.set_num_threads(1)
    model, tokenizer = load(settings["model"])
    found: dict[str, Any] = {}
    if settings["n"]:
        stage = lesson(model, tokenizer, settings, seed)
        for _ in stage.fit():
            pass
        model, tokenizer = stage.model, stage.tokenizer  # type: ignore[assignment]
        found["loss"] = round(stage.judge()["loss"], 4)
    model.eval()
    for part, n in (("valid", N_VALID), ("test", N_TEST)):
        requested = wanted(settings.get("asked", n), part)
        if settings.get("prompted"):
            texts = prompted(model, tokenizer, requested, (seed, n))
        else:
            texts = replies(model, tokenizer, [r.text for r in requested], (seed, n))[1]
        rewards = fulfilled(requested, texts)
        found[part] = round(fmean(x.total for x in rewards), 4)
    factors = {name: packed(getattr(x, name) for x in rewards) for name in Reward._fields}
    return {
        "test_set": f"{len(requested)} requests of four kinds",
        "labels": None,
        "items": packed(x.total for x in rewards),
        "kinds": by_kind(requested, rewards),
        "n_params": model.n_params(),
        "texts": texts[:KEPT_TEXTS],
        **factors,
        **found,
    }


def lesson(model: GPT, tokenizer: Tokenizer | None, settings: dict[str, Any], seed: int) -> Sft:
    """Supervised fine-tuning on demonstrations of requests, ready to run."""
    rows, held = (
        tuple(Demonstration(r.text, r.demonstration) for r in wanted(n, part, start))
        for n, part, start in ((settings["n"], "train", DEMONSTRATED), (HELD, "valid", HELD * 100))
    )
    how = {name: settings[name] for name in ("lr", "epochs", "batch_size")}
    recipe = StageRecipe(dropout=0.0, seed=seed, longest_prompt=150, **how)
    told = Told("requests", rows, held)
    return Sft(model, tokenizer, told, recipe, mask_prompt=settings.get("mask_prompt", True))

"""How a way of decoding writes: do its stories hold together, and do they differ?

The opening of a tale that no model has seen is continued several times. A text is good when Tales'
own reader finds nothing wrong with it, from its first sentence to its end; nobody's taste is asked.
The texts of one opening are different as far as they share no four words in a row.

Source: ours; quality against diversity after Caccia et al. 2020, "Language GANs Falling Short";
n-grams that samples share after Zhu et al. 2018, "Texygen" (Self-BLEU).
"""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from gptcore.checkpoint import load
from gptcore.experiments.records import packed
from gptcore.model import GPT
from gptcore.sampling.beam import beam_search
from gptcore.sampling.drawing import generate
from gptcore.tales import split, tales
from gptcore.tales.reader import story_faults
from gptcore.tokenizer import Tokenizer

MARGIN = 16
"""Tokens of the context that stay free when the tale itself is told to its end."""
SEEDS_APART = 100_000


def openings(model: GPT, tokenizer: Tokenizer, n: int) -> list[str]:
    """First paragraphs of n tales of the test part whose own ending would fit the context."""
    found: list[str] = []
    start = split("test").start
    for tale in tales(50 * n, seed=0, start=start):
        head = tale.text.split("\n\n")[0]
        fits = len(tokenizer.encode(tale.text)) <= model.config.n_ctx - MARGIN
        if not tale.title and tale.events[0].kind == "open" and head != tale.text and fits:
            found.append(head)
        if len(found) == n:
            break
    return found


def write(
    model: GPT, tokenizer: Tokenizer, prompts: list[str], samples: int, seed: int, **how: Any
) -> list[list[str]]:
    """Whole stories: for each prompt `samples` of them, drawn, or one that a search finds.

    Args:
        seed: text j of prompt i is drawn with a seed of its own that follows from it.
        how: arguments of `generate`, or of `beam_search` where `beams` is among them.
    """
    if "beams" in how:
        texts = beam_search(model, tokenizer, prompts, **how, max_new_tokens=model.config.n_ctx)
        return [[prompt + text] for prompt, text in zip(prompts, texts, strict=True)]
    every = [prompt for prompt in prompts for _ in range(samples)]
    seeds = [SEEDS_APART * (seed + 1) + i for i in range(len(every))]
    settings = {"max_new_tokens": model.config.n_ctx, **how}
    texts = generate(model, tokenizer, every, seed=seeds, **settings)
    whole = [prompt + text for prompt, text in zip(every, texts, strict=True)]
    return [whole[at : at + samples] for at in range(0, len(whole), samples)]


def holding(stories: list[str]) -> float:
    """The share of stories in which nothing is wrong."""
    return float(np.mean([not faults(story) for story in stories]))


@cache
def faults(story: str) -> tuple[str, ...]:
    """What is wrong with a story, see `story_faults`."""
    return tuple(story_faults(story))


def difference(stories: list[str], n: int = 4) -> float:
    """How little two of the stories share: 1 minus the share of common n-grams of words.

    The mean over all pairs of |A and B| / |A or B|; a single story is like itself, which is 0.
    """
    grams = [_grams(story, n) for story in stories]
    pairs = list(combinations(grams, 2))
    return float(np.mean([1 - len(a & b) / max(1, len(a | b)) for a, b in pairs])) if pairs else 0.0


def decoded(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """One way of decoding, as a grid runs it: `items` hold together, `different` differ.

    Args:
        settings: body, n (openings), samples (of each), how (what `write` is told).
    """
    model, tokenizer = load(settings["body"])
    prompts = openings(model, tokenizer, settings["n"])
    how = dict(settings["how"])
    stories = write(model, tokenizer, prompts, settings["samples"], seed, **how)
    bodies = [
        [story[len(prompt) :] for story in some]
        for some, prompt in zip(stories, prompts, strict=True)
    ]
    items = [holding(some) for some in stories]
    wrong = [fault for some in stories for story in some for fault in faults(story)]
    return {
        "test_set": "tales-openings",
        "test": round(float(np.mean(items)), 4),
        "items": packed(items),
        "different": packed(difference(some) for some in bodies),
        "faults": round(len(wrong) / sum(map(len, stories)), 4),
        "words": round(float(np.mean([len(b.split()) for some in bodies for b in some])), 1),
    }


def _grams(story: str, n: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", story.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

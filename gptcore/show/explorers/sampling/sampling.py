"""One token is chosen: what temperature, top-k and top-p keep of a model's distribution.

The page gets recorded distributions: for some places of a text the likeliest tokens with their
logits, and for all others together what they weigh at each temperature that the page offers. So
every number in it is exact, as long as the cut falls among the tokens that are listed. Where the
distributions come from is this class's business alone: the script reads the trait `places`.

Source: GPT-2's released code, `src/sample.py` (the order of the steps, and its top-p); Holtzman et
al. 2019 (the textbook's top-p).
"""

from collections.abc import Sequence
from typing import Any

import torch
from traitlets import Float, Int, List, Unicode

from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.sampling.filters import filter_logits
from gptcore.show.explorers.shared.texts import between, label
from gptcore.show.widgets import Explorer
from gptcore.tokenizer import Tokenizer

__all__ = ["TEMPERATURES", "SamplingExplorer", "places_of"]

TEMPERATURES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0)
"""What the page offers."""
RULES = ("textbook", "openai")


class SamplingExplorer(Explorer):
    """The next token of a text, step by step: temperature, top-k, top-p, the draw.

    Args:
        model: in whatever mode; it is read in evaluation mode.
        tokenizer: of the model.
        text: whose tokens are looked at; its beginning, as far as the context reaches.
        places: numbers of the tokens that are predicted; None for the eight at which the model is
            least certain, not next to each other.
        shown: so many of the likeliest tokens are listed.
        at: which of the places is chosen at first.
        temperature, top_k, top_p, rule: the settings at first; top_k 0 and top_p 1 cut nothing.
        alt: the text alternative; by default it is worked out.

    Raises:
        ValueError: a place is not in the text, or a setting is none that the page offers.
    """

    script = "sampling"
    text = List().tag(sync=True)
    """The tokens of the text, [text, kind] each."""
    places = List().tag(sync=True)
    """One dict per place: before (number of tokens read), tokens ([text, kind] each, likeliest
    first), logits, rest (log of the summed exp(logit / T) of all others, by temperature), others
    (how many there are)."""
    temperatures = List(Float()).tag(sync=True)
    """What `rest` was worked out for."""
    at, top_k, draws = (Int().tag(sync=True) for _ in range(3))
    """The place that is chosen, the cut by number (0: none), and how often was drawn."""
    temperature, top_p = (Float().tag(sync=True) for _ in range(2))
    rule = Unicode().tag(sync=True)
    """"textbook" or "openai"."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        text: str,
        *,
        places: Sequence[int] | None = None,
        shown: int = 60,
        at: int = 0,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 0.9,
        rule: str = "textbook",
        alt: str | None = None,
    ) -> None:
        ids = tokenizer.encode(text)[: model.config.n_ctx]
        between("tokens of the text", len(ids), 2, model.config.n_ctx)
        between("shown", shown, 2, model.config.vocab_size)
        logits = _logits(model, tokenizer, ids)
        if places is None:
            places = _open_places(logits, 8)
        for place in places:
            between("place", place, 1, len(ids) - 1)
        between("at", at, 0, len(places) - 1)
        between("top_k", top_k, 0, shown)
        if temperature not in TEMPERATURES:
            raise ValueError(f"temperature={temperature} must be one of {TEMPERATURES}")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p={top_p} must be in (0, 1]")
        if rule not in RULES:
            raise ValueError(f"rule={rule!r} must be one of {', '.join(RULES)}")
        found = places_of(logits, tokenizer, places, shown)
        super().__init__(
            alt=_describe(found, top_p) if alt is None else alt,
            text=[label(tokenizer, i) for i in ids],
            places=found,
            temperatures=list(TEMPERATURES),
            at=at,
            temperature=float(temperature),
            top_k=top_k,
            top_p=float(top_p),
            rule=rule,
        )


@torch.no_grad()
def _logits(model: GPT, tokenizer: Tokenizer, ids: list[int]) -> torch.Tensor:
    """(T, V) what follows each token, in double precision on the CPU."""
    with evaluating(model):
        return (
            model(torch.tensor([ids], device=model.device))[0, :, : tokenizer.vocab_size]
            .double()
            .cpu()
        )


def _open_places(logits: torch.Tensor, most: int) -> list[int]:
    """The tokens whose predictions have the largest entropy, apart from each other, in order."""
    logp = logits[:-1].log_softmax(-1)
    entropy = -(logp.exp() * logp).sum(-1)
    apart, found = max(1, len(entropy) // (2 * most)), []
    for i in entropy.argsort(descending=True).tolist():
        if len(found) < most and all(abs(i + 1 - other) >= apart for other in found):
            found.append(i + 1)
    return sorted(found)


def places_of(
    logits: torch.Tensor, tokenizer: Tokenizer, places: Sequence[int], shown: int
) -> list[dict[str, Any]]:
    """What a model says at some places of a text, as the trait `places` has it.

    Args:
        logits: (T, V), what follows each token of the text.
    """
    found = []
    for place in places:
        ordered = logits[place - 1].sort(descending=True, stable=True)
        others = ordered.values[shown:]
        found.append(
            {
                "before": place,
                "tokens": [label(tokenizer, int(i)) for i in ordered.indices[:shown]],
                "logits": [round(value, 4) for value in ordered.values[:shown].tolist()],
                "rest": [round(float((others / t).logsumexp(0)), 4) for t in TEMPERATURES]
                if len(others)
                else [],
                "others": len(others),
            }
        )
    return found


def _describe(places: list[dict[str, Any]], top_p: float) -> str:
    """Say how many tokens each rule keeps at each place, and how likely the first is."""
    said = []
    for place in places:
        rest = [place["rest"][TEMPERATURES.index(1.0)]] if place["rest"] else []
        logits = torch.tensor([*place["logits"], *rest], dtype=torch.float64)
        listed = logits.softmax(0)[: len(place["logits"])]
        kept = [_kept(logits, len(listed), top_p, rule) for rule in RULES]
        first = place["tokens"][0][0]
        said.append(f"{first!r} ({listed[0]:.0%}, {kept[0]} and {kept[1]} kept)")
    return (
        f"The next token of a text at {len(places)} places, with the likeliest tokens as bars. For "
        f"each place the likeliest token, its probability, and how many tokens top-p = {top_p:g} "
        f"keeps by the textbook's rule and by that of GPT-2's code: {'; '.join(said)}."
    )


def _kept(logits: torch.Tensor, listed: int, top_p: float, rule: str) -> int:
    return int(filter_logits(logits, top_p=top_p, top_p_rule=rule)[:listed].isfinite().sum())

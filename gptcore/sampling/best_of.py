"""Best of n: ask n times, keep what a scorer likes best. Nothing is trained.

    found = best_of(policy, tokenizer, prompts, scorer, 16, max_new_tokens=48)
    found.texts                          # the best response to each prompt
    best_of_kl(16)                       # how far that is from the policy: 1.8 nats

The policy of best-of-n is known in closed form, and with it its distance from the policy that it
draws from: log n - (n - 1) / n, whatever the scorer, as long as no two responses score the same.

Source: Gao et al. 2022, "Scaling Laws for Reward Model Overoptimization", §2, which takes the KL
from Stiennon et al. 2020, "Learning to summarize from human feedback", App. G.3, and the estimator
from Nakano et al. 2021, "WebGPT", App. I.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gptcore.model import GPT
from gptcore.sampling.pieces import END_OF_TEXT, Stop
from gptcore.sampling.prompts import check_count, writer_of
from gptcore.sampling.rollouts import rollout, tokens_that_stop
from gptcore.text.dialogues import Prompt, prompts_ids

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


@dataclass(frozen=True)
class Best:
    """n responses to each of B prompts, and which of them the scorer likes best."""

    texts: list[str]
    """The best response to each prompt; of equally good ones the first."""
    scores: Tensor
    """(B,): what the scorer says of them."""
    all_texts: list[list[str]]
    """All responses, n to each prompt."""
    all_scores: Tensor
    """(B, n): what the scorer says of each."""


def best_of(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    scorer: Callable[[list[Any], list[str]], Any],
    n: int,
    *,
    max_new_tokens: int = 48,
    temperature: float = 1.0,
    stop: Stop = END_OF_TEXT,
    seed: int = 0,
    batch_size: int = 256,
) -> Best:
    """Draw n responses to each prompt and keep the best.

    Args:
        model, tokenizer: that respond.
        prompts: texts, or dialogues so far, as `text.dialogues` reads them.
        scorer: (prompts, responses) -> a score of each.
        n: responses to each prompt.
        max_new_tokens, temperature, seed, batch_size: as in `rollout`. stop: what ends a response.

    Raises:
        TypeError, ValueError: an argument breaks its rule, or a score is no number.
    """
    check_count("n", n)
    model = writer_of(model)
    ids = prompts_ids(prompts, tokenizer)
    found = rollout(
        model,
        [row for row in ids for _ in range(n)],
        max_new_tokens=max_new_tokens,
        stop=tokens_that_stop(tokenizer, stop),
        temperature=temperature,
        seed=seed,
        vocab_size=tokenizer.vocab_size,
        batch_size=batch_size,
    )
    texts = found.texts(tokenizer)
    asked = [p for p in prompts for _ in range(n)]
    scores = torch.as_tensor(scorer(asked, texts)).detach().to("cpu", torch.float32)
    if scores.shape != (len(texts),):
        raise ValueError(f"scorer returned {tuple(scores.shape)} for {len(texts)} responses")
    for i in scores.isnan().nonzero()[:, 0].tolist():
        raise ValueError(f"scorer says nan of {texts[i]!r}, a response to {asked[i]!r}")
    scores = scores.view(-1, n)
    groups = [texts[i : i + n] for i in range(0, len(texts), n)]
    at = scores.argmax(dim=1).tolist()
    best = [group[i] for group, i in zip(groups, at, strict=True)]
    return Best(best, scores.amax(dim=1), groups, scores)


def best_of_kl(n: float) -> float:
    """KL(best of n, policy) = log n - (n - 1) / n, in nats per response.

    Exact for scores without ties; with ties, the true distance is less.

    Source: Gao et al. 2022, §2; Beirami et al. 2024, "Theoretical guarantees on the best-of-n
    alignment policy" (an upper bound in general).
    """
    if not n >= 1:
        raise ValueError(f"n={n} must be at least 1")
    return math.log(n) - (n - 1) / n


def expected_best(scores: Any, n: int, by: Any = None) -> Tensor:
    """What best of n is expected to get, from N >= n responses to a prompt: all choices count.

    The mean over the C(N, n) ways to choose n of the N of what the best of them gets. Sorted by
    the scorer, the i-th lowest is the best of C(i - 1, n - 1) of them. That mean is unbiased and
    varies less than one draw of n. Responses that the scorer likes equally share their places.

    Args:
        scores: (..., N), what counts: the true reward, say.
        n: responses to choose from.
        by: (..., N), what chooses: a learned reward; None: the scores themselves.

    Returns:
        (...), in float64.

    Source: Nakano et al. 2021, App. I; ties are ours.
    """
    gold = torch.as_tensor(scores, dtype=torch.float64)
    proxy = gold if by is None else torch.as_tensor(by, dtype=torch.float64)
    N = gold.shape[-1]
    if proxy.shape != gold.shape:
        raise ValueError(
            f"by has shape {tuple(proxy.shape)}; it must be that of scores, {tuple(gold.shape)}"
        )
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n={n!r} must be an int")
    if not 1 <= n <= N:
        raise ValueError(f"n={n} must be from 1 to {N}, the responses to a prompt")
    ways = math.comb(N, n)
    below = [math.comb(i, n) / ways for i in range(N + 1)]  # all n among the i lowest
    lower = (proxy[..., None] > proxy[..., None, :]).sum(-1)  # (..., N)
    equal = (proxy[..., None] == proxy[..., None, :]).sum(-1)
    share = torch.tensor(below, dtype=torch.float64)
    weights = (share[lower + equal] - share[lower]) / equal
    return (weights * gold).sum(-1)

"""What a reward model learns of labelers: comparisons in, how often it agrees with whom out.

A policy replies to requests four times each, simulated labelers rank the replies, a reward model
learns from the rankings. It is then held against the labelers and against the truth, and how far it
goes by length is seen beside how far the truth does.

Source: InstructGPT §3.4 (labelers), §3.5 (rankings of K), App. C.2; Stiennon et al. 2020, §3.4.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from statistics import correlation, fmean
from typing import Any

import torch

from gptcore.checkpoint import load, load_reward, save
from gptcore.experiments.obeying import fulfilled, replies, wanted
from gptcore.experiments.records import digest_of, packed
from gptcore.heads.reward import Judge, Scorer
from gptcore.labelled.dialogues import Comparison, Told
from gptcore.model import GPT
from gptcore.tales.labelers import Labeler, liking, noise_for
from gptcore.tales.requests import Request
from gptcore.tokenizer import Tokenizer
from gptcore.train.ppo_state import digest
from gptcore.train.reward import Reward, accuracy_on, agreement, margins_on
from gptcore.train.stage_recipes import StageRecipe

K = 4
"""Replies that a labeler ranks at a time."""
COMPARED = 300_000
"""Tales from which the requests are made whose replies are compared."""
N_JUDGED, N_CHOOSING = 150, 60
"""Requests whose comparisons report, and choose."""
JUDGES = Path("runs/judges")
"""Where reward models are kept between runs."""
AGREE = 0.73
"""How often two of InstructGPT's labelers agreed (§3.4)."""
TELL = ("tell",)


@lru_cache(8)
def compared(policy: str, n: int, part: str, seed: int, k: int = K) -> tuple[Comparison, ...]:
    """Requests to tell a tale, k replies of a policy to each, and their true rewards; unranked.

    The texts are kept between runs.
    """
    requested = wanted(n, part, COMPARED if part == "train" else 0, TELL)
    model, tokenizer = load(policy)
    assert tokenizer is not None
    name = f"{Path(policy).name}-{digest(model)[:8]}-{n}-{part}-{seed}-{k}.json"
    path = JUDGES / "replies" / name
    if not path.is_file():
        many = [r.text for r in requested for _ in range(k)]
        texts = replies(model, tokenizer, many, (seed, n, 7))[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(f".{os.getpid()}")
        made.write_text(json.dumps(texts), encoding="utf-8")
        made.replace(path)
    return rated(requested, json.loads(path.read_text(encoding="utf-8")), k)


def rated(requested: Sequence[Request], texts: Sequence[str], k: int) -> tuple[Comparison, ...]:
    """k replies to each request with their true rewards, all of one rank."""
    rewards = [x.total for x in fulfilled([r for r in requested for _ in range(k)], texts)]
    return tuple(
        Comparison(r.text, tuple(texts[i : i + k]), (0,) * k, tuple(rewards[i : i + k]))
        for i, r in zip(range(0, len(texts), k), requested, strict=True)
    )


def beside(
    policy: str, rows: Sequence[Comparison], requested: Sequence[Request], seed: int
) -> tuple[Comparison, ...]:
    """The same requests, the last half of the replies to each by another policy; unranked.

    Labelers so see as many replies as before, and both policies side by side (Stiennon et al. 2020,
    §3.1, compare replies of several policies).
    """
    model, tokenizer = load(policy)
    assert tokenizer is not None
    k = len(rows[0].responses)
    many = [r.text for r in requested for _ in range(k - k // 2)]
    theirs = iter(replies(model, tokenizer, many, (seed, len(rows), 8))[1])
    texts = [c.responses[i] if i < k // 2 else next(theirs) for c in rows for i in range(k)]
    return rated(requested, texts, k)


def labeler(settings: dict[str, Any], rows: Sequence[Comparison], seed: int) -> Labeler:
    """Somebody who agrees with another as often as `settings` says, with its taste for length."""
    agree, bias = settings.get("agree", AGREE), settings.get("bias", 0.0)
    exact = Labeler(bias=bias, seed=seed)
    if agree == 1:
        return exact
    worths = [
        [x + bias * liking(text) for text, x in zip(c.responses, c.truth or (), strict=True)]
        for c in rows
    ]
    return replace(exact, noise=noise_for(agree, worths))


def ranked_by(who: Labeler, rows: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons as a labeler ranks them."""
    return tuple(
        replace(c, ranks=tuple(who.rank(str(c.prompt), c.responses, c.truth or ()))) for c in rows
    )


def shuffled(rows: Sequence[Comparison], seed: int) -> tuple[Comparison, ...]:
    """The same comparisons with ranks that say nothing: every labeler's order drawn at random."""
    rng = random.Random(seed)
    return tuple(replace(c, ranks=tuple(rng.sample(c.ranks, len(c.ranks)))) for c in rows)


def judge_of(settings: dict[str, Any], seed: int) -> Judge:
    """A reward model as `settings` ask for, trained once and kept; other weights, another one.

    Args:
        settings: `policy`, whose replies are compared; `body`, where the reward model begins
            (the policy); `labels`, requests whose replies are compared; `agree` and `bias` of the
            labelers; `lr`, `epochs`, `batch_size`; perhaps `together` (True), `ranks` ("shuffled"
            for none that say anything), and `shown`, a policy that wrote half of the replies to the
            second half of the requests.
        seed: draws replies, labelers and the order of the comparisons.
    """
    read = {settings[name] for name in ("policy", "body", "shown") if name in settings}
    weights = sorted(digest(load(name)[0]) for name in read)
    folder = JUDGES / digest_of({**settings, "seed": seed, "weights": weights})
    kept(folder, lambda: _learned(settings, seed))
    model, tokenizer = load_reward(folder)
    assert tokenizer is not None
    return Judge(model, tokenizer)


def _learned(settings: dict[str, Any], seed: int) -> tuple[GPT, Tokenizer]:
    stage = learned(settings, seed)
    return stage.model, stage.tokenizer


def kept(folder: Path, make: Callable[[], tuple[GPT, Tokenizer]]) -> None:
    """What `make` gives is made once and kept in a folder."""
    if folder.is_dir():
        return
    made = make()
    folder.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(dir=folder.parent))
    save(written, *made)
    try:
        written.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(written)


def learned(settings: dict[str, Any], seed: int) -> Reward:
    """A reward model taught on rankings, its demonstrations at 0."""
    body, tokenizer = load(settings.get("body", settings["policy"]))
    told, recipe = rankings(settings, seed), taught_by(settings, seed)
    stage = Reward(body, tokenizer, told, recipe, together=settings.get("together", True))
    for _ in stage.fit():
        pass
    stage.finish(stage.model)
    return stage


def rankings(settings: dict[str, Any], seed: int) -> Told[Comparison]:
    """What labelers say of a policy's replies, for training and for choosing."""
    rows = compared(settings["policy"], settings["labels"], "train", seed)
    held = compared(settings["policy"], N_CHOOSING, "valid", seed)
    who = [labeler(settings, each, seed + 1) for each in (rows, held)]
    if "shown" in settings:
        half, requested = len(rows) // 2, wanted(len(rows), "train", COMPARED, TELL)
        rows = (*rows[:half], *beside(settings["shown"], rows[half:], requested[half:], seed))
    rows, held = (ranked_by(*each) for each in zip(who, (rows, held), strict=True))
    if settings.get("ranks") == "shuffled":
        rows = shuffled(rows, seed)
    return Told("rankings", rows, held)


def taught_by(settings: dict[str, Any], seed: int) -> StageRecipe:
    """How a network learns from rankings."""
    how = {name: settings[name] for name in ("lr", "epochs", "batch_size")}
    return StageRecipe(dropout=0.0, seed=seed, longest_prompt=150, **how)


def judged(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A reward model learns from labelers and is held against them and the truth, for a grid.

    Args:
        settings: as of `judge_of`.
        seed: as of `judge_of`; the comparisons it reports on are the same for all.

    Returns:
        What `Grid.run` asks for. `items` say for every pair of test replies that are not equally
        good whether the better one has the higher reward; "labelers" the same for a labeler's
        ranks. `train` is the share of pairs that it orders as it was told, of the first requests
        that it learned from; `ece` how far it is from as sure as it is right; `length` the
        correlation of reward and number of words within requests, `true_length` that of the true
        reward; "request" what `reads_request` says.
    """
    torch.set_num_threads(1)
    judge = judge_of(settings, seed)
    test, valid = (
        compared(settings["policy"], n, part, 0)
        for n, part in ((N_JUDGED, "test"), (N_CHOOSING, "valid"))
    )
    told = {k: v for k, v in settings.items() if k in ("agree", "bias")}
    practised = compared(settings["policy"], settings["labels"], "train", seed)
    labels = ranked_by(labeler(told, test, 11), test)
    heard = ranked_by(labeler(told, valid, 12), valid)
    own = ranked_by(labeler(told, practised, seed + 1), practised)[:N_JUDGED]
    right, margins = sided(judge, test), margins_on(judge, labels)
    return {
        "test_set": f"pairs of replies to {N_JUDGED} requests",
        "labels": None,
        "items": packed(right),
        "test": round(fmean(right), 4),
        "valid": round(accuracy_on(judge, heard)["accuracy"], 4),
        "labelers": packed((margins > 0).double().tolist()),
        "ece": round(agreement(margins)["ece"], 4),
        "train": round(accuracy_on(judge, own)["accuracy"], 4),
        "request": packed(reads_request(judge)),
        "n_params": sum(p.numel() for p in judge.model.parameters()),
        **_lengths(judge, test),
    }


def sided(judge: Scorer, rows: Sequence[Comparison]) -> list[float]:
    """For each pair that is not equally good in truth: whether the judge prefers the better one.

    None is left where a policy has come to write replies that are all worth the same.
    """
    return (margins_on(judge, rows, True) > 0).double().tolist()


def reads_request(judge: Scorer) -> list[float]:
    """For each of twice as many test requests: its demonstration gets more than the next one's.

    Both are tales without a fault, and only one has what was asked for: who does not read the
    request is right in half of them.
    """
    requested = wanted(2 * N_JUDGED, "test", 0, TELL)
    prompts, texts = [r.text for r in requested], [r.demonstration for r in requested]
    own, other = (judge.score(prompts, each) for each in (texts, [*texts[1:], texts[0]]))
    return ((own > other).double() + (own == other).double() / 2).tolist()


def _lengths(judge: Judge, rows: Sequence[Comparison]) -> dict[str, float]:
    """Correlations with the number of words, each taken from the mean of its request."""
    scores = judge.score(
        [c.prompt for c in rows for _ in c.responses], [x for c in rows for x in c.responses]
    ).tolist()
    words = [float(len(x.split())) for c in rows for x in c.responses]
    truth = [x for c in rows for x in c.truth or ()]
    own, rewards, true = (_within(values, K) for values in (words, scores, truth))
    return {
        "length": round(correlation(own, rewards), 4),
        "true_length": round(correlation(own, true), 4),
    }


def _within(values: Sequence[float], k: int) -> list[float]:
    """Each value less the mean of its group of k."""
    groups = [values[i : i + k] for i in range(0, len(values), k)]
    return [x - fmean(group) for group in groups for x in group]

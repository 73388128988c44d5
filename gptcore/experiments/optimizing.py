"""A policy learns from a learned reward; the true one is watched. PPO, DPO, best-of-n, for a grid.

Source: InstructGPT §3.5 and App. C.4; Gao et al. 2022, "Scaling Laws for Reward Model
Overoptimization" (learned and true reward against the distance from where the policy began).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch

from gptcore.checkpoint import load
from gptcore.experiments import judging
from gptcore.experiments.judging import TELL, beside, compared, judge_of, kept, rated, sided
from gptcore.experiments.obeying import DEMONSTRATED, ROOM, fulfilled, replies, wanted
from gptcore.experiments.pretraining import window_losses
from gptcore.experiments.records import digest_of, packed
from gptcore.heads.ensemble import Ensemble
from gptcore.heads.reward import Judge
from gptcore.model import GPT
from gptcore.sampling.best_of import best_of_kl, expected_best
from gptcore.sampling.rollouts import Rollout, responses_of
from gptcore.scoring.true_reward import Reward
from gptcore.tales import brief
from gptcore.text.streams import Batches
from gptcore.tokenizer import Tokenizer
from gptcore.train.dpo import Dpo
from gptcore.train.ppo import ppo
from gptcore.train.ppo_config import PPOConfig, PPOStep
from gptcore.train.ppo_parts import log_probs
from gptcore.train.ppo_state import digest

N_ASKED, N_VALID, N_OTHERS = 120, 120, 100
"""Requests to tell a tale to report on and to choose by; requests of other kinds."""
PRACTISED, N_PROMPTS = 400_000, 2000
"""Tales from which the requests are made that the policy practises on, and how many."""
LOOKS = (0, 5, 10, 20, 40, 70, 100)
"""Iterations after which the policy is looked at."""
SHOWN = 3
"""Requests whose replies are kept at every look."""
N_BEST, NS = 64, (1, 2, 4, 8, 16, 32, 64)
OTHERS = ("answer", "sum", "refuse")
UNHEARD, N_TEXTS = 0.6, 3000
"""Share of invented names in the tales that PPO-ptx reads, and how many tales or demonstrations."""
FOLLOWED = ("kl", "reward", "length", "entropy", "clip_fraction", "value_error", "unstopped")


def optimized(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A policy is trained by PPO on a learned reward and looked at on the way, as a grid runs it.

    Args:
        settings: `policy`, where it begins; `judge`, as of `judging.judge_of`, perhaps with
            `judges`, how many there are, and `how` they are one (see `Ensemble`); `lr` of the
            policy, half of the value function's; `ppo`, other fields of PPOConfig; perhaps
            `looks`; perhaps `text`, what is mixed in where `ptx` is more than 0 ("tales", or
            "demonstrations"); perhaps `again`, for a second round of labels: a first policy
            is trained on rankings for half as many requests and stopped `after` so many iterations,
            and where it is `shown`, half of the replies to the second half of the requests are its
            own; those to the first half are drawn and ranked anew.
        seed: draws the reward model, the order of the requests, all replies.

    Returns:
        What `Grid.run` asks for. "true n" and "learned n" are the rewards of the replies to the
        test requests after n iterations; `course` has the mean of both, KL, words, and the replies
        to the first three. `items` are those of the last look. `others` is the mean true reward of
        the kinds that were not practised, `text` the loss on brief tales, each (before, after);
        "sided" says for pairs of the last policy's replies whether the judge prefers the better,
        "both" the same for replies by the policy it begins with and by that of the first round.
    """
    torch.set_num_threads(1)
    policy, tokenizer = load(settings["policy"])
    assert tokenizer is not None
    first, again = copy.deepcopy(policy).eval(), settings.get("again")
    shown = _earlier(settings, seed) if again else None
    judges = _judges(settings, seed, shown if again and again["shown"] else None)
    judge, looks = _as_one(settings, judges), _looks(settings, seed)
    found: dict[str, Any] = {"course": []}

    def look(step: int) -> None:
        found["course"].append(_look(policy, first, tokenizer, judge, seed, step, found))

    before, followed = _aside(first, tokenizer, seed), []
    look(0)
    for step in _practised(policy, tokenizer, judges, settings, seed):
        followed.append(step)
        if step.step in looks:
            look(step.step)
    return {
        **_reported(found, looks[-1]),
        "valid": _chosen_by(policy, tokenizer, seed),
        "steps": _in_fives(followed),
        **_ends(before, _aside(policy, tokenizer, seed)),
        "sided": packed(_sided(policy, tokenizer, judges[0], seed)),
        **({"both": packed(_both(settings, shown, judges[0], seed))} if shown else {}),
        **found,
    }


def preferred(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A policy is trained by DPO on the rankings that a reward model would have learned from.

    Args:
        settings: `policy`, where it begins; `judge`, as of `judging.judge_of`: its rankings teach
            the policy, and it says the learned reward; `lr`, `epochs`, `batch_size` of the policy;
            `beta`; perhaps `looks`.
        seed: as of `optimized`; draws the order of the rankings, too.

    Returns:
        As `optimized`, without what belongs to PPO; a look is after so many updates.
    """
    torch.set_num_threads(1)
    first, tokenizer = load(settings["policy"])
    assert tokenizer is not None
    judge, told = judge_of(settings["judge"], seed), judging.rankings(settings["judge"], seed)
    recipe = judging.taught_by(settings, seed)
    stage = Dpo(first, tokenizer, told, recipe, beta=settings["beta"])
    looks, found = settings.get("looks", LOOKS), {"course": []}

    def look(step: int) -> None:
        policy = stage.model.eval()
        found["course"].append(_look(policy, first, tokenizer, judge, seed, step, found))

    before = _aside(first, tokenizer, seed)
    look(0)
    for step in stage.fit():
        if step.step in looks:
            look(step.step)
            stage.model.train()
    after = _aside(stage.model.eval(), tokenizer, seed)
    return {
        **_reported(found, found["course"][-1]["step"]),
        "valid": _chosen_by(stage.model, tokenizer, seed),
        **_ends(before, after),
        **found,
    }


def _reported(found: dict[str, Any], last: int) -> dict[str, Any]:
    """What a grid reports: the true rewards at the last look."""
    return {
        "test_set": f"{N_ASKED} requests to tell a tale",
        "labels": None,
        "items": found[f"true {last}"],
        "test": found["course"][-1]["true"],
    }


def _config(settings: dict[str, Any], seed: int) -> PPOConfig:
    lr = settings["lr"]
    own = {"max_new_tokens": ROOM, "seed": seed, "steps": LOOKS[-1], "lr": lr, "value_lr": 2 * lr}
    return PPOConfig(**{**own, **settings["ppo"]})


def _looks(settings: dict[str, Any], seed: int) -> list[int]:
    steps = _config(settings, seed).steps
    return [at for at in settings.get("looks", LOOKS) if at <= steps]


def _ends(before: tuple[float, float], after: tuple[float, float]) -> dict[str, list[float]]:
    return {"others": [before[0], after[0]], "text": [before[1], after[1]]}


def _chosen_by(policy: GPT, tokenizer: Tokenizer, seed: int) -> float:
    """The mean true reward of replies to the requests that choose a rate."""
    valid = wanted(N_VALID, "valid", 0, TELL)
    texts = replies(policy, tokenizer, [r.text for r in valid], (seed, 5))[1]
    return round(fmean(x.total for x in fulfilled(valid, texts)), 4)


def _in_fives(steps: Sequence[Any]) -> list[list[float]]:
    """What is followed, its mean over each five iterations."""
    parts = [steps[at : at + 5] for at in range(0, len(steps), 5)]
    return [[round(fmean(getattr(s, x) for s in part), 4) for x in FOLLOWED] for part in parts]


def _judges(settings: dict[str, Any], seed: int, shown: str | None = None) -> list[Judge]:
    own = {**settings["judge"], **({"shown": shown} if shown else {})}
    return [judge_of(own, seed + 1000 * at) for at in range(settings.get("judges", 1))]


def _as_one(settings: dict[str, Any], judges: Sequence[Judge]) -> Judge | Ensemble:
    return judges[0] if len(judges) == 1 else Ensemble(judges, settings["how"])


def _practised(
    policy: GPT, tokenizer: Tokenizer, judges: Sequence[Judge], settings: dict[str, Any], seed: int
) -> Iterator[PPOStep]:
    """The policy is trained as settings ask for; the value function begins at the first judge."""
    config = _config(settings, seed)
    prompts = list(dict.fromkeys(r.text for r in wanted(N_PROMPTS, "train", PRACTISED, TELL)))
    text = _text(tokenizer, settings.get("text", "tales"), seed) if config.ptx else None
    value = judges[0].model if config.advantage == "gae" else None
    judge = _as_one(settings, judges)
    yield from ppo(policy, tokenizer, prompts, judge.score, config, value=value, text=text)


def _earlier(settings: dict[str, Any], seed: int) -> str:
    """Where the policy of a first round is kept, of half the labels, stopped on its way."""
    labels, after = settings["judge"]["labels"] // 2, settings["again"]["after"]
    first = {name: settings[name] for name in ("policy", "lr", "ppo")}
    first["judge"] = {**settings["judge"], "labels": labels}
    weights = digest(load(settings["policy"])[0])
    named = {**first, "after": after, "seed": seed, "weights": weights}
    folder = judging.JUDGES / "policies" / digest_of(named)
    kept(folder, lambda: _stopped(first, seed, after))
    return str(folder)


def _stopped(settings: dict[str, Any], seed: int, after: int) -> tuple[GPT, Tokenizer]:
    """A policy after so many iterations."""
    policy, tokenizer = load(settings["policy"])
    assert tokenizer is not None
    for step in _practised(policy, tokenizer, _judges(settings, seed), settings, seed):
        if step.step == after:
            break
    return policy.eval(), tokenizer


def _both(settings: dict[str, Any], shown: str, judge: Judge, seed: int) -> list[float]:
    """Of test replies by two policies side by side: whether the judge prefers the better one."""
    rows = compared(settings["policy"], N_ASKED, "test", seed)
    return sided(judge, beside(shown, rows, wanted(N_ASKED, "test", 0, TELL), seed))


def _look(
    policy: GPT,
    first: GPT,
    tokenizer: Tokenizer,
    judge: Any,
    seed: int,
    step: int,
    found: dict[str, Any],
) -> dict[str, Any]:
    """How good the replies are in truth and to the judge, and how far the policy has come."""
    requested = wanted(N_ASKED, "test", 0, TELL)
    prompts = [r.text for r in requested]
    rows, texts = replies(policy, tokenizer, prompts, (seed, step, 3))
    rewards = fulfilled(requested, texts)
    true, learned = [x.total for x in rewards], judge.score(prompts, texts).tolist()
    found[f"true {step}"], found[f"learned {step}"] = packed(true), packed(learned)
    return {
        "step": step,
        "true": round(fmean(true), 4),
        "learned": round(fmean(learned), 4),
        "factors": [round(fmean(getattr(x, name) for x in rewards), 4) for name in Reward._fields],
        "kl": round(distance(rows, first, tokenizer), 4),
        "words": round(fmean(len(text.split()) for text in texts), 2),
        "unstopped": round(1 - rows.stopped.float().mean().item(), 4),
        "replies": [[texts[i], round(true[i], 3), round(learned[i], 3)] for i in range(SHOWN)],
    }


@torch.no_grad()
def distance(rows: Rollout, first: GPT, tokenizer: Tokenizer) -> float:
    """KL from the first policy to the one that wrote the rows, in nats a reply.

    The mean of log π(y|x) / π_first(y|x) over replies y of the policy.
    """
    total, every = 0.0, torch.arange(len(rows))
    for chosen in every.split(32):
        part = rows.part(chosen)
        logits = responses_of(first, part, vocab_size=tokenizer.vocab_size)
        ref = log_probs(logits, part.tokens[part.mask])
        total += (part.log_p[part.mask] - ref).sum().item()
    return total / len(rows)


def _aside(policy: GPT, tokenizer: Tokenizer, seed: int) -> tuple[float, float]:
    """What the policy was not trained for: the other requests, and brief tales as text."""
    others = wanted(N_OTHERS, "test", 0, OTHERS)
    texts = replies(policy, tokenizer, [r.text for r in others], (seed, 4))[1]
    ids = _stream(tokenizer, 200, "test")
    n_ctx = policy.config.n_ctx
    losses = window_losses(policy, ids, len(ids) // (n_ctx + 1), n_ctx)
    right = fmean(x.total for x in fulfilled(others, texts))
    return round(right, 4), round(losses.mean().item(), 4)


def _stream(tokenizer: Tokenizer, n: int, part: str) -> np.ndarray:
    """Brief tales as a policy was pre-trained on them, one behind the other."""
    return _joined(tokenizer, brief.documents(n, 0.3, part=part, unheard=UNHEARD))


def _joined(tokenizer: Tokenizer, texts: Iterable[str]) -> np.ndarray:
    assert tokenizer.eot is not None
    return np.array([i for text in texts for i in (*tokenizer.encode(text), tokenizer.eot)])


def _text(tokenizer: Tokenizer, kind: str, seed: int) -> Batches:
    """What PPO-ptx reads: brief tales, or the demonstrations that the policy was taught by."""
    if kind == "demonstrations":
        shown = wanted(N_TEXTS, "train", DEMONSTRATED)
        ids = _joined(tokenizer, (f"{r.text}\n\n{r.demonstration}" for r in shown))
    else:
        ids = _stream(tokenizer, N_TEXTS, "train")
    return Batches(ids, 8, 128, seed)


def _sided(policy: GPT, tokenizer: Tokenizer, judge: Judge, seed: int) -> list[float]:
    """For pairs of the policy's own replies: whether the judge prefers the better one."""
    requested = wanted(N_ASKED, "test", 0, TELL)
    prompts = [r.text for r in requested for _ in range(2)]
    texts = replies(policy, tokenizer, prompts, (seed, 6))[1]
    return sided(judge, rated(requested, texts, 2))


def chosen_of(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Best-of-n by a learned reward, for a grid: nothing is trained.

    Args:
        settings: `policy`, `judge` as of `optimized`; perhaps `n`, replies to each request.
        seed: draws the reward model and the replies.

    Returns:
        What `Grid.run` asks for, "true n" and "learned n" for each n of `NS`: what the best of n is
        expected to be worth; `course` has their means and the KL, which is known. Nothing is
        chosen, and `valid` is the learned reward.
    """
    torch.set_num_threads(1)
    judge, n = judge_of(settings["judge"], seed), settings.get("n", N_BEST)
    rows = compared(settings["policy"], N_ASKED, "test", seed, n)
    true = torch.tensor([c.truth for c in rows])
    learned = judge.score(
        [c.prompt for c in rows for _ in c.responses], [x for c in rows for x in c.responses]
    ).view(len(rows), n)
    found: dict[str, Any] = {"course": []}
    for i in NS:
        got = {
            "true": expected_best(true, i, learned).tolist(),
            "learned": expected_best(learned, i).tolist(),
            "oracle": expected_best(true, i).tolist(),
        }
        means = {name: round(fmean(each), 4) for name, each in got.items()}
        found["course"].append({"n": i, "kl": round(best_of_kl(i), 4), **means})
        found |= {f"{name} {i}": packed(got[name]) for name in ("true", "learned")}
    return {
        **_reported(found, NS[-1]),
        "valid": found["course"][-1]["learned"],
        **found,
    }

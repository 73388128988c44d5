"""Fine-tuned and prompted, on questions like the labelled ones and on questions that are not.

The task is a tale's mood, and the labelled rows have a cue, `gptcore.tales.cued`. A network is
prompted with them, or a copy of it is fine-tuned on them; both are asked about tales in which the
cue holds, and about the same tales in other places.

Source: GPT-3 §1 (fine-tuning may exploit spurious features), §2 (what fine-tuned and few-shot
mean); Hendrycks et al. 2020, "Pretrained Transformers Improve Out-of-Distribution Robustness".
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from gptcore.experiments.baselines import ITERATIONS, WORD
from gptcore.experiments.demonstrations import CHOOSING, PER_ANSWER
from gptcore.experiments.in_context import N_VALID, PAGE, documents
from gptcore.experiments.pretraining import corpus_in, network, steps_of
from gptcore.experiments.records import packed, unpacked
from gptcore.extras import needing
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.scoring.asking import ask
from gptcore.scoring.shots import Shots, demonstration
from gptcore.scoring.tasks import Row, item
from gptcore.tales.cued import labelled, questions
from gptcore.tales.rng import Rng
from gptcore.tokenizer import Tokenizer
from gptcore.train.loop import fit

CUES = (1.0, 0.9)
"""Share of the labelled rows whose tale is in the place of its mood; the tests are the same."""
LABELLED = 60
"""Labelled rows of each mood."""
SHOTS = (0, 3)
BATCH = 16
"""Labelled rows in an update."""
TEST_SET = f"{PER_ANSWER} tales of unseen names for each mood"
ASKED = (("in", "in", "answer"), ("out", "out", "answer"), ("cue", "out", "cue"))
"""Lists of answers: name, side, and which key of a row the answer is held against."""
WRITES = replace(PAGE, scorer="cloze")
"""Right where greedy decoding writes the answer."""


def shifted(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """A network reads a corpus, or nothing, and is prompted; copies of it are fine-tuned.

    Args:
        settings: what `pretraining.network` and `steps_of` read; `corpus` and `tokenizer` as of
            `in_context.paged`; `updates`, 0 for a network that reads nothing and is not prompted;
            `rates`, of which the questions to choose by choose one, and `epochs` of fine-tuning;
            perhaps `labelled` and `per_answer`.
        seed: draws new weights, the order of the windows and that of the rows.

    Returns:
        What `Grid.run` asks for. "prompted K" are the answers behind K labelled rows in which the
        cue always holds, "tuned S" those of a copy taught rows in which it holds to a share S of
        `CUES`: each on both `cued.SIDES`, and " cue", whether what is written out of distribution
        is the answer of the place. `items` are "tuned 1 out"; `choices` the mean log-probability
        of right answers to other questions in distribution, in nats, at each rate, and `valid` the
        best of them where the cue always holds.
    """
    torch.set_num_threads(1)
    tokenizer = Tokenizer.load(settings["tokenizer"])
    model = network(settings, tokenizer.vocab_size, seed)
    n, per_mood = settings.get("per_answer", PER_ANSWER), settings.get("labelled", LABELLED)
    found: dict[str, Any] = {}
    if settings["updates"]:
        corpus = corpus_in(documents, "pages", settings, N_VALID)
        for _ in steps_of(model, corpus, settings, seed):
            pass
        model.eval()
        for k in SHOTS:
            found |= judged(model, tokenizer, f"prompted {k}", n, Shots(labelled(per_mood), k))
    choices: dict[str, dict[str, float]] = {}
    for cue in CUES:
        own: dict[str, float] = {}
        for lr in settings["rates"]:
            learner = taught(model, tokenizer, labelled(per_mood, cue), settings, lr, seed)
            report = ask(learner, tokenizer, WRITES, questions("valid", "in", min(n, CHOOSING)))
            own[f"{lr:g}"] = round(fmean(one["log_prob"] for one in report.answers), 4)
            if own[f"{lr:g}"] == max(own.values()):
                best = judged(learner, tokenizer, f"tuned {cue:g}", n)
        found, choices[f"{cue:g}"] = found | best, own
    out = f"tuned {CUES[0]:g} out"
    return {
        **_about(found, max(choices[f"{CUES[0]:g}"].values()), out),
        "choices": choices,
        "tokens": settings["updates"] * settings["batch_size"] * settings["shape"]["n_ctx"],
        "n_params": model.n_params(),
    }


def _about(found: dict[str, Any], valid: float, out: str) -> dict[str, Any]:
    test = round(fmean(unpacked(found[out])), 4)
    about = {"test_set": TEST_SET, "valid": valid, "test": test}
    return {**about, "items": found[out], "labels": None, **found}


def taught(
    model: GPT,
    tokenizer: Tokenizer,
    rows: Sequence[Row],
    settings: dict[str, Any],
    lr: float,
    seed: int,
) -> GPT:
    """A copy of a network that has learned to write the answers of labelled rows."""
    learner = copy.deepcopy(model)
    updates = max(2, len(rows) * settings["epochs"] // BATCH)
    warmup = max(1, round(0.1 * updates))
    optim = OptimConfig(lr=lr, betas=(0.9, 0.95), warmup=warmup, schedule="cosine")
    batches, precision = answers_alone(rows, tokenizer, seed), settings.get("precision", "fp32")
    for _ in fit(learner, batches, optim, updates, precision=precision, seed=seed):
        pass
    return learner.eval()


def answers_alone(
    rows: Sequence[Row], tokenizer: Tokenizer, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (B, T) tokens and targets, epoch after epoch; all but the answers' targets are -100."""
    pairs = []
    for row in rows:
        ids = tokenizer.encode(demonstration(PAGE, row))
        given = len(tokenizer.encode(item(PAGE, row).context))
        pairs.append((ids[:-1], [-100] * (given - 1) + ids[given:]))
    epoch = 0
    while True:
        order = Rng(seed, epoch, 101).some(pairs, len(pairs))
        for own in (order[at : at + BATCH] for at in range(0, len(order), BATCH)):
            longest = max(len(ids) for ids, _ in own)
            yield tuple(
                torch.tensor([one[at] + [fill] * (longest - len(one[at])) for one in own])
                for at, fill in ((0, 0), (1, -100))
            )
        epoch += 1


def judged(
    model: GPT, tokenizer: Tokenizer, name: str, n: int, shots: Shots | None = None
) -> dict[str, str]:
    """What a network writes on both sides, and where that is what the place goes with."""
    found = {}
    for what, side, key in ASKED:
        rows = [{**row, "answer": row[key]} for row in questions("test", side, n)]
        report = ask(model, tokenizer, WRITES, rows, shots=shots)
        found[f"{name} {what}"] = packed(float(one["said"]) for one in report.answers)
    return found


def counted(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Logistic regression on the counted words of the labelled rows; lists as of `shifted`.

    Args:
        settings: `C`, how little the weights are held back; perhaps `labelled`, `per_answer`.
        seed: of no effect; here no chance is involved.
    """
    with needing("finetune"):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

    n, per_mood = settings.get("per_answer", PER_ANSWER), settings.get("labelled", LABELLED)
    found: dict[str, str] = {}
    valid = []
    for cue in CUES:
        counter = TfidfVectorizer(tokenizer=WORD.findall, token_pattern=None, sublinear_tf=True)
        learner = make_pipeline(counter, LogisticRegression(C=settings["C"], max_iter=ITERATIONS))
        rows = labelled(per_mood, cue)
        learner.fit([row["text"] for row in rows], [row["answer"] for row in rows])
        for what, side, key in ASKED:
            asked = questions("test", side, n)
            said = learner.predict([row["text"] for row in asked])
            hits = (float(one == row[key]) for one, row in zip(said, asked, strict=True))
            found[f"tuned {cue:g} {what}"] = packed(hits)
        asked = questions("valid", "in", min(n, CHOOSING))
        sure = learner.predict_log_proba([row["text"] for row in asked])
        right = [list(learner.classes_).index(row["answer"]) for row in asked]
        valid.append(fmean(float(own[at]) for own, at in zip(sure, right, strict=True)))
    return _about(found, round(valid[0], 4), f"tuned {CUES[0]:g} out")

"""What needs no network trained: the majority, counted words, and probes of a frozen network.

They stand beside every classifier. Each is a run of a grid: what it may choose (how strongly the
weights are held back, `C`) is chosen on the validation part like a learning rate.

    majority   the label that most training rows have
    words      logistic regression on how often each word occurs; on pairs also on shared words
    probe      logistic regression on the states of a network that stays as it is

Source: Alain and Bengio 2017 (linear probes); GPT-1 §3.2 (which state a head reads).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import torch

from gptcore.checkpoint import load
from gptcore.experiments.tuning import data_of, result
from gptcore.extras import needing
from gptcore.heads.classifier import Classifier, HeadConfig, body
from gptcore.labelled import Labelled, Row
from gptcore.labelled.shape import PARTS
from gptcore.text.inputs import encode, with_marks

WORD = re.compile(r"\w+|[^\w\s]")
ITERATIONS = 5000
"""Of logistic regression: far more than it takes to converge."""


def majority(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """The commonest training label for every test row (the mean, where labels are scores)."""
    data = data_of(settings)
    common = Counter(row["label"] for row in data.train).most_common(1)[0][0]
    n_out = len(data.labels) or (1 if data.form == "similarity" else len(data.train[0]["choices"]))

    def answers(rows: tuple[Row, ...]) -> torch.Tensor:
        found = torch.zeros(len(rows), n_out)
        if n_out > 1:
            found[:, common] = 1
        return found

    return _judged(data, settings, answers(data.valid), answers(data.test))


def words(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Logistic (for scores: ridge) regression on counted words.

    A text's features are the logarithms of its word counts, rare words weighing more. What pairs
    and choices are read by is settings["features"]: "joined" counts both texts as one, "pair" has
    the second text, what parts the two and what they share, "shared" has only how much they share.
    Of choices each option is scored by its own features. settings["C"] says how little the
    weights are held back.
    """
    with needing("finetune"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    data = data_of(settings)
    texts = {part: [_texts(row) for row in getattr(data, part)] for part in PARTS}
    counter = TfidfVectorizer(tokenizer=WORD.findall, token_pattern=None, sublinear_tf=True)
    counter.fit([text for row in texts["train"] for text in row])
    how = settings.get("features", "joined")
    features = {part: [_counted(row, counter, how) for row in texts[part]] for part in texts}
    valid, test = _regression(data, features, settings["C"])
    return _judged(data, settings, valid, test)


def probe(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Logistic (or ridge) regression on frozen states, until it converges.

    Args:
        settings: as of `tuning.fine_tuned`, with place (extract, mean, start) and C.
        seed: draws the three new token rows that the network reads.
    """
    torch.set_num_threads(1)
    network, plain = load(settings["body"])
    tokenizer, marks = with_marks(plain)
    data = data_of(settings)
    grown = body(network, tokenizer.vocab_size, dropout=0.0, seed=seed)
    n_out = len(data.labels) or 1
    head = HeadConfig(data.form, n_out=max(n_out, 2), place=settings["place"], dropout=0.0)
    reader = Classifier(grown, head).eval()
    features = {}
    for part in PARTS:
        rows, n_ctx = getattr(data, part), network.config.n_ctx
        examples = encode(rows, data.form, tokenizer, marks, n_ctx, None, n_out)
        features[part] = [row[None] for row in reader.states(examples).double().numpy()]
    valid, test = _regression(data, features, settings["C"])
    return _judged(data, settings, valid, test)


def _texts(row: Row) -> list[str]:
    return [row["text"], *([row["text_b"]] if "text_b" in row else []), *row.get("choices", ())]


def _counted(texts: list[str], counter: Any, how: str) -> np.ndarray:
    """(options, features) of one example."""
    first, *others = texts
    if how == "joined":
        return counter.transform([f"{first} {other}" for other in others] or texts).toarray()
    cut = [set(WORD.findall(text.lower())) for text in texts]
    shared = [
        [len(cut[0] & other) / max(1, len(cut[0] | other)), len(cut[0] & other) / len(other)]
        for other in cut[1:]
    ]
    one, rest = counter.transform([first]).toarray()[0], counter.transform(others).toarray()
    shared = np.hstack([shared, (rest @ one)[:, None], _rare(one, rest)])
    if how == "shared":
        return shared
    return np.hstack([np.minimum(one, rest), np.abs(one - rest), rest, 10 * shared])


def _rare(first: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(options, 1) how much of an option's weight lies on words that the first text has."""
    return (others * (first > 0)).sum(1, keepdims=True) / others.sum(1, keepdims=True).clip(1e-9)


def _regression(
    data: Labelled, features: dict[str, list[np.ndarray]], C: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Learn on train, answer valid and test; features of an example are (options, F)."""
    with needing("finetune"):
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    labels = np.array([row["label"] for row in data.train])
    x = {part: np.concatenate(rows) for part, rows in features.items()}
    if data.form == "similarity" and not data.labels:
        fitted = make_pipeline(StandardScaler(), Ridge(1 / C)).fit(x["train"], labels)
        return tuple(
            torch.tensor(fitted.predict(x[part]))[:, None].float() for part in ("valid", "test")
        )  # type: ignore[return-value]
    if data.form == "choice":  # each option: the right one or not
        n = len(features["train"][0])
        labels = (np.arange(n)[None] == labels[:, None]).ravel().astype(int)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=ITERATIONS))
    fitted.fit(x["train"], labels)
    found = []
    for part in ("valid", "test"):
        odds = torch.tensor(fitted.decision_function(x[part])).float()
        if data.form == "choice":
            odds = odds.view(len(features[part]), -1)
        elif odds.dim() == 1:  # two classes
            odds = torch.stack([-odds, odds], 1)
        found.append(_all_classes(odds, fitted.classes_, data))
    return found[0], found[1]


def _all_classes(odds: torch.Tensor, seen: np.ndarray, data: Labelled) -> torch.Tensor:
    """A column for each class, also for those that no training row has."""
    if data.form == "choice" or odds.shape[1] == len(data.labels):
        return odds
    full = torch.full((len(odds), len(data.labels)), float("-inf"))
    full[:, torch.tensor(seen)] = odds
    return full


def _judged(
    data: Labelled, settings: dict[str, Any], valid: torch.Tensor, test: torch.Tensor
) -> dict[str, Any]:
    from gptcore.scoring.metrics import default_metric, score

    metric = default_metric(data.form, valid.shape[1])
    found = score(metric, valid, [row["label"] for row in data.valid])
    labels = [row["label"] for row in data.test]
    return {**result(data.form, test, labels, settings["task"]), "valid": round(found, 4)}

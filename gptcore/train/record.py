"""What a run leaves behind: a line per update, and one file that says how the model came to be.

Source: none.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gptcore.model import GPT
from gptcore.sampling.drawing import sample_ids
from gptcore.scoring.likelihood import evaluate
from gptcore.scoring.ngrams import ngram_baselines
from gptcore.train.corpus import Corpus, with_bytes
from gptcore.train.loop import Step
from gptcore.train.processes import join

if TYPE_CHECKING:
    from gptcore.train.pretrain import Plan, PretrainConfig

CURVE_POINTS = 200
BASELINE_TOKENS = 10_000_000
"""The n-gram baselines are counted in at most so many tokens of the training text."""
SAMPLE_TOKENS = 60
"""How long a text is shown of what the model writes."""


class Metrics:
    """A JSON-lines file with one record per update.

    A resumed run repeats the updates after its checkpoint, so the first record written drops all
    lines from that update on: every update stands in the file once.

    Args:
        path: the file.
        keep: keep the lines of updates before the first one written; else begin anew.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.path, self._keep = path, keep
        self._seconds = 0.0
        self._file: Any = None

    def write(self, step: Step) -> None:
        """Append one record: the fields of `Step`, and `seconds` spent on updates so far.

        A number that is not finite, such as the length of a gradient that overflowed, is null.
        """
        if self._file is None:
            self._open(step.step)
        before = self._tokens
        self._tokens = step.tokens
        self._seconds += (step.tokens - before) / step.tokens_per_s
        record = plain({**asdict(step), "seconds": round(self._seconds, 3)})
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()  # to be there after a kill, and for whoever watches

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open(self, first: int) -> None:
        kept = [r for r in read_metrics(self.path) if r["step"] < first] if self._keep else []
        self._seconds = kept[-1]["seconds"] if kept else 0.0
        self._tokens = kept[-1]["tokens"] if kept else 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        half_written = self.path.with_name(f".{self.path.name}.writing")
        half_written.write_text(
            "".join(json.dumps(plain(r)) + "\n" for r in kept), encoding="utf-8"
        )
        os.replace(half_written, self.path)
        self._file = open(self.path, "a", encoding="utf-8")


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The records of a metrics file; none if it is absent. A line cut off by a kill is left out."""

    def records() -> Iterator[dict[str, Any]]:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return

    return list(records()) if Path(path).is_file() else []


def curve(records: list[dict[str, Any]], points: int = CURVE_POINTS) -> dict[str, list[Any]]:
    """The training curve in few points, and every held-out loss.

    Returns:
        {"train": [[step, mean loss of the updates since the point before], ...],
        "valid": [[step, loss], ...]}, in nats per token.
    """
    size = -(-len(records) // points) or 1
    known = [r for r in records if r["loss"] is not None]
    chunks = [known[i : i + size] for i in range(0, len(known), size)]
    train = [[c[-1]["step"], round(sum(r["loss"] for r in c) / len(c), 4)] for c in chunks]
    measured = [r for r in records if r["val_loss"] is not None]
    return {"train": train, "valid": [[r["step"], round(r["val_loss"], 4)] for r in measured]}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all, lists of plain values on one line each."""
    text = json.dumps(plain(content), indent=1, allow_nan=False)
    flat = re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text)
    half_written = path.with_name(f".{path.name}.writing")
    try:
        half_written.write_text(flat + "\n", encoding="utf-8")
        os.replace(half_written, path)
    finally:
        half_written.unlink(missing_ok=True)


def plain(content: Any) -> Any:
    """The same with None for NaN and the infinities, which JSON has no word for."""
    if isinstance(content, dict):
        return {key: plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def describe(
    config: PretrainConfig,
    plan: Plan,
    corpus: Corpus,
    model: GPT,
    records: list[dict[str, Any]],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """How a model came to be and how good it is: the content of run.json.

    Args:
        config, plan, corpus: of the run.
        model: as trained.
        records: lines of metrics.jsonl.
        progress: show bars (needs tqdm).
    """
    train, valid = corpus.train, corpus.valid
    measured = valid
    if 0 < config.run.final_tokens < len(valid):
        measured = with_bytes(valid.part(0, config.run.final_tokens), corpus.tokenizer)
    score = evaluate(model, measured.tokens, n_bytes=measured.n_bytes, progress=progress)
    counted = train.tokens[:BASELINE_TOKENS]
    V = model.config.vocab_size
    baselines = ngram_baselines(counted, measured.tokens, V, progress=progress)
    told = asdict(config) | {"model": asdict(plan.shape), "optim": asdict(plan.optim)}
    return {
        "command": config.command,
        "seed": config.run.seed,
        "hardware": hardware(model.device),
        "recipe": plan.recipe.name,
        "config": json.loads(json.dumps(told, default=str)),
        "n_params": model.n_params(),
        "data": {
            **corpus.settings,
            "train_sha256": train.sha256,
            "train_tokens": len(train),
            "train_bytes": train.n_bytes,
            "train_documents": train.n_documents,
            "valid_tokens": len(valid),
            "valid_bytes": valid.n_bytes,
        },
        "tokens": records[-1]["tokens"] if records else 0,
        "seconds": records[-1]["seconds"] if records else 0.0,
        "held_out": {k: v and round(v, 4) for k, v in asdict(score).items()},
        "baselines_nats_per_token": {k: round(v, 4) for k, v in baselines.items()},
        "baselines_counted_tokens": len(counted),
        "sample": sample(model, corpus),
        "curve": curve(records),
    }


def sample(model: GPT, corpus: Corpus) -> dict[str, Any]:
    """How the model goes on from the first words of the held-out text, at temperature 0.5."""
    tokenizer, half = corpus.tokenizer, max(1, model.config.n_ctx // 2)
    beginning = tokenizer.decode(corpus.valid.tokens[:half].tolist())
    ids = tokenizer.encode(" ".join(beginning.split()[:3]))[:half] or [0]
    drawn = sample_ids(
        model,
        torch.tensor([ids], device=model.device),
        max_new_tokens=SAMPLE_TOKENS,
        temperature=0.5,
        seed=0,
        vocab_size=tokenizer.vocab_size,
    )
    text = [int(token) for token in drawn]
    if tokenizer.eot in text:
        text = text[: text.index(tokenizer.eot)]
    return {"prompt": tokenizer.decode(ids), "text": tokenizer.decode(text), "seed": 0}


def hardware(device: torch.device) -> dict[str, Any]:
    """What the run ran on, as far as it decides speed and last bits."""
    found = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if (size := join().size) > 1:
        found["processes"] = size
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _cpu_name() -> str:
    """As Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

"""A run of PPO in a folder of its own: policy and prompts in, a policy, its record and texts out.

    for step in train_policy(PPORun(out="runs/ppo", policy="runs/sft"), prompts, reward):
        print(step.step, step.reward, step.kl)

The folder holds the policy as it is, with what resuming needs; `average/`, where a moving average
is asked for; `metrics.jsonl`, a line per iteration; `samples.jsonl`, some responses of some
iterations with their scores; and in the end `run.json`.

Source: none.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gptcore import checkpoint
from gptcore.heads.reward import Judge
from gptcore.text.dialogues import Prompt
from gptcore.text.streams import Batches
from gptcore.train.corpus import DataConfig, prepare
from gptcore.train.folders import alone_in, check_folder, choose_device, saved_step
from gptcore.train.ppo import Reward, ppo
from gptcore.train.ppo_config import PPOConfig, PPOStep
from gptcore.train.record import CURVE_POINTS, Metrics, hardware, read_metrics, write_json

AVERAGE = "average"
DRAWN = ("reward", "true_reward", "kl", "length", "unstopped", "entropy", "clip_fraction")
DRAWN += ("value_error", "beta", "ptx_loss")


@dataclass(frozen=True)
class PPORun:
    """A whole run of PPO."""

    out: Path
    """Folder for the policy, the metrics and what resuming needs; made if absent."""
    policy: str
    """What has learned to answer, and begins: a folder, a shipped model, or a name on the Hub."""
    config: PPOConfig = field(default_factory=PPOConfig)
    """How it learns."""
    data: DataConfig | None = None
    """The text that `config.ptx` reads; None with ptx=0."""
    windows: int = 16
    """Of n_ctx tokens of that text, for each update."""
    save_every: int = 10
    """Save after so many iterations; 0: only at the end."""
    sample_every: int = 10
    """Write down responses of the first iteration and of every so many; 0: none."""
    n_samples: int = 4
    """So many of them."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    resume: bool = False
    """Go on with the run that `out` holds; begin if it holds none."""
    command: str = ""
    """How the run was started; written to run.json."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        rules = {"windows": 1, "save_every": 0, "sample_every": 0, "n_samples": 1}
        for name, least in rules.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")


def train_policy(
    run: PPORun,
    prompts: Sequence[Prompt],
    reward: Reward,
    *,
    value: Any = None,
    true_reward: Reward | None = None,
    settings: dict[str, Any] | None = None,
    shown: Callable[[dict[str, Any]], None] | None = None,
) -> Iterator[PPOStep]:
    """Train a policy in a folder, yielding a record after every iteration.

    Args:
        run: the run.
        prompts, reward, value, true_reward: as in `ppo`. Of a Judge, the reward model is what the
            value function begins as, if both read the same tokens.
        settings: what else must be the same when the run is resumed: what the reward is, say.
        shown: is given each response that is written down: iteration, prompt, response, score.

    Returns:
        An iterator of records. All is prepared at the call.

    Raises:
        FileExistsError: another run is using `out`; or it holds a run and `resume` is not set, or
            another model.
        TypeError, ValueError, Diverged: as `ppo`. OSError: the disk is full.
    """
    given = {"value": value, "true_reward": true_reward}

    def begun() -> Iterator[Any]:
        return _begun(run, prompts, reward, given, settings or {}, shown)

    return alone_in(run.out, run.command, begun)


def _begun(
    run: PPORun,
    prompts: Sequence[Prompt],
    reward: Reward,
    given: dict[str, Any],
    settings: dict[str, Any],
    shown: Callable[[dict[str, Any]], None] | None,
) -> Iterator[PPOStep]:
    """The run, everything made ready, in a folder that is ours."""
    resuming = check_folder(run.out, run.resume, "PPO")
    policy, tokenizer = checkpoint.load(run.policy, device=choose_device(run.device))
    if tokenizer is None:
        raise ValueError(f"policy={run.policy!r} has no tokenizer, and there are prompts to read")
    if isinstance(judge := given["value"], Judge):
        same = judge.tokenizer.fingerprint == tokenizer.fingerprint
        given = {**given, "value": judge.model if same else None}
    average = copy.deepcopy(policy) if run.config.ema is not None else None
    text = None
    if run.config.ptx:
        data, shape = run.data or DataConfig(), policy.config
        corpus = prepare(data, shape.vocab_size, run.out / "data", tokenizer=tokenizer)
        text = Batches(corpus.train, run.windows, shape.n_ctx, run.config.seed, policy.device)
    samples = _Samples(run, shown, saved_step(run.out) if resuming else 0)
    steps = ppo(
        policy,
        tokenizer,
        prompts,
        reward,
        run.config,
        **given,
        text=text,
        average=average,
        seen=samples,
        checkpoint_dir=run.out,
        save_every=run.save_every,
        resume=run.resume,
        settings=settings,
    )
    metrics = Metrics(run.out / "metrics.jsonl", keep=resuming)
    return _record(run, steps, metrics, policy, average, tokenizer, len(prompts))


def _record(
    run: PPORun,
    steps: Iterator[PPOStep],
    metrics: Metrics,
    policy: Any,
    average: Any,
    tokenizer: Any,
    n_prompts: int,
) -> Iterator[PPOStep]:
    """Pass the records on, write each down, and at the end say what became of the policy."""
    with closing(steps), closing(metrics):  # type: ignore[type-var]
        for step in steps:
            metrics.write(step)  # type: ignore[arg-type]
            yield step
    if average is not None:
        checkpoint.save(run.out / AVERAGE, average, tokenizer)
    records = read_metrics(metrics.path)
    described = {
        "command": run.command,
        "seed": run.config.seed,
        "hardware": hardware(policy.device),
        "config": json.loads(json.dumps(asdict(run), default=str)),
        "n_params": policy.n_params(),
        "prompts": n_prompts,
        "tokens": records[-1]["tokens"] if records else 0,
        "seconds": records[-1]["seconds"] if records else 0.0,
        "curve": curves(records),
    }
    write_json(run.out / "run.json", described)


class _Samples:
    """Responses, written down as they come."""

    def __init__(
        self, run: PPORun, shown: Callable[[dict[str, Any]], None] | None, done: int
    ) -> None:
        self.run, self.shown = run, shown
        self.path = run.out / "samples.jsonl"
        kept = [row for row in read_metrics(self.path) if row["step"] <= done]
        half_written = self.path.with_name(f".{self.path.name}.writing")
        half_written.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        os.replace(half_written, self.path)  # what a killed run will say again is taken back

    def __call__(
        self, step: int, prompts: list[Prompt], responses: list[str], scores: Tensor
    ) -> None:
        every = self.run.sample_every
        if not every or (step > 1 and step % every):
            return
        with open(self.path, "a", encoding="utf-8") as file:
            for prompt, response, score in list(
                zip(prompts, responses, scores.tolist(), strict=True)
            )[: self.run.n_samples]:
                row = {"step": step, "prompt": prompt, "response": response, "score": score}
                file.write(json.dumps(row) + "\n")
                if self.shown is not None:
                    self.shown(row)


def read_prompts(path: str | Path) -> list[Prompt]:
    """Prompts of a file of JSON lines: a text each, {"prompt": text}, or a dialogue so far.

    A dialogue is a list of [who, text], or of {"role": who, "content": text}. Other keys of a line
    are left aside, so a file of comparisons or demonstrations serves, too.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is none of these, or there is none; the message says which lines.
    """
    found: list[Prompt] = []
    wrong = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                found.append(_prompt(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                told = f"no {error}" if isinstance(error, KeyError) else str(error)
                wrong.append(f"line {number}: {told}")
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{path} has lines that are no prompt: {'; '.join(wrong[:3])}{more}")
    if not found:
        raise ValueError(f"{path} is empty: write one prompt a line, as JSON")
    return found


def _prompt(row: Any) -> Prompt:
    """The prompt of a line."""
    asked = row["prompt"] if isinstance(row, dict) else row
    if isinstance(asked, list):
        asked = [
            (turn["role"], turn["content"]) if isinstance(turn, dict) else tuple(turn)
            for turn in asked
        ]
        if not asked or not all(len(t) == 2 and all(isinstance(x, str) for x in t) for t in asked):
            raise ValueError("a dialogue must be a list of [who, text]")
    elif not isinstance(asked, str) or not asked.strip():
        raise ValueError(f"{json.dumps(asked)} is no text")
    return asked


def curves(records: list[dict[str, Any]], points: int = CURVE_POINTS) -> dict[str, list[Any]]:
    """What a run went through, in few points: name -> one number per point, "step" among them.

    A point is the mean over the iterations since the one before.
    """
    size = -(-len(records) // points) or 1
    chunks = [records[i : i + size] for i in range(0, len(records), size)]
    found: dict[str, list[Any]] = {"step": [chunk[-1]["step"] for chunk in chunks]}
    for name in DRAWN:
        if records and records[0][name] is not None:
            means = [sum(r[name] for r in chunk) / len(chunk) for chunk in chunks]
            found[name] = [round(x, 4) for x in means]
    return found

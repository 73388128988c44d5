"""`gptcore ppo`: let a model answer prompts, and learn from the score of each answer.

Source: none.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from tqdm import tqdm
from tyro.conf import OmitArgPrefixes

from gptcore import checkpoint
from gptcore.commands import printable, say
from gptcore.commands.train import following
from gptcore.heads.reward import Judge
from gptcore.train.corpus import DataConfig
from gptcore.train.folders import Occupied, check_folder, choose_device, saved_step
from gptcore.train.guards import KeptMemory
from gptcore.train.loop import has_run
from gptcore.train.ppo import Reward
from gptcore.train.ppo_config import RECIPES, PPOConfig, PPOStep
from gptcore.train.ppo_runs import AVERAGE, PPORun, read_prompts, train_policy
from gptcore.train.trackers import Tracker

EXAMPLES = """
  gptcore ppo --out runs/ppo --policy runs/sft --reward runs/rm --prompts prompts.jsonl
  gptcore ppo --out runs/ppo --policy runs/sft --reward runs/rm --prompts prompts.jsonl --resume
  gptcore ppo --out runs/ppo --policy runs/sft --reward mine.py:score --prompts prompts.jsonl
  gptcore ppo --out runs/grpo --policy runs/sft --reward runs/rm --prompts prompts.jsonl \\
      --preset grpo-small"""
DEFAULT = "small"


@dataclass(frozen=True)
class Options:
    """Let a model answer prompts, and learn from the score of each answer: PPO, or GRPO.

    Each line of PROMPTS is a JSON text, {"prompt": text}, or a dialogue: a list of [who, text].

    OUT becomes a folder with the policy and what --resume needs; metrics.jsonl, one record per
    iteration; samples.jsonl, some of the responses; average/ with --ema; and run.json.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    policy: str
    """What has learned to answer: a folder, a shipped model, or a name on the Hugging Face Hub."""
    reward: str
    """What scores the answers: the folder of a reward model; or FILE.py:FUNCTION, or
    MODULE:FUNCTION, which is given two lists, prompts and responses, and returns numbers."""
    prompts: Path
    """The prompts, as JSON lines."""
    preset: Literal[tuple(RECIPES)] = DEFAULT  # type: ignore[valid-type]
    """What the options under "recipe" default to: our own for small networks, or a paper's."""
    true_reward: str | None = None
    """Like --reward; told in the records, never learned from."""
    value: str | None = None
    """What the value function begins as, a reward model or a GPT; None: the reward model if there
    is one that reads the policy's tokens, else the policy."""
    text: tuple[str, ...] = ()
    """Files, folders or named sets to pre-train on beside, for --ptx; none: Tales."""
    windows: int = 16
    """Of n_ctx tokens of that text, for each update."""
    save_every: int = 10
    """Save after so many iterations; 0: only at the end."""
    sample_every: int = 10
    """Write down and show responses of the first iteration and of every so many; 0: none."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""
    resume: bool = False
    """Go on with the run that OUT holds; begin if it holds none."""
    quiet: bool = False
    """Show no progress."""
    track: Tracker | None = None
    """Send the records to tensorboard or wandb, too, if that package is installed."""
    recipe: OmitArgPrefixes[PPOConfig] = RECIPES[DEFAULT]


def defaults(args: list[str]) -> Options:
    """The options before any is given: those of the preset."""
    words = [part for word in args for part in word.split("=", 1)]
    preset = dict(zip(words, words[1:], strict=False)).get("--preset", DEFAULT)
    missing = dict.fromkeys(("out", "policy", "reward", "prompts"), tyro.MISSING)
    recipe = RECIPES.get(preset, RECIPES[DEFAULT])
    return Options(**missing, recipe=recipe)  # type: ignore[arg-type]


def run(options: Options, command: str) -> None:
    """Train with a progress bar, then say how it went."""
    with Occupied(options.out, command):  # complains now, before anything is read
        check_folder(options.out, options.resume, "PPO")
    if options.text and not options.recipe.ptx:
        raise ValueError("--text is read with --ptx above 0 only, such as --ptx 1")
    prompts, device = read_prompts(options.prompts), choose_device(options.device)
    reward, judge = scorer(options.reward, device)
    given = {
        "value": _value(options, judge, device),
        "true_reward": scorer(options.true_reward, device)[0] if options.true_reward else None,
        "settings": {"reward": options.reward, "true_reward": options.true_reward},
    }
    plan, show = _plan(options, command), None if options.quiet else _show
    try:
        steps = train_policy(plan, prompts, reward, **given, shown=show)
        _tell(options, len(prompts))
        with KeptMemory(), closing(steps), following(options.track, plan) as follow:
            with progress_bar(options.recipe.steps, options.quiet) as advance:
                for step in steps:  # closing saves, however the loop is left
                    advance(step)
                    follow(step)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        if has_run(options.out):
            say(f"stopped; {options.out} is saved. To go on, add --resume")
        raise
    _tell_result(options)


def _plan(options: Options, command: str) -> PPORun:
    return PPORun(
        out=options.out,
        policy=options.policy,
        config=options.recipe,
        data=DataConfig(text=tuple(options.text)) if options.recipe.ptx else None,
        windows=options.windows,
        save_every=options.save_every,
        sample_every=options.sample_every,
        device=options.device,
        resume=options.resume,
        command=command,
    )


def scorer(name: str, device: Any) -> tuple[Reward, Judge | None]:
    """What a name means: a function of a file, or a reward model and its judge.

    Raises:
        FileNotFoundError, ValueError: there is no such file, function or reward model.
    """
    file, _, function = name.rpartition(":")
    if not (file and function.isidentifier()):
        model, tokenizer = checkpoint.load_reward(name, device=device)
        if tokenizer is None:
            raise ValueError(f"reward={name!r} has no tokenizer, and there are texts to read")
        judge = Judge(model, tokenizer)
        return judge.score, judge
    found = getattr(_module(name, file), function, None)
    if not callable(found):
        raise ValueError(f"reward={name!r}: {file} has no function {function}")

    def score(prompts: list[Any], responses: list[str]) -> Any:
        with _foreign(name):
            return found(prompts, responses)

    return score, None


def _module(name: str, file: str) -> Any:
    """The module of a file, or of that name."""
    if not file.endswith(".py"):
        with _foreign(name):
            return importlib.import_module(file)
    if not Path(file).is_file():
        raise FileNotFoundError(f"reward={name!r}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    with _foreign(name):
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


@contextmanager
def _foreign(name: str) -> Iterator[None]:
    """Around code that is not ours: what goes wrong in it is told in one line."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"reward={name!r} failed: {type(error).__name__}: {error}") from error


def _value(options: Options, judged: Judge | None, device: Any) -> Any:
    """What the value function begins as."""
    if options.recipe.advantage == "group":
        if options.value:
            raise ValueError("--advantage group has no value function: leave out --value")
        return None
    if options.value is None:
        return judged
    try:
        return checkpoint.load_reward(options.value, device=device)[0]
    except ValueError:  # a GPT, then, or `load` says what it is
        return checkpoint.load(options.value, device=device)[0]


def _show(row: dict[str, Any]) -> None:
    """One response, as it comes."""
    asked = row["prompt"] if isinstance(row["prompt"], str) else row["prompt"][-1][1]
    line = f"[{row['step']}] {asked.strip()} -> {row['response'].strip()} ({row['score']:.3f})"
    tqdm.write(printable(" ".join(line.split())), file=sys.stderr)


def _tell(options: Options, n: int) -> None:
    """What is about to happen."""
    recipe = options.recipe
    say(
        f"{n} prompts, {recipe.responses} responses per iteration, {recipe.steps} iterations; lr "
        f"{recipe.lr:g}, beta {recipe.beta:g}, "
        + ("GRPO" if recipe.advantage == "group" else "PPO")
    )
    done = saved_step(options.out) if options.resume else 0
    if done:
        say(f"going on after iteration {done} of {recipe.steps}")


def _tell_result(options: Options) -> None:
    """How the score rose, and at what distance."""
    curve = json.loads((options.out / "run.json").read_text(encoding="utf-8"))["curve"]
    for name in ("reward", "true_reward"):
        if name in curve:
            first, last = curve[name][0], curve[name][-1]
            print(f"{name.replace('_', ' ')} {first:.4f} at the beginning, {last:.4f} at the end")
    print(f"KL {curve['kl'][-1]:.4f} nats per response from where it began")
    best = options.out / AVERAGE if options.recipe.ema else options.out
    print(f"{best} holds the policy. Ask it:")
    print(f'  gptcore generate {shlex.quote(str(best))} "..."')


@contextmanager
def progress_bar(total: int, quiet: bool) -> Iterator[Callable[[PPOStep], None]]:
    """A bar on stderr: score, distance, length, tokens per second, time left."""
    wait = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log file needs fewer lines
    with tqdm(total=total, disable=quiet, unit=" iterations", mininterval=wait) as bar:

        def advance(step: PPOStep) -> None:
            if bar.n == 0 and step.step > 1:  # resumed
                bar.initial = bar.n = bar.last_print_n = step.step - 1
            true = "" if step.true_reward is None else f", true {step.true_reward:.3f}"
            bar.set_postfix_str(
                f"reward {step.reward:.3f}{true}, KL {step.kl:.2f}, length {step.length:.1f}, "
                f"{step.tokens_per_s:,.0f} tokens/s",
                refresh=False,
            )
            bar.update()

        yield advance

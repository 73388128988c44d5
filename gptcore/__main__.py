"""The command line: `gptcore tales | train | generate | evaluate | info`, or `python -m gptcore`.

Every command is a dataclass whose fields are its options (tyro). What a user can cause ends in one
line on stderr and exit code 2; Ctrl-C ends in 130, after saving.

Source: none.
"""

from __future__ import annotations

import gzip
import inspect
import json
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from tqdm import tqdm
from tyro.conf import OmitArgPrefixes, Positional

from gptcore import checkpoint, textfiles
from gptcore.batches import TokenStream
from gptcore.config import PRESETS, GPTConfig
from gptcore.evaluate import evaluate
from gptcore.generate import TopPRule, stream
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.sizes import report
from gptcore.tales import split, tales
from gptcore.tokenizer import Tokenizer
from gptcore.train.corpus import VALID_START, DataConfig
from gptcore.train.loop import Diverged, Step, has_run
from gptcore.train.pretrain import PretrainConfig, RunConfig, pretrain

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Tales:
    """Write tales: small stories from a seeded simulator. Same seed, same bytes, everywhere."""

    n: int = 5
    """How many tales."""
    seed: int = 0
    """Another seed, other tales."""
    split: Literal["train", "valid", "test"] = "train"
    """Three sets without a tale in common; `gptcore evaluate` measures on "valid"."""
    start: int = 0
    """Index of the first tale within the split."""
    out: Path | None = None
    """File to write, gzipped if it ends in .gz; without it they go to stdout."""


@dataclass(frozen=True)
class Train:
    """Train a GPT from random weights, on your own text files or on Tales.

    OUT becomes a folder with config.json, model.safetensors and tokenizer.json, which the Hugging
    Face libraries open; metrics.jsonl, one record per update; run.json, what was run and how good
    the model became; and what --resume needs.
    """

    out: Path
    """Folder for all that the run makes; made if absent."""
    preset: Literal[tuple(PRESETS)] = "tiny"  # type: ignore[valid-type]
    """Shape of the network; the options under "model" change it further."""
    resume: bool = False
    """Go on with the run that OUT holds; begin if it holds none."""
    quiet: bool = False
    """Show no progress."""
    data: OmitArgPrefixes[DataConfig] = field(default_factory=DataConfig)
    run: OmitArgPrefixes[RunConfig] = field(default_factory=RunConfig)
    optim: OmitArgPrefixes[OptimConfig] = OptimConfig(lr=1e-3, warmup=100)
    model: OmitArgPrefixes[GPTConfig] = PRESETS["tiny"]


@dataclass(frozen=True)
class Generate:
    """Continue a text."""

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub: gpt2,
    openai-gpt, org/name."""
    prompt: Positional[str]
    """The text to continue."""
    max_new_tokens: int = 200
    """At most so many tokens."""
    temperature: float = 1.0
    """Below 1 more predictable, above 1 more surprising; 0 always takes the likeliest token."""
    top_k: int | None = None
    """Choose among so many likeliest tokens."""
    top_p: float | None = None
    """Choose among the likeliest tokens that together have this probability."""
    top_p_rule: TopPRule = "textbook"
    """Whether the token that reaches top_p is kept (textbook) or not (openai)."""
    seed: int | None = None
    """The same seed gives the same text."""
    slide: bool = False
    """Go on when the context is full, with its last half."""
    device: str = DEVICE
    """cpu, cuda, mps."""


@dataclass(frozen=True)
class Evaluate:
    """Measure how well a model predicts text it was not trained on."""

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub."""
    text: tuple[Path, ...] = ()
    """Text files or folders. None: held-out tales."""
    tales: int = 200
    """How many held-out tales, where no text is given."""
    tales_seed: int = 0
    """Their seed."""
    stride: int | None = None
    """Tokens by which the window moves; a small one gives more context and takes longer. None:
    windows side by side."""
    batch_size: int = 8
    """Windows read at a time; changes the speed only."""
    json: bool = False
    """Print the numbers as JSON."""
    device: str = DEVICE
    """cpu, cuda, mps."""


@dataclass(frozen=True)
class Info:
    """Say what a model consists of: its fields, its parameters by part, the memory it takes."""

    model: Positional[str]
    """Folder with a model, the name of a preset, or a name on the Hugging Face Hub."""


def run_tales(options: Tales) -> None:
    """Write tales with a separator after each, as `gptcore train --text` reads them."""
    if options.n < 1:
        raise ValueError(f"n={options.n} must be at least 1")
    room = split(options.split)
    if not 0 <= options.start <= len(room) - options.n:
        most = len(room) - options.n
        raise ValueError(f"start={options.start} must be between 0 and {most}")
    first = room.start + options.start
    written = (
        f"{tale.text}\n{textfiles.SEPARATOR}\n"
        for tale in tales(options.n, seed=options.seed, start=first)
    )
    if options.out is None:
        for text in written:
            sys.stdout.write(text)
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    half_written = options.out.with_name(f".{options.out.name}.writing")
    zipped = options.out.suffix == ".gz"
    try:
        with gzip.open(half_written, "wb") if zipped else open(half_written, "wb") as file:
            for text in tqdm(written, total=options.n, unit=" tales", unit_scale=True):
                file.write(text.encode())
        os.replace(half_written, options.out)
    finally:
        half_written.unlink(missing_ok=True)


def run_train(options: Train, command: str) -> None:
    """Train with a progress bar, then say how it went."""
    config = PretrainConfig(
        out=options.out,
        model=options.model,
        optim=options.optim,
        data=options.data,
        run=options.run,
        resume=options.resume,
        command=command,
    )
    if has_run(options.out) and not options.resume:
        raise FileExistsError(
            f"--out {options.out} already holds a run; add --resume to go on with it, or choose "
            "another folder"
        )
    try:
        with closing(pretrain(config, progress=not options.quiet)) as steps:  # saves, however left
            _show(steps, options)
    except KeyboardInterrupt:
        if has_run(options.out):
            _say(f"stopped; {options.out} is saved. To go on, add --resume")
        raise
    found = json.loads((options.out / "run.json").read_text(encoding="utf-8"))
    score, others = found["held_out"], found["baselines_nats_per_token"]
    counted = ", ".join(f"{name} {nats:.4f}" for name, nats in others.items())
    print(f"held-out loss {score['nats_per_token']:.4f} nats per token ({counted})")
    print(f"{options.out} holds the model. Let it write:")
    print(f'  gptcore generate {shlex.quote(str(options.out))} "Once upon a time"')


def _show(steps: Iterator[Step], options: Train) -> None:
    """Let the run go, with a bar on stderr: loss, tokens per second, time left."""
    wait = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log file needs fewer lines
    steps_in_all, speed, held_out = options.run.steps, None, ""
    with tqdm(total=steps_in_all, disable=options.quiet, unit=" steps", mininterval=wait) as bar:
        for step in steps:
            if bar.n == 0 and step.step > 1:  # resumed
                bar.initial = bar.n = bar.last_print_n = step.step - 1
            speed = step.tokens_per_s if speed is None else 0.9 * speed + 0.1 * step.tokens_per_s
            if step.val_loss is not None:
                held_out = f", held-out {step.val_loss:.4f}"
            bar.set_postfix_str(
                f"loss {step.loss:.4f}{held_out}, {speed:,.0f} tokens/s", refresh=False
            )
            bar.update()


def run_generate(options: Generate) -> None:
    """Write prompt and continuation to stdout, each piece as soon as it is known."""
    model, tokenizer = _load(options.checkpoint, options.device)
    settings = asdict(options)
    for name in ("checkpoint", "prompt", "device"):
        settings.pop(name)
    pieces = stream(model, tokenizer, options.prompt, **settings)
    sys.stdout.write(options.prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def run_evaluate(options: Evaluate) -> None:
    """Encode the text into a temporary stream and score it."""
    model, tokenizer = _load(options.checkpoint, options.device)
    texts: Iterable[str] = textfiles.documents(options.text)
    if not options.text:
        found = tales(options.tales, seed=options.tales_seed, start=VALID_START)
        texts = (tale.text for tale in found)
    with tempfile.TemporaryDirectory() as folder:
        pack = tokenizer.eot is not None
        tokens = TokenStream.write(Path(folder) / "text", texts, tokenizer, pack=pack)
        score = evaluate(
            model,
            tokens.tokens,
            n_bytes=tokens.n_bytes,
            stride=options.stride,
            batch_size=options.batch_size,
        )
    if options.json:
        print(json.dumps({**asdict(score), "n_bytes": tokens.n_bytes}))
        return
    print(f"{score.nats_per_token:.4f} nats per token")
    print(f"{score.perplexity:.4f} perplexity")
    print(f"{score.bits_per_byte:.4f} bits per byte")
    print(f"{score.n_tokens:,} tokens scored")


def run_info(options: Info) -> None:
    """Print what `sizes.report` says of a preset or of a model that exists."""
    if options.model in PRESETS and not Path(options.model).is_dir():
        with torch.device("meta"):  # shapes without memory, even for 175 billion parameters
            model = GPT(PRESETS[options.model])
    else:
        model, _ = checkpoint.load(options.model)
    print(options.model)
    print(report(model))


def _load(source: str, device: str) -> tuple[GPT, Tokenizer]:
    model, tokenizer = checkpoint.load(source, device=device)
    if tokenizer is None:
        raise ValueError(f"{source} has no tokenizer, so text cannot be turned into tokens")
    return model, tokenizer


def _say(message: str) -> None:
    print(f"gptcore: {message}", file=sys.stderr)


EXAMPLES = {
    "tales": """
  gptcore tales
  gptcore tales --n 100000 --seed 1 --out tales.txt.gz""",
    "train": """
  gptcore train --out runs/tiny --steps 200
  gptcore train --out runs/mine --text book.txt notes/ --preset tales-gpt1 --steps 2000
  gptcore train --out runs/mine --text book.txt notes/ --preset tales-gpt1 --steps 2000 --resume""",
    "generate": """
  gptcore generate runs/tiny "Once upon a time" --temperature 0.8 --seed 1
  gptcore generate tales-gpt1 "One windy morning," --temperature 0.6 --slide
  gptcore generate gpt2 "In a shocking finding," --top-k 40""",
    "evaluate": """
  gptcore evaluate runs/tiny
  gptcore evaluate runs/mine --text other_book.txt --stride 32""",
    "info": """
  gptcore info runs/tiny
  gptcore info gpt3-175b""",
}
COMMANDS: dict[str, type] = {
    "tales": Tales,
    "train": Train,
    "generate": Generate,
    "evaluate": Evaluate,
    "info": Info,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake, 130 after Ctrl-C."""
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in ("-h", "--help"):
        print(_overview())
        return 0 if args else 2
    name, rest = args[0], args[1:]
    if name not in COMMANDS:
        _say(f"{name!r} is no command; choose from {', '.join(COMMANDS)}")
        return 2
    try:
        options = _parsed(name, rest)
        with _sigterm_like_ctrl_c():
            _run(options, shlex.join(["gptcore", *args]))
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        return 143 if "SIGTERM" in interrupt.args else 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, Diverged) as error:
        _say(f"{name}: {' '.join(str(error).split())}")
        return 2
    return 0


def _overview() -> str:
    lines = ["usage: gptcore COMMAND ...", "", "Train small GPTs, and let them write.", ""]
    lines += [
        f"  {name:<10} {(kind.__doc__ or '').splitlines()[0]}" for name, kind in COMMANDS.items()
    ]
    lines += ["", "gptcore COMMAND --help tells the options of a command. For example:"]
    lines += [EXAMPLES["train"].strip("\n").splitlines()[0], EXAMPLES["generate"].splitlines()[1]]
    return "\n".join(lines)


def _parsed(name: str, args: list[str]) -> Any:
    """The options of a command; tyro prints help and complaints and exits."""
    kind = COMMANDS[name]
    description = f"{inspect.cleandoc(kind.__doc__ or '')}\n\nExamples:{EXAMPLES[name]}"
    default: Any = tyro.MISSING_NONPROP
    if name == "train":  # the preset decides the defaults of the model's options
        words = [part for word in args for part in word.split("=", 1)]
        preset = words[words.index("--preset") + 1 :] if "--preset" in words else []
        shape = PRESETS.get(preset[0] if preset else "tiny", PRESETS["tiny"])
        default = Train(out=tyro.MISSING, model=shape)
    return tyro.cli(
        kind, prog=f"gptcore {name}", description=description, args=args, default=default
    )


def _run(options: Any, command: str) -> None:
    if isinstance(options, Train):
        run_train(options, command)
    else:
        RUN[type(options)](options)


RUN: dict[type, Callable[[Any], None]] = {
    Tales: run_tales,
    Generate: run_generate,
    Evaluate: run_evaluate,
    Info: run_info,
}


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, with which batch systems and containers end a job, saves too."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt("SIGTERM")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())

"""`gptcore generate`: let a model continue a text, or many.

Source: none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional, UseAppendAction

from gptcore.commands import load, say

if TYPE_CHECKING:
    from gptcore.model import GPT
    from gptcore.tokenizer import Tokenizer

EXAMPLES = """
  gptcore generate runs/tiny "Once upon a time" --temperature 0.8 --seed 1
  gptcore generate tales-gpt1 "One windy morning," --temperature 0.6 --samples 3 --stop "\\n"
  gptcore generate tales-gpt1 --prompt-file beginning.txt --slide
  gptcore generate tales-gpt1 --prompts lines.txt --top-p 0.9 --seed 1 > texts.jsonl
  gptcore generate tales-gpt1 "Tom looked for" --beams 4
  gptcore generate gpt2 "In a shocking finding," --top-k 40"""
SEPARATOR = "<|endoftext|>"


@dataclass(frozen=True)
class Options:
    """Continue a text."""

    checkpoint: Positional[str]
    """Folder with a model, a shipped one (tales-gpt1), or its name on the Hugging Face Hub: gpt2,
    openai-gpt, org/name."""
    prompt: Positional[str] = ""
    """The text to continue; without one the model begins a text of its own. What begins with two
    dashes goes behind a bare --."""
    prompt_file: Path | None = None
    """Continue the text of this file instead, without its last line break; - reads it from
    standard input."""
    prompts: Path | None = None
    """Continue every line of this file, many side by side, and write JSON lines: line, prompt and
    text. Of a .jsonl file the field prompt is continued and the others are kept. What cannot be
    continued says so in its line, and the rest goes on. - reads standard input."""
    batch_size: int = 32
    """Of --prompts, so many side by side; changes the speed only."""
    samples: int = 1
    """So many continuations, side by side; a line <|endoftext|> stands between them."""
    max_new_tokens: int = 200
    """At most so many tokens."""
    temperature: float = 1.0
    """Below 1 more predictable, above 1 more surprising; 0 always takes the likeliest token."""
    top_k: int | None = None
    """Choose among so many likeliest tokens."""
    top_p: float | None = None
    """Choose among the likeliest tokens that together have this probability."""
    top_p_rule: Literal["textbook", "openai"] = "textbook"
    """Whether the token that reaches top_p is kept (textbook) or not (openai)."""
    repetition_penalty: float = 1.0
    """Above 1, tokens that are there already become less likely; 1.2 is CTRL's."""
    repetition_rule: Literal["signed", "paper"] = "signed"
    """Whether negative logits are multiplied by it (signed) or divided like the others (paper)."""
    beams: int | None = None
    """Search with so many beams for the likeliest text, instead of drawing one; GPT-3 took 4."""
    length_penalty: float = 0.6
    """Of --beams: 0 compares likelihoods as they are, above 0 longer texts are favoured."""
    stop: UseAppendAction[tuple[str, ...]] = ()
    """End before this text too, not only at the end of text; \\n is a line break. May be given
    several times."""
    seed: int | None = None
    """The same seed gives the same text."""
    slide: bool = False
    """Go on when the context is full, with its last half; of a longer prompt, begin with that."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""


DRAWING = (
    "temperature",
    "top_k",
    "top_p",
    "top_p_rule",
    "repetition_penalty",
    "repetition_rule",
    "seed",
    "slide",
)
SEARCHING = ("beams", "length_penalty")
Writes = Callable[[list[str], int], list[str]]
"""Prompts, and the number of the first one's seed, to texts."""


def words(args: list[str]) -> list[str]:
    """The words of the command line, so that a text may begin with a dash, as dialogue does.

    A word that begins with one dash, or with two and has a space in it, is no option of ours: it
    is the value of the option before it, or the prompt, which goes behind a bare "--".
    """
    options = {f"--{f.name}".replace("_", "-") for f in fields(Options)} | {"--help"}
    flags = {f"--{f.name}" for f in fields(Options) if f.type in ("bool", "Positional[str]")}
    found: list[str] = []
    prompt: list[str] = []
    for i, word in enumerate(args):
        if word == "--":
            return [*found, *args[i:]] if not prompt else [*found, *prompt, *args[i + 1 :]]
        dashed = word.startswith("-") and word not in ("-", "-h")
        name = word.split("=")[0].replace("_", "-").replace("--no-", "--")
        if word.startswith("--") and name not in options and " " not in word:
            say(f"{word} is no option; if it is the text to continue, put a bare -- before it")
        if not dashed or (word.startswith("--") and not any(c.isspace() for c in word)):
            found.append(word)
        elif found and found[-1].startswith("--") and "=" not in found[-1]:
            if found[-1].replace("_", "-") in flags | {"--no-slide"}:
                prompt = ["--", word]
            else:
                found[-1] += f"={word}"
        else:
            prompt = ["--", word]
    return found + prompt


def run(options: Options) -> None:
    """Write prompt and continuation to stdout, each piece as soon as it is known."""
    from gptcore.sampling.drawing import samples, stream

    _check_together(options)
    if options.prompts is not None:
        _run_lines(options, options.prompts)
        return
    prompt = _prompt(options)
    model, tokenizer = load(options.checkpoint, options.device)
    settings = _settings(options)
    asked = prompt or _end_of_text(tokenizer)
    _say_what_is_read(model, tokenizer, asked, options.slide)
    if options.beams is not None:
        _write(prompt, iter(_writes(options, model, tokenizer)([asked], 0)))
    elif options.samples == 1:
        _write(prompt, stream(model, tokenizer, asked, **settings))
    else:
        for i, text in enumerate(samples(model, tokenizer, asked, options.samples, **settings)):
            if i:
                print(SEPARATOR)
            _write(prompt, iter([text]))


def _settings(options: Options) -> dict[str, Any]:
    """What the options say about each text, as arguments of the functions that write."""
    names = SEARCHING if options.beams is not None else DRAWING
    settings: dict[str, Any] = {name: getattr(options, name) for name in names}
    plain = [text.replace("\\n", "\n").replace("\\t", "\t") for text in options.stop]
    return settings | {"max_new_tokens": options.max_new_tokens, "stop": [SEPARATOR, *plain]}


def _check_together(options: Options) -> None:
    """Options that say two things at once.

    Raises:
        ValueError: names both.
    """
    beams, file = options.beams, options.prompts
    changed = {f.name for f in fields(Options) if getattr(options, f.name) != f.default}
    if beams is None and "length_penalty" in changed:
        raise ValueError(f"length_penalty={options.length_penalty} needs beams: --beams 4")
    for name in sorted(changed & {*DRAWING, "samples"}) if beams is not None else ():
        value = getattr(options, name)
        raise ValueError(f"beams={beams} and {name}={value!r}: a search draws nothing, give one")
    for name in sorted(changed & {"prompt", "prompt_file"}) if file is not None else ():
        value = str(getattr(options, name))
        raise ValueError(f"{name}={value!r} and prompts={str(file)!r}: give one")


def _run_lines(options: Options, file: Path) -> None:
    """Continue every line of a file; a JSON line to stdout for each, in their order."""
    from gptcore.sampling.prompts import check_count, encode, fitting

    check_count("batch_size", options.batch_size)
    check_count("samples", options.samples)
    rows = _rows(file)
    if not rows:
        raise ValueError(f"prompts={str(file)!r} has no lines, so there is nothing to continue")
    model, tokenizer = load(options.checkpoint, options.device)
    writes, problems, first = _writes(options, model, tokenizer), [], 0
    for at in range(0, len(rows), options.batch_size):
        group = rows[at : at + options.batch_size]
        for row in group:
            try:
                if "problem" not in row:
                    ids = encode(model, tokenizer, row["prompt"])
                    fitting(model, len(ids), options.slide)
            except (TypeError, ValueError) as error:
                row["problem"] = str(error)
        good = [row for row in group if "problem" not in row for _ in range(options.samples)]
        texts = iter(writes([row["prompt"] for row in good], first))
        first += len(good)
        problems += [row for row in group if "problem" in row]
        for row in group:
            bad = "problem" in row
            for text in [None] if bad else [next(texts) for _ in range(options.samples)]:
                print(json.dumps({**row, "text": text}, ensure_ascii=False), flush=True)
    if problems:
        one = f"line {problems[0]['line']}: {problems[0]['problem']}"
        say(f"{len(problems)} of {len(rows)} prompts could not be continued, the first in {one}")
    if len(problems) == len(rows):
        raise ValueError(f"prompts={str(file)!r} has no line that can be continued")


def _writes(options: Options, model: GPT, tokenizer: Tokenizer) -> Writes:
    """The function that the options ask for."""
    from gptcore.sampling.beam import beam_search
    from gptcore.sampling.drawing import generate

    settings = _settings(options)
    if options.beams is not None:
        return lambda prompts, first: beam_search(model, tokenizer, prompts, **settings)
    seed = settings.pop("seed")

    def draw(prompts: list[str], first: int) -> list[str]:
        own = None if seed is None else seed + first
        size = options.batch_size
        return generate(model, tokenizer, prompts, seed=own, batch_size=size, **settings)

    return draw


def _rows(file: Path) -> list[dict[str, Any]]:
    """The lines of a file with prompts that are not empty: number and prompt, or what is wrong."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_read("prompts", file).split("\n"), start=1):
        if not line.strip():
            continue
        row: dict[str, Any] = {"line": number, "prompt": line}
        if file.suffix == ".jsonl":
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if isinstance(found, dict) and isinstance(found.get("prompt"), str):
                row = {**found, **row, "prompt": found["prompt"]}
            else:
                row["problem"] = "no JSON object with a text in the field prompt"
        rows.append(row)
    return rows


def _prompt(options: Options) -> str:
    """The text to continue, from wherever it comes.

    Raises:
        ValueError: two texts were given, or the file is not UTF-8.
    """
    file = options.prompt_file
    if file is None:
        return options.prompt
    if options.prompt:
        raise ValueError(f"prompt={options.prompt!r} and prompt_file={str(file)!r}: give one")
    return _read("prompt_file", file).removesuffix("\n")


def _read(field: str, file: Path) -> str:
    """A text file, or standard input, with plain line breaks.

    Raises:
        ValueError: it is not UTF-8.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{field}={str(file)!r} is not UTF-8: {error}") from error


def _end_of_text(tokenizer: Tokenizer) -> str:
    """What stands before a new text, by name; nothing where the tokenizer has no such token."""
    return next(iter(tokenizer.ends), "")


def _say_what_is_read(model: GPT, tokenizer: Tokenizer, prompt: str, slide: bool) -> None:
    n_ctx = model.config.n_ctx
    if slide and (n := len(tokenizer.encode(prompt, allow_special=True))) >= n_ctx:
        say(f"the prompt has {n:,} tokens and the context {n_ctx:,}: only its end is read")


def _write(prompt: str, pieces: Iterator[str]) -> None:
    sys.stdout.write(prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")

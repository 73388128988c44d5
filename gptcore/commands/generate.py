"""`gptcore generate`: let a model continue a text.

Source: none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
    stop: UseAppendAction[tuple[str, ...]] = ()
    """End before this text too, not only at the end of text; \\n is a line break. May be given
    several times."""
    seed: int | None = None
    """The same seed gives the same text."""
    slide: bool = False
    """Go on when the context is full, with its last half; of a longer prompt, begin with that."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto: cuda where there is one, else cpu."""


SAMPLING = ("max_new_tokens", "temperature", "top_k", "top_p", "top_p_rule", "seed", "slide")


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

    prompt = _prompt(options)
    model, tokenizer = load(options.checkpoint, options.device)
    settings: dict[str, Any] = {name: getattr(options, name) for name in SAMPLING}
    plain = [text.replace("\\n", "\n").replace("\\t", "\t") for text in options.stop]
    settings["stop"] = [SEPARATOR, *plain]
    asked = prompt or _end_of_text(tokenizer)
    _say_what_is_read(model, tokenizer, asked, options.slide)
    if options.samples == 1:
        _write(prompt, stream(model, tokenizer, asked, **settings))
        return
    for i, text in enumerate(samples(model, tokenizer, asked, options.samples, **settings)):
        if i:
            print(SEPARATOR)
        _write(prompt, iter([text]))


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
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"prompt_file={str(file)!r} is not UTF-8: {error}") from error
    return text.replace("\r\n", "\n").removesuffix("\n")


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

"""`gptcore generate`, as a stranger uses it: prompts from anywhere, several texts, their ends."""

import io
import sys

import pytest
import torch
from command_line import failing

from gptcore import __main__ as cli
from gptcore import checkpoint, generate
from gptcore.commands.generate import words
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.tokenizer import Tokenizer

SEPARATOR = "<|endoftext|>"


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """A network that was not trained, over bytes: what it writes is odd, and its own."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=257, n_ctx=32, n_layer=1, n_head=1, d_model=32))
    tokenizer = Tokenizer.train("ab", 257)
    return checkpoint.save(tmp_path_factory.mktemp("writer") / "model", model, tokenizer)


def printed(capsys, *args: object) -> str:
    assert cli.main(["generate", *map(str, args)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def expected(writer, prompt: str, **settings) -> str:
    model, tokenizer = checkpoint.load(writer)
    text = generate(model, tokenizer, prompt, seed=1, **settings)
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("prompt", ["-hello", "- Hello, he said", "-5", "--- a rule", "—So"])
def test_a_prompt_may_begin_with_a_dash(writer, capsys, prompt):
    """With and without the bare "--", wherever the options stand."""
    text = prompt + expected(writer, prompt, max_new_tokens=5) + "\n"
    rest = ["--max-new-tokens", "5", "--seed", "1"]
    assert printed(capsys, writer, prompt, *rest) == text
    assert printed(capsys, writer, *rest, prompt) == text
    assert printed(capsys, writer, *rest, "--slide", prompt).startswith(prompt)
    assert printed(capsys, writer, *rest, "--", prompt) == text


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["m", "hi", "--seed", "1"], ["m", "hi", "--seed", "1"]),
        (["m", "-hi", "--seed", "1"], ["m", "--seed", "1", "--", "-hi"]),
        (["m", "--temperature", "-1", "hi"], ["m", "--temperature=-1", "hi"]),
        (["m", "--slide", "-hi"], ["m", "--slide", "--", "-hi"]),
        (["m", "--no-slide", "-hi"], ["m", "--no-slide", "--", "-hi"]),
        (["m", "--stop", "-- x", "hi"], ["m", "--stop=-- x", "hi"]),
        (["m", "--prompt-file", "-"], ["m", "--prompt-file", "-"]),
        (["m", "--", "--hi"], ["m", "--", "--hi"]),
        (["-h"], ["-h"]),
    ],
)
def test_words_that_are_no_options_are_values_or_the_prompt(given, made):
    assert words(given) == made


def test_an_option_that_is_none_says_how_text_would_be_meant(writer, capsys):
    told = failing(capsys, "generate", writer, "--hello")
    assert "put a bare -- before it" in told and "Unrecognized" in told


def test_without_a_prompt_a_text_begins(writer, capsys):
    text = expected(writer, SEPARATOR, max_new_tokens=9) + "\n"
    assert printed(capsys, writer, "--max-new-tokens", "9", "--seed", "1") == text
    assert printed(capsys, writer, "", "--max-new-tokens", "9", "--seed", "1") == text
    bare = checkpoint.save(
        writer.parent / "bare", checkpoint.load(writer)[0], Tokenizer.train("ab", 256, specials=())
    )
    assert "prompt='' has no tokens" in failing(capsys, "generate", bare)


def test_a_prompt_from_a_file_or_from_standard_input(writer, capsys, tmp_path, monkeypatch):
    """One line break at its end belongs to the file, a mark at its beginning to the editor."""
    settings = ["--max-new-tokens", "5", "--seed", "1"]
    text = "The fox:\nhé" + expected(writer, "The fox:\nhé", max_new_tokens=5) + "\n"
    (tmp_path / "p.txt").write_bytes("\ufeffThe fox:\r\nhé\r\n".encode())
    assert printed(capsys, writer, "--prompt-file", tmp_path / "p.txt", *settings) == text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("The fox:\nhé".encode())))
    assert printed(capsys, writer, "--prompt-file", "-", *settings) == text
    (tmp_path / "p.txt").write_bytes(b"caf\xe9")
    told = failing(capsys, "generate", writer, "--prompt-file", tmp_path / "p.txt")
    assert "is not UTF-8" in told and told.count("\n") == 1
    told = failing(capsys, "generate", writer, "Hi", "--prompt-file", tmp_path / "p.txt")
    assert "give one" in told
    assert "gone.txt" in failing(capsys, "generate", writer, "--prompt-file", "gone.txt")


def test_several_samples_stand_apart(writer, capsys):
    text = printed(capsys, writer, "Hi", "--samples", "3", "--max-new-tokens", "9", "--seed", "1")
    parts = text.removesuffix("\n").split(f"\n{SEPARATOR}\n")
    assert len(parts) == len(set(parts)) == 3 and all(part.startswith("Hi") for part in parts)
    assert "n=0 must be at least 1" in failing(capsys, "generate", writer, "Hi", "--samples", "0")


def test_stops_may_be_given_several_times_and_the_end_of_text_stays_one(writer, capsys):
    whole = expected(writer, "Hi", max_new_tokens=25)
    first, second = whole[6], whole[3]
    args = [writer, "Hi", "--seed", "1", "--max-new-tokens", "25"]
    cut = printed(capsys, *args, "--stop", first, "--stop", second)
    assert cut == "Hi" + whole[: min(whole.index(first), whole.index(second))] + "\n"
    assert printed(capsys, *args, "--stop", "no such text") == f"Hi{whole}\n"


def test_a_stop_of_two_letters_backslash_n_is_a_line_break(capsys):
    args = ["tales-gpt1", "One day", "--seed", "1", "--max-new-tokens", "200", "--stop", "\\n"]
    assert printed(capsys, *args).count("\n") == 1


def test_of_a_long_prompt_it_is_said_what_is_read(writer, capsys):
    assert cli.main(["generate", str(writer), "ab" * 50, "--slide", "--max-new-tokens", "3"]) == 0
    told = capsys.readouterr().err
    assert "the prompt has 100 tokens and the context 32: only its end is read" in told
    assert "with slide its end is read" in failing(capsys, "generate", writer, "ab" * 50)

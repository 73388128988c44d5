"""`gptcore generate`, as a stranger uses it: prompts from anywhere, several texts, their ends."""

import io
import json
import sys

import pytest
import torch
from command_line import failing

from gptcore import __main__ as cli
from gptcore import checkpoint, generate
from gptcore.commands.generate import words
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.sampling.beam import beam_search
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


# --- many prompts, and a search -------------------------------------------------------------------


def lines(capsys, *args) -> list[dict]:
    return [json.loads(line) for line in printed(capsys, *args).splitlines()]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_every_line_of_a_file_is_continued(writer, capsys, tmp_path, batch_size):
    """In their order, blank lines left out, each drawn as if it were alone: seed 1, 2, 3."""
    (tmp_path / "p.txt").write_bytes("\ufeffThe fox\r\n\r\nhé 你, she said\nA\n".encode())
    settings = ["--max-new-tokens", "9", "--seed", "1", "--batch-size", batch_size]
    found = lines(capsys, writer, "--prompts", tmp_path / "p.txt", *settings)
    model, tokenizer = checkpoint.load(writer)
    for seed, row in enumerate(found, start=1):
        text = generate(model, tokenizer, row["prompt"], seed=seed, max_new_tokens=9)
        assert row["text"] == text.encode("utf-8", "backslashreplace").decode()
    assert [(row["line"], row["prompt"]) for row in found] == [
        (1, "The fox"),
        (3, "hé 你, she said"),
        (4, "A"),
    ]


def test_json_lines_keep_their_fields_and_may_have_several_samples(writer, capsys, tmp_path):
    rows = [{"prompt": "The fox", "id": 7}, {"prompt": "A\nB", "line": "mine"}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    args = ["--samples", "2", "--seed", "1", "--max-new-tokens", "9"]
    found = lines(capsys, writer, "--prompts", tmp_path / "p.jsonl", *args)
    assert [(row["prompt"], row["line"], row.get("id")) for row in found] == [
        ("The fox", 1, 7),
        ("The fox", 1, 7),
        ("A\nB", 2, None),
        ("A\nB", 2, None),
    ]
    assert found[0]["text"] != found[1]["text"]
    assert found[0]["text"] == expected(writer, "The fox", max_new_tokens=9)


def test_a_line_that_cannot_be_continued_costs_only_itself(writer, capsys, tmp_path):
    good, long = json.dumps({"prompt": "The fox"}), json.dumps({"prompt": "a" * 32})
    text = "\n".join([long, "{", good, "[1]", '{"prompt": 3}', '{"prompt": ""}', good])
    (tmp_path / "p.jsonl").write_text(text)
    args = ["generate", str(writer), "--prompts", str(tmp_path / "p.jsonl"), "--seed", "1"]
    assert cli.main([*args, "--max-new-tokens", "9"]) == 0
    out, told = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [row["line"] for row in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["text"] is None for row in found] == [True, True, False, True, True, True, False]
    assert found[2]["text"] == expected(writer, "The fox", max_new_tokens=9)  # the first that can
    assert "prompt has 32 tokens" in found[0]["problem"]
    assert "no JSON object with a text in the field prompt" in found[1]["problem"]
    assert "5 of 7 prompts could not be continued, the first in line 1: prompt has 32" in told
    (tmp_path / "p.jsonl").write_text("{")
    assert cli.main(args) == 2
    assert "has no line that can be continued" in capsys.readouterr().err
    (tmp_path / "p.jsonl").write_text(" \n")
    assert "has no lines, so there is nothing to continue" in failing(capsys, *args)


def test_prompts_come_from_standard_input(writer, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("The fox\nhé".encode())))
    found = lines(capsys, writer, "--prompts", "-", "--max-new-tokens", "3")
    assert [row["prompt"] for row in found] == ["The fox", "hé"]


def test_a_search_over_the_likeliest_texts(writer, capsys, tmp_path):
    model, tokenizer = checkpoint.load(writer)
    for extra, settings in (((), {}), (("--length-penalty", "2"), {"length_penalty": 2.0})):
        args = (writer, "The fox", "--beams", "3", "--max-new-tokens", "9", *extra)
        text = beam_search(model, tokenizer, "The fox", beams=3, max_new_tokens=9, **settings)
        assert printed(capsys, *args) == f"The fox{text}\n"
    (tmp_path / "p.txt").write_text("The fox\nA")
    found = lines(
        capsys, writer, "--prompts", tmp_path / "p.txt", "--beams", 3, "--max-new-tokens", 9
    )
    both = beam_search(model, tokenizer, ["The fox", "A"], beams=3, max_new_tokens=9)
    assert [row["text"] for row in found] == both


def test_a_penalty_is_passed_on(writer, capsys):
    args = (writer, "aaaa", "--seed", "1", "--max-new-tokens", "20", "--repetition-penalty", "0.1")
    for rule in ("signed", "paper"):
        how = {"max_new_tokens": 20, "repetition_penalty": 0.1, "repetition_rule": rule}
        text = expected(writer, "aaaa", **how)
        assert printed(capsys, *args, "--repetition-rule", rule) == f"aaaa{text}\n"
        assert text != expected(writer, "aaaa", max_new_tokens=20)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["A", "--beams", "3", "--top-k", "5"], "beams=3 and top_k=5: a search draws nothing"),
        (["A", "--beams", "3", "--samples", "2"], "beams=3 and samples=2"),
        (["A", "--beams", "3", "--slide"], "beams=3 and slide=True"),
        (["A", "--beams", "0"], "beams=0 must be at least 1"),
        (["A", "--length-penalty", "1"], "length_penalty=1.0 needs beams: --beams 4"),
        (["A", "--repetition-penalty", "0"], "repetition_penalty=0.0 must be a finite number"),
        (["A", "--prompts", "p.txt"], "prompt='A' and prompts='p.txt': give one"),
        (["--prompts", "p.txt", "--prompt-file", "q"], "prompt_file='q' and prompts='p.txt'"),
        (["--prompts", "gone.txt"], "gone.txt"),
        (["--prompts", "p.txt", "--batch-size", "0"], "batch_size=0 must be at least 1"),
        (["--prompts", "p.txt", "--samples", "0"], "samples=0 must be at least 1"),
    ],
)
def test_what_does_not_go_together_is_said(writer, capsys, args, message):
    assert message in failing(capsys, "generate", writer, *args)

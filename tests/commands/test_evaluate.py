"""`gptcore evaluate`: on what a model is measured, that this is said, and what its numbers mean."""

import json
import shutil

import pytest
from command_line import failing

from gptcore import __main__ as cli
from gptcore import checkpoint, tales
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.text.streams import TokenStream
from gptcore.tokenizer import Tokenizer
from gptcore.train.held_out import held_out

SHORT = ["--preset", "tiny", "--steps", "4", "--warmup", "1", "--d-model", "8", "--quiet"]
SHORT += ["--vocab-size", "300"]


def trained(out, *args):
    assert cli.main(["train", "--out", str(out), *SHORT, *map(str, args)]) == 0
    return out


@pytest.fixture(scope="module")
def on_text(tmp_path_factory):
    """A run on text of its own: letters, then figures, so that the end is known."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.txt").write_text("the cat sat on the mat . " * 150 + "3 1 4 1 5 9 2 6 " * 20)
    return trained(folder / "run", "--text", folder / "own.txt", "--held-out", "0.1")


def measured(capsys, *args) -> tuple[dict, str]:
    capsys.readouterr()  # what came before
    assert cli.main(["evaluate", *map(str, args), "--json"]) == 0, capsys.readouterr().err
    told = capsys.readouterr()
    return json.loads(told.out), told.err


def test_a_run_is_measured_on_its_own_held_out_text(on_text, capsys):
    """The numbers are those of run.json; nothing about tales is said."""
    score, told = measured(capsys, on_text)
    expected = json.loads((on_text / "run.json").read_text())["held_out"]
    for name in ("nats_per_token", "bits_per_byte"):
        assert score[name] == pytest.approx(expected[name], abs=1e-4)
    assert score["n_tokens"] == expected["n_tokens"]
    assert score["measured_on"] == "the held-out part of the text of its own run"
    assert told == ""
    tokens = held_out(on_text, Tokenizer.load(on_text)).tokens
    assert "1 4 1 5" in Tokenizer.load(on_text).decode(tokens)
    assert cli.main(["evaluate", str(on_text)]) == 0
    assert "tokens scored: the held-out part of the text" in capsys.readouterr().out


def test_so_is_a_run_on_tales_and_what_it_kept_on_the_way(tmp_path, capsys):
    """40 tales to train on, a twentieth of that held out: the first two of the held-out split."""
    run = trained(tmp_path / "run", "--tales", "40", "--keep-every", "2")
    first = tales.split("valid").start
    n_bytes = sum(len(tales.tale(0, first + i).text.encode()) for i in range(2))
    for folder in (run, run / "at" / "000002"):
        score, _ = measured(capsys, folder)
        assert score["n_bytes"] == n_bytes
        assert score["measured_on"] == "the held-out part of the text of its own run"


def test_without_a_run_it_is_said_that_tales_are_read(on_text, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(on_text / name, bare)
    assert held_out(bare, Tokenizer.load(bare)) is None
    score, told = measured(capsys, bare)
    assert score["measured_on"] == "200 held-out tales, in English"
    assert "measuring on 200 held-out tales, in English" in told and "--text FILE" in told
    score, told = measured(capsys, on_text, "--tales", "3")  # asked for: no need to say it
    assert score["measured_on"] == "3 held-out tales, in English" and told == ""


def test_a_run_whose_streams_are_not_its_own_is_not_believed(on_text, tmp_path):
    """Negative controls: text removed, another tokenizer, a record of something else."""
    tokenizer = Tokenizer.load(on_text)
    assert isinstance(held_out(on_text, tokenizer), TokenStream)
    assert held_out(on_text, Tokenizer.train("other words", 260)) is None
    copy = tmp_path / "copy"
    shutil.copytree(on_text, copy)
    shutil.rmtree(copy / "data")
    assert held_out(copy, tokenizer) is None
    shutil.copytree(on_text / "data", copy / "data")
    record = json.loads((copy / "run.json").read_text())
    for change in ({"text_sha256": "0"}, {"valid_tokens": "many"}):
        (copy / "run.json").write_text(json.dumps({"data": record["data"] | change}))
        assert held_out(copy, tokenizer) is None
    (copy / "run.json").write_text("[]")
    assert held_out(copy, tokenizer) is None


def test_text_and_tales_together_are_refused(on_text, capsys):
    told = failing(capsys, "evaluate", on_text, "--text", "a.txt", "--tales", "3")
    assert "give one of them" in told


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A word-level model: what it has no letters for becomes <unk>."""
    folder = tmp_path_factory.mktemp("words")
    text = "the cat sat on the mat . the dog sat on the log . " * 60
    (folder / "en.txt").write_text(text)
    Tokenizer.train(text, 80, kind="word", splitter="plain").save(folder / "tok")
    return trained(folder / "m", "--text", folder / "en.txt", "--tokenizer", folder / "tok")


def test_bits_of_text_that_the_vocabulary_cannot_say_are_not_told(words, tmp_path, capsys):
    (tmp_path / "zh.txt").write_text("天地玄黄宇宙洪荒日月盈昃辰宿列张。" * 40, encoding="utf-8")
    score, told = measured(capsys, words, "--text", tmp_path / "zh.txt")
    assert score["bits_per_byte"] is None and score["n_unknown"] > 0.9 * score["n_tokens"]
    assert "tokens are <unk> (9" in told and "Bits per byte would mean nothing" in told
    assert cli.main(["evaluate", str(words), "--text", str(tmp_path / "zh.txt")]) == 0
    assert "bits per byte" not in capsys.readouterr().out


def test_a_few_unknown_characters_are_told_and_none_are_not(words, tmp_path, capsys):
    """One of some 700 tokens; then none, and then nothing is said."""
    (tmp_path / "a.txt").write_text("the cat sat on the mat . " * 100 + "你 .")
    score, told = measured(capsys, words, "--text", tmp_path / "a.txt")
    assert score["n_unknown"] == 1 and score["bits_per_byte"] > 0
    assert "1 tokens are <unk> (0.1%)" in told and "a little too low" in told
    (tmp_path / "a.txt").write_text("the cat sat on the mat . " * 9)
    score, told = measured(capsys, words, "--text", tmp_path / "a.txt")
    assert score["n_unknown"] == 0 and told == f"gptcore: reads {tmp_path / 'a.txt'}, 0.00 MB\n"
    assert checkpoint.load(words)[1].kind == "word"


@pytest.mark.filterwarnings("ignore:.*has bytes that the vocabulary")
def test_bytes_that_an_incomplete_alphabet_leaves_out_are_told(tmp_path, capsys):
    """A vocabulary of three bytes: each é of "ab é" loses both of its own, 2 of 5."""
    tokenizer = Tokenizer({"a": 0, "b": 1, "Ġ": 2}, [], specials={"<|endoftext|>": 3})
    model = GPT(GPTConfig(vocab_size=4, n_ctx=8, n_layer=1, n_head=1, d_model=4))
    folder = checkpoint.save(tmp_path / "m", model, tokenizer)
    (tmp_path / "a.txt").write_text("ab é" * 50, encoding="utf-8")
    score, told = measured(capsys, folder, "--text", tmp_path / "a.txt")
    assert score["n_unknown"] == 100 and score["bits_per_byte"] is None
    assert "100 bytes have no token (40.0%)" in told

"""Vocabularies on disk: what is written comes back, and what is damaged is named."""

import gzip
import json
import os
from pathlib import Path

import pytest

from gptcore.tokenizer import Tokenizer, files
from gptcore.tokenizer.vocabulary import BYTE_CHARS

TEXT = "She sells sea shells by the sea shore, isn't it so?\n"
KINDS = {
    "byte": {"kind": "byte"},
    "plain": {"kind": "word", "splitter": "plain"},
    "spacy": {"kind": "word", "splitter": "spacy"},
}


def trained(name: str) -> Tokenizer:
    return Tokenizer.train(TEXT, 280 if name == "byte" else 60, **KINDS[name])


def edited(path: Path, change) -> Path:
    """The same tokenizer.json after `change(content)`."""
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    trained("byte").save(tmp_path / "t.json")
    return tmp_path / "t.json"


# ------------------------------------------------------------------ what is written comes back


@pytest.mark.parametrize("name", KINDS)
def test_saved_is_loaded(name: str, tmp_path: Path) -> None:
    tokenizer = trained(name)
    tokenizer.save(tmp_path / "new" / "folder")
    tokenizer.save(str(tmp_path / "one.json"))
    assert os.listdir(tmp_path / "new/folder") == ["tokenizer.json"]
    for path in (
        tmp_path / "new/folder",
        tmp_path / "new/folder/tokenizer.json",
        tmp_path / "one.json",
    ):
        loaded = Tokenizer.load(path)
        assert loaded == tokenizer
        assert loaded.encode(TEXT) == tokenizer.encode(TEXT)
        assert loaded.splitter == tokenizer.splitter


def test_a_failed_save_leaves_the_old_file(file: Path, monkeypatch) -> None:
    before = file.read_bytes()

    def disk_full(*_args, **_kwargs):
        raise OSError("disk full")

    for broken in ("json.dump", "os.replace"):
        monkeypatch.setattr(f"gptcore.tokenizer.files.{broken}", disk_full)
        with pytest.raises(OSError, match="disk full"):
            trained("plain").save(file)
        monkeypatch.undo()
        assert file.read_bytes() == before
        assert os.listdir(file.parent) == ["t.json"]


def test_others_may_read_what_is_saved(file: Path) -> None:
    assert file.stat().st_mode & 0o444 == 0o444


def test_the_older_published_form_of_gpt2_is_read(file: Path) -> None:
    """Merges as strings, no model type, no use_regex: as on the Hub since 2019."""

    def older(content: dict) -> None:
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
        del content["model"]["type"], content["model"]["byte_fallback"]
        del content["model"]["ignore_merges"]
        content["pre_tokenizer"] = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
        }

    assert Tokenizer.load(edited(file, older)) == trained("byte")


def test_the_published_form_of_gpt1_is_read(tmp_path: Path) -> None:
    """`<unk>` is an added token there; the prefix is null."""
    trained("spacy").save(tmp_path)

    def published(content: dict) -> None:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        content["added_tokens"] = [{"id": 0, "special": True, "content": "<unk>", **flags}]
        content["model"]["continuing_subword_prefix"] = None
        del content["model"]["vocab"]["<|endoftext|>"]

    tokenizer = Tokenizer.load(edited(tmp_path / "tokenizer.json", published))
    assert (tokenizer.kind, tokenizer.splitter, tokenizer.specials) == ("word", "spacy", {})
    assert tokenizer.merges == trained("spacy").merges
    assert tokenizer.encode("sea 你") == [*trained("spacy").encode("sea"), 0]


def test_a_special_outside_the_vocabulary_is_read(file: Path) -> None:
    def move(content: dict) -> None:
        del content["model"]["vocab"]["<|endoftext|>"]

    assert Tokenizer.load(edited(file, move)) == trained("byte")


# ------------------------------------------------------------------ OpenAI's pairs of files


def openai_pair(folder: Path, vocab: dict[str, int], lines: list[str]) -> tuple[Path, Path]:
    (folder / "encoder.json").write_text(json.dumps(vocab), "utf-8")
    (folder / "vocab.bpe").write_text("\n".join(["#version: 0.2", *lines, ""]), "utf-8")
    return folder / "encoder.json", folder / "vocab.bpe"


GPT2 = {char: i for i, char in enumerate([*BYTE_CHARS, "ab", "abc", "<|endoftext|>"])}
GPT1 = ["<unk>", "b", "a", "c", "c</w>", "a</w>", "b</w>", "bc</w>", "ab</w>", "\n</w>"]


def test_openai_pairs_are_told_apart_by_content(tmp_path: Path) -> None:
    gpt2 = Tokenizer.from_openai(*openai_pair(tmp_path, GPT2, ["a b", "ab c"]))
    assert (gpt2.kind, gpt2.vocab_size, gpt2.eot) == ("byte", 259, 258)
    assert gpt2.encode("abcab") == [257, 256]
    vocab = {token: i for i, token in enumerate(GPT1)}
    gpt1 = Tokenizer.from_openai(*openai_pair(tmp_path, vocab, ["b c</w>", "a b</w>"]))
    assert (gpt1.kind, gpt1.splitter, gpt1.eot) == ("word", "spacy", None)
    assert gpt1.encode("ab") == [8]
    assert gpt1.encode("abc") == [2, 7]


def test_gzipped_and_headless_files_are_read(tmp_path: Path) -> None:
    pair = openai_pair(tmp_path, GPT2, ["a b", "ab c"])
    plain = Tokenizer.from_openai(*pair)
    pair[1].write_text("a b\nab c", "utf-8")
    assert Tokenizer.from_openai(*pair) == plain
    for path in pair:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert Tokenizer.from_openai(*pair) == plain


def test_a_damaged_openai_pair_is_named(tmp_path: Path) -> None:
    pair = openai_pair(tmp_path, GPT2, ["a b", "ab", "ab c"])
    with pytest.raises(ValueError, match="vocab.bpe: line 3, 'ab', must be two tokens"):
        Tokenizer.from_openai(*pair)
    pair = openai_pair(tmp_path, GPT2, ["a b", "ab d"])
    message = "encoder.json, .*vocab.bpe: merge 1 makes 'abd', which must have an id in vocab"
    with pytest.raises(ValueError, match=message):
        Tokenizer.from_openai(*pair)
    pair[0].write_text("[1, 2]", "utf-8")
    with pytest.raises(ValueError, match="encoder.json: must be an object, token -> id"):
        Tokenizer.from_openai(*pair)
    pair[0].write_text('{"a": 0, "b": 1, "a": 2}', "utf-8")
    with pytest.raises(
        ValueError, match="encoder.json: not a valid JSON file: 'a' stands in it tw"
    ):
        Tokenizer.from_openai(*pair)
    pair[0].write_bytes(gzip.compress(b"{}" * 99)[:-9])
    with pytest.raises(ValueError, match="encoder.json: not a valid gzip file"):
        Tokenizer.from_openai(*pair)
    with pytest.raises(FileNotFoundError, match="absent.json"):
        Tokenizer.from_openai(tmp_path / "absent.json", pair[1])


# ------------------------------------------------------------------ what a reader refuses


def test_a_truncated_or_garbled_file_is_named(file: Path) -> None:
    whole = file.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"\xff\xfe" + whole, b"\x00" * 100):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match="t.json: not a valid JSON file"):
            Tokenizer.load(file)
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        Tokenizer.load(file.parent)


def setter(*keys: str | int, value: object):
    def change(content: dict) -> None:
        *way, last = keys
        for key in way:
            content = content[key]
        content[last] = value

    return change


REFUSED = {
    "must be an object with a 'model'": setter("model", value=5),
    "version='2.0' must be '1.0'": setter("version", value="2.0"),
    "model.type='WordPiece' must be 'BPE'": setter("model", "type", value="WordPiece"),
    "model.byte_fallback=True must be empty or false": setter("model", "byte_fallback", value=True),
    "model.ignore_merges=True must be": setter("model", "ignore_merges", value=True),
    "model.fuse_unk=True must be": setter("model", "fuse_unk", value=True),
    "model.continuing_subword_prefix='##' must be": setter(
        "model", "continuing_subword_prefix", value="##"
    ),
    "model.end_of_word_suffix='_' must be '</w>'": setter("model", "end_of_word_suffix", value="_"),
    "pre_tokenizer.add_prefix_space=True must be False": setter(
        "pre_tokenizer", "add_prefix_space", value=True
    ),
    "pre_tokenizer.use_regex=False must be True": setter("pre_tokenizer", "use_regex", value=False),
    "pre_tokenizer='Whitespace' must be 'ByteLevel'": setter(
        "pre_tokenizer", "type", value="Whitespace"
    ),
    "pre_tokenizer=None must be": setter("pre_tokenizer", value=None),
    "pre_tokenizer='ByteLevel' must be": setter("model", "end_of_word_suffix", value="</w>"),
    "normalizer='NFC' must be null": setter("normalizer", value={"type": "NFC"}),
    "model.vocab: must be an object": setter("model", "vocab", value=None),
    "model.merges must be a list": setter("model", "merges", value={"a": 1}),
    "merge 0, 'abc', must be two tokens": setter("model", "merges", 0, value="abc"),
    "merge 1, \\['a', 1\\], must be two tokens": setter("model", "merges", 1, value=["a", 1]),
    "merge 0, 7, must be two tokens": setter("model", "merges", 0, value=7),
    "merge 0 \\('Z', 'zz'\\) uses 'zz', which must be": setter(
        "model", "merges", 0, value=["Z", "zz"]
    ),
    "added token 5 must have a 'content'": setter("added_tokens", value=[5]),
    "added token '!' has id 9, but 0 in vocab": setter(
        "added_tokens", value=[{"id": 9, "content": "!"}]
    ),
    "id 5 must belong to one token": setter("model", "vocab", "Ġ", value=5),
    "added_tokens must be a list": setter("added_tokens", value={"a": 1}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_we_would_encode_differently_is_refused(message: str, file: Path) -> None:
    with pytest.raises(ValueError, match=f"t.json: {message}"):
        Tokenizer.load(edited(file, REFUSED[message]))


def test_a_changed_plain_pattern_is_refused(tmp_path: Path) -> None:
    trained("plain").save(tmp_path)
    change = setter("pre_tokenizer", "pattern", value={"Regex": r"\w+"})
    with pytest.raises(ValueError, match="pre_tokenizer='Split' must be"):
        Tokenizer.load(edited(tmp_path / "tokenizer.json", change))


def test_the_path_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "strange.json").mkdir()
    path = files.json_path(tmp_path / "strange.json", writing=True)
    assert path == tmp_path / "strange.json/tokenizer.json"
    assert files.json_path(tmp_path / "new", writing=True).name == "tokenizer.json"

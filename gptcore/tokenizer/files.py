"""Vocabularies on disk: OpenAI's pairs of files, and the tokenizer.json of Hugging Face.

Everything read here comes back as the arguments of `Tokenizer`, which checks that merges and
vocabulary agree. A file that holds something we would encode differently is refused.

Source: GPT-1's and GPT-2's released files; the serialized form of the `tokenizers` library.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptcore.tokenizer.added import Added, added_of
from gptcore.tokenizer.words import (
    BYTE_CHARS,
    END_OF_WORD,
    PLAIN_PATTERN,
    STANDARD_FORMS,
    STRAIGHT_QUOTES,
    UNKNOWN,
)

FILE_NAME = "tokenizer.json"
Arguments = dict[str, Any]
"""What `Tokenizer` takes: vocab, merges, kind, specials, splitter."""

# ------------------------------------------------------------------ OpenAI's two files


def read_openai(encoder_json: str | Path, vocab_bpe: str | Path) -> Arguments:
    """Read a vocabulary (token -> id) and its merges; gzipped files may stay so.

    The ids are the file's own: GPT-1 counts its merges from 477, GPT-2 from 256. Tokens that end
    in `</w>` tell GPT-1's files from GPT-2's, and in the latter a token that no merge makes is a
    special one.
    """
    vocab = _vocabulary(parse(encoder_json), str(encoder_json))
    # Windows ends lines with \r\n; blank lines may follow the last one
    lines = _read_text(vocab_bpe).replace("\r\n", "\n").rstrip("\n").split("\n")
    first = 1 if lines[0].startswith("#version") else 0
    merges = []
    for number, line in enumerate(lines[first:], start=first + 1):
        parts = tuple(line.split(" "))
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"{vocab_bpe}: line {number}, {line!r}, must be two tokens")
        merges.append(parts)
    if any(token.endswith(END_OF_WORD) for token in vocab):
        return {"vocab": vocab, "merges": merges, "kind": "word"}
    ordinary = ordinary_tokens(vocab, merges, "byte")
    return {
        "vocab": {token: i for token, i in vocab.items() if token in ordinary},
        "merges": merges,
        "kind": "byte",
        "specials": {token: i for token, i in vocab.items() if token not in ordinary},
    }


def ordinary_tokens(
    vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], kind: str
) -> set[str]:
    """The tokens that a text can become: base symbols and what merges make."""
    made = {left + right for left, right in merges}
    if kind == "byte":
        return made.union(BYTE_CHARS)
    return made | {t for t in vocab if t == UNKNOWN or len(t.removesuffix(END_OF_WORD)) == 1}


# ------------------------------------------------------------------ Hugging Face's one file


def read_tokenizer_json(path: str | Path) -> Arguments:
    """Read a tokenizer.json, ours or a published one of GPT-1 or GPT-2."""
    path = json_path(path)
    content = parse(path)
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise ValueError(f"{path}: must be an object with a 'model'")
    if content.get("version") != "1.0":
        raise ValueError(f"{path}: version={content.get('version')!r} must be '1.0'")
    model = content["model"]
    _refuse_other_models(model, path)
    vocab = _vocabulary(model.get("vocab"), f"{path}: model.vocab")
    merges = _merges(model.get("merges"), path)
    kind, splitter = _kind_and_splitter(content, path)
    entries = _added_tokens(content.get("added_tokens") or [], vocab, path)
    if kind == "word":
        entries.pop(UNKNOWN, None)
    ordinary = ordinary_tokens(vocab, merges, kind)
    specials = {token: i for token, (i, _) in entries.items() if token not in ordinary}
    unknown = model.get("unk_token")
    return {
        "vocab": {token: i for token, i in vocab.items() if token not in specials},
        "merges": merges,
        "kind": kind,
        "specials": specials,
        "splitter": splitter,
        "added": {token: manners for token, (_, manners) in entries.items()},
        "unknown": unknown if kind == "byte" and unknown in vocab else None,
    }


def write_tokenizer_json(
    path: str | Path,
    *,
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    specials: Mapping[str, int],
    splitter: str,
    added: Mapping[str, Added],
    unknown: str | None,
) -> None:
    """Write a tokenizer.json whole or not at all; an older one survives a failure."""
    word, ids = splitter != "gpt2", {**vocab, **specials}
    listed = sorted({*specials, *added}, key=ids.__getitem__)
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[token], "content": token, **added.get(token, Added())._asdict()}
            for token in listed
        ],
        **PIPELINES[splitter],
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": UNKNOWN if word else unknown,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": END_OF_WORD if word else "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": ids,
            "merges": [list(pair) for pair in merges],
        },
    }
    path = json_path(path, writing=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp lets only the owner read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def json_path(path: str | Path, *, writing: bool = False) -> Path:
    """The file that `path` means: itself, or the tokenizer.json in a folder."""
    path = Path(path)
    is_folder = path.suffix != ".json" if writing else path.is_dir()
    return path / FILE_NAME if is_folder or path.is_dir() else path


BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
WORD_DECODER = {"type": "BPEDecoder", "suffix": END_OF_WORD}


def _replace(kind: str, old: str, new: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: old}, "content": new}


PIPELINES: dict[str, dict[str, Any]] = {
    "gpt2": {
        "normalizer": None,
        "pre_tokenizer": BYTE_LEVEL,
        "post_processor": BYTE_LEVEL,
        "decoder": BYTE_LEVEL,
    },
    # what Hugging Face publishes for GPT-1: accents, newlines and n't come out differently there
    "spacy": {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": WORD_DECODER,
    },
    "plain": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                *(_replace("String", *form) for form in STANDARD_FORMS + STRAIGHT_QUOTES),
                _replace("Regex", r"\s*\n\s*", " \n "),
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": PLAIN_PATTERN},
            "behavior": "Removed",
            "invert": True,
        },
        "post_processor": None,
        "decoder": WORD_DECODER,
    },
}
"""How each of our ways to words is said in tokenizer.json."""


# ------------------------------------------------------------------ what a reader must check


def _kind_and_splitter(content: dict[str, Any], path: Path) -> tuple[str, str]:
    """Recognize the file's way to words, or refuse it."""
    before = content.get("pre_tokenizer") or {}
    normalizer = content.get("normalizer") or {}
    word = content["model"].get("end_of_word_suffix") == END_OF_WORD
    _refuse_other_ends(content, path)
    if before.get("type") == "ByteLevel" and not word:
        for name, ours in (("add_prefix_space", False), ("use_regex", True)):
            if before.get(name, ours) is not ours:
                raise ValueError(f"{path}: pre_tokenizer.{name}={before[name]} must be {ours}")
        if normalizer:
            raise ValueError(f"{path}: normalizer={normalizer.get('type')!r} must be null")
        return "byte", "gpt2"
    if before.get("type") == "BertPreTokenizer" and word:
        published = PIPELINES["spacy"]["normalizer"]
        for name, theirs in published.items():
            if normalizer.get(name) != theirs:
                found = normalizer.get(name)
                raise ValueError(f"{path}: normalizer.{name}={found!r} must be {theirs!r}")
        return "word", "spacy"
    plain = PIPELINES["plain"]
    if word and (before, normalizer) == (plain["pre_tokenizer"], plain["normalizer"]):
        return "word", "plain"
    raise ValueError(
        f"{path}: pre_tokenizer={before.get('type')!r} must be 'ByteLevel' (GPT-2), "
        f"'BertPreTokenizer' (GPT-1) or the one that gptcore writes"
    )


def _refuse_other_ends(content: dict[str, Any], path: Path) -> None:
    """Raise ValueError where tokens are put around every text, or another decoder is asked for."""
    after, decoder = content.get("post_processor") or {}, content.get("decoder") or {}
    for one in after.get("processors", [after]):
        around = [e for e in one.get("single", []) if "Sequence" not in e]
        if one.get("type") not in (None, "ByteLevel", "TemplateProcessing") or around:
            raise ValueError(
                f"{path}: post_processor={one.get('type')!r} puts tokens around every text, which "
                "gptcore does not; set it to null and write them into the text"
            )
    if decoder.get("type") not in (None, "ByteLevel", "BPEDecoder"):
        raise ValueError(f"{path}: decoder={decoder['type']!r} must be ByteLevel or BPEDecoder")


def _refuse_other_models(model: dict[str, Any], path: Path) -> None:
    """Raise ValueError where the model part asks for something other than plain BPE."""
    if model.get("type", "BPE") != "BPE":
        raise ValueError(f"{path}: model.type={model['type']!r} must be 'BPE'")
    fields = "dropout continuing_subword_prefix byte_fallback ignore_merges fuse_unk"
    for name in fields.split():
        if model.get(name):
            raise ValueError(f"{path}: model.{name}={model[name]!r} must be empty or false")
    if model.get("end_of_word_suffix") not in (None, "", END_OF_WORD):
        suffix = model["end_of_word_suffix"]
        raise ValueError(f"{path}: model.end_of_word_suffix={suffix!r} must be {END_OF_WORD!r}")


def _added_tokens(added: Any, vocab: dict[str, int], path: Path) -> dict[str, tuple[int, Added]]:
    """Token -> id and manners."""
    if not isinstance(added, list):
        raise ValueError(f"{path}: added_tokens must be a list")
    found: dict[str, tuple[int, Added]] = {}
    for entry in added:
        if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
            raise ValueError(f"{path}: added token {entry!r} must have a 'content'")
        token, i = entry["content"], entry.get("id")
        if vocab.get(token, i) != i:
            raise ValueError(
                f"{path}: added token {token!r} has id {i}, but {vocab[token]} in vocab"
            )
        found[token] = (i, added_of(entry))
    return found


def _merges(merges: Any, path: Path) -> list[tuple[str, str]]:
    """Merges as pairs; the older form is one string with a space."""
    if not isinstance(merges, list):
        raise ValueError(f"{path}: model.merges must be a list")
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else m for m in merges]
    for rank, pair in enumerate(pairs):
        two = isinstance(pair, (tuple, list)) and len(pair) == 2
        if not two or not all(isinstance(part, str) and part for part in pair):
            raise ValueError(f"{path}: merge {rank}, {merges[rank]!r}, must be two tokens")
    return [(left, right) for left, right in pairs]


def _vocabulary(vocab: Any, name: str) -> dict[str, int]:
    if not isinstance(vocab, dict):
        raise ValueError(f"{name}: must be an object, token -> id")
    return vocab


def parse(path: str | Path) -> Any:
    """The content of a JSON file; ValueError names the file, and a key that stands there twice."""

    def without_repeats(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            names = [name for name, _ in items]
            repeated = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{repeated!r} stands in it twice")
        return found

    try:
        return json.loads(_read_text(path), object_pairs_hook=without_repeats)
    except ValueError as error:
        raise ValueError(f"{path}: not a valid JSON file: {error}") from None


def _read_text(path: str | Path) -> str:
    raw = Path(path).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError) as error:
            raise ValueError(f"{path}: not a valid gzip file: {error}") from None
    try:
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8: {error}") from None

"""A tokenizer's folder: what the files beside the vocabulary say about its tokens.

    tokenizer.json, or vocab.json with merges.txt    vocabulary and merges
    tokenizer_config.json, added_tokens.json         more tokens, and how they are read
    special_tokens_map.json                          which of them are special
    generation_config.json, config.json              which of them end a text

Every fact that decides ids is honoured as transformers does, or refused by its name. What only
shows text (cleaning up spaces, chat templates), cuts or pads it is left to who does so.

Source: transformers' `tokenization_utils_base.py` and `generation/configuration_utils.py`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from gptcore.tokenizer.added import Added, added_of
from gptcore.tokenizer.files import (
    FILE_NAME,
    Arguments,
    json_path,
    parse,
    read_openai,
    read_tokenizer_json,
)
from gptcore.tokenizer.words import UNKNOWN

CONFIG = "tokenizer_config.json"
FILES = (FILE_NAME, CONFIG, "vocab.json", "merges.txt", "added_tokens.json")
FILES += ("special_tokens_map.json",)
"""What a tokenizer may consist of; config.json and generation_config.json belong to the model."""
NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
LISTED = ("additional_special_tokens", "extra_special_tokens")


def has_tokenizer(folder: str | Path) -> bool:
    """Whether a folder holds a vocabulary that `read_folder` finds."""
    folder = Path(folder)
    pair = (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    return pair or (folder / FILE_NAME).is_file()


def read_folder(path: str | Path) -> Arguments:
    """Read a folder, or a single JSON file; one called tokenizer.json stands for its folder.

    Raises:
        FileNotFoundError: there is no vocabulary.
        ValueError: a file is damaged, contradicts another, or says what we do not do.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name != FILE_NAME:
        return read_tokenizer_json(path)
    if not (folder / FILE_NAME).is_file() and has_tokenizer(folder):
        found = read_openai(folder / "vocab.json", folder / "merges.txt")
    else:
        found = read_tokenizer_json(folder / FILE_NAME)
    found.setdefault("specials", {})
    found.setdefault("added", {})
    described = _object(folder / CONFIG)
    _refuse(folder, described, found["kind"])
    _add(folder, found, described)
    named = {**_object(folder / "special_tokens_map.json"), **described}
    model = _object(folder / "config.json")
    _name(folder, found, named, model.get("vocab_size"))
    ends = _ends(found, named, model, _object(folder / "generation_config.json"))
    return found | {"ends": ends} if ends else found


def write_end(path: str | Path, token: str | None) -> None:
    """Say in the folder of a tokenizer.json which token ends a text; other files say nothing."""
    file = json_path(path, writing=True)
    if file.name == FILE_NAME:
        text = json.dumps({"eos_token": token}, indent=2)
        (file.parent / CONFIG).write_text(text + "\n", encoding="utf-8")


def _object(path: Path) -> dict[str, Any]:
    """A file's JSON object; empty if there is no such file."""
    if not path.is_file():
        return {}
    content = parse(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} must be an object")
    return content


def _refuse(folder: Path, described: dict[str, Any], kind: str) -> None:
    """Raise on settings under which transformers gives other ids."""
    own_class = "GPT2" in str(described.get("tokenizer_class", "GPT2"))
    fields = ["add_bos_token", "add_eos_token"]
    fields += ["add_prefix_space"] if kind == "byte" and own_class else []
    for field in fields:
        if described.get(field):
            raise ValueError(
                f"{folder / CONFIG}: {field}={described[field]!r} puts something before or after "
                "every text, which gptcore does not; set it to false and write it into the text"
            )


def _add(folder: Path, found: Arguments, described: dict[str, Any]) -> None:
    """Tokens that tokenizer_config.json or, in older folders, added_tokens.json adds."""
    entries, plain = described.get("added_tokens_decoder"), None
    if entries:
        try:
            entries = {int(i): (e["content"], added_of(e)) for i, e in entries.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder / CONFIG}: added_tokens_decoder: {error!r}") from error
    else:
        plain = Added(special=False, normalized=True)
        entries = {i: (t, plain) for t, i in _object(folder / "added_tokens.json").items()}
    has_manners = found["specials"].keys() | found["added"].keys()
    for i, (token, manners) in sorted(entries.items()):
        if token == UNKNOWN and found["kind"] == "word":
            continue
        known = found["vocab"].get(token, found["specials"].get(token))
        if known not in (None, i):
            raise ValueError(f"{folder}: token {token!r} has two ids, {i} and {known}")
        if known is None:
            found["specials"][token] = i
        if manners is not plain or token not in has_manners:
            found["added"][token] = manners


def _name(folder: Path, found: Arguments, named: dict[str, Any], rows: Any) -> None:
    """Tokens with an office are special; those that no file has yet get the next ids."""
    several = [named.get(field) for field in LISTED]
    several = [list(s.values()) if isinstance(s, dict) else s or [] for s in several]
    for entry in [named.get(field) for field in NAMED] + [e for s in several for e in s]:
        token = _content(entry)
        if token is None or (token == UNKNOWN and found["kind"] == "word"):
            continue
        stated = added_of(entry) if isinstance(entry, dict) else Added()
        if token not in found["vocab"] and token not in found["specials"]:
            new = len(found["vocab"]) + len(found["specials"])
            if isinstance(rows, int) and new >= rows:
                warnings.warn(
                    f"{folder} names the token {token!r}, which is in no vocabulary and for which "
                    f"the model's {rows} rows have no room: it is left out",
                    stacklevel=2,
                )
                continue
            found["specials"][token] = new
        manners = found["added"].get(token, stated)
        found["added"][token] = manners._replace(special=True)


def _content(entry: Any) -> str | None:
    """The text of a token that a file names plainly or as an object."""
    token = entry.get("content") if isinstance(entry, dict) else entry
    return token if isinstance(token, str) and token else None


def _ends(
    found: Arguments, named: dict[str, Any], model: dict[str, Any], generation: dict[str, Any]
) -> tuple[str, ...]:
    """Names of the tokens that end a text, first the one that stands between documents.

    That is the first special one of: the model's, generation's, the tokenizer's end. An id that
    the vocabulary does not have cannot be generated; transformers' default, 50256, is often one.
    """
    by_id = {i: token for token, i in {**found["vocab"], **found["specials"]}.items()}
    ids = [model.get("eos_token_id"), generation.get("eos_token_id")]
    ids = [i if isinstance(i, list) else [i] for i in ids]
    of_model, of_generation = ([by_id[i] for i in some if i in by_id] for some in ids)
    candidates = [*of_model, *of_generation, _content(named.get("eos_token"))]
    candidates = [token for token in candidates if token in by_id.values()]
    special = [token for token in candidates if token in found["specials"]]
    first = (special or candidates)[:1]
    return tuple(dict.fromkeys([*first, *(of_generation or of_model)]))

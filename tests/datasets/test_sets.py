"""The table: every entry whole, pinned and, where the manifest is there, equal to it."""

import gzip
import hashlib
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gptcore import datasets
from gptcore.datasets.sets import SETS

ROOT = Path(__file__).resolve().parents[2]
MIRROR = os.environ.get("GPTCORE_DATA_MIRROR")
RUN_TIME_ONLY = {"sst2", "cola", "rte", "sick", "sts-genres", "gpt3-synthetic", "genesis"}


def test_every_set_is_there_and_whole():
    assert len(SETS) == 28
    assert sum(len(found.files) for found in SETS.values()) == 69
    assert {name for name, s in SETS.items() if s.use == "run-time only"} == RUN_TIME_ONLY
    for name, found in SETS.items():
        assert found.name == name
        assert found.use in ("redistributable", "run-time only")
        for text in (found.licence, found.purpose, found.rows, found.citation):
            assert text.strip() == text != ""
        assert re.search(r"\d{4}|NLTK|collection", found.citation), found.citation
        assert len({file.name for file in found.files}) == len(found.files)


def test_every_file_is_pinned_to_a_commit_and_a_hash():
    files = [file for found in SETS.values() for file in found.files]
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert 0 < file.n_bytes < 4 << 20 or file.name == "train.jsonl"
        address = urlsplit(file.url)
        assert address.scheme == "https"
        assert re.search(r"/[0-9a-f]{40}/", address.path), file.url
        assert "/" not in file.name and not file.name.startswith(".")
    assert max(Counter(file.sha256 for file in files).values()) == 1
    assert max(Counter(file.url for file in files).values()) == 1


def test_a_set_cannot_be_changed():
    with pytest.raises(AttributeError):
        SETS["sst2"].use = "redistributable"  # type: ignore[misc]


def test_the_table_agrees_with_the_manifest_of_the_mirror():
    """Names, sizes, hashes, addresses and uses, read from the manifest's own tables."""
    if not MIRROR:
        pytest.skip("GPTCORE_DATA_MIRROR is not set: its MANIFEST.md is absent")
    text = (Path(MIRROR) / "MANIFEST.md").read_text("utf-8")
    uses = dict(
        re.findall(r"^\| \[([\w-]+)\]\(.*\| (redistributable|run-time only) \|", text, re.M)
    )
    assert {name: found.use for name, found in SETS.items()} == uses
    for section in text.split("\n## ")[1:]:
        name = section.split("\n")[0].strip()
        rows = re.findall(r"^\| `(.+)` \| ([\d,]+) \| `(\w{64})` \| <(.+)> \|$", section, re.M)
        listed = {(url, int(size.replace(",", "")), sha) for _, size, sha, url in rows}
        assert {(f.url, f.n_bytes, f.sha256) for f in SETS[name].files} == listed
        for stored, _, sha, _ in rows:
            own = next(file.name for file in SETS[name].files if file.sha256 == sha)
            assert stored in (own, f"{own}.gz")


# ---------------------------------------------------------------- what must stay out


def ours() -> list[Path]:
    """Every file that the repository would publish."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked archive
        names = [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*")]
        names = [name for name in names if not re.match(r"(\.venv|_build|\.git)/", name)]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def windows(text: str, step: int = 1) -> set[int]:
    """Runs of nine words, without case and punctuation, as numbers."""
    words = re.findall(r"\w+", text.lower())
    return {hash(tuple(words[i : i + 9])) for i in range(0, len(words) - 8, step)}


def texts(value: object) -> list[str]:
    """Every string anywhere in what `load` gives."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inside for text in texts(item)]


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def test_no_file_of_a_run_time_only_set_is_in_the_repository():
    """By hash, so it needs no data: neither a file as it is nor gzipped."""
    forbidden = {f.sha256 for name in RUN_TIME_ONLY for f in SETS[name].files}
    assert forbidden
    found = [p for p in ours() if hashlib.sha256(p.read_bytes()).hexdigest() in forbidden]
    found += [p for p in ours() if hashlib.sha256(unpacked(p)).hexdigest() in forbidden]
    assert found == []


def test_no_text_of_a_run_time_only_set_is_in_the_repository():
    """No nine words in a row: not in the package, a test, a record, or a notebook's outputs."""
    if not MIRROR:
        pytest.skip("GPTCORE_DATA_MIRROR is not set: the texts to look for are absent")
    forbidden: set[int] = set()
    for name in RUN_TIME_ONLY - {"gpt3-synthetic"}:  # whose questions are patterns, not texts
        for text in texts(datasets.load(name)):
            forbidden |= windows(text, step=4)  # a sentence of twelve words has one of them
    assert len(forbidden) > 100_000
    assert leaks(forbidden, ours()) == []


def leaks(forbidden: set[int], paths: list[Path]) -> list[str]:
    """Which files share a window of words with what is forbidden."""
    found = []
    for path in paths:
        try:
            text = unpacked(path).decode("utf-8")
        except UnicodeDecodeError:  # weights and pictures
            continue
        if not forbidden.isdisjoint(windows(text.replace("\\n", " "))):
            found.append(path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path)
    return found


def test_the_search_for_leaks_finds_one(tmp_path):
    """Negative control: the sentence in the middle of a JSON file, gzipped, in another case."""
    sentence = "nine words that nobody would ever say so oddly"
    path = tmp_path / "outputs.json.gz"
    path.write_bytes(
        gzip.compress(b'{"text": "It was there:\\n' + sentence.upper().encode() + b'"}')
    )
    assert leaks(windows(sentence), [path]) == [path]
    assert leaks(windows(sentence + " again").difference(windows(sentence)), [path]) == []

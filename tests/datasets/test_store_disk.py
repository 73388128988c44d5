"""A cache that cannot be written to: full disk, read-only folder, no pooch. Nothing half-written.

The other half of the tests of `gptcore.datasets.store`.
"""

import errno
import os
import sys
import tempfile
from pathlib import Path

import pytest
from data_server import DATA, FILE, left_in, unavailable

from gptcore.datasets import store


class Full:
    """A file on a full disk: a part is written, then there is no room."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "wb")

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def on_full_disk(path, mode="r"):
    return Full(path) if "w" in mode else open(path, mode)


@pytest.mark.parametrize("source", ["mirror", "network"])
def test_a_full_disk_is_said_and_leaves_nothing(tiny, cache, mirror, source, monkeypatch):
    if source == "mirror":
        (mirror / FILE).write_bytes(DATA)
    monkeypatch.setattr(store, "open", on_full_disk, raising=False)
    message = unavailable(tiny, store.fetch)
    assert f"{FILE} cannot be kept in {cache / 'tiny'}: No space left on device" in message
    assert f"make room for 5,000 bytes, or set {store.CACHE}" in message
    assert left_in(cache) == []
    if source == "mirror":
        assert store.read(tiny, tiny.files[0]) == DATA  # needs no cache


def test_a_real_limit_on_the_size_of_files(tiny, cache):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        message = unavailable(tiny)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"cannot be kept in {cache / 'tiny'}: File too large" in message
    assert left_in(cache) == []


def test_a_full_disk_keeps_what_was_there(tiny, publisher, cache, monkeypatch):
    """An older file, damaged or not, is replaced whole or not at all."""
    store.read(tiny, tiny.files[0])
    (cache / "tiny" / FILE).write_bytes(b"older")
    monkeypatch.setattr(store, "open", on_full_disk, raising=False)
    assert "No space left on device" in unavailable(tiny)
    assert (cache / "tiny" / FILE).read_bytes() == b"older"


def test_a_cache_that_cannot_be_written_to(tiny, cache, monkeypatch):
    """A file where the folder should be; and a folder that only others may change."""
    cache.parent.parent.joinpath("cache").write_text("in the way")
    message = unavailable(tiny)
    assert f"cannot be kept in {cache / 'tiny'}: " in message
    assert f"set {store.CACHE} to a folder that can be written to" in message
    cache.parent.unlink()
    (cache / "tiny").mkdir(parents=True)

    def refused(*args, **options):
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    assert f"cannot be kept in {cache / 'tiny'}: Read-only file system" in unavailable(tiny)
    assert left_in(cache) == []


def test_a_readonly_folder_for_those_who_are_not_root(tiny, cache):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    assert "Permission denied" in unavailable(tiny)
    cache.chmod(0o700)


def test_the_cache_is_the_systems_unless_said_otherwise(monkeypatch, tmp_path):
    import pooch

    monkeypatch.delenv(store.CACHE, raising=False)
    assert store.cache_folder() == Path(pooch.os_cache("gptcore")) / "data"
    monkeypatch.setenv(store.CACHE, str(tmp_path))
    assert store.cache_folder() == tmp_path / "data"


def test_without_pooch_a_mirror_still_serves(tiny, mirror, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv(store.CACHE)
    message = unavailable(tiny)
    assert "pooch is not installed" in message and 'pip install "pooch>=' in message
    assert store.MIRROR in message
    assert store.place(tiny) == ""
    (mirror / FILE).write_bytes(DATA)
    assert store.read(tiny, tiny.files[0]) == DATA
    assert store.place(tiny) == "mirror"

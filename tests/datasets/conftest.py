"""A publisher, a set of one file that it serves, an empty cache and an empty mirror."""

from pathlib import Path

import pytest
from data_server import DATA, FILE, Publisher, alone, publishing, tiny_set

from gptcore.datasets import store
from gptcore.datasets.sets import DataSet


@pytest.fixture(scope="module")
def server():
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def publisher(server: Publisher) -> Publisher:
    server.files, server.declared, server.before = {f"/{FILE}": DATA}, {}, lambda: None
    server.asked.clear()
    return server


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    return alone(monkeypatch, tmp_path)


@pytest.fixture
def tiny(monkeypatch, cache, publisher) -> DataSet:
    return tiny_set(monkeypatch, publisher.address, {FILE: DATA})


@pytest.fixture
def mirror(monkeypatch, tmp_path) -> Path:
    """An empty mirror; the folder for the set in it."""
    monkeypatch.setenv(store.MIRROR, str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "tiny").mkdir(parents=True)
    return tmp_path / "mirror" / "tiny"

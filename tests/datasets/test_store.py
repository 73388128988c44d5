"""Bytes from mirror, cache and network: in that order, right or refused, whole or absent.

The network is a server on this machine; no test leaves it.
"""

import gzip
import hashlib
import logging
import multiprocessing
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pooch
import pytest
import requests
from data_server import DATA, FILE, left_in, tiny_set, unavailable

from gptcore.datasets import store

GZIPPED = gzip.compress(DATA, mtime=0)  # the clock has no part in it

# ---------------------------------------------------------------- network and cache


def test_a_file_is_fetched_once_and_found_in_the_cache_ever_after(tiny, publisher, cache):
    assert store.read(tiny, tiny.files[0]) == DATA
    assert publisher.gets() == [f"/{FILE}"]
    assert store.fetch(tiny, tiny.files[0]) == cache / "tiny" / FILE
    assert (cache / "tiny" / FILE).read_bytes() == DATA
    assert publisher.gets() == [f"/{FILE}"]
    assert left_in(cache) == [f"tiny/{FILE}"]
    assert store.place(tiny) == "cache"


def test_a_tampered_cache_is_fetched_anew_or_refused(tiny, publisher, cache):
    store.read(tiny, tiny.files[0])
    kept = cache / "tiny" / FILE
    kept.write_bytes(DATA.replace(b"text", b"tExt", 1))
    assert store.read(tiny, tiny.files[0]) == DATA
    assert kept.read_bytes() == DATA
    wrong = DATA.replace(b"text", b"tExt", 1)
    kept.write_bytes(wrong)
    publisher.files.clear()
    message = unavailable(tiny)
    assert f"Cache: {kept} is damaged or was changed: its SHA-256 is " in message
    assert hashlib.sha256(wrong).hexdigest() in message
    assert f"Network: {publisher.address}/{FILE} answers 404 Not Found" in message
    kept.write_bytes(DATA + b"x")
    assert "it has more than 5,000 bytes, not 5,000" in unavailable(tiny)


@pytest.mark.parametrize(
    "sent",
    [DATA[:-1] + b"!", DATA[:-1], DATA + b"!", b"", GZIPPED],
    ids="one-letter cut longer empty gzipped".split(),
)
def test_tampered_downloads_are_refused_and_leave_nothing(tiny, publisher, cache, sent):
    publisher.files[f"/{FILE}"] = sent
    message = unavailable(tiny)
    assert f"{publisher.address}/{FILE} sent other bytes than those of the table" in message
    assert len(publisher.gets()) == 3
    assert left_in(cache) == []


def test_a_long_answer_is_cut_off(tiny, publisher, cache, monkeypatch):
    """A server that sends gigabytes fills no disk: reading ends with the first byte too many."""
    publisher.files[f"/{FILE}"] = DATA * 2000
    plain, read = requests.Response.iter_content, []

    def counted(self, size):
        for block in plain(self, size):
            read.append(len(block))
            yield block

    monkeypatch.setattr(requests.Response, "iter_content", counted)
    assert "sent other bytes" in unavailable(tiny)
    assert len(read) == 3  # one block in each try
    assert left_in(cache) == []


def test_a_connection_that_breaks_is_tried_again(tiny, publisher, cache):
    calls = []

    def breaking() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionAbortedError

    publisher.before = breaking
    assert store.read(tiny, tiny.files[0]) == DATA
    assert len(calls) == 3
    assert left_in(cache) == [f"tiny/{FILE}"]


def test_a_connection_that_keeps_breaking_is_an_error(tiny, publisher, cache):
    publisher.declared[f"/{FILE}"] = len(DATA) + 1
    host = publisher.address.removeprefix("http://")
    assert f"{host} broke off before the end of " in unavailable(tiny)
    assert left_in(cache) == []


def test_a_stop_in_the_middle_leaves_nothing(tiny, cache, monkeypatch):
    def stopped(self, size):
        yield DATA[:100]
        raise KeyboardInterrupt

    monkeypatch.setattr(requests.Response, "iter_content", stopped)
    with pytest.raises(KeyboardInterrupt):
        store.read(tiny, tiny.files[0])
    assert left_in(cache) == []


def test_two_processes_at_once_both_get_the_whole_file(tiny, publisher, cache):
    """The server sends only when both have asked, so the downloads overlap."""
    if sys.platform == "win32":
        pytest.skip("there is no fork")
    both = threading.Barrier(2, timeout=60)
    publisher.before = both.wait
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()

    def child() -> None:
        answers.put(hashlib.sha256(store.read(tiny, tiny.files[0])).hexdigest())

    children = [fork.Process(target=child) for _ in range(2)]
    for process in children:
        process.start()
    found = [answers.get(timeout=60) for _ in children]
    for process in children:
        process.join()
    answers.close()
    assert found == [tiny.files[0].sha256] * 2
    assert len(publisher.gets()) == 2
    assert left_in(cache) == [f"tiny/{FILE}"]


def test_a_bar_shows_on_a_terminal_only(tiny, cache, monkeypatch, capsys):
    told, handler = [], logging.Handler()
    handler.emit = told.append
    monkeypatch.setattr(pooch.get_logger(), "handlers", [handler])
    store.fetch(tiny, tiny.files[0])
    assert capsys.readouterr() == ("", "")
    assert told == []  # pooch would tell what it does
    (cache / "tiny" / FILE).unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    store.fetch(tiny, tiny.files[0])
    assert re.search(r"a\.txt: .*/5\.00k ", capsys.readouterr().err)


# ---------------------------------------------------------------- mirror


@pytest.mark.parametrize(
    ("file", "stored", "data", "content"),
    [
        ("a.txt", "a.txt", DATA, DATA),
        ("a.txt", "a.txt.gz", DATA, GZIPPED),
        ("a.jsonl.gz", "a.jsonl.gz", GZIPPED, GZIPPED),
    ],
    ids=["plain", "gzipped", "gzipped upstream"],
)
def test_the_mirror_comes_first(monkeypatch, cache, publisher, mirror, file, stored, data, content):
    """Plain, gzipped with .gz added, and gzipped by the publisher; the network is not asked."""
    tiny = tiny_set(monkeypatch, publisher.address, {file: data})
    (mirror / stored).write_bytes(content)
    assert store.place(tiny) == "mirror"
    assert store.read(tiny, tiny.files[0]) == data
    assert left_in(cache.parent) == []
    path = store.fetch(tiny, tiny.files[0])
    assert path == cache / "tiny" / file
    assert path.read_bytes() == data
    assert publisher.asked == []


TAMPERED = {
    "one letter": (FILE, DATA[:-2] + b"T\n", "its SHA-256 is "),
    "too short": (FILE, DATA[:-1], "it has 4,999 bytes, not 5,000"),
    "too long": (FILE, DATA + b"\n", "it has more than 5,000 bytes, not 5,000"),
    "one letter, gzipped": (
        f"{FILE}.gz",
        gzip.compress(DATA[:-2] + b"T\n", mtime=0),
        "its SHA-256 is ",
    ),
    "cut gzip": (f"{FILE}.gz", GZIPPED[:-9], "is not a whole gzip file"),
    "no gzip": (f"{FILE}.gz", DATA, "is not a whole gzip file"),
    "spoilt gzip": (f"{FILE}.gz", GZIPPED[:10] + b"\xff" * 40, "not a whole gzip file"),
}


@pytest.mark.parametrize("kind", TAMPERED)
@pytest.mark.parametrize("call", [store.read, store.fetch])
def test_a_tampered_mirror_is_refused_and_named(tiny, publisher, cache, mirror, kind, call):
    """Also where cache and network have the right bytes: a mirror that lies is worth knowing."""
    stored, content, message = TAMPERED[kind]
    (mirror / stored).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        call(tiny, tiny.files[0])
    assert str(mirror / stored) in str(caught.value)
    assert message in str(caught.value)
    assert publisher.asked == []
    assert left_in(cache.parent) == []


def test_a_bomb_in_the_mirror_is_not_unpacked(tiny, mirror, monkeypatch):
    """Ten million zeros in ten kilobytes: no more is unpacked than shows that it is wrong."""
    (mirror / f"{FILE}.gz").write_bytes(gzip.compress(bytes(10**7)))
    plain, sizes = gzip.GzipFile.read, []

    def counted(self, size=-1):
        sizes.append(len(data := plain(self, size)))
        return data

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(ValueError, match="it has more than 5,000 bytes, not 5,000"):
        store.read(tiny, tiny.files[0])
    assert sizes == [5001]


def test_a_mirror_that_lacks_the_file_falls_through_to_cache_and_network(
    tiny, publisher, cache, mirror, monkeypatch
):
    assert store.place(tiny) == ""
    assert store.read(tiny, tiny.files[0]) == DATA  # network
    publisher.files.clear()
    assert store.read(tiny, tiny.files[0]) == DATA  # cache
    (cache / "tiny" / FILE).unlink()
    message = unavailable(tiny)
    assert f"Mirror: {mirror} has no {FILE}. " in message
    assert f"Cache: {cache / 'tiny' / FILE} does not exist. " in message
    assert f"Network: {publisher.address}/{FILE} answers 404" in message
    monkeypatch.setenv(store.MIRROR, str(mirror / "none"))
    assert f"Mirror: {store.MIRROR}={mirror / 'none'} is no folder. " in unavailable(tiny)
    monkeypatch.delenv(store.MIRROR)
    assert f"Mirror: {store.MIRROR} is not set. " in unavailable(tiny)


# ---------------------------------------------------------------- no network


@contextmanager
def inspecting_proxy(folder: Path) -> Iterator[str]:
    """A proxy that opens every TLS connection with a certificate of its own; its address."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=data.example".split()
    words += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with suppress(OSError):
                context.wrap_socket(self.request, server_side=True).recv(9)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_that_is_not_trusted_is_called_one(cache, monkeypatch, tmp_path):
    """And asking again within the time remembered says the same."""
    tiny = tiny_set(monkeypatch, "https://data.example", {FILE: DATA})
    with inspecting_proxy(tmp_path) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY")
        for _ in range(2):
            message = unavailable(tiny)
            assert "the certificate that answers for data.example is not trusted here" in message
            assert "(self-signed certificate)" in message or "(self signed" in message
            assert "set REQUESTS_CA_BUNDLE to the file" in message
            assert "cannot be reached" not in message


def test_a_proxy_that_is_not_there_is_told_from_a_host_that_is_not(cache, monkeypatch):
    tiny = tiny_set(monkeypatch, "https://data.example", {FILE: DATA})
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert "the proxy that HTTPS_PROXY names does not lead to data.example" in unavailable(tiny)
    monkeypatch.setattr(store, "_answers", {})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "gone.pem")
    message = unavailable(tiny)
    assert "data.example was not asked" in message and "gone.pem" in message


def test_a_tilde_in_a_variable_is_the_home_folder(tiny, publisher, monkeypatch, tmp_path):
    """`%env`, Docker and CI set variables with no shell that expands it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv(store.CACHE, "~/kept")
    assert store.fetch(tiny, tiny.files[0]) == tmp_path / "home" / "kept" / "data" / "tiny" / FILE
    monkeypatch.setenv(store.CACHE, str(tmp_path / "elsewhere"))
    monkeypatch.setenv(store.MIRROR, "~/kept/data")
    publisher.files.clear()
    assert store.place(tiny) == "mirror"
    assert store.read(tiny, tiny.files[0]) == DATA


def test_no_network_is_said_quickly_and_remembered(tiny, publisher, monkeypatch):
    """A host that accepts and says nothing, as behind a firewall: one short wait, then none."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(store, "PATIENCE", 0.3)
        deaf = tiny_set(monkeypatch, f"http://{host}", {FILE: DATA})
        started = time.monotonic()
        assert f"Network: {host} does not answer" in unavailable(deaf)
        assert 0.2 < time.monotonic() - started < 20
        monkeypatch.delattr(requests, "head")  # who asks again fails here
        assert f"Network: {host} does not answer" in unavailable(deaf)
    assert publisher.asked == []


def test_a_slow_search_for_the_host_is_not_waited_for(tiny, monkeypatch):
    """Looking up a name can take a minute, and no time limit of requests holds for it."""
    waiting = threading.Event()

    def searching(*args, **options):
        waiting.wait(10)
        raise requests.ConnectionError

    monkeypatch.setattr(store, "PATIENCE", 0.2)
    monkeypatch.setattr(requests, "head", searching)
    started = time.monotonic()
    assert "does not answer within 0.2 s" in unavailable(tiny)
    assert time.monotonic() - started < 8
    waiting.set()


def test_a_network_that_comes_back_is_found_again(tiny, publisher, monkeypatch):
    host = publisher.address.removeprefix("http://")
    store._answers[host] = time.monotonic(), "was away"
    assert "Network: was away" in unavailable(tiny)
    store._answers[host] = time.monotonic() - store.REMEMBERED - 1, "was away"
    assert store.read(tiny, tiny.files[0]) == DATA


def test_a_host_that_refuses_and_one_of_no_name(monkeypatch, cache):
    """The second is stopped by the guard of the tests, as a missing network would stop it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        refusing = tiny_set(monkeypatch, f"http://{host}", {FILE: DATA})
        assert f"Network: {host} cannot be reached" in unavailable(refusing)
    nowhere = tiny_set(monkeypatch, "http://192.0.2.1", {FILE: DATA})
    assert "Network: 192.0.2.1 cannot be reached" in unavailable(nowhere)
    assert left_in(cache) == []


def test_a_connection_lost_between_two_files_is_remembered(tiny, publisher, monkeypatch):
    plain, calls = requests.get, []

    def lost(*args, **options):
        calls.append(1)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", lost)
    for _ in range(2):
        assert "cannot be reached" in unavailable(tiny)
    assert len(calls) == 1 + store.RETRIES
    monkeypatch.setattr(requests, "get", plain)

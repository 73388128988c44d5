"""A data publisher on this machine, and tiny sets that it serves: what tests of fetching share."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gptcore.datasets import parse, sets, store

DATA = b"some text\n" * 500
FILE = "a.txt"


class Publisher:
    """Serves `files` (path -> bytes or status code) and remembers what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | int] = {}
        self.asked: list[str] = []
        self.declared: dict[str, int] = {}
        """Path -> a Content-Length that is not the real one."""
        self.before = lambda: None
        """Called before a file is sent."""
        self.address = ""

    def gets(self) -> list[str]:
        """The paths that were downloaded, or tried to."""
        return [line.split()[1] for line in self.asked if line.startswith("GET")]


@contextmanager
def publishing() -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.asked.append(f"{self.command} {self.path}")
            found = publisher.files.get(self.path, 404)
            if isinstance(found, int):
                self.send_error(found)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(publisher.declared.get(self.path, len(found))))
            self.end_headers()
            if self.command == "GET":
                publisher.before()
                self.wfile.write(found)

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:  # a client that hangs up is no news
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    publisher.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tiny_set(
    monkeypatch: pytest.MonkeyPatch, address: str, files: dict[str, bytes], name: str = "tiny"
) -> sets.DataSet:
    """A set of these files at `address`, in the table until the test ends; a part for each."""
    entries = tuple(
        sets.File(file, len(data), hashlib.sha256(data).hexdigest(), f"{address}/{file}")
        for file, data in files.items()
    )
    made = sets.DataSet(name, "run-time only", "ours", "tests", "Text.", "nobody", entries)
    monkeypatch.setitem(sets.SETS, name, made)
    monkeypatch.setitem(parse.PARSERS, name, parse._each(lambda data: data.decode()))
    return made


def alone(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """No mirror, an empty cache in `folder`, nothing remembered of any host; the cache."""
    monkeypatch.delenv(store.MIRROR, raising=False)
    monkeypatch.setenv(store.CACHE, str(folder / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(store, "_answers", {})
    monkeypatch.setattr(store, "PATIENCE", 30.0)  # a busy machine answers late
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)  # between two tries
    return folder / "cache" / "data"


def left_in(folder: Path) -> list[str]:
    """Every file below a folder, hidden and temporary ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def unavailable(tiny: sets.DataSet, call=store.read) -> str:
    """What is said where the file of a set cannot be had."""
    with pytest.raises(store.DataUnavailable) as caught:
        call(tiny, tiny.files[0])
    return str(caught.value)

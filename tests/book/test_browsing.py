"""What the watcher of a page complains of, and what it does not."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browsing import watch
from playwright.sync_api import Browser

PAGE = '<title>P</title><link rel="icon" href="data:,"><img alt="" src="{}">'


@pytest.fixture
def slow() -> Iterator[str]:
    """A server of pages of one picture: `late.svg` is on its way until the test ends."""
    ended = threading.Event()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = self.path.endswith(".html")
            if self.path == "/late.svg":
                ended.wait()
                return
            body = PAGE.format(f"{self.path[:-5]}.svg").encode() if page else b""
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        ended.set()
        server.shutdown()


def test_a_picture_that_is_missing_is_a_complaint(browser: Browser, slow: str, tmp_path) -> None:
    """From a server by its status, from the disk because it does not load."""
    context = browser.new_context()
    seen = watch(context, slow)
    seen.page.goto(f"{slow}gone.html", wait_until="load")
    assert any(f"404 for {slow}gone.svg" == complaint for complaint in seen.complaints)
    (tmp_path / "gone.html").write_text(PAGE.format("gone.svg"), "utf-8")
    seen = watch(context, tmp_path.as_uri())
    seen.page.goto(f"{tmp_path.as_uri()}/gone.html", wait_until="load")
    assert any(complaint.startswith("failed to load") for complaint in seen.complaints)
    context.close()


def test_a_picture_from_elsewhere_is_a_complaint(browser: Browser, tmp_path) -> None:
    """It is asked for, refused, and both are said."""
    context = browser.new_context()
    elsewhere = "http://127.0.0.1:9/a.svg"
    (tmp_path / "page.html").write_text(PAGE.format(elsewhere), "utf-8")
    seen = watch(context, tmp_path.as_uri())
    seen.page.goto(f"{tmp_path.as_uri()}/page.html", wait_until="load")
    assert f"asked for {elsewhere}" in seen.complaints
    assert any(complaint.startswith(f"failed to load {elsewhere}") for complaint in seen.complaints)
    context.close()


def test_a_picture_still_on_its_way_when_its_page_is_left_is_none(
    browser: Browser, slow: str
) -> None:
    """A reload breaks off what the page was loading; the book is not to blame for it."""
    context = browser.new_context()
    seen = watch(context, slow)
    with seen.page.expect_event("request", lambda request: request.url.endswith("late.svg")):
        seen.page.goto(f"{slow}late.html", wait_until="commit")
    with seen.page.expect_event("requestfailed") as failed:
        seen.page.goto("about:blank")
    assert failed.value.failure == "net::ERR_ABORTED"
    assert seen.complaints == []
    context.close()

"""One browser for all tests that open pages, and a page with an explorer for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import ARGUMENTS, serving, write_page
from chromium import find
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without any of its own network habits."""
    path = find()
    if path is None and os.environ.get("CI", "").lower() == "true":
        pytest.fail("no Chromium or Chrome on this machine, and CI=true requires one")
    if path is None:
        pytest.skip("NO BROWSER: install Chromium to have the pages opened")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=["http", "file"])
def home(request: pytest.FixtureRequest, tmp_path: Path, explorer) -> Iterator[str]:
    """Where a page with the twin of a file's `explorer` is opened from."""
    write_page(tmp_path, explorer.twin())
    if request.param == "file":
        yield f"{tmp_path.as_uri()}/"
        return
    with serving(tmp_path) as address:
        yield address

"""One browser for all tests that open pages."""

import os
from collections.abc import Iterator

import pytest
from browsing import ARGUMENTS
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

"""The training calculator in a real browser, offline: by mouse, keys and finger."""

from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.show import TrainingCalculator


@pytest.fixture(scope="module")
def explorer() -> TrainingCalculator:
    """As the chapter shows it."""
    return TrainingCalculator()


def told(page: Page) -> str:
    after(page)
    return page.inner_text(".ca-facts") + page.inner_text(".ca-told")


def test_what_is_chosen_decides(browser: Browser, home: str) -> None:
    """28.7 days; on V100s 71.6, and GPT-3's state on few of them does not fit; a smaller network
    does; keys move a slider."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    seen = watch(context, home)
    page = seen.open("page.html")
    assert "28.7 days" in told(page) and "It fits." in told(page)
    page.select_option("select >> nth=1", "V100, 32 GB")
    assert "71.6 days" in told(page)
    devices = page.locator("input[type=range] >> nth=1")
    devices.focus()
    page.keyboard.press("Home")
    assert "It does not fit. 128 devices would hold it." in told(page)
    page.select_option("select >> nth=0", "gpt3-small")
    assert "It fits." in told(page)
    page.uncheck("input[type=checkbox]")
    assert page.locator(".ca-bar i").count() == 5
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """Nothing sticks out at 390 pixels, from a file, and letters are light on dark."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    page.locator("input[type=checkbox]").tap()
    assert "80.4 of 80 GB" in told(page)
    ink = page.locator(".ca-told").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

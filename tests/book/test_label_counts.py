"""The explorer of label counts in a real browser, offline: by mouse, keys and finger."""

from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.show import LabelCounts

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def explorer() -> LabelCounts:
    """The record that the course ships: three ways at three sizes."""
    return LabelCounts()


def told(page: Page) -> str:
    """The sentence under the plot."""
    after(page)
    return page.inner_text(".lc-told")


def test_points_are_compared_and_ways_left_out(browser: Browser, home: str) -> None:
    """Clicks on points choose the one and the other in turn; every run a dot; one way stays."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert told(page).startswith("pre-trained, 150 labels 0.820; from scratch, 300 labels 0.766.")
    assert "stays open" in told(page) and page.locator(".lc-run").count() == 21
    page.locator("[data-name='counting words, 75'] .lc-mean").click()
    page.locator("[data-name='pre-trained, 75'] .lc-mean").click()
    assert told(page).startswith("counting words, 75 labels 0.713; pre-trained, 75 labels 0.571.")
    assert told(page).endswith("counting words, 75 labels is ahead.")
    assert page.locator(".lc-picked").count() == 2
    assert {"accuracy", "labels"} <= set(page.locator(".lc-plot text").all_text_contents())
    page.get_by_role("button", name="from scratch").click()
    after(page)
    assert page.locator(".lc-point:visible").count() == 6
    assert page.locator(".lc-run:visible").count() == 12
    page.get_by_role("button", name="counting words").click()
    page.get_by_role("button", name="pre-trained").click()
    after(page)
    assert page.locator(".lc-point:visible").count() == 3, "the last way is not taken away"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Tab goes through the ways to the two lists; a letter chooses there."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    for _ in range(3):
        page.keyboard.press("Tab")
        assert page.locator("button:focus").count() == 1
    page.keyboard.press("Space")
    after(page)
    assert page.locator("button[aria-pressed=false]").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert told(page).startswith("pre-trained, 75 labels 0.571; from scratch, 300")
    page.keyboard.press("Tab")
    assert page.locator("select:focus").count() == 1 and seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """A tap chooses, nothing sticks out, and the ink is light."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    page.locator("[data-name='pre-trained, 300'] .lc-mean").tap()
    assert told(page).startswith("pre-trained, 300 labels 0.958; from scratch, 300 labels")
    ink = page.locator(".lc-told").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

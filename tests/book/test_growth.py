"""The explorer of a network that learns in a real browser, offline: by mouse, keys and finger."""

from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.show import Growth
from gptcore.show.explorers.growth.growth import Moment

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def explorer() -> Growth:
    """Three stops of a run and one of another."""
    names = {"before": 0, "after 100 updates": 25_600, "after 1,000 updates": 256_000}
    moments = [Moment(name, n, 7.6 - i, f" text {i}") for i, (name, n) in enumerate(names.items())]
    moments.append(Moment("shipped", 24_600_000, 0.35, " told a whole story " * 20))
    xs = [256 * (i + 1) for i in range(1000)]
    lines = {"training": (xs, [7.6 - 2 * x / xs[-1] for x in xs])}
    lines["held out"] = ([25_600, 256_000], [6.6, 5.6])
    return Growth(moments, lines, reference={"bigram": 3.1}, prompt="One morning")


def told(page: Page) -> str:
    """The line under the slider, and the text."""
    after(page)
    return page.inner_text(".gr-told") + " | " + page.inner_text(".gr-text")


def test_slider_and_clicks_choose_the_moment(browser: Browser, home: str) -> None:
    """Keys move the slider, a click into the plot goes to the nearest stop; the mark follows."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert told(page).startswith("before: 0 tokens read, held-out loss 7.60")
    assert told(page).endswith("One morning text 0")
    page.keyboard.press("Tab")
    assert page.locator("input:focus").count() == 1
    page.keyboard.press("ArrowRight")
    assert told(page).endswith("One morning text 1")
    assert "25,600 tokens" in page.get_attribute("input", "aria-valuetext")
    page.keyboard.press("End")
    assert told(page).startswith("shipped: 24,600,000 tokens read, held-out loss 0.35")
    before = page.get_attribute(".gr-now", "d")
    box = page.locator(".gr-plot").bounding_box()
    page.mouse.click(box["x"] + 45, box["y"] + 100)
    assert told(page).endswith("text 0") and page.get_attribute(".gr-now", "d") != before
    assert page.locator(".gr-line").count() == 2 and page.locator(".gr-stop").count() == 4
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """A tap into the plot chooses, nothing sticks out, and the ink is light."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    box = page.locator(".gr-plot").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 20, box["y"] + 60)
    assert told(page).startswith("shipped")
    assert page.locator("input").bounding_box()["height"] >= 40
    ink = page.locator(".gr-text").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

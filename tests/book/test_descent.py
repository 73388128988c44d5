"""Descent in a real browser, offline: by mouse, keys and finger, served or from disk."""

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page
from small_book import DESK, PHONE

from gptcore.show import Descent


@pytest.fixture(scope="module")
def explorer() -> Descent:
    """A bowl, 1 + w², on which every number can be reckoned, and one that is not symmetric."""
    bowl = {"coefficients": (1, 0, 1), "low": -5, "high": 5, "start": 4}
    other = {"coefficients": (3, 0.3, -1, 0, 0.125), "low": -3.2, "high": 3.2, "start": 3}
    return Descent({"bowl": bowl, "two valleys": other}, rate=0.25, rates=(0.1, 0.25, 0.5, 1.5))


def read(page: Page) -> tuple[str, str]:
    """Where the ball is, and how the run stands."""
    after(page)
    return page.locator(".de-here").first.inner_text(), page.inner_text(".de-told")


def test_steps_fall_and_a_rate_that_is_too_large_jumps_out(browser: Browser, home: str) -> None:
    """4, 2, 1 by a quarter; at 1.5 each step is twice as far out, and ten end outside."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert read(page)[0] == "w = 4.00   loss 17.00   gradient 8.00"
    page.get_by_role("button", name="One step").click()
    here, told = read(page)
    assert here == "w = 2.00   loss 5.00   gradient 4.00"
    assert told == "After 1 step the loss is 5.00, 12.00 less than before the step."
    assert page.locator(".de-dot").count() == 2
    page.get_by_role("button", name="Ten steps").click()
    assert "the ground is flat" in read(page)[1]
    page.get_by_role("button", name="Back to the start").click()
    page.locator("input[type=range]").fill("3")
    page.get_by_role("button", name="One step").click()
    assert "w = −8.00" in read(page)[0] and "left the picture" in read(page)[1]
    assert page.locator(".de-gone").count() == 1 and page.locator(".de-ball").count() == 0
    page.get_by_role("button", name="Ten steps").click()
    assert page.locator(".de-here").first.inner_text().startswith("w = ")
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_the_ball_is_dragged_and_the_tangent_turns(browser: Browser, home: str) -> None:
    """Left of the bottom the gradient is negative; the other curve begins at its own start."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    before = page.locator(".de-tangent").get_attribute("d")
    box = page.locator(".de-handle").bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 100, steps=4)
    assert "gradient −" in read(page)[0]
    page.mouse.up()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 100)
    assert "gradient −" in read(page)[0], "it still follows the pointer"
    assert page.locator(".de-tangent").get_attribute("d") != before
    page.get_by_role("button", name="two valleys").click()
    assert read(page)[0].startswith("w = 3.00")
    assert seen.complaints == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Two curves, the rate, the ball: arrows move it by a hundredth of the picture, Enter steps."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    for stop in ("button", "button", "input", ".de-handle"):
        page.keyboard.press("Tab")
        assert page.locator(f"{stop}:focus").count() == 1, stop
    page.keyboard.press("ArrowLeft")
    assert read(page)[0].startswith("w = 3.90")
    page.keyboard.press("Home")
    assert read(page)[0].startswith("w = −5.00")
    page.keyboard.press("Enter")
    assert read(page)[0].startswith("w = −2.50")
    heard = page.locator(".de-handle").get_attribute("aria-valuetext")
    assert heard.startswith("w = −2.50") and seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path, explorer) -> None:
    """A tap puts the ball there, nothing sticks out at 390 pixels, letters are light on dark."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(**PHONE)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    box = page.locator(".de-handle").bounding_box()
    page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 120)
    assert "gradient −" in read(page)[0]
    assert page.get_by_role("button", name="One step").bounding_box()["height"] >= 32
    ink = page.locator(".de-told").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

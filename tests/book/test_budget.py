"""The budget game in a real browser, offline: by mouse, keys and finger."""

from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.experiments import Record
from gptcore.show import BudgetGame


@pytest.fixture(scope="module")
def explorer() -> BudgetGame:
    """Two sizes, two amounts of text; the larger network is better where it is affordable."""
    form = {"vocab_size": 512, "n_ctx": 128, "n_layer": 2, "n_head": 2}
    more = {"role": "reported", "seed": 0, "diverged": None, "choice": {"lr": 0.01}}
    rows = [
        {
            "condition": f"{d}x2 on {D // 1_000_000}M",
            "tokens": D,
            "test": -1.5 - 40 / d - 900 / D**0.5,
            "shape": {**form, "d_model": d},
            **more,
        }
        for d in (16, 32, 64)
        for D in (1_000_000, 2_000_000, 4_000_000)
    ]
    return BudgetGame(Record({}, rows))


def cell(page: Page, row: int, column: int):
    return page.locator(".gpt-row").nth(row).locator("span").nth(column)


def told(page: Page) -> str:
    after(page)
    return page.inner_text(".bu-told")


def test_a_game_by_mouse(browser: Browser, home: str) -> None:
    """Pointing names the price, a click buys, what is too dear stays hidden, stopping tells all."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    seen = watch(context, home)
    page = seen.open("page.html")
    cell(page, 2, 0).hover()
    assert told(page) == "16x2 on 1M tokens costs 0.11 of the 1 that are left."
    cell(page, 2, 0).click()
    page.mouse.move(2, 2)
    assert told(page) == "16x2 on 1M tokens: loss 4.900, 1 seed."
    cell(page, 0, 2).click()  # 64 wide on 4M tokens: 3.5e12 FLOPs
    page.mouse.move(2, 2)
    assert "more than the 0.89 that are left" in told(page)
    assert page.locator(".bu-shown").count() == 1 and page.locator("circle").count() == 1
    page.get_by_role("button", name="Stop").click()
    assert told(page).startswith("Your best: 16x2 on 1M tokens, 4.900. 64x2 on 1M tokens would")
    assert page.locator("circle").count() == 9 and page.locator(".bu-frontier").count() == 1
    page.get_by_role("button", name="New game").click()
    after(page)
    assert page.locator(".bu-shown").count() == 0
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Tab to the table, arrows to a run, Enter buys it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    seen = watch(context, home)
    page = seen.open("page.html")
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.locator(".gpt-cells:focus").count() == 1
    page.keyboard.press("ArrowUp")
    assert told(page).startswith("32x2 on 1M tokens costs 0.3")
    page.keyboard.press("Enter")
    assert told(page) == "32x2 on 1M tokens: loss 3.650, 1 seed."
    assert seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """A tap buys, nothing sticks out at 390 pixels, letters are light on dark."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    cell(page, 2, 1).tap()
    assert told(page).startswith("16x2 on 2M tokens: loss 4.636")
    assert cell(page, 0, 0).bounding_box()["height"] >= 32
    ink = page.locator(".bu-told").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

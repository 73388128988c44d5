"""The depth explorer in a real browser, offline: by mouse, keys and finger, served or from disk."""

from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.experiments import Record
from gptcore.show import DepthExplorer

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOSSES = {("post", 6): 4.2, ("post", 24): 5.24, ("pre", 6): 4.3, ("pre", 24): 4.5}


def rows() -> list[dict]:
    """Two depths, two rates, with and without warm-up; at 0.001 every loss is 0.1 higher."""
    found = []
    for (norm, n_layer), loss in LOSSES.items():
        for lr in (0.001, 0.01):
            for cold in ("", ", no warm-up"):
                here = loss + (0.1 if lr == 0.001 else 0) + (0.2 if cold else 0)
                run = {"condition": f"{norm} {n_layer}{cold}", "role": "candidate", "seed": 100}
                run |= {"choice": {"lr": lr}, "valid": -here, "curve": [6.2, 5.5, here]}
                found.append(run | {"items": [0.02] * n_layer})
    more = {"condition": "pre 24, no ln_f", "valid": -4.7, "choice": {"lr": 0.01}}
    return [*found, {**found[-1], **more}]


@pytest.fixture(scope="module")
def explorer() -> DepthExplorer:
    """A small grid of both layouts."""
    beginnings = [row for row in rows() if "warm" not in row["condition"]]
    records = Record({}, rows()), Record({}, beginnings)
    return DepthExplorer(*records, unigram=5.24, uniform=6.24, lr=0.01)


def cell(page: Page, norm: int, row: int, column: int):
    """A cell of one of the two tables."""
    return (
        page.locator(".gpt-cells")
        .nth(norm)
        .locator(".gpt-row")
        .nth(row)
        .locator("span")
        .nth(column)
    )


def told(page: Page) -> str:
    """The sentence under the tables."""
    after(page)
    return page.inner_text(".dp-told")


def lines(page: Page) -> list[str]:
    """The shapes of all lines of both plots."""
    return page.eval_on_selector_all(".dp-line", "all => all.map((e) => e.getAttribute('d'))")


def test_pointing_shows_and_a_click_keeps(browser: Browser, home: str) -> None:
    """Both tables follow one choice; the curves change with it; stuck cells are framed."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    said = "24 blocks, rate 0.01, warm-up: post-LN 5.240 (one seed), stuck at token frequencies; "
    assert told(page) == said + "pre-LN 4.500 (one seed)."
    before = lines(page)
    assert len(before) == 4
    cell(page, 0, 0, 0).hover()
    assert told(page).startswith(
        "6 blocks, rate 0.01, warm-up: post-LN 4.200 (one seed); pre-LN 4.3"
    )
    assert lines(page) != before
    page.mouse.move(2, 2)
    assert told(page).startswith("24 blocks") and lines(page) == before
    cell(page, 1, 1, 0).click()
    page.mouse.move(2, 2)
    assert told(page).startswith("6 blocks, rate 0.001, warm-up: post-LN 4.300")
    assert page.locator(".gpt-cells [aria-selected=true]").count() == 2
    assert page.locator(".dp-stuck").count() == 1
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Tab goes through the controls to both tables; arrows choose depth and rate, End the last."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    for name in (
        "button:nth-child(1)",
        "button:nth-child(2)",
        "select",
        ".gpt-cells",
        ".gpt-cells",
    ):
        page.keyboard.press("Tab")
        assert page.locator(f"{name}:focus").count() == 1, name
    page.keyboard.press("ArrowLeft")
    assert told(page).startswith("6 blocks, rate 0.01")
    page.keyboard.press("ArrowDown")
    assert told(page).startswith("6 blocks, rate 0.001")
    page.keyboard.press("End")
    assert told(page).startswith("24 blocks, rate 0.001")
    ring = page.locator(".gpt-cells:focus").evaluate("e => getComputedStyle(e).outlineStyle")
    assert ring == "solid" and seen.complaints == []
    context.close()


def test_warm_up_and_beginnings_change_what_is_shown(browser: Browser, home: str) -> None:
    """Without warm-up losses are 0.2 higher; without ln_f post-LN stays, pre-LN has one cell."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.get_by_role("button", name="none").click()
    assert "no warm-up: post-LN 5.440 (one seed); pre-LN 4.700" in told(page)
    assert page.locator(".dp-stuck").count() == 0
    page.get_by_role("button", name="10 %").click()
    page.select_option("select", "no ln_f")
    assert "post-LN 5.240" in told(page)
    texts = page.locator(".gpt-cells").nth(1).locator("[role=gridcell]").all_inner_texts()
    assert texts == ["–", "4.70", "–", "–"]
    assert seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """A tap chooses, nothing sticks out, and the plots have another paper than by day."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    cell(page, 1, 0, 0).tap()
    assert told(page).startswith("6 blocks, rate 0.01")
    assert cell(page, 0, 0, 0).bounding_box()["height"] >= 32
    ink = page.locator(".dp-told").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

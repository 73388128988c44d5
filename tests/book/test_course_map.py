"""The map of the course and what was read of it, on a small book, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import serving, watch, width_complaints
from playwright.sync_api import Browser, Page
from small_book import DESK, PHONE, build, notebook

LONG = "Nine words of filler stand in this one line. " * 200  # 1,800 words
FOLD = "<details><summary>S</summary>Hid</details>"
RUN = "**Run time.** About half a minute on one CPU core."
PAGES = {
    "intro": "# A book\n\nWelcome.\n\n```{course-map}\n```",
    "04_a": notebook(f"# 04 · A\n\n*Why a?*\n\n{RUN}", f"## One\n\n{LONG}", {"code": "x = 1"}),
    "05_b": notebook(f"# 05 · B\n\n*Why b?*\n\n{RUN}\n\n{FOLD}"),
    "words": "# Words\n\n*All of them.*",
}
PARTS = {"GPT-1": ["04_a", "05_b"], "To look up": ["words"]}


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, built without a warning."""
    home, said = build(tmp_path_factory.mktemp("map"), PAGES, PARTS)
    assert (home / "book" / "intro.html").exists() and "WARNING" not in said, said
    return home


@pytest.fixture(params=["http", "file"])
def home(request: pytest.FixtureRequest, html: Path) -> Iterator[str]:
    """Where the book is opened from."""
    if request.param == "file":
        yield f"{html.as_uri()}/"
        return
    with serving(html) as address:
        yield address


def lines(page: Page) -> list[str]:
    """The map, an entry a line."""
    return [" ".join(one.split()) for one in page.locator(".gpt-map li").all_inner_texts()]


def test_the_map_tells_questions_and_minutes(browser: Browser, html: Path) -> None:
    """1,800 words and those of the head make eleven minutes at 180; without a script, too."""
    context = browser.new_context(**DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{html.as_uri()}/book/intro.html")
    assert lines(page) == [
        "04 · A Why a? 11 min to read · runs in about half a minute",
        "05 · B Why b? 1 min to read · runs in about half a minute",
        "Words",
    ]
    page.goto(f"{html.as_uri()}/book/04_a.html")
    assert page.locator(".gpt-map-one a").all_inner_texts() == ["04 · A", "05 · B"]
    assert page.locator(".gpt-map-one a[aria-current=page]").inner_text() == "04 · A"
    page.goto(f"{html.as_uri()}/book/05_b.html")
    assert page.locator(".gpt-map-one").count() == 0
    context.close()


def test_what_is_read_to_its_end_is_ticked_and_can_be_forgotten(
    browser: Browser, home: str
) -> None:
    """Opening is not reading; the end is; a click takes it back; the map counts and forgets."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("book/04_a.html")
    box = page.locator(".gpt-read input")
    page.wait_for_timeout(1300)
    assert not box.is_checked()
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('.gpt-read input').checked")
    assert page.locator(".bd-docs-nav .gpt-tick").count() == 1
    page = seen.open("book/intro.html")
    assert page.locator(".gpt-map li").first.locator(".gpt-tick").count() == 1
    assert "1 of 2 read." in page.inner_text(".gpt-map-head")
    page = seen.open("book/04_a.html")
    box.uncheck()
    page.keyboard.press("End")
    page.wait_for_timeout(1300)
    assert not box.is_checked(), "what the reader set is set again"
    box.check()
    page = seen.open("book/intro.html")
    page.get_by_role("button", name="Forget").click()
    assert page.locator(".gpt-tick").count() == 0
    page = seen.open("book/04_a.html")
    assert not box.is_checked() and seen.complaints == []
    context.close()


FORBIDDEN = """Object.defineProperty(window, "localStorage", {
  configurable: true, get() { throw new DOMException("no", "SecurityError"); } })"""


def test_where_nothing_can_be_kept_the_page_works(browser: Browser, html: Path) -> None:
    """A browser that forbids storage: no error, neither ours nor the theme's, and a tick to see."""
    context = browser.new_context(**PHONE, color_scheme="dark")
    context.add_init_script(FORBIDDEN)
    seen = watch(context, f"{html.as_uri()}/")
    page = seen.open("book/04_a.html")
    page.locator(".gpt-read input").check()
    assert page.locator(".bd-docs-nav .gpt-tick").count() == 1
    page = seen.open("book/intro.html")
    assert len(lines(page)) == 3 and width_complaints(page) == [] == seen.complaints
    context.close()


def test_odd_things_in_the_store_do_no_harm(browser: Browser, html: Path) -> None:
    """What another page or an old one wrote under the same name is passed over."""
    context = browser.new_context(**DESK)
    context.add_init_script("localStorage.setItem('gpt-read', '{\"a\":')")
    seen = watch(context, f"{html.as_uri()}/")
    page = seen.open("book/intro.html")
    assert page.locator(".gpt-tick").count() == 0 and seen.complaints == []
    context.close()


def test_what_is_folded_unfolds_for_paper(browser: Browser, html: Path) -> None:
    """A solution is open while it is printed, and folded again after."""
    context = browser.new_context(**DESK)
    page = watch(context, f"{html.as_uri()}/").open("book/05_b.html")
    folded = page.locator("article details")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.get_attribute("open") is not None
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.get_attribute("open") is None
    context.close()

"""Every page of the book by axe-core, light and dark; and what each page owes its readers."""

import re
from pathlib import Path

import pages
import pytest
from access import access_complaints
from browsing import watch, width_complaints
from execute import BUILD, toc_entries
from playwright.sync_api import Browser
from small_book import DESK, PHONE, build

HTML = BUILD / "html"
PAGES = [*(f"{entry}.html" for entry in toc_entries()), "search.html?q=temperature"]
CASES = {"light": {**DESK, "color_scheme": "light"}, "dark": {**PHONE, "color_scheme": "dark"}}
WORDS = "a cell with a good many words in it that want a line of some length"
WIDE = (
    "# A page\n\n*What is wide?* It asks.\n\nSecond paragraph.\n\n"
    f"| A | B | C | D |\n|:--|:--|--:|:--|\n| one | {WORDS} | 12.5 | {WORDS} |\n\n"
    "$$" + " + ".join("x" for _ in range(80)) + "$$"
)


@pytest.mark.parametrize("theme", CASES)
@pytest.mark.parametrize("address", PAGES)
def test_no_page_has_a_serious_fault(browser: Browser, address: str, theme: str) -> None:
    """Names, contrast, keyboard, structure: at a desk by day, on a phone by night."""
    assert (HTML / "index.html").exists(), "the book is not built: run `make book` first"
    context = browser.new_context(**CASES[theme])
    page = watch(context, f"{HTML.as_uri()}/").open(address)
    page.wait_for_timeout(200)
    assert access_complaints(page) == []
    context.close()


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a wide table and a wide formula."""
    folder = tmp_path_factory.mktemp("access")
    home, said = build(folder, {"page": WIDE, "other": "# Other\n\nText."}, {"All": ["other"]})
    assert (home / "book" / "page.html").exists() and "WARNING" not in said, said
    return home


@pytest.mark.parametrize("theme", CASES)
def test_a_small_page_has_no_serious_fault(browser: Browser, html: Path, theme: str) -> None:
    """The theme's own parts, the search and its marks."""
    context = browser.new_context(**CASES[theme])
    seen = watch(context, f"{html.as_uri()}/")
    assert access_complaints(seen.open("book/page.html?mark=second#a-page")) == []
    page = seen.open("search.html?q=second")
    page.locator(".gpt-found-list li").first.wait_for()
    assert access_complaints(page) == [] == seen.complaints
    context.close()


def test_a_printed_table_is_told_from_a_text() -> None:
    """Columns in two lines or more, none too long; what a model writes is none."""
    assert pages.is_table("name      loss\nGPT       1.25\nLSTM      1.30")
    assert not pages.is_table("once upon a time\nthere was a fox") and not pages.is_table("")
    assert not pages.is_table("one   line\nwith gaps alone")
    assert not pages.is_table("a    b\nc    d\n" + "a long line of what a model wrote " * 4)


def test_printed_tables_keep_their_columns_on_a_phone(browser: Browser) -> None:
    """They scroll, by keyboard too, and say that they go on; the page is no wider for it."""
    assert (HTML / "index.html").exists(), "the book is not built: run `make book` first"
    context = browser.new_context(**PHONE)
    page = watch(context, f"{HTML.as_uri()}/").open("book/15_ppo.html")
    tables = page.locator(".output.gpt-columns pre")
    assert tables.count() >= 5
    for table in tables.all():
        lines, rows, wide, tab = table.evaluate(
            """(e) => [e.textContent.trimEnd().split("\\n").length,
              e.scrollHeight / parseFloat(getComputedStyle(e).lineHeight),
              e.scrollWidth > e.clientWidth + 1, e.tabIndex]"""
        )
        assert rows < lines + 1.5
        assert not wide or tab == 0
    assert page.locator(".output .gpt-wide-hint").count() >= 3
    assert width_complaints(page) == []
    context.close()


PUT = "(html) => document.querySelector('article').insertAdjacentHTML('beforeend', html)"
FAULTS = {
    "<button></button>": "button-name",
    '<p style="color: #999; background: #fff">pale</p>': "color-contrast",
    '<button aria-label="Close">Search</button>': "label-content-name-mismatch",
    '<img src="data:,">': "image-alt",
}


@pytest.mark.parametrize("markup", FAULTS)
def test_each_fault_is_noticed(browser: Browser, html: Path, markup: str) -> None:
    """Negative control."""
    page = browser.new_page()
    page.goto(f"{html.as_uri()}/book/other.html")
    page.evaluate(PUT, markup)
    assert any(found.startswith(FAULTS[markup]) for found in access_complaints(page))
    page.close()


def test_every_page_describes_itself(html: Path) -> None:
    """The line in italics and what follows; whole words, no more than a messenger shows."""
    page = (html / "book" / "page.html").read_text("utf-8")
    found = re.search(r'<meta name="description" content="([^"]*)"', page)
    assert found and found[1].startswith("What is wide? It asks. Second paragraph.")
    assert len(found[1]) <= pages.LONGEST
    assert not pages.NAMED.search(page), "the search button has a name that it does not show"


def test_on_a_phone_a_table_keeps_its_columns_and_says_that_it_goes_on(
    browser: Browser, html: Path
) -> None:
    """Words stay in lines of fifteen letters and more, the hint goes at the end, keys scroll."""
    context = browser.new_context(**PHONE)
    seen = watch(context, f"{html.as_uri()}/")
    page = seen.open("book/page.html")
    cells = page.locator("td").all()
    widths = [cell.bounding_box()["width"] for cell in cells]
    assert widths[1] > 200 and widths[3] > 200 and widths[0] < 120
    hint, box = page.locator(".gpt-wide-hint"), page.locator(".pst-scrollable-table-container")
    assert hint.is_visible() and width_complaints(page) == []
    box.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.gpt-wide-hint').hidden")
    assert page.locator("mjx-container[display=true][tabindex='0']").count() == 1
    assert seen.complaints == []
    context.close()


def test_at_a_desk_a_table_that_fits_has_no_hint(browser: Browser, html: Path) -> None:
    """Negative control."""
    context = browser.new_context(viewport={"width": 1700, "height": 900})
    page = watch(context, f"{html.as_uri()}/").open("book/page.html")
    assert page.locator(".gpt-wide-hint:visible").count() == 0
    context.close()

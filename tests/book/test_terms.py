"""Words of the glossary show what they mean: by pointer, by key, by finger, and when read aloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import terms
from browsing import serving, watch, width_complaints
from playwright.sync_api import Browser, Page
from small_book import DESK, PHONE, build

FILLER = "A line of other words.\n\n" * 40
PAGES = {
    "intro": f"# A book\n\nHere are [logits](glossary.md#logits), and the "
    f"[claims](glossary.md).\n\n{FILLER}\n\nAgain [the logits](glossary.md#logits), and\n"
    "at the end of the page the [entropy](glossary.md#entropy).",
    "other": "# Other\n\nNo word of the field, but a link to [the first page](intro.md).",
    "glossary": "# Words\n\n*All of them.*\n\n## entropy\n\nHow *undecided* it is, in nats: "
    "$\\ln n$ at most.\n\n## logits\n\nScores, before [entropy](#entropy). They are raw.\n\n"
    "## nucleus\n\nA set.",
}


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, built without a warning."""
    folder = tmp_path_factory.mktemp("terms")
    home, said = build(folder, PAGES, {"To look up": ["other", "glossary"]})
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


def tip(page: Page) -> str | None:
    """What is shown, or None."""
    shown = page.locator(".gpt-tip")
    return " ".join(shown.inner_text().split()) if shown.is_visible() else None


LOGITS = "logits Scores, before entropy."


@pytest.mark.parametrize(
    ("tex", "html"),
    [
        (r"\ln n", "ln <i>n</i>"),
        ("p", "<i>p</i>"),
        ("e^2 < V", "<i>e</i>^2 &lt; <i>V</i>"),
        (r"\sqrt{2}", None),
    ],
)
def test_plain_formulas_are_written_without_mathjax(tex: str, html: str | None) -> None:
    """Worked examples; a rich one is refused."""
    assert terms.formula(tex) == html


def test_a_sentence_ends_where_the_next_begins() -> None:
    """Worked examples: numbers and lists go on, an italic end is kept whole."""
    assert terms.first_sentence("At 0.9\nof all. Then more.") == "At 0.9 of all."
    assert terms.first_sentence("<em>It ends.</em> More.") == "<em>It ends.</em>"
    assert terms.first_sentence("One only") == "One only"


def test_a_page_carries_the_sentences_that_it_links_and_no_other(html: Path) -> None:
    """Each once, named by its links; a page without words of the field loads no script."""
    page = (html / "book" / "intro.html").read_text("utf-8")
    assert page.count('aria-describedby="gpt-term-logits"') == 2
    assert page.count('id="gpt-term-logits"') == 1 and "gpt-term-nucleus" not in page
    assert "How <em>undecided</em> it is, in nats: ln <i>n</i> at most." in page
    other = (html / "book" / "other.html").read_text("utf-8")
    assert "gpt-term" not in other and "terms.js" not in other
    assert 'class="gpt-terms"' not in (html / "book" / "glossary.html").read_text("utf-8")


def test_a_formula_too_rich_for_a_first_sentence_is_a_warning(tmp_path: Path) -> None:
    """Negative control: -W turns it into a failure of the build."""
    rich = {**PAGES, "glossary": PAGES["glossary"].replace("\\ln n", "\\frac{1}{2}")}
    assert "too rich for a first sentence" in build(tmp_path, rich, {"A": ["other", "glossary"]})[1]


def test_the_pointer_shows_a_word_and_may_go_onto_what_it_says(browser: Browser, home: str) -> None:
    """It stays under the pointer, goes when the pointer does, and Escape closes it."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("book/intro.html")
    link = page.locator("a.gpt-term").first
    link.hover()
    page.locator(".gpt-tip").wait_for()
    assert tip(page) == LOGITS
    box = page.locator(".gpt-tip").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 15, steps=5)
    page.wait_for_timeout(600)
    assert tip(page) == LOGITS, "it went away under the pointer"
    page.keyboard.press("Escape")
    assert tip(page) is None
    link.hover()
    page.locator(".gpt-tip").wait_for()
    page.mouse.move(900, 700)
    page.locator(".gpt-tip").wait_for(state="hidden")
    link.click()
    page.wait_for_url("**/glossary.html#logits")
    assert seen.complaints == []
    context.close()


def test_the_keyboard_shows_a_word_and_follows_it(browser: Browser, home: str) -> None:
    """Focus shows, the next stop hides, Enter follows at once."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("book/intro.html")
    page.locator("a.gpt-term").first.evaluate("(e) => e.focus({ focusVisible: true })")
    assert tip(page) == LOGITS
    page.keyboard.press("Tab")
    page.locator(".gpt-tip").wait_for(state="hidden")
    page.keyboard.press("Shift+Tab")
    assert tip(page) == LOGITS
    page.keyboard.press("Enter")
    page.wait_for_url("**/glossary.html#logits")
    assert seen.complaints == []
    context.close()


def test_a_first_tap_shows_and_a_second_follows(browser: Browser, home: str) -> None:
    """On a phone, in the dark: the meaning fits the screen, a tap beside it closes it."""
    context = browser.new_context(**PHONE, color_scheme="dark")
    seen = watch(context, home)
    page = seen.open("book/intro.html")
    last = page.locator("a.gpt-term").last
    last.tap()
    assert (
        tip(page) == "entropy How undecided it is, in nats: ln n at most. Tap again for its entry."
    )
    box = page.locator(".gpt-tip").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert 0 <= box["y"] and box["y"] + box["height"] <= 844
    assert page.url.endswith("intro.html") and width_complaints(page) == []
    page.touchscreen.tap(200, 30)
    assert tip(page) is None
    last.tap()
    last.tap()
    page.wait_for_url("**/glossary.html#entropy")
    assert seen.complaints == []
    context.close()


def test_a_screen_reader_hears_the_meaning(browser: Browser, html: Path) -> None:
    """The description of the link is computed from the page, script or not."""
    context = browser.new_context(**DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{html.as_uri()}/book/intro.html")
    link = page.locator("a.gpt-term").first
    told = page.locator(f"#{link.get_attribute('aria-describedby')}")
    assert " ".join(told.text_content().split()) == LOGITS
    context.close()

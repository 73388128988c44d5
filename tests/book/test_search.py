"""The search: what the build writes, and how it is used, from a disk and from a server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import search
from browsing import serving, watch, width_complaints
from playwright.sync_api import Browser, Page
from small_book import DESK, PHONE, build, notebook

FILLER = "Other words stand here, line after line, so that the page is long. " * 60
DECODING = notebook(
    "# 10 · Decoding\n\n*How does a model write?*",
    f"## Heat\n\nTemperature divides the logits. {FILLER}",
    f"## Cutting off\n\n{FILLER}\n\nA small temperature and a nucleus of $p = 0.9$ agree.",
    {"code": "temperature_only_in_code = 1.5"},
    {"code": "folded_away = 2", "tags": ["hide-input"]},
)
PAGES = {
    "intro": "# A book\n\nIt begins with decoding.",
    "10_decoding": DECODING,
    "glossary": "# Words\n\n## temperature\n\nA number by which logits are divided.\n\n"
    "## top-p\n\nAnother name of the nucleus.",
}


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, built without a warning."""
    folder = tmp_path_factory.mktemp("search")

    home, said = build(folder, PAGES, {"GPT-2": ["10_decoding"], "To look up": ["glossary"]})
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


def titles(page: Page) -> list[str]:
    """The headings of the results, in order."""
    page.locator(".gpt-found-list li").first.wait_for()
    return page.locator(".gpt-found-list li > a").all_inner_texts()


def rows(home: Path) -> list[list[str]]:
    """The index as it was written."""
    text = (home / "_static" / search.INDEX).read_text("utf-8")
    return json.loads(text.removeprefix("self.gptSearchIndex = ").rstrip(";\n"))


def test_the_index_has_sections_with_their_place_text_and_code(html: Path) -> None:
    """A row per heading; formulas in words; folded code and Sphinx's own index are left out."""
    found = {row[0]: row for row in rows(html)}
    assert list(found)[:3] == [
        "book/10_decoding.html",
        "book/10_decoding.html#heat",
        "book/10_decoding.html#cutting-off",
    ]
    _, title, path, text, code = found["book/10_decoding.html#cutting-off"]
    assert (title, path) == ("Cutting off", "10 · Decoding")
    assert text.endswith("and a nucleus of p = 0.9 agree.")
    assert code.split() == "temperature_only_in_code = 1.5".split()
    assert not (html / "searchindex.js").exists()
    assert "searchtools.js" not in (html / "book" / "intro.html").read_text("utf-8")


def test_cards_are_places_of_their_own_and_what_cannot_be_read_is_left_out() -> None:
    """Worked example: a card with an anchor, one without (the page of claims), a script."""
    page = """<article><section id="a"><h1>A &amp; B<a class="headerlink">#</a></h1><p>One<br>two.
      <script>three</script></p><div class="gpt-evidence holds" id="claim-x"><p class="claim">X
      holds.</p><dl><dd>4 <cite>P2</cite></dd></dl></div><div class="gpt-evidence"><p>5</p></div>
      <details><summary>Solution</summary><pre>x = 7</pre></details><p>six</p></section>
      </article>"""
    a, x = search.sections(page)
    assert (a.anchor, a.title, a.path, a.text) == ("a", "A & B", (), "One two. six")
    assert a.code == "", "a solution is found by searching"
    assert (x.anchor, x.title, x.path, x.text) == ("claim-x", "X holds.", ("A & B",), "4")
    assert search.sections("<p>No article</p>") == []
    assert search.spoken(r"\(\ln V\)") == "ln V" and search.spoken(r"\[" + "x" * 40) == "…"


def test_an_index_that_is_too_large_is_a_warning(tmp_path: Path, monkeypatch) -> None:
    """Negative control of the limit."""
    monkeypatch.setattr(search, "LARGEST", 100)
    said: list[tuple] = []
    monkeypatch.setattr(search.logger, "warning", lambda *words: said.append(words))
    (tmp_path / "_static").mkdir()
    text = f'<article><section id="a"><h1>A</h1><p>{FILLER}</p></section></article>'
    (tmp_path / "a.html").write_text(text)
    builder = type("Builder", (), {"format": "html"})
    env = type("Env", (), {"all_docs": {"a": 0}})
    app = type("App", (), {"builder": builder, "env": env, "outdir": tmp_path})
    search.ship(app, None)
    assert said and said[0][1] == search.INDEX


def test_the_dialog_finds_sections_and_shows_excerpts(browser: Browser, home: str) -> None:
    """Ctrl+K, a word: the word's own entry first, then sections; every excerpt has its mark."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("book/intro.html")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("Control+k")
    page.keyboard.type("temperature")
    assert titles(page) == ["temperature", "Cutting off", "Heat"]
    assert page.inner_text(".gpt-found-status") == "3 places"
    assert [url for url in asked if "search-index" in url]
    lines = page.locator(".gpt-found-list li")
    assert lines.nth(1).locator("p mark").all_inner_texts() == ["temperature"]
    assert "… " in lines.nth(1).locator("p").inner_text()
    assert lines.nth(1).locator(".gpt-found-path").inner_text() == "10 · Decoding"
    assert seen.complaints + width_complaints(page) == []
    context.close()


def test_all_words_are_needed_beginnings_and_plurals_are_enough(
    browser: Browser, home: str
) -> None:
    """Two words of one section; a beginning; a plural; words that never meet; a word of none."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("search.html?q=nucleus+temperature")
    assert titles(page) == ["Cutting off"]
    field = page.locator("article form.bd-search input")
    for question, first in {"tempera": "temperature", "temperatures": "temperature"}.items():
        field.fill(question)
        page.locator(".gpt-found-status", has_text="3 places").wait_for()
        assert titles(page)[0] == first, question
    field.fill("temperature_only_in_code")
    assert titles(page)[0] == "Cutting off"
    field.fill("begins temperature")
    page.locator(".gpt-found-status", has_text="No place has all these words").wait_for()
    field.fill("zebra")
    page.locator(".gpt-found-status", has_text="Nothing in the book").wait_for()
    assert page.locator(".gpt-found-list li").count() == 0
    field.fill("<img src=x> (")
    page.locator(".gpt-found-status", has_text="Nothing in the book").wait_for()
    assert seen.complaints == []
    context.close()


def test_keys_walk_through_the_results_and_a_result_is_marked_where_it_stands(
    browser: Browser, home: str
) -> None:
    """Down to the third, Enter: its section, in view, its word marked; Esc takes the mark away."""
    context = browser.new_context(**DESK)
    seen = watch(context, home)
    page = seen.open("book/intro.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("temperature")
    titles(page)
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/10_decoding.html?mark=temperature#heat")
    mark = page.locator("mark.gpt-mark")
    mark.first.wait_for()
    assert mark.all_inner_texts() == ["Temperature"]
    top = mark.first.bounding_box()["y"]
    assert 0 < top < DESK["viewport"]["height"]
    assert page.inner_text(".gpt-marks span") == "1 mark for “temperature”"
    page.keyboard.press("Escape")
    assert mark.count() == 0 and page.locator(".gpt-marks").count() == 0
    assert seen.complaints == []
    context.close()


def test_on_a_phone_a_result_is_tapped_and_leads_within_the_page(
    browser: Browser, home: str
) -> None:
    """The dialog fits, a tap closes it though the result stands on this page; the button ends."""
    context = browser.new_context(**PHONE, color_scheme="dark")
    seen = watch(context, home)
    page = seen.open("book/glossary.html?mark=nucleus#top-p")
    assert page.locator("mark.gpt-mark").count() == 1
    page.locator(".search-button__button:visible").first.tap()
    page.locator("#pst-search-dialog input").fill("nucleus")
    assert titles(page)[0] == "top-p"
    assert width_complaints(page) == []
    box = page.locator("#pst-search-dialog").bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= 390
    page.locator(".gpt-found-list a").first.tap()
    page.locator("#pst-search-dialog").wait_for(state="hidden")
    page.locator(".gpt-marks button").tap()
    assert page.locator("mark.gpt-mark").count() == 0
    assert seen.complaints == []
    context.close()


def test_without_its_index_the_search_says_so(browser: Browser, html: Path) -> None:
    """Negative control."""
    context = browser.new_context(**DESK)
    page = context.new_page()
    page.route("**/search-index.js", lambda route: route.abort())
    page.goto(f"{html.as_uri()}/search.html?q=temperature")
    page.locator(".gpt-found-status", has_text="could not be loaded").wait_for()
    context.close()

"""The built pages in a real browser, from a server and from the disk, with no network at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import ASK, drawing_complaints, serving, watch, width_complaints
from execute import BUILD, toc_entries
from playwright.sync_api import Browser, Page

HTML = BUILD / "html"
PAGES = [f"{entry}.html" for entry in toc_entries()]
FIRST_THEME = """new MutationObserver(() => {
  if (document.body) window.firstTheme ??= document.documentElement.dataset.theme;
}).observe(document, { childList: true, subtree: true })"""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The built book behind a local server."""
    with serving(HTML) as address:
        yield address


@pytest.fixture(params=["http", "file"])
def home(request: pytest.FixtureRequest, server: str) -> str:
    """Where the book is opened from."""
    assert (HTML / "index.html").exists(), "the book is not built: run `make book` first"
    return server if request.param == "http" else f"{HTML.as_uri()}/"


@pytest.mark.parametrize("address", PAGES)
def test_page_is_whole(browser: Browser, home: str, address: str) -> None:
    """No request fails or leaves, the console is silent, formulas and charts have a size."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open(address)
    assert page.title().strip()
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("address", PAGES)
def test_page_fits_a_phone_in_the_dark(browser: Browser, home: str, address: str) -> None:
    """At 390 px nothing sticks out sideways; a dark preference holds from the first paint on."""
    context = browser.new_context(viewport=PHONE, color_scheme="dark", has_touch=True)
    context.add_init_script(FIRST_THEME)
    seen = watch(context, home)
    page = seen.open(address)
    assert page.evaluate("window.firstTheme") == "dark", "the page flashes in the light theme"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def page_with(selector: str) -> str:
    """The first page of the book whose HTML has `selector`."""
    found = [page for page in PAGES if selector in (HTML / page).read_text("utf-8")]
    assert found, f"no page of the book has {selector}"
    return found[0]


def colours(page: Page) -> dict[str, str]:
    """The colours that a theme decides: paper, text, a chart's labels and its first marks."""
    return page.evaluate(
        """() => {
      const css = (q, p) => getComputedStyle(document.querySelector(q))[p];
      return { paper: css("body", "backgroundColor"), text: css("article p", "color"),
               label: css("figure.gpt-chart .gpt-still text", "fill"),
               mark: css("figure.gpt-chart .gpt-still-marks", "color"),
               alive: css("figure.gpt-chart.drawn .xtick text", "fill") };
    }"""
    )


def wake(page: Page) -> None:
    """Point at the first chart that is not hidden, and wait for plotly.js."""
    page.locator(".gpt-still-plot:visible").first.hover()
    page.wait_for_selector("figure.gpt-chart.drawn svg.main-svg")


def test_theme_button_recolours_page_and_chart(browser: Browser, home: str) -> None:
    """A click changes paper, text, pictures and the chart that is alive."""
    context = browser.new_context(viewport=DESK, color_scheme="light")
    seen = watch(context, home)
    page = seen.open(page_with("gpt-still"))
    wake(page)
    light = colours(page)
    for _ in range(3):
        page.locator("button.theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    page.wait_for_timeout(400)
    dark = colours(page)
    assert all(light[part] != dark[part] for part in light), (light, dark)
    assert seen.complaints + drawing_complaints(page) == []
    context.close()


@pytest.mark.parametrize("address", PAGES)
def test_no_page_loads_plotly_before_a_reader_asks(
    browser: Browser, home: str, address: str
) -> None:
    """Every chart of the book has its picture, and stays one until somebody points at it."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    asked = []
    seen.page.on("request", lambda request: asked.append(request.url))
    page = seen.open(address)
    page.wait_for_timeout(300)
    assert page.locator("figure.gpt-chart:not(:has(> .gpt-still))").count() == 0
    assert not [url for url in asked if url.endswith("plotly.min.js")]
    context.close()


def test_a_chart_whose_script_is_gone_stays_a_picture(browser: Browser, server: str) -> None:
    """Negative control: where plotly.js cannot be loaded, nothing is lost."""
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.route("**/plotly.min.js", lambda route: route.abort())
    page.goto(server + page_with("gpt-still"))
    page.evaluate(ASK)  # the first chart of a page may wait for a guess
    with page.expect_event("requestfailed"):
        page.locator(".gpt-still-plot:visible").first.hover()
    assert page.locator(".gpt-still-plot:visible > svg").first.is_visible()
    assert page.locator("figure.gpt-chart.drawn").count() == 0
    context.close()


def test_search_finds_a_word_of_the_notation_page(browser: Browser, home: str) -> None:
    """Search needs no server: it works from the disk too."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("search.html?q=perplexity")
    page.wait_for_selector(".gpt-found-list li a")
    assert any("notation" in link for link in hrefs(page, ".gpt-found-list li a"))
    assert seen.complaints == []
    context.close()


def test_front_door_leads_to_the_introduction(browser: Browser, home: str) -> None:
    """index.html is what a reader opens first."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    seen.page.goto(home + "index.html", wait_until="commit")
    seen.page.wait_for_url("**/book/intro.html")
    assert seen.complaints == []
    context.close()


def test_without_javascript_every_chart_is_there(browser: Browser, home: str) -> None:
    """Who runs no scripts sees every chart, and hears what it shows."""
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(home + page_with("gpt-still"))
    pictures = page.locator("figure.gpt-chart svg[role=img]")
    assert pictures.count() > 0
    assert all(one.is_visible() and one.get_attribute("aria-label") for one in pictures.all())
    context.close()


def hrefs(page: Page, selector: str) -> list[str]:
    """The addresses of the links that `selector` finds."""
    return page.eval_on_selector_all(selector, "links => links.map((link) => link.href)")


BROKEN = {
    "cdn": ('<script src="https://cdn.invalid/x.js"></script>', "asked for https://cdn.invalid/"),
    "missing": ('<img src="gone.png" alt="">', "gone.png"),
    "console": ("<script>console.error('Got invalid theme mode')</script>", "console error: Got"),
    "twice": ("<script>const a = 1</script><script>const a = 2</script>", "uncaught: "),
    "fetch": ("<script>fetch('https://api.invalid/').catch(() => 0)</script>", "asked for https:"),
    "formula": ('<span class="math">\\(x\\)</span>', "1 formulas not drawn"),
    "chart": ('<figure class="gpt-chart"></figure>', "chart 1 is not drawn"),
    "number": (
        '<figure class="gpt-chart"><svg class="main-svg" width="300" style="overflow: visible">'
        '<text class="bartext" x="290" y="50">0.8345</text></svg></figure>',
        "chart 1 cuts off the number 0.8345",
    ),
    "explorer": ('<figure class="gpt-explorer-figure"></figure>', "explorer 1 (undefined) is not"),
    "wide": ('<div style="width: 900px">wide</div>', "900 px wide, 390 px there"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_each_fault_is_noticed(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, scheme: str
) -> None:
    """Negative control: a page with one fault draws a complaint that names it."""
    import browsing

    markup, complaint = BROKEN[fault]
    head = "<!doctype html><title>x</title><style>body { margin: 0 }</style>"
    (tmp_path / "page.html").write_text(f"{head}<link rel=icon href=data:,><main>{markup}</main>")
    monkeypatch.setattr(browsing, "SETTLED", browsing.SETTLED.replace("60000", "50"))
    with serving(tmp_path) as local:
        context = browser.new_context(viewport=PHONE)
        seen = watch(context, local if scheme == "http" else f"{tmp_path.as_uri()}/")
        page = seen.open("page.html")
        page.wait_for_timeout(100)
        found = seen.complaints + drawing_complaints(page) + width_complaints(page)
        context.close()
    assert any(complaint in found_one for found_one in found), found


def test_the_styles_of_the_book_do_not_shift_what_an_explorer_frames(
    browser: Browser, home: str
) -> None:
    """The book gives each div.cell a margin; no part of an explorer bears such a class."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open(page_with("gpt-explorer-figure"))
    page.locator(".gpt-explorer").first.scroll_into_view_if_needed()
    margin = """() => {
      const div = document.createElement("div");
      div.className = "cell";
      document.querySelector("article").append(div);
      return getComputedStyle(div).margin;
    }"""
    assert page.evaluate(margin) != "0px"  # without it this test would show nothing
    borne = """() => [...document.querySelectorAll(".gpt-explorer *")]
      .flatMap((part) => [...part.classList])"""
    names = set(page.evaluate(borne))
    assert names and not names & {"cell", "cell_input", "cell_output", "output", "highlight"}
    context.close()


def test_on_a_phone_the_cells_of_a_grid_stand_under_their_headings(
    browser: Browser, home: str
) -> None:
    """The book's styles know some class names, too, and may make what bears them wider."""
    context = browser.new_context(viewport=PHONE, has_touch=True)
    page = watch(context, home).open(page_with('data-explorer="residual_stream"'))
    page.locator(".gpt-residual").scroll_into_view_if_needed()
    wide = """() => ["scroll", "head", "rows .rs-line:last-child", "foot .rs-line:last-child"].map(
      (part) => document.querySelector(`.gpt-residual .rs-${part}`).clientWidth)"""
    room, *lines = page.evaluate(wide)
    assert set(lines) == {room}, "the columns of some lines are wider, or must be scrolled to"
    context.close()

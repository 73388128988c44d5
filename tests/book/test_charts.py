"""Charts on a page: a picture first, the living chart when a reader asks, without a jump."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import plotly.graph_objects as go
import pytest
from browsing import Watch, drawing_complaints, serving, watch, width_complaints, write_page
from execute import ROOT
from playwright.sync_api import Browser, Page

from gptcore.show import bars, heat, line, plots

DESK, PHONE = {"width": 800, "height": 900}, {"width": 390, "height": 844}
PLOTLY = "plotly.min.js"
XS = [1, 10, 100, 1000]
LONG = "a network whose name is long, longer than a phone is wide, and longer still"
FIGURES = {
    "line": line(
        {"one": (XS, [4.0, 3.0, 2.0, 1.0]), LONG: (XS, [3.5, 3.2, 3.1, 3.0])},
        spread={"one": ([3.5, 2.5, 1.5, 0.5], [4.5, 3.5, 2.5, 1.5])},
        reference={"a uniform guess": 4.6, "the table": 4.55},
        title="What a larger vocabulary buys, and what it costs, in a title of two lines",
        x="tokens read",
        y="nats per token",
        log_x=True,
        markers=True,
    ),
    "dense": line({"loss": (list(range(2000)), [5.0 - i / 500 for i in range(2000)])}),
    "bars": bars({"mood": {LONG: 0.9, "none": 0.4}, "entailment": {LONG: 0.7, "none": 0.0012}}),
    "heat": heat(
        [[1.0 if c <= r else None for c in range(40)] for r in range(40)],
        [f"{i} word" for i in range(40)],
        title="Who reads whom",
        x="is read",
        y="reads",
    ),
}
TOO_MUCH = go.Figure(go.Pie(values=[1, 2], labels=["a", "b"]), layout={"height": 300})
PLACES = """() => ({
  figure: document.querySelector("figure.gpt-chart").getBoundingClientRect().height,
  plot: document.querySelector(".gpt-still-plot").getBoundingClientRect().toJSON(),
  after: document.querySelectorAll("figure.gpt-chart")[1].getBoundingClientRect().top + scrollY,
})"""


def page_of(*figures: go.Figure) -> str:
    """The HTML of figures, each as the book has it."""
    return "".join(plots.bundle(figure, "Loss falls & stays.")["text/html"] for figure in figures)


def write_charts(folder: Path, html: str) -> None:
    """Write a page of charts with the book's letters."""
    shutil.copytree(ROOT / "book" / "_assets", folder, dirs_exist_ok=True)
    write_page(folder, f'<link rel="stylesheet" href="book.css">{html}')


@pytest.fixture(params=["http", "file"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a page with all forms of chart is opened from."""
    write_charts(tmp_path, page_of(*FIGURES.values()))
    if request.param == "file":
        yield f"{tmp_path.as_uri()}/"
        return
    with serving(tmp_path) as address:
        yield address


def opened(browser: Browser, home: str, viewport: dict = DESK, **options) -> Watch:
    """The page of all charts, and a list `asked` of what it loads."""
    seen = watch(browser.new_context(viewport=viewport, **options), home)
    seen.asked = []
    seen.page.on("request", lambda request: seen.asked.append(request.url.rsplit("/")[-1]))
    seen.open("page.html")
    return seen


def point(page: Page) -> None:
    """Move the mouse onto the first chart, and let it rest there."""
    page.locator(".gpt-still-plot").first.hover()


def come_by_keyboard(page: Page) -> None:
    """Tab once, from the top of the page."""
    page.keyboard.press("Tab")


def click(page: Page) -> None:
    """Click the first chart."""
    page.locator(".gpt-still").first.click()


@pytest.mark.parametrize("ask", [point, come_by_keyboard, click])
def test_plotly_comes_when_a_reader_asks_and_nothing_jumps(
    browser: Browser, home: str, ask: Callable[[Page], None]
) -> None:
    """Not one byte of plotly.js before; then one chart is alive, where its picture was."""
    seen = opened(browser, home)
    page = seen.page
    page.wait_for_timeout(300)
    assert PLOTLY not in seen.asked and page.evaluate("typeof Plotly") == "undefined"
    before = page.evaluate(PLACES)
    ask(page)
    page.wait_for_selector("figure.gpt-chart.drawn svg.main-svg")
    assert page.evaluate(PLACES) == before
    assert seen.asked.count(PLOTLY) == 1 and page.locator("figure.gpt-chart.drawn").count() == 1
    assert not page.locator(".gpt-still-plot > svg").first.is_visible()
    assert seen.complaints + drawing_complaints(page) == []
    page.context.close()


def test_a_tap_wakes_a_chart_and_a_finger_that_scrolls_does_not(
    browser: Browser, home: str
) -> None:
    """A touch that becomes a scroll enters the chart too; only a tap asks for it."""
    seen = opened(browser, home, PHONE, has_touch=True)
    page = seen.page
    page.evaluate("""() => document.querySelector(".gpt-still").dispatchEvent(
      new PointerEvent("pointerenter", { pointerType: "touch" }))""")
    page.wait_for_timeout(300)
    assert PLOTLY not in seen.asked
    page.locator(".gpt-still-plot").first.tap()
    page.wait_for_selector("figure.gpt-chart.drawn svg.main-svg")
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    page.context.close()


def test_a_mouse_that_only_passes_wakes_nothing(browser: Browser, home: str) -> None:
    """Over the chart and away again within a moment."""
    seen = opened(browser, home)
    seen.page.evaluate("""() => ["pointerenter", "pointerleave"].forEach((type) =>
      document.querySelector(".gpt-still").dispatchEvent(
        new PointerEvent(type, { pointerType: "mouse" })))""")
    seen.page.wait_for_timeout(300)
    assert PLOTLY not in seen.asked
    seen.page.context.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_living_chart_has_its_marks_where_the_picture_had_them(
    browser: Browser, home: str, viewport: dict
) -> None:
    """Every point of the first chart and every bar, to two pixels; and the same names."""
    page = opened(browser, home, viewport).page
    middle = """(marks) => marks.map((m) => m.getBoundingClientRect())
      .map((b) => [(b.left + b.right) / 2, (b.top + b.bottom) / 2 + scrollY])"""
    # Both begin at the first point of a line and end at its last.
    ends = """([path]) => { const at = path.getScreenCTM(), all = path.getTotalLength();
      return [0, all].map((d) => path.getPointAtLength(d).matrixTransform(at))
        .map(({ x, y }) => [x, y + scrollY]); }"""
    line_of = "figure.gpt-chart:nth-of-type(1)"
    bars_of = "figure.gpt-chart:nth-of-type(3)"
    drawn = page.eval_on_selector_all(f"{line_of} .over path:not(.dots)", ends)
    boxes = page.eval_on_selector_all(f"{bars_of} .gpt-still-marks > rect", middle)
    for chart in (line_of, bars_of):
        page.locator(f"{chart} .gpt-still-title, {chart} .gpt-still-plot").first.click()
        page.wait_for_selector(f"{chart}.drawn svg.main-svg")
    alive = page.eval_on_selector_all(f"{line_of} .scatterlayer path.js-line", ends)
    assert len(boxes) == 4
    again = page.eval_on_selector_all(f"{bars_of} .barlayer path", middle)
    for one, other in zip(drawn + boxes, alive + again, strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 2, (one, other)
    page.context.close()


def test_the_theme_recolours_pictures_at_once_and_redraws_only_what_is_alive(
    browser: Browser, home: str
) -> None:
    """Blue of the light set, then of the dark; two charts stay pictures."""
    page = opened(browser, home).page
    ink = """(i) => getComputedStyle(document.querySelectorAll(
      "figure.gpt-chart .gpt-still-marks")[i]).color"""
    assert page.evaluate(ink, 0) == "rgb(0, 114, 178)"
    click(page)
    page.wait_for_selector("figure.gpt-chart.drawn svg.main-svg")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function("""() => /rgb\\(108, 184, 238\\)/.test(
      document.querySelector("figure.drawn path.js-line").style.stroke)""")
    assert page.evaluate(ink, 2) == "rgb(108, 184, 238)"
    assert page.locator("figure.gpt-chart.drawn").count() == 1
    page.context.close()


def test_paper_has_pictures_in_the_colours_of_day(browser: Browser, home: str) -> None:
    """Printed in the dark theme, a chart that is alive and one that is not."""
    page = opened(browser, home).page
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    click(page)
    page.wait_for_selector("figure.gpt-chart.drawn svg.main-svg")
    page.emulate_media(media="print")
    for i in range(2):
        assert page.locator(".gpt-still-plot > svg").nth(i).is_visible()
    assert not page.locator("svg.main-svg").first.is_visible()
    first = page.locator(".gpt-still-marks").first
    assert first.evaluate("(m) => getComputedStyle(m).color") == "rgb(0, 114, 178)"
    page.context.close()


def test_a_name_in_the_key_hides_its_line_once_the_chart_is_alive(
    browser: Browser, home: str
) -> None:
    """By keyboard or mouse; before that there is nothing to hide it with."""
    page = opened(browser, home).page
    assert page.locator(".gpt-still-key button").count() == 0
    click(page)
    key = page.locator("figure.gpt-chart").first.locator(".gpt-still-key button")
    key.first.click()
    page.wait_for_function("() => document.querySelectorAll('path.js-line').length === 1")
    assert key.first.get_attribute("aria-pressed") == "false"
    key.first.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('path.js-line').length === 2")
    page.context.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE, {"width": 320, "height": 700}])
@pytest.mark.parametrize("script", [True, False])
def test_pictures_fit_their_page(browser: Browser, home: str, viewport: dict, script: bool) -> None:
    """No name over another, none cut off, with and without JavaScript; letters keep their size."""
    context = browser.new_context(viewport=viewport, java_script_enabled=script)
    seen = watch(context, home)
    page = seen.page
    page.goto(home + "page.html")
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    pictures = page.locator(".gpt-still-plot > svg[role=img]")
    assert pictures.count() == len(FIGURES) and pictures.first.is_visible()
    assert pictures.first.get_attribute("aria-label") == "Loss falls & stays."
    sizes = page.eval_on_selector_all(
        ".gpt-still text", "(all) => all.map((t) => parseFloat(getComputedStyle(t).fontSize))"
    )
    assert min(sizes) >= 11
    context.close()


def test_names_over_one_another_are_noticed(browser: Browser, tmp_path) -> None:
    """Negative control: ticks twice as many as there is room for."""
    html = page_of(FIGURES["dense"])
    (twice,) = re.findall(r'<g class="wide">.*?</g>', html)
    moved = twice.replace('text-anchor="middle"', 'text-anchor="middle" transform="translate(9)"')
    write_charts(tmp_path, html.replace(twice, twice + moved))
    page = watch(browser.new_context(viewport=DESK), f"{tmp_path.as_uri()}/").open("page.html")
    assert any("over" in complaint for complaint in drawing_complaints(page))
    page.context.close()


def test_a_form_that_only_plotly_draws_comes_by_itself(browser: Browser, tmp_path) -> None:
    """No picture, so plotly.js is loaded once the page answers, as every chart was before."""
    write_charts(tmp_path, page_of(TOO_MUCH))
    seen = watch(browser.new_context(viewport=DESK), f"{tmp_path.as_uri()}/")
    seen.page.goto(f"{seen.home}page.html")
    seen.page.wait_for_selector("figure.gpt-chart.drawn svg.main-svg .pielayer path")
    assert seen.complaints == []
    seen.page.context.close()

"""Chapters of the new form as a reader sees them: measured on the built pages, in a browser."""

from pathlib import Path

import pytest
from browsing import watch
from execute import BUILD, chapters
from form import is_new
from playwright.sync_api import Browser

HTML = BUILD / "html"
NEW = [path.stem for path in chapters() if is_new(path.stem)]
SCREEN = 900
MEASURE = """() => {
  const end = document.querySelector("#exercises")?.getBoundingClientRect().top ?? Infinity;
  const height = (selector) => [...document.querySelectorAll(selector)]
    .filter((e) => e.offsetParent && !e.closest("details:not([open])"))
    .map((e) => e.getBoundingClientRect()).filter(({ top }) => top < end)
    .reduce((sum, { height }) => sum + height, 0);
  const parts = ["p", "ul", "ol", "blockquote"];
  const within = (place) => parts.map((part) => `${place} > ${part}`).join(", ");
  const moves = [...document.querySelectorAll("figure.gpt-explorer-figure, .gpt-guess")];
  return {
    prose: height(`${within("article section")}, ${within("div.gpt-result")}`),
    code: height("div.cell_input"),
    first: Math.min(...moves.map((e) => e.getBoundingClientRect().top + scrollY)),
  };
}"""


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest):
    """A chapter's page with all results asked for."""
    assert (HTML / "index.html").exists(), "the book is not built: run `make book` first"
    context = browser.new_context(viewport={"width": 1280, "height": SCREEN})
    yield watch(context, f"{Path(HTML).as_uri()}/").open(f"book/{request.param}.html")
    context.close()


@pytest.mark.parametrize("page", NEW, indirect=True)
def test_prose_is_as_tall_as_open_code_and_something_moves_within_three_screens(page) -> None:
    """What `form.py` reckons from the source, measured: up to the exercises, with all results."""
    found = page.evaluate(MEASURE)
    assert found["prose"] >= found["code"] > 0, found
    assert found["first"] <= 3 * SCREEN, found


@pytest.mark.parametrize("page", NEW, indirect=True)
def test_evidence_is_folded_and_opens_with_one_click(page) -> None:
    """No code of a card is seen before its fold is clicked."""
    cells = page.locator("div.cell", has=page.locator(".gpt-evidence")).all()
    for cell in cells:
        code = cell.locator("div.cell_input pre").first
        assert not code.is_visible()
    if cells:
        cells[0].locator("details > summary").first.click()
        assert cells[0].locator("div.cell_input pre").first.is_visible()

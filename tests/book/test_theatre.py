"""Explorers where readers meet them: inside Jupyter Book's markup and style sheets."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from access import access_complaints
from browsing import after, watch, width_complaints, write_page
from playwright.sync_api import Browser
from theatre import EXPLORERS, ROOTS, SETUP, operate, picture

SHEETS = {
    "pydata_sphinx_theme": "theme/pydata_sphinx_theme/static/styles/pydata-sphinx-theme.css",
    "sphinx_book_theme": "theme/sphinx_book_theme/static/styles/sphinx-book-theme.css",
    "myst_nb": "static/mystnb.css",
}
BOOK = Path(__file__).parents[2] / "book" / "_assets" / "book.css"
# Fonts and pictures lie beside a sheet, where a page of the tests is not.
ELSEWHERE = re.compile(r"@font-face\s*\{[^}]*\}|url\((?!.?data:)[^)]*\)")
WIDE = {"width": 1000, "height": 900}
SHADED = {  # explorer, cell, what sets its shade from 0 to 1
    "cells of a table": ("answers", ".gpt-row > span", "--good: calc(100% * {})"),
    "heads of the writer": ("writer", ".wr-heads button", "--wr-weight: {}"),
    "tokens of the writer": ("writer", ".wr-text button", "--wr-weight: {}"),
}
CONTRAST = """([selector, style]) => {
  const cell = document.querySelector(selector), canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d");
  const luminance = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((byte) => byte / 255);
    const linear = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  return Array.from({ length: 101 }, (_, i) => {
    cell.style.cssText = style.replace("{}", i / 100);
    const { color, backgroundColor } = getComputedStyle(cell);
    const [dark, light] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  });
}"""


@pytest.fixture(scope="session")
def made() -> dict[str, object]:
    """Every explorer, made as its cell makes it."""
    scope: dict[str, object] = {}
    exec(SETUP, scope)
    return {name: eval(source, scope) for name, source in EXPLORERS.items()}


def stage(folder: Path, twin: str, theme: str = "light") -> None:
    """A page with the twin in the book's markup, under all the book's style sheets."""
    write_page(folder, twin, theme)
    homes = {name: find_spec(name).submodule_search_locations[0] for name in SHEETS}
    sheets = [*(Path(homes[name]) / sheet for name, sheet in SHEETS.items()), BOOK]
    styles = "".join(ELSEWHERE.sub("", sheet.read_text("utf-8")) for sheet in sheets)
    (folder / "theatre.css").write_text(styles, "utf-8")
    page = (folder / "page.html").read_text("utf-8")
    link = '<link rel="stylesheet" href="theatre.css"><title>'
    (folder / "page.html").write_text(page.replace("<title>", link), "utf-8")


@pytest.mark.parametrize("name", EXPLORERS)
def test_all_of_an_explorer_in_the_books_markup(
    browser: Browser, tmp_path: Path, made, name: str
) -> None:
    """Every part hovered, clicked and keyed: nothing throws, no NaN is told, no key goes astray.

    Around it stands Jupyter Book's div.cell, which the residual stream once took for its own. Out
    of sight, where a notebook puts cells, there is no width to draw in: three once drew into -4.
    """
    stage(tmp_path, made[name].twin())
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    before = picture(page, name)
    found = operate(page, name)
    assert picture(page, name) != before, "nothing that was done to it changed the picture"
    for shown in ("none", ""):
        page.evaluate("(shown) => { document.querySelector('main').style.display = shown; }", shown)
        after(page)
    assert found + seen.complaints + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", EXPLORERS)
def test_no_explorer_has_a_serious_fault(
    browser: Browser, tmp_path: Path, made, name: str, theme: str
) -> None:
    """By axe-core, as it comes and when all was done to it: other cells, tokens, settings."""
    stage(tmp_path, made[name].twin(), theme)
    context = browser.new_context(viewport=WIDE, color_scheme=theme, reduced_motion="reduce")
    page = watch(context, f"{tmp_path.as_uri()}/").open("page.html")
    assert access_complaints(page) == []
    operate(page, name)
    assert access_complaints(page) == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("what", SHADED)
def test_letters_are_read_on_every_shade(
    browser: Browser, tmp_path: Path, made, what: str, theme: str
) -> None:
    """4.5 to 1 and more, by WCAG's own formula; on the darkest cells they once had 2.5."""
    name, cell, style = SHADED[what]
    stage(tmp_path, made[name].twin(), theme)
    context = browser.new_context(viewport=WIDE, color_scheme=theme)
    page = watch(context, f"{tmp_path.as_uri()}/").open("page.html")
    contrasts = page.evaluate(CONTRAST, [cell, style])
    assert min(contrasts) >= 4.5 and max(contrasts) - min(contrasts) > 3
    context.close()


def test_the_columns_beside_the_residual_stream(browser: Browser, tmp_path: Path, made) -> None:
    """In *read* and *then* nothing is pointed at; a click chooses the row, and keys go on."""
    stage(tmp_path, made["residual_stream"].twin())
    context = browser.new_context(viewport=WIDE)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    page.get_by_role("button", name="Show everything").click()
    after(page)
    chosen, told = ".rs-cell[aria-selected=true]", ".rs-panel > .rs-title"
    kept = page.get_attribute(chosen, "id"), page.inner_text(told)
    at = made["residual_stream"].token
    row = ".rs-rows .rs-line[data-token='{}'] .rs-{}"  # rows stand in the order of their drawing
    for column in ("name", "next"):
        page.locator(row.format(at - 2, column)).hover()
        after(page)
        assert (page.get_attribute(chosen, "id"), page.inner_text(told)) == kept, column
    for token, column in ((at - 1, "name"), (at - 3, "next")):
        page.locator(row.format(token, column)).click()
        after(page)
        assert page.get_attribute(chosen, "id").split("-")[-2] == str(token)
        assert f"position {token}" in page.inner_text(told)
    page.locator(".rs-scroll").press("ArrowUp")
    after(page)
    assert page.get_attribute(chosen, "id").split("-")[-2] == str(at - 4)
    assert seen.complaints == []
    context.close()


def test_every_explorer_is_in_the_theatre() -> None:
    """A new explorer that is not operated here would be tested on a stage of its own only."""
    folder = Path(__file__).parents[2] / "gptcore" / "show" / "explorers"
    scripts = {path.name: path / f"{path.name}.js" for path in folder.iterdir()}
    texts = {name: path.read_text("utf-8") for name, path in scripts.items() if path.exists()}
    names = {name for name, text in texts.items() if "render({" in text}  # the engine draws nothing
    assert names == set(ROOTS) == {*EXPLORERS, "live_curve"}

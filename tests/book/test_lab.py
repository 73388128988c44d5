"""Explorers and the live curve in a real JupyterLab: run, clicked, typed into, closed, reopened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import PATIENCE, after, watch
from lab import serving_lab, write_notebook
from playwright.sync_api import Browser, Page
from theatre import EXPLORERS, ROOTS, SETUP, operate, picture

CURVE = """\
import time
from pathlib import Path

with LiveCurve("Growing", reference={"bigram": 3.1}, seconds=0.0) as curve:
    for step in range(1, 41):
        curve.update(step, training=4 / step**0.3)
        while step in (10, 40) and not Path(f"after {step}").exists():  # what the test says
            time.sleep(0.05)
"""
CELLS = {"setup": SETUP, **EXPLORERS, "live_curve": CURVE}
LINE = "(document.querySelector('.gpt-curve .lc-line')?.getAttribute('d') ?? '')"
# What cells above it write moves the curve out of sight, where it is not drawn.
GROWN = f"""(at) => {{ if ({LINE}.split("L").length === 10) return true;
  jupyterapp.shell.currentWidget.content.scrollToItem(at, "start"); return false; }}"""
DESK = {"width": 1300, "height": 900}
STATE = """(name) => { const list = jupyterapp.shell.currentWidget.content;
  return { cells: list.widgets.map((cell) => cell.model.id), at: list.activeCellIndex }; }"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab on a folder with one notebook: a cell for each explorer, one that trains."""
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "all.ipynb", CELLS)
    with serving_lab(folder) as home:
        yield home, folder


@contextmanager
def opened(browser: Browser, home: str) -> Iterator[tuple[Page, list[str]]]:
    """The notebook in a page of its own, its kernel ready, and what goes wrong there."""
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")
    seen = watch(context, home)
    page = seen.page
    page.goto(f"{home}lab/tree/all.ipynb")
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady")
    page.wait_for_function(
        "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
    )
    wrong: list[str] = []
    yield page, wrong
    wrong += [text for text in seen.complaints if text.startswith(("uncaught", "console error"))]
    context.close()


def go_to(page: Page, name: str) -> int:
    """Scroll to a cell, which a notebook draws only where it is seen; its number."""
    at = list(CELLS).index(name)
    page.evaluate(
        """async (at) => { const list = jupyterapp.shell.currentWidget.content;
      list.activeCellIndex = at; list.mode = "command"; await list.scrollToItem(at, "start"); }""",
        at,
    )
    return at


def test_a_notebook_with_every_explorer(browser: Browser, lab: tuple[str, Path]) -> None:
    """The curve grows, all explorers answer to mouse and keys, and are there when one comes back.

    A key pressed in an explorer once chose, or cut, a cell of the notebook around it.
    """
    home, folder = lab
    with opened(browser, home) as (page, wrong):
        page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
        at = go_to(page, "live_curve")
        page.wait_for_function(GROWN, arg=at, timeout=3 * PATIENCE, polling=500)
        page.locator(".gpt-curve .lc-plot").press("Home")
        page.wait_for_function(
            "document.querySelector('.lc-legend').innerText.startsWith('update 1')"
        )
        (folder / "after 10").touch()
        page.wait_for_function(f"{LINE}.split('L').length === 40", timeout=PATIENCE)
        (folder / "after 40").touch()
        page.wait_for_selector(".js-plotly-plot .main-svg", timeout=PATIENCE)
        assert page.locator(".gpt-curve").count() == 0, "two curves stand below the cell"
        for name in EXPLORERS:
            at = go_to(page, name)
            page.wait_for_selector(ROOTS[name], timeout=PATIENCE)
            before = picture(page, name)
            wrong += operate(page, name)
            assert picture(page, name) != before, f"{name}: the picture stays"
            state = page.evaluate(STATE)
            assert state == {"cells": list(CELLS), "at": at}, f"{name}: a key reached the notebook"
        asked_in(page, "residual_stream", "the old mill")
        shown = page.input_value(".gpt-residual select >> nth=0")
        page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    with opened(browser, home) as (page, again):
        for name in EXPLORERS:
            go_to(page, name)
            page.wait_for_selector(ROOTS[name], timeout=PATIENCE)
        assert page.input_value(".gpt-residual select >> nth=0") == shown, "what was chosen is lost"
        before = picture(page, "residual_stream")
        page.locator(".gpt-residual .rs-scroll").press("ArrowUp")
        after(page)
        assert picture(page, "residual_stream") != before
        go_to(page, "live_curve")
        page.wait_for_selector(".jp-OutputArea-output img, .main-svg", timeout=PATIENCE)
    assert wrong + again == []


def asked_in(page: Page, name: str, text: str) -> None:
    """Type a text into an explorer that runs the model on it; Python answers."""
    root = page.locator(ROOTS[name])
    root.locator("textarea").fill(text)
    root.get_by_role("button", name="Look at it").click()
    root.locator("select >> nth=0").locator("option", has_text=text).wait_for(state="attached")
    after(page)

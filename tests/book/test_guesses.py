"""Results wait for a guess: on a small book, built as the real one is, in a real browser."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browsing import serving, watch, width_complaints
from execute import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page
from refresh import METADATA

CHOICE = "Before.\n\n> **Predict first.** Which $x$?\n>\n> - this **one**\n> - that one"
WRITTEN = "## Next\n\n> **Predict first.** How many?"
AFTER = "What it means. See [logits](glossary.md#logits)."
LONG = "After a heading. " + "A line to read. " * 300


def page() -> nbformat.NotebookNode:
    """Two prompts, one to choose and one to write; each result is followed by words about it."""
    cells = [new_markdown_cell("# A page\n\nIt begins."), new_markdown_cell(CHOICE)]
    for number, text in ((41, f"{AFTER}\n\n{WRITTEN}"), (42, f"And this.\n\n## Last\n\n{LONG}")):
        printed = new_output("stream", name="stdout", text=f"result {number}\n")
        tags = {"tags": ["guess", "hide-input"]}
        cells.append(new_code_cell(f"print({number})", outputs=[printed], metadata=tags))
        cells.append(new_markdown_cell(text))
    return new_notebook(cells=cells, metadata=METADATA)


def build(folder: Path, notebook: nbformat.NotebookNode) -> tuple[Path, str]:
    """Build a book of one page with the real configuration; what it says, warnings and all."""
    for name in ("_ext", "_assets"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    for name in ("references.bib", "references.md", "glossary.md"):
        shutil.copy(ROOT / "book" / name, folder / "book")
    config = (ROOT / "_config.yml").read_text("utf-8").replace("    claims: book/_ext\n", "")
    (folder / "_config.yml").write_text(config, "utf-8")
    files = "".join(f"  - file: book/{name}\n" for name in ("glossary", "references"))
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/page\nchapters:\n{files}")
    nbformat.write(notebook, folder / "book" / "page.ipynb")
    tool = Path(sys.executable).with_name("jupyter-book")
    command = [sys.executable, tool, "build", folder, "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    return folder / "_build" / "html", done.stdout + done.stderr


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, built without a warning."""
    folder, said = build(tmp_path_factory.mktemp("guesses"), page())
    assert (folder / "book" / "page.html").exists() and "WARNING" not in said, said
    return folder


@pytest.fixture(params=["http", "file"])
def home(request: pytest.FixtureRequest, html: Path) -> Iterator[str]:
    """Where the book is opened from."""
    if request.param == "file":
        yield f"{html.as_uri()}/"
        return
    with serving(html) as address:
        yield address


DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}


def seen(page: Page, text: str) -> bool:
    """Whether a reader sees a text: it has a height and nothing skips its drawing."""
    return page.get_by_text(text, exact=False).first.evaluate(
        "(e) => e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })"
    )


def test_a_result_waits_for_its_guess_and_stands_beside_it(browser: Browser, home: str) -> None:
    """Both parts of the first result open with a click on an answer; the second stays closed."""
    context = browser.new_context(**DESK)
    watched = watch(context, home)
    page = watched.open("book/page.html", ask=False)
    assert not seen(page, "result 41") and not seen(page, "What it means")
    assert seen(page, "It begins") and seen(page, "After a heading") and seen(page, "this one")
    assert page.locator("#last").bounding_box()["y"] < 900, "what is hidden takes room"
    page.get_by_role("button", name="that one").click()
    assert seen(page, "result 41") and seen(page, "What it means") and not seen(page, "result 42")
    yours = page.locator(".gpt-guess-yours")
    assert yours.inner_text() == "You guessed that one" and yours.count() == 1
    assert page.locator("button.chosen[aria-pressed=true]").inner_text() == "that one"
    assert page.get_by_role("button", name="this one").is_disabled()
    assert page.locator(".gpt-guess-1 button:enabled").count() == 0
    assert page.locator(".gpt-guess-1 mjx-container, .gpt-guess-1 .math").count() >= 1
    assert watched.complaints + width_complaints(page) == []
    context.close()


def test_by_keyboard_a_guess_is_written(browser: Browser, home: str) -> None:
    """Tab reaches the line, an empty guess opens nothing, Enter sends a full one; it is text."""
    context = browser.new_context(**DESK)
    watched = watch(context, home)
    page = watched.open("book/page.html", ask=False)
    page.get_by_role("button", name="Show the result").first.focus()
    page.keyboard.press("Tab")  # the folded code
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    page.keyboard.press("Enter")
    assert not seen(page, "result 42")
    page.keyboard.type("about <b>7</b>")
    page.keyboard.press("Enter")
    assert seen(page, "result 42") and seen(page, "And this") and not seen(page, "result 41")
    assert page.locator(".gpt-guess-yours").inner_text() == "You guessed about <b>7</b>"
    assert watched.complaints == []
    context.close()


def test_by_touch_in_the_dark_a_result_is_asked_for(browser: Browser, home: str) -> None:
    """On a phone nothing sticks out; without a guess nothing stands beside the result."""
    context = browser.new_context(**PHONE)
    watched = watch(context, home)
    page = watched.open("book/page.html", ask=False)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert width_complaints(page) == []
    for ask in page.get_by_role("button", name="Show the result").all()[::-1]:
        box = ask.bounding_box()
        assert box["height"] >= 34
        ask.tap()
    assert seen(page, "result 41") and seen(page, "result 42")
    assert page.locator(".gpt-guess-yours").count() == 0
    assert watched.complaints + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_answers_can_be_read_in_both_themes(browser: Browser, html: Path, theme: str) -> None:
    """Answers and the guess beside the result contrast with their paper by 4.5 to 1 or more."""
    context = browser.new_context(**DESK, color_scheme=theme)
    page = watch(context, f"{html.as_uri()}/").open("book/page.html", ask=False)
    contrast = """(e) => {
      const lum = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      let paper = e;
      while (/rgba\\(.*, 0\\)/.test(getComputedStyle(paper).backgroundColor))
        paper = paper.parentElement;
      const both = [getComputedStyle(e).color, getComputedStyle(paper).backgroundColor].map(lum);
      return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    }"""
    found = [part.evaluate(contrast) for part in page.locator(".gpt-guess button").all()]
    page.get_by_role("button", name="that one").click()
    page.wait_for_timeout(300)
    for part in (".gpt-guess-yours", ".gpt-guess-yours span", "button.chosen"):
        found.append(page.locator(part).evaluate(contrast))
    assert len(found) >= 7 and min(found) >= 4.5, found
    context.close()


def test_without_javascript_everything_is_open(browser: Browser, html: Path) -> None:
    """Prompt, answers as a list, both results and the words about them."""
    context = browser.new_context(**DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{html.as_uri()}/book/page.html")
    for text in ("result 41", "What it means", "result 42", "And this", "that one"):
        assert page.get_by_text(text).first.is_visible()
    assert page.locator(".gpt-guess button").count() == 0
    context.close()


def test_a_link_into_a_result_opens_it(browser: Browser, html: Path) -> None:
    """As the page of claims links a card; and printing opens them all."""
    context = browser.new_context(**DESK)
    page = watch(context, f"{html.as_uri()}/").open("book/page.html", ask=False)
    page.evaluate("document.querySelector('.gpt-result-1').lastElementChild.id = 'card'")
    page.evaluate("location.hash = '#card'")
    page.wait_for_function("!document.querySelector('.gpt-result-1').hidden")
    assert seen(page, "result 41") and not seen(page, "result 42")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert seen(page, "result 42")
    context.close()


def test_code_is_folded_and_one_click_opens_it(browser: Browser, html: Path) -> None:
    """A folded cell costs one click, also by keyboard."""
    context = browser.new_context(**DESK)
    page = watch(context, f"{html.as_uri()}/").open("book/page.html", ask=False)
    fold = page.locator("div.cell.tag_hide-input details").first
    assert not fold.locator("pre").is_visible()
    fold.locator("summary").press("Enter")
    assert fold.locator("pre").is_visible()
    context.close()


def test_only_pages_with_a_prompt_load_the_script(html: Path) -> None:
    """And the references list every paper, each with a link to it."""
    loads = {p.name: "guess.js" in p.read_text() for p in (html / "book").glob("*.html")}
    assert loads == {"page.html": True, "glossary.html": False, "references.html": False}
    listed = (html / "book" / "references.html").read_text("utf-8")
    for url in re.findall(r"url = \{(.+)\}", (ROOT / "book/references.bib").read_text("utf-8")):
        assert f'href="{url}"' in listed, url


def test_a_tag_without_a_prompt_and_a_prompt_without_a_tag_are_warnings(tmp_path: Path) -> None:
    """Negative control: -W turns both into failures of the build."""
    notebook = page()
    notebook.cells[1].source = "No prompt here."
    notebook.cells[4].metadata["tags"] = []
    _, said = build(tmp_path, notebook)
    assert "a cell with the tag 'guess' needs a quotation before it" in said
    assert "no cell with the tag 'guess' follows this quotation" in said

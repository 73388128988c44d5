"""The residual stream in a real browser: a twin on a page of its own, served and from the disk."""

import numpy as np
import pytest
import small_models
from browsing import (
    after,
    drawing_complaints,
    thread_clock,
    watch,
    width_complaints,
)
from playwright.sync_api import Browser, Page

from gptcore.show import ResidualStream
from gptcore.tokenizer import Tokenizer

DESK, PHONE = {"width": 1000, "height": 900}, {"width": 390, "height": 844}
STORY = "One windy morning Rosa met her friend Tom by the old mill. " * 40
LONG = f"<|{'x' * 300}|>"  # a special token wider than a page
HARD = (
    f'<script>document.title = "broken"</script>{LONG}<b onclick="x">\u200f\u202eמלח\u200e &amp; '
    + "👩‍🚀 é\n\t  \u00a0\0</figure>" * 10
)
DEPTHS, TOP = 4, 5
TEXT, SHADE = ".rs-controls label:nth-child(1) select", ".rs-controls label:nth-child(2) select"


@pytest.fixture(scope="module")
def explorer() -> ResidualStream:
    """Three layers with random weights, over a short, a long and a hard text."""
    tokenizer = Tokenizer.train(STORY, vocab_size=300, specials=[LONG])
    model = small_models.make("post", n_layer=3, d_model=24, n_ctx=256)
    return ResidualStream(model, tokenizer, {"short": STORY[:58], "long": STORY, "hard": HARD})


def numbers(explorer: ResidualStream, text: int = 0) -> np.ndarray:
    """What Python packed: (T, D, 4 K + 5)."""
    raw = np.frombuffer(explorer.texts[text]["numbers"], "<u2")
    return raw.reshape(-1, DEPTHS, 4 * TOP + 5)


def chosen(page: Page) -> tuple[int, int]:
    """Position and depth of the cell that is chosen or pointed at; there is exactly one."""
    found = page.locator(".rs-cell[aria-selected=true]")
    assert found.count() == 1
    token, depth = found.get_attribute("id").split("-")[-2:]
    return int(token), int(depth)


def cell(page: Page, token: int, depth: int):
    """One cell of the grid."""
    return page.locator(f".rs-cell[id$='-{token}-{depth}']")


def colours(page: Page) -> list[str]:
    """How the cells are shaded."""
    return page.eval_on_selector_all(
        ".rs-cell", "cells => cells.map((cell) => cell.style.backgroundColor)"
    )


def uncover(page: Page) -> None:
    """Show all layers."""
    page.get_by_role("button", name="Show everything").click()
    after(page)


def test_guess_first(browser: Browser, home: str, explorer) -> None:
    """Layers are covered until a guess; the answer is Python's first depth of rank 1."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    size, at = len(explorer.texts[0]["tokens"]), explorer.token
    assert page.locator(".rs-cell.rs-covered").count() == size * (DEPTHS - 1)
    assert page.locator(".rs-details").is_hidden() and chosen(page) == (at, DEPTHS - 1)
    ranks = numbers(explorer)[at, :, 4 * TOP].tolist()
    wanted = ranks.index(1) if 1 in ranks else -1
    names = ["embedding", "layer 0", "layer 1", "layer 2", "nowhere"]
    wrong = 0 if wanted != 0 else 1
    page.get_by_role("button", name=names[wrong], exact=True).click()
    after(page)
    said = page.inner_text(".rs-verdict")
    assert said.startswith("It is nowhere on top" if wanted < 0 else "It is first on top")
    assert "Your guess was right" not in said
    assert page.locator(".rs-cell.rs-covered").count() == (size - 1) * (DEPTHS - 1)
    assert page.locator(".rs-details").is_visible()
    page.get_by_role("button", name="Another position").click()
    after(page)
    ranks = numbers(explorer)[at + 1, :, 4 * TOP].tolist()
    right = ranks.index(1) if 1 in ranks else -1
    page.get_by_role("button", name=names[right], exact=True).click()
    after(page)
    assert "Your guess was right. 1 of 2 right so far." in page.inner_text(".rs-verdict")
    uncover(page)
    assert (
        page.locator(".rs-cell.rs-covered").count() == 0 and page.locator(".rs-verdict").is_hidden()
    )
    page.get_by_role("button", name="Cover the layers and guess").click()
    after(page)
    assert page.locator(".rs-cell.rs-covered").count() == size * (DEPTHS - 1)
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_keys_walk_the_grid(browser: Browser, home: str, explorer) -> None:
    """Tab gets there; arrows, Home, End and page keys move; P pins and Escape lets go."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    uncover(page)
    page.locator(SHADE).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.role") == "grid"
    token, last, end = explorer.token, DEPTHS - 1, len(explorer.texts[0]["tokens"]) - 1
    moves = [
        ("ArrowLeft", (token, last - 1)),
        ("ArrowUp", (token - 1, last - 1)),
        ("Home", (token - 1, 0)),
        ("ArrowRight", (token - 1, 1)),
        ("Control+End", (end, 1)),
        ("ArrowDown", (end, 1)),
        ("End", (end, last)),
        ("PageUp", (end - 9, last)),
        ("Control+Home", (0, last)),
    ]
    for key, wanted in moves:
        before = page.inner_text(".rs-panel")
        page.keyboard.press(key)
        after(page)
        assert chosen(page) == wanted, key
        assert (page.inner_text(".rs-panel") == before) == (key == "ArrowDown"), key
    page.keyboard.press("p")
    page.keyboard.press("ArrowLeft")
    after(page)
    assert page.locator(".rs-cell.rs-pin").get_attribute("id").endswith(f"-0-{last}")
    assert f"after layer {last - 1}" in page.inner_text(".rs-pinned .rs-title")
    page.keyboard.press("Escape")
    after(page)
    assert page.locator(".rs-cell.rs-pin").count() == 0 and page.locator(".rs-pinned").is_hidden()
    assert seen.complaints == []
    context.close()


def test_pointing_shows_a_click_keeps_a_pin_compares(browser: Browser, home: str, explorer) -> None:
    """A cell under the mouse is shown until the mouse leaves; the pinned one stays beside it."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    uncover(page)
    cell(page, 2, 1).hover()
    after(page)
    assert chosen(page) == (2, 1) and page.inner_text(".rs-panel > .rs-title").startswith(
        "After layer 0"
    )
    page.mouse.move(5, 5)
    after(page)
    assert chosen(page) == (explorer.token, DEPTHS - 1)
    cell(page, 3, 0).click()
    page.mouse.move(5, 5)
    after(page)
    assert chosen(page) == (3, 0) and page.inner_text(".rs-panel > .rs-title").startswith(
        "Embedding"
    )
    page.get_by_role("button", name="Pin to compare").click()
    cell(page, 4, 2).hover()
    after(page)
    found = numbers(explorer)
    ranks = f"{found[3, 0, 4 * TOP]:,} → {found[4, 2, 4 * TOP]:,}"
    nats = f"{found[3, 0, -1] / 1000:.2f} → {found[4, 2, -1] / 1000:.2f}"
    told = " ".join(page.inner_text(".rs-changes").split())
    assert f"rank of the true next {ranks} " in told and f"entropy in nats {nats} " in told
    page.select_option(TEXT, label="long")
    after(page)
    assert page.locator(".rs-pinned").is_visible() and page.locator(".rs-cell.rs-pin").count() == 0
    page.get_by_role("button", name="Let go").click()
    after(page)
    assert page.locator(".rs-pinned").is_hidden() and seen.complaints == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_a_button_stays_under_a_press(browser: Browser, home: str) -> None:
    """What is drawn between press and release does not take the button away."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    uncover(page)
    page.get_by_role("button", name="Pin to compare").click()
    page.get_by_role("button", name="Let go").hover()
    page.mouse.down()
    page.locator(".rs-scroll").press("ArrowUp")
    after(page)
    page.mouse.up()
    after(page)
    assert page.locator(".rs-pinned").is_hidden()
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_the_page_says_the_numbers_of_python(browser: Browser, home: str, explorer) -> None:
    """Likeliest tokens, neighbours, ranks, entropies and means are those of the state."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    uncover(page)
    look, at, depth = explorer.texts[0], 6, 2
    cell(page, at, depth).click()
    page.mouse.move(5, 5)
    after(page)
    found = numbers(explorer)[at]
    for kind, first in [("b", TOP), (".rs-side:nth-of-type(2)", 0), (".rs-side:nth-of-type(3)", 0)]:
        texts = page.locator(f".rs-details > ol > li > {kind}").all_inner_texts()
        first = first or (2 * TOP if "2" in kind else 3 * TOP)
        wanted = (found[depth, first : first + TOP] / 65_535) ** 2
        values = [0.0 if text == "<0.001" else float(text) for text in texts]
        assert values == pytest.approx(wanted, abs=5.001e-3), kind
    names = [look["names"][place][0] for place in found[depth, :TOP]]
    shown = page.locator(".rs-details > ol .rs-name").all_inner_texts()
    assert shown[0].replace("·", " ") == names[0] or look["names"][found[depth, 0]][1] == "bytes"
    lines = page.locator(".rs-through > div:not(.rs-names)")
    for i in range(DEPTHS):
        parts = lines.nth(i).locator("> span").all_inner_texts()
        assert parts[2] == f"{found[i, 4 * TOP]:,}"
        assert float(parts[4]) == pytest.approx(found[i, -1] / 1000, abs=5.001e-3)
    foot = page.locator(".rs-foot .rs-line")
    for i, unit in enumerate([100, 100, 1]):
        texts = foot.nth(i).locator("[role=gridcell]").all_inner_texts()
        wanted = [fact[i] * unit for fact in look["facts"]]
        assert [float(text.rstrip("%")) for text in texts] == [
            pytest.approx(value, abs=0.5001 if unit == 100 else 5.001e-3) for value in wanted
        ]
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_shading_and_marks(browser: Browser, home: str, explorer) -> None:
    """Each shading is another picture; exactly the cells of rank 1 are marked as true."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    uncover(page)
    pictures = set()
    for by in ("top", "true", "rank", "itself", "entropy"):
        page.select_option(SHADE, by)
        after(page)
        pictures.add(str(colours(page)))
    assert len(pictures) == 5
    found, size = numbers(explorer), len(explorer.texts[0]["tokens"])
    wanted = {f"{t}-{d}" for t in range(size - 1) for d in range(DEPTHS) if found[t, d, 20] == 1}
    marked = page.eval_on_selector_all(".rs-cell.rs-right", "all => all.map((cell) => cell.id)")
    assert {"-".join(name.split("-")[-2:]) for name in marked} == wanted
    assert seen.complaints == []
    context.close()


def test_a_tap_on_a_phone_in_the_dark(browser: Browser, home: str, explorer) -> None:
    """390 px and a finger: guess, tap, pin and the map of a long text; nothing is wide."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.locator(".rs-options button").nth(1).tap()
    after(page)
    assert page.locator(".rs-verdict").is_visible()
    page.get_by_role("button", name="Show everything").tap()
    page.select_option(TEXT, label="long")
    after(page)
    picture = "document.querySelector('.rs-map canvas').toDataURL()"
    light = page.evaluate(picture)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    after(page)
    assert page.evaluate(picture) != light, "the map keeps the colours of the light theme"
    token, _ = chosen(page)
    cell(page, token + 1, 2).tap()
    after(page)
    assert chosen(page) == (token + 1, 2)
    page.get_by_role("button", name="Pin to compare").tap()
    cell(page, token, 1).tap()
    after(page)
    assert "→" in page.inner_text(".rs-changes")
    box = page.locator(".rs-map").bounding_box()
    page.locator(".rs-map").tap(position={"x": box["width"] / 2, "y": box["height"] - 3})
    after(page)
    assert page.locator(".rs-cell[id$='-255-0']").is_visible()
    small = page.eval_on_selector_all(
        ".rs-panel button", "all => all.filter((e) => e.offsetParent && e.offsetHeight < 40).length"
    )
    assert small == 0, "buttons too small for a finger"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_hard_and_long_texts_are_text(browser: Browser, home: str, explorer) -> None:
    """Markup, marks of direction and emoji are shown as they are; only what is seen is drawn."""
    context = browser.new_context(viewport=PHONE)
    seen = watch(context, home)
    page = seen.open("page.html")
    uncover(page)
    for text in ("long", "hard"):
        page.select_option(TEXT, label=text)
        after(page)
        of = next(look["of"] for look in explorer.texts if look["name"] == text)
        assert page.inner_text("p[role=status] >> nth=0") == f"The first 256 of {of:,} tokens."
        assert page.locator(".rs-rows .rs-line").count() < 30
        page.locator(".rs-scroll").press("Control+Home")
        after(page)
        assert chosen(page)[0] == 0 and width_complaints(page) == []
    shown = "".join(page.locator(".rs-rows .rs-name").all_inner_texts())
    assert shown.startswith("<script>"[: len(shown)])
    assert page.title() == "Explorers" and page.locator("main script:not([type])").count() == 0
    page.evaluate("document.querySelector('.rs-scroll').scrollTop = 1e6")
    after(page)
    assert page.locator(".rs-rows .rs-name").last.is_visible()
    assert seen.complaints + drawing_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_without_javascript_there_is_the_text(browser: Browser, home: str, explorer) -> None:
    """The text alternative stands where the explorer would be."""
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(home + "page.html")
    assert page.locator("figcaption").is_visible()
    assert page.inner_text("figcaption") == explorer.alt
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_live_regions_and_names(browser: Browser, home: str) -> None:
    """What is chosen is announced, and everything that takes a key has a name."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('Covered')")
    page.locator(".rs-scroll").press("Control+Home")
    page.locator(".rs-scroll").press("Home")
    said = "document.querySelector('[aria-live]').textContent"
    page.wait_for_function(f"{said}.includes('Position 0, One, in the embedding. Likeliest: ')")
    assert " has rank " in page.evaluate(said) and "Entropy " in page.evaluate(said)
    named = page.eval_on_selector_all(
        "select, button, textarea, [tabindex], [role=gridcell].rs-cell",
        "all => all.map((e) => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)",
    )
    assert all(name.strip() for name in named)
    assert page.locator("form").is_hidden(), "the box for a text of one's own needs Python"
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_256_tokens_cost_little(browser: Browser, home: str) -> None:
    """Processor time per key, shading and text, of the page's own thread: at most 50 ms."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    uncover(page)
    page.select_option(TEXT, label="long")
    after(page)
    spent = thread_clock(page)
    acts = {
        "keys": ["key('ArrowUp')", "key('PageUp')", "key('ArrowLeft')", "key('PageDown')"],
        "shades": ["pick(1, 'rank')", "pick(1, 'true')", "pick(1, 'entropy')", "pick(1, 'top')"],
        "texts": ["pick(0, 2)", "pick(0, 1)", "pick(0, 2)", "pick(0, 1)"],
    }
    tell = """(act) => { const root = document.querySelector(".gpt-residual");
      const key = (key) => root.querySelector(".rs-scroll").dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
      const pick = (i, value) => { const select = root.querySelectorAll("select")[i];
        select.value = value; select.dispatchEvent(new Event("change")); };
      eval(act); }"""
    for name, steps in acts.items():
        before = spent()
        for step in steps:
            page.evaluate(tell, step)
            after(page)
        assert (spent() - before) / len(steps) <= 50, name
    context.close()

"""Attention, step by step, in a real browser: from a server and from the disk, offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import small_models
import torch
from browsing import (
    after,
    drawing_complaints,
    thread_clock,
    watch,
    width_complaints,
    write_page,
)
from playwright.sync_api import Browser, Page

from gptcore.show import AttentionSteps
from gptcore.tokenizer import Tokenizer

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
STORY = "One windy morning Rosa met her friend Tom by the old mill. " * 40
HARD = (
    '<script>document.title = "broken"</script><b onclick="x">\u200f\u202eמלח é\n\t👩‍🚀' + "w" * 90
)
TITLES = ["Queries, keys, values", "Scores: q · k", "Scaled: scores ÷ √D", "Masked scores"]
TITLES += ["Weights: softmax", "Output: weights × V"]
MADE = ["v", "scores", "scaled", "masked", "weights", "output"]  # the last matrix of each step


@pytest.fixture(scope="module")
def explorer() -> AttentionSteps:
    """Two layers of three heads with random weights, over a short, a hard and a long text."""
    tokenizer = Tokenizer.train(STORY, vocab_size=300)
    model = small_models.make(n_layer=2, n_head=3, d_model=192, n_ctx=256)
    texts = {"short": STORY[:29], "hard": HARD, "long": STORY}
    return AttentionSteps(model, tokenizer, texts, layer=1, max_tokens=256)


@pytest.fixture(scope="module")
def by_hand() -> AttentionSteps:
    """Three tokens, √D = 2: the row of "cat" has the scaled scores 0, log 3 and log 5."""
    q = torch.tensor([[1.0, 0, 0, 0]] * 3)
    k = torch.zeros(3, 4)
    k[:, 0] = 2 * torch.tensor([1.0, 3.0, 5.0]).log()
    v = torch.tensor([[4.0, 0.0], [0.0, 4.0], [1.0, 1.0]])
    return AttentionSteps.by_hand(["the", "cat", "sat"], q, k, v)


@pytest.fixture
def hand(tmp_path: Path, by_hand) -> str:
    """A page with the numbers given by hand."""
    write_page(tmp_path, by_hand.twin())
    return f"{tmp_path.as_uri()}/"


@pytest.fixture
def page(browser: Browser, hand: str) -> Iterator[Page]:
    """That page on a desk; whatever a test does to it, nothing may go wrong in the browser."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, hand)
    yield seen.open("page.html")
    complaints = seen.complaints + drawing_complaints(seen.page)
    context.close()
    assert complaints == []


def go(page: Page, step: int) -> None:
    """Walk to a step by the slider's keys."""
    slider = page.locator("input[type=range]")
    slider.press("Home")
    for _ in range(step):
        slider.press("ArrowRight")
    after(page)


def picture(page: Page, kind: str) -> str:
    """A matrix of the stage as a data address."""
    return page.eval_on_selector(
        f".st-panel[data-kind={kind}]:not([hidden]) canvas", "canvas => canvas.toDataURL()"
    )


def choose(page: Page, kind: str, row: float, column: float, how: str = "click") -> None:
    """Click, tap or hover over a cell of a 3 × 3 (or 3 × 2) matrix."""
    panel = page.locator(f".st-panel[data-kind={kind}]:not([hidden])")
    box, columns = panel.bounding_box(), 2 if kind in ("v", "output") else 3
    place = {"x": box["width"] * (column + 0.5) / columns, "y": box["height"] * (row + 0.5) / 3}
    getattr(panel, how)(position=place)
    after(page)


def sums(page: Page) -> list[list[str]]:
    """The table behind the cell that is pointed at, row by row, without the bars."""
    rows = page.locator(".st-detail tbody tr").all()
    return [[text for text in row.locator("td").all_inner_texts() if text] for row in rows]


def test_the_slider_walks_and_each_step_has_its_picture(browser: Browser, home: str) -> None:
    """Arrow keys lead through six steps; the small pictures lead there too; Tab gets to all."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.locator(".st-head").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "range"
    pictures = []
    for step, title in enumerate(TITLES):
        if step:
            page.keyboard.press("ArrowRight")
            after(page)
        assert page.inner_text(".st-title") == f"{step + 1} of 6 {title}"
        assert page.get_attribute("input[type=range]", "aria-valuetext").endswith(title)
        pictures.append(picture(page, MADE[step]))
        assert page.locator(".st-made").count() == (step != 4), "a weight is told too early"
    assert len(set(pictures)) == 6
    page.locator(".st-track button").nth(1).click()
    after(page)
    assert page.inner_text(".st-title").endswith(TITLES[1])
    order = []
    page.locator("input[type=range]").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.dataset.kind ?? 'strips'"))
    assert order == ["q", "kT", "scores", "strips"]
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_heads_and_texts_change_the_picture(browser: Browser, home: str) -> None:
    """The list of heads and the brackets choose one; a text has its own matrices."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    go(page, 1)
    pictures, heads = [picture(page, "scores")], []
    for key in ["]", "]", "]", "["]:
        page.locator(".st-panel[data-kind=scores]").press(key)
        after(page)
        heads.append(page.input_value(".st-head"))
        pictures.append(picture(page, "scores"))
    assert heads == ["1,1", "1,2", "0,0", "1,2"]
    assert len(set(pictures)) == 4 and pictures[2] == pictures[4]
    page.select_option(".st-head", "0,1")
    after(page)
    assert picture(page, "scores") not in pictures
    page.select_option(".st-text", label="long")
    after(page)
    assert "The first 256 of " in page.inner_text("p[role=status]:visible")
    assert seen.complaints + width_complaints(page) == []
    context.close()


def test_numbers_by_hand_and_the_sums_behind_them(page: Page) -> None:
    """Each kind of cell tells the products that made it, as worked out on paper."""
    assert page.locator(".st-choices label:visible").count() == 0, "there is nothing to choose"
    go(page, 1)
    choose(page, "scores", 1, 2)  # 1 × 2 log 5
    assert page.inner_text(".st-made") == "Query of cat · key of sat = 3.219"
    assert sums(page)[0] == ["number 0", "1", "3.219", "3.219"]
    assert page.locator(".st-panel[data-kind=q] .st-band").count() == 1
    go(page, 2)
    choose(page, "scaled", 1, 2)
    assert page.inner_text(".st-made") == "cat → sat: 3.219 ÷ 2 = 1.609"
    go(page, 3)
    choose(page, "masked", 1, 2)
    assert page.inner_text(".st-made") == "cat → sat: 1.609 becomes −∞; it comes after."
    choose(page, "masked", 1, 0)
    assert page.inner_text(".st-made") == "cat → the: 0 stays: it comes before."
    go(page, 5)
    go(page, 4)
    choose(page, "weights", 1, 1)  # 3 / (1 + 3)
    assert page.inner_text(".st-made") == "cat → cat: e1.099 ÷ 4 = 3 ÷ 4 = 0.75"
    wanted = [["the", "0", "1", "0.25"], ["cat", "1.099", "3", "0.75"], ["sum", "4", "1"]]
    assert sums(page) == wanted
    choose(page, "weights", 1, 2)
    assert page.inner_text(".st-made") == "cat → sat: e−∞ ÷ 4 = 0 ÷ 4 = 0"
    go(page, 5)
    choose(page, "output", 1, 1)  # 0.25 × 0 + 0.75 × 4
    assert page.inner_text(".st-made") == "Number 1 of the output of cat = 3"
    assert sums(page) == [["the", "0.25", "0", "0"], ["cat", "0.75", "4", "3"], ["sum", "3"]]


def test_pointing_shows_and_a_click_keeps(page: Page) -> None:
    """A cell under the mouse is told until the mouse leaves; arrows and Home, End move it."""
    go(page, 1)
    choose(page, "scores", 2, 1)
    kept = page.inner_text(".st-made")
    assert kept == "Query of sat · key of cat = 2.197"
    choose(page, "scores", 0, 2, "hover")
    assert page.inner_text(".st-made") == "Query of the · key of sat = 3.219"
    page.mouse.move(5, 5)
    after(page)
    assert page.inner_text(".st-made") == kept
    choose(page, "kT", 0, 1, "hover")
    assert page.inner_text(".st-made").startswith("Number ")
    page.mouse.move(5, 5)
    moves = {"ArrowRight": ("sat", "sat"), "ArrowUp": ("cat", "sat"), "Home": ("cat", "the")}
    for key, (query, of) in moves.items():
        page.locator(".st-panel[data-kind=scores]").press(key)
        after(page)
        assert page.inner_text(".st-made").startswith(f"Query of {query} · key of {of} ="), key


def test_a_page_with_rules_for_tables(page: Page) -> None:
    """The book's rules for data frames put no stripes, borders or black letters into a sum."""
    page.eval_on_selector("main", "main => main.className = 'cell_output'")
    page.add_style_tag(
        content=".cell_output table { color: black; font-size: 1em; table-layout: fixed; }"
        ".cell_output tbody tr:nth-child(odd) { background: #f5f5f5 }"
        ".cell_output td { padding: 0.5em; border: 1px solid red }"
    )
    go(page, 1)
    look = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.borderTopWidth] }"
    assert page.eval_on_selector(".st-detail tbody tr", look) == ["rgba(0, 0, 0, 0)", "0px"]
    assert page.eval_on_selector(".st-detail tbody td", look) == ["rgba(0, 0, 0, 0)", "0px"]
    letters = "e => getComputedStyle(e).color"
    shown = page.eval_on_selector(".st-detail tbody td", letters)
    assert shown == page.eval_on_selector(".gpt-explorer", letters) != "rgb(0, 0, 0)"


def test_the_weights_wait_for_a_guess(page: Page) -> None:
    """Hidden, asked, answered by a cell or a name; then another row; the next step shows all."""
    go(page, 4)
    asked = page.inner_text(".st-question")
    assert "Predict first. Which token will cat (row 1) give most weight?" in asked
    assert page.locator(".st-panel.st-hidden[data-kind=weights]").count() == 1
    hidden = picture(page, "weights")
    assert page.locator(".st-track .st-hidden").count() == 2, "small pictures give the answer away"
    choose(page, "weights", 0, 0)  # another row: the column counts
    answer = page.inner_text(".st-question p")
    assert answer.startswith("You chose “the”. “cat” gets most weight: 0.75. The score of “the” is")
    assert "1.10 lower, so its weight is smaller by the factor e to the 1.10 = 3: 0.25" in answer
    assert picture(page, "weights") != hidden and page.locator(".st-panel.st-hidden").count() == 0
    page.get_by_text("Ask me about another token").click()
    after(page)
    assert "sat (row 2)" in page.inner_text(".st-question")
    page.locator(".st-panel[data-kind=weights]").press("End")
    page.keyboard.press("Enter")
    after(page)
    assert page.inner_text(".st-question p").startswith("Yes. “sat” gets most weight: 0.56.")
    page.get_by_text("Ask me about another token").click()
    after(page)
    assert page.locator(".st-panel.st-hidden").count() == 1
    page.get_by_text("Show me").click()
    after(page)
    assert page.locator(".st-panel.st-hidden").count() == 0


def test_a_broken_mask_leaks_and_says_so(page: Page) -> None:
    """Scaled scores 0, log 3, log 5 in every row: unmasked 1/9, 3/9, 5/9, so row 0 leaks 8/9."""
    go(page, 5)
    whole = picture(page, "weights")
    assert page.locator(".st-leak").is_hidden()
    page.locator("[data-mask=none]").click()
    after(page)
    assert picture(page, "weights") != whole
    said = page.inner_text(".st-leak")
    assert "“the” (row 0) now puts 0.89 of its weight on tokens that it may not read" in said
    assert "mean over all rows is 0.48" in said and "Only the last row is as before" in said
    go(page, 4)
    choose(page, "weights", 0, 2)
    assert page.inner_text(".st-made").endswith("÷ 9 = 5 ÷ 9 = 0.556")
    assert sums(page)[2] == ["sat", "1.609", "5", "0.556", "0"]
    page.locator("[data-mask=zero]").click()
    after(page)
    assert "0.67 of its weight" in page.inner_text(".st-leak")  # scores 0 0 0: 2 of 3 lie ahead
    page.locator("[data-mask=causal]").click()
    go(page, 5)
    assert picture(page, "weights") == whole and page.locator(".st-leak").is_hidden()


def test_a_tap_on_a_phone_in_the_dark(browser: Browser, hand: str) -> None:
    """390 px and a finger: slider's pictures, cells, names and mask answer; nothing is wide."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    seen = watch(context, hand)
    page = seen.open("page.html")
    page.locator(".st-track button").nth(1).tap()
    after(page)
    light = picture(page, "scores")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    after(page)
    assert picture(page, "scores") != light, "the matrix keeps the colours of the light theme"
    choose(page, "scores", 2, 2, "tap")
    assert page.inner_text(".st-made") == "Query of sat · key of sat = 3.219"
    page.locator(".st-track button").nth(4).tap()
    page.locator(".st-chips button").nth(2).tap()
    after(page)
    assert page.inner_text(".st-question p").startswith("Yes. “sat” gets most weight")
    page.locator("[data-mask=zero]").tap()
    after(page)
    assert page.locator(".st-leak").is_visible()
    tallest = "all => Math.min(...all.filter((b) => b.offsetHeight).map((b) => b.offsetHeight))"
    assert page.eval_on_selector_all(".st-masks button, .st-question button", tallest) >= 40
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_hard_and_long_texts_on_a_phone(browser: Browser, home: str) -> None:
    """Markup is text; 256 tokens keep within the page at every step."""
    context = browser.new_context(viewport=PHONE)
    seen = watch(context, home)
    page = seen.open("page.html")
    for text in ("hard", "long"):
        page.select_option(".st-text", label=text)
        for step in range(6):
            go(page, step)
            assert width_complaints(page) == [], (text, step)
            inside = page.eval_on_selector(".st-stage", "e => e.scrollWidth <= e.clientWidth + 8")
            assert inside, (text, step)
    assert page.title() == "Explorers" and page.locator(".gpt-explorer b[onclick]").count() == 0
    assert seen.complaints + drawing_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_what_has_no_width_yet_is_drawn_when_it_has(browser: Browser, home: str) -> None:
    """As in a notebook, where a cell's output enters the page after it is made."""
    context = browser.new_context(viewport=DESK)
    context.add_init_script(
        """document.addEventListener("DOMContentLoaded", () => document.head.insertAdjacentHTML(
          "beforeend", "<style id=hides>.gpt-steps .st-floor { display: none }</style>"))"""
    )
    seen = watch(context, home)
    page = seen.open("page.html")
    go(page, 1)
    assert page.locator(".st-detail > *").count() == 0
    page.evaluate("document.querySelector('#hides').remove()")
    after(page)
    after(page)
    assert page.locator(".st-strips").is_visible() and len(picture(page, "scores")) > 1000
    assert seen.complaints + drawing_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_256_tokens_answer_in_50_milliseconds(browser: Browser, home: str) -> None:
    """Processor time of the page's own thread for all that a reader may do, the best of 4."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    page.select_option(".st-text", label="long")
    go(page, 5)
    spent = thread_clock(page)
    dos = {
        "step": ["input[type=range]", "ArrowLeft", "ArrowRight"],
        "head": [".st-panel[data-kind=weights]", "]", "["],
        "cell": [".st-panel[data-kind=weights]", "ArrowUp", "ArrowDown"],
        "mask": ["[data-mask=none]", "Enter", None],
    }
    for name, (place, there, back) in dos.items():
        times = []
        for key in [there, back] * 2:
            page.locator(place if key else "[data-mask=causal]").focus()
            after(page)
            before = spent()
            page.keyboard.press(key or "Enter")
            after(page)
            times.append(spent() - before)
        assert min(times) <= 50, f"{name}: {times} ms"
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_without_javascript_there_is_the_text(browser: Browser, home: str, explorer) -> None:
    """The text alternative stands where the explorer would be."""
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(home + "page.html")
    assert page.inner_text("figcaption") == explorer.alt
    context.close()


def test_what_is_chosen_is_announced_and_named(page: Page) -> None:
    """A screen reader hears the cell; everything that takes a key has a name."""
    go(page, 1)
    page.locator(".st-panel[data-kind=scores]").press("End")
    wanted = "key of sat = 3.219"
    page.wait_for_function(
        f"document.querySelector('[aria-live]').textContent.includes('{wanted}')"
    )
    named = page.eval_on_selector_all(
        ".gpt-explorer :is(select, button, input, textarea, [tabindex='0'])",
        "all => all.map((e) => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)",
    )
    assert all(name.strip() for name in named)
    assert page.locator("form").is_hidden(), "the box for a text of one's own needs Python"

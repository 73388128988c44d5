"""The input layout in a real browser, offline: predicted, typed into, pointed at, by touch too."""

from collections.abc import Iterator
from pathlib import Path

import playground_cases as cases
import pytest
from browsing import after, drawing_complaints, serving, watch, width_complaints, write_page
from playwright.sync_api import Browser, Locator, Page

from gptcore.show import InputLayout
from gptcore.text import inputs
from gptcore.tokenizer import Tokenizer

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOW = Tokenizer.train("low low lower", 262)  # merges by hand: lo, low, " low", er, " lower"
WORD = Tokenizer.train("the cat the cats", 40, kind="word", splitter="plain")
START, DELIMITER, EXTRACT = inputs.with_marks(LOW)[1]
TEXTS = {
    "classification": ["low lower"],
    "entailment": ["low lower low low", "low"],
    "similarity": ["low", "lower low"],
    "choice": ["low", "low", "lower low"],
}
HOSTILE = (
    '<script>document.title = "broken"</script><img src=x onerror=alert(2)> \u202eabc\u2066 \x00 '
    "👩‍👩‍👧‍👦 שלום &amp; </textarea>{{x}} <|endoftext|> _classify_ \ufeff e\u0301"
)


@pytest.fixture(scope="module")
def explorer() -> InputLayout:
    """Ids that can be worked out by hand: low is 257, " low" 258, " lower" 260."""
    return InputLayout({"Low": LOW, "Word": WORD, "GPT-9": None}, TEXTS, n_ctx=16)


@pytest.fixture(params=["http", "file"])
def page(request, browser: Browser, tmp_path: Path, explorer) -> Iterator[Page]:
    """A page with the twin, from a server and from the disk; what goes wrong fails the test."""
    write_page(tmp_path, explorer.twin())
    with serving(tmp_path) as server:
        home = server if request.param == "http" else f"{tmp_path.as_uri()}/"
        context = browser.new_context(viewport=DESK)
        seen = watch(context, home)
        yield seen.open("page.html")
        assert seen.complaints + drawing_complaints(seen.page) + width_complaints(seen.page) == []
        context.close()


def press(page: Page, name: str) -> None:
    """Press a button by its name."""
    page.get_by_role("button", name=name, exact=True).click()
    after(page)


def write(page: Page, name: str, text: str) -> None:
    """Put a text into a box and wait until it has been taken."""
    page.get_by_label(name, exact=True).fill(text)
    page.wait_for_timeout(350)
    after(page)


def row(page: Page, i: int) -> Locator:
    """One row."""
    return page.locator(".il-row").nth(i)


def ids(page: Page, i: int = 0) -> list[int]:
    """The ids of a row that are shown."""
    return [int(text) for text in row(page, i).locator(".il-id").all_inner_texts()]


def positions(page: Page, i: int = 0) -> list[str]:
    """The positions that stand over them."""
    return row(page, i).locator(".il-at").all_inner_texts()


def rows_are(page: Page, form: str, n_ctx: int = 16) -> None:
    """The rows are those of gptcore.text.inputs, but for padding."""
    texts = page.evaluate(
        "[...document.querySelectorAll('.gpt-inputs textarea')].map(e => e.value)"
    )
    keys = {"text": texts[0], "label": 0}
    keys |= {"choices": texts[1:]} if form == "choice" else {"text_b": texts[-1]}
    tokenizer, marks = inputs.with_marks(LOW)
    (example,) = inputs.encode([keys], form, tokenizer, marks, n_ctx)
    shown = [ids(page, i) for i in range(page.locator(".il-row").count())]
    longest = max(map(len, example.rows))
    assert shown == [r + [0] * (len(r) < longest) for r in example.rows]


def test_predict_first(page: Page) -> None:
    """Nothing is shown before; a wrong row learns why; the right one opens its task, by keys."""
    assert page.locator(".il-form").is_visible() and page.locator(".il-answer").is_hidden()
    press(page, "Check")
    assert page.inner_text(".il-verdict") == "Choose the pieces in their order first."
    for name in ("extract token", "premise"):
        press(page, name)
    press(page, "Check")
    assert "the hypothesis is missing" in page.inner_text(".il-verdict")
    press(page, "extract token")  # taken back
    assert page.locator(".il-tray .il-box").all_inner_texts() == ["premise"]
    press(page, "premise")
    for name in ("start token", "premise", "delimiter token", "hypothesis", "extract token"):
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")
        after(page)
    press(page, "2")
    press(page, "Check")
    assert page.inner_text(".il-verdict").endswith("one is enough.")
    press(page, "1")
    page.get_by_role("button", name="Check").press("Enter")
    after(page)
    assert page.inner_text(".il-verdict").startswith("Yes. One row")
    assert page.locator(".il-answer").is_visible() and page.locator(".il-form").is_hidden()
    assert page.evaluate("document.activeElement.role") == "listbox"
    rows_are(page, "entailment")
    press(page, "Similarity")  # not predicted yet
    assert page.locator(".il-answer").is_hidden() and page.inner_text(".il-verdict") == ""
    press(page, "Just show me")
    rows_are(page, "similarity")
    press(page, "Cover the layouts and predict them")
    assert page.locator(".il-answer").is_hidden()
    assert page.evaluate("document.activeElement.textContent") == "delimiter token"


def test_each_task_has_its_rows_and_its_head(page: Page) -> None:
    """By hand: low is 257, " lower" 260, " low" 258; the last position of a row is read."""
    press(page, "Just show me")
    wanted = {
        "Classification": [[START, 257, 260, EXTRACT]],
        "Entailment": [[START, 257, 260, 258, 258, DELIMITER, 257, EXTRACT]],
        "Similarity": [
            [START, 257, DELIMITER, *LOW.encode("lower low"), EXTRACT],
            [START, *LOW.encode("lower low"), DELIMITER, 257, EXTRACT],
        ],
        "Multiple choice": [
            [START, 257, DELIMITER, 257, EXTRACT, 0],
            [START, 257, DELIMITER, *LOW.encode("lower low"), EXTRACT],
        ],
    }
    heads = {
        "Classification": ["row 0, position 3", "linear", "classes"],
        "Entailment": ["row 0, position 7", "linear", "classes"],
        "Similarity": [
            "row 0, position 6",
            "row 1, position 6",
            "+",
            "linear",
            "classes, or a score",
        ],
    }
    for task, rows in wanted.items():
        press(page, task)
        assert [ids(page, i) for i in range(page.locator(".il-row").count())] == rows, task
        nodes = [text.replace("\n", " ") for text in page.locator(".il-node").all_inner_texts()]
        assert nodes == heads.get(task, nodes), task
        assert f"The head reads position {rows[0].index(EXTRACT)}." in row(page, 0).inner_text()
    assert nodes[:3] == ["row 0, position 4", "linear", "score 0"]
    assert nodes[3:] == ["row 1, position 6", "linear", "score 1", "softmax", "options"]
    assert positions(page) == ["0", "1", "2", "3", "4", "5–6"]
    assert page.locator(".il-facts").inner_text().count("2 tokens of padding, id 0") == 1
    assert "It scores 10 positions in 2 rows" in page.inner_text(".il-facts")  # 4 + 6


def test_typing_cutting_and_padding(page: Page) -> None:
    """n_ctx 16 keeps 6 tokens of each; what is cut is struck through; padding is on the right."""
    press(page, "Just show me")
    write(page, "premise", "low" + " low" * 20)
    rows_are(page, "entailment")
    assert ids(page) == [START, 257, *[258] * 5, DELIMITER, 257, EXTRACT]
    gone = row(page, 0).locator(".il-cut")
    assert gone.count() == 1 and gone.inner_text().startswith("15 tokens cut ")
    assert gone.locator("s").count() == 8
    assert "Cut away: 15 of 21 tokens of the premise." in page.inner_text(".il-facts")
    page.get_by_role("button", name="premise: 7 more tokens that were cut").click()
    assert gone.locator("s").count() == 15 and row(page, 0).get_by_role("button").count() == 0
    page.get_by_label("cut").select_option(label="the longer one gives way")
    after(page)
    assert ids(page) == [START, 257, *[258] * 11, DELIMITER, 257, EXTRACT]  # 16 - 3 - 1 = 12 of it
    before = page.locator(".il-map").first.evaluate("e => e.innerHTML")
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    after(page)
    assert page.locator(".il-map").first.evaluate("e => e.innerHTML") != before
    assert slider.get_attribute("aria-valuetext") == "24 tokens"
    assert len(ids(page)) == 24
    page.get_by_label("cut").select_option(label="GPT-1’s code: each to half")
    page.get_by_label("pad to").select_option("full")
    after(page)
    assert positions(page)[-2:] == ["13", "14–23"]  # 10 of the premise and 1, and three new ones
    assert row(page, 0).locator(".il-pad").nth(-1).inner_text().split("\n")[1] == "padding × 10"
    page.get_by_label("targets").check()
    after(page)
    asked = row(page, 0).locator(".il-target").all_inner_texts()
    assert asked == ["→257", *["→258"] * 9, f"→{DELIMITER}", "→257", f"→{EXTRACT}", "–", "–"]


def test_pointing_by_mouse_and_by_keys(page: Page) -> None:
    """What a token is, what it sees and what the loss asks it for; later tokens fade."""
    press(page, "Just show me")
    press(page, "Similarity")
    info = row(page, 0).locator(".il-info")
    row(page, 0).locator(".il-token").nth(1).hover()
    assert info.inner_text() == (
        "Position 1: text A, id 257, bytes 6C 6F 77: low (U+006C U+006F U+0077). It sees positions "
        f"0 to 1. The loss asks it for id {DELIMITER}, _delimiter_."
    )
    assert row(page, 0).locator(".il-unseen").count() == 5
    page.mouse.move(5, 5)
    assert info.inner_text().startswith("Start, 1 token of text A")
    assert row(page, 0).locator(".il-unseen").count() == 0
    box = row(page, 0).get_by_role("listbox")
    box.focus()
    for key, wanted in {
        "End": "Position 6: _classify_, id 264, a new token. It sees all 7 tokens, and the head",
        "ArrowLeft": "Position 5: text B, id 258",
        "Home": "Position 0: _start_, id 262, a new token. It sees itself alone. The loss asks",
        "ArrowRight": "Position 1: text A",
    }.items():
        box.press(key)
        assert info.inner_text().startswith(wanted), key
        active = box.get_attribute("aria-activedescendant")
        assert page.locator(f"#{active}.il-active").count() == 1
    box.press("ArrowDown")  # the same place of the other row
    assert row(page, 1).locator(".il-info").inner_text().startswith("Position 1: text B")
    page.keyboard.press("Escape")
    assert row(page, 1).locator(".il-info").inner_text().startswith("Start, ")


def test_texts_are_swapped_options_come_and_go(page: Page) -> None:
    """Rows of similarity change places; an option more is a row more; a word vocabulary says so."""
    press(page, "Just show me")
    press(page, "Similarity")
    before = [ids(page, 0), ids(page, 1)]
    press(page, "Swap the two texts")
    assert [ids(page, 1), ids(page, 0)] == before and before[0] != before[1]
    assert page.get_by_label("text A", exact=True).input_value() == "lower low"
    press(page, "Multiple choice")
    assert page.get_by_role("button", name="Remove option 0").is_hidden()  # two are the least
    press(page, "Add an option")
    rows_are(page, "choice")
    assert page.locator(".il-row").count() == 3
    page.get_by_role("button", name="Remove option 0").click()
    after(page)
    assert page.locator(".il-row").count() == 2
    assert page.get_by_label("option 0", exact=True).input_value() == "lower low"
    for _ in range(6):
        press(page, "Add an option")
    assert page.locator(".il-row").count() == 8
    assert page.get_by_role("button", name="Add an option").is_hidden()
    press(page, "Entailment")
    press(page, "Word")
    write(page, "hypothesis", "THE cat")
    tokenizer, marks = inputs.with_marks(WORD)
    wanted = inputs.entailment(
        *map(tokenizer.encode, (TEXTS["entailment"][0], "the cat")), marks, 16
    )
    assert ids(page) == wanted[0]
    about = page.inner_text(".il-answer")
    assert f"ids {marks.start} to {marks.extract}" in about
    assert "Lower case only, spaces are lost." in about
    assert "The files of GPT-9 are not here." in about


def test_an_empty_text_says_so_and_loses_nothing(page: Page) -> None:
    """The package's own words instead of rows; with a text again the rows are back."""
    press(page, "Just show me")
    write(page, "hypothesis", "")
    wanted = "gptcore.text.inputs refuses this: hypothesis is empty: it has no tokens."
    assert page.inner_text(".il-problem") == wanted
    assert page.locator(".il-rows").is_hidden()
    write(page, "hypothesis", "lower")
    assert page.inner_text(".il-problem") == ""
    rows_are(page, "entailment")


def test_hostile_and_long_texts(page: Page) -> None:
    """Markup, marks that turn the text, names of new tokens: all of it ordinary text."""
    page.on("dialog", lambda dialog: pytest.fail(f"the page said {dialog.message}"))
    press(page, "Just show me")
    title = page.title()
    write(page, "premise", HOSTILE)
    page.get_by_role("slider").press("End")
    after(page)
    row(page, 0).locator(".il-more").first.click()
    rows_are(page, "entailment", 1024)
    shown = "".join(row(page, 0).locator(".il-a .il-text").all_inner_texts())
    assert shown.startswith('<script>document.title·=·"broken"</script><img·src=x')
    assert "E280AE" in shown and "\u202e" not in shown and "␀" in shown
    bytes_of_a_mark = row(page, 0).locator(".il-token").filter(has_text="AE").first
    bytes_of_a_mark.hover()
    told = row(page, 0).locator(".il-info").inner_text()
    assert "byte AE, part of U+202E (U+202E)" in told and "\u202e" not in told
    page.mouse.move(5, 5)
    assert page.title() == title
    assert page.locator("main script:not([type='application/json']), main img").count() == 0
    assert ids(page).count(EXTRACT) == 1  # the text says _classify_, too
    long = ("low lower 你好! " * 900)[:10_000]
    page.get_by_label("premise", exact=True).fill(long)
    page.wait_for_function("document.querySelector('.il-boxhead').innerText.includes(',')")
    assert f"{len(LOW.encode(long)):,} tokens" in page.inner_text(".il-boxhead >> nth=0")
    assert row(page, 0).locator(".il-a").count() < 200
    more = row(page, 0).locator(".il-more").first
    assert more.inner_text() == f"premise: {1024 // 2 - 2 - 120} more tokens"
    spent = page.evaluate(
        """() => {
      const slider = document.querySelector("input[type=range]"), begin = performance.now();
      slider.value = 0;
      slider.dispatchEvent(new Event("input"));
      return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(
        () => resolve(performance.now() - begin))));
    }"""
    )
    assert spent < 1000  # milliseconds; alone on a machine it is about 50, a busy one is slow
    assert (
        len(ids(page)) == 2 + 1 + 2 + 1
    )  # n_ctx is 8: two tokens of the one text, one of the other


@pytest.mark.parametrize("task", ["Classification", "Entailment", "Similarity", "Multiple choice"])
def test_it_fits_a_phone_in_the_dark(browser: Browser, tmp_path: Path, task: str) -> None:
    """At 390 px nothing sticks out; taps predict and name a token; colours are the dark ones."""
    texts = {name: [HOSTILE + "x" * 500] * len(own) for name, own in TEXTS.items()}
    write_page(tmp_path, InputLayout({"Low": LOW}, texts, n_ctx=256).twin(), "dark")
    context = browser.new_context(viewport=PHONE, color_scheme="dark", has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    page.get_by_role("button", name=task).tap()
    after(page)
    assert width_complaints(page) == []
    page.get_by_role("button", name="extract token").tap()
    assert page.locator(".il-tray .il-box").all_inner_texts() == ["extract token"]
    page.get_by_role("button", name="Just show me").tap()
    after(page)
    row(page, 0).locator(".il-token").nth(1).tap()
    assert "id 27, byte 3C: < (U+003C)" in row(page, 0).locator(".il-info").inner_text()
    page.get_by_label("targets").check()
    after(page)
    ink = page.locator(".gpt-inputs").evaluate("e => getComputedStyle(e).color")
    assert ink == "rgb(221, 225, 231)"  # --gpt-ink of the dark set
    heights = page.eval_on_selector_all(
        ".gpt-inputs button, .gpt-inputs select",
        "all => all.filter((e) => e.offsetParent && !e.matches('.il-more, .il-box-of button'))"
        ".map((e) => e.offsetHeight)",
    )
    assert min(heights) >= 32
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("page", ["file"], indirect=True)
def test_everything_has_a_name_and_the_rows_are_said(
    page: Page, browser, tmp_path, explorer
) -> None:
    """A live region tells the rows once the reader rests; without JavaScript there is the text."""
    press(page, "Just show me")
    page.get_by_label("targets").check()
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.includes('position 7')"
    )
    assert page.text_content("[aria-live]") == (
        "Entailment, Low. Row 0, 8 tokens: Start, 4 tokens of the premise, delimiter, 1 token of "
        "the hypothesis and extract. The head reads position 7."
    )
    named = page.eval_on_selector_all(
        "select, button, input, textarea, [tabindex]",
        "all => all.map((e) => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)",
    )
    assert all(name.strip() for name in named)
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{tmp_path.as_uri()}/page.html")
    assert plain.inner_text("figcaption") == explorer.alt
    context.close()


@pytest.mark.skipif(
    not cases.MIRROR, reason="GPTCORE_DATA_MIRROR is not set: OpenAI's files are absent"
)
def test_gpt1s_and_gpt2s_vocabularies(browser: Browser, tmp_path: Path) -> None:
    """A golden text of FACTS 1.2 between the new tokens of the released code: 40478, 40480."""
    text = "Hello, my dog is cute."
    page = InputLayout(cases.published(), {"classification": [text]}, task="classification")
    write_page(tmp_path, page.twin())
    context = browser.new_context(viewport=DESK)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    press(page, "Just show me")
    assert ids(page) == [40478, 3570, 240, 547, 2585, 544, 4957, 239, 40480]
    press(page, "GPT-2")
    assert ids(page) == [50257, 15496, 11, 616, 3290, 318, 13779, 13, 50259]
    assert seen.complaints + drawing_complaints(page) == []
    context.close()

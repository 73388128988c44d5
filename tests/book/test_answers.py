"""The explorer of answers in a real browser, offline: by mouse, keys and finger, served or not."""

import math
from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.experiments import Record
from gptcore.show import AnswersExplorer
from gptcore.tales.lines import Asked, Lines, options

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SIZES = {"100k": 90_000, "300k": 300_000, "1m": 900_000}
NAMES = {f"{size} {share}": share for size in SIZES for share in (0, 0.1, 0.3, 1)}
NAMES |= {"1m 0.001": 0.001, "1m 0.01": 0.01, "1m 1, shuffled": 0, "1m 0.3, one": 0.05}
TOLD = (
    ("Maja", "In a town.", "Proud.", "Maja lived behind the market square. She stood taller."),
    (
        "Xiu",
        "In a forest.",
        "Sad.",
        "Xiu lived in an old wood. She sat down.",
    ),
)


def tales() -> list[Lines]:
    """Two tales, each with its two questions."""
    return [
        Lines(
            text,
            name,
            (
                Asked("place", "Where does the tale take place?", place),
                Asked("mood", f"How does {name} feel in the end?", mood),
            ),
        )
        for name, place, mood, text in TOLD
    ]


def run(name: str, known: float) -> dict:
    """A network that knows a part of all answers: the right one is 1 + 9 · known times as likely
    as each other; without demonstrations "Happy." and "By a river." are likelier still."""
    logs = []
    for task, column in (("place", 1), ("mood", 2)):
        for told in TOLD:
            each = [0.0] * len(options(task))
            each[options(task).index(told[column])] = math.log(1 + 9 * known)
            logs.append([math.log(3), *each[1:]] if not known else each)
    place, mood = round(25 + 175 * known), round(25 + 150 * known)
    items = "1" * place + "0" * (200 - place) + "1" * mood + "0" * (175 - mood)
    at = {"condition": name, "role": "reported", "items": items, "options": logs}
    return {**at, "n_params": SIZES[name.split()[0]]}


@pytest.fixture(scope="module")
def explorer() -> AnswersExplorer:
    """Three sizes that know the same, two shares more, run once, and two controls for one."""
    rows = [
        {**run(name, known), "seed": seed}
        for name, known in NAMES.items()
        for seed in ((0,) if name in ("1m 0.001", "1m 0.01") else (0, 1))
    ]
    return AnswersExplorer(Record({}, rows), tales={"place": tales(), "mood": tales()})


def cell(page: Page, row: int, column: int):
    """A cell of the table."""
    return page.locator(".gpt-row").nth(row).locator("span").nth(column)


def told(page: Page) -> str:
    """The sentence under the bars."""
    after(page)
    return page.inner_text(".qa-told")


def numbers(page: Page, name: str = ".gpt-number") -> list[str]:
    """The probabilities, or whatever else all answers have."""
    after(page)
    return page.locator(name).all_inner_texts()


def widths(page: Page) -> list[float]:
    """The lengths of all bars as parts of their room."""
    after(page)
    script = "all => all.map((e) => e.offsetWidth / e.parentElement.offsetWidth)"
    return page.eval_on_selector_all(".gpt-track i", script)


def test_pointing_shows_and_a_click_keeps(browser: Browser, home: str) -> None:
    """At 30 % the right mood is 3.7 times as likely as each of six others: 3.7 / 9.7 = 0.38; with
    1 %, 1.09 / 7.09 = 0.15. 25 + 45 of 175 are right, and 25 + 1.5."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    said = "1m, 30 % of documents: says “Proud.” (0.38), which is right. Accuracy 0.40 over 175 "
    assert told(page) == said + "questions, 2 seeds."
    assert numbers(page) == ["0.10", "0.10", "0.38", "0.10", "0.10", "0.10", "0.10"]
    assert widths(page) == pytest.approx([0.103, 0.103, 0.381] + [0.103] * 4, abs=0.006)
    shares = page.locator(".gpt-heads").inner_text().replace(" %", "%").split()
    assert shares == ["0", "0.1%", "1%", "10%", "30%", "100%"]
    assert page.locator(".gpt-names").inner_text().split() == ["1m", "300k", "100k"]
    cell(page, 0, 2).hover()
    assert told(page).startswith("1m, 1 % of documents: says “Proud.” (0.15)")
    assert widths(page)[2] == pytest.approx(0.154, abs=0.006)
    page.mouse.move(2, 2)
    assert told(page).startswith("1m, 30 %") and numbers(page)[2] == "0.38"
    cell(page, 1, 2).click()
    page.mouse.move(2, 2)
    assert told(page) == "300k, 1 % of documents: not run." and numbers(page) == ["–"] * 7
    assert cell(page, 1, 2).inner_text() == "–" and sum(widths(page)) == 0
    cell(page, 2, 0).click()
    page.mouse.move(2, 2)
    assert told(page).startswith(
        "100k, no demonstrations: says “Happy.” (0.33); right is “Proud.” (0.11)."
    )
    assert page.locator(".gpt-cells [aria-selected=true]").count() == 1
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_a_network_that_was_run_once_is_told_apart(browser: Browser, home: str) -> None:
    """Its number is slanted in the table, and who hears the table hears "one seed"."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    style = "all => all.map((e) => getComputedStyle(e).fontStyle)"
    slants = page.locator(".gpt-row").first.locator("span").evaluate_all(style)
    assert slants == ["normal", "italic", "italic", "normal", "normal", "normal"]
    assert cell(page, 0, 1).get_attribute("aria-label").endswith("accuracy 0.14, one seed")
    assert cell(page, 0, 3).get_attribute("aria-label").endswith("accuracy 0.23")
    cell(page, 0, 1).click()
    assert told(page).endswith("over 175 questions, 1 seed.")
    assert "italic: one seed" in page.inner_text(".gpt-answers > .gpt-quiet")
    context.close()


def test_tales_and_questions_take_turns(browser: Browser, home: str) -> None:
    """The prompt ends with "Answer:", a word marks the right answer, and behind the last tale
    comes the first; the other question has eight answers, in the order that they had."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    prompt = page.inner_text(".qa-prompt")
    assert prompt == f"{TOLD[0][3]}\n\nQuestion: How does Maja feel in the end?\nAnswer:"
    right = ".gpt-bar:has(.gpt-mark:not([hidden]))"
    assert numbers(page, right)[0].startswith("Proud. ✓ right")
    page.get_by_role("button", name="Next").click()
    after(page)
    assert numbers(page, right)[0].startswith("Sad. ✓ right")
    assert "(0.38), which is right" in told(page) and "Tale 2 of 2" in page.inner_text(".gpt-turn")
    page.get_by_role("button", name="Where does it").click()
    after(page)
    assert page.inner_text(".qa-prompt").endswith("Where does the tale take place?\nAnswer:")
    assert len(numbers(page)) == 8 and numbers(page, right)[0].startswith("In a forest. ✓ right")
    assert told(page).endswith("over 200 questions, 2 seeds.")
    cell(page, 2, 0).click()
    assert "says “By a river.” (0.30); right is “In a forest.” (0.10)" in told(page)
    assert numbers(page, right)[0].startswith("In a forest. ✓ right")
    assert page.locator(right).count() == 1
    assert "chance is 0.125" in page.inner_text(".gpt-answers > .gpt-quiet")
    for name in ("Next", "Previous"):
        page.get_by_role("button", name=name).click()
        after(page)
        assert ("Maja" in page.inner_text(".qa-prompt")) == (name == "Next")
    assert seen.complaints == []
    context.close()


def test_controls_go_where_they_were_run(browser: Browser, home: str) -> None:
    """Each was run once: all else shows –, and what it is compared with is one press away."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    cell(page, 2, 0).click()
    page.get_by_role("button", name="shuffled answers").click()
    page.mouse.move(2, 2)
    assert told(page).startswith("1m, 100 % of documents, shuffled answers: says “Happy.” (0.33)")
    texts = page.locator("[role=gridcell]").all_inner_texts()
    assert [text for text in texts if text != "–"] == ["0.14"] == texts[5:6]
    page.get_by_role("button", name="right answers").click()
    assert told(page).startswith("1m, 100 % of documents: says “Proud.” (0.63)")
    page.get_by_role("button", name="one wording").click()
    assert told(page).startswith("1m, 30 % of documents, one wording: says “Proud.” (0.19)")
    assert page.locator("button[aria-pressed=true]").all_inner_texts() == [
        "How does the hero feel?",
        "one wording",
    ]
    assert seen.complaints == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Tab goes through all buttons and the table; arrows choose size and share, End the last."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    names = ["Where does", "How does", "right answers", "shuffled", "one wording"]
    for name in [*names, None, "Previous", "Next"]:
        page.keyboard.press("Tab")
        at = page.locator(":focus")
        assert at.get_attribute("role") == "grid" if name is None else name in at.inner_text()
    page.keyboard.press("Enter")
    after(page)
    assert "Xiu" in page.inner_text(".qa-prompt")
    page.locator(".gpt-cells").focus()
    for key, where in {
        "ArrowDown": "300k, 30 %",
        "ArrowLeft": "300k, 10 %",
        "End": "300k, 100 %",
        "Home": "300k, no",
        "ArrowUp": "1m, no",
    }.items():
        page.keyboard.press(key)
        assert told(page).startswith(where), key
    ring = page.locator(".gpt-cells:focus").evaluate("e => getComputedStyle(e).outlineStyle")
    assert ring == "solid" and seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """A tap chooses, nothing sticks out, and all is light on dark."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    cell(page, 2, 5).tap()
    assert told(page).startswith("100k, 100 % of documents: says “Proud.” (0.63)")
    page.get_by_role("button", name="Where does it").tap()
    assert numbers(page)[4] == "0.59"
    assert cell(page, 0, 0).bounding_box()["height"] >= 32
    for name in (".qa-told", ".qa-prompt", ".gpt-bar"):
        ink = page.locator(name).first.evaluate("e => getComputedStyle(e).color")
        assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    inside = page.evaluate(
        """() => [...document.querySelectorAll(".gpt-answers *:not(.gpt-unseen)")]
        .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
        .map((e) => `${e.className}: ${e.textContent}`)"""
    )
    assert inside + seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

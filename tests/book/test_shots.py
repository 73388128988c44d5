"""The explorer of demonstrations in a prompt in a real browser, offline: mouse, keys and finger."""

import re
from pathlib import Path

import pytest
import shot_runs
from browsing import (
    after,
    drawing_complaints,
    thread_clock,
    watch,
    width_complaints,
    write_page,
)
from playwright.sync_api import Browser, Page

from gptcore.show import ShotsExplorer

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CHOSEN = "button[aria-pressed=true]"
RIGHT = ".gpt-bar:has(.gpt-mark:not([hidden]))"


@pytest.fixture(scope="module")
def explorer() -> ShotsExplorer:
    """Three sizes and four corpora."""
    return ShotsExplorer(shot_runs.record())


def cell(page: Page, row: int, column: int):
    """A cell of the table."""
    return page.locator(".gpt-row").nth(row).locator("span").nth(column)


def press(page: Page, name: str) -> None:
    """Press a button and look elsewhere."""
    page.get_by_role("button", name=name).click()
    page.mouse.move(2, 2)
    after(page)


def told(page: Page) -> str:
    """The sentence under the bars."""
    after(page)
    return page.inner_text(".sh-told")


def texts(page: Page, name: str) -> list[str]:
    """What all elements of a name say."""
    after(page)
    return [" ".join(text.split()) for text in page.locator(name).all_inner_texts()]


def widths(page: Page, name: str) -> list[float]:
    """Lengths of bars as parts of their room."""
    after(page)
    script = "all => all.map((e) => e.offsetWidth / e.parentElement.offsetWidth)"
    return page.eval_on_selector_all(name, script)


def test_a_demonstration_settles_the_question(browser: Browser, home: str) -> None:
    """Half goes to each question behind none, 0.95 to the one that is shown behind one. By hand:
    the right place has 0.8 of 0.5 and of 0.95, each of 7 others 0.2 · 0.95 / 7, each of 6 moods
    0.2 · 0.05 / 6."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    said = "1m, one question a page, no demonstration: takes it to ask for: place 0.50, mood 0.50. "
    said = f"{said[:-2]}, neither 0.00. Likeliest answer “By the sea.” (0.40), which is right. "
    said += "Accuracy 0.40 over 200 questions, 2 seeds; "
    assert told(page) == said + "0.50 of the answers are to this question, right or wrong."
    assert texts(page, ".sh-sums b") == ["place 0.50", "mood 0.50"]
    assert widths(page, ".sh-whole i") == pytest.approx([0.5, 0.5], abs=0.01)
    assert page.locator(".gpt-names").inner_text().split() == ["1m", "300k", "100k"]
    assert page.locator(".gpt-heads").inner_text().split() == ["0", "1", "2", "3"]
    cell(page, 0, 1).hover()
    assert (
        ", 1 demonstration: takes it to ask for: place 0.95, mood 0.05, neither 0.00. Likel"
        in told(page)
    )
    assert texts(page, ".sh-sums b") == ["place 0.95", "mood 0.05"]
    assert widths(page, ".sh-whole i") == pytest.approx([0.95, 0.05], abs=0.01)
    numbers = texts(page, ".gpt-number")
    assert numbers == ["0.03", "0.76", *["0.03"] * 6, "0.00", "0.00", "0.00", "0.04", *["0.00"] * 3]
    bars = widths(page, ".gpt-track i")
    assert bars[:3] == pytest.approx([0.027, 0.76, 0.027], abs=0.006) and len(bars) == 15
    page.mouse.move(2, 2)
    assert told(page).startswith(said) and page.locator(".sh-shows").count() == 0
    cell(page, 2, 3).click()
    page.mouse.move(2, 2)
    assert told(page).startswith("100k, one question a page, 3 demonstrations: takes it to ask for")
    assert "(0.19), which is right. Accuracy 0.19 over" in told(page)
    assert page.locator(".gpt-cells [aria-selected=true]").count() == 1
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_the_prompt_is_what_the_network_read(browser: Browser, home: str, explorer) -> None:
    """Demonstrations with their answers, then the question, at the bottom and in sight; another
    question shown has other ones. Changed ones say what is changed."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert texts(page, ".sh-room") == ["no demonstration"]
    for k in (1, 2, 3):
        cell(page, 0, k).click()
        parts = explorer.tasks[0]["prompts"][0][k]
        wanted = [f"Demonstration {i} {' '.join(part)}" for i, part in enumerate(parts[:-1], 1)]
        assert texts(page, ".sh-shows") == wanted and len(wanted) == k
        assert texts(page, ".sh-asks") == [f"Question {' '.join(parts[-1])}?"]
        assert texts(page, ".sh-room") == [f"room for {3 - k} more"][: 3 - k]
    assert texts(page, ".sh-shows b") == ["In a town.", "By the sea.", "On a farm."]
    press(page, "How does")
    assert texts(page, ".sh-shows b") == ["Wistful.", "Lonely.", "Happy."]
    colours = [
        page.locator(f"{place} >> nth=0").evaluate("e => getComputedStyle(e).color")
        for place in (".sh-shows b", ".sh-lists > :last-child .gpt-title")
    ]
    assert colours[0] == colours[1], "answers wear the colour of their question"
    press(page, "shuffled answers")
    assert texts(page, ".sh-shows b") != ["Wistful.", "Lonely.", "Happy."]
    press(page, "answers alone")
    assert texts(page, ".sh-shows p") == ["Answer: Wistful.", "Answer: Lonely.", "Answer: Happy."]
    press(page, "another form")
    assert texts(page, ".sh-asks p")[-1] == "In short: ?"
    assert texts(page, ".sh-sums > *") == ["place 0.10", "neither 0.75", "mood 0.15"]
    assert widths(page, ".sh-whole i") == pytest.approx([0.1, 0.15], abs=0.01)
    ends = "e => [e.firstChild.offsetLeft, e.lastChild.offsetLeft + e.lastChild.offsetWidth]"
    left, right = page.locator(".sh-whole").evaluate(ends)
    assert right - left == page.locator(".sh-whole").evaluate("e => e.offsetWidth")
    assert seen.complaints == []
    context.close()


def test_tales_take_turns_and_truth_is_marked(browser: Browser, home: str) -> None:
    """Of each tale both truths are marked, and which is right depends on the question shown."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert texts(page, RIGHT) == ["By the sea. ✓ right 0.40", "Relieved. also true 0.40"]
    press(page, "Next")
    assert texts(page, RIGHT)[0].startswith("On a farm. ✓ right")
    assert "Ilinca" in page.inner_text(".sh-asks") and "2 of 4" in page.inner_text(".gpt-turn")
    press(page, "How does")
    assert [text[:-5] for text in texts(page, RIGHT)] == [
        "On a farm. also true",
        "Relieved. ✓ right",
    ]
    assert "“On a farm.” (0.40), true of the tale; right is “Relieved.” (0.40)." in told(page)
    for name, who in (("Previous", "Gwilym"), ("Previous", "Maja"), ("Next", "Gwilym")):
        press(page, name)
        assert who in page.inner_text(".sh-asks")
    assert seen.complaints == []
    context.close()


def test_corpora_and_changes_go_where_they_were_run(browser: Browser, home: str) -> None:
    """Elsewhere stands –, which neither pointer nor keys choose; what can stay the same does."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    cell(page, 2, 1).click()
    press(page, "answers on 10 %")
    assert told(page).startswith("300k, answers on 10 % of pages, 1 demonstration: takes")
    page.locator(".gpt-cells").press("ArrowUp")
    assert told(page).endswith(
        ", 1 seed; 0.95 of the answers are to this question, right or wrong."
    )
    assert cell(page, 0, 1).get_attribute("aria-label").endswith("accuracy 0.76, one seed")
    slants = "all => all.map((e) => getComputedStyle(e).fontStyle)"
    table = [page.locator(".gpt-row").nth(row).locator("span") for row in (0, 1)]
    assert [row.evaluate_all(slants) for row in table] == [["italic"] * 4, ["normal"] * 4]
    press(page, "another question")
    assert told(page).startswith("1m, another question for each tale, 1 demonstration: takes it to")
    assert texts(page, ".sh-sums b") == ["place 0.50", "mood 0.50"]
    assert [t for t in texts(page, "[role=gridcell]") if t != "–"] == ["0.40"] * 4
    press(page, "shuffled answers")
    assert ", 3 demonstrations, shuffled answers: takes" in told(page)
    assert [t for t in texts(page, "[role=gridcell]") if t != "–"] == ["0.40"]
    assert "right or wrong" not in told(page)
    before = told(page)
    cell(page, 0, 1).click()
    assert told(page) == before
    for key in ("ArrowLeft", "ArrowDown", "Home"):
        page.locator(".gpt-cells").press(key)
        assert told(page) == before
    press(page, "right answers")
    press(page, "one question")
    assert told(page).startswith("1m, one question a page, 3 demonstrations: takes")
    assert texts(page, CHOSEN) == [
        "Where does it take place?",
        "one question a page",
        "right answers",
    ]
    assert seen.complaints == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Tab goes through all buttons, the table and the prompt; arrows choose size and number."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    names = ["Where does", "How does", "one question", "another question", "every tale", "10 %"]
    names += ["right answers", "shuffled", "answers alone", "another form", "grid", "Prev", "Next"]
    for name in [*names, "group"]:
        page.keyboard.press("Tab")
        at = page.locator(":focus")
        assert at.get_attribute("role") == name or name in at.inner_text()
    page.locator(".gpt-cells").focus()
    for key, where in {
        "ArrowDown": "300k, one question a page, no demonstration",
        "ArrowRight": "300k, one question a page, 1 demonstration:",
        "End": "300k, one question a page, 3 demonstrations",
        "ArrowUp": "1m, one question a page, 3",
        "Home": "1m, one question a page, no",
    }.items():
        page.keyboard.press(key)
        assert told(page).startswith(where), key
    ring = page.locator(".gpt-cells:focus").evaluate("e => getComputedStyle(e).outlineStyle")
    assert ring == "solid" and seen.complaints == []
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('1m, one')")
    context.close()


@pytest.mark.parametrize("width", [360, 520, 680, 1280])
@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_nothing_moves_and_the_question_stays_in_sight(
    browser: Browser, home: str, width: int
) -> None:
    """Whatever is chosen, each part keeps its place and its height."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = watch(context, home).open("page.html")
    places = "[...document.querySelectorAll('.gpt-shots > *')].map((e) => e.offsetTop).join()"
    found = set()
    for task in ("Where does", "How does"):
        press(page, task)
        for corpus in ("another question", "one question"):
            press(page, corpus)
            for change in ("shuffled", "answers alone", "another form", "right answers"):
                press(page, change)
                for _ in range(4):
                    press(page, "Next")
                    found.add(page.evaluate(places))
                    box = page.locator(".sh-prompt").bounding_box()
                    asks = page.locator(".sh-asks").bounding_box()
                    assert asks["y"] + asks["height"] <= box["y"] + box["height"]
                    assert asks["y"] >= box["y"]
            for k in range(4):
                cell(page, 0, k).click()
                after(page)
                found.add(page.evaluate(places))
    assert len(found) == 1
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_all_answers_in_50_milliseconds(browser: Browser, home: str) -> None:
    """Processor time of the page's own thread per press, the best of four."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    spent = thread_clock(page)
    for name in ("Where does", "every tale", "shuffled", "right answers", "Next"):
        times = []
        for other in (name, {"Where does": "How does", "every tale": "10 %"}.get(name, name)) * 2:
            before = spent()
            page.get_by_role("button", name=other).evaluate("e => e.click()")
            after(page)
            times.append(spent() - before)
        assert 0 < min(times) <= 50, f"{name}: {times} ms"
    context.close()


def test_what_python_chooses_and_nobody_ran_is_said(
    browser: Browser, tmp_path: Path, explorer
) -> None:
    """Traits can be set one at a time: the page then has no number and no fault."""
    explorer.shots, explorer.change = 1, "shuffled"
    try:
        write_page(tmp_path, explorer.twin())
    finally:
        explorer.shots, explorer.change = 0, ""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    assert told(page).endswith("1 demonstration, shuffled answers: not run.")
    assert texts(page, ".gpt-number") == ["–"] * 15 and sum(widths(page, ".gpt-track i")) == 0
    assert texts(page, ".sh-sums b") == ["place –", "mood –"]
    assert texts(page, ".sh-sums span") == ["neither –"]
    press(page, "right answers")
    assert "1 demonstration: takes it to ask for: place 0.95" in told(page)
    assert seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path, explorer) -> None:
    """A tap chooses, nothing sticks out, all is light on dark, and long prompts scroll."""
    page_file = write_page(tmp_path, explorer.twin(), theme="dark")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    cell(page, 1, 3).tap()
    assert told(page).startswith("300k, one question a page, 3 demonstrations: takes")
    page.get_by_role("button", name="How does").tap()
    assert texts(page, ".sh-sums b") == ["place 0.05", "mood 0.95"]
    assert cell(page, 0, 0).bounding_box()["height"] >= 32
    sizes = page.locator(".sh-prompt").evaluate(
        "e => [e.scrollHeight, e.clientHeight, e.scrollTop]"
    )
    assert sizes[0] > sizes[1] and -1 <= sizes[0] - sizes[1] - sizes[2] <= 1
    for name in (".sh-told", ".sh-shows", ".sh-shows b", ".sh-asks", ".gpt-bar", ".sh-sums b"):
        ink = page.locator(name).first.evaluate("e => getComputedStyle(e).color")
        parts = [float(x) for x in re.findall(r"[\d.]+", ink)][:3]
        whole = 1 if ink.startswith("color(") else 255  # a mixed colour is told in parts of 1
        assert sum(parts) / whole > 1.76, "dark text on dark paper"
    inside = page.evaluate(
        """() => [...document.querySelectorAll(".gpt-shots *:not(.gpt-unseen)")]
        .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
        .map((e) => `${e.className}: ${e.textContent}`)"""
    )
    assert inside + seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()

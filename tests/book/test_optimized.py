"""The explorer of optimised rewards in a real browser, offline: by mouse, keys and finger."""

from pathlib import Path

import pytest
from access import access_complaints
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.show import Optimized
from gptcore.show.explorers.optimized.optimized import Answer, Point, Run

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
EVIL = "<script>document.title = 'taken'</script><b onclick='x()'>Bold</b>"
FREE = [(0, 0.0, 0.1, 0.4), (20, 1.0, 0.8, 0.5), (40, 4.41, 1.3, 0.62), (60, 9.0, 1.9, 0.54)]
HELD = [(0, 0.0, 0.1, 0.4), (20, 1.0, 0.7, 0.53), (40, 2.25, 1.0, 0.55)]
POOR = [(0, 0.0, -0.2, 0.4), (40, 4.0, 2.0, 0.2)]
REPLIES = ("Rosa had a kite.", EVIL, "", "Happy happy happy " * 20)


def run(beta: float, labels: int, rows: list[tuple], start: int = 0) -> Run:
    """A run of (step, kl, learned, true), with two answers at each point."""
    points = [
        Point(
            *row,
            words=20.0 + row[0],
            answers=[
                Answer("Tell a tale about Rosa.", REPLIES[(start + i) % 4], row[2], row[3]),
                Answer("What did Tom find?", f"A coin, {i}.", -0.5, 1.0),
            ],
        )
        for i, row in enumerate(rows)
    ]
    return Run({"beta": beta, "labels": labels}, points)


@pytest.fixture(scope="module")
def explorer() -> Optimized:
    """Three runs: two that differ in beta alone, one with fewer labels."""
    return Optimized([run(0.0, 400, FREE), run(0.1, 400, HELD), run(0.0, 100, POOR)])


def told(page: Page) -> str:
    """The line under the slider."""
    after(page)
    return page.inner_text(".op-told")


def result(page: Page) -> str:
    """What there is to notice."""
    after(page)
    return page.inner_text(".op-result")


def cards(page: Page) -> list[str]:
    """The answers that are shown, each in one line."""
    after(page)
    return [" ".join(text.split()) for text in page.locator(".op-card").all_inner_texts()]


def test_the_true_reward_waits_for_a_guess(browser: Browser, home: str) -> None:
    """Nowhere is it said before; then the guess stands beside it, and it can be covered again."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert told(page) == (
        "update 60 (√KL 3.00): learned reward 1.90, true reward covered, 80 words an answer."
    )
    shown = page.text_content(".gpt-explorer")
    assert "0.62" not in shown and "0.54" not in shown and "from 0.10 to 1.90" in shown
    assert page.locator(".op-cover").count() == 1 and page.locator(".op-ring").count() == 0
    assert page.locator(".op-line.op-true").count() == 0
    page.locator(".op-dot.op-learned[data-at='1']").click()
    page.get_by_role("button", name="Here, at update 20").click()
    assert result(page).startswith(
        "You guessed update 20 (√KL 1.00); the true reward is highest at update 40 (√KL 2.10)."
    )
    assert (
        "The true reward is highest at √KL = 2.10 (update 40): 0.62. From there to the end, at "
        "√KL = 3.00, it lost 0.08, while the learned one gained 0.60."
    ) in result(page)
    assert "no line's true reward is more than 0.03 from this one's" in result(page)
    assert page.locator(".op-guess").count() == 1 == page.locator(".op-ring").count()
    assert page.locator("input:focus").count() == 1, "who guessed by keys starts at the page's top"
    page.get_by_role("button", name="Cover the true reward").click()
    assert told(page).startswith("update 20 (√KL 1.00): learned reward 0.80, true reward covered")
    page.get_by_role("button", name="Show the result").click()
    assert result(page).startswith("The true reward is highest")
    assert page.locator(".op-ask").is_hidden()
    assert page.locator(".op-guess").count() == 0
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_runs_are_chosen_by_settings_and_lines(browser: Browser, home: str) -> None:
    """A value keeps the distance; one that was not run says why and leads to the nearest."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.get_by_role("button", name="Show the result").click()
    page.get_by_role("button", name="0.1", exact=True).click()
    assert told(page).startswith("update 40 (√KL 1.50): learned reward 1.00, true reward 0.55")
    absent = page.get_by_role("button", name="100", exact=True)
    assert absent.get_attribute("aria-disabled") == "true"
    why = "labels 100 was not run with beta 0.1. The nearest run has beta 0."
    assert absent.get_attribute("title") == why and page.locator(".op-why").is_hidden()
    absent.click(force=True)
    assert told(page).startswith("update 40 (√KL 1.50)"), "what was not run is shown"
    assert page.inner_text(".op-why").startswith(why)
    page.get_by_role("button", name="Show that run").click()
    assert told(page).startswith("update 40 (√KL 2.00): learned reward 2.00, true reward 0.20")
    assert page.locator(".op-why").is_hidden() and "never above the 0.40" in result(page)
    assert page.locator(".op-beside").count() == 0, "no other beta has 100 labels"
    page.get_by_role("button", name="all runs").click()
    after(page)
    assert page.locator(".op-beside").count() == 4, "two runs, a line for each reward"
    page.locator(".op-reach[data-run='0']").first.dispatch_event("click")
    assert told(page).startswith("update 40 (√KL 2.10)")
    page.get_by_role("button", name="labels").click()
    assert "Compared by labels: at" in result(page) and "3.00 (400)" in result(page)
    ends = page.locator(".op-end").all_text_contents()
    assert set(ends) == {"100", "400"}
    assert seen.complaints + drawing_complaints(page) == []
    context.close()


def test_near_the_beginning_lines_that_go_far_are_cut(browser: Browser, tmp_path: Path) -> None:
    """The axis ends at twice the shortest line; the point comes along, and an arrow says more."""
    far = [*FREE, (80, 400.0, 2.5, 0.0)]
    made = Optimized([run(0.0, 400, far), run(0.1, 400, HELD)], covered=False)
    folder = write_page(tmp_path, made.twin()).parent
    context = browser.new_context(viewport=DESK)
    seen = watch(context, f"{folder.as_uri()}/")
    page = seen.open("page.html")
    near = page.get_by_role("button", name="Near the beginning")
    assert " 80 " in told(page)
    whole = page.locator(".op-plot text").all_text_contents()
    near.click()
    assert " 60 " in told(page) and near.get_attribute("aria-pressed") == "true"
    cut = page.locator(".op-plot text").all_text_contents()
    assert "20" in whole and "20" not in cut and "0 →" in cut and "0.1" in cut
    box = page.locator(".op-plot").bounding_box()
    dots = page.locator(".op-dot").evaluate_all("d => d.map((e) => +e.getAttribute('cx'))")
    assert len(dots) == 8 and max(dots) <= box["width"]
    page.locator("input[type=range]").press("ArrowRight")  # further than that: the axis follows
    assert " 80 " in told(page)
    assert "20" in page.locator(".op-plot text").all_text_contents()
    near.click()
    after(page)
    assert near.get_attribute("aria-pressed") == "false"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_near_is_offered_where_it_helps(browser: Browser, home: str) -> None:
    """Lines of like length need no second axis."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    after(page)
    assert not page.get_by_role("button", name="Near the beginning").is_visible()
    context.close()


def test_answers_stand_beside_the_first_ones_as_text(browser: Browser, home: str) -> None:
    """Markup is shown, an empty reply is named, bars go from 0 by the reward."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.locator(".op-slide input").press("Home")
    assert cards(page) == [
        "At the beginning, update 0 Rosa had a kite. learned 0.10 true covered",
        "At the beginning, update 0 A coin, 0. learned −0.50 true covered",
    ]
    page.locator(".op-slide input").press("ArrowRight")
    assert EVIL in cards(page)[1] and page.title() == "Explorers"
    assert page.locator(".gpt-explorer b[onclick], .gpt-explorer script").count() == 0
    page.get_by_role("button", name="Show the result").click()
    page.locator(".op-slide input").press("ArrowRight")
    first, second = cards(page)[:2]
    assert first.endswith("Rosa had a kite. learned 0.10 true 0.40")
    assert second == "Now, update 40 (no words) learned 1.30 true 0.62"
    assert cards(page)[2] == "At the beginning, update 0 A coin, 0. learned −0.50 true 1.00"
    # The learned rewards of this run go from -0.5 to 1.9: 1.3 is 1.3 / 2.4 of a track.
    track = page.locator(".op-card .op-learned .op-track").nth(1)
    wide, bar = track.bounding_box(), track.locator("i").bounding_box()
    assert bar["width"] / wide["width"] == pytest.approx(1.3 / 2.4, abs=1e-2)
    assert (bar["x"] - wide["x"]) / wide["width"] == pytest.approx(0.5 / 2.4, abs=1e-2)
    assert seen.complaints == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Tab goes through settings and the question to the slider, which keys move to both ends."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    for _ in range(9):  # 2 betas, 2 counts, 3 ways to draw beside, 2 answers
        page.keyboard.press("Tab")
        assert page.locator("button:focus").count() == 1
    page.keyboard.press("Tab")
    assert page.locator("input:focus").count() == 1
    page.keyboard.press("Home")
    assert told(page).startswith("update 0 ")
    assert page.get_attribute("input", "aria-valuetext").startswith("update 0 (√KL 0.00)")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert told(page).startswith("update 40 ")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert result(page).startswith("You guessed update 40 (√KL 2.10), and there the true reward")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('guessed')")
    assert seen.complaints == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_finger_on_a_phone(browser: Browser, tmp_path: Path, explorer, theme: str) -> None:
    """A tap chooses point and run, nothing sticks out, axe finds no fault, in either theme."""
    page_file = write_page(tmp_path, explorer.twin(), theme=theme)
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    page.get_by_role("button", name="0.1", exact=True).tap()
    page.get_by_role("button", name="100", exact=True).tap(force=True)
    after(page)
    assert access_complaints(page) == [] and width_complaints(page) == []
    box = page.locator(".op-plot").bounding_box()
    page.touchscreen.tap(box["x"] + 50, box["y"] + 120)
    assert told(page).startswith("update 0 ")
    page.get_by_role("button", name="Here, at update 0").tap()
    assert "You guessed update 0" in result(page)
    page.get_by_role("button", name="all runs").tap()
    page.locator(".op-dot.op-true").last.tap()
    assert told(page).startswith("update 40 (√KL 1.50)")
    assert page.locator("input").bounding_box()["height"] >= 40
    assert access_complaints(page) == []
    ink = page.locator(".op-result p >> nth=1").evaluate("e => getComputedStyle(e).color")
    assert (sum(map(int, ink.strip("rgb()").split(","))) > 500) == (theme == "dark")
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_without_javascript_all_is_open(browser: Browser, home: str, explorer) -> None:
    """The text stands there, with the place where the true reward turns."""
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(home + "page.html")
    assert page.locator("figcaption").is_visible()
    assert "highest 0.62 at √KL 2.10 (update 40)" in page.inner_text("figcaption")
    context.close()

"""The sampling explorer in a real browser, offline: by mouse, keys and finger."""

from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.show.explorers.sampling.sampling import TEMPERATURES, SamplingExplorer
from gptcore.show.widgets import Explorer

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
P = (0.5, 0.3, 0.15, 0.05)
WORDS = [[" fox", "text"], [" <b>owl", "text"], ["\n", "text"], ["E4 BD", "bytes"]]


class Recorded(SamplingExplorer):
    """The explorer over a distribution that is known: no model behind it."""

    def __init__(self) -> None:
        import math

        place = {"tokens": WORDS, "logits": [math.log(p) for p in P], "rest": [], "others": 0}
        places = [place | {"before": 1}, place | {"before": 3, "logits": [0.0, 0.0, 0.0, -9.0]}]
        text = [[word, "text"] for word in ("One", " day", " a", " fox", " came")]
        settings = {"at": 0, "temperature": 1.0, "top_k": 0, "top_p": 0.9, "rule": "textbook"}
        Explorer.__init__(
            self,
            alt="Four tokens.",
            text=text,
            places=places,
            temperatures=list(TEMPERATURES),
            **settings,
        )


@pytest.fixture
def explorer() -> Recorded:
    """What `home` shows."""
    return Recorded()


def told(page: Page) -> str:
    """The sentence above the bars."""
    after(page)
    return page.inner_text(".sm-told")


def fates(page: Page) -> list[str]:
    """What became of each token."""
    after(page)
    return page.eval_on_selector_all("[data-fate]", "all => all.map((e) => e.dataset.fate)")


def test_both_rules_of_top_p_are_shown_where_they_part(browser: Browser, home: str) -> None:
    """.5 + .3 is not yet .9, with .15 it is: the third token is kept by one rule only."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert told(page) == "top-p leaves 3 by the textbook's rule, 2 by that of GPT-2's code."
    assert fates(page) == ["kept", "kept", "part-kept", "p"]
    page.get_by_role("button", name="GPT-2's code").click()
    assert told(page) == "top-p leaves 2 by that of GPT-2's code, 3 by the textbook's rule."
    assert fates(page) == ["kept", "kept", "part-cut", "p"]
    bars = page.locator("[data-row='0'] .sm-bar b").all_inner_texts()
    assert bars[:3] == ["50 %"] * 3 and bars[3] in ("62 %", "63 %")  # .5 / .8 is .625
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_text_of_others_stays_text(browser: Browser, home: str) -> None:
    """Markup in a token is shown, line feeds and bytes get signs."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert page.locator(".sm-token").all_inner_texts() == ["·fox", "·<b>owl", "↵", "E4 BD"]
    assert page.locator(".sm-token b").count() == 0
    label = page.locator("[data-row='1']").get_attribute("aria-label")
    assert label == ("2: “ <b>owl”, kept; the model 30 %, temperature 30 %, top-k 30 %, top-p 32 %")
    assert seen.complaints == []
    context.close()


def test_keys_reach_everything(browser: Browser, home: str) -> None:
    """Text, three sliders, two rules, two draws, forget, the bars; arrows change what has focus."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    after(page)
    assert page.locator(".sm-place[aria-selected=true]").inner_text() == " fox"
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    after(page)
    assert page.locator("output").first.inner_text() == "0.9"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert told(page).startswith("top-k leaves 2; top-p leaves 2 by")
    assert fates(page) == ["kept", "part-kept", "k", "k"]
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert told(page) == "top-k leaves 2."
    for _ in range(6):
        page.keyboard.press("Tab")
    page.keyboard.press("d")
    assert "Drawn: “" in told(page)
    assert page.locator(".sm-rows:focus").count() == 1 and seen.complaints == []
    context.close()


def test_draws_are_counted_and_forgotten(browser: Browser, home: str) -> None:
    """A hundred draws fall on kept tokens alone; another setting begins anew."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.get_by_role("button", name="draw 100").click()
    after(page)
    times = page.locator(".sm-rows .sm-drawn").all_inner_texts()
    counts = [int(text.removesuffix(" ×") or 0) for text in times]
    assert sum(counts) == 100 and counts[0] > counts[2] > 0 == counts[3]
    assert page.locator(".sm-strip i").is_visible()
    page.get_by_role("button", name="GPT-2's code").click()
    after(page)
    assert set(page.locator(".sm-rows .sm-drawn").all_inner_texts()) == {""}
    page.get_by_role("button", name="draw one").click()
    assert "Drawn" in told(page)
    page.get_by_role("button", name="forget").click()
    assert "Drawn" not in told(page) and seen.complaints == []
    context.close()


def test_a_finger_in_the_dark_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    """A tap chooses a place, nothing sticks out, ink is light."""
    page_file = write_page(tmp_path, Recorded().twin(), theme="dark")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open(page_file.name)
    page.locator(".sm-place").nth(1).tap()
    after(page)
    assert page.locator(".sm-place[aria-selected=true]").inner_text() == " fox"
    ink = page.locator(".sm-told").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, ink.strip("rgb()").split(","))) > 500, "dark text on dark paper"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_without_javascript_the_text_is_there(browser: Browser, tmp_path: Path) -> None:
    page_file = write_page(tmp_path, Recorded().twin())
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.inner_text("figcaption") == "Four tokens."
    context.close()

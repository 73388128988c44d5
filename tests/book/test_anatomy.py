"""The anatomy in a real browser: its twin on a page of its own, from a server and from a file."""

from dataclasses import replace
from pathlib import Path

import pytest
from browsing import after, drawing_complaints, watch, width_complaints, write_page
from playwright.sync_api import Browser, Page

from gptcore.config import PRESETS, GPTConfig
from gptcore.show import Anatomy

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CHOICE, SWAP = ".gpt-anatomy > .an-bar select", ".gpt-anatomy > .an-bar > button"


@pytest.fixture(scope="module")
def explorer() -> Anatomy:
    """All presets, GPT-1 first."""
    return Anatomy()


def selected(page: Page) -> str:
    """Id of the part that is chosen in the diagram; there is exactly one."""
    found = page.locator(".an-part[aria-selected=true]")
    assert found.count() == 1
    return found.get_attribute("data-id")


def drawn(page: Page) -> str:
    """The diagram as it stands in the page."""
    return page.locator(".an-diagram").inner_html()


def facts(page: Page) -> list[tuple[str, str]]:
    """The rows about the chosen part: what, and the number in the last column."""
    rows = page.locator(".an-side tbody tr")
    what = rows.locator("th").all_inner_texts()
    return list(zip(what, rows.locator("td:last-child").all_inner_texts(), strict=True))


def test_keys_walk_along_the_data_flow(browser: Browser, home: str, explorer) -> None:
    """Tab gets there; arrows go through every part in its order; the panel follows."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert selected(page) == "c_attn"
    page.locator(CHOICE).nth(1).focus()
    page.keyboard.press("Tab")
    assert page.locator(".an-diagram:focus").count() == 1
    order = [part["id"] for part in explorer.flows["post"]]
    walked, panels = [], []
    page.keyboard.press("Home")
    for _ in order:
        after(page)
        walked.append(selected(page))
        active = page.locator(".an-diagram").get_attribute("aria-activedescendant")
        assert page.locator(f"[id='{active}']").get_attribute("data-id") == walked[-1]
        panels.append(page.inner_text(".an-side"))
        page.keyboard.press("ArrowDown")
    assert walked == order and len(set(panels)) == len(order)
    for key, wanted in {
        "ArrowUp": "ln_2",
        "Home": "ids",
        "ArrowRight": "wte",
        "End": "logits",
    }.items():
        page.keyboard.press(key)
        after(page)
        assert selected(page) == wanted, key
    assert page.locator(".an-head button").nth(1).is_disabled()
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_a_click_shows_the_numbers_of_python(browser: Browser, home: str, explorer) -> None:
    """Shapes, parameters, shares, FLOPs, code with its numbers, and the section, of GPT-1's MLP."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    before = drawn(page)
    page.locator(".an-part[data-id=c_fc]").click()
    after(page)
    assert selected(page) == "c_fc" and drawn(page) != before
    assert facts(page) == [
        ("in (B, T, C)", "(B, 512, 768)"),
        ("out (B, T, 4C)", "(B, 512, 3,072)"),
        ("weight (4C, C)", "(3,072, 768)"),
        ("bias (4C)", "(3,072)"),
        ("parameters", "2,362,368"),
        ("in 12 blocks", "28,348,416"),
        ("of the whole", "24.3 %"),  # 28,348,416 / 116,534,784
        ("FLOPs per token 2 · 4C · C", "4,718,592"),
        ("in 12 blocks", "56,623,104"),
        ("of the whole", "23.4 %"),  # 56,623,104 / 241,499,136
    ]
    part = next(part for part in explorer.flows["post"] if part["id"] == "c_fc")
    assert part["what"] in page.inner_text(".an-more") and "GPT-1 §4.1" in page.inner_text(
        ".an-paper"
    )
    for run, place in zip(part["code"], page.locator(".an-code").all(), strict=True):
        assert place.locator("p").inner_text() == f"{run['file']}, {run['where']}"
        shown = [row.text_content() for row in place.locator(".an-rows code").all()]
        assert shown == run["text"].split("\n")
        assert place.locator(".an-rows span").first.inner_text() == f"{run['line']}"
    page.locator(".an-part[data-id=res_1]").click()
    after(page)
    assert selected(page) == "res_1" and ("parameters", "0") in facts(page)
    page.locator(".an-head button").nth(1).click()
    after(page)
    assert selected(page) == "ln_1", "the button goes on"
    assert seen.complaints == []
    context.close()


def test_predict_first_then_areas(browser: Browser, home: str) -> None:
    """No areas and no shares before a guess; the answer counts; a click on an area chooses."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert page.locator(".an-leaf").count() == 0
    assert page.locator(".an-areas label").is_hidden() and page.locator(".an-answer").is_hidden()
    assert "which part of GPT-1 holds most" in page.inner_text(".an-question")
    page.locator("[data-guess=attention]").press("Enter")
    after(page)
    assert page.locator(".an-question").is_hidden()
    answer = page.inner_text(".an-answer")
    assert answer.startswith("You said attention: 24.3 %. In GPT-1, MLP holds 56,669,184 of")
    assert page.locator(".an-areas select:focus").count() == 1, "the focus is lost with the button"
    assert page.locator(".an-leaf").count() == 8  # wte wpe, two of attention, two of MLP, two norms
    box = {id: leaf_area(page, id) for id in ("wte", "c_attn", "c_fc")}
    whole = page.locator(".an-map").bounding_box()
    # a gap of a pixel on each side is drawn within each area
    assert box["wte"] / (whole["width"] * whole["height"]) == pytest.approx(0.2668, abs=1e-2)
    page.locator(".an-leaf[data-id=wte]").click()
    after(page)
    assert (
        selected(page) == "wte" and page.locator(".an-leaf.an-on").get_attribute("data-id") == "wte"
    )
    before = page.locator(".an-map").inner_html()
    page.select_option(".an-areas select", "flops")
    after(page)
    assert page.locator(".an-map").inner_html() != before and page.locator(".an-leaf").count() == 6
    page.locator(".an-keys button", has_text="attention").click()
    after(page)
    assert selected(page) == "c_attn"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def leaf_area(page: Page, id: str) -> float:
    """Width times height, in pixels."""
    box = page.locator(f".an-leaf[data-id={id}] rect").bounding_box()
    return box["width"] * box["height"]


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_every_preset_is_drawn(browser: Browser, home: str, explorer) -> None:
    """Each choice shows its own total, its blocks and its parts; norms stand where they belong."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    for network in explorer.presets:
        page.select_option(f"{CHOICE} >> nth=0", network["name"])
        after(page)
        assert f"{network['title']}: {network['total']:,} parameters" in page.inner_text(
            ".an-sizes"
        )
        assert f"× {network['sizes']['L']} block" in page.text_content(".an-repeat")
        parts = page.eval_on_selector_all(".an-part", "all => all.map((g) => g.dataset.id)")
        assert parts == [part["id"] for part in explorer.flows[network["norm"]]]
        left = {
            id: page.locator(f".an-part[data-id={id}] rect").get_attribute("x")
            for id in ("wte", "ln_1", "c_attn")
        }
        other = "wte" if network["norm"] == "post" else "c_attn"
        assert left["ln_1"] == left[other], network["name"]
        wide = "all => all.filter((t) => t.getBBox().width > t.parentNode.getBBox().width).length"
        assert page.eval_on_selector_all(".an-part text", wide) == 0, (
            "a label sticks out of its box"
        )
    assert "in turn" not in page.text_content(".an-diagram")
    page.select_option(f"{CHOICE} >> nth=0", "gpt3-small")
    after(page)
    assert "dense and banded in turn" in page.locator(".an-part[data-id=mix]").text_content()
    assert seen.complaints + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_two_networks_side_by_side(browser: Browser, home: str) -> None:
    """Both columns, what only one has, what changes, both areas; exchanging them redraws."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert page.locator(".an-changes").is_hidden() and page.locator(SWAP).is_hidden()
    page.select_option(f"{CHOICE} >> nth=1", "gpt2")
    page.locator("[data-guess='–']").click()
    after(page)
    assert page.inner_text(".an-answer").startswith("In GPT-1, MLP holds")
    assert page.locator(".an-map").count() == 2
    rows = {
        row.locator("th").inner_text(): row for row in page.locator(".an-changes tbody tr").all()
    }
    cells = {what: row.locator("td").all_inner_texts() for what, row in rows.items()}
    assert cells["blocks"] == ["12", "12", ""] and cells["context"] == ["512", "1,024", "× 2"]
    assert cells["parameters"] == ["116,534,784", "124,439,808", "× 1.07"]
    changed = {what for what, row in rows.items() if row.get_attribute("class") == "an-changed"}
    assert {"LayerNorm", "vocabulary V", "context"} <= changed and "width C" not in changed
    before = drawn(page)
    page.locator(SWAP).click()
    after(page)
    assert drawn(page) != before and page.locator(".an-part[data-id=ln_f]").count() == 1
    page.locator(".an-part[data-id=ln_f]").click()
    after(page)
    assert page.locator(".an-side thead th").all_inner_texts() == ["GPT-2", "GPT-1"]
    assert {value for _, value in facts(page)} == {"–"}, "GPT-1 has no last norm"
    page.locator(SWAP).click()
    after(page)
    assert selected(page) == "ln_2", "what does its work in GPT-1"
    assert seen.complaints + width_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_the_length_of_the_text_moves_attentions_flops(browser: Browser, home: str) -> None:
    """At T = 1 attention reads one key: 4 · 768 FLOPs in a block; the rest stays as it was."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    page.locator(".an-part[data-id=mix]").click()
    page.locator(".an-length input").press("Home")
    after(page)
    now = dict(facts(page))
    assert now["keys read, on average"] == "1" and now["weights (B, H, T, T)"] == "(B, 12, 1, 1)"
    assert now["FLOPs per token 4 · C · keys read"] == "3,072"
    assert page.inner_text("output").startswith("T = 1 tokens: 232.1 million FLOPs per token")
    page.locator(".an-length input").press("End")
    after(page)
    assert dict(facts(page))["FLOPs per token 4 · C · keys read"] == "787,968"
    context.close()


def test_a_tap_on_a_phone_in_the_dark(browser: Browser, home: str) -> None:
    """390 px and a finger: parts, areas and networks change the picture, nothing is wide."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    seen = watch(context, home)
    page = seen.open("page.html")
    colour = "e => getComputedStyle(e.querySelector('.an-part rect')).fill"
    light = page.locator(".an-diagram").evaluate(colour)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.locator(".an-diagram").evaluate(colour) != light
    page.locator(".an-part[data-id=wpe]").tap()
    after(page)
    assert selected(page) == "wpe"
    head = page.locator(".an-head").bounding_box()
    assert head["y"] + head["height"] <= PHONE["height"], "what was tapped is told out of sight"
    assert "393,216 parameters, 0.34 %" in page.inner_text(".an-head")
    page.locator(".an-head button").nth(1).tap()
    after(page)
    assert selected(page) == "add"
    page.locator(".an-part[data-id=res_2]").tap()
    after(page)
    assert selected(page) == "res_2", "a sum is too small to be hit"
    page.locator("[data-guess=MLP]").tap()
    page.select_option(f"{CHOICE} >> nth=1", "gpt3-175b")
    after(page)
    assert page.inner_text(".an-answer").startswith("Yes: in GPT-1, MLP")
    page.locator(".an-leaf[data-id=wte]").first.tap()
    after(page)
    assert selected(page) == "wte"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_a_cell_of_the_book(browser: Browser, tmp_path: Path, explorer) -> None:
    """Rules of the book and of Bootstrap: the head stays in sight, keys in line, code untinted."""
    rules = ".bd-content div.cell div.cell_output .output { overflow-x: auto }"
    rules += " .table { margin-bottom: 1rem; width: 100% } .bd-content code { background: red }"
    cell = '<div class="bd-content"><div class="cell"><div class="cell_output">'
    cell += f'<div class="output">{explorer.twin()}</div></div></div></div>'
    write_page(tmp_path, f"<style>{rules}</style>{cell}")
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    head = page.locator(".an-head").bounding_box()
    assert head["y"] + head["height"] <= PHONE["height"], "the head does not stay in sight"
    page.locator("[data-guess=MLP]").tap()
    after(page)
    for key in page.locator(".an-keys button").all():
        place, swatch = key.bounding_box(), key.locator("i").bounding_box()
        middle = swatch["y"] + swatch["height"] / 2 - place["y"] - place["height"] / 2
        assert abs(middle) < 1, key.inner_text()
    colour = page.locator(".an-side code").first.evaluate(
        "e => getComputedStyle(e).backgroundColor"
    )
    assert colour == "rgba(0, 0, 0, 0)"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_hard_names_and_sizes(browser: Browser, tmp_path: Path) -> None:
    """Markup in a name is text; one block, a context that is no power of two, a wide vocabulary."""
    hard = "<b onclick='x'>&amp;</script>" + "long" * 40
    odd = GPTConfig(vocab_size=99_999_999, n_ctx=12_345, n_layer=1, n_head=1, d_model=16_384)
    small = replace(PRESETS["tiny"], n_ctx=1, pattern=("block", "strided", "fixed"), window=8)
    explorer = Anatomy(hard, presets={hard: odd, "small": small})
    write_page(tmp_path, explorer.twin())
    context = browser.new_context(viewport=PHONE)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    assert page.inner_text(".an-sizes").startswith(hard) and page.locator("b[onclick]").count() == 0
    assert page.locator("main script:not([type])").count() == 0
    page.select_option(f"{CHOICE} >> nth=1", "small")
    page.locator("[data-guess='–']").click()
    after(page)
    assert page.locator(".an-map").count() == 2
    page.locator(SWAP).click()
    after(page)
    assert page.locator(".an-length input").is_disabled()
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
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
    page.locator(".an-diagram").press("ArrowDown")
    page.wait_for_function("document.querySelector('[aria-live]').textContent")
    said = page.text_content("[aria-live]")
    assert said.startswith(
        "Attention. GPT-1, (B, 512, 768): 0 parameters in each of 12 blocks, 0 %"
    )
    assert "9,455,616 FLOPs per token, 3.9 %" in said
    named = page.eval_on_selector_all(
        "select, button, input, [tabindex], [role=option]",
        "all => all.map((e) => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)",
    )
    assert all(name.strip() for name in named)
    context.close()

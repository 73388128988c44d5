"""Explorers in a real browser: twins on a page of their own, served and from the disk, offline."""

import json
from pathlib import Path

import pytest
import small_models
from browsing import (
    after,
    drawing_complaints,
    thread_clock,
    watch,
    width_complaints,
    write_page,
)
from offline import explorer_files, late_files
from playwright.sync_api import Browser, Page

from gptcore.checkpoint import load
from gptcore.show import AttentionExplorer
from gptcore.tokenizer import Tokenizer

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
STORY = "One windy morning Rosa met her friend Tom by the old mill. " * 40
LONG = f"<|{'x' * 300}|>"  # a special token wider than a page
HARD = (
    f'<script>document.title = "broken"</script>{LONG}<b onclick="x">\u200f\u202eמלח\u200e &amp; '
    + "👩‍🚀 é\n\t  \u00a0\0</figure>" * 10
    + "long" * 2500
)


@pytest.fixture(scope="module")
def explorer() -> AttentionExplorer:
    """Two layers of three heads with random weights, over a short, a long and a hard text."""
    tokenizer = Tokenizer.train(STORY, vocab_size=300, specials=[LONG])
    model = small_models.make(n_layer=2, n_head=3, d_model=24, n_ctx=256)
    texts = {"short": STORY[:58], "long": STORY, "hard": HARD}
    return AttentionExplorer(model, tokenizer, texts, layer=1)


def picture(page: Page) -> str:
    """The large matrix as a data address."""
    return page.evaluate("document.querySelector('.at-matrix canvas').toDataURL()")


def selected(page: Page) -> int:
    """The position of the token that is chosen or pointed at; there is exactly one."""
    found = page.locator(".at-token[aria-selected=true]")
    assert found.count() == 1
    return int(found.get_attribute("data-at"))


def washes(page: Page) -> list[float]:
    """How strongly each token of the text is coloured, 0 to 1."""
    return page.eval_on_selector_all(
        ".at-token",
        """tokens => tokens.map((token) => {
      const parts = getComputedStyle(token).backgroundColor.match(/[\\d.]+/g).map(Number);
      return parts.length === 4 ? parts[3] : 1;
    })""",
    )


def test_keys_move_token_and_head(browser: Browser, home: str, explorer) -> None:
    """Arrows, Home and End move the token; brackets and page keys the head; Tab gets there."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    assert selected(page) == explorer.token
    page.locator(".at-choice select").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.role") == "listbox"
    last = len(explorer.texts[0]["tokens"]) - 1
    moves = {"ArrowLeft": explorer.token - 1, "Home": 0, "ArrowRight": 1, "End": last}
    for key, wanted in moves.items():
        before = washes(page)
        page.keyboard.press(key)
        after(page)
        assert selected(page) == wanted and washes(page) != before, key
    titles, pictures = [], []
    for key in ["]", "]", "]", "[", "PageDown", "PageUp"]:
        page.keyboard.press(key)
        after(page)
        titles.append(page.inner_text(".at-title"))
        pictures.append(picture(page))
    heads = [(1, 1), (1, 2), (0, 0), (1, 2), (0, 0), (1, 2)]
    assert titles == [f"Layer {layer}, head {head}" for layer, head in heads]
    assert len(set(pictures)) == 3
    for name in (".at-matrix", ".at-all select", ".at-heads button[aria-pressed=true]"):
        page.keyboard.press("Tab")
        assert page.locator(f"{name}:focus").count() == 1, name
    page.keyboard.press("ArrowUp")
    after(page)
    assert page.inner_text(".at-title") == "Layer 0, head 2"
    assert page.locator(".at-heads button[aria-pressed=true]:focus").count() == 1
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_pointing_shows_and_a_click_keeps(browser: Browser, home: str, explorer) -> None:
    """A token under the mouse is shown until the mouse leaves; a click on it or a cell stays."""
    context = browser.new_context(viewport=DESK)
    seen = watch(context, home)
    page = seen.open("page.html")
    page.locator(".at-token").nth(2).hover()
    after(page)
    assert selected(page) == 2
    page.mouse.move(5, 5)
    after(page)
    assert selected(page) == explorer.token
    page.locator(".at-token").nth(3).click()
    page.mouse.move(5, 5)
    after(page)
    assert selected(page) == 3
    size = len(explorer.texts[0]["tokens"])
    side = page.locator(".at-matrix canvas").bounding_box()["width"]
    cell = {"x": side * 1.5 / size, "y": side * 4.5 / size}
    page.locator(".at-matrix").click(position=cell)
    after(page)
    assert selected(page) == 4
    assert page.locator(".at-over .at-cell").count() == 1
    said = page.inner_text(".at-told")
    byte = explorer.texts[0]["weights"][3 * size * (size + 1) // 2 + 4 * 5 // 2 + 1]
    assert float(said.split()[-1]) == pytest.approx((byte / 255) ** 2, abs=5.001e-3)
    assert " reads " in said
    page.locator(".at-heads button").nth(4).click()
    after(page)
    assert page.inner_text(".at-title") == "Layer 1, head 1"
    page.select_option(".at-all select", "first")
    after(page)
    assert "first token" in page.locator(".at-heads button").first.get_attribute("aria-label")
    assert seen.complaints == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_a_page_with_manners_of_its_own(browser: Browser, home: str, explorer) -> None:
    """Rules of Bootstrap and JupyterLab do not move what lies over the matrix."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    rules = ".row { margin: 0 -12px } .grid { display: grid } .figure { display: inline-block }"
    page.add_style_tag(content=rules + " dt { float: left } label { display: inline-block }")
    side = page.locator(".at-matrix canvas").bounding_box()
    cell, at = side["width"] / len(explorer.texts[0]["tokens"]), explorer.token
    wanted = {
        ".at-across": (0, at, at + 1, 1),
        ".at-down": (at, at, 1, len(explorer.texts[0]["tokens"]) - at),
    }
    for name, places in wanted.items():
        box = page.locator(name).bounding_box()
        found = [box["x"] - side["x"], box["y"] - side["y"], box["width"], box["height"]]
        assert [size / cell for size in found] == pytest.approx(places, abs=1e-2), name
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_the_page_says_the_weights_of_python(browser: Browser, home: str, explorer) -> None:
    """The lists beside the text hold the row and the column of the state, largest first."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    size, at = len(explorer.texts[0]["tokens"]), explorer.token
    per_head = size * (size + 1) // 2
    mine = explorer.texts[0]["weights"][3 * per_head : 4 * per_head]  # layer 1, head 0
    rows = [mine[q * (q + 1) // 2 : (q + 1) * (q + 2) // 2] for q in range(size)]
    wanted = {"from": list(rows[at]), "to": [rows[q][at] for q in range(at, size)]}
    for side, weights in wanted.items():
        best = sorted(((byte / 255) ** 2 for byte in weights), reverse=True)[:5]
        found = [float(text) for text in page.locator(f".at-{side} b").all_inner_texts()]
        assert len(found) == 5 and found == pytest.approx(best, abs=5.001e-3)
    context.close()


def test_a_tap_on_a_phone_in_the_dark(browser: Browser, home: str, explorer) -> None:
    """390 px and a finger: a tap on token, matrix and head changes the picture, nothing is wide."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    seen = watch(context, home)
    page = seen.open("page.html")
    light = picture(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    after(page)
    assert picture(page) != light, "the matrix keeps the colours of the light theme"
    page.locator(".at-token").nth(1).tap()
    after(page)
    assert selected(page) == 1
    page.locator(".at-matrix").tap(position={"x": 20, "y": 200})
    after(page)
    assert selected(page) > 1 and " reads " in page.inner_text(".at-told")
    before = picture(page)
    page.locator(".at-heads button").nth(0).tap()
    after(page)
    assert picture(page) != before and page.inner_text(".at-title") == "Layer 0, head 0"
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


def test_hard_and_long_texts_are_text(browser: Browser, home: str, explorer) -> None:
    """Markup, marks of direction, emoji and 10,000 characters: shown, told, and nothing frozen."""
    assert len(HARD) > 10_000
    context = browser.new_context(viewport=PHONE)
    seen = watch(context, home)
    page = seen.open("page.html")
    for text in ("long", "hard"):
        page.select_option(".at-choice select", label=text)
        after(page)
        of = next(look["of"] for look in explorer.texts if look["name"] == text)
        assert page.inner_text("p[role=status]") == f"The first 256 of {of:,} tokens."
        assert page.locator(".at-token").count() == 256
        page.locator(".at-tokens").press("ArrowUp")
        after(page)
        assert 0 < selected(page) < 2 * 256 // 3
        assert width_complaints(page) == []
        scrolled = "e => e.scrollWidth > e.clientWidth"
        assert not page.locator(".at-tokens").evaluate(scrolled), "tokens stick out of their box"
    shown = page.inner_text(".at-tokens").replace("\n", "")
    assert shown.startswith("<script>document.title·=·")
    assert "E2808FE280AE" in shown and "F09F91A9" in shown and "↵U+0009··" in shown
    assert page.title() == "Explorers" and page.locator("main script:not([type])").count() == 0
    assert page.locator(".gpt-explorer b[onclick]").count() == 0
    assert seen.complaints + drawing_complaints(page) == []
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_256_tokens_answer_in_50_milliseconds(browser: Browser, home: str) -> None:
    """Processor time of the page's own thread per token, head, number, text; the best of 4."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    page.select_option(".at-choice select", label="long")
    after(page)
    assert page.locator(".at-token").count() == 256
    spent = thread_clock(page)
    tell = """([place, key]) => document.querySelector(place).dispatchEvent(
      new KeyboardEvent("keydown", { key, bubbles: true }))"""
    choose = """([place, value]) => { const select = document.querySelector(place);
      select.value = value; select.dispatchEvent(new Event("change")); }"""
    dos = {
        "token": (tell, ".at-tokens", ["ArrowLeft", "ArrowRight"]),
        "row": (tell, ".at-matrix", ["ArrowUp", "ArrowDown"]),
        "head": (tell, ".at-tokens", ["]", "["]),
        "number": (choose, ".at-all select", ["first", "distance"]),
        "text": (choose, ".at-choice select", ["2", "1"]),
    }
    for name, (act, place, values) in dos.items():
        times = []
        for value in values * 2:
            seen, before = page.inner_text(".gpt-explorer"), spent()
            page.evaluate(act, [place, value])
            after(page)
            times.append(spent() - before)
            assert page.inner_text(".gpt-explorer") != seen, f"{name}: {value} changes nothing"
        assert 0 < min(times) <= 50, f"{name}: {times} ms"
    context.close()


@pytest.mark.parametrize("home", ["file"], indirect=True)
def test_another_text_brings_every_head(browser: Browser, home: str) -> None:
    """The enlarged head is there with the next frame, the others with the one after."""
    context = browser.new_context(viewport=DESK)
    page = watch(context, home).open("page.html")
    small = """() => [...document.querySelectorAll(".at-heads canvas")].map((e) => e.toDataURL())"""
    shown = page.evaluate(small)
    frames = """async (small) => {
      const select = document.querySelector(".at-choice select"), found = [];
      select.value = 1;
      select.dispatchEvent(new Event("change"));
      for (let i = 0; i < 2; i++) {
        await new Promise(requestAnimationFrame);
        found.push(eval(small)());
      }
      return found;
    }"""
    first, then = page.evaluate(frames, small)
    chosen = page.locator(".at-heads button").evaluate_all(
        "buttons => buttons.findIndex((e) => e.ariaPressed === 'true')"
    )
    assert [i for i, one in enumerate(first) if one != shown[i]] == [chosen]
    assert first[chosen] == then[chosen]
    assert all(one != old for one, old in zip(then, shown, strict=True))
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
    page.locator(".at-tokens").press("Home")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('Token 0')")
    said = page.text_content("[aria-live]")
    assert "Token 0, One, in layer 1 head 0. Reads One 1.00. Is read by One 1.00, " in said
    named = page.eval_on_selector_all(
        "select, button, textarea, [tabindex]",
        "all => all.map((e) => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)",
    )
    assert all(name.strip() for name in named)
    assert page.locator("form").is_hidden(), "nobody here answers a text of one's own"
    context.close()


def test_a_page_gets_what_its_explorers_need_and_nothing_else(explorer) -> None:
    """Shared style first, the drawing script last, each module once however often it is used."""
    names = ["explorer.css", "texts.css", "attention.css"]
    names += ["explorer-attention.js", "explorers.js"]
    assert list(explorer_files(explorer.twin() * 2)) == names
    assert explorer_files("<p>data-explorer</p>") == {}
    unknown = explorer.twin().replace('"attention"', '"no-such"', 1)
    with pytest.raises(FileNotFoundError, match="no-such.js"):
        explorer_files(unknown)


def test_a_page_may_ask_later_for_the_models_that_it_names(explorer) -> None:
    """What runs them and their weights, once each; never among what the page loads by itself."""
    assert late_files(explorer.twin()) == {}
    shipped = AttentionExplorer(*load("tales-gpt2-300k"), ["Tom"]).twin()
    late = late_files(explorer.twin() + shipped * 2)
    assert list(late) == ["explorer-engine.js", "model-tales-gpt2-300k.js"]
    assert not late.keys() & explorer_files(shipped).keys()
    with pytest.raises(KeyError, match="nobody"):
        late_files(shipped.replace('data-model="tales-gpt2-300k"', 'data-model="nobody"'))


def write_page_with(folder: Path, explorer: AttentionExplorer, module: str) -> None:
    """A page whose explorer has another module."""
    write_page(folder, explorer.twin())
    script = f'(self.gptExplorers ??= new Map()).set("attention", {json.dumps(module)});'
    (folder / "explorer-attention.js").write_text(script)


MODEL = """export default { render({ model, el }) {
  const said = [], hear = (...news) => said.push(`any ${news.length}`);
  model.on("change:layer change:head", (same, value) => said.push(`${same === model} ${value}`));
  model.on("change", hear);
  model.set("layer", 0); model.set("layer", 0); model.set("token", 5);
  model.off("change:layer"); model.set("layer", 1);
  model.off("change", hear);
  model.set("head", 2); model.save_changes();
  model.off(); model.set("head", 1);
  const { weights } = model.get("texts")[0];
  said.push(weights.constructor.name, weights.getUint8(0), model.get("live"), model.get("head"));
  el.append(said.join("; "));
} };"""


def test_the_model_of_a_twin(browser: Browser, tmp_path: Path, explorer) -> None:
    """Each change is told once, to who listens; bytes are a DataView; nobody answers."""
    write_page_with(tmp_path, explorer, MODEL)
    context = browser.new_context(viewport=DESK)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    said = "true 0; any 1; any 1; any 1; true 2; DataView; 255; false; 1"
    assert page.inner_text("figure > div") == said and seen.complaints == []
    context.close()


BROKEN = {
    "render throws": 'export default { render({ el }) { el.append("half"); throw el } };',
    "module does not parse": "export default {",
    "module draws nothing": "export const x = 1;",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_module_leaves_the_text(
    browser: Browser, tmp_path: Path, explorer, fault: str
) -> None:
    """Negative control: the text stays, the console says which explorer, the check notices."""
    write_page_with(tmp_path, explorer, BROKEN[fault])
    context = browser.new_context(viewport=DESK)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    assert page.locator("figcaption").is_visible() and "half" not in page.inner_text("figure")
    assert any('The explorer "attention" was not drawn' in found for found in seen.complaints)
    assert drawing_complaints(page) == ["explorer 1 (attention) is not drawn"]
    context.close()

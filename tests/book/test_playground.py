"""The tokenizer playground in a real browser: typed into, stepped through, offline."""

from collections.abc import Iterator
from pathlib import Path

import playground_cases as cases
import pytest
from browsing import drawing_complaints, serving, watch, width_complaints, write_page
from playwright.sync_api import Browser, Locator, Page

from gptcore.show import TokenizerPlayground
from gptcore.tokenizer import Tokenizer

WORD = Tokenizer.train("the cat the cats", 40, kind="word", splitter="plain")
LOW = Tokenizer.train("low low lower", 262)  # merges by hand: lo, low, " low", er, " lower"
VOCABULARIES = {"Characters": "characters", "Bytes": "bytes", "Low": LOW, "Word": WORD}
PHONE = {"width": 390, "height": 844}
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \u202eabc\u2066 \x00\x01 "
    "👩‍👩‍👧‍👦 שלום &amp; </textarea>{{x}} <|endoftext|> \ufeff e\u0301"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one playground."""
    folder = tmp_path_factory.mktemp("playground")
    write_page(folder, TokenizerPlayground({**VOCABULARIES, "GPT-9": None}, "low lower").twin())
    return folder


@pytest.fixture(params=["http", "file"])
def page(request, browser: Browser, folder: Path) -> Iterator[Page]:
    """The page, from a server and from the disk; whatever goes wrong there fails the test."""
    with serving(folder) as server:
        home = server if request.param == "http" else f"{folder.as_uri()}/"
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        seen = watch(context, home)
        yield seen.open("page.html")
        assert seen.complaints + drawing_complaints(seen.page) + width_complaints(seen.page) == []
        context.close()


def lane(page: Page, name: str) -> Locator:
    """The row of one vocabulary."""
    return page.locator(".pg-lane", has=page.locator("strong", has_text=name))


def tokens(page: Page, name: str) -> list[str]:
    """What the tokens of a vocabulary show, ids left out."""
    return lane(page, name).locator(".pg-text").all_inner_texts()


def ids(page: Page, name: str) -> list[int]:
    """The ids that stand below them."""
    return [int(text) for text in lane(page, name).locator(".pg-id").all_inner_texts()]


def write(page: Page, text: str) -> None:
    """Put a text into the box and wait until it has been taken."""
    page.get_by_label("Your text").fill(text)
    size = f"{len(text):,} characters, {len(text.encode()):,} bytes"
    page.wait_for_function(
        "size => document.querySelector('[role=status]').textContent.startsWith(size)", arg=size
    )


def test_typing_shows_the_ids_of_every_vocabulary(page: Page) -> None:
    """Worked out by hand in test_tokenizer.py: low is 257, " lower" 260."""
    assert ids(page, "Low") == [257, 260]
    assert tokens(page, "Low") == ["low", "·lower"]
    page.get_by_label("Your text").press_sequentially(" é")
    page.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('11 c')")
    assert ids(page, "Characters") == [*map(ord, "lowlow lower é")][3:]
    assert ids(page, "Bytes") == [*"low lower é".encode()]
    assert tokens(page, "Low")[2:] == ["·", "C3", "A9"]
    assert lane(page, "Low").locator(".pg-whole").inner_text() == "é"
    assert "5 tokens" in lane(page, "Low").inner_text()
    assert "0.45 per character" in lane(page, "Low").inner_text()  # 5 / 11
    assert "0.42 per byte" in lane(page, "Low").inner_text()  # 5 / 12
    assert "The files of GPT-9 are not here" in page.locator("main").inner_text()


def test_words_show_what_is_unknown(page: Page) -> None:
    """GPT-1's kind: lower case, `<unk>`, the end of a word."""
    write(page, "THE 你")
    assert ids(page, "Word") == WORD.encode("the 你")
    assert tokens(page, "Word") == ["the</w>", "<unk>"]
    lane(page, "Word").locator(".pg-token").nth(1).hover()
    assert lane(page, "Word").locator(".pg-info").inner_text() == (
        "id 0, <unk>: no token holds 你 (U+4F60)"
    )


def test_merges_one_by_one_by_keys_and_by_clicks(page: Page) -> None:
    """low lower: lo, low, " low", er, " lower"; "·low" is " low" in the picture."""
    slider, info = lane(page, "Low").get_by_role("slider"), lane(page, "Low").locator(".pg-info")
    slider.focus()
    slider.press("Home")
    assert tokens(page, "Low") == [*"low", "·", *"lower"]
    assert info.inner_text() == "No merge yet; 5 to come."
    slider.press("ArrowRight")
    assert tokens(page, "Low") == ["lo", "w", "·", "lo", "w", "e", "r"]
    assert info.inner_text() == "Merge 1 of 5: l + o → lo, rank 0 in a list of 5, 2 places"
    assert lane(page, "Low").locator(".pg-new").count() == 2
    lane(page, "Low").get_by_label("one merge on").click()
    lane(page, "Low").get_by_label("one merge on").click()
    assert tokens(page, "Low") == ["low", "·low", "e", "r"]
    assert info.inner_text() == "Merge 3 of 5: · + low → ·low, rank 2 in a list of 5"
    assert lane(page, "Low").locator(".pg-new").all_inner_texts() == ["·low\n258"]
    assert "4 tokens" in lane(page, "Low").inner_text()
    lane(page, "Low").get_by_label("one merge back").click()
    assert tokens(page, "Low") == ["low", "·", "low", "e", "r"]
    slider.press("End")
    assert ids(page, "Low") == [257, 260]
    assert lane(page, "Bytes").get_by_role("slider").count() == 0


def test_a_token_is_named_by_mouse_and_by_keys(page: Page) -> None:
    """Its id, its bytes, its characters; the same bytes are marked in the other rows."""
    write(page, "low é")
    info = lane(page, "Low").locator(".pg-info")
    lane(page, "Low").locator(".pg-token").first.hover()
    assert info.inner_text() == "id 257, bytes 6C 6F 77: low (U+006C U+006F U+0077)"
    assert lane(page, "Characters").locator(".pg-same").all_inner_texts() == [
        *("l\n108", "o\n111", "w\n119")
    ]
    page.mouse.move(0, 0)
    box = lane(page, "Low").get_by_role("listbox")
    box.focus()
    box.press("End")
    assert info.inner_text() == "id 102, byte A9, part of é (U+00E9)"
    assert lane(page, "Low").locator(".pg-active").inner_text() == "A9\n102"
    box.press("ArrowLeft")
    assert info.inner_text() == "id 127, byte C3, part of é (U+00E9)"
    box.press("Home")
    box.press("ArrowRight")
    assert info.inner_text() == "id 220, byte 20: · (U+0020)"
    box.press("Escape")
    assert info.inner_text().startswith("All 2 merges are done")


def test_examples_are_texts_to_start_from(page: Page) -> None:
    """A click writes one into the box; Arabic runs from right to left, also for the keys."""
    page.get_by_role("button", name="Arabic").click()
    page.wait_for_function("document.querySelector('.pg-tokens').dir === 'rtl'")
    text = page.get_by_label("Your text").input_value()
    assert ids(page, "Bytes") == [*text.encode()]
    assert page.get_by_role("button", name="Arabic").get_attribute("aria-pressed") == "true"
    box = lane(page, "Characters").get_by_role("listbox")
    box.focus()
    box.press("Home")
    box.press("ArrowLeft")
    first, second = lane(page, "Characters").locator(".pg-token").all()[:2]
    assert second.get_attribute("class").endswith("pg-active")
    assert first.bounding_box()["x"] > second.bounding_box()["x"]


def test_hostile_text_is_shown_as_text(page: Page) -> None:
    """Markup, marks that turn the text, NUL: nothing runs, nothing is lost."""
    page.on("dialog", lambda dialog: pytest.fail(f"the page said {dialog.message}"))
    write(page, HOSTILE)
    assert ids(page, "Bytes") == [*HOSTILE.encode()]
    assert ids(page, "Low") == LOW.encode(HOSTILE)
    assert ids(page, "Word") == WORD.encode(HOSTILE)
    shown = "".join(tokens(page, "Characters"))
    assert shown.startswith("<script>alert(1)</script><img·src=x·onerror=alert(2)>·U+202Eabc")
    assert (
        "␀␁" in shown
        and "\x00" not in shown
        and "\u202e" not in page.locator(".pg-lane").first.inner_text()
    )
    assert page.locator("main script:not([type='application/json']), main img").count() == 0


def test_ten_thousand_characters_freeze_nothing(page: Page) -> None:
    """All are counted, a few are drawn, more on demand; a key is answered at once."""
    text = ("low lower 你好! " * 900)[:10_000]
    write(page, text)
    low = lane(page, "Low")
    n_tokens, n_bytes = len(LOW.encode(text)), len(text.encode())
    assert f"{n_tokens:,} tokens" in low.inner_text()
    assert lane(page, "Bytes").locator(".pg-token").count() == 180
    more = lane(page, "Bytes").get_by_text(f"… and {n_bytes - 180:,} more")
    more.click()
    assert lane(page, "Bytes").locator(".pg-token").count() == 360
    spent = page.evaluate(
        """() => {
      const slider = document.querySelector("input[type=range][max='5']");
      const begin = performance.now();
      slider.value = 2;
      slider.dispatchEvent(new Event("input"));
      return performance.now() - begin;
    }"""
    )
    assert spent < 1000  # milliseconds; alone on a machine it is about 10, a busy one is slow
    assert "Merge 2 of 5: lo + w → low" in low.inner_text()


def test_it_fits_a_phone_in_the_dark(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """At 390 px nothing sticks out; a tap names a token; the colours are the dark ones."""
    write_page(tmp_path, TokenizerPlayground(VOCABULARIES, HOSTILE + "x" * 500).twin(), "dark")
    context = browser.new_context(viewport=PHONE, color_scheme="dark", has_touch=True)
    seen = watch(context, f"{tmp_path.as_uri()}/")
    page = seen.open("page.html")
    lane(page, "Low").locator(".pg-token").first.tap()
    assert lane(page, "Low").locator(".pg-info").inner_text() == "id 27, byte 3C: < (U+003C)"
    ink = page.locator(".gpt-playground").evaluate("e => getComputedStyle(e).color")
    assert ink == "rgb(221, 225, 231)"  # --gpt-ink of the dark set
    assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
    context.close()


ENCODE = """async ({ texts }) => {
  const source = self.gptExplorers.get("playground");
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const revive = (_, v) => (typeof v?.base64 === "string" ? bytes(v.base64) : v);
  const state = document.querySelector("figure script[type='application/json']").textContent;
  const { vocabularies, rules } = JSON.parse(state, revive);
  return vocabularies.map((packed) => {
    const vocabulary = module.vocabularyOf(packed);
    return texts.map((text) => module.encode(vocabulary, text, rules));
  });
}"""


def test_ids_over_the_fuzz_corpus_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    """The page's own script, in the page, on all vocabularies that are here."""
    vocabularies, texts = {**cases.small(), **cases.published()}, cases.texts()
    texts = [text.encode("utf-16", "replace").decode("utf-16") for text in texts]
    write_page(tmp_path, TokenizerPlayground(vocabularies, "").twin())
    context = browser.new_context()
    page = watch(context, f"{tmp_path.as_uri()}/").open("page.html")
    found = cases.differences(vocabularies, page.evaluate(ENCODE, {"texts": texts}), texts)
    context.close()
    assert not found, "\n".join(found[:20])

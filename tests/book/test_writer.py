"""The writer in a real browser, from the disk, the network blocked: the door of the book."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browsing import (
    Watch,
    after,
    drawing_complaints,
    watch,
    width_complaints,
    write_page,
)
from playwright.sync_api import Browser

from gptcore.checkpoint import load
from gptcore.sampling.drawing import generate
from gptcore.show import Writer

MODEL, FIRST = "tales-gpt2-300k", "Rosa looked at the"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
READY = """() => document.querySelector(".wr-note").textContent === "" &&
  document.querySelector(".wr-top button").textContent === "Let it write" """


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the writer of a shipped model."""
    folder = tmp_path_factory.mktemp("writer")
    write_page(folder, Writer(*load(MODEL), FIRST, controls=True).twin())
    return folder


@pytest.fixture(params=[{}, PHONE], ids=["desk", "phone"])
def seen(request, browser: Browser, folder: Path) -> Iterator[Watch]:
    """The page; whatever goes wrong there fails the test."""
    context = browser.new_context(**request.param)
    seen = watch(context, f"{folder.as_uri()}/")
    seen.asked = []
    seen.page.on("request", lambda one: seen.asked.append(one.url.rsplit("/", 1)[-1]))
    seen.open("page.html")
    yield seen
    complaints = drawing_complaints(seen.page) + width_complaints(seen.page)
    assert seen.complaints + complaints == []
    context.close()


def likeliest(text: str, n: int = 8) -> list[tuple[str, float]]:
    """What PyTorch finds likeliest behind a text."""
    model, tokenizer = load(MODEL)
    with torch.no_grad():
        p = model.eval()(torch.tensor([tokenizer.encode(text)]))[0, -1].softmax(0)
    best = p.topk(n)
    ids = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [(tokenizer.decode([i]), value) for i, value in ids]


def listed(seen: Watch) -> list[str]:
    """The rows of the list: "token, probability"."""
    rows = [row.inner_text() for row in seen.page.locator(".wr-list button").all()]
    return [", ".join(row.replace("·", " ").rsplit("\n", 1)) for row in rows]


def text_of(seen: Watch) -> str:
    """The text that the box holds."""
    return seen.page.locator(".gpt-writer textarea").input_value()


def settle(seen: Watch) -> None:
    """Wait until the model has read."""
    after(seen.page)
    seen.page.wait_for_timeout(600)  # longer than the patience with who types
    seen.page.wait_for_function(READY)
    after(seen.page)


def plain(seen: Watch) -> None:
    """A temperature of 1, at which the list has the model's own probabilities."""
    seen.page.locator(".wr-controls input[type=range]").first.fill("1")
    after(seen.page)


def test_what_is_typed_is_read_as_pytorch_reads_it(seen: Watch) -> None:
    """Nothing is loaded for the first look; then eight rows, with PyTorch's figures."""
    assert not [name for name in seen.asked if "engine" in name or "model" in name]
    plain(seen)
    for text in (FIRST, 'Tom said, "'):
        if text != FIRST:
            seen.page.locator(".gpt-writer textarea").fill(text)
            settle(seen)
        for row, (token, p) in zip(listed(seen), likeliest(text), strict=True):
            name, told = row.rsplit(", ", 1)
            assert name.strip() == token.strip()
            assert abs(float(told.removesuffix(" %")) / 100 - p) < 0.0051, (row, p)
    assert len([name for name in seen.asked if name.startswith("model-")]) == 1


def test_a_token_taken_stands_behind_the_text(seen: Watch) -> None:
    """The third row is no more than a click away, and then read."""
    plain(seen)
    token, _ = likeliest(FIRST)[2]
    seen.page.locator(".wr-list button").nth(2).click()
    settle(seen)
    assert text_of(seen) == FIRST + token
    assert listed(seen)[0].rsplit(", ", 1)[0].strip() == likeliest(FIRST + token)[0][0].strip()


def test_it_writes_and_a_branch_goes_another_way(seen: Watch) -> None:
    """Greedy text is PyTorch's; back at a token, another is taken and what stood behind is gone."""
    model, tokenizer = load(MODEL)
    page = seen.page
    page.locator(".wr-controls input[type=range]").first.fill("0")
    page.locator(".wr-top button").click()
    settle(seen)
    expected = generate(model, tokenizer, FIRST, temperature=0, max_new_tokens=60)
    assert text_of(seen) == FIRST + expected
    n = len(tokenizer.encode(FIRST))
    page.locator(".wr-text button").nth(n).click()
    settle(seen)
    assert page.locator(".wr-text .wr-later").count() == 60
    plain(seen)
    assert page.locator(".wr-list [aria-pressed=true]").count() == 1  # what stood there
    page.locator(".wr-list button").nth(1).click()
    settle(seen)
    assert text_of(seen) == FIRST + likeliest(FIRST)[1][0]


def test_a_head_tints_what_it_reads(seen: Watch) -> None:
    """The weights of the chosen head are those of PyTorch, on each token of the text."""
    model, tokenizer = load(MODEL)
    cell = seen.page.locator(".wr-heads button").last
    cell.click()
    after(seen.page)
    with torch.no_grad():
        trace = model.eval().trace(torch.tensor([tokenizer.encode(FIRST)]))
    weights = trace.attentions[-1][0, -1, -1].tolist()
    chips = seen.page.locator(".wr-text button").all()
    for chip, weight in zip(chips, weights, strict=True):
        shown = float(chip.evaluate("e => e.style.getPropertyValue('--wr-weight')"))
        assert abs(shown - weight**0.5) < 2e-3
    assert cell.get_attribute("aria-pressed") == "true"


def test_keys_walk_along_the_text_and_stay_in_the_box(seen: Watch) -> None:
    """Arrow keys move from token to token; an empty box is answered in words."""
    page = seen.page
    chips = page.locator(".wr-text button")
    chips.last.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("+document.activeElement.dataset.i") == chips.count() - 2
    page.keyboard.press("Home")
    assert page.evaluate("+document.activeElement.dataset.i") == 0
    page.keyboard.press("Enter")
    after(page)
    assert "before the first token" in page.inner_text(".wr-note")
    box = page.locator(".gpt-writer textarea")
    box.fill("")
    box.press("Enter")
    page.wait_for_function("document.querySelector('.wr-note').textContent.includes('one word')")
    box.fill("<script>document.title = 'broken'</script>")
    box.press("Enter")
    settle(seen)
    assert page.title() == "Explorers"


def test_a_text_longer_than_the_context_is_refused_in_words(seen: Watch) -> None:
    """The reader is told how long a text may be, and the page goes on."""
    box = seen.page.locator(".gpt-writer textarea")
    box.fill("Rosa met Tom. " * 100)
    box.press("Enter")
    seen.page.wait_for_function("document.querySelector('.wr-note').textContent.includes('n_ctx')")
    box.fill(FIRST)
    box.press("Enter")
    settle(seen)
    assert len(listed(seen)) == 8

"""A shipped model in a real browser: from a server and from the disk, the network blocked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import engine_cases as cases
import numpy as np
import pytest
import torch
from browsing import (
    Watch,
    after,
    drawing_complaints,
    serving,
    watch,
    width_complaints,
    write_page,
)
from playwright.sync_api import Browser, Page

from gptcore.checkpoint import load
from gptcore.sampling import drawing
from gptcore.show import AttentionExplorer, AttentionSteps, ResidualStream
from gptcore.show.explorers.residual_stream.residual_stream import look

SMALL, LARGE = "tales-gpt2-300k", "tales-gpt1"
FIRST = "One windy morning Rosa met Tom."
HARD = '<script>document.title = "broken"</script> 小猫 👩‍🚀 café'
LONG = "Rosa met her friend Tom by the old mill. " * 40
NO_WORKER = "delete window.Worker;"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1000, "height": 900}
HOLD = """() => { const load = self.gptScript; self.gptScript = async (name) => {
  if (name.startsWith("model-")) await new Promise((resolve) => { self.release = resolve; });
  return load(name); }; }"""
BEGIN = """const { load } = await self.gptModule("engine"); const model = await load(name);"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the three explorers of a shipped model."""
    folder, model = tmp_path_factory.mktemp("engine"), load(SMALL)
    twins = [
        AttentionExplorer(*model, [FIRST], max_tokens=64).twin(),
        AttentionSteps(*model, [FIRST]).twin(),
        ResidualStream(*model, [FIRST], covered=False, max_tokens=64).twin(),
    ]
    write_page(folder, "".join(twins))
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that may ask for the model of 4 million parameters."""
    folder = tmp_path_factory.mktemp("large")
    write_page(folder, AttentionExplorer(*load(LARGE), [FIRST]).twin())
    return folder


@contextmanager
def opened(browser: Browser, home: str, script: str = "", **context: Any) -> Iterator[Watch]:
    """The page and what goes wrong on it; `script` runs before those of the page."""
    made = browser.new_context(**{"viewport": DESK, **context})
    if script:
        made.add_init_script(script)
    seen = watch(made, home)
    seen.asked = []
    seen.page.on("request", lambda request: seen.asked.append(request.url.rsplit("/", 1)[-1]))
    seen.open("page.html")
    yield seen
    made.close()


@pytest.fixture(params=["http", "file", "file, no worker"])
def seen(request, browser: Browser, folder: Path) -> Iterator[Watch]:
    """The page of the three explorers; whatever goes wrong there fails the test."""
    script = NO_WORKER if "no worker" in request.param else ""
    with serving(folder) as server:
        home = server if request.param == "http" else f"{folder.as_uri()}/"
        with opened(browser, home, script) as seen:
            yield seen
            page = seen.page
            assert seen.complaints + drawing_complaints(page) + width_complaints(page) == []
            assert page.title() == "Explorers"


def send(page: Page, root: str, text: str) -> None:
    """Type a text into an explorer; its note is another as soon as the explorer has heard of it."""
    page.locator(f"{root} textarea").fill(text)
    page.locator(f"{root} .tx-note").evaluate("(note) => { note.textContent = 'not heard yet'; }")
    page.locator(f"{root} .tx-form button").click()


def ask(page: Page, root: str, text: str) -> None:
    """Type a text into an explorer and wait for its answer, however long that takes."""
    send(page, root, text)
    page.wait_for_function(
        """root => !/^(not heard yet|Loading|The model reads)/.test(
             document.querySelector(`${root} .tx-note`).textContent)""",
        arg=root,
    )
    after(page)
    after(page)


def test_any_text_typed_is_answered_and_the_weights_come_once(seen: Watch) -> None:
    """None before the first text; one script for all explorers; each shows the text's tokens."""
    page = seen.page
    assert not [name for name in seen.asked if "engine" in name or "model" in name]
    model, tokenizer = load(SMALL)
    for root, text in ((".gpt-attention", HARD), (".gpt-residual", LONG), (".gpt-steps", HARD)):
        ask(page, root, text)
        options = page.locator(f"{root} select").first.locator("option")
        assert options.count() == 2, page.inner_text(f"{root} .tx-note")
        assert page.locator(f"{root} select").first.input_value() == "1"
        n = len(tokenizer.encode(text))
        shown = min(n, 12 if root == ".gpt-steps" else 64)
        said = page.inner_text(f"{root} .tx-note")
        assert said == (f"The first {shown} of {n} tokens." if n > shown else "")
    assert page.locator(".at-token").count() == len(tokenizer.encode(HARD))
    assert sorted(name for name in seen.asked if "engine" in name or "model" in name) == [
        "explorer-engine.js",
        f"model-{SMALL}.js",
    ]


def test_what_is_shown_is_pythons_numbers(seen: Watch) -> None:
    """The residual stream of a typed text: the sentence under the grid has Python's means."""
    text = "The little fox was proud of the silver bell."
    page = seen.page
    ask(page, ".gpt-residual", text)
    facts = look(*load(SMALL), text, 64)["facts"]
    cells = page.locator(".gpt-residual .rs-foot [role=gridcell]").all_inner_texts()
    means = [f"{depth[2]:.2f}" for depth in facts]
    assert means == cells[-len(means) :]


def test_white_space_asks_nothing(seen: Watch) -> None:
    """An empty box and one with spaces: no text is added, nothing is loaded."""
    page = seen.page
    for text in ("", " \n "):
        send(page, ".gpt-attention", text)
        after(page)
        assert page.inner_text(".gpt-attention .tx-note") == "not heard yet"
        assert page.locator(".gpt-attention select").first.locator("option").count() == 1
    assert f"model-{SMALL}.js" not in seen.asked


def test_the_last_text_asked_for_is_answered(seen: Watch) -> None:
    """Two texts at once, while the weights are held back: the second one stays."""
    page, note = seen.page, ".gpt-attention .tx-note"
    page.evaluate(HOLD)
    send(page, ".gpt-attention", LONG)
    page.locator(note, has_text="Loading the model tales-gpt2-300k, 0.").wait_for()
    send(page, ".gpt-attention", "Tom and Rosa")
    page.locator(note, has_text="Loading").wait_for()
    page.wait_for_function("self.release !== undefined")
    page.evaluate("self.release()")
    page.locator(note).filter(has_not_text=re.compile("heard|Loading|reads")).wait_for(
        state="attached"
    )
    after(page)
    options = page.locator(".gpt-attention select").first.locator("option").all_inner_texts()
    assert options[1:] == ["Tom and Rosa"]
    assert page.locator(".at-token").count() == len(load(SMALL)[1].encode("Tom and Rosa"))


def test_a_file_that_is_missing_is_named_and_asked_for_again(
    browser: Browser, folder: Path, tmp_path: Path
) -> None:
    """The prepared text stays; when the file is there, the next try answers."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / f"model-{SMALL}.js"
    weights.unlink()
    with opened(browser, f"{tmp_path.as_uri()}/") as seen:
        page = seen.page
        ask(page, ".gpt-attention", "Tom")
        said = page.inner_text(".gpt-attention .tx-note")
        assert said.startswith(f"model-{SMALL}.js did not load")
        assert page.locator(".at-token").count() == len(load(SMALL)[1].encode(FIRST))
        weights.write_bytes((folder / weights.name).read_bytes())
        ask(page, ".gpt-attention", "Tom")
        assert page.inner_text(".gpt-attention .tx-note") == ""
        assert page.locator(".gpt-attention select").first.locator("option").count() == 2


def test_no_box_for_a_model_that_is_not_shipped(browser: Browser, tmp_path: Path) -> None:
    """Nobody would answer; and the page needs no engine."""
    write_page(
        tmp_path, AttentionExplorer(cases.small("pre", cases.BYTE), cases.BYTE, ["a"]).twin()
    )
    assert not (tmp_path / "explorer-engine.js").exists()
    with opened(browser, f"{tmp_path.as_uri()}/") as seen:
        assert seen.page.locator(".gpt-attention").is_visible()
        assert seen.page.locator(".tx-form").is_hidden() and seen.complaints == []


def test_a_tap_on_a_phone_in_the_dark(browser: Browser, folder: Path) -> None:
    """390 px and a finger: the box is in the page, large enough, and answers."""
    home = f"{folder.as_uri()}/"
    with opened(browser, home, viewport=PHONE, has_touch=True, is_mobile=True) as seen:
        page = seen.page
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.locator(".gpt-attention textarea").fill(HARD)
        page.locator(".gpt-attention .tx-form button").tap()
        page.wait_for_function("document.querySelectorAll('.at-choice option').length === 2")
        assert page.locator(".gpt-attention .tx-form button").bounding_box()["height"] >= 40
        assert seen.complaints + width_complaints(page) == []


# ------------------------------------------------------------------ the engine itself


def test_logits_attention_and_text_are_pytorchs(browser: Browser, large: Path) -> None:
    """100 prompts within 1e-3; of 5 all weights, and 40 greedy tokens."""
    model, tokenizer = load(LARGE)
    prompts = cases.prompts(tokenizer, 100)
    code = f"""async ([name, prompts]) => {{ {BEGIN}
      const logits = [], traced = [], texts = [];
      for (const ids of prompts) logits.push([...(await model.run(ids)).logits]);
      for (const ids of prompts.slice(-5)) {{
        const {{ trace }} = await model.run(ids, {{ trace: true }});
        traced.push(trace.attentions.map((x) => [...x]));
        texts.push((await model.generate(ids, {{ temperature: 0, maxTokens: 40 }})).ids);
      }}
      return {{ logits, traced, texts, inWorker: model.inWorker }}; }}"""
    with opened(browser, f"{large.as_uri()}/") as seen:
        found = seen.page.evaluate(code, [LARGE, prompts])
        assert seen.complaints == []
    assert found["inWorker"]
    with torch.no_grad():
        for ids, logits in zip(prompts, found["logits"], strict=True):
            true = model(torch.tensor([ids]))[0, -1, : tokenizer.vocab_size].numpy()
            assert np.abs(np.array(logits) - true).max() < 1e-3
        for ids, weights, text in zip(prompts[-5:], found["traced"], found["texts"], strict=True):
            true = torch.cat(model.trace(torch.tensor([ids])).attentions).numpy().ravel()
            assert np.abs(np.array(weights).ravel() - true).max() < 1e-3
            wanted = drawing.sample_ids(
                model, torch.tensor([ids]), temperature=0, max_new_tokens=len(text)
            )
            assert text == [int(token) for token in wanted]


# How long the machine takes, just then, for as many multiplications as the model has parameters.
WRITE = f"""async (name) => {{ {BEGIN}
  const weights = new Float32Array(4e6).fill(0.5), x = new Float32Array(256).fill(0.5);
  const pace = () => {{
    const start = performance.now();
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i] * x[i & 255];
    return sum && performance.now() - start;
  }};
  const paces = Array.from({{ length: 8 }}, pace).slice(3), tasks = [];
  const watch = new PerformanceObserver((list) => tasks.push(...list.getEntries()));
  await new Promise((r) => setTimeout(r, 100));
  watch.observe({{ type: "longtask" }});
  let first, turns = 0, start = performance.now();
  const turn = () => (turns += 1);
  const clock = setInterval(turn, 1);
  const heard = () => (first ??= performance.now());
  const {{ ids }} = await model.generate("Rosa met her friend Tom by the", {{ seed: 1 }}, heard);
  const end = performance.now();
  clearInterval(clock);
  tasks.push(...watch.takeRecords());
  paces.push(...Array.from({{ length: 5 }}, pace));
  return {{ pace: Math.max(...paces), first: first - start, n: ids.length, turns,
            each: (end - first) / (ids.length - 1),
            longest: Math.max(0, ...tasks.map((task) => task.duration)) }}; }}"""


@pytest.mark.parametrize("script", ["", NO_WORKER], ids=["worker", "no worker"])
def test_it_writes_fast_and_the_page_answers(browser: Browser, large: Path, script: str) -> None:
    """4 million parameters: a token takes a few times its multiplications, and the page has turns.

    Beside the machine's own pace, since a busy one is slow: 50 tokens a second where it is quiet.
    """
    with opened(browser, f"{large.as_uri()}/", script) as seen:
        tries = [seen.page.evaluate(WRITE, LARGE) for _ in range(3)]
        assert seen.complaints == []
    assert tries[0]["n"] > 20
    assert min(one["each"] / one["pace"] for one in tries) <= 4, tries
    assert min(one["first"] / one["pace"] for one in tries) <= 50, tries
    assert max(one["turns"] / one["n"] for one in tries) >= 0.1, tries
    assert min(one["longest"] / max(one["pace"], 4) for one in tries) <= 12, tries


@pytest.mark.parametrize("script", ["", NO_WORKER], ids=["worker", "no worker"])
def test_writing_can_be_stopped(browser: Browser, folder: Path, script: str) -> None:
    """The signal ends it, also before it began; the model answers on, and reads nothing twice."""
    code = f"""async (name) => {{ {BEGIN}
      let stop, heard, some; // a page that is kept waiting may stop too late: then once more
      for (let tries = 0; tries < 20 && some?.why !== "stopped"; tries++) {{
        [stop, heard] = [new AbortController(), []];
        some = await model.generate("Rosa met", {{ maxTokens: 200 }}, ({{ id }}) => {{
          heard.push(id);
          if (heard.length === 3) stop.abort();
        }}, stop.signal);
      }}
      const none = await model.generate("Rosa met", {{}}, () => {{}}, stop.signal);
      const text = await model.decode(await model.encode("Rosa met"));
      return {{ some, none, heard, text }}; }}"""
    with opened(browser, f"{folder.as_uri()}/", script) as seen:
        found = seen.page.evaluate(code, SMALL)
        assert seen.complaints == []
    assert found["some"]["why"] == found["none"]["why"] == "stopped"
    assert 3 <= len(found["some"]["ids"]) < 200 and found["none"]["ids"] == []
    assert found["some"]["ids"][:3] == found["heard"][:3] and found["text"] == "Rosa met"

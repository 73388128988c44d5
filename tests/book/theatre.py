"""Every explorer, and what operates all of one: each part hovered and clicked, each key pressed."""

from playwright.sync_api import Page

SETUP = """\
import torch
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.show import (
    Anatomy, AnswersExplorer, AttentionExplorer, AttentionSteps, BudgetGame, DepthExplorer,
    Descent, Growth, InputLayout, LabelCounts, LiveCurve, MaskPainter, Moment, NextWord,
    Optimized, ResidualStream, SamplingExplorer, ShotsExplorer, TokenizerPlayground,
    TrainingCalculator, Writer,
)
from gptcore.experiments import Record
from gptcore.show.explorers.optimized.optimized import Answer, Point, Run
from gptcore.tales.lines import Asked, Lines
from gptcore.tokenizer import Tokenizer

torch.manual_seed(0)
STORY = "One windy morning Rosa met her friend Tom by the old mill. "
tokenizer = Tokenizer.train(STORY * 40, vocab_size=300)
config = GPTConfig(vocab_size=300, n_ctx=64, n_layer=2, n_head=2, d_model=16, norm="post")
model = GPT(config)
run = {"role": "candidate", "seed": 100, "valid": -4.0, "curve": [6.0, 5.0, 4.0]}
deep = Record({}, [{"condition": f"{norm} {L}", "choice": {"lr": lr}, "items": [0.1] * L, **run}
                   for norm in ("post", "pre") for L in (2, 6) for lr in (0.001, 0.01)])
sold = {"role": "reported", "seed": 0, "diverged": None, "choice": {"lr": 0.01}}
form = {"vocab_size": 512, "n_ctx": 128, "n_layer": 2, "n_head": 2}
games = Record({}, [{"condition": f"{d}x2 on {D / 1e6:g}M", "test": -1.5 - 40 / d - 900 / D**0.5,
                     "tokens": D, "shape": {**form, "d_model": d}, **sold}
                    for d in (16, 32, 64) for D in (250_000, 500_000, 1_000_000)])
asked = (Asked("place", "Where?", "In a town."), Asked("mood", "How is Rosa?", "Proud."))
tales = {"place": [Lines(STORY, "Rosa", asked)] * 3, "mood": [Lines(STORY, "Rosa", asked)] * 2}
logs = lambda step: [[-step * i for i in range(n)] for n in (8, 8, 8, 7, 7)]
asks = Record({}, [{"condition": name, "role": "reported", "seed": seed, "n_params": n_params,
                    "items": "1" * 90 + "0" * 285, "options": logs(0.1 * i)}
                   for n_params, names in ((3, ("300k 0", "300k 1")), (10, ("1m 0", "1m 0.3",
                   "1m 1, shuffled"))) for i, name in enumerate(names) for seed in (0, 1)])
taught = Record({}, [{"condition": f"{way}, {n}", "role": "reported", "seed": 0, "test": 0.5,
                      "items": "10" * 20} for way in ("read", "scratch") for n in (75, 150)])
lists = ["items", "shuffled", "answers alone", "another form"]
lists += [f"{name} {k}" for name in ("shots", "fits") for k in range(4)]
said = lambda i: [[[[-0.1 * n * k - i * tale for n in range(15)] for k in range(7)]
                   for tale in range(4)] for task in range(2)]
shown = Record({}, [{"condition": name, "role": "reported", "seed": 0, "n_params": n_params,
                     "options": said(i), **{one: "1" * 90 + "0" * 285 for one in lists}}
                    for i, (name, n_params) in enumerate({"300k 1": 3, "1m 1": 10, "1m 0.1": 10,
                                                          "1m 1, mixed": 10}.items())])
drawn = lambda n, beta: Point(n, n * n, n - beta, 0.3 * n - 0.1 * n * n, n + 4.0,
                              [Answer("Tell a tale.", STORY * n, n - beta, 0.5)])
tuned = [Run({"beta": beta, "labels": labels}, [drawn(n, beta) for n in range(stop)])
         for beta, labels, stop in ((0.0, 100, 4), (0.1, 100, 3), (0.1, 400, 4))]
"""
EXPLORERS = {
    "anatomy": "Anatomy()",
    "answers": "AnswersExplorer(asks, tales=tales)",
    "attention": "AttentionExplorer(model, tokenizer, {'one': STORY, 'two': STORY * 3})",
    "attention_steps": "AttentionSteps(model, tokenizer, {'one': STORY, 'two': STORY[:20]})",
    "budget": "BudgetGame(games)",
    "calculator": "TrainingCalculator()",
    "depth": "DepthExplorer(deep, deep, unigram=5, uniform=6, n_layer=6, lr=0.01)",
    "descent": "Descent()",
    "growth": "Growth([Moment(str(n), n, 7.0 - n / 99, STORY) for n in (0, 9, 99)], {})",
    "input_layout": "InputLayout({'Own': tokenizer}, covered=False)",
    "label_counts": "LabelCounts(taught, one='scratch, 75', other='read, 150')",
    "mask_painter": "MaskPainter()",
    "next_word": "NextWord(model, tokenizer, [STORY, 'Rosa met'], tokenizer.encode(STORY * 9))",
    "optimized": "Optimized(tuned)",
    "playground": "TokenizerPlayground({'Own': tokenizer, 'Bytes': 'bytes'})",
    "residual_stream": "ResidualStream(model, tokenizer, {'one': STORY, 'two': STORY * 3})",
    "sampling": "SamplingExplorer(model, tokenizer, STORY)",
    "shots": "ShotsExplorer(shown)",
    "writer": "Writer(model, tokenizer, STORY, controls=True)",
}
"""Name -> the expression that makes it, after `SETUP`."""
ROOTS = {
    "anatomy": ".gpt-anatomy",
    "answers": ".gpt-answers",
    "attention": ".gpt-attention",
    "attention_steps": ".gpt-steps",
    "budget": ".gpt-budget",
    "calculator": ".gpt-calculator",
    "depth": ".gpt-depth",
    "descent": ".gpt-descent",
    "growth": ".gpt-growth",
    "input_layout": ".gpt-inputs",
    "label_counts": ".gpt-labels",
    "mask_painter": ".gpt-masks",
    "next_word": ".gpt-next",
    "optimized": ".gpt-optimized",
    "playground": ".gpt-playground",
    "residual_stream": ".gpt-residual",
    "sampling": ".gpt-sampling",
    "shots": ".gpt-shots",
    "writer": ".gpt-writer",
    "live_curve": ".gpt-curve",
}
KEYS = (
    "ArrowDown ArrowRight ArrowUp ArrowLeft Home PageDown PageUp [ ] p d a Enter Escape End".split()
)

# Every part that has a size gets what a mouse and a finger give; every part that takes the focus
# gets keys. After each the page has a frame to draw in. What is told must stay told in numbers.
OPERATE = """async ([selector, keys]) => {
  const root = document.querySelector(selector), found = [];
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));
  let escaped = 0;
  const escape = (event) => { escaped += 1; };
  document.addEventListener("keydown", escape);
  const wrong = (what) => {
    const text = root.innerText.match(/.{0,30}(NaN|undefined|null|\\[object).{0,20}/);
    if (text && found.length < 5) found.push(`${what}: ${text[0]}`);
  };
  const name = (e) => `${e.tagName.toLowerCase()}.${e.className.baseVal ?? e.className}`;
  const pointer = (e, type, more = {}) => {
    const { left, top, width, height } = e.getBoundingClientRect();
    const at = { clientX: left + width / 2, clientY: top + height / 2, bubbles: true, ...more };
    e.dispatchEvent(new PointerEvent(type, { pointerType: "mouse", pointerId: 1, ...at }));
  };
  const parts = () => [...root.querySelectorAll("*")].filter((e) => e.getClientRects().length);
  const around = (e) => (e.parentElement ? ` in ${name(e.parentElement)}` : ", which is gone");
  const kind = (e) => name(e) + around(e);
  const some = (list) => { // a few of each kind: all columns and controls, not all thousand cells
    const seen = new Map();
    return list.filter((e) => {
      seen.set(kind(e), (seen.get(kind(e)) ?? 0) + 1);
      return seen.get(kind(e)) <= 6;
    });
  };
  for (const e of some(parts())) {
    if (!e.isConnected) continue;
    pointer(e, "pointerover");
    pointer(e, "pointermove");
    await frame();
    wrong(`pointing at ${kind(e)}`);
  }
  pointer(root.firstElementChild, "pointerout");
  const clicked = new Set();
  for (const e of some(parts())) {
    if (!e.isConnected || e.closest("textarea, select") || clicked.has(e)) continue;
    clicked.add(e);
    pointer(e, "click");
    await frame();
    wrong(`a click on ${kind(e)}`);
  }
  const stops = () => [...root.querySelectorAll("[tabindex='0'], button, select, input")]
    .filter((e) => e.getClientRects().length && !e.disabled);
  for (const e of some(stops())) {
    if (!e.isConnected) continue;
    for (const key of keys) {
      e.focus();
      e.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      await frame();
      wrong(`${key} on ${kind(e)}`);
    }
  }
  for (const e of root.querySelectorAll("input[type=range]")) { // keys of a script move no slider
    e.value = e.value === e.max ? e.min : e.max;
    for (const type of ["input", "change"]) e.dispatchEvent(new Event(type, { bubbles: true }));
    await frame();
    wrong(`the end of ${kind(e)}`);
  }
  await frame();
  document.removeEventListener("keydown", escape);
  if (escaped) found.push(`${escaped} keys went on to the page around it`);
  return { found, clicked: clicked.size };
}"""


def operate(page: Page, name: str) -> list[str]:
    """Use all of an explorer and list what it then shows that it should not.

    Args:
        page: a page on which it is drawn.
        name: of the explorer.

    Returns:
        Complaints: no number where one is told, keys that went on to the page.
    """
    done = page.evaluate(OPERATE, [ROOTS[name], KEYS])
    assert done["clicked"] > 3, f"{name} has nothing to click"
    return [f"{name}: {found}" for found in done["found"]]


def picture(page: Page, name: str) -> str:
    """All that an explorer shows, as text: its markup and its canvases."""
    return page.evaluate(
        """(selector) => { const root = document.querySelector(selector);
      return root.outerHTML + [...root.querySelectorAll("canvas")].map((c) => c.toDataURL())
        + [...root.querySelectorAll("select, input, textarea")].map((e) => e.value); }""",
        ROOTS[name],
    )

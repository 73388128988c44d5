"""The engine of the pages against PyTorch on one thread: a shipped model writes, token by token.

The prompt has 32 tokens, 128 greedy ones follow. Ours runs in Node, and in Chromium in a worker and
on the page; what counts is the time between asking and the last token, weights being there, with
the first token beside it. The peer is `gptcore` itself, its cache and its decoder, in float32 with
the same half-precision weights. Runs alternate, and the ids must be equal, or the run stops.

    python bench/engine.py
    python bench/engine.py --quick    the smallest model, two runs, Node alone
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from peers.timing import header, line, options

from gptcore import load
from gptcore.sampling.drawing import sample_ids
from gptcore.show.explorers.engine import engine

ROOT = Path(__file__).resolve().parents[1]
N_PROMPT, N_NEW = 32, 128
MODELS = ("tales-gpt2-300k", "tales-gpt2-1m", "tales-gpt2-3m", "tales-gpt1")
TARGET = "<= 20 ms (50 tokens/s)"
WRITE = """
async ([name, worker, ids, n]) => {
  const { load } = await self.gptModule("engine"), model = await load(name, { worker });
  await model.run([ids[0] + 1]); // another text, so that nothing of the prompt is remembered
  let first;
  const start = performance.now(), how = { temperature: 0, maxTokens: n };
  const found = await model.generate(ids, how, () => (first ??= performance.now() - start));
  return { ids: found.ids, ms: performance.now() - start, first };
}"""
IN_NODE = f"""
import {{ readFileSync }} from "node:fs";
import {{ load }} from "{(ROOT / "tests/js/load.mjs").as_uri()}";
const {{ stored, asked }} = JSON.parse(readFileSync(0, "utf-8"));
globalThis.self = globalThis;
self.gptModels = new Map([[asked[0], stored]]);
const module = await load("engine");
self.gptModule = async () => module;
const write = {WRITE.strip()};
await write(asked); // warm
console.log(JSON.stringify(await write(asked)));
"""


class Written(NamedTuple):
    """One text: its ids, and milliseconds to the last and to the first of them."""

    ids: list[int]
    ms: float
    first: float


def main() -> None:
    """Print one table."""
    chosen = options(__doc__, threads=False).parse_args()
    torch.set_num_threads(1)
    print(f"Writing {N_NEW} tokens in JavaScript, against PyTorch on one thread")
    header("ms/token")
    for name in MODELS[: 1 if chosen.quick else None]:
        compare(name, 2 if chosen.quick else chosen.runs, chosen.quick)


def compare(name: str, runs: int, quick: bool) -> None:
    """Time whole continuations of the same prompt, read anew each time."""
    model, tokenizer = load(name)
    ids = tokenizer.encode("One windy morning the fox met a crow by the old mill. " * 9)[:N_PROMPT]
    with ExitStack() as stack:
        ways: dict[str, Callable[[], Written]] = {"Node": lambda: in_node(name, ids)}
        page = None if quick else stack.enter_context(chromium(name))
        if page is not None:
            for where, worker in (("Chromium, worker", True), ("Chromium, page", False)):
                ways[where] = lambda worker=worker: Written(
                    **page(worker, [name, worker, ids, N_NEW])
                )
        for way in (*ways.values(), lambda: in_python(model, ids)):
            way()  # warm
        rounds = [
            ({where: way() for where, way in ways.items()}, in_python(model, ids))
            for _ in range(runs)
        ]
    for where in ways:
        ours, theirs = [found[where] for found, _ in rounds], [found for _, found in rounds]
        assert all(a.ids == b.ids for a, b in zip(ours, theirs, strict=True)), "ids differ"
        a, b = (median(one.ms / len(one.ids) for one in some) for some in (ours, theirs))
        first = median(one.first for one in ours)
        line(f"{name}, {where}, first token after {first:.0f} ms", a, b, TARGET)


def in_python(model: torch.nn.Module, ids: list[int]) -> Written:
    """gptcore's own loop."""
    start, found, first = time.perf_counter(), [], None
    for token in sample_ids(
        model, torch.tensor([ids]), temperature=0, max_new_tokens=N_NEW, vocab_size=None
    ):
        found.append(int(token))
        first = first or time.perf_counter()
        if found[-1] == model.config.vocab_size - 1:  # the end of the text is the last id
            break
    return Written(found, 1000 * (time.perf_counter() - start), 1000 * (first - start))


def in_node(name: str, ids: list[int]) -> Written:
    """A Node of its own; its start and the weights do not count."""
    node = shutil.which("node")
    if node is None:
        sys.exit("Node is not installed: https://nodejs.org, version 20 or later")
    given = {"stored": engine.pack(*load(name)), "asked": [name, False, ids, N_NEW]}
    command = [node, "--input-type=module", "-e", IN_NODE]
    out = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    if out.returncode:
        sys.exit(f"Node: {out.stderr[-2000:]}")
    return Written(**json.loads(out.stdout))


@contextmanager
def chromium(name: str) -> Iterator[Callable[[bool, list[Any]], dict[str, Any]] | None]:
    """A function that has pages of a headless Chromium write; None where there is none."""
    sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "tests" / "book")]
    from chromium import find
    from offline import EXPLORERS, late_files
    from playwright.sync_api import sync_playwright

    from gptcore.show import widgets

    path = find()
    if path is None:
        print(f"{name}: no Chromium here, so Node alone")
        yield None
        return
    figure = f'<figure class="gpt-explorer-figure" data-model="{name}"></figure>'
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        files = late_files(figure) | {EXPLORERS: widgets.static(EXPLORERS)}
        files["page.html"] = f'<!doctype html><script src="{EXPLORERS}"></script>'
        for file, text in files.items():
            (Path(folder) / file).write_text(text, "utf-8")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        pages = {}
        for worker in (True, False):
            pages[worker] = browser.new_page()
            pages[worker].goto((Path(folder) / "page.html").as_uri())
        yield lambda worker, asked: pages[worker].evaluate(WRITE, asked)
        browser.close()


if __name__ == "__main__":
    main()

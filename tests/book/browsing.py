"""Open pages in a browser that can reach nothing else, and write down all that goes wrong."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from offline import CHARTS, CHARTS_STYLE, copy_charts, explorer_files, late_files
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Route

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
PATIENCE = 120_000  # milliseconds; a busy machine is slow, and slow is not broken
INLINE = ("data:", "blob:", "about:")
ASK = """() => document.querySelectorAll(".gpt-guess-ask").forEach((button) => button.click())"""
SETTLED = """async () => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  const charts = [...document.querySelectorAll("figure.gpt-chart")];
  const late = Date.now() + 60000;
  const there = (chart) => chart.querySelector(".gpt-still, svg.main-svg");
  while (Date.now() < late && !charts.every(there))
    await new Promise((resolve) => setTimeout(resolve, 20));
  const top = scrollY, explorers = document.querySelectorAll("figure.gpt-explorer-figure");
  for (const figure of explorers) {
    figure.scrollIntoView();
    while (Date.now() < late && !figure.matches(".drawn, .failed"))
      await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (explorers.length) scrollTo(0, top);
  await document.fonts.ready;
}"""
CHARTS_WRONG = r"""() => {
  const found = [], box = (e) => e.getBoundingClientRect();
  document.querySelectorAll("figure.gpt-chart").forEach((chart, i) => {
    const still = chart.querySelector(".gpt-still"), woken = chart.matches(".drawn");
    const svg = chart.querySelector("svg.main-svg");
    if (!svg && (!still || woken)) return found.push(`chart ${i + 1} is not drawn`);
    const picture = svg ?? still;
    if (box(picture).width < 150 || box(picture).height < 100)
      found.push(`chart ${i + 1} is tiny`);
    const forms = "g.trace path, g.trace image, g.hm image, "
      + ".gpt-still-marks path, .gpt-still-marks rect";
    const marks = [...chart.querySelectorAll(forms)];
    if (!marks.some((m) => box(m).width + box(m).height > 5))
      found.push(`chart ${i + 1} has no marks`);
    if (!chart.querySelector("[role=img]")?.getAttribute("aria-label"))
      found.push(`chart ${i + 1} has no text alternative`);
    const title = chart.querySelector(".gtitle"), legend = chart.querySelector(".legend");
    if (title && legend && box(legend).height && box(legend).top < box(title).bottom)
      found.push(`chart ${i + 1} has its legend over its title`);
    for (const paper of chart.querySelectorAll("svg.main-svg, .legend rect.bg")) {
      const { backgroundColor, fill, fillOpacity } = getComputedStyle(paper);
      const inks = paper.matches("rect") ? (fillOpacity > 0 ? fill : "") : backgroundColor;
      if (inks && !/, 0\)|transparent|none/.test(inks))
        found.push(`chart ${i + 1} has a paper of its own, ${inks}`);
    }
    const room = box(still ?? svg);
    for (const number of chart.querySelectorAll("text.bartext, .gpt-still text")) {
      const { left, right, width } = box(number);
      if (width && (right > room.right + 0.5 || left < room.left - 0.5))
        found.push(`chart ${i + 1} cuts off the number ${number.textContent}`);
    }
    // Letters of a picture; a box is a little taller than they are, a turned one wider.
    const words = [...(still?.querySelectorAll("p, li, text") ?? [])]
      .filter((e) => e.textContent.trim() && box(e).width && !e.closest(".gpt-chart-plot"))
      .map((e) => [e.textContent, box(e), e.closest("svg.at") ? [2, 0] : [0, 2]]);
    words.forEach(([text, one, [x, y]], j) => words.slice(j + 1).forEach(([next, other]) => {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left) - x;
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) - y;
      if (across > 1 && down > 1)
        found.push(`chart ${i + 1} has ${text} over ${next}`);
    }));
  });
  return found;
}"""

# What a request ends with whose page was left or loaded again before the answer came.
LEFT = "net::ERR_ABORTED"


@dataclass
class Watch:
    """A page under observation: whatever it asks for elsewhere is refused and written down.

    Attributes:
        page: the Playwright page.
        home: the only address it may load from, a server's or a folder's.
        complaints: what went wrong, in words.
    """

    page: Page
    home: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.set_default_navigation_timeout(PATIENCE)
        self.page.route("**/*", self._route)
        self.page.on("request", self._request)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._response)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def open(self, address: str, ask: bool = True) -> Page:
        """Go to a page of `home` and wait until its mathematics and charts are drawn.

        Args:
            address: of the page, from `home` on.
            ask: whether to ask for the results that wait for a guess.
        """
        self.page.goto(self.home + address, wait_until="load")
        if ask:
            self.page.evaluate(ASK)
        self.page.evaluate(SETTLED)
        return self.page

    def _allowed(self, url: str) -> bool:
        return url.startswith((self.home, *INLINE))

    def _route(self, route: Route) -> None:
        if self._allowed(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _request(self, request: Request) -> None:
        # Also seen here: what a route never sees, such as files outside the book.
        if not self._allowed(request.url):
            self.complaints.append(f"asked for {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure == LEFT:
            return
        self.complaints.append(f"failed to load {request.url}: {request.failure}")

    def _response(self, response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} for {response.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.complaints.append(f"console {message.type}: {message.text}")


def after(page: Page) -> None:
    """Wait until the explorer has answered what was just done to it."""
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def thread_clock(page: Page) -> Callable[[], float]:
    """What tells the milliseconds of processor time that the page's own thread has spent."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    return spent


def watch(context: BrowserContext, home: str) -> Watch:
    """Open an empty page in `context` that may load from `home` only."""
    return Watch(context.new_page(), home)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine only, and give its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


def write_page(folder: Path, body: str, theme: str = "light") -> Path:
    """Write `page.html` with the explorers and charts of `body`, loading what the book loads.

    Args:
        folder: where the page and the files that it needs are written.
        body: HTML, with the twins of explorers and the pictures of charts.
        theme: "light" or "dark", as the book's theme says it.
    """
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += '<title>Explorers</title><link rel="icon" href="data:,">'
    for name, text in late_files(body).items():
        (folder / name).write_text(text, "utf-8")
    for name, text in explorer_files(body).items():
        (folder / name).write_text(text, "utf-8")
        script, style = f'<script defer src="{name}">', f'<link rel="stylesheet" href="{name}">'
        head += style if name.endswith(".css") else f"{script}</script>"
    if 'class="gpt-chart"' in body:
        copy_charts(folder)
        head += (
            f'<link rel="stylesheet" href="{CHARTS_STYLE}"><script defer src="{CHARTS}"></script>'
        )
    paper = "#fefefd" if theme == "light" else "#14171b"
    head += f"<style>body {{ margin: 16px; background: {paper} }}</style>"
    # What Jupyter Book puts around an output: an explorer that looks too far finds it.
    cell = f'<div class="output text_html">{body}</div>'
    cell = f'<div class="cell_output docutils container">{cell}</div>'
    cell = f'<div class="cell tag_hide-input docutils container" data-i="7">{cell}</div>'
    article = f'<article class="bd-article" role="main"><section>{cell}</section></article>'
    main = f'<div class="bd-article-container">{article}</div>'
    main = f'<main class="bd-main"><div class="bd-content">{main}</div></main>'
    page = f'<!doctype html><html lang="en" data-theme="{theme}">{head}{main}</html>'
    (folder / "page.html").write_text(page, "utf-8")
    return folder / "page.html"


def drawing_complaints(page: Page) -> list[str]:
    """List formulas, charts and explorers that a page should show and does not."""
    return page.evaluate(CHARTS_WRONG) + page.evaluate(
        """() => {
      const found = [], box = (e) => e.getBoundingClientRect();
      const formulas = document.querySelectorAll("span.math, div.math").length;
      const drawn = [...document.querySelectorAll("mjx-container")];
      if (drawn.length < formulas) found.push(`${formulas - drawn.length} formulas not drawn`);
      for (const formula of drawn)
        if (box(formula).width < 2 || box(formula).height < 2) found.push("a formula has no size");
      const wrong = document.querySelectorAll("[data-mml-node=merror]").length;
      if (wrong) found.push(`${wrong} formulas have errors`);
      document.querySelectorAll("figure.gpt-explorer-figure").forEach((figure, i) => {
        const root = figure.querySelector("div.gpt-explorer");
        if (!root || !figure.matches(".drawn"))
          return found.push(`explorer ${i + 1} (${figure.dataset.explorer}) is not drawn`);
        if (box(root).width < 150 || box(root).height < 100)
          found.push(`explorer ${i + 1} is tiny`);
        if (!figure.querySelector("figcaption")?.textContent.trim())
          found.push(`explorer ${i + 1} has no text alternative`);
      });
      return found;
    }"""
    )


def width_complaints(page: Page) -> list[str]:
    """List what makes a page wider than its window: the elements to blame, widest first."""
    return page.evaluate(
        """() => {
      const room = document.documentElement.clientWidth;
      const width = document.documentElement.scrollWidth;
      if (width <= room) return [];
      const wide = [...document.querySelectorAll("main *")]
        .filter((e) => e.getBoundingClientRect().right > room + 1)
        .map((e) => `${e.tagName.toLowerCase()}.${e.className?.baseVal ?? e.className}`);
      return [`${width} px wide, ${room} px there: ${wide.slice(0, 5).join(", ")}`];
    }"""
    )

"""A search of our own: sections with excerpts, found and shown without a network.

Sphinx's search finds whole pages and fetches each for an excerpt, and `fetch` fails on file://.
So the build writes `search-index.js`: every section of every page with its heading, its place and
its text, and every card of evidence with its claim. `search.js` reads it when a reader first
searches, in the theme's dialog or on the page `search.html`, and marks the words where a result
leads. Sphinx's own index and scripts are left out of the build.
"""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

logger = logging.getLogger(__name__)

SCRIPT, INDEX = "search.js", "search-index.js"
LARGEST = 1_000_000
UNUSED = ("searchtools.js", "language_data.js")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
# What a reader does not read there, or reads elsewhere.
SKIPPED = {"script", "style", "svg", "button", "template", "noscript", "cite"}
SKIPPED_CLASSES = {
    "headerlink", "gpt-explorer-figure", "gpt-chart", "gpt-terms", "gpt-map", "toctree-wrapper",
    "stream", "text_plain", "onlyprint",
}  # fmt: skip
BLOCKS = {"br", "p", "li", "td", "th", "dt", "dd", "div", "tr", "pre", "summary", "blockquote"}
HEADINGS = {"h1", "h2", "h3", "h4"}


@dataclass
class Section:
    """A place that a result can lead to.

    Attributes:
        anchor: its id in the page; empty for the page itself.
        title: its heading, or a card's claim.
        path: headings around it, from the page's title on.
        text: what is read there.
        code: what is programmed there.
    """

    anchor: str
    title: str = ""
    path: tuple[str, ...] = ()
    text: str = ""
    code: str = ""


@dataclass
class _Open:
    tag: str
    section: Section | None = None
    role: str = ""  # "skip", "title", "code", "math"
    folded: bool = False


@dataclass
class Reader(HTMLParser):
    """Reads the article of a page into sections."""

    found: list[Section] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element: a section or a card begins, or what stands in it changes its role."""
        self._space(tag)
        if tag in VOID:
            return
        given = dict(attrs)
        classes, anchor = set((given.get("class") or "").split()), given.get("id") or ""
        opened = _Open(tag, folded=tag == "details" or "tag_hide-input" in classes)
        card = "gpt-evidence" in classes
        if tag in SKIPPED or classes & SKIPPED_CLASSES or (card and not anchor):
            opened.role = "skip"
        elif tag in HEADINGS or (tag == "p" and "claim" in classes):
            opened.role = "title"
        elif tag in ("pre", "summary") and self._folded():
            opened.role = "skip"  # plumbing, and solutions
        elif tag == "pre":
            opened.role = "code"
        elif "math" in classes:
            opened.role = "math"
        if tag == "section" or (card and anchor):
            around = [one.section for one in self.stack if one.section]
            opened.section = Section(anchor, path=tuple(one.title for one in around))
            self.found.append(opened.section)
        self.stack.append(opened)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element, and what was left open in it."""
        if tag in VOID or tag not in [one.tag for one in self.stack]:
            return
        while self.stack.pop().tag != tag:
            pass
        self._space(tag)

    def handle_data(self, data: str) -> None:
        """Add words to the section that they stand in."""
        section = self._section()
        roles = {one.role for one in self.stack}
        if section is None or "skip" in roles:
            return
        if "title" in roles:
            section.title += data
        elif "code" in roles:
            section.code += data
        else:
            section.text += spoken(data) if "math" in roles else data

    def _section(self) -> Section | None:
        return next((one.section for one in reversed(self.stack) if one.section), None)

    def _folded(self) -> bool:
        return any(one.folded for one in self.stack)

    def _space(self, tag: str) -> None:
        section = self._section()
        if tag in BLOCKS and section is not None:
            section.text += " "
            section.code += " "


def spoken(tex: str) -> str:
    r"""A formula as words to search for: "\\(\\ln V\\)" is "ln V"; one that is long is left out."""
    bare = re.sub(r"\\[()\[\]]|\\(?:mathrm|text|mathbf|mathcal)\b|[{}\\$]", "", tex).strip()
    return bare if len(bare) <= 24 else "…"


def sections(page: str) -> list[Section]:
    """Read the sections of a page, in order.

    Args:
        page: the HTML of a built page.

    Returns:
        Those that have a title, their texts without line breaks; empty without an article.
    """
    article = re.search(r"<article\b.*?</article>", page, re.DOTALL)
    if article is None:
        return []
    reader = Reader()
    reader.feed(article[0])
    for one in reader.found:
        one.title, one.text, one.code = (_line(text) for text in (one.title, one.text, one.code))
        one.path = tuple(map(_line, one.path))
    return [one for one in reader.found if one.title]


def index(pages: dict[str, str]) -> str:
    """The script that holds the index.

    Args:
        pages: address of a page from the book's folder on -> its HTML.

    Returns:
        One statement, which any page may load from a disk.
    """
    rows = []
    for address, page in pages.items():
        for number, one in enumerate(sections(page)):
            place = f"{address}#{one.anchor}" if number else address
            rows.append([place, one.title, " › ".join(one.path), one.text, one.code])
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    # A line separator may stand in JSON, and not in every browser's JavaScript.
    return f"self.gptSearchIndex = {text.replace(chr(0x2028), ' ').replace(chr(0x2029), ' ')};\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def configure(app: Sphinx, config: Config) -> None:
    """Use the templates that lie beside this file: without Sphinx's scripts on every page."""
    config.templates_path.append(str(Path(__file__).parent / "templates"))


def unplug(app: Sphinx) -> None:
    """Have Sphinx write no index of its own."""
    app.builder.search = False


def search_page(app: Sphinx) -> list[tuple[str, dict, str]]:
    """The page of all results."""
    return [("search", {"title": "Search"}, "search.html")]


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Every page can search."""
    app.add_js_file(SCRIPT, priority=604, loading_method="defer")


def ship(app: Sphinx, exception: Exception | None) -> None:
    """Write the index of what was built."""
    if exception is not None or app.builder.format != "html":
        return
    home = Path(app.outdir)
    for name in UNUSED:
        (home / "_static" / name).unlink(missing_ok=True)
    names = [f"{name}.html" for name in sorted(app.env.all_docs)]
    text = index({name: (home / name).read_text("utf-8") for name in names})
    (home / "_static" / INDEX).write_text(text, "utf-8")
    if (size := len(text.encode())) > LARGEST:
        logger.warning("%s has %d bytes, %d allowed", INDEX, size, LARGEST)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("config-inited", configure)
    app.connect("builder-inited", unplug)
    app.connect("html-collect-pages", search_page)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", ship)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

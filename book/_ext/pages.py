"""What every page owes its readers besides its text: a description, names for its buttons, room.

A page's description, which search engines and messengers show, is its line in italics and what
follows. The theme's search button is named by what it shows, so that it can be called by voice.
`wide.js` lets the keyboard scroll what is wider than the page, and says that it goes on. Printed
columns keep their lines on a phone, and are scrolled; a model's long lines are broken, and read.
"""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

SCRIPT = "wide.js"
LONGEST = 160
COLUMNS, LINE = re.compile(r"\S {2,}\S"), 100
"""What two columns of a printed table look like, and the longest line that one has."""
NAMED = re.compile(
    r'(<button class="btn search-button-field[^"]*") title="[^"]*" aria-label="[^"]*"'
    r'(?: data-bs-[\w-]+="[^"]*")*'
)
ICON = re.compile(r'(<i class="theme-switch [^>]*?)\s+title="[^"]*"')


def description(doctree: nodes.document) -> str:
    """The beginning of a page's text, whole words, at most `LONGEST` characters."""
    paragraphs = [p for p in doctree.findall(nodes.paragraph) if not list(p.findall(nodes.math))]
    text = " ".join(" ".join(p.astext().split()) for p in paragraphs[:3])
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 1].rsplit(' ', 1)[0].rstrip(',;:')}…"


def is_table(text: str) -> bool:
    """Whether what a cell printed stands in columns: two lines or more with gaps, none too long."""
    lines = text.splitlines()
    gaps = sum(bool(COLUMNS.search(line)) for line in lines)
    return gaps > 1 and max(map(len, lines)) <= LINE


def columns(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Mark the printed tables of a page."""
    for block in doctree.findall(nodes.literal_block):
        if {"output", "stream"} <= set(block["classes"]) and is_table(block.astext()):
            block["classes"].append("gpt-columns")


def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Describe the page in its head."""
    app.add_js_file(SCRIPT, priority=608, loading_method="defer")
    if doctree is not None and (text := description(doctree)):
        tag = f'\n    <meta name="description" content="{escape(text)}" />'
        context["metatags"] = context.get("metatags", "") + tag


def name(app: Sphinx, exception: Exception | None) -> None:
    """Let the search button be named by its own words, and no icon have another name inside."""
    if exception is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text("utf-8")
        page_named = page.replace('<summary aria-label="Toggle hidden content">', "<summary>")
        named = ICON.sub(r"\1", NAMED.sub(r"\1", page_named))
        if named != page:
            path.write_text(named, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("doctree-resolved", columns)
    app.connect("html-page-context", add)
    app.connect("build-finished", name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

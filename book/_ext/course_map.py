"""A map of the course, made from the table of contents, and what the reader has read of it.

```` ```{course-map} ```` shows every part with its pages: the question of each, minutes of reading
and running. The first page of a part of chapters shows its own part under its title. `reading.js`
ticks what has been read, in the reader's browser and nowhere else.

A page tells its question itself: the paragraph in italics under its title. Minutes of reading are
its words, 180 a minute, and a quarter of a minute for each code cell that is open. How long it runs
stands in its own paragraph, **Run time.**
"""

import math
import re
from dataclasses import dataclass
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PLACE = "<!-- the map of the course -->"
SCRIPT = "reading.js"
WORDS_A_MINUTE, MINUTES_A_CELL = 180, 0.25
RUNS = re.compile(r"Run time\.\s+(.+?)(?: on |,|\.)", re.DOTALL)
HEAD = re.compile(r"</h1>\s*<p><em>.*?</em></p>", re.DOTALL)


@dataclass(frozen=True)
class Stop:
    """A page as the map shows it.

    Attributes:
        page: its name, "book/04_network".
        title: its title.
        question: the line in italics under the title, if there is one.
        minutes: of reading.
        runs: "about a minute", if it says so: then it is a chapter.
    """

    page: str
    title: str
    question: str
    minutes: int
    runs: str


def stop(page: str, doctree: nodes.document) -> Stop:
    """Read from a page what the map says of it."""
    title = next(doctree.findall(nodes.title)).astext()
    paragraphs = [p for p in doctree.findall(nodes.paragraph)]
    first = paragraphs[0] if paragraphs else None
    alone = first is not None and len(first) == 1 and isinstance(first[0], nodes.emphasis)
    open_cells = [
        cell
        for cell in doctree.findall(nodes.container)
        if cell.get("nb_element") == "cell_code" and "tag_hide-input" not in cell["classes"]
    ]
    words = sum(len(p.astext().split()) for p in paragraphs)
    minutes = words / WORDS_A_MINUTE + MINUTES_A_CELL * len(open_cells)
    runs = next(filter(None, (RUNS.search(p.astext()) for p in paragraphs)), None)
    said = "" if runs is None else runs[1][:1].lower() + runs[1][1:]
    question = " ".join(first.astext().split()) if alone else ""
    return Stop(page, title, question, max(1, math.ceil(minutes)), said)


def parts(app: Sphinx) -> list[tuple[str, list[Stop]]]:
    """The parts of the table of contents with their pages, read once."""
    if (found := getattr(app, "_gpt_parts", None)) is None:
        site = getattr(app.config, "external_site_map", None)
        found = app._gpt_parts = [
            (part.caption or "", [stop(page, app.env.get_doctree(page)) for page in part.items])
            for part in (site.root.subtrees if site else [])
        ]
    return found


def shown(app: Sphinx, caption: str, stops: list[Stop], where: str) -> str:
    """A part as a list of links.

    Args:
        app: whose builder knows addresses.
        caption: the part's name.
        stops: its pages.
        where: the page that shows it.
    """
    lines = []
    for one in stops:
        address = "#" if one.page == where else app.builder.get_relative_uri(where, one.page)
        time = [f"{one.minutes} min to read", f"runs in {escape(one.runs)}"] if one.runs else []
        here = ' aria-current="page"' if one.page == where else ""
        question = f"<span>{escape(one.question)}</span>" if one.question and one.runs else ""
        small = f"<small>{' · '.join(time)}</small>" if time else ""
        link = f'<a href="{address}"{here}>{escape(one.title)}</a>'
        read = f' data-page="{one.page}"' if one.runs else ""
        lines.append(f"<li{read}>{link}{question}{small}</li>")
    return f'<p class="gpt-map-part">{escape(caption)}</p><ol>{"".join(lines)}</ol>'


class CourseMap(SphinxDirective):
    """Keep a place for the map, which is made when all pages have been read."""

    def run(self) -> list[nodes.Node]:
        """Return the place."""
        return [nodes.raw("", PLACE, format="html")]


def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Put the map in its place, a part under the title of its first page, and a mark at the end."""
    if "body" not in context:
        return
    whole = parts(app)
    if PLACE in context["body"]:
        total = sum(one.minutes for _, stops in whole for one in stops if one.runs)
        count = sum(bool(one.runs) for _, stops in whole for one in stops)
        head = f"{count} pages to work through, about {math.ceil(total / 60)} hours of reading."
        lists = "".join(f"<div>{shown(app, c, stops, pagename)}</div>" for c, stops in whole)
        text = f'<p class="gpt-map-head">{head}</p><div class="gpt-map-parts">{lists}</div>'
        nav = f'<nav class="gpt-map" aria-label="Map of the course">{text}</nav>'
        context["body"] = context["body"].replace(PLACE, nav)
    for caption, stops in whole:
        chapters = [one for one in stops if one.runs]
        if not chapters or pagename not in [one.page for one in chapters]:
            continue
        end = f'<div class="gpt-read" data-page="{pagename}"></div>'
        context["body"] += end
        if pagename == chapters[0].page and len(chapters) > 1:
            part = shown(app, caption, chapters, pagename)
            nav = f'<nav class="gpt-map gpt-map-one" aria-label="This part">{part}</nav>'
            context["body"] = HEAD.sub(lambda m, nav=nav: m[0] + nav, context["body"], count=1)
    app.add_js_file(SCRIPT, priority=607, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the extension with Sphinx."""
    app.add_directive("course-map", CourseMap)
    app.connect("html-page-context", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

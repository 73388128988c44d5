"""A Sphinx directive that opens the book: ```` ```{door} ````.

A shipped model to write with, before the first sentence, and below it every claim of the book as a
dot by verdict, each a link to the cell that measured it. The model is loaded when the reader first
types; the dots are plain HTML.
"""

import html
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gptcore import load
from gptcore.show import Writer
from gptcore.show.evidence import anchor

MODEL, BEGINNING = "tales-gpt1", "One windy morning, Rosa went to the"
VERDICTS = {True: ("holds", "hold"), False: ("fails", "do not hold"), None: ("open", "stay open")}
"""holds -> the class of its dots, and what is said of them."""


def dots(chapters: list[dict[str, Any]], address: Any) -> str:
    """Every claim as a dot, in three rows.

    Args:
        chapters: {"page", "title", "records"} per chapter, as `claims.json` has them.
        address: page -> the link that leads there.

    Returns:
        HTML; nothing where no claim is recorded.
    """
    rows = []
    for verdict, (name, told) in VERDICTS.items():
        links = [
            f'<a href="{address(chapter["page"])}#{anchor(row["claim"])}" '
            f'title="{html.escape(row["claim"])}"><span>{html.escape(row["claim"])}</span></a>'
            for chapter in chapters
            for row in chapter["records"]
            if row["holds"] is verdict
        ]
        if links:
            inside = "".join(links)
            rows.append(f'<p class="gpt-dots {name}"><b>{len(links)} {told}</b> {inside}</p>')
    return f'<div class="gpt-all-dots">{"".join(rows)}</div>' if rows else ""


class Door(SphinxDirective):
    """Put the model and the dots on the page."""

    def run(self) -> list[nodes.Node]:
        """Return raw HTML; `claims.json` beside the page has the claims."""
        relative, path = self.env.relfn2path("claims.json")
        self.env.note_dependency(relative)
        file = Path(path)
        chapters = json.loads(file.read_text("utf-8")) if file.exists() else []
        here, builder = self.env.docname, self.env.app.builder
        writer = Writer(*load(MODEL), BEGINNING)
        found = dots(chapters, lambda page: builder.get_relative_uri(here, page))
        return [nodes.raw("", html, format="html") for html in (writer.twin(), found) if html]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("door", Door)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

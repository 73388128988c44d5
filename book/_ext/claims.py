"""A Sphinx directive that shows every row of evidence of the book: ```` ```{claims} ````.

The build writes `claims.json` beside the page that has the directive (`book/_tools/gather.py`):
one entry per chapter with the records of its cells. What does not hold and what is open is listed
first, over all chapters. Then each row becomes the same card as in its chapter, its claim a link to
the cell that measured it. The page is plain HTML, whole without a script; `claims.js` adds buttons
that choose by verdict and by part.

What a reader would trip over is a warning, which `jupyter-book build -W` turns into a failure: no
rows at all, a claim without words, a claim that stands twice.
"""

import html
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gptcore.show.evidence import anchor, card, style

logger = logging.getLogger(__name__)

SCRIPT = "claims.js"
FIRST = {False: 0, None: 1, True: 2}
"""What did not hold stands first, then what is open."""
WORDS = {False: "does not hold", None: "open"}


def complaints(chapters: list[dict[str, Any]]) -> list[str]:
    """List what is wrong with the rows of the whole book.

    Args:
        chapters: {"page", "title", "records"} per chapter.

    Returns:
        One sentence per fault, empty when all is well.
    """
    found, seen = [], {}
    for chapter in chapters:
        for record in chapter["records"]:
            claim, page = record.get("claim", "").strip(), chapter["page"]
            if not claim:
                found.append(f"{page} records a claim without words")
            elif anchor(claim) in seen:
                found.append(f"{page} and {seen[anchor(claim)]} both claim {claim!r}")
            seen[anchor(claim)] = page
    return found if seen else ["no chapter records any evidence"]


def tally(records: list[dict[str, Any]]) -> str:
    """Count verdicts in words, such as "3 claims: 2 hold, 1 does not hold."."""
    verdicts = [record["holds"] for record in records]
    yes, no, left = (verdicts.count(verdict) for verdict in (True, False, None))
    if yes == len(records) > 1:
        return f"{yes} claims, and all of them hold."
    parts = [f"{yes} hold{'s' * (yes == 1)}"] if yes else []
    parts += [f"{no} {'does' if no == 1 else 'do'} not hold"] if no else []
    parts += [f"{left} {'is' if left == 1 else 'are'} open at this scale"] if left else []
    return f"{len(records)} claim{'s' * (len(records) != 1)}: {', '.join(parts)}."


def bases(records: list[dict[str, Any]]) -> str:
    """Say how many rows their own cell measured, and how many rest on a record."""
    kept = sum(1 for record in records if record.get("basis"))
    if not kept:
        return "Every one is measured by its own cell, each time the book is built."
    return (
        f"{len(records) - kept} are measured by their own cell, each time the book is built; "
        f"{kept} rest on a record, whose command and minutes stand on the card."
    )


class Claims(SphinxDirective):
    """Put the rows of all chapters on the page, chapter by chapter, with their counts."""

    def run(self) -> list[nodes.Node]:
        """Read `claims.json` and return one section per chapter."""
        relative, path = self.env.relfn2path("claims.json")
        self.env.note_dependency(relative)
        file = Path(path)
        chapters = json.loads(file.read_text("utf-8")) if file.exists() else []
        for complaint in complaints(chapters):
            logger.warning("claims: %s", complaint, location=self.get_location())
        every = [record for chapter in chapters for record in chapter["records"]]
        head = nodes.raw("", f"<style>{style()}</style>", format="html")
        counts = nodes.paragraph("", f"{tally(every)} {bases(every)}" if every else "")
        return [head, counts, *self._unheld(chapters), *map(self._section, chapters)]

    def _address(self, chapter: dict[str, Any]) -> str:
        return self.env.app.builder.get_relative_uri(self.env.docname, chapter["page"])

    def _unheld(self, chapters: list[dict[str, Any]]) -> list[nodes.section]:
        """Links to all rows that do not hold or are open."""
        rows = [(chapter, row) for chapter in chapters for row in chapter["records"]]
        rows = [(c, row) for c, row in rows if row["holds"] is not True]
        if not rows:
            return []
        lines = []
        for chapter, row in sorted(rows, key=lambda one: FIRST[one[1]["holds"]]):
            link = html.escape(f"{self._address(chapter)}#{anchor(row['claim'])}")
            number = html.escape(chapter["title"].partition(" · ")[0])
            lines.append(
                f"<li><span>{WORDS[row['holds']]}</span> "
                f'<a href="{link}">{html.escape(row["claim"])}</a> <small>{number}</small></li>'
            )
        section = nodes.section(ids=["not-held"])
        section += nodes.title("", "What does not hold, and what is open")
        text = f'<ul class="gpt-unheld">{"".join(lines)}</ul>'
        section += nodes.raw("", text, format="html")
        return [section]

    def _section(self, chapter: dict[str, Any]) -> nodes.section:
        address = self._address(chapter)
        section = nodes.section(ids=[f"claims-{Path(chapter['page']).name}".replace("_", "-")])
        section += nodes.title("", chapter["title"])
        count = nodes.Text(f"{tally(chapter['records'])} ")
        section += nodes.paragraph(
            "", "", count, nodes.reference("", "Read the chapter.", refuri=address)
        )
        rows = sorted(chapter["records"], key=lambda row: FIRST[row["holds"]])
        cards = "\n".join(card(row, f"{address}#{anchor(row['claim'])}") for row in rows)
        part = html.escape(part_of(self.env.app, chapter["page"]))
        text = f'<div class="gpt-claims" data-part="{part}">{cards}</div>'
        section += nodes.raw("", text, format="html")
        return section


def part_of(app: Sphinx, page: str) -> str:
    """The caption of the part that a page belongs to; empty where the book has no parts."""
    site = getattr(app.config, "external_site_map", None)
    for part in site.root.subtrees if site else []:
        if page in part.items:
            return part.caption or ""
    return ""


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give the script to the page that has the claims, and to no other."""
    if 'class="gpt-claims"' in context.get("body", ""):
        app.add_js_file(SCRIPT, priority=606, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("claims", Claims)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

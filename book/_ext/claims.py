"""A Sphinx directive that shows every row of evidence of the book: ```` ```{claims} ````.

The build writes `claims.json` beside the page that has the directive (`book/_tools/gather.py`):
one entry per chapter with the records of its cells. Each row becomes the same card as in its
chapter, its claim a link to the cell that measured it. The page is plain HTML: no script.

What a reader would trip over is a warning, which `jupyter-book build -W` turns into a failure: no
rows at all, a claim without words, a claim that stands twice.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gptcore.show.evidence import anchor, card, style

logger = logging.getLogger(__name__)


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
        return [head, counts, *map(self._section, chapters)]

    def _section(self, chapter: dict[str, Any]) -> nodes.section:
        address = self.env.app.builder.get_relative_uri(self.env.docname, chapter["page"])
        section = nodes.section(ids=[f"claims-{Path(chapter['page']).name}".replace("_", "-")])
        section += nodes.title("", chapter["title"])
        count = nodes.Text(f"{tally(chapter['records'])} ")
        section += nodes.paragraph(
            "", "", count, nodes.reference("", "Read the chapter.", refuri=address)
        )
        cards = [card(row, f"{address}#{anchor(row['claim'])}") for row in chapter["records"]]
        section += nodes.raw("", "\n".join(cards), format="html")
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("claims", Claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

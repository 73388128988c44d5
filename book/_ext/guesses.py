"""Results that wait for the reader's guess.

A prompt is a quotation that begins with **Predict first.**, right before a code cell with the tag
`guess`. If a list follows in the quotation, its items are the answers to choose from; without one
the reader writes. From the cell's output to the end of the section, or to the next prompt, is the
result: `guess.js` hides it until a guess is made or the result is asked for. Jupyter, and a page
without JavaScript, show everything.

A tag without a prompt, or a prompt without a tag, is a warning, which `jupyter-book build -W` turns
into a failure.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

PROMPT = "Predict first."
TAG = "tag_guess"
SCRIPT = "guess.js"


def mark(app: Sphinx, doctree: nodes.document) -> None:
    """Give prompts and results their classes, which say what belongs to what."""
    number = 0
    for cell in [c for c in doctree.findall(nodes.container) if TAG in c["classes"]]:
        prompt = cell.parent[cell.parent.index(cell) - 1] if cell.parent.index(cell) else None
        if not is_prompt(prompt):
            message = "a cell with the tag 'guess' needs a quotation before it: **%s** ..."
            logger.warning(message, PROMPT, location=cell)
            continue
        number += 1
        prompt["classes"] += ["gpt-guess", f"gpt-guess-{number}"]
        hide(cell, ["gpt-result", f"gpt-result-{number}"])
    for quote in doctree.findall(nodes.block_quote):
        if is_prompt(quote) and "gpt-guess" not in quote["classes"]:
            message = "no cell with the tag 'guess' follows this quotation: **%s** ..."
            logger.warning(message, PROMPT, location=quote)


def is_prompt(node: nodes.Node | None) -> bool:
    """Whether a node is a quotation that asks for a guess."""
    return isinstance(node, nodes.block_quote) and node.astext().startswith(PROMPT)


def hide(cell: nodes.container, classes: list[str]) -> None:
    """Mark a cell's output, and put what follows it in a box that is marked alike.

    Args:
        cell: the code cell whose output is the result.
        classes: of the two parts of the result.
    """
    for part in cell.children:
        if part.get("nb_element") == "cell_code_output":
            part["classes"] += classes
    section, box = cell.parent, nodes.container(classes=classes)
    at = section.index(cell) + 1
    while at < len(section) and not ends(section[at]):
        box += section.pop(at)
    if box.children:
        section.insert(at, box)


def ends(node: nodes.Node) -> bool:
    """Whether a result ends before this node: at the next heading, or at the next prompt."""
    return isinstance(node, nodes.section) or is_prompt(node)


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give the script to the pages that have a prompt, and to no other."""
    if 'class="gpt-guess ' in context.get("body", ""):
        app.add_js_file(SCRIPT, priority=603, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("doctree-read", mark)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

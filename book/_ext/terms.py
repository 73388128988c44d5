"""Words with their meaning: a link to the glossary shows the first sentence of its entry.

The sentences of the entries that a page links are put at the end of the page, hidden, and each link
says which one describes it. So a screen reader reads it without any script; `terms.js` shows it
under the pointer, the keyboard's focus or a finger. Nothing is fetched: a page on a disk could not.

A formula in a first sentence has to be plain, for it is written without MathJax: letters, numbers,
signs and `\\ln`. Anything else is a warning, which `jupyter-book build -W` turns into a failure.
"""

import re
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

GLOSSARY = "glossary"
SCRIPT = "terms.js"
LINK = re.compile(r'<a class="([^"]*)" href="[^"#]*?glossary\.html#([\w-]+)"')
PLAIN = re.compile(r"[A-Za-z0-9 .,+\-=/<>()^]*")
ENDS = re.compile(r"(?<=[.!?])(</\w+>)?\s+(?=[A-Z$<])")


def formula(tex: str) -> str | None:
    r"""A plain formula as HTML: "\ln n" is "ln" and an italic n; None for one that is not plain."""
    bare = re.sub(r"\\(ln|log|exp)\b", r"\1", tex).strip()
    if not PLAIN.fullmatch(bare):
        return None
    return re.sub(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", r"<i>\g<0></i>", escape(bare))


def words(node: nodes.Node) -> str:
    """A node's text as HTML without links: italics and plain formulas stay.

    Raises:
        ValueError: a formula that is not plain.
    """
    if isinstance(node, nodes.math):
        if (text := formula(node.astext())) is None:
            raise ValueError(f"a formula too rich for a first sentence: {node.astext()!r}")
        return text
    if isinstance(node, nodes.Text):
        return escape(node.astext(), quote=False)
    inner = "".join(map(words, node.children))
    return f"<em>{inner}</em>" if isinstance(node, nodes.emphasis) else inner


def first_sentence(text: str) -> str:
    """The beginning of a paragraph up to the end of its first sentence; line breaks are spaces."""
    line = " ".join(text.split())
    found = ENDS.search(line)
    return line if found is None else line[: found.start()] + (found[1] or "")


def entries(doctree: nodes.document) -> dict[str, tuple[str, str]]:
    """Read a glossary.

    Args:
        doctree: a page with a section per word.

    Returns:
        Anchor -> the word, and the first sentence of its entry as HTML.
    """
    found = {}
    for section in doctree.findall(nodes.section):
        body = [part for part in section.children if isinstance(part, nodes.paragraph)]
        if section.parent is doctree or not body:
            continue
        term = section.next_node(nodes.title).astext()
        try:
            sentence = first_sentence(words(body[0]))
        except ValueError as error:
            logger.warning("%s: %s", term, error, location=section)
            continue
        for anchor in section["ids"]:
            found[anchor] = (term, sentence)
    return found


def describe(body: str, known: dict[str, tuple[str, str]]) -> str:
    """Give each link to the glossary its description, and the page the sentences that it links.

    Args:
        body: the HTML of a page.
        known: `entries`.

    Returns:
        The page; the same one if it links no entry.
    """
    linked: dict[str, None] = {}

    def link(found: re.Match) -> str:
        if found[2] not in known:
            return found[0]
        linked[found[2]] = None
        opened = found[0].replace(f'class="{found[1]}"', f'class="{found[1]} gpt-term"')
        return f'{opened} aria-describedby="gpt-term-{found[2]}"'

    page = LINK.sub(link, body)
    if not linked:
        return body
    told = "".join(
        f'<p id="gpt-term-{anchor}"><strong>{escape(known[anchor][0])}</strong> '
        f"{known[anchor][1]}</p>"
        for anchor in linked
    )
    return f'{page}<div class="gpt-terms" hidden>{told}</div>'


def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Describe the words of a page; the glossary itself needs no help."""
    home = [name for name in app.env.all_docs if name.rsplit("/", 1)[-1] == GLOSSARY]
    if not home or pagename == home[0] or "body" not in context:
        return
    if (known := getattr(app, "_gpt_terms", None)) is None:
        known = app._gpt_terms = entries(app.env.get_doctree(home[0]))
    context["body"] = describe(context["body"], known)
    if 'class="gpt-terms"' in context["body"]:
        app.add_js_file(SCRIPT, priority=605, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("html-page-context", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

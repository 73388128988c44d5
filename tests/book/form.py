"""The form of a chapter, as rules a machine can check: each lists what breaks it.

Code that only records or tabulates is folded, prose stands as tall as open code, a large result
waits for a guess, a paper is linked where it is named, and a word of the field is explained or
linked where it first stands.
"""

import ast
import math
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

# Pages without a number that have it, too.
PAGES = ("published_weights", "what_training_is", "in_your_browser")
FOLD, GUESS = "hide-input", "guess"
PROMPT = "> **Predict first.**"
EVIDENCE = re.compile(r"\bevidence\(")
INTRODUCED = {
    # A word that is used everywhere -> the chapter that explains it; after that it is known.
    "token": 1,
    "vocabulary": 1,
    "parameter": 1,
    "embedding": 1,
    "context": 1,
    "training": 1,
    "loss": 2,
    "likelihood": 2,
    "nat": 2,
    "held-out text": 2,
    "n-gram": 2,
    "layer": 3,
    "mask": 3,
    "softmax": 3,
    "head": 3,
    "batch": 3,
    "post-LN": 3,
    "pre-LN": 3,
    "optimizer": 4,
    "dropout": 4,
    "GELU": 4,
    "SFT": 14,
    "labeler": 14,
    "reward model": 14,
    "policy": 15,
    "PPO": 15,
}
MAGIC = re.compile(r"^(\s*)[!%].*$", re.MULTILINE)
DRAWS = {"show", "line", "bars", "source", "LiveCurve", "evidence", "print"}

# Lines and heights of the page at its widest, in pixels: book.css, measured in a browser.
PROSE_WIDTH, PROSE_LINE, PROSE_GAP = 88, 26.0, 18.0
CODE_LINE, CODE_EDGE = 20.4, 27.0

NAME = r"[A-Z][\w'’-]+"
CITED = re.compile(rf"({NAME})(?:,? (?:et al\.|(?:and|&) {NAME}))?,? \(?((?:19|20)\d\d)\b")
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")
NOT_PROSE = re.compile(r"```.*?```|<details>.*?</details>|\$\$.*?\$\$", re.DOTALL)


@dataclass(frozen=True)
class Paper:
    """An entry of references.bib, as far as a link shows it: first author, year, address."""

    author: str
    year: str
    url: str


def is_new(stem: str) -> bool:
    """Whether the notebook of that name has this form."""
    return stem in PAGES or stem[:2].isdigit()


def papers(bib: Path) -> list[Paper]:
    """Read the papers that chapters may link."""
    found = []
    for entry in re.split(r"^@\w+", bib.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.MULTILINE))
        found.append(Paper(fields["author"].split(",")[0], fields["year"], fields["url"]))
    return found


def terms(glossary: Path) -> list[str]:
    """The words that the glossary explains."""
    return re.findall(r"^## (.+)$", glossary.read_text("utf-8"), re.MULTILINE)


def words_for(stem: str, words: list[str]) -> list[str]:
    """The words that a page explains or links: not those that an earlier chapter introduced.

    Args:
        stem: the name of its notebook; a page without a number comes after all chapters.
        words: what the glossary explains.
    """
    chapter = int(stem[:2]) if stem[:2].isdigit() else math.inf
    return [word for word in words if INTRODUCED.get(word, math.inf) >= chapter]


def form_complaints(
    notebook: NotebookNode, known: list[Paper], words: list[str], exercises: str = "## Exercises"
) -> list[str]:
    """List what keeps a chapter from the form.

    Args:
        notebook: the parsed notebook.
        known: what references.bib holds.
        words: what it has to explain or link, see `words_for`.
        exercises: the heading that ends the chapter proper; stubs are not measured against prose.
    """
    cells = list(notebook.cells)
    ends = [i for i, cell in enumerate(cells) if cell.source.startswith(exercises)]
    proper = cells[: ends[0]] if ends else cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = folding_complaints(cells) + guess_complaints(cells)
    prose, code = height_of_prose(proper), height_of_code(proper)
    if prose < code:
        found.append(f"open code is taller than prose: {code:.0f} px to {prose:.0f} px")
    found += paper_complaints(text, known) + word_complaints(text, words)
    if re.search(r"\b(?:one|another|two|some) of (?:the|these) notes\b", text, re.I):
        found.append("speaks of 'the notes': write 'a common summary has it that ...'")
    return found


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def folding_complaints(cells: list[NotebookNode]) -> list[str]:
    """List the code cells that should be folded and are not, or the other way round."""
    found, number = [], 0
    for cell in cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        number += 1
        tree = ast.parse(MAGIC.sub(r"\1pass", cell.source))
        folded = FOLD in tags(cell)
        if EVIDENCE.search(cell.source) and not folded:
            found.append(f"code cell {number} calls evidence() and is open: tag it {FOLD!r}")
        elif not folded and builds_a_table(tree):
            found.append(f"code cell {number} only builds a table and is open: tag it {FOLD!r}")
        calls = {getattr(c.func, "id", "") for c in ast.walk(tree) if isinstance(c, ast.Call)}
        last = tree.body[-1] if tree.body else None
        if folded and not calls & DRAWS and not isinstance(last, ast.Expr):
            found.append(f"code cell {number} is folded though it shows nothing")
    return found


def builds_a_table(tree: ast.Module) -> bool:
    """Whether more than half of a cell's lines are there to print rows in a loop."""
    loops = [node for node in tree.body if isinstance(node, ast.For) and _prints(node)]
    lines = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return len(loops) > 0 and 2 * sum(map(_lines, loops)) > sum(map(_lines, lines))


def _prints(node: ast.AST) -> bool:
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call))
    return any(getattr(call.func, "id", "") == "print" for call in calls)


def _lines(node: ast.stmt) -> int:
    return node.end_lineno - node.lineno + 1


def height_of_code(cells: list[NotebookNode]) -> float:
    """Pixels of the code that a page shows without a click."""
    open_cells = [c.source for c in cells if c.cell_type == "code" and FOLD not in tags(c)]
    sources = [source.strip("\n") for source in open_cells if source.strip()]
    return sum(CODE_EDGE + CODE_LINE * (source.count("\n") + 1) for source in sources)


def height_of_prose(cells: list[NotebookNode]) -> float:
    """Pixels of paragraphs, lists and quotations; headings, tables, formulas do not count."""
    height = 0.0
    for cell in cells:
        if cell.cell_type != "markdown":
            continue
        for paragraph in re.split(r"\n\s*\n", NOT_PROSE.sub("", cell.source)):
            if not paragraph.strip() or re.match(r"\s*(?:[|#]|<\w)", paragraph):
                continue
            items = re.split(r"\n(?=> ?[-*] |[-*] |\d+\. )", LINK.sub(r"\1", paragraph.strip()))
            lines = [-(-len(" ".join(item.split())) // PROSE_WIDTH) for item in items]
            height += PROSE_GAP + PROSE_LINE * sum(lines)
    return height


def guess_complaints(cells: list[NotebookNode]) -> list[str]:
    """List prompts without a result that waits, and results without a prompt."""
    found, number, asked, total = [], 0, False, 0
    for cell in cells:
        if cell.cell_type == "markdown":
            last = re.split(r"\n\s*\n", cell.source.rstrip())[-1]
            if asked:
                found.append(f"no cell with the tag {GUESS!r} follows the prompt before {number}")
            asked = last.startswith(PROMPT)
            if cell.source.count("**Predict first.**") != int(asked):
                found.append(f"a prompt after code cell {number} does not end its cell as a quote")
        elif cell.source.strip():
            number += 1
            total += GUESS in tags(cell)
            if asked != (GUESS in tags(cell)):
                what = f"lacks the tag {GUESS!r}" if asked else f"has the tag {GUESS!r}, no prompt"
                found.append(f"code cell {number} {what}")
            asked = False
    return found + ([] if total else ["no result waits for a guess"])


def paper_complaints(text: str, known: list[Paper]) -> list[str]:
    """List papers named for the first time without a link, and links that lead elsewhere."""
    linked, found = set(), []
    by_url = {paper.url: paper for paper in known}
    for match in re.finditer(rf"{LINK.pattern}|{CITED.pattern}", NOT_PROSE.sub("", text)):
        words, url, author, year = match.groups()
        if url is None:
            if (author, year) not in linked:
                found.append(f"{match[0]!r} is named before it is linked")
                linked.add((author, year))
            continue
        cited, paper = CITED.search(words), by_url.get(url)
        if url.startswith("http") and paper is None and cited:
            found.append(f"{words!r} links {url}, which references.bib lacks")
        elif paper and cited and (cited[1], cited[2]) != (paper.author, paper.year):
            found.append(f"{words!r} links the paper {paper.author} {paper.year}")
        if cited:
            linked.add((cited[1], cited[2]))
    return found


def word_complaints(text: str, words: list[str]) -> list[str]:
    """List the words of the glossary whose first mention is neither linked nor in italics."""
    prose = re.sub(r"^#.*$|`[^`\n]+`", "", NOT_PROSE.sub("", text), flags=re.MULTILINE)
    found = []
    for word in words:
        here = re.search(rf"(?<![\w-])([^\w-]?){re.escape(word)}(e?s)?\b(.{{0,40}})", prose, re.I)
        if here is None:
            continue
        before, after = here[1], here[3]
        place = f"glossary.md#{re.sub(r'[^a-z0-9]+', '-', word.lower())}"
        if not (before == "[" and after.startswith(f"]({place})")) and not (
            before == "*" and after.startswith("*")
        ):
            found.append(f"{word!r} first stands unexplained: link {place} or put it in italics")
    return found

"""Numbers in a chapter's prose: each is written or printed by a cell, or has a source named here.

So a slip of the pen, or a result that moved after a change of the code, does not stay unseen.
Small counts, years and section numbers are no results and are left alone.
"""

import json
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from gptcore.show.evidence import RECORD

# What prose may state though no cell of its chapter holds it, and where it comes from.
SOURCES = {
    "7,000": "GPT-1 §4.1, books",
    "768": "GPT-1 §4.1, width",
    "40,478": "GPT-1's released vocabulary: 40,000 merges, 476 characters, <unk>, newline",
    "2,048": "GPT-1 §5, units of its LSTM",
    "393,000": "MultiNLI's labels for training, GLUE's table 1",
    "0.999": "GPT-1's released train.py, second of Adam's betas",
    "1e-8": "GPT-1's released train.py, Adam's epsilon",
    "1,600": "GPT-2's largest, width (released configurations)",
    "4,000": "Xiong et al. 2020, §3: warm-up of its translation models, updates",
    "511": "a window of 512 scores all of its tokens but the first",
    "200": "chapter 05, to try B: updates that a reader is asked to make",
    "37.5": "chapter 12: the slip of a common summary; GPT-3 App. B has 375 million",
    "260": "GPT-3 App. B: billions of tokens until the cosine ends",
    "120": "experiments.pretraining.REPORTING, held-out windows",
    "27.8": "InstructGPT App. C.4: γ, the weight of the text in PPO-ptx",
    "0.01": "InstructGPT App. E: the best β lies between this and 0.02",
    "73": "InstructGPT §3.4: labelers agree in 72.6 % of comparisons, rounded",
    "4e-3": "chapter 05, to try C: the next doubling of a rate that a cell uses, 2e-3",
}

SMALL = 12  # counts up to here are words written as digits
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?!\w|\.\d)")
IN_CELLS = re.compile(r"\d[\d,_]*(?:\.\d+)?(?:e[-+]?\d+)?")
NO_RESULTS = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`"  # code and mathematics
    r"|<[^>]+>|\]\([^)]*\)"  # HTML and the targets of links
    r"|^#+ [\d.]+|§+ ?[\d.]+(?:-[\d.]+)?"  # places in a text
    r"|(?:[Cc]hapter|Table|Figure|eq\.)s? [\d.]+"
    r"|\b(?:1[5-9]|20)\d\d\b|\b[A-Za-z]+-\d+\b|\(\w+, \d+ minutes\)",  # years, GPT-3, exercises
    re.DOTALL | re.MULTILINE,
)


def number_complaints(notebook: NotebookNode, sources: dict[str, str] = SOURCES) -> list[str]:
    """List the numbers of a notebook's prose that come from nowhere.

    A number with decimals may be a rounded one of a cell; so may one above a thousand that ends
    in zeros, as far as its first two digits go.

    Args:
        notebook: a chapter with its stored text outputs.
        sources: number as prose writes it -> where it comes from.
    """
    known = _in_cells(notebook)
    return [
        f"{number} comes from no cell: {line.strip()[:60]!r}..."
        for number, line in numbers_in(notebook)
        if number not in sources and not _comes_from(number, known)
    ]


def numbers_in(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """The numbers of a notebook's prose that tell a result, each with its line."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for line in NO_RESULTS.sub(_blank, cell.source).splitlines():
            for number in NUMBER.findall(line):
                yield number, line


def _blank(match: re.Match) -> str:
    return "\n" * match[0].count("\n") or " "


def _in_cells(notebook: NotebookNode) -> set[float]:
    """Every number that a code cell holds in its source or its text outputs."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.outputs:
                data = output.get("data", {})
                texts += [output.get("text", ""), data.get("text/plain", "")]
                texts.append(json.dumps(data.get(RECORD, "")))
    found = IN_CELLS.findall("\n".join(texts))
    return {float(number.replace(",", "").replace("_", "")) for number in found}


def _comes_from(number: str, known: set[float]) -> bool:
    digits = number.replace(",", "")
    value = float(digits)
    if value in known or (digits.isdigit() and value <= SMALL):
        return True
    if "e" in digits:
        return False
    zeros = len(digits) - len(digits.rstrip("0")) if "," in number else 0
    places = len(digits.partition(".")[2]) or -min(zeros, len(digits) - 2)
    return places != 0 and any(round(one, places) == value for one in known)

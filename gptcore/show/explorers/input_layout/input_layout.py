"""GPT-1's four inputs to touch: any texts as rows of tokens, what is cut, padded, read and scored.

The page lays everything out by itself: the rules of `gptcore.text.inputs` written once more in
JavaScript, on tokens that it makes by what `explorers.shared.tokens` packs. The tests hold the rows
of the page against those of `gptcore.text.inputs`.

Source: GPT-1 §3.3 and Figure 1; its released code (`transform_roc` in `train.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from traitlets import Bool, Dict, Enum, Int, List, Unicode, validate

from gptcore.show.explorers.shared.texts import between
from gptcore.show.explorers.shared.tokens import pack, rules
from gptcore.show.widgets import Explorer
from gptcore.text import inputs
from gptcore.text.inputs import Form, Ids, Marks, Rows
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.words import without_lone_surrogates

__all__ = ["EXAMPLES", "InputLayout", "layout"]

FORMS = get_args(Form)
MOST = {"n_ctx": 1024, "options": 8}  # what the page draws without delay, as in input_layout.js
LEAST_CONTEXT = 6  # where the released code's rule still leaves each text a token

EXAMPLES: dict[Form, tuple[str, ...]] = {
    "classification": (
        "She went back to the old well, but the place where the glass bird had lain was empty. "
        "Only a faint mark showed where. She went to bed early and looked at the wall. One by "
        "one, the windows went dark.",
    ),
    "entailment": (
        '"May I tell you a secret?" asked Grandma Aroha. "Lie on the water as if it were a bed." '
        "Every day after that Farid went and practised, until it was time for school. There were "
        "bruises.",
        "Farid learned to swim.",
    ),
    "similarity": (
        "Nikos lived on a small farm below the hill and slept with a shoe under the pillow, for "
        "luck. He was afraid of geese.",
        "Of all who lived on the farm, Nikos was the only one who slept with a shoe under the "
        "pillow.",
    ),
    "choice": (
        "A girl called Matilda had moved in next door. She had a strange way of saying things, "
        "and the others whispered. Stanley thought of a note.",
        "But Stanley said nothing. On the third day Matilda no longer came out.",
        "Stanley broke open a loaf that was soft as a pillow within.",
        "That was only a reindeer that had come to lick the salt from the wall.",
        '"The wedding is tomorrow," he said, and handed over the parcel.',
    ),
}
"""Texts to start from, in the manner of Tales; of a choice the context, then the options."""

SHAPES: dict[Form, str] = {
    "classification": "Classification: start, text, extract{cut}; {where}, a linear layer gives a "
    "number per class.",
    "entailment": "Entailment: start, premise, delimiter, hypothesis, extract{cut}; {where}, a "
    "linear layer gives a number per class.",
    "similarity": "Similarity, two rows: start, A, delimiter, B, extract, and the same with B "
    "first{cut}; {where}, and what is read is added before the linear layer.",
    "choice": "Multiple choice, {n} rows: start, context, delimiter, option, extract{cut}; "
    "{where}, a linear layer gives each row a score, and a softmax compares the scores.",
}
"""What the text alternative says of each task."""


class InputLayout(Explorer):
    """Texts in boxes, and below them the rows that a network reads for one of four tasks.

    Before the first row is shown, the reader predicts the layout of the task by putting its pieces
    in order. Rows, options and positions count from 0.

    Args:
        vocabularies: name -> a Tokenizer, or None for one whose files are not here, which the page
            then says. One that lacks the three new tokens gets them, as by `inputs.with_marks`.
        texts: task -> its texts: one for "classification", two for "entailment" and "similarity",
            a context and two to eight options for "choice". A task left out has its `EXAMPLES`.
        task: which is shown at first.
        n_ctx: the longest row, in tokens, 6 to 1,024.
        part: see `inputs.entailment`; None is the released code's rule, n_ctx // 2 - 2.
        covered: whether a layout is covered until the reader has predicted it.
        alt: the text alternative; by default it tells the rows of all four tasks.

    Raises:
        TypeError: a task's texts are one string.
        ValueError: no vocabulary is given, or one is no Tokenizer; a task is unknown, has too few
            texts or too many, or one without tokens; a size lies outside of its bounds.
    """

    script = "input_layout"
    vocabularies = List(Dict()).tag(sync=True)
    """Packed, each with `marks`: start, delimiter and extract -> [name, id]."""
    missing = List(Unicode()).tag(sync=True)
    """Names of vocabularies whose files are not here."""
    rules = Dict().tag(sync=True)
    """Patterns and Unicode tables for the page's encoder."""
    vocabulary = Int(0).tag(sync=True)
    """Index of the one that is chosen."""
    task = Enum(FORMS, "entailment").tag(sync=True)
    texts = Dict(value_trait=List(Unicode())).tag(sync=True)
    """Task -> its texts."""
    n_ctx = Int().tag(sync=True)
    part = Int(None, allow_none=True).tag(sync=True)
    full = Bool(False).tag(sync=True)
    """Whether rows are padded to n_ctx, as in the released code, or to the longest."""
    targets = Bool(False).tag(sync=True)
    """Whether each token shows the target of the language-model loss."""
    covered = Bool(True).tag(sync=True)
    """Whether layouts are covered, but for those of tasks that the reader has predicted."""

    def __init__(
        self,
        vocabularies: Mapping[str, Tokenizer | None],
        texts: Mapping[Form, Sequence[str]] | None = None,
        *,
        task: Form = "entailment",
        n_ctx: int = 128,
        part: int | None = None,
        covered: bool = True,
        alt: str | None = None,
    ) -> None:
        between("n_ctx", n_ctx, LEAST_CONTEXT, MOST["n_ctx"])
        if task not in FORMS:
            raise ValueError(f"task={task!r} must be one of {', '.join(FORMS)}")
        given = _all_texts(texts or {})
        packed, first = [], None
        for name, tokenizer in vocabularies.items():
            if tokenizer is not None:
                entry, encode, marks = _packed(name, tokenizer)
                packed.append(entry)
                first = first or (name, encode, marks)
        if first is None:
            raise ValueError(f"vocabularies={dict(vocabularies)!r} must hold at least one")
        described = _describe(given, *first, n_ctx, part)  # checks the texts, too
        super().__init__(
            alt=described if alt is None else alt,
            vocabularies=packed,
            missing=[name for name, tokenizer in vocabularies.items() if tokenizer is None],
            rules=rules(any(entry["kind"] == "word" for entry in packed)),
            task=task,
            texts=given,
            n_ctx=n_ctx,
            part=part,
            covered=covered,
        )

    @validate("texts")
    def _texts_of_all_tasks(self, proposal: dict[str, Any]) -> dict[str, list[str]]:
        return _all_texts(proposal["value"])


def layout(
    form: Form, ids: Sequence[Ids], marks: Marks, n_ctx: int, part: int | None = None
) -> Rows:
    """The rows of a task by `gptcore.text.inputs`.

    Args:
        form: which task. ids: the token ids of its texts, of a choice the context first.
        marks, n_ctx, part: as in `inputs.entailment`.

    Raises:
        ValueError: a text has no tokens, or there is no room for one of each.
    """
    if form == "classification":
        return inputs.classification(ids[0], marks, n_ctx)
    if form == "choice":
        return inputs.choice(ids[0], ids[1:], marks, n_ctx, part)
    two = inputs.entailment if form == "entailment" else inputs.similarity
    return two(ids[0], ids[1], marks, n_ctx, part)


def _all_texts(texts: Mapping[Form, Sequence[str]]) -> dict[str, list[str]]:
    """The texts of all four tasks, those that are not given from the examples."""
    return {form: _checked(form, own) for form, own in {**EXAMPLES, **texts}.items()}


def _checked(form: str, texts: Sequence[str]) -> list[str]:
    """A task's texts, as many as it needs."""
    if form not in FORMS:
        raise ValueError(f"texts has {form!r}, which is none of {', '.join(FORMS)}")
    if isinstance(texts, str):
        raise TypeError(f"texts[{form!r}]={texts!r} must be several texts, not one string")
    least = {"classification": 1, "choice": 3}.get(form, 2)
    most = 1 + MOST["options"] if form == "choice" else least
    if not least <= len(texts) <= most:
        rule = f"{least}" if least == most else f"{least} to {most}, the context first"
        raise ValueError(f"texts[{form!r}] has {len(texts)} texts and needs {rule}")
    return [without_lone_surrogates(text) for text in texts]


def _packed(
    name: str, tokenizer: Tokenizer
) -> tuple[dict[str, Any], Callable[[str], list[int]], Marks]:
    """A vocabulary as the page reads it, what gives the page's ids, and its new tokens."""
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(f"{name}={tokenizer!r} must be a Tokenizer")
    tokenizer, marks = inputs.with_marks(tokenizer)
    entry, encode = pack(name, tokenizer)
    names = (inputs.START, inputs.DELIMITER, inputs.EXTRACT)
    named = zip(marks._fields, zip(names, marks, strict=True), strict=True)
    return entry | {"marks": {field: list(pair) for field, pair in named}}, encode, marks


def _describe(
    texts: Mapping[Form, Sequence[str]],
    name: str,
    encode: Callable[[str], list[int]],
    marks: Marks,
    n_ctx: int,
    part: int | None,
) -> str:
    """Say how each task is laid out, which positions are read, and what becomes of the states."""
    told = f"GPT-1's four inputs in the vocabulary {name}, at most {n_ctx} tokens a row."
    for form in FORMS:
        ids = [encode(text) for text in texts[form]]
        try:
            rows = layout(form, ids, marks, n_ctx, part)
        except ValueError as error:
            raise ValueError(f"texts[{form!r}]: {error}") from None
        kept = sum(token not in marks for row in rows for token in row)
        pairs = [(0, k) for k in range(1, len(ids))] if len(ids) > 1 else [(0,)]
        whole = sum(len(ids[i]) for pair in pairs for i in pair) * (
            2 if form == "similarity" else 1
        )
        read = [str(len(row) - 1) for row in rows]
        where = f"position {read[0]} is read"
        if len(read) > 1:
            where = f"positions {', '.join(read[:-1])} and {read[-1]} are read"
        lost = whole - kept
        cut = f" ({lost} token{'s' if lost > 1 else ''} cut)" if lost else ""
        told += f" {SHAPES[form].format(n=len(rows), where=where, cut=cut)}"
    return told

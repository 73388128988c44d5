"""The input layout: the rows of the page's own script are those of `text.inputs`, id by id."""

import random
import re
from collections.abc import Sequence
from typing import Any

import playground_cases as cases
import pytest
from traitlets import TraitError

from gptcore.show import InputLayout
from gptcore.show.explorers.input_layout.input_layout import EXAMPLES, FORMS, LEAST_CONTEXT, MOST
from gptcore.text import inputs
from gptcore.text.inputs import Example, Marks, Rows, collate, with_marks
from gptcore.tokenizer import Tokenizer

LETTERS = {token: i for i, token in enumerate(["<unk>", "a</w>", "b</w>", "c</w>", "d</w>"])}
CONTEXTS = [6, 7, 8, 9, 12, 13, 31, 64, 512]


@pytest.fixture(scope="module")
def letters() -> Tokenizer:
    """Words of one letter: a is 1, b 2, c 3, d 4; the new tokens are 5, 6, 7."""
    return Tokenizer(LETTERS, [], kind="word", splitter="plain")


def rows_of(form: str, ids: Sequence[list[int]], marks: Marks, *sizes: Any) -> Rows:
    """The rows of a task by the package itself."""
    if form == "classification":
        return inputs.classification(ids[0], marks, sizes[0])
    if form == "choice":
        return inputs.choice(ids[0], ids[1:], marks, *sizes)
    return getattr(inputs, form)(ids[0], ids[1], marks, *sizes)


def wanted(tokenizer: Tokenizer, marks: Marks, case: dict[str, Any]) -> list[list] | str:
    """What `collate` makes of an example, or what the package says is wrong with it."""
    ids = [tokenizer.encode(text) for text in case["texts"]]
    try:
        rows = rows_of(case["task"], ids, marks, case["nCtx"], case["part"])
    except ValueError as error:
        return str(error)
    batch = collate([Example(rows, 0)], case["nCtx"] if case["full"] else None)
    return [batch.ids.tolist(), batch.targets.tolist(), batch.at.tolist()]


def differences(vocabularies: dict[str, Tokenizer], n: int, seed: int) -> list[str]:
    """Compare n random examples of each vocabulary; some have to be cut, and some refused."""
    rng, texts = random.Random(seed), cases.texts()
    short = [text for text in texts if len(text) < 60]
    examples = []
    for vocabulary in range(len(vocabularies)):
        for _ in range(n):
            task = rng.choice(FORMS)
            count = {"classification": 1, "choice": rng.randint(2, 6)}.get(task, 2)
            n_ctx = rng.choice(CONTEXTS)
            case = {"vocabulary": vocabulary, "task": task, "nCtx": n_ctx}
            case["texts"] = rng.choices(rng.choice([texts, short]), k=count)
            case["part"] = rng.choice([None, None, 1, n_ctx // 2, n_ctx, 1024])
            case["full"] = rng.random() < 0.3
            examples.append(case)
    twin = InputLayout(vocabularies).twin()
    found, refused, cut = [], 0, 0
    tokenizers = [with_marks(tokenizer) for tokenizer in vocabularies.values()]
    for case, got in zip(
        examples, cases.in_node("inputs.mjs", twin, examples=examples), strict=True
    ):
        want = wanted(*tokenizers[case["vocabulary"]], case)
        refused += isinstance(want, str)
        cut += isinstance(want, list) and max(want[2]) + 1 == case["nCtx"]
        if got != want:
            name = list(vocabularies)[case["vocabulary"]]
            found.append(f"{name}: {str(case)[:200]} gives {str(got)[:200]}, not {str(want)[:200]}")
    assert min(refused, cut) > len(examples) / 100, "the cases leave the hard ones out"
    return found


def test_rows_of_the_page_are_those_of_the_package() -> None:
    """Every vocabulary that needs no file of others: ids, padding, targets, positions, errors."""
    small = {name: v for name, v in cases.small().items() if isinstance(v, Tokenizer)}
    found = differences(small, 300, seed=1)
    assert not found, "\n".join(found[:10])


@pytest.mark.skipif(
    not cases.MIRROR, reason="GPTCORE_DATA_MIRROR is not set: OpenAI's files are absent"
)
def test_rows_in_the_published_vocabularies() -> None:
    """GPT-1's and GPT-2's own; GPT-1's new tokens have the ids of the released code."""
    published = cases.published()
    found = differences(published, 300, seed=2)
    assert not found, "\n".join(found[:10])
    page = InputLayout(published)
    assert page.vocabularies[0]["marks"] == {
        "start": ["_start_", 40478],
        "delimiter": ["_delimiter_", 40479],
        "extract": ["_classify_", 40480],
    }
    weight = len(page.twin().encode()) + len(page._esm) + len(page._css)
    assert weight < 700_000  # bytes; the whole page may have 1,500,000


def test_four_layouts_by_hand(letters: Tokenizer) -> None:
    """Letters are 1 to 4, the new tokens 5, 6, 7; n_ctx 10 keeps three tokens of each of two."""
    texts = {
        "classification": ["a b c"],
        "entailment": ["a b c d", "c"],
        "similarity": ["a", "b c"],
        "choice": ["a", "b", "c d"],
    }
    rows = {
        "classification": [[5, 1, 2, 3, 7]],
        "entailment": [[5, 1, 2, 3, 6, 3, 7]],
        "similarity": [[5, 1, 6, 2, 3, 7], [5, 2, 3, 6, 1, 7]],
        "choice": [[5, 1, 6, 2, 7, 0], [5, 1, 6, 3, 4, 7]],
    }
    asked = {"vocabulary": 0, "nCtx": 10, "part": None, "full": False}
    examples = [{**asked, "task": form, "texts": texts[form]} for form in FORMS]
    twin = InputLayout({"letters": letters}).twin()
    found = cases.in_node("inputs.mjs", twin, examples=examples)
    assert [ids for ids, _, _ in found] == [rows[form] for form in FORMS]
    assert [at for _, _, at in found] == [[4], [6], [5, 5], [4, 5]]
    assert found[3][1] == [[1, 6, 2, 7, -100, -100], [1, 6, 3, 4, 7, -100]]


# ------------------------------------------------------------------ what the page gets


def test_state_is_what_was_asked_for(letters: Tokenizer) -> None:
    """Texts that are not given come from the examples; the new tokens have names and ids."""
    made = InputLayout(
        {"letters": letters, "GPT-1": None},
        {"similarity": ("a b", "c\ud800")},
        task="similarity",
        n_ctx=16,
        part=4,
        covered=False,
    )
    own = {name: getattr(made, name) for name in ("task", "n_ctx", "part", "covered", "missing")}
    assert own == {
        "task": "similarity",
        "n_ctx": 16,
        "part": 4,
        "covered": False,
        "missing": ["GPT-1"],
    }
    assert made.texts == {f: [*EXAMPLES[f]] for f in FORMS} | {"similarity": ["a b", "c\ufffd"]}
    (entry,) = made.vocabularies
    marks = {"start": ["_start_", 5], "delimiter": ["_delimiter_", 6], "extract": ["_classify_", 7]}
    assert entry["marks"] == marks and entry["size"] == 8
    assert (made.vocabulary, made.full, made.targets) == (0, False, False)


def test_a_tokenizer_with_the_new_tokens_keeps_their_ids(letters: Tokenizer) -> None:
    """That of a fine-tuned model has them already."""
    tokenizer, marks = with_marks(letters)
    (entry,) = InputLayout({"tuned": tokenizer}).vocabularies
    assert [id for _, id in entry["marks"].values()] == list(marks)


def test_alt_tells_all_four_tasks(letters: Tokenizer) -> None:
    """By hand, n_ctx 10: 8 tokens of one text, 3 of each of two; cuts are counted over all rows."""
    texts = {
        "classification": ["a " * 9],
        "entailment": ["a b", "c"],
        "similarity": ["a b c d", "b"],
        "choice": ["a b c d", "b c", "d", "a b c d"],
    }
    alt = InputLayout({"letters": letters}, texts, n_ctx=10).alt
    assert alt.startswith(
        "GPT-1's four inputs in the vocabulary letters, at most 10 tokens a row. "
    )
    assert "start, text, extract (1 token cut); position 9 is read" in alt
    assert "delimiter, hypothesis, extract; position 5 is read" in alt
    assert "with B first (2 tokens cut); positions 6 and 6 are read" in alt
    assert "3 rows: start, context, delimiter, option, extract (4 tokens cut); positions" in alt
    assert "positions 7, 6 and 8 are read" in alt
    assert InputLayout({"letters": letters}, alt="Mine.").alt == "Mine."


def test_a_page_with_one_vocabulary_is_light() -> None:
    """The course's own, all that is shown without OpenAI's files."""
    page = InputLayout({"Tales": cases.small()["Tales"]})
    assert len(page.twin()) < 60_000


def test_bounds_are_those_of_the_page() -> None:
    """The largest sizes stand in two files, since each has to work alone."""
    assert re.search(r"MOST = \{ n_ctx: (\d+), options: (\d+) \}", InputLayout._esm).groups() == (
        str(MOST["n_ctx"]),
        str(MOST["options"]),
    )


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        ({}, {"n_ctx": 5}, ValueError, "n_ctx=5 must be between 6 and 1024"),
        ({}, {"n_ctx": 1025}, ValueError, "n_ctx=1025 must be between 6 and 1024"),
        ({}, {"part": 0}, ValueError, "texts['entailment']: part=0, n_ctx=128: there must be room"),
        ({}, {"task": "qa"}, ValueError, "task='qa' must be one of classification, entailment, "),
        ({"qa": "a"}, {}, ValueError, "texts has 'qa', which is none of classification, ent"),
        ({"entailment": "ab"}, {}, TypeError, "texts['entailment']='ab' must be several texts"),
        ({"entailment": ["a"]}, {}, ValueError, "texts['entailment'] has 1 texts and needs 2"),
        ({"classification": ["a", "b"]}, {}, ValueError, "has 2 texts and needs 1"),
        ({"choice": ["a", "b"]}, {}, ValueError, "has 2 texts and needs 3 to 9, the context first"),
        ({"choice": ["a"] * 10}, {}, ValueError, "has 10 texts and needs 3 to 9"),
        ({"similarity": ["a", " "]}, {}, ValueError, "texts['similarity']: text_b is empty"),
    ],
)
def test_what_does_not_fit_is_refused(
    letters: Tokenizer, texts: dict, options: dict, error: type, message: str
) -> None:
    """The message names the argument, its value and the rule."""
    assert LEAST_CONTEXT == 6
    with pytest.raises(error, match=re.escape(message)):
        InputLayout({"letters": letters}, texts, **options)


@pytest.mark.parametrize(
    ("vocabularies", "message"),
    [
        ({}, "vocabularies={} must hold at least one"),
        ({"GPT-2": None}, "vocabularies={'GPT-2': None} must hold at least one"),
        ({"x": "bytes"}, "x='bytes' must be a Tokenizer"),
    ],
)
def test_what_is_no_vocabulary_is_refused(vocabularies: dict, message: str) -> None:
    """Characters and bytes have no new tokens behind them, so only tokenizers serve."""
    with pytest.raises(ValueError, match=re.escape(message)):
        InputLayout(vocabularies)


def test_what_is_changed_later_is_checked_too(letters: Tokenizer) -> None:
    """A cell that sets a trait cannot leave the page without a text."""
    made = InputLayout({"letters": letters})
    made.texts = {"entailment": ["a", "b"]}
    assert made.texts["entailment"] == ["a", "b"] and set(made.texts) == set(FORMS)
    with pytest.raises(ValueError, match=re.escape("texts['entailment'] has 1 texts and needs 2")):
        made.texts = {"entailment": ["a"]}
    with pytest.raises(TraitError):
        made.task = "qa"
    assert made.texts["entailment"] == ["a", "b"] and made.task == "entailment"

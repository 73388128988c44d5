"""GPT-1's four inputs: every token by hand, what is cut, what is refused, in which order."""

import os
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tasks import FORMS, LETTERS, MARKS, N_OUT, ROWS, TOKENIZER, examples

from gptcore import datasets
from gptcore.text import inputs
from gptcore.text.inputs import Example, Marks, TaskBatches, collate, encode, with_marks
from gptcore.tokenizer import Tokenizer

S, D, E = 257, 258, 259
A, B = list(range(10)), list(range(20, 30))
MIRROR = os.environ.get("GPTCORE_DATA_MIRROR")

# ---------------------------------------------------------------- what is cut is counted


@pytest.mark.parametrize(
    ("form", "row", "lost"),
    [  # a context of 24: one text has room for 22 tokens, each of two for 10
        ("classification", {"text": "a" * 22}, 0),
        ("classification", {"text": "a" * 25}, 3),
        ("entailment", {"text": "a" * 10, "text_b": "b" * 10}, 0),
        ("entailment", {"text": "a" * 12, "text_b": "b" * 15}, 7),
        ("similarity", {"text": "a" * 11, "text_b": "b"}, 1),
        ("choice", {"text": "a", "choices": ["b" * 10, "c" * 14, "d" * 12]}, 4),
    ],
)
def test_tokens_that_stand_in_no_row_are_counted(form, row, lost):
    (example,) = encode([{**row, "label": 0}], form, TOKENIZER, MARKS, 24)
    assert example.lost == lost
    told = inputs.cut_told({"train": [example, example], "valid": []}, 24)
    assert told == (
        "2 of 2 train examples are longer than the context of 24 tokens has room for: the ends of "
        f"their texts are cut and never read, up to {lost} tokens"
        if lost
        else ""
    )
    assert inputs.n_cut([example]) == bool(lost)


# ---------------------------------------------------------------- layouts, token by token


def test_the_marks_follow_the_vocabulary():
    """Bytes are 0 to 255 and the end of text 256, so the new tokens are 257, 258 and 259."""
    assert MARKS == Marks(S, D, E) == (257, 258, 259)
    assert TOKENIZER.vocab_size == LETTERS.vocab_size + 3 == 260
    assert [TOKENIZER.token_str(i) for i in MARKS] == ["_start_", "_delimiter_", "_classify_"]
    again, marks = with_marks(TOKENIZER)
    assert again is TOKENIZER and marks == MARKS


@pytest.mark.skipif(
    not MIRROR, reason="GPTCORE_DATA_MIRROR is not set: GPT-1's vocabulary is absent"
)
def test_gpt1_s_own_ids():
    """FACTS 1.4, from the released `train.py`: 40,478 tokens, and the three that follow them.

    The golden ids of "Hello, my dog is cute." stand in FACTS 1.2.
    """
    tokenizer, marks = with_marks(datasets.tokenizer("gpt1"))
    assert marks == (40478, 40479, 40480)
    (example,) = encode(
        [{"text": "Hello, my dog is cute.", "text_b": "Unbelievable", "label": 0}],
        "entailment",
        tokenizer,
        marks,
        512,
    )
    hello = [3570, 240, 547, 2585, 544, 4957, 239]
    assert example.rows == ([40478, *hello, 40479, 11706, 40480],)


def test_the_four_layouts_of_real_texts():
    """a is 64, b 65, c 66, d 67, so "ab" is [64, 65]."""
    one = {"text": "ab", "text_b": "c", "choices": ["c", "da"], "label": 1}
    expected = {
        "classification": [[S, 64, 65, E]],
        "entailment": [[S, 64, 65, D, 66, E]],
        "similarity": [[S, 64, 65, D, 66, E], [S, 66, D, 64, 65, E]],
        "choice": [[S, 64, 65, D, 66, E], [S, 64, 65, D, 67, 64, E]],
    }
    for form in FORMS:
        (example,) = encode([one], form, TOKENIZER, MARKS, 12)
        assert (list(example.rows), example.label) == (expected[form], 1)


@pytest.mark.parametrize(
    ("n_ctx", "part", "n_a", "n_b", "kept_a", "kept_b"),
    [
        (12, None, 10, 10, 4, 4),  # 12 // 2 - 2
        (13, None, 10, 10, 4, 4),  # odd: rounded down first
        (12, None, 3, 10, 3, 4),  # the rule is per part: room of a short one is not given away
        (6, None, 10, 10, 1, 1),  # the smallest context for the rule
        (12, 20, 10, 10, 5, 4),  # 12 - 3 = 9 tokens for both; the odd one goes to the first
        (13, 20, 10, 10, 5, 5),
        (12, 20, 2, 10, 2, 7),  # the longer one gives way
        (12, 20, 10, 2, 7, 2),
        (12, 20, 4, 5, 4, 5),  # both fit
        (12, 20, 5, 5, 5, 4),
        (12, 6, 10, 2, 6, 2),
        (24, 3, 10, 10, 3, 3),  # smaller than the rule, too
        (5, 1, 10, 10, 1, 1),
    ],
)
def test_what_is_cut_of_two_texts(n_ctx, part, n_a, n_b, kept_a, kept_b):
    a, b = A[:n_a], B[:n_b]
    row = [S, *a[:kept_a], D, *b[:kept_b], E]
    assert len(row) <= n_ctx
    assert inputs.entailment(a, b, MARKS, n_ctx, part) == (row,)
    assert inputs.choice(a, [b, [77]], MARKS, n_ctx, part)[0] == row
    assert inputs.similarity(a, b, MARKS, n_ctx, part)[0] == row


def test_what_is_cut_of_one_text():
    for n_ctx, kept in ((3, 1), (4, 2), (11, 9), (12, 10), (99, 10)):
        assert inputs.classification(A, MARKS, n_ctx) == ([S, *A[:kept], E],)


def test_each_option_is_cut_on_its_own():
    rows = inputs.choice(A, [B, B[:2], B[:8]], MARKS, 12, 20)
    assert rows == ([S, *A[:5], D, *B[:4], E], [S, *A[:7], D, *B[:2], E], [S, *A[:5], D, *B[:4], E])


IDS = st.lists(st.integers(0, 200), min_size=1, max_size=40)


@settings(deadline=None, derandomize=True, database=None, max_examples=150)
@given(a=IDS, b=IDS, n_ctx=st.integers(6, 60), part=st.none() | st.integers(1, 50))
def test_a_pair_whatever_its_lengths(a, b, n_ctx, part):
    """It fits, holds the beginnings of both, and wastes nothing that the rule gives."""
    (row,) = inputs.entailment(a, b, MARKS, n_ctx, part)
    longest = n_ctx // 2 - 2 if part is None else part
    at = row.index(D)
    first, second = row[1:at], row[at + 1 : -1]
    assert (row[0], row[-1], row.count(D)) == (S, E, 1)
    assert first and first == a[: len(first)] and second and second == b[: len(second)]
    assert len(first) <= longest and len(second) <= longest
    wanted = min(len(a), longest) + min(len(b), longest)
    assert len(first) + len(second) == min(wanted, n_ctx - 3)
    if len(first) < min(len(a), longest):  # what gave way is not the shorter one
        assert len(first) >= len(second)
    if len(second) < min(len(b), longest):
        assert len(second) >= len(first) - 1
    both = inputs.similarity(a, b, MARKS, n_ctx, part)
    assert both[0] == row and both[::-1] == inputs.similarity(b, a, MARKS, n_ctx, part)


@settings(deadline=None, derandomize=True, database=None, max_examples=50)
@given(texts=st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5))
def test_any_text_comes_back_from_its_row(texts):
    """What looks like a new token is ordinary text: only ours stand in a row."""
    texts = [*texts, "_start_ _delimiter_ _classify_<|endoftext|>"]
    found = encode(
        [{"text": t, "label": 0} for t in texts], "classification", TOKENIZER, MARKS, 999
    )
    for text, example in zip(texts, found, strict=True):
        (row,) = example.rows
        assert [i for i in row if i >= 256] == [S, E]
        assert TOKENIZER.decode(row[1:-1]) == text


# ---------------------------------------------------------------- what cannot be built


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("classification", {"text": ""}, "text='' is empty: it has no tokens"),
        ("classification", {"text": None}, "text=None must be a text"),
        ("entailment", {"text_b": ""}, "text_b='' is empty"),
        ("similarity", {"text_b": 3.5}, "text_b=3.5 must be a text"),
        ("choice", {"choices": ["a", ""]}, r"choices\[1\]='' is empty"),
        ("choice", {"choices": ["a", 7]}, r"choices\[1\]=7 must be a text"),
        ("choice", {"choices": "ab"}, "choices='ab' must be a list of texts"),
        ("choice", {"choices": ["a"]}, "choices has 1; to choose, there must be at least 2"),
        ("choice", {"choices": ["a", "b", "c"]}, "choices has 3 and needs 2, like all others"),
        ("choice", {"label": 2}, "label=2 must be one of 0 to 1"),
        ("choice", {"label": -1}, "label=-1 must be one of 0 to 1"),
        ("choice", {"label": 0.5}, "label=0.5 must be one of 0 to 1"),
        ("classification", {"label": float("nan")}, "label=nan must be finite"),
        ("similarity", {"label": float("-inf")}, "label=-inf must be finite"),
        ("classification", {"label": "happy"}, "label='happy' must be a number"),
        ("classification", {"label": None}, "label=None must be a number"),
        ("classification", {"label": True}, "label=True must be a number"),
        ("summary", {}, "form='summary' must be classification, entailment, similarity or choice"),
    ],
)
def test_a_bad_example_is_named_with_its_field_and_value(form, change, message):
    good = {"text": "a", "text_b": "b", "choices": ["a", "b"], "label": 0}
    rows = [good, good, {**good, **change}]
    with pytest.raises(ValueError, match=f"^example {0 if form == 'summary' else 2}: {message}"):
        encode(rows, form, TOKENIZER, MARKS, 24)


@pytest.mark.parametrize(("form", "key"), [("classification", "text"), ("similarity", "text_b")])
@pytest.mark.parametrize("label", [False, True])
def test_a_missing_key_is_named(form, key, label):
    key = "label" if label else key
    row = {"text": "a", "text_b": "b", "label": 0}
    broken = {name: row[name] for name in row if name != key}
    with pytest.raises(KeyError) as raised:
        encode([row, broken], form, TOKENIZER, MARKS, 24)
    assert raised.value.args == (f"example 1: '{key}' is missing; it has {sorted(broken)}",)


def test_labels_must_be_among_the_classes_and_scores_become_floats():
    rows = [{"text": "a", "text_b": "b", "label": label} for label in (np.int64(2), 1.0, 0)]
    found = encode(rows, "entailment", TOKENIZER, MARKS, 24, n_out=3)
    assert [(e.label, type(e.label)) for e in found] == [(2, int), (1, int), (0, int)]
    for bad in (3, -1, 1.5):
        with pytest.raises(ValueError, match=rf"^example 3: label={bad} must be one of 0 to 2"):
            encode([*rows, {**rows[0], "label": bad}], "entailment", TOKENIZER, MARKS, 24, n_out=3)
    found = encode(rows, "similarity", TOKENIZER, MARKS, 24, n_out=1)
    assert [(e.label, type(e.label)) for e in found] == [(2.0, float), (1.0, float), (0.0, float)]
    with pytest.raises(ValueError, match="^example 0: choices has 2 and needs 4"):
        row = {"text": "a", "choices": ["a", "b"], "label": 0}
        encode([row], "choice", TOKENIZER, MARKS, 24, n_out=4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: inputs.classification(A, MARKS, 2), "n_ctx leaves room for 0 tokens of text"),
        (lambda: inputs.entailment(A, B, MARKS, 5), "part=0, n_ctx=5: there must be room"),
        (lambda: inputs.similarity(A, B, MARKS, 1), "part=-2, n_ctx=1: there must be room"),
        (lambda: inputs.choice(A, [B, B], MARKS, 4, 1), "part=1, n_ctx=4: there must be room"),
        (lambda: inputs.entailment(A, B, MARKS, 24, 0), "part=0, n_ctx=24: there must be room"),
        (lambda: inputs.entailment([], B, MARKS, 24), "premise is empty: it has no tokens"),
        (lambda: inputs.entailment(A, [], MARKS, 24), "hypothesis is empty"),
        (lambda: inputs.similarity(A, [], MARKS, 24), "text_b is empty"),
        (lambda: inputs.choice(A, [B, []], MARKS, 24), r"choices\[1\] is empty"),
        (lambda: collate([]), r"same number of rows, got \[\]"),
        (lambda: collate([Example(([1],), 0), Example(([1], [2]), 0)]), r"got \[1, 2\]"),
        (lambda: collate([Example(([1, 2],), 0)], 1), "width=1 must be at least 2"),
        (lambda: TaskBatches([], 4), "batch_size=4 must be at least 1, and examples=0 too"),
        (lambda: TaskBatches(examples("choice"), 0), "batch_size=0 must be at least 1"),
    ],
)
def test_what_leaves_no_room_or_nothing_to_read_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# ---------------------------------------------------------------- batches


def test_a_batch_by_hand():
    """Padding 0 on the right; a token's target is what follows it, and nothing follows the last."""
    batch = collate([Example(([S, 5, 6, E],), 1), Example(([S, 7, E],), 0)], width=6)
    assert batch.ids.tolist() == [[S, 5, 6, E, 0, 0], [S, 7, E, 0, 0, 0]]
    assert batch.targets.tolist() == [[5, 6, E, *[-100] * 3], [7, E, *[-100] * 4]]
    assert batch.at.tolist() == [3, 2]
    assert batch.labels.tolist() == [1, 0]
    assert {t.dtype for t in batch} == {torch.int64}
    assert collate([Example(([S, 7, E],), 0.5)]).labels.dtype == torch.float32


@pytest.mark.parametrize("form", FORMS)
def test_the_extract_token_stands_where_the_batch_says(form):
    found = examples(form)
    batch = collate(found)
    rows = [row for example in found for row in example.rows]
    assert batch.ids.shape == (len(rows), max(map(len, rows))) == batch.targets.shape
    for ids, at, targets, row in zip(batch.ids, batch.at, batch.targets, rows, strict=True):
        assert ids[at] == E and (ids == E).nonzero().tolist() == [[at]]
        assert ids.tolist() == row + [0] * (len(ids) - len(row))
        assert targets.tolist() == row[1:] + [-100] * (len(ids) - len(row) + 1)


def labelled_by_number(n):
    return [Example(([S, i, E],), i) for i in range(n)]


def test_every_epoch_has_every_example_once_and_an_order_of_its_own():
    """7 examples in batches of 3: the third batch takes two of the next epoch."""
    labels = [i for batch in islice(TaskBatches(labelled_by_number(7), 3), 7) for i in batch.labels]
    epochs = [[int(i) for i in labels[at : at + 7]] for at in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    other = next(TaskBatches(labelled_by_number(7), 7, seed=1)).labels.tolist()
    assert other != epochs[0] and sorted(other) == list(range(7))
    assert sorted(next(TaskBatches(labelled_by_number(2), 5)).labels.tolist())[2] in (0, 1)


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 5])
def test_batches_go_on_from_a_place(stop):
    data = labelled_by_number(7)
    first, second = TaskBatches(data, 3, seed=4), TaskBatches(data, 3, seed=4)
    for _ in range(stop):
        next(first)
    second.load_state_dict(first.state_dict())
    for one, two in islice(zip(first, second, strict=False), 6):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_what_decides_the_batches_is_told():
    data = labelled_by_number(4)
    same = TaskBatches(data, 2).identity()
    assert same == TaskBatches(list(data), 2).identity()
    next(batches := TaskBatches(data, 2))
    assert batches.identity() == same
    others = [
        TaskBatches(data, 3),
        TaskBatches(data, 2, seed=1),
        TaskBatches(data[::-1], 2),
        TaskBatches([*data[:3], Example(data[3].rows, 9)], 2),
        TaskBatches([*data[:3], Example(([S, 9, E],), 3)], 2),
    ]
    assert all(other.identity() != same for other in others)
    rows = [{"text": "a", "text_b": "b", "label": np.float32(0.5)}]  # as a table of numbers has it
    assert TaskBatches(encode(rows, "similarity", TOKENIZER, MARKS, 24), 1).identity()


def test_the_rows_of_the_tests_are_longer_than_their_context():
    """Else nothing here would be cut: positive control of `small_tasks`."""
    longest = [max(len(e.rows[0]) for e in examples(form, n_ctx=99)) for form in FORMS]
    assert longest[0] > 24 and longest[1] > 24 and set(N_OUT) == set(ROWS) == set(FORMS)


def test_words_that_look_like_marks_stay_words():
    """Kind "word": the tokenizer of GPT-1."""
    word = Tokenizer.train("ab ab _start_", 60, kind="word", splitter="plain", specials=())
    tokenizer, marks = with_marks(word)
    assert marks == tuple(range(word.vocab_size, word.vocab_size + 3))
    (example,) = encode(
        [{"text": "ab _start_", "label": 0}], "classification", tokenizer, marks, 50
    )
    assert [i for i in example.rows[0] if i >= word.vocab_size] == [marks.start, marks.extract]

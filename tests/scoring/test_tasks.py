"""Tasks as data: templates filled, right answers found, and what breaks a rule named."""

import json

import pytest

from gptcore.scoring.task_files import own
from gptcore.scoring.tasks import SCORERS, Item, Task, fill, item

CHOICE = Task("colours", "A {fruit} is", "choice", options=("red {n}.", "blue."))


def test_a_row_becomes_a_question():
    row = {"fruit": "{cherry}", "n": 3, "answer": 0}
    assert item(CHOICE, row) == Item("A {cherry} is", ("red 3.", "blue."), 0)
    assert item(CHOICE, {**row, "answer": "blue."}).answer == 1
    listed = Task("x", "{q}", "choice", options="of", answer="label", rest=" so.")
    found = item(listed, {"q": "?", "of": ["a", "b"], "label": 1})
    assert found == Item("?", ("a", "b"), 1, rest=" so.")
    assert item(Task("x", "{a}{{b}} {} {c d}", "exact", target="t"), {"a": 1, "b": 2}) == Item(
        "1{2} {} {c d}", targets=("t",)
    )
    several = Task("x", "q", "squad", target="{all}")
    assert item(several, {"all": ["one", "two"]}).targets == ("one", "two")
    whole = Task("x", "", "perplexity", target="{text}")
    assert item(whole, {"text": "é b\n"}) == Item("", targets=("é b\n",), n_words=2, n_bytes=5)
    counted = item(whole, {"text": "a b", "n_words": 9, "n_bytes": 8})
    assert (counted.n_words, counted.n_bytes) == (9, 8)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"fruit": "plum", "answer": 0}, "options names 'n', and the row has only fruit, answer"),
        ({"n": 1, "answer": 0}, "prompt names 'fruit'"),
        ({"fruit": None, "n": 1, "answer": 0}, "fruit=None, which is no text"),
        ({"fruit": "x", "n": 1, "answer": 2}, "answer=2 must be one of the options or an index"),
        ({"fruit": "x", "n": 1, "answer": True}, "answer=True must be one"),
        ({"fruit": "x", "n": 1, "answer": -1}, "answer=-1 must be one"),
        ({"fruit": "x", "n": 1, "answer": "red"}, "answer='red' must be one"),
        ({"fruit": "x", "n": 1}, "answer names 'answer'"),
    ],
)
def test_rows_that_do_not_fit(row, told):
    with pytest.raises((TypeError, ValueError), match=told):
        item(CHOICE, row)


def test_other_rows_that_do_not_fit():
    listed = Task("x", "q", "choice", options="of")
    for of, told in (
        (["a"], "at least two"),
        ("ab", "at least two"),
        (["a", " "], "' '"),
        ([1, 2], "1;"),
    ):
        with pytest.raises(ValueError, match=told):
            item(listed, {"of": of, "answer": 0})
    several = Task("x", "q", "squad", target="{all}")
    for targets in ([], [1], ["", " "], ""):
        with pytest.raises(ValueError, match="must (hold|be)"):
            item(several, {"all": targets})
    with pytest.raises(ValueError, match="n_words=0"):
        item(Task("x", "", "perplexity", target="{t}"), {"t": "a", "n_words": 0})
    assert fill("{a}", {"a": "{b}"}, "prompt") == "{b}"  # filled once


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scorer": "best"}, "scorer='best' must be one of choice, cloze"),
        ({"norm": "bytes"}, "norm='bytes' must be one of none, token"),
        ({"options": ()}, "at least two"),
        ({"options": ("a",)}, "at least two"),
        ({"options": (1, 2)}, "options="),
        ({"target": "x"}, "not for a choice"),
        ({"partial": True}, "rest is empty"),
        ({"partial": "no"}, "partial='no' must be true or false"),
        ({"name": ""}, "name=''"),
        ({"prompt": None}, "prompt=None must be a text"),
        ({"stop": ("",)}, "stop=''"),
        ({"stop": "x"}, "stop='x' must be texts"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"max_new_tokens": True}, "max_new_tokens=True must be an int"),
        ({"scorer": "exact", "options": ()}, "target=''"),
        ({"scorer": "exact", "target": "x"}, "options=.* is for scorer='choice' only"),
        ({"scorer": "perplexity", "options": (), "target": "x"}, "prompt='p' must be empty"),
    ],
)
def test_what_is_no_task(changes, told):
    with pytest.raises((TypeError, ValueError), match=told):
        Task(**{"name": "t", "prompt": "p", "scorer": "choice", "options": ("a", "b"), **changes})


def test_every_scorer_has_a_task():
    assert SCORERS == ("choice", "cloze", "perplexity", "exact", "squad", "number", "rouge")


# ------------------------------------------------------------------ files


def test_a_file_of_ones_own(tmp_path):
    rows = [{"fruit": "cherry", "answer": 0}, {"fruit": "plum", "answer": "blue."}]
    fields = {"prompt": "A {fruit} is", "scorer": "choice", "options": ["red.", "blue."]}
    path = tmp_path / "colours.json"
    path.write_text(json.dumps({**fields, "rows": rows}))
    task, found = own(path)
    assert task == Task("colours", "A {fruit} is", "choice", options=("red.", "blue."))
    assert found == rows
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    path.write_text(json.dumps({"name": "n", **fields, "rows": "rows.jsonl"}))
    assert own(path) == (Task("n", "A {fruit} is", "choice", options=("red.", "blue.")), rows)


def test_json_lines_alone(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "1 + 1 =", "target": "2"}\n')
    task, rows = own(path)
    assert (task.name, task.scorer) == ("mine", "exact")
    assert item(task, rows[0]) == Item("1 + 1 =", targets=("2",))
    path.write_text('{"prompt": "q", "options": ["a", "b"], "answer": 1}\n')
    task, rows = own(path)
    assert item(task, rows[0]) == Item("q", ("a", "b"), 1)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.json", "{", "x.json is no JSON"),
        ("x.json", "[]", "holds a list; it must be an object"),
        ("x.json", '{"prompt": "p", "scorer": "exact", "target": "t"}', "rows must be a list"),
        ("x.json", '{"rows": [1]}', "rows must be a list of objects"),
        ("x.json", '{"promt": "p", "rows": [{}]}', "'promt' is no field; did you mean 'prompt'"),
        ("x.json", '{"prompt": "p", "rows": [{}]}', "x.json lacks scorer"),
        ("x.json", '{"prompt": "p", "scorer": "best", "rows": [{}]}', "x.json: .*scorer='best'"),
        ("x.jsonl", "\n", "has no rows"),
        ("x.jsonl", '{"prompt": "p"}\nnot', "x.jsonl, line 2 is no JSON"),
    ],
)
def test_files_that_are_no_task(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=told):
        own(tmp_path / name)

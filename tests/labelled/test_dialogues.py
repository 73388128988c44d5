"""Demonstrations and preferences as people keep them: what is read, told and refused."""

import gzip
import json

import pytest

from gptcore.labelled.dialogues import Comparison, Demonstration, demonstrations, preferences

GOOD = [{"prompt": f"ask {i}", "response": f"say {i}"} for i in range(10)]
LIKED = [{"prompt": f"ask {i}", "chosen": "yes", "rejected": "no"} for i in range(10)]


def lines(tmp_path, rows, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), "utf-8")
    return path


def message(role, content):
    return {"role": role, "content": content}


def read_one(read, row, others):
    """What one row becomes among good ones."""
    found = read([*others, row])
    return next(
        x for x in (*found.train, *found.valid) if x.prompt not in [o["prompt"] for o in others]
    )


@pytest.mark.parametrize("form", ["lines", "array", "packed"])
def test_the_same_rows_in_any_file(tmp_path, form):
    path = lines(tmp_path, GOOD)
    if form == "array":
        path = lines(tmp_path, [json.dumps(GOOD)], "rows.json")
    elif form == "packed":
        path = tmp_path / "rows.jsonl.gz"
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, GOOD)).encode()))
    found = demonstrations(path)
    rows = [Demonstration(row["prompt"], row["response"]) for row in GOOD]
    assert sorted((*found.train, *found.valid), key=str) == rows and not found.report
    assert len(found.valid) == 1 and found == demonstrations(path)


def test_a_dialogue_ends_with_its_response():
    turns = [message("system", "Be kind."), message("user", "Hi"), message("assistant", "Hello")]
    found = read_one(demonstrations, {"messages": turns}, GOOD)
    assert found == Demonstration((("system", "Be kind."), ("user", "Hi")), "Hello")
    alone = read_one(demonstrations, {"messages": turns[1:]}, GOOD)
    assert alone == Demonstration("Hi", "Hello")


BEFORE = [message("user", "Hi"), message("assistant", "Hello"), message("user", "Bye")]
A, B = message("assistant", "a"), message("assistant", "b")


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [*BEFORE, A], "rejected": [*BEFORE, B]},
        {"prompt": BEFORE, "chosen": [A], "rejected": [B]},
        {"prompt": BEFORE, "chosen": "a", "rejected": "b"},
        {"prompt": BEFORE, "chosen": [*BEFORE, A], "rejected": "b"},
        {"prompt": BEFORE, "ranked": ["a", "b"]},
    ],
)
def test_a_preference_between_ends_of_a_dialogue(row):
    prompt = (("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"))
    assert read_one(preferences, row, LIKED) == Comparison(prompt, ("a", "b"), (0, 1))


def test_ranks_with_ties():
    row = {"prompt": "x", "ranked": ["a", ["b", "c"], "d"], "truth": [3, 2, 2.0, 0]}
    found = read_one(preferences, row, LIKED)
    assert found == Comparison("x", ("a", "b", "c", "d"), (0, 1, 1, 2), (3.0, 2.0, 2.0, 0.0))
    assert found.pairs() == [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]  # b and c are no pair


TEXT, LIST = "prompt=5", "must be a text or a list of messages"
BAD = [
    (demonstrations, "{not json", "is no JSON"),
    (demonstrations, "[1]", "must be an object with keys"),
    (demonstrations, {"prompt": "a"}, "must have prompt and response, or messages"),
    (demonstrations, {"prompt": " ", "response": "b"}, "prompt=' ' must not be empty"),
    (demonstrations, {"prompt": 5, "response": "b"}, f"{TEXT} {LIST}"),
    (demonstrations, {"prompt": None, "response": "b"}, f"prompt=None {LIST}"),
    (demonstrations, {"prompt": "a", "response": ""}, "response='' must not be empty"),
    (demonstrations, {"prompt": "a", "response": ["b"]}, r"response=\['b'\] must be a text"),
    (demonstrations, {"messages": []}, f"messages=.* {LIST}"),
    (demonstrations, {"messages": BEFORE}, "must end with a turn of assistant"),
    (demonstrations, {"messages": [A]}, "must have a turn of another before that of assistant"),
    (demonstrations, {"messages": [message("user", 5), A]}, r"messages\[0\].content=5 must be a t"),
    (demonstrations, {"messages": [message("bot", "a"), A]}, r"messages\[0\].role='bot' must be"),
    (demonstrations, {"messages": [{"role": "user"}, A]}, r"messages\[0\]=.* must have role and"),
    (preferences, {"prompt": "a", "chosen": "b"}, "must have prompt and ranked, or chosen and"),
    (preferences, {"prompt": "a", "chosen": "b", "rejected": "b"}, "must not be the text that is"),
    (preferences, {"chosen": "b", "rejected": "c"}, "must have a prompt"),
    (preferences, {"chosen": [*BEFORE, A], "rejected": [BEFORE[0], B]}, "must have the same turns"),
    (preferences, {"prompt": "a", "ranked": ["b"]}, r"ranked=\['b'\] must have at least 2"),
    (preferences, {"prompt": "a", "ranked": [["b", "c"]]}, "must not be ties alone"),
    (preferences, {"prompt": "a", "ranked": "bc"}, "ranked='bc' must be a list"),
    (preferences, {"prompt": "a", "ranked": ["b", 5]}, "ranked=5 must be a text"),
    (preferences, {**LIKED[0], "truth": [1]}, r"truth=\[1\] must be a list of 2 numbers"),
    (preferences, {**LIKED[0], "truth": [1, float("nan")]}, "truth=.* must be a list of 2"),
    (preferences, {**LIKED[0], "truth": [1, True]}, "truth=.* must be a list of 2"),
]


@pytest.mark.parametrize("read, row, message", BAD)
def test_a_bad_row_is_named_and_costs_no_other(tmp_path, read, row, message):
    others = GOOD if read is demonstrations else LIKED
    path = lines(tmp_path, [*others[:3], row, *others[3:]])
    found = read(path)
    assert "rows.jsonl: 1 of 11 rows are left out" in found.report
    assert pytest.raises(ValueError, read, lines(tmp_path, [row])).match(message)
    assert "line 4: " in found.report and len(found.train) + len(found.valid) == 10


def test_an_empty_response_may_be_compared_but_not_shown():
    found = read_one(preferences, {"prompt": "x", "chosen": "a", "rejected": ""}, LIKED)
    assert found.responses == ("a", "")


def test_what_is_odd_is_told():
    other = {"prompt": "ask 0", "chosen": "no", "rejected": "yes", "who": "me"}
    held = [{"prompt": "z", "chosen": "a", "rejected": "b"}]
    report = preferences([*LIKED, LIKED[1], other], valid=held).report
    assert "the keys who are not read" in report
    assert "1 rows stand there twice or more often" in report
    assert "1 pairs of responses were judged both ways" in report
    assert not preferences(LIKED, valid=held).report


def test_no_prompt_is_in_both_parts():
    found = demonstrations([*GOOD, *GOOD], seed=3)
    assert not {d.prompt for d in found.train} & {d.prompt for d in found.valid}
    found = demonstrations(GOOD, valid=GOOD[:2])
    assert len(found.train) == 8 and "2 rows have a prompt that stands in valid" in found.report


@pytest.mark.parametrize("rows", [[], GOOD[:1], [GOOD[0]] * 5])
def test_too_few_rows(rows):
    with pytest.raises(ValueError, match="there must be 1 of each, with different prompts"):
        demonstrations(rows)


def test_what_is_no_table(tmp_path):
    with pytest.raises(ValueError, match="'gone.jsonl' is no file, and none of the named sets"):
        demonstrations("gone.jsonl")
    with pytest.raises(ValueError, match="named sets: instructions$"):
        preferences("gsm8k")
    with pytest.raises(ValueError, match="empty.jsonl is empty"):
        demonstrations(lines(tmp_path, [], "empty.jsonl"))
    with pytest.raises(TypeError, match="must be a file, the name of a set, or dicts"):
        demonstrations(GOOD[0])
    with pytest.raises(ValueError, match="ranks has 1 and responses 2"):
        Comparison("a", ("b", "c"), (0,))

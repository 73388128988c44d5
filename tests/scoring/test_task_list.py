"""The named tasks: every row a question, those of Tales fair and in the form of demonstrations."""

import json
import os

import pytest

from gptcore.labelled.short_tales import BEYOND, MOODS
from gptcore.scoring.shots import demonstration
from gptcore.scoring.task_list import SOURCES, VERDICTS, demonstrations, known, readable
from gptcore.scoring.tasks import item
from gptcore.tales.corpus import split, tale
from gptcore.tales.questions import demonstrate, questions, statements

mirrored = pytest.mark.skipif(
    "GPTCORE_DATA_MIRROR" not in os.environ,
    reason="GPTCORE_DATA_MIRROR is not set: real data are absent",
)
TALES = [name for name in SOURCES if name.startswith("tales-")]
TALES_BY_TEXT = {one.text: one for one in (tale(0, split("test")[BEYOND + i]) for i in range(60))}


@pytest.mark.parametrize("name", TALES)
def test_tales_are_the_same_for_everybody(name):
    task, rows = known(name, 6)
    assert rows == known(name, 6)[1] == known(name, 9)[1][:6] and len(rows) == 6
    assert rows != known(name, 6, seed=1)[1]
    assert task.name == name and all(item(task, row) for row in rows)


def test_answers_are_those_of_the_tale():
    for row in known("tales-questions", 8)[1]:
        own = {q.text: q.answer for q in questions(TALES_BY_TEXT[row["text"]])}
        assert own[row["question"]] == row["answer"]
    task, rows = known("tales-statements", 9)
    labels = [item(task, row).answer for row in rows]
    assert sorted(labels) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for row in rows:
        told = TALES_BY_TEXT[row["text"]]
        label = {verdict: label for label, verdict in VERDICTS.items()}[row["answer"]]
        if label != "open":
            assert label in {s.label for s in statements(told) if s.text == row["statement"]}
    task, rows = known("tales-mood", 14)
    assert sorted(item(task, row).answer for row in rows) == sorted([*range(len(MOODS))] * 2)


@pytest.mark.parametrize(
    "name", ["tales-questions", "tales-statements", "tales-mood", "tales-summary"]
)
def test_prompt_and_answer_are_a_demonstration(name):
    """The tale goes on just so where it shows the task in passing, for some seed."""
    task, rows = known(name, 40)
    for row in rows:
        told = TALES_BY_TEXT.get(row["text"])
        one = item(task, row)
        right = one.options[one.answer] if one.options else one.targets[0]
        shown = (one.context + task.delimiter + right)[len(row["text"]) :].strip("\n")
        if told is not None and not (name == "tales-statements" and right == VERDICTS["open"]):
            assert any(shown in demonstrate(told, seed).text for seed in range(300)), shown
            return
    raise AssertionError("no tale to compare with")


@mirrored
def test_every_set_has_questions():
    for name, source in SOURCES.items():
        task, rows = known(name, 3)
        assert rows and all(item(task, row) for row in rows), name
        assert task.scorer == source.task.scorer


@mirrored
def test_pages_of_wikitext_with_the_words_that_they_had():
    """60 articles; 241,211 words in all, as `wc -w` counts the file."""
    rows = known("wikitext2", 1000)[1]
    assert len(rows) == 60 and sum(row["n_words"] for row in rows) == 241_211
    assert rows[0]["text"].startswith("= Robert <unk> =\n")
    assert "guest-starring role on" in rows[0]["text"] and 'as "Craig" in' in rows[0]["text"]
    assert " @-@ " not in "".join(row["text"] for row in rows)
    assert rows[0]["n_bytes"] > len(rows[0]["text"].encode())


def test_readable_by_hand():
    raw = " = A ( b ) = \n \n He said : \" It 's 1 @,@ 000 , is n't it ? \" \n"
    assert readable(raw) == "= A (b) =\n\nHe said: \"It's 1,000, isn't it?\"\n"


@mirrored
def test_parts_and_turns():
    rows = known("arithmetic", 8)[1]  # one of each of eight parts
    signs = "plus minus plus minus plus minus times".split()
    assert [row["context"].split()[4] for row in rows[:7]] == signs
    assert rows[7]["context"] == "\n\nQ: What is (9 + 8) * 2?\n\nA:"
    assert (rows[0]["completion"], rows[7]["completion"]) == (" 143", " 34")
    part = known("arithmetic:two_digit_addition", 3)
    assert part[0].name == "arithmetic:two_digit_addition"
    assert all(" plus " in row["context"] for row in part[1])
    task, pairs = known("blimp:anaphor_gender_agreement", 40)
    answers = [item(task, row).answer for row in pairs]
    assert sum(answers) == 20 and len(set(answers[::2])) == 2
    with pytest.raises(ValueError, match="'nothing' is no part of blimp"):
        known("blimp:nothing", 2)
    assert len(known("gsm8k", 10**6)[1]) == 1319


def test_names_that_there_are_not():
    with pytest.raises(ValueError, match="did you mean 'tales-mood'.*lambada.*\\.jsonl"):
        known("tale-mood", 3)
    with pytest.raises(ValueError, match="its parts are two_digit_addition"):
        known("arithmetic:five_digit_addition", 3)
    with pytest.raises(ValueError, match="'x' is no part of codah; it has no parts"):
        known("codah:x", 3)
    with pytest.raises(ValueError, match="n=0"):
        known("codah", 0)
    with pytest.raises(FileNotFoundError):
        known("nothing.json", 3)


@pytest.mark.parametrize("name", TALES)
def test_demonstrations_of_tales_are_of_the_training_part(name):
    """Rows of the same form, none of which is asked."""
    task, rows = known(name, 20)
    shown = demonstrations(name, 20, 3)
    assert len(shown) == 500 and all(item(task, row) for row in shown[:20])
    texts = {row["text"] for row in rows}
    assert not texts & {row["text"] for row in shown}
    if name != "tales-endings":
        train = {tale(0, index).text for index in split("train")[:3000]}
        assert {row["text"] for row in shown[:20]} <= train


def test_demonstrations_of_a_file_are_its_own_or_its_other_rows(tmp_path):
    """ "demonstrations" where it has them; else the rows behind those that are asked; else all."""
    rows = [{"p": str(i), "a": "b"} for i in range(6)]
    task = {"prompt": "{p}", "scorer": "exact", "target": "{a}"}
    (tmp_path / "t.json").write_text(json.dumps({**task, "rows": rows}))
    name = str(tmp_path / "t.json")
    assert [row["p"] for row in demonstrations(name, 4, 2)] == ["4", "5"]
    assert [row["p"] for row in demonstrations(name, 5, 2)] == list("012345")
    own = {**task, "rows": rows, "demonstrations": [{"p": "x", "a": "y"}]}
    (tmp_path / "t.json").write_text(json.dumps(own))
    assert demonstrations(name, 4, 1) == ({"p": "x", "a": "y"},)
    assert known(name, 6)[1] == rows
    (tmp_path / "t.json").write_text(json.dumps({**own, "demonstrations": "absent.jsonl"}))
    with pytest.raises(FileNotFoundError, match="absent.jsonl"):
        known(name, 6)
    (tmp_path / "t.json").write_text(json.dumps({**own, "demonstrations": []}))
    with pytest.raises(ValueError, match="demonstrations must be a list of objects"):
        demonstrations(name, 4, 1)


@mirrored
def test_demonstrations_of_real_sets():
    """Of the training part where there is one; GPT-3's own sums have none, and need no separator:
    their prompts begin with two line breaks."""
    task, asked = known("gsm8k", 5)
    shown = demonstrations("gsm8k", 5, 3)
    assert not {row["question"] for row in asked} & {row["question"] for row in shown}
    task, asked = known("arithmetic:two_digit_addition", 5)
    shown = demonstrations("arithmetic:two_digit_addition", 5, 3)
    assert not {row["context"] for row in asked} & {row["context"] for row in shown}
    assert task.separator == "" and demonstration(task, shown[0]).startswith("\n\nQ: ")

"""Demonstrations in a prompt as a grid runs them: what is read, what is asked, how it is judged."""

from pathlib import Path

import pytest
import torch

from gptcore import GPT
from gptcore.experiments import Record, in_context, pretraining
from gptcore.experiments.demonstrations import PER_ANSWER, runs_of_task
from gptcore.experiments.in_context import (
    ABLATIONS,
    ALL_ANSWERS,
    PAGE,
    PROMPTS,
    SHOTS,
    all_answers,
    asked,
    demonstrations,
    paged,
    rows_of,
    shots_of,
)
from gptcore.experiments.records import unpacked
from gptcore.scoring import asking
from gptcore.scoring.answers import Written
from gptcore.scoring.shots import Shots, behind, demonstration
from gptcore.tales import pages
from gptcore.tales.lines import HELD_OUT, TASKS, options
from gptcore.tokenizer import Tokenizer

FOLDER = "data/checkpoints/tales-gpt1"
SETTINGS = {
    "shape": {"n_ctx": 256, "n_layer": 1, "n_head": 2, "d_model": 16, "norm": "pre"},
    "tokenizer": FOLDER,
    "corpus": {"n": 100, "share": 0.5},
    "updates": 4,
    "batch_size": 1,
    "lr": 1e-3,
    "per_answer": 1,
}


def test_a_prompt_is_a_page_that_breaks_off() -> None:
    """Rows in the task's form and with its separator are what a document holds, to the last
    character."""
    (page,) = pages.documents(1, 1.0)
    parts = page.split("\n\n")
    rows = [
        {"text": text, "answer": answer.removeprefix("Answer: ")}
        for text, answer in zip(parts[::2], parts[1::2], strict=True)
    ]
    shown = PAGE.separator.join(demonstration(PAGE, row) for row in rows)
    assert shown == page


def test_questions_and_demonstrations_are_apart() -> None:
    """Questions are about names that no demonstration has; demonstrations hold right answers."""
    for task in TASKS:
        shown = demonstrations(task)
        assert len(shown) == in_context.N_SHOWN and {r["answer"] for r in shown} == set(
            options(task)
        )
        assert not any(f" {name} " in row["text"] for row in shown for name in HELD_OUT)
        asked_about = rows_of(task, "test", 2)
        assert len(asked_about) == 2 * len(options(task))
        assert not {row["text"] for row in asked_about} & {row["text"] for row in shown}
        assert not {r["text"] for r in asked_about} & {r["text"] for r in rows_of(task, "valid", 2)}


def test_each_ablation_changes_one_thing() -> None:
    """Shuffled: the same tales and the same answers, most of them wrong. Alone: no tales. Another
    form: the same rows, other words before the answer."""
    for task in TASKS:
        plain = demonstrations(task)
        shuffled, alone, form = (shots_of(task, 3, name).rows for name in ABLATIONS)
        assert [row["text"] for row in shuffled] == [row["text"] for row in plain]
        assert sorted(row["answer"] for row in shuffled) == sorted(row["answer"] for row in plain)
        same = sum(a == b for a, b in zip(shuffled, plain, strict=True))
        assert same < 0.25 * len(plain)
        assert {row["text"] for row in alone} == {""}
        assert [row["answer"] for row in alone] == [row["answer"] for row in plain]
        assert form == plain and "Answer" not in in_context.form_of("another form").prompt


def test_an_answer_counts_if_it_is_the_right_one_word_for_word(
    model: GPT, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that always says "Sad." is right for one mood of seven and fits all moods; an answer
    with a word too many is none."""

    def says(text: str):
        return lambda model, tokenizer, prompts, **more: [Written(text, 0) for _ in prompts]

    monkeypatch.setattr(asking.answers, "written", says(" Sad."))
    found = asked(model, tokenizer, 1, per_answer=1)
    n = [len(options(task)) for task in TASKS]
    assert [right for right, *_ in found[: n[0]]] == [0.0] * n[0]
    assert sum(right for right, *_ in found[n[0] :]) == 1
    assert [fits for _, fits, _ in found] == [0.0] * n[0] + [1.0] * n[1]
    assert {k for *_, k in found} == {1}
    monkeypatch.setattr(asking.answers, "written", says(" Sad. Very."))
    assert sum(right + fits for right, fits, _ in asked(model, tokenizer, 0, per_answer=1)) == 0


def test_all_answers_by_hand(model: GPT, tokenizer: Tokenizer) -> None:
    """One log-probability against log-softmax, token by token; sides of the list."""
    found = all_answers(model, tokenizer)
    assert [len(found), len(found[0]), len(found[0][0])] == [2, in_context.SHOWN, len(PROMPTS)]
    assert len(found[1][2][1]) == len(ALL_ANSWERS) == 15
    row = rows_of("place", "test", PER_ANSWER)[2]
    shots = Shots(demonstrations("mood"), 1)
    context = behind(shots, PAGE, row, 3, lambda one: True).item.context
    given, ids = (tokenizer.encode(context + more) for more in ("", ALL_ANSWERS[9]))
    with torch.no_grad():
        logp = model(torch.tensor([ids]))[0].log_softmax(-1)
    value = sum(logp[i - 1, ids[i]].item() for i in range(len(given), len(ids)))
    assert found[1][2][1][9] == pytest.approx(value, abs=0.01)


def test_a_run_has_all_that_a_record_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of one length each, what was read on the way, the same settings give the same."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    monkeypatch.setattr(in_context, "N_VALID", 300)
    monkeypatch.setattr(in_context, "LOOKS", 2)
    one, two = (paged(SETTINGS, 3) for _ in range(2))
    assert one == two
    names = [f"{what} {k}" for what in ("shots", "fits") for k in SHOTS] + list(ABLATIONS)
    assert {len(unpacked(one[name])) for name in names} == {15}
    assert one["items"] == one["shots 3"] and one["valid"] < 0
    assert [one[f"shown {k}"] for k in SHOTS[:2]] == [0, 1] and one["shown 3"] > 2
    assert [row[0] for row in one["course"]] == [512, 1024] == [one["tokens"] // 2, one["tokens"]]
    assert {len(row) for row in one["course"]} == {4}


def test_the_runs_of_a_task() -> None:
    """A hand-made record: the first 200 questions are about places, the other 175 about moods."""
    n = [PER_ANSWER * len(options(task)) for task in TASKS]
    items = [1.0] * n[0] + [0.0] * n[1]
    row = {
        "condition": "1m 1",
        "role": "reported",
        "seed": 0,
        "items": items,
        "shots 0": items[::-1],
    }
    found = Record({}, [row])
    assert [sum(runs_of_task(found, "1m 1", task).items[0]) for task in TASKS] == [n[0], 0]
    assert sum(runs_of_task(found, "1m 1", "mood", "shots 0").items[0]) == n[1]
    with pytest.raises(KeyError, match="condition='2m 1' has no reported run; there are 1m 1"):
        runs_of_task(found, "2m 1", "mood")

"""Demonstrations as a grid runs them: what is asked, how it is judged, and the supervised rival."""

import pytest
import torch

from gptcore import GPT
from gptcore.experiments import Record, demonstrations, pretraining
from gptcore.experiments.demonstrations import (
    PER_ANSWER,
    SHOWN,
    answers,
    counted_words,
    demonstrated,
    examination,
    runs_of_task,
)
from gptcore.tales.lines import options, prompt
from gptcore.tokenizer import Tokenizer

FOLDER = "data/checkpoints/tales-gpt1"
SETTINGS = {
    "shape": {"n_ctx": 128, "n_layer": 1, "n_head": 2, "d_model": 16, "norm": "pre"},
    "tokenizer": FOLDER,
    "corpus": {"n": 200, "share": 0.5},
    "updates": 6,
    "batch_size": 2,
    "lr": 1e-3,
    "per_answer": 1,
}


def test_an_answer_is_right_if_it_is_the_likeliest(model: GPT, tokenizer: Tokenizer) -> None:
    """Against log-softmax by hand, token by token, for one place and one mood."""
    found = answers(model, tokenizer, per_answer=1)
    assert len(found["right"]) == len(found["log_prob"]) == 15
    for task, at in (("place", 0), ("mood", 8)):
        told, known = examination(task, "test", 1, "many")[0], options(task)
        values = []
        for option in known:
            given = tokenizer.encode(prompt(told, task))
            ids = tokenizer.encode(f"{prompt(told, task)} {option}")
            with torch.no_grad():
                logp = model(torch.tensor([ids]))[0].log_softmax(-1)
            values.append(sum(logp[i - 1, ids[i]].item() for i in range(len(given), len(ids))))
        right = known.index(told.asked[task == "mood"].answer)
        assert found["right"][at] == float(max(values) == values[right])
        assert found["log_prob"][at] == pytest.approx(values[right], abs=1e-3)
        shown = found["options"][0 if task == "place" else min(SHOWN, 8)]
        assert shown == pytest.approx(values, abs=0.01)


def test_a_model_that_says_one_thing_is_at_chance(
    model: GPT, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer is right equally often, so a constant gets 1/8 and 1/7, exactly."""
    from gptcore.scoring.continuations import Likelihood

    def constant(model, tokenizer, pairs):
        return [Likelihood(-float(len(option)), 1, False, 0) for _, option in pairs]

    monkeypatch.setattr(demonstrations, "text_likelihoods", constant)
    found = answers(model, tokenizer, per_answer=2)["right"]
    assert sum(found[:16]) == 2 and sum(found[16:]) == 2


def test_a_run_has_all_that_a_record_needs(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of one length each, tokens counted; the same settings and seed give the same."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    monkeypatch.setattr(demonstrations, "N_VALID", 400)
    one, two = (demonstrated(SETTINGS, 3) for _ in range(2))
    assert one == two
    names = ("items", "written", "hint answer", "hint none", "one wording")
    assert [len(one[name]) for name in names] == [15] * 5
    assert one["tokens"] == 6 * 2 * 128 and len(one["options"]) == min(SHOWN, 8) + min(SHOWN, 7)
    assert 7 < one["loss"] < 8.3  # ln 2048 is 7.6


def test_the_supervised_rival_learns_from_right_answers_only() -> None:
    """Three hundred demonstrations: far above chance; shuffled ones: near it."""
    settings = {"corpus": {"n": 300, "share": 1.0}, "C": 10.0}
    right = counted_words(settings, 0)
    shuffled = counted_words(
        {**settings, "corpus": {**settings["corpus"], "answers": "shuffled"}}, 0
    )
    assert right["test"] > 0.6 and right["n_shown"] == 300
    assert shuffled["test"] < 0.3


def test_runs_of_a_task_are_its_questions() -> None:
    """The first 8 answers' questions are places, the rest moods; seeds in order."""
    n_place, n_mood = 8 * PER_ANSWER, 7 * PER_ANSWER
    rows = [
        {"condition": "a", "role": role, "seed": seed, "items": "1" * n_place + str(seed) * n_mood}
        for role, seed in (("reported", 1), ("reported", 0), ("candidate", 9))
    ]
    found = Record({}, rows)
    assert runs_of_task(found, "a", "place").items.shape == (2, n_place)
    assert runs_of_task(found, "a", "mood").items.mean(1).tolist() == [0.0, 1.0]
    with pytest.raises(KeyError, match="condition='b' has no reported run; there are a"):
        runs_of_task(found, "b", "mood")

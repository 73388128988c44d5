"""A cue in the labelled rows as a grid runs it: what is taught, what is judged."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gptcore import GPT
from gptcore.experiments import in_context, pretraining
from gptcore.experiments.records import unpacked
from gptcore.experiments.shifted import (
    answers_alone,
    counted,
    judged,
    shifted,
    taught,
)
from gptcore.scoring.shots import Shots
from gptcore.scoring.tasks import Row, Task
from gptcore.tales.cued import labelled, questions
from gptcore.tokenizer import Tokenizer

FOLDER = "data/checkpoints/tales-gpt1"
SETTINGS = {
    "shape": {"n_ctx": 256, "n_layer": 1, "n_head": 2, "d_model": 32, "norm": "pre"},
    "tokenizer": FOLDER,
    "corpus": {"n": 100, "share": 0.5},
    "updates": 2,
    "batch_size": 1,
    "lr": 1e-3,
    "rates": (1e-3, 1e-2),
    "epochs": 1,
    "per_answer": 1,
    "labelled": 3,
}
N = 4


def test_only_answers_are_learned(tokenizer: Tokenizer) -> None:
    """Every row once in an epoch, in another order the next time; a target for each token of the
    answer, at the place of the token before it, and none elsewhere."""
    rows = labelled(3)  # 21 rows in batches of 16
    batches = answers_alone(rows, tokenizer, 0)
    epochs = [[next(batches) for _ in range(2)] for _ in range(2)]
    found = [[], []]
    for told, epoch in zip(found, epochs, strict=True):
        for inputs, targets in epoch:
            assert inputs.shape == targets.shape and len(inputs) in (16, 5)
            for ids, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
                at = [i for i, one in enumerate(wanted) if one != -100]
                assert at == list(range(at[0], at[-1] + 1))
                text = tokenizer.decode(ids[: at[0] + 1]), tokenizer.decode([wanted[i] for i in at])
                assert ids[at[0] + 1 : at[-1] + 1] == wanted[at[0] : at[-1]]
                told.append(text)
    expected = sorted((f"{row['text']}\n\nAnswer:", f" {row['answer']}") for row in rows)
    assert sorted(found[0]) == sorted(found[1]) == expected and found[0] != found[1]


def test_a_copy_is_taught_and_prompts_change_nothing(model: GPT, tokenizer: Tokenizer) -> None:
    """Behind demonstrations no weight moves; a copy learns its rows, and the network stays. The
    copy always writes one mood here, so it is right for that mood, on both sides alike."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    judged(model, tokenizer, "prompted", 1, Shots(labelled(3), 2))
    sad = [{**row, "answer": "Sad."} for row in labelled(8)]
    learner = taught(model, tokenizer, sad, {"epochs": 12}, 1e-2, 0)
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    found = {name: unpacked(own) for name, own in judged(learner, tokenizer, "tuned", N).items()}
    right = [float(row["answer"] == "Sad.") for row in questions("test", "in", N)]
    assert found["tuned in"] == found["tuned out"] == right
    cued = [float(row["cue"] == "Sad.") for row in questions("test", "out", N)]
    assert found["tuned cue"] == cued and sum(cued) > 0


def test_a_run_has_all_that_a_record_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of one length each; the choice is the best rate; the same settings give the same; a
    network that reads nothing is not prompted."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    monkeypatch.setattr(in_context, "N_VALID", 10)
    one, two = (shifted(SETTINGS, 3) for _ in range(2))
    assert one == two
    whats = ("in", "out", "cue")
    names = [f"{how} {what}" for how in ("tuned 1", "tuned 0.9") for what in whats]
    prompted = [f"prompted {k} {what}" for k in (0, 3) for what in whats]
    assert {len(unpacked(one[name])) for name in [*names, *prompted]} == {7}
    assert one["items"] == one["tuned 1 out"] and one["tokens"] == 512
    assert {name: set(own) for name, own in one["choices"].items()} == dict.fromkeys(
        ("1", "0.9"), {"0.001", "0.01"}
    )
    assert one["valid"] == max(one["choices"]["1"].values()) < 0
    nothing = shifted({**SETTINGS, "updates": 0}, 3)
    assert set(one) - set(nothing) == set(prompted) and nothing["tokens"] == 0


@pytest.mark.parametrize("rates", [(0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (0.2, 0.1, 0.3)])
def test_the_chosen_copy_is_the_one_that_is_judged(
    rates: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order of the rates: the middle one answers best where it is chosen by, and
    what is reported are its copy's answers."""
    room, likely = "gptcore.experiments.shifted.", {0.1: -3.0, 0.2: -1.0, 0.3: -2.0}

    def told(learner: float, tokenizer: Tokenizer, task: Task, rows: list[Row]) -> SimpleNamespace:
        assert {row["text"] for row in rows} <= {r["text"] for r in questions("valid", "in", 1)}
        return SimpleNamespace(answers=[{"log_prob": likely[learner]}])

    monkeypatch.setattr(room + "taught", lambda model, tokenizer, rows, settings, lr, seed: lr)
    monkeypatch.setattr(room + "ask", told)
    monkeypatch.setattr(
        room + "judged", lambda learner, tokenizer, name, n: {f"{name} out": [learner]}
    )
    found = shifted({**SETTINGS, "updates": 0, "rates": rates}, 0)
    assert found["tuned 1 out"] == found["tuned 0.9 out"] == [0.2] and found["valid"] == -1


def test_counted_words_follow_the_cue() -> None:
    """Taught where the cue always holds, words are right in distribution; shifted, what is wrong
    is what the place goes with."""
    found = counted({"C": 10.0, "per_answer": N, "labelled": 20}, 0)
    inside, outside, cue = (unpacked(found[f"tuned 1 {what}"]) for what in ("in", "out", "cue"))
    assert sum(inside) > 0.9 * 7 * N and sum(outside) < 0.5 * 7 * N < sum(cue)
    assert not any(a and b for a, b in zip(outside, cue, strict=True))
    assert found["items"] == found["tuned 1 out"] != found["tuned 0.9 out"] and found["valid"] < 0

"""What a reward model learns of simulated labelers, as a grid measures it."""

from collections.abc import Iterator

import pytest
import torch

from gptcore import load, save
from gptcore.experiments import judging
from gptcore.experiments.judging import (
    compared,
    judge_of,
    judged,
    labeler,
    ranked_by,
    reads_request,
    shuffled,
    sided,
)
from gptcore.experiments.records import unpacked
from gptcore.labelled.dialogues import Comparison
from gptcore.tales.labelers import agreement

SETTINGS = {"policy": "tales-sft", "labels": 24, "lr": 1e-3, "epochs": 1.0, "batch_size": 8}


@pytest.fixture(autouse=True)
def small(tmp_path_factory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few requests, and a folder of the tests' own."""
    monkeypatch.setattr(judging, "JUDGES", tmp_path_factory.getbasetemp() / "judges")
    monkeypatch.setattr(judging, "N_JUDGED", 12)
    monkeypatch.setattr(judging, "N_CHOOSING", 8)
    compared.cache_clear()
    yield
    compared.cache_clear()


class Longest:
    """Likes what is long."""

    def score(self, prompts, responses):
        """The number of words."""
        return torch.tensor([float(len(text.split())) for text in responses])


def test_comparisons_have_replies_and_their_true_rewards_and_are_kept():
    """k replies to each request, from the file the second time."""
    rows = compared("tales-sft", 6, "test", 0, 3)
    assert [len(c.responses) for c in rows] == [3] * 6
    assert all(0 <= x <= 1 for c in rows for x in c.truth)
    (path,) = (judging.JUDGES / "replies").glob("tales-sft-*-6-test-0-3.json")
    path.write_text(path.read_text("utf-8").replace("girl", "boy"), "utf-8")
    compared.cache_clear()
    again = compared("tales-sft", 6, "test", 0, 3)
    assert any("boy" in text for c in again for text in c.responses)
    assert not any("girl" in text for c in again for text in c.responses)
    path.unlink()


def test_labelers_agree_as_often_as_asked_and_shuffled_ones_by_chance():
    """73 % of pairs; ranks drawn at random say nothing."""
    rows = tuple(
        Comparison(str(i), ("a b", "c d e", "f", "g h"), (0,) * 4, (0.1, 0.3, 0.6, 1.0))
        for i in range(600)
    )
    first, second = (labeler({"agree": 0.73}, rows, seed) for seed in (1, 2))
    said = [[list(c.ranks) for c in ranked_by(who, rows)] for who in (first, second)]
    assert 0.70 < agreement(*said) < 0.76
    drawn = [list(c.ranks) for c in shuffled(ranked_by(first, rows), 0)]
    assert 0.47 < agreement(said[1], drawn) < 0.53
    assert labeler({"agree": 1}, rows, 1).noise == 0


def test_a_judge_is_trained_once_and_another_one_for_other_settings():
    """The same scores from what is kept; a folder for each."""
    prompts, texts = ["A tale about a girl called Rosa, please."] * 2, ["One.", "Two three."]
    first, again = (judge_of(SETTINGS, 0).score(prompts, texts) for _ in range(2))
    assert first.tolist() == again.tolist()
    n = len([p for p in judging.JUDGES.iterdir() if (p / "config.json").is_file()])
    other = judge_of({**SETTINGS, "ranks": "shuffled"}, 0).score(prompts, texts)
    assert other.tolist() != first.tolist()
    assert len([p for p in judging.JUDGES.iterdir() if (p / "config.json").is_file()]) == n + 1


def test_other_weights_of_the_same_name_are_another_policy(tmp_path):
    """Neither its replies nor its judge are taken for those of the first."""
    model, tokenizer = load("tales-sft")
    folder = tmp_path / "mine"
    save(folder, model, tokenizer)
    settings = {**SETTINGS, "policy": str(folder), "labels": 8}
    first = judge_of(settings, 0)
    kept = {path.name for path in judging.JUDGES.iterdir()}
    with torch.no_grad():
        model.wte.weight.mul_(1.02)
    save(folder, model, tokenizer)
    compared.cache_clear()
    second = judge_of(settings, 0)
    assert len({path.name for path in judging.JUDGES.iterdir()} - kept) == 1
    assert len(list((judging.JUDGES / "replies").glob("mine-*-8-train-0-4.json"))) == 2
    prompts, texts = ["A tale about a girl called Rosa, please."], ["One."]
    assert first.score(prompts, texts).tolist() != second.score(prompts, texts).tolist()


def test_pairs_count_by_truth_and_equal_ones_do_not():
    """Who likes length is right where the longer reply is better."""
    rows = [
        Comparison("a", ("one two", "one"), (0, 0), (1.0, 0.5)),
        Comparison("b", ("one two", "one"), (0, 0), (0.2, 0.5)),
        Comparison("c", ("one two", "one"), (0, 0), (0.5, 0.5)),
    ]
    assert sided(Longest(), rows) == [1.0, 0.0]
    assert sided(Longest(), rows[2:]) == []


class Asked:
    """Reads the request: counts its words in the response."""

    def score(self, prompts, responses):
        """How many."""
        pairs = zip(prompts, responses, strict=True)
        return torch.tensor([float(len(set(p.split()) & set(r.split()))) for p, r in pairs])


def test_who_reads_the_request_is_told_from_who_does_not():
    """Words in common tell a demonstration from another one; a constant is right in half."""
    n = 2 * judging.N_JUDGED
    assert sum(reads_request(Asked())) >= 0.75 * n
    assert 0.2 < sum(reads_request(Longest())) / n < 0.8
    monotone = type("Same", (), {"score": lambda self, p, r: torch.zeros(len(p))})()
    assert reads_request(monotone) == [0.5] * n


def test_what_a_run_of_the_grid_gives():
    """Right or wrong for each pair; the score is their share."""
    found = judged(SETTINGS, 0)
    right = unpacked(found["items"])
    assert set(right) <= {0.0, 1.0} and found["test"] == pytest.approx(
        sum(right) / len(right), abs=1e-4
    )
    assert -1 <= found["length"] <= 1 and 0 <= found["ece"] <= 0.5
    assert found["test_set"] == "pairs of replies to 12 requests"

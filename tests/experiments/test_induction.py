"""Names that come again: the score of a head by hand, a network that copies, one that cannot."""

from pathlib import Path

import pytest
import torch

from gptcore import GPT
from gptcore.experiments import induction, pretraining
from gptcore.experiments.induction import (
    KINDS,
    N_KEYS,
    ROUNDS,
    comes_again,
    from_lists,
    reading_names,
    silenced,
    told_apart,
)
from gptcore.scoring.continuations import Likelihood
from gptcore.tales.invented import Named, named
from gptcore.tokenizer import Tokenizer

FOLDER = "data/checkpoints/tales-gpt1"
SHAPE = {"n_ctx": 128, "n_layer": 2, "n_head": 2, "d_model": 16, "norm": "pre"}
SETTINGS = {
    "shape": SHAPE,
    "tokenizer": FOLDER,
    "corpus": {"n": 300, "share": 1.0},
    "updates": 4,
    "batch_size": 2,
    "lr": 1e-3,
    "n": 10,
    "looks": 2,
}


def copier(tokenizer: Tokenizer, table: dict[str, float]):
    """Stands for `text_likelihoods`: an option's likelihood is a rule of the text before it."""

    def likelihoods(model, tokenizer, pairs):
        return [Likelihood(table["says"](before, option), 1, False, 0) for before, option in pairs]

    return likelihoods


def test_who_copies_is_always_right_and_who_does_not_at_chance(
    model: GPT, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that likes words that the text has; one that likes the shortest, then the first."""
    tales = named("invented", 40)
    copies = {"says": lambda before, option: float(option.strip() in before)}
    monkeypatch.setattr(induction, "text_likelihoods", copier(tokenizer, copies))
    assert comes_again(model, tokenizer, tales) == [1.0] * 40
    assert from_lists(model, tokenizer, 1) == [0.0] * induction.N_LISTS  # it has all four
    prefers = {"says": lambda before, option: -float(sum(map(ord, option)) % 97)}
    monkeypatch.setattr(induction, "text_likelihoods", copier(tokenizer, prefers))
    right = sum(comes_again(model, tokenizer, named("invented", 400)))
    assert 30 < right < 70  # of 400, one in eight is 50

    def knows(before: str, option: str) -> float:
        name = before.rsplit(" ", 1)[1]
        return float(f" {name}{option};" in before)

    monkeypatch.setattr(induction, "text_likelihoods", copier(tokenizer, {"says": knows}))
    for rounds in ROUNDS:
        assert from_lists(model, tokenizer, rounds) == [1.0] * induction.N_LISTS


def test_eight_names_are_needed(model: GPT, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="tales have 3 names: at least 8"):
        comes_again(model, tokenizer, named("invented", 3))


def test_the_question_stops_where_the_name_comes_again(
    model: GPT, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: everything up to the second time, and the name itself among eight."""
    seen = []

    def keep(model, tokenizer, pairs):
        seen.extend(pairs)
        return [Likelihood(0.0, 1, False, 0)] * len(pairs)

    monkeypatch.setattr(induction, "text_likelihoods", keep)
    tales = [Named(f"There was {n}. {n} slept.", n) for n in map("Nam{}".format, "abcdefgh")]
    comes_again(model, tokenizer, tales)
    assert seen[0] == ("There was Nama.", " Nama") and seen[1] == ("There was Nama.", " Namb")
    assert len(seen) == 64 and seen[8] == ("There was Namb.", " Namb")


def test_scores_by_hand(model: GPT, tokenizer: Tokenizer) -> None:
    """One tale: attention from each piece where the name comes again to what followed the first
    time, and to the token before, read off the trace; the loss of its pieces."""
    told = named("invented", 1)[0]
    ids, own = tokenizer.encode(told.text), tokenizer.encode(f" {told.name}")
    places = [at for at in range(len(ids)) if ids[at : at + len(own)] == own]
    assert len(places) >= 2 and len(own) >= 2
    with torch.no_grad():
        traced = model.trace(torch.tensor([ids]))
    logp = traced.logits[0].log_softmax(-1)
    found = induction.induction(model, tokenizer, [told])
    n = len(own) - 1
    for layer, weights in enumerate(traced.attentions):
        for head in range(2):
            w = weights[0, head]
            score = sum(w[places[1] + j, places[0] + j + 1].item() for j in range(n)) / n
            assert found.scores[layer, head].item() == pytest.approx(score, abs=1e-5)
            before = sum(w[places[1] + j + 1, places[1] + j].item() for j in range(n)) / n
            assert found.previous[layer, head].item() == pytest.approx(before, abs=1e-5)
    again = sum(-logp[places[1] + j, own[j + 1]].item() for j in range(n)) / n
    assert found.again == pytest.approx(again, abs=1e-4)
    first = sum(-logp[places[0] + j, own[j + 1]].item() for j in range(n)) / n
    assert found.first == pytest.approx(first, abs=1e-4)


def test_a_name_of_one_token_tells_nothing(model: GPT, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="no name of two tokens"):
        induction.induction(model, tokenizer, [Named("the boy saw the boy", "boy")])


def test_a_silenced_head_writes_nothing_and_comes_back(model: GPT, tokenizer: Tokenizer) -> None:
    """As if its columns of the output matrix were zero; afterwards all is as before."""
    ids = torch.tensor([tokenizer.encode("There was once a boy called Mogbut.")])
    with torch.no_grad():
        whole = model(ids)
        with silenced(model, [(1, 0)]):
            without = model(ids)
        weight = model.h[1].attn.c_proj.weight
        kept = weight.clone()
        size = 16 // 2
        # the side that meets the heads, whichever way round the matrix is kept
        probe = torch.zeros(16)
        probe[:size] = 1
        weight[:, :size] = 0
        by_columns = model(ids)
        weight.copy_(kept)
        weight[:size] = 0
        by_rows = model(ids)
        weight.copy_(kept)
        assert torch.equal(model(ids), whole)
    assert not torch.allclose(without, whole, atol=1e-4)
    near = [torch.allclose(without, other, atol=1e-5) for other in (by_columns, by_rows)]
    assert sum(near) == 1
    for at in ((2, 0), (0, 2), (-1, 0)):
        with pytest.raises(ValueError, match="there are 2 layers of 2 heads"):
            with silenced(model, [(0, 0), at]):
                pass
    with torch.no_grad():
        assert torch.equal(model(ids), whole)  # also after a mistake
        with silenced(model, [(1, 0), (1, 1)]):
            both = model(ids)
        with silenced(model, [(1, 1)]), silenced(model, [(1, 0)]):
            assert torch.allclose(model(ids), both, atol=1e-6)
    assert not torch.allclose(both, without, atol=1e-4)


def test_induction_heads_and_as_many_others() -> None:
    """By hand: two heads reach the score; the others come from their layers first, lowest first."""
    scores = torch.tensor([[0.0, 0.05, 0.01], [0.4, 0.2, 0.1], [0.02, 0.9, 0.28]])
    assert told_apart(scores) == ([(2, 1), (1, 0)], [(2, 0), (1, 2)])
    assert told_apart(scores / 10) == ([], [])


def test_a_run_has_all_that_a_record_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list has its length, and the same settings give the same."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    monkeypatch.setattr(induction, "N_VALID", 900)
    monkeypatch.setattr(induction, "N_LISTS", 3)
    one, two = (reading_names(SETTINGS, 3) for _ in range(2))
    assert one == two
    assert {len(one["items" if kind == "invented" else kind]) for kind in KINDS} == {10}
    for name in ("heads", "previous", "without"):
        assert [len(row) for row in one[name]] == [2, 2]
    assert [row[0] for row in one["course"]] == [512, 1024] and one["tokens"] == 1024
    assert {len(one["lists"][str(rounds)]) for rounds in ROUNDS} == {3} and N_KEYS == 4
    assert len(one["no induction"]) == len(one["no others"]) == 10
    assert len(one["induction heads"]) == len(one["others heads"])
    shown = one["map"]
    assert len(shown["tokens"]) == len(shown["weights"]) == len(shown["weights"][-1])
    assert 0.95 < sum(shown["weights"][-1]) < 1.05  # each of them is rounded
    assert one["valid"] < 0 < one["first"]


def test_heads_are_told_apart_by_other_tales_than_they_are_judged_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `_silencing` gets: the tales of the test, and scores of those to choose by."""
    monkeypatch.setattr(pretraining, "STREAMS", tmp_path)
    monkeypatch.setattr(induction, "N_VALID", 900)
    monkeypatch.setattr(induction, "N_LISTS", 3)
    scored, seen = {}, []
    real = induction.induction

    def noting(model, tokenizer, tales):
        found = real(model, tokenizer, tales)
        scored[id(found.scores)] = (found.scores, tuple(tales))
        return found

    def silencing(model, tokenizer, tales, scores):
        seen.append((tuple(tales), scored[id(scores)][1]))
        return {}

    monkeypatch.setattr(induction, "induction", noting)
    monkeypatch.setattr(induction, "_silencing", silencing)
    reading_names(SETTINGS, 3)
    (judged, chosen), n = seen[0], SETTINGS["n"]
    assert judged == tuple(named("invented", n))
    assert chosen == tuple(named("invented", n, part="valid")) and not set(judged) & set(chosen)

"""Runs of the bench on a small network: they stop by their own validation score, and can fail."""

import pytest
import torch

from gptcore import GPT, GPTConfig, Tokenizer, save
from gptcore.experiments import baselines, tuning
from gptcore.experiments.tuning import Patience, fine_tuned
from gptcore.labelled import Labelled

WORDS = ("sun", "hail", "rain", "wind")


def made_up(n: int, start: int, shuffle: bool = False) -> tuple[dict, ...]:
    """Texts whose one telling word decides the label, or labels that nothing decides."""
    draw = torch.Generator().manual_seed(start)
    rows = []
    for i in range(start, start + n):
        label = int(torch.randint(2, (1,), generator=draw)) if shuffle else i % 2
        word = WORDS[i % 2] if shuffle else WORDS[label]
        rows.append({"text": f"day {i} brought {word} to town", "label": label})
    return tuple(rows)


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict:
    """A body of two narrow layers in a folder, and a task of two classes."""
    tokenizer = Tokenizer.train([row["text"] for row in made_up(40, 0)], 270)
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, n_ctx=32, n_layer=2, n_head=2,
                          d_model=32))  # fmt: skip
    save(tmp_path / "body", model, tokenizer)
    data = Labelled("made up", "classification", ("good", "bad"), made_up(64, 0),
                    made_up(32, 100), made_up(32, 200))  # fmt: skip
    monkeypatch.setattr(tuning, "data_of", lambda settings: data)
    monkeypatch.setattr(baselines, "data_of", lambda settings: data)
    monkeypatch.setattr(tuning, "RECIPE", tuning.RECIPE.__class__(
        lr=3e-3, warmup=0.05, batch_size=8, dropout=0.0, precision="fp32"))  # fmt: skip
    return {"task": "made up", "n": 64, "n_valid": 32, "n_test": 32, "body": str(tmp_path / "body")}


def test_patience_by_hand() -> None:
    """Ends `patience` epochs after the best, never before `least`, always at `most`."""
    when = Patience(least=3, patience=2, most=6)
    assert not when.over([0.5, 0.4])
    assert not Patience(least=4, patience=2, most=6).over([0.5, 0.4, 0.4])  # at chance for a while
    assert when.over([0.5, 0.4, 0.4]) and not when.over([0.5, 0.4, 0.6])
    assert not when.over([0.5, 0.4, 0.6, 0.5]) and when.over([0.5, 0.4, 0.6, 0.5, 0.6])
    assert when.over([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    for wrong in ({"least": 9, "most": 4}, {"patience": 0}, {"least": 0}):
        with pytest.raises(ValueError, match="least must be in 1 to most"):
            Patience(**wrong)


def test_a_run_keeps_its_best_epoch_and_reports_on_the_test_part(settings) -> None:
    """A stage: the word is learned, the curve has one score an epoch, answers match the score."""
    found = fine_tuned({**settings, "least": 12, "patience": 2, "most": 40}, seed=0)
    assert found["valid"] == max(found["curve"]) == found["curve"][found["best_epoch"] - 1]
    assert len(found["curve"]) == found["epochs"] <= 40
    assert found["test"] > 0.9 and len(found["items"]) == 32
    assert found["items"].count("1") / 32 == pytest.approx(found["test"], abs=1e-3)
    assert found["tokens"] > 0 and found["labels"] is None


def test_with_labels_of_chance_nothing_is_found(settings, monkeypatch) -> None:
    """The effect removed: the same run over labels that nothing decides stays near a half."""
    data = Labelled("chance", "classification", ("good", "bad"), made_up(64, 0, True),
                    made_up(64, 100, True), made_up(64, 200, True))  # fmt: skip
    monkeypatch.setattr(tuning, "data_of", lambda settings: data)
    found = fine_tuned({**settings, "least": 2, "patience": 1, "most": 4}, seed=0)
    assert 0.25 < found["test"] < 0.75


def test_what_a_run_changes_reaches_the_recipe(settings, monkeypatch) -> None:
    """Each setting that a grid may vary is the recipe's; what none varies is as it was."""
    seen = {}

    class Stop(Exception):
        pass

    def tuned(network, tokenizer, data, recipe):
        seen["recipe"] = recipe
        raise Stop

    monkeypatch.setattr(tuning, "Tuning", tuned)
    changed = {"lr": 7e-3, "aux": 0.0, "n_blocks": 1, "place": "mean"}
    with pytest.raises(Stop):
        fine_tuned({**settings, **changed, "most": 9}, seed=4)
    assert {name: getattr(seen["recipe"], name) for name in changed} == changed
    assert (seen["recipe"].epochs, seen["recipe"].seed, seen["recipe"].scratch) == (9, 4, False)


def test_baselines_find_the_word_and_the_majority_does_not(settings) -> None:
    """Counting words and a probe of a frozen network find what decides; the majority cannot."""
    assert baselines.words({**settings, "C": 1.0}, 0)["test"] == 1.0
    assert baselines.probe({**settings, "C": 1.0, "place": "mean"}, 0)["test"] > 0.9
    assert baselines.majority(settings, 0)["test"] == pytest.approx(0.5, abs=0.01)


def test_a_probe_leaves_the_network_as_it_is(settings) -> None:
    """States of the frozen body are those of a plain forward pass, and no weight moves."""
    from gptcore import load
    from gptcore.heads.classifier import Classifier, HeadConfig
    from gptcore.text.inputs import encode, with_marks

    network, plain = load(settings["body"])
    tokenizer, marks = with_marks(plain)
    from gptcore.heads.classifier import body

    grown = body(network, tokenizer.vocab_size, dropout=0.0)
    before = {name: t.clone() for name, t in grown.state_dict().items()}
    reader = Classifier(grown, HeadConfig("classification", 2, dropout=0.0))
    examples = encode(made_up(5, 0), "classification", tokenizer, marks, 32)
    states = reader.states(examples, batch_size=2)
    for example, state in zip(examples, states, strict=True):
        alone = grown.eval().hidden(torch.tensor([example.rows[0]]))[0, -1]
        assert torch.allclose(alone, state, atol=1e-5)
    assert all(torch.equal(t, before[name]) for name, t in grown.state_dict().items())


PAIRS = [
    {"text": "the red fox ran", "choices": ["a fox ran far", "one ship sank"], "label": 0},
    {"text": "the old ship sank", "choices": ["a fox ran far", "one ship sank"], "label": 1},
] * 10


@pytest.mark.parametrize("how", ["pair", "shared"])
def test_words_that_an_ending_shares_choose_it(settings, monkeypatch, how: str) -> None:
    """With what story and ending share, the right one of two is found every time."""
    rows = tuple(PAIRS)
    data = Labelled("endings", "choice", (), rows, rows, rows)
    monkeypatch.setattr(baselines, "data_of", lambda settings: data)
    found = baselines.words({**settings, "features": how, "C": 1.0}, 0)
    assert found["test"] == 1.0


def test_scores_are_answered_by_shared_words(settings, monkeypatch) -> None:
    """Similarity: ridge regression on the shared words gives the correlation's sign and size."""
    rows = tuple(
        {"text": "one two three four", "text_b": " ".join(words), "label": float(n)}
        for n, words in enumerate((["x"], ["one", "x"], ["one", "two"], ["one", "two", "three"]))
    )
    data = Labelled("alike", "similarity", (), rows, rows, rows)
    monkeypatch.setattr(baselines, "data_of", lambda settings: data)
    found = baselines.words({**settings, "features": "shared", "C": 1.0}, 0)
    assert found["test"] > 0.9 and found["labels"] == [0.0, 1.0, 2.0, 3.0]


def test_the_reported_score_is_that_of_the_best_epoch(settings, monkeypatch) -> None:
    """Weights handed back as the best are those that answer the test part: with a head of zeros in
    them every text gets the same answer, however good the last epoch was."""
    train = tuning._until_it_stops_rising

    def with_empty_head(*arguments):
        curve, best, tokens = train(*arguments)
        return curve, {**best, "score.weight": torch.zeros_like(best["score.weight"])}, tokens

    monkeypatch.setattr(tuning, "_until_it_stops_rising", with_empty_head)
    found = fine_tuned({**settings, "least": 12, "patience": 2, "most": 40}, seed=0)
    assert found["valid"] > 0.9 and found["test"] == pytest.approx(0.5, abs=0.01)

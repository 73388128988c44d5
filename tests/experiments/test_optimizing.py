"""A policy and a learned reward, the true one watched, as a grid measures it."""

from collections.abc import Iterator

import pytest
import torch

from gptcore import load
from gptcore.experiments import judging, optimizing
from gptcore.experiments.obeying import replies
from gptcore.experiments.optimizing import chosen_of, distance, optimized
from gptcore.experiments.records import unpacked
from gptcore.sampling.best_of import best_of_kl

JUDGE = {"policy": "tales-sft", "labels": 16, "lr": 1e-3, "epochs": 1.0, "batch_size": 8}
PPO = {"beta": 0.05, "steps": 2, "batch_size": 4, "minibatches": 2, "max_new_tokens": 40}
SETTINGS = {"policy": "tales-sft", "judge": JUDGE, "lr": 1e-3, "looks": (0, 1, 2), "ppo": PPO}


@pytest.fixture(autouse=True)
def small(tmp_path_factory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few requests, and a folder of the tests' own."""
    monkeypatch.setattr(judging, "JUDGES", tmp_path_factory.getbasetemp() / "judges")
    monkeypatch.setattr(judging, "N_CHOOSING", 8)
    for name, n in {"N_ASKED": 6, "N_VALID": 4, "N_OTHERS": 6, "N_PROMPTS": 12}.items():
        monkeypatch.setattr(optimizing, name, n)
    monkeypatch.setattr(optimizing, "NS", (1, 2, 4))
    judging.compared.cache_clear()
    yield
    judging.compared.cache_clear()


def test_a_run_is_looked_at_from_its_beginning_on():
    """Both rewards at each look, whose mean the course has; nothing is far at first."""
    found = optimized(SETTINGS, 0)
    assert [one["step"] for one in found["course"]] == [0, 1, 2]
    for one in found["course"]:
        true = unpacked(found[f"true {one['step']}"])
        assert len(true) == 6 and one["true"] == pytest.approx(sum(true) / 6, abs=1e-3)
        assert len(one["replies"]) == optimizing.SHOWN
    assert found["course"][0]["kl"] == pytest.approx(0, abs=1e-3)
    assert found["items"] == found["true 2"]
    assert len(found["others"]) == len(found["text"]) == 2 and found["text"][0] > 0


def test_text_is_read_where_it_has_a_weight(monkeypatch: pytest.MonkeyPatch):
    """γ above 0 reads pre-training text beside its own replies; 0 reads none."""
    read = []
    whole = optimizing._text
    monkeypatch.setattr(optimizing, "N_TEXTS", 60)
    monkeypatch.setattr(optimizing, "_text", lambda *given: read.append(1) or whole(*given))
    optimized({**SETTINGS, "looks": (0,)}, 0)
    assert read == []
    optimized({**SETTINGS, "looks": (0,), "ppo": {**PPO, "ptx": 1.0}}, 0)
    assert read == [1]


def test_demonstrations_are_mixed_in_where_they_are_asked_for():
    """All kinds of request with their replies, in place of tales."""
    _, tokenizer = load("tales-sft")
    text = optimizing._text(tokenizer, "demonstrations", 0).stream.tokens
    first = optimizing.wanted(1, "train", optimizing.DEMONSTRATED)[0]
    begins = tokenizer.encode(f"{first.text}\n\n{first.demonstration}")
    assert text[: len(begins)].tolist() == begins
    assert text[len(begins)] == tokenizer.eot


def test_a_group_has_no_value_function():
    """GRPO on the same reward: what is followed is told, the error of values is 0."""
    ppo = {**PPO, "advantage": "group", "batch_size": 2, "n_samples": 2}
    found = optimized({**SETTINGS, "ppo": ppo}, 0)
    followed = dict(zip(optimizing.FOLLOWED, found["steps"][0], strict=True))
    assert followed["value_error"] == 0 and len(found["course"]) == 3


def test_dpo_learns_from_the_rankings_of_a_judge(monkeypatch):
    """At first where the policy is; then it has moved, and other kinds of request are asked."""
    seen, made = [], optimizing.Dpo
    monkeypatch.setattr(
        optimizing, "Dpo", lambda *given, **how: seen.append(given[2]) or made(*given, **how)
    )
    own = {"lr": 3e-3, "epochs": 1.0, "batch_size": 8, "beta": 0.1, "looks": (0, 1, 2)}
    settings = {"policy": "tales-sft", "judge": JUDGE, **own}
    found = optimizing.preferred(settings, 0)
    assert [one["step"] for one in found["course"]] == [0, 1, 2]
    assert found["course"][0]["kl"] == pytest.approx(0, abs=1e-3)
    assert found["course"][2]["kl"] > 1e-2
    assert seen[0].train == judging.rankings(JUDGE, 0).train and len(seen[0].train) == 16
    assert found["items"] == found["true 2"] and len(found["others"]) == 2
    basic = optimized({**SETTINGS, "looks": (0,)}, 0)
    assert basic["true 0"] == found["true 0"]  # the same first look at the same policy


def test_a_second_round_shows_labelers_what_the_first_policy_wrote(monkeypatch):
    """The first policy is the recorded run, stopped; its replies are half of the second half."""
    seen, told = [], judging.Told
    monkeypatch.setattr(judging, "Told", lambda *given: seen.append(given[1]) or told(*given))
    again = {"after": 1, "shown": True}
    found = {
        shown: optimized({**SETTINGS, "again": {**again, "shown": shown}}, 5)
        for shown in (False, True)
    }
    assert {"0", "1"} >= set(found[True]["both"]) and found[True]["both"] != ""
    assert "both" not in optimized(SETTINGS, 5)
    half, plain, shown = seen  # of the first round, and of both conditions
    assert len(half) == 8 and len(plain) == len(shown) == 16
    assert [c.responses for c in plain[:8]] == [c.responses for c in shown[:8]]
    assert [c.prompt for c in plain] == [c.prompt for c in shown]
    for one, other in zip(plain[8:], shown[8:], strict=True):
        assert one.responses[:2] == other.responses[:2]
        assert one.responses[2:] != other.responses[2:]
        assert one.truth[:2] == other.truth[:2]


def test_the_policy_of_a_first_round_is_the_run_stopped_on_its_way():
    """After two iterations as far from the beginning as the run itself is."""
    _, tokenizer = load("tales-sft")
    run = optimized({**SETTINGS, "judge": {**JUDGE, "labels": 8}}, 0)
    settings = {**SETTINGS, "again": {"after": 2, "shown": False}}
    stopped, _ = load(optimizing._earlier(settings, 0))
    prompts = [r.text for r in optimizing.wanted(6, "test", 0, ("tell",))]
    rows, texts = replies(stopped, tokenizer, prompts, (0, 2, 3))
    assert [text for text, *_ in run["course"][-1]["replies"]] == texts[: optimizing.SHOWN]


def test_distance_is_that_of_the_replies():
    """0 from itself; of another network what its log-probabilities say."""
    policy, tokenizer = load("tales-sft")
    first, _ = load("tales-brief")
    rows, texts = replies(policy, tokenizer, ["A tale about a boy called Tom."] * 3, 0, 24)
    assert distance(rows, policy, tokenizer) == pytest.approx(0, abs=1e-3)
    total = 0.0
    start = len(tokenizer.encode("A tale about a boy called Tom.\n\n"))
    for row, n in zip(rows.ids.tolist(), rows.lengths.tolist(), strict=True):
        ids = torch.tensor([row[: start + n]])
        for model, sign in ((policy, 1), (first, -1)):
            logits = model(ids)[0, start - 1 : -1, : tokenizer.vocab_size]
            own = torch.log_softmax(logits, -1).gather(1, ids[0, start:, None])
            total += sign * own.sum().item()
    assert distance(rows, first, tokenizer) == pytest.approx(total / 3, abs=1e-2)


def test_best_of_n_is_no_worse_to_the_judge_with_more_to_choose_from():
    """The learned reward grows with n; the distance is the known one."""
    found = chosen_of({"policy": "tales-sft", "judge": JUDGE, "n": 4}, 0)
    learned = [one["learned"] for one in found["course"]]
    assert learned == sorted(learned) and learned[0] < learned[-1]
    assert [one["n"] for one in found["course"]] == [1, 2, 4]
    assert found["course"][2]["kl"] == pytest.approx(best_of_kl(4), abs=1e-4)
    assert all(one["oracle"] >= one["true"] - 1e-9 for one in found["course"])

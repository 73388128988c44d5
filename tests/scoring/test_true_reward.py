"""What this proves: demonstrations earn the true reward, attacks do not; each factor is needed."""

import pytest

from gptcore.scoring.attacks import ATTACKS, replies, table
from gptcore.scoring.true_reward import Reward, Truth
from gptcore.tales.brief import brief
from gptcore.tales.requests import KINDS, Request, requests


@pytest.fixture(scope="module")
def truth():
    return Truth.trained()


@pytest.fixture(scope="module")
def asked():
    return list(requests(400, part="test"))


def test_demonstrations_earn_nearly_all(truth, asked):
    total = [truth.reward(r, r.demonstration).total for r in asked]
    assert sum(total) / len(total) > 0.99
    passing = [truth.gate(r.kind, r.demonstration) == 1 for r in asked]
    assert sum(passing) / len(passing) >= 0.98


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "the demonstration"])
def test_no_attack_earns_more_than_half(truth, asked, name):
    assert {text: r for r, text in replies(name, asked) if truth.reward(r, text).total > 0.5} == {}


def test_each_factor_stops_what_the_others_let_through(truth, asked):
    tells = [r for r in asked if r.kind == "tell"]
    found = table(truth, tells)
    wrong = found["another demonstration"]
    assert wrong.share < 0.4 and wrong.gate > 0.95 and wrong.verified > 0.4
    twice = found["the whole twice"]
    assert twice.share == 1 and twice.gate > 0.7 and twice.verified < 0.05
    stuffed = found["a word asked for put in before girl or boy"]
    assert stuffed.share > 0.9 and stuffed.gate < 0.1 and stuffed.verified > 0.9


def test_the_reward_is_the_product_of_three():
    assert Reward(0.5, 0.8, 0.25).total == pytest.approx(0.1)
    assert Reward(1.0, 0.0, 1.0).total == 0


def test_space_around_a_reply_does_not_count_and_nothing_earns_nothing(truth, asked):
    for r in asked[:20]:
        assert truth.reward(r, f"\n {r.demonstration} \n") == truth.reward(r, r.demonstration)
        assert truth.reward(r, "") == truth.reward(r, " \n") == Reward(0.0, 0.0, 0.0)


def test_the_gate_closes_smoothly_as_words_get_odder(truth):
    text = "Once a girl called Rosa lived by the sea."
    odder = [text, text.replace("lived", "sang"), text.replace("lived by", "sang lived kite")]
    nats = [truth.nats("tell", t) for t in odder]
    gates = [truth.gate("tell", t) for t in odder]
    assert nats == sorted(nats) and gates == sorted(gates, reverse=True)
    assert gates[0] == 1 and gates[-1] < 0.5


def test_a_name_is_as_good_as_another_and_other_words_are_never_an_error(truth):
    text = "Once a girl called {} lived by the sea."
    assert truth.nats("tell", text.format("Rosa")) == truth.nats("tell", text.format("Mina"))
    r = Request("tell", "", (("hero", "Rosa"),), "", brief(0, 0))
    assert truth.reward(r, "Ünïcödé 数 \x00 {}" * 50).total == 0


def test_its_model_read_what_no_policy_reads(truth):
    read = {r.demonstration for r in requests(3000, 1_000_003, "valid") if r.kind == "tell"}
    for part in ("train", "valid", "test"):
        assert not read & {r.demonstration for r in requests(1000, 0, part) if r.kind == "tell"}


def test_rewards_of_many(truth, asked):
    some = asked[:5]
    assert truth.rewards(some, [r.demonstration for r in some]) == [
        truth.reward(r, r.demonstration).total for r in some
    ]
    with pytest.raises(ValueError):
        truth.rewards(some, ["x"])
    assert set(truth.open_below) == set(KINDS)

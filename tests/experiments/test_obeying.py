"""How a grid teaches a network to do what it is asked, and asks it."""

import pytest

from gptcore import load
from gptcore.experiments import obeying
from gptcore.experiments.obeying import (
    by_kind,
    fulfilled,
    lesson,
    prompted,
    replies,
    taught,
    wanted,
)
from gptcore.experiments.records import unpacked
from gptcore.tales.requests import KINDS

BRIEF = "tales-brief"


def test_requests_are_of_the_kinds_asked_for_and_parts_share_none():
    """As many as asked for, in their order; those of another part or start are others."""
    mixed, tell = wanted(40), wanted(20, kinds=("tell",))
    assert len(mixed) == 40 and {r.kind for r in mixed} == set(KINDS)
    assert tell == tuple(r for r in wanted(60) if r.kind == "tell")[:20]
    others = {r.text for r in wanted(40, "train", 200_000)} | {r.text for r in wanted(40, "valid")}
    assert not others & {r.text for r in mixed}


def test_a_demonstration_fulfils_its_request():
    """The reward of each demonstration is 1, by kind as on the whole."""
    requested = wanted(60)
    rewards = fulfilled(requested, [r.demonstration for r in requested])
    assert sum(x.total > 0.99 for x in rewards) >= 58
    assert set(by_kind(requested, rewards)) == {r.kind for r in requested}
    assert min(by_kind(requested, rewards).values()) > 0.95


def test_a_prompted_network_is_asked_in_the_form_that_it_knows():
    """A tale begins with its hero; a question about a tale is answered, a line long."""
    model, tokenizer = load(BRIEF)
    requested = wanted(60)
    texts = prompted(model, tokenizer, requested, (0, 1))
    for r, text in zip(requested, texts, strict=True):
        assert "\n" not in text and "Question" not in text
        if r.about.text not in r.text:
            assert text.startswith(f"Once a {r.about.hero.kid} called {r.about.hero.name}")
    kinds = by_kind(requested, fulfilled(requested, texts))
    bare = replies(model, tokenizer, [r.text for r in requested], (0, 1))[1]
    assert kinds["answer"] > 0.5 > 0.2 > by_kind(requested, fulfilled(requested, bare))["answer"]


def test_replies_are_a_function_of_the_seed():
    """The same again; others with another seed."""
    model, tokenizer = load(BRIEF)
    prompts = [r.text for r in wanted(3)]
    first, again, other = (
        replies(model, tokenizer, prompts, (seed, 1), 16)[1] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_what_a_run_of_the_grid_gives():
    """Every request has a reward, their mean is the score; factors multiply to it."""
    settings = {"model": BRIEF, "n": 64, "lr": 3e-3, "epochs": 1.0, "batch_size": 16, "asked": 24}
    found = taught(settings, 0)
    items = unpacked(found["items"])
    factors = [unpacked(found[name]) for name in ("share", "gate", "verified")]
    assert len(items) == 24 and found["test"] == pytest.approx(sum(items) / 24, abs=1e-4)
    for x, (a, b, c) in zip(items, zip(*factors, strict=True), strict=True):
        assert x == pytest.approx(a * b * c, abs=1e-3)
    assert found["test_set"] == "24 requests of four kinds"
    assert found["loss"] < 2 and len(found["texts"]) == obeying.KEPT_TEXTS
    assert taught(settings, 0) == found


@pytest.mark.parametrize("mask", [True, False])
def test_replies_are_scored_and_requests_if_asked_for(mask: bool):
    """With `mask_prompt` every token of a reply and its end; without, those of requests, too."""
    model, tokenizer = load(BRIEF)
    how = {"n": 16, "lr": 1e-3, "epochs": 1.0, "batch_size": 16, "mask_prompt": mask}
    rows = lesson(model, tokenizer, how, 0).train.rows
    scored = sum(target >= 0 for row in rows for target in row.targets)
    requested = wanted(16, "train", 200_000)
    own = sum(len(tokenizer.encode(r.demonstration)) + 1 for r in requested)
    read = sum(len(tokenizer.encode(r.text + "\n\n")) - 1 for r in requested)
    assert scored == own + (0 if mask else read)

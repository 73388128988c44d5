"""The sampling explorer: what it records of a model, against the package's own filters."""

import json

import pytest
import torch
from small_models import attentive

from gptcore.sampling.filters import filter_logits
from gptcore.show import SamplingExplorer
from gptcore.show.explorers.sampling.sampling import TEMPERATURES
from gptcore.tokenizer import Tokenizer

STORY = "One day <Tom> met a fox. 你好, it said."


@pytest.fixture(scope="module")
def parts():
    """A small model, and one token per byte."""
    model = attentive(vocab_size=300, n_ctx=64, n_layer=1, n_head=2, d_model=16)
    return model, Tokenizer.train("ab", 257)


def test_what_is_recorded_is_what_the_model_says(parts):
    """Every listed token, and the weight of the others, at every temperature of the page."""
    model, tokenizer = parts
    ids = tokenizer.encode(STORY)
    (found,) = SamplingExplorer(model, tokenizer, STORY, places=[9], shown=20).places
    with torch.no_grad():
        logits = model(torch.tensor([ids[:9]]))[0, -1, :257].double()
    assert found["before"] == 9 and found["others"] == 237
    for i, t in enumerate(TEMPERATURES):
        p = filter_logits(logits, t).softmax(0).sort(descending=True).values
        listed = (torch.tensor(found["logits"], dtype=torch.float64) / t).exp()
        all_of_it = listed.sum() + torch.tensor(found["rest"][i]).exp()
        torch.testing.assert_close(listed / all_of_it, p[:20], atol=1e-3, rtol=1e-3)
    best = int(logits.argmax())
    assert found["tokens"][0] == [tokenizer.decode_bytes([best]).decode("latin-1"), "text"] or (
        found["tokens"][0][1] == "bytes"
    )


def test_places_are_the_least_certain_ones_or_given(parts):
    """Entropies worked out from probabilities; the largest is among them, none stand together."""
    model, tokenizer = parts
    ids = tokenizer.encode(STORY)
    before = [p["before"] for p in SamplingExplorer(model, tokenizer, STORY).places]
    with torch.no_grad():
        p = model(torch.tensor([ids]))[0, :-1, :257].softmax(-1)
    entropy = torch.special.entr(p).sum(-1)
    assert int(entropy.argmax()) + 1 in before and len(before) == 8 and before == sorted(before)
    assert min(b - a for a, b in zip(before, before[1:], strict=False)) >= len(ids) // 16
    assert entropy[[i - 1 for i in before]].mean() > entropy.mean()
    given = SamplingExplorer(model, tokenizer, STORY, places=[4, 2], at=1, shown=5)
    assert [p["before"] for p in given.places] == [4, 2] and len(given.places[0]["tokens"]) == 5


def test_all_tokens_may_be_listed(parts):
    model, tokenizer = parts
    (place,) = SamplingExplorer(model, tokenizer, STORY, places=[3], shown=257).places
    assert place["rest"] == [] and place["others"] == 0


def test_the_text_alternative_counts_what_both_rules_keep(parts):
    """By the package's own filter over the whole distribution."""
    model, tokenizer = parts
    made = SamplingExplorer(model, tokenizer, STORY, places=[9], shown=250, top_p=0.5)
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer.encode(STORY)[:9]]))[0, -1, :257]
    book, code = (
        int(filter_logits(logits, top_p=0.5, top_p_rule=rule).isfinite().sum())
        for rule in ("textbook", "openai")
    )
    assert book == code + 1 and f"{book} and {code} kept" in made.alt


def test_the_twin_is_plain_and_escaped(parts):
    page = SamplingExplorer(*parts, STORY).twin()
    assert "<Tom>" not in page
    state = json.loads(page.split('"application/json">')[1].split("</script>")[0])
    assert state["rule"] == "textbook" and state["live"] is False and len(state["places"]) == 8


def test_the_model_s_mode_comes_back(parts):
    model, tokenizer = parts
    model.train()
    SamplingExplorer(model, tokenizer, STORY)
    assert model.training
    model.eval()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"places": [0]}, "place=0 must be between 1 and"),
        ({"places": [999]}, "place=999 must be between 1"),
        ({"at": 8}, "at=8 must be between 0 and 7"),
        ({"temperature": 0.55}, "temperature=0.55 must be one of"),
        ({"top_p": 0}, "top_p=0 must be in"),
        ({"top_k": 61}, "top_k=61 must be between 0 and 60"),
        ({"rule": "nano"}, "rule='nano' must be one of textbook, openai"),
        ({"shown": 1}, "shown=1 must be between 2"),
        ({"alt": " "}, "needs a text for readers who cannot see it"),
    ],
)
def test_what_cannot_be_shown_is_refused(parts, more, message):
    with pytest.raises(ValueError, match=message):
        SamplingExplorer(*parts, STORY, **more)
    with pytest.raises(ValueError, match="tokens of the text=1 must be between 2"):
        SamplingExplorer(*parts, "a")

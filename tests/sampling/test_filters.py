"""The repetition penalty: worked by hand, and what transformers makes of the same logits."""

import math

import pytest
import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.sampling.drawing import sample_ids
from gptcore.sampling.filters import Choice, penalise

LOGITS = torch.tensor([[2.0, -2.0, 1.0, -1.0]])
SEEN = torch.tensor([[True, True, False, False]])


def test_a_penalty_on_a_worked_example():
    """By 2: the seen 2 and -2 become 1 and -4; by CTRL's own formula 1 and -1. Others stay."""
    assert penalise(LOGITS, SEEN, 2.0).tolist() == [[1, -4, 1, -1]]
    assert penalise(LOGITS, SEEN, 2.0, "paper").tolist() == [[1, -1, 1, -1]]
    assert penalise(LOGITS, SEEN, 0.5).tolist() == [[4, -1, 1, -1]]
    assert torch.equal(penalise(LOGITS, SEEN, 1.0), LOGITS)


def test_the_paper_s_rule_makes_a_token_with_a_negative_logit_likelier():
    """Logits -4 and 0: p of the first is 1 / (1 + e^4) = 0.0180. Halved it is 1 / (1 + e^2) =
    0.1192, and doubled 1 / (1 + e^8) = 0.0003."""
    logits, seen = torch.tensor([-4.0, 0.0]), torch.tensor([True, False])
    found = {r: penalise(logits, seen, 2.0, r).softmax(-1)[0].item() for r in ("paper", "signed")}
    assert found == pytest.approx({"paper": 0.1192, "signed": 0.0003}, abs=1e-4)
    assert logits.softmax(-1)[0].item() == pytest.approx(0.0180, abs=1e-4)


def test_it_is_what_transformers_does():
    from transformers import RepetitionPenaltyLogitsProcessor

    logits = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[1, 2, 2], [0, 19, 3], [7, 7, 7]])
    seen = torch.zeros(3, 20, dtype=torch.bool).scatter_(1, ids, True)
    theirs = RepetitionPenaltyLogitsProcessor(penalty=1.3)(ids, logits.clone())
    torch.testing.assert_close(penalise(logits, seen, 1.3), theirs, atol=1e-6, rtol=0)


def little(seed=0, **changes):
    torch.manual_seed(seed)
    sizes = {"vocab_size": 30, "n_ctx": 40, "n_layer": 1, "n_head": 1, "d_model": 16}
    model = GPT(GPTConfig(**(sizes | changes))).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    return model


@pytest.mark.parametrize("rule", ["signed", "paper"])
@pytest.mark.parametrize("temperature", [0, 0.7])
def test_the_prompt_and_what_was_written_are_remembered(rule, temperature):
    """A plain loop without cache, the seen tokens looked up anew at each step."""
    model, text = little(), [3, 5, 5]
    generator = torch.Generator().manual_seed(4)
    for _ in range(20):
        logits = model(torch.tensor([text]))[0, -1].detach().clone()
        for token in set(text):
            divide = rule == "paper" or logits[token] > 0
            logits[token] = logits[token] / 1.5 if divide else logits[token] * 1.5
        p = (logits / (temperature or 1)).softmax(-1)
        drawn = torch.multinomial(p[None], 1, generator=generator) if temperature else p.argmax()
        text.append(int(drawn))
    options = {"temperature": temperature, "repetition_penalty": 1.5, "repetition_rule": rule}
    ids = torch.tensor([text[:3]])
    found = [int(t) for t in sample_ids(model, ids, max_new_tokens=20, seed=4, **options)]
    assert found == text[3:]
    plain = [int(t) for t in sample_ids(model, ids, max_new_tokens=20, seed=4, temperature=0)]
    assert temperature or found != plain


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("repetition_penalty", 0, "repetition_penalty=0 must be a finite number above 0"),
        ("repetition_penalty", -1.2, "repetition_penalty=-1.2 must be"),
        ("repetition_penalty", math.inf, "repetition_penalty=inf must be"),
        ("repetition_penalty", math.nan, "repetition_penalty=nan must be"),
        ("repetition_penalty", "1.2", "repetition_penalty='1.2' must be a number"),
        ("repetition_rule", "ctrl", "repetition_rule='ctrl' must be 'signed' or 'paper'"),
        ("temperature", "warm", "temperature='warm' must be a number"),
        ("temperature", None, "temperature=None must be a number"),
        ("top_p", True, "top_p=True must be a number"),
    ],
)
def test_fields_are_checked_by_name(field, value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Choice(**{field: value})
    with pytest.raises((ValueError, TypeError), match=message):
        sample_ids(little(), torch.tensor([[1]]), **{field: value})

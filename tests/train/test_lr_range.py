"""The range test: on a problem whose largest rate is known, and on a small GPT."""

import numpy as np
import pytest
import torch
from torch import nn

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.text.streams import Batches
from gptcore.train.lr_range import lr_range


class Bowl(nn.Module):
    """Loss 1 + |w - 1|, from w = 0: as long as the slope stays -1, Adam moves w by the rate."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))

    def loss(self, *_):
        return (self.w - 1).abs() + 1


def test_each_update_has_its_rate():
    """Before update i the loss is 2 less the rates before, until they add up to 1: the 86th, 0.15,
    of 100 rates from 1e-6 to 1."""
    model = Bowl()
    found = lr_range(model, iter([(torch.zeros(1),)] * 100), OptimConfig(weight_decay=0))
    assert model.w.item() == 0
    rates = [10 ** (-6 + 6 * i / 99) for i in range(100)]
    assert found.rates == pytest.approx(rates[: len(found.rates)])
    way = np.cumsum([0, *rates])
    expected = [2 - passed for passed in way if passed < 1]
    assert len(expected) == 86
    assert found.losses[:86] == pytest.approx(expected, abs=1e-4)
    assert found.lowest == found.rates[int(np.argmin(found.smooth))]
    assert rates[80] < found.suggested < found.lowest  # the way is longest right before its end


def test_a_gpt_is_torn_apart_and_the_rate_found_trains_it():
    """Numbers in a row: predictable, so the loss falls far when the rate is right."""
    stream = np.tile(np.arange(20), 200)
    shape = GPTConfig(vocab_size=20, n_ctx=16, n_layer=1, n_head=2, d_model=32, dropout=0.0)
    torch.manual_seed(0)
    model = GPT(shape)
    before = {k: p.clone() for k, p in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = lr_range(model, Batches(stream, 8, 16), OptimConfig(), high=100.0)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(p, before[k]) for k, p in model.state_dict().items())
    assert len(found.rates) < 100  # ended early
    assert min(found.smooth) < found.smooth[0] - 0.5
    assert 1e-4 < found.suggested < 1e-1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0}, "low=0 must be greater than 0 and less than high=1.0"),
        ({"low": 2.0}, "low=2.0 must be greater than 0 and less than high=1.0"),
        ({"steps": 9}, "steps=9 must be at least 10"),
    ],
)
def test_unusable_ranges_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lr_range(Bowl(), iter([]), OptimConfig(), **options)

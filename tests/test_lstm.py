"""The LSTM that stands in for a GPT: its cell by hand, what it may see, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gptcore.config import GPTConfig
from gptcore.lstm import LSTM
from gptcore.optim import OptimConfig
from gptcore.scoring.likelihood import evaluate
from gptcore.text.streams import Batches
from gptcore.train.loop import fit

CONFIG = GPTConfig(vocab_size=20, n_ctx=8, n_layer=4, n_head=2, d_model=16, dropout=0.0)


def new(seed=0, **changes):
    torch.manual_seed(seed)
    return LSTM(replace(CONFIG, **changes))


def tokens(*shape, seed=1):
    return torch.randint(20, shape, generator=torch.Generator().manual_seed(seed))


def test_evaluate_scores_it_as_it_scores_a_gpt():
    """Every token but the first, once: here in one window, so a mean over all of them."""
    model, ids = new(), tokens(9)
    expected = F.cross_entropy(model(ids[None, :-1])[0], ids[1:]).item()
    assert evaluate(model, ids).nats_per_token == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="reduction='none' must be 'mean' or 'sum'"):
        model.loss(ids[None, :-1], ids[None, 1:], "none")


def by_hand(model, ids):
    """(T, C): the cell of Hochreiter and Schmidhuber with a forget gate, one token at a time."""
    w = dict(model.lstm.named_parameters())
    h = c = torch.zeros(16)
    states = []
    for token in ids:
        z = w["weight_ih_l0"] @ model.wte.weight[token] + w["bias_ih_l0"]
        z = z + w["weight_hh_l0"] @ h + w["bias_hh_l0"]
        enter, forget, new_value, leave = z.split(16)
        c = forget.sigmoid() * c + enter.sigmoid() * new_value.tanh()
        h = leave.sigmoid() * c.tanh()
        states.append(h)
    return torch.stack(states)


def test_states_logits_and_loss_are_those_of_a_cell_by_hand():
    model, ids = new(), tokens(3, 8)
    states = torch.stack([by_hand(model, row) for row in ids])
    torch.testing.assert_close(model.hidden(ids), states, atol=1e-5, rtol=0)
    logits = states @ model.wte.weight.T
    torch.testing.assert_close(model(ids), logits, atol=1e-5, rtol=0)
    targets = tokens(3, 8, seed=2)
    targets[0, 3:] = targets[2, 0] = -100
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    loss = model.loss(ids, targets)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0)
    for g, e in zip(
        torch.autograd.grad(loss, model.parameters()),
        torch.autograd.grad(expected, model.parameters()),
        strict=True,
    ):
        torch.testing.assert_close(g, e, atol=1e-5, rtol=0)


@pytest.mark.parametrize("at", [0, 3, 6])
def test_the_future_never_changes_the_past(at):
    model, ids = new(), tokens(2, 8)
    changed = ids.clone()
    changed[:, at + 1 :] = (changed[:, at + 1 :] + 1) % 20
    before, after = model(ids), model(changed)
    torch.testing.assert_close(after[:, : at + 1], before[:, : at + 1], atol=1e-6, rtol=0)
    assert (after[:, at + 1 :] - before[:, at + 1 :]).abs().amax((0, 2)).min() > 1e-4
    earlier = model(torch.cat([(ids[:, :1] + 1) % 20, ids[:, 1:]], 1))
    assert (earlier[:, at] - before[:, at]).abs().max() > 1e-6  # positive control: the past does


def test_its_shape_and_its_first_weights():
    """One layer whatever the GPT's config says; 8 d² + 8 d weights of the cell and the table."""
    model = new()
    assert (model.config.n_layer, model.config.d_model, model.config.n_ctx) == (1, 16, 8)
    assert model.n_params() == 8 * 16**2 + 8 * 16 + 20 * 16
    assert (model.lstm.bias_ih_l0[16:32] == 1).all()  # the forget gate begins open
    assert model.lstm.bias_ih_l0[:16].abs().max() < 0.26 and model.device.type == "cpu"
    assert model.wte.weight.std().item() == pytest.approx(0.02, rel=0.01 * 12)


def test_dropout_is_for_training_only():
    model, ids = new(dropout=0.5), tokens(2, 8)
    assert (model.hidden(ids) == 0).float().mean() > 0.3
    model.eval()
    assert torch.equal(model.hidden(ids), model.hidden(ids)) and (model.hidden(ids) != 0).all()


def test_it_learns_a_pattern_through_the_same_loop():
    """Twenty tokens in a circle: each says which is next, so the loss can fall to 0."""
    data = np.arange(400) % 20
    steps = fit(new(), Batches(data, 8, 8), OptimConfig(lr=0.1, warmup=0), 40)
    losses = [step.loss for step in steps]
    assert losses[0] == pytest.approx(np.log(20), abs=0.01) and losses[-1] < 0.5

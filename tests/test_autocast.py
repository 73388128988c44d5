"""Half precision: the loss and its gradients are those of PyTorch's own autocast.

On a CPU fp16 takes the road that it takes on a GPU without bf16, such as Colab's T4: products in
fp16, sums in fp32, a scaled loss. What is proved here holds there as far as it is about numbers.
"""

import pytest
import torch
from torch.nn import functional as F

from gptcore.config import GPTConfig
from gptcore.gradients import _TiedCrossEntropy, tied_cross_entropy
from gptcore.model import GPT
from gptcore.optim import OptimConfig
from gptcore.sampling.drawing import sample_ids
from gptcore.train.loop import fit

HALVES = [torch.bfloat16, torch.float16]


def random(*shape, scale=1.0, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def gap(found, expected):
    """How far two tensors are apart, as a part of the second."""
    return ((found - expected).norm() / expected.norm()).item()


def compare(x, weight, targets, half, scale):
    """Our loss and gradients, PyTorch's under autocast, and PyTorch's in fp32; of the mean."""
    x.requires_grad_(), weight.requires_grad_()
    with torch.autocast("cpu", half):
        ours = tied_cross_entropy(x, weight, targets) / (targets != -100).sum()
        theirs = F.cross_entropy(F.linear(x, weight), targets)
    full = F.cross_entropy(F.linear(x, weight), targets)
    grads = [torch.autograd.grad(loss * scale, (x, weight)) for loss in (ours, theirs, full)]
    return (ours, theirs, full), grads


@pytest.mark.parametrize("half", HALVES)
def test_16_384_tokens_have_pytorch_s_loss_and_gradients(half):
    """64 x 256 at vocabulary 65: the sum, 68,000 nats, is no number of fp16's, nor is it rounded to
    bf16's 8 bits. Gradients are as near those of fp32 as PyTorch's are."""
    x, weight = random(64 * 256, 32), random(65, 32, scale=0.02, seed=1)
    targets = torch.arange(64 * 256) * 7 % 65
    targets[::10] = -100
    (ours, theirs, _), (found, pytorch, true) = compare(x, weight, targets, half, 2.0**16)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    assert ours.item() > 4 and (ours * 14745).item() > 60_000
    for g, p, t in zip(found, pytorch, true, strict=True):
        assert g.dtype == torch.float32
        assert gap(g, t) < 1.2 * gap(p, t) + 1e-4 < 1e-2


@pytest.mark.parametrize("half", HALVES)
def test_a_target_that_comes_ten_thousand_times_does_not_overflow(half):
    """Every position has the same target and large states: the gradient of that row is a sum of
    14,000 times 50, beyond fp16, whatever the loss is scaled by afterwards."""
    x, weight = random(14_000, 32) + 50, random(65, 32, scale=0.01, seed=1)
    targets = torch.full((14_000,), 3)
    (ours, theirs, _), (found, _, true) = compare(x, weight, targets, half, 1.0)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-3)
    for g, t in zip(found, true, strict=True):
        assert gap(g, t) < 1e-2


@pytest.mark.parametrize("half", HALVES)
def test_small_shares_are_not_lost(half, monkeypatch):
    """A share of 1e-5 times a probability of 1/300 is below fp16's smallest number, 6e-8; here half
    of the gradient of a row that is no target is made of such products."""
    monkeypatch.setattr(_TiedCrossEntropy, "SLICE", 2000)
    x, weight = random(64, 32).requires_grad_(), random(300, 32, seed=1, scale=0.05)
    weight.requires_grad_()
    targets = torch.arange(64) % 7
    shares = random(64, seed=2).abs() * 1e-5
    with torch.autocast("cpu", half):
        ours = tied_cross_entropy(x, weight, targets, shares)
    nats = F.cross_entropy(F.linear(x, weight), targets, reduction="none")
    found = torch.autograd.grad(ours, (x, weight))
    true = torch.autograd.grad((nats * shares).sum(), (x, weight))
    assert gap(found[0], true[0]) < 1e-2
    assert gap(found[1][7:], true[1][7:]) < 1e-2


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_loss_of_a_network_is_pytorch_s_autocast_loss(half, tied, norm):
    torch.manual_seed(0)
    shape = {"vocab_size": 65, "n_ctx": 32, "n_layer": 2, "n_head": 2, "d_model": 32}
    model = GPT(GPTConfig(**shape, dropout=0.0, norm=norm, tied=tied))
    ids = torch.randint(65, (8, 33))
    ids, targets = ids[:, :-1], ids[:, 1:]
    with torch.autocast("cpu", half):
        found = model.loss(ids, targets)
        expected = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
    grads = [torch.autograd.grad(loss, model.parameters()) for loss in (found, expected)]
    assert found.item() == pytest.approx(expected.item(), abs=1e-4)
    found, expected = (torch.cat([g.flatten() for g in many]) for many in grads)
    assert gap(found, expected) < 1e-2


def test_64_windows_of_256_tokens_train_in_fp16():
    """The text repeats itself: the network learns it, and no update is left out."""
    torch.manual_seed(0)
    shape = {"vocab_size": 65, "n_ctx": 256, "n_layer": 1, "n_head": 1, "d_model": 16}
    model = GPT(GPTConfig(**shape, dropout=0.0))
    ids = (torch.arange(64 * 257) * 7 % 65).view(64, 257)
    batch = ids[:, :-1], ids[:, 1:]
    expected = model.loss(*batch).item()
    optim = OptimConfig(lr=1e-2, warmup=0, schedule="constant")
    steps = list(fit(model, iter([batch] * 8), optim, 8, precision="fp16"))
    assert steps[0].loss == pytest.approx(expected, abs=1e-3)
    assert all(step.grad_norm < 100 for step in steps)
    assert steps[-1].loss < steps[0].loss - 0.3


@pytest.mark.parametrize("half", HALVES)
def test_a_model_writes_under_autocast(half):
    """With the cache, one token at a time, and the window sliding on."""
    torch.manual_seed(0)
    shape = {"vocab_size": 20, "n_ctx": 8, "n_layer": 2, "n_head": 2, "d_model": 16}
    model = GPT(GPTConfig(**shape)).eval()
    with torch.autocast("cpu", half):
        ids = list(sample_ids(model, torch.tensor([[1, 2]]), max_new_tokens=12, slide=True, seed=0))
    assert len(ids) == 12

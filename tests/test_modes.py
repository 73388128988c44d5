"""Models seen through their wrappers, and modes that come back."""

import pytest
import torch
from small_models import ids_for, make
from torch import nn

from gptcore import evaluate, generate
from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.lstm import LSTM
from gptcore.modes import bare, evaluating, recomputing
from gptcore.tokenizer import Tokenizer


def test_what_is_no_wrapper_comes_back():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)

    for model in (make(), Holder(), nn.Linear(2, 2)):
        assert bare(model) is model
    inner = Holder()
    assert bare(torch.compile(nn.DataParallel(inner))) is inner  # nothing is compiled before a call


def test_a_wrapped_model_is_scored_and_writes():
    """The numbers and the text of the bare one; DataParallel passes no attribute through."""
    model, tokenizer = make(), Tokenizer.train("a b c", 258)
    ids = ids_for(model).flatten()
    for wrapper in (torch.optim.swa_utils.AveragedModel(model), nn.DataParallel(model)):
        assert evaluate(wrapper, ids) == evaluate(model, ids)
        text = generate(wrapper, tokenizer, "a", max_new_tokens=8, seed=0)
        assert text == generate(model, tokenizer, "a", max_new_tokens=8, seed=0) != ""


def test_an_lstm_says_that_it_cannot_write():
    tokenizer = Tokenizer.train("a b c", 258)
    with pytest.raises(TypeError, match="model is a LSTM; only a GPT has a cache"):
        generate(LSTM(make().config), tokenizer, "a")


@pytest.mark.parametrize("fails", [False, True])
def test_each_part_comes_back_in_the_mode_it_was_in(fails):
    """One block was kept from dropping out on purpose; an error changes nothing of that."""
    model = make().train()
    model.h[0].eval()
    before = [module.training for module in model.modules()]
    try:
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not fails or 1 / 0
    except ZeroDivisionError:
        pass
    assert [module.training for module in model.modules()] == before
    assert len(set(before)) == 2


def kept(model, batch, **how):
    """The loss, its gradients, and how many numbers were kept between the two."""
    storages = {}

    def note(x):
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    model.zero_grad()
    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        loss = model.loss(*batch)
    at_once = sum(n for at, n in storages.items() if at not in own)
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters()], at_once


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("pattern", [("dense",), ("dense", "banded")])
@pytest.mark.parametrize("half", [None, torch.bfloat16])
def test_blocks_computed_again_give_the_same_bits_and_keep_little(norm, pattern, half):
    """With dropout, under autocast, with a mask. Kept are, besides what the embeddings and the loss
    keep, one (B, T, C) for each block instead of what is inside it."""
    model = make(norm, n_layer=6, d_model=32, n_ctx=32, pattern=pattern, window=4).train()
    batch = (ids_for(model), ids_for(model, 2))
    with torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None):
        loss, grads, much = kept(model, batch)
        with recomputing(model):
            again, grads_again, little = kept(model, batch)
        assert kept(model, batch)[2] == much
    assert again == loss
    assert all(torch.equal(a, b) for a, b in zip(grads, grads_again, strict=True))
    assert little < much / 4


def test_computing_again_needs_a_gpt_and_finds_it_under_a_head():
    classifier = Classifier(make(), HeadConfig("classification", 2))
    with recomputing(classifier):
        assert classifier.gpt.recompute
    assert not classifier.gpt.recompute
    with pytest.raises(ValueError, match="recompute=True needs a GPT; a LSTM has no blocks"):
        with recomputing(LSTM(make().config)):
            pass

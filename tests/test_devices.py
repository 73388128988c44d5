"""Nothing is left on the wrong device, as far as a machine without a GPU can tell.

In PyTorch's FakeTensorMode a tensor has a shape, a type and a device and no numbers, and mixing
devices is the error that it is on a GPU. Parameters are made on "cuda"; whatever the code makes on
the way must follow them. PyTorch without CUDA keeps no graph for such tensors, so what is written
by hand for the gradient is called by hand; nor does it index them, so indices are taken apart here.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from small_models import make
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from gptcore.decode import Decoder
from gptcore.gradients import _TiedCrossEntropy
from gptcore.heads.classifier import Classifier, HeadConfig, _only_rows
from gptcore.model import KVCache
from gptcore.text.inputs import Example, collate

CUDA = torch.device("cuda", 0)


def taken(x, key):
    """A view of x by the plain parts of a key, and the index tensors that remain."""
    aten, dim, indices = torch.ops.aten, 0, {}
    key = key if isinstance(key, tuple) else (key,)
    for n, part in enumerate(key):
        if part is None:
            x, dim = x.unsqueeze(dim), dim + 1
        elif part is Ellipsis:
            dim = x.dim() - sum(k is not None for k in key[n + 1 :])
        elif isinstance(part, slice):
            x, dim = aten.slice(x, dim, part.start, part.stop, part.step or 1), dim + 1
        elif isinstance(part, int):
            x = aten.select(x, dim, part)
        else:
            index = torch.as_tensor(part, device=x.device) if isinstance(part, list) else part
            indices[dim], dim = index, dim + 1
    return x, [indices.get(d) for d in range(max(indices) + 1)] if indices else []


class WithoutCuda(TorchFunctionMode):
    """x[key] and x[key] = value and ~x by operators that need no CUDA."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            x, indices = taken(*args[:2])
            x = torch.ops.aten.index(x, indices) if indices else x
            if func is Tensor.__getitem__:
                return x
            if isinstance(args[2], Tensor):  # there are no numbers to write: does it fit there?
                assert args[2].device == x.device, "devices differ"
                args[2].broadcast_to(x.shape)
            return None
        if func is Tensor.__invert__:
            return torch.logical_not(*args)
        return func(*args, **(kwargs or {}))


@contextmanager
def fake():
    with FakeTensorMode(allow_non_fake_inputs=True), WithoutCuda(), torch.no_grad():
        yield


@contextmanager
def on_cuda(model):
    """The model with every parameter on a GPU that is not there."""
    with fake():
        for module in model.eval().modules():
            for name, p in list(module._parameters.items()):
                if p is not None:
                    moved = torch.empty(p.shape, dtype=p.dtype, device=CUDA)
                    module._parameters[name] = torch.nn.Parameter(moved, requires_grad=False)
        yield model


def ids(*shape):
    return torch.zeros(shape, dtype=torch.long, device=CUDA)


def test_a_tensor_left_on_the_cpu_is_noticed():
    """Positive control."""
    with on_cuda(make()) as model, pytest.raises(RuntimeError, match="device"):
        model.wte(ids(2, 8)) + torch.ones(8)
    with on_cuda(make()) as model, pytest.raises(AssertionError, match="devices differ"):
        model.hidden(ids(2, 8), KVCache(model.config, 2, 16))


SHAPES = [{}, {"norm": "post"}, {"tied": False}]
SHAPES += [{"pattern": (name, "dense"), "window": 4} for name in ("banded", "strided", "fixed")]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_network_reads_scores_and_decodes_where_it_is(shape):
    with on_cuda(make(**{"summary": 2, **shape})) as model:
        assert model(ids(2, 8)).device == CUDA
        for reduction in ("mean", "sum"):  # "none" is PyTorch's own
            assert model.loss(ids(2, 8), ids(2, 8), reduction).device == CUDA
        total, count = model.summed_loss(ids(2, 8), ids(2, 8))
        assert total.device == count.device == CUDA
        cache = KVCache(model.config, 2, 16, model.device)
        model.hidden(ids(2, 5), cache)
        model.hidden(ids(2, 3), cache)
        assert model.trace(ids(2, 1), cache).attentions[0].device == CUDA
        assert Decoder(model, cache).read(ids(2)).device == CUDA
        assert {a.device for a in model.trace(ids(2, 8)).attentions} == {CUDA}


@pytest.mark.parametrize("half", [None, torch.float16, torch.bfloat16])
def test_the_gradient_of_the_loss_is_made_where_the_loss_is(half):
    with fake():
        x = torch.empty(40, 8, device=CUDA)
        weight, shares = torch.empty(30, 8, device=CUDA), torch.empty(40, device=CUDA)
        kept = []
        ctx = SimpleNamespace(needs_input_grad=(True, True, False, False))
        ctx.save_for_backward = lambda *tensors: kept.extend(tensors)
        if half is not None:
            x, weight = x.to(half), weight.to(half)  # as autocast would have it
        total = _TiedCrossEntropy.forward(ctx, x, weight, ids(40), shares)
        assert {t.device for t in (total, *kept)} == {CUDA} and len(kept) == 2
        assert _only_rows(weight, [3, 4, 9]).device == CUDA


@pytest.mark.parametrize("place", ["extract", "start", "mean"])
def test_a_head_answers_and_learns_where_it_is(place):
    examples = [Example(([1, 5, 6, 3], [1, 6, 5, 3]), 0), Example(([1, 7, 3], [1, 4, 3]), 1)]
    batch = collate(examples)
    with on_cuda(Classifier(make(), HeadConfig("similarity", 2, place=place, aux=0.0))) as model:
        moved = [torch.empty(t.shape, dtype=t.dtype, device=CUDA) for t in batch]
        assert model(moved[0], moved[2]).device == CUDA
        total, count = model.summed_loss(*moved)
        assert total.device == count.device == CUDA

"""What this proves: probes tell norms, gradients and entropies by depth, and edit no model.

Numbers by hand, a plain version of each beside it (the trace, `backward`), and the model compared
bit by bit, hook by hook, before and after.
"""

import math

import pytest
import torch
from small_models import ids_for, make
from torch import nn

from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.lstm import LSTM
from gptcore.modes import bare, recomputing
from gptcore.probes import (
    activation_norms,
    attention_entropy,
    peak_memory,
    residual_variance,
    snapshot,
    stream_gradients,
    update_ratios,
    weight_gradients,
)

NORMS = pytest.mark.parametrize("norm", ["post", "pre"])


def targets_for(model):
    targets = ids_for(model).roll(-1, 1)
    targets[:, -1] = -100
    return targets


def probe(model):
    """Every probe once, flattened to name -> tensor."""
    ids, targets = ids_for(bare(model)), targets_for(bare(model))
    found = activation_norms(model, ids)
    found |= {"variance": residual_variance(model, ids), "entropy": attention_entropy(model, ids)}
    found |= {"gradients": stream_gradients(model, ids, targets)}
    return found | weight_gradients(model, ids, targets)


def assert_equal(a, b, atol=1e-5):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=atol, rtol=1e-4, msg=name)


# ---------------------------------------------------------------- numbers by hand


@torch.no_grad()
def test_norms_and_variance_by_hand():
    """Every vector is (3, 4, 0, …); attention adds nothing, each MLP twelve in one place."""
    model = make()
    for p in model.parameters():
        p.zero_()
    model.wte.weight[:, 0], model.wte.weight[:, 1] = 3, 4
    for block in model.h:
        block.mlp.c_proj.bias[2] = 12
    found = activation_norms(model, ids_for(model))
    lengths = [5, 13, math.sqrt(9 + 16 + 24**2)]
    assert_equal(
        found,
        {
            "stream": torch.tensor(lengths),
            "attention": torch.zeros(2),
            "mlp": torch.full((2,), 12.0),
        },
    )
    # of eight numbers: mean of the squares minus the square of the mean
    variances = [25 / 8 - (7 / 8) ** 2, 169 / 8 - (19 / 8) ** 2, 601 / 8 - (31 / 8) ** 2]
    assert residual_variance(model, ids_for(model)).tolist() == pytest.approx(variances)


@NORMS
@torch.no_grad()
def test_attention_that_is_uniform_has_the_entropy_of_its_number_of_places(norm):
    """ln t for the t-th position, ln of the band where a band ends it, 0 where one gets all."""
    model = make(norm, pattern=("dense", "banded"), window=5)
    for block in model.h:
        block.attn.c_attn.weight.zero_()
        block.attn.c_attn.bias.zero_()
    entropy = attention_entropy(model, ids_for(model))
    assert entropy.shape == (2, 2, 16)
    logs = torch.tensor([math.log(t) for t in range(1, 17)])
    assert_equal(
        {"dense": entropy[0], "banded": entropy[1]},
        {"dense": logs.expand(2, 16), "banded": logs.clamp(max=math.log(5)).expand(2, 16)},
    )
    sharp = make(norm)
    for block in sharp.h:  # queries and keys so long that the largest product takes all
        block.attn.c_attn.weight[:16] *= 1e4
    assert attention_entropy(sharp, ids_for(sharp)).max() < 1e-3


def test_the_gradient_at_the_top_by_hand():
    """Of the last state, (softmax − target) W over the scored positions' number; no LayerNorm."""
    model = make("post")
    ids, targets = ids_for(model), targets_for(model)
    with torch.no_grad():
        p = model(ids).softmax(-1)
        p[torch.arange(2)[:, None], torch.arange(16), targets.clamp(min=0)] -= 1
        p[targets == -100] = 0
        expected = (p @ model.wte.weight / 30).norm()
    torch.testing.assert_close(stream_gradients(model, ids, targets)[-1], expected)


def test_update_ratios_by_hand():
    before = {
        "h.0.a": torch.tensor([3.0, 4.0]),
        "h.0.b": torch.tensor([12.0]),
        "wte": torch.ones(4),
    }
    after = {"h.0.a": torch.tensor([3.6, 4.8]), "h.0.b": torch.tensor([12.0]), "wte": torch.ones(4)}
    ratios = update_ratios(before, after)
    assert {name: round(r.item(), 6) for name, r in ratios.items()} == {
        "h.0.a": 0.2,  # a length of 1 on one of 5
        "h.0.b": 0.0,
        "wte": 0.0,
    }
    blocks = update_ratios(before, after, per="block")
    assert {name: round(r.item(), 6) for name, r in blocks.items()} == {
        "h.0": round(1 / 13, 6),  # the same length on (3, 4, 12)
        "wte": 0.0,
    }
    bias = {"b": torch.zeros(2)}
    assert update_ratios(bias, {"b": torch.ones(2)})["b"].item() == math.inf
    assert math.isnan(update_ratios(bias, bias)["b"].item())


# ---------------------------------------------------------------- against a plain version


@NORMS
def test_what_is_told_is_what_a_trace_shows(norm):
    model = make(norm, pattern=("dense", "banded"), window=5)
    ids, targets = ids_for(model), targets_for(model)
    trace = model.trace(ids)
    loss = nn.functional.cross_entropy(trace.logits.flatten(0, 1), targets.flatten())
    gradients = [g.norm() for g in torch.autograd.grad(loss, trace.residuals)]
    plain = {
        "stream": torch.stack([x.norm(dim=-1).mean() for x in trace.residuals]),
        "variance": torch.stack([x.var(-1, correction=0).mean() for x in trace.residuals]),
        "entropy": torch.stack(
            [-(a * a.clamp(min=1e-38).log()).sum(-1).mean(0) for a in trace.attentions]
        ),
        "gradients": torch.stack(gradients),
    }
    found = probe(model)
    assert_equal({name: found[name] for name in plain}, {n: t.detach() for n, t in plain.items()})
    added = [
        block.attn(
            block.ln_1(x) if norm == "pre" else x, model.mask(model.config.pattern[i], 0, 16)
        )
        for i, (block, x) in enumerate(zip(model.h, trace.residuals[:-1], strict=True))
    ]
    lengths = torch.stack([a.detach().norm(dim=-1).mean() for a in added])
    torch.testing.assert_close(found["attention"], lengths)


@NORMS
@pytest.mark.parametrize("tied", [True, False])
def test_weight_gradients_are_those_of_backward(norm, tied):
    model = make(norm, tied=tied)
    ids, targets = ids_for(model), targets_for(model)
    found, blocks = (weight_gradients(model, ids, targets, per=p) for p in ("tensor", "block"))
    model.loss(ids, targets).backward()
    assert_equal(found, {name: p.grad.norm() for name, p in model.named_parameters()})
    parts = ["wte", "wpe", "h.0", "h.1"] + ["ln_f"] * (norm == "pre") + ["lm_head"] * (not tied)
    assert list(blocks) == parts
    inside = torch.cat([p.grad.flatten() for p in model.h[1].parameters()])
    torch.testing.assert_close(blocks["h.1"], inside.norm())


def test_a_step_of_gradient_descent_moves_by_the_gradient():
    """‖Δw‖ = lr ‖g‖: two probes and an update agree."""
    model = make()
    gradients = weight_gradients(model, ids_for(model), targets_for(model))
    before = snapshot(model)
    model.loss(ids_for(model), targets_for(model)).backward()
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    ratios = update_ratios(before, snapshot(model))
    assert_equal(ratios, {n: 0.01 * gradients[n] / w.norm() for n, w in before.items()}, 1e-4)
    assert ratios["wte.weight"] > 0


# ---------------------------------------------------------------- the model is left alone


def hooks(model):
    kinds = [k for k in vars(nn.Module()) if k.endswith("hooks") or "hooks_" in k]
    assert len(kinds) > 6
    return [(name, k) for name, m in model.named_modules() for k in kinds if getattr(m, k)]


@NORMS
@pytest.mark.parametrize("fails", [False, True])
def test_a_probe_edits_nothing(norm, fails):
    """Weights, modes, hooks, gradients that were there and that were not, random numbers."""
    model = make(norm).train()
    model.h[0].eval()
    model.wte.weight.grad = kept = torch.full_like(model.wte.weight, 7.0)
    seen = []
    model.h[1].register_forward_hook(lambda *_: seen.append(1))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    modes, hooked = [m.training for m in model.modules()], hooks(model)
    random = torch.get_rng_state()
    if fails:
        long = torch.zeros(1, 17, dtype=torch.long)
        for run in (activation_norms, residual_variance, attention_entropy):
            with pytest.raises(ValueError, match="17 tokens do not fit"):
                run(model, long)
        for run in (stream_gradients, weight_gradients):
            with pytest.raises(ValueError, match="17 tokens do not fit"):
                run(model, long, long)
    else:
        probe(model)
        assert len(seen) == 5  # a hook of the reader's own still works
    after = model.state_dict()
    assert all(torch.equal(after[name], t) for name, t in before.items())
    assert [m.training for m in model.modules()] == modes
    assert hooks(model) == hooked == [("h.1", "_forward_hooks")]
    assert model.wte.weight.grad is kept and (kept == 7).all()
    assert all(p.grad is None for name, p in model.named_parameters() if name != "wte.weight")
    assert torch.equal(torch.get_rng_state(), random)


def test_dropout_does_not_blur_what_is_read():
    model = make().train()
    assert_equal(probe(model), probe(model), atol=0)
    assert model.training


# ---------------------------------------------------------------- wrappers, precision, callers


def test_a_wrapper_is_seen_through():
    """In parallel, averaged, compiled; a block that has been compiled already would miss hooks."""
    model = make()
    expected = probe(model)
    assert_equal(probe(nn.DataParallel(model)), expected)
    assert_equal(probe(torch.optim.swa_utils.AveragedModel(model)), expected)
    assert_equal(probe(torch.compile(model)), expected)  # nothing is compiled before a call
    model.h[0] = torch.compile(model.h[0], backend="eager")
    with torch.no_grad():
        logits = model(ids_for(model))
    assert_equal(probe(model), expected)
    assert snapshot(model).keys() == snapshot(make()).keys()
    with torch.no_grad():
        assert torch.equal(model(ids_for(model)), logits)


def test_blocks_that_recompute_and_frozen_weights_tell_the_same():
    model = make()
    expected = probe(model)
    with recomputing(model):
        assert_equal(probe(model), expected)
    with torch.inference_mode():
        assert_equal(probe(model), expected)
    model.requires_grad_(False)
    model.h[1].requires_grad_(True)
    ids, targets = ids_for(model), targets_for(model)
    assert_equal({"": stream_gradients(model, ids, targets)}, {"": expected["gradients"]})
    found = weight_gradients(model, ids, targets)
    assert_equal(found, {n: t for n, t in expected.items() if n.startswith("h.1.")})
    with pytest.raises(ValueError, match="no parameter of this GPT has requires_grad=True"):
        weight_gradients(model.requires_grad_(False), ids, targets)


def test_half_precision_does_not_overflow_and_double_stays_double():
    """300 squared is more than fp16 can hold; the length of (300, 300, …) is not."""
    model = make().half()
    with torch.no_grad():
        model.wte.weight.fill_(300)
        model.wpe.weight.zero_()
    norms = activation_norms(model, ids_for(model))["stream"]
    assert norms.dtype == torch.float32
    assert norms[0].item() == pytest.approx(300 * math.sqrt(8), rel=1e-3)
    assert all(t.dtype == torch.float64 for t in probe(make().double()).values())


def test_the_rival_has_weights_but_no_blocks():
    model = LSTM(make().config).eval()
    ids, targets = ids_for(model), targets_for(model)
    assert list(weight_gradients(model, ids, targets, per="block")) == ["wte", "lstm"]
    with pytest.raises(TypeError, match="model is a LSTM, which has no blocks to look into"):
        activation_norms(model, ids)
    with pytest.raises(TypeError, match="model is a Classifier.*of a classifier its .gpt"):
        attention_entropy(Classifier(make(), HeadConfig("classification", 2)), ids)


def test_what_does_not_belong_together_is_named():
    one = snapshot(make())
    with pytest.raises(ValueError, match=r"lm_head.weight has shape None before and \(300, 8\)"):
        update_ratios(one, snapshot(make(tied=False)))
    with pytest.raises(ValueError, match="per='layer' must be one of tensor, block"):
        update_ratios(one, one, per="layer")


# ---------------------------------------------------------------- memory


def test_memory_at_its_height_by_hand(capfd):
    """Three tensors of 1 MiB one after another, two of them at a time; what was there before does
    not count, and the profiler's own notes are not shown."""
    before = torch.zeros(2**20)

    def call():
        first = torch.ones(2**18)
        second = first + before[: 2**18]
        del first
        return second * 2

    assert peak_memory(call) == pytest.approx(2 * 2**20, rel=1e-4)  # and a few scalars
    assert peak_memory(lambda: torch.ones(2**18)) == pytest.approx(2**20, rel=1e-4)
    assert peak_memory(lambda: None) == 0
    assert capfd.readouterr() == ("", "")

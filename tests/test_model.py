"""What this proves: the network is OpenAI's, causal, cached exactly, and initialised as published.

transformers is the oracle: an independent GPT-1 and GPT-2 given the same random weights.
"""

from dataclasses import replace

import pytest
import torch
from small_models import ids_for, make
from torch.nn import functional as F

from gptcore.attention import PATTERNS
from gptcore.config import PRESETS, GPTConfig
from gptcore.model import GPT, KVCache

SMALL = GPTConfig(
    vocab_size=96, n_ctx=24, n_layer=3, n_head=4, d_model=32, window=5, summary=2, dropout=0.1
)
CASES = [
    replace(SMALL, norm=norm, pattern=pattern)
    for norm in ("post", "pre")
    for pattern in [(name,) for name in PATTERNS] + [("dense", "banded")]
]


def build(config, dtype=torch.float64):
    """A model whose every parameter is random, so that no zero bias hides a mistake."""
    torch.manual_seed(1)
    model = GPT(config).to(dtype).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return model


def tokens(config, B=2, T=None):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(config.vocab_size, (B, T or config.n_ctx), generator=generator)


def transformers_twin(model):
    """transformers' model of the same shape with the same weights, mapped name by name."""
    from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel

    c = model.config
    shape = dict(
        vocab_size=c.vocab_size,
        n_positions=c.n_ctx,
        n_embd=c.d_model,
        n_layer=c.n_layer,
        n_head=c.n_head,
    )
    if c.norm == "post":
        twin = OpenAIGPTLMHeadModel(OpenAIGPTConfig(**shape))
        names = {"wte.weight": "tokens_embed.weight", "wpe.weight": "positions_embed.weight"}
    else:
        twin = GPT2LMHeadModel(GPT2Config(**shape))
        names = {}
    twin = twin.to(model.wte.weight.dtype).eval()
    state = twin.state_dict()
    for name, value in model.state_dict().items():
        kernel = value.dim() == 2 and name.startswith("h.")
        state["transformer." + names.get(name, name)] = value.T if kernel else value
    state["lm_head.weight"] = model.wte.weight
    twin.load_state_dict(state)
    return twin


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_logits_equal_transformers_with_the_same_weights(norm, dtype, atol):
    model = build(replace(SMALL, norm=norm), dtype)
    ids = tokens(SMALL)
    with torch.no_grad():
        expected = transformers_twin(model)(ids).logits
        torch.testing.assert_close(model(ids), expected, atol=atol, rtol=0)
        assert expected.abs().max() > 1  # logits of some size, or the tolerance means nothing


def test_the_twin_notices_a_missing_transpose():
    """Attention's output matrix is square: a missed transpose raises nothing and must be seen."""
    model = build(replace(SMALL, norm="post"))
    twin = transformers_twin(model)
    with torch.no_grad():
        model.h[1].attn.c_proj.weight.copy_(model.h[1].attn.c_proj.weight.T.clone())
        assert (model(tokens(SMALL)) - twin(tokens(SMALL)).logits).abs().max() > 1e-2


@pytest.mark.parametrize("config", CASES, ids=lambda c: f"{c.norm}-{'+'.join(c.pattern)}")
@torch.no_grad()
def test_the_future_never_changes_the_past(config):
    model, ids = build(config), tokens(config)
    logits = model(ids)
    for t in (1, 11, config.n_ctx - 1):
        changed = ids.clone()
        changed[:, t:] = (changed[:, t:] + 7) % config.vocab_size
        after = model(changed)
        assert torch.equal(after[:, :t], logits[:, :t])
        assert not torch.equal(after[:, t:], logits[:, t:])


@torch.no_grad()
def test_the_leak_test_notices_an_open_mask(monkeypatch):
    monkeypatch.setitem(PATTERNS, "banded", lambda q, k, window, summary: (q - k).abs() < window)
    config = replace(SMALL, pattern=("banded",))
    model, ids = build(config), tokens(config)
    changed = ids.clone()
    changed[:, 11:] += 1
    changed %= config.vocab_size
    assert not torch.equal(model(changed)[:, :11], model(ids)[:, :11])


@pytest.mark.parametrize("config", CASES, ids=lambda c: f"{c.norm}-{'+'.join(c.pattern)}")
@torch.no_grad()
def test_cached_equals_uncached(config):
    model, ids = build(config), tokens(config)
    cache = KVCache(config, batch_size=2, dtype=torch.float64)
    steps = [7, 1, 1, 5] + [1] * (config.n_ctx - 14)  # a prompt, tokens, a second chunk, tokens
    pieces = [model(chunk, cache) for chunk in ids.split(steps, dim=1)]
    assert cache.length == config.n_ctx
    torch.testing.assert_close(torch.cat(pieces, 1), model(ids), atol=1e-10, rtol=0)
    cache.reset()
    torch.testing.assert_close(model(ids[:, :3], cache), model(ids[:, :3]), atol=1e-10, rtol=0)


@pytest.mark.parametrize("config", CASES, ids=lambda c: f"{c.norm}-{'-'.join(c.pattern)}")
@torch.no_grad()
def test_a_padded_cache_equals_each_row_alone(config):
    """Texts of 7, 3 and 1 tokens, filled up on the left; then chunks of one and of five tokens.
    What stands in the places of the padding makes no difference."""
    model, ids, lengths = build(config), tokens(config, B=3), (7, 3, 1)
    padding = torch.tensor([7 - n for n in lengths])
    cache = KVCache(config, 3, dtype=torch.float64, padding=padding)
    first = [torch.cat([ids[i, -(7 - n) :][: 7 - n], ids[i, :n]]) for i, n in enumerate(lengths)]
    found = [model(torch.stack(first), cache)[:, -1:]]
    found += [model(chunk, cache) for chunk in ids[:, 7:18].split([1, 5, 1, 4], dim=1)]
    for i, n in enumerate(lengths):
        alone = model(torch.cat([ids[i : i + 1, :n], ids[i : i + 1, 7:18]], dim=1))[0, n - 1 :]
        torch.testing.assert_close(torch.cat(found, dim=1)[i], alone, atol=1e-10, rtol=0)
    weights = model.trace(ids[:, :1], cache).attentions
    for row, hidden in zip(torch.stack(weights, 1), padding.tolist(), strict=True):
        assert row[..., :hidden].abs().sum() == 0  # nobody reads the padding
    torch.testing.assert_close(weights[0].sum(-1), torch.ones_like(weights[0][..., 0]))


@pytest.mark.parametrize("norm", ["post", "pre"])
@torch.no_grad()
def test_trace_shows_the_pass_it_describes(norm):
    config = replace(SMALL, norm=norm, pattern=("dense", "banded"))
    model, ids = build(config), tokens(config)
    trace = model.trace(ids)
    torch.testing.assert_close(trace.logits, model(ids), atol=1e-10, rtol=0)
    assert len(trace.attentions) == 3
    assert [a.shape for a in trace.attentions] == [(2, 4, 24, 24)] * 3
    assert len(trace.residuals) == 4
    embedded = model.wte(ids) + model.wpe(torch.arange(24))
    torch.testing.assert_close(trace.residuals[0], embedded)
    last = model.ln_f(trace.residuals[-1]) if norm == "pre" else trace.residuals[-1]
    torch.testing.assert_close(last, model.hidden(ids), atol=1e-10, rtol=0)
    band = trace.attentions[1]
    assert not band.tril(-config.window).any()
    assert trace.attentions[0].tril(-config.window).any()


def test_the_loss_is_plain_cross_entropy_and_so_are_its_gradients():
    config = replace(SMALL, norm="post", dropout=0.0)
    model, ids = build(config), tokens(config)
    targets = ids.roll(-1, 1)
    targets[:, -1] = -100
    targets[0, :4] = -100
    loss = model.loss(ids, targets)
    grads = torch.autograd.grad(loss * 3, list(model.parameters()))
    plain = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
    expected = torch.autograd.grad(plain * 3, list(model.parameters()))
    torch.testing.assert_close(loss, plain, atol=1e-12, rtol=0)
    for g, e in zip(grads, expected, strict=True):
        torch.testing.assert_close(g, e, atol=1e-10, rtol=0)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("recompute", [False, True])
def test_what_is_not_read_is_not_computed_and_what_is_stays_the_same(norm, recompute):
    """States and gradients at some places are those of all places, left out afterwards."""
    model = build(replace(SMALL, norm=norm, dropout=0.0)).train()
    model.recompute = recompute
    ids = tokens(SMALL)
    places = torch.rand(ids.shape, generator=torch.Generator().manual_seed(3)) < 0.2
    for only in (places, (torch.tensor([0, 1]), torch.tensor([5, 23]))):
        grads = []
        for states in (model.hidden(ids, only=only), model.hidden(ids)[only]):
            states.square().sum().backward()
            grads.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
            model.zero_grad()
        torch.testing.assert_close(model.hidden(ids, only=only), states, atol=1e-10, rtol=0)
        torch.testing.assert_close(*grads, atol=1e-8, rtol=0)
    rows = []
    model.h[-1].mlp.register_forward_hook(lambda module, args, out: rows.append(len(out)))
    targets = ids.masked_fill(~places, -100)
    found = model.loss(ids, targets)
    assert rows == [places.sum()] and rows[0] < 20
    torch.testing.assert_close(
        found, model.loss(ids, targets, "none").sum() / rows[0], atol=1e-10, rtol=0
    )


def test_a_loss_of_nothing_is_none():
    model, ids = build(SMALL), tokens(SMALL)
    assert model.loss(ids, torch.full_like(ids, -100), "sum") == 0


def test_loss_reductions_agree_and_targets_are_the_next_tokens():
    model = build(replace(SMALL, dropout=0.0))
    ids = tokens(SMALL)
    x, y = ids[:, :-1], ids[:, 1:]
    each = model.loss(x, y, "none")
    assert each.shape == (2, 23)
    by_hand = -model(x).log_softmax(-1)[1, 5, y[1, 5]]
    torch.testing.assert_close(each[1, 5], by_hand)
    torch.testing.assert_close(model.loss(x, y, "sum"), each.sum())
    torch.testing.assert_close(model.loss(x, y), each.mean())


def test_initialisation_is_the_published_one():
    torch.manual_seed(0)
    gpt1 = GPT(replace(PRESETS["gpt1"], n_layer=2, vocab_size=2000))
    gpt2 = GPT(replace(PRESETS["gpt2"], n_layer=8, vocab_size=2000))
    for name, std in {"wte": 0.02, "wpe": 0.02, "h.1.mlp.c_proj": 0.02}.items():
        assert gpt1.get_parameter(f"{name}.weight").std().item() == pytest.approx(std, rel=0.01)
    scaled = 0.02 / 4  # √(2 · 8 layers) = 4
    for name, std in {
        "wte": 0.02,
        "wpe": 0.01,
        "h.3.attn.c_attn": 0.02,
        "h.3.attn.c_proj": scaled,
        "h.3.mlp.c_fc": 0.02,
        "h.3.mlp.c_proj": scaled,
    }.items():
        assert gpt2.get_parameter(f"{name}.weight").std().item() == pytest.approx(std, rel=0.01)
    for name, p in gpt2.named_parameters():
        if name.endswith("bias"):
            assert not p.any()
        elif "ln_" in name:
            assert (p == 1).all()


def test_an_untrained_model_knows_nothing():
    """Its loss is ln V, the loss of a uniform guess, and a little more for its random opinions."""
    torch.manual_seed(0)
    model = GPT(replace(PRESETS["tiny"], dropout=0.0))
    ids = tokens(PRESETS["tiny"], B=8)
    loss = model.loss(ids[:, :-1], ids[:, 1:]).item()
    assert 6.2383 - 0.02 < loss < 6.2383 + 0.05  # ln 512 = 6.2383


def test_embedding_dropout_drops_activations_in_training_only():
    config = replace(SMALL, n_layer=1, dropout=0.5)
    model = build(config).train()
    torch.manual_seed(3)
    stream = model.trace(tokens(config)).residuals[0]
    assert 0.4 < (stream == 0).double().mean() < 0.6
    model.eval()
    assert not (model.trace(tokens(config)).residuals[0] == 0).any()


def test_parameter_names_are_openais():
    names = set(GPT(replace(SMALL, norm="post", n_layer=1)).state_dict())
    block = {"ln_1", "ln_2", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}
    expected = {f"h.0.{part}.{kind}" for part in block for kind in ("weight", "bias")}
    assert names == expected | {"wte.weight", "wpe.weight"}
    pre = set(GPT(replace(SMALL, norm="pre", n_layer=1)).state_dict())
    assert pre - names == {"ln_f.weight", "ln_f.bias"}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 25), "25 tokens do not fit: n_ctx=24"),
        ((2, 0), r"ids must be \(B, T\) with T >= 1, got \(2, 0\)"),
        ((24,), r"ids must be \(B, T\) with T >= 1, got \(24,\)"),
    ],
)
def test_ids_of_a_wrong_shape_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        GPT(SMALL)(torch.zeros(shape, dtype=torch.int64))


def test_a_full_cache_and_bad_arguments_are_refused():
    model = build(SMALL)
    cache = KVCache(SMALL, 1, n_ctx=4, dtype=torch.float64)
    model(torch.zeros(1, 3, dtype=torch.int64), cache)
    with pytest.raises(ValueError, match="5 tokens do not fit: n_ctx=4"):
        model(torch.zeros(1, 2, dtype=torch.int64), cache)
    with pytest.raises(ValueError, match="n_ctx=25 must be between 1 and 24"):
        KVCache(SMALL, 1, n_ctx=25)
    ids = tokens(SMALL)
    with pytest.raises(ValueError, match=r"targets \(2, 3\) must have the shape of ids \(2, 24\)"):
        model.loss(ids, ids[:, :3])
    with pytest.raises(ValueError, match="reduction='max' must be"):
        model.loss(ids, ids, "max")


@pytest.mark.parametrize("pattern", [("dense",), ("dense", "banded")])
def test_attention_weights_while_decoding_are_those_of_one_pass(pattern):
    """Read as 5, 1 and 2 tokens: the rows of each new position over all that was read."""
    model = make(pattern=pattern, window=3)
    ids = ids_for(model)[:, :8]
    whole, cache, at = model.trace(ids), KVCache(model.config, 2), 0
    for n in (5, 1, 2):
        part = model.trace(ids[:, at : at + n], cache)
        for found, expected in zip(part.attentions, whole.attentions, strict=True):
            expected = expected[:, :, at : at + n, : at + n]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(part.logits, whole.logits[:, at : at + n], atol=1e-4, rtol=0)
        at += n


def test_an_attention_layer_reads_several_tokens_after_a_cache():
    """Without a mask, too: everything read before and the new ones up to the own."""
    model = make()
    layer, x = model.h[0].attn, torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    cache = KVCache(model.config)
    layer(x[:, :4], past=cache.layer(0))
    keys, values, _ = cache.layer(0)
    found = layer(x[:, 4:], past=(keys, values, 4))
    torch.testing.assert_close(found, layer(x)[:, 4:], atol=1e-5, rtol=0)


def test_a_network_with_a_mask_of_its_own_needs_no_more_than_three_arguments():
    """Who writes `mask(self, pattern, start, end)`, as chapters 02 and 03 do, is asked so."""

    class BothWays(GPT):
        def mask(self, pattern, start, end):
            return torch.ones(end - start, end, dtype=torch.bool)

    torch.manual_seed(0)
    model = BothWays(GPTConfig(vocab_size=9, n_ctx=4, n_layer=1, n_head=1, d_model=8)).eval()
    ids = torch.tensor([[1, 2, 3]])
    changed = torch.tensor([[1, 2, 4]])
    assert (model(ids) - model(changed)).abs()[0, 0].max() > 0

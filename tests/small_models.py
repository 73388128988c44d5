"""Small GPTs with random weights that several test files save, load and compare."""

from dataclasses import replace

import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT


def make(norm="pre", seed=0, **changes):
    """A GPT whose every parameter is random, biases and gains included."""
    config = GPTConfig(
        vocab_size=300, n_ctx=16, n_layer=2, n_head=2, d_model=8, norm=norm, dropout=0.1
    )
    model = GPT(replace(config, **changes)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return model


def attentive(norm="pre", seed=0, **changes):
    """A GPT whose next token hangs on all it has read, and where: `make` hardly looks back."""
    model = make(norm, seed, **changes)
    with torch.no_grad():
        for layer in model.h:
            layer.attn.c_attn.weight.mul_(8)
            layer.attn.c_proj.weight.mul_(8)
            for norm in (layer.ln_1, layer.ln_2):
                norm.weight.add_(1)
        (model.ln_f if hasattr(model, "ln_f") else model.h[-1].ln_2).weight.mul_(4)
    return model


def ids_for(model, seed=1):
    shape = (2, model.config.n_ctx)
    return torch.randint(
        model.config.vocab_size, shape, generator=torch.Generator().manual_seed(seed)
    )


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a
    )

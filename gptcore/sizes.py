"""How large a model is, part by part, in parameters and in memory.

Source: GPT-2's released layout; Kingma and Ba 2014 (Adam keeps two averages per parameter).
"""

from __future__ import annotations

from dataclasses import asdict

from gptcore.model import GPT

PARTS = {"wte": "token embeddings", "wpe": "positions", "attn": "attention", "mlp": "MLP"}


def parameter_counts(model: GPT) -> dict[str, int]:
    """Number of parameters by what they do; the output matrix is the token embeddings again."""
    counts = dict.fromkeys((*PARTS.values(), "LayerNorm"), 0)
    for name, p in model.named_parameters():
        part = next((PARTS[word] for word in name.split(".") if word in PARTS), "LayerNorm")
        counts[part] += p.numel()
    return counts


def memory(model: GPT) -> dict[str, int]:
    """Bytes that a model takes, by what is to be done with it.

    Training counts weights, gradients and Adam's two averages, all in fp32; activations, which
    depend on the batch, come on top. The key-value cache is that of one full context in fp32.
    """
    config, n = model.config, model.n_params()
    return {
        "weights, fp32": 4 * n,
        "weights, fp16": 2 * n,
        "training, fp32": 16 * n,
        "key-value cache": 4 * 2 * config.n_layer * config.n_ctx * config.d_model,
    }


def report(model: GPT) -> str:
    """Fields, parameters and memory as a table to print."""
    config, total = model.config, model.n_params()
    fields = {**asdict(config), "d_head": config.d_head, "d_ff": config.d_ff}
    lines = ["fields"]
    for name, value in fields.items():
        lines.append(f"  {name:<18}{', '.join(value) if isinstance(value, tuple) else value:>18}")
    lines.append("parameters")
    for part, n in parameter_counts(model).items():
        lines.append(f"  {part:<18}{n:>18,}  {n / total:6.1%}")
    lines += [f"  {'all':<18}{total:>18,}", "memory"]
    lines += [f"  {name:<18}{_size(n):>18}" for name, n in memory(model).items()]
    return "\n".join(lines)


def _size(n_bytes: float) -> str:
    """In the largest binary unit that leaves at least 1."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while n_bytes >= 1024 and len(units) > 1:
        n_bytes /= 1024
        del units[0]
    return f"{n_bytes:,.1f} {units[0]}"

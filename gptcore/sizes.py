"""How large a model is, part by part, in parameters and in memory.

Source: GPT-2's released layout; Kingma and Ba 2014 (Adam keeps two averages per parameter).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from gptcore.config import GPTConfig

if TYPE_CHECKING:
    from gptcore.model import GPT


def parameter_counts(of: GPT | GPTConfig) -> dict[str, int]:
    """Number of parameters by what they do, from the sizes alone.

    A tied output matrix is the token embeddings again, so it has no row of its own.
    """
    c = _config(of)
    C, ff = c.d_model, c.d_ff
    norms = 2 * c.n_layer + (c.norm == "pre")
    counts = {
        "token embeddings": c.vocab_size * C,
        "positions": c.n_ctx * C,
        "attention": c.n_layer * (C * 3 * C + 3 * C + C * C + C),
        "MLP": c.n_layer * (C * ff + ff + ff * C + C),
        "LayerNorm": norms * 2 * C,
    }
    return counts if c.tied else counts | {"output matrix": c.vocab_size * C}


def memory(of: GPT | GPTConfig) -> dict[str, int]:
    """Bytes that a model takes, by what is to be done with it.

    Training counts weights, gradients and Adam's two averages, all in fp32; activations, which
    depend on the batch, come on top. The key-value cache is that of one full context in fp32.
    """
    config, n = _config(of), sum(parameter_counts(of).values())
    return {
        "weights, fp32": 4 * n,
        "weights, fp16": 2 * n,
        "training, fp32": 16 * n,
        "key-value cache": 4 * 2 * config.n_layer * config.n_ctx * config.d_model,
    }


def report(of: GPT | GPTConfig) -> str:
    """Fields, parameters and memory as a table to print."""
    config, counts = _config(of), parameter_counts(of)
    total = sum(counts.values())
    fields = {**asdict(config), "d_head": config.d_head, "d_ff": config.d_ff}
    del fields["n_inner"]  # d_ff, or None
    lines = ["fields"]
    for name, value in fields.items():
        told = ", ".join(value) if isinstance(value, tuple) else str(value)
        lines.append(f"  {name:<18}{told:>18}")
    lines.append("parameters")
    for part, n in counts.items():
        lines.append(f"  {part:<18}{n:>18,}  {n / total:6.1%}")
    lines += [f"  {'all':<18}{total:>18,}", "memory"]
    lines += [f"  {name:<18}{_size(n):>18}" for name, n in memory(of).items()]
    return "\n".join(lines)


def _config(of: GPT | GPTConfig) -> GPTConfig:
    return of if isinstance(of, GPTConfig) else of.config


def _size(n_bytes: float) -> str:
    """In the largest binary unit that leaves at least 1."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while n_bytes >= 1024 and len(units) > 1:
        n_bytes /= 1024
        del units[0]
    return f"{n_bytes:,.1f} {units[0]}"

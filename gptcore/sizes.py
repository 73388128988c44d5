"""How large a model is and what training it takes: parameters, memory, FLOPs, devices, days.

All of it follows from the sizes alone, so a network of 175 billion parameters costs no more to ask
about than a small one.

Source: GPT-2's released layout; Kingma and Ba 2014 (Adam keeps two averages per parameter);
GPT-3 App. D (6 N D); Rajbhandari et al. 2020, §3.1 (16 bytes a parameter); Korthikanti et al. 2022,
§4.1 and 5 (activations).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gptcore.config import GPTConfig

if TYPE_CHECKING:
    from gptcore.model import GPT

PF_DAY = 1e15 * 86_400
"""FLOPs of a petaFLOP/s-day."""
STATE = {"weights": 2, "gradients": 2, "fp32 weights": 4, "Adam's averages": 8}
"""Bytes a parameter while training in half precision with Adam: 16 in all."""


@dataclass(frozen=True)
class Device:
    """What computes: the defaults are an A100's, from its data sheet; the utilisation is ours.

    Args:
        memory: bytes.
        flops: peak FLOPs per second in half precision, dense.
        utilisation: part of the peak that training reaches, above 0 and at most 1.

    Raises:
        ValueError: a number breaks its rule.
    """

    memory: float = 80e9
    flops: float = 312e12
    utilisation: float = 0.4

    def __post_init__(self) -> None:
        for name in ("memory", "flops", "utilisation"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value} must be a finite number greater than 0")
        if self.utilisation > 1:
            raise ValueError(f"utilisation={self.utilisation} must be at most 1, the peak itself")


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
    depend on the batch, come on top. The key-value cache is that of one full context in fp32, and
    of a banded layer its window.
    """
    config, n = _config(of), sum(parameter_counts(of).values())
    names = [config.pattern_of(i) for i in range(config.n_layer)]
    band = min(config.window, config.n_ctx)
    kept = sum(band if name == "banded" else config.n_ctx for name in names)
    return {
        "weights, fp32": 4 * n,
        "weights, fp16": 2 * n,
        "training, fp32": 16 * n,
        "key-value cache": 4 * 2 * kept * config.d_model,
    }


def forward_flops(of: GPT | GPTConfig) -> dict[str, float]:
    """FLOPs to read one token, by part: two for each multiplication and its sum.

    A mean over the positions of one full context. Attention counts the keys that a position may
    read, as a kernel computes them that skips the rest; looking up a row of a table, norms and
    activations count nothing, as everywhere.
    """
    c = _config(of)
    C, L = c.d_model, c.n_layer
    keys = sum(_keys_read(c.pattern_of(layer), c.n_ctx, c.window, c.summary) for layer in range(L))
    return {
        "blocks": 2.0 * L * (4 * C * C + 2 * C * c.d_ff),
        "attention": 4.0 * C * keys,
        "output matrix": 2.0 * c.vocab_size * C,
    }


def training_flops(of: GPT | GPTConfig, tokens: float = 1) -> float:
    """FLOPs to train on so many tokens: a pass back costs twice a pass forward.

    Divided by six and by the tokens it is the size that scaling laws call N, with nothing left out
    that is computed: in a large network the number of its parameters, in a small one more.

    Raises:
        ValueError: `tokens` is not above 0.
    """
    _above_0(tokens=tokens)
    return 3 * sum(forward_flops(of).values()) * tokens


def activations(of: GPT | GPTConfig, *, recompute: bool = False, fused: bool = True) -> int:
    """Bytes of activations that a training step keeps for one full context, in half precision.

    Args:
        of: the network, or its sizes.
        recompute: keep only what enters each block, and compute one block again at a time.
        fused: attention keeps no weights between positions, as SDPA's fused kernels do.

    Source: Korthikanti et al. 2022, §4.1, eq. 1: 34 C bytes a token and block, two of them dropout
    masks, and 5 H T a token for attention weights (2 H T without dropout). The MLP's part is
    4 d_ff + 2 C of it. The logits are in fp32.
    """
    c = _config(of)
    C, T, masks = c.d_model, c.n_ctx, c.dropout > 0
    block = T * (16 * C + 4 * c.d_ff + 2 * C * masks)
    if not fused:
        block += T * T * c.n_head * (5 if masks else 2)
    kept = c.n_layer * 2 * T * C + block if recompute else c.n_layer * block
    return kept + 4 * T * c.vocab_size


def training_state(of: GPT | GPTConfig) -> dict[str, int]:
    """Bytes of what training keeps beside activations, in half precision with Adam."""
    n = sum(parameter_counts(of).values())
    return {name: size * n for name, size in STATE.items()}


def devices_to_hold(of: GPT | GPTConfig, device: Device | None = None) -> int:
    """Least number of devices whose memory holds the training, if its state is shared out evenly.

    Every device works on a context of its own, with recomputation.

    Raises:
        ValueError: the activations of one context alone exceed the device's memory.
    """
    device = device or Device()
    left = device.memory - activations(of, recompute=True)
    if left <= 0:
        raise ValueError(
            f"memory={device.memory:g} must exceed {activations(of, recompute=True):,} bytes, the "
            "activations of one context; a device with less needs the network cut across devices"
        )
    return math.ceil(sum(training_state(of).values()) / left)


def days(flops: float, devices: int, device: Device | None = None) -> float:
    """Days that a computation takes on so many devices.

    Raises:
        ValueError: `flops` or `devices` is not above 0.
    """
    _above_0(flops=flops, devices=devices)
    device = device or Device()
    return flops / (devices * device.flops * device.utilisation) / 86_400


def report(of: GPT | GPTConfig) -> str:
    """Fields, parameters, memory and FLOPs as a table to print."""
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
    lines.append("FLOPs for a token")
    read, trained = sum(forward_flops(of).values()), training_flops(of)
    lines += [f"  {'reading':<18}{read:>18.4g}", f"  {'training':<18}{trained:>18.4g}"]
    lines.append("training, half precision")
    kept = {
        "state, Adam's too": sum(training_state(of).values()),
        "one full context": activations(of),
        "same, recomputed": activations(of, recompute=True),
    }
    lines += [f"  {name:<18}{_size(n):>18}" for name, n in kept.items()]
    return "\n".join(lines)


@lru_cache(64)
def _keys_read(pattern: str, n: int, window: int, summary: int) -> float:
    """Keys that a position may read, in the mean over a context of n."""
    if pattern in ("dense", "banded"):
        w = min(n, window) if pattern == "banded" else n
        return w * (w + 1) / 2 / n + (n - w) * w / n
    import torch  # slow to load; the other patterns are counted

    from gptcore.attention import may_attend

    k = torch.arange(n)[None]
    counts = (
        int(may_attend(pattern, q[:, None], k, window=window, summary=summary).sum())
        for q in torch.arange(n).split(1024)
    )
    return sum(counts) / n


def _above_0(**numbers: float) -> None:
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}={value} must be a finite number greater than 0")


def _config(of: GPT | GPTConfig) -> GPTConfig:
    return of if isinstance(of, GPTConfig) else of.config


def _size(n_bytes: float) -> str:
    """In the largest binary unit that leaves at least 1."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while n_bytes >= 1024 and len(units) > 1:
        n_bytes /= 1024
        del units[0]
    return f"{n_bytes:,.1f} {units[0]}"

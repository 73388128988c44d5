"""The arithmetic an update is computed in, chosen by asking the device.

Source: Micikevicius et al. 2018, "Mixed Precision Training", §3 (half precision for products,
fp32 for weights and sums, a scaled loss for fp16).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(wanted: Precision, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """The arithmetic to train in, by asking the device and not its name.

    A CPU gets fp32 unless told otherwise: without hardware for it bf16 runs at a quarter of the
    speed. `is_bf16_supported` must be told not to count emulation, which a T4 would offer.
    """
    if wanted not in get_args(Precision):
        raise ValueError(f"precision={wanted!r} must be one of {', '.join(get_args(Precision))}")
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """While it is open, products are computed in `precision`; fp32 changes nothing."""
    half = HALF.get(precision)
    return torch.autocast(device.type, half) if half else nullcontext()

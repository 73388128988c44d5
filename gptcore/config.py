"""Sizes as data: one frozen, validated config and one row per published model.

Source: GPT-1 §4.1 and its released code; GPT-2 §2.3 and Table 2; GPT-3 §2.1 and Table 2.1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

PatternName = Literal["dense", "banded", "strided", "block", "fixed"]
"""Who may look at whom; each is a predicate of that name in `gptcore.attention`."""
Activation = Literal["gelu_tanh", "gelu_erf", "gelu_sigmoid", "relu", "silu"]
"""What bends inside the MLP; each is a function of that name in `gptcore.model`."""


Scale = Literal["laptop", "gpu"]


def scale() -> Scale:
    """How large the experiments run: the environment variable GPTCORE_SCALE.

    Returns:
        "laptop" (the default: two CPU cores, a minute a chapter) or "gpu" (real sizes).

    Raises:
        ValueError: the variable holds anything else.
    """
    value = os.environ.get("GPTCORE_SCALE", "laptop")
    if value not in get_args(Scale):
        raise ValueError(f"GPTCORE_SCALE={value!r} must be 'laptop' or 'gpu'")
    return value


@dataclass(frozen=True)
class GPTConfig:
    """The shape of one GPT. Immutable: change a copy with `dataclasses.replace`.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field breaks its rule; the message names field, value and rule.
    """

    vocab_size: int = 50257
    """Number of tokens, V."""
    n_ctx: int = 1024
    """Context length in tokens: the longest sequence the position table can name."""
    n_layer: int = 12
    """Number of blocks, L."""
    n_head: int = 12
    """Attention heads per block, H."""
    d_model: int = 768
    """Width of the residual stream, C."""
    norm: Literal["post", "pre"] = "pre"
    """Where LayerNorm stands: after each residual sum (GPT-1) or before each sub-layer (GPT-2)."""
    pattern: tuple[PatternName, ...] = ("dense",)
    """Who may look at whom, one name per layer, repeated over the layers. GPT-3: dense, banded."""
    window: int = 256
    """l, in tokens: width of the band, stride, or block length of the sparse patterns."""
    summary: int = 8
    """c, in tokens: how many last positions of each block the "fixed" pattern lets all later
    ones read."""
    dropout: float = 0.1
    """Drop probability for embeddings, attention weights and sub-layer outputs."""
    tied: bool = True
    """Whether the output matrix is the token table, as in every GPT of OpenAI's, or one of its
    own, as in some networks of others."""
    activation: Activation = "gelu_tanh"
    """What bends inside the MLP. OpenAI's code has the tanh form; networks of others the exact one
    with the error function, x σ(1.702 x), or none of these."""
    n_inner: int | None = None
    """Width of the MLP's inside; None: 4 C, as in every GPT of OpenAI's."""
    ln_eps: float = 1e-5
    """Added to the variance under the root of every LayerNorm."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_ctx", "n_layer", "n_head", "d_model", "window", "summary"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name}={value!r} must be an int")
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self._check_mlp_and_norm()
        if self.d_model % self.n_head:
            raise ValueError(f"n_head={self.n_head} must divide d_model={self.d_model}")
        if self.norm not in ("post", "pre"):
            raise ValueError(f"norm={self.norm!r} must be 'post' or 'pre'")
        if isinstance(self.pattern, str) or not self.pattern:
            raise ValueError(f"pattern={self.pattern!r} must be a tuple of at least one name")
        object.__setattr__(self, "pattern", tuple(self.pattern))
        for name in self.pattern:
            if name not in get_args(PatternName):
                names = ", ".join(get_args(PatternName))
                raise ValueError(f"pattern={name!r} must be one of {names}")
        if "fixed" in self.pattern and self.summary > self.window:
            raise ValueError(f"summary={self.summary} must not exceed window={self.window}")
        if not isinstance(self.dropout, int | float) or isinstance(self.dropout, bool):
            raise TypeError(f"dropout={self.dropout!r} must be a number")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be in [0, 1)")
        if not isinstance(self.tied, bool):
            raise TypeError(f"tied={self.tied!r} must be True or False")

    def _check_mlp_and_norm(self) -> None:
        if self.activation not in get_args(Activation):
            names = ", ".join(get_args(Activation))
            raise ValueError(f"activation={self.activation!r} must be one of {names}")
        if not isinstance(self.n_inner, int | None) or isinstance(self.n_inner, bool):
            raise TypeError(f"n_inner={self.n_inner!r} must be an int or None")
        if self.n_inner is not None and self.n_inner < 1:
            raise ValueError(f"n_inner={self.n_inner} must be at least 1, or None for 4 d_model")
        if not isinstance(self.ln_eps, int | float) or isinstance(self.ln_eps, bool):
            raise TypeError(f"ln_eps={self.ln_eps!r} must be a number")
        if not 0 <= self.ln_eps < 1:
            raise ValueError(f"ln_eps={self.ln_eps} must be in [0, 1)")

    @property
    def d_head(self) -> int:
        """Width of one head, D = C / H."""
        return self.d_model // self.n_head

    @property
    def d_ff(self) -> int:
        """Width of the feed-forward layer, 4 C in every GPT of OpenAI's."""
        return 4 * self.d_model if self.n_inner is None else self.n_inner

    def pattern_of(self, layer: int) -> str:
        """Name of the attention pattern of block `layer` (counted from 0)."""
        return self.pattern[layer % len(self.pattern)]


class GPT3Row(NamedTuple):
    """One line of GPT-3's Table 2.1 exactly as printed, slips included."""

    n_params: str
    n_layer: int
    d_model: int
    n_head: int
    d_head: int
    batch_tokens: float
    lr: float


# Two printed rows contradict themselves: XL has 24 heads of 128 = 3,072 in a width of 2,048,
# and 13B has width 5,140 with 40 heads of 128 = 5,120. The paper's own parameter counts
# (Table D.1: 1,320M and 12,850M) fit 16 heads and width 5,120, which is what PRESETS builds.
GPT3_TABLE_2_1: dict[str, GPT3Row] = {
    "gpt3-small": GPT3Row("125M", 12, 768, 12, 64, 0.5e6, 6.0e-4),
    "gpt3-medium": GPT3Row("350M", 24, 1024, 16, 64, 0.5e6, 3.0e-4),
    "gpt3-large": GPT3Row("760M", 24, 1536, 16, 96, 0.5e6, 2.5e-4),
    "gpt3-xl": GPT3Row("1.3B", 24, 2048, 24, 128, 1e6, 2.0e-4),
    "gpt3-2.7b": GPT3Row("2.7B", 32, 2560, 32, 80, 1e6, 1.6e-4),
    "gpt3-6.7b": GPT3Row("6.7B", 32, 4096, 32, 128, 2e6, 1.2e-4),
    "gpt3-13b": GPT3Row("13.0B", 40, 5140, 40, 128, 2e6, 1.0e-4),
    "gpt3-175b": GPT3Row("175.0B", 96, 12288, 96, 128, 3.2e6, 0.6e-4),
}


def _gpt2(n_layer: int, n_head: int, d_model: int) -> GPTConfig:
    return GPTConfig(n_layer=n_layer, n_head=n_head, d_model=d_model)


def _gpt3(n_layer: int, n_head: int, d_model: int) -> GPTConfig:
    """GPT-3 §2.1: dense and banded layers alternate. The band width was never published: 256 is
    our choice. No dropout is mentioned in App. B, so none here."""
    return GPTConfig(
        n_ctx=2048,
        n_layer=n_layer,
        n_head=n_head,
        d_model=d_model,
        pattern=("dense", "banded"),
        window=256,
        dropout=0.0,
    )


def _ladder(n_layer: int, n_head: int, d_model: int) -> GPTConfig:
    shape = {"n_layer": n_layer, "n_head": n_head, "d_model": d_model}
    return GPTConfig(vocab_size=2048, n_ctx=256, dropout=0.0, **shape)


PRESETS: dict[str, GPTConfig] = {
    # GPT-1 §4.1. The vocabulary is 40,000 merges + 476 characters + <unk> + newline.
    "gpt1": GPTConfig(vocab_size=40478, n_ctx=512, norm="post"),
    # GPT-2 Table 2; the head counts are those of the released configs.
    "gpt2": _gpt2(12, 12, 768),
    "gpt2-medium": _gpt2(24, 16, 1024),
    "gpt2-large": _gpt2(36, 20, 1280),
    "gpt2-xl": _gpt2(48, 25, 1600),
    # GPT-3 Table 2.1, the two inconsistent rows as they must have been built.
    "gpt3-small": _gpt3(12, 12, 768),
    "gpt3-medium": _gpt3(24, 16, 1024),
    "gpt3-large": _gpt3(24, 16, 1536),
    "gpt3-xl": _gpt3(24, 16, 2048),
    "gpt3-2.7b": _gpt3(32, 32, 2560),
    "gpt3-6.7b": _gpt3(32, 32, 4096),
    "gpt3-13b": _gpt3(40, 40, 5120),
    "gpt3-175b": _gpt3(96, 96, 12288),
    # Ours: one that trains in seconds, one that writes sentences after two minutes on a laptop, and
    # the shape of the model shipped in data/checkpoints.
    "tiny": GPTConfig(
        vocab_size=512, n_ctx=64, n_layer=2, n_head=2, d_model=64, norm="post", dropout=0.1
    ),
    "pocket": GPTConfig(
        vocab_size=2048, n_ctx=64, n_layer=2, n_head=4, d_model=128, norm="pre", dropout=0.0
    ),
    "tales-gpt1": GPTConfig(
        vocab_size=2048, n_ctx=256, n_layer=4, n_head=4, d_model=256, norm="post", dropout=0.0
    ),
    # The ladder: GPT-2 in four sizes, named after their parameters.
    "tales-gpt2-300k": _ladder(3, 2, 64),
    "tales-gpt2-1m": _ladder(4, 4, 128),
    "tales-gpt2-3m": _ladder(6, 6, 192),
    "tales-gpt2-10m": _ladder(8, 5, 320),
}

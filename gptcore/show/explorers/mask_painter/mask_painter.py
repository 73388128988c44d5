"""Who may look at whom: masks to choose, to measure and to paint, and how far layers of them reach.

The page works everything out by itself, by the predicates of `gptcore.attention` written once more
in JavaScript; the tests hold the two against each other.

Source: Sparse Transformer §4.2-4.3 and §5.1 (patterns, and their interleaving over layers); GPT-3
§2.1 (dense and banded layers in turn); the picture of a token's way through layers follows van den
Oord and others 2016, *WaveNet*, Figure 3.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from traitlets import Int, List, Unicode

from gptcore.attention import PATTERNS, may_attend
from gptcore.show.explorers.shared.texts import between
from gptcore.show.widgets import Explorer

__all__ = ["MaskPainter", "arrivals"]

MOST = {"n": 256, "n_layer": 48}  # what the page draws without delay, as in mask_painter.js
LEAST = {"n": 8, "n_layer": 1}


class MaskPainter(Explorer):
    """A pattern's mask, the cost of its rows, and the way of a token through the layers.

    The reader chooses pattern and sizes, points at who reads and what is read, and paints cells
    open or closed. Tokens and layers count from 0.

    Args:
        n: tokens, 8 to 256.
        pattern: a name in `gptcore.attention.PATTERNS`, or several, which take turns over the
            layers as in `GPTConfig.pattern`: ("dense", "banded") is GPT-3.
        window: l, in tokens: width of the band, stride, or length of a block; at most n.
        summary: c, in tokens, of the "fixed" pattern; at most `window`. By default a quarter of
            `window`, at least 1.
        n_layer: layers, 1 to 48.
        token, key: who reads and what is read, at first the last token and the first.
        alt: the text alternative; by default it is worked out from the mask.

    Raises:
        ValueError: a size lies outside of its bounds.
        KeyError: a pattern has no such name.
    """

    script = "mask_painter"
    n, window, summary, n_layer = (Int().tag(sync=True) for _ in range(4))
    """The sizes."""
    pattern = List(Unicode()).tag(sync=True)
    """Names of patterns; layer i has the one at i modulo their number."""
    painted = List().tag(sync=True)
    """Cells painted over the pattern: [index in `pattern`, query, key, 1 open or 0 closed]."""
    token, key = (Int().tag(sync=True) for _ in range(2))
    """The query and the key that are chosen."""

    def __init__(
        self,
        *,
        n: int = 32,
        pattern: str | Sequence[str] = "dense",
        window: int = 8,
        summary: int | None = None,
        n_layer: int = 4,
        token: int | None = None,
        key: int = 0,
        alt: str | None = None,
    ) -> None:
        names = [pattern] if isinstance(pattern, str) else list(pattern)
        summary = max(1, window // 4) if summary is None else summary
        token = n - 1 if token is None else token
        if not names:
            raise ValueError(f"pattern={pattern!r} must name at least one pattern")
        for name in names:
            if name not in PATTERNS:
                raise KeyError(f"pattern={name!r} must be one of {', '.join(PATTERNS)}")
        between("n", n, LEAST["n"], MOST["n"])
        between("n_layer", n_layer, LEAST["n_layer"], MOST["n_layer"])
        between("window", window, 1, n)
        between("summary", summary, 1, window)
        between("token", token, 0, n - 1)
        between("key", key, 0, n - 1)
        sizes = {"n": n, "window": window, "summary": summary, "n_layer": n_layer}
        super().__init__(
            alt=_describe(names, **sizes) if alt is None else alt,
            **sizes,
            pattern=names,
            token=token,
            key=key,
        )


def arrivals(masks: Sequence[Tensor]) -> Tensor:
    """After how many layers each key has first reached each query.

    A token keeps what it has through the residual stream, so whatever has arrived stays.

    Args:
        masks: boolean (T, T), one per layer from the first on.

    Returns:
        Integers (T, T), query by key: 0 for itself, -1 where it does not arrive.
    """
    T = masks[0].shape[0]
    reached = torch.eye(T, dtype=torch.bool)
    found = torch.where(reached, 0, -1)
    for layer, mask in enumerate(masks, 1):
        now = reached | ((mask.float() @ reached.float()) > 0)
        found[now & ~reached] = layer
        reached = now
    return found


def _describe(names: list[str], n: int, window: int, summary: int, n_layer: int) -> str:
    """Say what a pattern costs and how far its layers reach."""
    at = torch.arange(n)
    sizes: dict[str, Any] = {"window": window, "summary": summary}
    masks = [may_attend(name, at[:, None], at[None], **sizes) for name in names]
    layers = [masks[i % len(masks)] for i in range(n_layer)]
    dense, total = n * (n + 1) // 2, sum(int(mask.sum()) for mask in layers)
    many = f"{n_layer} layer{'s' if n_layer > 1 else ''}"
    text = f"Who may look at whom among {n} tokens in {many}, "
    text += f"{' and '.join(names)}{' in turn' if len(names) > 1 else ''}"
    if set(names) != {"dense"}:
        text += f", window {window}"
    text += f"{f', summary {summary}' if 'fixed' in names else ''}. "
    rows = [f"{int(mask[-1].sum())} in a {names[i]} layer" for i, mask in enumerate(masks)]
    text += f"The last token reads {' and '.join(rows)}. "
    text += f"All layers have {total:,} entries, {total / (n_layer * dense):.1%} of dense. "
    far = arrivals(layers)[-1]
    text += f"In {many} {int((far >= 0).sum())} of {n} tokens can reach the last one; token 0 "
    return text + ("cannot." if far[0] < 0 else f"needs {int(far[0])} of them.")

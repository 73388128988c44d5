"""The exercises of the page on published weights, and what usually goes wrong in them.

Source: GPT-2's released code and layout; GPT-2 Table 2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gptcore.exercises.checking import Exercise, Mistake, call, compare

__all__ = ["EXERCISES"]

KERNELS = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def _vocabulary(answer: Any) -> str:
    for n_ctx, L, d, V in ((1024, 12, 768, 50_257), (1024, 48, 1600, 40_478), (64, 2, 128, 2048)):
        inside = L * (12 * d * d + 13 * d) + n_ctx * d
        total = V * d + inside + 2 * d
        mistakes = {
            "The last LayerNorm was left in: its gain and bias make 2 d.": (total - inside) / d,
            "The positions were left in: a row for each of n_ctx.": V + n_ctx,
            "The output matrix was counted beside the table. It is the table again.": (
                (total - inside - 2 * d) / (2 * d)
            ),
            "The biases of the blocks are missing: a block has 12 d² + 13 d numbers.": (V + 13 * L),
            "One block was taken away. There are L.": (total - inside - 2 * d) / d
            + (L - 1) * (12 * d + 13),
            "These are the numbers in the table. Wanted are its rows: divide by d.": V * d,
        }
        got = call(answer, total, n_ctx, L, d)
        given = f"{total:,} parameters, n_ctx = {n_ctx:,}, L = {L}, d = {d:,}"
        wrong = {cause: value for cause, value in mistakes.items() if value != V}
        if isinstance(got, float) and got == V:
            got = V
        compare(got, V, given=given, mistakes=wrong)
    return "You can read the vocabulary off a count, which is how Table 2's labels were explained."


def _published(seed: int) -> dict[str, Tensor]:
    """A small network under its published names, buffers of older files among them."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"wte.weight": (5, 2), "wpe.weight": (3, 2), "ln_f.weight": (2,), "ln_f.bias": (2,)}
    for i in (0, 10):
        sizes = dict(zip(KERNELS, ((2, 6), (2, 2), (2, 8), (8, 2)), strict=True))
        shapes |= {f"h.{i}.{name}": shape for name, shape in sizes.items()}
        shapes |= {f"h.{i}.attn.c_attn.bias": (6,), f"h.{i}.attn.bias": (1, 1, 3, 3)}
        shapes |= {f"h.{i}.attn.masked_bias": ()}
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {f"transformer.{name}": tensor for name, tensor in made.items()}


def _renamed(w: dict[str, Tensor], turn: Any, drop: Any) -> dict[str, Tensor]:
    bare = {name.removeprefix("transformer."): t for name, t in w.items()}
    return {n: t.T if turn(n, t) else t for n, t in bare.items() if not drop(n, t)}


def _is_kernel(name: str, _: Tensor) -> bool:
    return name.endswith(KERNELS)


def _is_mask(name: str, _: Tensor) -> bool:
    return name.endswith((".attn.bias", ".attn.masked_bias"))


def _translated(answer: Any) -> str:
    for seed in (0, 1):
        w = _published(seed)
        want = _renamed(w, _is_kernel, _is_mask)
        mistakes = {
            "All matrices were turned, tables of embeddings among them. Only kernels are (in, "
            "out).": _renamed(w, lambda n, t: t.dim() == 2, _is_mask),
            "Nothing was turned: `nn.Linear` keeps (out, in).": _renamed(
                w, lambda n, t: False, _is_mask
            ),
            "The square one, attn.c_proj, was not turned. It fits either way, and only one is "
            "right.": _renamed(w, lambda n, t: _is_kernel(n, t) and KERNELS[1] not in n, _is_mask),
            "The causal masks are still there: `attn.bias` and `attn.masked_bias` are none.": (
                _renamed(w, _is_kernel, lambda n, t: False)
            ),
            "`attn.masked_bias` is still there. It is a constant, no weight.": _renamed(
                w, _is_kernel, lambda n, t: n.endswith(".attn.bias")
            ),
            "The biases of c_attn went with the masks: their names end in `attn.bias`, too. A "
            "mask's ends in `.attn.bias`.": _renamed(
                w, _is_kernel, lambda n, t: n.endswith(("attn.bias", "masked_bias"))
            ),
            "The names still begin with `transformer.`.": {
                f"transformer.{name}": t for name, t in want.items()
            },
        }
        compare(call(answer, w), want, given="a published GPT-2", mistakes=mistakes)
    return "That is most of a loader: names, four turns a block, and masks that are no weights."


def _folded(answer: Any) -> str:
    for i, C, seed in ((1, 4, 0), (4, 6, 1)):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(C, 3 * C, generator=generator)
        bias = torch.randn(3 * C, generator=generator)

        def changed(part: Any, scale: float, weight: Tensor = weight, bias: Tensor = bias) -> Any:
            w, b = weight.clone(), bias.clone()
            w[:, part] *= scale
            b[part] *= scale
            return w, b

        query, rows = slice(0, C), weight.clone()
        rows[: C // 3] /= i + 1
        want = changed(query, 1 / (i + 1))
        mistakes = {
            "The bias was left as it was. A query is x W + b, and all of it is divided.": (
                want[0],
                bias,
            ),
            "Queries and keys were both divided: the scores shrink by the square.": changed(
                slice(0, 2 * C), 1 / (i + 1)
            ),
            "Everything was divided. The values would shrink, too.": changed(
                slice(0, 3 * C), 1 / (i + 1)
            ),
            "Divided by i. Blocks are counted from 0, and the first divides by 1.": changed(
                query, 1 / i
            ),
            "Multiplied. The scores are to become smaller.": changed(query, i + 1),
            "These are the values. The queries are the first third of the columns.": changed(
                slice(2 * C, 3 * C), 1 / (i + 1)
            ),
            "Rows were divided. In the published layout, (in, out), a query is a column.": (
                rows,
                want[1],
            ),
        }
        got = call(answer, weight, bias, i)
        if not isinstance(got, list | tuple) or len(got) != 2:
            raise Mistake("Two tensors are wanted: the weight and the bias.")
        wrong = {
            cause: value
            for cause, value in mistakes.items()
            if not all(torch.equal(a, b) for a, b in zip(value, want, strict=True))
        }
        compare(tuple(got), want, given=f"block i = {i}, C = {C}", mistakes=wrong)
    return "The scores are divided, and what is left is a GPT-2 like any other."


EXERCISES = [
    Exercise("W.1", "The vocabulary in a count", "easy", 10, _vocabulary),
    Exercise("W.2", "A loader in six lines", "medium", 15, _translated),
    Exercise("W.3", "A divisor in the weights", "medium", 15, _folded),
]

"""The parts of a GPT in the order of the data flow: shapes, code, and where the papers say so.

Source: GPT-1 §3.1, §4.1; GPT-2 §2.3; GPT-3 §2.1; each part names its own. The released code
settles what the papers leave open.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, NamedTuple

from gptcore.attention import CausalSelfAttention
from gptcore.gradients import gelu
from gptcore.model import GPT, MLP, Block

__all__ = ["Part", "excerpts", "flow"]

Shape = tuple[str, ...]
Lines = tuple[Callable, str, str]  # what to look into, text of the first line, of the last

STREAM = ("B", "T", "C")
NORM = {"weight": ("C",), "bias": ("C",)}


class Part(NamedTuple):
    """One part, whatever its size: letters stand for numbers, as in the book's notation."""

    id: str
    name: str
    path: str
    """Its name in `GPT`; "i" stands for the number of the block."""
    kind: Literal["input", "table", "norm", "attention", "mlp", "sum"]
    group: str
    """Whose parameters its own are counted with in `parameter_counts`."""
    place: Literal["spine", "branch", "sum"]
    """On the residual stream, beside it, or where something is added to it."""
    what: str
    reads: Shape
    makes: Shape
    code: tuple[Lines, ...]
    sections: tuple[str, str, str]
    """Where GPT-1's, GPT-2's and GPT-3's papers speak of it."""
    weights: dict[str, Shape] = {}
    inside: Shape = ()
    """Shape of what it makes on the way and keeps to itself."""
    rule: str = ""
    """FLOPs per token in letters; "" where nothing is counted."""
    in_block: bool = True


def excerpts(code: Iterable[Lines]) -> list[dict[str, Any]]:
    """The named lines of the package's source as they stand there now.

    Returns:
        For each run of lines: file, where (function or class), line (number of the first), text.

    Raises:
        LookupError: a text stands in no line of the source, or in several.
    """
    found = []
    for thing, first, last in code:
        lines, start = inspect.getsourcelines(thing)
        top, end = _only(lines, first, thing), _only(lines, last or first, thing)
        found.append(
            {
                "file": f"{thing.__module__.replace('.', '/')}.py",
                "where": thing.__qualname__,
                "line": start + top,
                "text": textwrap.dedent("".join(lines[top : end + 1])).rstrip(),
            }
        )
    return found


def _only(lines: list[str], text: str, thing: Callable) -> int:
    hits = [i for i, line in enumerate(lines) if text in line]
    if len(hits) != 1:
        raise LookupError(f"{text!r} stands in {len(hits)} lines of {thing.__qualname__}, not in 1")
    return hits[0]


@cache
def flow(norm: Literal["post", "pre"]) -> list[Part]:
    """All parts of a network in the order of the data flow, one block for all of them."""
    post = norm == "post"
    attention, mlp = _attention(norm), _mlp(norm)
    first, second = _norm("ln_1", norm), _norm("ln_2", norm)
    if post:  # GPT-1: a norm stands behind each sum, on the stream
        block = [*attention, first, *mlp, second]
    else:  # GPT-2: a norm stands before each sub-layer, beside the stream
        block = [first, *attention, second, *mlp]
    return [*_tables(), *block, *([] if post else [_last_norm()]), _output()]


def _tables() -> list[Part]:
    added = "x = self.wte(ids) + self.wpe(positions)"
    ids = Part(
        *("ids", "Token ids", "ids", "input", "", "spine"),
        "The text as whole numbers: for each token its row in the vocabulary, below V.",
        *(("B", "T"), ("B", "T")),
        ((GPT.forward, "def forward", "Logits (B, T, V)"),),
        ("§4.1: byte-pair encoding, 40,000 merges", "§2.2: bytes, V = 50,257", "§2.1: as GPT-2"),
        in_block=False,
    )
    wte = Part(
        *("wte", "Token table", "wte", "table", "token embeddings", "spine"),
        "One learned row of C numbers for each token of the vocabulary; the id picks the row. "
        "Picking is no product, so it costs no FLOPs.",
        *(("B", "T"), STREAM),
        ((GPT.__init__, "self.wte =", ""), (GPT._run, added, "")),
        ("§3.1, eq. 2: W_e", "§2.3: the vocabulary grows to 50,257", "§2.1: as GPT-2"),
        {"weight": ("V", "C")},
        in_block=False,
    )
    wpe = Part(
        *("wpe", "Position table", "wpe", "table", "positions", "branch"),
        "One learned row for each position, the same for every text. A sequence longer than "
        "n_ctx tokens would need rows that do not exist.",
        *(("T",), ("T", "C")),
        ((GPT.__init__, "self.wpe =", ""), (GPT._run, "positions = torch.arange", added)),
        (
            "§3.1, eq. 2: W_p; §4.1: learned, not sinusoidal",
            "§2.3: the context grows to 1,024",
            "§2.1: n_ctx = 2,048 in all sizes",
        ),
        {"weight": ("n_ctx", "C")},
        in_block=False,
    )
    add = Part(
        *("add", "Sum", "", "sum", "", "sum"),
        "Row of the token plus row of its position: the residual stream begins. Dropout "
        "follows, in training only.",
        *(STREAM, STREAM),
        ((GPT._run, added, "x = F.dropout"),),
        ("§3.1, eq. 2: h_0 = U W_e + W_p", "§2.3: as GPT-1", "§2.1: as GPT-2"),
        in_block=False,
    )
    return [ids, wte, wpe, add]


def _attention(norm: str) -> list[Part]:
    layer = CausalSelfAttention
    papers = ("§3.1; §4.1: masked, with several heads", "§2.3: as GPT-1")
    qkv = Part(
        *("c_attn", "Queries, keys, values", "h.i.attn.c_attn", "attention", "attention", "branch"),
        "One product makes all three, for all heads at once: 3C numbers for each position, cut "
        "into H heads of D = C / H.",
        *(STREAM, ("B", "T", "3C")),
        (
            (layer.__init__, "self.c_attn =", ""),
            (layer.forward, "qkv = self.c_attn(x)", ""),
            (layer.forward, "qkv.split", "(t.view(B, T"),
        ),
        (*papers, "§2.1, Table 2.1: heads and their width"),
        {"weight": ("3C", "C"), "bias": ("3C",)},
        rule="2 · 3C · C",
    )
    mix = Part(
        *("mix", "Attention", "h.i.attn", "attention", "attention", "branch"),
        "Every position weighs the keys that it may read, by softmax(q·k / √D), and adds up "
        "their values with these weights. No parameters; the cost grows with the number of keys. "
        "These lines run when the weights are asked for; otherwise PyTorch's fused "
        "F.scaled_dot_product_attention, or short_attention in training, computes the same.",
        *(("B", "T", "3C"), STREAM),
        ((layer.forward, "scores = q @", "y = F.dropout(a, p) @ v"),),
        (*papers, "§2.1: dense and banded layers alternate; the band's width is not published"),
        inside=("B", "H", "T", "T"),
        rule="4 · C · keys read",
    )
    out = Part(
        *("attn_proj", "Heads mixed", "h.i.attn.c_proj", "attention", "attention", "branch"),
        "The heads stand side by side again and one matrix mixes them: what attention writes to "
        "the stream. Dropout follows, in training only.",
        *(STREAM, STREAM),
        (
            (layer.__init__, "self.c_proj =", ""),
            (layer.forward, "y = y.transpose", "return F.dropout(self.c_proj"),
        ),
        (*papers, "§2.1: as GPT-2"),
        {"weight": ("C", "C"), "bias": ("C",)},
        rule="2 · C · C",
    )
    return [qkv, mix, out, _sum("res_1", "self.attn(", "attention", norm)]


def _mlp(norm: str) -> list[Part]:
    wide = ("B", "T", "4C")
    product = (MLP.forward, "self.c_fc(x)", "")
    papers = ("§2.3: as GPT-1", "§2.1: always four times as wide as the stream")
    c_fc = Part(
        *("c_fc", "MLP, in", "h.i.mlp.c_fc", "mlp", "MLP", "branch"),
        "Every position on its own, with the same weights: from C numbers to 4C.",
        *(STREAM, wide),
        ((MLP.__init__, "self.c_fc =", ""), product),
        ("§4.1: inner states of 3,072", *papers),
        {"weight": ("4C", "C"), "bias": ("4C",)},
        rule="2 · 4C · C",
    )
    bend = Part(
        *("gelu", "GELU", "h.i.mlp", "mlp", "MLP", "branch"),
        "A smooth bend, number by number. Without it the two matrices would be no more than one.",
        *(wide, wide),
        (product, (gelu, "def gelu", "The GELU in"), (gelu, "if _learns(x)", "return F.gelu")),
        ("§4.1; its tanh form is that of the released code", "§2.3: as GPT-1", "§2.1: as GPT-2"),
    )
    c_proj = Part(
        *("mlp_proj", "MLP, out", "h.i.mlp.c_proj", "mlp", "MLP", "branch"),
        "Back from 4C numbers to C: what the MLP writes to the stream. Dropout follows, in "
        "training only.",
        *(wide, STREAM),
        ((MLP.__init__, "self.c_proj =", ""), (MLP.forward, "self.c_fc(x)", "return F.dropout")),
        ("§4.1: inner states of 3,072", *papers),
        {"weight": ("C", "4C"), "bias": ("C",)},
        rule="2 · C · 4C",
    )
    return [c_fc, bend, c_proj, _sum("res_2", "self.mlp(", "the MLP", norm)]


def _line(norm: str, layer: str) -> Lines:
    """The line of `Block.forward` that runs a sub-layer in one of the two networks."""
    start = "x = self.ln_" if norm == "post" else "x = x + "
    lines, _ = inspect.getsourcelines(Block.forward)
    line = [line.strip() for line in lines if start in line and layer in line]
    return Block.forward, "".join(line), ""


def _sum(name: str, layer: str, writer: str, norm: str) -> Part:
    after = (
        "The next LayerNorm takes this sum and replaces the stream by it, normalised."
        if norm == "post"
        else "Nothing else touches the stream: what was written stays in it, term by term."
    )
    return Part(
        *(name, "Sum", "", "sum", "", "sum"),
        f"What {writer} wrote is added to what was there. {after}",
        *(STREAM, STREAM),
        (_line(norm, layer),),
        ("Figure 1, left", "§2.3: as GPT-1", "§2.1: as GPT-2"),
    )


def _norm(name: str, norm: str) -> Part:
    sublayer, layer = ("attention", "self.attn(") if name == "ln_1" else ("the MLP", "self.mlp(")
    each = "Every position to mean 0 and variance 1, then a learned gain and bias for each number."
    where = (
        f"It stands on the stream, behind the sum with {sublayer}: only what is normalised goes on."
        if norm == "post"
        else f"It stands beside the stream, before {sublayer}: the stream itself passes by it."
    )
    return Part(
        *(name, "LayerNorm", f"h.i.{name}", "norm", "LayerNorm"),
        "spine" if norm == "post" else "branch",
        f"{each} {where}",
        *(STREAM, STREAM),
        ((Block.__init__, f"self.{name} =", ""), _line(norm, layer)),
        (
            "Figure 1, left: behind each sum",
            "§2.3: moved to the input of each sub-block",
            "§2.1: as GPT-2",
        ),
        NORM,
    )


def _last_norm() -> Part:
    return Part(
        *("ln_f", "Last LayerNorm", "ln_f", "norm", "LayerNorm", "spine"),
        "One more, behind the last block: the sums of a pre-LN network were never normalised on "
        "the stream. In GPT-1 the last block's ln_2 does this.",
        *(STREAM, STREAM),
        ((GPT.__init__, "self.ln_f =", ""), (GPT.hidden, "return self.ln_f", "")),
        ("none", "§2.3: an additional one, at the end", "§2.1: as GPT-2"),
        NORM,
        in_block=False,
    )


def _output() -> Part:
    return Part(
        *("logits", "Output", "wte, again", "table", "output", "spine"),
        "Each position is compared with every row of the token table: V logits, the scores of "
        "the next token. The matrix is the token table again, without a bias, so it adds no "
        "parameter; its product is not free.",
        *(STREAM, ("B", "T", "V")),
        ((GPT.forward, "return F.linear", ""),),
        (
            "§3.1, eq. 2: W_e, transposed",
            "§2.3: as GPT-1; tied in the released code",
            "not stated; the counts of Table D.1 fit a tied matrix",
        ),
        rule="2 · V · C",
        in_block=False,
    )

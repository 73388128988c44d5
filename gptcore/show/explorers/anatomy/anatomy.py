"""A GPT as a picture from tokens to logits: what each part holds, costs, and where it is written.

Source: the networks are GPT-1 §3.1 and §4.1, GPT-2 §2.3 and Table 2, GPT-3 §2.1 and Table 2.1.
FLOPs are counted as in Kaplan et al. 2020 §2.1, two for each multiply-add of the forward pass;
which of attention's products count is stated in `RULE`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from traitlets import Dict, Int, List, Unicode

from gptcore.attention import may_attend
from gptcore.config import GPT3_TABLE_2_1, PRESETS, GPTConfig
from gptcore.model import GPT
from gptcore.show.explorers.anatomy.anatomy_parts import excerpts, flow
from gptcore.show.widgets import Explorer
from gptcore.sizes import parameter_counts

__all__ = ["Anatomy", "dissect", "flops_per_token", "keys_read"]

PAPERS = {"gpt1": "GPT-1", "gpt2": "GPT-2", "gpt3": "GPT-3"}
PRINTED = {"gpt2": "117M", "gpt2-medium": "345M", "gpt2-large": "762M", "gpt2-xl": "1542M"}
ROWS = 256  # queries whose keys are counted at a time
RULE = (
    "2 FLOPs for each multiply-add of a matrix product, forward, per token. Attention counts the "
    "keys that a position may read, averaged over a text of T tokens: (T + 1) / 2 where it is "
    "dense. Look-ups, sums, LayerNorm, GELU and softmax are not counted."
)


class Anatomy(Explorer):
    """The network of a preset, to walk through part by part, and to compare with another.

    Args:
        preset: the name of the network shown first.
        presets: what the reader may choose: names of `gptcore.config.PRESETS`, or name ->
            config for networks of one's own; by default all of PRESETS.
        alt: the text alternative; by default it is worked out from the counts.

    Raises:
        KeyError: a name is not in PRESETS, or `preset` is not among those to choose from.
        TypeError: `presets` is one string.
    """

    script = "anatomy"
    presets = List(Dict()).tag(sync=True)
    """One `dissect` per network."""
    flows = Dict().tag(sync=True)
    """"post" and "pre" -> the parts of such a network, in the order of the data flow."""
    rule = Unicode(RULE).tag(sync=True)
    """How FLOPs are counted."""
    preset = Unicode().tag(sync=True)
    """The network shown."""
    other = Unicode("").tag(sync=True)
    """The one it is compared with; "" for none."""
    part = Unicode("c_attn").tag(sync=True)
    """Id of the part chosen."""
    tokens = Int(0).tag(sync=True)
    """T, the length of the text; 0 for the longest that the network can read."""
    measure = Unicode("parameters").tag(sync=True)
    """What the areas stand for: "parameters" or "flops"."""
    guess = Unicode("").tag(sync=True)
    """Where the reader thinks most parameters are; "" before, and the areas are hidden."""

    def __init__(
        self,
        preset: str = "gpt1",
        *,
        presets: Iterable[str] | Mapping[str, GPTConfig] | None = None,
        alt: str | None = None,
    ) -> None:
        configs = _configs(PRESETS if presets is None else presets)
        if preset not in configs:
            raise KeyError(f"preset={preset!r} must be one of {', '.join(configs)}")
        networks = [dissect(name, config) for name, config in configs.items()]
        shown = next(network for network in networks if network["name"] == preset)
        norms = dict.fromkeys(config.norm for config in configs.values())
        super().__init__(
            alt=_describe(shown, len(networks)) if alt is None else alt,
            presets=networks,
            flows={norm: _flow(norm) for norm in norms},
            preset=preset,
        )


def dissect(name: str, config: GPTConfig) -> dict[str, Any]:
    """Every number that the picture of one network needs, counted on the network itself.

    Args:
        name: the preset's, or any other. config: its sizes; no memory is taken for weights.

    Returns:
        name, title, family ("gpt1", "gpt2" or "gpt3": whose paper to look into), note; sizes:
        letter -> number; norm, dropout, pattern (in words), patterns (their names); total and
        groups (parameters); params: part -> number in one copy; lengths: texts that FLOPs are
        given for, in tokens; keys: mean number of keys read, per length; flops: part -> FLOPs per
        token in one copy, a number, or one per length (the mean over layers).
    """
    own, groups = _counts(config)
    lengths = [2**i for i in range(config.n_ctx.bit_length()) if 2**i < config.n_ctx]
    lengths.append(config.n_ctx)
    family = name.split("-")[0]
    family = family if family in PAPERS else ("gpt1" if config.norm == "post" else "gpt2")
    V, C, H = config.vocab_size, config.d_model, config.n_head
    sizes = {"V": V, "n_ctx": config.n_ctx, "C": C, "3C": 3 * C, "4C": config.d_ff}
    params = {}
    for part in flow(config.norm):
        path = part.path.replace(".i.", ".0.")
        params[part.id] = sum(own[f"{path}.{weight}"] for weight in part.weights)
    return {
        "name": name,
        "title": _title(name),
        "family": family,
        "note": _note(name, config),
        "sizes": {**sizes, "H": H, "D": config.d_head, "L": config.n_layer},
        "norm": config.norm,
        "dropout": config.dropout,
        "pattern": _pattern(config),
        "patterns": list(dict.fromkeys(map(config.pattern_of, range(config.n_layer)))),
        "total": sum(own.values()),
        "groups": dict(groups),
        "params": params,
        "lengths": lengths,
        "keys": [keys_read(config, length) for length in lengths],
        "flops": _flops_at(config, lengths),
    }


@cache
def _counts(config: GPTConfig) -> tuple[dict[str, int], dict[str, int]]:
    """Parameters by name, and by what they do; a network on the meta device has no weights."""
    with torch.device("meta"):
        model = GPT(config)
    return {n: p.numel() for n, p in model.named_parameters()}, parameter_counts(model)


def keys_read(config: GPTConfig, length: int) -> float:
    """Keys that a position reads, its own among them: the mean over positions and layers.

    Args:
        config: names the patterns. length: T, in tokens.
    """
    names = Counter(config.pattern_of(layer) for layer in range(config.n_layer))
    read = sum(
        count * _pairs(name, config.n_ctx, config.window, config.summary)[length - 1]
        for name, count in names.items()
    )
    return read / (length * config.n_layer)


@cache
def _pairs(pattern: str, n_ctx: int, window: int, summary: int) -> list[int]:
    """At index T - 1, how many pairs of a query and a key a text of T tokens has."""
    k = torch.arange(n_ctx)
    rows = [
        may_attend(pattern, q[:, None], k, window=window, summary=summary).sum(1)
        for q in k.split(ROWS)
    ]
    return torch.cat(rows).cumsum(0).tolist()


def flops_per_token(config: GPTConfig, length: int) -> dict[str, float]:
    """FLOPs of the forward pass per token, by part, in one copy of it; `RULE` says what counts.

    Args:
        config: any network. length: T, in tokens.

    Returns:
        part -> FLOPs, for the parts that have any; attention's are the mean over layers.

    Source: the rule of two is Kaplan et al. 2020 §2.1's, the choice of keys ours.
    """
    C = config.d_model
    return {
        "c_attn": 2 * 3 * C * C,
        "mix": 4 * C * keys_read(config, length),  # q·k, then the values: 2 C for each key
        "attn_proj": 2 * C * C,
        "c_fc": 2 * config.d_ff * C,
        "mlp_proj": 2 * C * config.d_ff,
        "logits": 2 * config.vocab_size * C,
    }


def _flops_at(config: GPTConfig, lengths: list[int]) -> dict[str, Any]:
    tables = [flops_per_token(config, length) for length in lengths]
    return {
        part: [table[part] for table in tables] if part == "mix" else value
        for part, value in tables[0].items()
    }


def _flow(norm: str) -> list[dict[str, Any]]:
    """The parts as JSON can hold them."""
    kept = []
    for part in flow(norm):
        fields = part._asdict()
        fields["code"] = excerpts(part.code)
        fields["sections"] = dict(zip(PAPERS, part.sections, strict=True))
        kept.append(fields)
    return kept


def _configs(presets: Iterable[str] | Mapping[str, GPTConfig]) -> dict[str, GPTConfig]:
    if isinstance(presets, str):
        raise TypeError(f"presets={presets!r} must be several names, not one")
    if isinstance(presets, Mapping):
        return dict(presets)
    for name in (names := list(presets)):
        if name not in PRESETS:
            raise KeyError(f"preset={name!r} must be one of {', '.join(PRESETS)}")
    return {name: PRESETS[name] for name in names}


def _title(name: str) -> str:
    family, _, size = name.partition("-")
    if family not in PAPERS:
        return name
    big = size[:1].isdigit() or size == "xl"
    return f"{PAPERS[family]} {size.upper() if big else size}".strip()


def _note(name: str, config: GPTConfig) -> str:
    """What a reader who looks it up in the paper would stumble over."""
    if PRESETS.get(name) != config:
        return ""
    if name == "gpt1":
        return "GPT-1 §4.1 prints no number of parameters; GPT-2's Table 2 says 117M."
    if name in PRINTED:
        return (
            f"GPT-2's Table 2 prints {PRINTED[name]} and no number of heads; both are corrected "
            "by the released code, whose README calls the printed counts an error."
        )
    if name not in GPT3_TABLE_2_1:
        return f"A size of our own, in the form of GPT-{1 if config.norm == 'post' else 2}."
    row = GPT3_TABLE_2_1[name]
    note = f"GPT-3's Table 2.1 prints {row.n_params}. "
    if (row.n_head * row.d_head, row.d_model) != (config.d_model, config.d_model):
        note += (
            f"It also prints width {row.d_model:,} and {row.n_head} heads of {row.d_head}, which "
            f"do not fit together; the count of Table D.1 fits {config.d_model:,} and "
            f"{config.n_head} heads of {config.d_head}. "
        )
    return note + f"The width of the band was never published: {config.window} is ours."


def _pattern(config: GPTConfig) -> str:
    """Who may look at whom, layer by layer, in words."""
    says = {
        "dense": "every position up to its own",
        "banded": f"the last {config.window:,} positions",
        "strided": f"its own position and each a multiple of {config.window:,} back",
        "block": f"its own block of {config.window:,}",
        "fixed": f"its own block of {config.window:,} and the last {config.summary} of each",
    }
    told, step = [], len(config.pattern)
    for first, name in enumerate(config.pattern[: config.n_layer]):
        layers = list(range(first, config.n_layer, step))
        if step == 1:
            where = "all layers"
        elif len(layers) < 4:
            where = f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))}"
        else:
            where = f"layers {layers[0]}, {layers[1]}, … {layers[-1]}"
        told.append(f"{where} {name}: {says[name]}")
    return "; ".join(told)


def _describe(network: dict[str, Any], n_networks: int) -> str:
    sizes, total, groups = network["sizes"], network["total"], network["groups"]
    where = (
        "LayerNorm stands behind each residual sum"
        if network["norm"] == "post"
        else "LayerNorm stands before each sub-layer and once more behind the last block"
    )
    shares = sorted(groups.items(), key=lambda item: -item[1])
    flops = {
        part: value[-1] if isinstance(value, list) else value
        for part, value in network["flops"].items()
    }
    per_token = flops.pop("logits") + sizes["L"] * sum(flops.values())
    text = f"{network['title']} from tokens to logits, one of {n_networks} networks to choose "
    text += f"from: {sizes['L']} blocks of {sizes['H']} heads, {sizes['C']:,} wide. {where}. "
    text += f"{total:,} parameters: "
    text += ", ".join(f"{name} {n / total:.2%}" for name, n in shares)
    return text + (
        f". A forward pass costs {per_token / 1e6:,.1f} million FLOPs per token in a text of "
        f"{sizes['n_ctx']:,} tokens."
    )

"""The mask painter: its page's predicates are gptcore's, and what it says of a mask is so."""

import json
import re
import subprocess
from itertools import product
from pathlib import Path

import pytest
import torch
from node import node

from gptcore.attention import PATTERNS, may_attend
from gptcore.show import MaskPainter
from gptcore.show.explorers.mask_painter.mask_painter import LEAST, MOST, arrivals

LOADER = Path(__file__).parents[1] / "js" / "load.mjs"
NODE = """
const { load } = await import(process.argv[1]);
const painter = await load("mask_painter");
let text = "";
for await (const part of process.stdin) text += part;
const cases = JSON.parse(text), answer = (one) => (%s)(painter, one);
console.log(JSON.stringify(cases.map(answer)));
"""
MASKS = """({ mask, entries, costs }, { name, ...sizes }) => {
  const found = mask(name, sizes);
  return [Array.from(found).join(""), entries(found), costs(found, sizes.n)];
}"""
NETWORKS = """({ network, stack, growth, route, LIMITS }, setup) => {
  const net = network(setup), { n } = setup, distance = [...net.distance];
  const way = (far, at) => route(net.lists, n, at % n, Math.floor(at / n), far);
  const routes = distance.map((far, at) => (far > 999 ? null : way(far, at)));
  return { distance, sum: stack(net, setup).sum, own: growth(setup).own, routes };
}"""


def by_node(function: str, cases: list[dict]) -> list:
    """What a function of the page's module answers to each case."""
    command = [node(), "--input-type=module", "-e", NODE % function, LOADER.as_uri()]
    given = json.dumps(cases)
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def mask_of(name: str, n: int, window: int, summary: int) -> torch.Tensor:
    """The mask of gptcore, (n, n)."""
    at = torch.arange(n)
    return may_attend(name, at[:, None], at[None], window=window, summary=summary)


def sizes() -> list[dict]:
    """Sizes around every edge: one token, window 1, window = n, window > n, summary = window."""
    found = []
    for n in (1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 64, 100, 255, 256):
        windows = {w for w in (1, 2, 3, 5, 8, 16, 17, n - 1, n, n + 1) if w >= 1}
        for window in sorted(windows):
            summaries = {s for s in (1, 2, window // 2, window) if 1 <= s <= window}
            found += [{"n": n, "window": window, "summary": s} for s in sorted(summaries)]
    return found


@pytest.mark.parametrize("name", PATTERNS)
def test_the_page_has_the_masks_of_gptcore(name: str) -> None:
    """Oracle: every cell, the entries and each row's cost, for every pattern at many sizes."""
    cases = [{"name": name, **one} for one in sizes()]
    assert len(cases) > 250
    for case, (cells, entries, costs) in zip(cases, by_node(MASKS, cases), strict=True):
        wanted = mask_of(**case)
        assert cells == (wanted.to(torch.uint8) + ord("0")).numpy().tobytes().decode(), case
        assert (entries, costs) == (int(wanted.sum()), wanted.sum(1).tolist()), case


def test_entries_by_formula() -> None:
    """Counts of n = 256, l = 16 worked out from the formulas of Sparse Transformer §4.2-4.3.

    Dense 256 · 257 / 2. Band: 256 · 16 - 16 · 15 / 2. Stride: 16 residues, each 16 · 17 / 2; a
    block the same, 16 blocks. Fixed, c = 8: the blocks, and 8 columns below each: 8 · 16 rows for
    each of 0 + 1 + ... + 15 earlier blocks.
    """
    wanted = {"dense": 32_896, "banded": 3_976, "strided": 2_176, "block": 2_176}
    wanted["fixed"] = 2_176 + 8 * 16 * 120
    sizes = {"n": 256, "window": 16, "summary": 8}
    found = by_node(MASKS, [{"name": name, **sizes} for name in wanted])
    assert [entries for _, entries, _ in found] == list(wanted.values())


def layers_needed(masks: list[list[list[bool]]], most: int) -> list[list[int]]:
    """Layers until k reaches q, by following each token upwards one at a time; 65535 for never."""
    T = len(masks[0])
    readers = [[[q for q in range(T) if mask[q][k]] for k in range(T)] for mask in masks]
    found = [[65535] * T for _ in range(T)]
    for k in range(T):
        knows = {k}
        found[k][k] = 0
        for layer in range(1, most + 1):
            fresh = {q for at in knows for q in readers[(layer - 1) % len(masks)][at]} - knows
            knows |= fresh
            for q in fresh:
                found[q][k] = layer
    return found


STACKS = [["dense"], ["banded"], ["strided"], ["block"], ["fixed"], ["dense", "banded"]]
STACKS += [["banded", "strided"], ["strided", "banded"], ["block", "dense", "banded"]]


def test_the_page_knows_how_far_layers_reach() -> None:
    """Oracle: each pair's layers; each route is allowed step by step and leads from k to q."""
    shapes = [(8, 3, 1), (13, 4, 2), (20, 5, 2)]
    named = [dict(zip(("n", "window", "summary"), shape, strict=True)) for shape in shapes]
    cases = [
        {**one, "pattern": pattern, "n_layer": 5, "painted": painted}
        for one, pattern in product(named, STACKS)
        for painted in ([], [[0, 2, 6, 1], [0, 7, 7, 0], [0, 5, 4, 0]])
    ]
    for case, found in zip(cases, by_node(NETWORKS, cases), strict=True):
        n, one = case["n"], {name: case[name] for name in ("n", "window", "summary")}
        masks = [mask_of(name, **one) for name in case["pattern"]]
        plain = [masks[i % len(masks)].sum().item() for i in range(5)]
        for i, q, k, value in case["painted"]:
            masks[i][q, k] = bool(value)
        rows = [mask.tolist() for mask in masks]
        layers = [rows[i % len(rows)] for i in range(3 * n)]
        wanted = layers_needed(rows, 3 * n)
        assert found["distance"] == sum(wanted, []), case
        assert found["sum"] == sum(sum(map(sum, rows)) for rows in layers[:5]), case
        double = [mask_of(name, **{**one, "n": 2 * n}).sum().item() for name in case["pattern"]]
        grown = sum(double[i % len(double)] for i in range(5)) / sum(plain)
        assert found["own"] == pytest.approx(grown), case
        for at, route in enumerate(found["routes"]):
            q, k = divmod(at, n)
            if route is None:
                assert wanted[q][k] == 65535
                continue
            assert (route[0], route[-1], len(route)) == (k, q, wanted[q][k] + 1), case
            steps = zip(route, route[1:], layers, strict=False)
            assert all(a == b or mask[b][a] for a, b, mask in steps), (case, route)


def test_two_layers_of_each_factorised_pattern_fill_the_triangle() -> None:
    """Sparse Transformer §4.2: with two index sets every earlier token is at most two hops away."""
    at = torch.arange(256)
    for pattern in (["banded", "strided"], ["fixed", "fixed"]):
        masks = [mask_of(name, 256, 16, 4) for name in pattern]
        assert torch.equal(arrivals(masks) >= 0, at[:, None] >= at), pattern
        assert not torch.equal(arrivals(masks[:1]) >= 0, at[:, None] >= at)


def test_arrivals_of_a_band_by_hand() -> None:
    """Window 3: a layer carries two places, so 5 places take 3 layers; the past never changes."""
    found = arrivals([mask_of("banded", 6, 3, 1)] * 3)
    assert found[5].tolist() == [3, 2, 2, 1, 1, 0]
    assert found[0].tolist() == [0, -1, -1, -1, -1, -1]
    assert torch.equal(
        arrivals([mask_of("banded", 6, 3, 1)])[5], torch.tensor([-1, -1, -1, 1, 1, 0])
    )


def test_state_has_what_was_asked_for() -> None:
    """One name or several; the last token and the first are chosen; the page stays tiny."""
    painter = MaskPainter()
    wanted = {"n": 32, "window": 8, "summary": 2, "n_layer": 4, "pattern": ["dense"]}
    wanted |= {"painted": [], "token": 31, "key": 0, "alt": painter.alt, "live": True}
    assert painter.state() == wanted
    other = MaskPainter(n=64, pattern=("dense", "banded"), window=16, summary=3, token=5, key=2)
    assert (other.pattern, other.window, other.summary) == (["dense", "banded"], 16, 3)
    assert (other.token, other.key) == (5, 2)
    assert len(MaskPainter(n=256, pattern="fixed", window=16).twin()) < 2000
    assert MaskPainter(window=2).summary == 1 and MaskPainter(alt="Mine.").alt == "Mine."


def test_alt_says_cost_and_reach() -> None:
    """Window 8 of 64: 484 entries of 2,080 a layer; 4 layers bring 29 tokens, 9 bring token 0."""
    wanted = (
        "Who may look at whom among 64 tokens in 4 layers, banded, window 8. "
        "The last token reads 8 in a banded layer. All layers have 1,936 entries, 23.3% of dense. "
        "In 4 layers 29 of 64 tokens can reach the last one; token 0 cannot."
    )
    assert MaskPainter(n=64, pattern="banded").alt == wanted
    nine = MaskPainter(n=64, pattern="banded", n_layer=9).alt
    assert nine.endswith(
        "In 9 layers 64 of 64 tokens can reach the last one; token 0 needs 9 of them."
    )
    turn = MaskPainter(n=64, pattern=("dense", "banded"), n_layer=2).alt
    assert "dense and banded in turn, window 8. The last token reads 64 in a dense layer" in turn
    assert "All layers have 2,564 entries, 61.6% of dense." in turn
    assert "window" not in MaskPainter(n_layer=1).alt
    assert ", window 8, summary 2. " in MaskPainter(pattern="fixed").alt


def test_bounds_are_those_of_the_page() -> None:
    """What Python accepts is what the page's sliders can show."""
    (limits,) = by_node("({ LIMITS }) => LIMITS", [{}])
    for name in ("n", "n_layer"):
        assert limits[name] == [LEAST[name], MOST[name]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 7}, ValueError, "n=7 must be between 8 and 256"),
        ({"n": 257}, ValueError, "n=257 must be between 8 and 256"),
        ({"window": 0, "summary": 1}, ValueError, "window=0 must be between 1 and 32"),
        ({"window": 33}, ValueError, "window=33 must be between 1 and 32"),
        ({"summary": 9}, ValueError, "summary=9 must be between 1 and 8"),
        ({"n_layer": 49}, ValueError, "n_layer=49 must be between 1 and 48"),
        ({"token": 32}, ValueError, "token=32 must be between 0 and 31"),
        ({"key": -1}, ValueError, "key=-1 must be between 0 and 31"),
        ({"pattern": ()}, ValueError, "pattern=() must name at least one pattern"),
        ({"pattern": "causal"}, KeyError, "pattern='causal' must be one of dense, banded, strided"),
    ],
)
def test_what_is_not_there_is_refused(options: dict, error: type, message: str) -> None:
    """The message names the argument, its value and the rule."""
    with pytest.raises(error, match=re.escape(message)):
        MaskPainter(**options)

// The mask painter's numbers, by hand. That its masks are gptcore's own, a test of Python holds.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const painter = await load("mask_painter");
const { cellAt, cone, costs, distances, entries, faults, fields, gathered, growth } = painter;
const { judge, keys, layersOf, mask, masks, cellFor, network, pixels, route, rule, runs } = painter;
const { sound, stack, strength, stroke, warning, wayInWords } = painter;

const SIZES = { n: 8, window: 4, summary: 1, n_layer: 3, painted: [] };
const NEVER = 65535;
const one = (name, more = {}) => ({ ...SIZES, pattern: [name], ...more });
const rows = (name) =>
  Array.from({ length: 8 }, (_, q) => [...mask(name, SIZES).subarray(8 * q, 8 * q + 8)].join(""));

test("five masks of eight tokens, window 4, drawn by hand", () => {
  const drawn = {
    dense: "10000000 11000000 11100000 11110000 11111000 11111100 11111110 11111111",
    banded: "10000000 11000000 11100000 11110000 01111000 00111100 00011110 00001111",
    strided: "10000000 01000000 00100000 00010000 10001000 01000100 00100010 00010001",
    block: "10000000 11000000 11100000 11110000 00001000 00001100 00001110 00001111",
    fixed: "10000000 11000000 11100000 11110000 00011000 00011100 00011110 00011111",
  };
  for (const [name, wanted] of Object.entries(drawn))
    assert.deepEqual(rows(name), wanted.split(" "));
});

test("rows cost what they read, and a mask has the sum of them", () => {
  assert.deepEqual(costs(mask("banded", SIZES), 8), [1, 2, 3, 4, 4, 4, 4, 4]);
  assert.equal(entries(mask("banded", SIZES)), 26);
  assert.deepEqual(keys(mask("strided", SIZES), 8)[5], [1, 5]);
});

test("a stack tiles its masks: dense, banded, dense against three dense", () => {
  const net = network({ ...SIZES, pattern: ["dense", "banded"] });
  const { each, dense, sum, all } = stack(net, SIZES);
  assert.deepEqual([each, dense, sum, all], [[36, 26], 36, 36 + 26 + 36, 108]);
});

test("twice the tokens: dense 8 to 16 is 36 to 136, the band 26 to 58", () => {
  const { own, dense } = growth(one("banded"));
  assert.equal(own, 58 / 26);
  assert.equal(dense, 136 / 36);
});

test("the band of 64 tokens and window 8 needs 9 layers: 63 places, 7 a layer", () => {
  const { distance } = network(one("banded", { n: 64, window: 8 }));
  assert.equal(distance[63 * 64], 9);
  assert.deepEqual(fields(distance, 64, 63, 9), [1, 8, 15, 22, 29, 36, 43, 50, 57, 64]);
});

test("block and stride never leave their block or column, fixed needs two layers", () => {
  assert.equal(network(one("block")).distance[7 * 8 + 3], NEVER);
  assert.equal(network(one("strided")).distance[7 * 8 + 6], NEVER);
  const { distance } = network(one("fixed"));
  assert.deepEqual([distance[7 * 8 + 3], distance[7 * 8 + 1], distance[1 * 8 + 7]], [1, 2, NEVER]);
});

test("of layers in turn the first is at the bottom: the order decides", () => {
  const turn = (pattern) => network({ ...SIZES, pattern }).distance[7 * 8];
  assert.equal(turn(["dense", "block"]), 1);
  assert.equal(turn(["block", "dense"]), 2);
});

test("how many have arrived, for all queries at once", () => {
  const { distance } = network(one("banded"));
  assert.deepEqual(gathered(distance, 8, 2), [1, 2, 3, 4, 5, 6, 7, 7]);
});

test("the cone opens downwards by the masks from the top, and keeps what it has", () => {
  const { lists } = network({ ...SIZES, pattern: ["strided", "banded"] });
  const drawn = cone(lists, 8, 7, 2).map((level) => [...level].join(""));
  assert.deepEqual(drawn, ["11111111", "00001111", "00000001"]);
});

test("a route hops as rarely as it can and waits for its layer", () => {
  const lists = network({ ...SIZES, pattern: ["block", "dense"] }).lists;
  assert.deepEqual(route(lists, 8, 0, 7, 2), [0, 0, 7]);
  const band = network(one("banded")).lists;
  assert.deepEqual(route(band, 8, 1, 7, 2), [1, 4, 7]);
  assert.equal(route(band, 8, 0, 7, 2), null);
});

test("a token that reads not even itself keeps what it has", () => {
  const painted = [[0, 7, 7, 0]];
  const { distance, costs: row } = network(one("strided", { painted }));
  assert.equal(distance[7 * 8 + 7], 0);
  assert.deepEqual(row[0].slice(6), [2, 1]);
});

test("painted cells open and close, and paint outside of the mask is left alone", () => {
  const painted = [[0, 2, 5, 1], [0, 7, 0, 0], [0, 99, 0, 1], [3, 0, 0, 0]];
  const [found] = masks(one("dense", { painted }));
  assert.deepEqual([found[2 * 8 + 5], found[7 * 8], entries(found)], [1, 0, 36]);
});

test("a leak shows, and who can copy the answer: 2 reads 5, which has read 3", () => {
  const leaky = one("dense", { painted: [[0, 2, 5, 1]] });
  const { leaks, cheats, empty } = faults(network(leaky), { n: 8, n_layer: 3 });
  assert.deepEqual([leaks, empty], [[[2, 5]], []]);
  assert.deepEqual(cheats, [2, 3, 4], "3 and 4 read 2, and 2 has read 5");
  assert.deepEqual(faults(network(leaky), { n: 8, n_layer: 1 }).cheats, []);
  const text = warning({ leaks, cheats, empty }, 3);
  assert.match(text, /token 2 reads token 5\. In 3 layers, token 2 and 2 more can see/);
  assert.equal(warning({ leaks: [], cheats: [], empty: [] }, 3), "");
});

test("a row without keys is told", () => {
  const { empty } = faults(network(one("strided", { painted: [[0, 3, 3, 0]] })), SIZES);
  assert.deepEqual(empty, [3]);
  assert.match(warning({ leaks: [], cheats: [], empty }, 3), /^Token 3 may read nothing/);
});

test("a prediction is answered by what the guessed layers do", () => {
  const found = judge(9);
  assert.ok(found.right && found.layers === 9);
  assert.match(found.text, /9 layers, 63 places/);
  assert.match(judge(8).text, /^Careful: a window of 8 counts the token itself.* 8 × 7 = 56/);
  assert.match(judge(8).text, /as far back as token 7\. See/);
  assert.match(judge(3).text, /^Not yet: .* 3 × 7 = 21, as far back as token 42\./);
  assert.match(judge(12).text, /fewer layers do it/);
  for (const guess of [8, 3, 12])
    assert.deepEqual([judge(guess).right, judge(guess).layers], [false, guess]);
  for (const guess of [NaN, 0, -1, 2.5, 49]) assert.equal(judge(guess).layers, null, `${guess}`);
  for (const guess of [3, 8, 12])
    assert.doesNotMatch(judge(guess).text, /\b9\b/, "the answer is kept");
});

test("the way in words: hops, waiting, too far, never", () => {
  assert.equal(wayInWords(0, 7, 2, 3, [0, 0, 7]), "0 → 7: 1 hop, 2 layers.");
  assert.match(wayInWords(0, 63, 9, 4, null), /does not reach token 63 in 4 layers: it takes 9\.$/);
  assert.match(wayInWords(0, 63, 9, 4, null, true), /in 4 layers\.$/);
  assert.match(wayInWords(1, 7, NEVER, 4, null), /never reaches token 7, however many/);
  assert.match(wayInWords(7, 1, NEVER, 4, null), /comes after token 1/);
  assert.match(wayInWords(3, 3, 0, 4, [3]), /no hop is needed/);
  const far = Array.from({ length: 20 }, (_, i) => i);
  const told = "0 → 1 → 2 → 3 → 4 → 5 → … → 17 → 18 → 19: 19 hops, 19 layers.";
  assert.equal(wayInWords(0, 19, 19, 19, far), told);
});

test("names of layers", () => {
  const found = [[0, 1, 4], [0, 2, 4], [1, 2, 4], [1, 2, 2], [0, 2, 9], [1, 2, 1]];
  const wanted = ["every layer", "layers 0, 2", "layers 1, 3", "layer 1", "layers 0, 2 …"];
  wanted.push("no layer");
  assert.deepEqual(found.map(([i, period, many]) => layersOf(i, period, many)), wanted);
  assert.match(rule("fixed", { window: 8, summary: 2 }), /k mod 8 ≥ 6$/);
});

test("a state is made sound: window within n, summary within window, places within n", () => {
  const given = { n: 999, window: 300, summary: 999, n_layer: 0, pattern: ["dense", "x"] };
  const wanted = { n: 256, window: 256, summary: 256, n_layer: 1, pattern: ["dense"] };
  const rest = { painted: [], token: 0, key: 255 };
  assert.deepEqual(sound({ ...given, token: -1, key: 500 }), { ...wanted, ...rest });
});

const SQUARE = { w: 40, h: 40, rows: 4, columns: 4 };

test("a point finds its cell, also in the future, and none outside", () => {
  assert.deepEqual(cellAt(5, 35, SQUARE), { row: 3, column: 0 });
  assert.deepEqual(cellAt(39, 1, SQUARE), { row: 0, column: 3 });
  for (const [x, y] of [[-1, 5], [5, -1], [5, 40], [41, 3]])
    assert.equal(cellAt(x, y, SQUARE), null);
});

test("a stroke has no holes, however fast the hand", () => {
  assert.deepEqual(stroke({ q: 3, k: 1 }, { q: 3, k: 4 }).map(({ k }) => k), [2, 3, 4]);
  const found = stroke({ q: 5, k: 0 }, { q: 1, k: 2 }).map(({ q, k }) => [q, k]);
  assert.deepEqual(found, [[4, 1], [3, 1], [2, 2], [1, 2]]);
  assert.deepEqual(stroke({ q: 2, k: 2 }, { q: 2, k: 2 }), []);
});

test("arrows, Home and End, and leaps of an eighth stop at the edges", () => {
  const at = { q: 20, k: 3 };
  const to = (key) => cellFor(key, at, 32);
  assert.deepEqual(to("ArrowUp"), { q: 19, k: 3 });
  assert.deepEqual(to("ArrowRight"), { q: 20, k: 4 });
  assert.deepEqual([to("Home"), to("End")], [{ q: 20, k: 0 }, { q: 20, k: 31 }]);
  assert.deepEqual([to("PageUp"), to("PageDown")], [{ q: 16, k: 3 }, { q: 24, k: 3 }]);
  assert.deepEqual(cellFor("ArrowDown", { q: 31, k: 31 }, 32), { q: 31, k: 31 });
  assert.equal(to("a"), null);
});

test("the past is open or closed, the future clear, a leak in its own colour", () => {
  const hues = { open: [0, 0, 200], leak: [200, 0, 0], closed: [100, 100, 100] };
  const image = pixels([1, 1, 0.5, 0], 2, hues);
  const at = (i) => [...image.slice(4 * i, 4 * i + 4)];
  assert.deepEqual([at(0), at(1)], [[0, 0, 200, 255], [200, 0, 0, 255]]);
  assert.deepEqual([at(2), at(3)], [[50, 50, 150, 255], [100, 100, 100, 255]]);
  assert.equal(pixels([1, 0, 1, 1], 2, hues)[7], 0);
});

test("paler with each layer, nothing beyond the last", () => {
  const found = [0, 1, 4, 5].map((far) => +strength(far, 4).toFixed(3));
  assert.deepEqual(found, [1, 1, 0.3, 0]);
  assert.equal(strength(NEVER, 48), 0);
});

test("runs of ones", () => {
  assert.deepEqual(runs(Uint8Array.of(1, 1, 0, 1, 0, 0, 1)), [[0, 2], [3, 4], [6, 7]]);
  assert.deepEqual(runs(Uint8Array.of(0, 0)), []);
});

test("all that follows from a mask of 256 tokens takes a moment", () => {
  const sizes = { n: 256, window: 16, summary: 4, n_layer: 48, painted: [] };
  for (const pattern of [["dense"], ["banded"], ["fixed"], ["dense", "banded"]]) {
    let best = Infinity;
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      network({ ...sizes, pattern });
      best = Math.min(best, performance.now() - start);
    }
    assert.ok(best < 50, `${pattern} took ${best.toFixed(1)} ms`);
  }
});

// The anatomy's places and words. Areas by hand; the diagram of both kinds of network.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const anatomy = await load("anatomy");
const { commented, comparison, costs, diagram, fitting, flopsOf, groupsOf, leavesOf, lengthAt } = anatomy;
const { partFor, percent, rowsOf, shapeOf, short, squarify, times, treemap, verdict } = anatomy;

const near = (value, wanted, by = 1e-6) =>
  assert.ok(Math.abs(value - wanted) <= by * Math.max(1, Math.abs(wanted)), `${value} is not ${wanted}`);
const area = ({ width, height }) => width * height;
const apart = (a, b, by = 1e-6) =>
  a.x + a.width <= b.x + by || b.x + b.width <= a.x + by ||
  a.y + a.height <= b.y + by || b.y + b.height <= a.y + by;
const pairs = (list) => list.flatMap((a, i) => list.slice(i + 1).map((b) => [a, b]));

/** Areas as the values, nothing outside, nothing over anything else, no room left. */
function sound(places, values, room) {
  const total = values.reduce((sum, value) => sum + value, 0);
  assert.equal(places.length, values.length);
  for (const [i, place] of places.entries()) {
    near(area(place) / area(room), values[i] / total);
    assert.ok(place.x >= room.x - 1e-6 && place.x + place.width <= room.x + room.width + 1e-6);
    assert.ok(place.y >= room.y - 1e-6 && place.y + place.height <= room.y + room.height + 1e-6);
  }
  for (const [a, b] of pairs(places)) assert.ok(apart(a, b), JSON.stringify([a, b]));
}

test("squares: the example of the paper, six by four", () => {
  const room = { x: 0, y: 0, width: 6, height: 4 }, values = [6, 6, 4, 3, 2, 2, 1];
  const places = squarify(values, room);
  sound(places, values, room);
  // §3.2: the two sixes share the left half, 3 wide and 2 high; then 4 and 3 lie side by side
  assert.deepEqual(places[0], { x: 0, y: 0, width: 3, height: 2 });
  assert.deepEqual(places[1], { x: 0, y: 2, width: 3, height: 2 });
  near(places[2].width, 12 / 7);
  near(places[2].height, 7 / 3);
});

test("areas of all sizes, in rooms of all shapes, fill them and do not overlap", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let run = 0; run < 200; run++) {
    const values = Array.from({ length: 1 + (run % 9) }, () => 10 ** (9 * random()));
    values.sort((a, b) => b - a);
    const room = { x: 5 * random(), y: 7, width: 60 + 700 * random(), height: 60 + 300 * random() };
    sound(squarify(values, room), values, room);
  }
});

// GPT-1's parameters and GPT-3's, whose smallest part is a 35,000th of the largest.
const GPT1 = [
  ["wte", "tokens", 31087104], ["wpe", "positions", 393216], ["c_attn", "attention", 21261312],
  ["mix", "attention", 0], ["attn_proj", "attention", 7087104], ["ln_1", "LayerNorm", 18432],
  ["c_fc", "MLP", 28348416], ["mlp_proj", "MLP", 28320768], ["ln_2", "LayerNorm", 18432],
].map(([id, group, value]) => ({ id, group, value }));

test("a treemap of GPT-1: every part that has parameters, groups together", () => {
  const room = { x: 0, y: 0, width: 343, height: 200 };
  const places = treemap(GPT1, room);
  assert.deepEqual(places.map(({ id }) => id).sort(), GPT1.filter(({ value }) => value).map(({ id }) => id).sort());
  sound(places, places.map(({ value }) => value), room);
  assert.deepEqual(places.slice(0, 2).map(({ group }) => group), ["MLP", "MLP"]);
  for (const group of ["MLP", "attention", "LayerNorm"]) {
    const mine = places.filter((place) => place.group === group);
    const [left, top] = [Math.min(...mine.map(({ x }) => x)), Math.min(...mine.map(({ y }) => y))];
    const right = Math.max(...mine.map(({ x, width }) => x + width));
    const end = Math.max(...mine.map(({ y, height }) => y + height));
    near((right - left) * (end - top), mine.reduce((sum, place) => sum + area(place), 0));
  }
  const { MLP } = Object.groupBy?.(places, ({ group }) => group) ?? { MLP: places.slice(0, 2) };
  near(MLP.reduce((sum, place) => sum + area(place), 0) / area(room), 56669184 / 116534784);
});

test("a part that is next to nothing has next to no area, and nothing is lost", () => {
  const room = { x: 0, y: 0, width: 720, height: 300 };
  const leaves = [["a", 57985204224], ["b", 57982058496], ["c", 4718592], ["d", 1]];
  const places = treemap(leaves.map(([id, value]) => ({ id, group: id, value })), room);
  sound(places, leaves.map(([, value]) => value), room);
});

// ---------------------------------------------------------------- the diagram

const part = (id, place, in_block = true) => ({ id, place, in_block });
const START = [
  part("ids", "spine", false), part("wte", "spine", false), part("wpe", "branch", false),
  part("add", "sum", false),
];
const ATTENTION = ["c_attn", "mix", "attn_proj"].map((id) => part(id, "branch"));
const MLP = ["c_fc", "gelu", "mlp_proj"].map((id) => part(id, "branch"));
const POST = [
  ...START, ...ATTENTION, part("res_1", "sum"), part("ln_1", "spine"), ...MLP,
  part("res_2", "sum"), part("ln_2", "spine"), part("logits", "spine", false),
];
const PRE = [
  ...START, part("ln_1", "branch"), ...ATTENTION, part("res_1", "sum"), part("ln_2", "branch"), ...MLP,
  part("res_2", "sum"), part("ln_f", "spine", false), part("logits", "spine", false),
];

/** Straight pieces of a line as thin rectangles. */
const pieces = (points) =>
  points.slice(1).map(([x, y], i) => {
    const [a, b] = points[i];
    return { x: Math.min(a, x), y: Math.min(b, y), width: Math.abs(a - x), height: Math.abs(b - y) };
  });

for (const [name, flow] of Object.entries({ post: POST, pre: PRE }))
  test(`the diagram of a ${name}-LN network: all inside, nothing over anything else`, () => {
    const { boxes, wires, frame, tie, width, height } = diagram(flow);
    assert.deepEqual(boxes.map(({ id }) => id), flow.map(({ id }) => id));
    for (const box of [...boxes, frame]) {
      assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height);
    }
    for (const [a, b] of pairs(boxes)) assert.ok(apart(a, b, -6), `${a.id} is too near to ${b.id}`);
    for (const wire of [...wires, tie])
      for (const piece of pieces(wire)) {
        assert.ok(piece.width === 0 || piece.height === 0, "a line that is not straight");
        for (const box of boxes)
          assert.ok(apart(piece, box, 1e-6), `a line crosses ${box.id}: ${JSON.stringify(piece)}`);
      }
    for (const { id, in_block } of flow) {
      const box = boxes.find((one) => one.id === id);
      const within = box.y >= frame.y && box.y + box.height <= frame.y + frame.height;
      assert.equal(within, in_block, id);
      if (!in_block) assert.ok(apart(box, frame), id);
    }
    const tops = flow.filter(({ id }) => id !== "wpe").map(({ id }) => boxes.find((b) => b.id === id).y);
    assert.deepEqual(tops, [...tops].sort((a, b) => a - b), "the data flows down");
  });

test("norms stand on the stream in GPT-1, beside it in GPT-2, which has one more", () => {
  const at = (flow, id) => diagram(flow).boxes.find((box) => box.id === id);
  const middle = ({ x, width }) => x + width / 2;
  for (const id of ["ln_1", "ln_2"]) {
    assert.equal(middle(at(POST, id)), middle(at(POST, "wte")));
    assert.equal(middle(at(PRE, id)), middle(at(PRE, "c_attn")));
  }
  assert.ok(at(POST, "ln_1").y > at(POST, "res_1").y && at(PRE, "ln_1").y < at(PRE, "c_attn").y);
  assert.equal(middle(at(PRE, "ln_f")), middle(at(PRE, "wte")));
  assert.equal(at(POST, "ln_f"), undefined);
});

test("every part is reached by a line, every sum by two", () => {
  for (const flow of [POST, PRE]) {
    const { boxes, wires } = diagram(flow);
    for (const box of boxes) {
      const touches = ([x, y]) =>
        x >= box.x - 0.1 && x <= box.x + box.width + 0.1 && y >= box.y - 0.1 && y <= box.y + box.height + 0.1;
      const ends = wires.filter((wire) => touches(wire.at(-1))).length;
      const wanted = box.place === "sum" ? 2 : ["ids", "wpe"].includes(box.id) ? 0 : 1;
      assert.equal(ends, wanted, box.id);
      const starts = wires.filter((wire) => touches(wire[0])).length;
      assert.equal(starts, box.id === "logits" ? 0 : 1, box.id);
    }
  }
});

test("nothing else runs along the stream of a pre-LN block: one line from sum to sum", () => {
  const { boxes, wires } = diagram(PRE), sum = (id) => boxes.find((box) => box.id === id);
  const [first, last] = [sum("res_1"), sum("res_2")];
  const stream = wires.find(([[, from], [, to]]) => from === first.y + first.height && to === last.y);
  assert.ok(stream);
});

test("the dashed line ties the output to the token table", () => {
  const { boxes, tie } = diagram(POST);
  for (const [id, [x, y]] of [["wte", tie[0]], ["logits", tie.at(-1)]]) {
    const box = boxes.find((one) => one.id === id);
    assert.deepEqual([x, y], [box.x, box.y + box.height / 2]);
  }
});

// ---------------------------------------------------------------- words and numbers

test("arrows walk along the data flow and stop at its ends", () => {
  const keys = ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "Home", "End", "a", "Tab"];
  assert.deepEqual(keys.map((key) => partFor(key, 3, 9)), [2, 2, 4, 4, 0, 8, null, null]);
  assert.equal(partFor("ArrowUp", 0, 9), 0);
  assert.equal(partFor("ArrowDown", 8, 9), 8);
});

test("shares, large numbers and ratios as text", () => {
  const shares = [[0, 9], [1, 1e5], [36864, 116534784], [1, 100], [21261312, 116534784], [1, 1]];
  const wanted = ["0 %", "< 0.01 %", "0.03 %", "1.0 %", "18.2 %", "100.0 %"];
  assert.deepEqual(shares.map(([a, b]) => percent(a, b)), wanted);
  const numbers = [768, 136832, 3748864, 42467328, 241499136, 999999999, 352110944256, 3.14e14];
  const words = ["768", "136,832", "3.749 million", "42.47 million", "241.5 million"];
  assert.deepEqual(numbers.map(short), [...words, "1.000 billion", "352.1 billion", "314.0 trillion"]);
  const ratios = [[12, 96], [96, 12], [40478, 50257], [1, 1498.4], [3, 2]];
  assert.deepEqual(ratios.map(([a, b]) => times(a, b)), ["× 8", "÷ 8", "× 1.24", "× 1,498", "÷ 1.5"]);
});

test("a label has the first name that has room, and its share below if that has, too", () => {
  const names = ["Queries, keys, values × 12", "Queries, keys, values", "c_attn"];
  const label = (width, height) => fitting(names, "18.2 %", { width, height });
  assert.deepEqual(label(300, 80), [names[0], "18.2 %"]);
  assert.deepEqual(label(160, 30), [names[1]]);
  assert.deepEqual(label(60, 40), ["c_attn", "18.2 %"]);
  for (const [width, height] of [[40, 80], [300, 20], [1, 1]]) assert.deepEqual(label(width, height), []);
});

test("a comment is told from code, a # within words is not one", () => {
  assert.deepEqual(commented("x = a + b  # (B, T, C)"), ["x = a + b  ", "# (B, T, C)"]);
  assert.deepEqual(commented('x = "a #b"'), ['x = "a #b"', ""]);
  assert.deepEqual(commented("# all of it"), ["", "# all of it"]);
});

const NETWORK = {
  title: "Small", norm: "post", pattern: "all layers dense: up to its own", dropout: 0.1, total: 1000,
  sizes: { C: 4, "3C": 12, L: 3, H: 2, D: 2, V: 1200, n_ctx: 6 }, groups: { table: 400, rest: 600 },
  params: { wte: 400, c: 200 }, lengths: [1, 2, 4, 6], keys: [1, 1.5, 2.5, 3.5],
  flops: { c: 96, mix: [10, 20, 30, 40], logits: 50 },
};
const FLOW = [
  { ...part("wte", "spine", false), name: "Table", reads: ["B", "T"], makes: ["B", "T", "C"], inside: [], weights: { weight: ["V", "C"] }, group: "table", rule: "" },
  { ...part("c", "branch"), name: "Product", reads: ["B", "T", "C"], makes: ["B", "T", "3C"], inside: [], weights: {}, group: "rest", rule: "2 · 3C · C" },
  { ...part("mix", "branch"), name: "Mix", reads: ["B", "T", "3C"], makes: ["B", "T", "C"], inside: ["B", "H", "T", "T"], weights: {}, group: "rest", rule: "" },
].map((one) => ({ ...one, kind: "mlp", path: one.id }));

test("a part of a block counts once for each block", () => {
  const { copies, one, all } = costs(NETWORK, FLOW[1], 2);
  assert.deepEqual([copies, one.parameters, all.parameters, one.flops, all.flops], [3, 200, 600, 96, 288]);
  assert.deepEqual(costs({ ...NETWORK, params: { ...NETWORK.params, mix: 0 } }, FLOW[2], 2).all, { parameters: 0, flops: 90 });
  assert.equal(costs(NETWORK, FLOW[0], 2).copies, 1);
});

test("lengths: the longest for 0, else the largest that is not longer", () => {
  assert.deepEqual([0, 1, 3, 4, 6, 99].map((tokens) => lengthAt(NETWORK, tokens)), [3, 0, 1, 2, 3, 3]);
  assert.equal(flopsOf({ ...NETWORK, params: {} }, FLOW, 1), 3 * 96 + 3 * 20);
});

test("shapes in the numbers of a network", () => {
  assert.equal(shapeOf(["B", "T", "3C"], NETWORK, 4), "(B, 4, 12)");
  assert.equal(shapeOf(["V", "C"], NETWORK, 4), "(1,200, 4)");
});

test("groups of leaves, largest first, without what has nothing", () => {
  const leaves = leavesOf({ ...NETWORK, params: { ...NETWORK.params, mix: 0 } }, FLOW, "parameters", 3);
  assert.deepEqual(groupsOf(leaves).map(([name, value]) => [name, value]), [["rest", 600], ["table", 400]]);
  const flops = leavesOf(NETWORK, FLOW, "flops", 3);
  assert.deepEqual(groupsOf(flops).map(([name, value]) => [name, value]), [["rest", 408]]);
});

test("a guess is answered with the counts", () => {
  const groups = [["rest", 600, ""], ["table", 400, ""]];
  const said = "rest holds 600 of 1,000 parameters, 60.0 %.";
  assert.equal(verdict("rest", groups, NETWORK), `Yes: in Small, ${said}`);
  assert.equal(verdict("table", groups, NETWORK), `You said table: 40.0 %. In Small, ${said}`);
  assert.equal(verdict("–", groups, NETWORK), `In Small, ${said}`);
});

test("rows about a part, in one network and in two, of which one has no such part", () => {
  const side = { network: NETWORK, at: 2, T: 4, flops: 400, part: FLOW[1] };
  const rows = rowsOf(FLOW[1], [side]).map(([what, note, values]) => [what, note, ...values]);
  assert.deepEqual(rows, [
    ["in", "(B, T, C)", "(B, 4, 4)"], ["out", "(B, T, 3C)", "(B, 4, 12)"],
    ["parameters", "", "200"], ["in 3 blocks", "", "600"], ["of the whole", "", "60.0 %"],
    ["FLOPs per token", "2 · 3C · C", "96"], ["in 3 blocks", "", "288"], ["of the whole", "", "72.0 %"],
  ]);
  const two = rowsOf(FLOW[1], [side, { ...side, part: undefined }]);
  assert.deepEqual(two.map(([, , values]) => values[1]), two.map(() => "–"));
});

test("two networks: what changes has two values, and a ratio where it is a number", () => {
  const one = { network: NETWORK, T: 6, flops: 500 };
  const changed = { ...NETWORK, norm: "pre", total: 3000, sizes: { ...NETWORK.sizes, C: 8 } };
  const rows = comparison(one, { network: changed, T: 6, flops: 1500 });
  const row = (what) => rows.find(([name]) => name === what).slice(1);
  assert.deepEqual(row("blocks"), ["3", "3", ""]);
  assert.deepEqual(row("width C"), ["4", "8", "× 2"]);
  assert.deepEqual(row("LayerNorm"), ["behind each sum", "before each sub-layer, and at the end", ""]);
  assert.deepEqual(row("parameters"), ["1,000", "3,000", "× 3"]);
  assert.deepEqual(row("FLOPs per token, T = 6"), ["500", "1,500", "× 3"]);
  assert.deepEqual(row("attention"), ["all layers dense", "all layers dense", ""]);
});

// The depth explorer's numbers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const depth = await load("depth");

const cell = (norm, n_layer, lr, more = {}) => ({
  norm, n_layer, lr, warmup: true, beginning: "scaled", runs: [{ seed: 0, loss: 4, curve: [5, 4] }], ...more,
});
const asked = { n_layer: 24, lr: 0.01, warmup: true, beginning: "scaled" };

test("a cell is found by all that it is", () => {
  const cells = [
    cell("post", 24, 0.01), cell("pre", 24, 0.01), cell("pre", 24, 0.01, { warmup: false }),
    cell("pre", 24, 0.01, { beginning: "no ln_f" }), cell("pre", 6, 0.01),
  ];
  assert.equal(depth.cellFor(cells, "pre", asked), cells[1]);
  assert.equal(depth.cellFor(cells, "pre", { ...asked, warmup: false }), cells[2]);
  assert.equal(depth.cellFor(cells, "pre", { ...asked, beginning: "no ln_f" }), cells[3]);
  assert.equal(depth.cellFor(cells, "post", { ...asked, beginning: "no ln_f" }), cells[0]);
  assert.equal(depth.cellFor(cells, "post", { ...asked, warmup: false }), null);
  assert.equal(depth.cellFor(cells, "pre", { ...asked, lr: 0.1 }), null);
});

test("gradients of post-LN stay, unless both begin by Xavier", () => {
  const one = (norm, beginning) => ({ norm, n_layer: 24, beginning });
  const all = [one("post", "scaled"), one("post", "Xavier"), one("pre", "Xavier")];
  assert.equal(depth.gradientAt(all, "post", asked), all[0]);
  assert.equal(depth.gradientAt(all, "post", { ...asked, beginning: "no ln_f" }), all[0]);
  assert.equal(depth.gradientAt(all, "post", { ...asked, beginning: "Xavier" }), all[1]);
  assert.equal(depth.gradientAt(all, "pre", asked), null);
});

test("losses, and which of them are stuck", () => {
  assert.equal(depth.lossOf({ runs: [{ loss: 4 }, { loss: 5 }] }), 4.5);
  assert.equal(depth.stuck(5.22, 5.24), true);
  assert.equal(depth.stuck(5.26, 5.24), true);
  assert.equal(depth.stuck(5.2, 5.24), false);
  assert.equal(depth.goodness(4, 4, 6), 1);
  assert.equal(depth.goodness(5, 4, 6), 0.5);
  assert.equal(depth.goodness(7, 4, 6), 0);
  const three = { runs: [4, 4.1, 4.3].map((loss) => ({ loss })) };
  assert.equal(depth.told("pre", three, 5.24), "pre-LN 4.133 (4.000 to 4.300, 3 seeds)");
  assert.equal(depth.told("post", { runs: [{ loss: 5.239 }] }, 5.24),
    "post-LN 5.239 (one seed), stuck at token frequencies");
  assert.equal(depth.told("post", null, 5.24), "post-LN: not run");
});

test("ticks of a logarithmic axis are ones, twos and fives, or powers of ten alone", () => {
  assert.deepEqual(depth.logTicks(0.015, 0.6), [0.02, 0.05, 0.1, 0.2, 0.5]);
  assert.deepEqual(depth.logTicks(0.001, 2), [0.001, 0.01, 0.1, 1]);
});

test("blocks are named from the first to the last", () => {
  assert.deepEqual(depth.blockTicks(2), [1, 2]);
  assert.deepEqual(depth.blockTicks(6), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(depth.blockTicks(24), [1, 10, 20, 24]);
  assert.deepEqual(depth.among([{ a: 6 }, { a: 2 }, { a: 6 }, { a: 48 }], "a"), [2, 6, 48]);
});

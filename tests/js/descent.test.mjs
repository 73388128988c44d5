// Descent's numbers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const descent = await load("descent");
const BOWL = [1, 0, 1]; // 1 + w²: slope 2 w

test("losses and slopes of a polynomial", () => {
  assert.equal(descent.valueOf([3, -2, 0, 1], 2), 3 - 4 + 8);
  assert.equal(descent.slopeOf([3, -2, 0, 1], 2), -2 + 12);
  assert.equal(descent.slopeOf([5], 2), 0);
});

test("a step goes against the gradient, by the rate", () => {
  assert.deepEqual(descent.stepped(BOWL, [4], 0.25, 2), [4, 2, 1]);
  assert.deepEqual(descent.stepped(BOWL, [4], 1, 2), [4, -4, 4]); // there and back
  assert.deepEqual(descent.stepped(BOWL, [4, 2], 0.5, 1), [4, 2, 0]);
});

test("where all is lost no step is taken", () => {
  const trail = descent.stepped(BOWL, [10], 10, 50); // each step is 19 times as far out
  assert.ok(trail.length < 6 && trail.every(Number.isFinite));
  assert.equal(descent.stepped(BOWL, trail, 10, 5).length, trail.length);
});

test("numbers and the next step as they are read", () => {
  assert.equal(descent.short(-1.234), "−1.23");
  assert.equal(descent.short(-0.001), "0.00");
  assert.equal(descent.short(12345), "1.2e4");
  const { here, step } = descent.written(BOWL, [3], 0.1);
  assert.equal(here, "w = 3.00   loss 10.00   gradient 6.00");
  assert.equal(step, "next: 3.00 − 0.1 · 6.00 = 2.40");
  assert.equal(descent.written(BOWL, [-3], 0.1).step, "next: −3.00 + 0.1 · 6.00 = −2.40");
});

test("how a run stands", () => {
  const curve = { coefficients: BOWL, low: -5, high: 5 };
  assert.match(descent.told(curve, [4]), /No step yet/);
  assert.match(descent.told(curve, [4, 2]), /After 1 step the loss is 5.00, 12.00 less/);
  assert.match(descent.told(curve, [2, -4]), /more than before the step: it overshot/);
  assert.match(descent.told(curve, [4, -8]), /left the picture/);
  assert.match(descent.told(curve, [1, 0]), /the ground is flat/);
});

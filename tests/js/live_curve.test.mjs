// The live curve's numbers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { nearest, path, span, ticks } = await load("live_curve");

test("ticks are round, and none lies outside", () => {
  assert.deepEqual(ticks(1.1, 4.05, 5), [2, 3, 4]);
  assert.deepEqual(ticks(0, 600, 6), [0, 100, 200, 300, 400, 500, 600]);
  assert.deepEqual(ticks(0.93, 1.07, 5), [0.95, 1, 1.05]);
  assert.deepEqual(ticks(-0.5, 0.5, 2), [-0.5, 0, 0.5]);
});

test("a span has room around it, counts only numbers, and is never empty", () => {
  assert.deepEqual(span([1, 3], 0.5), [0, 4]);
  assert.deepEqual(span([1, null, NaN, 3]), [1, 3]);
  assert.deepEqual(span([2]), [1.5, 2.5]);
  assert.deepEqual(span([null]), [0, 1]);
});

test("a line is interrupted where there is no number", () => {
  const same = (value) => value;
  assert.equal(path([0, 1, 2, 3], [5, 6, null, 7], same, same), "M0.0,5.0L1.0,6.0M3.0,7.0");
  assert.equal(path([0], [null], same, same), "");
});

test("the nearest place is found, the first of two", () => {
  assert.equal(nearest([1, 5, 9], 6), 1);
  assert.equal(nearest([1, 5, 9], 7), 1);
  assert.equal(nearest([1, 5, 9], 100), 2);
});

// From logits to what is drawn, by hand; the rules themselves have their tests in sampling.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const page = await load("shared/drawing.js");
const LOGITS = Float32Array.from([0.15, 0.5, 0.05, 0.3], Math.log); // ids out of order
const near = (found, wanted) => found.forEach((x, i) => (
  assert.ok(Math.abs(x - wanted[i]) < 1e-6, `${[...found]} is not ${wanted}`)));

test("chances keep the tokens' places: temperature, then top-k, then top-p", () => {
  near(page.chances(LOGITS), [0.15, 0.5, 0.05, 0.3]);
  near(page.chances(LOGITS, { temperature: 0 }), [0, 1, 0, 0]);
  near(page.chances(LOGITS, { topK: 2 }), [0, 0.625, 0, 0.375]);
  near(page.chances(LOGITS, { topP: 0.9 }), [0.15 / 0.95, 0.5 / 0.95, 0, 0.3 / 0.95]);
  near(page.chances(LOGITS, { topP: 0.9, rule: "openai" }), [0, 0.625, 0, 0.375]);
  near(page.chances(LOGITS, { topK: 2, topP: 0.6 }), [0, 1, 0, 0]); // 0.625 of two is enough
  const squares = [0.0225, 0.25, 0.0025, 0.09].map((x) => x / 0.365);
  near(page.chances(LOGITS, { temperature: 0.5 }), squares);
  near(page.chances(LOGITS, { temperature: 1e-300 }), [0, 1, 0, 0]);
});

test("ties are kept together", () => {
  near(page.chances([1, 1, 0, 1], { topK: 2 }), [1 / 3, 1 / 3, 0, 1 / 3]);
  near(page.chances([2, 2], { temperature: 0 }), [1, 0]); // and at 0 the first one wins
});

test("a setting that breaks its rule is named with its value", () => {
  const wrong = { temperature: [-1, NaN, Infinity], topK: [-1, 1.5], topP: [0, 1.1, NaN], rule: ["x"] };
  for (const [name, values] of Object.entries(wrong))
    for (const value of values)
      assert.throws(() => page.chances(LOGITS, { [name]: value }), new RegExp(`${name}=${value} must`));
});

test("a number draws the token in whose stretch it lies", () => {
  const p = [0.25, 0, 0.5, 0.25, 0];
  assert.deepEqual([0, 0.2499, 0.25, 0.7499, 0.75, 0.9999, 1].map((u) => page.drawnBy(p, u)),
    [0, 0, 2, 2, 3, 3, 3]);
  assert.equal(page.drawnBy([0.25, 0.25], 0.6), -1);
});

test("the likeliest, largest first, of equals the first", () => {
  assert.deepEqual(page.likeliestOf([3, 9, 1, 9, 5], 3), [1, 3, 4]);
  assert.deepEqual(page.likeliestOf([2, 1], 5), [0, 1]);
  assert.deepEqual(page.likeliestOf([1, 1, 1], 2), [0, 1]);
});

test("a seed's numbers come again, and no two seeds give the same", () => {
  const some = (seed) => Array.from({ length: 5 }, page.numbers(seed));
  assert.deepEqual(some(3), some(3));
  assert.notDeepEqual(some(3), some(4));
  assert.ok(some(9).every((u) => u >= 0 && u < 1));
});

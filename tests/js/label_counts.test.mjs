// What the explorer of label counts says of two points, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const labels = await load("label_counts");

const pairs = [
  { one: "read, 75", other: "scratch, 75", mean: 0.3, low: 0.2, high: 0.4 },
  { one: "read, 150", other: "scratch, 300", mean: 0.05, low: -0.03, high: 0.14 },
];
const point = (way, n, mean, runs = [mean]) => ({ name: `${way}, ${n}`, way, n, mean, runs });

test("a difference is found either way round, and its interval turns with it", () => {
  assert.equal(labels.difference(pairs, "read, 75", "scratch, 75"), pairs[0]);
  assert.deepEqual(labels.difference(pairs, "scratch, 75", "read, 75"), { mean: -0.3, low: -0.4, high: -0.2 });
  assert.equal(labels.difference(pairs, "read, 75", "read, 75"), null);
});

test("an interval with zero in it decides nothing", () => {
  assert.equal(labels.side({ low: 0.2, high: 0.4 }), 1);
  assert.equal(labels.side({ low: -0.4, high: -0.2 }), -1);
  assert.equal(labels.side({ low: -0.03, high: 0.14 }), 0);
  assert.equal(labels.side({ low: 0, high: 0.1 }), 0);
});

test("the sentence names who is ahead, or that it stays open", () => {
  const read = point("read", 75, 0.571), scratch = point("scratch", 75, 0.277, [0.25, 0.3]);
  assert.equal(labels.told(read, scratch, pairs[0]),
    "read, 75 labels 0.571; scratch, 75 labels 0.277. Difference +0.300 (+0.200 to +0.400): read, 75 labels is ahead.");
  assert.match(labels.told(scratch, read, labels.difference(pairs, "scratch, 75", "read, 75")),
    /Difference −0\.300 \(−0\.400 to −0\.200\): read, 75 labels is ahead\.$/);
  assert.match(labels.told(read, scratch, pairs[1]), /stays open\.$/);
  assert.equal(labels.told(scratch, scratch, null), "scratch, 75 labels: 0.277, over 2 runs.");
});

test("ways stand beside each other around their number of labels", () => {
  assert.deepEqual([0, 1, 2].map((i) => labels.aside(i, 3)), [-12, 0, 12]);
  assert.deepEqual(labels.kinds([point("a", 1, 0), point("b", 2, 0), point("a", 3, 0)], "way"), ["a", "b"]);
});

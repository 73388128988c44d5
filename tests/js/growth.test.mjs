// The explorer of a network that learns: places on its axis, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const growth = await load("growth");

test("nothing read stands at 0, the most at 1, and factors are equally far apart", () => {
  assert.equal(growth.place(0, 24_600_000), 0);
  assert.equal(growth.place(24_600_000, 24_600_000), 1);
  const [a, b, c] = [1e5, 1e6, 1e7].map((tokens) => growth.place(tokens, 1e7));
  assert.ok(Math.abs((b - a) - (c - b)) < 0.001);
});

test("a click goes to the nearest stop on the axis", () => {
  const moments = [{ tokens: 0 }, { tokens: 25_600 }, { tokens: 256_000 }];
  assert.equal(growth.stopAt(moments, 256_000, 0.1), 0);
  assert.equal(growth.stopAt(moments, 256_000, 0.8), 1);
  assert.equal(growth.stopAt(moments, 256_000, 1.2), 2);
});

test("ticks are powers of ten in little room", () => {
  assert.deepEqual(growth.powers(256_000), [1000, 10_000, 100_000]);
  assert.deepEqual([1000, 100_000, 1e7, 10].map(growth.short), ["1k", "100k", "10M", "10"]);
  assert.equal(growth.told({ name: "after 100 updates", tokens: 25_600, loss: 5.93062 }),
    "after 100 updates: 25,600 tokens read, held-out loss 5.93 nats per token");
});

// The table of the next-word explorer, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { best, idsOf, percent, tableSays } = await load("next_word");
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

// 0 1 0 2 0 1: after 0 comes 1 twice and 2 once; behind different tokens 0 stands twice, 1 and 2 once.
const TEXT = Uint16Array.from([0, 1, 0, 2, 0, 1]);
const REST = (0.75 * 3) / 4 / 4, ALONE = [1.25 / 4 + REST, 0.25 / 4 + REST, 0.25 / 4 + REST, REST];

test("a table that looks back at one token", () => {
  const { p, met, times } = tableSays(TEXT, [2, 0], 1, 4, 0.75);
  [ALONE[0] / 2, 1.25 / 3 + ALONE[1] / 2, 0.25 / 3 + ALONE[2] / 2, ALONE[3] / 2]
    .forEach((value, i) => near(p[i], value));
  assert.deepEqual([met, times], [1, 3]);
});

test("what was never met goes by the shorter context", () => {
  const { p, met, times } = tableSays(TEXT, [3], 1, 4, 0.75);
  ALONE.forEach((value, i) => near(p[i], value));
  assert.deepEqual([met, times], [0, 5]);
  near(tableSays(TEXT, [], 2, 4, 0.75).p.reduce((a, b) => a + b), 1);
});

test("the likeliest first, the smaller id at a tie", () => {
  assert.deepEqual(best([0.2, 0.4, 0.4], 2), [[1, 0.4], [2, 0.4]]);
});

test("ids are read little end first, shares as percent", () => {
  const bytes = new DataView(Uint8Array.from([1, 0, 0, 1]).buffer);
  assert.deepEqual([...idsOf(bytes)], [1, 256]);
  assert.deepEqual([0.5, 0.0994, 0.0001].map(percent), ["50 %", "9.9 %", "< 0.1 %"]);
});

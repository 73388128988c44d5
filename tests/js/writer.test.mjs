// What the writer works out from weights and logits, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const writer = await load("writer");

// Two layers of one head, three tokens.
const READS = Float32Array.from([0.7, 0.2, 0.1, 0.1, 0.6, 0.3]);

test("each head says which token it reads most", () => {
  const found = writer.mostRead(READS, 2, 1).map(([{ place, weight }]) => [place, weight.toFixed(1)]);
  assert.deepEqual(found, [[0, "0.7"], [1, "0.6"]]);
});

test("the head shown first reads neither the first token nor itself, where one does", () => {
  const heads = writer.mostRead(READS, 2, 1);
  assert.deepEqual(writer.telling(heads, 3), { layer: 1, head: 0 });
  assert.deepEqual(writer.telling(heads.slice(0, 1), 3), { layer: 0, head: 0 });
});

test("the list has the model's probability and the chance to be drawn", () => {
  const logits = Float32Array.from([Math.log(6), Math.log(3), 0]); // 0.6, 0.3, 0.1
  const likely = [[0, ["a", "text"]], [1, ["b", "text"]], [2, ["c", "text"]]];
  const rows = writer.listed({ logits, likely }, { topK: 2 });
  const near = (x, y) => assert.ok(Math.abs(x - y) < 1e-6, `${x} ${y}`);
  [0.6, 0.3, 0.1].forEach((p, i) => near(rows[i].p, p));
  [2 / 3, 1 / 3, 0].forEach((p, i) => near(rows[i].chance, p));
});

test("numbers of a view that begins anywhere", () => {
  const bytes = new Uint8Array(13);
  new DataView(bytes.buffer).setFloat32(5, 1.5, true);
  assert.deepEqual([...writer.floats(new DataView(bytes.buffer, 5, 8))], [1.5, 0]);
});

test("a probability is told with the digits that it has", () => {
  assert.deepEqual([0, 0.0004, 0.0123, 0.5].map(writer.percent), ["0", "< 0.1 %", "1.2 %", "50 %"]);
});

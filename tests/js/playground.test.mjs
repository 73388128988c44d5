// What is the playground's own; the ids have tests in tokens.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const page = await load("playground");

test("a lane runs from right to left if its first letter does", () => {
  assert.deepEqual(["", "12 a", "\u202e12", "שלום a", "!א", "aא"].map(page.rightToLeft),
    [false, false, false, true, true, false]);
});

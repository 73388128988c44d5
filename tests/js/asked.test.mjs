// What explorers of answers share: probabilities of the answers among themselves, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { amongThese, likeliest } = await load("shared/asked.js");

test("answers are compared among themselves", () => {
  const near = (found, wanted) => found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 1e-9));
  near(amongThese([0, Math.log(3)]), [0.25, 0.75]);
  near(amongThese([-2000, -2000 + Math.log(3)]), [0.25, 0.75]);
  near(amongThese([-5, -5, -5, -5]), [0.25, 0.25, 0.25, 0.25]);
  assert.equal(likeliest([0.2, 0.4, 0.4]), 1);
});

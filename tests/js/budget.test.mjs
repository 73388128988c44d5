// The budget game's numbers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const budget = await load("budget");

const run = (size, tokens, N, D, loss) => ({ size, tokens, N, D, flops: 6 * N * D, loss, seeds: 1 });
const runs = [run("a", "1M", 1e4, 1e6, 4), run("a", "2M", 1e4, 2e6, 3.8), run("b", "1M", 4e4, 1e6, 3.5)];
const even = { E: 1, A: 100, alpha: 0.5, B: 100, beta: 0.5 };

test("what is bought is spent", () => {
  assert.equal(budget.left(runs, [], 2e11), 2e11);
  assert.equal(budget.left(runs, [0, 1], 2e11), 2e11 - 6e10 - 12e10);
  assert.equal(budget.standing(runs, [0], 3e11, 0), "shown");
  assert.equal(budget.standing(runs, [0], 3e11, 2), "for sale");
  assert.equal(budget.standing(runs, [0], 2.9e11, 2), "dear");
});

test("the frontier is the law at the best split", () => {
  // α = β and A = B: N = D = √(C / 6), here 1e6: 1 + 2 · 100 / 1,000
  assert.equal(budget.frontier(even, 6e12).toFixed(9), "1.200000000");
  const uneven = { E: 0, A: 10, alpha: 0.3, B: 50, beta: 0.4 };
  const at = (N) => 10 / N ** 0.3 + 50 / (1e12 / N) ** 0.4;
  const all = Array.from({ length: 2001 }, (_, i) => at(10 ** (3 + i / 333)));
  assert.ok(Math.abs(budget.frontier(uneven, 6e12) - Math.min(...all)) < 1e-5);
});

test("how a game ended", () => {
  assert.match(budget.told(runs, even, [], 2e11), /^Nothing bought\. The best for this budget: a on 2M tokens, 3\.800/);
  assert.match(budget.told(runs, even, [0, 2], 3.1e11), /^Your best: b on 1M tokens, 3\.500\. No run within the budget/);
  const missed = budget.told(runs, even, [0, 1], 3.1e11);
  assert.match(missed, /Your best: a on 2M tokens, 3\.800\. b on 1M tokens would have reached 3\.500, 0\.300 lower/);
});

test("sides of the table and prices", () => {
  assert.deepEqual(budget.among(runs, "size", "N"), ["a", "b"]);
  assert.deepEqual(budget.among(runs, "tokens", "D"), ["1M", "2M"]);
  assert.equal(budget.tera(6e10), "0.06");
  assert.equal(budget.tera(3.25e12), "3.3");
  assert.equal(budget.best([]), null);
});

// What the explorer of optimised rewards says of runs, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const optimized = await load("optimized");

const run = (values, kl, learned, real, more = {}) => ({
  values, step_name: "update", steps: kl.map((_, i) => 20 * i), kl, learned, true: real,
  words: kl.map(() => null), answers: kl.map(() => []), ...more,
});
const settings = [{ name: "beta", values: ["0", "0.1"] }, { name: "labels", values: ["100", "400"] }];
const free = run([0, 1], [0, 1, 4.41, 9], [0.1, 0.8, 1.3, 1.9], [0.4, 0.5, 0.62, 0.54]);
const held = run([1, 1], [0, 1, 2.25], [0.1, 0.7, 1], [0.4, 0.53, 0.55]);
const poor = run([0, 0], [0, 4], [0, 2], [0.4, 0.2]);
const runs = [free, held, poor];

test("what to notice says where the true reward turns and what both did from there", () => {
  assert.equal(optimized.noticed(free), "The true reward is highest at √KL = 2.10 (update 40): 0.62. "
    + "From there to the end, at √KL = 3.00, it lost 0.08, while the learned one gained 0.60.");
  assert.equal(optimized.noticed(held), "The true reward is highest at the end, at √KL = 1.50: 0.55. "
    + "From the beginning it gained 0.15, while the learned one gained 0.90.");
  assert.equal(optimized.noticed(poor), "The true reward was never above the 0.40 of the beginning. "
    + "To the end, at √KL = 2.00, it lost 0.20, while the learned one gained 2.00.");
  const flat = run([0, 0], [0, 1, 4], [1, 1, 0.5], [0.5, 0.7, 0.698]);
  assert.match(optimized.noticed(flat), /it stayed as it was, while the learned one lost 0\.50\.$/);
});

test("points stand at the root of the KL", () => {
  assert.deepEqual(optimized.rootsOf(free), [0, 1, 2.1, 3]);
});

test("of equal heights the first is the highest", () => {
  assert.equal(optimized.highest([1, 3, 3]), 1);
});

test("beside a run stand those that differ in one setting, or all", () => {
  assert.deepEqual(optimized.beside(runs, 0, 0), [1]);
  assert.deepEqual(optimized.beside(runs, 0, 1), [2]);
  assert.deepEqual(optimized.beside(runs, 1, 1), []);
  assert.deepEqual(optimized.beside(runs, 0, -1), [1, 2]);
});

test("a value leads to the run with all else the same, or says what is missing", () => {
  assert.deepEqual(optimized.reach(runs, 0, 0, 1), { run: 1, changed: [] });
  assert.deepEqual(optimized.reach(runs, 1, 1, 0), { run: 2, changed: [0] });
  assert.equal(optimized.whyNot(settings, runs, 1, 1, 0),
    "labels 100 was not run with beta 0.1. The nearest run has beta 0.");
});

test("heights lie between points, in whatever order these came, and nowhere beyond them", () => {
  assert.equal(optimized.heightAt([0, 2, 1], [0, 4, 1], 1.5), 2.5);
  assert.equal(optimized.heightAt([0, 2, 1], [0, 4, 1], 2), 4);
  assert.equal(optimized.heightAt([1, 2], [3, 4], 0.5), null);
  assert.equal(optimized.heightAt([1, 2], [3, 4], 2.5), null);
  assert.equal(optimized.heightAt([1, 1], [3, 4], 1), 3);
});

test("near the beginning the axis ends at twice the shortest line, or where the chosen point is", () => {
  assert.ok(optimized.extent([free, held], false, 0) > 3);
  assert.equal(optimized.extent([free, poor], true, 0), optimized.extent([free, poor], false, 0)); // 4, beyond 3
  const long = run([0, 1], [0, 1, 400], [0, 1, 2], [0.4, 0.5, 0]);
  assert.equal(optimized.extent([long, held], true, 1), 3);
  assert.equal(optimized.extent([long, held], true, 2), optimized.extent([long, held], false, 2));
  assert.deepEqual(optimized.shown(long, "true", 10.5), [0.4, 0.5, 0.25]);
  assert.deepEqual(optimized.shown(held, "true", 3), held.true);
});

test("runs are compared where both have the same √KL, and nowhere else", () => {
  // At √KL 1: 0.50 and 0.53. At 1.5: 0.5 + 0.12 * 0.5 / 1.1 = 0.5545 and 0.55.
  assert.ok(Math.abs(optimized.apart(free, held) - 0.03) < 1e-9);
  assert.equal(optimized.apart(run([0, 0], [4, 9], [0, 0], [1, 2]), held), null);
  assert.equal(optimized.together(runs, 0, 0, settings[0]), "Compared by beta: at the same √KL, no line's true "
    + "reward is more than 0.03 from this one's. The lines end at √KL = 3.00 (0), 1.50 (0.1).");
});

test("a guess is judged by the point", () => {
  assert.equal(optimized.judged(free, 1),
    "You guessed update 20 (√KL 1.00); the true reward is highest at update 40 (√KL 2.10).");
  assert.equal(optimized.judged(free, 2),
    "You guessed update 40 (√KL 2.10), and there the true reward is highest.");
});

test("a point tells nothing of what is covered", () => {
  const long = { ...free, words: [30.5, null, null, null] };
  assert.equal(optimized.told(long, 0, false),
    "update 0 (√KL 0.00): learned reward 0.10, true reward 0.40, 30.5 words an answer.");
  assert.equal(optimized.told(long, 2, true), "update 40 (√KL 2.10): learned reward 1.30, true reward covered.");
});

test("bars begin at zero, to either side", () => {
  assert.deepEqual(optimized.fromZero([1, 3]), [0, 3]);
  assert.deepEqual(optimized.fromZero([-1, 3]), [-1, 3]);
  assert.deepEqual(optimized.fromZero([]), [0, 1]);
  assert.deepEqual(optimized.barFor(3, [-1, 3]), { left: 25, width: 75 });
  assert.deepEqual(optimized.barFor(-1, [-1, 3]), { left: 0, width: 25 });
});

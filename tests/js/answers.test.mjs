// The numbers of the explorer of answers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const answers = await load("answers");

const cell = (size, share, control = "", more = {}) => ({
  size, share, control, n_params: { "1m": 9, "300k": 3, "100k": 1 }[size], ...more,
});
const cells = [
  cell("100k", 0), cell("1m", 1), cell("1m", 0.3), cell("300k", 0.001), cell("1m", 1, "shuffled"),
  cell("1m", 0, "one"), cell("300k", 1, "one"),
];

test("the largest size is on top, the largest share on the right", () => {
  const { sizes, shares } = answers.sidesOf(cells);
  assert.deepEqual(sizes, ["1m", "300k", "100k"]);
  assert.deepEqual(shares, [0, 0.001, 0.3, 1]);
});

test("a cell is found by all that it is", () => {
  assert.equal(answers.cellFor(cells, { size: "1m", share: 1, control: "" }), cells[1]);
  assert.equal(answers.cellFor(cells, { size: "1m", share: 1, control: "shuffled" }), cells[4]);
  assert.equal(answers.cellFor(cells, { size: "1m", share: 0.3, control: "shuffled" }), null);
  assert.equal(answers.cellFor(cells, { size: "300k", share: 1, control: "" }), null);
});

test("a control stays where it was run, or leads to its nearest cell, the same row first", () => {
  const to = (control, size, share) => answers.landing(cells, control, { size, share });
  assert.deepEqual(to("shuffled", "1m", 1), { control: "shuffled", size: "1m", share: 1 });
  assert.deepEqual(to("shuffled", "100k", 0), { control: "shuffled", size: "1m", share: 1 });
  assert.deepEqual(to("one", "1m", 1), { control: "one", size: "1m", share: 0 });
  assert.deepEqual(to("one", "100k", 0), { control: "one", size: "300k", share: 1 });
  assert.deepEqual(to("", "1m", 1), { control: "", size: "1m", share: 1 });
});

test("a colour begins at chance", () => {
  assert.equal(answers.aboveChance(1, 8), 1);
  assert.equal(answers.aboveChance(0.125, 8), 0);
  assert.equal(answers.aboveChance(0.1, 8), 0);
  assert.equal(answers.aboveChance(0.625, 4), 0.5);
});

test("shares and cells in words", () => {
  assert.deepEqual([0, 0.001, 0.01, 0.3, 1].map(answers.percent), ["0", "0.1 %", "1 %", "30 %", "100 %"]);
  assert.equal(answers.whereOf(cell("1m", 0.3)), "1m, 30 % of documents");
  assert.equal(answers.whereOf(cell("1m", 0)), "1m, no demonstrations");
  assert.equal(answers.whereOf(cell("1m", 1, "shuffled")), "1m, 100 % of documents, shuffled answers");
});

test("what a network says, and what is right", () => {
  const task = { answers: ["Sad.", "Proud."], questions: 175, tales: [{ right: 1 }, { right: 0 }] };
  const logs = [Math.log(0.25), Math.log(0.75)];
  const run = { accuracy: [0, 0.794], seeds: 3, log_probs: [null, [logs, logs]] };
  const end = "Accuracy 0.79 over 175 questions, 3 seeds.";
  assert.equal(answers.told(run, task, 1, 0), `says “Proud.” (0.75), which is right. ${end}`);
  assert.equal(answers.told(run, task, 1, 1), `says “Proud.” (0.75); right is “Sad.” (0.25). ${end}`);
  assert.match(answers.told({ ...run, seeds: 1 }, task, 1, 1), /, 1 seed\.$/);
  assert.equal(answers.told(null, task, 1, 0), "not run.");
});

// The numbers of the explorer of demonstrations in a prompt, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const shots = await load("shots");

const cell = (size, corpus, more = {}) => (
  { size, corpus, n_params: { "1m": 9, "300k": 3, "100k": 1 }[size], ...more });
const cells = [cell("100k", "1"), cell("1m", "1, mixed"), cell("1m", "1"), cell("300k", "1"), cell("300k", "0.1")];
const prompts = [0, 1, 2, 3].map((n) => ({ shots: n, change: "" }));
prompts.push({ shots: 3, change: "shuffled" }, { shots: 1, change: "alone" });
const corpora = [{ name: "1", label: "one question a page" }, { name: "1, mixed", label: "another" }];
const changes = [{ name: "", label: "right answers" }, { name: "shuffled", label: "shuffled answers" }];
const tasks = [
  { name: "place", answers: ["Here.", "There."], rights: [1, 0], questions: 200 },
  { name: "mood", answers: ["Sad.", "Proud.", "Sorry."], rights: [2, 0], questions: 1 },
];

test("the largest size is on top, numbers of demonstrations ascend", () => {
  const { sizes, counts } = shots.sidesOf(cells, [...prompts].reverse());
  assert.deepEqual(sizes, ["1m", "300k", "100k"]);
  assert.deepEqual(counts, [0, 1, 2, 3]);
});

test("a network is found by size and corpus, a prompt by number and change", () => {
  assert.equal(shots.cellFor(cells, { size: "1m", corpus: "1, mixed" }), cells[1]);
  assert.equal(shots.cellFor(cells, { size: "100k", corpus: "1, mixed" }), null);
  assert.equal(shots.promptAt(prompts, { shots: 3, change: "" }), 3);
  assert.equal(shots.promptAt(prompts, { shots: 3, change: "shuffled" }), 4);
  assert.equal(shots.promptAt(prompts, { shots: 2, change: "shuffled" }), -1);
});

test("a corpus keeps the size where that was run, or leads to the nearest", () => {
  const to = (corpus, size) => shots.toCorpus(cells, ["1m", "300k", "100k"], corpus, { size });
  assert.deepEqual(to("1", "100k"), { corpus: "1", size: "100k" });
  assert.deepEqual(to("1, mixed", "100k"), { corpus: "1, mixed", size: "1m" });
  assert.deepEqual(to("0.1", "100k"), { corpus: "0.1", size: "300k" });
  assert.deepEqual(to("0.1", "1m"), { corpus: "0.1", size: "300k" });
});

test("changed demonstrations lead to where they were asked", () => {
  assert.deepEqual(shots.toChange(prompts, "shuffled", { shots: 0 }), { change: "shuffled", shots: 3 });
  assert.deepEqual(shots.toChange(prompts, "", { shots: 2 }), { change: "", shots: 2 });
  assert.deepEqual(shots.toChange(prompts, "alone", { shots: 3 }), { change: "alone", shots: 1 });
});

test("what no answer has goes to neither", () => {
  assert.equal(shots.restOf([0.5, 0.125]), 0.375);
  assert.equal(shots.restOf([0.625, 0.375 + 1e-9]), 0);
});

test("each question gets the sum of its answers, and has its own truth", () => {
  const sums = shots.sumsOf([0.5, 0.25, 0.125, 0.0625, 0.0625], tasks);
  assert.deepEqual(sums, [0.75, 0.25]);
  assert.deepEqual(shots.truths(tasks, 0), [1, 4]);
  assert.deepEqual(shots.truths(tasks, 1), [0, 2]);
});

test("a prompt in words", () => {
  const where = (n, change = "", corpus = "1") => (
    shots.whereOf({ size: "1m", corpus, shots: n, change }, corpora, changes));
  assert.equal(where(0), "1m, one question a page, no demonstration");
  assert.equal(where(1), "1m, one question a page, 1 demonstration");
  assert.equal(where(3, "shuffled", "1, mixed"), "1m, another, 3 demonstrations, shuffled answers");
});

test("what a network takes to be asked, what it says, and what is right", () => {
  const logs = [0.1, 0.5, 0.05, 0.05, 0.2].map(Math.log);
  const accuracy = [[0.25, 0.76, 0.5], [0, 1, 1]], fits = [[0.5, 0.949], [0, 1]];
  const run = { accuracy, fits, seeds: 3, log_probs: [[[logs, logs, logs]], [[logs, logs, logs]]] };
  const told = (number, at, tale = 0, more = {}) => shots.told({ ...run, ...more }, tasks, { number, at, tale });
  const taken = "takes it to ask for: place 0.60, mood 0.30, neither 0.10. Likeliest answer “There.” (0.50)";
  assert.equal(told(0, 1), `${taken}, which is right. Accuracy 0.76 over 200 questions, 3 seeds; `
    + "0.95 of the answers are to this question, right or wrong.");
  assert.equal(told(1, 1, 0, { seeds: 1 }), `${taken}, true of the tale; right is “Sorry.” (0.20). `
    + "Accuracy 1.00 over 1 question, 1 seed; 1.00 of the answers are to this question, right or wrong.");
  const wrong = [0.6, 0.1, 0.1, 0.1, 0.1].map(Math.log);
  const log_probs = [[[wrong, wrong, wrong]], [[wrong, wrong, wrong]]];
  assert.match(told(0, 1, 0, { log_probs }), /mood 0.30, neither 0.00. Likeliest answer “Here.” \(0.60\); right is “There.” \(0.10\)\. Acc/);
  assert.match(told(0, 2), /Accuracy 0.50 over 200 questions, 3 seeds\.$/, "no fits of changed ones");
  assert.equal(shots.told(null, tasks, { number: 0, at: 0, tale: 0 }), "not run.");
});

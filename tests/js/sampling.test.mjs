// The sampling explorer's numbers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const sampling = await load("sampling");
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

const P = [0.5, 0.3, 0.15, 0.05];
const place = { logits: P.map(Math.log), rest: [], tokens: P.map((_, i) => [`${i}`, "text"]) };
const asked = { temperature: 1, top_k: 0, top_p: 1, rule: "textbook" };
const TEMPERATURES = [0.5, 1];
const steps = (more) => sampling.steps(place, TEMPERATURES, { ...asked, ...more });

test("the two rules of top-p, as in the tests of the package", () => {
  // Sums .5 .8 .95 1: the textbook keeps the token that reaches the limit, GPT-2's code drops it.
  for (const [limit, textbook, openai] of [[0.9, 3, 2], [0.96, 4, 3], [0.7, 2, 1], [0.4, 1, 1]]) {
    assert.equal(sampling.topP(P, 0, limit, "textbook"), textbook);
    assert.equal(sampling.topP(P, 0, limit, "openai"), openai);
  }
  assert.equal(sampling.topP(P, 0, 1, "openai"), 4);
});

test("where the list ends before the sum reaches the limit, more is kept than is listed", () => {
  assert.equal(sampling.topP([0.5, 0.3], 0.2, 0.9, "textbook"), null);
  assert.equal(sampling.topP([0.5, 0.3], 0.2, 0.7, "textbook"), 2);
  assert.equal(sampling.topP([0.5, 0.3], 0.2, 1, "textbook"), null);
});

test("top-k keeps k, and what ties with the last", () => {
  assert.equal(sampling.topK(P, 0), 4);
  assert.equal(sampling.topK(P, 2), 2);
  assert.equal(sampling.topK([0.4, 0.2, 0.2, 0.2], 2), 4);
});

test("temperature comes first, then top-k, then top-p of what is left", () => {
  // At 1/2 the probabilities are squares over their sum, .25 .09 .0225 .0025 over .365.
  near(steps({ temperature: 0.5 }).hot[0], 0.25 / 0.365);
  // After top-k = 2 they are .625 and .375: top-p = .6 keeps one; of all four it keeps two.
  assert.equal(steps({ top_k: 2, top_p: 0.6 }).n, 1);
  assert.equal(steps({ top_p: 0.6 }).n, 2);
  const found = steps({ top_k: 3, top_p: 0.9 });
  assert.equal(found.k, 3);
  near(found.final.reduce((a, b) => a + b), 1);
  near(found.final[0], 0.5 / 0.95); // .5 + .3 is .842 of .95, so all three stay
});

test("others weigh what was worked out for the temperature", () => {
  // Two listed with weight 1 each, others with e^0.693147 = 2: a quarter, a quarter, a half.
  const flat = { logits: [0, 0], rest: [9, Math.log(2)], tokens: [["a", "text"], ["b", "text"]] };
  const found = sampling.steps(flat, TEMPERATURES, asked);
  near(found.hot[0], 0.25);
  near(found.others, 0.5);
  assert.equal(found.n, null);
  near(found.open, 0.5);
  assert.equal(sampling.drawnBy(found.final, 0.49), 1);
  assert.equal(sampling.drawnBy(found.final, 0.51), -1);
  const cut = sampling.steps(flat, TEMPERATURES, { ...asked, top_k: 1 });
  assert.deepEqual([cut.final.length, cut.open], [2, 0]); // the second is as likely as the first
});

test("a number draws the token in whose part it falls", () => {
  assert.deepEqual([0, 0.49, 0.5, 0.79, 0.81, 0.999].map((u) => sampling.drawnBy(P, u)), [0, 0, 1, 1, 2, 3]);
  const random = sampling.numbers(1), drawn = [0, 0, 0, 0];
  for (let i = 0; i < 10000; i += 1) drawn[sampling.drawnBy(P, random())] += 1;
  P.forEach((p, i) => assert.ok(Math.abs(drawn[i] / 10000 - p) < 4 * Math.sqrt((p * (1 - p)) / 10000)));
  assert.notEqual(sampling.numbers(1)(), sampling.numbers(2)());
});

test("what became of each token is said, and where the rules part", () => {
  const book = steps({ top_p: 0.9 }), code = steps({ top_p: 0.9, rule: "openai" });
  const fates = (found, rule) => P.map((_, i) => sampling.fate(found, i, rule));
  assert.deepEqual(fates(book, "textbook"), ["kept", "kept", "part-kept", "p"]);
  assert.deepEqual(fates(code, "openai"), ["kept", "kept", "part-cut", "p"]);
  assert.deepEqual(fates(steps({ top_k: 2 }), "textbook"), ["kept", "kept", "k", "k"]);
  assert.equal(sampling.told(book, { rule: "textbook", top_p: 0.9 }),
    "top-p leaves 3 by the textbook's rule, 2 by that of GPT-2's code.");
  assert.equal(sampling.told(steps({}), asked), "nothing is cut.");
  assert.equal(sampling.percent(0.5), "50 %");
  assert.equal(sampling.percent(0.0123), "1.2 %");
  assert.equal(sampling.percent(0.0001), "< 0.1 %");
});

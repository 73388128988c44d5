// The residual stream's numbers, by hand. A probability is kept as 65,535 √p: 32768 is 0.25.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const explorer = await load("residual_stream");
const { contextFrom, firstOnTop, placeFor, pieces, pixels, reading, scale, spoken } = explorer;
const { strength, strengths, truth, verdict, visible, where, written } = explorer;

// Two positions, two depths, the two likeliest tokens: 4 · 2 + 5 numbers per reading.
const ROWS = [
  [0, 1, 65535, 0, 0, 0, 32768, 13107, 9, 655, 1, 65535, 0],
  [2, 1, 32768, 13107, 6554, 655, 0, 0, 1, 32768, 3, 13107, 1500],
  [3, 0, 13107, 0, 0, 0, 0, 0, 20, 0, 2, 6554, 2303],
  [1, 3, 65535, 6554, 13107, 0, 0, 0, 2, 6554, 40, 0, 250],
];
const bytes = (rows, before = 0) => {
  const view = new DataView(new ArrayBuffer(before + 2 * rows.flat().length), before);
  rows.flat().forEach((number, i) => view.setUint16(2 * i, number, true));
  return view;
};
const LOOK = { tokens: [["a", "text"], [" b", "text"]], next: ["c", "text"], numbers: bytes(ROWS) };
const near = (value, wanted, by = 1e-4) =>
  assert.ok(Math.abs(value - wanted) <= by, `${value} is not ${wanted}`);

test("a reading is cut into its numbers, position by position, depth by depth", () => {
  const found = reading(LOOK, 2, 2, 0, 1);
  assert.deepEqual(found.names, [2, 1]);
  found.p.forEach((p, i) => near(p, [0.25, 0.04][i]));
  found.before.forEach((p, i) => near(p, [0.01, 0.0001][i]));
  assert.deepEqual(found.after, [0, 0]);
  assert.deepEqual([found.rank, found.itselfRank, found.entropy], [1, 3, 1.5]);
  near(found.true, 0.25);
  near(found.itself, 0.04);
  assert.equal(reading(LOOK, 2, 2, 1, 0).rank, 20);
  assert.equal(reading(LOOK, 2, 2, 1, 1).itselfRank, 40);
});

test("numbers are read from where their view begins", () => {
  const look = { ...LOOK, numbers: bytes(ROWS, 6) };
  assert.deepEqual(reading(look, 2, 2, 1, 1), reading(LOOK, 2, 2, 1, 1));
});

test("what truly follows is the next token, then the one behind the cut, then nothing", () => {
  assert.deepEqual(truth(LOOK, 0), [" b", "text"]);
  assert.deepEqual(truth(LOOK, 1), ["c", "text"]);
  assert.equal(truth({ ...LOOK, next: null }, 1), null);
});

test("probabilities are shaded by their root, ranks and entropies against the vocabulary", () => {
  near(strength("top", 0.25, 100), 0.5);
  near(strength("true", 0.01, 100), 0.1);
  near(strength("rank", 1, 100), 1);
  near(strength("rank", 10, 100), 0.5);
  near(strength("rank", 100, 100), 0);
  near(strength("entropy", 0, 100), 1);
  near(strength("entropy", Math.log(10), 100), 0.5);
  assert.equal(strength("entropy", 9, 100), 0);
  assert.equal(strength("rank", 1, 1), 1);
});

test("all readings of a look are shaded by the number that is asked for", () => {
  const all = (by) => [...strengths(LOOK, 2, 2, by, 100)];
  const wanted = {
    top: [1, 0.5, 0.2, 1],
    true: [0.01, 0.5, 0, 0.1],
    itself: [1, 0.2, 0.1, 0],
    rank: [9, 1, 20, 2].map((rank) => 1 - Math.log(rank) / Math.log(100)),
    entropy: [0, 1.5, 2.303, 0.25].map((nats) => 1 - nats / Math.log(100)),
  };
  for (const [by, values] of Object.entries(wanted))
    all(by).forEach((value, i) => near(value, values[i]));
});

test("the scale stops where the vocabulary does", () => {
  assert.deepEqual(scale("top", 10).map(([text]) => text), ["0.01", "0.1", "0.3", "1"]);
  assert.deepEqual(scale("rank", 300), [1, 10, 100].map((r) => [`${r}`, 1 - Math.log(r) / Math.log(300)]));
  assert.deepEqual(scale("entropy", 300).map(([text]) => text), ["0", "2", "4"]);
});

test("the first depth with rank 1 is where a token is first on top", () => {
  assert.equal(firstOnTop([7, 3, 1, 2, 1]), 2);
  assert.equal(firstOnTop([1, 1]), 0);
  assert.equal(firstOnTop([2, 11]), -1);
});

test("a guess is answered with where it was, whether it stays, and how far off the guess is", () => {
  assert.equal(where(0), "in the embedding");
  assert.equal(where(2), "after layer 1");
  const right = verdict([9, 4, 1, 1], 2);
  assert.ok(right.right);
  assert.equal(right.text, "It is first on top after layer 1, and stays there. Your guess was right.");
  assert.equal(verdict([9, 4, 2, 1], 2).text,
    "It is first on top after layer 2. Your guess was one step too early.");
  assert.equal(verdict([1, 4, 2, 1200], 3).text, "It is first on top in the embedding, "
    + "but does not stay; after the last layer its rank is 1,200. Your guess was 3 steps too late.");
  assert.equal(verdict([9, 2], 1).text,
    "It is nowhere on top; after the last layer its rank is 2. Your guess was after layer 0.");
  assert.equal(verdict([9, 1], -1).text,
    "It is first on top after layer 0. Your guess was nowhere.");
  assert.ok(verdict([9, 2], -1).right && !verdict([9, 1], -1).right);
});

test("only the rows that are seen are drawn, with two to spare on both sides", () => {
  assert.deepEqual(visible(0, 280, 28, 256), [0, 12]);
  assert.deepEqual(visible(2800, 280, 28, 256), [98, 112]);
  assert.deepEqual(visible(6888, 280, 28, 256), [244, 256]);
  assert.deepEqual(visible(0, 280, 28, 3), [0, 3]);
  assert.deepEqual(visible(99999, 280, 28, 3), [3, 3]);
});

test("arrows walk the grid and stop at its edges, other keys do nothing", () => {
  const from = (key, ctrlKey = false) => placeFor({ key, ctrlKey }, { token: 5, depth: 1 }, 30, 3);
  assert.deepEqual(from("ArrowLeft"), { token: 5, depth: 0 });
  assert.deepEqual(from("ArrowRight"), { token: 5, depth: 2 });
  assert.deepEqual(from("ArrowUp"), { token: 4, depth: 1 });
  assert.deepEqual(from("ArrowDown"), { token: 6, depth: 1 });
  assert.deepEqual(from("Home"), { token: 5, depth: 0 });
  assert.deepEqual(from("End"), { token: 5, depth: 2 });
  assert.deepEqual(from("Home", true), { token: 0, depth: 1 });
  assert.deepEqual(from("End", true), { token: 29, depth: 1 });
  assert.deepEqual(from("PageDown"), { token: 14, depth: 1 });
  assert.deepEqual(from("PageUp"), { token: 0, depth: 1 });
  assert.deepEqual(placeFor({ key: "ArrowRight" }, { token: 0, depth: 2 }, 30, 3), { token: 0, depth: 2 });
  for (const key of ["a", "toString", "Tab"]) assert.equal(from(key), null);
});

test("what leads up to a position is no longer than asked", () => {
  const tokens = ["One", " windy", " day", "."].map((text) => [text, "text"]);
  assert.equal(contextFrom(tokens, 3, 100), 0);
  assert.equal(contextFrom(tokens, 3, 11), 1);
  assert.equal(contextFrom(tokens, 3, 10), 2);
  assert.equal(contextFrom(tokens, 1, 1), 1);
});

test("probabilities are written with two digits or three, and small ones as small", () => {
  const texts = [1, 0.437, 0.0996, 0.0994, 0.0012, 0.0004, 0].map(written);
  assert.deepEqual(texts, ["1.00", "0.44", "0.10", "0.099", "0.001", "<0.001", "0"]);
});

test("the picture shades from ground to heat and leaves what is covered clear", () => {
  const image = pixels([1, 0, 0.5, 1], (i) => i === 3, [100, 0, 0], [0, 50, 200]);
  assert.deepEqual([...image.slice(0, 4)], [100, 0, 0, 255]);
  assert.deepEqual([...image.slice(4, 8)], [0, 50, 200, 255]);
  assert.deepEqual([...image.slice(8, 12)], [50, 25, 100, 255]);
  assert.deepEqual([...image.slice(12)], [0, 0, 0, 0]);
});

test("spaces, breaks and unseen characters become visible; a token alone has a name", () => {
  assert.deepEqual(pieces(" a\n\t"), [["space", "·"], ["text", "a"], ["break", "↵"], ["unseen", "U+0009"]]);
  assert.deepEqual(pieces("<b>"), [["text", "<b>"]]);
  assert.equal(spoken([" Rosa", "text"]), "Rosa");
  assert.equal(spoken(["\n", "text"]), "line break");
  assert.equal(spoken(["F0 9F", "bytes"]), "bytes F0 9F");
});

// The attention explorer's numbers, by hand. A byte is 255 √weight: 255 is 1, 128 is 0.252.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const explorer = await load("attention");
const { readAt, lineStep, along, pieces, pixels, readers, reads, spoken } = explorer;
const { start, strongest, summarise, triangle, written } = explorer;

// Three tokens: 1 / 0.25 0.75 / 0 0 1, whose roots are 1 / 0.5 0.866 / 0 0 1.
const HEAD = Uint8Array.of(255, 128, 221, 0, 0, 255);
const near = (value, wanted, by = 4e-3) =>
  assert.ok(Math.abs(value - wanted) <= by, `${value} is not ${wanted}`);

test("rows of a triangle begin after 0, 1, 3, 6 weights", () => {
  assert.deepEqual([0, 1, 2, 3].map(start), [0, 1, 3, 6]);
});

test("each head has its own triangle, also in a view that begins later", () => {
  const bytes = Uint8Array.from({ length: 14 }, (_, i) => i);
  const view = new DataView(bytes.buffer, 2);
  assert.deepEqual([...triangle(view, 0, 3)], [2, 3, 4, 5, 6, 7]);
  assert.deepEqual([...triangle(view, 1, 3)], [8, 9, 10, 11, 12, 13]);
});

test("a row is what a token reads, a column what reads it", () => {
  assert.deepEqual([...reads(HEAD, 1)], [128, 221]);
  assert.deepEqual([...readers(HEAD, 0, 3)], [255, 128, 0]);
  assert.deepEqual([...readers(HEAD, 2, 3)], [255]);
});

test("the strongest come first, earlier ones first among equals, nothing without weight", () => {
  const found = strongest(Uint8Array.of(0, 255, 128, 255), 10, 3);
  assert.deepEqual(found.map(({ position }) => position), [11, 13, 12]);
  assert.equal(found[0].weight, 1);
  near(found[2].weight, 0.252, 1e-4);
  assert.equal(strongest(Uint8Array.of(9, 8, 7), 0, 2).length, 2);
  assert.deepEqual(strongest(Uint8Array.of(0, 0), 0, 2), []);
});

test("a head in five numbers: means of the second and third row", () => {
  const { distance, first, previous, itself, spread } = summarise(HEAD, 3);
  near(distance, (0.25 * 1 + 0) / 2);
  near(first, (0.25 + 0) / 2);
  near(previous, (0.25 + 0) / 2);
  near(itself, (0.75 + 1) / 2);
  // entropies -0.25 ln 0.25 - 0.75 ln 0.75 = 0.5623 and 0
  near(spread, Math.exp(0.5623 / 2));
});

test("an even head is spread over all that it can read, however small its weights", () => {
  const size = 200, bytes = new Uint8Array(start(size));
  for (let q = 0; q < size; q++)
    bytes.fill(Math.round(255 * Math.sqrt(1 / (q + 1))), start(q), start(q + 1));
  const { distance, first, spread } = summarise(bytes, size);
  near(distance, (1 + 199) / 4, 1e-6); // the mean of q / 2 over q = 1 to 199
  const rows = Array.from({ length: 199 }, (_, i) => i + 2);
  near(first, rows.reduce((sum, n) => sum + 1 / n, 0) / 199, 1e-6);
  near(spread, Math.exp(rows.reduce((sum, n) => sum + Math.log(n), 0) / 199), 1e-6);
});

test("one token alone has no averages", () => {
  for (const value of Object.values(summarise(Uint8Array.of(255), 1))) {
    assert.ok(Number.isNaN(value));
    assert.equal(written(value), "–");
  }
});

test("numbers are written with the digits that a byte carries", () => {
  const texts = [1, 0.34217, 0.1, 0.09949, 0.0212, 0.0004, 0, 4.333, 63.46].map(written);
  const wanted = ["1.00", "0.34", "0.10", "0.099", "0.021", "0.000", "0.00", "4.33", "63.5"];
  assert.deepEqual(texts, wanted);
});

test("a picture shades from ground to heat and leaves the future clear", () => {
  const image = pixels(Uint8Array.of(255, 0, 51), 2, [100, 0, 0], [0, 50, 200]);
  const pixel = (row, column) => [...image.slice(4 * (2 * row + column)).slice(0, 4)];
  assert.deepEqual(pixel(0, 0), [100, 0, 0, 255]);
  assert.deepEqual(pixel(0, 1), [0, 0, 0, 0]);
  assert.deepEqual(pixel(1, 0), [0, 50, 200, 255]);
  assert.deepEqual(pixel(1, 1), [20, 40, 160, 255]);
});

test("a point finds its cell, and none in the future or outside", () => {
  assert.deepEqual(readAt(5, 35, 40, 4), { q: 3, k: 0 });
  assert.deepEqual(readAt(39, 39, 40, 4), { q: 3, k: 3 });
  for (const [x, y] of [[25, 5], [-1, 5], [5, -1], [5, 40], [41, 45]])
    assert.equal(readAt(x, y, 40, 4), null);
});

test("arrows stop at both ends, Home and End go there, other keys do nothing", () => {
  const to = ["ArrowLeft", "ArrowRight", "Home", "End", "a"].map((key) => along(key, 1, 5));
  assert.deepEqual(to, [0, 2, 0, 4, null]);
  assert.equal(along("ArrowLeft", 0, 5), 0);
  assert.equal(along("ArrowRight", 4, 5), 4);
});

test("up and down go to the nearest token of the next line, or stay", () => {
  const boxes = [[0, 0], [50, 0], [90, 0], [0, 30], [60, 30], [0, 60]].map(([x, y]) => ({ x, y }));
  assert.equal(lineStep(boxes, 2, 1), 4);
  assert.equal(lineStep(boxes, 4, -1), 1);
  assert.equal(lineStep(boxes, 4, 1), 5);
  assert.equal(lineStep(boxes, 1, -1), 1);
  assert.equal(lineStep(boxes, 5, 1), 5);
});

test("spaces, breaks and unseen characters become visible, all else stays", () => {
  assert.deepEqual(pieces(" Rosa"), [["space", "·"], ["text", "Rosa"]]);
  assert.deepEqual(pieces("a  b\n\t"), [
    ["text", "a"], ["space", "··"], ["text", "b"], ["break", "↵"], ["unseen", "U+0009"],
  ]);
  assert.deepEqual(pieces("\u200f\u202e\u00a0"), [
    ["unseen", "U+200F"], ["unseen", "U+202E"], ["unseen", "U+00A0"],
  ]);
  assert.deepEqual(pieces("<b>é😀"), [["text", "<b>é😀"]]);
  assert.deepEqual(pieces(""), []);
});

test("a token alone is named by its text, or by what it is", () => {
  assert.equal(spoken([" Rosa", "text"]), "Rosa");
  assert.equal(spoken([" ", "text"]), "space");
  assert.equal(spoken(["\n\n", "text"]), "line break line break");
  assert.equal(spoken(["\u200f", "text"]), "U+200F");
  assert.equal(spoken(["F0 9F", "bytes"]), "bytes F0 9F");
  assert.equal(spoken(["<|endoftext|>", "special"]), "<|endoftext|>");
});

// Attention, step by step, by hand. Two numbers in a query, so √D = √2; scores are chosen so that
// the shares come out even: e to the log 3 is 3, and 1 + 3 = 4.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const steps = await load("attention_steps");
const { STEPS, about, brief, called, cellAt, cellOf, exponentials, layout, leaks, leakText } = steps;
const { legible, masked, moved, namesOf, pieces, pixels, pointAt, reach, reader, softmax } = steps;
const { strength, terms, times, turned, vectors, verdict, verdictText, walk, written } = steps;

const of = (...values) => Float64Array.from(values);
const near = (found, wanted, by = 1e-12) => {
  assert.equal(found.length, wanted.length);
  found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= by, `${found} is not ${wanted}`));
};
const causal = reader(2);
const LOG3 = Math.log(3);

test("a score is the sum of the products of its query and its key", () => {
  // q0 = 1 2, q1 = 3 4; k0 = 5 6, k1 = 7 8: 5+12, 7+16 / 15+24, 21+32
  near(times(of(1, 2, 3, 4), turned(of(5, 6, 7, 8), 2), 2), [17, 23, 39, 53]);
});

test("the mask lets a token read itself and what came before, or what a pattern says", () => {
  assert.deepEqual([causal(0, 0), causal(0, 1), causal(1, 0), causal(1, 1)], [true, false, true, true]);
  const own = reader(2, new DataView(Uint8Array.of(1, 0, 0, 1).buffer));
  assert.deepEqual([own(0, 0), own(1, 0), own(1, 1)], [true, false, true]);
});

test("what may not be read becomes −∞, or stays, or becomes 0", () => {
  const scores = of(1, 2, 3, 4);
  near([...masked(scores, 2, causal, "causal")].filter(Number.isFinite), [1, 3, 4]);
  assert.equal(masked(scores, 2, causal, "causal")[1], -Infinity);
  near(masked(scores, 2, causal, "none"), [1, 2, 3, 4]);
  near(masked(scores, 2, causal, "zero"), [1, 0, 3, 4]);
});

test("shares of a row: 1 and 3 of 4; −∞ gets nothing; huge scores do no harm", () => {
  near(softmax(of(0, -Infinity, 0, LOG3), 2), [1, 0, 0.25, 0.75]);
  near(softmax(of(1000, 1000 + LOG3, -1000, -1000), 2), [0.25, 0.75, 0.5, 0.5]);
  const plain = exponentials(of(0, LOG3)), high = exponentials(of(7, 7 - LOG3));
  near([plain.lowered, plain.sum, ...plain.powers], [0, 4, 1, 3]);
  near([high.lowered, high.sum, ...high.powers], [7, 4 / 3, 1, 1 / 3]);
});

test("the output is the weighted sum of the value rows", () => {
  // values 1 2 3 and 5 6 7; weights 1 0 / 0.25 0.75
  near(times(of(1, 0, 0.25, 0.75), of(1, 2, 3, 5, 6, 7), 2), [1, 2, 3, 4, 5, 6]);
});

test("a product is right for every number of rows, of columns and of zeros at a row's end", () => {
  const some = (length, by) => Float64Array.from({ length }, (_, i) => ((i * by) % 11) - 5);
  for (const rows of [1, 2, 3, 5])
    for (const columns of [1, 2, 3, 4, 5, 7, 8])
      for (const inner of [1, 2, 6]) {
        const a = some(rows * inner, 7), b = some(inner * columns, 3);
        for (let row = 0; row < rows; row++) a.fill(0, Math.min(row * inner + row + 1, a.length), (row + 1) * inner);
        const wanted = Array.from({ length: rows * columns }, (_, i) => {
          const row = Math.floor(i / columns), column = i % columns;
          let sum = 0;
          for (let j = 0; j < inner; j++) sum += a[row * inner + j] * b[j * columns + column];
          return sum;
        });
        near(times(a, b, rows), wanted, 0);
      }
});

test("the whole walk: scores, ÷ √4, mask, softmax, × V", () => {
  const q = of(2, 0, 0, 0, 2, 0, 0, 0), k = of(0, 0, 0, 0, LOG3, 0, 0, 0), v = of(1, 0, 0, 1);
  const all = walk({ q, k, v }, 2, causal, "causal");
  near(all.scores, [0, 2 * LOG3, 0, 2 * LOG3]);
  near(all.scaled, [0, LOG3, 0, LOG3]);
  assert.equal(all.masked[1], -Infinity);
  near(all.weights, [1, 0, 0.25, 0.75]);
  near(all.output, [1, 0, 0.25, 0.75]);
  const open = walk({ q, k, v }, 2, causal, "none");
  near(open.weights, [0.25, 0.75, 0.25, 0.75]);
  assert.deepEqual(walk({ q, k, v }, 2, causal, "none", all), open);
  near(leaks(open.weights, 2, causal), [0.75, 0]);
  near(leaks(all.weights, 2, causal), [0, 0]);
  near(leaks(walk({ q, k, v }, 2, causal, "zero").weights, 2, causal), [0.5, 0]);
});

test("vectors stand head after head, queries, keys, values, each with its unit", () => {
  const multiples = Int16Array.from({ length: 24 }, (_, i) => i - 12); // 2 heads × 3 × 2 tokens × 2
  const look = { tokens: [["a", "text"], ["b", "text"]], units: [1, 2, 3, 4, 5, 0.5] };
  const bytes = new Uint8Array(50); // in a view that begins later
  bytes.set(new Uint8Array(multiples.buffer), 2);
  look.numbers = new DataView(bytes.buffer, 2);
  const { q, k, v } = vectors(look, 1, [2, 2]);
  near(q, [0, 4, 8, 12]); // 0 1 2 3 in units of 4
  near(k, [20, 25, 30, 35]);
  near(v, [4, 4.5, 5, 5.5]);
  near(vectors({ ...look, exact: [[0.1], [2], [3]] }, 0, [1, 1]).q, [0.1]);
});

test("the largest terms come first where there are many, the others as one", () => {
  const few = terms(of(1, 2), of(3, -4));
  assert.deepEqual(few.shown.map(({ product }) => product), [3, -8]);
  assert.deepEqual([few.others, few.rest, few.total], [0, 0, -5]);
  const many = terms(of(1, 1, 1, 1), of(1, -9, 3, 2), 2);
  assert.deepEqual(many.shown.map(({ i, product }) => [i, product]), [[1, -9], [2, 3]]);
  assert.deepEqual([many.others, many.rest, many.total], [2, 3, -3]);
});

test("a guess is told what the difference of two scores does to their weights", () => {
  const scores = [0, LOG3, -Infinity], weights = [0.25, 0.75, 0], names = ["a", "b", "c"];
  const told = (guess) => verdictText(verdict(scores, weights, guess), names, weights, guess);
  const why = "The score of “a” is 1.10 lower, so its weight is smaller by the factor e to the 1.10 = 3: 0.25.";
  assert.equal(told(1), `Yes. “b” gets most weight: 0.75. ${why}`);
  assert.equal(told(0), `You chose “a”. “b” gets most weight: 0.75. ${why}`);
  assert.equal(told(2), "You chose “c”. “b” gets most weight: 0.75. “c” gets 0: e to the −∞.");
  assert.equal(told(null), `“b” gets most weight: 0.75. ${why}`);
  const tied = verdict([1, 1], [0.5, 0.5], 1);
  assert.ok(tied.right && tied.ties === 2);
  assert.equal(verdictText(tied, names, [0.5, 0.5], 1), "Yes. 2 tokens share the most weight, 0.5 each.");
  assert.equal(verdictText(verdict([5], [1], 0), names, [1], 0), "Yes. “a” gets most weight: 1. ");
});

test("a broken mask is told in numbers: the worst row, the mean, the row that stays", () => {
  const right = { weights: of(1, 0, 0.25, 0.75) }, all = { weights: of(0.4, 0.6, 0.25, 0.75) };
  const text = leakText(["a", "b"], all, right, 2, causal);
  assert.match(text, /^The future leaks\. “a” \(row 0\) now puts 0\.6 of its weight/);
  assert.match(text, /The mean over all rows is 0\.3\. Only the last row is as before/);
  const moved = { weights: of(0.4, 0.6, 0.2, 0.8) };
  assert.doesNotMatch(leakText(["a", "b"], moved, right, 2, causal), /Only the last row/);
  assert.match(leakText(["a", "b"], right, right, 2, causal), /^Here nothing changes/);
});

test("what a step says fits the mask that is set", () => {
  for (let step = 0; step < STEPS.length; step++) assert.ok(about(step, "causal", 64).length > 60);
  assert.match(about(2, "causal", 64), /√64 = 8\./);
  assert.match(about(4, "causal", 64), /later tokens get nothing/);
  for (const mask of ["none", "zero"]) {
    assert.doesNotMatch(about(4, mask, 64), /get nothing/);
    assert.doesNotMatch(about(3, mask, 64), /becomes −∞/);
  }
});

test("numbers are written with few digits, short ones as they are", () => {
  const all = [3.21456, 12.3456, 123.456, 0.0456, 0.00004, -1.5, 2, -0.00002, -Infinity];
  const wanted = ["3.21", "12.3", "123", "0.046", "0.0000", "−1.5", "2", "0.0000", "−∞"];
  assert.deepEqual(all.map((value) => written(value)), wanted);
  assert.deepEqual([0, 0.4, 1, -0].map((value) => written(value)), ["0", "0.4", "1", "0"]);
  assert.equal(written(0.7071, 3), "0.707");
  assert.deepEqual([-0.04, -13.16, 1].map((value) => brief(value, 25, 14)), ["0.0", "−13.2", "1.0"]);
  assert.deepEqual([brief(-113.73, 25, 114), brief(1.234, 36, 2)], ["−114", "1.23"]);
  assert.deepEqual([0.28, 0, 1].map((w) => brief(w, 26, 1, { share: true })), [".28", "0", "1.00"]);
  assert.equal(brief(0.7071, 48, 2, { exact: true }), "0.707");
});

test("a stage puts a product's left matrix beside it and its right one above it", () => {
  for (const width of [330, 720])
    for (const [T, sizes] of [[3, [2, 2]], [12, [64, 64]], [256, [64, 64]], [1, [1, 5]]])
      for (let step = 0; step < STEPS.length; step++) {
        const { panels, labels, bottom } = layout(step, width, T, sizes);
        const at = `step ${step}, ${T} tokens, ${width} px`;
        assert.deepEqual(panels.map(({ kind }) => kind), STEPS[step].shows.filter(Boolean), at);
        for (const { x, y, w, h } of panels) {
          assert.ok(x >= labels && y >= 0 && w > 0 && h > 0, at);
          assert.ok(x + w <= width + 1e-6 && y + h <= bottom + 1e-6 && h <= 400 + 1e-6, at);
        }
        const made = panels.at(-1), left = panels[0];
        if (step) assert.ok(left.y === made.y && left.h === made.h && left.x + left.w < made.x, at);
        if (step && panels.length === 3) {
          const above = panels[1];
          assert.ok(above.x === made.x && above.w === made.w && above.y + above.h < made.y, at);
          assert.equal(left.columns, above.rows, at);
        }
      }
});

test("keys stand on end: column k of Kᵀ is row k of K", () => {
  near(turned(of(1, 2, 3, 4, 5, 6), 2), [1, 4, 2, 5, 3, 6]); // two keys of three numbers
});

test("a cell belongs to a query, a key and a number, and back", () => {
  const at = { q: 1, k: 2, j: 3 };
  const wanted = { q: [1, 3], k: [2, 3], kT: [3, 2], v: [2, 3], scores: [1, 2], weights: [1, 2], output: [1, 3] };
  for (const [kind, [row, column]] of Object.entries(wanted)) {
    assert.deepEqual(cellOf(kind, at), { row, column }, kind);
    const back = pointAt(kind, { row, column });
    assert.equal(back.kind, kind === "kT" ? "k" : kind);
    for (const name of ["q", "k", "j"]) assert.ok([at[name], undefined].includes(back[name]), kind);
  }
});

test("a point finds its cell, keys move it and stop at the edges", () => {
  const panel = { w: 30, h: 20, rows: 2, columns: 3 };
  assert.deepEqual(cellAt(29, 19, panel), { row: 1, column: 2 });
  for (const [x, y] of [[-1, 5], [5, -1], [30, 5], [5, 20]]) assert.equal(cellAt(x, y, panel), null);
  const to = (key) => moved(key, { row: 0, column: 1 }, 2, 3);
  assert.deepEqual(to("ArrowRight"), { row: 0, column: 2 });
  assert.deepEqual(to("ArrowUp"), { row: 0, column: 1 });
  assert.deepEqual(to("ArrowDown"), { row: 1, column: 1 });
  assert.deepEqual([to("Home").column, to("End").column, to("x")], [0, 2, null]);
});

test("colours: plus, minus, what leaks, and nothing where there is no number", () => {
  const palette = { plus: [0, 0, 200], minus: [200, 0, 0], leak: [0, 200, 0], ground: [100, 100, 100] };
  const state = (row, column) => ["", "leaking", "barred"][column];
  const image = pixels("scores", of(2, -1, 1, -2, -Infinity, 0), 3, 2, palette, () => "");
  const pixel = (picture, at) => [...picture.slice(4 * at, 4 * at + 4)];
  assert.deepEqual(pixel(image, 0), [0, 0, 200, 255]);
  assert.deepEqual(pixel(image, 1), [150, 50, 50, 255]);
  assert.deepEqual(pixel(image, 4), [0, 0, 0, 0]);
  assert.deepEqual(pixel(image, 5), [100, 100, 100, 255]);
  const weights = pixels("weights", of(1, 0.25, 0), 3, 1, palette, state);
  assert.deepEqual(pixel(weights, 0), [0, 0, 200, 255]);
  assert.deepEqual(pixel(weights, 1), [50, 150, 50, 255]); // the root of 0.25 is 0.5
  assert.deepEqual(pixel(weights, 2), [0, 0, 0, 0]);
  assert.equal(reach(of(-3, 2, -Infinity)), 3);
  assert.equal(reach(of(0, 0)), 1);
  assert.ok(Number.isNaN(strength("masked", -Infinity, 1)));
  assert.deepEqual(legible([0, 0, 0]), [255, 255, 255]);
  assert.deepEqual(legible([255, 255, 0]), [0, 0, 0]);
  // WCAG: 4.5 to 1; white on #757575 has 4.6, black on #777777 4.7
  assert.deepEqual([legible([117, 117, 117])[0], legible([119, 119, 119])[0]], [255, 0]);
});

test("tokens are called by their text, their spaces only where there is nothing else", () => {
  const found = [[" Rosa", "text"], ["  ", "text"], ["\n", "text"], ["C3", "bytes"], ["a\tb", "text"]];
  assert.deepEqual(found.map(called), ["Rosa", "··", "↵", "C3", "aU+0009b"]);
  const three = [["a", "text"], [" a", "text"], ["b", "text"]];
  assert.deepEqual(namesOf(three), ["a (0)", "a (1)", "b"]);
  assert.deepEqual(pieces("a b"), [["text", "a"], ["space", "·"], ["text", "b"]]);
});

test("256 tokens of 64 numbers take a moment of computing", () => {
  const T = 256, may = reader(T);
  const random = () => Float64Array.from({ length: T * 64 }, () => Math.random() - 0.5);
  const given = { q: random(), k: random(), v: random() };
  const times = Array.from({ length: 6 }, () => { // of this process: a busy machine is no fault
    const before = process.cpuUsage();
    walk(given, T, may, "causal");
    return process.cpuUsage(before).user / 1000;
  });
  assert.ok(Math.min(...times) <= 50, `${times} ms`);
});

// The four layouts by hand, on lengths and ids that can be counted on fingers; what is said of a
// prediction; what is told of rows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const page = await load("input_layout");
const MARKS = { start: ["_start_", 90], delimiter: ["_delimiter_", 91], extract: ["_classify_", 92] };
const shape = (row) => row.map(({ kind, text, n }) => (kind === "text" ? `${text}:${n}` : kind[0]));
const shapes = (...given) => page.layout(...given).map((row) => shape(row).join(" "));
/** A lane of which only the ids matter. */
const lane = (...ids) => ({ all: ids.map((id) => ({ id })) });
const given = (task, lanes, more = {}) => (
  { task, lanes, marks: MARKS, nCtx: 12, part: null, full: false, ...more });

test("each task has its rows", () => {
  assert.deepEqual(shapes("classification", [3], 12), ["s 0:3 e"]);
  assert.deepEqual(shapes("entailment", [3, 2], 12), ["s 0:3 d 1:2 e"]);
  assert.deepEqual(shapes("similarity", [3, 2], 12), ["s 0:3 d 1:2 e", "s 1:2 d 0:3 e"]);
  assert.deepEqual(shapes("choice", [3, 2, 1, 4], 12), [
    "s 0:3 d 1:2 e", "s 0:3 d 2:1 e", "s 0:3 d 3:4 e"]);
});

test("a single text keeps n_ctx - 2 tokens, each of two half of n_ctx less two", () => {
  assert.deepEqual(shapes("classification", [30], 12), ["s 0:10 e"]);
  assert.deepEqual(shapes("entailment", [30, 2], 12), ["s 0:4 d 1:2 e"]);
  assert.deepEqual(shapes("entailment", [30, 30], 13), ["s 0:4 d 1:4 e"]);
  assert.equal(page.layout("entailment", [30, 2], 12)[0][1].of, 30);
});

test("with more room for each the longer text gives way, and both if both are long", () => {
  assert.deepEqual(shapes("entailment", [30, 2], 12, 99), ["s 0:7 d 1:2 e"]);
  assert.deepEqual(shapes("entailment", [2, 30], 12, 99), ["s 0:2 d 1:7 e"]);
  assert.deepEqual(shapes("entailment", [30, 30], 12, 99), ["s 0:5 d 1:4 e"]);
  assert.deepEqual(shapes("similarity", [30, 2], 12, 6), ["s 0:6 d 1:2 e", "s 1:2 d 0:6 e"]);
});

test("what gptcore refuses is refused in its words", () => {
  const refused = (message, ...args) => assert.throws(() => page.layout(...args), { message });
  refused("text is empty: it has no tokens", "classification", [0], 12);
  refused("hypothesis is empty: it has no tokens", "entailment", [1, 0], 12);
  refused("text_b is empty: it has no tokens", "similarity", [1, 0], 12);
  refused("choices[1] is empty: it has no tokens", "choice", [1, 1, 0], 12);
  refused("choices has 1; to choose, there must be at least 2", "choice", [1, 1], 12);
  refused("n_ctx leaves room for 0 tokens of text; it needs at least 1", "classification", [1], 2);
  refused("part=0, n_ctx=5: there must be room for a token of each text", "entailment", [1, 1], 5);
});

test("ids, padding on the right, targets and what is read", () => {
  const { rows, width } = page.example(given("choice", [lane(1, 2), lane(3), lane(4, 5)]));
  assert.equal(width, 7);
  assert.deepEqual(rows[0].ids, [90, 1, 2, 91, 3, 92]);
  assert.deepEqual(rows[0].padded, [90, 1, 2, 91, 3, 92, 0]);
  assert.deepEqual(rows[0].targets, [1, 2, 91, 3, 92, -100, -100]);
  assert.deepEqual(rows.map(({ at }) => at), [5, 6]);
  const full = page.example(given("choice", [lane(1, 2), lane(3), lane(4, 5)], { full: true }));
  assert.equal(full.width, 12);
  assert.equal(full.rows[1].padded.length, 12);
  assert.deepEqual(full.rows[1].targets.slice(5), [92, ...Array(6).fill(-100)]);
});

test("swapping two texts makes the rows of similarity change places", () => {
  const ids = (...lanes) => page.example(given("similarity", lanes)).rows.map((row) => row.ids);
  const [a, b] = [lane(1, 2, 3), lane(4)];
  assert.deepEqual(ids(a, b), ids(b, a).reverse());
  assert.notDeepEqual(ids(a, b)[0], ids(a, b)[1]);
});

/** All orders of all selections. */
function orders(pieces) {
  if (!pieces.length) return [[]];
  const rest = orders(pieces.slice(1));
  const put = (one) => Array.from({ length: one.length + 1 }, (_, i) => one.toSpliced(i, 0, pieces[0]));
  return [...rest, ...rest.flatMap(put)];
}

test("of all predictions the right ones are right, and every other learns why", () => {
  const pair = "start first delimiter second extract";
  const right = {
    classification: [["start first extract", "one"]],
    entailment: [[pair, "one"]],
    similarity: [[pair, "two"], ["start second delimiter first extract", "two"]],
    choice: [[pair, "each"]],
  };
  for (const [task, wanted] of Object.entries(right)) {
    const found = [];
    for (const pieces of orders(page.piecesOf(task)))
      for (const rows of [null, "one", "two", "each"]) {
        const { right: good, text } = page.judge(task, pieces, rows);
        assert.match(text, good ? /^Yes\. / : /^(Not yet: |Nearly: |The row is right|Choose)/);
        assert.ok(!text.includes("undefined"), text);
        if (good) found.push(`${pieces.join(" ")}, ${rows}`);
      }
    assert.deepEqual(found.sort(), wanted.map((one) => one.join(", ")).sort(), task);
  }
});

test("a prediction is answered by its first fault", () => {
  const said = (task, pieces, rows) => page.judge(task, pieces.split(" "), rows).text;
  assert.match(said("entailment", "start first extract"), /^Not yet: the hypothesis is missing/);
  assert.match(said("choice", "start first second"), /nothing says where the head reads/);
  assert.match(said("entailment", "extract start first delimiter second"),
    /There the extract token would not see the start token\.$/);
  assert.match(said("entailment", "start first second extract"),
    /nothing says where the premise ends and the hypothesis begins/);
  assert.match(said("classification", "start first delimiter extract"), /needs no delimiter/);
  assert.match(said("choice", "start second delimiter first extract"), /puts the context first/);
  assert.match(said("similarity", "start first delimiter second extract", "one"), /no such order/);
  assert.match(said("choice", "start first delimiter second extract", "one"), /holds one option/);
});

test("pieces are offered in no right order", () => {
  for (const task of Object.keys(page.TASKS)) {
    const pieces = page.piecesOf(task);
    assert.equal(page.judge(task, pieces, "one").right, false);
    assert.equal(pieces.includes("second"), task !== "classification");
  }
});

test("rows, cuts and rules in words", () => {
  assert.equal(page.listed(["a"]), "a");
  assert.equal(page.listed(["a", "b", "c"]), "a, b and c");
  const [row] = page.layout("entailment", [30, 1], 12);
  assert.equal(page.rowInWords("entailment", { segments: row, at: 7 }),
    "Start, 4 tokens of the premise, delimiter, 1 token of the hypothesis and extract. The head "
    + "reads position 7.");
  const cuts = (task, ...rest) => (
    page.cutsOf(task, page.layout(task, ...rest).map((segments) => ({ segments }))));
  assert.deepEqual(cuts("entailment", [30, 1], 12), ["26 of 30 tokens of the premise"]);
  assert.deepEqual(cuts("similarity", [30, 5], 12), [
    "26 of 30 tokens of text A", "1 of 5 tokens of text B"]);
  assert.deepEqual(cuts("choice", [8, 1, 30, 2], 12, 99), [
    "3 of 8 tokens of the context", "26 of 30 tokens of option 1"]);
  assert.deepEqual(cuts("choice", [3, 1, 2], 12), []);
  assert.match(page.ruleOf("classification", 12, null), /n_ctx − 2 = 10 tokens/);
  assert.match(page.ruleOf("entailment", 12, null), /n_ctx \/\/ 2 − 2 = 4 tokens/);
  assert.match(page.ruleOf("entailment", 12, 99), /^Two texts keep n_ctx − 3 = 9 tokens together/);
  assert.match(page.ruleOf("entailment", 12, 5), /^Each text keeps at most 5 tokens\. Two texts/);
});

test("a token in words: what it is, what it sees, what the loss asks it for", () => {
  const vocabulary = page.vocabularyOf({
    name: "bytes", kind: "byte", size: 256, base: Array.from({ length: 256 }, (_, i) => i),
    ids: [[0, 0]], width: 2, merges: new DataView(new ArrayBuffer(0)),
  });
  const rules = { patterns: { byte: "[^]+" }, classes: {} };
  const lanes = ["ab", "é"].map((text) => page.tokensOf(vocabulary, text, rules));
  assert.deepEqual(lanes[0].all.map(({ id }) => id), [97, 98]);
  const asked = given("entailment", lanes, { full: true });
  const [row] = page.example(asked).rows;
  assert.deepEqual(row.ids, [90, 97, 98, 91, 0xc3, 0xa9, 92]);
  const said = (fact) => page.tokenInWords("entailment", row, fact, asked).flat().join("");
  const text = (i, k, position) => (
    { kind: "text", text: i, position, lane: lanes[i], piece: lanes[i].all[k] });
  assert.equal(said({ kind: "start", position: 0, id: 90 }),
    "Position 0: _start_, id 90, a new token. It sees itself alone. The loss asks it for id 97, a.");
  assert.equal(said(text(0, 1, 2)), "Position 2: premise, id 98, byte 62: b (U+0062). It sees "
    + "positions 0 to 2. The loss asks it for id 91, _delimiter_.");
  assert.match(said({ kind: "delimiter", position: 3, id: 91 }), /for id 195, a part of a character\.$/);
  assert.match(said(text(1, 1, 5)), /for id 92, _classify_\.$/);
  assert.equal(said({ kind: "extract", position: 6, id: 92 }), "Position 6: _classify_, id 92, a new "
    + "token. It sees all 7 tokens, and the head reads its state. The loss asks it for nothing.");
  assert.match(said({ kind: "pad", position: 7, end: 11 }), /^Positions 7 to 11: padding, id 0\. /);
  assert.match(said({ kind: "pad", position: 7, end: 7 }), /^Position 7: padding, id 0\. /);
});

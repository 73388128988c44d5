// What decides the ids of a text and how a token is shown, on vocabularies small enough to be worked
// out by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const page = await load("shared/tokens.js");
const PATTERN = String.raw` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const NEWLINE_WORDS = String.raw`\n|n't(?!\p{L})|\p{L}+?(?=n't(?!\p{L}))|\p{L}+|[^\s]`;
// Classes are gaps and lengths: \n and the space; A-Z and a-z; 0-9; Latin, and Σ with σ and ς.
const rules = {
  patterns: { byte: PATTERN, word: NEWLINE_WORDS },
  classes: {
    s: [10, 1, 21, 1], space: [10, 1, 21, 1], L: [65, 26, 6, 26, 0x3a3 - 123, 1, 30, 2],
    N: [48, 10], M: [0x300, 4], cased: [65, 26, 6, 26], ignorable: [39, 1, 0x301 - 40, 1],
  },
  forms: [["…", "..."], ["’", "'"]],
  upper: "ABΣ", lower: ["a", "b", "σ"],
};
const numbers = (list, bytes) => {
  const view = new DataView(new ArrayBuffer(list.length * bytes));
  list.forEach((n, i) => view[bytes === 2 ? "setUint16" : "setUint32"](i * bytes, n, true));
  return view;
};
/** Base " ", "a", "b", "c" and é's two bytes as symbols 0 to 5; merges ab, abc, " ab", é. */
const packed = (width = 2) => ({
  name: "small", kind: "byte", size: 10, width, ids: [[0, 0], [6, 20], [8, 30]],
  base: [32, 97, 98, 99, 0xc3, 0xa9],
  merges: numbers([1, 2, 6, 3, 0, 6, 4, 5], width),
});
const small = page.vocabularyOf(packed());
const spelled = (text) => page.spell(small, text, rules);
const lane = (text) => page.laneOf(small, text, rules);

test("half a surrogate pair becomes a question mark, a pair stays", () => {
  assert.equal(page.wellFormed("a\ud83db\ude00"), "a\ufffdb\ufffd");
  assert.equal(page.wellFormed("😀"), "😀");
});

test("gaps and lengths become the inside of a class", () => {
  assert.equal(page.ranges([65, 26, 6, 26, 5, 1]), "\\u{41}-\\u{5a}\\u{61}-\\u{7a}\\u{80}");
});

test("a pattern asks our tables, not the browser's", () => {
  const cut = (text) => text.match(page.compile(PATTERN, rules.classes));
  assert.deepEqual(cut("Ab 12\ufeff  \n!é"), ["Ab", " 12", "\ufeff", "  ", "\n", "!é"]);
  assert.deepEqual(cut("a  b"), ["a", " ", " b"]);
  assert.deepEqual(cut("a\x1cb\xa0"), ["a", "\x1c", "b", "\xa0"]);
});

test("Σ ends a word as ς", () => {
  assert.equal(page.lowerCase("aΣ aΣ' Σa Σ bΣb 'Σ", rules), "aς aς' σa σ bσb 'σ");
});

test("words in lower case, forms and newlines as GPT-1 has them", () => {
  assert.deepEqual(page.plainWords(" A…  \n \n don’t b", rules),
    ["a", ".", ".", ".", "\n", "do", "n't", "b"]);
  assert.deepEqual(page.plainWords("\n a \n", rules), ["a"]);
  assert.deepEqual(page.plainWords(" ", rules), []);
});

test("byte offsets of one, two, three and four bytes", () => {
  assert.deepEqual([...page.byteOffsets("aé你😀!")], [0, 1, 3, 6, 8, 10, 11]);
});

test("a pair is found or not", () => {
  const find = page.pairTable(Int32Array.of(1, 2, 1), Int32Array.of(2, 1, 1));
  assert.deepEqual([find(1, 2), find(2, 1), find(1, 1), find(2, 2)], [0, 1, 2, -1]);
  assert.equal(page.pairTable(new Int32Array(0), new Int32Array(0))(1, 2), -1);
});

test("a full table keeps every pair", () => {
  const left = Int32Array.from({ length: 5000 }, (_, i) => i % 71);
  const right = Int32Array.from({ length: 5000 }, (_, i) => Math.floor(i / 71));
  const find = page.pairTable(left, right);
  for (let i = 0; i < 5000; i++) assert.equal(find(left[i], right[i]), i);
});

test("ids are runs, and numbers of two or four bytes", () => {
  for (const vocabulary of [small, page.vocabularyOf(packed(4))]) {
    assert.deepEqual([0, 5, 6, 7, 8, 9].map(vocabulary.idOf), [0, 5, 20, 21, 30, 31]);
    assert.deepEqual(page.encode(vocabulary, "abc abé", rules), [21, 30, 31]);
  }
});

test("no merge crosses a word's border", () => {
  assert.deepEqual([...spelled("a b").heads], [1, 1, 0]);
  assert.deepEqual(page.encode(small, "a b", rules), [1, 0, 2]);
  const two = { symbols: Int32Array.of(1, 2), heads: [1, 1] };
  assert.deepEqual(page.mergeSteps(two, small), []);
});

test("merges come in the order of their ranks, all places at once", () => {
  const steps = page.mergeSteps(spelled("ab abc ab"), small);
  assert.deepEqual(steps, [
    { rank: 0, places: [0, 3, 7] }, { rank: 1, places: [3] }, { rank: 2, places: [6] },
  ]);
});

test("of overlapping pairs the left one is merged", () => {
  const doubles = { n: 1, nBase: 1, left: [0], right: [0], find: () => -1 };
  doubles.find = page.pairTable(Int32Array.of(0), Int32Array.of(0));
  const text = { symbols: Int32Array.of(0, 0, 0, 0, 0), heads: [1, 0, 0, 0, 0] };
  assert.deepEqual(page.mergeSteps(text, doubles), [{ rank: 0, places: [0, 2] }]);
});

test("the pieces after each step, with the seam of the newest", () => {
  const text = spelled("abc"), steps = page.mergeSteps(text, small);
  const at = (k) => page.piecesAt(text, steps, k, small.nBase).map((p) => Object.values(p));
  assert.deepEqual(at(0), [[0, 1, 1, 0], [1, 2, 2, 0], [2, 3, 3, 0]]);
  assert.deepEqual(at(1), [[0, 2, 6, 1], [2, 3, 3, 0]]);
  assert.deepEqual(at(2), [[0, 3, 7, 2]]);
});

test("characters are their code points, words end with </w> and may be unknown", () => {
  const characters = page.vocabularyOf({ name: "C", kind: "characters", size: 0x110000 });
  assert.deepEqual(page.encode(characters, "aé😀", rules), [97, 233, 0x1f600]);
  const words = page.vocabularyOf({
    name: "W", kind: "word", size: 4, base: ["<unk>", "a", "b</w>"], ids: [[0, 0]], width: 2,
    merges: numbers([1, 2], 2),
  });
  assert.deepEqual(page.encode(words, "AB a b", rules), [3, 0, 2]);
  const drawn = page.laneOf(words, "AB c", rules), [ab, c] = drawn.pieces(1);
  assert.deepEqual([drawn.endsWord(ab), drawn.unknown(ab), drawn.unknown(c)], [true, false, true]);
  const said = (piece) => page.describe(drawn, piece).flat().join("");
  assert.equal(said(ab), "id 3, ab, the end of a word");
  assert.equal(said(c), "id 0, <unk>: no token holds c (U+0063)");
});

test("bytes are shown as characters where they are whole", () => {
  const shown = (...bytes) => page.readable(Uint8Array.from(bytes));
  assert.deepEqual(shown(97, 0xc3, 0xa9), [{ text: "a" }, { text: "é" }]);
  assert.deepEqual(shown(0xa9, 97, 0xe4, 0xbd), [
    { byte: "A9" }, { text: "a" }, { byte: "E4" }, { byte: "BD" }]);
  assert.deepEqual(shown(0xef, 0xbb, 0xbf), [{ text: "\ufeff" }]);
  assert.deepEqual(shown(0xf0, 0x9f, 0x98, 0x80, 33), [{ text: "😀" }, { text: "!" }]);
});

test("what leaves no ink gets a sign, what turns the text is only named", () => {
  const parts = [..." a\n\t\0\u202e\u200d\xa0\x85\ue000"].map((text) => ({ text }));
  assert.deepEqual(page.runs(parts), [
    ["sign", "·"], ["ink", "a"], ["sign", "↵"], ["sign", "⇥"], ["sign", "␀"],
    ["sign", "U+202E"], ["sign", "U+200D"], ["sign", "U+00A0"],
    ["sign", "U+0085"], ["sign", "U+E000"],
  ]);
  assert.deepEqual(page.runs([{ text: "\u0301" }, { text: "a" }]), [["ink", "◌\u0301a"]]);
  assert.deepEqual(page.runs([{ byte: "E4" }, { text: "a" }, { text: "b" }]), [
    ["byte", "E4"], ["ink", "ab"]]);
});

test("a token that parts a character says of which", () => {
  const cut = lane("aé"), [a, first] = cut.pieces(0);
  assert.deepEqual([a.from, a.to, first.from, first.to], [0, 1, 1, 2]);
  assert.deepEqual([cut.cut(1), cut.cut(2), cut.cut(3)], [false, true, false]);
  assert.deepEqual(cut.span(2, 2), [1, 3]);
  assert.equal(page.describe(cut, first).flat().join(""), "id 4, byte C3, part of é (U+00E9)");
  assert.equal(page.describe(cut, a).flat().join(""), "id 1, byte 61: a (U+0061)");
  const [whole] = lane("é").pieces(1);
  assert.equal(page.describe(lane("é"), whole).flat().join(""), "id 31, bytes C3 A9: é (U+00E9)");
});

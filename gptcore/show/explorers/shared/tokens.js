// A text as tokens: what decides the ids, pure and tested against gptcore, and what a token looks
// like. No explorer of its own; those that encode texts import from here, and their modules reach
// a page with this text in the import's place.
//
// No table of the browser's is asked what a letter, a space or a lower case is: Python sends its
// own.

import { h } from "./kit.js";

// ------------------------------------------------------------------ text to words

/** Half a surrogate pair is no text: it becomes "�", as in gptcore. */
export function wellFormed(text) {
  return text.replace(/[\ud800-\udfff]/gu, "\ufffd");
}

/** Inside of a character class, from [gap, length, gap, length, ...] over the code points. */
export function ranges(deltas) {
  const name = (point) => `\\u{${point.toString(16)}}`;
  let point = 0, found = "";
  for (let i = 0; i < deltas.length; i += 2) {
    const first = point + deltas[i];
    point = first + deltas[i + 1];
    found += deltas[i + 1] > 1 ? `${name(first)}-${name(point - 1)}` : name(first);
  }
  return found;
}

/** A pattern of gptcore's, with its classes written out: \p{L}, \p{M}, \p{N}, \s and \S. */
export function compile(pattern, classes) {
  const inside = (name) => ranges(classes[name]);
  const source = pattern
    .replace(/\[[^\]]*\]/g, (all) =>
      all.replace(/\\p\{(\w)\}|\\(s)/g, (_, a, b) => inside(a ?? b)))
    .replace(/\\p\{(\w)\}|\\(s)/g, (_, a, b) => `[${inside(a ?? b)}]`)
    .replace(/\\S/g, () => `[^${inside("s")}]`);
  return new RegExp(source, "gu");
}

const READY = new WeakMap();  // rules -> what is compiled from them, once

function ready(rules) {
  if (!READY.has(rules)) {
    const set = (name) => rules.classes[name] && `[${ranges(rules.classes[name])}]`;
    const [space, cased, passed] = ["space", "cased", "ignorable"].map(set);
    READY.set(rules, {
      byte: compile(rules.patterns.byte, rules.classes),
      ...(space && {
        word: compile(rules.patterns.word, rules.classes),
        spaces: new RegExp(`${space}+`, "gu"),
        edges: new RegExp(`^${space}+|${space}+$`, "gu"),
        sigma: new RegExp(`(?<=${cased}${passed}*)Σ(?!${passed}*${cased})`, "gu"),
        lower: new Map([...rules.upper].map((char, i) => [char, rules.lower[i]])),
      }),
    });
  }
  return READY.get(rules);
}

/** Python's str.lower(). */
export function lowerCase(text, rules) {
  const { lower, sigma } = ready(rules);
  return [...text.replace(sigma, "ς")].map((char) => lower.get(char) ?? char).join("");
}

/** GPT-1's words as gptcore cuts them without ftfy and spaCy: `plain_words`. */
export function plainWords(text, rules) {
  const { word, spaces, edges } = ready(rules);
  for (const [old, now] of rules.forms) text = text.replaceAll(old, now);
  text = text.replace(spaces, (run) => (run.includes("\n") ? " \n " : run)).replace(edges, "");
  return lowerCase(text, rules).match(word) ?? [];
}

/** Byte offset of every UTF-16 index of a text, and of its end. */
export function byteOffsets(text) {
  const offsets = new Int32Array(text.length + 1);
  for (let i = 0, at = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Half of a pair counts two bytes: a whole pair is four.
    at += code < 0x80 ? 1 : code < 0x800 || (code & 0xf800) === 0xd800 ? 2 : 3;
    offsets[i + 1] = at;
  }
  return offsets;
}

// ------------------------------------------------------------------ words to base symbols

/** A vocabulary as Python packed it, laid out for encoding. */
export function vocabularyOf(packed) {
  if (packed.kind === "characters") return { ...packed, n: 0, nBase: 0, idOf: (symbol) => symbol };
  const { base, merges, width } = packed, n = merges.byteLength / width / 2;
  const read = (i) => (width === 2 ? merges.getUint16(2 * i, true) : merges.getUint32(4 * i, true));
  const left = Int32Array.from({ length: n }, (_, rank) => read(2 * rank));
  const right = Int32Array.from({ length: n }, (_, rank) => read(2 * rank + 1));
  const ids = new Int32Array(base.length + n);
  packed.ids.forEach(([symbol, id], i) => {
    const end = packed.ids[i + 1]?.[0] ?? ids.length;
    for (let s = symbol; s < end; s++) ids[s] = id + s - symbol;
  });
  const symbolOf = new Map(base.map((token, symbol) => [token, symbol]));
  const find = pairTable(left, right);
  return { ...packed, n, nBase: base.length, left, right, find, symbolOf, idOf: (s) => ids[s] };
}

/** (left, right) -> rank of that merge, or -1: a hash table in one typed array. */
export function pairTable(left, right) {
  const mask = (1 << (33 - Math.clz32(left.length))) - 1;
  const slots = new Int32Array(mask + 1).fill(-1);
  const slot = (l, r) => {
    let i = ((Math.imul(l, 0x9e3779b1) ^ Math.imul(r, 0x85ebca6b)) >>> 9) & mask;
    while (slots[i] >= 0 && (left[slots[i]] !== l || right[slots[i]] !== r)) i = (i + 1) & mask;
    return i;
  };
  left.forEach((l, rank) => { slots[slot(l, right[rank])] = rank; });
  return (l, r) => slots[slot(l, r)];
}

/**
 * A text as base symbols. `heads[i]` says that a word begins at unit i; a unit is a byte, a
 * character, or for kind "word" a character of GPT-1's words (`chars`).
 */
export function spell(vocabulary, text, rules) {
  const bytes = new TextEncoder().encode(text);
  if (vocabulary.kind === "word") {
    const chars = [], heads = [], symbols = [];
    const unknown = vocabulary.symbolOf.get("<unk>");
    for (const word of plainWords(text, rules)) {
      const letters = [...word];
      letters.forEach((char, i) => {
        const token = i === letters.length - 1 ? `${char}</w>` : char;
        symbols.push(vocabulary.symbolOf.get(token) ?? unknown);
        chars.push(char);
        heads.push(i === 0);
      });
    }
    return { symbols: Int32Array.from(symbols), heads, chars };
  }
  if (vocabulary.kind === "characters") {
    const symbols = Int32Array.from(text, (char) => char.codePointAt(0));
    return { symbols, heads: new Uint8Array(symbols.length), bytes };
  }
  const heads = new Uint8Array(bytes.length), offsets = byteOffsets(text);
  for (const { index } of text.matchAll(ready(rules).byte)) heads[offsets[index]] = 1;
  const symbols = Int32Array.from(bytes, (byte) => vocabulary.symbolOf.get(byte));
  return { symbols, heads, bytes };
}

// ------------------------------------------------------------------ merging

/**
 * Every merge that the text needs, earliest learned first: [{ rank, places }], places being the
 * units at which the merged pairs begin. A pair that a merge makes was learned later than the
 * merge, so one pass over the ranks finds them all.
 */
export function mergeSteps({ symbols, heads }, { left, right, find, n, nBase }) {
  const now = symbols.slice(), length = new Int32Array(now.length).fill(1);
  const back = Int32Array.from(now, (_, i) => i - 1);
  const waiting = new Array(n), steps = [];
  const offer = (at) => {
    const after = at + length[at];
    if (at < 0 || after >= now.length || heads[after]) return;
    const rank = find(now[at], now[after]);
    if (rank >= 0) (waiting[rank] ??= []).push(at);
  };
  if (n) now.forEach((_, at) => offer(at));
  for (let rank = 0; rank < n; rank++) {
    if (!waiting[rank]) continue;
    const places = [];
    for (const at of waiting[rank].sort((a, b) => a - b)) {
      const after = at + length[at];
      if (now[at] !== left[rank] || now[after] !== right[rank]) continue;
      now[at] = nBase + rank;
      now[after] = -1;
      length[at] += length[after];
      if (at + length[at] < now.length) back[at + length[at]] = at;
      places.push(at);
      offer(at);
      if (!heads[at]) offer(back[at]);
    }
    waiting[rank] = undefined;
    if (places.length) steps.push({ rank, places });
  }
  return steps;
}

/**
 * The pieces after the first k steps: where each starts, how many units it has, its symbol, and
 * for those that step k made, where the seam between the two halves is (else 0).
 */
export function piecesAt({ symbols }, steps, k, nBase) {
  const now = symbols.slice(), length = new Int32Array(now.length).fill(1);
  const seam = new Int32Array(now.length);
  steps.slice(0, k).forEach(({ rank, places }, i) => {
    for (const at of places) {
      if (i === k - 1) seam[at] = at + length[at];
      length[at] += length[at + length[at]];
      now[at] = nBase + rank;
    }
  });
  const pieces = [];
  for (let at = 0; at < now.length; at += length[at])
    pieces.push({ start: at, end: at + length[at], symbol: now[at], seam: seam[at] });
  return pieces;
}

/** The ids of a text in one vocabulary: what gptcore's Tokenizer.encode returns. */
export function encode(vocabulary, text, rules) {
  const spelled = spell(vocabulary, wellFormed(text), rules);
  const steps = mergeSteps(spelled, vocabulary);
  const pieces = piecesAt(spelled, steps, steps.length, vocabulary.nBase);
  return pieces.map(({ symbol }) => vocabulary.idOf(symbol));
}

// ------------------------------------------------------------------ pieces to something readable

/** Bytes as what can be shown: [{ text }] for whole characters, [{ byte: "E4" }] for parts. */
export function readable(bytes) {
  const found = [];
  for (let i = 0; i < bytes.length; ) {
    const head = bytes[i];
    const n = head < 0x80 ? 1 : head < 0xc0 ? 0 : head < 0xe0 ? 2 : head < 0xf0 ? 3 : 4;
    if (n && i + n <= bytes.length && bytes.subarray(i + 1, i + n).every(isTail)) {
      found.push({ text: UTF8.decode(bytes.subarray(i, i + n)) });
      i += n;
    } else found.push({ byte: hex(bytes[i++]) });
  }
  return found;
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const isTail = (byte) => (byte & 0xc0) === 0x80;
const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
const point = (char) => `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** What stands for a character that leaves no ink, or null: · for the space, U+200D, ... */
export function sign(char) {
  const code = char.codePointAt(0);
  if (char === " ") return "·";
  if (char === "\n") return "↵";
  if (char === "\t") return "⇥";
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  return /[\p{C}\p{Z}\p{DI}]/u.test(char) ? point(char) : null;
}

/** Characters and bytes as runs to draw: [kind, text], kind being "ink", "sign" or "byte". */
export function runs(parts) {
  const found = [];
  for (const { text, byte } of parts) {
    const kind = byte ? "byte" : sign(text) ? "sign" : "ink";
    const shown = byte ?? sign(text) ?? text;
    if (kind === "ink" && found.at(-1)?.[0] === "ink") found.at(-1)[1] += shown;
    else found.push([kind, shown]);
  }
  // A mark that leans on a letter gets a circle to lean on.
  if (found[0]?.[0] === "ink" && /^\p{M}/u.test(found[0][1])) found[0][1] = `◌${found[0][1]}`;
  return found;
}

/** A text in one vocabulary, with all its merges: what a lane draws. */
export function laneOf(vocabulary, text, rules) {
  const spelled = spell(vocabulary, text, rules), { symbols, heads, bytes, chars } = spelled;
  const steps = mergeSteps(spelled, vocabulary), isWord = vocabulary.kind === "word";
  let offsets = (unit) => unit;  // unit -> byte
  if (vocabulary.kind === "characters") {
    const starts = Int32Array.from(bytes.keys()).filter((i) => !isTail(bytes[i]));
    offsets = (unit) => starts[unit] ?? bytes.length;
  }
  return {
    vocabulary, steps, isWord,
    /** The pieces after k steps; for all but words with their bytes, [from, to). */
    pieces(k) {
      return piecesAt(spelled, steps, k, vocabulary.nBase).map((piece) => ({
        ...piece,
        id: vocabulary.idOf(piece.symbol),
        ...(!isWord && { from: offsets(piece.start), to: offsets(piece.end) }),
      }));
    },
    /** What units [start, end) say: parts for `runs`. */
    parts(start, end) {
      if (!isWord) return readable(bytes.subarray(offsets(start), offsets(end)));
      const unknown = vocabulary.symbolOf.get("<unk>");
      return chars.slice(start, end).map((text, i) => (
        symbols[start + i] === unknown ? { text: "<unk>" } : { text }));
    },
    unknown: ({ symbol }) => isWord && symbol === vocabulary.symbolOf.get("<unk>"),
    endsWord: ({ end }) => isWord && (end === symbols.length || Boolean(heads[end])),
    /** Bytes [from, to), grown to whole characters. */
    span(from, to) {
      while (isTail(bytes[from])) from--;
      while (to < bytes.length && isTail(bytes[to])) to++;
      return [from, to];
    },
    cut: (at) => !isWord && at < bytes.length && isTail(bytes[at]),
    bytes, chars,
  };
}

/** A token in words; what stands in an array is text of the reader's. */
export function describe(lane, piece) {
  const id = `id ${piece.id}, `;
  if (lane.isWord) {
    const text = lane.chars.slice(piece.start, piece.end).join("");
    if (lane.unknown(piece)) return [`${id}<unk>: no token holds `, [text], ` (${point(text)})`];
    return [id, [text], lane.endsWord(piece) ? ", the end of a word" : ", not the end of its word"];
  }
  const { from, to } = piece, text = UTF8.decode(lane.bytes.subarray(...lane.span(from, to)));
  const bytes = [...lane.bytes.subarray(from, Math.min(to, from + 12))].map(hex).join(" ");
  const points = [...text].slice(0, 4).map(point).join(" ");
  return [
    `${id}${to - from === 1 ? "byte" : "bytes"} ${bytes}${to - from > 12 ? " …" : ""}`,
    lane.cut(from) || lane.cut(to) ? ", part of " : ": ", [text],
    ` (${points}${[...text].length > 4 ? " …" : ""})`,
  ];
}

// ------------------------------------------------------------------ drawing

/** Text of the reader's, each run on its own: its direction and its marks reach no further. */
export const inked = (parts) =>
  runs(parts).map(([kind, text]) => h("bdi", { class: `tk-${kind}` }, text));

/** Parts of a sentence; what stands in an array is text of the reader's. */
export const sentence = (parts) => parts.map((part) => {
  if (typeof part === "string") return part;
  return h("span", { class: "tk-own" }, ...inked([...part[0]].map((text) => ({ text }))));
});

/** What is said of a vocabulary whose words a page cannot cut as its authors did; else null. */
export function aboutWords({ kind, splitter }) {
  if (kind !== "word") return null;
  const lost = "Lower case only, spaces are lost.";
  return splitter !== "spacy" ? lost
    : `${lost} GPT-1 cut words with ftfy and spaCy; a page has neither and cuts them by gptcore's `
      + "plain rule: on English prose about one token in a hundred differs.";
}
